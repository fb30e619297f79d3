//! Methods whose steps are undone in reverse: order, energy, exact gradients, constant memory.

use super::support::{Closure, Prey, noise};
use pullback::solve::{
    AdjointSystem, Cotangents, FailureKind, Method, Options, Problem, Symplectic, System, Tape, discrete, solve,
};

/// q' = p/m, p' = −k sin q + a sin 2t: separable, not autonomous. θ = (m, k, a).
struct Pendulum {
    lanes: usize,
    theta: [f64; 3],
    theta_bar: [f64; 3],
}

impl Pendulum {
    fn new(lanes: usize) -> Self {
        Self { lanes, theta: [1.3, 2.0, 0.4], theta_bar: [0.0; 3] }
    }
}

impl System<f64> for Pendulum {
    fn dim(&self) -> usize {
        2
    }
    fn lanes(&self) -> usize {
        self.lanes
    }
    fn rhs(&mut self, t: &[f64], z: &[f64], dz: &mut [f64]) {
        let (n, [m, k, a]) = (self.lanes, self.theta);
        for l in 0..n {
            dz[l] = z[n + l] / m;
            dz[n + l] = -k * z[l].sin() + a * (2.0 * t[l]).sin();
        }
    }
}

impl AdjointSystem<f64> for Pendulum {
    fn vjp(&mut self, t: &[f64], z: &[f64], w: &[f64], z_bar: &mut [f64], t_bar: &mut [f64], parameters: bool) {
        let (n, [m, k, a]) = (self.lanes, self.theta);
        for l in 0..n {
            z_bar[l] = -w[n + l] * k * z[l].cos();
            z_bar[n + l] = w[l] / m;
            t_bar[l] = w[n + l] * a * 2.0 * (2.0 * t[l]).cos();
            if parameters {
                self.theta_bar[0] -= w[l] * z[n + l] / (m * m);
                self.theta_bar[1] -= w[n + l] * z[l].sin();
                self.theta_bar[2] += w[n + l] * (2.0 * t[l]).sin();
            }
        }
    }
}

fn options(method: Method, dt: f64) -> Options {
    let reversible = !matches!(method, Method::Symplectic(_));
    Options { method, fixed_step: Some(dt), reversible, positions: vec![true, false], ..Options::default() }
}

fn methods() -> [Method; 4] {
    let [leapfrog, yoshida] = Symplectic::ALL.map(Method::Symplectic);
    [leapfrog, yoshida, Method::Midpoint, Method::Tsit5]
}

fn last(method: Method, dt: f64) -> Vec<f64> {
    let mut system = Pendulum::new(1);
    let problem = Problem { z0: &[1.0, 0.3], t0: &[0.2], ts: &[2.2], times: 1, active: &[true] };
    solve(&mut system, &problem, &options(method, dt), None).values
}

#[test]
fn orders_are_those_of_the_methods() {
    let mut system = Pendulum::new(1);
    let problem = Problem { z0: &[1.0, 0.3], t0: &[0.2], ts: &[2.2], times: 1, active: &[true] };
    let tight = Options { rtol: 1e-13, atol: 1e-14, ..Options::default() };
    let exact = solve(&mut system, &problem, &tight, None).values;
    for (method, order) in methods().into_iter().zip([2.0, 4.0, 2.0, 5.0]) {
        let error = |dt: f64| {
            let found = last(method, dt);
            found.iter().zip(&exact).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt()
        };
        let measured = (error(0.05) / error(0.025)).log2();
        assert!((measured - order).abs() < 0.3, "{}: {measured} for {order}", method.name());
    }
}

#[test]
fn symplectic_methods_keep_the_energy() {
    let energy = |z: &[f64]| z[1] * z[1] / 2.0 - z[0].cos();
    let f = |_: f64, z: &[f64], dz: &mut [f64]| (dz[0], dz[1]) = (z[1], -z[0].sin());
    let drift = |options: &Options| {
        let mut system = Closure { dim: 2, lanes: 1, f };
        let problem = Problem { z0: &[1.5, 0.0], t0: &[0.0], ts: &[5000.0], times: 1, active: &[true] };
        let z = solve(&mut system, &problem, options, None).values;
        (energy(&z) - energy(&[1.5, 0.0])).abs()
    };
    // 50 000 steps: the error does not grow. The fourth order Runge–Kutta method loses energy all the while.
    let [leapfrog, yoshida] = Symplectic::ALL.map(|m| drift(&options(Method::Symplectic(m), 0.1)));
    let plain = drift(&Options { method: Method::Rk4, fixed_step: Some(0.1), ..Options::default() });
    assert!(leapfrog < 2e-3 && yoshida < 2e-5 && plain > 1e-4, "{leapfrog} {yoshida} {plain}");
}

/// Loss Σ w·z over outputs in any order, some at t0 and some at one time, for two lanes with times of their own.
fn gradient<S: AdjointSystem<f64>>(system: &mut S, x: &[f64], options: &Options) -> (f64, Cotangents<f64>) {
    let (z0, t0, ts) = (&x[..4], &x[4..6], &x[6..14]);
    let problem = Problem { z0, t0, ts, times: 4, active: &[true, true] };
    let bar = noise(16, 3);
    let mut tape = Tape::new();
    let solution = solve(system, &problem, options, Some(&mut tape));
    assert!(solution.failures.iter().all(Option::is_none), "{:?}", solution.failures);
    let loss = solution.values.iter().zip(&bar).map(|(z, w)| z * w).sum();
    (loss, discrete(system, &problem, options, &tape, &bar))
}

fn start() -> Vec<f64> {
    // States [2][2], initial times, output times [4][2].
    vec![1.0, 0.6, 0.7, 1.1, 0.2, 0.1, 1.4, 0.53, 0.9, 0.73, 0.61, 1.17, 1.13, 0.9]
}

#[test]
fn gradients_are_exact_at_coarse_steps() {
    for method in methods() {
        let options = options(method, 0.13);
        let separable = matches!(method, Method::Symplectic(_));
        let evaluate = |x: &[f64], theta: Option<(usize, f64)>| -> (f64, Cotangents<f64>, Vec<f64>) {
            if separable {
                let mut system = Pendulum::new(2);
                theta.into_iter().for_each(|(k, step)| system.theta[k] += step);
                let (loss, found) = gradient(&mut system, x, &options);
                (loss, found, system.theta_bar.to_vec())
            } else {
                let mut system = Prey::new(2);
                theta.into_iter().for_each(|(k, step)| system.theta[k] += step);
                let (loss, found) = gradient(&mut system, x, &options);
                (loss, found, system.theta_bar.to_vec())
            }
        };
        let difference = |along: &dyn Fn(f64) -> f64| {
            let h = 1e-3;
            (8.0 * (along(h) - along(-h)) - (along(2.0 * h) - along(-2.0 * h))) / (12.0 * h)
        };
        let (_, found, theta_bar) = evaluate(&start(), None);
        let all: Vec<f64> = found.z0.iter().chain(&found.t0).chain(&found.ts).copied().collect();
        for (k, gradient) in all.iter().enumerate() {
            let exact = difference(&|step| {
                let mut x = start();
                x[k] += step;
                evaluate(&x, None).0
            });
            assert!((gradient - exact).abs() < 1e-8 * (1.0 + exact.abs()), "{} {k}: {gradient} {exact}", method.name());
        }
        for (k, gradient) in theta_bar.iter().enumerate() {
            let exact = difference(&|step| evaluate(&start(), Some((k, step))).0);
            assert!(
                (gradient - exact).abs() < 1e-8 * (1.0 + exact.abs()),
                "{} θ{k}: {gradient} {exact}",
                method.name()
            );
        }
    }
}

#[test]
fn memory_does_not_grow_with_the_steps() {
    for method in methods() {
        let bytes = |dt: f64| {
            let mut system = Pendulum::new(1);
            let problem = Problem { z0: &[1.0, 0.3], t0: &[0.2], ts: &[2.2], times: 1, active: &[true] };
            let mut tape = Tape::new();
            solve(&mut system, &problem, &options(method, dt), Some(&mut tape));
            tape.bytes()
        };
        assert_eq!(bytes(0.1), bytes(0.001));
    }
}

#[test]
fn failures_are_values() {
    let f = |_: f64, z: &[f64], dz: &mut [f64]| (dz[0], dz[1]) = (z[1].powi(3), z[0].powi(3));
    let problem = Problem { z0: &[1.0, 1.0], t0: &[0.0], ts: &[0.0, 9.0], times: 2, active: &[true] };
    for method in methods() {
        let mut system = Closure { dim: 2, lanes: 1, f };
        let found = solve(&mut system, &problem, &options(method, 0.1), None);
        assert_eq!(found.failures[0].as_ref().map(|f| f.kind), Some(FailureKind::NotFinite));
        assert!(found.values[0] == 1.0 && found.values[2].is_nan());
        let few = Options { max_steps: 3, ..options(method, 0.1) };
        let found = solve(&mut system, &problem, &few, None);
        assert_eq!(found.failures[0].as_ref().map(|f| f.kind), Some(FailureKind::MaxSteps));
        let none = Options { fixed_step: None, ..options(method, 0.1) };
        let found = solve(&mut system, &problem, &none, None);
        assert_eq!(found.failures[0].as_ref().map(|f| f.kind), Some(FailureKind::NeedsFixedStep));
    }
}
