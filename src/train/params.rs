//! Natural parameters (in their domains) as safetensors files, which other programs read and write too.

use std::io;
use std::path::Path;

use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensorError, SafeTensors};
use serde_json::{Map, Value, json};

use super::atomic;
use crate::diag::{Diagnostic, did_you_mean};

/// How numbers are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precision {
    /// 4 bytes, rounded.
    F32,
    /// 8 bytes.
    F64,
}

impl Precision {
    fn bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F64 => 8,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::F32 => "F32",
            Self::F64 => "F64",
        }
    }
}

/// Writes tensors (name, shape, row-major values), atomically and with the same bytes for the same content.
///
/// # Errors
/// `N0618` a shape and its values do not agree, `N0619` the file cannot be written.
pub fn save(
    path: &Path,
    tensors: &[(&str, &[usize], &[f64])],
    precision: Precision,
    metadata: &[(&str, &str)],
) -> Result<(), Diagnostic> {
    for (name, shape, values) in tensors {
        if product(shape) != Some(values.len()) {
            let problem = Diagnostic::global("N0618", format!("the values of `{name}` do not fill its shape"));
            return Err(problem.note(format!("shape {shape:?}, number of values: {}", values.len())));
        }
    }
    let header = header(tensors, precision, metadata);
    atomic::write(path, |file| {
        file.write_all(&(header.len() as u64).to_le_bytes())?;
        file.write_all(header.as_bytes())?;
        tensors.iter().flat_map(|t| t.2).try_for_each(|x| put(file, *x, precision))
    })
    .map_err(|e| {
        let (why, help) = atomic::reason(path, &e);
        Diagnostic::global("N0619", format!("cannot write the parameters `{}`: {why}", path.display())).help(help)
    })
}

/// The header by hand and not by the crate, whose order of the metadata is random.
fn header(tensors: &[(&str, &[usize], &[f64])], precision: Precision, metadata: &[(&str, &str)]) -> String {
    let mut entries = Map::new();
    if !metadata.is_empty() {
        let texts: Map<String, Value> = metadata.iter().map(|(k, v)| ((*k).to_owned(), json!(v))).collect();
        entries.insert("__metadata__".to_owned(), Value::Object(texts));
    }
    let mut start = 0;
    for (name, shape, values) in tensors {
        let end = start + values.len() * precision.bytes();
        let entry = json!({"dtype": precision.name(), "shape": shape, "data_offsets": [start, end]});
        entries.insert((*name).to_owned(), entry);
        start = end;
    }
    let mut text = Value::Object(entries).to_string();
    // The format wants the data aligned to 8 bytes, by spaces at the end of the header.
    text.extend(std::iter::repeat_n(' ', text.len().next_multiple_of(8) - text.len()));
    text
}

#[allow(clippy::cast_possible_truncation, reason = "rounding to f32 is what was asked for")]
fn put(file: &mut dyn io::Write, x: f64, precision: Precision) -> io::Result<()> {
    match precision {
        Precision::F32 => file.write_all(&(x as f32).to_le_bytes()),
        Precision::F64 => file.write_all(&x.to_le_bytes()),
    }
}

/// Reads the tensors of the expected names and shapes, in that order, from F64, F32, F16 or BF16.
///
/// # Errors
/// `N0610` unreadable, `N0611` truncated, `N0612` not a safetensors file, `N0613` a tensor is missing, `N0614` a
/// tensor the model has not, `N0615` wrong shape, `N0616` a number that is not finite, `N0617` a type of numbers that
/// is not read.
pub fn load(path: &Path, expected: &[(&str, &[usize])]) -> Result<Vec<Vec<f64>>, Diagnostic> {
    read(path, expected, true)
}

/// The same for a direction in the space of parameters: it is 0 along those that the file has not.
///
/// # Errors
/// Those of [`load`] but `N0613`.
pub fn load_direction(path: &Path, expected: &[(&str, &[usize])]) -> Result<Vec<Vec<f64>>, Diagnostic> {
    read(path, expected, false)
}

fn read(path: &Path, expected: &[(&str, &[usize])], complete: bool) -> Result<Vec<Vec<f64>>, Diagnostic> {
    let shown = path.display();
    let bytes = std::fs::read(path).map_err(|e| {
        let (why, help) = atomic::reason(path, &e);
        Diagnostic::global("N0610", format!("cannot read the parameters `{shown}`: {why}")).help(help)
    })?;
    let file = SafeTensors::deserialize(&bytes).map_err(|e| unreadable(path, &bytes, &e))?;
    let mut names: Vec<&str> = file.names();
    names.sort_unstable();
    check_names(path, &names, expected, complete)?;
    expected
        .iter()
        .map(|(name, shape)| {
            if !names.contains(name) {
                return Ok(vec![0.0; shape.iter().product()]);
            }
            let tensor = file.tensor(name).map_err(|e| unreadable(path, &bytes, &e))?;
            if tensor.shape() != *shape {
                let message =
                    format!("`{name}` has the shape {:?} in `{shown}`, {shape:?} in the model", tensor.shape());
                let help = "train again, or give the dimensions of the model the values they had then";
                return Err(Diagnostic::global("N0615", message).help(help));
            }
            numbers(path, name, &tensor)
        })
        .collect()
}

/// Truncated, or something else altogether.
fn unreadable(path: &Path, bytes: &[u8], error: &SafeTensorError) -> Diagnostic {
    let shown = path.display();
    let head = bytes.first_chunk::<8>().map(|n| u64::from_le_bytes(*n));
    let in_header =
        head.is_some_and(|n| n < 100_000_000 && bytes.len() as u64 - 8 < n && bytes.get(8).is_none_or(|b| *b == b'{'));
    let in_data = matches!(error, SafeTensorError::MetadataIncompleteBuffer);
    if bytes.len() < 8 || in_header || in_data {
        return Diagnostic::global("N0611", format!("the parameters `{shown}` are truncated or have the wrong length"))
            .note(error.to_string())
            .help("copy the file again, or train again");
    }
    Diagnostic::global("N0612", format!("`{shown}` is not a safetensors file"))
        .note(error.to_string())
        .help("give the file that `train` wrote, or one in the safetensors format")
}

fn check_names(path: &Path, names: &[&str], expected: &[(&str, &[usize])], complete: bool) -> Result<(), Diagnostic> {
    let shown = path.display();
    let unexpected: Vec<&str> = names.iter().copied().filter(|n| expected.iter().all(|(e, _)| e != n)).collect();
    let missing: Vec<&str> = expected.iter().map(|(e, _)| *e).filter(|e| complete && !names.contains(e)).collect();
    let listed = |names: &[&str]| names.iter().map(|n| format!("`{n}`")).collect::<Vec<_>>().join(", ");
    let mut problem = if let Some(first) = missing.first() {
        let mut problem = Diagnostic::global("N0613", format!("the parameters `{shown}` lack {}", listed(&missing)));
        if let Some(meant) = did_you_mean(first, unexpected.iter().copied()) {
            problem = problem.help(format!("is `{meant}` in the file the model's `{first}`?"));
        }
        problem
    } else if let Some(first) = unexpected.first() {
        let message = format!("the model has no parameter {}, which `{shown}` holds", listed(&unexpected));
        let mut problem = Diagnostic::global("N0614", message);
        if let Some(meant) = did_you_mean(first, expected.iter().map(|(e, _)| *e)) {
            problem = problem.help(format!("did you mean `{meant}`?"));
        }
        problem
    } else {
        return Ok(());
    };
    problem = problem.note(format!("the file holds {}", listed(names)));
    let names: Vec<&str> = expected.iter().map(|(e, _)| *e).collect();
    Err(problem.note(format!("the model has {}", listed(&names))))
}

/// The values as f64, each of which must be finite.
fn numbers(path: &Path, name: &str, tensor: &TensorView<'_>) -> Result<Vec<f64>, Diagnostic> {
    let data = tensor.data();
    let values: Vec<f64> = match tensor.dtype() {
        Dtype::F64 => data.as_chunks::<8>().0.iter().map(|b| f64::from_le_bytes(*b)).collect(),
        Dtype::F32 => data.as_chunks::<4>().0.iter().map(|b| f64::from(f32::from_le_bytes(*b))).collect(),
        Dtype::F16 => data.as_chunks::<2>().0.iter().map(|b| from_half(u16::from_le_bytes(*b))).collect(),
        Dtype::BF16 => data.as_chunks::<2>().0.iter().map(|b| from_bfloat(u16::from_le_bytes(*b))).collect(),
        // The types of another crate, which grow with it.
        other => {
            let message = format!("`{name}` in `{}` has numbers of type {other}", path.display());
            return Err(Diagnostic::global("N0617", message).help("write it as F64, F32, F16 or BF16"));
        }
    };
    match values.iter().position(|x| !x.is_finite()) {
        None => Ok(values),
        Some(i) => {
            let message = format!("entry {i} of `{name}` in `{}` is {}", path.display(), values[i]);
            Err(Diagnostic::global("N0616", message).help("the training that wrote it has diverged: train again"))
        }
    }
}

/// IEEE 754 binary16: 1 sign, 5 exponent, 10 fraction bits.
fn from_half(bits: u16) -> f64 {
    let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
    let (exponent, fraction) = (i32::from(bits >> 10 & 31), f64::from(bits & 1023));
    sign * match exponent {
        0 => fraction * 2.0_f64.powi(-24),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        e => (1.0 + fraction / 1024.0) * 2.0_f64.powi(e - 15),
    }
}

/// The upper half of a binary32.
fn from_bfloat(bits: u16) -> f64 {
    f64::from(f32::from_bits(u32::from(bits) << 16))
}

fn product(shape: &[usize]) -> Option<usize> {
    shape.iter().try_fold(1_usize, |n, d| n.checked_mul(*d))
}
