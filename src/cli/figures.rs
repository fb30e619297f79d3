//! Pictures: the loss over the steps, trajectories with their data, phase portraits.

use super::codes;
use super::failed::Failed;
use super::fit::{SHOWN, Trajectory, assign, observed};
use super::session::Session;
use crate::data::write_atomically;
use crate::diag::Diagnostic;
use crate::lower::Lowered;
use crate::model::{Evaluated, Model, Number, SampleOutputs};
use crate::plot::{self, Figure, Panel, PlotError, Series, Style};
use std::path::{Path, PathBuf};

/// Components of a trajectory in a picture.
const COMPONENTS: usize = 8;
/// Points of a loss curve.
const CURVE: usize = 4000;

/// Writes a picture as SVG and PNG.
pub(super) fn write(folder: &Path, stem: &str, figure: &Figure) -> Result<Vec<PathBuf>, Failed> {
    let refused = |e: PlotError| Failed::from(Diagnostic::global(codes::PICTURE, format!("`{stem}`: {e}")));
    let (svg, png) = (folder.join(format!("{stem}.svg")), folder.join(format!("{stem}.png")));
    write_atomically(&svg, plot::svg(figure).map_err(refused)?.as_bytes())?;
    write_atomically(&png, &plot::png(figure).map_err(refused)?)?;
    Ok(vec![svg, png])
}

/// The loss curve of a history, those of the runs that it resumes included.
pub(super) fn loss(folder: &Path, history: &Path) -> Result<Vec<PathBuf>, Failed> {
    let (mut train, mut validation) = (Vec::new(), Vec::new());
    let unreadable = |e: csv::Error| {
        let message = format!("cannot read the history `{}`: {e}", history.display());
        Failed::from(Diagnostic::global(codes::PICTURE, message))
    };
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_path(history).map_err(unreadable)?;
    for row in reader.records() {
        let row = row.map_err(unreadable)?;
        let cell = |k: usize| row.get(k).and_then(|c| c.parse::<f64>().ok());
        let Some(step) = cell(0) else { continue };
        train.extend(cell(2).map(|x| [step, x]));
        validation.extend(cell(3).map(|x| [step, x]));
    }
    if train.is_empty() {
        return Ok(Vec::new());
    }
    let all = || train.iter().chain(&validation).map(|p| p[1]);
    let (low, high) = all().fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), x| (l.min(x), h.max(x)));
    let mut series = vec![line(if validation.is_empty() { "" } else { "training" }, thin(&train), 0)];
    if !validation.is_empty() {
        series.push(line("validation", thin(&validation), 1));
    }
    let panel = Panel::Lines {
        title: String::new(),
        x_label: "step".into(),
        y_label: "loss".into(),
        // Decades only where they show more.
        log_y: low > 0.0 && high > 20.0 * low,
        series,
    };
    write(folder, "loss", &Figure { title: String::new(), panels: vec![panel] })
}

/// At most [`CURVE`] points.
fn thin(points: &[[f64; 2]]) -> Vec<[f64; 2]> {
    let every = points.len().div_ceil(CURVE).max(1);
    points.iter().enumerate().filter(|(i, _)| i % every == 0 || i + 1 == points.len()).map(|(_, p)| *p).collect()
}

fn line(name: &str, points: Vec<[f64; 2]>, colour: usize) -> Series {
    Series { name: name.into(), points, style: Style::Line, colour }
}

/// Draws what `run` solved.
pub(super) fn trajectories<T: Number>(
    folder: &Path,
    session: &Session,
    model: &Model<T>,
    found: &Evaluated,
) -> Result<Vec<PathBuf>, Failed> {
    match of_samples(session, &model.lowered, &found.outputs) {
        Some(figure) => write(folder, "trajectory", &figure),
        None => Ok(Vec::new()),
    }
}

/// One panel a sample, and a phase portrait where there are two states.
pub(super) fn of_samples(session: &Session, lowered: &Lowered, samples: &[SampleOutputs]) -> Option<Figure> {
    let trajectory = Trajectory::of(lowered)?;
    let samples = &samples[..samples.len().min(SHOWN)];
    let first = samples.first()?;
    let mut owners = observed(session, first.sample);
    assign(&trajectory, first, &mut owners);
    let owners: Vec<Option<usize>> = owners.into_iter().map(|o| o.component).collect();
    let several = samples.len() > 1;
    let mut panels = Vec::new();
    for sample in samples {
        let title = if several { format!("sample {}", sample.sample) } else { String::new() };
        panels.push(over_time(session, &trajectory, sample, &owners, title));
    }
    if trajectory.states == 2 {
        panels.push(phase(session, &trajectory, samples, &owners));
    }
    Some(Figure { title: lowered.name.clone(), panels })
}

/// Lines for the components (those that data belong to, if there are any), points for the data.
fn over_time(
    session: &Session,
    trajectory: &Trajectory,
    sample: &SampleOutputs,
    owners: &[Option<usize>],
    title: String,
) -> Panel {
    let matched = owners.iter().any(Option::is_some);
    let shown: Vec<usize> = (0..trajectory.names.len())
        .filter(|k| if matched { owners.contains(&Some(*k)) } else { *k < trajectory.states })
        .take(COMPONENTS)
        .collect();
    let mut series = Vec::new();
    for (colour, &k) in shown.iter().enumerate() {
        series.push(line(&trajectory.names[k], trajectory.series(sample, k), colour));
    }
    for (data, owner) in observed(session, sample.sample).into_iter().zip(owners) {
        let place = owner.and_then(|k| shown.iter().position(|s| *s == k));
        // Data that belong to nothing would only stretch the axes.
        let Some(colour) = place.or(if matched { None } else { Some(shown.len()) }) else { continue };
        let name = if trajectory.names.contains(&data.name) { format!("{} (data)", data.name) } else { data.name };
        series.push(Series { name, points: data.points, style: Style::Points, colour });
    }
    Panel::Lines { title, x_label: "t".into(), y_label: String::new(), log_y: false, series }
}

fn phase(session: &Session, trajectory: &Trajectory, samples: &[SampleOutputs], owners: &[Option<usize>]) -> Panel {
    let pair = |a: &[[f64; 2]], b: &[[f64; 2]]| a.iter().zip(b).map(|(a, b)| [a[1], b[1]]).collect::<Vec<_>>();
    let mut series = Vec::new();
    for (colour, sample) in samples.iter().enumerate() {
        let name = if samples.len() > 1 { format!("sample {}", sample.sample) } else { String::new() };
        series.push(line(&name, pair(&trajectory.series(sample, 0), &trajectory.series(sample, 1)), colour));
        let place = |k: usize| owners.iter().position(|o| *o == Some(k));
        if let (Some(x), Some(y)) = (place(0), place(1)) {
            let data = observed(session, sample.sample);
            let points = pair(&data[x].points, &data[y].points);
            series.push(Series { name: String::new(), points, style: Style::Points, colour });
        }
    }
    let (x_label, y_label) = (trajectory.names[0].clone(), trajectory.names[1].clone());
    Panel::Phase { title: "phase portrait".into(), x_label, y_label, series }
}
