//! Two-dimensional convolution as one trilinear form, of which each tensor can be computed from the other two:
//! F(x, k, y) = Σ x\[n, c, p·s + q − d\] k\[o, c, q\] y\[n, o, p\] over images n, channels, positions p and taps q, with
//! stride s and padding d. The output is ∂F/∂y, and its transposes are ∂F/∂x and ∂F/∂k; so are theirs.

use super::{Graph, NodeId, Op, Shape};
use smallvec::SmallVec;

/// The tensors of a convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ConvPart {
    /// x `[images, channels, height, width]`, from y and k: the transpose with respect to the input.
    Input,
    /// k `[outputs, channels, height, width]`, from x and y: the transpose with respect to the kernel.
    Kernel,
    /// y `[images, outputs, height, width]`, from x and k: the convolution.
    Output,
}

impl ConvPart {
    /// Every tensor.
    pub const ALL: [Self; 3] = [Self::Input, Self::Kernel, Self::Output];

    /// The two tensors that it is computed from, in the order of the arguments.
    pub fn operands(self) -> [Self; 2] {
        match self {
            Self::Input => [Self::Output, Self::Kernel],
            Self::Kernel => [Self::Input, Self::Output],
            Self::Output => [Self::Input, Self::Kernel],
        }
    }

    /// The axis of this tensor, and of `other`, that both have and the third does not.
    fn common_axis(self, other: Self) -> (usize, usize) {
        match (self, other) {
            (Self::Output, Self::Kernel) => (1, 0),
            (Self::Kernel, Self::Output) => (0, 1),
            (Self::Input, Self::Kernel) | (Self::Kernel, Self::Input) => (1, 1),
            (Self::Input | Self::Output | Self::Kernel, _) => (0, 0),
        }
    }
}

/// Which tensor a node computes, and how the windows lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Conv {
    /// What is computed.
    pub part: ConvPart,
    /// Step of the window, both ways.
    pub stride: usize,
    /// Zeros on every side of the input.
    pub padding: usize,
}

/// All sizes of a convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub struct ConvSizes {
    pub images: usize,
    pub channels: usize,
    pub outputs: usize,
    pub input: [usize; 2],
    pub kernel: [usize; 2],
    pub output: [usize; 2],
}

impl ConvSizes {
    /// Products of an entry of the input with one of the kernel, those with padding counted.
    pub fn multiply_adds(&self) -> u64 {
        let [taps, places] = [self.kernel, self.output].map(|[h, w]| h as u64 * w as u64);
        self.images as u64 * self.outputs as u64 * self.channels as u64 * taps * places
    }
}

/// Number of places of a window of `kernel` entries along `input` entries.
pub fn conv_places(input: usize, kernel: usize, stride: usize, padding: usize) -> Option<usize> {
    (input + 2 * padding).checked_sub(kernel).filter(|_| kernel > 0 && stride > 0).map(|rest| rest / stride + 1)
}

impl Conv {
    /// The sizes of a node of this operation, if its shape and those of its arguments fit.
    pub fn sizes(&self, first: &[usize], second: &[usize], own: &[usize]) -> Option<ConvSizes> {
        let (x, k, y) = match self.part {
            ConvPart::Input => (own, second, first),
            ConvPart::Kernel => (first, own, second),
            ConvPart::Output => (first, second, own),
        };
        let (&[images, channels, h, w], &[outputs, inner, kh, kw], &[n, o, oh, ow]) = (x, k, y) else { return None };
        let fits = |input, kernel, places| conv_places(input, kernel, self.stride, self.padding) == Some(places);
        let fits = inner == channels && n == images && o == outputs && fits(h, kh, oh) && fits(w, kw, ow);
        fits.then_some(ConvSizes { images, channels, outputs, input: [h, w], kernel: [kh, kw], output: [oh, ow] })
    }
}

impl Graph {
    /// The convolution of x `[images, channels, height, width]` with k `[outputs, channels, …]`.
    ///
    /// # Panics
    /// When the window does not fit, as all constructors.
    pub fn conv(&mut self, x: NodeId, k: NodeId, stride: usize, padding: usize) -> NodeId {
        let (xs, ks) = (self.shape(x).clone(), self.shape(k).clone());
        let places = |axis: usize| conv_places(xs[axis], ks[axis], stride, padding).expect("the window fits");
        let shape: Shape = [xs[0], ks[0], places(2), places(3)].into_iter().collect();
        self.conv_part(Conv { part: ConvPart::Output, stride, padding }, [x, k], &shape)
    }

    /// A tensor of a convolution from the other two.
    pub fn conv_part(&mut self, conv: Conv, args: [NodeId; 2], shape: &[usize]) -> NodeId {
        let fits = conv.sizes(self.shape(args[0]), self.shape(args[1]), shape).is_some();
        assert!(fits, "{conv:?} of {:?} and {:?} is no {shape:?}", self.shape(args[0]), self.shape(args[1]));
        self.push(Op::Conv(conv), &args, shape.into())
    }

    /// The cotangent of argument `which`, given that of the value: again a tensor of the same convolution.
    pub fn conv_transpose(&mut self, conv: Conv, args: &[NodeId], bar: NodeId, which: usize) -> NodeId {
        let part = conv.part.operands()[which];
        let pair = part.operands().map(|role| if role == conv.part { bar } else { args[1 - which] });
        let shape = self.shape(args[which]).clone();
        self.conv_part(Conv { part, ..conv }, pair, &shape)
    }

    /// The operation for many values of argument `which`, along a leading axis of it and of the result: the new axis
    /// joins one that the third tensor does not have.
    pub fn conv_many(&mut self, conv: Conv, args: &[NodeId], which: usize, own: &[usize]) -> NodeId {
        let (inside, outside) = conv.part.operands()[which].common_axis(conv.part);
        let many = self.shape(args[which])[0];
        let joined = self.move_axis(args[which], 0, inside);
        let mut shape = self.shape(joined).clone();
        let n = shape.remove(inside);
        shape[inside] *= n;
        let mut pair = [args[0], args[1]];
        pair[which] = self.reshape(joined, &shape);
        let mut wide: SmallVec<[usize; 4]> = own.into();
        wide[outside] *= many;
        let value = self.conv_part(conv, pair, &wide);
        let mut split: Shape = own.into();
        split.insert(outside, many);
        let value = self.reshape(value, &split);
        self.move_axis(value, outside, 0)
    }

    fn move_axis(&mut self, x: NodeId, from: usize, to: usize) -> NodeId {
        let mut order: Vec<usize> = (0..self.shape(x).len()).collect();
        let axis = order.remove(from);
        order.insert(to, axis);
        self.transpose(x, &order)
    }
}
