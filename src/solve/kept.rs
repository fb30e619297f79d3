//! What evaluations of the right-hand side leave for their pull-backs, for all lanes at once.
//!
//! Where the lanes step together, a step of one is a step of all. Where each has its own steps, what is kept is that of
//! the attempts that some lanes accepted, and which these were: the reverse pass goes through the attempts then.

use super::real::Real;
use smallvec::SmallVec;

/// Bytes that a tape keeps at most without a budget; the pull-backs of later steps compute the values again.
const ROOM: usize = 1 << 27;

/// Values of every evaluation, in blocks of one size.
#[derive(Debug, Clone, Default)]
pub(super) struct Kept<R> {
    /// Values of one evaluation.
    size: usize,
    /// Evaluations of a step: all stages but the first, which is the last one of the step before.
    stages: usize,
    /// The very first stage; empty where nothing is kept.
    first: Vec<R>,
    /// The others of every step; that at `used` is of the attempt under way, those behind are room to be used again.
    steps: Vec<Vec<R>>,
    used: usize,
    /// Lanes, where each has its own steps; 0: they step together.
    lanes: usize,
    /// Which lanes accepted an attempt, `[attempts][L]`.
    taken: Vec<bool>,
    /// Most steps to keep.
    most: usize,
}

impl<R: Real> Kept<R> {
    /// Forgets everything, and keeps blocks of `size` from now on (0: nothing). Of a `bounded` tape only those of the
    /// attempt under way: right-hand sides that leave values may differ in the last bit from those that do not, so the
    /// same ones are evaluated with and without a budget.
    pub(super) fn reset(&mut self, size: usize, stages: usize, bounded: bool) {
        if (self.size, self.stages) != (size, stages) {
            self.steps.clear();
        }
        (self.size, self.stages, self.used) = (size, stages, 0);
        self.lanes = 0;
        self.taken.clear();
        self.first.resize(size, R::ZERO);
        self.most = if bounded { 0 } else { ROOM / (self.block() * size_of::<R>()).max(1) };
    }

    /// The same for so many lanes that have their own steps.
    pub(super) fn apart(&mut self, lanes: usize) {
        self.lanes = if self.is_on() { lanes } else { 0 };
    }

    /// For steps of the same kind, none of which is kept, of one of so many equal parts of the lanes.
    pub(super) fn passing(&self, parts: usize) -> Self {
        let mut passing = Self::default();
        passing.reset(self.size / parts, self.stages, true);
        passing
    }

    /// Values of a step.
    fn block(&self) -> usize {
        self.size * self.stages.saturating_sub(1)
    }

    /// Whether anything is kept.
    pub(super) fn is_on(&self) -> bool {
        self.size > 0
    }

    /// Where the very first stage leaves its values.
    pub(super) fn first(&mut self) -> &mut [R] {
        &mut self.first
    }

    /// Where the later stages of an attempt leave theirs; empty where nothing is kept.
    pub(super) fn attempt(&mut self) -> &mut [R] {
        let block = self.block();
        if block == 0 {
            return &mut [];
        }
        if self.used == self.steps.len() {
            self.steps.push(vec![R::ZERO; block]);
        }
        &mut self.steps[self.used]
    }

    /// The attempt has become a step of these lanes, one at least; the next one leaves its values elsewhere if there is
    /// room.
    pub(super) fn accept(&mut self, accepted: &[bool]) {
        if self.lanes > 0 {
            self.taken.extend_from_slice(accepted);
            self.cover(accepted);
        }
        self.used += usize::from(self.used < self.steps.len().min(self.most));
    }

    /// Puts what the very first stage left in the place of what lanes left that did not accept: they wait at their start
    /// in the reverse pass, and must find something finite that goes with it.
    fn cover(&mut self, accepted: &[bool]) {
        if accepted.iter().all(|accepted| *accepted) {
            return;
        }
        let idle: SmallVec<[usize; 16]> = (0..self.lanes).filter(|&lane| !accepted[lane]).collect();
        for stage in self.steps[self.used].chunks_exact_mut(self.size) {
            for (row, start) in stage.chunks_exact_mut(self.lanes).zip(self.first.chunks_exact(self.lanes)) {
                idle.iter().for_each(|&lane| row[lane] = start[lane]);
            }
        }
    }

    /// Lanes without a result wait at the start of one that has one: the same for all that they left.
    pub(super) fn settle(&mut self, good: &[bool]) {
        let Some(host) = good.iter().position(|good| *good).filter(|_| self.lanes > 0) else { return };
        if good.iter().all(|good| *good) {
            return;
        }
        let start = self.first.chunks_exact(self.lanes).cycle();
        for (row, start) in self.steps[..self.used].iter_mut().flat_map(|s| s.chunks_exact_mut(self.lanes)).zip(start) {
            row.iter_mut().zip(good).filter(|(_, good)| !**good).for_each(|(x, _)| *x = start[host]);
        }
    }

    /// Number of attempts that became steps of some lanes; `None`: the lanes step together.
    pub(super) fn attempts(&self) -> Option<usize> {
        self.taken.len().checked_div(self.lanes)
    }

    /// Whether an attempt became a step of a lane.
    pub(super) fn is_step(&self, attempt: usize, lane: usize) -> bool {
        self.taken[attempt * self.lanes + lane]
    }

    /// What stage `i` of a step (or attempt) left.
    pub(super) fn stage(&self, step: usize, i: usize) -> Option<&[R]> {
        let (step, i) = match (step, i) {
            (0, 0) => return self.is_on().then_some(&self.first),
            (step, 0) => (step - 1, self.stages - 1),
            own => own,
        };
        let block = self.steps[..self.used].get(step)?;
        block.get((i - 1) * self.size..i * self.size)
    }

    /// What all stages of a step but the first left; the steps are those of all lanes together.
    pub(super) fn step(&self, step: usize) -> Option<&[R]> {
        self.steps[..self.used].get(step).filter(|_| self.is_on()).map(Vec::as_slice)
    }

    /// Memory in use, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.taken.len() + size_of::<R>() * (self.first.len() + self.used * self.block())
    }
}
