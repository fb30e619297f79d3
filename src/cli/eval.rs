//! `eval`: loss and metrics of samples.

use super::args::{EvalArgs, Split};
use super::failed::Failed;
use super::grad::metrics;
use super::output::{self, Console, count, duration, short, table, work};
use super::session::{Samples, Session, judge_loss, times_ms};
use crate::compile::Settings;
use crate::model::{Batch, Evaluated, Model, Number, unconstrain};
use serde_json::json;
use std::time::Instant;

/// Draws of an evaluation never meet those of training.
const STEP: u64 = u64::MAX - 1;

/// Runs the command.
pub(super) fn eval<T: Number>(args: &EvalArgs, console: Console) -> Result<(), Failed> {
    let session = Session::open(&args.model, None, console)?;
    session.need_loss("evaluate")?;
    let split = args.split.or_else(|| session.loaded.test.as_ref().map(|_| Split::Test));
    let samples = session.samples(split, args.samples)?;
    let n = samples.indices.len();
    let settings = Settings { gradient: false, ..Settings::default() };
    let model: Model<T> = session.compile(session.lowered().clone(), n, settings)?;
    let raw = unconstrain(&model.lowered, &session.natural);
    let (mut times, mut found) = (Vec::new(), Evaluated::default());
    for _ in 0..args.repeat {
        let started = Instant::now();
        found = evaluate(&model, &raw, &samples, session.seed);
        times.push(started.elapsed().as_secs_f64());
    }
    judge_loss(&found, n, console)?;
    let (time_ms, time_ms_min) = times_ms(&mut times);
    let name = match (samples.data, split) {
        (None, _) => "noise",
        (Some(_), None | Some(Split::Train)) => "train",
        (Some(_), Some(Split::Validation)) => "validation",
        (Some(_), Some(Split::Test)) => "test",
    };
    console.object(&json!({
        "loss": found.loss,
        "metrics": metrics(&model.lowered, &found),
        "split": name,
        "samples": n,
        "stats": { "forward": work(&found.forward) },
        "dropped": output::dropped(&found.dropped),
        "time_ms": time_ms,
        "time_ms_min": time_ms_min,
    }));
    let mut rows = vec![vec!["loss".to_owned(), short(found.loss)]];
    rows.extend(model.lowered.metrics.iter().zip(&found.metrics).map(|((name, _), v)| vec![name.clone(), short(*v)]));
    console.text(&table(&rows));
    let from = if samples.data.is_some() { format!("{} ({name})", count(n, "sample")) } else { count(n, "draw") };
    console.detail(&format!("\n  {from}, {}\n", duration(time_ms / 1e3)));
    Ok(())
}

/// Loss and metrics.
pub(super) fn evaluate<T: Number>(model: &Model<T>, raw: &[f64], samples: &Samples<'_>, seed: u64) -> Evaluated {
    let batch = Batch { data: samples.data, samples: &samples.indices, seed, step: STEP };
    model.value.as_ref().map_or_else(Evaluated::default, |entry| model.evaluate(entry, raw, &batch))
}
