//! Implicit methods for stiff systems, one sample at a time.
//!
//! A step is taken by a *scheme*: a Rosenbrock method, which solves linear systems only, an ESDIRK method with Newton's
//! iteration, or (in `auto`) an explicit one. [`forward`] steps, [`reverse`] differentiates the steps taken. Both need
//! the Jacobian of the right-hand side ([`System::jacobian`]), the reverse of Rosenbrock steps its derivative too.

mod bdf;
pub(super) mod differences;
mod dirk;
mod forward;
mod large;
mod linear;
mod lu;
mod newton;
mod path;
mod replay;
mod reverse;
mod rosenbrock;
mod scheme;
mod sparse;
mod step;
mod switch;
mod tables;
mod taken;

pub(super) use forward::{Run, solve};
pub(super) use linear::Structure;
pub(super) use path::{degree, dense};
pub(super) use replay::{Saved, sizes};
pub(super) use reverse::discrete;
pub use tables::{Esdirk, RosenbrockTable};
pub(super) use taken::TakenStep;

use super::real::Real;
use super::system::System;

/// The implicit methods by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Implicit {
    /// ESDIRK 5(4) of Kværnø.
    Kvaerno5,
    /// Rosenbrock–Wanner 5(4) of Steinebach.
    Rodas5p,
    /// Numerical differentiation formulas of orders 1 to 5 of Shampine and Reichelt.
    Bdf,
    /// `tsit5` until the system turns out to be stiff, then `rodas5p`, and back.
    Auto,
}

impl Implicit {
    /// Every implicit method.
    pub const ALL: [Self; 4] = [Self::Kvaerno5, Self::Rodas5p, Self::Bdf, Self::Auto];

    /// The name users write.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Kvaerno5 => "kvaerno5",
            Self::Rodas5p => "rodas5p",
            Self::Bdf => "bdf",
            Self::Auto => "auto",
        }
    }

    /// Order, order of the error estimate, order of dense output; of several the highest.
    #[must_use]
    pub const fn orders(self) -> (usize, usize, usize) {
        let table = &tables::RODAS5P;
        match self {
            Self::Kvaerno5 => (5, 4, tables::KVAERNO5.tableau.dense_order),
            Self::Bdf => (bdf::HIGHEST, bdf::HIGHEST, bdf::HIGHEST),
            Self::Rodas5p | Self::Auto => (table.order, table.embedded_order, table.dense_order),
        }
    }

    /// Whether the reverse pass pulls back through the Jacobian ([`super::AdjointSystem::jacobian_vjp`]).
    #[must_use]
    pub const fn differentiates_jacobian(self) -> bool {
        match self {
            Self::Kvaerno5 | Self::Bdf => false,
            Self::Rodas5p | Self::Auto => true,
        }
    }

    /// Coefficients of an ESDIRK method.
    #[must_use]
    pub const fn esdirk(self) -> Option<&'static Esdirk> {
        match self {
            Self::Kvaerno5 => Some(&tables::KVAERNO5),
            Self::Rodas5p | Self::Bdf | Self::Auto => None,
        }
    }

    /// Coefficients of a Rosenbrock method.
    #[must_use]
    pub const fn rosenbrock(self) -> Option<&'static RosenbrockTable> {
        match self {
            Self::Rodas5p => Some(&tables::RODAS5P),
            Self::Kvaerno5 | Self::Bdf | Self::Auto => None,
        }
    }

    /// Values that the tape keeps for a step of a sample, apart from the state: stages, and how many of them.
    #[must_use]
    pub const fn stages(self) -> usize {
        match self {
            Self::Kvaerno5 => tables::KVAERNO5.tableau.stages(),
            Self::Bdf => bdf::ROWS,
            Self::Rodas5p | Self::Auto => tables::RODAS5P.alpha.len(),
        }
    }
}

/// Size and structure of a system with one lane.
fn single<R: Real, S: System<R>>(sys: &S) -> Structure {
    assert_eq!(sys.lanes(), 1, "implicit methods step one sample at a time");
    Structure::of(sys)
}
