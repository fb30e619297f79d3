//! Diagnostics → text for a terminal, and JSON for editors.

use super::{Diagnostic, FileId, Fix, Label, Severity, Sources, Span};
use annotate_snippets::{AnnotationKind, Group, Level, Origin, Patch, Renderer, Snippet};
use serde_json::{Value, json};
use std::ops::Range;

/// Longer lines are shown in part.
const MAX_LINE: usize = 300;

/// Labels further apart than this (in bytes) are not shown in one excerpt.
const MAX_EXCERPT: usize = 16 << 10;

/// A part of a text that is small enough to show.
struct Excerpt<'a> {
    file: FileId,
    text: &'a str,
    /// Its first byte in the whole text.
    start: usize,
    /// Its first line, from 1.
    line: usize,
}

/// Renders diagnostics the way rustc does, one after the other, with a blank line between them.
#[must_use]
pub fn render(diags: &[Diagnostic], sources: &Sources, color: bool) -> String {
    let renderer = if color { Renderer::styled() } else { Renderer::plain() };
    diags.iter().map(|d| renderer.render(&report(d, sources)) + "\n").collect::<Vec<_>>().join("\n")
}

fn report<'a>(diagnostic: &'a Diagnostic, sources: &'a Sources) -> Vec<Group<'a>> {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let mut main = Group::with_title(level.primary_title(&diagnostic.message).id(diagnostic.code));
    let mut rest: Vec<&Label> = diagnostic.labels.iter().collect();
    while let Some(first) = rest.first() {
        let file = first.span.file;
        let (here, elsewhere): (Vec<&Label>, Vec<&Label>) = rest.iter().partition(|l| l.span.file == file);
        main = excerpts(main, &here, file, sources);
        rest = elsewhere;
    }
    for note in &diagnostic.notes {
        main = main.element(Level::NOTE.message(note));
    }
    for help in &diagnostic.help {
        main = main.element(Level::HELP.message(help));
    }
    let mut groups = vec![main];
    groups.extend(diagnostic.fixes.iter().map(|fix| suggestion(fix, sources)));
    groups
}

/// Shows the labels of one file: in one excerpt if they are close, else each in its own.
fn excerpts<'a>(mut group: Group<'a>, labels: &[&'a Label], file: FileId, sources: &'a Sources) -> Group<'a> {
    let spans: Vec<Span> = labels.iter().map(|l| l.span).collect();
    if let Some(excerpt) = Excerpt::around(&spans, file, sources) {
        return group.element(excerpt.snippet(labels, sources));
    }
    for label in labels {
        match Excerpt::window(label.span, sources) {
            Some(excerpt) => group = group.element(excerpt.snippet(&[label], sources)),
            None => group = group.element(Origin::path(sources.name(file))),
        }
    }
    group
}

fn suggestion<'a>(fix: &'a Fix, sources: &'a Sources) -> Group<'a> {
    let group = Group::with_title(Level::HELP.secondary_title(&fix.title));
    match Excerpt::around(&[fix.span], fix.span.file, sources) {
        Some(excerpt) => {
            let patch = Patch::new(excerpt.exact(fix.span, sources), &fix.replacement);
            let snippet = Snippet::source(excerpt.text).line_start(excerpt.line).path(sources.name(fix.span.file));
            group.element(snippet.patch(patch))
        }
        None => group,
    }
}

impl<'a> Excerpt<'a> {
    /// The lines from the first to the last of some places. `None`: empty, or too much to show.
    fn around(spans: &[Span], file: FileId, sources: &'a Sources) -> Option<Self> {
        let text = sources.text(file);
        let places = spans.iter().map(|s| visible(*s, text));
        let from = places.clone().map(|r| r.start).min()?;
        let to = places.map(|r| r.end).max()?;
        let start = line_start(text, from);
        let shown = text.get(start..line_end(text, to))?;
        let fits = shown.len() <= MAX_EXCERPT && shown.lines().all(|l| l.len() <= MAX_LINE);
        let line = sources.position(file, u32::try_from(start).ok()?).0;
        (fits && !shown.is_empty()).then_some(Self { file, text: shown, start, line })
    }

    /// The beginning of one place, and a little around it on its line.
    fn window(span: Span, sources: &'a Sources) -> Option<Self> {
        let text = sources.text(span.file);
        let at = visible(span, text).start;
        let start = floor(text, at.saturating_sub(MAX_LINE / 4)).max(line_start(text, at));
        let end = floor(text, (at + MAX_LINE / 2).min(line_end(text, at)));
        let line = sources.position(span.file, u32::try_from(start).ok()?).0;
        let shown = text.get(start..end)?;
        (!shown.is_empty()).then_some(Self { file: span.file, text: shown, start, line })
    }

    fn snippet(&self, labels: &[&'a Label], sources: &'a Sources) -> Snippet<'a, annotate_snippets::Annotation<'a>> {
        let mut snippet = Snippet::source(self.text).line_start(self.line).path(sources.name(self.file));
        for label in labels {
            let kind = if label.primary { AnnotationKind::Primary } else { AnnotationKind::Context };
            let annotation = kind.span(self.local(visible(label.span, sources.text(self.file))));
            let text = Some(label.text.as_str()).filter(|t| !t.is_empty());
            snippet = snippet.annotation(annotation.label(text));
        }
        snippet
    }

    /// A place of the whole text as a place of the excerpt.
    fn local(&self, range: Range<usize>) -> Range<usize> {
        let inside = |at: usize| floor(self.text, at.saturating_sub(self.start).min(self.text.len()));
        inside(range.start)..inside(range.end).max(inside(range.start))
    }

    /// The place of an edit: not moved to what is visible.
    fn exact(&self, span: Span, sources: &Sources) -> Range<usize> {
        self.local(clamp(span, sources.text(self.file)))
    }
}

/// A span within its text, on character boundaries.
fn clamp(span: Span, text: &str) -> Range<usize> {
    let start = floor(text, (span.start as usize).min(text.len()));
    start..floor(text, (span.end as usize).min(text.len())).max(start)
}

/// A span moved back from the empty end of a text to its last visible character.
fn visible(span: Span, text: &str) -> Range<usize> {
    let range = clamp(span, text);
    let last = text.trim_end().len();
    range.start.min(last)..range.end.min(last).max(range.start.min(last))
}

/// The last character boundary at or before a byte.
fn floor(text: &str, mut at: usize) -> usize {
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

fn line_start(text: &str, at: usize) -> usize {
    text.get(..at).and_then(|t| t.rfind('\n')).map_or(0, |i| i + 1)
}

fn line_end(text: &str, at: usize) -> usize {
    text.get(at..).and_then(|t| t.find('\n')).map_or(text.len(), |i| at + i)
}

/// Diagnostics as an array of `{code, severity, message, labels, notes, help, fixes}`; places are line and column,
/// from 1.
#[must_use]
pub fn to_json(diags: &[Diagnostic], sources: &Sources) -> Value {
    diags.iter().map(|d| diagnostic_json(d, sources)).collect()
}

fn diagnostic_json(diagnostic: &Diagnostic, sources: &Sources) -> Value {
    let severity = match diagnostic.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    let labels: Vec<Value> = diagnostic
        .labels
        .iter()
        .map(|l| with(place_json(l.span, sources), &[("text", json!(l.text)), ("primary", json!(l.primary))]))
        .collect();
    let fixes: Vec<Value> = diagnostic
        .fixes
        .iter()
        .map(|f| with(place_json(f.span, sources), &[("title", json!(f.title)), ("replacement", json!(f.replacement))]))
        .collect();
    json!({
        "code": diagnostic.code,
        "severity": severity,
        "message": diagnostic.message,
        "labels": labels,
        "notes": diagnostic.notes,
        "help": diagnostic.help,
        "fixes": fixes,
    })
}

fn place_json(span: Span, sources: &Sources) -> Value {
    let range = clamp(span, sources.text(span.file));
    let position = |at: usize| sources.position(span.file, u32::try_from(at).unwrap_or(u32::MAX));
    let ((line, column), (end_line, end_column)) = (position(range.start), position(range.end));
    json!({
        "file": sources.name(span.file),
        "line": line,
        "column": column,
        "end_line": end_line,
        "end_column": end_column,
    })
}

fn with(mut object: Value, entries: &[(&str, Value)]) -> Value {
    for (key, value) in entries {
        object[*key] = value.clone();
    }
    object
}
