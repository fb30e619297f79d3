//! A file as bytes, unpacked if it is gzip, never more than [`MOST_BYTES`].

use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;

use super::codes;
use super::raw::{Problem, listing};
use crate::diag::did_you_mean;

/// The most that one file may unpack to: data is held in memory.
pub(super) const MOST_BYTES: u64 = 4 << 30;

/// Reads a file whole. Gzip is told by its first bytes, not by the name.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, Problem> {
    let file = File::open(path).map_err(|e| cannot_open(path, &e))?;
    if file.metadata().is_ok_and(|m| m.is_dir()) {
        return Err(Problem::new(codes::UNREADABLE, "this is a folder, not a file"));
    }
    let mut packed = BufReader::new(file);
    let gzip = io::BufRead::fill_buf(&mut packed).is_ok_and(|b| b.starts_with(&[0x1f, 0x8b]));
    let bytes = if gzip { bounded(MultiGzDecoder::new(packed), true)? } else { bounded(packed, false)? };
    if bytes.is_empty() {
        return Err(Problem::new(codes::EMPTY, "the file is empty"));
    }
    Ok(bytes)
}

fn bounded(reader: impl Read, gzip: bool) -> Result<Vec<u8>, Problem> {
    let mut bytes = Vec::new();
    // One byte more than allowed tells "too large" from "just fits".
    let result = reader.take(MOST_BYTES + 1).read_to_end(&mut bytes);
    match result {
        Err(e) if gzip => Err(Problem::damaged(format!("the gzip data is truncated or damaged: {e}"))),
        Err(e) => Err(Problem::new(codes::UNREADABLE, format!("the file cannot be read: {e}"))),
        Ok(n) if n as u64 > MOST_BYTES => Err(Problem::too_large("the file holds more than 4 GiB")),
        Ok(_) => Ok(bytes),
    }
}

fn cannot_open(path: &Path, error: &io::Error) -> Problem {
    if error.kind() != io::ErrorKind::NotFound {
        return Problem::new(codes::UNREADABLE, format!("the file cannot be opened: {error}"));
    }
    let problem = Problem::new(codes::NOT_FOUND, format!("there is no file `{}`", path.display()));
    let folder = match path.parent() {
        Some(p) if !p.as_os_str().is_empty() => p,
        Some(_) | None => Path::new("."),
    };
    let Ok(entries) = fs::read_dir(folder) else {
        return problem.help(format!("the folder `{}` does not exist either", folder.display()));
    };
    let mut names: Vec<String> = entries.flatten().filter_map(|e| e.file_name().into_string().ok()).collect();
    names.sort();
    let wanted = path.file_name().map(|n| n.to_string_lossy()).unwrap_or_default();
    match did_you_mean(&wanted, names.iter().map(String::as_str)) {
        Some(near) => problem.help(format!("did you mean `{}`?", folder.join(near).display())),
        None if names.is_empty() => problem.help(format!("the folder `{}` is empty", folder.display())),
        None => problem.help(format!("that folder has {}", listing(names.iter().map(String::as_str)))),
    }
}
