//! Adams methods: orders, dense output, gradients, and what they cost.

use super::support::{Linear, Prey, noise, solve_one};
use pullback::solve::{FailureKind, Method, Options, Problem, Stepping, Tape, backsolve, discrete, solve};

fn adams(rtol: f64) -> Options {
    Options { method: Method::Adams, rtol, atol: rtol, ..Options::default() }
}

fn rotation(_: f64, z: &[f64], dz: &mut [f64]) {
    (dz[0], dz[1]) = (-z[1], z[0]);
}

#[test]
fn closed_forms_forward_and_backward() {
    for end in [20.0, -20.0] {
        let ts: Vec<f64> = (0..=40).map(|i| end * f64::from(i) / 40.0).collect();
        for rtol in [1e-4, 1e-7, 1e-10] {
            let solution = solve_one(2, rotation, &[1.0, 0.0], 0.0, &ts, &adams(rtol));
            assert_eq!(solution.failures, [None]);
            for (z, t) in solution.values.chunks(2).zip(&ts) {
                let error = (z[0] - t.cos()).abs().max((z[1] - t.sin()).abs());
                assert!(error < 50.0 * rtol, "{rtol} at {t}: {error:e}");
            }
        }
    }
}

/// A smooth problem is solved with few evaluations at tight tolerances, where high orders pay.
#[test]
fn high_orders_are_reached() {
    let far = |options: &Options| {
        let solution = solve_one(2, rotation, &[1.0, 0.0], 0.0, &[100.0], options);
        assert_eq!(solution.failures, [None]);
        assert!((solution.values[0] - 100.0f64.cos()).abs() < 1e-8);
        solution.stats.rhs_evaluations
    };
    let (own, other) = (far(&adams(1e-11)), far(&Options { method: Method::Tsit5, ..adams(1e-11) }));
    assert!(own * 4 < other, "{own} evaluations, tsit5 {other}");
}

/// Two evaluations an accepted step, one a rejected one, and one at the start.
#[test]
fn evaluations_are_counted() {
    let solution = solve_one(2, rotation, &[1.0, 0.0], 0.0, &[30.0], &adams(1e-8));
    let stats = &solution.stats;
    assert_eq!(stats.rhs_evaluations, 1 + 2 * stats.accepted[0] + stats.rejected[0]);
}

#[test]
fn lanes_do_not_see_each_other() {
    let (z0, t0) = ([1.0, 1.4, 2.0, 1.0, 0.8, 0.1], [0.0, 0.3, 0.0]);
    let ts = [1.0, 4.0, 3.0, 5.0, 6.0, 3.0];
    let problem = Problem { z0: &z0, t0: &t0, ts: &ts, times: 2, active: &[true; 3] };
    let together = solve(&mut Prey::new(3), &problem, &adams(1e-8), None);
    for lane in 0..3 {
        let one = |x: &[f64]| x.iter().skip(lane).step_by(3).copied().collect::<Vec<f64>>();
        let (z0, t0, ts) = (one(&z0), one(&t0), one(&ts));
        let alone = Problem { z0: &z0, t0: &t0, ts: &ts, times: 2, active: &[true] };
        let alone = solve(&mut Prey::new(1), &alone, &adams(1e-8), None);
        let bits = |x: Vec<f64>| x.into_iter().map(f64::to_bits).collect::<Vec<_>>();
        assert_eq!(bits(alone.values), bits(one(&together.values)), "lane {lane}");
    }
}

#[test]
fn batch_has_one_step_size() {
    let z0 = [1.0, 1.4, 2.0, 1.0, 0.8, 0.1];
    let problem = Problem { z0: &z0, t0: &[0.0; 3], ts: &[5.0; 3], times: 1, active: &[true; 3] };
    let batch = solve(&mut Prey::new(3), &problem, &Options { stepping: Stepping::Batch, ..adams(1e-7) }, None);
    assert_eq!(batch.failures, [None, None, None]);
    assert!(batch.stats.accepted.iter().all(|n| *n == batch.stats.accepted[0] && *n > 10));
    let tight = solve(&mut Prey::new(3), &problem, &Options { rtol: 1e-11, atol: 1e-11, ..Options::default() }, None);
    let error = batch.values.iter().zip(&tight.values).map(|(x, y)| (x - y).abs()).fold(0.0, f64::max);
    assert!(error < 1e-5, "{error:e}");
}

#[test]
fn failures_are_values() {
    let blow_up = |_: f64, z: &[f64], dz: &mut [f64]| dz[0] = z[0] * z[0];
    let solution = solve_one(1, blow_up, &[1.0], 0.0, &[0.5, 2.0], &adams(1e-6));
    let failure = solution.failures[0].as_ref().unwrap();
    assert!(matches!(failure.kind, FailureKind::StepUnderflow | FailureKind::NotFinite), "{failure:?}");
    assert!((failure.t - 1.0).abs() < 1e-3 && solution.values[1].is_nan());
    assert!((solution.values[0] - 2.0).abs() < 1e-4);
    let root = |t: f64, _: &[f64], dz: &mut [f64]| dz[0] = (1.0 - t).sqrt();
    let solution = solve_one(1, root, &[1.0], 0.0, &[2.0], &adams(1e-6));
    assert_eq!(solution.failures[0].as_ref().unwrap().kind, FailureKind::NotFinite);
    let few = Options { max_steps: 5, ..adams(1e-6) };
    let solution = solve_one(2, rotation, &[1.0, 0.0], 0.0, &[30.0], &few);
    assert_eq!(solution.failures[0].as_ref().unwrap().kind, FailureKind::MaxSteps);
    let fixed = Options { fixed_step: Some(0.1), ..adams(1e-6) };
    let solution = solve_one(2, rotation, &[1.0, 0.0], 0.0, &[30.0], &fixed);
    assert_eq!(solution.failures[0].as_ref().unwrap().kind, FailureKind::BadOptions);
}

#[test]
fn discrete_is_refused() {
    let problem = Problem { z0: &[1.0, 0.5], t0: &[0.0], ts: &[1.0], times: 1, active: &[true] };
    let mut tape = Tape::new();
    let solution = solve(&mut Prey::new(1), &problem, &adams(1e-6), Some(&mut tape));
    assert_eq!(solution.failures, [None]);
    let refused = discrete(&mut Prey::new(1), &problem, &adams(1e-6), &tape, &[1.0, 1.0]);
    assert_eq!(refused.failures[0].as_ref().unwrap().kind, FailureKind::NeedsBacksolve);
}

/// All cotangents against those of tight Runge–Kutta steps, reversed exactly; the parameters cost one product a point.
#[test]
fn gradient_by_backsolve() {
    let (dim, lanes, times) = (3, 2, 4);
    let theta = noise(12, 5);
    let (t0, ts) = ([0.3, -0.5], [1.1, 0.1, 2.3, 1.0, 0.3, 0.7, 2.3, 0.5]);
    let (z0, bar) = (noise(dim * lanes, 1), noise(times * dim * lanes, 9));
    let problem = Problem { z0: &z0, t0: &t0, ts: &ts, times, active: &[true, true] };
    let tight = Options { method: Method::Dopri8, rtol: 1e-12, atol: 1e-13, ..Options::default() };
    let mut tape = Tape::new();
    let mut exact = Linear::new(dim, lanes, theta.clone());
    solve(&mut exact, &problem, &tight, Some(&mut tape));
    let expected = discrete(&mut exact, &problem, &tight, &tape, &bar);
    for (rtol, bound) in [(1e-6, 2e-4), (1e-10, 2e-8)] {
        let mut system = Linear::new(dim, lanes, theta.clone());
        let solution = solve(&mut system, &problem, &adams(rtol), None);
        let got = backsolve(&mut system, &problem, &adams(rtol), &solution, &bar);
        assert_eq!(got.failures, [None, None]);
        let pairs = [
            ("z0", &got.z0, &expected.z0),
            ("t0", &got.t0, &expected.t0),
            ("ts", &got.ts, &expected.ts),
            ("theta", &system.theta_bar, &exact.theta_bar),
        ];
        for (name, got, expected) in pairs {
            for (x, y) in got.iter().zip(expected) {
                assert!((x - y).abs() < bound, "{name} at {rtol:e}: {x} {y}");
            }
        }
        let points = got.stats.accepted.iter().sum::<usize>() + lanes * times;
        assert!(got.stats.vjp_calls <= points, "{} products, {points} points", got.stats.vjp_calls);
        assert!(got.drift.unwrap().relative < 1e3);
    }
}

#[test]
fn single_precision() {
    let f = |_: f64, z: &[f32], dz: &mut [f32]| (dz[0], dz[1]) = (-z[1], z[0]);
    let mut system = super::support::Closure { dim: 2, lanes: 1, f };
    let problem = Problem { z0: &[1.0f32, 0.0], t0: &[0.0], ts: &[3.0], times: 1, active: &[true] };
    let solution = solve(&mut system, &problem, &adams(1e-5), None);
    assert!((f64::from(solution.values[0]) - 3.0f64.cos()).abs() < 1e-4);
}
