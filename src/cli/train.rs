//! `train`: from start values to trained parameters, with everything that is worth keeping.

use super::args::{Split, TrainArgs};
use super::density;
use super::eval::evaluate;
use super::failed::Failed;
use super::figures;
use super::fit;
use super::grad::{metrics, shape, values};
use super::output::{self, Console, count, duration, short, table};
use super::progress::Progress;
use super::session::{DRAWS, Session, out_folder};
use crate::compile::Settings;
use crate::model::{Model, ModelObjective, Number, ObjectiveSetup, unconstrain};
use crate::train::checkpoint::fingerprint;
use crate::train::params::{self, Precision};
use crate::train::{self, Ended, Job, Length, Optimizer, Report, TrainSpec};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Parameters up to this many are part of the last object of `--json`.
const INLINE: usize = 10_000;

/// The files of a run.
struct Files {
    params: PathBuf,
    history: PathBuf,
    checkpoint: PathBuf,
}

/// Runs the command.
pub(super) fn train<T: Number>(args: &TrainArgs, console: Console) -> Result<(), Failed> {
    let session = Session::open(&args.model, None, console)?;
    session.need_loss("train on")?;
    let samples = session.samples(None, None)?.indices.len();
    let folder = out_folder(args.out.as_ref(), &args.model.file)?;
    let files = Files {
        params: folder.join("params.safetensors"),
        history: folder.join("history.csv"),
        checkpoint: folder.join("checkpoint"),
    };
    let spec = spec(args, &session, console);
    let batch = spec.batch.unwrap_or(samples).min(samples);
    let model: Model<T> = session.compile(session.lowered().clone(), batch, Settings::default())?;
    console.note(&format!("training {}: {}", session.lowered().name, plan(&spec, &session)));
    let mut raw = unconstrain(&model.lowered, &session.natural);
    let (report, dropped) = optimise(&session, &model, &spec, &files, &mut raw, args.resume, console)?;
    let natural = model.constrain(&raw);
    save::<T>(&session, &natural, &files.params)?;
    let mut written = vec![files.params.clone(), files.history.clone(), files.checkpoint.clone()];
    if !args.no_plots {
        written.extend(figures::loss(&folder, &files.history)?);
        let fitted = fit::draw::<T>(&args.model, &natural, &folder, console)?;
        written.extend(fitted);
        written.extend(density::draw::<T>(&args.model, &session, &natural, &folder, console)?);
    }
    if let (n, Some(first)) = &dropped {
        console.note(&format!("warning: {} left out over the whole run; the first: {first}", count(*n, "sample")));
    }
    finish(&session, &model, &raw, &natural, &report, &written, console);
    Ok(())
}

/// The `train` item with the flags that count before it, or the defaults.
fn spec(args: &TrainArgs, session: &Session, console: Console) -> TrainSpec {
    let mut spec = session.lowered().train.clone().unwrap_or_else(|| {
        console.note("note: the model has no `train` item; using `train adam(lr = 1e-3, steps = 1000)`");
        TrainSpec::new(Optimizer::Adam)
    });
    spec.seed = session.seed;
    if session.loaded.data.is_none() && session.lowered().noises.is_empty() {
        // Every sample would be the same.
        spec.batch = Some(1);
    }
    spec.length = match (args.steps, args.epochs) {
        (Some(n), _) => Length::Steps(n),
        (None, Some(n)) => Length::Epochs(n),
        (None, None) => spec.length,
    };
    spec
}

fn plan(spec: &TrainSpec, session: &Session) -> String {
    let numbers: usize = session.natural.iter().map(Vec::len).sum();
    let length = match spec.length {
        Length::Steps(n) => count(usize::try_from(n).unwrap_or(usize::MAX), "step"),
        Length::Epochs(n) => count(usize::try_from(n).unwrap_or(usize::MAX), "epoch"),
    };
    let from = match &session.loaded.data {
        Some(data) => format!(" on {}", count(data.len, "sample")),
        None if session.lowered().noises.is_empty() => String::new(),
        None => " on fresh draws".to_owned(),
    };
    format!("{length} of {}{from}, {}", spec.optimizer.kind.name(), count(numbers, "number"))
}

type Losses = (usize, Option<String>);

fn optimise<T: Number>(
    session: &Session,
    model: &Model<T>,
    spec: &TrainSpec,
    files: &Files,
    raw: &mut [f64],
    resume: bool,
    console: Console,
) -> Result<(Report, Losses), Failed> {
    let loaded = &session.loaded;
    let random = loaded.data.is_none() && !loaded.lowered.noises.is_empty();
    let first_order = spec.optimizer.kind != Optimizer::Lbfgs;
    let draws = if random && first_order { spec.batch.unwrap_or(DRAWS) } else { 0 };
    let setup = ObjectiveSetup {
        train: loaded.data.clone(),
        validation: loaded.validation.clone(),
        validation_draws: draws,
        seed: session.seed,
    };
    let stop = stop_on_interrupt();
    let job = Job {
        spec,
        model: fingerprint(text_of_model(session).as_bytes()),
        checkpoint: Some(&files.checkpoint),
        history: Some(&files.history),
        resume,
        stop: &stop,
    };
    let mut objective = ModelObjective::new(model, setup);
    let mut progress = Progress::new(console);
    let outcome = train::train(&mut objective, raw, &job, &mut progress);
    progress.finish();
    Ok((outcome?, progress.dropped))
}

/// The first Ctrl-C sets the flag, the second one leaves at once.
fn stop_on_interrupt() -> Arc<AtomicBool> {
    let stop = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&stop);
    // Without a handler Ctrl-C ends the process, and the last checkpoint is still whole.
    let _ = ctrlc::set_handler(move || {
        if flag.swap(true, Ordering::Relaxed) {
            #[allow(clippy::exit, reason = "the second Ctrl-C means now")]
            std::process::exit(130);
        }
    });
    stop
}

/// What the parameters of a checkpoint mean: names, shapes, equations and the data.
fn text_of_model(session: &Session) -> String {
    let (loaded, lowered) = (&session.loaded, session.lowered());
    let mut text = crate::check::show(&loaded.program);
    for p in &lowered.params {
        text.push_str(&format!("{} {:?} {}\n", p.name, p.shape, p.domain.spell()));
    }
    for data in loaded.data.iter().chain(&loaded.validation) {
        text.push_str(&format!("{} {:?}\n", data.len, data.dims));
        for column in &data.columns {
            let mut sum = 0_u64;
            for sample in 0..data.len {
                column.copy_sample(sample, &mut |_, x| sum = sum.rotate_left(5) ^ x.to_bits());
            }
            text.push_str(&format!("{} {sum}\n", column.name));
        }
    }
    text
}

fn save<T: Number>(session: &Session, natural: &[Vec<f64>], path: &Path) -> Result<(), Failed> {
    let params = &session.lowered().params;
    let tensors: Vec<(&str, &[usize], &[f64])> =
        params.iter().zip(natural).map(|(p, v)| (p.name.as_str(), p.shape.as_slice(), v.as_slice())).collect();
    let precision = if T::NAME == "f32" { Precision::F32 } else { Precision::F64 };
    params::save(path, &tensors, precision, &[("model", session.lowered().name.as_str())])?;
    Ok(())
}

fn ended(report: &Report) -> &'static str {
    match report.ended {
        Ended::Completed => "all steps made",
        Ended::Converged => "converged",
        Ended::NoDecrease => "no step decreases the loss any more",
        Ended::Patience => "no improvement for `patience` validations",
        Ended::TimeBudget => "the time was up",
        Ended::Stopped => "stopped; continue with `--resume`",
    }
}

fn finish<T: Number>(
    session: &Session,
    model: &Model<T>,
    raw: &[f64],
    natural: &[Vec<f64>],
    report: &Report,
    written: &[PathBuf],
    console: Console,
) {
    let loaded = &session.loaded;
    let wanted = [
        ("train", Some(Split::Train)),
        ("validation", loaded.validation.as_ref().map(|_| Split::Validation)),
        ("test", loaded.test.as_ref().map(|_| Split::Test)),
    ];
    let mut results = Vec::new();
    for (name, split) in wanted {
        let Some(Ok(samples)) = split.map(|s| session.samples(Some(s), None)) else { continue };
        results.push((name, evaluate(model, raw, &samples, session.seed)));
    }
    let params = &session.lowered().params;
    let paths: Vec<String> = written.iter().map(|p| p.display().to_string()).collect();
    let mut last = json!({
        "done": true,
        "ended": ended(report),
        "step": report.steps,
        "seconds": report.seconds,
        "rhs": report.rhs,
        "dropped": report.dropped,
        "files": paths,
    });
    for (name, found) in &results {
        let value = json!({ "loss": found.loss, "metrics": metrics(session.lowered(), found) });
        if *name == "train" {
            last["loss"] = value["loss"].clone();
            last["metrics"] = value["metrics"].clone();
        } else {
            last[*name] = value;
        }
    }
    if natural.iter().map(Vec::len).sum::<usize>() <= INLINE {
        let list = params.iter().zip(natural).map(|(p, v)| (p.name.as_str(), output::tensor(&p.shape, v)));
        last["params"] = output::object::<'_>(list.collect::<Vec<(&str, Value)>>());
    }
    console.object(&last);
    console.detail(&format!(
        "{} in {}: {}\n\n",
        count(usize::try_from(report.steps).unwrap_or(usize::MAX), "step"),
        duration(report.seconds),
        ended(report)
    ));
    let mut rows = Vec::new();
    for (p, v) in params.iter().zip(natural) {
        let value = if v.len() <= 6 { values(v) } else { shape(&p.shape) };
        rows.push(vec![p.name.clone(), value, p.doc.clone().unwrap_or_default()]);
    }
    console.text(&table(&rows));
    console.text("\n");
    let mut rows = Vec::new();
    for (name, found) in &results {
        let mut row = vec![(*name).to_owned(), format!("loss {}", short(found.loss))];
        let named = session.lowered().metrics.iter().zip(&found.metrics);
        row.extend(named.map(|((metric, _), v)| format!("{metric} {}", short(*v))));
        rows.push(row);
    }
    console.text(&table(&rows));
    console.detail(&format!("\n  written: {}\n", paths.join(", ")));
}
