//! Text and JSON to stdout, problems to stderr.

use super::failed::Failed;
use crate::diag::{Diagnostic, Sources, render, to_json};
use crate::model::{Dropped, Work};
use serde_json::{Map, Value, json};
use std::io::Write;

/// How this run talks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Console {
    /// Results as JSON.
    pub json: bool,
    /// Only results and errors.
    pub quiet: bool,
    /// Colours on stderr.
    pub color: bool,
}

impl Console {
    /// A result for people; not with `--json`.
    pub fn text(self, text: &str) {
        if !self.json {
            print(text);
        }
    }

    /// A result for people that `--quiet` leaves out.
    pub fn detail(self, text: &str) {
        if !self.quiet {
            self.text(text);
        }
    }

    /// A result for programs: one line; only with `--json`.
    pub fn object(self, value: &Value) {
        if self.json {
            print(&format!("{value}\n"));
        }
    }

    /// A remark on stderr.
    pub fn note(self, text: &str) {
        if !self.quiet && !self.json {
            complain(&format!("{text}\n"));
        }
    }

    /// Warnings on stderr.
    pub fn warn(self, warnings: &[Diagnostic], sources: &Sources) {
        if !self.quiet && !self.json && !warnings.is_empty() {
            complain(&render(warnings, sources, self.color));
            complain("\n");
        }
    }

    /// Why the command failed.
    pub fn failed(self, failed: &Failed) {
        if failed.problems.is_empty() {
            return;
        }
        if self.json {
            self.object(&json!({ "errors": to_json(&failed.problems, &failed.sources) }));
        } else {
            complain(&render(&failed.problems, &failed.sources, self.color));
        }
    }
}

/// Whoever reads may leave early (`pullback show … | head`): that is no error.
fn print(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

fn complain(text: &str) {
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}

/// About six digits.
pub(super) fn short(x: f64) -> String {
    let size = x.abs();
    if x == 0.0 {
        return "0".into();
    }
    if !x.is_finite() {
        return x.to_string();
    }
    if !(1e-4..1e7).contains(&size) {
        return format!("{x:.4e}");
    }
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and 9")]
    let digits = (5.0 - size.log10().floor()).clamp(0.0, 9.0) as usize;
    let text = format!("{x:.digits$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// Nanoseconds, microseconds, … as fits.
pub(super) fn duration(seconds: f64) -> String {
    let (value, unit) = match seconds {
        s if s < 1e-6 => (s * 1e9, "ns"),
        s if s < 1e-3 => (s * 1e6, "µs"),
        s if s < 1.0 => (s * 1e3, "ms"),
        s if s < 120.0 => (s, "s"),
        s => (s / 60.0, "min"),
    };
    format!("{value:.3} {unit}")
}

/// Bytes as fits.
pub(super) fn bytes(n: f64) -> String {
    let (value, unit) = match n {
        n if n < 1024.0 => return format!("{n:.0} B"),
        n if n < 1024.0 * 1024.0 => (n / 1024.0, "KiB"),
        n if n < 1024.0 * 1024.0 * 1024.0 => (n / (1024.0 * 1024.0), "MiB"),
        n => (n / (1024.0 * 1024.0 * 1024.0), "GiB"),
    };
    format!("{value:.1} {unit}")
}

/// `1 sample`, `2 samples`.
pub(super) fn count(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

/// Rows of cells in columns as wide as needed; the last column is not padded.
pub(super) fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |k: usize| rows.iter().filter_map(|r| r.get(k)).map(|c| c.chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let cells: Vec<String> = row
            .iter()
            .zip(&widths)
            .map(|(cell, w)| format!("{cell}{}", " ".repeat(w - cell.chars().count())))
            .collect();
        text.push_str(format!("  {}", cells.join("  ")).trim_end());
        text.push('\n');
    }
    text
}

/// `{"shape": […], "data": […]}`
pub(super) fn tensor(shape: &[usize], data: &[f64]) -> Value {
    json!({ "shape": shape, "data": data })
}

/// Names to values.
pub(super) fn object<'a>(entries: impl IntoIterator<Item = (&'a str, Value)>) -> Value {
    Value::Object(entries.into_iter().map(|(k, v)| (k.to_owned(), v)).collect::<Map<_, _>>())
}

/// Work of solves.
pub(super) fn work(work: &Work) -> Value {
    json!({
        "steps": work.accepted + work.rejected,
        "accepted": work.accepted,
        "rejected": work.rejected,
        "rhs": work.rhs,
        "vjp": work.vjp,
    })
}

/// Samples that were left out.
pub(super) fn dropped(list: &[Dropped]) -> Value {
    list.iter().map(|d| json!({ "sample": d.sample, "reason": d.reason })).collect()
}
