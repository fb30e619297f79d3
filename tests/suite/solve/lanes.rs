//! Independence of the samples, failures, padding, f32.

use super::support::{Closure, Prey, solve_one};
use pullback::solve::{
    AdjointSystem, Cotangents, FailureKind, Method, Options, Problem, Real, Stepping, System, Tape, backsolve,
    discrete, solve,
};

/// z' = z² − t/10: lanes with a large z0 blow up.
struct Square {
    lanes: usize,
    theta_bar: f64,
}

impl System<f64> for Square {
    fn dim(&self) -> usize {
        1
    }
    fn lanes(&self) -> usize {
        self.lanes
    }
    fn rhs(&mut self, t: &[f64], z: &[f64], dz: &mut [f64]) {
        (0..self.lanes).for_each(|l| dz[l] = z[l] * z[l] - 0.1 * t[l]);
    }
}

impl AdjointSystem<f64> for Square {
    fn vjp(&mut self, _: &[f64], z: &[f64], w: &[f64], z_bar: &mut [f64], t_bar: &mut [f64], parameters: bool) {
        for l in 0..self.lanes {
            z_bar[l] = 2.0 * z[l] * w[l];
            t_bar[l] = -0.1 * w[l];
            self.theta_bar += if parameters { z[l] * z[l] * w[l] } else { 0.0 };
        }
    }
}

#[derive(Debug, PartialEq)]
struct Bits {
    values: Vec<u64>,
    reverse: Vec<u64>,
    back: Vec<u64>,
}

fn bits(x: &[f64], lane: usize, lanes: usize) -> Vec<u64> {
    x.iter().skip(lane).step_by(lanes).map(|x| x.to_bits()).collect()
}

/// Values and cotangents of every lane, and the parameters' cotangents of both gradient methods.
fn run(z0: &[f64], t0: &[f64], ts: &[f64], active: &[bool], options: &Options, bar: &[f64]) -> (Vec<Bits>, [f64; 2]) {
    let lanes = z0.len();
    let mut system = Square { lanes, theta_bar: 0.0 };
    let problem = Problem { z0, t0, ts, times: ts.len() / lanes, active };
    let mut tape = Tape::new();
    let solution = solve(&mut system, &problem, options, Some(&mut tape));
    let reverse = discrete(&mut system, &problem, options, &tape, bar);
    let mut other = Square { lanes, theta_bar: 0.0 };
    let back = backsolve(&mut other, &problem, options, &solution, bar);
    let all = |c: &Cotangents<f64>, l| [bits(&c.z0, l, lanes), bits(&c.t0, l, lanes), bits(&c.ts, l, lanes)].concat();
    let lane = |l| Bits { values: bits(&solution.values, l, lanes), reverse: all(&reverse, l), back: all(&back, l) };
    ((0..lanes).map(lane).collect(), [system.theta_bar, other.theta_bar])
}

const Z0: [f64; 8] = [0.1, -0.4, 0.3, 5.0, -0.5, 0.0, f64::NAN, 0.45];
const T0: [f64; 8] = [0.0, 0.0, 0.5, 0.0, 1.0, 0.0, 0.0, 0.2];
const TS: [f64; 16] = [1.0, 2.0, 0.7, 0.1, 0.5, 0.3, 1.0, 0.9, 1.5, 0.5, 0.9, 1.0, -0.5, 0.0, 2.0, 1.9];

#[test]
fn lanes_do_not_see_each_other() {
    for keep_stages in [false, true] {
        let options = Options { keep_stages, rtol: 1e-9, atol: 1e-11, ..Options::default() };
        let mut bar = [1.0; 16];
        bar[8 + 5] = f64::NAN;
        let (together, theta_bar) = run(&Z0, &T0, &TS, &[true; 8], &options, &bar);
        for lane in 0..8 {
            let ts = [TS[lane], TS[8 + lane]];
            let one = lane..=lane;
            let (alone, _) = run(&Z0[one.clone()], &T0[one], &ts, &[true], &options, &[bar[lane], bar[8 + lane]]);
            assert_eq!(alone[0], together[lane], "lane {lane}");
        }
        // The lanes that failed (3: blows up, 5: its cotangent is NaN, 6: NaN) might as well be padding.
        let active = [true, true, true, false, true, false, false, true];
        let (_, healthy) = run(&Z0, &T0, &TS, &active, &options, &bar);
        assert_eq!(healthy.map(f64::to_bits), theta_bar.map(f64::to_bits));
        assert!((theta_bar[0] - theta_bar[1]).abs() < 1e-7 && theta_bar[0].abs() > 0.1, "{theta_bar:?}");
    }
}

#[test]
fn one_bad_sample_fails_alone() {
    let mut system = Square { lanes: 8, theta_bar: 0.0 };
    let problem = Problem { z0: &Z0, t0: &T0, ts: &TS, times: 2, active: &[true; 8] };
    let solution = solve(&mut system, &problem, &Options::default(), None);
    for (lane, failure) in solution.failures.iter().enumerate() {
        match lane {
            3 => {
                let failure = failure.as_ref().unwrap();
                assert!(matches!(failure.kind, FailureKind::StepUnderflow | FailureKind::NotFinite), "{failure:?}");
                // z = 1/(1/5 − t) without the forcing.
                assert!((failure.t - 0.2).abs() < 1e-3 && failure.component == Some(0), "{failure:?}");
                assert!(solution.values[3].is_finite() && solution.values[8 + 3].is_nan());
            }
            6 => assert_eq!(failure.as_ref().unwrap().kind, FailureKind::NotFinite),
            _ => assert_eq!(*failure, None, "lane {lane}"),
        }
    }
}

fn failure(options: &Options, t0: f64, ts: &[f64]) -> FailureKind {
    let decay = |_: f64, z: &[f64], dz: &mut [f64]| dz[0] = -z[0];
    let solution = solve_one(1, decay, &[1.0], t0, ts, options);
    assert!(solution.values.iter().all(|z| z.is_nan() || *z == 1.0));
    let failure = solution.failures[0].clone().unwrap();
    assert!(!failure.message().is_empty() && !failure.advice().is_empty());
    failure.kind
}

#[test]
fn failures_are_values() {
    let default = Options::default();
    assert_eq!(failure(&default, 0.0, &[1.0, -1.0]), FailureKind::TimesOnBothSides);
    assert_eq!(failure(&default, 0.0, &[1.0, f64::NAN]), FailureKind::TimeNotFinite);
    assert_eq!(failure(&default, f64::INFINITY, &[1.0]), FailureKind::TimeNotFinite);
    assert_eq!(failure(&Options { max_steps: 3, ..default.clone() }, 0.0, &[9.0]), FailureKind::MaxSteps);
    assert_eq!(failure(&Options { method: Method::Rk4, ..default.clone() }, 0.0, &[1.0]), FailureKind::NeedsFixedStep);
    assert_eq!(failure(&Options { rtol: -1.0, ..default.clone() }, 0.0, &[1.0]), FailureKind::BadOptions);
    assert_eq!(failure(&Options { fixed_step: Some(0.0), ..default.clone() }, 0.0, &[1.0]), FailureKind::BadOptions);
    assert_eq!(failure(&Options { fixed_step: Some(1e-9), ..default.clone() }, 0.0, &[1.0]), FailureKind::MaxSteps);
    assert_eq!(failure(&Options { min_step: 0.5, ..default }, 0.0, &[9.0]), FailureKind::StepUnderflow);
}

#[test]
fn nan_inside_is_found_by_both_kinds_of_steps() {
    let root = |t: f64, z: &[f64], dz: &mut [f64]| dz[0] = -1.0 / (1.0 - t).sqrt() + 0.0 * z[0];
    for fixed_step in [None, Some(0.3)] {
        let options = Options { fixed_step, ..Options::default() };
        let solution = solve_one(1, root, &[1.0], 0.0, &[2.0, 0.5], &options);
        let failure = solution.failures[0].as_ref().unwrap();
        assert_eq!(failure.kind, FailureKind::NotFinite);
        assert!(failure.t > 0.5 && failure.t <= 1.0, "{failure:?}");
        assert!(solution.values[0].is_nan() && solution.values[1].is_finite());
    }
}

#[test]
fn padding_is_ignored() {
    let (z0, t0, ts) = ([0.1, f64::NAN], [0.0, f64::NAN], [1.0, f64::NAN]);
    let problem = Problem { z0: &z0, t0: &t0, ts: &ts, times: 1, active: &[true, false] };
    for stepping in [Stepping::PerSample, Stepping::Batch] {
        let options = Options { stepping, ..Options::default() };
        let solution = solve(&mut Square { lanes: 2, theta_bar: 0.0 }, &problem, &options, None);
        assert_eq!(solution.failures, [None, None]);
        assert_eq!((solution.values[1], solution.stats.accepted[1]), (0.0, 0));
        let (lanes, theta_bar) = run(&z0, &t0, &ts, &[true, false], &options, &[1.0; 2]);
        assert!(f64::from_bits(lanes[0].reverse[0]) > 0.0 && f64::from_bits(lanes[0].back[0]) > 0.0);
        assert!(theta_bar.iter().all(|bar| bar.is_finite()), "{theta_bar:?}");
    }
}

#[test]
fn batch_has_one_step_size() {
    let options = Options { stepping: Stepping::Batch, ..Options::default() };
    let z0 = [1.0, 1.4, 2.0, 1.0, 0.8, 0.1];
    let problem = Problem { z0: &z0, t0: &[0.0; 3], ts: &[5.0; 3], times: 1, active: &[true; 3] };
    let batch = solve(&mut Prey::new(3), &problem, &options, None);
    assert_eq!(batch.failures, [None, None, None]);
    assert!(batch.stats.accepted.iter().all(|n| *n == batch.stats.accepted[0] && *n > 10));
    let own = solve(&mut Prey::new(3), &problem, &Options::default(), None);
    assert!(own.stats.accepted[0] != own.stats.accepted[2]);
    assert!(batch.values.iter().zip(&own.values).all(|(x, y)| (x - y).abs() < 1e-4));
    let differ = Problem { ts: &[5.0, 5.0, 4.0], ..problem };
    let failed = solve(&mut Prey::new(3), &differ, &options, None);
    assert!(failed.failures.iter().flatten().all(|f| f.kind == FailureKind::BatchTimesDiffer));
    assert_eq!(failed.failures.iter().flatten().count(), 3);
}

#[test]
fn single_precision() {
    let f = |t: f64, z: &[f32], dz: &mut [f32]| (dz[0], dz[1]) = (-z[1], z[0] + 0.0 * t as f32);
    let mut system = Closure { dim: 2, lanes: 3, f };
    let z0 = [1.0f32, 1.0, 1.0, 0.0, 0.0, 0.0];
    let problem = Problem { z0: &z0, t0: &[0.0; 3], ts: &[1.0, 2.0, -3.0], times: 1, active: &[true; 3] };
    let options = Options { rtol: 1e-5, atol: 1e-6, ..Options::default() };
    let solution = solve(&mut system, &problem, &options, None);
    for (lane, t) in [1.0f64, 2.0, -3.0].into_iter().enumerate() {
        assert!((f64::from(solution.values[lane]) - t.cos()).abs() < 2e-5);
        assert!((f64::from(solution.values[3 + lane]) - t.sin()).abs() < 2e-5);
    }
}

#[test]
fn long_time_far_from_zero() {
    let decay = |_: f64, z: &[f64], dz: &mut [f64]| dz[0] = -z[0];
    let z = solve_one(1, decay, &[1.0], 1e9, &[1e9 + 2.0], &Options::default());
    assert_eq!(z.failures, [None]);
    assert!((z.values[0] - (-2.0f64).exp()).abs() < 1e-6);
}

/// z' = θ z in any precision.
struct Growth<R> {
    theta: R,
    theta_bar: R,
}

impl<R: Real> System<R> for Growth<R> {
    fn dim(&self) -> usize {
        1
    }
    fn lanes(&self) -> usize {
        1
    }
    fn rhs(&mut self, _: &[f64], z: &[R], dz: &mut [R]) {
        dz[0] = self.theta * z[0];
    }
}

impl<R: Real> AdjointSystem<R> for Growth<R> {
    fn vjp(&mut self, _: &[f64], z: &[R], w: &[R], z_bar: &mut [R], t_bar: &mut [R], parameters: bool) {
        (z_bar[0], t_bar[0]) = (self.theta * w[0], R::ZERO);
        self.theta_bar += if parameters { z[0] * w[0] } else { R::ZERO };
    }
}

#[test]
fn single_precision_gradient() {
    let options = Options { rtol: 1e-5, atol: 1e-7, ..Options::default() };
    let problem = Problem { z0: &[0.5f32], t0: &[0.0], ts: &[1.5, 2.0], times: 2, active: &[true] };
    let exact = 0.5 * (1.5 * (0.7f64 * 1.5).exp() + 2.0 * (0.7f64 * 2.0).exp());
    let mut tape = Tape::new();
    let mut system = Growth { theta: 0.7f32, theta_bar: 0.0 };
    let solution = solve(&mut system, &problem, &options, Some(&mut tape));
    let got = discrete(&mut system, &problem, &options, &tape, &[1.0, 1.0]);
    assert!((f64::from(system.theta_bar) / exact - 1.0).abs() < 2e-5, "{} {exact}", system.theta_bar);
    assert!((f64::from(got.z0[0]) / ((0.7f64 * 1.5).exp() + (0.7f64 * 2.0).exp()) - 1.0).abs() < 2e-5);
    system.theta_bar = 0.0;
    backsolve(&mut system, &problem, &options, &solution, &[1.0, 1.0]);
    assert!((f64::from(system.theta_bar) / exact - 1.0).abs() < 2e-5, "{} {exact}", system.theta_bar);
}
