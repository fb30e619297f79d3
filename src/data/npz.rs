//! `NumPy` arrays in a zip archive.

use std::io::Cursor;

use zip::ZipArchive;

use super::elements::Array;
use super::raw::{Problem, listing};
use super::{codes, npy};
use crate::diag::did_you_mean;

/// An open archive.
pub(super) struct Archive {
    zip: ZipArchive<Cursor<Vec<u8>>>,
}

impl Archive {
    /// Reads the directory.
    pub fn open(bytes: Vec<u8>) -> Result<Self, Problem> {
        let zip = ZipArchive::new(Cursor::new(bytes))
            .map_err(|e| Problem::damaged(format!("this is not an npz archive, or it is truncated: {e}")))?;
        Ok(Self { zip })
    }

    /// Reads an array by its name, with or without `.npy`.
    pub fn array(&mut self, name: &str) -> Result<Array, Problem> {
        let file = format!("{name}.npy");
        let index = self.zip.index_for_name(&file).or_else(|| self.zip.index_for_name(name));
        let Some(index) = index else {
            let files: Vec<_> = self.zip.file_names().flatten().collect();
            return Err(no_array(name, files.iter().map(|f| f.strip_suffix(".npy").unwrap_or(f))));
        };
        let mut entry = self
            .zip
            .by_index(index)
            .map_err(|e| Problem::damaged(format!("the array `{name}` cannot be unpacked: {e}")))?;
        npy::read(&mut entry).map_err(|p| Problem { message: format!("`{name}`: {}", p.message), ..p })
    }
}

/// The message for a name that is not among those of the file.
pub(super) fn no_array<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> Problem {
    let mut names: Vec<&str> = names.collect();
    names.sort_unstable();
    let problem = Problem::new(codes::NO_ARRAY, format!("there is no array `{name}`"));
    match did_you_mean(name, names.iter().copied()) {
        Some(near) => problem.help(format!("did you mean `{near}`? The arrays are {}", listing(names))),
        None if names.is_empty() => problem.help("the file holds no arrays"),
        None => problem.help(format!("the arrays are {}", listing(names))),
    }
}
