//! Files that are whole or absent, whenever the process dies.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

/// Writes a file through `fill` to a temporary one in the same folder, syncs it and renames it to `path`.
///
/// # Errors
/// Those of the file system; `path` is then as it was.
pub(super) fn write(path: &Path, fill: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let folder = folder_of(path);
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    {
        // As any new file: readable by whom the umask says, not by the owner alone.
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    let mut unfinished = builder.prefix(".unfinished-").tempfile_in(folder)?;
    let mut buffered = BufWriter::new(unfinished.as_file_mut());
    fill(&mut buffered)?;
    buffered.flush()?;
    drop(buffered);
    unfinished.as_file().sync_all()?;
    unfinished.persist(path).map_err(|e| e.error)?;
    // The rename itself is durable once the folder is synced; some file systems refuse to open a folder for that.
    if let Ok(folder) = File::open(folder) {
        let _synced = folder.sync_all();
    }
    Ok(())
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Why a file could not be read or written, and what to do, in words.
pub(super) fn reason(path: &Path, error: &io::Error) -> (String, String) {
    let folder = folder_of(path).display();
    let help = match error.kind() {
        io::ErrorKind::NotFound => format!("check that `{folder}` exists and the name is right"),
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            format!("make `{folder}` and the file accessible, or choose another folder with `--out`")
        }
        io::ErrorKind::StorageFull => format!("free space in `{folder}`, or choose another folder with `--out`"),
        io::ErrorKind::IsADirectory => "move the folder away, or name another place".to_owned(),
        // Kinds of the system's errors are open-ended.
        _ => "choose another folder with `--out`".to_owned(),
    };
    let why = if error.kind() == io::ErrorKind::IsADirectory { "it is a folder".to_owned() } else { error.to_string() };
    (why, help)
}
