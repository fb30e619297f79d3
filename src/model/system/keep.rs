//! Right-hand sides that leave values for their pull-backs.

use super::{Bound, KernelParts, Number, SystemParts, Vjp};
use crate::codegen::{Backend, Kernel, Output};
use crate::graph::Graph;
use smallvec::SmallVec;

/// A right-hand side that leaves values, and the pull-back that reads them.
pub(super) struct Keep<T> {
    rhs: Kernel<T>,
    vjp: Vjp<T>,
    /// Entries of each value, lanes included.
    sizes: Vec<usize>,
}

impl<T: Number> Keep<T> {
    /// Compiles both, for a system that keeps values and has a pull-back.
    pub fn new(g: &Graph, parts: &SystemParts, lanes: usize, backend: Backend) -> Result<Option<Self>, String> {
        let Some(mut pull_back) = parts.pull_back(g, false, true).filter(|_| !parts.kept.is_empty()) else {
            return Ok(None);
        };
        let KernelParts { inputs, mut outputs, slots } = parts.right_hand_side();
        outputs.extend((1..).zip(&parts.kept).map(|(slot, &node)| Output { node, slot, add: false }));
        let rhs = KernelParts { inputs, outputs, slots }.compile(g, lanes, backend)?;
        pull_back.inputs.splice(3..3, parts.kept.iter().copied());
        let leaves_factors = parts.gathered.is_some();
        let vjp = Vjp { leaves_factors, ..Vjp::new(g, pull_back, lanes, backend)? };
        let sizes = parts.kept.iter().map(|&node| g.size(node) * if g.batched(node) { lanes } else { 1 }).collect();
        Ok(Some(Self { rhs, vjp, sizes }))
    }

    /// Entries of all values.
    pub fn size(&self) -> usize {
        self.sizes.iter().sum()
    }

    /// Bytes of machine code.
    pub fn code_size(&self) -> usize {
        self.rhs.code_size() + self.vjp.kernel.code_size()
    }
}

impl<T: Number> Bound<'_, T> {
    /// The right-hand side; what it leaves goes to `kept`.
    pub(super) fn evaluate_keeping(&mut self, t: &[f64], z: &[T], dz: &mut [T], kept: &mut [T]) {
        self.clock(t);
        let Some(keep) = &self.kernels.keep else { return };
        let mut outputs: SmallVec<[&mut [T]; 16]> = SmallVec::new();
        outputs.push(dz);
        let mut rest = kept;
        for &size in &keep.sizes {
            let (value, after) = rest.split_at_mut(size);
            outputs.push(value);
            rest = after;
        }
        keep.rhs.run_parts([&[z, &self.time], &self.captures], &mut outputs, (&mut [], &[]), &mut self.scratch);
    }

    /// The pull-back from what the right-hand side left.
    pub(super) fn pull_kept(&mut self, t: &[f64], z: &[T], w: &[T], kept: &[T], z_bar: &mut [T], t_bar: &mut [T]) {
        self.clock(t);
        let Some(keep) = &self.kernels.keep else { return };
        let mut values: SmallVec<[&[T]; 8]> = SmallVec::new();
        let mut rest = kept;
        for &size in &keep.sizes {
            let (value, after) = rest.split_at(size);
            values.push(value);
            rest = after;
        }
        self.pull_from(&keep.vjp, z, w, &values, [&mut [], z_bar, t_bar]);
        self.count_factors();
    }

    /// The pull-back where nothing was left: the right-hand side comes first.
    pub(super) fn pull_afresh(&mut self, t: &[f64], z: &[T], w: &[T], z_bar: &mut [T], t_bar: &mut [T]) {
        let [mut kept, mut dz] = std::mem::take(&mut self.passed);
        kept.resize(self.kernels.keep.as_ref().map_or(0, Keep::size), T::default());
        dz.resize(z.len(), T::default());
        self.evaluate_keeping(t, z, &mut dz, &mut kept);
        self.pull_kept(t, z, w, &kept, z_bar, t_bar);
        self.passed = [kept, dz];
    }
}
