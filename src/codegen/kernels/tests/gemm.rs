//! Products against the definition, over shapes, layouts and both types, on every tier.

use super::super::{Gemm, Tier};

const SIZES: [usize; 9] = [0, 1, 2, 3, 5, 8, 13, 20, 50];

/// Strides of a rows×cols matrix: row-major, column-major, padded row-major, and neither contiguous.
fn layouts(rows: usize, cols: usize) -> [(isize, isize); 4] {
    let (rows, cols) = (rows.max(1).cast_signed(), cols.max(1).cast_signed());
    [(cols, 1), (1, rows), (cols + 3, 1), (2 * cols + 1, 2)]
}

/// A value in (−1, 1) that differs from element to element.
fn value(seed: usize, i: usize) -> f64 {
    (((seed * 7919 + i * 104_729) % 20_011) as f64 / 10_005.5) - 1.0
}

fn index(i: usize, j: usize, (row, col): (isize, isize)) -> usize {
    (i.cast_signed() * row + j.cast_signed() * col).cast_unsigned()
}

/// The product alone or, with `add`, added to what is in C.
fn describe(m: usize, n: usize, k: usize, [a, b, c]: [(isize, isize); 3], add: usize) -> Gemm {
    let (a_row, a_col, b_row, b_col, c_row, c_col) = (a.0, a.1, b.0, b.1, c.0, c.1);
    Gemm { m, n, k, a_row, a_col, b_row, b_col, c_row, c_col, accumulate: add, bias: 0, d_row: 0, d_col: 0 }
}

/// Which D a product is added to.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Start {
    /// None.
    Zero,
    /// C itself.
    Result,
    /// One entry a row, one a column, one for all; a matrix in a layout.
    Bias(isize, isize),
}

/// Every kind of D for an m×n product.
fn starts(m: usize, n: usize) -> [Start; 8] {
    let [a, b, ..] = layouts(m, n);
    let matrix = |(row, col)| Start::Bias(row, col);
    let few = [Start::Zero, Start::Result, Start::Bias(1, 0), Start::Bias(2, 0), Start::Bias(0, 1)];
    [few[0], few[1], few[2], few[3], few[4], Start::Bias(0, 0), matrix(a), matrix(b)]
}

/// Room for any layout of a rows×cols matrix.
fn room(rows: usize, cols: usize) -> usize {
    (2 * cols.max(1) + 4) * (rows + 2) + 2 * rows
}

fn check(tier: Tier, gemm: Gemm, start: Start) {
    let Some(kernels) = tier.kernels() else { return };
    let gemm = match start {
        Start::Zero => gemm,
        Start::Result => Gemm { accumulate: 1, ..gemm },
        Start::Bias(d_row, d_col) => Gemm { bias: 1, d_row, d_col, ..gemm },
    };
    let Gemm { m, n, k, .. } = gemm;
    let a: Vec<f64> = (0..room(m, k)).map(|i| value(1, i)).collect();
    let b: Vec<f64> = (0..room(k, n)).map(|i| value(2, i)).collect();
    let before: Vec<f64> = (0..room(m, n)).map(|i| value(3, i)).collect();
    let narrow = |x: &[f64]| x.iter().map(|&x| x as f32).collect::<Vec<f32>>();
    let (mut c, mut c32) = (before.clone(), narrow(&before));
    let d: Vec<f64> = (0..room(m, n)).map(|i| value(4, i)).collect();
    let (a32, b32, d32) = (narrow(&a), narrow(&b), narrow(&d));
    // SAFETY: `room` holds every layout.
    unsafe {
        (kernels.gemm_f64)(&raw const gemm, a.as_ptr(), b.as_ptr(), c.as_mut_ptr(), d.as_ptr());
        (kernels.gemm_f32)(&raw const gemm, a32.as_ptr(), b32.as_ptr(), c32.as_mut_ptr(), d32.as_ptr());
    }
    let mut touched = vec![false; c.len()];
    for i in 0..m {
        for j in 0..n {
            let at = index(i, j, (gemm.c_row, gemm.c_col));
            touched[at] = true;
            let first = match start {
                Start::Zero => 0.0,
                Start::Result => before[at],
                Start::Bias(row, col) => d[index(i, j, (row, col))],
            };
            let (mut sum, mut size) = (first, f64::from(u8::from(start != Start::Zero)));
            for l in 0..k {
                let a = a[index(i, l, (gemm.a_row, gemm.a_col))];
                let b = b[index(l, j, (gemm.b_row, gemm.b_col))];
                sum += a * b;
                size += (a * b).abs();
            }
            // The standard bound (Higham, Accuracy and Stability of Numerical Algorithms, §3.1): (k + 2)·u·Σ|a||b|; in
            // f32 the rounding of the inputs adds two units a term.
            let terms = k as f64 + 4.0;
            let error = (c[at] - sum).abs();
            assert!(error <= terms * f64::EPSILON * size, "{tier:?} {gemm:?} at {i},{j}: {} not {sum}", c[at]);
            let error = (f64::from(c32[at]) - sum).abs();
            assert!(error <= terms * f64::from(f32::EPSILON) * size, "f32 {tier:?} {gemm:?} at {i},{j}");
        }
    }
    for (at, touched) in touched.iter().enumerate() {
        assert!(*touched || (c[at] == before[at] && c32[at] == before[at] as f32), "{tier:?} {gemm:?} wrote {at}");
    }
}

#[test]
fn products_match_the_definition_in_every_layout() {
    for tier in Tier::supported() {
        for (i, m) in SIZES.into_iter().enumerate() {
            for (j, n) in SIZES.into_iter().enumerate() {
                for (l, k) in SIZES.into_iter().enumerate() {
                    // All 64 combinations of layouts on a third of the shapes, row-major ones on the rest.
                    let all = (i + j + l) % 3 == 0;
                    let (a, b, c) = (layouts(m, k), layouts(k, n), layouts(m, n));
                    for choice in 0..if all { 64 } else { 1 } {
                        let strides = [a[choice % 4], b[choice / 4 % 4], c[choice / 16]];
                        check(tier, describe(m, n, k, strides, 0), starts(m, n)[(choice + i + l) % 8]);
                    }
                }
            }
        }
    }
}

/// Few rows or columns beside many, where kernels of their own run along the long side.
#[test]
fn thin_products_match_the_definition() {
    for tier in Tier::supported() {
        for few in 1..=4 {
            for long in [15, 16, 17, 31, 33, 50, 100] {
                for (m, n, k) in [(few, 1, long), (long, 1, few), (1, few, long), (1, long, few), (few, long, 20)] {
                    let (a, b, c) = (layouts(m, k), layouts(k, n), layouts(m, n));
                    for choice in 0..64 {
                        let strides = [a[choice % 4], b[choice / 4 % 4], c[choice / 16]];
                        check(tier, describe(m, n, k, strides, 0), starts(m, n)[(choice + long) % 8]);
                    }
                }
            }
        }
    }
}

#[test]
fn large_products_match_the_definition() {
    for tier in Tier::supported() {
        for (m, n, k) in [(64, 64, 64), (130, 70, 90), (8, 300, 100), (257, 33, 65)] {
            let (a, b, c) = (layouts(m, k), layouts(k, n), layouts(m, n));
            for choice in [0, 1, 4, 16, 21, 63] {
                let strides = [a[choice % 4], b[choice / 4 % 4], c[choice / 16]];
                for start in starts(m, n) {
                    check(tier, describe(m, n, k, strides, 0), start);
                }
            }
        }
    }
}

/// Column j of a product has the same bits alone among 2 as among 50, wherever it stands (row-major, below `LARGE`).
#[test]
fn a_column_does_not_depend_on_its_neighbours() {
    let (m, k, wide) = (50, 13, 50);
    let a: Vec<f64> = (0..m * k).map(|i| value(1, i)).collect();
    let b: Vec<f64> = (0..k * wide).map(|i| value(2, i)).collect();
    for kernels in Tier::supported().into_iter().filter_map(Tier::kernels) {
        let product = |first: usize, n: usize| {
            let mut c = vec![0.0; m * n];
            let row = wide.cast_signed();
            let gemm = describe(m, n, k, [(k.cast_signed(), 1), (row, 1), (n.cast_signed(), 1)], 0);
            // SAFETY: first + n ≤ wide; C is m×n.
            unsafe {
                let to = c.as_mut_ptr();
                (kernels.gemm_f64)(&raw const gemm, a.as_ptr(), b.as_ptr().add(first), to, to);
            }
            c
        };
        let whole = product(0, wide);
        for n in 2..=33 {
            for first in 0..=wide - n {
                let part = product(first, n);
                for i in 0..m {
                    for j in 0..n {
                        let (got, expected) = (part[i * n + j], whole[i * wide + first + j]);
                        assert_eq!(got.to_bits(), expected.to_bits(), "{:?} {first} {n} {i} {j}", kernels.tier);
                    }
                }
            }
        }
    }
}

/// The sum of a row, and a dot product, have the same bits alone as among others.
#[test]
fn sums_do_not_depend_on_their_neighbours() {
    let value32 = |seed: usize, i: usize| value(seed, i) as f32;
    for kernels in Tier::supported().into_iter().filter_map(Tier::kernels) {
        for k in [1, 3, 8, 16, 20, 37] {
            let m = 43;
            let (a, b) = ((0..m * k).map(|i| value(1, i)).collect::<Vec<_>>(), (0..3 * k).map(|i| value(2, i)));
            let a32: Vec<f32> = (0..m * k).map(|i| value32(1, i)).collect();
            let b: Vec<f64> = b.collect();
            let row = k.cast_signed();
            let call = |first: usize, m: usize, n: usize| {
                let (mut sums, mut sums32, mut dots) = (vec![0.5; m], vec![0.5; m], vec![0.0; m * n]);
                let gemm = describe(m, n, k, [(row, 1), (1, row), (n.cast_signed(), 1)], 1);
                let rows = Gemm { c_row: 1, ..gemm };
                // SAFETY: the buffers have the described elements.
                unsafe {
                    let a = a.as_ptr().add(first * k);
                    let (sums, sums32, dots) = (sums.as_mut_ptr(), sums32.as_mut_ptr(), dots.as_mut_ptr());
                    (kernels.row_sums_f64)(&raw const rows, a, a, sums, sums);
                    let a32 = a32.as_ptr().add(first * k);
                    (kernels.row_sums_f32)(&raw const rows, a32, a32, sums32, sums32);
                    (kernels.gemm_f64)(&raw const gemm, a, b.as_ptr(), dots, dots);
                }
                (sums, sums32, dots)
            };
            let (sums, sums32, dots) = call(0, m, 3);
            let (apart, mut spread) = (Gemm { c_row: 2, ..describe(m, 1, k, [(row, 1); 3], 1) }, vec![0.5; 2 * m]);
            // SAFETY: as above.
            unsafe {
                let to: *mut f64 = spread.as_mut_ptr();
                (kernels.row_sums_f64)(&raw const apart, a.as_ptr(), a.as_ptr(), to, to);
            }
            for i in 0..m {
                assert_eq!(
                    (spread[2 * i].to_bits(), spread[2 * i + 1].to_bits()),
                    (sums[i].to_bits(), 0.5_f64.to_bits())
                );
                let exact: f64 = 0.5 + a[i * k..][..k].iter().sum::<f64>();
                assert!((sums[i] - exact).abs() < 1e-14 * k as f64, "{:?}: {} not {exact}", kernels.tier, sums[i]);
                assert!((f64::from(sums32[i]) - exact).abs() < 1e-6 * k as f64, "{:?} f32", kernels.tier);
                let (sum, sum32, dot) = call(i, 1, 3);
                assert_eq!((sum[0].to_bits(), sum32[0].to_bits()), (sums[i].to_bits(), sums32[i].to_bits()));
                if k > 1 {
                    assert_eq!(dot, dots[i * 3..][..3], "{:?} row {i} of {k}", kernels.tier);
                }
            }
        }
    }
}
