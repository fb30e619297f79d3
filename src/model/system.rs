//! A compiled system as the solvers see it.

mod gathered;
mod jacobian;
mod keep;

pub use gathered::{Gathered, GatheredSum};
pub use jacobian::JacobianParts;

use super::Number;
use super::events::{EventKernels, EventParts};
use super::step::{Shared, StepsAlone, WholeStep};
use crate::codegen::{Backend, Element, Kernel, Output, Spec};
use crate::graph::{Binary, Graph, NodeId, Op};
use crate::solve::{AdjointSystem, ForwardStep, ReverseAlone, ReverseStep, Sparsity, StepAlone, System, TakenStep};
use gathered::{Factors, Gather};
use jacobian::JacobianKernels;
use keep::Keep;
use smallvec::SmallVec;
use std::sync::Arc;

/// A captured value of a system.
#[derive(Clone, Copy, Debug)]
pub struct Capture {
    /// Entries, lanes included.
    pub len: usize,
    /// Per sample.
    pub batched: bool,
}

/// The nodes of a system's kernels.
#[derive(Clone, Debug)]
pub struct SystemParts {
    /// Number of components.
    pub dim: usize,
    /// `Leaf::State`, `Leaf::Time` (or `Leaf::Clock`, where the samples share it), `Leaf::Seed`.
    pub leaves: [NodeId; 3],
    /// The captures' leaves.
    pub captures: Vec<NodeId>,
    /// Whether anybody reads derivatives by the start and output times.
    pub times: bool,
    /// f(t, z)
    pub rhs: NodeId,
    /// Cotangents of state, time and captures; `None` is a structural zero. Absent where no gradient is wanted.
    pub bars: Option<Vec<Option<NodeId>>>,
    /// Values that the right-hand side leaves for the pull-back; empty where that computes them again.
    pub kept: Vec<NodeId>,
    /// Sums over samples that are done for many pull-backs at once.
    pub gathered: Option<Gathered>,
    /// The Jacobian, for implicit methods.
    pub jacobian: Option<JacobianParts>,
    /// Its events, if it has any.
    pub events: Option<EventParts>,
}

/// What a system's kernel reads and writes.
#[derive(Clone, Debug)]
pub struct KernelParts {
    /// Nodes that are given.
    pub inputs: Vec<NodeId>,
    /// Results.
    pub outputs: Vec<Output>,
    /// Output slot of each of f, z̄, t̄ and the captures' cotangents.
    pub slots: Vec<Option<usize>>,
}

impl SystemParts {
    /// The right-hand side: from state, time and captures.
    pub fn right_hand_side(&self) -> KernelParts {
        self.value(self.rhs)
    }

    /// A value from state, time and captures.
    pub(super) fn value(&self, value: NodeId) -> KernelParts {
        let [state, time, _] = self.leaves;
        let inputs = [state, time].into_iter().chain(self.captures.iter().copied()).collect();
        KernelParts { inputs, outputs: vec![Output { node: value, slot: 0, add: false }], slots: vec![Some(0)] }
    }

    /// The vector-Jacobian product: cotangents of state and time and, with `captures`, those of the captures, added up;
    /// with `rhs`, f too.
    pub fn pull_back(&self, g: &Graph, rhs: bool, captures: bool) -> Option<KernelParts> {
        let rhs = rhs.then_some(self.rhs);
        let gathered = self.gathered.as_ref().filter(|_| captures);
        Some(self.cotangents(g, self.leaves[2], rhs, self.bars.as_ref()?, (captures, gathered)))
    }

    /// The parts of the captures' cotangents that are sums over samples or values of them, by capture.
    pub fn capture_terms(&self, g: &Graph) -> Vec<(usize, NodeId)> {
        let captured = self.bars.iter().flatten().skip(2).enumerate();
        captured
            .flat_map(|(k, bar)| bar.map_or_else(Vec::new, |b| terms(g, b)).into_iter().map(move |t| (k, t)))
            .collect()
    }

    /// Cotangents of state, time and captures for the cotangent `seed` of something; in the place of what is gathered,
    /// its factors.
    pub(super) fn cotangents(
        &self,
        g: &Graph,
        seed: NodeId,
        rhs: Option<NodeId>,
        bars: &[Option<NodeId>],
        (captures, gathered): (bool, Option<&Gathered>),
    ) -> KernelParts {
        let [state, time, _] = self.leaves;
        let mut parts = KernelParts {
            inputs: [state, time, seed].into_iter().chain(self.captures.iter().copied()).collect(),
            outputs: Vec::new(),
            slots: Vec::new(),
        };
        let (own, captured) = bars.split_at(2);
        parts.push(rhs.as_slice(), false);
        own.iter().for_each(|bar| parts.push(bar.as_slice(), false));
        if let Some(gathered) = gathered {
            let left = gathered.factors.iter().filter(|&&f| self.given(f).is_none());
            left.for_each(|&node| parts.outputs.push(Output { node, slot: parts.used(), add: false }));
        }
        for (k, bar) in captured.iter().enumerate() {
            let mut nodes = bar.filter(|_| captures).map_or_else(Vec::new, |bar| terms(g, bar));
            nodes.retain(|&node| gathered.is_none_or(|gathered| !gathered.has(k, node)));
            parts.push(&nodes, true);
        }
        parts
    }
}

impl KernelParts {
    /// A result: the sum of some nodes, or nothing.
    fn push(&mut self, nodes: &[NodeId], add: bool) {
        let slot = self.used();
        self.outputs.extend(nodes.iter().map(|&node| Output { node, slot, add }));
        self.slots.push((!nodes.is_empty()).then_some(slot));
    }

    /// Number of slots so far.
    fn used(&self) -> usize {
        self.outputs.last().map_or(0, |o| o.slot + 1)
    }

    /// Whether it becomes code without loops.
    pub fn is_straight(&self, g: &Graph, lanes: usize) -> bool {
        Spec { graph: g, inputs: &self.inputs, outputs: &self.outputs, lanes }.is_straight()
    }

    pub(super) fn compile<T: Element>(&self, g: &Graph, lanes: usize, backend: Backend) -> Result<Kernel<T>, String> {
        Kernel::new(&Spec { graph: g, inputs: &self.inputs, outputs: &self.outputs, lanes }, backend)
    }
}

/// A vector-Jacobian product with the outputs it has.
pub(super) struct Vjp<T> {
    pub kernel: Kernel<T>,
    pub slots: Vec<Option<usize>>,
    /// Which captures have a cotangent.
    kept: Vec<bool>,
    /// Whether it leaves factors to be gathered.
    pub leaves_factors: bool,
}

impl<T: Number> Vjp<T> {
    /// Compiles it. Inputs: state, time, seed, then what else is given, captures last.
    pub fn new(g: &Graph, parts: KernelParts, lanes: usize, backend: Backend) -> Result<Self, String> {
        let kept = parts.slots.iter().skip(3).map(Option::is_some).collect();
        Ok(Self { kernel: parts.compile(g, lanes, backend)?, slots: parts.slots, kept, leaves_factors: false })
    }
}

/// Native code of a system.
pub struct SystemKernels<T> {
    /// Number of components.
    pub dim: usize,
    /// Samples side by side.
    pub lanes: usize,
    /// About how many multiply-adds a right-hand side of one sample takes as long as; as yet unknown, much.
    pub work: usize,
    /// Captured values.
    pub captures: Vec<Capture>,
    /// Values of time that the kernels read: one a lane, or one for all.
    times: usize,
    /// f(t, z)
    pub rhs: Kernel<T>,
    /// Its events, if it has any.
    pub events: Option<EventKernels<T>>,
    state_only: Option<Vjp<T>>,
    full: Option<Vjp<T>>,
    /// In the place of `full`.
    keep: Option<Keep<T>>,
    /// What becomes of the factors that `full` or `keep` leaves.
    gather: Option<Gather<T>>,
    whole: Option<WholeStep<T>>,
    jacobian: Option<JacobianKernels<T>>,
}

impl<T: Number> SystemKernels<T> {
    /// Compiles a system. `backwards` adds what the continuous adjoint needs.
    ///
    /// # Errors
    /// When the code generator refuses.
    pub fn new(
        g: &Graph,
        parts: &SystemParts,
        lanes: usize,
        backwards: bool,
        backend: Backend,
    ) -> Result<Self, String> {
        let rhs = parts.right_hand_side().compile(g, lanes, backend)?;
        let captures = parts
            .captures
            .iter()
            .map(|&c| Capture { len: g.size(c) * if g.batched(c) { lanes } else { 1 }, batched: g.batched(c) })
            .collect();
        let gathers = parts.gathered.is_some();
        let vjp = |with_rhs: bool, with_captures: bool| -> Result<Option<Vjp<T>>, String> {
            let Some(parts) = parts.pull_back(g, with_rhs, with_captures) else { return Ok(None) };
            let leaves_factors = with_captures && gathers;
            Ok(Some(Vjp { leaves_factors, ..Vjp::new(g, parts, lanes, backend)? }))
        };
        let keep = Keep::new(g, parts, lanes, backend)?;
        let gather = parts.gathered.as_ref().map(|all| Gather::new(g, parts, all, lanes, backend)).transpose()?;
        let full = if keep.is_none() { vjp(false, true)? } else { None };
        let state_only = if backwards { vjp(true, false)? } else { None };
        let jacobian = JacobianKernels::new(g, parts, lanes, backend)?;
        let events = EventKernels::new(g, parts, lanes, backend)?;
        let times = if g.batched(parts.leaves[1]) { lanes } else { 1 };
        let (dim, whole) = (parts.dim, None);
        Ok(Self {
            dim,
            lanes,
            work: usize::MAX,
            captures,
            times,
            rhs,
            events,
            state_only,
            full,
            keep,
            gather,
            whole,
            jacobian,
        })
    }

    /// With an estimate of the work.
    #[must_use]
    pub fn with_work(self, work: usize) -> Self {
        Self { work, ..self }
    }

    /// Adds whole steps: the forward one and, where there is a pull-back, the reverse one.
    #[must_use]
    pub fn with_steps(mut self, whole: Option<WholeStep<T>>) -> Self {
        self.whole = whole;
        self
    }

    /// Whether a step is one call.
    pub fn takes_whole_steps(&self) -> bool {
        self.whole.is_some()
    }

    /// Bytes of machine code: right-hand side, vector-Jacobian products, Jacobian.
    pub fn code_size(&self) -> usize {
        let vjp = |v: &Option<Vjp<T>>| v.as_ref().map_or(0, |v| v.kernel.code_size());
        let whole = self.whole.as_ref().map_or(0, WholeStep::code_size);
        let jacobian = self.jacobian.as_ref().map_or(0, JacobianKernels::code_size);
        let events = self.events.as_ref().map_or(0, EventKernels::code_size);
        let keep = self.keep.as_ref().map_or(0, Keep::code_size);
        let gather = self.gather.as_ref().map_or(0, Gather::code_size);
        self.rhs.code_size() + keep + gather + vjp(&self.state_only) + vjp(&self.full) + whole + jacobian + events
    }
}

/// Sums of shared values are added one by one, each by its own matrix product.
fn terms(g: &Graph, id: NodeId) -> Vec<NodeId> {
    let node = g.node(id);
    if node.batched || node.op != Op::Map2(Binary::Add) {
        return vec![id];
    }
    node.args.iter().flat_map(|&a| terms(g, a)).collect()
}

/// A system with its captured values, for one tile.
pub(super) struct Bound<'a, T> {
    pub kernels: &'a SystemKernels<T>,
    captures: SmallVec<[&'a [T]; 8]>,
    /// Cotangents of the captures so far.
    pub(super) bars: Vec<Vec<T>>,
    /// Factors of them that are yet to be multiplied.
    factors: Factors<T>,
    time: Vec<T>,
    /// Buffer of the kernels, to be given back.
    pub scratch: Vec<T>,
    /// Room for results that are not kept beyond a call.
    void: Vec<T>,
    stage_times: Vec<T>,
    /// Buffers of whole steps of one sample, once they are asked for.
    alone: Option<StepsAlone<'a, T>>,
    /// What is kept from a right-hand side to the pull-back right after it, and that right-hand side.
    passed: [Vec<T>; 2],
}

impl<'a, T: Number> Bound<'a, T> {
    /// Binds captured values, in order.
    pub fn new(kernels: &'a SystemKernels<T>, captures: SmallVec<[&'a [T]; 8]>, scratch: Vec<T>) -> Self {
        let time = vec![T::default(); kernels.times];
        let passed = [Vec::new(), Vec::new()];
        let stage_times = vec![T::default(); kernels.whole.as_ref().map_or(0, WholeStep::times)];
        let (bars, factors, void) = (Vec::new(), Factors::default(), Vec::new());
        Self { kernels, captures, bars, factors, time, scratch, void, stage_times, alone: None, passed }
    }

    /// Buffers of whole steps of one sample.
    fn alone(&mut self) -> &mut StepsAlone<'a, T> {
        let (kernels, captures) = (self.kernels, &self.captures);
        let whole = || kernels.whole.as_ref().expect("a system with whole steps");
        self.alone.get_or_insert_with(|| StepsAlone::new(whole(), captures))
    }

    /// Prepares the accumulators of the captures' cotangents.
    pub fn with_bars(mut self) -> Self {
        self.bars = self.kernels.captures.iter().map(|c| vec![T::default(); c.len]).collect();
        self.factors = self.kernels.gather.as_ref().map_or_else(Factors::default, Gather::room);
        self
    }

    /// The captures' cotangents.
    pub fn bars(&mut self) -> &mut Vec<Vec<T>> {
        self.multiply_factors();
        &mut self.bars
    }

    pub fn clock(&mut self, t: &[f64]) {
        for (x, &t) in self.time.iter_mut().zip(t) {
            *x = T::narrow(t);
        }
    }

    /// Runs a kernel from time, state and captures.
    pub fn value(&mut self, kernel: &Kernel<T>, t: &[f64], z: &[T], out: &mut [T]) {
        self.clock(t);
        kernel.run_parts([&[z, &self.time], &self.captures], &mut [out], (&mut [], &[]), &mut self.scratch);
    }

    /// Runs a vector-Jacobian product at the time of [`Self::clock`].
    pub fn pull(&mut self, vjp: &Vjp<T>, z: &[T], w: &[T], dz: &mut [T], z_bar: &mut [T], t_bar: &mut [T]) {
        self.pull_from(vjp, z, w, &[], [dz, z_bar, t_bar]);
    }

    /// The same, given `more` of its nodes.
    fn pull_from(&mut self, vjp: &Vjp<T>, z: &[T], w: &[T], more: &[&[T]], [dz, z_bar, t_bar]: [&mut [T]; 3]) {
        z_bar.fill(T::default());
        t_bar.fill(T::default());
        let mut inputs: SmallVec<[&[T]; 16]> = SmallVec::new();
        inputs.extend([z, &self.time, w]);
        inputs.extend(more.iter().copied());
        let mut outputs: SmallVec<[&mut [T]; 8]> = SmallVec::new();
        for (slot, buffer) in vjp.slots.iter().zip([dz, z_bar, t_bar]) {
            if slot.is_some() {
                outputs.push(buffer);
            }
        }
        let gather = self.kernels.gather.as_ref().filter(|_| vjp.leaves_factors);
        if let Some(gather) = gather {
            outputs.extend(self.factors.next(gather, [z, w], more));
        }
        let bars = (self.bars.as_mut_slice(), vjp.kept.as_slice());
        vjp.kernel.run_parts([&inputs, &self.captures], &mut outputs, bars, &mut self.scratch);
    }
}

impl<T: Number> System<T> for Bound<'_, T> {
    fn dim(&self) -> usize {
        self.kernels.dim
    }

    fn lanes(&self) -> usize {
        self.kernels.lanes
    }

    fn rhs(&mut self, t: &[f64], z: &[T], dz: &mut [T]) {
        self.value(&self.kernels.rhs, t, z, dz);
    }

    fn kept(&self) -> usize {
        self.kernels.keep.as_ref().map_or(0, Keep::size)
    }

    fn rhs_keeping(&mut self, t: &[f64], z: &[T], dz: &mut [T], kept: &mut [T]) {
        self.evaluate_keeping(t, z, dz, kept);
    }

    fn whole_steps(&self) -> bool {
        self.kernels.whole.is_some()
    }

    fn step(&mut self, step: &mut ForwardStep<T>) {
        let Some(whole) = &self.kernels.whole else { return };
        whole.stage_times(step.t, step.t_next, &mut self.stage_times);
        let shared = Shared { times: &self.stage_times, captures: &self.captures, scratch: &mut self.scratch };
        whole.step(step, shared, &mut self.void);
    }

    fn alone(&mut self) -> StepAlone<'_, T> {
        self.alone().forward()
    }

    fn step_alone(&mut self, t: f64, t_next: f64, h: T) {
        self.alone().run_forward(t, t_next, h);
    }

    fn sparsity(&self) -> Option<Arc<Sparsity>> {
        self.kernels.jacobian.as_ref()?.sparsity.clone()
    }

    fn jacobian(&mut self, t: f64, z: &[T], dfdz: &mut [T], dfdt: &mut [T]) {
        self.evaluate_jacobian(t, z, dfdz, dfdt);
    }
}

impl<T: Number> AdjointSystem<T> for Bound<'_, T> {
    fn vjp(&mut self, t: &[f64], z: &[T], w: &[T], z_bar: &mut [T], t_bar: &mut [T], parameters: bool) {
        if parameters && self.kernels.keep.is_some() {
            self.pull_afresh(t, z, w, z_bar, t_bar);
            return;
        }
        self.clock(t);
        let kernels = self.kernels;
        let mut void = std::mem::take(&mut self.void);
        match (&kernels.full, &kernels.state_only) {
            (Some(vjp), _) if parameters => {
                self.pull(vjp, z, w, &mut void, z_bar, t_bar);
                self.count_factors();
            }
            (_, Some(vjp)) => {
                void.resize(z.len(), T::default());
                self.pull(vjp, z, w, &mut void, z_bar, t_bar);
            }
            (Some(vjp), None) => {
                // Without the smaller kernel, the parameters' part is computed and thrown away.
                let kept = self.bars.clone();
                self.pull(vjp, z, w, &mut void, z_bar, t_bar);
                self.bars = kept;
            }
            (None, None) => unreachable!("a pull-back of a system that was compiled without one"),
        }
        self.void = void;
    }

    fn vjp_kept(&mut self, t: &[f64], z: &[T], w: &[T], kept: &[T], z_bar: &mut [T], t_bar: &mut [T]) {
        self.pull_kept(t, z, w, kept, z_bar, t_bar);
    }

    fn reverse_step(&mut self, step: &mut ReverseStep<T>) {
        let Some(whole) = &self.kernels.whole else { return };
        whole.stage_times(step.t, step.t_next, &mut self.stage_times);
        let shared = Shared { times: &self.stage_times, captures: &self.captures, scratch: &mut self.scratch };
        whole.reverse_step(step, &mut self.bars, shared, &mut self.void);
    }

    fn alone_in_reverse(&mut self) -> ReverseAlone<'_, T> {
        self.alone().reverse()
    }

    fn reverse_alone(&mut self, step: &TakenStep<T>) {
        self.alone().run_reverse(step);
    }

    fn end_reverse(&mut self) {
        if let Some(alone) = &mut self.alone {
            alone.give(&mut self.bars);
        }
    }

    fn augmented(&mut self, t: &[f64], z: &[T], w: &[T], dz: &mut [T], z_bar: &mut [T], t_bar: &mut [T]) {
        let kernels = self.kernels;
        match &kernels.state_only {
            Some(vjp) => {
                self.clock(t);
                self.pull(vjp, z, w, dz, z_bar, t_bar);
            }
            None => {
                self.rhs(t, z, dz);
                self.vjp(t, z, w, z_bar, t_bar, false);
            }
        }
    }

    fn jacobian_vjp(&mut self, t: f64, z: &[T], bars: (&[T], &[T]), z_bar: &mut [T], t_bar: &mut [T]) {
        self.pull_jacobian(t, z, bars, z_bar, t_bar);
    }
}
