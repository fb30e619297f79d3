//! Gradients of implicit methods: against differences of the same discrete map, and golden values.

use super::support::{Exact, Prey, noise};
use pullback::solve::{AdjointSystem, Implicit, Method, Options, Problem, System, Tape, discrete, solve};

#[derive(Clone)]
struct Inputs {
    z0: Vec<f64>,
    t0: f64,
    ts: Vec<f64>,
    theta: [f64; 5],
}

fn dot(x: &[f64], y: &[f64]) -> f64 {
    x.iter().zip(y).map(|(x, y)| x * y).sum()
}

/// Fixed steps of three tenths of the span: their fractions do not move with the times.
fn options(inputs: &Inputs, method: Implicit) -> Options {
    let span = inputs.ts.iter().map(|t| (t - inputs.t0).abs()).fold(0.0, f64::max);
    let method = Method::Implicit(method);
    // Newton's method goes on to 1e-7 times the tolerance or to rounding.
    Options { method, fixed_step: Some(0.3 * span), rtol: 1e-13, atol: 1e-13, ..Options::default() }
}

fn loss(inputs: &Inputs, method: Implicit, bar: &[f64]) -> f64 {
    let mut system = Exact(Prey { theta: inputs.theta, ..Prey::new(1) });
    let t0 = [inputs.t0];
    let problem = Problem { z0: &inputs.z0, t0: &t0, ts: &inputs.ts, times: inputs.ts.len(), active: &[true] };
    dot(&solve(&mut system, &problem, &options(inputs, method), None).values, bar)
}

/// Cotangents of z0, t0, ts and θ, one after another.
fn gradient<S: AdjointSystem<f64>>(system: &mut S, inputs: &Inputs, method: Implicit, bar: &[f64]) -> Vec<f64> {
    let t0 = [inputs.t0];
    let problem = Problem { z0: &inputs.z0, t0: &t0, ts: &inputs.ts, times: inputs.ts.len(), active: &[true] };
    let (options, mut tape) = (options(inputs, method), Tape::new());
    solve(system, &problem, &options, Some(&mut tape));
    let found = discrete(system, &problem, &options, &tape, bar);
    assert_eq!(found.failures, [None]);
    [found.z0, found.t0, found.ts].concat()
}

/// Every derivative by differences of fourth order, in the same order.
fn differences(inputs: &Inputs, method: Implicit, bar: &[f64]) -> Vec<f64> {
    let h = 4e-4;
    let along = |change: &dyn Fn(&mut Inputs, f64)| {
        let f = |e: f64| {
            let mut moved = inputs.clone();
            change(&mut moved, e);
            loss(&moved, method, bar)
        };
        (8.0 * (f(h) - f(-h)) - (f(2.0 * h) - f(-2.0 * h))) / (12.0 * h)
    };
    let mut all: Vec<f64> = (0..2).map(|i| along(&|x, e| x.z0[i] += e)).collect();
    all.push(along(&|x, e| x.t0 += e));
    all.extend((0..inputs.ts.len()).map(|j| along(&|x, e| x.ts[j] += e)));
    all.extend((0..5).map(|p| along(&|x, e| x.theta[p] += e)));
    all
}

fn inputs(sign: f64) -> Inputs {
    let ts = [0.31, 0.9, 0.05, 0.31, 0.72].iter().map(|t| 0.2 + sign * t).collect();
    Inputs { z0: vec![1.1, 0.7], t0: 0.2, ts, theta: Prey::THETA }
}

fn close(name: &str, found: &[f64], expected: &[f64], within: f64) {
    assert_eq!(found.len(), expected.len());
    for (k, (x, y)) in found.iter().zip(expected).enumerate() {
        assert!((x - y).abs() <= within * (1.0 + y.abs()), "{name}, entry {k}: {x} instead of {y}");
    }
}

#[test]
fn discrete_is_the_derivative_of_the_frozen_map() {
    let bar = noise(10, 3);
    for method in Implicit::ALL {
        for sign in [1.0, -1.0] {
            let inputs = inputs(sign);
            let mut system = Exact(Prey::new(1));
            let mut found = gradient(&mut system, &inputs, method, &bar);
            found.extend(system.0.theta_bar);
            close(method.name(), &found, &differences(&inputs, method, &bar), 2e-9);
        }
    }
}

/// A system that knows neither its Jacobian nor the derivatives of that gets both from differences.
#[test]
fn a_system_without_a_jacobian_gets_differences() {
    let (bar, inputs) = (noise(10, 3), inputs(1.0));
    for method in Implicit::ALL {
        let mut system = Prey::new(1);
        let mut found = gradient(&mut system, &inputs, method, &bar);
        found.extend(system.theta_bar);
        close(method.name(), &found, &differences(&inputs, method, &bar), 1e-6);
    }
}

#[test]
fn outputs_at_the_start_have_their_derivatives() {
    let mut inputs = inputs(1.0);
    inputs.ts = vec![0.2, 0.2];
    let bar = noise(4, 3);
    let mut system = Exact(Prey::new(1));
    let problem = Problem { z0: &inputs.z0, t0: &[0.2], ts: &inputs.ts, times: 2, active: &[true] };
    let options = Options { method: Method::Implicit(Implicit::Rodas5p), ..Options::default() };
    let mut tape = Tape::new();
    solve(&mut system, &problem, &options, Some(&mut tape));
    let found = discrete(&mut system, &problem, &options, &tape, &bar);
    let found = [found.z0, found.t0, found.ts].concat();
    let mut f = [0.0; 2];
    system.rhs(&[0.2], &inputs.z0, &mut f);
    let along = [dot(&bar[..2], &f), dot(&bar[2..], &f)];
    close("no step", &found, &[bar[0] + bar[2], bar[1] + bar[3], -along[0] - along[1], along[0], along[1]], 1e-14);
}

/// Robertson's reactions with rates (k₁, k₂, k₃).
struct Reactions {
    k: [f64; 3],
    bar: [f64; 3],
}

impl Reactions {
    const K: [f64; 3] = [0.04, 3e7, 1e4];
    fn matrix(&self, z: &[f64]) -> [f64; 9] {
        let ([a, b, c], [_, y, w]) = (self.k, [z[0], z[1], z[2]]);
        [-a, c * w, c * y, a, -2.0 * b * y - c * w, -c * y, 0.0, 2.0 * b * y, 0.0]
    }
}

impl System<f64> for Reactions {
    fn dim(&self) -> usize {
        3
    }
    fn lanes(&self) -> usize {
        1
    }
    fn rhs(&mut self, _: &[f64], z: &[f64], dz: &mut [f64]) {
        let (p, q, r) = (self.k[0] * z[0], self.k[1] * z[1] * z[1], self.k[2] * z[1] * z[2]);
        dz.copy_from_slice(&[r - p, p - q - r, q]);
    }
    fn jacobian(&mut self, _: f64, z: &[f64], dfdz: &mut [f64], dfdt: &mut [f64]) {
        dfdz.copy_from_slice(&self.matrix(z));
        dfdt.fill(0.0);
    }
}

impl AdjointSystem<f64> for Reactions {
    fn vjp(&mut self, _: &[f64], z: &[f64], w: &[f64], z_bar: &mut [f64], t_bar: &mut [f64], parameters: bool) {
        let m = self.matrix(z);
        (0..3).for_each(|j| z_bar[j] = (0..3).map(|i| w[i] * m[3 * i + j]).sum());
        t_bar[0] = 0.0;
        if parameters {
            self.bar[0] += (w[1] - w[0]) * z[0];
            self.bar[1] += (w[2] - w[1]) * z[1] * z[1];
            self.bar[2] += (w[0] - w[1]) * z[1] * z[2];
        }
    }
    fn jacobian_vjp(&mut self, _: f64, z: &[f64], bars: (&[f64], &[f64]), z_bar: &mut [f64], t_bar: &mut [f64]) {
        let ([_, b, c], m) = (self.k, bars.0);
        z_bar.copy_from_slice(&[0.0, c * (m[2] - m[5]) + 2.0 * b * (m[7] - m[4]), c * (m[1] - m[4])]);
        t_bar[0] = 0.0;
        self.bar[0] += m[3] - m[0];
        self.bar[1] += 2.0 * z[1] * (m[7] - m[4]);
        self.bar[2] += z[2] * (m[1] - m[4]) + z[1] * (m[2] - m[5]);
    }
}

/// dL/dk and dL/dz0 for L = z₃(1e5): two independent programs at tolerances 1e-10 and 1e-12 agree on L
/// (tests/golden/golden.json, `robertson`).
#[test]
fn robertson_golden_gradient() {
    let text = std::fs::read_to_string("tests/golden/golden.json").unwrap();
    let golden: serde_json::Value = serde_json::from_str(&text).unwrap();
    let golden = &golden["workloads"]["robertson"];
    let list = |value: &serde_json::Value| -> Vec<f64> {
        value["values"].as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
    };
    let (rates, start) = (list(&golden["dparams"][0]), list(&golden["dy0"]));
    let problem = Problem { z0: &[1.0, 0.0, 0.0], t0: &[0.0], ts: &[1e5], times: 1, active: &[true] };
    for method in Implicit::ALL {
        let name = method.name();
        for (rtol, within) in [(1e-6, 4e-6), (1e-10, 2e-9)] {
            let options = Options { method: Method::Implicit(method), rtol, atol: 1e-4 * rtol, ..Options::default() };
            let (mut system, mut tape) = (Reactions { k: Reactions::K, bar: [0.0; 3] }, Tape::new());
            let solution = solve(&mut system, &problem, &options, Some(&mut tape));
            assert!((solution.values[2] - golden["radau_loss"].as_f64().unwrap()).abs() < within, "{name}");
            let found = discrete(&mut system, &problem, &options, &tape, &[0.0, 0.0, 1.0]);
            for (k, (x, y)) in system.bar.iter().zip(&rates).chain(found.z0.iter().zip(&start)).enumerate() {
                assert!((x / y - 1.0).abs() < within, "{name} {rtol:e}, entry {k}: {x} instead of {y}");
            }
        }
    }
}
