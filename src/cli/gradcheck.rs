//! `grad --check`: every gradient method against central finite differences of the loss.
//!
//! The differences are taken with respect to the unconstrained parameters, in double precision and with tightened
//! tolerances, so that the error of the solver does not drown them. Each method is judged there, where it must agree,
//! and at the tolerances of the model, where it shows how much they cost. The methods are compared with each other too.
//! Agreement is not all: where sensitivities grow without bound, as on a chaotic attractor, no method is trusted.

use super::args::GradArgs;
use super::codes;
use super::failed::Failed;
use super::grad::{STEP, evaluate, method_name, set_method};
use super::output::{self, Console, short, table};
use super::sensitivity::Growth;
use super::session::{Samples, Session, judge_loss};
use crate::compile::Settings;
use crate::lower::{Gradient, Lowered, System};
use crate::model::{Batch, Model, Number, unconstrain};
use crate::solve::{Drift, Method};
use crate::train::rng;
use serde_json::{Value, json};

/// Samples of a check where the command line does not say.
const SAMPLES: usize = 16;
/// Tensors up to this size are checked entry by entry.
const SMALL: usize = 16;
/// Entries and random directions of larger ones.
const ENTRIES: usize = 6;
const DIRECTIONS: usize = 2;
/// Up to so many parameters `forward` is compared too.
const FEW: usize = 64;
/// Tolerances of the solver during the check.
const RTOL: f64 = 1e-10;
const ATOL: f64 = 1e-12;
/// Largest relative error that passes: tightened tolerances, f64 and f32; the model's own tolerances.
const PASS_F64: f64 = 1e-4;
const PASS_F32: f64 = 2e-2;
const PASS_OWN: f64 = 5e-2;

/// A direction in the space of unconstrained parameters, within one parameter.
struct Probe {
    param: usize,
    direction: Vec<(usize, f64)>,
    difference: f64,
}

/// One method's errors.
struct Column {
    method: Gradient,
    /// Largest relative error by parameter: tightened, and at the model's tolerances.
    tight: Vec<f64>,
    own: Vec<f64>,
    /// The gradient itself, tightened.
    gradient: Vec<f64>,
    /// At the model's tolerances.
    drift: Option<Drift>,
}

/// Runs the check.
pub(super) fn check<T: Number>(session: &Session, args: &GradArgs, console: Console) -> Result<(), Failed> {
    let mut samples = session.samples(None, args.batch)?;
    samples.indices.truncate(args.batch.unwrap_or(SAMPLES));
    let raw = unconstrain(session.lowered(), &session.natural);
    let mut tight = session.lowered().clone();
    tighten::<T>(&mut tight);
    let probes = probes(session, &tight, &samples, &raw, console)?;
    let lowered = session.lowered();
    let chosen = args.gradient.map(Gradient::from).or_else(|| lowered.systems.first().map(|s| s.gradient));
    let chosen = chosen.unwrap_or_default();
    let mut columns = Vec::new();
    for method in methods(lowered, chosen) {
        columns.push(column::<T>(session, method, &tight, &samples, &raw, &probes)?);
    }
    let wanted = chosen == Gradient::Forward;
    let few = !lowered.systems.is_empty() && (1..=FEW).contains(&session.natural.iter().map(Vec::len).sum());
    if wanted || few {
        match column::<T>(session, Gradient::Forward, &tight, &samples, &raw, &probes) {
            Ok(column) => columns.push(column),
            Err(failed) if wanted => return Err(failed),
            // Not every model has tangents.
            Err(_) => {}
        }
    }
    let growth = Growth::measure(session, &exact(&tight), &samples, &raw)?;
    let judge = Judge { growth, pass: pass::<T>() };
    console.object(&to_json(lowered, &columns, &probes, chosen, judge));
    console.text(&summary(lowered, &columns, judge));
    match columns.iter().find(|c| c.method == chosen).map(|c| judge.verdict(c)) {
        Some(Verdict::Grown) => {
            let message = format!("no gradient of this loss can be trusted: {}", growth.cause());
            Err(Failed::numerics(codes::GRADIENT, message).help(
                "the solution is chaotic over this time: end earlier, or fit short windows of the data (`window = 10`)",
            ))
        }
        Some(Verdict::Wrong) => Err(disagree(chosen, "even with tightened tolerances").help(
            "the loss uses `stop`, has a jump or a kink at these parameters, or this is a bug: try others with `--set`",
        )),
        Some(Verdict::Loose) => Err(disagree(chosen, "at the tolerances of the model")
            .help("tighten `rtol` and `atol`, or use `gradient = discrete`")),
        Some(Verdict::Trusted) | None => Ok(()),
    }
}

/// The reverse methods that a model has.
fn methods(lowered: &Lowered, chosen: Gradient) -> Vec<Gradient> {
    let any = |is: &dyn Fn(&System) -> bool| lowered.systems.iter().any(is);
    let mut methods = Vec::new();
    if !any(&|s| !s.options.method.has_discrete()) {
        methods.push(Gradient::Discrete);
    }
    // Steps that are undone are undone exactly: there is no other method for them.
    if lowered.systems.is_empty() || any(&|s| !s.options.keeps_steps()) {
        return methods;
    }
    // A stiff system cannot be integrated backwards.
    if chosen == Gradient::Backsolve || !any(&|s| matches!(s.options.method, Method::Implicit(_))) {
        methods.push(Gradient::Backsolve);
    }
    methods.push(Gradient::Interpolated);
    methods
}

fn disagree(method: Gradient, when: &str) -> Failed {
    let message = format!("the {} gradient does not agree with finite differences {when}", method_name(method));
    Failed::numerics(codes::GRADIENT, message)
}

fn pass<T: Number>() -> f64 {
    if T::NAME == "f32" { PASS_F32 } else { PASS_F64 }
}

/// Tolerances so small that only rounding is left.
fn tighten<T: Number>(lowered: &mut Lowered) {
    // Single precision cannot reach more.
    let (rtol, atol) = if T::NAME == "f32" { (1e-5, 1e-6) } else { (RTOL, ATOL) };
    for system in &mut lowered.systems {
        system.options.rtol = system.options.rtol.min(rtol);
        system.options.atol = system.options.atol.min(atol);
        system.options.max_steps = system.options.max_steps.max(1_000_000);
    }
}

/// The model in double precision, as tight as that allows.
fn exact(tight: &Lowered) -> Lowered {
    let mut exact = tight.clone();
    tighten::<f64>(&mut exact);
    exact
}

/// Random directions and their finite differences, by the model in double precision.
fn probes(
    session: &Session,
    tight: &Lowered,
    samples: &Samples<'_>,
    raw: &[f64],
    console: Console,
) -> Result<Vec<Probe>, Failed> {
    let exact = exact(tight);
    let settings = Settings { gradient: false, ..Settings::default() };
    let model: Model<f64> = session.compile(exact, samples.indices.len(), settings)?;
    let Some(entry) = &model.value else { return Ok(Vec::new()) };
    let batch = Batch { data: samples.data, samples: &samples.indices, seed: session.seed, step: STEP };
    judge_loss(&model.evaluate(entry, raw, &batch), samples.indices.len(), console)?;
    let mut probes = Vec::new();
    for param in 0..model.lowered.params.len() {
        for direction in directions(model.raw_range(param), session.seed, param as u64) {
            let along = |step: f64| {
                let mut x = raw.to_vec();
                direction.iter().for_each(|(i, d)| x[*i] += step * d);
                model.evaluate(entry, &x, &batch).loss
            };
            let size = direction.iter().map(|(i, d)| (raw[*i] * d).abs()).fold(1.0, f64::max);
            let h = 1e-4 * size;
            // Fourth order: the step can be large enough for the error of the solver to vanish.
            let difference = (8.0 * (along(h) - along(-h)) - (along(2.0 * h) - along(-2.0 * h))) / (12.0 * h);
            probes.push(Probe { param, direction, difference });
        }
    }
    Ok(probes)
}

/// Every entry of a small tensor; some entries and random directions of a large one.
fn directions(range: std::ops::Range<usize>, seed: u64, param: u64) -> Vec<Vec<(usize, f64)>> {
    if range.len() <= SMALL {
        return range.map(|i| vec![(i, 1.0)]).collect();
    }
    let stream = rng::stream(&[param]);
    let entry = |k: usize| vec![(range.start + rng::below(seed, stream, k as u64, range.len()), 1.0)];
    let mut list: Vec<Vec<(usize, f64)>> = (0..ENTRIES).map(entry).collect();
    for k in 1..=DIRECTIONS as u64 {
        let stream = rng::stream(&[param, k]);
        #[allow(clippy::cast_precision_loss, reason = "far below 2^52 entries")]
        let scale = 1.0 / (range.len() as f64).sqrt();
        list.push(range.clone().map(|i| (i, scale * rng::sign(seed, stream, i as u64))).collect());
    }
    list
}

/// Errors at the probes, gradient, drift.
type Run = (Vec<f64>, Vec<f64>, Option<Drift>);

fn column<T: Number>(
    session: &Session,
    method: Gradient,
    tight: &Lowered,
    samples: &Samples<'_>,
    raw: &[f64],
    probes: &[Probe],
) -> Result<Column, Failed> {
    let run = |lowered: &Lowered| -> Result<Run, Failed> {
        let mut lowered = lowered.clone();
        set_method(&mut lowered, method);
        let model: Model<T> = session.compile(lowered, samples.indices.len(), Settings::default())?;
        let found = evaluate(&model, raw, samples, session.seed);
        Ok((errors(&model.lowered, probes, &found.raw), found.raw, found.drift))
    };
    let (tight, gradient, _) = run(tight)?;
    let (own, _, drift) = run(session.lowered())?;
    Ok(Column { method, tight, own, gradient, drift })
}

/// Largest difference of two methods' gradients with tightened tolerances, relative to the largest entry.
fn apart(a: &Column, b: &Column) -> f64 {
    let size = a.gradient.iter().fold(1e-300_f64, |most, g| most.max(g.abs()));
    let differences = a.gradient.iter().zip(&b.gradient).map(|(x, y)| (x - y).abs() / size);
    differences.fold(0.0, |most, d| if d.is_nan() || d > most { d } else { most })
}

/// Every pair of methods.
fn pairs(columns: &[Column]) -> impl Iterator<Item = (&Column, &Column)> {
    columns.iter().enumerate().flat_map(|(k, a)| columns[k + 1..].iter().map(move |b| (a, b)))
}

/// The largest relative error of each parameter. What is tiny beside the whole gradient is measured against that.
fn errors(lowered: &Lowered, probes: &[Probe], gradient: &[f64]) -> Vec<f64> {
    let along =
        |p: &Probe| p.direction.iter().map(|(i, d)| gradient.get(*i).copied().unwrap_or(f64::NAN) * d).sum::<f64>();
    let whole = probes.iter().map(|p| p.difference.abs()).fold(0.0, f64::max);
    (0..lowered.params.len())
        .map(|k| {
            let own = || probes.iter().filter(|p| p.param == k);
            let scale = own().map(|p| p.difference.abs()).fold(1e-3 * whole, f64::max).max(1e-10);
            let mut worst = 0.0;
            for error in own().map(|p| (along(p) - p.difference).abs() / scale) {
                // A NaN must not get lost in a maximum.
                worst = if error.is_nan() || error > worst { error } else { worst };
            }
            worst
        })
        .collect()
}

/// Whether a method can be used.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Trusted,
    /// Only with tighter tolerances.
    Loose,
    Wrong,
    /// Whatever the method.
    Grown,
}

/// What every column is held against.
#[derive(Clone, Copy)]
struct Judge {
    growth: Growth,
    pass: f64,
}

impl Judge {
    fn verdict(self, column: &Column) -> Verdict {
        let all = |errors: &[f64], limit: f64| errors.iter().all(|e| *e <= limit);
        if !self.growth.bearable() {
            Verdict::Grown
        } else if !all(&column.tight, self.pass) {
            Verdict::Wrong
        } else if all(&column.own, PASS_OWN) {
            Verdict::Trusted
        } else {
            Verdict::Loose
        }
    }
}

fn words(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Trusted => "can be trusted",
        Verdict::Loose => "is not accurate enough at the tolerances of the model",
        Verdict::Wrong => "cannot be trusted here",
        Verdict::Grown => "means nothing here, right or wrong",
    }
}

fn to_json(lowered: &Lowered, columns: &[Column], probes: &[Probe], chosen: Gradient, judge: Judge) -> Value {
    let by_name =
        |errors: &[f64]| output::object(lowered.params.iter().zip(errors).map(|(p, e)| (p.name.as_str(), json!(e))));
    let methods = columns.iter().map(|c| {
        let drift = c.drift.map(|d| json!({ "absolute": d.absolute, "relative": d.relative, "t": d.t }));
        let value = json!({
            "trusted": judge.verdict(c) == Verdict::Trusted,
            "max_relative_error": by_name(&c.tight),
            "max_relative_error_own_tolerance": by_name(&c.own),
            "drift": drift,
        });
        (method_name(c.method), value)
    });
    let trusted = columns.iter().any(|c| c.method == chosen && judge.verdict(c) == Verdict::Trusted);
    let between = pairs(columns).map(|(a, b)| {
        json!({ "methods": [method_name(a.method), method_name(b.method)], "max_relative_difference": apart(a, b) })
    });
    // JSON has no infinity.
    let growth = judge.growth.0.is_finite().then_some(judge.growth.0);
    json!({
        "check": output::object(methods),
        "between_methods": between.collect::<Vec<_>>(),
        "sensitivity_growth": growth,
        "method": method_name(chosen),
        "differences": probes.len(),
        "trusted": trusted,
    })
}

fn summary(lowered: &Lowered, columns: &[Column], judge: Judge) -> String {
    let mut text = "largest relative error against central finite differences\n\n".to_owned();
    let mut head = vec!["parameter".to_owned()];
    for c in columns {
        head.extend([method_name(c.method).to_owned(), "at the model's tolerances".to_owned()]);
    }
    let mut rows = vec![head];
    for (k, p) in lowered.params.iter().enumerate() {
        let mut row = vec![p.name.clone()];
        for c in columns {
            row.extend([&c.tight, &c.own].map(|e| format!("{:.1e}", e.get(k).copied().unwrap_or(f64::NAN))));
        }
        rows.push(row);
    }
    text.push_str(&table(&rows));
    text.push('\n');
    for c in columns {
        text.push_str(&format!("  {} {}\n", method_name(c.method), words(judge.verdict(c))));
        if let Some(d) = c.drift {
            let (relative, t) = (short(d.relative), short(d.t));
            text.push_str(&format!(
                "    the state that came back drifted by up to {relative} tolerances, at t = {t}\n"
            ));
        }
    }
    for (a, b) in pairs(columns) {
        let (a_name, b_name) = (method_name(a.method), method_name(b.method));
        text.push_str(&format!("  {a_name} and {b_name} differ by {:.1e} of the largest entry\n", apart(a, b)));
    }
    if !judge.growth.bearable() {
        text.push_str(&format!("  {}\n", judge.growth.cause()));
    }
    text
}
