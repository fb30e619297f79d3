//! What every reader produces: one buffer an input, and which rows of it are which sample.

use std::sync::Arc;

use super::dataset::{Buffer, Extent};
use super::{Expect, Size, Source, codes};
use crate::diag::{Diagnostic, Span};

/// The most samples or rows: each costs a few words of memory, whatever little it holds.
pub(super) const MOST_SAMPLES: usize = 1 << 27;

/// The numbers of one input before they are checked against its declaration.
pub(super) struct Raw {
    /// The input.
    pub expect: Expect,
    /// Where the `data` item (or the declaration) names its columns.
    pub span: Span,
    pub buffer: Buffer,
    /// Sizes of a row.
    pub trailing: Vec<usize>,
    pub extents: Vec<Extent>,
    /// The leading axis counts rows along a trajectory: windows cut it.
    pub along: bool,
    /// CSV: the lines of the file, and how many numbers of the buffer each gave.
    pub lines: Option<(Arc<Vec<u64>>, usize)>,
}

impl Raw {
    /// Numbers in a row.
    pub fn width(&self) -> usize {
        self.trailing.iter().product()
    }

    /// A position of the buffer as a reader of the file would say it.
    pub fn place(&self, position: usize) -> String {
        let line = self.lines.as_ref().and_then(|(lines, each)| lines.get(position / (*each).max(1)));
        if let Some(line) = line {
            return format!("line {line}");
        }
        let row = position / self.width().max(1);
        let sample = self.extents.partition_point(|e| e.start + e.len <= row);
        let start = self.extents.get(sample).map_or(0, |e| e.start);
        format!("sample {sample}, entry {}", position.saturating_sub(start * self.width()))
    }
}

/// A problem inside a file, before it is known which `data` item asked for it.
#[derive(Debug)]
pub(super) struct Problem {
    pub code: &'static str,
    pub message: String,
    pub help: Option<String>,
}

impl Problem {
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), help: None }
    }

    pub fn damaged(message: impl Into<String>) -> Self {
        Self::new(codes::DAMAGED, message).help("make or download the file again")
    }

    pub fn too_large(message: impl Into<String>) -> Self {
        Self::new(codes::TOO_LARGE, message)
            .help("data is held in memory; split the file, or use a smaller number type")
    }

    pub fn help(mut self, text: impl Into<String>) -> Self {
        self.help = Some(text.into());
        self
    }

    /// As a diagnostic about the file of `source`, at `span`.
    pub fn at(self, source: &Source, span: Span) -> Diagnostic {
        let diagnostic =
            Diagnostic::error(self.code, span, self.message).note(format!("in `{}`", source.path.display()));
        match self.help {
            Some(help) => diagnostic.help(help),
            None => diagnostic,
        }
    }
}

/// A list of names for a message, cut where nobody would read on.
pub(super) fn listing<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    const MOST: usize = 12;
    let names: Vec<&str> = names.into_iter().collect();
    let shown = names.iter().take(MOST).map(|n| format!("`{n}`")).collect::<Vec<_>>().join(", ");
    if names.len() > MOST { format!("{shown} and {} more", names.len() - MOST) } else { shown }
}

/// A declared shape as it is written.
pub(super) fn shape_text(shape: &[Size]) -> String {
    let size = |s: &Size| match s {
        Size::Fixed(n) => n.to_string(),
        Size::Named(name) => name.clone(),
    };
    format!("[{}]", shape.iter().map(size).collect::<Vec<_>>().join(", "))
}
