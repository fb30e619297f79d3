//! The transpose of a convolution with respect to its kernel, summed over samples: for every tap, products of planes of
//! the output with planes of the input. Sums stay in vectors until a tap is done, then become one number each.

use super::conv::ConvDesc;
use super::lanes::{Elem, Lanes};

/// Planes of the output by planes of the input that are multiplied at once: 12 independent sums.
const OUTPUTS: usize = 4;
const CHANNELS: usize = 3;

/// out += the products of one image, for one or two packed vectors of samples.
///
/// # Safety
/// The CPU has the tier of `L`; `x` and `y` hold the packed input and output, `out` a kernel.
#[inline(always)]
pub(super) unsafe fn add<L: Lanes>(d: &ConvDesc, x: *const L::Elem, y: *const L::Elem, wide: bool, out: *mut L::Elem) {
    // SAFETY: the caller's promise.
    unsafe {
        if wide {
            planes::<L, 2>(d, x, y, out);
        } else {
            planes::<L, 1>(d, x, y, out);
        }
    }
}

#[inline(always)]
unsafe fn planes<L: Lanes, const V: usize>(d: &ConvDesc, x: *const L::Elem, y: *const L::Elem, out: *mut L::Elem) {
    let mut o = 0;
    while o < d.outputs {
        let outputs = if d.outputs - o >= OUTPUTS { OUTPUTS } else { 1 };
        let mut c = 0;
        while c < d.channels {
            let channels = (d.channels - c).min(CHANNELS);
            // SAFETY: these planes exist.
            unsafe {
                match (outputs, channels) {
                    (1, 1) => pair::<L, 1, 1, V>(d, (x, y), (o, c), out),
                    (1, 2) => pair::<L, 1, 2, V>(d, (x, y), (o, c), out),
                    (1, _) => pair::<L, 1, CHANNELS, V>(d, (x, y), (o, c), out),
                    (_, 1) => pair::<L, OUTPUTS, 1, V>(d, (x, y), (o, c), out),
                    (_, 2) => pair::<L, OUTPUTS, 2, V>(d, (x, y), (o, c), out),
                    _ => pair::<L, OUTPUTS, CHANNELS, V>(d, (x, y), (o, c), out),
                }
            }
            c += channels;
        }
        o += outputs;
    }
}

/// O planes of the output from `o` on by C planes of the input from `c` on, for every tap.
#[inline(always)]
unsafe fn pair<L: Lanes, const O: usize, const C: usize, const V: usize>(
    d: &ConvDesc,
    (x, y): (*const L::Elem, *const L::Elem),
    (o, c): (usize, usize),
    out: *mut L::Elem,
) {
    let width = V * L::WIDTH;
    let (x_plane, y_plane) = (d.input[0] * d.input[1] * width, d.output[0] * d.output[1] * width);
    for tap in 0..d.taps() {
        let (ky, kx) = (tap / d.kernel[1], tap % d.kernel[1]);
        let (rows, columns) = (d.range(0, ky), d.range(1, kx));
        // SAFETY: rows and columns are those for which the tap lies inside of the input.
        unsafe {
            let (x, y) = (x.add(c * x_plane), y.add(o * y_plane));
            let mut sums = [[L::splat(L::Elem::ZERO); C]; O];
            if !columns.is_empty() {
                for oy in rows {
                    let ix = columns.start * d.stride + kx - d.padding;
                    let x = x.add(((oy * d.stride + ky - d.padding) * d.input[1] + ix) * width);
                    let y = y.add((oy * d.output[1] + columns.start) * width);
                    row::<L, O, C, V>(&mut sums, (x, x_plane, d.stride), (y, y_plane), columns.len());
                }
            }
            for (i, sums) in sums.iter().enumerate() {
                for (j, sum) in sums.iter().enumerate() {
                    let to = out.add(((o + i) * d.channels + c + j) * d.taps() + tap);
                    *to = (*to).add(sum.sum());
                }
            }
        }
    }
}

/// The products along a row.
#[inline(always)]
unsafe fn row<L: Lanes, const O: usize, const C: usize, const V: usize>(
    sums: &mut [[L; C]; O],
    (x, x_plane, stride): (*const L::Elem, usize, usize),
    (y, y_plane): (*const L::Elem, usize),
    places: usize,
) {
    let width = V * L::WIDTH;
    // SAFETY: the caller gives `places` entries of each plane.
    unsafe {
        for p in 0..places {
            for v in 0..V {
                let (x, y) = (x.add(p * stride * width + v * L::WIDTH), y.add(p * width + v * L::WIDTH));
                let mut inputs = [L::splat(L::Elem::ZERO); C];
                for (j, lanes) in inputs.iter_mut().enumerate() {
                    *lanes = L::load(x.add(j * x_plane));
                }
                for (i, sums) in sums.iter_mut().enumerate() {
                    let output = L::load(y.add(i * y_plane));
                    for (sum, lanes) in sums.iter_mut().zip(&inputs) {
                        *sum = output.mul_add(*lanes, *sum);
                    }
                }
            }
        }
    }
}
