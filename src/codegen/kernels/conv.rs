//! Convolution and its two transposes, samples in the lanes: `[image][channel][y][x][lane]` and, for a kernel that the
//! samples share, `[output][channel][y][x]`. Directly, without an expanded copy of the input: the window is cut at the
//! border instead of multiplying zeros. Samples are taken two vectors at a time; of these the operands are copied into
//! one contiguous block (`pack`), which the second-level cache holds for images of this kind. Where 3×3 kernels join many
//! channels, there is a way with fewer products (`minimal`).
//!
//! Each entry is one chain of fused operations in a fixed order (`conv_taps`), or a sum by lanes (`conv_kernel`), so
//! that results do not depend on what else is computed.

use super::lanes::{Elem, Lanes};
use super::{conv_kernel, conv_taps, minimal};
pub(super) use crate::graph::ConvPart;
use crate::graph::{Conv, ConvSizes};

/// How the samples take part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConvSamples {
    /// Each has its own result; they share the kernel.
    Apart,
    /// The transpose with respect to the kernel, summed over them.
    Summed,
    /// All three tensors are per sample.
    Own,
}

/// Sizes of a convolution, and how the samples take part; read by the kernel as words of 64 bits.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub struct ConvDesc {
    part: usize,
    samples: usize,
    /// 1: add to the result; only with [`ConvSamples::Summed`].
    accumulate: usize,
    pub(super) images: usize,
    pub(super) channels: usize,
    pub(super) outputs: usize,
    pub(super) input: [usize; 2],
    pub(super) kernel: [usize; 2],
    pub(super) output: [usize; 2],
    pub(super) stride: usize,
    pub(super) padding: usize,
    pub(super) lanes: usize,
}

/// out (+)= a tensor of the convolution from the other two, `a` and `b`; `scratch` has [`ConvDesc::scratch`] entries.
pub type ConvKernel<T> =
    unsafe extern "C" fn(desc: *const ConvDesc, a: *const T, b: *const T, out: *mut T, scratch: *mut T);

/// The most samples that are worked on at once: two of the widest vectors.
pub(super) const MOST_LANES: usize = 32;

impl ConvDesc {
    /// Describes a node of the graph.
    #[must_use]
    pub fn new(conv: Conv, sizes: ConvSizes, lanes: usize, samples: ConvSamples, accumulate: bool) -> Self {
        Self {
            part: conv.part as usize,
            samples: samples as usize,
            accumulate: usize::from(accumulate),
            images: sizes.images,
            channels: sizes.channels,
            outputs: sizes.outputs,
            input: sizes.input,
            kernel: sizes.kernel,
            output: sizes.output,
            stride: conv.stride,
            padding: conv.padding,
            lanes,
        }
    }

    /// As 64-bit words, in the order of the fields.
    #[must_use]
    pub fn words(&self) -> [i64; 15] {
        let s = self;
        let [(ih, iw), (kh, kw), (oh, ow)] = [s.input, s.kernel, s.output].map(|[h, w]| (h, w));
        let head = [s.part, s.samples, s.accumulate, s.images, s.channels, s.outputs];
        let tail = [ih, iw, kh, kw, oh, ow, s.stride, s.padding, s.lanes];
        let mut words = [0; 15];
        for (word, n) in words.iter_mut().zip(head.into_iter().chain(tail)) {
            *word = i64::try_from(n).unwrap_or(i64::MAX);
        }
        words
    }

    /// Entries of scratch that the kernel needs.
    #[must_use]
    pub fn scratch(&self) -> usize {
        let (input, output) = (self.input_entries(), self.output_entries());
        let of = |samples: ConvSamples| self.samples == samples as usize;
        if of(ConvSamples::Own) {
            return 1;
        }
        match (of(ConvSamples::Summed), minimal::pays(self)) {
            (true, true) => minimal::scratch_summed(self),
            (true, false) => (input + output) * MOST_LANES,
            (false, true) => minimal::scratch_apart(self),
            (false, false) => (if self.is(ConvPart::Input) { output } else { input }) * MOST_LANES,
        }
    }

    pub(super) fn is(&self, part: ConvPart) -> bool {
        self.part == part as usize
    }

    /// Entries of one input image of one sample.
    pub(super) fn input_entries(&self) -> usize {
        self.channels * self.input[0] * self.input[1]
    }

    /// Entries of one output image of one sample.
    pub(super) fn output_entries(&self) -> usize {
        self.outputs * self.output[0] * self.output[1]
    }

    /// Taps of the kernel.
    pub(super) fn taps(&self) -> usize {
        self.kernel[0] * self.kernel[1]
    }

    /// The places `p` along an axis for which the tap `q` lies inside of the input.
    pub(super) fn range(&self, axis: usize, tap: usize) -> std::ops::Range<usize> {
        let first = self.padding.saturating_sub(tap).div_ceil(self.stride);
        let past = (self.input[axis] + self.padding).saturating_sub(tap).div_ceil(self.stride);
        first..past.min(self.output[axis]).max(first)
    }
}

/// # Safety
/// The CPU has the tier of `L`; the contract of `ConvKernel`.
#[inline(always)]
pub(super) unsafe fn convolve<L: Lanes>(
    d: &ConvDesc,
    a: *const L::Elem,
    b: *const L::Elem,
    out: *mut L::Elem,
    scratch: *mut L::Elem,
) {
    let of = |samples: ConvSamples| d.samples == samples as usize;
    // SAFETY: the caller's promise.
    unsafe {
        if of(ConvSamples::Own) {
            return own::<L>(d, a, b, out);
        }
        if of(ConvSamples::Summed) && d.accumulate == 0 {
            clear(out, d.outputs * d.channels * d.taps());
        }
        match (of(ConvSamples::Summed), minimal::pays(d)) {
            (true, true) => minimal::summed::<L>(d, a, b, out, scratch),
            (true, false) => summed::<L>(d, a, b, out, scratch),
            (false, true) => minimal::apart::<L>(d, a, b, out, scratch),
            (false, false) => apart::<L>(d, a, b, out, scratch),
        }
    }
}

/// Some samples: the first, how many, and whether they take two vectors.
#[derive(Clone, Copy)]
pub(super) struct Block {
    pub(super) first: usize,
    pub(super) count: usize,
    pub(super) wide: bool,
}

impl Block {
    pub(super) fn from<L: Lanes>(first: usize, lanes: usize) -> Self {
        let wide = lanes - first > L::WIDTH;
        Self { first, count: (lanes - first).min(if wide { 2 * L::WIDTH } else { L::WIDTH }), wide }
    }
}

/// The output, or its transpose with respect to the input.
#[inline(always)]
unsafe fn apart<L: Lanes>(
    d: &ConvDesc,
    a: *const L::Elem,
    k: *const L::Elem,
    out: *mut L::Elem,
    scratch: *mut L::Elem,
) {
    let back = d.is(ConvPart::Input);
    let (from, to) = (d.input_entries(), d.output_entries());
    let (from, to) = if back { (to, from) } else { (from, to) };
    let mut first = 0;
    while first < d.lanes {
        let block = Block::from::<L>(first, d.lanes);
        for image in 0..d.images {
            // SAFETY: the image and the samples exist; scratch has room for an image of them.
            unsafe {
                let x = pack::<L>(a.add(image * from * d.lanes), from, d.lanes, block, scratch);
                let out = out.add(image * to * d.lanes + first);
                conv_taps::gather::<L>(d, back, (x, block.wide), k, (out, block.count));
            }
        }
        first += block.count;
    }
}

/// out += the transpose with respect to the kernel.
#[inline(always)]
unsafe fn summed<L: Lanes>(
    d: &ConvDesc,
    a: *const L::Elem,
    b: *const L::Elem,
    out: *mut L::Elem,
    scratch: *mut L::Elem,
) {
    let (from, to) = (d.input_entries(), d.output_entries());
    // SAFETY: the images and the samples exist; scratch has room for both images of them.
    unsafe {
        let mut first = 0;
        while first < d.lanes {
            let block = Block::from::<L>(first, d.lanes);
            for image in 0..d.images {
                let (x, y) = (a.add(image * from * d.lanes), b.add(image * to * d.lanes));
                let x = pack::<L>(x, from, d.lanes, block, scratch);
                let y = pack::<L>(y, to, d.lanes, block, scratch.add(from * MOST_LANES));
                conv_kernel::add::<L>(d, x, y, block.wide, out);
            }
            first += block.count;
        }
    }
}

/// Some lanes of every entry, one entry after another, missing lanes zero; `from` itself if it is just these.
#[inline(always)]
pub(super) unsafe fn pack<L: Lanes>(
    from: *const L::Elem,
    entries: usize,
    lanes: usize,
    block: Block,
    to: *mut L::Elem,
) -> *const L::Elem {
    let vectors = if block.wide { 2 } else { 1 };
    let width = vectors * L::WIDTH;
    if lanes == width {
        return from;
    }
    // SAFETY: `from` has `lanes` elements for each entry, of which first + count exist; `to` has room for them.
    unsafe {
        for entry in 0..entries {
            let (from, to) = (from.add(entry * lanes + block.first), to.add(entry * width));
            for v in 0..vectors {
                let here = (block.count - v * L::WIDTH).min(L::WIDTH);
                let from = from.add(v * L::WIDTH);
                let value = if here == L::WIDTH { L::load(from) } else { L::load_first(from, here) };
                value.store(to.add(v * L::WIDTH));
            }
        }
    }
    to
}

pub(super) unsafe fn clear<T: Elem>(out: *mut T, n: usize) {
    for i in 0..n {
        // SAFETY: the caller gives n elements.
        unsafe { out.add(i).write(T::ZERO) }
    }
}

/// Every product of the trilinear form, sample by sample.
#[inline(always)]
unsafe fn own<L: Lanes>(d: &ConvDesc, a: *const L::Elem, b: *const L::Elem, out: *mut L::Elem) {
    let kernel_entries = d.outputs * d.channels * d.taps();
    // SAFETY: all indices lie inside of the tensors: `range` leaves out what is beyond the border.
    unsafe {
        let entries = match (d.is(ConvPart::Input), d.is(ConvPart::Kernel)) {
            (true, _) => d.images * d.input_entries(),
            (_, true) => kernel_entries,
            _ => d.images * d.output_entries(),
        };
        clear(out, entries * d.lanes);
        for image in 0..d.images {
            for pair in 0..d.outputs * d.channels {
                let (o, c) = (pair / d.channels, pair % d.channels);
                for tap in 0..d.taps() {
                    let (ky, kx) = (tap / d.kernel[1], tap % d.kernel[1]);
                    for oy in d.range(0, ky) {
                        for ox in d.range(1, kx) {
                            let (iy, ix) = (oy * d.stride + ky - d.padding, ox * d.stride + kx - d.padding);
                            let x = ((image * d.channels + c) * d.input[0] + iy) * d.input[1] + ix;
                            let y = ((image * d.outputs + o) * d.output[0] + oy) * d.output[1] + ox;
                            let k = pair * d.taps() + tap;
                            let (first, second, target) = match (d.is(ConvPart::Input), d.is(ConvPart::Kernel)) {
                                (true, _) => (y, k, x),
                                (_, true) => (x, y, k),
                                _ => (x, k, y),
                            };
                            let n = d.lanes;
                            multiply_add::<L>(a.add(first * n), b.add(second * n), out.add(target * n), n);
                        }
                    }
                }
            }
        }
    }
}

/// out += a·b, lane by lane.
#[inline(always)]
unsafe fn multiply_add<L: Lanes>(a: *const L::Elem, b: *const L::Elem, out: *mut L::Elem, n: usize) {
    let mut l = 0;
    // SAFETY: the caller gives n elements of each.
    unsafe {
        while l + L::WIDTH <= n {
            L::load(a.add(l)).mul_add(L::load(b.add(l)), L::load(out.add(l))).store(out.add(l));
            l += L::WIDTH;
        }
        if l < n {
            let rest = n - l;
            let old = L::load_first(out.add(l), rest);
            let new = L::load_first(a.add(l), rest).mul_add(L::load_first(b.add(l), rest), old);
            new.store_first(out.add(l), rest);
        }
    }
}
