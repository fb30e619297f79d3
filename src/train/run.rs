//! The training loop.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::checkpoint;
use super::history::History;
use super::lbfgs::Iteration;
use super::objective::{Evaluation, Failure, Objective};
use super::observe::{Ended, Observer, Report, StepRecord};
use super::optim::Optimizer;
use super::plan::Plan;
use super::schedule::{clip, norm};
use super::spec::TrainSpec;
use super::state::{Best, OptimizerState, State};
use crate::diag::Diagnostic;

/// Time between checkpoints where the number of steps is not given.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(10);

/// What to train and where to keep it.
#[derive(Clone, Copy, Debug)]
pub struct Job<'a> {
    /// How to train.
    pub spec: &'a TrainSpec,
    /// Fingerprint of the model and its data: a checkpoint of another is refused.
    pub model: u64,
    /// Checkpoint file.
    pub checkpoint: Option<&'a Path>,
    /// History file.
    pub history: Option<&'a Path>,
    /// Continue from the checkpoint, if there is one.
    pub resume: bool,
    /// Set from outside to stop at the next step.
    pub stop: &'a AtomicBool,
}

/// Why training did not end well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TrainError {
    /// The options, the data set or a file.
    Problem(Diagnostic),
    /// The numerics.
    Numerics(Failure),
}

impl From<Diagnostic> for TrainError {
    fn from(diagnostic: Diagnostic) -> Self {
        Self::Problem(diagnostic)
    }
}

/// Trains `params` in place: afterwards they are the best that were monitored, or the last where none were. After
/// a failure of the numerics they are the best, or the last with a finite loss.
///
/// # Errors
/// [`TrainError::Problem`]: no parameters or samples, options that the data set rules out, a checkpoint of something
/// else, files that cannot be written. [`TrainError::Numerics`]: too many failed steps in a row.
pub fn train<O: Objective + ?Sized>(
    objective: &mut O,
    params: &mut [f64],
    job: &Job<'_>,
    observer: &mut dyn Observer,
) -> Result<Report, TrainError> {
    let plan = Plan::new(objective, job.spec)?;
    if params.len() != objective.len() {
        let problem = Diagnostic::global("N0634", "the start values do not match the parameters");
        let numbers = format!("start values: {}, parameters: {}", params.len(), objective.len());
        return Err(problem.note(numbers).help("pass as many as `Objective::len` says").into());
    }
    let kept = job.checkpoint.filter(|path| job.resume && path.exists());
    let state = match kept {
        Some(path) => checkpoint::load(path, job.spec, job.model, params.len())?,
        None => State::new(job.spec.optimizer.kind, params),
    };
    let history = match job.history {
        Some(path) if kept.is_some() => Some(History::resume(path, state.step)?),
        Some(path) => Some(History::create(path)?),
        None => None,
    };
    let (now, gradient) = (Instant::now(), vec![0.0; params.len()]);
    let (before, saved) = (state.seconds, now);
    let mut run =
        Run { objective, job, observer, plan, state, gradient, history, started: now, before, saved, loss: None };
    let outcome = run.until_the_end();
    let state = &run.state;
    let usable = if outcome.is_ok() { state.usable() } else { state.good.as_slice() };
    params.copy_from_slice(state.best.as_ref().map_or(usable, |b| b.params.as_slice()));
    outcome
}

/// A run under way.
struct Run<'a, O: ?Sized> {
    objective: &'a mut O,
    job: &'a Job<'a>,
    observer: &'a mut dyn Observer,
    plan: Plan,
    state: State,
    gradient: Vec<f64>,
    history: Option<History>,
    started: Instant,
    /// Seconds of the runs this one resumes.
    before: f64,
    /// When the last checkpoint was written.
    saved: Instant,
    /// Last training loss.
    loss: Option<f64>,
}

/// What a step came to.
enum Outcome {
    /// The parameters moved: evaluation, learning rate, norm of the gradient.
    Moved(Evaluation, f64, f64),
    /// The step failed.
    Skipped,
    /// There is nothing more to do.
    Ended(Ended),
}

/// The stop flag was set within an iteration.
struct Interrupted;

impl<O: Objective + ?Sized> Run<'_, O> {
    fn until_the_end(&mut self) -> Result<Report, TrainError> {
        let ended = loop {
            if let Some(ended) = self.ending() {
                break ended;
            }
            let outcome = match self.job.spec.optimizer.kind {
                Optimizer::Lbfgs => self.iteration()?,
                Optimizer::Sgd | Optimizer::Momentum | Optimizer::RmsProp | Optimizer::Adam | Optimizer::AdamW => {
                    self.update()?
                }
            };
            match outcome {
                Outcome::Ended(ended) => break ended,
                Outcome::Moved(evaluation, lr, norm) => self.moved(evaluation, lr, norm)?,
                Outcome::Skipped => self.skipped(),
            }
            if self.checkpoint_is_due() {
                self.save()?;
            }
        };
        self.save()?;
        let report = self.report(ended);
        self.observer.done(&report);
        Ok(report)
    }

    fn ending(&self) -> Option<Ended> {
        let spec = self.job.spec;
        if self.state.step >= self.plan.total {
            Some(Ended::Completed)
        } else if spec.patience.is_some_and(|p| self.state.stale >= p) {
            Some(Ended::Patience)
        } else if self.job.stop.load(Ordering::Relaxed) {
            Some(Ended::Stopped)
        } else if spec.seconds.is_some_and(|s| self.started.elapsed().as_secs_f64() >= s) {
            Some(Ended::TimeBudget)
        } else {
            None
        }
    }

    /// One update of a first-order optimiser.
    fn update(&mut self) -> Result<Outcome, TrainError> {
        let (spec, step) = (self.job.spec, self.state.step);
        let request = self.plan.request(step);
        self.gradient.fill(0.0);
        let result = self.objective.evaluate(&self.state.params, &request, Some(&mut self.gradient));
        if let Ok(evaluation) = &result {
            self.state.rhs += evaluation.rhs;
        }
        let evaluation = match result.and_then(|e| finite(e, &self.gradient)) {
            Ok(evaluation) => evaluation,
            Err(failure) => return self.reject(&failure),
        };
        // The update after a restoration has yet to show that it leads elsewhere.
        if !std::mem::take(&mut self.state.restored) {
            self.state.failures = 0;
        }
        self.state.good.copy_from_slice(&self.state.params);
        let norm = clip(&mut self.gradient, spec.clip);
        let lr = spec.schedule.rate(spec.optimizer.options.lr, step, self.plan.total, self.plan.unit);
        if let OptimizerState::Moments(moments) = &mut self.state.optimizer {
            moments.update(&spec.optimizer, lr, &mut self.state.params, &self.gradient);
        }
        Ok(Outcome::Moved(evaluation, lr, norm))
    }

    /// Goes back to the last good parameters, or gives up.
    fn reject(&mut self, failure: &Failure) -> Result<Outcome, TrainError> {
        let (spec, step) = (self.job.spec, self.state.step + 1);
        self.state.failures += 1;
        self.state.params.copy_from_slice(&self.state.good);
        self.state.restored = true;
        self.observer.failed(step, failure, self.state.failures);
        if self.state.failures < spec.failures {
            return Ok(Outcome::Skipped);
        }
        let message =
            format!("training gave up at step {step}, after {} failures in a row: {}", spec.failures, failure.message);
        let advice = format!(
            "{}; try a smaller `lr` (it is {}), `clip = 1`, or other start values",
            failure.advice, spec.optimizer.options.lr
        );
        if let Some(history) = &mut self.history {
            history.flush()?;
        }
        Err(TrainError::Numerics(Failure { message, advice }))
    }

    /// One iteration of `lbfgs`.
    fn iteration(&mut self) -> Result<Outcome, TrainError> {
        let Self { objective, job, plan, state, .. } = self;
        let OptimizerState::Memory(memory) = &mut state.optimizer else {
            return Ok(Outcome::Ended(Ended::NoDecrease));
        };
        let (request, rhs, mut last) = (plan.request(state.step), &mut state.rhs, None);
        let result = memory.iterate(&job.spec.optimizer.options, &mut state.params, &mut |x, gradient| {
            if job.stop.load(Ordering::Relaxed) {
                return Err(Interrupted);
            }
            let evaluated = objective.evaluate(x, &request, Some(gradient));
            *rhs += evaluated.as_ref().map_or(0, |e| e.rhs);
            Ok(evaluated.and_then(|e| finite(e, gradient)).map_err(|failure| last = Some(failure)).ok())
        });
        match result {
            Err(Interrupted) => Ok(Outcome::Ended(Ended::Stopped)),
            Ok(Iteration::Converged) => Ok(Outcome::Ended(Ended::Converged)),
            Ok(Iteration::Stuck) => Ok(Outcome::Ended(Ended::NoDecrease)),
            Ok(Iteration::Failed) => Err(TrainError::Numerics(at_the_start(last))),
            Ok(Iteration::Moved(evaluation)) => {
                let norm = memory.current.as_ref().map_or(0.0, |c| norm(&c.gradient));
                state.good.copy_from_slice(&state.params);
                Ok(Outcome::Moved(evaluation, job.spec.optimizer.options.lr, norm))
            }
        }
    }

    fn moved(&mut self, evaluation: Evaluation, lr: f64, gradient_norm: f64) -> Result<(), TrainError> {
        let epoch = self.plan.epoch(self.state.step);
        let state = &mut self.state;
        state.step += 1;
        state.dropped += evaluation.dropped.len() as u64;
        state.window = match state.optimizer {
            OptimizerState::Moments(_) => (state.window.0 + evaluation.loss, state.window.1 + 1),
            // The loss after the iteration is exact: nothing to average.
            OptimizerState::Memory(_) => (evaluation.loss, 1),
        };
        self.loss = Some(evaluation.loss);
        let record = StepRecord {
            step: state.step,
            total: self.plan.total,
            epoch,
            loss: evaluation.loss,
            metrics: evaluation.metrics,
            lr,
            gradient_norm,
            seconds: self.seconds(),
            dropped: evaluation.dropped,
        };
        self.observer.step(&record);
        let validation = self.check_if_due();
        if let Some(history) = &mut self.history {
            history.append(&record, validation.as_ref())?;
        }
        Ok(())
    }

    fn skipped(&mut self) {
        self.state.step += 1;
        self.check_if_due();
    }

    /// Validates where it is time, and keeps the best parameters. Without a validation set, the mean training loss
    /// since the last time stands in.
    fn check_if_due(&mut self) -> Option<Evaluation> {
        let step = self.state.step;
        if !step.is_multiple_of(self.plan.check_every) && step != self.plan.total {
            return None;
        }
        let validated = self
            .objective
            .validate(&self.state.params, step)
            .and_then(|evaluation| evaluation.map_or(Ok(None), |e| finite(e, &[]).map(Some)));
        let (sum, number) = std::mem::take(&mut self.state.window);
        match validated {
            Err(failure) => {
                self.observer.failed(step, &failure, 0);
                self.state.stale += 1;
                None
            }
            Ok(Some(evaluation)) => {
                self.state.rhs += evaluation.rhs;
                let improved = self.compare(evaluation.loss, false);
                self.observer.validation(step, &evaluation, improved);
                Some(evaluation)
            }
            Ok(None) => {
                if number > 0 {
                    let first_order = matches!(self.state.optimizer, OptimizerState::Moments(_));
                    // One loss is that of the parameters before the update; a mean is of no parameters in particular.
                    #[allow(clippy::cast_precision_loss, reason = "2^53 steps are out of reach")]
                    self.compare(sum / number as f64, first_order && number == 1);
                }
                None
            }
        }
    }

    /// Whether the loss is the best so far; keeps the parameters if so.
    fn compare(&mut self, loss: f64, before_update: bool) -> bool {
        let state = &mut self.state;
        let improved = state.best.as_ref().is_none_or(|b| loss < b.loss - self.job.spec.min_delta);
        if improved {
            let params = if before_update { state.good.as_slice() } else { state.usable() };
            state.best = Some(Best { loss, step: state.step, params: params.to_vec() });
            state.stale = 0;
        } else {
            state.stale += 1;
        }
        improved
    }

    fn checkpoint_is_due(&self) -> bool {
        match self.job.spec.checkpoint_every {
            Some(every) => self.state.step.is_multiple_of(every),
            None => self.saved.elapsed() >= CHECKPOINT_EVERY,
        }
    }

    /// The history first: a history that runs ahead of the checkpoint can be cut, one that lags behind cannot.
    fn save(&mut self) -> Result<(), Diagnostic> {
        self.state.seconds = self.seconds();
        if let Some(history) = &mut self.history {
            history.flush()?;
        }
        if let Some(path) = self.job.checkpoint {
            checkpoint::save(path, &self.state, self.job.spec, self.job.model)?;
            self.observer.checkpointed(self.state.step, path);
        }
        self.saved = Instant::now();
        Ok(())
    }

    fn seconds(&self) -> f64 {
        self.before + self.started.elapsed().as_secs_f64()
    }

    fn report(&self, ended: Ended) -> Report {
        let State { step, best, params, dropped, rhs, .. } = &self.state;
        Report {
            ended,
            steps: *step,
            loss: self.loss,
            best: best.clone(),
            last: params.clone(),
            dropped: *dropped,
            rhs: *rhs,
            seconds: self.seconds(),
        }
    }
}

/// An evaluation whose loss and gradient are numbers.
fn finite(evaluation: Evaluation, gradient: &[f64]) -> Result<Evaluation, Failure> {
    let advice = "look for a division by zero, a logarithm or root of a negative number, or overflow in the model";
    let message = if !evaluation.loss.is_finite() {
        format!("the loss is {}", evaluation.loss)
    } else if let Some(i) = gradient.iter().position(|g| !g.is_finite()) {
        format!("entry {i} of the gradient is {}", gradient[i])
    } else {
        return Ok(evaluation);
    };
    Err(Failure { message, advice: advice.to_owned() })
}

/// `lbfgs` cannot start.
fn at_the_start(last: Option<Failure>) -> Failure {
    let (why, advice) = last.map_or_else(Default::default, |f| (f.message, f.advice));
    Failure {
        message: format!("the loss cannot be evaluated at the start: {why}"),
        advice: format!("{advice}; try other start values"),
    }
}
