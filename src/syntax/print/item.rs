//! Items as text.

use super::super::ast::{Expr, FnArg, Item, ItemKind, Name, Type};
use super::expr::{print_expr, quote};

/// An item in the canonical spelling; blocks are indented by two spaces.
#[must_use]
pub fn print_item(item: &Item) -> String {
    let mut out = String::new();
    write(item, 0, &mut out);
    out
}

fn write(item: &Item, indent: usize, out: &mut String) {
    out.push_str(&" ".repeat(indent));
    head(&item.kind, out);
    match &item.kind {
        ItemKind::Layer { body, .. } | ItemKind::Ode { body, .. } => block(body, indent, out),
        ItemKind::Model { .. }
        | ItemKind::Use { .. }
        | ItemKind::Dim { .. }
        | ItemKind::Param { .. }
        | ItemKind::Net { .. }
        | ItemKind::Call { .. }
        | ItemKind::Fn { .. }
        | ItemKind::Input { .. }
        | ItemKind::Data { .. }
        | ItemKind::Noise { .. }
        | ItemKind::State { .. }
        | ItemKind::Equation { .. }
        | ItemKind::Let { .. }
        | ItemKind::Loss { .. }
        | ItemKind::Metric { .. }
        | ItemKind::Output { .. }
        | ItemKind::Solve { .. }
        | ItemKind::Train { .. }
        | ItemKind::Event { .. } => {}
    }
    if let Some(doc) = &item.doc {
        out.push(' ');
        out.push_str(&quote(doc));
    }
}

fn block(body: &[Item], indent: usize, out: &mut String) {
    out.push_str(" {\n");
    for inner in body {
        write(inner, indent + 2, out);
        out.push('\n');
    }
    out.push_str(&" ".repeat(indent));
    out.push('}');
}

/// Everything but the block and the description.
fn head(kind: &ItemKind, out: &mut String) {
    match kind {
        ItemKind::Model { name } => put(out, &["model ", &name.text]),
        ItemKind::Use { what, is_path, alias } => {
            let what = if *is_path { quote(&what.text) } else { what.text.clone() };
            put(out, &["use ", &what]);
            if let Some(alias) = alias {
                put(out, &[" as ", &alias.text]);
            }
        }
        ItemKind::Dim { name, value } => {
            put(out, &["dim ", &name.text]);
            signed(out, "=", value.as_ref());
        }
        ItemKind::Param { name, ty, init, prior } => {
            declared(out, "param", name, ty);
            signed(out, "=", init.as_ref());
            signed(out, "~", prior.as_ref());
        }
        ItemKind::Net { name, from, to, body } => {
            put(out, &["net ", &name.text, ": ", &shape(from), " -> ", &shape(to)]);
            signed(out, "=", Some(body));
        }
        ItemKind::Layer { name, args, from, to, .. } => {
            put(out, &["layer ", &name.text]);
            let args: Vec<FnArg> = args
                .iter()
                .map(|(name, default)| FnArg { name: name.clone(), ty: None, default: default.clone() })
                .collect();
            arguments(out, &args, false);
            put(out, &[": ", &shape(from), " -> ", &shape(to)]);
        }
        ItemKind::Call { arg, value } => put(out, &["call(", &arg.text, ") = ", &print_expr(value)]),
        ItemKind::Fn { name, args, result, body } => {
            put(out, &["fn ", &name.text]);
            arguments(out, args, true);
            if let Some(result) = result {
                put(out, &[" -> ", &shape(result)]);
            }
            signed(out, "=", Some(body));
        }
        ItemKind::Input { name, ty } => declared(out, "input", name, ty),
        ItemKind::Data { is_test, reader } => {
            put(out, &[if *is_test { "test " } else { "data " }, &print_expr(reader)]);
        }
        ItemKind::Noise { name, ty, dist } => {
            declared(out, "noise", name, ty);
            signed(out, "~", Some(dist));
        }
        ItemKind::State { name, ty, init } => {
            declared(out, "state", name, ty);
            signed(out, "=", Some(init));
        }
        ItemKind::Equation { state, value } => put(out, &[&state.text, "' = ", &print_expr(value)]),
        ItemKind::Let { name, ty, value } => {
            let none = Type::default();
            declared(out, "let", name, ty.as_ref().unwrap_or(&none));
            signed(out, "=", Some(value));
        }
        ItemKind::Loss { value } => put(out, &["loss = ", &print_expr(value)]),
        ItemKind::Metric { name, value } => put(out, &["metric ", &name.text, " = ", &print_expr(value)]),
        ItemKind::Output { name, value } => put(out, &["output ", &name.text, " = ", &print_expr(value)]),
        ItemKind::Solve { method, over } => {
            out.push_str("solve ");
            out.extend(method.iter().map(print_expr));
            if let Some(over) = over {
                let comma = if method.is_some() { ", " } else { "" };
                put(out, &[comma, &range(over)]);
            }
        }
        ItemKind::Train { method } => put(out, &["train ", &print_expr(method)]),
        ItemKind::Event { name, condition, resets, stops } => {
            put(out, &["event ", &name.text, ": ", &print_expr(condition), " => {"]);
            for (state, value) in resets {
                put(out, &[" ", &state.text, " := ", &print_expr(value)]);
            }
            out.push_str(if *stops { " stop }" } else { " }" });
        }
        ItemKind::Ode { name, args, over, .. } => {
            put(out, &["ode ", &name.text]);
            arguments(out, args, false);
            if let Some(over) = over {
                put(out, &[" over ", &range(over)]);
            }
        }
    }
}

fn put(out: &mut String, parts: &[&str]) {
    out.extend(parts.iter().copied());
}

fn signed(out: &mut String, sign: &str, value: Option<&Expr>) {
    if let Some(value) = value {
        put(out, &[" ", sign, " ", &print_expr(value)]);
    }
}

fn range((from, to): &(Expr, Expr)) -> String {
    format!("{} .. {}", print_expr(from), print_expr(to))
}

/// `param W: [H, D]`; no colon where no type was written.
fn declared(out: &mut String, keyword: &str, name: &Name, ty: &Type) {
    put(out, &[keyword, " ", &name.text]);
    if written(ty) {
        put(out, &[": ", &shape(ty)]);
    }
}

/// Whether a type says anything, or was at least written (`[]`).
fn written(ty: &Type) -> bool {
    !ty.dims.is_empty() || ty.domain.is_some() || ty.span.start != ty.span.end
}

/// A type; a scalar without domain is `[]`.
fn shape(ty: &Type) -> String {
    let mut out = String::new();
    if !ty.dims.is_empty() || ty.domain.is_none() {
        let dims: Vec<String> = ty.dims.iter().map(print_expr).collect();
        put(&mut out, &["[", &dims.join(", "), "]"]);
    }
    if let Some(domain) = &ty.domain {
        let gap = if out.is_empty() { "" } else { " " };
        put(&mut out, &[gap, &print_expr(domain)]);
    }
    out
}

fn arguments(out: &mut String, args: &[FnArg], always: bool) {
    if args.is_empty() && !always {
        return;
    }
    let one = |arg: &FnArg| {
        let mut text = arg.name.text.clone();
        if let Some(ty) = &arg.ty {
            put(&mut text, &[": ", &shape(ty)]);
        }
        signed(&mut text, "=", arg.default.as_ref());
        text
    };
    put(out, &["(", &args.iter().map(one).collect::<Vec<_>>().join(", "), ")"]);
}
