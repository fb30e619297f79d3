//! `fmt`: the one canonical layout.

use super::args::FmtArgs;
use super::codes;
use super::failed::{Exit, Failed};
use super::output::Console;
use crate::data::write_atomically;
use crate::diag::{Diagnostic, Sources};
use crate::load::read_text;
use crate::syntax;
use serde_json::json;
use std::io::Read;
use std::path::Path;

/// Runs the command. Every file is looked at, also after one that is wrong.
pub(super) fn fmt(args: &FmtArgs, console: Console) -> Result<(), Failed> {
    let mut exit: Option<Exit> = None;
    let mut changed = Vec::new();
    for path in &args.files {
        match one(path, args.check, console) {
            Ok(true) => changed.push(path.display().to_string()),
            Ok(false) => {}
            Err(failed) => {
                console.failed(&failed);
                exit = Some(failed.exit);
            }
        }
    }
    match exit {
        Some(exit) => Err(Failed { exit, sources: Sources::default(), problems: Vec::new() }),
        None if args.check && !changed.is_empty() => {
            let names = changed.iter().map(|n| format!("`{n}`")).collect::<Vec<_>>().join(", ");
            let message = format!("not in the canonical layout: {names}");
            let problem = Diagnostic::global(codes::LAYOUT, message);
            Err(problem.help("run `pullback fmt` without `--check`").into())
        }
        None => {
            console.object(&json!({ "changed": changed }));
            Ok(())
        }
    }
}

/// Whether a file changes.
fn one(path: &Path, check: bool, console: Console) -> Result<bool, Failed> {
    let (before, after) = formatted(path)?;
    if path == Path::new("-") {
        if !check {
            console.text(&after);
        }
        return Ok(before != after);
    }
    if before != after && !check {
        write_atomically(path, after.as_bytes())?;
        console.note(&format!("rewritten: {}", path.display()));
    }
    Ok(before != after)
}

/// A text as it is, and in its canonical layout.
pub(super) fn formatted(path: &Path) -> Result<(String, String), Failed> {
    let stdin = path == Path::new("-");
    let before = if stdin { standard_input()? } else { read_text(path)? };
    match syntax::format(&before) {
        Ok(after) => Ok((before, after)),
        Err(problems) => {
            let mut sources = Sources::default();
            sources.add(if stdin { "stdin".to_owned() } else { path.display().to_string() }, before);
            Err(Failed { exit: Exit::Model, sources, problems })
        }
    }
}

fn standard_input() -> Result<String, Failed> {
    let mut text = String::new();
    match std::io::stdin().take(1 << 21).read_to_string(&mut text) {
        Ok(_) => Ok(text),
        Err(e) => Err(Diagnostic::global("N0803", format!("stdin is not UTF-8 text: {e}")).into()),
    }
}
