//! Whole steps of small systems as native code.

use super::Number;
use crate::codegen::{Backend, Kernel, Output, Spec};
use crate::graph::{Graph, NodeId};
use crate::solve::Tableau;

/// A whole step of a Runge–Kutta method, forward or in reverse, as a graph of its own: `compile` says of what.
#[derive(Clone, Debug)]
pub struct StepParts {
    /// The graph.
    pub graph: Graph,
    /// Operands in order, captures last.
    pub inputs: Vec<NodeId>,
    /// The operand that is the stages' times.
    pub times: NodeId,
    /// Results in order.
    pub outputs: Vec<NodeId>,
    /// What is added to each capture's cotangent.
    pub bars: Vec<Vec<NodeId>>,
}

impl StepParts {
    /// The results and where they go; the captures that have a cotangent.
    fn outputs(&self) -> (Vec<Output>, Vec<bool>) {
        let plain = (0..).zip(&self.outputs).map(|(slot, &node)| Output { node, slot, add: false });
        let mut outputs: Vec<Output> = plain.collect();
        let kept = self.bars.iter().filter(|bars| !bars.is_empty());
        for (slot, bars) in (outputs.len()..).zip(kept) {
            outputs.extend(bars.iter().map(|&node| Output { node, slot, add: true }));
        }
        (outputs, self.bars.iter().map(|bars| !bars.is_empty()).collect())
    }

    fn compile<T: Number>(&self, lanes: usize, backend: Backend) -> Result<(Kernel<T>, Vec<bool>), String> {
        let (outputs, kept) = self.outputs();
        let spec = Spec { graph: &self.graph, inputs: &self.inputs, outputs: &outputs, lanes };
        Ok((Kernel::new(&spec, backend)?, kept))
    }

    /// Whether the stages' times, an operand of both directions, are used.
    fn timed(&self) -> bool {
        let used = self.graph.reachable(&self.outputs);
        self.inputs.iter().any(|id| *id == self.times && used.contains(id))
    }

    /// Whether it becomes code without loops.
    pub fn is_straight(&self, lanes: usize) -> bool {
        let (outputs, _) = self.outputs();
        Spec { graph: &self.graph, inputs: &self.inputs, outputs: &outputs, lanes }.is_straight()
    }
}

/// Native code of a step.
pub struct WholeStep<T> {
    tableau: &'static Tableau,
    lanes: usize,
    /// Whether the right-hand side depends on time.
    timed: bool,
    pub(super) forward: Kernel<T>,
    /// And which captures have a cotangent.
    pub(super) reverse: Option<(Kernel<T>, Vec<bool>)>,
}

impl<T: Number> WholeStep<T> {
    /// Compiles both directions.
    ///
    /// # Errors
    /// When the code generator refuses.
    pub fn new(
        tableau: &'static Tableau,
        forward: &StepParts,
        reverse: Option<&StepParts>,
        lanes: usize,
        backend: Backend,
    ) -> Result<Self, String> {
        let timed = forward.timed();
        let (forward, _) = forward.compile(lanes, backend)?;
        let reverse = reverse.map(|parts| parts.compile(lanes, backend)).transpose()?;
        Ok(Self { tableau, lanes, timed, forward, reverse })
    }

    /// Bytes of machine code.
    pub(super) fn code_size(&self) -> usize {
        self.forward.code_size() + self.reverse.as_ref().map_or(0, |(kernel, _)| kernel.code_size())
    }

    /// Times of the stages after the first, `[S − 1][L]`.
    pub(super) fn stage_times(&self, t: &[f64], t_next: &[f64], out: &mut Vec<T>) {
        let nodes = &self.tableau.c[1..];
        out.resize(nodes.len() * self.lanes, T::default());
        if !self.timed {
            return;
        }
        for (row, (k, c)) in out.chunks_exact_mut(self.lanes).zip(nodes.iter().enumerate()) {
            for (x, (t, next)) in row.iter_mut().zip(t.iter().zip(t_next)) {
                *x = T::narrow(if k + 1 == nodes.len() { *next } else { t + c * (next - t) });
            }
        }
    }
}
