//! Accepted steps → the integral of aᵀ∂f/∂θ, one product a step.
//!
//! The corrector's formula for the integral over a step is a sum over the last values. The weight of a value is
//! complete when no later step uses it any more; only then its product is taken, at the state that was kept for it.

use super::KEPT;
use super::history::History;
use crate::solve::real::Real;
use crate::solve::system::AdjointSystem;

/// A time with the state (z, a) there, `[2D]`, and the weight it has so far.
#[derive(Debug, Clone)]
struct Point<R> {
    t: f64,
    state: Vec<R>,
    weight: f64,
}

/// The values that steps to come may use, and those that are complete, of every lane.
#[derive(Debug)]
pub(super) struct Quadrature<R> {
    /// The latest one first.
    open: Vec<Vec<Point<R>>>,
    complete: Vec<Vec<Point<R>>>,
}

impl<R: Real> Quadrature<R> {
    pub(super) fn new(lanes: usize) -> Self {
        Self { open: vec![Vec::new(); lanes], complete: vec![Vec::new(); lanes] }
    }

    /// Starts again at `t`, where the state `[2D][L]` is `z`.
    pub(super) fn restart(&mut self, lane: usize, t: f64, z: &[R]) {
        self.close(lane);
        self.push(lane, t, z);
    }

    /// Nothing uses the values of the lane any more.
    pub(super) fn close(&mut self, lane: usize) {
        let (open, complete) = (&mut self.open[lane], &mut self.complete[lane]);
        complete.extend(open.drain(..).filter(|point| point.weight != 0.0));
    }

    /// What a lane has not handed out is dropped with it.
    pub(super) fn drop_lane(&mut self, lane: usize) {
        self.open[lane].clear();
        self.complete[lane].clear();
    }

    fn push(&mut self, lane: usize, t: f64, z: &[R]) {
        let lanes = self.open.len();
        let state = z.iter().skip(lane).step_by(lanes).copied().collect();
        self.open[lane].insert(0, Point { t, state, weight: 0.0 });
        if self.open[lane].len() > KEPT {
            self.complete[lane].extend(self.open[lane].pop());
        }
    }

    /// Adds an accepted step that ends where the history stands now, in the state `z` `[2D][L]`.
    pub(super) fn step(&mut self, lane: usize, history: &History, order: usize, z: &[R]) {
        self.push(lane, history.now(), z);
        for (point, weight) in self.open[lane].iter_mut().zip(history.nodal(order)) {
            point.weight += weight;
        }
    }

    /// Whether enough has gathered to be taken in calls that most lanes have a part in.
    pub(super) fn is_full(&self) -> bool {
        self.complete.iter().any(|complete| complete.len() >= KEPT)
    }

    /// Takes the products that are complete, into the system's accumulators; `idle` is (time, state z) `[D]` for a
    /// lane without one. Returns the number of calls.
    pub(super) fn flush<S: AdjointSystem<R>>(&mut self, sys: &mut S, idle: impl Fn(usize) -> (f64, Vec<R>)) -> usize {
        let (dim, lanes) = (sys.dim(), sys.lanes());
        let mut calls = 0;
        let (mut t, mut t_bar) = (vec![0.0; lanes], vec![R::ZERO; lanes]);
        let (mut z, mut w, mut z_bar) =
            (vec![R::ZERO; dim * lanes], vec![R::ZERO; dim * lanes], vec![R::ZERO; dim * lanes]);
        while self.complete.iter().any(|complete| !complete.is_empty()) {
            for lane in 0..lanes {
                let point = self.complete[lane].pop();
                let (time, state) = point.as_ref().map_or_else(|| idle(lane), |p| (p.t, p.state.clone()));
                t[lane] = time;
                for d in 0..dim {
                    z[d * lanes + lane] = state[d];
                    w[d * lanes + lane] = point.as_ref().map_or(R::ZERO, |p| R::from_f64(-p.weight) * p.state[dim + d]);
                }
            }
            sys.vjp(&t, &z, &w, &mut z_bar, &mut t_bar, true);
            calls += 1;
        }
        calls
    }
}
