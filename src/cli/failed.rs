//! Why a command did not do what was asked, and the exit code that says so.

use crate::diag::{Diagnostic, Sources};
use crate::load::Refused;
use crate::train::{Failure, TrainError};
use std::process::ExitCode;

/// Who is to act.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exit {
    /// The model or the data is wrong.
    Model,
    /// The command line is wrong.
    Usage,
    /// The numerics failed.
    Numerics,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Model => Self::from(1),
            Exit::Usage => Self::from(2),
            Exit::Numerics => Self::from(3),
        }
    }
}

/// A command that failed.
pub(super) struct Failed {
    /// Its exit code.
    pub exit: Exit,
    /// The texts that the problems point into.
    pub sources: Sources,
    /// What is wrong; empty if that has been said.
    pub problems: Vec<Diagnostic>,
}

impl Failed {
    /// One problem of no place.
    pub fn of(exit: Exit, problem: Diagnostic) -> Self {
        Self { exit, sources: Sources::default(), problems: vec![problem] }
    }

    /// Something wrong with the command line.
    pub fn usage(code: &'static str, message: impl Into<String>) -> Self {
        Self::of(Exit::Usage, Diagnostic::global(code, message))
    }

    /// Something wrong with the numbers.
    pub fn numerics(code: &'static str, message: impl Into<String>) -> Self {
        Self::of(Exit::Numerics, Diagnostic::global(code, message))
    }

    /// Adds an advice to the last problem.
    pub fn help(mut self, text: impl Into<String>) -> Self {
        if let Some(last) = self.problems.last_mut() {
            last.help.push(text.into());
        }
        self
    }

    /// Adds facts to the last problem.
    pub fn notes(mut self, texts: Vec<String>) -> Self {
        if let Some(last) = self.problems.last_mut() {
            last.notes.extend(texts);
        }
        self
    }
}

impl From<Diagnostic> for Failed {
    fn from(problem: Diagnostic) -> Self {
        Self::of(Exit::Model, problem)
    }
}

impl From<Refused> for Failed {
    fn from(refused: Refused) -> Self {
        Self { exit: Exit::Model, sources: refused.sources, problems: refused.problems }
    }
}

impl From<Failure> for Failed {
    fn from(failure: Failure) -> Self {
        Self::of(Exit::Numerics, failure.into())
    }
}

impl From<TrainError> for Failed {
    fn from(error: TrainError) -> Self {
        match error {
            TrainError::Problem(problem) => problem.into(),
            TrainError::Numerics(failure) => failure.into(),
        }
    }
}
