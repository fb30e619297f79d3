//! The division of a budget, and the number of steps taken again.

use super::{Descent, Plan, Player};
use crate::solve::system::System;
use crate::solve::tape::{LaneTape, Tape};

/// β(s, r) = (s + r)! / (s! r!)
fn beta(s: u64, r: u64) -> u64 {
    (1..=r).fold(1, |product, k| product * (s + k) / k)
}

/// The least number of steps before the reverse of `l` ones with `s` states (Griewank 1992; proposition 1 of algorithm
/// 799): r l − β(s + 1, r − 1) for the r with β(s, r − 1) < l ≤ β(s, r).
fn least_steps(l: u64, s: u64) -> u64 {
    let r = (1..=l).find(|&r| l <= beta(s, r)).unwrap();
    r * l - beta(s + 1, r - 1)
}

/// Stands anywhere, and counts.
struct Counter {
    steps: usize,
    stride: usize,
    at: usize,
    taken: u64,
}

struct Nothing;

impl System<f64> for Nothing {
    fn dim(&self) -> usize {
        1
    }
    fn lanes(&self) -> usize {
        1
    }
    fn rhs(&mut self, _: &[f64], _: &[f64], _: &mut [f64]) {}
}

impl Player<f64> for Counter {
    type Saved = usize;

    fn start<S: System<f64>>(&mut self, _: &mut S, back: usize) {
        self.at = (self.steps - back) / self.stride * self.stride;
    }

    fn advance<S: System<f64>>(&mut self, _: &mut S, back: usize, window: Option<&mut Tape<f64>>) {
        let end = self.steps - back;
        assert!(end >= self.at, "nobody steps backwards");
        match window {
            Some(window) => {
                window.lanes[0].clear(self.at);
                (self.at..=end).for_each(|n| window.lanes[0].keep(0, &[n as f64], 1, &[]));
            }
            None => self.taken += (end - self.at) as u64,
        }
        self.at = end;
    }

    fn save(&self) -> usize {
        self.at
    }

    fn restore<S: System<f64>>(&mut self, _: &mut S, back: usize, saved: &usize) {
        assert_eq!(*saved, self.steps - back);
        self.at = *saved;
    }
}

/// Goes back through all steps; every one of them must be there when its turn comes.
fn taken(steps: usize, stride: usize, plan: Plan) -> u64 {
    let window = Tape { lanes: vec![LaneTape::default()], ..Tape::new() };
    let counter = Counter { steps, stride, at: 0, taken: 0 };
    let mut descent = Descent::new(counter, plan, steps, stride, window);
    for back in 0..steps {
        descent.reach(&mut Nothing, back);
        let (lane, step) = (&descent.window.lanes[0], steps - back - 1);
        assert_eq!(lane.z[step - lane.first..][..2], [step as f64, step as f64 + 1.0]);
        assert!(lane.z.len() <= plan.window + 1, "the window is not longer than the plan says");
    }
    descent.player.taken
}

#[test]
fn inner_states_are_placed_optimally() {
    for inner in 1..6 {
        for steps in 1..200 {
            let plan = Plan { outer: 1, inner, window: 1 };
            assert_eq!(taken(steps, steps, plan), least_steps(steps as u64, inner as u64), "{steps}, {inner}");
        }
    }
}

#[test]
fn every_step_is_there_whatever_the_plan() {
    for (steps, stride, inner, window) in [(1, 1, 1, 1), (1000, 64, 3, 5), (1000, 128, 1, 7), (97, 4, 8, 50)] {
        let plan = Plan { outer: steps / stride + 1, inner, window };
        let again = taken(steps, stride, plan);
        // Windows as long as the stretches: no step is taken more than once before its window.
        assert!(window < stride || again <= steps as u64, "{again} steps");
    }
}

#[test]
fn a_plan_keeps_the_budget() {
    for (state, step) in [(16, 16), (32, 112), (300, 70), (8, 104)] {
        for budget in [Plan::least(state, step), 1000, 4096, 65_536, 1 << 20] {
            let plan = Plan::new(budget, state, step);
            let used = (plan.outer + plan.inner + 1) * state + plan.window * step;
            assert!(used <= budget.max(Plan::least(state, step)), "{plan:?} takes {used} of {budget}");
            assert!(plan.outer >= 2 && plan.inner >= 1 && plan.window >= 1, "{plan:?}");
            assert!(used + state + step >= budget.min(1 << 20), "{plan:?} leaves much of {budget}");
        }
    }
}
