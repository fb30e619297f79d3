//! When a model gets tangents, and when it cannot have them.

use super::Settings;
use super::roots::{Ids, refused};
use super::tangent::{self, Augmented};
use crate::diag::Diagnostic;
use crate::graph::Graph;
use crate::lower::{Gradient, Lowered, System};

/// Whether the gradient is found by tangents.
pub(super) fn differentiates_forward(lowered: &Lowered) -> bool {
    lowered.systems.iter().any(|s| s.gradient == Gradient::Forward)
}

/// Tangents that a solve may have beside it: an iteration with a Jacobian, if there is one, takes their third power.
const MOST_TANGENTS: usize = 512;

/// Refuses what does not go together with a gradient by tangents.
fn check_forward(lowered: &Lowered, inputs: bool) -> Result<(), Diagnostic> {
    let size = |shape: &[usize]| shape.iter().product::<usize>();
    let params: usize = lowered.params.iter().map(|p| size(&p.shape)).sum();
    let given: usize = lowered.inputs.iter().filter(|_| inputs).map(|i| size(&i.shape)).sum();
    if params + given > MOST_TANGENTS {
        let what =
            if given > 0 { format!("{params} parameters and {given} inputs") } else { format!("{params} parameters") };
        return Err(Diagnostic::global("N0704", format!("`gradient = forward` would carry tangents of {what} along"))
            .note(format!("it is for few of them: {MOST_TANGENTS} at most"))
            .help("use `gradient = discrete`, whose cost does not grow with their number"));
    }
    let asks = |s: &&System| s.gradient == Gradient::Backsolve && s.options.method.has_discrete();
    if let Some(other) = lowered.systems.iter().find(asks) {
        let name = if other.name.is_empty() { "another system".to_owned() } else { format!("`{}`", other.name) };
        return Err(Diagnostic::global(
            "N0704",
            format!("{name} has `gradient = backsolve` beside `gradient = forward`"),
        )
        .help("tangents go through the whole loss: give all systems the same gradient"));
    }
    Ok(())
}

/// Tangents beside the solves, where the gradient or the direction of a second derivative needs them.
pub(super) fn add_tangents(
    graph: &mut Graph,
    ids: &mut Ids,
    lowered: &Lowered,
    settings: &Settings,
) -> Result<Vec<Augmented>, Diagnostic> {
    if !settings.gradient {
        return Ok(Vec::new());
    }
    let added = if settings.direction {
        ids.add_direction(graph, lowered)
    } else if differentiates_forward(lowered) {
        check_forward(lowered, settings.inputs)?;
        ids.add_gradient_tangents(graph, lowered, settings.inputs)
    } else {
        return Ok(Vec::new());
    }
    .map_err(|error| if error.why == tangent::STOPS { stops() } else { refused(&error) })?;
    *graph = super::improve(graph, ids);
    Ok(added)
}

fn stops() -> Diagnostic {
    let message = format!("tangents do not know where the solution stops: {}", tangent::STOPS);
    Diagnostic::global("N0704", message).help("use `gradient = discrete`, or give the output times as numbers")
}
