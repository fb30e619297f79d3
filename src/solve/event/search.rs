//! A bracketing root finder that is told function values one at a time, so that the samples of a tile can search side by
//! side.

/// Width of the last bracket, in fractions of a step.
const WIDTH: f64 = 4.0 * f64::EPSILON;
/// Halvings of the bracket in search of a negative value next to its left end.
const SHRINK: u32 = 60;

/// Where the search stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// The left end is itself a root, up to rounding: looks for a point behind it where the function is negative.
    Shrink(u32),
    /// Halvings that a bisection would still need.
    Refine(u32),
    Done,
}

/// The search for the first point of [a, b] where a function that is negative at (or just behind) a turns positive.
#[derive(Debug, Clone)]
pub(super) struct Search {
    a: f64,
    b: f64,
    fa: f64,
    fb: f64,
    width: f64,
    phase: Phase,
    /// No negative value was found behind a.
    at_start: bool,
}

impl Search {
    pub(super) fn new(a: f64, b: f64, fa: f64, fb: f64) -> Self {
        let mut search = Self { a, b, fa, fb, width: b - a, phase: Phase::Shrink(0), at_start: false };
        if fa < 0.0 {
            search.refine();
        }
        search
    }

    fn refine(&mut self) {
        self.width = self.b - self.a;
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 1 and 60")]
        let halvings = (self.width / WIDTH).log2().ceil().max(0.0) as u32 + 1;
        self.phase = if self.fb > 0.0 { Phase::Refine(halvings) } else { Phase::Done };
    }

    /// The point to evaluate next; `None` when the search is over.
    ///
    /// The method is ITP: Oliveira, Takahashi, An enhancement of the bisection method average performance preserving
    /// minmax optimality, ACM Trans. Math. Softw. 47 (2021), with κ₁ = 0.2/(b − a), κ₂ = 2, n₀ = 1. It needs at most
    /// one evaluation more than bisection.
    pub(super) fn next(&self) -> Option<f64> {
        let (a, b) = (self.a, self.b);
        let left = match self.phase {
            Phase::Done => return None,
            Phase::Shrink(_) => return Some(a + 0.5 * (b - a)),
            Phase::Refine(left) => left,
        };
        let middle = 0.5 * (a + b);
        let slack = 0.5 * WIDTH * 2f64.powi(left.cast_signed()) - 0.5 * (b - a);
        let secant = (self.fb * a - self.fa * b) / (self.fb - self.fa);
        if !secant.is_finite() || slack <= 0.0 {
            return Some(middle);
        }
        let towards = (middle - secant).signum();
        let nudge = 0.2 / self.width * (b - a).powi(2);
        let truncated = if nudge <= (middle - secant).abs() { secant + towards * nudge } else { middle };
        Some(if (truncated - middle).abs() <= slack { truncated } else { middle - towards * slack })
    }

    /// Takes note of the value at the point that was asked for.
    pub(super) fn tell(&mut self, x: f64, f: f64) {
        match self.phase {
            Phase::Done => {}
            Phase::Shrink(_) if f < 0.0 => {
                (self.a, self.fa) = (x, f);
                self.refine();
            }
            Phase::Shrink(k) => {
                (self.b, self.fb) = (x, f);
                self.at_start = k + 1 >= SHRINK;
                self.phase = if self.at_start { Phase::Done } else { Phase::Shrink(k + 1) };
            }
            Phase::Refine(left) => {
                // What is not a number counts as behind the event.
                if f < 0.0 {
                    (self.a, self.fa) = (x, f);
                } else {
                    (self.b, self.fb) = (x, f);
                }
                let over = self.b - self.a <= WIDTH || left == 0 || f == 0.0;
                self.phase = if over { Phase::Done } else { Phase::Refine(left - 1) };
            }
        }
    }

    /// The root: the function is not negative there, up to rounding.
    pub(super) fn root(&self) -> f64 {
        if self.at_start { self.a } else { self.b }
    }
}

#[cfg(test)]
mod tests {
    use super::Search;

    fn find(a: f64, b: f64, f: impl Fn(f64) -> f64) -> (f64, usize) {
        let mut search = Search::new(a, b, f(a), f(b));
        let mut calls = 0;
        while let Some(x) = search.next() {
            search.tell(x, f(x));
            calls += 1;
        }
        (search.root(), calls)
    }

    #[test]
    fn roots_are_found_to_rounding_in_few_calls() {
        let (root, calls) = find(0.0, 1.0, |x| x * x - 0.5);
        assert!((root - 0.5_f64.sqrt()).abs() <= 1e-15 && calls <= 12, "{root} in {calls}");
        let (root, calls) = find(0.25, 0.5, |x| (x - 0.3).powi(9));
        assert!((root - 0.3).abs() <= 1e-15 && calls <= 52, "{root} in {calls}");
        let (root, calls) = find(0.0, 0.25, |x| if x < 0.1 { -1.0 } else { 1e12 });
        assert!((root - 0.1).abs() <= 1e-15 && calls <= 52, "{root} in {calls}");
    }

    #[test]
    fn a_start_on_the_surface_is_not_the_root() {
        let (root, _) = find(0.0, 1.0, |x| x * (x - 1e-5));
        assert!((root - 1e-5).abs() <= 1e-15, "{root}");
        let mut search = Search::new(0.0, 1.0, 0.0, 1.0);
        while let Some(x) = search.next() {
            search.tell(x, x);
        }
        assert!(search.at_start && search.root() == 0.0);
    }
}
