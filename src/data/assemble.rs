//! Raw columns → checked samples: values, sizes, windows.

use super::dataset::{Buffer, Column, Dataset, DimSize, Extent, Origin};
use super::raw::{Problem, Raw};
use super::{Size, Source, codes};
use crate::diag::Diagnostic;

/// Checks the columns against the declarations and freezes them.
pub(super) fn assemble(source: &Source, mut raws: Vec<Raw>) -> Result<Dataset, Vec<Diagnostic>> {
    if raws.first().is_none_or(|r| r.extents.is_empty()) {
        let message = if raws.is_empty() { "the model has no input for this data" } else { "there are no samples" };
        return Err(vec![Problem::new(codes::NO_SAMPLES, message).at(source, source.span)]);
    }
    let bad: Vec<Diagnostic> = raws.iter().filter_map(|raw| check_values(source, raw)).collect();
    if !bad.is_empty() {
        return Err(bad);
    }
    let origin = match source.window {
        Some(window) => Some(cut_windows(source, &mut raws, window).map_err(|p| vec![p])?),
        None => None,
    };
    let dims = Dims::bind(source, &raws)?;
    let len = raws.first().map_or(0, |r| r.extents.len());
    let columns = raws.into_iter().map(column).collect();
    Ok(Dataset { len, columns, dims: dims.sizes(), origin: origin.map(Into::into) })
}

fn column(raw: Raw) -> Column {
    let longest = raw.extents.iter().map(|e| e.len).max().unwrap_or(0);
    let mut shape = raw.trailing.clone();
    if !raw.expect.shape.is_empty() {
        shape.insert(0, longest);
    }
    Column { width: raw.width(), name: raw.expect.name, shape, buffer: raw.buffer, extents: raw.extents.into() }
}

/// Finite everywhere a sample looks, and class labels in range.
fn check_values(source: &Source, raw: &Raw) -> Option<Diagnostic> {
    let bytes = matches!(raw.buffer, Buffer::U8(_));
    if bytes && raw.expect.class.is_none() {
        return None;
    }
    let width = raw.width();
    let positions = raw.extents.iter().flat_map(|e| e.start * width..(e.start + e.len) * width);
    for position in positions {
        if let Some(problem) = check_value(raw, position) {
            return Some(problem.at(source, raw.span).label(raw.expect.span, "declared here"));
        }
    }
    None
}

fn check_value(raw: &Raw, position: usize) -> Option<Problem> {
    let value = raw.buffer.get(position);
    let name = &raw.expect.name;
    if !value.is_finite() {
        let message = format!("`{name}` is {value} at {}", raw.place(position));
        return Some(Problem::new(codes::NOT_FINITE, message).help("remove such samples, or fill the gaps"));
    }
    let classes = raw.expect.class?;
    #[allow(clippy::cast_precision_loss, reason = "a number of classes is far below 2^53")]
    let fits = value.fract() == 0.0 && value >= 0.0 && value < classes as f64;
    let message =
        || format!("`{name}` is {value} at {}, not a class from 0 to {}", raw.place(position), classes.max(1) - 1);
    (!fits).then(|| Problem::new(codes::LABEL, message()).help("classes are counted from 0"))
}

/// Replaces samples by their overlapping windows.
fn cut_windows(source: &Source, raws: &mut [Raw], window: usize) -> Result<Vec<Origin>, Diagnostic> {
    let fail = |code, message: String| Err(Problem::new(code, message).at(source, source.span));
    let Some(first) = raws.iter().find(|r| r.along) else {
        return fail(codes::OPTION, "`window` needs an input along a trajectory, like `y: [T]`".into());
    };
    if window == 0 {
        return fail(codes::WINDOW, "a window of no rows".into());
    }
    let lengths: Vec<usize> = first.extents.iter().map(|e| e.len).collect();
    for raw in raws.iter().filter(|r| r.along) {
        let differs = raw.extents.iter().zip(&lengths).position(|(e, n)| e.len != *n);
        if let Some(s) = differs {
            let (a, b) = (&first.expect.name, &raw.expect.name);
            let (n, m) = (lengths[s], raw.extents[s].len);
            return fail(codes::SIZE, format!("`{a}` has {n} rows in sample {s}, but `{b}` has {m}"));
        }
    }
    if let Some(short) = lengths.iter().position(|n| *n < window) {
        let n = lengths[short];
        return fail(codes::WINDOW, format!("a window of {window} rows, but trajectory {short} has only {n}"));
    }
    let origin: Vec<Origin> = lengths
        .iter()
        .enumerate()
        .flat_map(|(trajectory, n)| {
            let starts = (0..=n - window).step_by(source.stride.max(1));
            starts.map(move |start| Origin { trajectory, start, len: window })
        })
        .collect();
    for raw in raws {
        let cut = |o: &Origin| {
            let whole = raw.extents[o.trajectory];
            if raw.along { Extent { start: whole.start + o.start, len: window } } else { whole }
        };
        raw.extents = origin.iter().map(cut).collect();
    }
    Ok(origin)
}

/// What a named size turned out to be, and where.
struct Bound {
    name: String,
    /// The input that said it first.
    input: String,
    /// One for each sample.
    sizes: Vec<usize>,
}

/// The named sizes, in the order of their first use.
struct Dims(Vec<Bound>);

impl Dims {
    fn bind(source: &Source, raws: &[Raw]) -> Result<Self, Vec<Diagnostic>> {
        let mut dims = Self(Vec::new());
        let mut problems = Vec::new();
        for raw in raws {
            if let Err(problem) = dims.column(raw) {
                problems.push(problem.at(source, raw.span).label(raw.expect.span, "declared here"));
            }
        }
        if problems.is_empty() { Ok(dims) } else { Err(problems) }
    }

    fn column(&mut self, raw: &Raw) -> Result<(), Problem> {
        let Some((leading, rest)) = raw.expect.shape.split_first() else { return Ok(()) };
        let lengths = || raw.extents.iter().map(|e| e.len);
        match leading {
            Size::Fixed(n) => fixed_lengths(raw, *n)?,
            Size::Named(name) => self.named(raw, name, lengths().collect())?,
        }
        for (axis, (declared, actual)) in rest.iter().zip(&raw.trailing).enumerate() {
            match declared {
                Size::Fixed(n) if n == actual => {}
                Size::Fixed(n) => return Err(contradiction(raw, axis + 1, *n, *actual)),
                Size::Named(name) => self.inner(raw, name, *actual)?,
            }
        }
        Ok(())
    }

    /// A size after the leading one is the same in all samples.
    fn inner(&mut self, raw: &Raw, name: &str, size: usize) -> Result<(), Problem> {
        let bound = self.0.iter().find(|b| b.name == name);
        if bound.is_some_and(|b| b.sizes.iter().any(|s| Some(s) != b.sizes.first())) {
            let input = &raw.expect.name;
            let message = format!("`{name}` varies between samples, but inside `{input}` it must be fixed");
            return Err(Problem::new(codes::RAGGED, message).help("only the leading size of an input may vary"));
        }
        self.named(raw, name, vec![size; raw.extents.len()])
    }

    fn named(&mut self, raw: &Raw, name: &str, sizes: Vec<usize>) -> Result<(), Problem> {
        let input = raw.expect.name.clone();
        let Some(bound) = self.0.iter().find(|b| b.name == name) else {
            self.0.push(Bound { name: name.to_owned(), input, sizes });
            return Ok(());
        };
        let Some(sample) = bound.sizes.iter().zip(&sizes).position(|(a, b)| a != b) else { return Ok(()) };
        let (a, b, other) = (bound.sizes[sample], sizes[sample], &bound.input);
        let message = format!("`{name}` is {a} in `{other}`, but {b} in `{input}` (sample {sample})");
        Err(Problem::new(codes::SIZE, message).help("give the two inputs dims of their own, or mend the data"))
    }

    fn sizes(self) -> Vec<(String, DimSize)> {
        let size = |sizes: &[usize]| match (sizes.iter().min(), sizes.iter().max()) {
            (Some(min), Some(max)) if min != max => DimSize::Ragged { max: *max },
            (_, max) => DimSize::Fixed(max.copied().unwrap_or(0)),
        };
        self.0.into_iter().map(|b| (b.name, size(&b.sizes))).collect()
    }
}

fn fixed_lengths(raw: &Raw, declared: usize) -> Result<(), Problem> {
    let Some(sample) = raw.extents.iter().position(|e| e.len != declared) else { return Ok(()) };
    let len = raw.extents[sample].len;
    let Some(other) = raw.extents.iter().position(|e| e.len != len) else {
        return Err(contradiction(raw, 0, declared, len));
    };
    let name = &raw.expect.name;
    let (a, b) = (raw.extents[0].len, raw.extents[if sample == 0 { other } else { sample }].len);
    let message = format!("the length of `{name}` is declared as {declared}, but varies: {a} in sample 0, {b} later");
    Err(Problem::new(codes::RAGGED, message).help("declare a size without a value, `dim T`, and use it here"))
}

fn contradiction(raw: &Raw, axis: usize, declared: usize, actual: usize) -> Problem {
    let name = &raw.expect.name;
    let message = format!("axis {axis} of `{name}` is declared as {declared}, but the data has {actual}");
    Problem::new(codes::SIZE, message)
        .help(format!("declare {actual}, or a `dim` without a value to take the size from the data"))
}
