//! One sample, step by step.

use super::DEGREE;
use super::tile::Tile;
use crate::solve::continuous::nodes;
use crate::solve::failure::Failure;
use crate::solve::options::Options;
use crate::solve::real::Real;
use crate::solve::schedule::Schedule;
use crate::solve::system::{Stats, System};

/// A sample on its way to the end of a schedule.
#[derive(Debug)]
pub(in crate::solve) struct Walk<'a, R> {
    tile: Tile<'a, R>,
    schedule: &'a Schedule,
}

impl<'a, R: Real> Walk<'a, R> {
    /// At the start, after so many steps of the same solve.
    pub(in crate::solve) fn new(options: &'a Options, schedule: &'a Schedule, z: &[R], attempts: usize) -> Self {
        let mut tile = Tile::new(options, z.len(), vec![true], vec![None], &schedule.t0);
        tile.z.copy_from_slice(z);
        tile.lanes[0].attempts = attempts;
        Self { tile, schedule }
    }

    /// Chooses the first step.
    pub(in crate::solve) fn begin<S: System<R>>(&mut self, sys: &mut S) {
        self.tile.start(&[true], &self.schedule.t_end, |t, z, dz| sys.rhs(t, z, dz));
    }

    /// Tries the next step, and takes it if that may be.
    pub(in crate::solve) fn tried<S: System<R>>(&mut self, sys: &mut S) -> bool {
        self.tile.propose();
        if !self.tile.any_running() {
            return false;
        }
        self.tile.attempt(|t, z, dz| sys.rhs(t, z, dz));
        self.tile.accepted[0]
    }

    /// Start and end of the last step.
    pub(in crate::solve) fn times(&self) -> (f64, f64) {
        let history = &self.tile.lanes[0].history;
        (history.before(), history.now())
    }

    /// Where it is, as a fraction of the span.
    pub(in crate::solve) fn position(&self) -> f64 {
        self.schedule.fraction(0, self.tile.lanes[0].history.now())
    }

    /// The state at a fraction of the last step.
    pub(in crate::solve) fn state(&self, theta: f64, out: &mut [R]) {
        if theta >= 1.0 {
            out.copy_from_slice(&self.tile.z);
            return;
        }
        let (before, now) = self.times();
        let dense = self.tile.dense(0, before + theta * (now - before));
        out.iter_mut().enumerate().for_each(|(i, out)| *out = dense(i));
    }

    /// Adds the last step to the lists of a tape: values within it, its end as a fraction of the span, the state there.
    pub(in crate::solve) fn keep(&self, k: &mut Vec<R>, s: &mut Vec<f64>, z: &mut Vec<R>) {
        let mut state = vec![R::ZERO; self.tile.n()];
        for theta in nodes(DEGREE).take(DEGREE).skip(1) {
            self.state(theta, &mut state);
            k.extend(&state);
        }
        s.push(self.position());
        z.extend(&self.tile.z);
    }

    pub(in crate::solve) fn failure(&self) -> Option<&Failure> {
        self.tile.failures[0].as_ref()
    }

    /// Steps so far, rejected ones included, and work done.
    pub(in crate::solve) fn work(self) -> (usize, Stats) {
        (self.tile.lanes[0].attempts, self.tile.stats)
    }
}
