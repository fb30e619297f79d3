//! Kept states → windows of steps, the last one first.
//!
//! Positions are counted from the end: at *back* = q, q steps of the longest lane are yet to come.

use super::Plan;
use crate::solve::real::Real;
use crate::solve::system::System;
use crate::solve::tape::Tape;

/// Something that can stand at any position, and step on from there.
pub(in crate::solve) trait Player<R: Real> {
    /// All that is needed to stand there again.
    type Saved;
    /// Stands at `back`, or before it, from the states kept on the way forward.
    fn start<S: System<R>>(&mut self, sys: &mut S, back: usize);
    /// Steps to `back`, and adds the steps to a window.
    fn advance<S: System<R>>(&mut self, sys: &mut S, back: usize, window: Option<&mut Tape<R>>);
    /// The position under way.
    fn save(&self) -> Self::Saved;
    /// Stands at a position that was saved at `back`.
    fn restore<S: System<R>>(&mut self, sys: &mut S, back: usize, saved: &Self::Saved);
}

/// Goes back through the steps, window by window.
#[derive(Debug)]
pub(in crate::solve) struct Descent<R: Real, P: Player<R>> {
    pub(in crate::solve) player: P,
    plan: Plan,
    /// Steps of the longest lane, and between two outer states.
    longest: usize,
    stride: usize,
    /// Inner states, the furthest from the end first.
    saved: Vec<(usize, P::Saved)>,
    /// The steps under way.
    pub(in crate::solve) window: Tape<R>,
    /// Where the window begins.
    high: usize,
}

impl<R: Real, P: Player<R>> Descent<R, P> {
    pub(in crate::solve) fn new(player: P, plan: Plan, longest: usize, stride: usize, window: Tape<R>) -> Self {
        Self { player, plan, longest, stride: stride.max(1), saved: Vec::new(), window, high: 0 }
    }

    /// Fills the window with the steps from somewhere before to `back`, unless it holds the step before `back`. Whether
    /// it was filled.
    pub(in crate::solve) fn reach<S: System<R>>(&mut self, sys: &mut S, back: usize) -> bool {
        if back < self.high {
            return false;
        }
        self.saved.truncate(self.saved.iter().take_while(|(at, _)| *at > back).count());
        let mut high = match self.saved.last() {
            Some((at, saved)) => {
                self.player.restore(sys, *at, saved);
                *at
            }
            None => {
                let end = self.outer(back);
                self.player.start(sys, end);
                self.player.advance(sys, end, None);
                self.saved.push((end, self.player.save()));
                end
            }
        };
        let size = self.plan.window;
        let mut blocks = (high - back).div_ceil(size);
        while blocks > 1 {
            let free = self.plan.inner.saturating_sub(self.saved.len());
            blocks -= split(blocks, free + 1);
            high = back + blocks * size;
            self.player.advance(sys, high, None);
            if free > 0 {
                self.saved.push((high, self.player.save()));
            }
        }
        self.player.advance(sys, back, Some(&mut self.window));
        self.high = high;
        true
    }

    /// The first position before `back` at which the longest lane has an outer state.
    fn outer(&self, back: usize) -> usize {
        let steps = self.longest - back;
        self.longest - (steps - 1) / self.stride * self.stride
    }
}

/// Largest number of steps that `states` kept ones can reverse if none is taken more than `repeats` times again.
fn reversible(states: usize, repeats: usize) -> usize {
    let factor = |product: usize, k: usize| product.saturating_mul(states + k) / k;
    (1..=repeats).fold(1, factor)
}

/// How far to go from a kept state before the next one, with `steps` > 1 ahead and `states` states, this one included.
pub(super) fn split(steps: usize, states: usize) -> usize {
    if states <= 1 {
        return steps - 1;
    }
    let repeats = (1..=steps).find(|&r| reversible(states, r) >= steps).unwrap_or(1);
    let rest = reversible(states - 1, repeats);
    let least = if repeats > 1 { reversible(states, repeats - 2) } else { 0 };
    steps.saturating_sub(rest).max(least).max(1)
}
