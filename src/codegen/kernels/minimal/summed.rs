//! The transpose with respect to the kernel.

use super::super::conv::ConvDesc;
use super::super::lanes::{Elem, Lanes};
use super::product::rows;
use super::transforms::{OutputsBack, POINTS, TAPS, TILE, TapsBack, Window, plane};
use super::{AREA, GROUP, Place, WIDEST, apart_by, read, strided, tiles, write, zeros};

/// out += the transpose with respect to the kernel, summed over samples.
///
/// # Safety
/// The CPU has the tier of `L`; the contract of `ConvKernel`.
#[inline(always)]
pub(in super::super) unsafe fn summed<L: Lanes>(
    d: &ConvDesc,
    a: *const L::Elem,
    b: *const L::Elem,
    out: *mut L::Elem,
    scratch: *mut L::Elem,
) {
    let channels = d.channels.next_multiple_of(L::WIDTH);
    let (by_sum, by_cotangent) = (apart_by(d.outputs * channels), apart_by(d.outputs * GROUP));
    let by_value = apart_by(channels * GROUP);
    let (from, to) = (d.input_entries(), d.output_entries());
    // SAFETY: the images and the samples exist; scratch has room for the sums and for what a group needs.
    unsafe {
        let sums = scratch;
        let cotangents = sums.add(AREA * by_sum);
        let values = cotangents.add(AREA * by_cotangent);
        let turned = values.add(AREA * by_value);
        let (mut first, mut begun) = (0, false);
        while first < d.lanes {
            let count = (d.lanes - first).min(GROUP);
            for image in 0..d.images {
                let (x, y) = (a.add(image * from * d.lanes + first), b.add(image * to * d.lanes + first));
                turn::<L>(d, (x, count), (turned, channels, by_value));
                for tile in tiles(d.output) {
                    cotangents_of::<L>(d, (y, count), tile, (cotangents, by_cotangent));
                    turned_windows::<L>(d, (turned, channels, count), tile, (values, by_value));
                    for p in 0..AREA {
                        let y = (cotangents.add(p * by_cotangent).cast_const(), GROUP, 1);
                        let x = (values.add(p * by_value).cast_const(), channels);
                        let (sum, sizes) = ((sums.add(p * by_sum), channels), (d.outputs, count, channels));
                        if begun {
                            rows::<L, true>(y, x, sum, sizes);
                        } else {
                            rows::<L, false>(y, x, sum, sizes);
                        }
                    }
                    begun = true;
                }
            }
            first += count;
        }
        kernel_of::<L>(d, (sums, channels, by_sum), out);
    }
}

/// The input with the channels innermost, `[y][x][lane][channel]`; those that are missing in a vector are zero.
#[inline(always)]
unsafe fn turn<L: Lanes>(
    d: &ConvDesc,
    (x, count): (*const L::Elem, usize),
    (to, channels, apart): (*mut L::Elem, usize, usize),
) {
    let area = d.input[0] * d.input[1];
    for place in 0..area {
        let mut c = 0;
        while c < d.channels {
            let here = (d.channels - c).min(L::WIDTH);
            for l in 0..count {
                // SAFETY: the entries exist, and `to` has room for whole vectors of channels.
                unsafe {
                    let x = x.add((c * area + place) * d.lanes + l);
                    strided::<L>(x, area * d.lanes, here).store(to.add(place * apart + l * channels + c));
                }
            }
            c += L::WIDTH;
        }
    }
}

/// The values of the cotangents of one tile, `[point][output][lane]`.
#[inline(always)]
unsafe fn cotangents_of<L: Lanes>(
    d: &ConvDesc,
    (y, count): (*const L::Elem, usize),
    tile: [usize; 2],
    (to, apart): (*mut L::Elem, usize),
) {
    let place = Place { start: tile.map(usize::cast_signed), size: d.output };
    let area = d.output[0] * d.output[1];
    // SAFETY: the entries exist, and `to` has room for whole vectors.
    unsafe {
        let mut values = zeros::<L, TILE>();
        for o in 0..d.outputs {
            let mut v = 0;
            while v < count {
                read::<L, TILE>(&mut values, place, (y.add(o * area * d.lanes + v), d.lanes), count - v);
                write(&plane::<L, OutputsBack, TILE, POINTS>(&values), to.add(o * GROUP + v), apart);
                v += L::WIDTH;
            }
        }
    }
}

/// The values of the windows of one tile, `[point][lane][channel]`.
#[inline(always)]
unsafe fn turned_windows<L: Lanes>(
    d: &ConvDesc,
    (x, channels, count): (*const L::Elem, usize, usize),
    tile: [usize; 2],
    (to, apart): (*mut L::Elem, usize),
) {
    let place = Place { start: tile.map(|i| i.cast_signed() - d.padding.cast_signed()), size: d.input };
    // SAFETY: the entries exist.
    unsafe {
        let mut window = zeros::<L, POINTS>();
        for l in 0..count {
            let mut c = 0;
            while c < channels {
                read::<L, POINTS>(&mut window, place, (x.add(l * channels + c), apart), L::WIDTH);
                write(&plane::<L, Window, POINTS, POINTS>(&window), to.add(l * channels + c), apart);
                c += L::WIDTH;
            }
        }
    }
}

/// out += the kernel from the sums at its points.
#[inline(always)]
unsafe fn kernel_of<L: Lanes>(
    d: &ConvDesc,
    (sums, channels, apart): (*const L::Elem, usize, usize),
    out: *mut L::Elem,
) {
    // SAFETY: the caller has promised the tier.
    let mut values = unsafe { zeros::<L, POINTS>() };
    for o in 0..d.outputs {
        let mut c = 0;
        while c < d.channels {
            let here = (d.channels - c).min(L::WIDTH);
            // SAFETY: the sums have whole vectors of channels, the kernel the first of them.
            unsafe {
                read::<L, POINTS>(&mut values, Place::WHOLE, (sums.add(o * channels + c), apart), L::WIDTH);
                let taps = plane::<L, TapsBack, POINTS, TAPS>(&values);
                let mut row = [L::Elem::ZERO; WIDEST];
                for (tap, lanes) in taps.iter().flatten().enumerate() {
                    lanes.store(row.as_mut_ptr());
                    for (j, x) in row.iter().enumerate().take(here) {
                        let to = out.add((o * d.channels + c + j) * d.taps() + tap);
                        *to = (*to).add(*x);
                    }
                }
            }
            c += L::WIDTH;
        }
    }
}
