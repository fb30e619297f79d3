//! What can be written on the command line.

use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// Compiles, solves and trains neural and scientific differential equations written as `.node` files.
#[derive(Parser, Debug)]
#[command(name = "pullback", version, propagate_version = true, arg_required_else_help = true)]
pub(super) struct Cli {
    #[command(subcommand)]
    pub command: Command,
    /// Machine-readable results on stdout
    #[arg(long, global = true)]
    pub json: bool,
    /// Only results and errors
    #[arg(long, short, global = true)]
    pub quiet: bool,
    /// Colours in messages
    #[arg(long, global = true, value_enum, default_value_t = Color::Auto, value_name = "WHEN")]
    pub color: Color,
}

/// When messages are coloured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Color {
    Auto,
    Always,
    Never,
}

impl Color {
    /// `NO_COLOR` counts where nothing is said.
    pub fn on(self, terminal: bool) -> bool {
        match self {
            Self::Auto => terminal && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty()),
            Self::Always => true,
            Self::Never => false,
        }
    }
}

#[derive(Subcommand, Debug)]
pub(super) enum Command {
    /// Write a commented model file that trains
    New(NewArgs),
    /// Check names, shapes, domains and data; summarise states, parameters, cost and memory
    Check(CheckArgs),
    /// Train the parameters
    Train(TrainArgs),
    /// Solve with given or trained parameters: trajectory as a table and as a plot
    Run(RunArgs),
    /// Loss and metrics on a data set
    Eval(EvalArgs),
    /// Loss and gradient
    Grad(GradArgs),
    /// Any stage of the compiler as text
    Show(ShowArgs),
    /// Rewrite files in the one canonical layout
    Fmt(FmtArgs),
    /// The page of an error code
    Explain(ExplainArgs),
    /// Time of right-hand side, vector-Jacobian product, gradient and compilation
    Bench(BenchArgs),
}

/// The precision that a model runs in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Precision {
    F32,
    F64,
}

#[derive(Args, Debug, Clone)]
pub(super) struct ModelArgs {
    /// The model
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Data file instead of the one that the model names
    #[arg(long, value_name = "FILE")]
    pub data: Option<PathBuf>,
    /// Parameters, as `train` writes them
    #[arg(long, value_name = "FILE")]
    pub params: Option<PathBuf>,
    /// Value of a dim, or start value of a parameter (repeatable)
    #[arg(long, value_name = "NAME=VALUE", value_parser = setting)]
    pub set: Vec<(String, f64)>,
    /// Seed of everything random [default: 0]
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Worker threads; results do not depend on it [default: all cores]
    #[arg(long, value_name = "N", value_parser = positive)]
    pub threads: Option<usize>,
    /// Precision of the numbers
    #[arg(long, value_enum, default_value_t = Precision::F64)]
    pub precision: Precision,
}

fn setting(text: &str) -> Result<(String, f64), String> {
    let (name, value) = text.split_once('=').ok_or("write `name=value`, for example `--set alpha=0.5`")?;
    let (name, value) = (name.trim(), value.trim());
    if name.is_empty() {
        return Err("the name is missing: write `name=value`".into());
    }
    match value.parse::<f64>() {
        Ok(number) if number.is_finite() => Ok((name.to_owned(), number)),
        Ok(number) => Err(format!("`{name}` cannot be {number}")),
        Err(_) => Err(format!("`{value}` is not a number")),
    }
}

fn positive(text: &str) -> Result<usize, String> {
    match text.parse::<usize>() {
        Ok(0) => Err("must be at least 1".into()),
        Ok(n) if n > 1 << 32 => Err("is too large".into()),
        Ok(n) => Ok(n),
        Err(_) => Err("is not a positive whole number".into()),
    }
}

fn steps(text: &str) -> Result<u64, String> {
    match text.parse::<u64>() {
        Ok(0) => Err("must be at least 1".into()),
        Ok(n) => Ok(n),
        Err(_) => Err("is not a positive whole number".into()),
    }
}

#[derive(Args, Debug)]
pub(super) struct NewArgs {
    /// Name of the model; the file is NAME.node
    pub name: String,
}

#[derive(Args, Debug)]
pub(super) struct CheckArgs {
    #[command(flatten)]
    pub model: ModelArgs,
}

#[derive(Args, Debug)]
pub(super) struct TrainArgs {
    #[command(flatten)]
    pub model: ModelArgs,
    /// Folder of the results [default: the name of the file]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Continue from the checkpoint in the folder of the results
    #[arg(long)]
    pub resume: bool,
    /// Number of steps instead of the model's
    #[arg(long, value_name = "N", value_parser = steps, conflicts_with = "epochs")]
    pub steps: Option<u64>,
    /// Number of passes over the data instead of the model's
    #[arg(long, value_name = "N", value_parser = steps)]
    pub epochs: Option<u64>,
    /// Draw no pictures
    #[arg(long)]
    pub no_plots: bool,
}

/// How trajectories are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    Csv,
    Npz,
}

#[derive(Args, Debug)]
pub(super) struct RunArgs {
    #[command(flatten)]
    pub model: ModelArgs,
    /// Folder of the results [default: the name of the file]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Times along the trajectory
    #[arg(long, value_name = "N", default_value = "200", value_parser = positive)]
    pub points: usize,
    /// Only this sample (from 0)
    #[arg(long, value_name = "K", conflicts_with = "samples")]
    pub sample: Option<usize>,
    /// Only the first N samples, or N draws of noise
    #[arg(long, value_name = "N", value_parser = positive)]
    pub samples: Option<usize>,
    /// Format of the trajectory
    #[arg(long, value_enum, default_value_t = Format::Csv)]
    pub format: Format,
    /// Solve N times and report median and least time
    #[arg(long, value_name = "N", default_value = "1", value_parser = positive)]
    pub repeat: usize,
    /// Draw no pictures
    #[arg(long)]
    pub no_plots: bool,
}

/// Which samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Split {
    Train,
    Validation,
    Test,
}

#[derive(Args, Debug)]
pub(super) struct EvalArgs {
    #[command(flatten)]
    pub model: ModelArgs,
    /// Which samples [default: test where the model names such a file, else train]
    #[arg(long, value_enum)]
    pub split: Option<Split>,
    /// Only the first N samples, or N draws of noise
    #[arg(long, value_name = "N", value_parser = positive)]
    pub samples: Option<usize>,
    /// Evaluate N times and report median and least time
    #[arg(long, value_name = "N", default_value = "1", value_parser = positive)]
    pub repeat: usize,
}

/// How gradients are computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Method {
    /// The exact reverse of the accepted steps
    Discrete,
    /// The adjoint equation integrated backwards
    Backsolve,
    /// The adjoint equation integrated backwards along the steps that were taken
    Interpolated,
    /// Tangents integrated beside the states, for few parameters
    Forward,
}

#[derive(Args, Debug)]
pub(super) struct GradArgs {
    #[command(flatten)]
    pub model: ModelArgs,
    /// Gradient method instead of the model's
    #[arg(long, value_enum)]
    pub gradient: Option<Method>,
    /// Gradients with respect to the inputs too
    #[arg(long)]
    pub inputs: bool,
    /// Compare every gradient method with finite differences
    #[arg(long)]
    pub check: bool,
    /// The Hessian of the loss times a direction: a file like those of parameters, or `random`
    #[arg(long, value_name = "DIRECTION", conflicts_with_all = ["check", "gradient", "inputs"])]
    pub hvp: Option<PathBuf>,
    /// Only the first N samples, or N draws of noise
    #[arg(long, value_name = "N", value_parser = positive)]
    pub batch: Option<usize>,
    /// Evaluate N times and report median and least time
    #[arg(long, value_name = "N", default_value = "1", value_parser = positive)]
    pub repeat: usize,
}

/// A form that a model passes through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Stage {
    /// The file in its canonical layout
    Syntax,
    /// Every name resolved, every expression typed
    Program,
    /// The tensor graph
    Graph,
    /// The adjoint system
    Adjoint,
    /// The graph with its derivatives after all passes
    Optimised,
    /// Cranelift's intermediate code of right-hand sides and vector-Jacobian products
    Clif,
    /// Their machine code
    Asm,
}

/// A machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Machine {
    Host,
    X86,
}

#[derive(Args, Debug)]
pub(super) struct ShowArgs {
    #[command(flatten)]
    pub model: ModelArgs,
    /// Which form
    #[arg(long, value_enum, required_unless_present = "latex")]
    pub stage: Option<Stage>,
    /// The model and its adjoint system as mathematics
    #[arg(long, conflicts_with = "stage")]
    pub latex: bool,
    /// Machine of `clif` and `asm`
    #[arg(long, value_enum, default_value_t = Machine::Host)]
    pub target: Machine,
}

#[derive(Args, Debug)]
pub(super) struct FmtArgs {
    /// Files to rewrite; `-` reads stdin and writes stdout
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
    /// Change nothing; fail if a file is not in the canonical layout
    #[arg(long)]
    pub check: bool,
}

#[derive(Args, Debug)]
pub(super) struct ExplainArgs {
    /// A code such as N0203; all codes are listed without it
    pub code: Option<String>,
}

#[derive(Args, Debug)]
pub(super) struct BenchArgs {
    #[command(flatten)]
    pub model: ModelArgs,
    /// Samples in a batch
    #[arg(long, value_name = "N", value_parser = positive)]
    pub batch: Option<usize>,
    /// Measurements of each time
    #[arg(long, value_name = "N", default_value = "20", value_parser = positive)]
    pub repeat: usize,
}
