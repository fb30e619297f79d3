//! Why a lane has no result, and what to try next.

/// What went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureKind {
    /// The limit of steps was reached.
    MaxSteps,
    /// The error could not be kept within the tolerance even with the shortest step.
    StepUnderflow,
    /// The state or the right-hand side is infinite or NaN.
    NotFinite,
    /// Output times on both sides of t0.
    TimesOnBothSides,
    /// A time is infinite or NaN.
    TimeNotFinite,
    /// The method has no error estimate and no fixed step was given.
    NeedsFixedStep,
    /// One step size for the batch, but the samples have different times.
    BatchTimesDiffer,
    /// The steps of the method cannot be reversed.
    NeedsBacksolve,
    /// The steps of this method are undone in reverse and not kept.
    KeepsNoSteps,
    /// A tolerance or a step length is negative, zero or NaN.
    BadOptions,
    /// Events follow each other without time passing between them.
    Zeno,
    /// An event whose function does not pass through zero at a rate: its time has no derivative.
    Grazing,
}

/// A failed lane.
#[derive(Debug, Clone, PartialEq)]
pub struct Failure {
    /// What went wrong.
    pub kind: FailureKind,
    /// Time of the last state that was good.
    pub t: f64,
    /// The component that was worst there, where one can be named.
    pub component: Option<usize>,
}

impl Failure {
    /// What happened, as one sentence without a final stop.
    #[must_use]
    pub fn message(&self) -> String {
        let t = self.t;
        let text = match self.kind {
            FailureKind::MaxSteps => format!("the limit of steps was reached at t = {t}"),
            FailureKind::StepUnderflow => format!("the step became too short at t = {t}"),
            FailureKind::NotFinite => format!("the state or its derivative is not finite after t = {t}"),
            FailureKind::TimesOnBothSides => format!("there are output times before and after t0 = {t}"),
            FailureKind::TimeNotFinite => "a time is infinite or NaN".to_owned(),
            FailureKind::NeedsFixedStep => "this method has no error estimate and needs a fixed step".to_owned(),
            FailureKind::NeedsBacksolve => "the steps of this method cannot be reversed".to_owned(),
            FailureKind::KeepsNoSteps => "the steps of this method are undone, so that none is kept".to_owned(),
            FailureKind::BatchTimesDiffer => "samples with different times cannot share one step size".to_owned(),
            FailureKind::BadOptions => "a tolerance or a step length is not a positive number".to_owned(),
            FailureKind::Zeno => format!("events follow each other faster and faster, without end, at t = {t}"),
            FailureKind::Grazing => {
                format!("the time of the event at t = {t} has no derivative: its condition has no rate there")
            }
        };
        match self.component {
            Some(component) => format!("{text} (component {component})"),
            None => text,
        }
    }

    /// What to try next.
    #[must_use]
    pub const fn advice(&self) -> &'static str {
        match self.kind {
            FailureKind::MaxSteps => {
                "raise max_steps or loosen the tolerances; if the model is stiff, use `auto` or `rodas5p`"
            }
            FailureKind::StepUnderflow => {
                "the solution may blow up or jump here: end earlier, loosen the tolerances, or smooth the model"
            }
            FailureKind::NotFinite => {
                "look for a division by zero, a logarithm or root of a negative number, or growth without a bound"
            }
            FailureKind::TimesOnBothSides => "solve once forwards and once backwards from t0",
            FailureKind::TimeNotFinite => "remove the sample or repair its times",
            FailureKind::NeedsFixedStep => "give a fixed step, or choose an adaptive method such as tsit5",
            FailureKind::NeedsBacksolve => "use `gradient = backsolve`",
            FailureKind::KeepsNoSteps => "use `gradient = discrete`, which needs none here",
            FailureKind::BatchTimesDiffer => "use one step size per sample, or give all samples the same times",
            FailureKind::BadOptions => "give positive tolerances and step lengths",
            FailureKind::Zeno => {
                "end the solution earlier or with `stop`, or let the reset take the state away from where the event fires"
            }
            FailureKind::Grazing => "compare what varies smoothly, and see that the event is crossed, not touched",
        }
    }
}
