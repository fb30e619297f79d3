//! Where a parameter or a state lives, and the smooth bijection from the real numbers to it.

/// A set of values.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub enum Domain {
    /// All numbers.
    #[default]
    Real,
    /// x > 0, as exp(raw).
    Positive,
    /// x < 0, as −exp(raw).
    Negative,
    /// 0 < x < 1, as sigmoid(raw).
    Unit,
    /// low < x < high, as low + (high − low)·sigmoid(raw).
    Interval(f64, f64),
    /// Positive entries with sum 1 (a vector), as softmax([raw, 0]).
    Simplex,
}

impl Domain {
    /// The names, for messages.
    pub const NAMES: &'static [&'static str] =
        &["real", "positive", "negative", "unit", "interval", "simplex", "class"];

    /// As written in a model.
    pub fn spell(self) -> String {
        match self {
            Self::Real => "real".into(),
            Self::Positive => "positive".into(),
            Self::Negative => "negative".into(),
            Self::Unit => "unit".into(),
            Self::Interval(low, high) => format!("interval({low}, {high})"),
            Self::Simplex => "simplex".into(),
        }
    }

    /// Whether natural values lie inside.
    pub fn contains(self, values: &[f64]) -> bool {
        match self {
            Self::Real => values.iter().all(|v| v.is_finite()),
            Self::Positive => values.iter().all(|v| *v > 0.0 && v.is_finite()),
            Self::Negative => values.iter().all(|v| *v < 0.0 && v.is_finite()),
            Self::Unit => values.iter().all(|v| *v > 0.0 && *v < 1.0),
            Self::Interval(low, high) => values.iter().all(|v| *v > low && *v < high),
            Self::Simplex => values.iter().all(|v| *v > 0.0) && (values.iter().sum::<f64>() - 1.0).abs() < 1e-6,
        }
    }

    /// Where a parameter starts if nothing else is said.
    pub fn middle(self, entries: usize) -> Vec<f64> {
        #[allow(clippy::cast_precision_loss, reason = "far below 2^52 entries")]
        let value = match self {
            Self::Real => 0.0,
            Self::Positive => 1.0,
            Self::Negative => -1.0,
            Self::Unit => 0.5,
            Self::Interval(low, high) => f64::midpoint(low, high),
            Self::Simplex => 1.0 / entries.max(1) as f64,
        };
        vec![value; entries]
    }

    /// The shape of the unconstrained parameter.
    pub fn raw_shape(self, shape: &[usize]) -> Vec<usize> {
        match self {
            Self::Simplex => vec![shape.iter().product::<usize>().saturating_sub(1)],
            Self::Real | Self::Positive | Self::Negative | Self::Unit | Self::Interval(..) => shape.to_vec(),
        }
    }

    /// Natural values → unconstrained values, the inverse of the bijection.
    pub fn unconstrained(self, natural: &[f64]) -> Vec<f64> {
        let each = |f: &dyn Fn(f64) -> f64| natural.iter().map(|v| f(*v)).collect();
        match self {
            Self::Real => natural.to_vec(),
            Self::Positive => each(&f64::ln),
            Self::Negative => each(&|v| (-v).ln()),
            Self::Unit => each(&|v| (v / (1.0 - v)).ln()),
            Self::Interval(low, high) => each(&|v| ((v - low) / (high - v)).ln()),
            Self::Simplex => {
                let last = natural.last().copied().unwrap_or(1.0);
                natural.iter().take(natural.len().saturating_sub(1)).map(|v| (v / last).ln()).collect()
            }
        }
    }
}
