//! How fast small changes grow along a solution: where they grow without bound, no gradient means anything.
//!
//! On a chaotic attractor the derivative of the state grows like e^(λ t) with the largest Lyapunov exponent λ. The exact
//! gradient of a computed loss is then a number of that size which another rounding would change altogether: all methods
//! may agree on it, and it still says nothing about how the loss depends on the parameters (Lea, Allen, Haine,
//! Sensitivity analysis of the climate of a chaotic system, Tellus A 52 (2000) 523–532).

use super::failed::Failed;
use super::grad::{evaluate, set_method};
use super::session::{Samples, Session};
use crate::compile::Settings;
use crate::lower::{Gradient, Lowered};
use crate::model::Model;
use crate::train::rng;

/// Relative change of the parameters.
const CHANGE: f64 = 1e-9;
/// Relative change of the gradient that it may cause.
const ALLOWED: f64 = 1e-2;

/// Factor from a relative change of the parameters to that of the gradient, at tight tolerances.
#[derive(Clone, Copy, Debug)]
pub(super) struct Growth(pub f64);

impl Growth {
    /// Measures it, in double precision, with the exact reverse of the steps.
    pub(super) fn measure(
        session: &Session,
        tight: &Lowered,
        samples: &Samples<'_>,
        raw: &[f64],
    ) -> Result<Self, Failed> {
        let mut lowered = tight.clone();
        set_method(&mut lowered, Gradient::Discrete);
        let model: Model<f64> = session.compile(lowered, samples.indices.len(), Settings::default())?;
        let stream = rng::stream(&[u64::MAX]);
        let signs = (0..).map(|k| rng::sign(session.seed, stream, k));
        let near: Vec<f64> = raw.iter().zip(signs).map(|(x, sign)| x + sign * CHANGE * (1.0 + x.abs())).collect();
        let here = evaluate(&model, raw, samples, session.seed).raw;
        let there = evaluate(&model, &near, samples, session.seed).raw;
        let size = here.iter().fold(0.0_f64, |most, g| most.max(g.abs()));
        let differences = here.iter().zip(&there).map(|(a, b)| (a - b).abs());
        // A NaN must not get lost in a maximum.
        let change = differences.fold(0.0_f64, |most, d| if d.is_nan() || d > most { d } else { most });
        let factor = if change == 0.0 { 0.0 } else { change / size / CHANGE };
        Ok(Self(if factor.is_nan() { f64::INFINITY } else { factor }))
    }

    /// Whether a gradient means anything at all.
    pub(super) fn bearable(self) -> bool {
        self.0 * CHANGE <= ALLOWED
    }

    /// What is wrong, as a sentence.
    pub(super) fn cause(self) -> String {
        format!(
            "sensitivities grow without bound: changing the parameters by one part in 1e9 changes the gradient by {:.1e} \
             of its size",
            self.0 * CHANGE
        )
    }
}
