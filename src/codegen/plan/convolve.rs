//! Convolutions: how the samples take part, and the room that the kernel needs.

use super::{Convolving, Planner, Step};
use crate::codegen::kernels::{ConvDesc, ConvSamples};
use crate::codegen::layout::View;
use crate::graph::{Conv, ConvPart, NodeId};

impl Planner<'_> {
    /// The convolution `id`, or with `sum` the sum over samples of it.
    pub(super) fn convolve(&mut self, id: NodeId, conv: Conv, sum: Option<NodeId>) {
        let node = self.g.node(id).clone();
        let (a, b) = (node.args[0], node.args[1]);
        let sizes = conv.sizes(self.g.shape(a), self.g.shape(b), &node.shape).expect("verified sizes");
        let shared_kernel = conv.part != ConvPart::Kernel && !self.g.batched(b);
        let samples = if shared_kernel {
            ConvSamples::Apart
        } else if sum.is_some() || !node.batched {
            ConvSamples::Summed
        } else {
            ConvSamples::Own
        };
        let lanes = if node.batched { self.lanes } else { 1 };
        let a = self.packed_as(a, node.batched);
        let b = self.packed_as(b, node.batched && !shared_kernel);
        let target = sum.unwrap_or(id);
        let direct = self.direct_add.get(&target).copied();
        let out = match direct {
            Some(slot) => {
                self.memory.output(target.0, slot);
                self.views[&target].clone()
            }
            None => self.place(target),
        };
        let desc = ConvDesc::new(conv, sizes, lanes, samples, direct.is_some());
        let base = self.memory.anonymous(desc.scratch());
        let scratch = View { base, offset: 0, strides: [1].into_iter().collect(), lane: 0 };
        self.steps.push(Step::Conv(Convolving { desc, a, b, out, scratch }));
        self.memory.free(base);
    }
}
