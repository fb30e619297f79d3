//! `grad`: loss and gradient of a batch.

use super::args::{GradArgs, Method};
use super::failed::Failed;
use super::gradcheck;
use super::hessian;
use super::output::{self, Console, count, duration, short, table, work};
use super::session::{Samples, Session, judge_loss, times_ms};
use crate::compile::Settings;
use crate::lower::{Gradient, Lowered};
use crate::model::{Batch, Evaluated, Model, Number, unconstrain};
use serde_json::{Value, json};
use std::time::Instant;

/// The step of training that a gradient by itself belongs to.
pub(super) const STEP: u64 = 0;

/// Runs the command.
pub(super) fn grad<T: Number>(args: &GradArgs, console: Console) -> Result<(), Failed> {
    let session = Session::open(&args.model, None, console)?;
    session.need_loss("differentiate")?;
    if args.check {
        return gradcheck::check::<T>(&session, args, console);
    }
    if let Some(direction) = &args.hvp {
        return hessian::product::<T>(&session, args, direction, console);
    }
    let samples = session.samples(None, args.batch)?;
    let mut lowered = session.lowered().clone();
    if let Some(method) = args.gradient {
        set_method(&mut lowered, method.into());
    }
    let started = Instant::now();
    let settings = Settings { inputs: args.inputs, ..Settings::default() };
    let model: Model<T> = session.compile(lowered, samples.indices.len(), settings)?;
    let compile_ms = (session.load_seconds + started.elapsed().as_secs_f64()) * 1e3;
    let raw = unconstrain(&model.lowered, &session.natural);
    let mut times = Vec::new();
    let mut found = Evaluated::default();
    for _ in 0..args.repeat {
        let started = Instant::now();
        found = evaluate(&model, &raw, &samples, session.seed);
        times.push(started.elapsed().as_secs_f64());
    }
    judge_loss(&found, samples.indices.len(), console)?;
    let (time_ms, time_ms_min) = times_ms(&mut times);
    let mut value = to_json(&model, &found, args.inputs);
    value["compile_ms"] = json!(compile_ms);
    value["time_ms"] = json!(time_ms);
    value["time_ms_min"] = json!(time_ms_min);
    console.object(&value);
    console.text(&summary(&model, &found, samples.indices.len()));
    console.detail(&format!(
        "\n  compiled in {}, evaluated in {}\n",
        duration(compile_ms / 1e3),
        duration(time_ms / 1e3)
    ));
    Ok(())
}

impl From<Method> for Gradient {
    fn from(method: Method) -> Self {
        match method {
            Method::Discrete => Self::Discrete,
            Method::Backsolve => Self::Backsolve,
            Method::Interpolated => Self::Interpolated,
            Method::Forward => Self::Forward,
        }
    }
}

/// The name of a gradient method.
pub(super) fn method_name(method: Gradient) -> &'static str {
    match method {
        Gradient::Discrete => "discrete",
        Gradient::Backsolve => "backsolve",
        Gradient::Interpolated => "interpolated",
        Gradient::Forward => "forward",
    }
}

/// Every system with this gradient method.
pub(super) fn set_method(lowered: &mut Lowered, method: Gradient) {
    for system in &mut lowered.systems {
        system.gradient = method;
    }
}

/// Loss and gradient of some samples.
pub(super) fn evaluate<T: Number>(model: &Model<T>, raw: &[f64], samples: &Samples<'_>, seed: u64) -> Evaluated {
    let batch = Batch { data: samples.data, samples: &samples.indices, seed, step: STEP };
    model.gradient.as_ref().map_or_else(Evaluated::default, |entry| model.evaluate(entry, raw, &batch))
}

/// The methods of the systems, one name if they agree.
fn methods(lowered: &Lowered) -> String {
    let mut names: Vec<&str> = lowered.systems.iter().map(|s| method_name(s.gradient)).collect();
    names.dedup();
    if names.is_empty() { "reverse".to_owned() } else { names.join(", ") }
}

fn to_json<T: Number>(model: &Model<T>, found: &Evaluated, inputs: bool) -> Value {
    let params = &model.lowered.params;
    let gradient = params.iter().zip(&found.natural).map(|(p, g)| (p.name.as_str(), output::tensor(&p.shape, g)));
    let mut value = json!({
        "loss": found.loss,
        "metrics": metrics(&model.lowered, found),
        "gradient": output::object(gradient),
        "method": methods(&model.lowered),
        "stats": { "forward": work(&found.forward), "backward": work(&found.backward) },
        "dropped": output::dropped(&found.dropped),
    });
    if inputs {
        let of_input = |(input, g): (&crate::lower::Input, &Vec<f64>)| {
            let size = input.shape.iter().product::<usize>().max(1);
            let mut shape = vec![g.len() / size];
            shape.extend(&input.shape);
            output::tensor(&shape, g)
        };
        let list = model.lowered.inputs.iter().zip(&found.inputs);
        value["inputs"] = output::object(list.map(|pair| (pair.0.name.as_str(), of_input(pair))));
    }
    if let Some(drift) = found.drift {
        value["drift"] = json!({ "absolute": drift.absolute, "relative": drift.relative, "t": drift.t });
    }
    value
}

/// Names and values of the metrics.
pub(super) fn metrics(lowered: &Lowered, found: &Evaluated) -> Value {
    output::object(lowered.metrics.iter().zip(&found.metrics).map(|(m, v)| (m.0.as_str(), json!(v))))
}

fn summary<T: Number>(model: &Model<T>, found: &Evaluated, samples: usize) -> String {
    let mut text = format!("loss {} over {}\n\n", short(found.loss), count(samples, "sample"));
    let mut rows = vec![vec!["parameter".to_owned(), "shape".to_owned(), "gradient".to_owned()]];
    for (p, g) in model.lowered.params.iter().zip(&found.natural) {
        rows.push(vec![p.name.clone(), shape(&p.shape), values(g)]);
    }
    for (i, g) in model.lowered.inputs.iter().zip(&found.inputs) {
        rows.push(vec![format!("{} (input)", i.name), shape(&i.shape), values(g)]);
    }
    text.push_str(&table(&rows));
    let (f, b) = (&found.forward, &found.backward);
    text.push_str(&format!(
        "\n  {}: forward {} steps ({} rejected), {} right-hand sides; backward {} right-hand sides, {} products\n",
        methods(&model.lowered),
        f.accepted + f.rejected,
        f.rejected,
        f.rhs,
        b.rhs,
        b.vjp
    ));
    if let Some(drift) = found.drift {
        let (relative, t) = (short(drift.relative), short(drift.t));
        text.push_str(&format!("  the state that came back drifted by up to {relative} tolerances, at t = {t}\n"));
    }
    text
}

/// `[20, 2]`, or `scalar`.
pub(super) fn shape(shape: &[usize]) -> String {
    if shape.is_empty() {
        return "scalar".into();
    }
    format!("[{}]", shape.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))
}

/// Up to six entries, or the norm.
pub(super) fn values(entries: &[f64]) -> String {
    match entries {
        [] => "none".into(),
        [one] => short(*one),
        few if few.len() <= 6 => few.iter().map(|x| short(*x)).collect::<Vec<_>>().join(", "),
        many => format!("norm {}", short(many.iter().map(|x| x * x).sum::<f64>().sqrt())),
    }
}
