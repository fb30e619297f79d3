//! Program → text, for `show --stage program`.

use super::items::spelled;
use super::program::{ExprId, Init, Kind, NoiseDist, Program};
use std::fmt::Write;

/// Every item with resolved names, shapes and domains, then the typed expressions.
pub fn show(program: &Program) -> String {
    let mut text = String::new();
    let _ = writeln!(text, "model {} {:?}", program.name, program.doc);
    declarations(program, &mut text);
    for s in &program.systems {
        let name = if s.name.is_empty() { "(states)" } else { &s.name };
        let span = |id: Option<ExprId>| id.map_or("?".to_owned(), |i| format!("%{}", i.0));
        let _ = writeln!(
            text,
            "system {name}: {} rtol={:e} atol={:e} gradient={:?}, {} .. {}",
            s.options.method.name(),
            s.options.rtol,
            s.options.atol,
            s.gradient,
            span(s.from),
            span(s.to)
        );
        for x in &s.states {
            let _ = writeln!(text, "  state {}: {} {} = {}", x.name, spelled(&x.ty), x.domain.spell(), span(x.init));
            let _ = writeln!(text, "  {}' = {}", x.name, span(x.rate));
        }
        for e in &s.events {
            let (either, stop) = (if e.either { " either way" } else { "" }, if e.stops { " stop" } else { "" });
            let resets: Vec<String> =
                e.resets.iter().map(|(k, id)| format!(" {} := %{}", s.states[*k].name, id.0)).collect();
            let _ = writeln!(text, "  event {}: %{} = 0{either} => {{{}{stop} }}", e.name, e.when.0, resets.concat());
        }
    }
    for l in &program.lets {
        let signal = if program.expr(l.value).signal.is_some() { "signal" } else { "static" };
        let _ = writeln!(text, "let {}: {} ({signal}) = %{}", l.name, spelled(program.ty(l.value)), l.value.0);
    }
    if let Some(loss) = program.loss {
        let _ = writeln!(text, "loss = %{}", loss.0);
    }
    for (what, list) in [("metric", &program.metrics), ("output", &program.outputs)] {
        for m in list {
            let _ = writeln!(text, "{what} {}: {} = %{}", m.name, spelled(program.ty(m.value)), m.value.0);
        }
    }
    expressions(program, &mut text);
    text
}

fn declarations(program: &Program, text: &mut String) {
    for d in &program.dims {
        let name = d.name.as_deref().unwrap_or("?");
        let _ = match d.ragged {
            None => writeln!(text, "dim {name} = {}", d.size),
            Some(_) => writeln!(text, "dim {name} ≤ {} (ragged)", d.size),
        };
    }
    for p in &program.params {
        let init = match &p.init {
            Init::Constant(v) if v.len() == 1 => format!("{}", v[0]),
            Init::Constant(v) => format!("{} constants", v.len()),
            Init::Normal { mean, std } => format!("normal({mean}, {std})"),
            Init::Uniform { low, high } => format!("uniform({low}, {high})"),
        };
        let prior = p.prior.map_or(String::new(), |id| format!(" ~ %{}", id.0));
        let _ = writeln!(text, "param {}: {} {} = {init}{prior}", p.name, spelled(&p.ty), p.domain.spell());
    }
    for i in &program.inputs {
        let class = i.class.map_or(String::new(), |n| format!(" class({n})"));
        let _ = writeln!(text, "input {}: {}{class}", i.name, spelled(&i.ty));
    }
    for n in &program.noises {
        let dist = match n.dist {
            NoiseDist::Normal { mean, std } => format!("normal({mean}, {std})"),
            NoiseDist::Uniform { a, b } => format!("uniform({a}, {b})"),
            NoiseDist::Bernoulli { p } => format!("bernoulli({p})"),
            NoiseDist::Steer { centre, radius } => format!("steer({centre}, {radius})"),
        };
        let _ = writeln!(text, "noise {}: {} ~ {dist}", n.name, spelled(&n.ty));
    }
    for n in &program.nets {
        let names: Vec<&str> =
            n.params.iter().filter_map(|k| program.params.get(*k as usize)).map(|p| p.name.as_str()).collect();
        let _ = writeln!(text, "net {}: {} -> {} with {}", n.name, spelled(&n.from), spelled(&n.to), names.join(", "));
    }
}

/// The expressions that anything needs.
fn expressions(program: &Program, text: &mut String) {
    let mut needed = vec![false; program.exprs.len()];
    let mut stack: Vec<ExprId> =
        program.lets.iter().chain(&program.metrics).chain(&program.outputs).map(|l| l.value).collect();
    stack.extend(program.loss);
    stack.extend(program.params.iter().filter_map(|p| p.prior));
    for s in &program.systems {
        stack.extend([s.from, s.to].into_iter().flatten());
        stack.extend(s.states.iter().filter_map(|x| x.init).chain(s.dynamics()));
    }
    while let Some(id) = stack.pop() {
        if !std::mem::replace(&mut needed[id.index()], true) {
            stack.extend(program.expr(id).kind.operands());
        }
    }
    for (k, node) in program.exprs.iter().enumerate().filter(|(k, _)| needed[*k]) {
        let signal = node.signal.map_or(String::new(), |s| format!(" of system {}", s.system));
        let _ = writeln!(text, "%{k}: {}{signal} = {}", spelled(&node.ty), spell(&node.kind));
    }
}

fn spell(kind: &Kind) -> String {
    let list = |ids: &[ExprId]| ids.iter().map(|i| format!("%{}", i.0)).collect::<Vec<_>>().join(" ");
    let args = list(&kind.operands());
    match kind {
        Kind::Const(v) => format!("{v:?}"),
        Kind::Param(k) => format!("param {k}"),
        Kind::Input(k) => format!("input {k}"),
        Kind::Noise(k) => format!("noise {k}"),
        Kind::Length(k) => format!("length {k}"),
        Kind::Time(_) => "t".into(),
        Kind::State { system, index } => format!("state {system}.{index}"),
        Kind::Iota => "iota".into(),
        Kind::Delta => "delta".into(),
        Kind::Map1(f, _) => format!("{} {args}", f.name()),
        Kind::Map2(f, ..) => format!("{} {args}", f.name()),
        Kind::Compare(r, ..) => format!("{} {args}", r.name()),
        Kind::Select(..) => format!("select {args}"),
        Kind::Stop(_) => format!("stop {args}"),
        Kind::Einsum(spec, _) => format!("einsum {} {args}", spec.spell()),
        Kind::Conv { stride, padding, .. } => format!("conv2d({stride}, {padding}) {args}"),
        Kind::Broadcast(axes, _) => format!("broadcast({axes:?}) {args}"),
        Kind::Reshape(_) => format!("reshape {args}"),
        Kind::Slice(start, _) => format!("slice({start:?}) {args}"),
        Kind::Concat(axis, _) => format!("concat({axis}) {args}"),
        Kind::Gather(..) => format!("gather {args}"),
        Kind::ArgMax(_) => format!("argmax {args}"),
        Kind::MaxLast(_) => format!("max {args}"),
        Kind::LogSumExpLast(_) => format!("logsumexp {args}"),
        Kind::Interp { .. } => format!("interp {args}"),
        Kind::Argument(k, _) => format!("argument {k} = {args}"),
        Kind::Bind { index, .. } => format!("bind {index} {args}"),
        Kind::Derivative { op, .. } => format!("{} {args}", op.name()),
        Kind::Sample { system, .. } => format!("sample {system} {args}"),
    }
}
