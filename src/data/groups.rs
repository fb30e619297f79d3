//! A table of text → raw columns: rows as samples, one trajectory, or trajectories told apart by a column.

use std::collections::HashMap;
use std::sync::Arc;

use super::dataset::{Buffer, Extent};
use super::raw::{Problem, Raw};
use super::table::{Cells, Table};
use super::{Expect, Size, Source, bytes, codes};
use crate::diag::{Diagnostic, Span};

/// An input and the columns of the table that feed it.
struct Feed<'a> {
    expect: &'a Expect,
    names: Vec<String>,
    columns: Vec<usize>,
    span: Span,
}

/// Rows of the table that belong to one trajectory.
struct Group {
    rows: Vec<usize>,
}

/// Reads the table that `source` names.
pub(super) fn read(source: &Source, expect: &[Expect]) -> Result<Vec<Raw>, Vec<Diagnostic>> {
    let whole = |p: Problem| vec![p.at(source, source.span)];
    let bytes = bytes::read(&source.path).map_err(whole)?;
    let table = Table::open(&bytes).map_err(whole)?;
    let feeds = find_columns(source, expect, &table)?;
    let key = find_key(source, &table)?;
    let mut wanted: Vec<usize> = feeds.iter().flat_map(|f| f.columns.iter().copied()).collect();
    wanted.sort_unstable();
    wanted.dedup();
    let cells = table
        .cells(&wanted, key)
        .map_err(|problems| problems.into_iter().map(|p| p.at(source, source.span)).collect::<Vec<_>>())?;
    if cells.lines.is_empty() {
        return Err(whole(Problem::new(codes::NO_SAMPLES, "the table has a header and no rows")));
    }
    let layout = Layout { source, cells: &cells, wanted: &wanted, lines: Arc::new(cells.lines.clone()) };
    if source.rows || rows_are_samples(source, &feeds) {
        layout.rows(&feeds)
    } else {
        layout.trajectories(&feeds, &group(&cells))
    }
}

fn find_columns<'a>(source: &Source, expect: &'a [Expect], table: &Table) -> Result<Vec<Feed<'a>>, Vec<Diagnostic>> {
    let mut feeds = Vec::new();
    let mut problems = Vec::new();
    for expect in expect {
        let (names, span) = source.feeds(expect);
        let mut columns = Vec::new();
        for name in &names {
            match table.find(name) {
                Ok(column) => columns.push(column),
                Err(problem) => problems.push(problem.at(source, span)),
            }
        }
        feeds.push(Feed { expect, names, columns, span });
    }
    if problems.is_empty() { Ok(feeds) } else { Err(problems) }
}

fn find_key(source: &Source, table: &Table) -> Result<Option<usize>, Vec<Diagnostic>> {
    let Some(by) = &source.by else { return Ok(None) };
    let conflict = |other: &str| {
        Err(vec![
            Diagnostic::error(codes::OPTION, source.span, format!("`by` and {other} exclude each other"))
                .help("`by` joins rows to trajectories; leave out one of the two"),
        ])
    };
    if source.rows {
        return conflict("`sample = \"row\"`");
    }
    match table.find(by) {
        Ok(column) => Ok(Some(column)),
        Err(problem) => {
            let code = if problem.code == codes::NO_COLUMN { codes::NO_BY } else { problem.code };
            Err(vec![Problem { code, ..problem }.at(source, source.span)])
        }
    }
}

/// Without a size to take from the data, an input that a single row fills is a sample of one row.
fn rows_are_samples(source: &Source, feeds: &[Feed]) -> bool {
    let fixed = |f: &Feed| f.expect.shape.iter().all(|s| matches!(s, Size::Fixed(_)));
    let filled = |f: &Feed| resolve(&f.expect.shape, f.columns.len()).is_some();
    source.by.is_none() && source.window.is_none() && feeds.iter().all(|f| fixed(f) && filled(f))
}

/// Sizes whose product is `count`; at most one of them is taken from the data.
fn resolve(shape: &[Size], count: usize) -> Option<Vec<usize>> {
    let mut known: usize = 1;
    let mut open = 0;
    for size in shape {
        match size {
            Size::Fixed(n) => known = known.checked_mul(*n)?,
            Size::Named(_) => open += 1,
        }
    }
    let rest = if known > 0 && count.is_multiple_of(known) { count / known } else { return None };
    let fits = if open == 0 { rest == 1 } else { open == 1 && rest > 0 };
    let size = |s: &Size| match s {
        Size::Fixed(n) => *n,
        Size::Named(_) => rest,
    };
    fits.then(|| shape.iter().map(size).collect())
}

/// Rows by key, in the order of first appearance; one group without a key.
fn group(cells: &Cells) -> Vec<Group> {
    if cells.keys.is_empty() {
        return vec![Group { rows: (0..cells.lines.len()).collect() }];
    }
    let mut groups: Vec<Group> = Vec::new();
    let mut known: HashMap<&str, usize> = HashMap::new();
    for (row, key) in cells.keys.iter().enumerate() {
        let group = *known.entry(key).or_insert_with(|| {
            groups.push(Group { rows: Vec::new() });
            groups.len() - 1
        });
        groups[group].rows.push(row);
    }
    groups
}

struct Layout<'a> {
    source: &'a Source,
    cells: &'a Cells,
    /// The columns in `cells`, ascending.
    wanted: &'a [usize],
    lines: Arc<Vec<u64>>,
}

impl Layout<'_> {
    fn value(&self, row: usize, column: usize) -> f64 {
        let place = self.wanted.partition_point(|w| *w < column);
        self.cells.values.get(row * self.wanted.len() + place).copied().unwrap_or(f64::NAN)
    }

    fn line(&self, row: usize) -> u64 {
        self.lines.get(row).copied().unwrap_or(0)
    }

    fn gather(&self, rows: impl Iterator<Item = usize>, columns: &[usize]) -> Buffer {
        let values = rows.flat_map(|r| columns.iter().map(move |c| self.value(r, *c))).collect();
        Buffer::F64(Arc::new(values))
    }

    /// Each row is a sample.
    fn rows(&self, feeds: &[Feed]) -> Result<Vec<Raw>, Vec<Diagnostic>> {
        let count = self.lines.len();
        each(feeds, |feed| {
            let Some(shape) = resolve(&feed.expect.shape, feed.columns.len()) else { return Err(self.misfit(feed)) };
            let len = shape.first().copied().unwrap_or(1);
            Ok(Raw {
                expect: feed.expect.clone(),
                span: feed.span,
                buffer: self.gather(0..count, &feed.columns),
                trailing: shape.get(1..).unwrap_or(&[]).to_vec(),
                extents: (0..count).map(|row| Extent { start: row * len, len }).collect(),
                along: false,
                lines: Some((Arc::clone(&self.lines), feed.columns.len())),
            })
        })
    }

    /// Each group of rows is a sample.
    fn trajectories(&self, feeds: &[Feed], groups: &[Group]) -> Result<Vec<Raw>, Vec<Diagnostic>> {
        let order: Vec<usize> = groups.iter().flat_map(|g| g.rows.iter().copied()).collect();
        let lines = Arc::new(order.iter().map(|r| self.line(*r)).collect::<Vec<_>>());
        let mut start = 0;
        let mut extents = Vec::with_capacity(groups.len());
        for group in groups {
            extents.push(Extent { start, len: group.rows.len() });
            start += group.rows.len();
        }
        each(feeds, |feed| match role(feed) {
            Role::Along(trailing) => Ok(Raw {
                expect: feed.expect.clone(),
                span: feed.span,
                buffer: self.gather(order.iter().copied(), &feed.columns),
                trailing,
                extents: extents.clone(),
                along: true,
                lines: Some((Arc::clone(&lines), feed.columns.len())),
            }),
            Role::Constant(shape) => self.constant(feed, groups, &shape),
            Role::Misfit => Err(self.misfit(feed)),
        })
    }

    /// An input that is the same at every row of a group.
    fn constant(&self, feed: &Feed, groups: &[Group], shape: &[usize]) -> Result<Raw, Diagnostic> {
        for group in groups {
            self.check_constant(feed, group)?;
        }
        let firsts: Vec<usize> = groups.iter().filter_map(|g| g.rows.first().copied()).collect();
        let len = shape.first().copied().unwrap_or(1);
        Ok(Raw {
            expect: feed.expect.clone(),
            span: feed.span,
            buffer: self.gather(firsts.iter().copied(), &feed.columns),
            trailing: shape.get(1..).unwrap_or(&[]).to_vec(),
            extents: (0..groups.len()).map(|g| Extent { start: g * len, len }).collect(),
            along: false,
            lines: Some((Arc::new(firsts.iter().map(|r| self.line(*r)).collect()), feed.columns.len())),
        })
    }

    #[allow(clippy::float_cmp, reason = "constant means the same number, written the same way")]
    fn check_constant(&self, feed: &Feed, group: &Group) -> Result<(), Diagnostic> {
        let Some(&first) = group.rows.first() else { return Ok(()) };
        for (&column, name) in feed.columns.iter().zip(&feed.names) {
            let value = self.value(first, column);
            let Some(&other) = group.rows.iter().find(|r| self.value(**r, column) != value) else { continue };
            let whose = match (&self.source.by, self.cells.keys.get(first)) {
                (Some(by), Some(key)) => format!(" where `{by}` is `{key}`"),
                (Some(_) | None, _) => String::new(),
            };
            let input = &feed.expect.name;
            let (a, b) = (self.line(first), self.line(other));
            let other = self.value(other, column);
            let problem = Problem::new(
                codes::NOT_CONSTANT,
                format!(
                    "`{input}` is one value a sample, but column `{name}` varies{whose}: {value} at line {a}, \
                     {other} at line {b}"
                ),
            )
            .help(if self.source.by.is_some() {
                format!("declare `input {input}: [T]` if it changes along the trajectory")
            } else {
                "write `sample = \"row\"` if each row is a sample, or `by = \"column\"` to tell trajectories apart"
                    .into()
            });
            return Err(problem.at(self.source, feed.span).label(feed.expect.span, "declared here"));
        }
        Ok(())
    }

    fn misfit(&self, feed: &Feed) -> Diagnostic {
        let (name, n) = (&feed.expect.name, feed.columns.len());
        let shape = super::raw::shape_text(&feed.expect.shape);
        let columns = if n == 1 { "column" } else { "columns" };
        Problem::new(codes::RANK, format!("`{name}` has the shape {shape}, which {n} {columns} cannot fill"))
            .help(
                "along a trajectory `[T]` is one column and `[T, 2]` two; \
                 for a value a sample `[]` is one column and `[2]` two",
            )
            .at(self.source, feed.span)
            .label(feed.expect.span, "declared here")
    }
}

/// What the columns of an input are in a trajectory.
enum Role {
    /// A row of the table is an entry of the leading axis; the sizes after it.
    Along(Vec<usize>),
    /// One value a trajectory, of this shape.
    Constant(Vec<usize>),
    /// The number of columns fits neither.
    Misfit,
}

fn role(feed: &Feed) -> Role {
    let (shape, count) = (&feed.expect.shape, feed.columns.len());
    let fixed = shape.iter().all(|s| matches!(s, Size::Fixed(_)));
    if let Some(shape) = resolve(shape, count).filter(|_| fixed) {
        return Role::Constant(shape);
    }
    match shape.get(1..).and_then(|rest| resolve(rest, count)) {
        Some(trailing) => Role::Along(trailing),
        None => Role::Misfit,
    }
}

/// Every result, or every problem.
fn each(feeds: &[Feed], make: impl Fn(&Feed) -> Result<Raw, Diagnostic>) -> Result<Vec<Raw>, Vec<Diagnostic>> {
    let mut raws = Vec::new();
    let mut problems = Vec::new();
    for feed in feeds {
        match make(feed) {
            Ok(raw) => raws.push(raw),
            Err(problem) => problems.push(problem),
        }
    }
    if problems.is_empty() { Ok(raws) } else { Err(problems) }
}
