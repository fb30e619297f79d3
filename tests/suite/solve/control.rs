//! Controllers, norms, tolerances of components, limits of the step, stops.

use super::support::{Prey, noise, solve_one};
use pullback::solve::{
    AdjointSystem, Controller, Method, Norm, Options, Problem, System, Tape, Tolerance, backsolve, discrete, solve,
};

fn rotation(_: f64, z: &[f64], dz: &mut [f64]) {
    (dz[0], dz[1]) = (-z[1], z[0]);
}

#[test]
fn every_controller_keeps_the_tolerance() {
    let mut steps = Vec::new();
    for controller in [Controller::I, Controller::PI, Controller::PID] {
        for norm in [Norm::Rms, Norm::Max] {
            for rtol in [1e-5, 1e-8] {
                let options = Options { controller, norm, rtol, atol: rtol, ..Options::default() };
                let solution = solve_one(2, rotation, &[1.0, 0.0], 0.0, &[10.0], &options);
                let error = (solution.values[0] - 10.0f64.cos()).abs();
                assert!(error < 30.0 * rtol, "{controller:?} {norm:?} {rtol}: {error:e}");
                steps.push(solution.stats.accepted[0]);
            }
        }
    }
    assert!(steps.iter().all(|n| *n > 10));
}

/// Of two equal components the norm is that of one; of one and a resting one the root mean square is less.
#[test]
fn the_largest_error_counts_in_the_max_norm() {
    let steps = |norm: Norm, resting: usize| {
        let f = |_: f64, z: &[f64], dz: &mut [f64]| {
            dz.fill(0.0);
            rotation(0.0, &z[..2], &mut dz[..2]);
        };
        let mut z0 = vec![0.0; 2 + resting];
        z0[0] = 1.0;
        let options = Options { norm, ..Options::default() };
        solve_one(2 + resting, f, &z0, 0.0, &[20.0], &options).stats.accepted[0]
    };
    assert_eq!(steps(Norm::Max, 0), steps(Norm::Max, 30));
    assert!(steps(Norm::Rms, 30) < steps(Norm::Rms, 0));
    assert!(steps(Norm::Max, 0) >= steps(Norm::Rms, 0));
}

#[test]
fn components_have_their_own_tolerances() {
    // A slow component and a fast one: only the tolerance of the second one asks for short steps.
    let f = |_: f64, z: &[f64], dz: &mut [f64]| (dz[0], dz[1], dz[2]) = (-0.1 * z[0], -20.0 * z[2], 20.0 * z[1]);
    for method in [Method::Dopri5, Method::Dopri8, Method::Adams] {
        let run = |tolerances: Vec<Tolerance>| {
            let options = Options { method, tolerances, ..Options::default() };
            solve_one(3, f, &[1.0, 1.0, 0.0], 0.0, &[3.0], &options)
        };
        let (loose, tight) = (Tolerance { rtol: 1e-2, atol: 1e-2 }, Tolerance { rtol: 1e-9, atol: 1e-9 });
        let all = run(vec![tight; 3]);
        let first = run(vec![tight, loose, loose]);
        let last = run(vec![loose, tight, tight]);
        assert!((last.values[1] - 60.0f64.cos()).abs() < 1e-6, "{}", method.name());
        assert!((first.values[0] - (-0.3f64).exp()).abs() < 1e-7, "{}", method.name());
        assert!(first.stats.accepted[0] * 2 < all.stats.accepted[0], "{}", method.name());
        // Components beyond the list have the common tolerance.
        assert_eq!(run(vec![loose]).failures, [None]);
    }
}

#[test]
fn steps_are_not_longer_than_the_limit() {
    let decay = |_: f64, z: &[f64], dz: &mut [f64]| dz[0] = -z[0];
    for method in [Method::Tsit5, Method::Adams] {
        let steps = |max_step: f64| {
            let options = Options { method, max_step, rtol: 1e-3, atol: 1e-3, ..Options::default() };
            solve_one(1, decay, &[1.0], 0.0, &[10.0], &options).stats.accepted[0]
        };
        assert!(steps(f64::INFINITY) < 60, "{}", steps(f64::INFINITY));
        assert!(steps(0.1) >= 99, "{}", method.name());
    }
}

/// z' = θ z before t = 1, and θ − 4 after it; the side at 1 itself is not to matter.
struct Switch {
    theta: f64,
    theta_bar: f64,
    closed: bool,
}

impl Switch {
    fn rate(&self, t: f64) -> f64 {
        let before = if self.closed { t <= 1.0 } else { t < 1.0 };
        if before { self.theta } else { self.theta - 4.0 }
    }
}

impl System<f64> for Switch {
    fn dim(&self) -> usize {
        1
    }
    fn lanes(&self) -> usize {
        1
    }
    fn rhs(&mut self, t: &[f64], z: &[f64], dz: &mut [f64]) {
        dz[0] = self.rate(t[0]) * z[0];
    }
}

impl AdjointSystem<f64> for Switch {
    fn vjp(&mut self, t: &[f64], z: &[f64], w: &[f64], z_bar: &mut [f64], t_bar: &mut [f64], parameters: bool) {
        (z_bar[0], t_bar[0]) = (self.rate(t[0]) * w[0], 0.0);
        self.theta_bar += if parameters { z[0] * w[0] } else { 0.0 };
    }
}

#[test]
fn a_jump_is_stepped_on() {
    let (theta, ts) = (2.0, [0.5, 1.0, 1.7, 3.0]);
    let exact = |t: f64| (theta * t - 4.0 * (t - 1.0).max(0.0)).exp();
    for closed in [false, true] {
        for method in [Method::Rk4, Method::Dopri5, Method::Dopri8, Method::Adams] {
            let fixed_step = (method == Method::Rk4).then_some(0.01);
            let options = Options {
                method,
                fixed_step,
                stops: vec![5.0, 1.0, -1.0],
                rtol: 1e-9,
                atol: 1e-10,
                ..Options::default()
            };
            let mut system = Switch { theta, theta_bar: 0.0, closed };
            let problem = Problem { z0: &[1.0], t0: &[0.0], ts: &ts, times: 4, active: &[true] };
            let mut tape = Tape::new();
            let solution = solve(&mut system, &problem, &options, Some(&mut tape));
            assert_eq!(solution.failures, [None]);
            for (z, t) in solution.values.iter().zip(ts) {
                assert!((z / exact(t) - 1.0).abs() < 1e-6, "{} at {t}: {z}", method.name());
            }
            // Adams steps are rejected where the method starts, after a stop too, but more often without stops.
            let blind = solve(&mut system, &problem, &Options { stops: Vec::new(), ..options.clone() }, None);
            let (with, without) = (solution.stats.rejected[0], blind.stats.rejected[0]);
            let noticed = if method == Method::Adams { with >= without } else { with > 0 };
            assert!(!noticed, "{} rejects {with} steps at the jump, {without} without stops", method.name());
            let bar = [0.3, -0.2, 0.5, 1.0];
            let expected: f64 = ts.iter().zip(bar).map(|(t, bar)| bar * t * exact(*t)).sum();
            let from_start: f64 = ts.iter().zip(bar).map(|(t, bar)| bar * exact(*t)).sum();
            let check = |name: &str, z0: f64, ts_bar: &[f64], theta_bar: f64| {
                assert!((z0 - from_start).abs() < 1e-6, "{name} {} z0 {z0} {from_start}", method.name());
                assert!((theta_bar - expected).abs() < 3e-6, "{name} {} {theta_bar} {expected}", method.name());
                for (j, rate) in [(0, theta), (2, theta - 4.0), (3, theta - 4.0)] {
                    let slope = bar[j] * rate * exact(ts[j]);
                    assert!((ts_bar[j] - slope).abs() < 1e-6, "{name} {} {j}", method.name());
                }
            };
            let back = backsolve(&mut system, &problem, &options, &solution, &bar);
            check("backsolve", back.z0[0], &back.ts, system.theta_bar);
            if method.has_discrete() {
                system.theta_bar = 0.0;
                let reverse = discrete(&mut system, &problem, &options, &tape, &bar);
                check("discrete", reverse.z0[0], &reverse.ts, system.theta_bar);
            }
        }
    }
}

/// Where nothing jumps, stops change the steps only: lanes with different spans, directions and outputs.
#[test]
fn stops_change_nothing_else() {
    let (lanes, times) = (3, 4);
    let z0 = [1.0, 1.4, 2.0, 1.0, 0.8, 0.1];
    let t0 = [0.0, 2.5, 0.9];
    let ts = [0.5, 0.1, 1.0, 2.0, 2.5, 1.4, 1.0, 1.0, 1.2, 3.0, -0.7, 1.1];
    let problem = Problem { z0: &z0, t0: &t0, ts: &ts, times, active: &[true, true, true] };
    let bar = noise(times * 2 * lanes, 4);
    let run = |stops: Vec<f64>| {
        let options = Options { method: Method::Vern7, stops, rtol: 1e-11, atol: 1e-12, ..Options::default() };
        let mut system = Prey::new(lanes);
        let mut tape = Tape::new();
        let solution = solve(&mut system, &problem, &options, Some(&mut tape));
        assert_eq!(solution.failures, [None, None, None]);
        let got = discrete(&mut system, &problem, &options, &tape, &bar);
        [solution.values, got.z0, got.t0, got.ts, system.theta_bar.to_vec()].concat()
    };
    for (x, y) in run(vec![1.0, 2.0, 0.0]).iter().zip(run(Vec::new())) {
        assert!((x - y).abs() < 1e-7 * (1.0 + y.abs()), "{x} {y}");
    }
}
