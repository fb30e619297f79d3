//! A budget of memory → which states of the steps are kept; steps in reverse → the states kept and stepped again.
//!
//! Forward, when nobody knows how many steps there will be, every `stride`-th state is kept, and `stride` doubles when
//! the budget is full. Backwards, the stretch between two of these *outer* states is divided by the binomial rule of
//! Griewank and Walther, Algorithm 799: revolve, ACM Trans. Math. Softw. 26 (2000) 19–45, whose *inner* states take the
//! second part of the budget; its leaves are not single steps but *windows*, short tapes that take the third. Steps are
//! repeated with their own positions, so they have the same bits, and so has the gradient. (A scheme that stays optimal
//! while the number of steps is unknown: Wang, Moin and Iaccarino, SIAM J. Sci. Comput. 31 (2009) 2549–2567. Doubling
//! costs at most one more pass.)

mod descent;
pub(super) mod replay;

pub(super) use descent::{Descent, Player};
pub(super) use replay::Replay;

use super::options::Options;

/// How a budget is divided, in numbers of states and steps of a sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Plan {
    /// States kept on the way forward.
    pub(super) outer: usize,
    /// States kept within the stretch under way.
    pub(super) inner: usize,
    /// Steps of a window.
    pub(super) window: usize,
}

/// The binomial rule gains little beyond.
const MOST_INNER: usize = 8;

impl Plan {
    /// Divides a budget of bytes, `state` and `step` being those of a kept state and of a step in a window.
    pub(super) fn new(budget: usize, state: usize, step: usize) -> Self {
        let (state, step) = (state.max(1), step.max(1));
        // The window has one state more than steps.
        let left = budget.max(Self::least(state, step)) - state;
        let outer = (left / 2 / state).max(2).min((left - state - step) / state);
        let rest = left - outer * state;
        let inner = (rest / 4 / state).clamp(1, MOST_INNER).min((rest - step) / state);
        Self { outer, inner, window: (rest - inner * state) / step }
    }

    /// The smallest budget that can be kept.
    pub(super) const fn least(state: usize, step: usize) -> usize {
        4 * state + step
    }
}

/// The smallest [`Options::memory`] for these options and this number of components.
pub(super) fn least(options: &Options, dim: usize, number: usize) -> usize {
    let (state, step) = match options.method {
        super::Method::Implicit(method) => super::implicit::sizes(method, dim, number),
        _ => (2 * dim * number, options.method.tableau().stages() * dim * number),
    };
    // Each stretch between stops has its share.
    Plan::least(state, step) * (options.stops.len() + 1)
}

#[cfg(test)]
mod tests;
