//! The convolution and its transpose with respect to the input: both gather, for every entry of the result, the entries
//! of the operand under the taps of the kernel. A block of channels by two vectors of samples stays in registers.

use super::conv::ConvDesc;
use super::lanes::{Elem, Lanes};

/// Channels of the result that are held in registers: with two vectors of samples, 12 independent sums.
const BLOCK: usize = 6;
/// Taps that are listed at once.
const TAPS: usize = 64;

/// Where a tap reads: the distance in the operand's plane, and in the kernel.
type Tap = (usize, usize);

/// What a block is computed from.
#[derive(Clone, Copy)]
struct Source<T> {
    /// Entries under the taps: first plane, step between planes, number of planes.
    x: (*const T, usize, usize),
    /// Kernel: first entry, step between planes of the operand, step between channels of the result.
    k: (*const T, usize, usize),
}

/// One image for up to two vectors of samples, from packed entries `x`; the result has all lanes side by side.
///
/// # Safety
/// The CPU has the tier of `L`; `x` holds the packed operand, `k` the kernel, `out` the image from the first lane on.
#[inline(always)]
pub(super) unsafe fn gather<L: Lanes>(
    d: &ConvDesc,
    back: bool,
    (x, wide): (*const L::Elem, bool),
    k: *const L::Elem,
    (out, count): (*mut L::Elem, usize),
) {
    // SAFETY: the caller's promise.
    unsafe {
        if wide {
            image::<L, 2>(d, back, x, k, (out, count));
        } else {
            image::<L, 1>(d, back, x, k, (out, count));
        }
    }
}

#[inline(always)]
unsafe fn image<L: Lanes, const V: usize>(
    d: &ConvDesc,
    back: bool,
    x: *const L::Elem,
    k: *const L::Elem,
    (out, count): (*mut L::Elem, usize),
) {
    let width = V * L::WIDTH;
    let (from, to) = if back { (d.output, d.input) } else { (d.input, d.output) };
    let (planes, channels) = if back { (d.outputs, d.channels) } else { (d.channels, d.outputs) };
    let (by_output, by_channel) = (d.channels * d.taps(), d.taps());
    let (step, channel) = if back { (by_output, by_channel) } else { (by_channel, by_output) };
    let area = to[0] * to[1];
    let mut first = 0;
    while first < channels {
        let block = (channels - first).min(BLOCK);
        // SAFETY: the block's channels exist; taps are listed only where the operand has entries.
        unsafe {
            let source =
                Source { x: (x, from[0] * from[1] * width, planes), k: (k.add(first * channel), step, channel) };
            for place in 0..area {
                let at = [place / to[1], place % to[1]];
                let out = (out.add((first * area + place) * d.lanes), area * d.lanes, count);
                let mut start = 0;
                while start < d.taps() {
                    let mut list = [(0, 0); TAPS];
                    let n = taps(d, back, at, start, width, &mut list);
                    sized_block::<L, V>(block, source, &list[..n], out, start > 0);
                    start += TAPS;
                }
            }
        }
        first += block;
    }
}

/// The taps from `start` on that read inside of the operand for the entry `at` of the result.
#[inline(always)]
fn taps(d: &ConvDesc, back: bool, at: [usize; 2], start: usize, width: usize, list: &mut [Tap; TAPS]) -> usize {
    let row = if back { d.output[1] } else { d.input[1] };
    let read = |axis: usize, tap: usize| {
        if back {
            let shifted = (at[axis] + d.padding).checked_sub(tap)?;
            (shifted % d.stride == 0).then_some(shifted / d.stride).filter(|p| *p < d.output[axis])
        } else {
            (at[axis] * d.stride + tap).checked_sub(d.padding).filter(|p| *p < d.input[axis])
        }
    };
    let mut n = 0;
    for tap in start..d.taps().min(start + TAPS) {
        if let (Some(y), Some(x)) = (read(0, tap / d.kernel[1]), read(1, tap % d.kernel[1])) {
            list[n] = ((y * row + x) * width, tap);
            n += 1;
        }
    }
    n
}

#[inline(always)]
unsafe fn sized_block<L: Lanes, const V: usize>(
    channels: usize,
    source: Source<L::Elem>,
    taps: &[Tap],
    out: (*mut L::Elem, usize, usize),
    add: bool,
) {
    // SAFETY: the caller's promise.
    unsafe {
        match channels {
            1 => block::<L, 1, V>(source, taps, out, add),
            2 => block::<L, 2, V>(source, taps, out, add),
            3 => block::<L, 3, V>(source, taps, out, add),
            4 => block::<L, 4, V>(source, taps, out, add),
            5 => block::<L, 5, V>(source, taps, out, add),
            _ => block::<L, BLOCK, V>(source, taps, out, add),
        }
    }
}

/// J channels of one entry of the result: Σ over planes and taps, in this order.
#[inline(always)]
unsafe fn block<L: Lanes, const J: usize, const V: usize>(
    source: Source<L::Elem>,
    taps: &[Tap],
    (out, channel, count): (*mut L::Elem, usize, usize),
    add: bool,
) {
    let ((x, plane, planes), (k, step, next)) = (source.x, source.k);
    // SAFETY: every plane has entries under the listed taps, every channel a kernel; `count` lanes of the result exist.
    unsafe {
        let mut sums = [[L::splat(L::Elem::ZERO); V]; J];
        if add {
            for (j, sums) in sums.iter_mut().enumerate() {
                for (v, sum) in sums.iter_mut().enumerate() {
                    let here = (count - v * L::WIDTH).min(L::WIDTH);
                    *sum = L::load_first(out.add(j * channel + v * L::WIDTH), here);
                }
            }
        }
        for r in 0..planes {
            let (x, k) = (x.add(r * plane), k.add(r * step));
            for &(distance, tap) in taps {
                let (x, k) = (x.add(distance), k.add(tap));
                let mut row = [L::splat(L::Elem::ZERO); V];
                for (v, lanes) in row.iter_mut().enumerate() {
                    *lanes = L::load(x.add(v * L::WIDTH));
                }
                for (j, sums) in sums.iter_mut().enumerate() {
                    let factor = L::splat(*k.add(j * next));
                    for (sum, lanes) in sums.iter_mut().zip(&row) {
                        *sum = factor.mul_add(*lanes, *sum);
                    }
                }
            }
        }
        for (j, sums) in sums.iter().enumerate() {
            for (v, sum) in sums.iter().enumerate() {
                let here = (count - v * L::WIDTH).min(L::WIDTH);
                let to = out.add(j * channel + v * L::WIDTH);
                if here == L::WIDTH { sum.store(to) } else { sum.store_first(to, here) }
            }
        }
    }
}
