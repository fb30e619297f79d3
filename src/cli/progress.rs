//! What training shows as it goes: a bar, plain lines, objects, or nothing.

use super::output::{Console, duration, short};
use crate::train::{Evaluation, Failure, Observer, StepRecord};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::json;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

/// Time between two lines.
const EVERY: Duration = Duration::from_secs(3);

enum Show {
    Json,
    Bar(ProgressBar),
    Lines,
    Nothing,
}

/// Watches a run of training.
pub(super) struct Progress {
    show: Show,
    console: Console,
    started: Instant,
    last_line: Option<Instant>,
    first_step: Option<u64>,
    validation: Option<f64>,
    /// Samples that were left out in the whole run, and why the first one was.
    pub dropped: (usize, Option<String>),
}

impl Progress {
    /// Chooses how to show it.
    pub fn new(console: Console) -> Self {
        let show = if console.json {
            Show::Json
        } else if console.quiet {
            Show::Nothing
        } else if std::io::stderr().is_terminal() {
            Show::Bar(bar())
        } else {
            Show::Lines
        };
        let (started, last_line) = (Instant::now(), None);
        Self { show, console, started, last_line, first_step: None, validation: None, dropped: (0, None) }
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        if let Show::Bar(bar) = &self.show {
            bar.finish_and_clear();
        }
    }

    fn say(&self, text: &str) {
        match &self.show {
            Show::Bar(bar) => bar.suspend(|| self.console.note(text)),
            Show::Lines => self.console.note(text),
            Show::Json | Show::Nothing => {}
        }
    }

    fn left(&mut self, record: &StepRecord) -> f64 {
        let first = *self.first_step.get_or_insert(record.step - 1);
        #[allow(clippy::cast_precision_loss, reason = "2^53 steps are out of reach")]
        let (done, rest) = ((record.step - first) as f64, record.total.saturating_sub(record.step) as f64);
        self.started.elapsed().as_secs_f64() / done * rest
    }

    fn words(&self, record: &StepRecord) -> String {
        let validation = self.validation.map_or(String::new(), |v| format!("  validation {}", short(v)));
        format!("loss {}{validation}  rate {}", short(record.loss), short(record.lr))
    }
}

fn bar() -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr_with_hz(10));
    let template = "{wide_bar} {pos}/{len}  {msg}";
    // The template is a constant; the default style is as good as any if it ever is not valid.
    bar.set_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar
}

impl Observer for Progress {
    fn step(&mut self, record: &StepRecord) {
        self.dropped.0 += record.dropped.len();
        if let (None, Some(first)) = (&self.dropped.1, record.dropped.first()) {
            self.dropped.1 = Some(format!("sample {} in step {}: {}", first.sample, record.step, first.reason));
        }
        let left = self.left(record);
        let words = self.words(record);
        match &self.show {
            Show::Json => {
                let metrics = super::output::object(record.metrics.iter().map(|(n, v)| (n.as_str(), json!(v))));
                self.console.object(&json!({
                    "step": record.step,
                    "epoch": record.epoch,
                    "loss": record.loss,
                    "metrics": metrics,
                    "lr": record.lr,
                    "gradient_norm": record.gradient_norm,
                    "seconds": record.seconds,
                    "dropped": record.dropped.len(),
                }));
            }
            Show::Bar(bar) => {
                bar.set_length(record.total);
                bar.set_position(record.step);
                bar.set_message(format!("{words}  {} left", duration(left)));
            }
            Show::Lines => {
                if self.last_line.unwrap_or(self.started).elapsed() >= EVERY {
                    self.last_line = Some(Instant::now());
                    self.say(&format!("step {}/{}  {words}  {} left", record.step, record.total, duration(left)));
                }
            }
            Show::Nothing => {}
        }
    }

    fn validation(&mut self, step: u64, evaluation: &Evaluation, improved: bool) {
        self.validation = Some(evaluation.loss);
        if let Show::Json = self.show {
            let metrics = super::output::object(evaluation.metrics.iter().map(|(n, v)| (n.as_str(), json!(v))));
            self.console.object(&json!({
                "step": step,
                "validation": { "loss": evaluation.loss, "metrics": metrics, "improved": improved },
            }));
        }
    }

    fn failed(&mut self, step: u64, failure: &Failure, in_row: u64) {
        match self.show {
            Show::Json => self.console.object(&json!({ "step": step, "failed": failure.message, "in_row": in_row })),
            // What follows in a row is most often the same.
            Show::Bar(_) | Show::Lines | Show::Nothing if in_row > 1 => {}
            Show::Bar(_) | Show::Lines | Show::Nothing => self.say(&format!("step {step} failed: {}", failure.message)),
        }
    }
}
