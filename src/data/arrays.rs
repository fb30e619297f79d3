//! Arrays with a leading sample axis → raw columns.

use std::path::PathBuf;

use super::bytes;
use super::dataset::{Buffer, Extent};
use super::elements::Array;
use super::npz::Archive;
use super::raw::{MOST_SAMPLES, Problem, Raw, shape_text};
use super::{Expect, Reader, Size, Source, codes, idx, npy, tensors};
use crate::diag::{Diagnostic, Span};

/// An input and its array.
struct Fed<'a> {
    expect: &'a Expect,
    span: Span,
    array: Array,
}

/// Reads the arrays that `source` names.
///
/// An array of the declared rank, without a sample axis, is shared by all samples. If all declared sizes are fixed,
/// the sizes after the sample axis only have to agree in number: `[1, 28, 28]` and `[784]` both take 28 × 28 images.
/// Rows of NaN at the end of a sample are padding where the leading size is taken from the data.
pub(super) fn read(source: &Source, expect: &[Expect]) -> Result<Vec<Raw>, Vec<Diagnostic>> {
    if source.by.is_some() || source.rows {
        let option = if source.rows { "sample" } else { "by" };
        let reader = source.reader.name();
        let message = format!("`{option}` is for tables; the reader `{reader}` takes samples from the leading axis");
        return Err(vec![Diagnostic::error(codes::OPTION, source.span, message)]);
    }
    let inputs = fetch(source, expect)?;
    let mut count: Option<(usize, &str)> = None;
    let mut problems = Vec::new();
    let mut leading = Vec::new();
    for one in &inputs {
        match sample_axis(one) {
            Ok(axis) => {
                if let Err(problem) = count_samples(one, &axis, &mut count) {
                    problems.push(problem.at(source, one.span));
                }
                leading.push(axis);
            }
            Err(problem) => problems.push(problem.at(source, one.span).label(one.expect.span, "declared here")),
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let samples = count.map_or(1, |(n, _)| n);
    Ok(inputs.into_iter().zip(leading).map(|(one, axis)| raw(one, &axis, samples, source.window)).collect())
}

/// Compares the number of samples with that of the inputs before.
fn count_samples<'a>(one: &Fed<'a>, axis: &Axis, count: &mut Option<(usize, &'a str)>) -> Result<(), Problem> {
    let n = match axis {
        Axis::Samples(_) => one.array.shape.first().copied().unwrap_or(1),
        Axis::Shared => return Ok(()),
    };
    let name = one.expect.name.as_str();
    match *count {
        Some((m, other)) if m != n => {
            let message = format!("`{other}` has {m} samples, but `{name}` has {n}");
            Err(Problem::new(codes::SAMPLES, message).help("the leading axis of every array counts samples"))
        }
        Some(_) => Ok(()),
        None => {
            *count = Some((n, name));
            Ok(())
        }
    }
}

fn fetch<'a>(source: &Source, expect: &'a [Expect]) -> Result<Vec<Fed<'a>>, Vec<Diagnostic>> {
    let mut file = File::open(source).map_err(|p| vec![p.at(source, source.span)])?;
    let mut fed = Vec::new();
    let mut problems = Vec::new();
    for expect in expect {
        let (names, span) = source.feeds(expect);
        let array = match names.as_slice() {
            [name] => file.array(name),
            names => Err(Problem::new(
                codes::RANK,
                format!("`{}` is fed by {} arrays; an input takes one", expect.name, names.len()),
            )),
        };
        match array.and_then(bounded) {
            Ok(array) => fed.push(Fed { expect, span, array }),
            Err(problem) => problems.push(problem.at(source, span)),
        }
    }
    if problems.is_empty() { Ok(fed) } else { Err(problems) }
}

/// An array that has entries, and not so many samples that counting them is a burden.
fn bounded(array: Array) -> Result<Array, Problem> {
    match array.shape.first() {
        Some(n) if *n > MOST_SAMPLES => Err(Problem::too_large(format!("the array has {n} samples"))),
        _ if array.buffer.is_empty() => {
            Err(Problem::new(codes::NO_SAMPLES, format!("the array is empty: its shape is {:?}", array.shape)))
        }
        Some(_) | None => Ok(array),
    }
}

/// Where arrays are taken from.
enum File {
    Npz(Archive),
    Safetensors(Vec<u8>),
    /// One array a file: the file, or the folder of the files that the names say.
    Single {
        path: PathBuf,
        read: fn(Vec<u8>) -> Result<Array, Problem>,
    },
}

impl File {
    fn open(source: &Source) -> Result<Self, Problem> {
        let single = |read| Self::Single { path: source.path.clone(), read };
        Ok(match source.reader {
            Reader::Npz => Self::Npz(Archive::open(bytes::read(&source.path)?)?),
            Reader::Safetensors => {
                let bytes = bytes::read(&source.path)?;
                tensors::open(&bytes)?;
                Self::Safetensors(bytes)
            }
            Reader::Npy => single(|bytes| npy::read(&mut bytes.as_slice())),
            Reader::Idx => single(idx::read),
            Reader::Csv => return Err(Problem::new(codes::OPTION, "a table holds no arrays")),
        })
    }

    fn array(&mut self, name: &str) -> Result<Array, Problem> {
        match self {
            Self::Npz(archive) => archive.array(name),
            Self::Safetensors(bytes) => tensors::array(&tensors::open(bytes)?, name),
            Self::Single { path, read } => {
                let path = if path.is_dir() { path.join(name) } else { path.clone() };
                read(bytes::read(&path)?)
            }
        }
    }
}

/// What the leading axis of an array is.
enum Axis {
    /// It counts samples; the shape of one.
    Samples(Vec<usize>),
    /// It belongs to the sample: all share the array.
    Shared,
}

fn sample_axis(fed: &Fed) -> Result<Axis, Problem> {
    let (declared, shape) = (fed.expect.shape.as_slice(), fed.array.shape.as_slice());
    let rest = shape.get(1..);
    let agrees = |sizes: &[usize]| {
        sizes.len() == declared.len() && sizes.iter().zip(declared).all(|(n, d)| !matches!(d, Size::Fixed(m) if m != n))
    };
    if let Some(rest) = rest.filter(|r| agrees(r)) {
        return Ok(Axis::Samples(rest.to_vec()));
    }
    if agrees(shape) {
        return Ok(Axis::Shared);
    }
    let fixed: Option<Vec<usize>> = declared.iter().map(fixed_size).collect();
    let product = |sizes: &[usize]| sizes.iter().try_fold(1_usize, |n, s| n.checked_mul(*s));
    if let Some(fixed) = fixed.filter(|f| rest.is_some_and(|r| product(r) == product(f))) {
        return Ok(Axis::Samples(fixed));
    }
    match rest {
        Some(rest) if rest.len() == declared.len() => Ok(Axis::Samples(rest.to_vec())),
        _ if shape.len() == declared.len() => Ok(Axis::Shared),
        Some(_) | None => {
            let (name, declared) = (&fed.expect.name, shape_text(declared));
            Err(Problem::new(codes::RANK, format!("`{name}` has the shape {declared}, but the array is {shape:?}"))
                .help("the array needs the axes of the declaration, and one before them that counts samples"))
        }
    }
}

fn fixed_size(size: &Size) -> Option<usize> {
    match size {
        Size::Fixed(n) => Some(*n),
        Size::Named(_) => None,
    }
}

fn raw(fed: Fed, axis: &Axis, samples: usize, window: Option<usize>) -> Raw {
    let (shape, shared) = match axis {
        Axis::Samples(shape) => (shape.clone(), false),
        Axis::Shared => (fed.array.shape, true),
    };
    let len = shape.first().copied().unwrap_or(1);
    let open = matches!(fed.expect.shape.first(), Some(Size::Named(_)));
    let mut raw = Raw {
        expect: fed.expect.clone(),
        span: fed.span,
        buffer: fed.array.buffer,
        trailing: shape.get(1..).unwrap_or(&[]).to_vec(),
        extents: (0..samples).map(|s| Extent { start: if shared { 0 } else { s * len }, len }).collect(),
        along: open || (window.is_some_and(|w| fed.expect.shape.first() == Some(&Size::Fixed(w)) && w != len)),
        lines: None,
    };
    if open {
        trim_padding(&mut raw);
    }
    raw
}

/// Leaves out rows of NaN at the end of samples, but never all rows: that is reported as a missing value.
fn trim_padding(raw: &mut Raw) {
    let width = raw.width();
    let gap = |buffer: &Buffer, row: usize| (row * width..(row + 1) * width).all(|i| buffer.get(i).is_nan());
    if matches!(raw.buffer, Buffer::U8(_)) {
        return;
    }
    for extent in &mut raw.extents {
        let filled = (0..extent.len).rev().find(|r| !gap(&raw.buffer, extent.start + r));
        extent.len = filled.map_or(extent.len, |last| last + 1);
    }
}
