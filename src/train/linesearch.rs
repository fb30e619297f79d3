//! A line search for the strong Wolfe conditions: Nocedal and Wright, *Numerical Optimization* (2nd ed., 2006),
//! algorithms 3.5 and 3.6 with the cubic interpolation (3.59).

use super::objective::Evaluation;

/// Sufficient decrease, c₁.
pub const DECREASE: f64 = 1e-4;
/// Curvature, c₂, as recommended for quasi-Newton methods.
pub const CURVATURE: f64 = 0.9;
const BRACKETING: usize = 20;
const ZOOMING: usize = 30;

/// Loss and slope at a step along the direction. A failed evaluation has an infinite loss.
#[derive(Clone, Copy, Debug)]
pub struct Point {
    /// Multiple of the direction.
    pub step: f64,
    /// Loss there.
    pub loss: f64,
    /// Derivative of the loss with respect to `step`.
    pub slope: f64,
}

/// A point with what was computed there.
#[derive(Clone, Debug)]
pub struct Probe {
    /// Step, loss and slope.
    pub point: Point,
    /// Parameters there.
    pub params: Vec<f64>,
    /// Gradient there.
    pub gradient: Vec<f64>,
    /// The whole evaluation.
    pub evaluation: Evaluation,
}

/// What stands at a step; `None` where the evaluation failed or was not finite. `Err` ends the search at once.
pub type Sample<'a, E> = dyn FnMut(f64) -> Result<Option<Probe>, E> + 'a;

/// A place of the bracket: the origin of the search has no probe.
struct Place {
    point: Point,
    probe: Option<Probe>,
}

/// The state of a search from `origin`.
struct Search<'a, 'b, E> {
    origin: Point,
    sample: &'a mut Sample<'b, E>,
}

/// A step from `origin` (a descent direction) that satisfies the strong Wolfe conditions, trying `first` first. Where
/// none is found within the limits of f64, the best step of sufficient decrease; `None` where there is no such step.
///
/// # Errors
/// Those of `sample`.
pub fn search<E>(origin: Point, first: f64, sample: &mut Sample<'_, E>) -> Result<Option<Probe>, E> {
    Search { origin, sample }.bracket(first)
}

impl<E> Search<'_, '_, E> {
    fn at(&mut self, step: f64) -> Result<Place, E> {
        let failed = Point { step, loss: f64::INFINITY, slope: f64::NAN };
        Ok(match (self.sample)(step)? {
            Some(probe) => Place { point: probe.point, probe: Some(probe) },
            None => Place { point: failed, probe: None },
        })
    }

    fn decreases(&self, p: Point) -> bool {
        p.loss <= self.origin.loss + DECREASE * p.step * self.origin.slope
    }

    fn is_flat(&self, p: Point) -> bool {
        p.slope.abs() <= -CURVATURE * self.origin.slope
    }

    /// Algorithm 3.5.
    fn bracket(mut self, first: f64) -> Result<Option<Probe>, E> {
        let mut low = Place { point: self.origin, probe: None };
        let mut step = first;
        for turn in 0..BRACKETING {
            let next = self.at(step)?;
            if !self.decreases(next.point) || (turn > 0 && next.point.loss >= low.point.loss) {
                return self.zoom(low, next.point);
            }
            if self.is_flat(next.point) {
                return Ok(next.probe);
            }
            if next.point.slope >= 0.0 {
                let high = low.point;
                return self.zoom(next, high);
            }
            low = next;
            step *= 2.0;
        }
        Ok(low.probe)
    }

    /// Algorithm 3.6: `low` has the lowest loss of those that decrease enough.
    fn zoom(mut self, mut low: Place, mut high: Point) -> Result<Option<Probe>, E> {
        for _ in 0..ZOOMING {
            let step = between(low.point, high);
            #[allow(clippy::float_cmp, reason = "the bracket is exhausted when no number lies between its ends")]
            if step == low.point.step || step == high.step {
                break;
            }
            let next = self.at(step)?;
            if !self.decreases(next.point) || next.point.loss >= low.point.loss {
                high = next.point;
                continue;
            }
            if self.is_flat(next.point) {
                return Ok(next.probe);
            }
            if next.point.slope * (high.step - low.point.step) >= 0.0 {
                high = low.point;
            }
            low = next;
        }
        Ok(low.probe)
    }
}

/// The minimiser of the cubic through both ends, kept away from them by a tenth of the bracket; its middle where the
/// cubic has none or an end failed.
fn between(a: Point, b: Point) -> f64 {
    let width = b.step - a.step;
    let middle = a.step + 0.5 * width;
    if !b.loss.is_finite() {
        return middle;
    }
    let d1 = a.slope + b.slope - 3.0 * (a.loss - b.loss) / (a.step - b.step);
    let d2 = width.signum() * (d1 * d1 - a.slope * b.slope).sqrt();
    let cubic = b.step - width * (b.slope + d2 - d1) / (b.slope - a.slope + 2.0 * d2);
    let (ends, margin) = ((a.step.min(b.step), a.step.max(b.step)), 0.1 * width.abs());
    if cubic.is_finite() { cubic.clamp(ends.0 + margin, ends.1 - margin) } else { middle }
}
