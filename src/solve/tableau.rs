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
    /// Weights of dense output, `[S][4]`: z(t + θh) = z + h Σ bᵢ(θ) kᵢ with bᵢ(θ) = Σₚ `dense[i][p]` θᵖ⁺¹.
    pub dense: &'static [[f64; 4]],
}

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

    /// bᵢ(θ) of dense output, for stage `i` counted from 0.
    #[must_use]
    pub fn dense_weight(&self, i: usize, theta: f64) -> f64 {
        let p = self.dense[i];
        theta * (p[0] + theta * (p[1] + theta * (p[2] + theta * p[3])))
    }

    /// dbᵢ/dθ of dense output, for stage `i` counted from 0.
    #[must_use]
    pub fn dense_slope(&self, i: usize, theta: f64) -> f64 {
        let p = self.dense[i];
        p[0] + theta * (2.0 * p[1] + theta * (3.0 * p[2] + theta * 4.0 * p[3]))
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
    /// The classical fourth order method, fixed steps only.
    Rk4,
    /// Bogacki–Shampine 3(2).
    Bosh3,
    /// Dormand–Prince 5(4).
    Dopri5,
    /// Tsitouras 5(4).
    Tsit5,
    /// An implicit method.
    Implicit(Implicit),
    /// A symplectic method, fixed steps only.
    Symplectic(Symplectic),
}

impl Method {
    /// Every explicit Runge–Kutta method, lowest order first.
    pub const ALL: [Self; 7] =
        [Self::Euler, Self::Midpoint, Self::Heun, Self::Rk4, Self::Bosh3, Self::Dopri5, Self::Tsit5];

    /// The name users write.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Euler => "euler",
            Self::Midpoint => "midpoint",
            Self::Heun => "heun",
            Self::Rk4 => "rk4",
            Self::Bosh3 => "bosh3",
            Self::Dopri5 => "dopri5",
            Self::Tsit5 => "tsit5",
            Self::Implicit(method) => method.name(),
            Self::Symplectic(method) => method.name(),
        }
    }

    /// The method of this name, if there is one.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::every().find(|method| method.name() == name)
    }

    /// Explicit, implicit and symplectic methods.
    pub fn every() -> impl Iterator<Item = Self> {
        let implicit = Implicit::ALL.into_iter().map(Self::Implicit);
        Self::ALL.into_iter().chain(implicit).chain(Symplectic::ALL.into_iter().map(Self::Symplectic))
    }

    /// The coefficients of an explicit Runge–Kutta method. The others have tables of their own: `auto` starts with this
    /// one, and a symplectic method takes it where an equation is integrated that is not separable.
    #[must_use]
    pub const fn tableau(self) -> &'static Tableau {
        match self {
            Self::Euler => &methods::EULER,
            Self::Midpoint => &methods::MIDPOINT,
            Self::Heun => &methods::HEUN,
            Self::Rk4 | Self::Symplectic(_) => &methods::RK4,
            Self::Bosh3 => &methods::BOSH3,
            Self::Dopri5 => &methods::DOPRI5,
            Self::Tsit5 | Self::Implicit(_) => &methods::TSIT5,
        }
    }
}
