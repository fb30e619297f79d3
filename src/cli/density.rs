//! The density of a flow: minus the loss over the plane, where a sample is a point of the plane and nothing else.
//!
//! The point is either the only input of the model or a value that is made from noise alone. In both cases the model's
//! text is changed so that a grid of points feeds it, and the changed model is evaluated point by point.

use super::args::ModelArgs;
use super::codes;
use super::failed::Failed;
use super::figures;
use super::output::Console;
use super::session::{Session, request};
use crate::check::{ExprId, Kind, Program};
use crate::compile::Settings;
use crate::data::write_csv;
use crate::diag::{Diagnostic, Span};
use crate::load;
use crate::model::{Batch, Model, Number, unconstrain};
use crate::plot::{Figure, Panel};
use crate::syntax::ast::{Item, ItemKind};
use std::path::{Path, PathBuf};

/// Cells along each axis.
const CELLS: usize = 80;
/// Samples drawn over the density.
const POINTS: usize = 1000;

/// Where the points come from.
struct Plane {
    /// The input or `let` that is a point.
    name: String,
    /// Some points.
    points: Vec<[f64; 2]>,
}

/// Draws the density, where the loss can be one.
pub(super) fn draw<T: Number>(
    args: &ModelArgs,
    session: &Session,
    natural: &[Vec<f64>],
    folder: &Path,
    console: Console,
) -> Result<Vec<PathBuf>, Failed> {
    if session.lowered().loss.is_none() {
        return Ok(Vec::new());
    }
    let Some(plane) = plane::<T>(args, session, natural)? else { return Ok(Vec::new()) };
    let (x_range, y_range) = (range(&plane.points, 0), range(&plane.points, 1));
    let Some(values) = evaluate::<T>(args, session, natural, &plane.name, [x_range, y_range])? else {
        console.note("note: no density is drawn: the model cannot be fed with points of the plane");
        return Ok(Vec::new());
    };
    let panel = Panel::Density {
        title: "minus the loss of a point".into(),
        x_label: format!("{}_0", plane.name),
        y_label: format!("{}_1", plane.name),
        x_range,
        y_range,
        nx: CELLS,
        ny: CELLS,
        values,
        points: plane.points,
    };
    figures::write(folder, "density", &Figure { title: session.lowered().name.clone(), panels: vec![panel] })
}

fn plane<T: Number>(args: &ModelArgs, session: &Session, natural: &[Vec<f64>]) -> Result<Option<Plane>, Failed> {
    let (program, lowered) = (&session.loaded.program, session.lowered());
    if let ([input], Some(data)) = (lowered.inputs.as_slice(), &session.loaded.data) {
        if input.shape != [2] || !lowered.noises.is_empty() {
            return Ok(None);
        }
        let mut points = vec![[0.0; 2]; data.len.min(POINTS)];
        for (sample, point) in points.iter_mut().enumerate() {
            if let Some(column) = data.column(&input.name) {
                column.fill(sample, point);
            }
        }
        return Ok(Some(Plane { name: input.name.clone(), points }));
    }
    let point = program.lets.iter().find(|l| program.ty(l.value).shape() == [2] && of_noise(program, l.value));
    let Some(point) = point.filter(|_| lowered.inputs.is_empty()) else { return Ok(None) };
    let points = draws::<T>(args, session, natural, &point.name)?;
    Ok(points.map(|points| Plane { name: point.name.clone(), points }))
}

/// Whether a value needs noise and nothing else that varies.
fn of_noise(program: &Program, id: ExprId) -> bool {
    let (mut rest, mut seen, mut noisy) = (vec![id], vec![false; program.exprs.len()], false);
    while let Some(id) = rest.pop() {
        if std::mem::replace(&mut seen[id.index()], true) {
            continue;
        }
        let expr = program.expr(id);
        noisy |= matches!(expr.kind, Kind::Noise(_));
        if matches!(
            expr.kind,
            Kind::Param(_) | Kind::Input(_) | Kind::State { .. } | Kind::Time(_) | Kind::Sample { .. }
        ) {
            return false;
        }
        rest.extend(expr.kind.operands());
    }
    noisy
}

/// Samples of the model's own points: the changed model has them as its only output.
fn draws<T: Number>(
    args: &ModelArgs,
    session: &Session,
    natural: &[Vec<f64>],
    name: &str,
) -> Result<Option<Vec<[f64; 2]>>, Failed> {
    let text = format!("{}\noutput point_of_the_plane = {name}\n", text_of(session));
    let folder = tempfile::tempdir().map_err(|e| cannot(&e))?;
    let path = folder.path().join("model.node");
    std::fs::write(&path, text).map_err(|e| cannot(&e))?;
    let Ok(loaded) = load::load(&load::Request { path, ..request(args, None) }) else { return Ok(None) };
    let mut lowered = loaded.lowered;
    lowered.outputs.retain(|o| o.0 == "point_of_the_plane");
    let settings = Settings { gradient: false, outputs: true, ..Settings::default() };
    let model: Model<T> = session.compile(lowered, POINTS, settings)?;
    let Some(entry) = &model.outputs else { return Ok(None) };
    let samples: Vec<usize> = (0..POINTS).collect();
    let batch = Batch { data: None, samples: &samples, seed: session.seed, step: 0 };
    let found = model.evaluate(entry, &unconstrain(&model.lowered, natural), &batch);
    Ok(Some(
        found.outputs.iter().filter_map(|o| Some([*o.values.first()?.first()?, *o.values.first()?.get(1)?])).collect(),
    ))
}

fn text_of(session: &Session) -> String {
    let file = session.loaded.file.items.first().map_or_else(Default::default, |i| i.span.file);
    session.loaded.sources.text(file).to_owned()
}

/// No temporary file. The error of the system names a random path, its kind does not.
fn cannot(error: &std::io::Error) -> Failed {
    let folder = std::env::temp_dir();
    let why = format!("`{}`, where temporary files go, cannot be used: {}", folder.display(), error.kind());
    Diagnostic::global(codes::PICTURE, format!("`density` cannot be drawn: {why}"))
        .help("name a folder that may be written in `TMPDIR`, or leave the pictures out with `--no-plots`")
        .into()
}

/// Minus the loss in the middle of every cell.
fn evaluate<T: Number>(
    args: &ModelArgs,
    session: &Session,
    natural: &[Vec<f64>],
    name: &str,
    [x, y]: [[f64; 2]; 2],
) -> Result<Option<Vec<f64>>, Failed> {
    let folder = tempfile::tempdir().map_err(|e| cannot(&e))?;
    #[allow(clippy::cast_precision_loss, reason = "some hundred cells")]
    let middle = |range: [f64; 2], i: usize| range[0] + (range[1] - range[0]) * (i as f64 + 0.5) / CELLS as f64;
    let rows: Vec<Vec<f64>> = (0..CELLS * CELLS).map(|k| vec![middle(x, k % CELLS), middle(y, k / CELLS)]).collect();
    write_csv(&folder.path().join("grid.csv"), &["x", "y"], &rows)?;
    let path = folder.path().join("model.node");
    std::fs::write(&path, fed_by_grid(session, name)).map_err(|e| cannot(&e))?;
    let Ok(loaded) = load::load(&load::Request { path, data: None, ..request(args, None) }) else { return Ok(None) };
    let mut lowered = loaded.lowered;
    let Some(loss) = lowered.loss else { return Ok(None) };
    lowered.outputs = vec![("loss".to_owned(), loss)];
    let settings = Settings { gradient: false, outputs: true, ..Settings::default() };
    let model: Model<T> = session.compile(lowered, rows.len(), settings)?;
    let samples: Vec<usize> = (0..rows.len()).collect();
    let batch = Batch { data: loaded.data.as_ref(), samples: &samples, seed: session.seed, step: 0 };
    let Some(entry) = &model.outputs else { return Ok(None) };
    let found = model.evaluate(entry, &unconstrain(&model.lowered, natural), &batch);
    let mut values = vec![f64::NAN; rows.len()];
    for output in &found.outputs {
        values[output.sample] = -output.values.first().and_then(|v| v.first()).copied().unwrap_or(f64::NAN);
    }
    Ok(Some(values))
}

/// The model's text with the point as an input that the grid feeds; data and outputs are left out.
fn fed_by_grid(session: &Session, name: &str) -> String {
    let replaced = |item: &Item| -> Option<String> {
        match &item.kind {
            ItemKind::Input { name: n, .. } if n.text == name => Some(format!("input {name}: [2]")),
            ItemKind::Let { name: n, .. } if n.text == name => Some(format!("input {name}: [2]")),
            ItemKind::Data { .. } | ItemKind::Output { .. } | ItemKind::Metric { .. } => Some(String::new()),
            _ => None,
        }
    };
    let mut text = text_of(session);
    let mut edits: Vec<(Span, String)> =
        session.loaded.file.items.iter().filter_map(|i| Some((i.span, replaced(i)?))).collect();
    edits.sort_by_key(|e| std::cmp::Reverse(e.0.start));
    for (span, new) in edits {
        text.replace_range(span.start as usize..span.end as usize, &new);
    }
    text.push_str(&format!("\ndata csv(\"grid.csv\", {name} = [\"x\", \"y\"])\n"));
    text
}

/// The range of the points, with a margin.
fn range(points: &[[f64; 2]], axis: usize) -> [f64; 2] {
    let (low, high) = points
        .iter()
        .map(|p| p[axis])
        .filter(|x| x.is_finite())
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), x| (l.min(x), h.max(x)));
    let margin = 0.15 * (high - low).max(1e-6);
    if low <= high { [low - margin, high + margin] } else { [-1.0, 1.0] }
}
