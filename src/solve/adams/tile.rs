//! The steps of a tile: one attempt of every running lane, with its own step length and order.

#![allow(clippy::needless_range_loop, reason = "an index runs over several tables")]

use super::history::History;
use super::{KEPT, ORDERS};
use crate::solve::failure::{Failure, FailureKind};
use crate::solve::kernel::larger;
use crate::solve::options::{Norm, Options, Stepping};
use crate::solve::real::Real;
use crate::solve::system::Stats;

/// Part of the tolerance that the error of a step may use. Errors of successive steps of a multistep method have mostly
/// one sign and add up: with all of the tolerance DETEST E1 ended with 10.5 tolerances at 1e-6.
const SHARE: f64 = 0.5;

/// Where a lane stands.
#[derive(Debug, Clone)]
pub(super) struct Lane {
    pub(super) history: History,
    /// End of the stretch under way.
    pub(super) end: f64,
    /// Signed length to try next.
    h: f64,
    /// Order of the predictor, of the next step and of the last one accepted.
    order: usize,
    pub(super) order_used: usize,
    /// Steps of equal length with equal order since the last change.
    equal: usize,
    /// Order and length still rise with every step.
    starting: bool,
    pub(super) attempts: usize,
    /// Rejections in a row.
    rejected: usize,
    not_finite: bool,
    // The step under way.
    next: f64,
    weights: [f64; KEPT],
    beta: [f64; KEPT],
}

/// Scaled errors of an attempt, were its order one or two lower, as it is, or one higher.
#[derive(Debug, Clone, Copy, Default)]
struct Errors {
    lower: [f64; 2],
    own: f64,
    higher: f64,
}

/// All tensors are `[component][lane]`.
#[derive(Debug)]
pub(super) struct Tile<'o, R> {
    options: &'o Options,
    pub(super) dim: usize,
    pub(super) lanes: Vec<Lane>,
    pub(super) z: Vec<R>,
    pub(super) z_new: Vec<R>,
    /// The right-hand side at the current state.
    pub(super) f: Vec<R>,
    /// Modified divided differences, `[KEPT][D][L]`, and those taken to the step under way.
    phi: Vec<R>,
    star: Vec<R>,
    /// φₖ(n + 1) from the predicted state.
    correction: Vec<R>,
    t_next: Vec<f64>,
    pub(super) running: Vec<bool>,
    pub(super) accepted: Vec<bool>,
    pub(super) stats: Stats,
    pub(super) failures: Vec<Option<Failure>>,
}

impl<'o, R: Real> Tile<'o, R> {
    pub(super) fn new(
        options: &'o Options,
        dim: usize,
        running: Vec<bool>,
        failures: Vec<Option<Failure>>,
        t: &[f64],
    ) -> Self {
        let (lanes, n) = (running.len(), dim * running.len());
        let lane = |t: &f64| Lane {
            history: History::new(*t),
            end: *t,
            h: 0.0,
            order: 1,
            order_used: 1,
            equal: 0,
            starting: true,
            attempts: 0,
            rejected: 0,
            not_finite: false,
            next: *t,
            weights: [0.0; KEPT],
            beta: [0.0; KEPT],
        };
        Self {
            options,
            dim,
            lanes: t.iter().map(lane).collect(),
            z: vec![R::ZERO; n],
            z_new: vec![R::ZERO; n],
            f: vec![R::ZERO; n],
            phi: vec![R::ZERO; KEPT * n],
            star: vec![R::ZERO; KEPT * n],
            correction: vec![R::ZERO; n],
            t_next: t.to_vec(),
            running,
            accepted: vec![false; lanes],
            stats: Stats::new(lanes),
            failures,
        }
    }

    pub(super) fn n(&self) -> usize {
        self.z.len()
    }

    pub(super) fn any_running(&self) -> bool {
        self.running.contains(&true)
    }

    fn count(&mut self, evaluations: usize) {
        self.stats.rhs_calls += 1;
        self.stats.rhs_evaluations += evaluations;
    }

    fn fail(&mut self, lane: usize, kind: FailureKind, component: Option<usize>) {
        self.running[lane] = false;
        self.failures[lane] = Some(Failure { kind, t: self.lanes[lane].history.now(), component });
    }

    /// Evaluates the right-hand side where the lanes stand; those in `fresh` start there, at order 1, towards `end`.
    pub(super) fn start(&mut self, fresh: &[bool], end: &[f64], mut rhs: impl FnMut(&[f64], &[R], &mut [R])) {
        let (n, lanes) = (self.n(), self.lanes.len());
        let now: Vec<f64> = self.lanes.iter().map(|lane| lane.history.now()).collect();
        let mut f = vec![R::ZERO; n];
        rhs(&now, &self.z, &mut f);
        self.count((0..lanes).filter(|&lane| fresh[lane] && self.running[lane]).count());
        for lane in (0..lanes).filter(|&lane| fresh[lane]) {
            for i in (lane..n).step_by(lanes) {
                (self.f[i], self.phi[i]) = (f[i], f[i]);
            }
            let bad = (0..self.dim).find(|d| {
                let i = d * lanes + lane;
                !self.z[i].is_finite() || !f[i].is_finite()
            });
            if self.running[lane] && bad.is_some() {
                self.fail(lane, FailureKind::NotFinite, bad);
            }
            let state = &mut self.lanes[lane];
            state.history = History::new(now[lane]);
            (state.end, state.order, state.equal, state.starting, state.rejected) = (end[lane], 1, 0, true, 0);
        }
        self.first_lengths(fresh);
    }

    /// A step of order 1 whose error, were the derivative as large as the function, is a quarter of the tolerance.
    fn first_lengths(&mut self, fresh: &[bool]) {
        let squares: Vec<f64> =
            (0..self.lanes.len()).map(|lane| self.square(lane, |tile, i| tile.f[i].to_f64())).collect();
        let sizes: Vec<f64> = self.shared(&squares);
        for lane in (0..self.lanes.len()).filter(|&lane| fresh[lane]) {
            let span = self.lanes[lane].end - self.lanes[lane].history.now();
            let guess = if sizes[lane] > 0.0 { 0.25 / sizes[lane].sqrt() } else { 1e-3 * span.abs() };
            let length = self.options.first_step(lane).unwrap_or(guess).min(span.abs());
            self.lanes[lane].h = length.copysign(span);
        }
    }

    /// Sum of squares (or largest square) of `value` over the scale, for a lane.
    fn square(&self, lane: usize, value: impl Fn(&Self, usize) -> f64) -> f64 {
        let lanes = self.lanes.len();
        let mut sum = 0.0;
        for d in 0..self.dim {
            let i = d * lanes + lane;
            let size = self.z[i].to_f64().abs().max(self.z_new[i].to_f64().abs());
            let ratio = value(self, i) / self.options.tolerance(d).scale(size);
            sum = match self.options.norm {
                Norm::Rms => sum + ratio * ratio,
                Norm::Max => larger(sum, ratio * ratio),
            };
        }
        sum
    }

    /// The norms from the squares of every lane, in units of [`SHARE`]: with one step for the batch, all running lanes have the same.
    fn shared(&self, squares: &[f64]) -> Vec<f64> {
        let count = |lanes: usize| match self.options.norm {
            Norm::Rms => (self.options.measured(self.dim) * lanes).max(1) as f64,
            Norm::Max => 1.0,
        };
        match self.options.stepping {
            Stepping::PerSample => squares.iter().map(|square| (square / count(1)).sqrt() / SHARE).collect(),
            Stepping::Batch => {
                let of_running = squares.iter().zip(&self.running).filter(|(_, running)| **running);
                let (mut sum, mut lanes) = (0.0, 0);
                for (square, _) in of_running {
                    sum = if self.options.norm == Norm::Rms { sum + square } else { larger(sum, *square) };
                    lanes += 1;
                }
                vec![(sum / count(lanes)).sqrt() / SHARE; squares.len()]
            }
        }
    }

    /// Every running lane chooses its step, or fails.
    pub(super) fn propose(&mut self) {
        for at in 0..self.lanes.len() {
            let lane = &mut self.lanes[at];
            let now = lane.history.now();
            (lane.weights, lane.beta, lane.next) = ([0.0; KEPT], [0.0; KEPT], now);
            self.t_next[at] = now;
            if !self.running[at] {
                continue;
            }
            let left = lane.end - now;
            let length = lane.h.abs().min(self.options.max_step);
            lane.h = length.copysign(left);
            let lands = 1.01 * length >= left.abs();
            lane.next = if lands { lane.end } else { now + length.copysign(left) };
            self.t_next[at] = lane.next;
            lane.weights = lane.history.weights(lane.next);
            lane.beta = lane.history.rescale(lane.next);
            let shortest = self.options.min_step.max(16.0 * f64::EPSILON * now.abs());
            if lane.attempts >= self.options.max_steps {
                self.fail(at, FailureKind::MaxSteps, self.worst(at));
            } else if !lands && length <= shortest {
                let kind = if lane.not_finite { FailureKind::NotFinite } else { FailureKind::StepUnderflow };
                self.fail(at, kind, self.worst(at));
            }
        }
    }

    /// Predict, evaluate, correct, evaluate; sets `accepted` and moves those lanes.
    pub(super) fn attempt(&mut self, mut rhs: impl FnMut(&[f64], &[R], &mut [R])) {
        let (n, lanes) = (self.n(), self.lanes.len());
        self.predict();
        let mut f = vec![R::ZERO; n];
        rhs(&self.t_next, &self.z_new, &mut f);
        self.count(self.running.iter().filter(|running| **running).count());
        self.correct(&f);
        let errors = self.errors(&f);
        for lane in 0..lanes {
            self.lanes[lane].attempts += usize::from(self.running[lane]);
            self.accepted[lane] = self.running[lane] && errors[lane].own <= 1.0;
        }
        if self.accepted.contains(&true) {
            for i in (0..n).filter(|i| !self.accepted[i % lanes]) {
                self.z_new[i] = self.z[i];
            }
            let times: Vec<f64> = (0..lanes)
                .map(|at| if self.accepted[at] { self.lanes[at].next } else { self.lanes[at].history.now() })
                .collect();
            rhs(&times, &self.z_new, &mut f);
            self.count(self.accepted.iter().filter(|accepted| **accepted).count());
            self.differences(&f);
        }
        let higher = self.higher_errors();
        for lane in (0..lanes).filter(|&lane| self.running[lane]) {
            let finite = errors[lane].own.is_finite();
            self.lanes[lane].not_finite = !finite;
            if self.accepted[lane] {
                self.stats.accepted[lane] += 1;
                self.lanes[lane].accept(Errors { higher: higher[lane], ..errors[lane] });
            } else {
                self.stats.rejected[lane] += 1;
                self.lanes[lane].reject(finite);
            }
        }
        self.settle(&f);
    }

    /// `z_new` = z + Σ gⱼ φ*ⱼ below the order.
    fn predict(&mut self) {
        let (n, lanes) = (self.n(), self.lanes.len());
        let used = |lane: &Lane| lane.order + 1;
        let most = self.lanes.iter().map(used).max().unwrap_or(0).min(KEPT);
        self.z_new.copy_from_slice(&self.z);
        for j in 0..most {
            for at in 0..lanes {
                let lane = &self.lanes[at];
                let beta = R::from_f64(lane.beta[j]);
                let weight = R::from_f64(if j < lane.order { lane.weights[j] } else { 0.0 });
                for i in (at..n).step_by(lanes) {
                    let star = beta * self.phi[j * n + i];
                    self.star[j * n + i] = star;
                    self.z_new[i] += weight * star;
                }
            }
        }
    }

    /// φₖ(n + 1) = f − Σ φ*ⱼ, and the corrected state.
    fn correct(&mut self, f: &[R]) {
        let (n, lanes) = (self.n(), self.lanes.len());
        for at in 0..lanes {
            let (order, weights) = (self.lanes[at].order, self.lanes[at].weights);
            for i in (at..n).step_by(lanes) {
                let mut difference = f[i];
                for j in 0..order {
                    difference -= self.star[j * n + i];
                }
                self.correction[i] = difference;
                self.z_new[i] += R::from_f64(weights[order]) * difference;
            }
        }
    }

    /// Errors of the order under way and of the two below.
    fn errors(&self, f: &[R]) -> Vec<Errors> {
        let n = self.n();
        let lanes = self.lanes.len();
        let mut squares = vec![[0.0; 3]; lanes];
        for at in (0..lanes).filter(|&at| self.running[at]) {
            let (order, g) = (self.lanes[at].order, self.lanes[at].weights);
            // φ of one order less: add φ* back.
            let less = |tile: &Self, i: usize, by: usize| {
                let back = (1..=by).map(|m| tile.star[(order - m) * n + i].to_f64()).sum::<f64>();
                tile.correction[i].to_f64() + back
            };
            squares[at][0] = self.square(at, |tile, i| {
                // 0 · x is NaN exactly where x is not finite.
                (g[order] - g[order - 1]) * less(tile, i, 0) + 0.0 * (tile.z_new[i].to_f64() + f[i].to_f64())
            });
            for by in 1..=2.min(order.saturating_sub(1)) {
                let weight = g[order - by] - g[order - by - 1];
                squares[at][by] = self.square(at, |tile, i| weight * less(tile, i, by));
            }
        }
        let norms = [0, 1, 2].map(|m| self.shared(&squares.iter().map(|s| s[m]).collect::<Vec<_>>()));
        (0..lanes).map(|at| Errors { own: norms[0][at], lower: [norms[1][at], norms[2][at]], higher: 0.0 }).collect()
    }

    /// The differences that end at the new state: φⱼ₊₁(n + 1) = φⱼ(n + 1) − φ*ⱼ(n). They wait in `star`, which then
    /// holds φ(n + 1).
    fn differences(&mut self, f: &[R]) {
        let (n, lanes) = (self.n(), self.lanes.len());
        for at in (0..lanes).filter(|&at| self.accepted[at]) {
            let lane = &self.lanes[at];
            let known = lane.history.points.min(KEPT - 1);
            for i in (at..n).step_by(lanes) {
                let mut difference = f[i];
                for j in 0..known {
                    let star = R::from_f64(lane.beta[j]) * self.phi[j * n + i];
                    self.star[j * n + i] = difference;
                    difference -= star;
                }
                self.star[known * n + i] = difference;
            }
        }
    }

    /// Error estimates at one order more, where there are enough values.
    fn higher_errors(&self) -> Vec<f64> {
        let n = self.n();
        let mut squares = vec![0.0; self.lanes.len()];
        for (at, square) in squares.iter_mut().enumerate().filter(|(at, _)| self.accepted[*at]) {
            let lane = &self.lanes[at];
            let up = lane.order + 1;
            if up < KEPT && lane.history.points >= up {
                let weight = lane.weights[up] - lane.weights[up - 1];
                *square = self.square(at, |tile, i| weight * tile.star[up * n + i].to_f64());
            }
        }
        self.shared(&squares)
    }

    /// Moves the accepted lanes to their new state; one where the right-hand side is not finite fails.
    fn settle(&mut self, f: &[R]) {
        let (n, lanes) = (self.n(), self.lanes.len());
        for at in 0..lanes {
            if !self.accepted[at] {
                continue;
            }
            let bad = (0..self.dim).find(|d| !f[d * lanes + at].is_finite());
            if bad.is_some() {
                self.accepted[at] = false;
                self.fail(at, FailureKind::NotFinite, bad);
                continue;
            }
            let lane = &mut self.lanes[at];
            lane.history.push(lane.next);
            let known = lane.history.points;
            for i in (at..n).step_by(lanes) {
                (self.z[i], self.f[i]) = (self.z_new[i], f[i]);
                for j in 0..known {
                    self.phi[j * n + i] = self.star[j * n + i];
                }
            }
        }
    }

    /// The component of a lane with the largest difference between predictor and corrector in the last attempt.
    fn worst(&self, lane: usize) -> Option<usize> {
        let lanes = self.lanes.len();
        let badness = |d: usize| {
            let size = self.correction[d * lanes + lane].to_f64().abs();
            if size.is_finite() { size } else { f64::INFINITY }
        };
        (0..self.dim).max_by(|&a, &b| badness(a).total_cmp(&badness(b)).then(b.cmp(&a)))
    }

    /// Component `i` of a lane's state at `t` inside of its last step.
    pub(super) fn dense(&self, lane: usize, t: f64) -> impl Fn(usize) -> R + '_ {
        let n = self.n();
        let state = &self.lanes[lane];
        let weights = state.history.dense(t, state.order_used);
        move |i| {
            let terms = (0..KEPT).filter(|&j| weights[j] != 0.0);
            terms.fold(self.z[i], |sum, j| sum + R::from_f64(weights[j]) * self.phi[j * n + i])
        }
    }
}

impl Lane {
    /// Chooses order and length of the step after an accepted one.
    fn accept(&mut self, errors: Errors) {
        let taken = self.next - self.history.now();
        self.equal = if (taken - self.h).abs() <= 1e-9 * taken.abs() { self.equal + 1 } else { 1 };
        (self.rejected, self.order_used) = (0, self.order);
        let (order, [below, below2]) = (self.order, errors.lower);
        let lower = match order {
            1 => false,
            2 => below <= 0.5 * errors.own,
            _ => below.max(below2) <= errors.own,
        };
        let mut chosen = errors.own;
        if lower || order == ORDERS {
            self.starting = false;
        }
        if self.starting {
            self.order += 1;
            self.h = 2.0 * taken;
            self.equal = 0;
            return;
        }
        let ready = self.equal > order && self.history.points > order;
        if lower || ready && order > 1 && below <= errors.own.min(errors.higher) {
            (self.order, chosen) = (order - 1, below);
        } else if ready && order < ORDERS && errors.higher < if order == 1 { 0.5 * errors.own } else { errors.own } {
            (self.order, chosen) = (order + 1, errors.higher);
        }
        let power = (self.order + 1) as f64;
        let factor = if chosen * power.exp2() <= 0.5 {
            2.0
        } else if chosen <= 0.5 {
            1.0
        } else {
            (0.5 / chosen).powf(1.0 / power).clamp(0.5, 0.9)
        };
        self.h = taken * factor;
        if (factor - 1.0).abs() > 0.0 || self.order != order {
            self.equal = 0;
        }
    }

    /// Halves the step; after three rejections in a row the order starts again from 1.
    fn reject(&mut self, finite: bool) {
        self.starting = false;
        self.rejected += 1;
        self.equal = 0;
        self.h = (self.next - self.history.now()) * if finite { 0.5 } else { 0.1 };
        if self.rejected >= 3 {
            self.order = 1;
        }
    }
}
