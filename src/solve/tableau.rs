//! Name of a method → its coefficients.

use super::grid::Symplectic;
use super::implicit::Implicit;
use super::methods;

/// Coefficients of an explicit Runge–Kutta method with `S` stages, of which the last one is always the right-hand
/// side at the new point (row `b`). It is the first stage of the next step, so no evaluation is wasted, and dense
/// output may use it.
#[derive(Debug)]
pub struct Tableau {
    /// Order of the method.
    pub order: usize,
    /// Order of the embedded solution, which steers the step size; `None`: no error estimate.
    pub embedded_order: Option<usize>,
    /// Order of dense output.
    pub dense_order: usize,
    /// Nodes, `[S]`; the last one is 1.
    pub c: &'static [f64],
    /// Rows of the strictly lower triangle for the stages 2..S; the last row is `b`.
    pub a: &'static [&'static [f64]],
    /// Weights b − b̂ of the error estimate, `[S]`; empty where there is none.
    pub error: &'static [f64],
    /// Weights of a second, coarser error estimate, `[S]`; empty where there is none. The error is then
    /// e² / √(e² + 0.01 c²) with the norms e and c of the two (Hairer, Nørsett, Wanner, section II.10).
    pub coarse_error: &'static [f64],
    /// Stages that only dense output needs, `[E]`: node, and row over all stages before.
    pub extra: &'static [(f64, &'static [f64])],
    /// Weights of dense output, `[S + E]`: z(t + θh) = z + h Σ bᵢ(θ) kᵢ with bᵢ(θ) = Σₚ `dense[i][p]` θᵖ⁺¹.
    pub dense: &'static [[f64; POWERS]],
}

/// Order of the embedded solution behind [`Tableau::coarse_error`].
const COARSE_ORDER: f64 = 3.0;

/// Highest degree of dense output.
pub(super) const POWERS: usize = 7;

impl Tableau {
    /// Number of stages `S`, the one at the new point included.
    #[must_use]
    pub const fn stages(&self) -> usize {
        self.c.len()
    }

    /// Weights b, `[S − 1]`.
    #[must_use]
    pub fn b(&self) -> &'static [f64] {
        self.a.last().copied().unwrap_or_default()
    }

    /// The power of the step length that the error estimate follows.
    #[must_use]
    pub fn error_power(&self) -> f64 {
        let fine = self.embedded_order.unwrap_or(0) as f64 + 1.0;
        if self.coarse_error.is_empty() { fine } else { 2.0 * fine - COARSE_ORDER - 1.0 }
    }

    /// bᵢ(θ) of dense output, for stage `i` counted from 0.
    #[must_use]
    pub fn dense_weight(&self, i: usize, theta: f64) -> f64 {
        self.dense[i].iter().rev().fold(0.0, |sum, p| theta * (p + sum))
    }

    /// dbᵢ/dθ of dense output, for stage `i` counted from 0.
    #[must_use]
    pub fn dense_slope(&self, i: usize, theta: f64) -> f64 {
        let terms = self.dense[i].iter().enumerate().rev();
        terms.fold(0.0, |sum, (power, p)| (power as f64 + 1.0) * p + theta * sum)
    }
}

/// The methods by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Method {
    /// Forward Euler, order 1, fixed steps only.
    Euler,
    /// Explicit midpoint, order 2, with Euler embedded.
    Midpoint,
    /// Heun's second order method (explicit trapezium), with Euler embedded.
    Heun,
    /// Ralston's second order method, with Euler embedded.
    Ralston,
    /// The classical fourth order method, fixed steps only.
    Rk4,
    /// The 3/8 rule of order 4, fixed steps only.
    Rk438,
    /// Bogacki–Shampine 3(2).
    Bosh3,
    /// Dormand–Prince 5(4).
    Dopri5,
    /// Tsitouras 5(4).
    Tsit5,
    /// Verner's efficient 7(6).
    Vern7,
    /// The method of order 8 of the code DOP853.
    Dopri8,
    /// Adams methods of orders 1 to 12, chosen step by step; no Runge–Kutta method.
    Adams,
    /// An implicit method.
    Implicit(Implicit),
    /// A symplectic method, fixed steps only.
    Symplectic(Symplectic),
}

impl Method {
    /// Every explicit Runge–Kutta method, lowest order first.
    pub const ALL: [Self; 11] = [
        Self::Euler,
        Self::Midpoint,
        Self::Heun,
        Self::Ralston,
        Self::Bosh3,
        Self::Rk4,
        Self::Rk438,
        Self::Dopri5,
        Self::Tsit5,
        Self::Vern7,
        Self::Dopri8,
    ];

    /// The name users write.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Euler => "euler",
            Self::Midpoint => "midpoint",
            Self::Heun => "heun",
            Self::Ralston => "ralston",
            Self::Rk4 => "rk4",
            Self::Rk438 => "rk4_38",
            Self::Bosh3 => "bosh3",
            Self::Dopri5 => "dopri5",
            Self::Tsit5 => "tsit5",
            Self::Vern7 => "vern7",
            Self::Dopri8 => "dopri8",
            Self::Adams => "adams",
            Self::Implicit(method) => method.name(),
            Self::Symplectic(method) => method.name(),
        }
    }

    /// The method of this name, if there is one.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::every().find(|method| method.name() == name)
    }

    /// Explicit, multistep, implicit and symplectic methods.
    pub fn every() -> impl Iterator<Item = Self> {
        let implicit = Implicit::ALL.into_iter().map(Self::Implicit);
        let symplectic = Symplectic::ALL.into_iter().map(Self::Symplectic);
        Self::ALL.into_iter().chain([Self::Adams]).chain(implicit).chain(symplectic)
    }

    /// Whether `discrete` can reverse its steps.
    #[must_use]
    pub const fn has_discrete(self) -> bool {
        !matches!(self, Self::Adams)
    }

    /// The coefficients of an explicit Runge–Kutta method. The others have tables of their own, or none: `auto` starts
    /// with this one, and a symplectic method takes it where an equation is integrated that is not separable.
    #[must_use]
    pub const fn tableau(self) -> &'static Tableau {
        match self {
            Self::Euler => &methods::EULER,
            Self::Midpoint => &methods::MIDPOINT,
            Self::Heun => &methods::HEUN,
            Self::Ralston => &methods::RALSTON,
            Self::Rk4 | Self::Symplectic(_) => &methods::RK4,
            Self::Rk438 => &methods::RK4_38,
            Self::Bosh3 => &methods::BOSH3,
            Self::Dopri5 => &methods::DOPRI5,
            Self::Tsit5 | Self::Adams | Self::Implicit(_) => &methods::TSIT5,
            Self::Vern7 => &methods::VERN7,
            Self::Dopri8 => &methods::DOPRI8,
        }
    }
}
