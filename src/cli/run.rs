//! `run`: trajectories and outputs of samples.

use super::args::{Format, RunArgs};
use super::codes;
use super::density;
use super::failed::Failed;
use super::figures;
use super::fit::{self, Trajectory};
use super::output::{self, Console, count, duration, object, work};
use super::session::{Samples, Session, judge, out_folder, times_ms};
use crate::compile::Settings;
use crate::data::{write_csv, write_npz};
use crate::model::{Batch, Evaluated, Model, Number, SampleOutputs, unconstrain};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Runs the command.
pub(super) fn run<T: Number>(args: &RunArgs, console: Console) -> Result<(), Failed> {
    let session = fit::open(&args.model, args.points, console)?;
    if session.lowered().outputs.is_empty() {
        let failed = Failed::from(crate::diag::Diagnostic::global(codes::NO_SOLVE, "there is nothing to run"));
        return Err(failed.help("declare a `state` and how far to solve (`solve 0 .. 10`), or an `output`"));
    }
    let samples = pick(&session, args)?;
    let started = Instant::now();
    let settings = Settings { gradient: false, outputs: true, ..Settings::default() };
    let model: Model<T> = session.compile(session.lowered().clone(), samples.indices.len(), settings)?;
    let compile_ms = (session.load_seconds + started.elapsed().as_secs_f64()) * 1e3;
    let raw = unconstrain(&model.lowered, &session.natural);
    let (mut times, mut found) = (Vec::new(), Evaluated::default());
    for _ in 0..args.repeat {
        let started = Instant::now();
        found = solve(&model, &raw, &samples, session.seed);
        times.push(started.elapsed().as_secs_f64());
    }
    judge(&found, samples.indices.len(), console)?;
    let (time_ms, time_ms_min) = times_ms(&mut times);
    // With --json the result is on stdout: files are written only where they are asked for.
    let written = if console.json && args.out.is_none() {
        Vec::new()
    } else {
        let folder = out_folder(args.out.as_ref(), &args.model.file)?;
        files(&folder, args, &session, &model, &found, console)?
    };
    let names: Vec<String> = written.iter().map(|p| p.display().to_string()).collect();
    let mut value = to_json(&model, &found);
    value["compile_ms"] = json!(compile_ms);
    value["time_ms"] = json!(time_ms);
    value["time_ms_min"] = json!(time_ms_min);
    value["files"] = json!(names);
    console.object(&value);
    let (f, n) = (&found.forward, found.outputs.len());
    console.detail(&format!(
        "{}: {} steps ({} rejected), {} right-hand sides, {}\n",
        count(n, "sample"),
        f.accepted + f.rejected,
        f.rejected,
        f.rhs,
        duration(time_ms / 1e3)
    ));
    console.text(&format!("  written: {}\n", names.join(", ")));
    Ok(())
}

fn pick<'a>(session: &'a Session, args: &RunArgs) -> Result<Samples<'a>, Failed> {
    let random = session.loaded.data.is_none();
    let limit = if random { Some(args.samples.or(args.sample.map(|k| k + 1)).unwrap_or(1)) } else { args.samples };
    let mut samples = session.samples(None, limit)?;
    if let Some(k) = args.sample {
        if !samples.indices.contains(&k) {
            let n = samples.indices.len();
            let failed = Failed::usage(codes::NO_SAMPLE, format!("--sample {k}: the data hold {}", count(n, "sample")));
            return Err(failed.help(format!("samples are counted from 0: the last one is {}", n.saturating_sub(1))));
        }
        samples.indices = vec![k];
    }
    Ok(samples)
}

/// The outputs of samples.
pub(super) fn solve<T: Number>(model: &Model<T>, raw: &[f64], samples: &Samples<'_>, seed: u64) -> Evaluated {
    let batch = Batch { data: samples.data, samples: &samples.indices, seed, step: 0 };
    model.outputs.as_ref().map_or_else(Evaluated::default, |entry| model.evaluate(entry, raw, &batch))
}

/// An output's shape and its values over all samples: with a leading axis where there are several.
fn stacked<T: Number>(model: &Model<T>, outputs: &[SampleOutputs], k: usize) -> (Vec<usize>, Vec<f64>) {
    let node = model.lowered.outputs[k].1;
    let own = model.lowered.graph.shape(node).iter().copied();
    let leading = if outputs.len() == 1 { None } else { Some(outputs.len()) };
    let data = outputs.iter().flat_map(|o| o.values.get(k).cloned().unwrap_or_default()).collect();
    (leading.into_iter().chain(own).collect(), data)
}

fn to_json<T: Number>(model: &Model<T>, found: &Evaluated) -> Value {
    let clock = fit::clock(&model.lowered);
    let (mut ts, mut outputs) = (Value::Null, Vec::new());
    for (k, (name, _)) in model.lowered.outputs.iter().enumerate() {
        let (shape, data) = stacked(model, &found.outputs, k);
        if Some(k) == clock && shape.len() > 1 {
            ts = data.chunks(shape[1].max(1)).map(|c| json!(c)).collect();
        } else if Some(k) == clock {
            ts = json!(data);
        } else {
            outputs.push((name.as_str(), output::tensor(&shape, &data)));
        }
    }
    json!({
        "ts": ts,
        "outputs": object(outputs),
        "samples": found.outputs.iter().map(|o| o.sample).collect::<Vec<_>>(),
        "stats": { "forward": work(&found.forward) },
        "dropped": output::dropped(&found.dropped),
    })
}

fn files<T: Number>(
    folder: &Path,
    args: &RunArgs,
    session: &Session,
    model: &Model<T>,
    found: &Evaluated,
    console: Console,
) -> Result<Vec<PathBuf>, Failed> {
    let mut written = Vec::new();
    match args.format {
        Format::Npz => {
            let path = folder.join("trajectory.npz");
            let arrays: Vec<(Vec<usize>, Vec<f64>)> =
                (0..model.lowered.outputs.len()).map(|k| stacked(model, &found.outputs, k)).collect();
            let named: Vec<(&str, &[usize], &[f64])> = model
                .lowered
                .outputs
                .iter()
                .zip(&arrays)
                .map(|(o, (shape, data))| (o.0.as_str(), shape.as_slice(), data.as_slice()))
                .collect();
            write_npz(&path, &named)?;
            written.push(path);
        }
        Format::Csv => {
            if let Some(trajectory) = Trajectory::of(&model.lowered) {
                let path = folder.join("trajectory.csv");
                let header: Vec<&str> =
                    ["sample", "t"].into_iter().chain(trajectory.names.iter().map(String::as_str)).collect();
                write_csv(&path, &header, &trajectory.rows(&found.outputs))?;
                written.push(path);
            }
            written.extend(tables(folder, model, found)?);
        }
    }
    if !args.no_plots {
        written.extend(figures::trajectories(folder, session, model, found)?);
        written.extend(density::draw::<T>(&args.model, session, &session.natural, folder, console)?);
    }
    Ok(written)
}

/// The `output`s of the model, each a table: sample, row, entries of the row.
fn tables<T: Number>(folder: &Path, model: &Model<T>, found: &Evaluated) -> Result<Vec<PathBuf>, Failed> {
    let lowered = &model.lowered;
    let own = fit::clock(lowered).unwrap_or(lowered.outputs.len());
    let mut written = Vec::new();
    for (k, (name, node)) in lowered.outputs.iter().take(own).enumerate() {
        let shape = lowered.graph.shape(*node);
        let width: usize = shape.iter().skip(1).product();
        let columns: Vec<String> =
            if width == 1 { vec![name.clone()] } else { (0..width).map(|i| format!("{name}_{i}")).collect() };
        let header: Vec<&str> = ["sample", "row"].into_iter().chain(columns.iter().map(String::as_str)).collect();
        let mut rows = Vec::new();
        for sample in &found.outputs {
            for (i, row) in sample.values[k].chunks(width.max(1)).enumerate() {
                #[allow(clippy::cast_precision_loss, reason = "far below 2^52 samples and rows")]
                let head = [sample.sample as f64, i as f64];
                rows.push(head.into_iter().chain(row.iter().copied()).collect());
            }
        }
        let path = folder.join(format!("{name}.csv"));
        write_csv(&path, &header, &rows)?;
        written.push(path);
    }
    Ok(written)
}
