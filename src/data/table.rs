//! CSV text → named columns of numbers.

use super::codes;
use super::raw::{MOST_SAMPLES, Problem, listing};
use crate::diag::did_you_mean;

/// More bad cells than this are one problem, not many.
const MOST_BAD_CELLS: usize = 8;

/// A parsed table. Cells are kept as text ranges so that only the columns asked for are ever numbers.
pub(super) struct Table<'a> {
    text: &'a str,
    separator: u8,
    pub header: Vec<String>,
}

/// Some columns of a table.
pub(super) struct Cells {
    /// Row-major, one number for each column asked for.
    pub values: Vec<f64>,
    /// The text of the key column, if one was asked for.
    pub keys: Vec<String>,
    /// The line of the file of each row.
    pub lines: Vec<u64>,
}

impl<'a> Table<'a> {
    /// Reads the header.
    pub fn open(bytes: &'a [u8]) -> Result<Self, Problem> {
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let text = std::str::from_utf8(bytes).map_err(|e| not_utf8(bytes, e.valid_up_to()))?;
        if text.trim().is_empty() {
            return Err(Problem::new(codes::EMPTY, "the file has no text"));
        }
        let separator = separator(text);
        let mut reader = reader(text, separator);
        let record = reader.headers().map_err(|e| Problem::damaged(format!("the header cannot be read: {e}")))?;
        let header = record.iter().map(|f| f.trim().to_owned()).collect();
        Ok(Self { text, separator, header })
    }

    /// The number of a column.
    pub fn find(&self, name: &str) -> Result<usize, Problem> {
        if let Some(found) = self.header.iter().position(|h| h == name) {
            return Ok(found);
        }
        if self.header.iter().all(|h| h.parse::<f64>().is_ok()) {
            return Err(Problem::new(
                codes::NO_HEADER,
                format!("the first line is numbers; no column is called `{name}`"),
            )
            .help("add a first line that names the columns"));
        }
        let names = || self.header.iter().map(String::as_str);
        let problem = Problem::new(codes::NO_COLUMN, format!("there is no column `{name}`"));
        let same = names().find(|h| h.eq_ignore_ascii_case(name));
        Err(match same.or_else(|| did_you_mean(name, names())) {
            Some(near) => problem.help(format!("did you mean `{near}`? The columns are {}", listing(names()))),
            None => problem.help(format!("the columns are {}", listing(names()))),
        })
    }

    /// Reads the numbers of some columns and the text of one.
    pub fn cells(&self, columns: &[usize], key: Option<usize>) -> Result<Cells, Vec<Problem>> {
        let mut cells = Cells { values: Vec::new(), keys: Vec::new(), lines: Vec::new() };
        let mut problems = Vec::new();
        let mut reader = reader(self.text, self.separator);
        let mut record = csv::StringRecord::new();
        while problems.len() < MOST_BAD_CELLS {
            match reader.read_record(&mut record) {
                Ok(false) => break,
                Ok(true) if cells.lines.len() >= MOST_SAMPLES => {
                    problems.push(Problem::too_large("the table has more than 2^27 rows"));
                    break;
                }
                Ok(true) => self.row(&record, columns, key, &mut cells, &mut problems),
                Err(e) => {
                    problems.push(Problem::damaged(format!("a row cannot be read: {e}")));
                    break;
                }
            }
        }
        if problems.is_empty() { Ok(cells) } else { Err(problems) }
    }

    fn row(
        &self,
        record: &csv::StringRecord,
        columns: &[usize],
        key: Option<usize>,
        cells: &mut Cells,
        problems: &mut Vec<Problem>,
    ) {
        let line = record.position().map_or(0, csv::Position::line);
        if record.len() != self.header.len() {
            let (has, names) = (record.len(), self.header.len());
            problems.push(Problem::new(
                codes::ROW_LENGTH,
                format!("line {line} has {has} {}, the header names {names}", if has == 1 { "cell" } else { "cells" }),
            ));
            return;
        }
        for &column in columns {
            match number(record.get(column).unwrap_or("")) {
                Ok(value) => cells.values.push(value),
                Err(problem) => {
                    let name = self.header.get(column).map_or("", String::as_str);
                    problems.push(problem.of_cell(line, name));
                }
            }
        }
        cells.lines.push(line);
        cells.keys.extend(key.map(|k| record.get(k).unwrap_or("").trim().to_owned()));
    }
}

fn reader(text: &str, separator: u8) -> csv::Reader<&[u8]> {
    csv::ReaderBuilder::new().flexible(true).delimiter(separator).from_reader(text.as_bytes())
}

/// The separator that the header uses most.
fn separator(text: &str) -> u8 {
    let header = text.lines().find(|l| !l.trim().is_empty()).unwrap_or("");
    let count = |c: u8| header.bytes().filter(|b| *b == c).count();
    [b'\t', b';', b','].into_iter().max_by_key(|c| count(*c)).unwrap_or(b',')
}

fn not_utf8(bytes: &[u8], valid: usize) -> Problem {
    let before = bytes.get(..valid).unwrap_or(bytes);
    let line = 1 + before.split(|b| *b == b'\n').count().saturating_sub(1);
    Problem::new(codes::NOT_UTF8, format!("line {line} is not UTF-8 text"))
        .help("save the table as UTF-8; a binary file needs another reader: npz, npy, safetensors, idx")
}

/// What is wrong with a cell.
enum BadCell {
    Empty,
    NotFinite(String),
    Text(String),
}

impl BadCell {
    fn of_cell(self, line: u64, column: &str) -> Problem {
        let fill = "remove such rows, or fill the gaps, before the model sees them";
        match self {
            Self::Empty => {
                Problem::new(codes::NOT_FINITE, format!("column `{column}` is empty at line {line}")).help(fill)
            }
            Self::NotFinite(text) => {
                Problem::new(codes::NOT_FINITE, format!("column `{column}` is `{text}` at line {line}")).help(fill)
            }
            Self::Text(text) => {
                Problem::new(codes::NOT_A_NUMBER, format!("column `{column}` has text at line {line}: `{text}`"))
                    .help("numbers are written with a decimal point, like `0.5` or `1e-3`")
            }
        }
    }
}

fn number(cell: &str) -> Result<f64, BadCell> {
    const LONGEST: usize = 40;
    let cell = cell.trim();
    if cell.is_empty() {
        return Err(BadCell::Empty);
    }
    let text = || cell.chars().take(LONGEST).collect::<String>();
    match cell.parse::<f64>() {
        Ok(value) if value.is_finite() => Ok(value),
        Ok(_) => Err(BadCell::NotFinite(text())),
        Err(_) if ["na", "n/a", "null", "none", "."].contains(&cell.to_ascii_lowercase().as_str()) => {
            Err(BadCell::NotFinite(text()))
        }
        Err(_) => Err(BadCell::Text(text())),
    }
}
