//! Penalties on the steps: closed forms for a linear equation, and their cotangents against differences.

use super::support::{Closure, Prey, noise};
use pullback::solve::{Method, Options, Penalties, Problem, Tape, discrete, solve};

/// For z' = λz Heun's error estimate is h²λ²zₙ/2 with zₙ = (1 + hλ + h²λ²/2)ⁿ, and its last two stages tell |λ|.
#[test]
fn of_heun_on_a_linear_equation_have_closed_forms() {
    let (lambda, h, steps) = (-1.3_f64, 0.1_f64, 8);
    let growth = 1.0 + h * lambda + (h * lambda).powi(2) / 2.0;
    let error: f64 = (0..steps).map(|n| h * (h * lambda).powi(2) / 2.0 * growth.powi(n)).sum();
    let stiffness = f64::from(steps) * lambda.abs();
    for (weights, expected) in
        [([1.0, 0.0], error), ([0.0, 1.0], stiffness), ([2.0, 0.5], 2.0 * error + 0.5 * stiffness)]
    {
        for end in [0.8, -0.8] {
            let mut system = Closure {
                dim: 1,
                lanes: 1,
                f: |_, z: &[f64], dz: &mut [f64]| dz[0] = lambda * z[0] * f64::signum(end),
            };
            let penalties = Penalties { error: weights[0], stiffness: weights[1] };
            let options = Options { method: Method::Heun, fixed_step: Some(h), penalties, ..Options::default() };
            let problem = Problem { z0: &[1.0], t0: &[0.0], ts: &[end], times: 1, active: &[true] };
            let found = solve(&mut system, &problem, &options, None).stats.penalty[0];
            assert!((found - expected).abs() < 1e-13 * (1.0 + expected), "{found}, not {expected}");
        }
    }
}

/// Solutions and penalties of three lanes, one of them backwards in time, with outputs inside of the steps.
struct Case {
    method: Method,
    penalties: Penalties,
    stops: Vec<f64>,
    theta: [f64; 5],
    z0: Vec<f64>,
    t0: Vec<f64>,
    ts: Vec<f64>,
}

const LANES: usize = 3;
const TIMES: usize = 3;

impl Case {
    fn new(method: Method, penalties: Penalties, stops: &[f64]) -> Self {
        let spans = [1.35, -1.35, 1.35];
        let ts = (0..TIMES * LANES).map(|i| 0.2 + spans[i % LANES] * [0.31, 1.0, 0.77][i / LANES]).collect();
        let z0 = vec![1.1, 0.9, 1.3, 0.7, 0.8, 0.6];
        Self { method, penalties, stops: stops.to_vec(), theta: Prey::THETA, z0, t0: vec![0.2; LANES], ts }
    }

    /// Steps of three tenths of the span, whose fractions do not move with the times.
    fn options(&self) -> Options {
        let (fixed_step, stops) = (Some(0.405), self.stops.clone());
        Options { method: self.method, fixed_step, stops, penalties: self.penalties, ..Options::default() }
    }

    fn problem(&self) -> Problem<'_, f64> {
        Problem { z0: &self.z0, t0: &self.t0, ts: &self.ts, times: TIMES, active: &[true; LANES] }
    }

    /// Loss with the penalties. With stretches of other lengths the steps have other fractions, so times stay.
    fn loss(&self, bar: &[f64]) -> f64 {
        let mut system = Prey { theta: self.theta, ..Prey::new(LANES) };
        // The ends of the spans move the fractions of equal steps: their number is kept.
        let mut options = self.options();
        let span = (self.ts[LANES] - self.t0[0]).abs();
        options.fixed_step = Some(if self.stops.is_empty() { 0.3 * span } else { 0.405 });
        let solution = solve(&mut system, &self.problem(), &options, None);
        let values: f64 = solution.values.iter().zip(bar).map(|(z, bar)| z * bar).sum();
        values + solution.stats.penalty.iter().sum::<f64>()
    }
}

fn difference(f: impl Fn(f64) -> f64) -> f64 {
    let h = 1e-4;
    (8.0 * (f(h) - f(-h)) - (f(2.0 * h) - f(-2.0 * h))) / (12.0 * h)
}

/// ‖e‖ has large derivatives where e is small, so differences of it are good to 2e-8, and to 1e-6 for vern7, whose e
/// is smallest.
fn agrees(name: &str, got: f64, expected: f64) {
    let good = if name.starts_with("vern7") { 1e-6 } else { 2e-8 };
    assert!((got - expected).abs() <= good * (1.0 + expected.abs()), "{name}: {got} instead of {expected}");
}

#[test]
fn cotangents_are_those_of_the_frozen_steps() {
    let bar = noise(TIMES * 2 * LANES, 3);
    // The last two states of dopri8 are so close together that differences see nothing but rounding.
    let methods = [Method::Heun, Method::Bosh3, Method::Dopri5, Method::Tsit5, Method::Vern7];
    for method in methods {
        for stops in [&[][..], &[0.7]] {
            let stiffness = if method.tableau().tells_stiffness() { 0.3 } else { 0.0 };
            assert_eq!(stiffness == 0.0, method == Method::Bosh3);
            let case = Case::new(method, Penalties { error: 70.0, stiffness }, stops);
            let name = format!("{} {stops:?}", method.name());
            let (mut system, mut tape) = (Prey::new(LANES), Tape::new());
            let solution = solve(&mut system, &case.problem(), &case.options(), Some(&mut tape));
            assert!(solution.failures.iter().all(Option::is_none));
            let got = discrete(&mut system, &case.problem(), &case.options(), &tape, &bar);
            for i in 0..2 * LANES {
                let expected = difference(|e| {
                    let mut z0 = case.z0.clone();
                    z0[i] += e;
                    Case { z0, stops: stops.to_vec(), ..Case::new(method, case.penalties, stops) }.loss(&bar)
                });
                agrees(&format!("{name} z0 {i}"), got.z0[i], expected);
            }
            for p in 0..5 {
                let expected = difference(|e| {
                    let mut moved = Case::new(method, case.penalties, stops);
                    moved.theta[p] += e;
                    moved.loss(&bar)
                });
                agrees(&format!("{name} theta {p}"), system.theta_bar[p], expected);
            }
            if stops.is_empty() {
                // All ends move together, so that all lanes keep their fractions.
                let expected = difference(|e| {
                    let mut moved = Case::new(method, case.penalties, stops);
                    (0..LANES).for_each(|lane| moved.ts[LANES + lane] += e * if lane == 1 { -1.0 } else { 1.0 });
                    moved.loss(&bar)
                });
                let ends = &got.ts[LANES..2 * LANES];
                agrees(&format!("{name} end"), ends[0] - ends[1] + ends[2], expected);
            }
        }
    }
}
