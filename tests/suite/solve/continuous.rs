//! The adjoint equation along the steps that were taken: every method against tight steps reversed exactly.

use super::support::{Exact, Linear, Prey, noise};
use pullback::solve::{
    AdjointSystem, Cotangents, FailureKind, Implicit, Method, Options, Problem, Stepping, System, Tape, backsolve,
    discrete, interpolated, solve,
};

/// One sample with outputs in no order, repeated, and at t0.
struct Inputs {
    z0: [f64; 2],
    t0: [f64; 1],
    ts: Vec<f64>,
    bar: Vec<f64>,
}

impl Inputs {
    fn towards(sign: f64) -> Self {
        let ts: Vec<f64> = [0.31, 2.4, 0.0, 0.31, 1.72].iter().map(|t| 0.2 + sign * t).collect();
        Self { z0: [1.1, 0.7], t0: [0.2], bar: noise(2 * ts.len(), 3), ts }
    }

    fn problem(&self) -> Problem<'_, f64> {
        Problem { z0: &self.z0, t0: &self.t0, ts: &self.ts, times: self.ts.len(), active: &[true] }
    }
}

fn all(found: &Cotangents<f64>, theta: &[f64]) -> Vec<f64> {
    assert_eq!(found.failures, vec![None; found.t0.len()]);
    [&found.z0[..], &found.t0, &found.ts, theta].concat()
}

/// Of z0, t0, ts and θ by tight steps, reversed exactly.
fn expected(inputs: &Inputs) -> Vec<f64> {
    let options = Options { method: Method::Dopri8, rtol: 1e-13, atol: 1e-13, ..Options::default() };
    let (mut system, mut tape) = (Exact(Prey::new(1)), Tape::new());
    solve(&mut system, &inputs.problem(), &options, Some(&mut tape));
    let found = discrete(&mut system, &inputs.problem(), &options, &tape, &inputs.bar);
    all(&found, &system.0.theta_bar)
}

fn along(inputs: &Inputs, options: &Options) -> Vec<f64> {
    let (mut system, mut tape) = (Exact(Prey::new(1)), Tape::new());
    solve(&mut system, &inputs.problem(), options, Some(&mut tape));
    let found = interpolated(&mut system, &inputs.problem(), options, &tape, &inputs.bar);
    all(&found, &system.0.theta_bar)
}

fn error(x: &[f64], y: &[f64]) -> f64 {
    assert_eq!(x.len(), y.len());
    x.iter().zip(y).map(|(x, y)| (x - y).abs() / (1.0 + y.abs())).fold(0.0, f64::max)
}

fn adaptive() -> impl Iterator<Item = Method> {
    let explicit = [Method::Bosh3, Method::Dopri5, Method::Tsit5, Method::Vern7, Method::Dopri8, Method::Adams];
    explicit.into_iter().chain(Implicit::ALL.map(Method::Implicit))
}

/// The error follows the tolerance, whatever the method, stages kept or not, forward and backward in time.
#[test]
fn every_adaptive_method_tends_to_the_gradient_of_the_exact_solution() {
    for sign in [1.0, -0.6] {
        let inputs = Inputs::towards(sign);
        let exact = expected(&inputs);
        for method in adaptive() {
            for keep_stages in [false, true] {
                let errors = [1e-5, 1e-7, 1e-9].map(|rtol| {
                    let options = Options { method, rtol, atol: rtol, keep_stages, ..Options::default() };
                    error(&along(&inputs, &options), &exact)
                });
                let name = format!("{} {sign} {keep_stages}: {errors:?}", method.name());
                assert!(errors.windows(2).all(|pair| pair[1] < 0.1 * pair[0]), "{name}");
                // The dense output of kvaerno5 is of third order, and bdf starts again at every output.
                let most = if matches!(method, Method::Implicit(_)) { 1e-6 } else { 1e-7 };
                assert!(errors[0] < 1e-3 && errors[2] < most, "{name}");
            }
        }
    }
}

/// With steps of fixed length the error falls at the order of the method, or of its dense output if that is lower.
#[test]
fn fixed_steps_have_their_order() {
    let inputs = Inputs::towards(1.0);
    let exact = expected(&inputs);
    for method in Method::ALL {
        let order = f64::from(u32::try_from(method.tableau().order).unwrap()).min(4.0);
        let errors = [0.04, 0.02].map(|h| {
            let options = Options { method, fixed_step: Some(h), ..Options::default() };
            error(&along(&inputs, &options), &exact)
        });
        // The rounding of the tight steps is the floor.
        assert!(errors[1] < 5e-11 || errors[1] < errors[0] / 2f64.powf(order - 0.5), "{}: {errors:?}", method.name());
    }
}

/// Lanes of their own spans, one of which does not move and one of which is not there; together or each by itself.
#[test]
fn lanes_do_not_see_each_other() {
    let (dim, lanes, times) = (3, 5, 3);
    let theta = noise(12, 5);
    let (t0, ends) = ([0.3, 0.1, -0.5, 0.0, 0.0], [1.7, -1.2, 0.0, 0.4, 2.0]);
    let ts: Vec<f64> =
        (0..times * lanes).map(|i| t0[i % lanes] + ends[i % lanes] * [0.5, 1.0, 0.25][i / lanes]).collect();
    let (z0, bar) = (noise(dim * lanes, 1), noise(times * dim * lanes, 9));
    let active = [true, true, true, false, true];
    let problem = Problem { z0: &z0, t0: &t0, ts: &ts, times, active: &active };
    for method in [Method::Tsit5, Method::Vern7, Method::Adams] {
        let options = Options { method, rtol: 1e-9, atol: 1e-9, ..Options::default() };
        let (mut system, mut tape) = (Linear::new(dim, lanes, theta.clone()), Tape::new());
        solve(&mut system, &problem, &options, Some(&mut tape));
        let together = interpolated(&mut system, &problem, &options, &tape, &bar);
        let mut sum = vec![0.0; 12];
        for lane in (0..lanes).filter(|lane| active[*lane]) {
            let one = |x: &[f64]| x.iter().skip(lane).step_by(lanes).copied().collect::<Vec<f64>>();
            let (z0, t0, ts, bar) = (one(&z0), one(&t0), one(&ts), one(&bar));
            let problem = Problem { z0: &z0, t0: &t0, ts: &ts, times, active: &[true] };
            let (mut alone, mut tape) = (Linear::new(dim, 1, theta.clone()), Tape::new());
            solve(&mut alone, &problem, &options, Some(&mut tape));
            let found = interpolated(&mut alone, &problem, &options, &tape, &bar);
            let bits = |x: Vec<f64>| x.into_iter().map(f64::to_bits).collect::<Vec<_>>();
            assert_eq!(bits(found.z0), bits(one(&together.z0)), "{} lane {lane}", method.name());
            assert_eq!(bits(found.ts), bits(one(&together.ts)), "{} lane {lane}", method.name());
            sum.iter_mut().zip(alone.theta_bar).for_each(|(sum, x)| *sum += x);
        }
        assert!(together.z0.iter().skip(3).step_by(lanes).all(|x| *x == 0.0));
        assert!(error(&system.theta_bar, &sum) < 1e-13, "{}", method.name());
    }
}

/// With one step size for all the cotangents are those of tight steps too.
#[test]
fn a_batch_steps_together() {
    let (dim, lanes, times) = (3, 4, 3);
    let theta = noise(12, 5);
    let (t0, ends) = (vec![0.1; lanes], [0.5, 1.7, 1.7]);
    let ts: Vec<f64> = (0..times * lanes).map(|i| ends[i / lanes]).collect();
    let (z0, bar) = (noise(dim * lanes, 1), noise(times * dim * lanes, 9));
    let problem = Problem { z0: &z0, t0: &t0, ts: &ts, times, active: &[true; 4] };
    let cotangents = |options: &Options, exact: bool| {
        let (mut system, mut tape) = (Linear::new(dim, lanes, theta.clone()), Tape::new());
        solve(&mut system, &problem, options, Some(&mut tape));
        let reverse = if exact { discrete } else { interpolated };
        let found = reverse(&mut system, &problem, options, &tape, &bar);
        (all(&found, &system.theta_bar), found.stats)
    };
    let tight = Options { method: Method::Dopri8, rtol: 1e-13, atol: 1e-13, ..Options::default() };
    let exact = cotangents(&tight, true).0;
    for method in [Method::Tsit5, Method::Dopri8, Method::Adams] {
        let options = Options { method, stepping: Stepping::Batch, rtol: 1e-9, atol: 1e-9, ..Options::default() };
        let (found, stats) = cotangents(&options, false);
        assert!(error(&found, &exact) < 1e-7, "{} {:e}", method.name(), error(&found, &exact));
        assert!(stats.accepted.iter().all(|n| *n == stats.accepted[0]), "{:?}", stats.accepted);
    }
}

/// A lane whose solution blows up has no cotangents; the others are not touched.
#[test]
fn a_failure_stays_in_its_lane() {
    let options = Options { max_steps: 60, ..Options::default() };
    let (z0, t0, ts) = ([1.0, 1.0, 1.4, 1.4], [0.0, 0.0], [3.0, 200.0]);
    let problem = Problem { z0: &z0, t0: &t0, ts: &ts, times: 1, active: &[true, true] };
    let (mut system, mut tape) = (Prey::new(2), Tape::new());
    let solution = solve(&mut system, &problem, &options, Some(&mut tape));
    assert_eq!(solution.failures[1].as_ref().unwrap().kind, FailureKind::MaxSteps);
    let found = interpolated(&mut system, &problem, &options, &tape, &[1.0; 4]);
    assert_eq!((found.failures[0].as_ref(), found.failures[1].as_ref()), (None, solution.failures[1].as_ref()));
    assert_eq!((found.z0[1], found.z0[3], found.ts[1]), (0.0, 0.0, 0.0));
    let problem = Problem { z0: &[1.0, 1.4], t0: &[0.0], ts: &[3.0], times: 1, active: &[true] };
    let (mut alone, mut tape) = (Prey::new(1), Tape::new());
    solve(&mut alone, &problem, &options, Some(&mut tape));
    let one = interpolated(&mut alone, &problem, &options, &tape, &[1.0, 1.0]);
    assert_eq!((found.z0[0], found.z0[2]), (one.z0[0], one.z0[1]));
    assert!(error(&system.theta_bar, &alone.theta_bar) < 1e-14);
}

/// x' = μ(cos t − x) stiffly: the adjoint is as stiff, and takes as few steps.
struct Stiff {
    mu: f64,
    mu_bar: f64,
}

impl System<f64> for Stiff {
    fn dim(&self) -> usize {
        1
    }
    fn lanes(&self) -> usize {
        1
    }
    fn rhs(&mut self, t: &[f64], z: &[f64], dz: &mut [f64]) {
        dz[0] = self.mu * (t[0].cos() - z[0]);
    }
    fn jacobian(&mut self, t: f64, _: &[f64], dfdz: &mut [f64], dfdt: &mut [f64]) {
        (dfdz[0], dfdt[0]) = (-self.mu, -self.mu * t.sin());
    }
}

impl AdjointSystem<f64> for Stiff {
    fn vjp(&mut self, t: &[f64], z: &[f64], w: &[f64], z_bar: &mut [f64], t_bar: &mut [f64], parameters: bool) {
        (z_bar[0], t_bar[0]) = (-self.mu * w[0], -self.mu * t[0].sin() * w[0]);
        if parameters {
            self.mu_bar += w[0] * (t[0].cos() - z[0]);
        }
    }
}

#[test]
fn a_stiff_system_has_a_gradient() {
    // x = (μ² cos t + μ sin t)/(μ² + 1) behind the transient, and its derivative by μ.
    let (mu, t): (f64, f64) = (1e5, 2.0);
    let d = mu * mu + 1.0;
    let exact = (2.0 * mu * t.cos() + t.sin()) / d - 2.0 * mu * (mu * mu * t.cos() + mu * t.sin()) / (d * d);
    for method in [Implicit::Kvaerno5, Implicit::Rodas5p, Implicit::Bdf] {
        let options = Options { method: Method::Implicit(method), rtol: 1e-8, atol: 1e-14, ..Options::default() };
        let problem = Problem { z0: &[0.0], t0: &[0.0], ts: &[t], times: 1, active: &[true] };
        let (mut system, mut tape) = (Stiff { mu, mu_bar: 0.0 }, Tape::new());
        let solution = solve(&mut system, &problem, &options, Some(&mut tape));
        assert_eq!(solution.failures, [None]);
        let found = interpolated(&mut system, &problem, &options, &tape, &[1.0]);
        assert_eq!(found.failures, [None]);
        assert!((system.mu_bar / exact - 1.0).abs() < 1e-3, "{method:?}: {} for {exact}", system.mu_bar);
        assert!(found.stats.accepted[0] < 1000, "{method:?}: {} steps", found.stats.accepted[0]);
    }
}

/// Where the way back is not stiff, `backsolve` with an implicit method finds the same.
#[test]
fn backsolve_steps_implicitly() {
    let inputs = Inputs::towards(1.0);
    let exact = expected(&inputs);
    for method in Implicit::ALL {
        for restart in [true, false] {
            let options =
                Options { method: Method::Implicit(method), rtol: 1e-8, atol: 1e-8, restart, ..Options::default() };
            let mut system = Exact(Prey::new(1));
            let solution = solve(&mut system, &inputs.problem(), &options, None);
            let found = backsolve(&mut system, &inputs.problem(), &options, &solution, &inputs.bar);
            let error = error(&all(&found, &system.0.theta_bar), &exact);
            assert!(error < 1e-5, "{method:?}: {error:e}");
            let drift = found.drift.unwrap();
            assert!(drift.absolute > 0.0 && drift.relative < 1e3, "{method:?}: {drift:?}");
        }
    }
}

/// Steps that are undone are not kept.
#[test]
fn undone_steps_are_refused() {
    let inputs = Inputs::towards(1.0);
    let options = Options { fixed_step: Some(0.1), reversible: true, ..Options::default() };
    let (mut system, mut tape) = (Prey::new(1), Tape::new());
    solve(&mut system, &inputs.problem(), &options, Some(&mut tape));
    let found = interpolated(&mut system, &inputs.problem(), &options, &tape, &inputs.bar);
    assert_eq!(found.failures[0].as_ref().unwrap().kind, FailureKind::KeepsNoSteps);
    assert_eq!((found.z0, system.theta_bar), (vec![0.0; 2], [0.0; 5]));
}
