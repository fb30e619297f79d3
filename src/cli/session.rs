//! A model file with the flags that every command shares → a loaded model, its parameters and its samples.

use super::args::{ModelArgs, Split};
use super::codes;
use super::failed::{Exit, Failed};
use super::output::{Console, count};
use crate::compile::{self, Settings};
use crate::data::Dataset;
use crate::diag::{Diagnostic, did_you_mean};
use crate::load::{self, Loaded, Request};
use crate::lower::{Lowered, Param};
use crate::model::{Evaluated, Model, Number, initial};
use crate::syntax::ast::ItemKind;
use crate::train::params;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Draws of noise where neither the model nor the command line says how many.
pub(super) const DRAWS: usize = 128;

/// A model that is ready to compile.
pub(super) struct Session {
    /// The model.
    pub loaded: Loaded,
    /// Natural values of the parameters.
    pub natural: Vec<Vec<f64>>,
    /// Seed of everything random.
    pub seed: u64,
    /// Worker threads.
    pub threads: usize,
    /// Seconds from text (and data) to graph.
    pub load_seconds: f64,
}

/// Samples of a batch.
pub(super) struct Samples<'a> {
    /// Where they come from; `None` for noise.
    pub data: Option<&'a Dataset>,
    /// Their numbers.
    pub indices: Vec<usize>,
}

impl Session {
    /// Loads a model with its data, warns, and reads or draws its parameters.
    pub fn open(args: &ModelArgs, trajectory: Option<usize>, console: Console) -> Result<Self, Failed> {
        let started = Instant::now();
        let loaded = load::load(&request(args, trajectory))?;
        let load_seconds = started.elapsed().as_secs_f64();
        check_settings(&loaded, &args.set)?;
        console.warn(&loaded.warnings, &loaded.sources);
        let seed = args.seed.or(loaded.lowered.train.as_ref().map(|t| t.seed)).unwrap_or(0);
        let natural = parameters(&loaded.lowered, args, seed)?;
        let threads = threads(args.threads)?;
        Ok(Self { loaded, natural, seed, threads, load_seconds })
    }

    /// The model's graph with what is known of it.
    pub fn lowered(&self) -> &Lowered {
        &self.loaded.lowered
    }

    /// Compiles for batches of this size; the number of lanes and threads in `settings` is chosen here.
    pub fn compile<T: Number>(&self, lowered: Lowered, batch: usize, settings: Settings) -> Result<Model<T>, Failed> {
        let lanes = compile::lanes_for(&lowered, batch);
        let settings = Settings { lanes, threads: self.threads, ..settings };
        compile::compile(lowered, &settings).map_err(|d| self.problem(d))
    }

    /// A problem with a place in the model.
    pub fn problem(&self, problem: Diagnostic) -> Failed {
        Failed { exit: Exit::Model, sources: self.loaded.sources.clone(), problems: vec![problem] }
    }

    /// The samples of a split, at most `limit` of them; without data, draws of noise.
    pub fn samples(&self, split: Option<Split>, limit: Option<usize>) -> Result<Samples<'_>, Failed> {
        let (loaded, lowered) = (&self.loaded, self.lowered());
        let absent = |what: &str, how: &str| {
            Failed::usage(codes::NO_SAMPLE, format!("the model has no {what} samples")).help(how.to_owned())
        };
        let data = match split {
            None | Some(Split::Train) => loaded.data.as_ref(),
            Some(Split::Validation) => {
                let how = "hold some back: `data csv(…, validation = 0.1)`";
                Some(loaded.validation.as_ref().ok_or_else(|| absent("validation", how))?)
            }
            Some(Split::Test) => {
                let how = "name a file of them: `test csv(…)`";
                Some(loaded.test.as_ref().ok_or_else(|| absent("test", how))?)
            }
        };
        let all = match data {
            Some(data) => data.len,
            None if !lowered.inputs.is_empty() => return Err(self.without_data()),
            None if lowered.noises.is_empty() => 1,
            None => limit.unwrap_or_else(|| lowered.train.as_ref().and_then(|t| t.batch).unwrap_or(DRAWS)),
        };
        Ok(Samples { data, indices: (0..limit.unwrap_or(all).min(all)).collect() })
    }

    fn without_data(&self) -> Failed {
        let names: Vec<String> = self.lowered().inputs.iter().map(|i| format!("`{}`", i.name)).collect();
        let message =
            format!("nothing feeds the {} {}", if names.len() == 1 { "input" } else { "inputs" }, names.join(", "));
        let problem = Diagnostic::global(codes::NO_DATA, message);
        Failed::of(Exit::Model, problem.help("name a data file in the model: `data csv(\"file.csv\", …)`"))
    }

    /// The model must have a loss.
    pub fn need_loss(&self, purpose: &str) -> Result<(), Failed> {
        if self.lowered().loss.is_some() {
            return Ok(());
        }
        let problem = Diagnostic::global(codes::NO_LOSS, format!("the model has no loss to {purpose}"));
        Err(Failed::of(Exit::Model, problem.help("add `loss = …`, a scalar of one sample, to the file")))
    }
}

/// What to load.
pub(super) fn request(args: &ModelArgs, trajectory: Option<usize>) -> Request {
    Request {
        path: args.file.clone(),
        set: args.set.clone(),
        data: args.data.clone(),
        trajectory,
        seed: args.seed.unwrap_or(0),
        with_data: true,
    }
}

/// `--set` must name a dim or a parameter of the model.
fn check_settings(loaded: &Loaded, set: &[(String, f64)]) -> Result<(), Failed> {
    let dims =
        loaded.file.items.iter().filter_map(|item| {
            if let ItemKind::Dim { name, .. } = &item.kind { Some(name.text.as_str()) } else { None }
        });
    let names: Vec<&str> = dims.chain(loaded.lowered.params.iter().map(|p| p.name.as_str())).collect();
    let Some((unknown, _)) = set.iter().find(|(name, _)| !names.contains(&name.as_str())) else { return Ok(()) };
    let failed = Failed::usage(codes::SET, format!("--set {unknown}: the model has no dim or parameter of this name"));
    Err(match did_you_mean(unknown, names.iter().copied()) {
        Some(meant) => failed.help(format!("did you mean `{meant}`?")),
        None if names.is_empty() => failed.help("the model has neither dims nor parameters"),
        None => failed.help(format!("it has {}", names.join(", "))),
    })
}

/// From the file, else as the model starts; `--set` counts before both.
fn parameters(lowered: &Lowered, args: &ModelArgs, seed: u64) -> Result<Vec<Vec<f64>>, Failed> {
    let mut natural = initial(lowered, seed);
    let Some(path) = &args.params else { return Ok(natural) };
    let expected: Vec<(&str, &[usize])> =
        lowered.params.iter().map(|p| (p.name.as_str(), p.shape.as_slice())).collect();
    let read = params::load(path, &expected)?;
    for ((param, values), start) in lowered.params.iter().zip(read).zip(&mut natural) {
        in_domain(path, param, &values)?;
        if args.set.iter().all(|(name, _)| *name != param.name) {
            *start = values;
        }
    }
    Ok(natural)
}

fn in_domain(path: &Path, param: &Param, values: &[f64]) -> Result<(), Failed> {
    if param.domain.contains(values) {
        return Ok(());
    }
    let domain = param.domain.spell();
    let message = format!("`{}` in `{}` is not {domain}, as the model wants it", param.name, path.display());
    let outside = values.iter().position(|v| !param.domain.contains(&[*v]));
    let mut problem = Diagnostic::global(codes::OUTSIDE, message);
    if let Some(i) = outside.filter(|_| domain != "simplex") {
        problem = problem.note(format!("entry {i} is {}", values[i]));
    }
    Err(problem.help("parameter files hold natural values, not their logarithms; train again, or mend the file").into())
}

/// The number of worker threads; results do not depend on it.
fn threads(wanted: Option<usize>) -> Result<usize, Failed> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let Some(n) = wanted.filter(|n| *n > 1) else { return Ok(wanted.unwrap_or(cores)) };
    match rayon::ThreadPoolBuilder::new().num_threads(n).build_global() {
        Ok(()) => Ok(n),
        // It was made when the model was loaded before.
        Err(_) if rayon::current_num_threads() == n => Ok(n),
        Err(e) => Err(Failed::usage(codes::COMMAND_LINE, format!("--threads {n}: {e}"))),
    }
}

/// The folder of the results, made if it is not there; by default one named after the file, where the command runs.
pub(super) fn out_folder(out: Option<&PathBuf>, file: &Path) -> Result<PathBuf, Failed> {
    let stem = file.file_stem().map_or_else(|| PathBuf::from("out"), PathBuf::from);
    let folder = out.cloned().unwrap_or(stem);
    let refused = |why: String| {
        Failed::usage(codes::OUT, format!("results cannot be written to `{}`: {why}", folder.display()))
            .help("choose another folder with `--out`")
    };
    if folder.exists() && !folder.is_dir() {
        return Err(refused("it is a file, not a folder".into()));
    }
    std::fs::create_dir_all(&folder).map_err(|e| refused(e.to_string()))?;
    // Better now than after an hour of training.
    tempfile::tempfile_in(&folder).map_err(|e| refused(e.to_string()))?;
    Ok(folder)
}

/// Complains about samples that were left out, and fails if none is left.
pub(super) fn judge(found: &Evaluated, samples: usize, console: Console) -> Result<(), Failed> {
    let list = &found.dropped;
    let shown = || list.iter().take(5).map(|d| format!("sample {}: {}", d.sample, d.reason)).collect::<Vec<_>>();
    if !list.is_empty() && list.len() >= samples {
        let what = if samples == 1 { "the sample".to_owned() } else { format!("all {samples} samples") };
        let failed = Failed::numerics(codes::SAMPLES_FAILED, format!("{what} could not be evaluated")).notes(shown());
        return Err(failed.help("start from other parameters (`--set`, `--params`), or loosen the tolerances"));
    }
    if !list.is_empty() {
        let left_out = count(list.len(), "sample");
        console.note(&format!("warning: {left_out} of {samples} left out\n  {}", shown().join("\n  ")));
    }
    Ok(())
}

/// [`judge`] for evaluations with a loss, which must be a number.
pub(super) fn judge_loss(found: &Evaluated, samples: usize, console: Console) -> Result<(), Failed> {
    judge(found, samples, console)?;
    if found.loss.is_finite() {
        return Ok(());
    }
    let failed = Failed::numerics(codes::SAMPLES_FAILED, format!("the loss is {}", found.loss));
    Err(failed.help("look for a division by zero, a logarithm or root of a negative number, or overflow in the model"))
}

/// Median and least of some times, in milliseconds.
pub(super) fn times_ms(seconds: &mut [f64]) -> (f64, f64) {
    seconds.sort_by(f64::total_cmp);
    let median = seconds.get(seconds.len() / 2).copied().unwrap_or(f64::NAN);
    let least = seconds.first().copied().unwrap_or(f64::NAN);
    (median * 1e3, least * 1e3)
}
