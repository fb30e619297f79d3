//! `new`: a commented model that trains without data.

use super::args::NewArgs;
use super::codes;
use super::failed::{Exit, Failed};
use super::output::Console;
use crate::data::write_atomically;
use crate::diag::Diagnostic;
use serde_json::json;
use std::path::{Path, PathBuf};

/// The model; `MODEL` and `FILE` are replaced.
const TEMPLATE: &str = include_str!("new.node");

/// Runs the command.
pub(super) fn new(args: &NewArgs, console: Console) -> Result<(), Failed> {
    let path = PathBuf::from(&args.name);
    let path =
        if path.extension().is_some_and(|e| e == "node") { path } else { PathBuf::from(format!("{}.node", args.name)) };
    let stem = path.file_stem().and_then(|s| s.to_str()).unwrap_or_default();
    let model = model_name(stem);
    if model.is_empty() || args.name.ends_with(['/', '\\']) {
        let failed = Failed::usage(codes::COMMAND_LINE, format!("`{}` is no name for a model", args.name));
        return Err(failed.help("use letters, digits and `_`: `pullback new spiral`"));
    }
    if path.exists() {
        let problem = Diagnostic::global(codes::EXISTS, format!("`{}` is there already", path.display()));
        return Err(Failed::of(Exit::Usage, problem.help("choose another name, or move the file away")));
    }
    let shown = path.display().to_string();
    write_atomically(&path, text(&model, &path).as_bytes())?;
    console.object(&json!({ "file": shown }));
    console.text(&format!("written: {shown}\n"));
    console.detail(&format!("train it: pullback train {shown}\n"));
    Ok(())
}

fn text(model: &str, path: &Path) -> String {
    TEMPLATE.replace("MODEL", model).replace("FILE", &path.display().to_string())
}

/// `my_model-2` → `MyModel2`; empty if nothing is left, or it would begin with a digit.
fn model_name(stem: &str) -> String {
    let words = stem.split(|c: char| !c.is_ascii_alphanumeric()).filter(|w| !w.is_empty());
    let name: String = words
        .map(|w| {
            let (head, tail) = w.split_at(1);
            head.to_ascii_uppercase() + tail
        })
        .collect();
    if name.starts_with(|c: char| c.is_ascii_digit()) { String::new() } else { name }
}
