//! What a `train` line says: its options, their defaults, and what is wrong with them.

use super::optim::{Optimizer, OptimizerSpec};
use super::schedule::{Schedule, ScheduleKind};
use crate::diag::did_you_mean;

/// Options of every optimiser.
const COMMON: [&str; 8] =
    ["batch", "validate_every", "patience", "min_delta", "checkpoint_every", "seconds", "failures", "seed"];
/// Options of every optimiser but `lbfgs`.
const FIRST_ORDER: [&str; 8] = ["steps", "epochs", "clip", "schedule", "warmup", "lr_min", "gamma", "every"];
/// Largest whole number an option may have: those above are not exact as f64.
const MAX_COUNT: f64 = 9_007_199_254_740_992.0;

/// How long to train.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// Updates (iterations for `lbfgs`).
    Steps(u64),
    /// Passes over the data set.
    Epochs(u64),
}

/// How to train.
#[derive(Clone, Debug, PartialEq)]
pub struct TrainSpec {
    /// Optimiser and its numbers.
    pub optimizer: OptimizerSpec,
    /// How long; 1000 steps by default, 200 iterations for `lbfgs`.
    pub length: Length,
    /// Samples a step; by default the whole data set, or 128 draws where samples come from noise.
    pub batch: Option<usize>,
    /// Learning-rate schedule.
    pub schedule: Schedule,
    /// Largest norm of the gradient.
    pub clip: Option<f64>,
    /// Steps between validations; by default one epoch, 100 steps where samples come from noise, 1 for `lbfgs`.
    pub validate_every: Option<u64>,
    /// Stop after so many validations without improvement.
    pub patience: Option<u64>,
    /// A validation improves on the best when it is lower by more than this.
    pub min_delta: f64,
    /// Steps between checkpoints; by default a checkpoint every 10 seconds.
    pub checkpoint_every: Option<u64>,
    /// Stop after so many seconds (of this run, not of those it resumes).
    pub seconds: Option<f64>,
    /// Give up after so many failed steps in a row.
    pub failures: u64,
    /// Seed of everything random.
    pub seed: u64,
}

/// The value of an option, as written.
#[derive(Clone, Debug, PartialEq)]
pub enum OptionValue {
    /// A number.
    Number(f64),
    /// A name.
    Word(String),
}

/// What is wrong with a `train` line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpecError {
    /// The option at fault; `None` where it is the optimiser's name.
    pub option: Option<String>,
    /// One line, lower case, no full stop.
    pub message: String,
    /// What was probably meant.
    pub did_you_mean: Option<String>,
    /// What there is to choose from, or what to do.
    pub help: Option<String>,
}

impl Optimizer {
    /// The names of the options it takes, its own first.
    pub fn options(self) -> Vec<&'static str> {
        let mut names = self.own_options().to_vec();
        match self {
            Self::Lbfgs => names.push("iterations"),
            Self::Sgd | Self::Momentum | Self::RmsProp | Self::Adam | Self::AdamW => names.extend(FIRST_ORDER),
        }
        names.extend(COMMON);
        names
    }
}

impl TrainSpec {
    /// The defaults of an optimiser.
    pub fn new(kind: Optimizer) -> Self {
        Self {
            optimizer: OptimizerSpec::new(kind),
            length: Length::Steps(if kind == Optimizer::Lbfgs { 200 } else { 1000 }),
            batch: None,
            schedule: Schedule::default(),
            clip: None,
            validate_every: None,
            patience: None,
            min_delta: 0.0,
            checkpoint_every: None,
            seconds: None,
            failures: 5,
            seed: 0,
        }
    }

    /// What `train name(options)` says.
    ///
    /// # Errors
    /// An unknown optimiser, option or word, an option out of its range or given twice, options that exclude each
    /// other.
    pub fn from_options(name: &str, options: &[(String, OptionValue)]) -> Result<Self, SpecError> {
        let kind = pick(None, "optimiser", name, Optimizer::ALL.iter().map(|o| (o.name(), *o)))?;
        let known = kind.options();
        let mut spec = Self::new(kind);
        for (i, (option, value)) in options.iter().enumerate() {
            if !known.contains(&option.as_str()) {
                return Err(unknown_option(kind.name(), option, &known));
            }
            if options[..i].iter().any(|(earlier, _)| earlier == option) {
                return Err(error(option, format!("`{option}` is given twice")));
            }
            spec.set(option, value)?;
        }
        spec.check_together(options)?;
        Ok(spec)
    }

    fn set(&mut self, option: &str, value: &OptionValue) -> Result<(), SpecError> {
        let o = &mut self.optimizer.options;
        let read = Reader { option, value };
        match option {
            "lr" => o.lr = read.positive()?,
            "beta1" => o.beta1 = read.share()?,
            "beta2" => o.beta2 = read.share()?,
            "eps" => o.eps = read.positive()?,
            "decay" => o.decay = read.share()?,
            "weight_decay" => o.weight_decay = read.at_least_zero()?,
            "momentum" => o.momentum = read.share()?,
            "memory" => o.memory = read.size()?,
            "tolerance" => o.tolerance = read.at_least_zero()?,
            "steps" | "iterations" => self.length = Length::Steps(read.count()?),
            "epochs" => self.length = Length::Epochs(read.count()?),
            "batch" => self.batch = Some(read.size()?),
            "clip" => self.clip = Some(read.positive()?),
            "schedule" => self.schedule.kind = read.schedule()?,
            "warmup" => self.schedule.warmup = read.whole(0.0)?,
            "lr_min" => self.schedule.lr_min = read.at_least_zero()?,
            "gamma" => self.schedule.gamma = read.positive()?,
            "every" => self.schedule.every = Some(read.count()?),
            "validate_every" => self.validate_every = Some(read.count()?),
            "patience" => self.patience = Some(read.count()?),
            "min_delta" => self.min_delta = read.at_least_zero()?,
            "checkpoint_every" => self.checkpoint_every = Some(read.count()?),
            "seconds" => self.seconds = Some(read.positive()?),
            "failures" => self.failures = read.count()?,
            "seed" => self.seed = read.whole(0.0)?,
            other => return Err(unknown_option(self.optimizer.kind.name(), other, &self.optimizer.kind.options())),
        }
        Ok(())
    }

    /// Options that only make sense with, or without, others.
    fn check_together(&self, options: &[(String, OptionValue)]) -> Result<(), SpecError> {
        let given = |name: &str| options.iter().any(|(option, _)| option == name);
        if given("steps") && given("epochs") {
            return Err(error("epochs", "`steps` and `epochs` both say how long to train".to_owned()));
        }
        let schedule = self.schedule.kind;
        let of_schedules = ["warmup", "lr_min", "gamma", "every"];
        if let Some(option) = of_schedules.into_iter().find(|o| given(o) && !schedule.options().contains(o)) {
            return Err(unknown_option(schedule.name(), option, schedule.options()));
        }
        if self.schedule.lr_min > self.optimizer.options.lr {
            return Err(error("lr_min", "`lr_min` is larger than `lr`".to_owned()));
        }
        Ok(())
    }

    /// The options that decide the parameters after a given number of steps, in words: training resumes only where
    /// they agree. The length counts where the schedule depends on it.
    pub fn identity(&self) -> Vec<(String, String)> {
        let o = &self.optimizer.options;
        let mut rows = vec![("optimiser".to_owned(), self.optimizer.kind.name().to_owned())];
        let mut row = |name: &str, value: String| rows.push((name.to_owned(), value));
        for (name, value) in [
            ("lr", o.lr),
            ("beta1", o.beta1),
            ("beta2", o.beta2),
            ("eps", o.eps),
            ("decay", o.decay),
            ("weight_decay", o.weight_decay),
            ("momentum", o.momentum),
            ("tolerance", o.tolerance),
            ("lr_min", self.schedule.lr_min),
            ("gamma", self.schedule.gamma),
        ] {
            row(name, format!("{value:?}"));
        }
        row("memory", o.memory.to_string());
        row("batch", words(self.batch));
        row("clip", self.clip.map_or("none".to_owned(), |c| format!("{c:?}")));
        row("schedule", self.schedule.kind.name().to_owned());
        row("warmup", self.schedule.warmup.to_string());
        row("every", words(self.schedule.every));
        row("validate_every", words(self.validate_every));
        row("seed", self.seed.to_string());
        let in_epochs = match self.length {
            Length::Steps(_) => false,
            Length::Epochs(_) => true,
        };
        if self.schedule.needs_total() {
            row("length", format!("{:?}", self.length));
        } else if self.schedule.warmup > 0 || self.schedule.every.is_some() {
            row("unit of durations", if in_epochs { "epochs" } else { "steps" }.to_owned());
        }
        rows
    }
}

fn words<T: ToString>(value: Option<T>) -> String {
    value.map_or("default".to_owned(), |v| v.to_string())
}

fn error(option: &str, message: String) -> SpecError {
    SpecError { option: Some(option.to_owned()), message, did_you_mean: None, help: None }
}

fn unknown_option(of: &str, option: &str, known: &[&'static str]) -> SpecError {
    let listed = known.iter().map(|k| format!("`{k}`")).collect::<Vec<_>>().join(", ");
    let help = if known.is_empty() { format!("{of} has no options") } else { format!("{of} has {listed}") };
    SpecError {
        did_you_mean: did_you_mean(option, known.iter().copied()).map(str::to_owned),
        help: Some(help),
        ..error(option, format!("{of} has no option `{option}`"))
    }
}

/// The choice of the given name.
fn pick<T>(
    option: Option<&str>,
    what: &str,
    name: &str,
    choices: impl Iterator<Item = (&'static str, T)>,
) -> Result<T, SpecError> {
    let mut names = Vec::new();
    for (candidate, choice) in choices {
        if candidate == name {
            return Ok(choice);
        }
        names.push(candidate);
    }
    let help = format!("choose one of {}", names.join(", "));
    Err(SpecError {
        option: option.map(str::to_owned),
        message: format!("no {what} is called `{name}`"),
        did_you_mean: did_you_mean(name, names).map(str::to_owned),
        help: Some(help),
    })
}

/// Reads the value of an option.
struct Reader<'a> {
    option: &'a str,
    value: &'a OptionValue,
}

impl Reader<'_> {
    fn number(&self, wanted: &str, holds: impl Fn(f64) -> bool) -> Result<f64, SpecError> {
        match self.value {
            OptionValue::Number(n) if n.is_finite() && holds(*n) => Ok(*n),
            OptionValue::Number(n) => Err(error(self.option, format!("`{}` must be {wanted}, not {n}", self.option))),
            OptionValue::Word(w) => Err(error(self.option, format!("`{}` must be {wanted}, not `{w}`", self.option))),
        }
    }

    fn positive(&self) -> Result<f64, SpecError> {
        self.number("a positive number", |n| n > 0.0)
    }

    fn at_least_zero(&self) -> Result<f64, SpecError> {
        self.number("zero or a positive number", |n| n >= 0.0)
    }

    fn share(&self) -> Result<f64, SpecError> {
        self.number("at least 0 and below 1", |n| (0.0..1.0).contains(&n))
    }

    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "checked to be a whole number below 2^53"
    )]
    fn whole(&self, least: f64) -> Result<u64, SpecError> {
        let wanted = if least > 0.0 { "a positive whole number" } else { "a whole number, zero or more" };
        self.number(wanted, |n| n >= least && n <= MAX_COUNT && n.fract() == 0.0).map(|n| n as u64)
    }

    fn count(&self) -> Result<u64, SpecError> {
        self.whole(1.0)
    }

    fn size(&self) -> Result<usize, SpecError> {
        self.count()
            .and_then(|n| usize::try_from(n).map_err(|_| error(self.option, format!("`{}` is too large", self.option))))
    }

    fn schedule(&self) -> Result<ScheduleKind, SpecError> {
        match self.value {
            OptionValue::Word(word) => {
                let choices = ScheduleKind::ALL.iter().map(|s| (s.name(), *s));
                pick(Some(self.option), "schedule", word, choices)
            }
            OptionValue::Number(n) => Err(error(self.option, format!("`schedule` must be a name, not {n}"))),
        }
    }
}
