//! `check`: everything short of running, and a summary.

use super::args::{CheckArgs, Precision};
use super::failed::Failed;
use super::grad::{method_name, shape};
use super::kernels::operations;
use super::output::{Console, count, table};
use super::session::Session;
use super::tape::Kept;
use crate::compile::{self, Derived, Settings};
use crate::data::DimSize;
use crate::diag::to_json;
use crate::lower::System;
use crate::opt::multiply_adds;
use crate::train::{Length, TrainSpec};
use serde_json::{Value, json};

/// Runs the command.
pub(super) fn check(args: &CheckArgs, console: Console) -> Result<(), Failed> {
    let session = Session::open(&args.model, None, console)?;
    let derived = compile::derive(session.lowered(), &Settings::default()).map_err(|d| session.problem(d))?;
    let number = match args.model.precision {
        Precision::F32 => size_of::<f32>(),
        Precision::F64 => size_of::<f64>(),
    };
    let batch = batch(&session);
    let lowered = session.lowered();
    let kept: Vec<Kept> = (0..lowered.systems.len()).map(|k| Kept::of(lowered, &derived, k, number, batch)).collect();
    console.object(&as_json(&session, &derived, &kept));
    console.detail(&summary(&session, &derived, &kept, batch));
    Ok(())
}

/// Multiply-adds of the products and other operations of a right-hand side.
fn cost(derived: &Derived, k: usize) -> (u64, u64) {
    let rhs = derived.systems[k].rhs;
    (multiply_adds(&derived.graph, &[rhs]), operations(&derived.graph, rhs))
}

fn numbers(session: &Session) -> usize {
    session.natural.iter().map(Vec::len).sum()
}

/// Samples that are in memory at once during a step of training.
fn batch(session: &Session) -> usize {
    let all = session.samples(None, None).map_or(1, |s| s.indices.len());
    session.lowered().train.as_ref().and_then(|t| t.batch).unwrap_or(all).min(all.max(1))
}

fn as_json(session: &Session, derived: &Derived, kept: &[Kept]) -> Value {
    let lowered = session.lowered();
    let states = |s: &System| s.states.iter().map(|x| json!({ "name": x.name, "shape": x.shape })).collect::<Vec<_>>();
    let systems: Vec<Value> = lowered
        .systems
        .iter()
        .enumerate()
        .map(|(k, s)| {
            let (products, others) = cost(derived, k);
            let sparsity =
                derived.systems[k].jacobian.as_ref().map(|parts| parts.sparsity.as_ref().map(|known| &known.0));
            let dense = derived.systems[k].dim;
            json!({
                "name": s.name,
                "states": states(s),
                "size": s.dim,
                "method": s.options.method.name(),
                "rtol": s.options.rtol,
                "atol": s.options.atol,
                "gradient": method_name(s.gradient),
                "multiply_adds": products,
                "operations": others,
                "jacobian_entries": sparsity.map(|known| known.map_or(dense * dense, |sparse| sparse.entries())),
                "jacobian_directions": sparsity.map(|known| known.map_or(dense, |sparse| sparse.directions())),
                "tape_bytes_per_step": kept[k].per_step,
                "tape_bytes_at_most": kept[k].at_most,
            })
        })
        .collect();
    let params: Vec<Value> = lowered
        .params
        .iter()
        .map(|p| json!({ "name": p.name, "shape": p.shape, "domain": p.domain.spell(), "doc": p.doc }))
        .collect();
    let data = session.loaded.data.as_ref().map(|d| {
        let held = session.loaded.validation.as_ref().map_or(0, |v| v.len);
        let test = session.loaded.test.as_ref().map_or(0, |t| t.len);
        json!({ "samples": d.len, "validation": held, "test": test, "dims": dims(&d.dims) })
    });
    json!({
        "model": lowered.name,
        "doc": lowered.doc,
        "systems": systems,
        "parameters": params,
        "parameter_count": numbers(session),
        "data": data,
        "loss": lowered.loss.is_some(),
        "metrics": lowered.metrics.iter().map(|m| &m.0).collect::<Vec<_>>(),
        "outputs": lowered.outputs.iter().map(|o| &o.0).collect::<Vec<_>>(),
        "warnings": to_json(&session.loaded.warnings, &session.loaded.sources),
    })
}

fn dims(dims: &[(String, DimSize)]) -> Value {
    super::output::object(dims.iter().map(|(name, size)| match size {
        DimSize::Fixed(n) => (name.as_str(), json!(n)),
        DimSize::Ragged { max } => (name.as_str(), json!({ "at_most": max })),
    }))
}

fn summary(session: &Session, derived: &Derived, kept: &[Kept], batch: usize) -> String {
    let lowered = session.lowered();
    let mut rows = Vec::new();
    let mut row = |what: &str, text: String| rows.push(vec![what.to_owned(), text]);
    for (k, s) in lowered.systems.iter().enumerate() {
        let states: Vec<String> = s
            .states
            .iter()
            .map(|x| if x.shape.is_empty() { x.name.clone() } else { format!("{}: {}", x.name, shape(&x.shape)) })
            .collect();
        let what = if s.name.is_empty() { "states".to_owned() } else { s.name.clone() };
        row(&what, format!("{} ({})", states.join(", "), count(s.dim, "number")));
        row("", solver(s));
        let (products, others) = cost(derived, k);
        row("", format!("a right-hand side is {products} multiply-adds and {others} other operations a sample"));
        if let Some(text) = jacobian(derived, k) {
            row("", text);
        }
        row("", kept[k].describe(batch));
    }
    row("parameters", format!("{} in {}", count(numbers(session), "number"), count(lowered.params.len(), "tensor")));
    row("data", data(session));
    row("training", lowered.train.as_ref().map_or("no `train` item".to_owned(), training));
    let doc = if lowered.doc.is_empty() { String::new() } else { format!(": {}", lowered.doc) };
    format!("{}{doc}\n\n{}", lowered.name, table(&rows))
}

/// What the Jacobian of an implicit method is made of.
fn jacobian(derived: &Derived, k: usize) -> Option<String> {
    let (system, dim) = (&derived.systems[k], derived.systems[k].dim);
    let text = match &system.jacobian.as_ref()?.sparsity {
        Some((sparsity, _)) => {
            let (entries, directions) = (sparsity.entries(), sparsity.directions());
            format!("{entries} entries of the {dim} × {dim} Jacobian, from {}", count(directions, "direction"))
        }
        None => format!("a dense {dim} × {dim} Jacobian"),
    };
    Some(text)
}

fn solver(s: &System) -> String {
    let o = &s.options;
    let steps = match o.fixed_step {
        Some(h) => format!("steps of {h}"),
        None => format!("rtol {:e}, atol {:e}", o.rtol, o.atol),
    };
    format!("{}, {steps}, {} gradient", o.method.name(), method_name(s.gradient))
}

fn data(session: &Session) -> String {
    let Some(data) = &session.loaded.data else { return "none".to_owned() };
    let mut text = count(data.len, "sample");
    for (what, held) in [("validation", &session.loaded.validation), ("test", &session.loaded.test)] {
        if let Some(held) = held {
            text.push_str(&format!(", {} {what}", held.len));
        }
    }
    for (name, size) in &data.dims {
        text.push_str(&match size {
            DimSize::Fixed(n) => format!("; {name} = {n}"),
            DimSize::Ragged { max } => format!("; {name} up to {max}"),
        });
    }
    text
}

fn training(spec: &TrainSpec) -> String {
    let length = match spec.length {
        Length::Steps(n) => format!("{n} steps"),
        Length::Epochs(n) => format!("{n} epochs"),
    };
    let batch = spec.batch.map_or(String::new(), |b| format!(", batches of {b}"));
    format!("{}, {length}{batch}", spec.optimizer.kind.name())
}
