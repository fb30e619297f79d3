//! `grad --hvp`: the Hessian of the loss times a direction.

use super::args::GradArgs;
use super::failed::Failed;
use super::grad::{STEP, shape, values};
use super::output::{self, Console, count, duration, short, table, work};
use super::session::{Session, judge_loss, times_ms};
use crate::compile::{self, Settings};
use crate::lower::Lowered;
use crate::model::{Batch, Evaluated, HessianProduct, Number, unconstrain};
use crate::train::{params, rng};
use serde_json::{Value, json};
use std::path::Path;
use std::time::Instant;

/// Draws of directions meet no others.
const STREAM: u64 = u64::MAX - 1;

/// Runs the command.
pub(super) fn product<T: Number>(
    session: &Session,
    args: &GradArgs,
    direction: &Path,
    console: Console,
) -> Result<(), Failed> {
    let lowered = session.lowered();
    let direction = read(lowered, direction, session.seed)?;
    let samples = session.samples(None, args.batch)?;
    let started = Instant::now();
    let lanes = compile::lanes_for(lowered, samples.indices.len());
    let settings = Settings { lanes, threads: session.threads, ..Settings::default() };
    let hessian = compile::hessian::<T>(lowered.clone(), &settings).map_err(|d| session.problem(d))?;
    let compile_ms = (session.load_seconds + started.elapsed().as_secs_f64()) * 1e3;
    let raw = unconstrain(lowered, &session.natural);
    let batch = Batch { data: samples.data, samples: &samples.indices, seed: session.seed, step: STEP };
    let mut times = Vec::new();
    let mut found = HessianProduct::default();
    for _ in 0..args.repeat {
        let started = Instant::now();
        found = hessian.product(&raw, &direction, &batch);
        times.push(started.elapsed().as_secs_f64());
    }
    let judged = Evaluated { loss: found.loss, dropped: found.dropped.clone(), ..Evaluated::default() };
    judge_loss(&judged, samples.indices.len(), console)?;
    let (time_ms, time_ms_min) = times_ms(&mut times);
    let mut value = to_json(lowered, &direction, &found);
    value["compile_ms"] = json!(compile_ms);
    value["time_ms"] = json!(time_ms);
    value["time_ms_min"] = json!(time_ms_min);
    console.object(&value);
    console.text(&summary(lowered, &direction, &found, samples.indices.len()));
    console.detail(&format!(
        "\n  compiled in {}, evaluated in {}\n",
        duration(compile_ms / 1e3),
        duration(time_ms / 1e3)
    ));
    Ok(())
}

/// The entries of a direction: of a file, where what is missing is 0, or standard normal ones.
fn read(lowered: &Lowered, from: &Path, seed: u64) -> Result<Vec<Vec<f64>>, Failed> {
    if from == Path::new("random") {
        let sizes = lowered.params.iter().map(|p| p.shape.iter().product::<usize>());
        let draw = |(k, size): (u64, usize)| {
            let stream = rng::stream(&[STREAM, k]);
            (0..size as u64).map(|i| rng::normal(seed, stream, i)).collect()
        };
        return Ok((0..).zip(sizes).map(draw).collect());
    }
    let expected: Vec<(&str, &[usize])> =
        lowered.params.iter().map(|p| (p.name.as_str(), p.shape.as_slice())).collect();
    Ok(params::load_direction(from, &expected)?)
}

fn to_json(lowered: &Lowered, direction: &[Vec<f64>], found: &HessianProduct) -> Value {
    let tensors = |values: &[Vec<f64>]| {
        let pairs = lowered.params.iter().zip(values);
        output::object(pairs.map(|(p, x)| (p.name.as_str(), output::tensor(&p.shape, x))))
    };
    json!({
        "loss": found.loss,
        "slope": found.slope,
        "direction": tensors(direction),
        "hvp": tensors(&found.product),
        "stats": { "forward": work(&found.forward), "backward": work(&found.backward) },
        "dropped": output::dropped(&found.dropped),
    })
}

fn summary(lowered: &Lowered, direction: &[Vec<f64>], found: &HessianProduct, samples: usize) -> String {
    let (loss, slope) = (short(found.loss), short(found.slope));
    let mut text = format!("loss {loss} over {}, slope {slope} along v\n\n", count(samples, "sample"));
    let head = ["parameter", "shape", "v", "Hessian times v"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for ((p, v), product) in lowered.params.iter().zip(direction).zip(&found.product) {
        rows.push(vec![p.name.clone(), shape(&p.shape), values(v), values(product)]);
    }
    text.push_str(&table(&rows));
    let (f, b) = (&found.forward, &found.backward);
    text.push_str(&format!(
        "\n  with tangents: forward {} steps ({} rejected), {} right-hand sides; backward {} products\n",
        f.accepted + f.rejected,
        f.rejected,
        f.rhs,
        b.vjp
    ));
    text
}
