//! Stiff problems with published end points: error in units of the tolerance.
//!
//! Values of Robertson, van der Pol, HIRES and OREGO: Mazzia, Magherini, Test Set for Initial Value Problem Solvers,
//! University of Bari, release 2.4, and the tables of Hairer's test set (Geneva).

use super::support::solve_one;
use pullback::solve::{Implicit, Method, Options, Stats};

type Field = fn(f64, &[f64], &mut [f64]);

fn robertson(_: f64, z: &[f64], dz: &mut [f64]) {
    dz[0] = -0.04 * z[0] + 1e4 * z[1] * z[2];
    dz[2] = 3e7 * z[1] * z[1];
    dz[1] = -dz[0] - dz[2];
}

fn van_der_pol(_: f64, z: &[f64], dz: &mut [f64]) {
    dz[0] = z[1];
    dz[1] = 1e3 * (1.0 - z[0] * z[0]) * z[1] - z[0];
}

fn hires(_: f64, y: &[f64], dy: &mut [f64]) {
    dy[0] = -1.71 * y[0] + 0.43 * y[1] + 8.32 * y[2] + 0.0007;
    dy[1] = 1.71 * y[0] - 8.75 * y[1];
    dy[2] = -10.03 * y[2] + 0.43 * y[3] + 0.035 * y[4];
    dy[3] = 8.32 * y[1] + 1.71 * y[2] - 1.12 * y[3];
    dy[4] = -1.745 * y[4] + 0.43 * y[5] + 0.43 * y[6];
    dy[5] = -280.0 * y[5] * y[7] + 0.69 * y[3] + 1.71 * y[4] - 0.43 * y[5] + 0.69 * y[6];
    dy[6] = 280.0 * y[5] * y[7] - 1.81 * y[6];
    dy[7] = -dy[6];
}

fn oregonator(_: f64, y: &[f64], dy: &mut [f64]) {
    dy[0] = 77.27 * (y[1] + y[0] * (1.0 - 8.375e-6 * y[0] - y[1]));
    dy[1] = (y[2] - (1.0 + y[0]) * y[1]) / 77.27;
    dy[2] = 0.161 * (y[0] - y[2]);
}

struct Case {
    name: &'static str,
    field: Field,
    z0: &'static [f64],
    t: f64,
    end: &'static [f64],
    /// Absolute tolerance for a relative one of 1.
    atol: f64,
}

const CASES: [Case; 6] = [
    Case {
        name: "robertson to 1e5",
        field: robertson,
        z0: &[1.0, 0.0, 0.0],
        t: 1e5,
        end: &[1.786_592_114_209_946e-2, 7.274_751_468_436_319e-8, 9.821_340_061_103_859e-1],
        atol: 1e-4,
    },
    Case {
        name: "robertson to 1e11",
        field: robertson,
        z0: &[1.0, 0.0, 0.0],
        t: 1e11,
        end: &[2.083_340_149_701_284e-8, 8.333_360_770_334_744e-14, 9.999_999_791_665_152e-1],
        atol: 1e-4,
    },
    Case {
        name: "van der Pol, mu = 1000, to 2000",
        field: van_der_pol,
        z0: &[2.0, 0.0],
        t: 2000.0,
        end: &[1.706_167_732_170_469, -0.892_809_701_024_812_5e-3],
        atol: 1e-2,
    },
    Case {
        name: "van der Pol, mu = 1000, to 3000",
        field: van_der_pol,
        z0: &[2.0, 0.0],
        t: 3000.0,
        end: &[-1.510_606_936_744_095, 1.178_380_000_730_945e-3],
        atol: 1e-2,
    },
    Case {
        name: "HIRES",
        field: hires,
        z0: &[1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0057],
        t: 321.8122,
        end: &[
            0.737_131_257_332_566_8e-3,
            0.144_248_572_631_618_5e-3,
            0.588_872_974_096_757_5e-4,
            0.117_565_134_328_314_9e-2,
            0.238_635_619_883_133_1e-2,
            0.623_896_825_274_279_6e-2,
            0.284_999_839_518_576_9e-2,
            0.285_000_160_481_423_1e-2,
        ],
        atol: 1e-2,
    },
    Case {
        name: "OREGO",
        field: oregonator,
        z0: &[1.0, 2.0, 3.0],
        t: 360.0,
        end: &[0.100_081_487_031_852_3e1, 0.122_817_852_154_991_7e4, 0.132_055_494_284_670_6e3],
        atol: 1e-2,
    },
];

impl Case {
    /// Relative change of the end point for a relative change of the right-hand side, which is one of the time scale:
    /// the largest |t fᵢ| / |zᵢ|.
    fn condition(&self) -> f64 {
        let mut f = vec![0.0; self.end.len()];
        (self.field)(self.t, self.end, &mut f);
        f.iter().zip(self.end).map(|(f, z)| (self.t * f / z).abs()).fold(1.0, f64::max)
    }
}

/// Largest error in units of rtol |z| + atol, and the work.
fn error(case: &Case, method: Implicit, rtol: f64) -> (f64, Stats) {
    let atol = case.atol * rtol;
    let options = Options { method: Method::Implicit(method), rtol, atol, ..Options::default() };
    let solution = solve_one(case.z0.len(), case.field, case.z0, 0.0, &[case.t], &options);
    assert_eq!(solution.failures, [None], "{} by {}", case.name, method.name());
    let off = |(z, end): (&f64, &f64)| (z - end).abs() / (rtol * end.abs() + atol);
    (solution.values.iter().zip(case.end).map(off).fold(0.0, f64::max), solution.stats)
}

#[test]
fn published_end_points() {
    for case in &CASES {
        let condition = case.condition();
        for method in Implicit::ALL {
            for rtol in [1e-4, 1e-6, 1e-8] {
                let (error, stats) = error(case, method, rtol);
                eprintln!(
                    "| {} | {} | {condition:.0} | {rtol:e} | {error:.2} | {} | {} | {} |",
                    case.name,
                    method.name(),
                    stats.accepted[0],
                    stats.rejected[0],
                    stats.rhs_calls
                );
                assert!(error < 10.0 * condition, "{} by {} at {rtol:e}: {error}", case.name, method.name());
            }
        }
    }
}
