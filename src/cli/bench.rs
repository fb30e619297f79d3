//! `bench`: time of right-hand side, vector-Jacobian product, gradient and compilation.

use super::args::BenchArgs;
use super::failed::Failed;
use super::grad::evaluate;
use super::kernels::{VJP, kernels};
use super::output::{Console, bytes, count, duration, object, table};
use super::session::{Session, judge_loss, times_ms};
use crate::codegen::{Backend, Frame, Kernel, Output, Spec};
use crate::compile::{self, Derived, Settings};
use crate::graph::{Graph, Leaf, NodeId};
use crate::lower;
use crate::model::{Gathered, KernelParts, Model, Number, SystemParts, unconstrain};
use crate::opt::multiply_adds;
use crate::syntax;
use serde_json::{Value, json};
use std::time::Instant;

/// Seconds that one measurement of a kernel takes at least.
const SPAN: f64 = 2e-3;
/// Side of the matrices whose product stands for the peak of the machine.
const PEAK: usize = 512;

/// One measured kernel.
struct Measured {
    system: String,
    name: &'static str,
    /// Seconds a call, for all lanes: the median and the least.
    call: f64,
    least: f64,
    lanes: usize,
    multiply_adds: u64,
    code: usize,
}

impl Measured {
    fn per_sample(&self) -> f64 {
        #[allow(clippy::cast_precision_loss, reason = "some hundred lanes")]
        let lanes = self.lanes as f64;
        self.call / lanes
    }

    /// 10⁹ operations a second, two for a multiply-add.
    fn gflops(&self) -> f64 {
        #[allow(clippy::cast_precision_loss, reason = "a rate")]
        let operations = 2.0 * self.multiply_adds as f64;
        operations / self.per_sample() * 1e-9
    }
}

/// Runs the command.
pub(super) fn bench<T: Number>(args: &BenchArgs, console: Console) -> Result<(), Failed> {
    let session = Session::open(&args.model, None, console)?;
    let samples = session.samples(None, args.batch)?;
    let lowered = session.lowered();
    let lanes = compile::lanes_for(lowered, samples.indices.len());
    let (stages, derived) = stages::<T>(&session, args, samples.indices.len())?;
    let mut measured = Vec::new();
    for (system, parts) in lowered.systems.iter().zip(&derived.systems) {
        let gathered = compile::gathered(&derived.graph, parts, system, lanes);
        let parts = SystemParts { gathered, ..parts.clone() };
        for (name, kernel) in kernels(&derived.graph, &parts) {
            let label = (system.name.as_str(), name);
            let gathered = parts.gathered.as_ref().filter(|_| name == VJP);
            measured.push(measure::<T>(&derived.graph, &kernel, label, (lanes, gathered), args.repeat)?);
        }
    }
    let mut gradient = None;
    if lowered.loss.is_some() {
        let model: Model<T> = session.compile(lowered.clone(), samples.indices.len(), Settings::default())?;
        let raw = unconstrain(lowered, &session.natural);
        judge_loss(&evaluate(&model, &raw, &samples, session.seed), samples.indices.len(), console)?;
        let one = || {
            let started = Instant::now();
            let _ = evaluate(&model, &raw, &samples, session.seed);
            started.elapsed().as_secs_f64()
        };
        gradient = Some(times_ms(&mut (0..args.repeat).map(|_| one()).collect::<Vec<_>>()));
    }
    let peak = peak::<T>(args.repeat)?;
    console.object(&as_json(&stages, &measured, gradient, samples.indices.len(), peak));
    console.text(&summary(&stages, &measured, gradient, samples.indices.len(), peak));
    Ok(())
}

type Stages = Vec<(&'static str, f64)>;

/// Median seconds of each stage, from text to code.
fn stages<T: Number>(session: &Session, args: &BenchArgs, batch: usize) -> Result<(Stages, Derived), Failed> {
    let (loaded, lowered) = (&session.loaded, session.lowered());
    let file = loaded.file.items.first().map_or_else(Default::default, |i| i.span.file);
    let text = loaded.sources.text(file).to_owned();
    let median = |run: &mut dyn FnMut()| {
        let mut times: Vec<f64> = (0..args.repeat)
            .map(|_| {
                let started = Instant::now();
                run();
                started.elapsed().as_secs_f64()
            })
            .collect();
        times_ms(&mut times).0 / 1e3
    };
    let parse = median(&mut || drop(syntax::parse(file, &text)));
    let check = check_seconds(session, &median);
    let options = lower::Options { samples: loaded.data.as_ref().map(|d| d.len), ..Default::default() };
    let lower = median(&mut || drop(lower::lower(&loaded.program, &options)));
    let settings = Settings::default();
    let derived = compile::derive(lowered, &settings).map_err(|d| session.problem(d))?;
    let derive = median(&mut || drop(compile::derive(lowered, &settings)));
    session.compile::<T>(lowered.clone(), batch, settings)?;
    let all = median(&mut || drop(session.compile::<T>(lowered.clone(), batch, settings)));
    let code = (all - derive).max(0.0);
    Ok((vec![("parse", parse), ("check", check), ("lower", lower), ("derive", derive), ("code", code)], derived))
}

fn check_seconds(session: &Session, median: &dyn Fn(&mut dyn FnMut()) -> f64) -> f64 {
    let loaded = &session.loaded;
    let sizes = loaded.data.as_ref().map_or_else(Vec::new, |d| d.dims.clone());
    let samples = loaded.data.as_ref().map(|d| d.len);
    let options = crate::check::Options { sizes, samples, ..Default::default() };
    let sources = loaded.sources.clone();
    // Modules of the model itself were read when it was loaded; only the standard ones are read again.
    let loader = |_: &str| Err("not read again".to_owned());
    median(&mut || drop(crate::check::check(&loaded.file, &mut sources.clone(), &loader, &options)))
}

fn refused(why: &str) -> Failed {
    compile::refused(why).into()
}

/// Runs a kernel on plausible numbers often enough to measure it; with what is gathered from many calls, one product of
/// them in so many.
fn measure<T: Number>(
    g: &Graph,
    parts: &KernelParts,
    (system, name): (&str, &'static str),
    (lanes, gathered): (usize, Option<&Gathered>),
    repeat: usize,
) -> Result<Measured, Failed> {
    let compiled = |graph: &Graph, inputs: &[NodeId], outputs: &[Output]| -> Result<(Kernel<T>, u64), Failed> {
        let kernel = Kernel::new(&Spec { graph, inputs, outputs, lanes }, Backend::Jit).map_err(|e| refused(&e))?;
        let nodes: Vec<_> = outputs.iter().map(|o| o.node).collect();
        Ok((kernel, multiply_adds(graph, &nodes)))
    };
    let (kernel, mut multiply_adds) = compiled(g, &parts.inputs, &parts.outputs)?;
    let (mut one, mut code) = (Chained::new(&kernel), kernel.code_size());
    let (call, least) = match gathered {
        None => seconds(repeat, || one.run()),
        Some(all) => {
            let (product, more) = compiled(&all.graph, &all.inputs, &all.outputs())?;
            let mut product_of_all = Chained::new(&product);
            let (call, least) = seconds(repeat, || {
                (0..all.calls).for_each(|_| one.run());
                product_of_all.run();
            });
            multiply_adds += more / all.calls as u64;
            code += product.code_size();
            #[allow(clippy::cast_precision_loss, reason = "a few calls")]
            let calls = all.calls as f64;
            (call / calls, least / calls)
        }
    };
    Ok(Measured { system: system.to_owned(), name, call, least, lanes, multiply_adds, code })
}

/// A kernel in buffers of its own, as in whole steps of small systems: what is timed is the generated code. A little of
/// the first result goes into the first argument, so that no call starts before the one before has ended. What is added
/// to grows by the same with every call, far from overflow.
struct Chained<'k, T: Number> {
    frame: Frame<'k, T>,
    chain: Option<(usize, usize)>,
}

impl<'k, T: Number> Chained<'k, T> {
    fn new(kernel: &'k Kernel<T>) -> Self {
        #[allow(clippy::cast_precision_loss, reason = "small numbers")]
        let value = |i: usize| T::narrow(0.1 + 0.01 * (i % 37) as f64);
        let mut frame = Frame::aligned(kernel);
        for k in 0..kernel.input_lengths().len() {
            let at = frame.input(k);
            frame.values()[at].iter_mut().enumerate().for_each(|(i, x)| *x = value(i));
        }
        let some = |lengths: &[usize]| lengths.first().is_some_and(|length| *length > 0);
        let chained = some(kernel.input_lengths()) && some(kernel.output_lengths());
        let chain = chained.then(|| (frame.input(0).start, frame.output(0).start));
        Self { frame, chain }
    }

    #[inline]
    fn run(&mut self) {
        self.frame.run();
        if let Some((argument, result)) = self.chain {
            let values = self.frame.values();
            values[argument] += T::narrow(1e-12) * values[result];
        }
    }
}

/// Median and least seconds of something that is done often enough to measure it.
fn seconds(repeat: usize, mut run: impl FnMut()) -> (f64, f64) {
    let mut timed = |calls: u32| {
        let started = Instant::now();
        (0..calls).for_each(|_| run());
        started.elapsed().as_secs_f64()
    };
    let mut calls = 1;
    while timed(calls) < SPAN && calls < 1 << 20 {
        calls *= 2;
    }
    let mut times: Vec<f64> = (0..repeat).map(|_| timed(calls) / f64::from(calls)).collect();
    let (median, least) = times_ms(&mut times);
    (median / 1e3, least / 1e3)
}

/// 10⁹ operations a second of a large matrix product, which stands for the peak of one core.
fn peak<T: Number>(repeat: usize) -> Result<f64, Failed> {
    let mut g = Graph::new();
    let a = g.leaf(Leaf::Param(0), &[PEAK, PEAK]);
    let b = g.leaf(Leaf::Param(1), &[PEAK, PEAK]);
    let product = g.einsum_text("ab,bc->ac", &[a, b]);
    let outputs = [Output { node: product, slot: 0, add: false }];
    let kernel: Kernel<T> =
        Kernel::new(&Spec { graph: &g, inputs: &[a, b], outputs: &outputs, lanes: 1 }, Backend::Jit)
            .map_err(|e| refused(&e))?;
    #[allow(clippy::cast_precision_loss, reason = "far below 2^52 operations")]
    let operations = 2.0 * (PEAK * PEAK * PEAK) as f64;
    let mut product = Chained::new(&kernel);
    Ok(operations / seconds(repeat.min(5), || product.run()).0 * 1e-9)
}

fn as_json(stages: &Stages, measured: &[Measured], gradient: Option<(f64, f64)>, batch: usize, peak: f64) -> Value {
    let kernels: Vec<Value> = measured
        .iter()
        .map(|m| {
            json!({
                "system": m.system,
                "kernel": m.name,
                "ns_per_call": m.call * 1e9,
                "ns_per_sample": m.per_sample() * 1e9,
                "ns_per_call_min": m.least * 1e9,
                "lanes": m.lanes,
                "multiply_adds": m.multiply_adds,
                "gflops": m.gflops(),
                "share_of_peak": m.gflops() / peak,
                "code_bytes": m.code,
            })
        })
        .collect();
    let total: f64 = stages.iter().map(|s| s.1).sum();
    json!({
        "compile_ms": total * 1e3,
        "stages_ms": object(stages.iter().map(|(n, s)| (*n, json!(s * 1e3)))),
        "kernels": kernels,
        "gradient": gradient.map(|(ms, least)| json!({ "batch": batch, "time_ms": ms, "time_ms_min": least })),
        "peak_gflops": peak,
    })
}

/// A kernel without products has no rate.
fn rate(m: &Measured, spell: impl Fn(f64) -> String) -> String {
    if m.multiply_adds == 0 { "-".to_owned() } else { spell(m.gflops()) }
}

fn summary(stages: &Stages, measured: &[Measured], gradient: Option<(f64, f64)>, batch: usize, peak: f64) -> String {
    let total: f64 = stages.iter().map(|s| s.1).sum();
    let list: Vec<String> = stages.iter().map(|(n, s)| format!("{n} {}", duration(*s))).collect();
    let mut text = format!("compiling takes {}: {}\n\n", duration(total), list.join(", "));
    let head = ["kernel", "a call", "a sample", "multiply-adds", "GFLOP/s", "of peak", "code"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for m in measured {
        let name = if m.system.is_empty() { m.name.to_owned() } else { format!("{} of {}", m.name, m.system) };
        #[allow(clippy::cast_precision_loss, reason = "a size for people")]
        let code = bytes(m.code as f64);
        rows.push(vec![
            name,
            format!("{} ({} lanes)", duration(m.call), m.lanes),
            duration(m.per_sample()),
            m.multiply_adds.to_string(),
            rate(m, |x| format!("{x:.2}")),
            rate(m, |x| format!("{:.1} %", 100.0 * x / peak)),
            code,
        ]);
    }
    text.push_str(&table(&rows));
    if let Some((ms, least)) = gradient {
        let (median, least, samples) = (duration(ms / 1e3), duration(least / 1e3), count(batch, "sample"));
        text.push_str(&format!("\n  a gradient of {samples} takes {median} (at best {least})\n"));
    }
    text.push_str(&format!("\n  peak: {peak:.1} GFLOP/s, a product of {PEAK} × {PEAK} matrices on one core\n"));
    text
}
