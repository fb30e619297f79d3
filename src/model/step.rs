//! Whole steps of small systems as native code. Those of a network leave values for their reverse.

use super::Number;
use crate::codegen::{Backend, Frame, Kernel, Output, Spec};
use crate::graph::{Graph, NodeId};
use crate::solve::{ForwardStep, ReverseAlone, ReverseStep, StepAlone, Tableau, TakenStep};
use smallvec::SmallVec;

/// A whole step of a Runge–Kutta method, forward or in reverse, as a graph of its own: `compile` says of what.
#[derive(Clone, Debug)]
pub struct StepParts {
    /// The graph.
    pub graph: Graph,
    /// Operands in order, captures last.
    pub inputs: Vec<NodeId>,
    /// The operand that is the stages' times.
    pub times: NodeId,
    /// Results in order; of a forward step, behind its own, what each stage leaves for its pull-back.
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
    /// Entries that a step leaves for its reverse.
    kept: usize,
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
        let kept = forward.output_lengths()[FORWARD_RESULTS..].iter().sum();
        Ok(Self { tableau, lanes, timed, kept, forward, reverse })
    }

    /// Bytes of machine code.
    pub(super) fn code_size(&self) -> usize {
        self.forward.code_size() + self.reverse.as_ref().map_or(0, |(kernel, _)| kernel.code_size())
    }

    /// Number of stages' times, `(S − 1) L`.
    pub(super) fn times(&self) -> usize {
        (self.tableau.stages() - 1) * self.lanes
    }

    /// Times of the stages after the first, `[S − 1][L]`; left alone where nothing depends on time.
    pub(super) fn stage_times(&self, t: &[f64], t_next: &[f64], out: &mut [T]) {
        let nodes = &self.tableau.c[1..];
        if !self.timed {
            return;
        }
        for (row, (k, c)) in out.chunks_exact_mut(self.lanes).zip(nodes.iter().enumerate()) {
            for (x, (t, next)) in row.iter_mut().zip(t.iter().zip(t_next)) {
                *x = T::narrow(if k + 1 == nodes.len() { *next } else { t + c * (next - t) });
            }
        }
    }

    /// Operands of a reverse step that are read where they are: the states, the stages and what they left, if anything.
    fn given(&self) -> usize {
        REVERSE_GIVEN + usize::from(self.kept > 0)
    }

    /// Those that the kernel has.
    fn of_given<'a>(&self, all: [&'a [T]; REVERSE_GIVEN + 1]) -> SmallVec<[&'a [T]; REVERSE_GIVEN + 1]> {
        all.into_iter().take(self.given()).collect()
    }

    /// Operands of a reverse step before the captures; the last one is the stages' times.
    fn reverse_inputs(&self) -> usize {
        self.given() + REVERSE_OWN
    }

    /// A step forward. `room` is for what the step leaves where nobody wants it.
    pub(super) fn step(&self, step: &mut ForwardStep<T>, shared: Shared<T>, room: &mut Vec<T>) {
        let own: [&[T]; FORWARD_INPUTS] = [step.z, step.h, step.first, &step.tolerances, shared.times];
        let wanted = step.kept.len() == self.kept;
        room.resize(if wanted { 0 } else { self.kept }, T::default());
        let kept = if wanted { &mut *step.kept } else { room.as_mut_slice() };
        self.leave(own, [&mut *step.later, &mut *step.z_new, &mut *step.error], kept, shared);
    }

    fn leave(
        &self,
        own: [&[T]; FORWARD_INPUTS],
        results: [&mut [T]; FORWARD_RESULTS],
        kept: &mut [T],
        shared: Shared<T>,
    ) {
        let mut outputs: SmallVec<[&mut [T]; 16]> = results.into_iter().collect();
        let mut rest = kept;
        for &size in &self.forward.output_lengths()[FORWARD_RESULTS..] {
            let (value, after) = rest.split_at_mut(size);
            outputs.push(value);
            rest = after;
        }
        self.forward.run_parts([&own, shared.captures], &mut outputs, (&mut [], &[]), shared.scratch);
    }

    /// A step in reverse. `room` is for what the step has left, where that is to be computed again.
    ///
    /// # Panics
    /// If there is no pull-back.
    pub(super) fn reverse_step(
        &self,
        step: &mut ReverseStep<T>,
        bars: &mut [Vec<T>],
        mut shared: Shared<T>,
        room: &mut Vec<T>,
    ) {
        let (kernel, marked) = self.reverse.as_ref().expect("a pull-back");
        let left = match step.kept {
            _ if self.kept == 0 => &[],
            Some(kept) => kept,
            None => self.take_again(step, shared.again(), room),
        };
        let mut own: SmallVec<[&[T]; 16]> = SmallVec::new();
        own.extend(self.of_given([step.z, step.z_new, step.ks, left]));
        own.extend([step.h, step.dense, step.carry, step.z_new_bar, step.z_bar, shared.times]);
        let results = &mut [&mut *step.total, &mut *step.first_bar, &mut *step.t_bar, &mut *step.h_bar];
        kernel.run_parts([&own, shared.captures], results, (bars, marked), shared.scratch);
    }

    /// What a step has left, computed again.
    fn take_again<'r>(&self, step: &ReverseStep<T>, shared: Shared<T>, room: &'r mut Vec<T>) -> &'r [T] {
        room.resize(self.forward.output_lengths().iter().sum(), T::default());
        let mut rest = Rest(room.as_mut_slice());
        let results = std::array::from_fn(|k| rest.head(self.forward.output_lengths()[k]));
        let own = [step.z, step.h, &step.ks[..step.z.len()], &[T::default(); 2], shared.times];
        let kept = rest.0;
        self.leave(own, results, kept, shared);
        kept
    }
}

/// What all steps of a tile share.
pub(super) struct Shared<'a, T> {
    /// Times of the stages after the first, `[S − 1][L]`.
    pub times: &'a [T],
    /// Captured values, in order.
    pub captures: &'a [&'a [T]],
    /// Buffer of the kernels.
    pub scratch: &'a mut Vec<T>,
}

impl<T> Shared<'_, T> {
    /// For one more call.
    fn again(&mut self) -> Shared<'_, T> {
        Shared { times: self.times, captures: self.captures, scratch: self.scratch }
    }
}

/// Whole steps of one sample in buffers of their own.
pub(super) struct StepsAlone<'k, T> {
    whole: &'k WholeStep<T>,
    forward: Frame<'k, T>,
    reverse: Option<Frame<'k, T>>,
}

impl<'k, T: Number> StepsAlone<'k, T> {
    /// Buffers with the captured values.
    pub fn new(whole: &'k WholeStep<T>, captures: &[&[T]]) -> Self {
        let bind = |kernel: &'k Kernel<T>, own: usize| {
            let mut frame = Frame::new(kernel);
            for (k, capture) in (own..).zip(captures) {
                let at = frame.input(k);
                frame.values()[at].copy_from_slice(capture);
            }
            frame
        };
        let reverse = whole.reverse.as_ref().map(|(kernel, _)| bind(kernel, whole.reverse_inputs()));
        Self { whole, forward: bind(&whole.forward, FORWARD_INPUTS), reverse }
    }

    pub fn forward(&mut self) -> StepAlone<'_, T> {
        let (dim, results) = (self.forward.input(0).len(), self.forward.output(0).start);
        let later = self.forward.output(0).len();
        let (given, rest) = self.forward.values().split_at_mut(results);
        let (mut given, mut rest) = (Rest(given), Rest(rest));
        StepAlone {
            z: given.head(dim),
            h: given.head(1),
            first: given.head(dim),
            tolerances: given.head(2),
            later: rest.head(later),
            z_new: rest.head(dim),
            error: rest.head(1),
            kept: rest.0,
        }
    }

    pub fn run_forward(&mut self, t: f64, t_next: f64, h: T) {
        run_forward(self.whole, &mut self.forward, (t, t_next, h));
    }

    /// # Panics
    /// If there is no pull-back.
    pub fn reverse(&mut self) -> ReverseAlone<'_, T> {
        let frame = self.reverse.as_mut().expect("a pull-back");
        let (dim, stages) = (frame.input(0).len(), frame.input(2).len());
        let (results, dense) = (frame.output(0).start, frame.input(self.whole.given() + 1).start);
        let (given, rest) = frame.values().split_at_mut(results);
        let (mut given, mut rest) = (Rest(&mut given[dense..]), Rest(rest));
        ReverseAlone {
            dense: given.head(stages),
            carry: given.head(dim),
            z_new_bar: given.head(dim),
            z_bar: given.head(dim),
            total: rest.head(dim),
            first_bar: rest.head(dim),
            t_bar: rest.head(1),
            h_bar: rest.head(1),
        }
    }

    /// # Panics
    /// If there is no pull-back.
    pub fn run_reverse(&mut self, step: &TakenStep<T>) {
        let Self { whole, forward, reverse } = self;
        let frame = reverse.as_mut().expect("a pull-back");
        let h = frame.input(whole.given()).start;
        frame.values()[h] = step.h;
        set_times(whole, frame, whole.reverse_inputs() - 1, step.t, step.t_next);
        let left = match step.kept {
            _ if whole.kept == 0 => &[],
            Some(kept) => kept,
            None => take_again(whole, forward, step),
        };
        frame.run_with(&whole.of_given([step.z, step.z_new, step.ks, left]));
    }

    /// Adds the captures' cotangents to `bars` and forgets them.
    pub fn give(&mut self, bars: &mut [Vec<T>]) {
        let (Some(frame), Some((_, marked))) = (&mut self.reverse, &self.whole.reverse) else { return };
        for (slot, (bar, _)) in (REVERSE_RESULTS..).zip(bars.iter_mut().zip(marked).filter(|(_, marked)| **marked)) {
            let at = frame.output(slot);
            for (sum, x) in bar.iter_mut().zip(&mut frame.values()[at]) {
                *sum = T::narrow(sum.widen() + x.widen());
                *x = T::default();
            }
        }
    }
}

fn run_forward<T: Number>(whole: &WholeStep<T>, frame: &mut Frame<T>, (t, t_next, h): (f64, f64, T)) {
    let at = frame.input(1).start;
    frame.values()[at] = h;
    set_times(whole, frame, FORWARD_INPUTS - 1, t, t_next);
    frame.run();
}

/// What a step alone has left, computed again.
fn take_again<'f, T: Number>(whole: &WholeStep<T>, frame: &'f mut Frame<T>, step: &TakenStep<T>) -> &'f [T] {
    let (z, first, kept) = (frame.input(0), frame.input(2), frame.output(FORWARD_RESULTS).start);
    frame.values()[z].copy_from_slice(step.z);
    frame.values()[first].copy_from_slice(&step.ks[..step.z.len()]);
    run_forward(whole, frame, (step.t, step.t_next, step.h));
    &frame.values()[kept..]
}

/// Operands of a forward step before the captures; the last one is the stages' times.
const FORWARD_INPUTS: usize = 5;
/// Results of a forward step before what its stages leave.
const FORWARD_RESULTS: usize = 3;
/// Operands of a reverse step that are read where they are: the states and the stages.
const REVERSE_GIVEN: usize = 3;
/// Its others before the captures.
const REVERSE_OWN: usize = 6;
/// Results of a reverse step before the captures' cotangents.
const REVERSE_RESULTS: usize = 4;

fn set_times<T: Number>(whole: &WholeStep<T>, frame: &mut Frame<T>, times: usize, t: f64, t_next: f64) {
    if whole.timed {
        let at = frame.input(times);
        whole.stage_times(&[t], &[t_next], &mut frame.values()[at]);
    }
}

/// What is left of a piece of memory.
struct Rest<'a, T>(&'a mut [T]);

impl<'a, T> Rest<'a, T> {
    /// Takes the first `n` off.
    fn head(&mut self, n: usize) -> &'a mut [T] {
        let (head, tail) = std::mem::take(&mut self.0).split_at_mut(n);
        self.0 = tail;
        head
    }
}
