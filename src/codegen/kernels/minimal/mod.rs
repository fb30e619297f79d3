//! Convolutions with 3×3 kernels of stride 1 between many channels, by minimal filtering (`transforms`): every 6×6 tile of
//! the result comes from an 8×8 window, and for each of the 64 points the channels are mixed by one matrix product.
//!
//! The relative error is that of the direct sum times about ten: 4e-6 in f32 and 2e-14 in f64 for 64 channels.

mod apart;
mod product;
mod summed;
mod transforms;

pub(super) use apart::apart;
pub(super) use summed::summed;

use super::conv::{ConvDesc, MOST_LANES};
use super::lanes::{Elem, Lanes};
use transforms::{POINTS, TAPS, TILE};

/// Points of the plane.
const AREA: usize = POINTS * POINTS;
/// Channels from which the transforms are a small part of the work.
const LEAST_CHANNELS: usize = 16;
/// Samples whose products are summed at once, for the transpose with respect to the kernel.
const GROUP: usize = 64;
/// Widest vector of any tier.
const WIDEST: usize = 16;

/// Whether this way pays: at least twice fewer products, transforms included as half of the products of a tile.
pub(super) fn pays(d: &ConvDesc) -> bool {
    let tiles = d.output[0].div_ceil(TILE) * d.output[1].div_ceil(TILE);
    let direct: usize = [0, 1].map(|axis| (0..TAPS).map(|tap| d.range(axis, tap).len()).sum()).iter().product();
    let sizes = d.kernel == [TAPS, TAPS] && d.stride == 1 && d.padding < TAPS;
    sizes && d.channels.min(d.outputs) >= LEAST_CHANNELS && tiles * AREA * 3 / 2 * 2 <= direct
}

/// Distance between the tensors of two points that have so many entries: an odd number of cache lines, since the same
/// entry of all points is read and written together and must not fall into the same set of the cache.
fn apart_by(entries: usize) -> usize {
    (entries.div_ceil(WIDEST) | 1) * WIDEST
}

/// Entries of scratch that `apart` needs.
pub(super) fn scratch_apart(d: &ConvDesc) -> usize {
    let kernels = apart_by(d.outputs * d.channels.next_multiple_of(WIDEST));
    let packed = d.input_entries().max(d.output_entries());
    let lanes = apart_by(d.channels * MOST_LANES) + apart_by(d.outputs * MOST_LANES);
    AREA * (kernels + lanes) + packed * MOST_LANES
}

/// Entries of scratch that `summed` needs.
pub(super) fn scratch_summed(d: &ConvDesc) -> usize {
    let channels = d.channels.next_multiple_of(WIDEST);
    let area = d.input[0] * d.input[1];
    let points = apart_by(d.outputs * channels) + apart_by(d.outputs * GROUP) + apart_by(channels * GROUP);
    AREA * points + area * apart_by(channels * GROUP)
}

/// Where a plane of one tile lies: the first row and column, which may lie before the image, and its sizes.
#[derive(Clone, Copy)]
struct Place {
    start: [isize; 2],
    size: [usize; 2],
}

impl Place {
    /// All points.
    const WHOLE: Self = Self { start: [0, 0], size: [POINTS, POINTS] };

    /// The rows (axis 0) or columns, counted from the start, that lie inside of the image.
    fn inside(self, axis: usize, count: usize) -> std::ops::Range<usize> {
        let first = (-self.start[axis]).max(0).cast_unsigned().min(count);
        let past = (self.size[axis].cast_signed() - self.start[axis]).max(0).cast_unsigned();
        first..past.min(count).max(first)
    }

    /// Index of the entry `at` from the start on, which lies inside.
    fn index(self, at: [usize; 2]) -> usize {
        let place = |axis: usize| (self.start[axis] + at[axis].cast_signed()).cast_unsigned();
        place(0) * self.size[1] + place(1)
    }
}

/// First row and column of each tile of a plane.
fn tiles(size: [usize; 2]) -> impl Iterator<Item = [usize; 2]> {
    let columns = size[1].div_ceil(TILE);
    (0..size[0].div_ceil(TILE) * columns).map(move |i| [i / columns * TILE, i % columns * TILE])
}

/// The first `count` lanes of the entries of a plane that lie inside, `step` apart; the others stay as they are.
#[inline(always)]
unsafe fn read<L: Lanes, const N: usize>(
    values: &mut [[L; N]; N],
    place: Place,
    (x, step): (*const L::Elem, usize),
    count: usize,
) {
    for r in place.inside(0, N) {
        for c in place.inside(1, N) {
            // SAFETY: the caller has promised the tier, and the entries that lie inside.
            unsafe {
                let x = x.add(place.index([r, c]) * step);
                values[r][c] = if count >= L::WIDTH { L::load(x) } else { L::load_first(x, count) };
            }
        }
    }
}

/// A plane of zeros.
#[inline(always)]
unsafe fn zeros<L: Lanes, const N: usize>() -> [[L; N]; N] {
    // SAFETY: the caller has promised the tier.
    unsafe { [[L::splat(L::Elem::ZERO); N]; N] }
}

/// Every point of a plane, `step` apart.
#[inline(always)]
unsafe fn write<L: Lanes>(x: &[[L; POINTS]; POINTS], to: *mut L::Elem, step: usize) {
    for (i, x) in x.iter().flatten().enumerate() {
        // SAFETY: the caller gives a vector for every point.
        unsafe { x.store(to.add(i * step)) }
    }
}

/// The first `count` lanes from entries that are `step` apart; the others are zero.
#[inline(always)]
unsafe fn strided<L: Lanes>(from: *const L::Elem, step: usize, count: usize) -> L {
    // SAFETY: the caller gives `count` entries.
    unsafe {
        if count >= L::WIDTH {
            return L::strided(from, step.cast_signed());
        }
        let mut row = [L::Elem::ZERO; WIDEST];
        for (j, x) in row.iter_mut().enumerate().take(count) {
            *x = *from.add(j * step);
        }
        L::load(row.as_ptr())
    }
}
