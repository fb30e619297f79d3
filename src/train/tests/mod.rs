//! Tests of training on functions with known minima.

mod checkpoint;
mod files;
mod optim;
mod rng;
mod run;
mod schedule;
mod spec;

use std::sync::atomic::AtomicBool;

use super::{Dropped, Evaluation, Failure, Job, Objective, Request, TrainSpec, rng as draws};

/// The minimised functions.
#[derive(Clone, Copy, PartialEq)]
enum Shape {
    /// Σ (i + 1) (xᵢ − 1)² / 2.
    Quadratic,
    /// Rosenbrock's function, minimum at (1, 1).
    Rosenbrock,
    /// Mean over samples s of (x − s)² / 2, with noise keyed by the step.
    Samples,
}

/// An objective whose behaviour a test sets.
struct Toy {
    shape: Shape,
    len: usize,
    samples: Option<usize>,
    /// Evaluations so far.
    calls: u64,
    /// Panics at this call, as a kill would end the process.
    killed_at: Option<u64>,
    /// Fails where |x| is larger.
    fails_beyond: f64,
    /// Samples dropped in every evaluation.
    drops: usize,
    /// Validation losses; after the last one, that one.
    validations: Vec<f64>,
    validated: usize,
    /// Samples that were asked for.
    seen: Vec<Vec<usize>>,
}

impl Toy {
    fn new(shape: Shape, samples: Option<usize>) -> Self {
        Self {
            shape,
            len: if shape == Shape::Quadratic { 3 } else { 2 },
            samples,
            calls: 0,
            killed_at: None,
            fails_beyond: f64::INFINITY,
            drops: 0,
            validations: Vec::new(),
            validated: 0,
            seen: Vec::new(),
        }
    }
}

impl Objective for Toy {
    fn len(&self) -> usize {
        self.len
    }

    fn samples(&self) -> Option<usize> {
        self.samples
    }

    fn evaluate(
        &mut self,
        x: &[f64],
        request: &Request<'_>,
        gradient: Option<&mut [f64]>,
    ) -> Result<Evaluation, Failure> {
        self.calls += 1;
        assert!(self.killed_at != Some(self.calls), "killed");
        self.seen.extend(request.samples.map(<[usize]>::to_vec));
        if x.iter().any(|x| x.abs() > self.fails_beyond) {
            return Err(Failure { message: "too far out".into(), advice: "stay near".into() });
        }
        let (loss, slope) = value(self.shape, x, request);
        if let Some(gradient) = gradient {
            gradient.copy_from_slice(&slope);
        }
        let dropped = (0..self.drops).map(|sample| Dropped { sample, reason: "max steps".into() }).collect();
        Ok(Evaluation { loss, metrics: vec![("size".into(), x[0].abs())], dropped, rhs: 2 })
    }

    fn validate(&mut self, _x: &[f64], _step: u64) -> Result<Option<Evaluation>, Failure> {
        let next = self.validations.get(self.validated).or(self.validations.last()).copied();
        self.validated += 1;
        Ok(next.map(|loss| Evaluation { loss, ..Evaluation::default() }))
    }
}

fn value(shape: Shape, x: &[f64], request: &Request<'_>) -> (f64, Vec<f64>) {
    match shape {
        Shape::Quadratic => {
            let weights = [1.0, 2.0, 3.0];
            let loss = x.iter().zip(weights).map(|(x, w)| 0.5 * w * (x - 1.0) * (x - 1.0)).sum();
            (loss, x.iter().zip(weights).map(|(x, w)| w * (x - 1.0)).collect())
        }
        Shape::Rosenbrock => {
            let (a, b) = (1.0 - x[0], x[1] - x[0] * x[0]);
            (a * a + 100.0 * b * b, vec![-2.0 * a - 400.0 * x[0] * b, 200.0 * b])
        }
        Shape::Samples => {
            let noise = 0.1 * draws::normal(1, 2, request.step);
            let all: Vec<usize> = (0..request.count).collect();
            let samples = request.samples.unwrap_or(&all);
            #[allow(clippy::cast_precision_loss, reason = "few samples")]
            let (n, targets) = (samples.len() as f64, samples.iter().map(|s| *s as f64 + noise));
            let mut result = (0.0, vec![0.0; x.len()]);
            for target in targets {
                for (x, g) in x.iter().zip(&mut result.1) {
                    // A quartic term keeps lbfgs busy for more than one iteration.
                    result.0 += (0.5 * (x - target).powi(2) + 0.01 * x.powi(4)) / n;
                    *g += (x - target + 0.04 * x.powi(3)) / n;
                }
            }
            result
        }
    }
}

/// A job without files.
fn job<'a>(spec: &'a TrainSpec, stop: &'a AtomicBool) -> Job<'a> {
    Job { spec, model: 7, checkpoint: None, history: None, resume: false, stop }
}

static GO: AtomicBool = AtomicBool::new(false);
