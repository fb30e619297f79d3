//! Limited-memory BFGS: Nocedal and Wright (2006), algorithms 7.4 (two-loop recursion) and 7.5.

use std::collections::VecDeque;

use super::linesearch::{self, Point, Probe, Sample};
use super::objective::Evaluation;
use super::optim::OptimizerOptions;

/// A step and the change of the gradient along it.
#[derive(Clone, Debug, PartialEq)]
pub struct Pair {
    /// s = xₖ₊₁ − xₖ.
    pub s: Vec<f64>,
    /// y = gₖ₊₁ − gₖ.
    pub y: Vec<f64>,
}

/// What is known at the current parameters.
#[derive(Clone, Debug, PartialEq)]
pub struct Current {
    /// Loss.
    pub loss: f64,
    /// Gradient.
    pub gradient: Vec<f64>,
    /// Samples that the loss leaves out. Losses over fewer samples do not compare with it.
    pub dropped: u64,
}

impl Current {
    fn new(evaluation: &Evaluation, gradient: Vec<f64>) -> Self {
        Self { loss: evaluation.loss, gradient, dropped: evaluation.dropped.len() as u64 }
    }
}

/// The state between iterations.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Memory {
    /// Loss and gradient at the current parameters, once known.
    pub current: Option<Current>,
    /// The last pairs, oldest first.
    pub pairs: VecDeque<Pair>,
}

/// How an iteration ended.
pub enum Iteration {
    /// The parameters moved.
    Moved(Evaluation),
    /// The gradient is within the tolerance.
    Converged,
    /// No step decreases the loss within the precision of the evaluations.
    Stuck,
    /// There is no finite loss at the start.
    Failed,
}

/// Loss and gradient at given parameters; `Ok(None)` where they fail or are not finite, `Err` to end at once.
pub type Evaluate<'a, E> = dyn FnMut(&[f64], &mut [f64]) -> Result<Option<Evaluation>, E> + 'a;

impl Memory {
    /// One iteration from `x`. An error of `evaluate` leaves everything as it was before.
    ///
    /// # Errors
    /// Those of `evaluate`.
    pub fn iterate<E>(
        &mut self,
        o: &OptimizerOptions,
        x: &mut [f64],
        evaluate: &mut Evaluate<'_, E>,
    ) -> Result<Iteration, E> {
        let Some(current) = self.start(x, evaluate)? else { return Ok(Iteration::Failed) };
        let gradient = &current.gradient;
        if gradient.iter().all(|g| g.abs() <= o.tolerance) {
            return Ok(Iteration::Converged);
        }
        let mut found = None;
        if !self.pairs.is_empty() {
            found = try_along(x, &current, &self.direction(gradient), 1.0, evaluate)?;
        }
        if found.is_none() {
            // Either the first iteration or the memory misleads: start again along the gradient. The first trial
            // moves by at most `lr` in the 1-norm.
            let descent: Vec<f64> = gradient.iter().map(|g| -g).collect();
            let size: f64 = gradient.iter().map(|g| g.abs()).sum();
            found = try_along(x, &current, &descent, o.lr * (1.0 / size).min(1.0), evaluate)?;
            if found.is_some() {
                self.pairs.clear();
            }
        }
        let Some(probe) = found else { return Ok(Iteration::Stuck) };
        self.remember(o.memory, x, gradient, &probe);
        x.copy_from_slice(&probe.params);
        self.current = Some(Current::new(&probe.evaluation, probe.gradient));
        Ok(Iteration::Moved(probe.evaluation))
    }

    fn start<E>(&mut self, x: &[f64], evaluate: &mut Evaluate<'_, E>) -> Result<Option<Current>, E> {
        if self.current.is_none() {
            let mut gradient = vec![0.0; x.len()];
            self.current = evaluate(x, &mut gradient)?.map(|e| Current::new(&e, gradient));
        }
        Ok(self.current.clone())
    }

    /// −Hg by the two-loop recursion, H₀ = (s·y / y·y) I.
    fn direction(&self, gradient: &[f64]) -> Vec<f64> {
        let mut q = gradient.to_vec();
        let mut alphas = Vec::with_capacity(self.pairs.len());
        for pair in self.pairs.iter().rev() {
            let alpha = dot(&pair.s, &q) / dot(&pair.s, &pair.y);
            add(&mut q, -alpha, &pair.y);
            alphas.push(alpha);
        }
        if let Some(last) = self.pairs.back() {
            let scale = dot(&last.s, &last.y) / dot(&last.y, &last.y);
            for q in &mut q {
                *q *= scale;
            }
        }
        for (pair, alpha) in self.pairs.iter().zip(alphas.iter().rev()) {
            let beta = dot(&pair.y, &q) / dot(&pair.s, &pair.y);
            add(&mut q, alpha - beta, &pair.s);
        }
        q.into_iter().map(|q| -q).collect()
    }

    /// Keeps the pair, unless its curvature is lost in rounding: H must stay positive definite.
    fn remember(&mut self, memory: usize, x: &[f64], gradient: &[f64], probe: &Probe) {
        let s: Vec<f64> = probe.params.iter().zip(x).map(|(a, b)| a - b).collect();
        let y: Vec<f64> = probe.gradient.iter().zip(gradient).map(|(a, b)| a - b).collect();
        if dot(&s, &y) > f64::EPSILON * dot(&y, &y) {
            if self.pairs.len() >= memory {
                self.pairs.pop_front();
            }
            self.pairs.push_back(Pair { s, y });
        }
    }
}

/// Searches along `direction`; `None` where it does not descend or no step decreases the loss.
fn try_along<E>(
    x: &[f64],
    current: &Current,
    direction: &[f64],
    first: f64,
    evaluate: &mut Evaluate<'_, E>,
) -> Result<Option<Probe>, E> {
    let slope = dot(&current.gradient, direction);
    if !(slope < 0.0 && slope.is_finite() && first > 0.0) {
        return Ok(None);
    }
    let sample: &mut Sample<'_, E> = &mut |step| {
        let params: Vec<f64> = x.iter().zip(direction).map(|(x, d)| x + step * d).collect();
        let mut gradient = vec![0.0; x.len()];
        let evaluation = evaluate(&params, &mut gradient)?;
        let slope = dot(&gradient, direction);
        let comparable = evaluation.filter(|e| e.dropped.len() as u64 <= current.dropped);
        Ok(comparable.map(|evaluation| {
            let point = Point { step, loss: evaluation.loss, slope };
            Probe { point, params, gradient, evaluation }
        }))
    };
    linesearch::search(Point { step: 0.0, loss: current.loss, slope }, first, sample)
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn add(x: &mut [f64], scale: f64, y: &[f64]) {
    x.iter_mut().zip(y).for_each(|(x, y)| *x += scale * y);
}
