//! A file and the declared inputs → samples ([`Dataset`]); results → CSV and NPZ files.
//!
//! Four layouts are read: one trajectory in a table, each row of a table a sample, many trajectories told apart by a
//! column, and arrays with a leading sample axis. Every reader ends in the same `raw::Raw` columns, which
//! `assemble` checks against the declarations, cuts into windows and freezes. Numbers keep the width they have in
//! the file (bytes stay bytes); samples are ranges of shared buffers, so splits and windows copy nothing.

mod arrays;
mod assemble;
mod bytes;
mod codes;
mod dataset;
mod elements;
mod groups;
mod idx;
mod npy;
mod npz;
mod raw;
mod split;
mod table;
mod tensors;
#[cfg(test)]
mod tests;
mod write;

use std::path::PathBuf;

pub use codes::CODES;
pub use dataset::{Buffer, Column, Dataset, DimSize};
pub use write::{write_atomically, write_csv, write_npz};

use crate::diag::{Diagnostic, Span};

/// The format of a data file; each may also be gzip-compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reader {
    /// A table of text with a header line; `,`, `;` or tab between the cells.
    Csv,
    /// `NumPy` arrays in a zip archive.
    Npz,
    /// One `NumPy` array.
    Npy,
    /// Named tensors in the safetensors format.
    Safetensors,
    /// One array in the format of the MNIST files.
    Idx,
}

impl Reader {
    /// The name in a `data` item.
    pub fn name(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Npz => "npz",
            Self::Npy => "npy",
            Self::Safetensors => "safetensors",
            Self::Idx => "idx",
        }
    }
}

/// Where samples come from, as said by a `data` item.
#[derive(Clone, Debug)]
pub struct Source {
    /// The format.
    pub reader: Reader,
    /// The file, absolute or relative to the working directory. For `npy` and `idx`, which hold one array a file, it
    /// may be a folder; the names in `columns` are then files of that folder.
    pub path: PathBuf,
    /// Which columns or arrays feed which input. An input without an entry is fed by the column of its own name.
    pub columns: Vec<(String, Vec<String>, Span)>,
    /// CSV: trajectories are told apart by this column.
    pub by: Option<String>,
    /// CSV: each row is a sample (`sample = "row"`); automatic when no input has a size taken from the data.
    pub rows: bool,
    /// Length of the overlapping windows that each trajectory is cut into.
    pub window: Option<usize>,
    /// Distance between the starts of two windows; 0 counts as 1.
    pub stride: usize,
    /// Fraction held back for validation (0: none); the caller hands it to [`Dataset::split`].
    pub validation: f64,
    /// The `data` item, for messages.
    pub span: Span,
}

impl Source {
    /// The columns that feed an input and where that is said.
    fn feeds(&self, expect: &Expect) -> (Vec<String>, Span) {
        let given = self.columns.iter().find(|(input, ..)| *input == expect.name);
        given.map_or_else(|| (vec![expect.name.clone()], expect.span), |(_, names, span)| (names.clone(), *span))
    }
}

/// A declared size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Size {
    /// A number.
    Fixed(usize),
    /// A `dim` without a value: taken from the data. As a leading size it may vary between samples (ragged).
    Named(String),
}

/// What an input expects, from its declaration.
#[derive(Clone, Debug)]
pub struct Expect {
    /// Its name.
    pub name: String,
    /// Shape of one sample.
    pub shape: Vec<Size>,
    /// The number of classes, if it is a class label (integers from 0).
    pub class: Option<usize>,
    /// The declaration, for messages.
    pub span: Span,
}

/// Reads a data file into samples.
///
/// # Errors
/// Everything wrong with the file, or with the file against the declarations, as diagnostics `N05xx`.
pub fn load(source: &Source, expect: &[Expect]) -> Result<Dataset, Vec<Diagnostic>> {
    let columns = match source.reader {
        Reader::Csv => groups::read(source, expect)?,
        Reader::Npz | Reader::Npy | Reader::Safetensors | Reader::Idx => arrays::read(source, expect)?,
    };
    assemble::assemble(source, columns)
}
