//! Convolutions against the definition, on every tier: both types, every number of samples, windows that overlap, leave
//! gaps and reach beyond the border.

use super::super::{ConvDesc, ConvSamples, Tier};
use crate::graph::{Conv, ConvPart, ConvSizes, conv_places};

/// (channels, outputs, input, kernel)
const SHAPES: [(usize, usize, [usize; 2], [usize; 2]); 7] = [
    (1, 1, [5, 4], [3, 2]),
    (5, 7, [6, 6], [3, 3]),
    (4, 9, [7, 5], [1, 1]),
    (2, 3, [9, 9], [9, 9]),
    (3, 13, [4, 4], [2, 4]),
    (19, 16, [6, 6], [3, 3]),
    (17, 22, [7, 11], [3, 3]),
];

/// A value in (−1, 1) that differs from entry to entry.
fn value(seed: usize, i: usize) -> f64 {
    (((seed * 7919 + i * 104_729) % 20_011) as f64 / 10_005.5) - 1.0
}

/// The tensor by the definition, with the sums of sizes that rounding is measured by.
fn definition(conv: Conv, s: ConvSizes, samples: ConvSamples, lanes: usize, a: &[f64], b: &[f64]) -> Vec<(f64, f64)> {
    let mut out = vec![(0.0, 0.0); entries(conv.part, s, samples, lanes)];
    let all = s.images * s.outputs * s.channels;
    for (n, o, c) in (0..all).map(|i| (i / (s.outputs * s.channels), i / s.channels % s.outputs, i % s.channels)) {
        for (oy, ox) in (0..s.output[0] * s.output[1]).map(|i| (i / s.output[1], i % s.output[1])) {
            for (ky, kx) in (0..s.kernel[0] * s.kernel[1]).map(|i| (i / s.kernel[1], i % s.kernel[1])) {
                let (y, x) = (oy * conv.stride + ky, ox * conv.stride + kx);
                let inside = |i: usize, size: usize| i >= conv.padding && i - conv.padding < size;
                if !inside(y, s.input[0]) || !inside(x, s.input[1]) {
                    continue;
                }
                let at = |part: ConvPart| match part {
                    ConvPart::Input => {
                        ((n * s.channels + c) * s.input[0] + y - conv.padding) * s.input[1] + x - conv.padding
                    }
                    ConvPart::Kernel => ((o * s.channels + c) * s.kernel[0] + ky) * s.kernel[1] + kx,
                    ConvPart::Output => ((n * s.outputs + o) * s.output[0] + oy) * s.output[1] + ox,
                };
                for lane in 0..lanes {
                    let of = |part| {
                        if own(part, samples) { at(part) * lanes + lane } else { at(part) }
                    };
                    let [first, second] = conv.part.operands();
                    let product = a[of(first)] * b[of(second)];
                    let sum = &mut out[of(conv.part)];
                    *sum = (sum.0 + product, sum.1 + product.abs());
                }
            }
        }
    }
    out
}

/// Whether the tensor is per sample.
fn own(part: ConvPart, samples: ConvSamples) -> bool {
    part != ConvPart::Kernel || samples == ConvSamples::Own
}

fn entries(part: ConvPart, s: ConvSizes, samples: ConvSamples, lanes: usize) -> usize {
    let n = match part {
        ConvPart::Input => s.images * s.channels * s.input[0] * s.input[1],
        ConvPart::Kernel => s.outputs * s.channels * s.kernel[0] * s.kernel[1],
        ConvPart::Output => s.images * s.outputs * s.output[0] * s.output[1],
    };
    n * if own(part, samples) { lanes } else { 1 }
}

fn check(tier: Tier, conv: Conv, s: ConvSizes, samples: ConvSamples, lanes: usize) {
    let Some(kernels) = tier.kernels() else { return };
    let [first, second] = conv.part.operands().map(|part| entries(part, s, samples, lanes));
    let a: Vec<f64> = (0..first).map(|i| value(1, i)).collect();
    let b: Vec<f64> = (0..second).map(|i| value(2, i)).collect();
    let narrow = |x: &[f64]| x.iter().map(|&x| x as f32).collect::<Vec<f32>>();
    let (a32, b32) = (narrow(&a), narrow(&b));
    let expected = definition(conv, s, samples, lanes, &a, &b);
    let accumulate = samples == ConvSamples::Summed && lanes.is_multiple_of(2);
    let before = if accumulate { 0.25 } else { 0.0 };
    let desc = ConvDesc::new(conv, s, lanes, samples, accumulate);
    // What lies behind the result stays as it is.
    let (mut out, mut out32) = (vec![0.25; expected.len() + 40], vec![0.25_f32; expected.len() + 40]);
    let (mut scratch, mut scratch32) = (vec![f64::NAN; desc.scratch()], vec![f32::NAN; desc.scratch()]);
    // SAFETY: the buffers have the sizes that the description says.
    unsafe {
        (kernels.conv_f64)(&raw const desc, a.as_ptr(), b.as_ptr(), out.as_mut_ptr(), scratch.as_mut_ptr());
        (kernels.conv_f32)(&raw const desc, a32.as_ptr(), b32.as_ptr(), out32.as_mut_ptr(), scratch32.as_mut_ptr());
    }
    let terms = (s.channels.max(s.outputs) * s.output[0] * s.output[1] * s.images * (lanes + 4)) as f64;
    for (i, (sum, size)) in expected.iter().enumerate() {
        let (sum, size) = (sum + before, size + before);
        let what = format!("{tier:?} {conv:?} {s:?} {samples:?} {lanes} lanes, entry {i}: {} not {sum}", out[i]);
        assert!((out[i] - sum).abs() <= terms * f64::EPSILON * size, "{what}");
        assert!((f64::from(out32[i]) - sum).abs() <= terms * f64::from(f32::EPSILON) * size, "f32 {what}");
    }
    assert!(out[expected.len()..].iter().all(|x| *x == 0.25), "{tier:?} {conv:?} {s:?} wrote behind its result");
    assert!(out32[expected.len()..].iter().all(|x| *x == 0.25), "{tier:?} {conv:?} {s:?} wrote behind its result");
}

#[test]
fn convolutions_match_the_definition() {
    let ways = [
        (ConvPart::Output, ConvSamples::Apart),
        (ConvPart::Input, ConvSamples::Apart),
        (ConvPart::Kernel, ConvSamples::Summed),
        (ConvPart::Output, ConvSamples::Own),
        (ConvPart::Input, ConvSamples::Own),
        (ConvPart::Kernel, ConvSamples::Own),
    ];
    for tier in Tier::supported() {
        for (part, samples) in ways {
            for (i, (channels, outputs, input, kernel)) in SHAPES.into_iter().enumerate() {
                for (stride, padding) in [(1, 0), (1, 1), (2, 1), (2, 2), (3, 0)] {
                    let places = |k: usize| conv_places(input[k], kernel[k], stride, padding);
                    let (Some(h), Some(w)) = (places(0), places(1)) else { continue };
                    let s = ConvSizes { images: 1 + i % 2, channels, outputs, input, kernel, output: [h, w] };
                    // The definition takes long with many channels.
                    let all = [21, 3, 1, 8, 16, 40];
                    for lanes in if channels > 16 { &all[..2] } else { &all[..] }.iter().copied() {
                        check(tier, Conv { part, stride, padding }, s, samples, lanes);
                    }
                }
            }
        }
    }
}

/// What `minimal` says of its errors, in the norm of the whole tensor.
#[test]
fn minimal_filtering_keeps_its_accuracy() {
    let s = ConvSizes { images: 1, channels: 64, outputs: 64, input: [6, 6], kernel: [3, 3], output: [6, 6] };
    for kernels in Tier::supported().into_iter().filter_map(Tier::kernels) {
        for part in [ConvPart::Output, ConvPart::Input, ConvPart::Kernel] {
            let (conv, lanes) = (Conv { part, stride: 1, padding: 1 }, 3);
            let samples = if part == ConvPart::Kernel { ConvSamples::Summed } else { ConvSamples::Apart };
            let [a, b] = part.operands().map(|of| entries(of, s, samples, lanes));
            let uniform = |seed: usize, n: usize| (0..n).map(|i| value(seed, i)).collect::<Vec<f64>>();
            // Entries that f32 has too.
            let round = |x: Vec<f64>| x.into_iter().map(|x| f64::from(x as f32)).collect::<Vec<f64>>();
            let (a, b) = (round(uniform(1, a)), round(uniform(2, b)));
            let narrow = |x: &[f64]| x.iter().map(|&x| x as f32).collect::<Vec<f32>>();
            let (a32, b32) = (narrow(&a), narrow(&b));
            let expected = definition(conv, s, samples, lanes, &a, &b);
            let desc = ConvDesc::new(conv, s, lanes, samples, false);
            let (mut out, mut out32) = (vec![0.0; expected.len()], vec![0.0_f32; expected.len()]);
            let (mut scratch, mut scratch32) = (vec![f64::NAN; desc.scratch()], vec![f32::NAN; desc.scratch()]);
            // SAFETY: the buffers have the sizes that the description says.
            unsafe {
                (kernels.conv_f64)(&raw const desc, a.as_ptr(), b.as_ptr(), out.as_mut_ptr(), scratch.as_mut_ptr());
                let (a, b, out) = (a32.as_ptr(), b32.as_ptr(), out32.as_mut_ptr());
                (kernels.conv_f32)(&raw const desc, a, b, out, scratch32.as_mut_ptr());
            }
            let norm = |x: &mut dyn Iterator<Item = f64>| x.map(|x| x * x).sum::<f64>().sqrt();
            let size = norm(&mut expected.iter().map(|e| e.0));
            let error = norm(&mut expected.iter().zip(&out).map(|(e, x)| x - e.0)) / size;
            let error32 = norm(&mut expected.iter().zip(&out32).map(|(e, x)| f64::from(*x) - e.0)) / size;
            assert!(error < 3e-14 && error > 0.0, "{:?} {part:?}: {error:e}", kernels.tier);
            assert!(error32 < 1e-5, "{:?} {part:?}: {error32:e}", kernels.tier);
        }
    }
}

/// A sample's result has the same bits whatever stands beside it.
#[test]
fn a_sample_does_not_depend_on_its_neighbours() {
    for (channels, outputs) in [(3, 8), (18, 17)] {
        neighbours(channels, outputs);
    }
}

fn neighbours(channels: usize, outputs: usize) {
    let conv = Conv { part: ConvPart::Output, stride: 1, padding: 1 };
    let s = ConvSizes { images: 1, channels, outputs, input: [6, 6], kernel: [3, 3], output: [6, 6] };
    for kernels in Tier::supported().into_iter().filter_map(Tier::kernels) {
        let k: Vec<f64> = (0..outputs * channels * 9).map(|i| value(2, i)).collect();
        let run = |lanes: usize| {
            let x: Vec<f64> = (0..channels * 36 * lanes).map(|i| value(1, i / lanes + 1000 * (i % lanes))).collect();
            let desc = ConvDesc::new(conv, s, lanes, ConvSamples::Apart, false);
            let (mut out, mut scratch) = (vec![0.0; outputs * 36 * lanes], vec![0.0; desc.scratch()]);
            // SAFETY: the buffers have the sizes that the description says.
            unsafe {
                (kernels.conv_f64)(&raw const desc, x.as_ptr(), k.as_ptr(), out.as_mut_ptr(), scratch.as_mut_ptr());
            }
            out
        };
        let many = run(37);
        for lanes in 1..37 {
            for (i, x) in run(lanes).iter().enumerate() {
                let same = many[i / lanes * 37 + i % lanes];
                assert_eq!(x.to_bits(), same.to_bits(), "{:?} {lanes} lanes, entry {i}", kernels.tier);
            }
        }
    }
}
