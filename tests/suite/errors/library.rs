//! Codes that only a program which uses the library can meet: the commands never get so far.

use super::commands::snapshot;
use pullback::diag::{Diagnostic, Sources, render};
use pullback::syntax::parse;
use pullback::train::params::{Precision, save};
use pullback::train::{Evaluation, Failure, Job, Objective, Optimizer, Request, TrainError, TrainSpec, train};
use std::path::Path;
use std::sync::atomic::AtomicBool;

fn shown(name: &str, problems: &[Diagnostic], sources: &Sources) {
    snapshot(name, &render(problems, sources, false));
}

#[test]
fn n0121_more_than_a_model_file_holds() {
    let text = " ".repeat((1 << 20) + 1);
    let mut sources = Sources::default();
    let file = sources.add("large.node", text.clone());
    shown("n0121_more_than_a_model_file_holds", &parse(file, &text).1, &sources);
}

#[test]
fn n0618_values_that_do_not_fill_their_shape() {
    // It is refused before anything is written.
    let refused = save(Path::new("params.safetensors"), &[("x", &[2], &[1.0])], Precision::F64, &[]).unwrap_err();
    shown("n0618_values_that_do_not_fill_their_shape", &[refused], &Sources::default());
}

/// Two parameters that do nothing, and so many samples.
struct Nothing {
    samples: usize,
}

impl Objective for Nothing {
    fn len(&self) -> usize {
        2
    }

    fn samples(&self) -> Option<usize> {
        Some(self.samples)
    }

    fn evaluate(&mut self, _: &[f64], _: &Request<'_>, _: Option<&mut [f64]>) -> Result<Evaluation, Failure> {
        Ok(Evaluation::default())
    }

    fn validate(&mut self, _: &[f64], _: u64) -> Result<Option<Evaluation>, Failure> {
        Ok(None)
    }
}

fn refused_training(name: &str, samples: usize, start: &mut [f64]) {
    let (spec, stop) = (TrainSpec::new(Optimizer::Adam), AtomicBool::new(false));
    let job = Job { spec: &spec, model: 0, checkpoint: None, history: None, resume: false, stop: &stop };
    match train(&mut Nothing { samples }, start, &job, &mut ()) {
        Err(TrainError::Problem(problem)) => shown(name, &[problem], &Sources::default()),
        other => panic!("{name}: {other:?}"),
    }
}

#[test]
fn n0633_no_samples_to_train_on() {
    refused_training("n0633_no_samples_to_train_on", 0, &mut [0.0, 0.0]);
}

#[test]
fn n0634_start_values_for_another_objective() {
    refused_training("n0634_start_values_for_another_objective", 1, &mut [0.0]);
}
