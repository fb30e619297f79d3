//! Published end points.

use super::support::solve_one;
use pullback::solve::{Method, Options};

fn tight(method: Method) -> Options {
    Options { method, rtol: 1e-12, atol: 1e-13, ..Options::default() }
}

/// Start of the seven bodies, and their end at t = 3 (positions, then velocities).
pub const PLEIADES: [f64; 28] = [
    3.0, 3.0, -1.0, -3.0, 2.0, -2.0, 2.0, 3.0, -3.0, 2.0, 0.0, 0.0, -4.0, 4.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.75, -1.5,
    0.0, 0.0, 0.0, -1.25, 1.0, 0.0, 0.0,
];

/// See [`PLEIADES`].
#[allow(clippy::unreadable_literal, reason = "values as published")]
pub const PLEIADES_END: [f64; 28] = [
    0.370_613_914_397_050_2,
    3.237_284_092_057_233,
    -3.222_559_032_418_324,
    0.659_709_145_577_531,
    0.342_558_170_715_658_4,
    1.562_172_101_400_631,
    -0.700_309_292_221_249_5,
    -3.943_437_585_517_392,
    -3.271_380_973_972_55,
    5.225_081_843_456_543,
    -2.590_612_434_977_47,
    1.198_213_693_392_275,
    -0.242_968_234_493_583_6,
    1.091_449_240_428_98,
    3.417003806314313,
    1.354584501625501,
    -2.590065597810775,
    2.025053734714242,
    -1.155815100160448,
    -0.8072988170223021,
    0.595239635420871,
    -3.74124496123401,
    0.377345968575063,
    0.9386858869551073,
    0.3667922227200571,
    -0.347404635380849,
    2.344915448180937,
    -1.947020434263292,
];

/// Hairer, Nørsett, Wanner, section II.10; reference values of the Bari test set.
pub fn pleiades(_: f64, z: &[f64], dz: &mut [f64]) {
    for i in 0..7 {
        (dz[i], dz[7 + i], dz[14 + i], dz[21 + i]) = (z[14 + i], z[21 + i], 0.0, 0.0);
        for j in (0..7).filter(|&j| j != i) {
            let (dx, dy) = (z[j] - z[i], z[7 + j] - z[7 + i]);
            let r3 = (dx * dx + dy * dy).powf(1.5);
            dz[14 + i] += (j + 1) as f64 * dx / r3;
            dz[21 + i] += (j + 1) as f64 * dy / r3;
        }
    }
}

#[test]
fn pleiades_end_point() {
    for method in [Method::Dopri5, Method::Tsit5] {
        let solution = solve_one(28, pleiades, &PLEIADES, 0.0, &[3.0], &tight(method));
        for (z, expected) in solution.values.iter().zip(PLEIADES_END) {
            assert!((z - expected).abs() < 1e-8, "{}: {z} {expected}", method.name());
        }
    }
}

/// The restricted three body problem; a periodic orbit.
#[test]
fn arenstorf_orbit_closes() {
    let mu = 0.012_277_471;
    let nu = 1.0 - mu;
    let f = |_: f64, z: &[f64], dz: &mut [f64]| {
        let (x, y) = (z[0], z[1]);
        let d1 = ((x + mu).powi(2) + y * y).powf(1.5);
        let d2 = ((x - nu).powi(2) + y * y).powf(1.5);
        dz[0] = z[2];
        dz[1] = z[3];
        dz[2] = x + 2.0 * z[3] - nu * (x + mu) / d1 - mu * (x - nu) / d2;
        dz[3] = y - 2.0 * z[2] - nu * y / d1 - mu * y / d2;
    };
    let z0 = [0.994, 0.0, 0.0, -2.001_585_106_379_082_5];
    for method in [Method::Dopri5, Method::Tsit5] {
        let solution = solve_one(4, f, &z0, 0.0, &[17.065_216_560_157_964], &tight(method));
        for (z, start) in solution.values.iter().zip(z0).take(2) {
            assert!((z - start).abs() < 1e-6, "{}: {z} {start}", method.name());
        }
        assert!(solution.stats.rejected[0] > 0);
    }
}

/// Brusselator, 32 digits by Mathematica in the tests of `russell_ode`.
#[test]
fn brusselator_end_point() {
    let f = |_: f64, y: &[f64], dy: &mut [f64]| {
        let product = y[0] * y[0] * y[1];
        (dy[0], dy[1]) = (1.0 - 4.0 * y[0] + product, 3.0 * y[0] - product);
    };
    for method in [Method::Bosh3, Method::Dopri5, Method::Tsit5] {
        let rtol = if method == Method::Bosh3 { 1e-9 } else { 1e-11 };
        let options = Options { method, rtol, atol: rtol, ..Options::default() };
        let z = solve_one(2, f, &[1.5, 3.0], 0.0, &[20.0], &options).values;
        let error = (z[0] - 0.498_637_071_268_347_83).abs().max((z[1] - 4.596_780_349_452_011).abs());
        assert!(error < 50.0 * rtol, "{}: {error:e}", method.name());
    }
}

/// Lotka–Volterra, DETEST B1 (Hull, Enright, Fellen, Sedgwick 1972), value at t = 20.
#[test]
fn detest_b1() {
    let f = |_: f64, y: &[f64], dy: &mut [f64]| {
        (dy[0], dy[1]) = (2.0 * (y[0] - y[0] * y[1]), -(y[1] - y[0] * y[1]));
    };
    let z = solve_one(2, f, &[1.0, 3.0], 0.0, &[20.0], &tight(Method::Tsit5)).values;
    assert!((z[0] - 0.676_187_600_857_666_7).abs() < 1e-9, "{}", z[0]);
    assert!((z[1] - 0.186_081_609_964_003_6).abs() < 1e-9, "{}", z[1]);
}

/// Kepler orbits with eccentricities 0.1 to 0.9, DETEST D1 to D5, position and velocity at t = 20.
#[test]
fn detest_orbits() {
    let f = |_: f64, y: &[f64], dy: &mut [f64]| {
        let r3 = (y[0] * y[0] + y[1] * y[1]).powf(1.5);
        (dy[0], dy[1], dy[2], dy[3]) = (y[2], y[3], -y[0] / r3, -y[1] / r3);
    };
    let ends = [
        [0.219_883_535_200_839_7, 0.942_707_684_634_181_3, -0.978_765_984_105_817_6, 0.328_797_799_096_203_6],
        [-0.177_702_735_714_041_2, 0.946_778_471_989_059_2, -1.030_294_163_192_969, 0.121_107_489_005_395_2],
        [-0.578_043_295_303_536_1, 0.863_384_000_919_419_3, -0.959_508_373_038_072_7, -0.065_049_151_267_120_9],
        [-0.953_899_029_341_639_4, 0.690_740_902_421_943_2, -0.821_267_427_087_743_3, -0.153_957_425_912_582_5],
        [-1.295_266_250_987_574, 0.400_393_896_379_232_1, -0.677_539_092_470_756_6, -0.127_083_815_427_868_6],
    ];
    for (e, end) in [0.1, 0.3, 0.5, 0.7, 0.9f64].into_iter().zip(ends) {
        let z0 = [1.0 - e, 0.0, 0.0, ((1.0 + e) / (1.0 - e)).sqrt()];
        let z = solve_one(4, f, &z0, 0.0, &[20.0], &tight(Method::Tsit5)).values;
        for (z, expected) in z.iter().zip(end) {
            assert!((z - expected).abs() < 1e-8, "e = {e}: {z} {expected}");
        }
    }
}
