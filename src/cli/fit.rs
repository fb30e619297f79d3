//! Trajectories of the states at top level, and the data that belong to them.

use super::args::ModelArgs;
use super::failed::Failed;
use super::figures;
use super::output::Console;
use super::run::solve;
use super::session::{Samples, Session};
use crate::check::NO_SPAN;
use crate::compile::Settings;
use crate::data::Dataset;
use crate::graph::{Leaf, Op};
use crate::lower::Lowered;
use crate::model::{Model, Number, SampleOutputs, unconstrain};
use std::path::{Path, PathBuf};

/// Times along a trajectory of a fit.
const POINTS: usize = 200;
/// Samples in a picture.
pub(super) const SHOWN: usize = 6;
/// A series of data belongs to a trajectory that explains more of it than its mean does.
const BELONGS: f64 = 1.0;

/// Loads a model with its trajectory, or without one where it does not say how far to solve.
pub(super) fn open(args: &ModelArgs, points: usize, console: Console) -> Result<Session, Failed> {
    match Session::open(args, Some(points), console) {
        Err(failed) if failed.problems.iter().all(|d| d.code == NO_SPAN) => Session::open(args, None, console),
        other => other,
    }
}

/// Which output is the time of the trajectory; the states and signals follow it.
pub(super) fn clock(lowered: &Lowered) -> Option<usize> {
    lowered.outputs.iter().rposition(|o| o.0 == "t")
}

/// One scalar along the trajectory.
struct Component {
    output: usize,
    offset: usize,
    width: usize,
}

/// Where the trajectory is among the outputs.
pub(super) struct Trajectory {
    clock: usize,
    components: Vec<Component>,
    /// A name for each component.
    pub names: Vec<String>,
    /// Components of states; those of signals follow.
    pub states: usize,
}

impl Trajectory {
    /// Finds it.
    pub fn of(lowered: &Lowered) -> Option<Self> {
        let clock = clock(lowered)?;
        let main = lowered.systems.iter().find(|s| s.name.is_empty())?;
        let mut found = Self { clock, components: Vec::new(), names: Vec::new(), states: 0 };
        for (output, (name, node)) in lowered.outputs.iter().enumerate().skip(clock + 1) {
            let shape = lowered.graph.shape(*node);
            let width: usize = shape.iter().skip(1).product();
            for offset in 0..width {
                found.components.push(Component { output, offset, width });
                found.names.push(if shape.len() < 2 { name.clone() } else { format!("{name}_{offset}") });
            }
            if output - clock <= main.states.len() {
                found.states += width;
            }
        }
        Some(found)
    }

    /// A component over time.
    pub fn series(&self, sample: &SampleOutputs, k: usize) -> Vec<[f64; 2]> {
        let Component { output, offset, width } = self.components[k];
        let (ts, values) = (&sample.values[self.clock], &sample.values[output]);
        ts.iter().zip(values.iter().skip(offset).step_by(width)).map(|(t, x)| [*t, *x]).collect()
    }

    /// sample, t, components …
    pub fn rows(&self, samples: &[SampleOutputs]) -> Vec<Vec<f64>> {
        let mut rows = Vec::new();
        for sample in samples {
            let columns: Vec<Vec<[f64; 2]>> = (0..self.names.len()).map(|k| self.series(sample, k)).collect();
            for (i, t) in sample.values[self.clock].iter().enumerate() {
                #[allow(clippy::cast_precision_loss, reason = "far below 2^52 samples")]
                let head = [sample.sample as f64, *t];
                rows.push(head.into_iter().chain(columns.iter().map(|c| c[i][1])).collect());
            }
        }
        rows
    }
}

/// A series of data.
pub(super) struct Observed {
    /// Its input, with the number of the column.
    pub name: String,
    /// `[t, x]`.
    pub points: Vec<[f64; 2]>,
    /// The component that it belongs to.
    pub component: Option<usize>,
}

/// The series of a sample: inputs as long as the times of the solution.
pub(super) fn observed(session: &Session, sample: usize) -> Vec<Observed> {
    let (Some(data), Some(time)) = (&session.loaded.data, time_input(session.lowered())) else { return Vec::new() };
    let inputs = &session.lowered().inputs;
    let ts = column(data, &inputs[time].name, sample);
    let mut found = Vec::new();
    for (_, input) in inputs.iter().enumerate().filter(|(i, _)| *i != time) {
        if input.shape.first() != inputs[time].shape.first() || input.class.is_some() {
            continue;
        }
        let width: usize = input.shape.iter().skip(1).product();
        let values = column(data, &input.name, sample);
        for offset in 0..width {
            let name = if input.shape.len() == 1 { input.name.clone() } else { format!("{}_{offset}", input.name) };
            let of_row = values.iter().skip(offset).step_by(width.max(1));
            let points = ts.iter().zip(of_row).map(|(t, x)| [*t, *x]).collect();
            found.push(Observed { name, points, component: None });
        }
    }
    found
}

/// A sample of an input, without padding.
fn column(data: &Dataset, name: &str, sample: usize) -> Vec<f64> {
    let mut values = Vec::new();
    if let Some(column) = data.column(name) {
        column.copy_sample(sample, &mut |_, x| values.push(x));
    }
    values
}

/// The input that says when: one that the span of the solve needs, else one that is named like a time.
fn time_input(lowered: &Lowered) -> Option<usize> {
    let main = lowered.systems.iter().find(|s| s.name.is_empty())?;
    let roots: Vec<_> = [main.span.0].into_iter().chain(main.span.1).collect();
    let vector = |i: usize| lowered.inputs.get(i).is_some_and(|x| x.shape.len() == 1);
    let used = lowered.graph.reachable(&roots).into_iter().find_map(|id| {
        let Op::Leaf(Leaf::Input(i)) = lowered.graph.node(id).op else { return None };
        Some(i as usize).filter(|i| vector(*i))
    });
    let named =
        |x: &crate::lower::Input| x.shape.len() == 1 && matches!(x.name.as_str(), "t" | "ts" | "time" | "times");
    used.or_else(|| lowered.inputs.iter().position(named))
}

/// Gives each series of data the component that it is nearest to, best pairs first. An equal name decides.
pub(super) fn assign(trajectory: &Trajectory, sample: &SampleOutputs, data: &mut [Observed]) {
    let mut pairs = Vec::new();
    for (i, series) in data.iter().enumerate() {
        for (k, name) in trajectory.names.iter().enumerate() {
            let same = *name == series.name;
            let error = if same { -1.0 } else { distance(&series.points, &trajectory.series(sample, k)) };
            pairs.push((error, i, k));
        }
    }
    pairs.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut taken = Vec::new();
    for (error, i, k) in pairs {
        if error < BELONGS && data[i].component.is_none() && !taken.contains(&k) {
            data[i].component = Some(k);
            taken.push(k);
        }
    }
}

/// Mean square of the residuals over the variance of the data.
fn distance(points: &[[f64; 2]], line: &[[f64; 2]]) -> f64 {
    #[allow(clippy::cast_precision_loss, reason = "far below 2^52 points")]
    let n = points.len().max(1) as f64;
    let mean = points.iter().map(|p| p[1]).sum::<f64>() / n;
    let spread = points.iter().map(|p| (p[1] - mean).powi(2)).sum::<f64>();
    let error: f64 = points.iter().map(|p| (p[1] - at(line, p[0])).powi(2)).sum();
    if error.is_finite() { error / spread.max(f64::MIN_POSITIVE) } else { f64::INFINITY }
}

/// A line at a time, interpolated.
fn at(line: &[[f64; 2]], t: f64) -> f64 {
    let next = line.partition_point(|p| p[0] < t).clamp(1, line.len().saturating_sub(1).max(1));
    match (line.get(next - 1), line.get(next)) {
        (Some(a), Some(b)) => a[1] + (b[1] - a[1]) * (t - a[0]) / (b[0] - a[0]),
        (Some(a), None) => a[1],
        (None, _) => f64::NAN,
    }
}

/// Draws trajectories over data, for models that have both.
pub(super) fn draw<T: Number>(
    args: &ModelArgs,
    natural: &[Vec<f64>],
    folder: &Path,
    console: Console,
) -> Result<Vec<PathBuf>, Failed> {
    // Everything has been said when the model was loaded for training.
    let session = open(args, POINTS, Console { quiet: true, ..console })?;
    let lowered = session.lowered();
    if Trajectory::of(lowered).is_none() || session.loaded.data.is_none() {
        return Ok(Vec::new());
    }
    let all = session.samples(None, Some(SHOWN))?;
    let samples = Samples { data: all.data, indices: all.indices };
    let settings = Settings { gradient: false, outputs: true, ..Settings::default() };
    let model: Model<T> = session.compile(lowered.clone(), samples.indices.len(), settings)?;
    let found = solve(&model, &unconstrain(&model.lowered, natural), &samples, session.seed);
    match figures::of_samples(&session, &model.lowered, &found.outputs) {
        Some(figure) => figures::write(folder, "fit", &figure),
        None => Ok(Vec::new()),
    }
}
