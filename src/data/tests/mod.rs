//! Small files that the tests write themselves, and real ones where they are.

mod arrays;
mod csv;
mod fuzz;
mod real;
mod views;
mod write;

use std::fs;
use std::path::PathBuf;

use super::{Dataset, Expect, Reader, Size, Source, load};
use crate::diag::{Diagnostic, Span};

/// A folder with one file in it, gone at the end of the test.
pub(super) struct Scene {
    folder: tempfile::TempDir,
    path: PathBuf,
    reader: Reader,
}

impl Scene {
    pub fn new(reader: Reader, name: &str, bytes: &[u8]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join(name);
        fs::write(&path, bytes).expect("a file");
        Self { folder, path, reader }
    }

    pub fn csv(text: &str) -> Self {
        Self::new(Reader::Csv, "table.csv", text.as_bytes())
    }

    pub fn source(&self) -> Source {
        Source {
            reader: self.reader,
            path: self.path.clone(),
            columns: Vec::new(),
            by: None,
            rows: false,
            window: None,
            stride: 1,
            validation: 0.0,
            span: Span::default(),
        }
    }

    pub fn add(&self, name: &str, bytes: &[u8]) {
        fs::write(self.folder.path().join(name), bytes).expect("a file");
    }

    pub fn load(&self, expect: &[Expect]) -> Result<Dataset, Vec<Diagnostic>> {
        load(&self.source(), expect)
    }

    /// The one problem: code and message.
    pub fn problem(&self, expect: &[Expect]) -> (&'static str, String) {
        one_problem(self.load(expect))
    }
}

pub(super) fn one_problem(result: Result<Dataset, Vec<Diagnostic>>) -> (&'static str, String) {
    let problems = result.expect_err("a problem");
    assert_eq!(problems.len(), 1, "{problems:?}");
    let help = problems[0].help.join(" ");
    (problems[0].code, format!("{} | {help}", problems[0].message))
}

/// `input name: [shape]`, with `T` or `3` for a size.
pub(super) fn input(name: &str, shape: &[&str]) -> Expect {
    let size = |s: &&str| s.parse().map_or_else(|_| Size::Named((*s).to_owned()), Size::Fixed);
    Expect { name: name.to_owned(), shape: shape.iter().map(size).collect(), class: None, span: Span::default() }
}

pub(super) fn feed(input: &str, columns: &[&str]) -> (String, Vec<String>, Span) {
    (input.to_owned(), columns.iter().map(|c| (*c).to_owned()).collect(), Span::default())
}

/// A padded sample.
pub(super) fn sample(data: &Dataset, input: &str, sample: usize) -> Vec<f64> {
    let column = data.column(input).expect("a column");
    let mut out = vec![f64::NAN; column.size()];
    column.fill(sample, &mut out);
    out
}

#[test]
fn every_code_has_a_page() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/errors");
    for (code, title) in super::CODES {
        let page = fs::read_to_string(folder.join(format!("{code}.md"))).expect("a page");
        assert!(page.starts_with(&format!("# {code}: {title}\n")), "{code}");
        assert!(page.contains("## How to mend it"), "{code}");
    }
}
