//! [`Objective`] (loss and gradient), start parameters and [`TrainSpec`] → trained parameters and a [`Report`].
//!
//! `run` is the loop; `optim`, `lbfgs` with `linesearch`, and `schedule` move the parameters; `rng` is the generator
//! of everything random; `checkpoint`, `params` and `history` are the files.

mod atomic;
pub mod checkpoint;
mod codes;
mod history;
mod lbfgs;
mod linesearch;
mod objective;
mod observe;
mod optim;
pub mod params;
mod plan;
pub mod rng;
mod run;
mod schedule;
mod spec;
mod state;
#[cfg(test)]
mod tests;

pub use codes::CODES;
pub use objective::{Dropped, Evaluation, Failure, Objective, Request};
pub use observe::{Ended, Observer, Report, StepRecord};
pub use optim::{Optimizer, OptimizerOptions, OptimizerSpec};
pub use run::{Job, TrainError, train};
pub use schedule::{Schedule, ScheduleKind};
pub use spec::{Length, OptionValue, SpecError, TrainSpec};
pub use state::Best;
