//! Ulp bounds, special values, tails, aliasing and agreement between tiers.

use super::super::{BINARY, Tier, UnaryKernel, kernels, symbols};

/// The stated bounds in ulp of the true value, f64 and f32; the error of the f64 reference itself (the scalar meaning
/// against 140 bits, measured on 8,000 points a function); the range scanned.
const BOUNDS: &[(&str, f64, f64, f64, f64, f64)] = &[
    ("exp", 1.0, 1.0, 0.9, -750.0, 712.0),
    ("expm1", 1.5, 1.5, 0.8, -50.0, 712.0),
    ("log", 1.0, 1.0, 0.8, 1e-320, 1e308),
    ("log1p", 1.5, 1.5, 0.9, -1.0, 1e300),
    ("sqrt", 0.5, 0.5, 0.0, 0.0, 1e308),
    ("sin", 1.0, 1.0, 0.8, -2e5, 2e5),
    ("cos", 1.0, 1.0, 0.8, -2e5, 2e5),
    ("tanh", 2.0, 6.0, 1.7, -25.0, 25.0),
    ("sigmoid", 2.0, 2.5, 1.9, -750.0, 50.0),
    ("softplus", 1.5, 2.0, 1.2, -750.0, 750.0),
];

const SPECIAL: [f64; 24] = [
    0.0,
    -0.0,
    5e-324,
    -5e-324,
    1e-310,
    -1e-310,
    1e-45,
    f64::MIN_POSITIVE,
    1e-20,
    -1e-20,
    0.5,
    -0.5,
    1.0,
    -1.0,
    709.782_712_893_384,
    709.782_712_893_385,
    -745.133_219_101_941_1,
    -745.133_219_101_941_3,
    88.722_84,
    -103.972_1,
    1e300,
    f64::INFINITY,
    f64::NEG_INFINITY,
    f64::NAN,
];

/// Uniform numbers in \[0, 1): splitmix64.
fn uniform(state: &mut u64) -> f64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((z ^ (z >> 31)) >> 11) as f64 / 9_007_199_254_740_992.0
}

/// A third uniform in the range, a third near zero, a third of every magnitude in the range.
fn arguments(low: f64, high: f64) -> Vec<f64> {
    let mut state = 7;
    let mut x: Vec<f64> = SPECIAL.to_vec();
    for _ in 0..20_000 {
        x.push(low + (high - low) * uniform(&mut state));
        x.push((uniform(&mut state) * 6.0 - 3.0).clamp(low, high));
        let magnitude = 10_f64.powf(uniform(&mut state) * 640.0 - 330.0);
        let sign = if uniform(&mut state) < 0.5 { -1.0 } else { 1.0 };
        x.push((sign * magnitude).clamp(low, high));
    }
    x
}

fn apply_f64(kernel: &UnaryKernel, x: &[f64]) -> Vec<f64> {
    let mut y = vec![0.0; x.len()];
    // SAFETY: both slices have x.len() elements; the table of a supported tier.
    unsafe { (kernel.tile_f64)(x.as_ptr(), y.as_mut_ptr(), x.len()) };
    y
}

fn apply_f32(kernel: &UnaryKernel, x: &[f32]) -> Vec<f32> {
    let mut y = vec![0.0; x.len()];
    // SAFETY: as above.
    unsafe { (kernel.tile_f32)(x.as_ptr(), y.as_mut_ptr(), x.len()) };
    y
}

fn ulp_f64(x: f64) -> f64 {
    let x = x.abs().min(f64::MAX.next_down());
    x.next_up() - x
}

fn ulp_f32(x: f64) -> f64 {
    let x = (x.abs() as f32).min(f32::MAX.next_down());
    f64::from(x.next_up()) - f64::from(x)
}

/// Every supported tier with the kernel called `name`.
fn each_tier(name: &str) -> Vec<(Tier, UnaryKernel)> {
    let of = |tier: Tier| tier.kernels()?.unary.iter().find(|k| k.name == name).map(|k| (tier, *k));
    Tier::supported().into_iter().filter_map(of).collect()
}

#[test]
fn f64_errors_are_within_the_stated_bounds() {
    for &(name, bound, _, reference, low, high) in BOUNDS {
        let x = arguments(low, high);
        for (tier, kernel) in each_tier(name) {
            for (x, y) in x.iter().zip(apply_f64(&kernel, &x)) {
                let expected = (kernel.scalar)(*x);
                let same = y == expected || (y.is_nan() && expected.is_nan());
                let error = if same { 0.0 } else { (y - expected).abs() / ulp_f64(expected) };
                assert!(error <= bound + reference, "{name} {tier:?} at {x:e}: {y:e}, not {expected:e} ({error} ulp)");
            }
        }
    }
}

#[test]
fn f32_errors_are_within_the_stated_bounds() {
    for &(name, _, bound, _, low, high) in BOUNDS {
        let low = if name == "log" { 1e-45 } else { low };
        let x: Vec<f32> = arguments(low, high.min(3e38)).iter().map(|&x| x as f32).collect();
        for (tier, kernel) in each_tier(name) {
            for (x, y) in x.iter().zip(apply_f32(&kernel, &x)) {
                let exact = (kernel.scalar)(f64::from(*x));
                let expected = exact as f32;
                let same = y == expected || (y.is_nan() && expected.is_nan());
                let error = if same { 0.0 } else { (f64::from(y) - exact).abs() / ulp_f32(exact) };
                assert!(error <= bound, "{name} {tier:?} at {x:e}: {y:e}, not {expected:e} ({error} ulp)");
            }
        }
    }
}

/// Zeros keep their sign where the function is odd at zero, and infinities and NaN go where the meaning sends them.
#[test]
fn special_values_agree_with_the_meaning() {
    for tier in Tier::supported() {
        for kernel in tier.kernels().into_iter().flat_map(|kernels| kernels.unary) {
            for x in [0.0, -0.0, 1.0, -1.0, f64::INFINITY, f64::NEG_INFINITY, f64::NAN] {
                let (expected, y) = ((kernel.scalar)(x), apply_f64(kernel, &[x])[0]);
                let exact = x == 0.0 || !expected.is_finite();
                let agree = if expected.is_nan() { y.is_nan() } else { y.to_bits() == expected.to_bits() };
                assert!(!exact || agree, "{} {tier:?}({x}) = {y}, not {expected}", kernel.name);
                let narrow = apply_f32(kernel, &[x as f32])[0];
                let expected = (kernel.scalar_f32)(x as f32);
                let agree = if expected.is_nan() { narrow.is_nan() } else { narrow.to_bits() == expected.to_bits() };
                assert!(!exact || agree, "{} f32 {tier:?}({x}) = {narrow}, not {expected}", kernel.name);
            }
        }
    }
}

#[test]
fn results_do_not_depend_on_position_length_tier_or_aliasing() {
    let x: Vec<f64> = arguments(-3e5, 3e5).into_iter().take(300).collect();
    let narrow: Vec<f32> = x.iter().map(|&x| x as f32).collect();
    for reference in Tier::Portable.kernels().into_iter().flat_map(|kernels| kernels.unary) {
        let (whole, whole_f32) = (apply_f64(reference, &x), apply_f32(reference, &narrow));
        for (tier, kernel) in each_tier(reference.name) {
            for start in 0..40 {
                for length in [0, 1, 2, 3, 5, 8, 15, 16, 17, 31, 50] {
                    let range = start..start + length;
                    let part = apply_f64(&kernel, &x[range.clone()]);
                    let same = part.iter().zip(&whole[range.clone()]).all(|(a, b)| same_bits(*a, *b));
                    assert!(same, "{} f64 {tier:?} at {range:?}", kernel.name);
                    let part = apply_f32(&kernel, &narrow[range.clone()]);
                    let same = part
                        .iter()
                        .zip(&whole_f32[range.clone()])
                        .all(|(a, b)| same_bits(f64::from(*a), f64::from(*b)));
                    assert!(same, "{} f32 {tier:?} at {range:?}", kernel.name);
                }
            }
            let mut in_place = x.clone();
            // SAFETY: x == y is allowed by the contract.
            unsafe { (kernel.tile_f64)(in_place.as_ptr(), in_place.as_mut_ptr(), in_place.len()) };
            let same = in_place.iter().zip(&whole).all(|(a, b)| same_bits(*a, *b));
            assert!(same, "{} in place {tier:?}", kernel.name);
        }
    }
}

/// The same number, NaNs of any payload being one.
fn same_bits(a: f64, b: f64) -> bool {
    a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan())
}

#[test]
fn a_tile_writes_nothing_beyond_its_length() {
    for tier in Tier::supported() {
        for kernel in tier.kernels().into_iter().flat_map(|kernels| kernels.unary) {
            for n in 0..20 {
                let (x, mut y) = (vec![0.5; n], vec![7.0; n + 20]);
                // SAFETY: n elements are valid in both.
                unsafe { (kernel.tile_f64)(x.as_ptr(), y.as_mut_ptr(), n) };
                assert!(y[n..].iter().all(|&y| y == 7.0), "{} {tier:?} n = {n}", kernel.name);
            }
        }
    }
}

#[test]
fn binary_tiles_are_their_meaning() {
    let (a, b) = ([2.0, -2.0, 0.0, 1.5, 9.0], [3.0, 2.0, -1.0, -0.5, 0.5]);
    for kernel in BINARY {
        let mut y = a;
        // SAFETY: five elements each; y may equal a.
        unsafe { (kernel.tile_f64)(y.as_ptr(), b.as_ptr(), y.as_mut_ptr(), 5) };
        for i in 0..5 {
            assert_eq!(y[i].to_bits(), (kernel.scalar)(a[i], b[i]).to_bits(), "{} {i}", kernel.name);
        }
        let (a, b, mut y) = (a.map(|x| x as f32), b.map(|x| x as f32), [0.0; 5]);
        // SAFETY: five elements each.
        unsafe { (kernel.tile_f32)(a.as_ptr(), b.as_ptr(), y.as_mut_ptr(), 5) };
        for i in 0..5 {
            assert_eq!(y[i].to_bits(), (kernel.scalar_f32)(a[i], b[i]).to_bits(), "{} {i}", kernel.name);
        }
    }
}

/// g·(1 − y²) within two roundings, for every length, in place of either operand, and nothing beyond.
#[test]
fn slopes_of_tanh() {
    let values = |n: usize, seed: f64| (0..n).map(|i| (i as f64 * seed).sin()).collect::<Vec<f64>>();
    for kernels in Tier::supported().into_iter().filter_map(Tier::kernels) {
        for n in 0..40 {
            let (g, y) = (values(n, 1.3), values(n, 0.7));
            let (mut out, mut of_g, mut of_y) = (vec![7.0; n + 9], g.clone(), y.clone());
            let (mut g32, y32): (Vec<f32>, Vec<f32>) = g.iter().zip(&y).map(|(g, y)| (*g as f32, *y as f32)).unzip();
            // SAFETY: n elements each; the result may be an operand.
            unsafe {
                (kernels.tanh_slope_f64)(g.as_ptr(), y.as_ptr(), out.as_mut_ptr(), n);
                (kernels.tanh_slope_f64)(of_g.as_ptr(), y.as_ptr(), of_g.as_mut_ptr(), n);
                (kernels.tanh_slope_f64)(g.as_ptr(), of_y.as_ptr(), of_y.as_mut_ptr(), n);
                (kernels.tanh_slope_f32)(g32.as_ptr(), y32.as_ptr(), g32.as_mut_ptr(), n);
            }
            for i in 0..n {
                let exact = g[i] * y[i].mul_add(-y[i], 1.0);
                assert!((out[i] - exact).abs() <= f64::EPSILON * exact.abs(), "{:?} {n} {i}", kernels.tier);
                assert_eq!((of_g[i].to_bits(), of_y[i].to_bits()), (out[i].to_bits(), out[i].to_bits()));
                assert!((f64::from(g32[i]) - exact).abs() < 1e-6, "{:?} f32 {n} {i}", kernels.tier);
            }
            assert!(out[n..].iter().all(|&x| x == 7.0));
        }
    }
}

#[test]
fn symbols_are_distinct_and_complete() {
    let mut names: Vec<&str> = symbols().iter().map(|(name, _)| *name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), 8 + 2 * kernels().unary.len() + 2 * BINARY.len());
    assert!(["tanh_f64", "digamma_f32", "pow_f64", "gemm_f32"].iter().all(|name| names.contains(name)));
}
