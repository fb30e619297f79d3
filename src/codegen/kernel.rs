//! A callable kernel: buffers in, buffers out.

mod frame;

pub use frame::Frame;

use super::interp;
use super::jit::{self, Code};
use super::plan::{Output, Spec, plan};
use crate::graph::{Graph, NodeId};
use std::sync::Arc;

/// The precision a model runs in.
pub trait Element: Copy + Default + Send + Sync + PartialEq + std::fmt::Debug + 'static {
    /// `f32` or `f64`: the ending of kernel names.
    const NAME: &'static str;
    /// Rounded from double precision.
    fn narrow(value: f64) -> Self;
    /// Exact.
    fn widen(self) -> f64;
}

impl Element for f64 {
    const NAME: &'static str = "f64";
    fn narrow(value: f64) -> Self {
        value
    }
    fn widen(self) -> f64 {
        self
    }
}

impl Element for f32 {
    const NAME: &'static str = "f32";
    #[allow(clippy::cast_possible_truncation, reason = "rounding is the point")]
    fn narrow(value: f64) -> Self {
        value as f32
    }
    fn widen(self) -> f64 {
        f64::from(self)
    }
}

/// What runs a kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Backend {
    /// Native code.
    #[default]
    Jit,
    /// The reference interpreter.
    Interpreter,
}

enum Body<T> {
    Jit { code: Arc<Code>, constants: Vec<T> },
    Interpreter { graph: Arc<Graph>, inputs: Vec<NodeId>, outputs: Vec<Output> },
}

/// A compiled piece of a graph.
pub struct Kernel<T> {
    inputs: Vec<usize>,
    outputs: Vec<usize>,
    scratch: usize,
    lanes: usize,
    body: Body<T>,
}

/// Buffers whose pointers are passed without allocating.
const FEW: usize = 16;

/// Room for `n` pointers.
fn room<'a, P: Copy>(few: &'a mut [P; FEW], many: &'a mut Vec<P>, n: usize, empty: P) -> &'a mut [P] {
    if n <= FEW {
        return &mut few[..n];
    }
    many.resize(n, empty);
    many
}

fn check(k: usize, length: usize, lengths: &[usize]) {
    assert!(lengths[k] == length, "buffer {k} has {length} entries, not {}", lengths[k]);
}

impl<T: Element> Kernel<T> {
    /// Compiles a piece of a graph.
    ///
    /// # Errors
    /// When the code generator refuses, which is a bug or an unsupported machine.
    pub fn new(spec: &Spec, backend: Backend) -> Result<Self, String> {
        let plan = plan(spec);
        let body = match backend {
            Backend::Jit => {
                let constants = plan.memory.constants.iter().map(|&c| T::narrow(c)).collect();
                Body::Jit { code: Arc::new(jit::compile::<T>(&plan)?), constants }
            }
            Backend::Interpreter => Body::Interpreter {
                graph: Arc::new(spec.graph.clone()),
                inputs: spec.inputs.to_vec(),
                outputs: spec.outputs.to_vec(),
            },
        };
        let scratch = plan.memory.scratch;
        Ok(Self { inputs: plan.inputs, outputs: plan.outputs, scratch, lanes: plan.lanes, body })
    }

    /// Length of each input buffer.
    pub fn input_lengths(&self) -> &[usize] {
        &self.inputs
    }

    /// Length of each output buffer.
    pub fn output_lengths(&self) -> &[usize] {
        &self.outputs
    }

    /// Entries of scratch that [`Self::run`] uses.
    pub fn scratch_len(&self) -> usize {
        self.scratch
    }

    /// Bytes of machine code; 0 for the interpreter.
    pub fn code_size(&self) -> usize {
        match &self.body {
            Body::Jit { code, .. } => code.size(),
            Body::Interpreter { .. } => 0,
        }
    }

    /// Runs the kernel. `scratch` grows to what is needed on the first call and can be shared by kernels in turn.
    ///
    /// # Panics
    /// When a buffer has another length than [`Self::input_lengths`] and [`Self::output_lengths`] say.
    pub fn run(&self, inputs: &[&[T]], outputs: &mut [&mut [T]], scratch: &mut Vec<T>) {
        self.run_parts([inputs, &[]], outputs, (&mut [], &[]), scratch);
    }

    /// The same with the inputs in two parts, and with those of some more outputs that are marked: nothing is collected
    /// before a small kernel.
    ///
    /// # Panics
    /// As [`Self::run`].
    pub fn run_parts(
        &self,
        inputs: [&[&[T]]; 2],
        outputs: &mut [&mut [T]],
        (more, marked): (&mut [Vec<T>], &[bool]),
        scratch: &mut Vec<T>,
    ) {
        match &self.body {
            Body::Jit { code, constants } => {
                if scratch.len() < self.scratch {
                    scratch.resize(self.scratch, T::default());
                }
                // Arrays and plain loops: anything else takes as long as a small kernel.
                let (mut few_from, mut many_from) = ([std::ptr::null(); FEW], Vec::new());
                let from = room(&mut few_from, &mut many_from, self.inputs.len(), std::ptr::null());
                let mut k = 0;
                for part in inputs {
                    for buffer in part {
                        check(k, buffer.len(), &self.inputs);
                        from[k] = buffer.as_ptr();
                        k += 1;
                    }
                }
                assert!(k == from.len(), "a kernel reads {} buffers, not {k}", from.len());
                let (mut few_to, mut many_to) = ([std::ptr::null_mut(); FEW], Vec::new());
                let to = room(&mut few_to, &mut many_to, self.outputs.len(), std::ptr::null_mut());
                let mut k = 0;
                for buffer in outputs {
                    check(k, buffer.len(), &self.outputs);
                    to[k] = buffer.as_mut_ptr();
                    k += 1;
                }
                for (buffer, marked) in more.iter_mut().zip(marked) {
                    if *marked {
                        check(k, buffer.len(), &self.outputs);
                        to[k] = buffer.as_mut_ptr();
                        k += 1;
                    }
                }
                assert!(k == to.len(), "a kernel writes {} buffers, not {k}", to.len());
                code.call(from, to, scratch, constants);
            }
            Body::Interpreter { graph, inputs: nodes, outputs: results } => {
                let inputs: Vec<&[T]> = inputs.into_iter().flatten().copied().collect();
                let own = outputs.iter_mut().map(|b| &mut **b);
                let more = more.iter_mut().zip(marked).filter(|(_, marked)| **marked).map(|(b, _)| b.as_mut_slice());
                let mut outputs: Vec<&mut [T]> = own.chain(more).collect();
                let fits = inputs.iter().map(|b| b.len()).eq(self.inputs.iter().copied())
                    && outputs.iter().map(|b| b.len()).eq(self.outputs.iter().copied());
                assert!(fits, "the buffers of a kernel have its lengths");
                self.interpret(graph, nodes, results, &inputs, &mut outputs);
            }
        }
    }

    fn interpret(&self, g: &Graph, nodes: &[NodeId], results: &[Output], inputs: &[&[T]], outputs: &mut [&mut [T]]) {
        let wide: Vec<Vec<f64>> =
            inputs.iter().zip(&self.inputs).map(|(b, n)| b[..*n].iter().map(|x| x.widen()).collect()).collect();
        let given: Vec<(NodeId, &[f64])> = nodes.iter().copied().zip(wide.iter().map(Vec::as_slice)).collect();
        let wanted: Vec<NodeId> = results.iter().map(|o| o.node).collect();
        let values = interp::evaluate(g, &given, &wanted, self.lanes, |x| T::narrow(x).widen());
        for (result, value) in results.iter().zip(values) {
            for (out, x) in outputs[result.slot].iter_mut().zip(value) {
                *out = if result.add { T::narrow(out.widen() + x) } else { T::narrow(x) };
            }
        }
    }
}
