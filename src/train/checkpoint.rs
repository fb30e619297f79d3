//! Checkpoint files: the state of a run with the fingerprint of the model and the options it belongs to.
//!
//! Little-endian: magic (8 bytes), version, length of the payload, FNV-1a checksum of the payload (8 bytes each),
//! payload. Written to a temporary file and renamed, so that a kill at any moment leaves the last whole checkpoint.

use std::path::Path;

use super::atomic;
use super::spec::TrainSpec;
use super::state::{Bytes, State, put, put_text};
use crate::diag::Diagnostic;

const MAGIC: [u8; 8] = *b"PULLBCKP";
const VERSION: u64 = 1;
const HEADER: usize = 32;

/// FNV-1a (Fowler, Noll and Vo) of 64 bits: for checksums and fingerprints, against accidents and not malice.
pub fn fingerprint(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xCBF2_9CE4_8422_2325, |h: u64, b| (h ^ u64::from(*b)).wrapping_mul(0x0100_0000_01B3))
}

/// Writes a checkpoint. `model` is a fingerprint of what the parameters mean.
///
/// # Errors
/// `N0607`: the file cannot be written; an earlier checkpoint is then untouched.
pub fn save(path: &Path, state: &State, spec: &TrainSpec, model: u64) -> Result<(), Diagnostic> {
    let mut payload = Vec::with_capacity(64 + 16 * state.params.len());
    put(&mut payload, model);
    let identity = spec.identity();
    put(&mut payload, identity.len() as u64);
    for (name, value) in &identity {
        put_text(&mut payload, name);
        put_text(&mut payload, value);
    }
    state.encode(&mut payload);
    let mut header = MAGIC.to_vec();
    for word in [VERSION, payload.len() as u64, fingerprint(&payload)] {
        put(&mut header, word);
    }
    atomic::write(path, |file| {
        file.write_all(&header)?;
        file.write_all(&payload)
    })
    .map_err(|e| {
        let (why, help) = atomic::reason(path, &e);
        Diagnostic::global("N0607", format!("cannot write the checkpoint `{}`: {why}", path.display())).help(help)
    })
}

/// Reads the checkpoint of a run of the same model with the same options and `len` parameters.
///
/// # Errors
/// `N0601` not a checkpoint, `N0602` truncated, `N0603` of another version, `N0604` corrupt, `N0605` of another
/// model, `N0606` of other options, `N0608` unreadable.
pub fn load(path: &Path, spec: &TrainSpec, model: u64, len: usize) -> Result<State, Diagnostic> {
    let shown = path.display();
    let bytes = std::fs::read(path).map_err(|e| {
        let (why, help) = atomic::reason(path, &e);
        Diagnostic::global("N0608", format!("cannot read the checkpoint `{shown}`: {why}")).help(help)
    })?;
    let mut payload = Bytes(unwrap_payload(&bytes, path)?);
    let corrupt = || afresh(Diagnostic::global("N0604", format!("the checkpoint `{shown}` is corrupt")));
    let of_model = payload.word().ok_or_else(corrupt)?;
    let identity = payload.list(|b| Some((b.text()?, b.text()?))).ok_or_else(corrupt)?;
    if of_model != model {
        let message = format!("the checkpoint `{shown}` is of another model");
        return Err(afresh(Diagnostic::global("N0605", message).note("the model changed since it was written")));
    }
    compare(path, &identity, &spec.identity())?;
    let state = State::decode(&mut payload).filter(|_| payload.0.is_empty()).ok_or_else(corrupt)?;
    if state.fits(spec.optimizer.kind, len) { Ok(state) } else { Err(corrupt()) }
}

fn afresh(diagnostic: Diagnostic) -> Diagnostic {
    diagnostic.help("delete the file to train afresh, or write to another folder with `--out`")
}

/// The payload, once the header holds.
fn unwrap_payload<'a>(bytes: &'a [u8], path: &Path) -> Result<&'a [u8], Diagnostic> {
    let shown = path.display();
    let truncated = || {
        let message = format!("the checkpoint `{shown}` is truncated");
        afresh(Diagnostic::global("N0602", message).note(format!("{} bytes are left of it", bytes.len())))
    };
    let magic = bytes.get(..MAGIC.len());
    if magic != Some(&MAGIC[..]) {
        let cut = MAGIC.starts_with(bytes);
        let foreign = Diagnostic::global("N0601", format!("`{shown}` is not a checkpoint"));
        return Err(if cut {
            truncated()
        } else {
            foreign.help("move it away to train afresh, or write to another folder with `--out`")
        });
    }
    let mut header = Bytes(&bytes[MAGIC.len()..]);
    let version = header.word().ok_or_else(truncated)?;
    if version != VERSION {
        let message = format!("the checkpoint `{shown}` has version {version}, this program reads {VERSION}");
        return Err(afresh(Diagnostic::global("N0603", message)));
    }
    let (length, checksum) = (header.word().ok_or_else(truncated)?, header.word().ok_or_else(truncated)?);
    let payload = &bytes[HEADER..];
    if (payload.len() as u64) < length {
        return Err(truncated());
    }
    if payload.len() as u64 != length || fingerprint(payload) != checksum {
        let corrupt = Diagnostic::global("N0604", format!("the checkpoint `{shown}` is corrupt"));
        return Err(afresh(corrupt.note("its checksum does not match its content")));
    }
    Ok(payload)
}

/// The options must be the same; says which are not.
fn compare(path: &Path, then: &[(String, String)], now: &[(String, String)]) -> Result<(), Diagnostic> {
    let value = |rows: &[(String, String)], name: &str| {
        rows.iter().find(|(n, _)| n == name).map_or("not given".to_owned(), |(_, v)| v.clone())
    };
    let mut names: Vec<&String> = now.iter().map(|(n, _)| n).collect();
    names.extend(then.iter().map(|(n, _)| n).filter(|n| now.iter().all(|(m, _)| m != *n)));
    let mut diagnostic =
        Diagnostic::global("N0606", format!("the checkpoint `{}` was written with other options", path.display()));
    for name in names {
        let (then, now) = (value(then, name), value(now, name));
        if then != now {
            diagnostic = diagnostic.note(format!("{name}: {then} when it was written, {now} now"));
        }
    }
    if diagnostic.notes.is_empty() { Ok(()) } else { Err(afresh(diagnostic)) }
}
