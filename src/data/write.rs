//! Results → CSV and NPZ files, whole or not at all.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::path::Path;

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::codes;
use crate::diag::Diagnostic;

/// Writes a file by writing a temporary one in the same folder and renaming it: a reader never sees half a file, and
/// a full disk leaves the old one alone.
///
/// # Errors
/// A diagnostic that says which file and why: no such folder, no permission, no space.
pub fn write_atomically(path: &Path, contents: &[u8]) -> Result<(), Diagnostic> {
    replace(path, contents).map_err(|e| {
        let help = match e.kind() {
            io::ErrorKind::NotFound => "the folder does not exist; make it first",
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                "choose a folder that may be written, with `--out`"
            }
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "free some space; the old file is untouched",
            io::ErrorKind::IsADirectory => "move the folder away, or choose another place with `--out`",
            _ => "choose another place with `--out`",
        };
        let why = if e.kind() == io::ErrorKind::IsADirectory { "it is a folder".to_owned() } else { e.to_string() };
        Diagnostic::global(codes::WRITE, format!("`{}` cannot be written: {why}", path.display())).help(help)
    })
}

fn replace(path: &Path, contents: &[u8]) -> io::Result<()> {
    let folder = match path.parent() {
        Some(p) if !p.as_os_str().is_empty() => p,
        Some(_) | None => Path::new("."),
    };
    let mut builder = tempfile::Builder::new();
    // Temporary files are private; a result is an ordinary file, as far as the umask lets it be.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let mut file = builder.tempfile_in(folder)?;
    file.write_all(contents)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}

/// Writes a table; numbers are the shortest text that reads back to the same bits.
///
/// # Errors
/// As [`write_atomically`].
pub fn write_csv(path: &Path, header: &[&str], rows: &[Vec<f64>]) -> Result<(), Diagnostic> {
    let mut text = header.iter().map(|h| quoted(h)).collect::<Vec<_>>().join(",");
    text.push('\n');
    for row in rows {
        for (i, value) in row.iter().enumerate() {
            let comma = if i == 0 { "" } else { "," };
            // Writing to a string cannot fail.
            let _ = if value.fract() == 0.0 && value.abs() < 1e15 {
                write!(text, "{comma}{value}")
            } else {
                write!(text, "{comma}{value:?}")
            };
        }
        text.push('\n');
    }
    write_atomically(path, text.as_bytes())
}

fn quoted(cell: &str) -> String {
    if cell.contains([',', '"', '\n', '\r']) { format!("\"{}\"", cell.replace('"', "\"\"")) } else { cell.to_owned() }
}

/// Writes arrays (name, shape, row-major numbers) as double precision; the same arrays give the same bytes.
///
/// # Errors
/// As [`write_atomically`]; also if a shape does not agree with its numbers.
pub fn write_npz(path: &Path, arrays: &[(&str, &[usize], &[f64])]) -> Result<(), Diagnostic> {
    for (name, shape, data) in arrays {
        if shape.iter().try_fold(1_usize, |n, s| n.checked_mul(*s)) != Some(data.len()) {
            let message = format!("array `{name}` of shape {shape:?} has {} numbers", data.len());
            return Err(Diagnostic::global(codes::WRITE, message));
        }
    }
    let bytes = archive(arrays)
        .map_err(|e| Diagnostic::global(codes::WRITE, format!("`{}` cannot be packed: {e}", path.display())))?;
    write_atomically(path, &bytes)
}

fn archive(arrays: &[(&str, &[usize], &[f64])]) -> zip::result::ZipResult<Vec<u8>> {
    let mut zip = ZipWriter::new(io::Cursor::new(Vec::new()));
    for (name, shape, data) in arrays {
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Deflated)
            .last_modified_time(zip::DateTime::default())
            .large_file(data.len() > 1 << 28);
        zip.start_file(format!("{name}.npy"), options)?;
        zip.write_all(&npy_header(shape))?;
        let bytes: Vec<u8> = data.iter().flat_map(|x| x.to_le_bytes()).collect();
        zip.write_all(&bytes)?;
    }
    Ok(zip.finish()?.into_inner())
}

/// Version 1.0 of the format, padded so that the numbers start at a multiple of 64 bytes.
fn npy_header(shape: &[usize]) -> Vec<u8> {
    let mut sizes = shape.iter().map(usize::to_string).collect::<Vec<_>>().join(", ");
    if shape.len() == 1 {
        sizes.push(',');
    }
    let mut text = format!("{{'descr': '<f8', 'fortran_order': False, 'shape': ({sizes}), }}");
    let used = 10 + text.len() + 1;
    text.push_str(&" ".repeat(used.next_multiple_of(64) - used));
    text.push('\n');
    let mut header = b"\x93NUMPY\x01\x00".to_vec();
    header.extend(u16::try_from(text.len()).unwrap_or(u16::MAX).to_le_bytes());
    header.extend(text.into_bytes());
    header
}
