//! The output, and its transpose with respect to the input.

use super::super::conv::{Block, ConvDesc, ConvPart, MOST_LANES, pack};
use super::super::lanes::Lanes;
use super::product::rows;
use super::transforms::{Outputs, POINTS, TAPS, TILE, Taps, Window, plane};
use super::{AREA, Place, apart_by, read, strided, tiles, write, zeros};

/// The output, or with `back` its transpose with respect to the input: the same with the kernel turned around.
///
/// # Safety
/// The CPU has the tier of `L`; the contract of `ConvKernel`.
#[inline(always)]
pub(in super::super) unsafe fn apart<L: Lanes>(
    d: &ConvDesc,
    a: *const L::Elem,
    k: *const L::Elem,
    out: *mut L::Elem,
    scratch: *mut L::Elem,
) {
    let back = d.is(ConvPart::Input);
    let (from, to) = if back { (d.output, d.input) } else { (d.input, d.output) };
    let (planes, channels) = if back { (d.outputs, d.channels) } else { (d.channels, d.outputs) };
    let padding = if back { TAPS - 1 - d.padding } else { d.padding }.cast_signed();
    let stride = d.channels.next_multiple_of(L::WIDTH);
    let kernels = apart_by(d.outputs * stride);
    // Rows of the kernels' values are channels of the result.
    let (a_row, a_col) = if back { (1, stride) } else { (stride, 1) };
    // SAFETY: scratch has room for the kernel's values, those of one block's windows and products, and its packed image.
    unsafe {
        let values = scratch.add(AREA * kernels);
        let products = values.add(AREA * apart_by(planes * MOST_LANES));
        let packed = products.add(AREA * apart_by(channels * MOST_LANES));
        kernel_values::<L>(d, back, k, (scratch, stride, kernels));
        let mut first = 0;
        while first < d.lanes {
            let block = Block::from::<L>(first, d.lanes);
            let width = if block.wide { 2 * L::WIDTH } else { L::WIDTH };
            let (by_value, by_product) = (apart_by(planes * width), apart_by(channels * width));
            let (entries, results) = (planes * from[0] * from[1], channels * to[0] * to[1]);
            for image in 0..d.images {
                let x = pack::<L>(a.add(image * entries * d.lanes), entries, d.lanes, block, packed);
                let out = out.add(image * results * d.lanes + first);
                for tile in tiles(to) {
                    let place = Place { start: tile.map(|i| i.cast_signed() - padding), size: from };
                    windows::<L>((x, width), place, planes, (values, by_value));
                    for p in 0..AREA {
                        let (x, y) = (values.add(p * by_value), products.add(p * by_product));
                        let u = (scratch.add(p * kernels).cast_const(), a_row, a_col);
                        rows::<L, false>(u, (x, width), (y, width), (channels, planes, width));
                    }
                    let place = Place { start: tile.map(usize::cast_signed), size: to };
                    results_of::<L>((products, width, by_product), place, channels, (out, d.lanes, block.count));
                }
            }
            first += block.count;
        }
    }
}

/// The values of every kernel at the points, `[point][output][channel]`; with `back` of the kernel turned around.
#[inline(always)]
unsafe fn kernel_values<L: Lanes>(
    d: &ConvDesc,
    back: bool,
    k: *const L::Elem,
    (to, stride, apart): (*mut L::Elem, usize, usize),
) {
    const ALL: usize = TAPS * TAPS;
    for o in 0..d.outputs {
        let mut c = 0;
        while c < d.channels {
            let count = (d.channels - c).min(L::WIDTH);
            // SAFETY: these kernels exist, and the result has whole vectors of channels.
            unsafe {
                let k = k.add((o * d.channels + c) * ALL);
                let mut taps = zeros::<L, TAPS>();
                for (tap, lanes) in taps.iter_mut().flatten().enumerate() {
                    *lanes = strided(k.add(if back { ALL - 1 - tap } else { tap }), ALL, count);
                }
                write(&plane::<L, Taps, TAPS, POINTS>(&taps), to.add(o * stride + c), apart);
            }
            c += L::WIDTH;
        }
    }
}

/// The values of the windows of one tile, `[point][plane][lane]`.
#[inline(always)]
unsafe fn windows<L: Lanes>(
    (x, width): (*const L::Elem, usize),
    place: Place,
    planes: usize,
    (to, apart): (*mut L::Elem, usize),
) {
    let area = place.size[0] * place.size[1];
    // SAFETY: a plane has `area` entries of `width` lanes; `to` has those of every plane for every point.
    unsafe {
        let mut window = zeros::<L, POINTS>();
        for i in 0..planes {
            let mut v = 0;
            while v < width {
                read::<L, POINTS>(&mut window, place, (x.add(i * area * width + v), width), L::WIDTH);
                write(&plane::<L, Window, POINTS, POINTS>(&window), to.add(i * width + v), apart);
                v += L::WIDTH;
            }
        }
    }
}

/// The entries of one tile of the result, of `count` samples.
#[inline(always)]
unsafe fn results_of<L: Lanes>(
    (products, width, apart): (*const L::Elem, usize, usize),
    place: Place,
    channels: usize,
    (out, lanes, count): (*mut L::Elem, usize, usize),
) {
    let area = place.size[0] * place.size[1];
    let (rows, columns) = (place.inside(0, TILE), place.inside(1, TILE));
    // SAFETY: the caller has promised the tier.
    let mut values = unsafe { zeros::<L, POINTS>() };
    for i in 0..channels {
        let mut v = 0;
        while v < count {
            // SAFETY: `products` has every point of every channel; entries inside of the plane exist.
            unsafe {
                read::<L, POINTS>(&mut values, Place::WHOLE, (products.add(i * width + v), apart), L::WIDTH);
                let tile = plane::<L, Outputs, POINTS, TILE>(&values);
                let here = (count - v).min(L::WIDTH);
                for r in rows.clone() {
                    for c in columns.clone() {
                        let to = out.add((i * area + place.index([r, c])) * lanes + v);
                        if here == L::WIDTH { tile[r][c].store(to) } else { tile[r][c].store_first(to, here) }
                    }
                }
            }
            v += L::WIDTH;
        }
    }
}
