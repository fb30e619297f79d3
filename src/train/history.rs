//! The history of a run as a CSV file: one row a step.
//!
//! Columns: `step, epoch, loss, validation_loss, METRIC…, validation_METRIC…, lr, gradient_norm, seconds, dropped`.
//! Empty cells where there was no validation.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use super::atomic;
use super::objective::Evaluation;
use super::observe::StepRecord;
use crate::diag::Diagnostic;

/// An open history.
pub struct History {
    path: PathBuf,
    writer: csv::Writer<BufWriter<File>>,
    metrics: Option<Vec<String>>,
}

impl History {
    /// An empty history.
    ///
    /// # Errors
    /// `N0620`: the file cannot be written.
    pub fn create(path: &Path) -> Result<Self, Diagnostic> {
        File::create(path).map(|file| Self::new(path, file, None)).map_err(|e| unwritable(path, &e))
    }

    /// The history of the first `steps` steps: what a run that was killed wrote after its last checkpoint, a row that
    /// is cut off included, is taken away. A new one where there is none.
    ///
    /// # Errors
    /// `N0620`: the file cannot be read or written. `N0621`: it is not a history.
    pub fn resume(path: &Path, steps: u64) -> Result<Self, Diagnostic> {
        let bytes = match std::fs::read(path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Self::create(path),
            Err(e) => return Err(unwritable(path, &e)),
            Ok(bytes) if bytes.is_empty() => return Self::create(path),
            Ok(bytes) => bytes,
        };
        let foreign = || {
            let message = format!("`{}` is not a training history", path.display());
            Diagnostic::global("N0621", message).help("move it away, or write to another folder with `--out`")
        };
        let (length, columns) = kept(&bytes, steps).ok_or_else(foreign)?;
        if length == 0 {
            return Self::create(path);
        }
        let metrics = metrics_of(&columns).ok_or_else(foreign)?;
        let mut file = OpenOptions::new().write(true).open(path).map_err(|e| unwritable(path, &e))?;
        let end = file.set_len(length as u64).and_then(|()| file.seek(SeekFrom::End(0)));
        end.map_err(|e| unwritable(path, &e))?;
        Ok(Self::new(path, file, Some(metrics)))
    }

    fn new(path: &Path, file: File, metrics: Option<Vec<String>>) -> Self {
        let writer = csv::WriterBuilder::new().flexible(true).from_writer(BufWriter::new(file));
        Self { path: path.to_owned(), writer, metrics }
    }

    /// Adds the row of a step. The first one decides which metrics there are.
    ///
    /// # Errors
    /// `N0620`: the file cannot be written.
    pub fn append(&mut self, record: &StepRecord, validation: Option<&Evaluation>) -> Result<(), Diagnostic> {
        if self.metrics.is_none() {
            let names: Vec<String> = record.metrics.iter().map(|(n, _)| n.clone()).collect();
            self.row(&header(&names))?;
            self.metrics = Some(names);
        }
        let cell = |value: Option<f64>| value.map_or(String::new(), |v| v.to_string());
        let find = |from: &[(String, f64)], name: &String| from.iter().find(|(n, _)| n == name).map(|(_, v)| *v);
        let mut row = vec![record.step.to_string(), record.epoch.to_string(), record.loss.to_string()];
        row.push(cell(validation.map(|v| v.loss)));
        let names = self.metrics.as_deref().unwrap_or_default();
        row.extend(names.iter().map(|n| cell(find(&record.metrics, n))));
        row.extend(names.iter().map(|n| cell(validation.and_then(|v| find(&v.metrics, n)))));
        row.extend([record.lr, record.gradient_norm].map(|x| x.to_string()));
        row.extend([format!("{:.3}", record.seconds), record.dropped.len().to_string()]);
        self.row(&row)
    }

    fn row(&mut self, row: &[String]) -> Result<(), Diagnostic> {
        self.writer.write_record(row).map_err(|e| unwritable(&self.path, &io::Error::other(e)))
    }

    /// Puts the rows on disk; to be done before the checkpoint of the same step.
    ///
    /// # Errors
    /// `N0620`: the file cannot be written.
    pub fn flush(&mut self) -> Result<(), Diagnostic> {
        let flushed = self.writer.flush().and_then(|()| self.writer.get_ref().get_ref().sync_data());
        flushed.map_err(|e| unwritable(&self.path, &e))
    }
}

fn header(metrics: &[String]) -> Vec<String> {
    let mut columns: Vec<String> = ["step", "epoch", "loss", "validation_loss"].map(str::to_owned).to_vec();
    columns.extend(metrics.iter().cloned());
    columns.extend(metrics.iter().map(|n| format!("validation_{n}")));
    columns.extend(["lr", "gradient_norm", "seconds", "dropped"].map(str::to_owned));
    columns
}

/// The metrics of a header; `None` where it is not one of ours.
fn metrics_of(columns: &[String]) -> Option<Vec<String>> {
    let both = columns.len().checked_sub(8)?;
    let metrics = columns.get(4..4 + both / 2)?.to_vec();
    (header(&metrics) == columns).then_some(metrics)
}

/// How many bytes the header and the whole rows of the first `steps` steps take (0 where the header is cut off), and
/// the header. `None` where a row is malformed.
fn kept(bytes: &[u8], steps: u64) -> Option<(usize, Vec<String>)> {
    let whole = bytes.iter().rposition(|b| *b == b'\n').map_or(0, |i| i + 1);
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(&bytes[..whole]);
    let (mut length, mut columns, mut row) = (0, Vec::new(), csv::StringRecord::new());
    while reader.read_record(&mut row).ok()? {
        if columns.is_empty() {
            columns = row.iter().map(str::to_owned).collect();
        } else if row.len() != columns.len() || row.get(0)?.parse::<u64>().ok()? > steps {
            break;
        }
        length = usize::try_from(reader.position().byte()).ok()?;
    }
    Some((length, columns))
}

fn unwritable(path: &Path, error: &io::Error) -> Diagnostic {
    let (why, help) = atomic::reason(path, error);
    Diagnostic::global("N0620", format!("cannot write the history `{}`: {why}", path.display())).help(help)
}
