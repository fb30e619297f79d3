//! `data`, `test` and `input` items → what the readers need, before any size is known.

use super::codes;
use super::params::head;
use super::{Options, shapes::whole};
use crate::data::{Expect, Reader, Size, Source};
use crate::diag::{Diagnostic, Span, did_you_mean};
use crate::syntax::ast::{BinaryOp, Expr, ExprKind, File, ItemKind};
use std::collections::HashMap;

const READERS: &[(&str, Reader)] = &[
    ("csv", Reader::Csv),
    ("npz", Reader::Npz),
    ("npy", Reader::Npy),
    ("safetensors", Reader::Safetensors),
    ("idx", Reader::Idx),
];
const ARGUMENTS: &[&str] = &["by", "window", "stride", "validation", "sample"];

/// The source of the samples, that of the test samples, and what every input expects.
pub type DataItems = (Option<Source>, Option<Source>, Vec<Expect>);

/// The data declarations of a file. Paths stay as they are written.
///
/// # Errors
/// Everything wrong with the declarations.
pub fn data_items(file: &File, options: &Options) -> Result<DataItems, Vec<Diagnostic>> {
    let mut problems = Vec::new();
    let mut sizes: HashMap<&str, Option<f64>> = HashMap::new();
    let mut expect = Vec::new();
    for item in &file.items {
        match &item.kind {
            ItemKind::Dim { name, value } => {
                let set = options.overrides.iter().find(|o| o.0 == name.text).map(|o| o.1);
                let value = set.or_else(|| value.as_ref().and_then(|e| number(e, &sizes)));
                sizes.insert(&name.text, value);
            }
            ItemKind::Input { name, ty } => {
                let shape = ty.dims.iter().map(|e| size(e, &sizes)).collect::<Option<Vec<_>>>();
                let class = ty.domain.as_ref().and_then(head).and_then(|(word, args)| match (word, args) {
                    ("class", [n]) => number(&n.value, &sizes).and_then(|n| whole(n, 2.0)),
                    _ => None,
                });
                // A shape that makes no sense is reported by `check`.
                if let Some(shape) = shape {
                    expect.push(Expect { name: name.text.clone(), shape, class, span: name.span });
                }
            }
            _ => {}
        }
    }
    let names: Vec<&str> = expect.iter().map(|e| e.name.as_str()).collect();
    let (mut data, mut test): (Option<Source>, Option<Source>) = (None, None);
    for item in &file.items {
        let ItemKind::Data { is_test, reader } = &item.kind else { continue };
        let place = if *is_test { &mut test } else { &mut data };
        if let Some(first) = place {
            let d = Diagnostic::error(codes::TWICE, item.span, "there are two sources of the same kind")
                .here("the second")
                .label(first.span, "the first")
                .help("`data` names the samples for training, `test` a separate set");
            problems.push(d);
            continue;
        }
        *place = source(reader, item.span, &names, &sizes, &mut problems);
    }
    if problems.is_empty() { Ok((data, test, expect)) } else { Err(problems) }
}

fn source(
    e: &Expr,
    span: Span,
    inputs: &[&str],
    sizes: &HashMap<&str, Option<f64>>,
    problems: &mut Vec<Diagnostic>,
) -> Option<Source> {
    let (word, args) = head(e).unwrap_or(("", &[]));
    let known: Vec<&str> = READERS.iter().map(|r| r.0).collect();
    let Some((_, reader)) = READERS.iter().find(|r| r.0 == word) else {
        let mut d =
            Diagnostic::error(codes::READER, e.span, format!("no reader is called `{word}`")).here("unknown reader");
        if let Some(meant) = did_you_mean(word, known.iter().copied()) {
            d = d.help(format!("did you mean `{meant}`?"));
        }
        problems.push(d.help(format!("readers: {}", known.join(", "))));
        return None;
    };
    let mut found = Source {
        reader: *reader,
        path: std::path::PathBuf::new(),
        columns: Vec::new(),
        by: None,
        rows: false,
        window: None,
        stride: 1,
        validation: 0.0,
        span,
    };
    let before = problems.len();
    let mut has_path = false;
    for arg in args {
        let value = &arg.value;
        let mut wrong = |what: &str| {
            let d = Diagnostic::error(codes::DATA_ARGUMENT, value.span, format!("this must be {what}"))
                .here("unusable value");
            problems.push(d);
        };
        let Some(name) = &arg.name else {
            match (&value.kind, has_path) {
                (ExprKind::Text(path), false) => {
                    found.path = path.into();
                    has_path = true;
                }
                (_, true) => wrong("`input = \"column\"`: there is one file"),
                (_, false) => wrong("the path of a file, in quotes"),
            }
            continue;
        };
        let count = number(value, sizes);
        match name.text.as_str() {
            "by" => match &value.kind {
                ExprKind::Text(column) => found.by = Some(column.clone()),
                _ => wrong("the name of a column, in quotes"),
            },
            "sample" => match &value.kind {
                ExprKind::Text(word) if word == "row" => found.rows = true,
                _ => wrong("\"row\""),
            },
            "window" => match count.and_then(|n| whole(n, 1.0)) {
                Some(n) => found.window = Some(n),
                None => wrong("a positive whole number"),
            },
            "stride" => match count.and_then(|n| whole(n, 1.0)) {
                Some(n) => found.stride = n,
                None => wrong("a positive whole number"),
            },
            "validation" => match count.filter(|v| (0.0..1.0).contains(v)) {
                Some(v) => found.validation = v,
                None => wrong("a fraction from 0 to below 1"),
            },
            input if inputs.contains(&input) => match columns(value) {
                Some(columns) => found.columns.push((input.to_owned(), columns, name.span)),
                None => wrong("the name of a column or array in quotes, or a list of names"),
            },
            other => {
                let all: Vec<&str> = inputs.iter().chain(ARGUMENTS).copied().collect();
                let mut d = Diagnostic::error(codes::DATA_ARGUMENT, name.span, format!("there is no input `{other}`"))
                    .here("neither an input nor an argument of the reader");
                if let Some(meant) = did_you_mean(other, all.iter().copied()) {
                    d = d.help(format!("did you mean `{meant}`?")).fix(name.span, meant, format!("write `{meant}`"));
                }
                problems.push(d.help(format!("inputs and arguments: {}", all.join(", "))));
            }
        }
    }
    if !has_path {
        let d = Diagnostic::error(codes::DATA_ARGUMENT, e.span, "which file?")
            .here("no path")
            .help(format!("write `{word}(\"file.{word}\")`"));
        problems.push(d);
    }
    (problems.len() == before).then_some(found)
}

fn columns(e: &Expr) -> Option<Vec<String>> {
    match &e.kind {
        ExprKind::Text(one) => Some(vec![one.clone()]),
        ExprKind::List(parts) => {
            let text = |p: &Expr| if let ExprKind::Text(t) = &p.kind { Some(t.clone()) } else { None };
            parts.iter().map(text).collect::<Option<Vec<_>>>().filter(|c| !c.is_empty())
        }
        _ => None,
    }
}

fn size(e: &Expr, sizes: &HashMap<&str, Option<f64>>) -> Option<Size> {
    if let ExprKind::Name(name) = &e.kind
        && let Some(None) = sizes.get(name.as_str())
    {
        return Some(Size::Named(name.clone()));
    }
    number(e, sizes).and_then(|n| whole(n, 1.0)).map(Size::Fixed)
}

/// A number made of numbers and sizes with a value.
fn number(e: &Expr, sizes: &HashMap<&str, Option<f64>>) -> Option<f64> {
    match &e.kind {
        ExprKind::Number(v) => Some(*v),
        ExprKind::Name(name) => sizes.get(name.as_str()).copied().flatten(),
        ExprKind::Binary(op, a, b) => {
            let (a, b) = (number(a, sizes)?, number(b, sizes)?);
            match op {
                BinaryOp::Add => Some(a + b),
                BinaryOp::Sub => Some(a - b),
                BinaryOp::Mul => Some(a * b),
                BinaryOp::Div => Some(a / b),
                _ => None,
            }
        }
        _ => None,
    }
}
