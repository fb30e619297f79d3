//! What training minimises, as the optimisers see it.

use crate::diag::Diagnostic;

/// What training minimises. Deterministic: the same parameters and request give the same bits.
///
/// Parameters are one flat vector of *unconstrained* scalars, the named tensors laid out one after another; the
/// objective maps them to their domains.
pub trait Objective {
    /// Number of unconstrained scalars.
    fn len(&self) -> usize;

    /// Whether there is nothing to train.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Number of training samples; `None` where samples are drawn from noise without end.
    fn samples(&self) -> Option<usize>;

    /// The mean loss over the requested samples and, where `gradient` (of length [`Objective::len`]) is given, its
    /// derivative. A sample that fails is dropped and reported in [`Evaluation::dropped`].
    ///
    /// # Errors
    /// Every requested sample failed.
    fn evaluate(
        &mut self,
        params: &[f64],
        request: &Request<'_>,
        gradient: Option<&mut [f64]>,
    ) -> Result<Evaluation, Failure>;

    /// The loss on the validation set after `step` steps; `None` where there is no such set.
    ///
    /// # Errors
    /// Every sample failed.
    fn validate(&mut self, params: &[f64], step: u64) -> Result<Option<Evaluation>, Failure>;
}

/// Which samples to evaluate.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// Indices into the training samples; `None` where they are drawn from noise.
    pub samples: Option<&'a [usize]>,
    /// How many samples.
    pub count: usize,
    /// Keys the noise.
    pub step: u64,
}

/// What an evaluation found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Evaluation {
    /// Mean loss over the samples that were not dropped.
    pub loss: f64,
    /// Means of the named metrics, always the same names in the same order.
    pub metrics: Vec<(String, f64)>,
    /// Samples that failed.
    pub dropped: Vec<Dropped>,
    /// Evaluations of the right-hand side.
    pub rhs: u64,
}

/// A sample that could not be solved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dropped {
    /// Which one.
    pub sample: usize,
    /// Why.
    pub reason: String,
}

/// The numerics failed for a whole batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What happened.
    pub message: String,
    /// What to try next.
    pub advice: String,
}

impl From<Failure> for Diagnostic {
    fn from(failure: Failure) -> Self {
        Diagnostic::global("N0640", failure.message).help(failure.advice)
    }
}
