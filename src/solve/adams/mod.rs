//! Adams methods of orders 1 to 12 with variable steps, in the form predict, evaluate, correct, evaluate.
//!
//! The predictor of order k integrates the polynomial through the last k values of the right-hand side, the corrector
//! of order k + 1 the one that also meets the value at the predicted state; their difference steers step and order.
//! Modified divided differences as in Hairer, Nørsett, Wanner, Solving Ordinary Differential Equations I, section III.5
//! (after Krogh); choice of step and order as in Shampine, Gordon, Computer Solution of Ordinary Differential
//! Equations: The Initial Value Problem (1975). A start, and a restart after a jump, is at order 1.

mod backward;
mod forward;
mod history;
mod quadrature;
mod tile;
mod walk;

pub(super) use backward::backsolve;
pub(super) use forward::solve;
pub(super) use walk::Walk;

/// Highest order of the predictor.
pub(super) const ORDERS: usize = 12;

/// Degree of dense output at the highest order.
pub(super) const DEGREE: usize = ORDERS + 1;

/// Values of the right-hand side that are kept: the corrector of the highest order and the estimate of the error at
/// one order more.
const KEPT: usize = ORDERS + 2;
