//! Sums over samples for many pull-backs at once.

use super::{Bound, Number, SystemParts};
use crate::codegen::{Backend, Kernel, Output, Spec};
use crate::graph::{Graph, NodeId};

/// Sums over samples and calls, from factors that a pull-back leaves.
#[derive(Clone, Debug)]
pub struct Gathered {
    /// Values that a call leaves, in the graph of the pull-back.
    pub factors: Vec<NodeId>,
    /// What becomes of those of `calls` calls.
    pub graph: Graph,
    /// The factors there, with the calls as one more axis, the first.
    pub inputs: Vec<NodeId>,
    /// The sums.
    pub sums: Vec<GatheredSum>,
    /// Calls whose factors are gathered.
    pub calls: usize,
}

/// A sum over samples and calls.
#[derive(Clone, Copy, Debug)]
pub struct GatheredSum {
    /// What it is added to.
    pub target: usize,
    /// That over the samples of one call, in the graph of the pull-back.
    pub single: NodeId,
    /// That over all calls, in [`Gathered::graph`].
    pub all: NodeId,
}

impl Gathered {
    /// Whether this part of a target's sum over samples is gathered.
    pub(super) fn has(&self, target: usize, single: NodeId) -> bool {
        self.sums.iter().any(|s| (s.target, s.single) == (target, single))
    }

    /// The kernel's results: sums with the same target in one slot, by target.
    pub fn outputs(&self) -> Vec<Output> {
        let mut sums = self.sums.clone();
        sums.sort_by_key(|sum| sum.target);
        let mut outputs: Vec<Output> = Vec::new();
        for (i, sum) in sums.iter().enumerate() {
            let slot = outputs.last().map_or(0, |o| o.slot + usize::from(sums[i - 1].target != sum.target));
            outputs.push(Output { node: sum.all, slot, add: true });
        }
        outputs
    }
}

/// What a pull-back is given.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Given {
    /// The state.
    State,
    /// The cotangent of the right-hand side.
    Seed,
    /// A value that the right-hand side left.
    Kept(usize),
}

impl SystemParts {
    /// Whether a value is one that the pull-back is given.
    pub(super) fn given(&self, node: NodeId) -> Option<Given> {
        let [state, _, seed] = self.leaves;
        let kept = || self.kept.iter().position(|k| *k == node).map(Given::Kept);
        match node {
            _ if node == state => Some(Given::State),
            _ if node == seed => Some(Given::Seed),
            _ => kept(),
        }
    }
}

/// The kernel that multiplies gathered factors.
pub(super) struct Gather<T> {
    kernel: Kernel<T>,
    /// Captures whose cotangents it adds to.
    marked: Vec<bool>,
    calls: usize,
    /// Entries of each factor, lanes included.
    sizes: Vec<usize>,
    /// Where each comes from; `None`: the pull-back leaves it.
    given: Vec<Option<Given>>,
}

impl<T: Number> Gather<T> {
    /// Compiles it.
    pub fn new(
        g: &Graph,
        parts: &SystemParts,
        gathered: &Gathered,
        lanes: usize,
        backend: Backend,
    ) -> Result<Self, String> {
        let mut marked = vec![false; parts.captures.len()];
        gathered.sums.iter().for_each(|sum| marked[sum.target] = true);
        let spec = Spec { graph: &gathered.graph, inputs: &gathered.inputs, outputs: &gathered.outputs(), lanes };
        Ok(Self {
            kernel: Kernel::new(&spec, backend)?,
            marked,
            calls: gathered.calls,
            sizes: gathered.factors.iter().map(|&f| g.size(f) * lanes).collect(),
            given: gathered.factors.iter().map(|&f| parts.given(f)).collect(),
        })
    }

    /// Room for the factors.
    pub fn room(&self) -> Factors<T> {
        Factors { values: self.sizes.iter().map(|n| vec![T::default(); n * self.calls]).collect(), filled: 0 }
    }

    /// Bytes of machine code.
    pub fn code_size(&self) -> usize {
        self.kernel.code_size()
    }
}

/// Factors of some calls, `[calls][entries][lanes]` each.
#[derive(Default)]
pub(super) struct Factors<T> {
    values: Vec<Vec<T>>,
    filled: usize,
}

impl<T: Number> Factors<T> {
    /// Copies what the next call is given, and returns where it leaves the rest.
    pub fn next<'f>(
        &'f mut self,
        gather: &'f Gather<T>,
        [z, w]: [&'f [T]; 2],
        kept: &'f [&[T]],
    ) -> impl Iterator<Item = &'f mut [T]> {
        let at = self.filled;
        let each = self.values.iter_mut().zip(&gather.sizes).zip(&gather.given);
        each.filter_map(move |((values, &size), given)| {
            let own = &mut values[at * size..][..size];
            let from = match given {
                None => return Some(own),
                Some(Given::State) => z,
                Some(Given::Seed) => w,
                Some(Given::Kept(k)) => kept[*k],
            };
            own.copy_from_slice(from);
            None
        })
    }
}

impl<T: Number> Bound<'_, T> {
    /// The factors that the last pull-back left count.
    pub(super) fn count_factors(&mut self) {
        let Some(gather) = &self.kernels.gather else { return };
        self.factors.filled += 1;
        if self.factors.filled == gather.calls {
            self.multiply_factors();
        }
    }

    /// Adds the products of the factors so far to the cotangents of the captures.
    pub fn multiply_factors(&mut self) {
        let Some(gather) = self.kernels.gather.as_ref().filter(|_| self.factors.filled > 0) else { return };
        for (values, size) in self.factors.values.iter_mut().zip(&gather.sizes) {
            values[self.factors.filled * size..].fill(T::default());
        }
        let factors: Vec<&[T]> = self.factors.values.iter().map(Vec::as_slice).collect();
        let bars = (self.bars.as_mut_slice(), gather.marked.as_slice());
        gather.kernel.run_parts([&factors, &[]], &mut [], bars, &mut self.scratch);
        self.factors.filled = 0;
    }
}
