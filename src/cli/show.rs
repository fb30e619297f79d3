//! `show`: any stage as text.

use super::args::{Machine, ShowArgs, Stage};
use super::failed::Failed;
use super::fmt::formatted;
use super::kernels::kernels;
use super::output::Console;
use super::session::Session;
use crate::codegen::{Spec, Target, listing};
use crate::compile::{self, Derived, Settings};
use crate::graph::{NodeId, dump_roots};
use crate::lower::Lowered;
use serde_json::json;

/// Runs the command.
pub(super) fn show(args: &ShowArgs, console: Console) -> Result<(), Failed> {
    let (name, text) = text(args, console)?;
    console.object(&json!({ "stage": name, "text": text }));
    console.text(&text);
    Ok(())
}

fn text(args: &ShowArgs, console: Console) -> Result<(&'static str, String), Failed> {
    if args.stage == Some(Stage::Syntax) {
        // Only what is written counts: names and data need not be right.
        return Ok(("syntax", formatted(&args.model.file)?.1));
    }
    let session = Session::open(&args.model, None, console)?;
    let loaded = &session.loaded;
    let adjoint = |latex| crate::present::adjoint(loaded, latex).map_err(|d| session.problem(d));
    let derived = || compile::derive(&loaded.lowered, &Settings::default()).map_err(|d| session.problem(d));
    Ok(match args.stage {
        None => ("latex", adjoint(true)?),
        Some(Stage::Syntax) => ("syntax", formatted(&args.model.file)?.1),
        Some(Stage::Program) => ("program", crate::check::show(&loaded.program)),
        Some(Stage::Graph) => ("graph", dump_roots(&loaded.lowered.graph, &roots(&loaded.lowered))),
        Some(Stage::Adjoint) => ("adjoint", adjoint(false)?),
        Some(Stage::Optimised) => ("optimised", optimised(&loaded.lowered, &derived()?)),
        Some(Stage::Clif) => ("clif", code(args, &loaded.lowered, &derived()?, true)?),
        Some(Stage::Asm) => ("asm", code(args, &loaded.lowered, &derived()?, false)?),
    })
}

/// `x'` of a system without a name, `flow.f` of one with.
fn label(system: &str, what: &str) -> String {
    if system.is_empty() { what.to_owned() } else { format!("{system}.{what}") }
}

fn roots(lowered: &Lowered) -> Vec<(String, NodeId)> {
    let mut roots: Vec<(String, NodeId)> = lowered.loss.iter().map(|id| ("loss".to_owned(), *id)).collect();
    roots.extend(lowered.metrics.iter().chain(&lowered.outputs).cloned());
    for s in &lowered.systems {
        roots.push((label(&s.name, "start"), s.start));
        roots.push((label(&s.name, "rhs"), s.rhs));
    }
    roots
}

fn optimised(lowered: &Lowered, derived: &Derived) -> String {
    let mut roots: Vec<(String, NodeId)> = derived.loss.iter().map(|id| ("loss".to_owned(), *id)).collect();
    roots.extend(lowered.metrics.iter().zip(&derived.metrics).map(|(m, id)| (m.0.clone(), *id)));
    roots.extend(lowered.outputs.iter().zip(&derived.outputs).map(|(o, id)| (o.0.clone(), *id)));
    let raw = lowered.params.iter().zip(&derived.bars[0]);
    roots.extend(raw.filter_map(|(p, bar)| bar.map(|id| (format!("d loss / d raw {}", p.name), id))));
    for (s, parts) in lowered.systems.iter().zip(&derived.systems) {
        roots.push((label(&s.name, "rhs"), parts.rhs));
        let names = ["state".to_owned(), "time".to_owned()]
            .into_iter()
            .chain((0..parts.captures.len()).map(|k| format!("capture {k}")));
        let bars = names.zip(parts.bars.iter().flatten());
        roots.extend(bars.filter_map(|(n, bar)| bar.map(|id| (label(&s.name, &format!("cotangent of {n}")), id))));
    }
    dump_roots(&derived.graph, &roots)
}

fn code(args: &ShowArgs, lowered: &Lowered, derived: &Derived, clif: bool) -> Result<String, Failed> {
    let target = match args.target {
        Machine::Host => Target::Host,
        Machine::X86 => Target::X86,
    };
    let g = &derived.graph;
    let mut text = String::new();
    for (s, parts) in lowered.systems.iter().zip(&derived.systems) {
        for (name, kernel) in kernels(g, parts) {
            let spec = Spec { graph: g, inputs: &kernel.inputs, outputs: &kernel.outputs, lanes: 8 };
            let listing = match args.model.precision {
                super::args::Precision::F32 => listing::<f32>(&spec, target),
                super::args::Precision::F64 => listing::<f64>(&spec, target),
            };
            let listing = listing.map_err(|why| Failed::from(compile::refused(&why)))?;
            text.push_str(&format!("; {}, 8 samples side by side\n", label(&s.name, name)));
            text.push_str(if clif { &listing.clif } else { &listing.asm });
            text.push('\n');
        }
    }
    Ok(text)
}
