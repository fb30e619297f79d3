//! Gradients against differences of the same discrete map, closed forms, golden values, and each other.

use super::support::{Linear, Prey, noise};
use pullback::solve::{
    AdjointSystem, Cotangents, FailureKind, Method, Options, Problem, Solution, System, Tape, backsolve, discrete,
    solve,
};

/// Inputs of a problem, to be perturbed.
#[derive(Clone)]
struct Inputs {
    z0: Vec<f64>,
    t0: Vec<f64>,
    ts: Vec<f64>,
    times: usize,
}

impl Inputs {
    fn problem<'a>(&'a self, active: &'a [bool]) -> Problem<'a, f64> {
        Problem { z0: &self.z0, t0: &self.t0, ts: &self.ts, times: self.times, active }
    }
}

fn dot(x: &[f64], y: &[f64]) -> f64 {
    x.iter().zip(y).map(|(x, y)| x * y).sum()
}

fn close(name: &str, got: f64, expected: f64, tolerance: f64) {
    assert!((got - expected).abs() <= tolerance * (1.0 + expected.abs()), "{name}: {got} instead of {expected}");
}

fn taped<S: AdjointSystem<f64>>(
    system: &mut S,
    inputs: &Inputs,
    options: &Options,
    values_bar: &[f64],
) -> (Solution<f64>, Cotangents<f64>) {
    let active = vec![true; inputs.t0.len()];
    let problem = inputs.problem(&active);
    let mut tape = Tape::new();
    let solution = solve(system, &problem, options, Some(&mut tape));
    let cotangents = discrete(system, &problem, options, &tape, values_bar);
    (solution, cotangents)
}

/// Fourth order central difference.
fn difference(h: f64, f: impl Fn(f64) -> f64) -> f64 {
    (8.0 * (f(h) - f(-h)) - (f(2.0 * h) - f(-2.0 * h))) / (12.0 * h)
}

/// One lane with fixed steps of three tenths of the span: the fractions 0, 0.3, 0.6, 0.9, 1 do not move with the
/// times, so differences of `solve` are differences of the frozen map.
fn frozen_loss(theta: [f64; 5], inputs: &Inputs, method: Method, values_bar: &[f64]) -> f64 {
    let mut system = Prey { theta, ..Prey::new(1) };
    let options = frozen_options(inputs, method);
    dot(&solve(&mut system, &inputs.problem(&[true]), &options, None).values, values_bar)
}

fn frozen_options(inputs: &Inputs, method: Method) -> Options {
    let span = inputs.ts.iter().map(|t| (t - inputs.t0[0]).abs()).fold(0.0, f64::max);
    Options { method, fixed_step: Some(0.3 * span), ..Options::default() }
}

#[test]
fn discrete_is_the_derivative_of_the_frozen_map() {
    let h = 4e-4;
    let bar = noise(10, 3);
    for method in Method::ALL {
        for sign in [1.0, -1.0] {
            let ts: Vec<f64> = [0.31, 0.9, 0.05, 0.31, 0.72].iter().map(|t| 0.2 + sign * t).collect();
            let inputs = Inputs { z0: vec![1.1, 0.7], t0: vec![0.2], ts, times: 5 };
            for keep_stages in [false, true] {
                let mut system = Prey::new(1);
                let options = Options { keep_stages, ..frozen_options(&inputs, method) };
                let (_, got) = taped(&mut system, &inputs, &options, &bar);
                let name = format!("{} {sign} {keep_stages}", method.name());
                let along = |change: &dyn Fn(&mut Inputs, f64)| {
                    difference(h, |e| {
                        let mut moved = inputs.clone();
                        change(&mut moved, e);
                        frozen_loss(Prey::THETA, &moved, method, &bar)
                    })
                };
                for i in 0..2 {
                    close(&format!("{name} z0 {i}"), got.z0[i], along(&|x, e| x.z0[i] += e), 1e-9);
                }
                close(&format!("{name} t0"), got.t0[0], along(&|x, e| x.t0[0] += e), 1e-9);
                for j in 0..5 {
                    close(&format!("{name} ts {j}"), got.ts[j], along(&|x, e| x.ts[j] += e), 1e-9);
                }
                for p in 0..5 {
                    let expected = difference(h, |e| {
                        let mut theta = Prey::THETA;
                        theta[p] += e;
                        frozen_loss(theta, &inputs, method, &bar)
                    });
                    close(&format!("{name} theta {p}"), system.theta_bar[p], expected, 1e-9);
                }
            }
        }
    }
}

/// dL/dz0 = Σ exp(Aᵀ(tⱼ − t0)) gⱼ, dL/dtsⱼ = gⱼ·f(tⱼ, zⱼ), dL/dt0 = −dL/dz0·f(t0, z0), with outputs unsorted, repeated,
/// at t0 and twice at the end, and in one lane not moving at all.
#[test]
fn linear_system_analytically() {
    let (dim, lanes, times) = (3, 4, 6);
    let theta = noise(12, 5);
    let ends = [1.7, -1.2, 0.0, 0.4];
    let t0 = vec![0.3, 0.1, -0.5, 0.0];
    let fractions = [0.5, 1.0, 0.0, 0.5, 0.81, 1.0];
    let ts = (0..times * lanes).map(|i| t0[i % lanes] + ends[i % lanes] * fractions[i / lanes]).collect();
    let inputs = Inputs { z0: noise(dim * lanes, 1), t0, ts, times };
    let bar = noise(times * dim * lanes, 9);
    let options = Options { rtol: 1e-11, atol: 1e-12, ..Options::default() };
    let mut system = Linear::new(dim, lanes, theta.clone());
    let (solution, reverse) = taped(&mut system, &inputs, &options, &bar);
    let active = vec![true; lanes];
    let back = backsolve(&mut system, &inputs.problem(&active), &options, &solution, &bar);
    for (name, got) in [("discrete", reverse), ("backsolve", back)] {
        check_linear(name, &theta, &inputs, &solution, &bar, &got);
    }
}

fn check_linear(
    name: &str,
    theta: &[f64],
    inputs: &Inputs,
    solution: &Solution<f64>,
    bar: &[f64],
    got: &Cotangents<f64>,
) {
    let (dim, lanes) = (3, inputs.t0.len());
    let mut transposed = theta.to_vec();
    (0..9).for_each(|i| transposed[i] = theta[i % 3 * 3 + i / 3]);
    transposed[9..].fill(0.0);
    let tight = Options { rtol: 1e-12, atol: 1e-13, ..Options::default() };
    for lane in 0..lanes {
        let pick = |x: &[f64]| -> Vec<f64> { x.iter().skip(lane).step_by(lanes).copied().collect() };
        let f = |t: f64, z: &[f64]| {
            let mut dz = vec![0.0; dim];
            Linear::new(dim, 1, theta.to_vec()).rhs(&[t], z, &mut dz);
            dz
        };
        let mut a = vec![0.0; dim];
        for j in 0..inputs.times {
            let (g, t) = (pick(&bar[j * dim * lanes..][..dim * lanes]), inputs.ts[j * lanes + lane]);
            let ts = [t - inputs.t0[lane]];
            let problem = Problem { z0: &g, t0: &[0.0], ts: &ts, times: 1, active: &[true] };
            let pulled = solve(&mut Linear::new(dim, 1, transposed.clone()), &problem, &tight, None).values;
            a.iter_mut().zip(pulled).for_each(|(a, p)| *a += p);
            let z = pick(&solution.values[j * dim * lanes..][..dim * lanes]);
            close(&format!("{name} lane {lane} ts {j}"), got.ts[j * lanes + lane], dot(&g, &f(t, &z)), 1e-7);
        }
        for (d, (got, expected)) in pick(&got.z0).iter().zip(&a).enumerate() {
            close(&format!("{name} lane {lane} z0 {d}"), *got, *expected, 1e-8);
        }
        let expected = -dot(&a, &f(inputs.t0[lane], &pick(&inputs.z0)));
        close(&format!("{name} lane {lane} t0"), got.t0[lane], expected, 1e-7);
    }
}

/// z' = θ z: dL/dθ = t z0 exp(θ t), summed over the lanes.
#[test]
fn growth_rate_analytically() {
    let inputs = Inputs { z0: vec![1.0, 2.0], t0: vec![0.0, 0.0], ts: vec![1.3, -0.7], times: 1 };
    let options = Options { rtol: 1e-11, atol: 1e-12, ..Options::default() };
    let exact = 1.3 * (0.6f64 * 1.3).exp() - 0.7 * 2.0 * (0.6f64 * -0.7).exp();
    let mut system = Linear::new(1, 2, vec![0.6, 0.0]);
    let (solution, _) = taped(&mut system, &inputs, &options, &[1.0, 1.0]);
    close("discrete", system.theta_bar[0], exact, 1e-9);
    let mut system = Linear::new(1, 2, vec![0.6, 0.0]);
    backsolve(&mut system, &inputs.problem(&[true, true]), &options, &solution, &[1.0, 1.0]);
    close("backsolve", system.theta_bar[0], exact, 1e-9);
}

fn gradients(rtol: f64, restart: bool) -> (f64, Cotangents<f64>) {
    let ts = vec![1.0, 0.5, 3.0, 2.0, 2.0, 1.1];
    let inputs = Inputs { z0: vec![1.0, 1.4, 1.0, 0.8], t0: vec![0.0, 0.1], ts, times: 3 };
    let bar = noise(12, 4);
    let options = Options { rtol, atol: 1e-2 * rtol, restart, ..Options::default() };
    let mut system = Prey::new(2);
    let (solution, exact) = taped(&mut system, &inputs, &options, &bar);
    let mut other = Prey::new(2);
    let back = backsolve(&mut other, &inputs.problem(&[true; 2]), &options, &solution, &bar);
    let all = |c: &Cotangents<f64>, theta: &[f64]| [&c.z0[..], &c.t0, &c.ts, theta].concat();
    let (x, y) = (all(&exact, &system.theta_bar), all(&back, &other.theta_bar));
    (x.iter().zip(&y).map(|(x, y)| (x - y).abs() / (1.0 + x.abs())).fold(0.0, f64::max), back)
}

#[test]
fn backsolve_tends_to_discrete() {
    for restart in [true, false] {
        let errors: Vec<f64> = [1e-4, 1e-6, 1e-8, 1e-10].iter().map(|rtol| gradients(*rtol, restart).0).collect();
        assert!(errors.windows(2).all(|pair| pair[1] < 0.2 * pair[0]), "{errors:?}");
        assert!(errors[3] < 1e-7, "{errors:?}");
        let drift = gradients(1e-8, restart).1.drift.unwrap();
        assert!(drift.absolute > 0.0 && drift.relative < 1e3, "{drift:?}");
    }
}

/// y' = y³ A of the Neural ODE demonstration; parameters A.
struct Spiral {
    a: [f64; 4],
    a_bar: [f64; 4],
}

impl System<f64> for Spiral {
    fn dim(&self) -> usize {
        2
    }
    fn lanes(&self) -> usize {
        1
    }
    fn rhs(&mut self, _: &[f64], z: &[f64], dz: &mut [f64]) {
        let (a, c) = (self.a, [z[0].powi(3), z[1].powi(3)]);
        (dz[0], dz[1]) = (c[0] * a[0] + c[1] * a[2], c[0] * a[1] + c[1] * a[3]);
    }
}

impl AdjointSystem<f64> for Spiral {
    fn vjp(&mut self, _: &[f64], z: &[f64], w: &[f64], z_bar: &mut [f64], t_bar: &mut [f64], parameters: bool) {
        let a = self.a;
        z_bar[0] = 3.0 * z[0] * z[0] * (a[0] * w[0] + a[1] * w[1]);
        z_bar[1] = 3.0 * z[1] * z[1] * (a[2] * w[0] + a[3] * w[1]);
        t_bar[0] = 0.0;
        for i in (0..4).filter(|_| parameters) {
            self.a_bar[i] += z[i / 2].powi(3) * w[i % 2];
        }
    }
}

/// Forward sensitivities with an eighth order method at 3e-14, confirmed by complex steps.
#[test]
fn cubic_spiral_golden_gradient() {
    let ts: Vec<f64> = (0..30).map(|i| 1.5 * f64::from(i) / 29.0).collect();
    let inputs = Inputs { z0: vec![2.0, 0.0], t0: vec![0.0], ts, times: 30 };
    let options = Options { rtol: 1e-11, atol: 1e-12, ..Options::default() };
    let fresh = || Spiral { a: [-0.1, 2.0, -2.0, -0.1], a_bar: [0.0; 4] };
    let y = solve(&mut fresh(), &inputs.problem(&[true]), &options, None).values;
    close("loss", y.iter().map(|y| y * y).sum::<f64>() / 2.0, 48.617_706_126_9, 1e-10);
    close("end", y[58], 1.291_991_562_98, 1e-10);
    let mut system = fresh();
    let (solution, reverse) = taped(&mut system, &inputs, &options, &y);
    let mut other = fresh();
    let back = backsolve(&mut other, &inputs.problem(&[true]), &options, &solution, &y);
    for (name, got, a_bar) in [("discrete", reverse, system.a_bar), ("backsolve", back, other.a_bar)] {
        for (got, expected) in got.z0.iter().zip([40.499_117_569, 1.105_141_025]) {
            close(name, *got, expected, 1e-8);
        }
        for (got, expected) in a_bar.iter().zip([82.214_290_769, 6.643_135_118, 2.503_886_891, 81.756_559_349]) {
            close(name, *got, expected, 1e-8);
        }
    }
}

struct Lorenz;

impl System<f64> for Lorenz {
    fn dim(&self) -> usize {
        3
    }
    fn lanes(&self) -> usize {
        1
    }
    fn rhs(&mut self, _: &[f64], z: &[f64], dz: &mut [f64]) {
        dz[0] = 10.0 * (z[1] - z[0]);
        dz[1] = z[0] * (28.0 - z[2]) - z[1];
        dz[2] = z[0] * z[1] - 8.0 / 3.0 * z[2];
    }
}

impl AdjointSystem<f64> for Lorenz {
    fn vjp(&mut self, _: &[f64], z: &[f64], w: &[f64], z_bar: &mut [f64], t_bar: &mut [f64], _: bool) {
        z_bar[0] = -10.0 * w[0] + (28.0 - z[2]) * w[1] + z[1] * w[2];
        z_bar[1] = 10.0 * w[0] - w[1] + z[0] * w[2];
        z_bar[2] = -z[0] * w[1] - 8.0 / 3.0 * w[2];
        t_bar[0] = 0.0;
    }
}

/// Reversed in time, Lorenz expands volume at the rate 13.7: nothing of z survives 30 units, and the answer says so.
#[test]
fn lorenz_backsolve_is_never_quiet() {
    let inputs = Inputs { z0: vec![1.0, 1.0, 1.0], t0: vec![0.0], ts: vec![30.0], times: 1 };
    for rtol in [1e-6, 1e-10] {
        let options = Options { rtol, atol: rtol, max_steps: 20_000, ..Options::default() };
        let problem = inputs.problem(&[true]);
        let solution = solve(&mut Lorenz, &problem, &options, None);
        assert_eq!(solution.failures, [None]);
        let got = backsolve(&mut Lorenz, &problem, &options, &solution, &[1.0, 0.0, 0.0]);
        match (&got.failures[0], got.drift) {
            (Some(failure), _) => {
                let loud = [FailureKind::MaxSteps, FailureKind::NotFinite, FailureKind::StepUnderflow];
                assert!(loud.contains(&failure.kind) && failure.t > 0.0, "{failure:?}");
                assert_eq!(got.z0, [0.0; 3]);
            }
            (None, drift) => assert!(drift.unwrap().relative > 1e4, "{drift:?}"),
        }
    }
}
