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
    errors: Errors,
}

/// Scaled errors of an attempt, were its order one or two lower, as it is, or one higher.
#[derive(Debug, Clone, Copy, Default)]
struct Errors {
    lower: [f64; 2],
    own: f64,
    higher: f64,
}

/// All tensors are `[component][lane]`, but the differences: those of one component lie together, since each is used with
/// all the others.
#[derive(Debug)]
pub(super) struct Tile<'o, R> {
    options: &'o Options,
    pub(super) dim: usize,
    pub(super) lanes: Vec<Lane>,
    pub(super) z: Vec<R>,
    pub(super) z_new: Vec<R>,
    /// The right-hand side at the current state.
    pub(super) f: Vec<R>,
    /// Modified divided differences φ, `[D][KEPT][L]`; β times them are those taken to the step under way, φ*.
    phi: Vec<R>,
    /// φₖ(n + 1) from the predicted state.
    correction: Vec<R>,
    /// The right-hand side at the predicted, then at the new state.
    f_new: Vec<R>,
    /// Sums of squares of every lane, then norms.
    norms: Vec<[f64; 3]>,
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
            errors: Errors::default(),
        };
        Self {
            options,
            dim,
            lanes: t.iter().map(lane).collect(),
            z: vec![R::ZERO; n],
            z_new: vec![R::ZERO; n],
            f: vec![R::ZERO; n],
            phi: vec![R::ZERO; KEPT * n],
            correction: vec![R::ZERO; n],
            f_new: vec![R::ZERO; n],
            norms: vec![[0.0; 3]; lanes],
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
            for d in 0..self.dim {
                let i = d * lanes + lane;
                self.f[i] = f[i];
                self.phi[d * KEPT * lanes + lane] = f[i];
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
        self.measure(|_, _| true, |tile, at| [tile.f[at.i].to_f64()]);
        for lane in (0..self.lanes.len()).filter(|&lane| fresh[lane]) {
            let size = self.norms[lane][0];
            let span = self.lanes[lane].end - self.lanes[lane].history.now();
            let guess = if size > 0.0 { 0.25 / size.sqrt() } else { 1e-3 * span.abs() };
            let length = self.options.first_step(lane).unwrap_or(guess).min(span.abs());
            self.lanes[lane].h = length.copysign(span);
        }
    }

    /// Norms of `values` over the scale, in units of [`SHARE`], for the lanes that count; 0 for the others. With one step
    /// for the batch, all running lanes have the same.
    fn measure<const N: usize>(
        &mut self,
        counts: impl Fn(&Self, usize) -> bool,
        values: impl Fn(&Self, Place) -> [f64; N],
    ) {
        let lanes = self.lanes.len();
        let mut sums = std::mem::take(&mut self.norms);
        sums.fill([0.0; 3]);
        for d in 0..self.dim {
            let tolerance = self.options.tolerance(d);
            for lane in (0..lanes).filter(|&lane| counts(self, lane)) {
                let at = Place::new(d, lane, lanes);
                let size = self.z[at.i].to_f64().abs().max(self.z_new[at.i].to_f64().abs());
                let scale = tolerance.scale(size);
                for (sum, value) in sums[lane].iter_mut().zip(values(self, at)) {
                    let ratio = value / scale;
                    *sum = match self.options.norm {
                        Norm::Rms => *sum + ratio * ratio,
                        Norm::Max => larger(*sum, ratio * ratio),
                    };
                }
            }
        }
        for n in 0..N {
            self.share(&mut sums, n);
        }
        self.norms = sums;
    }

    /// The norms from the squares of every lane.
    fn share(&self, squares: &mut [[f64; 3]], n: usize) {
        let count = |lanes: usize| match self.options.norm {
            Norm::Rms => (self.options.measured(self.dim) * lanes).max(1) as f64,
            Norm::Max => 1.0,
        };
        match self.options.stepping {
            Stepping::PerSample => squares.iter_mut().for_each(|s| s[n] = (s[n] / count(1)).sqrt() / SHARE),
            Stepping::Batch => {
                let (mut sum, mut lanes) = (0.0, 0);
                for (square, _) in squares.iter().zip(&self.running).filter(|(_, running)| **running) {
                    sum = if self.options.norm == Norm::Rms { sum + square[n] } else { larger(sum, square[n]) };
                    lanes += 1;
                }
                squares.iter_mut().for_each(|s| s[n] = (sum / count(lanes)).sqrt() / SHARE);
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
            lane.weights = lane.history.weights(lane.next, lane.order + 1);
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
        let mut f = std::mem::take(&mut self.f_new);
        rhs(&self.t_next, &self.z_new, &mut f);
        self.count(self.running.iter().filter(|running| **running).count());
        self.correct(&f);
        self.errors(&f);
        for (at, lane) in self.lanes.iter_mut().enumerate() {
            lane.attempts += usize::from(self.running[at]);
            self.accepted[at] = self.running[at] && lane.errors.own <= 1.0;
            self.t_next[at] = if self.accepted[at] { lane.next } else { lane.history.now() };
        }
        if self.accepted.contains(&true) {
            for i in (0..n).filter(|i| !self.accepted[i % lanes]) {
                self.z_new[i] = self.z[i];
            }
            rhs(&self.t_next, &self.z_new, &mut f);
            self.count(self.accepted.iter().filter(|accepted| **accepted).count());
            self.refuse(&f);
            self.differences(&f);
            self.higher_errors();
        }
        for (at, lane) in self.lanes.iter_mut().enumerate().filter(|(at, _)| self.running[*at]) {
            if self.accepted[at] {
                self.stats.accepted[at] += 1;
                lane.accept();
            } else {
                self.stats.rejected[at] += 1;
                lane.reject();
            }
        }
        self.settle(&f);
        self.f_new = f;
    }

    /// `z_new` = z + Σ gⱼ φ*ⱼ below the order.
    fn predict(&mut self) {
        let lanes = self.lanes.len();
        for d in 0..self.dim {
            for (at, lane) in self.lanes.iter().enumerate() {
                let place = Place::new(d, at, lanes);
                let mut sum = self.z[place.i];
                for j in 0..lane.order {
                    sum += R::from_f64(lane.weights[j]) * self.star(place, lane, j);
                }
                self.z_new[place.i] = sum;
            }
        }
    }

    /// φ*ⱼ of a lane.
    fn star(&self, place: Place, lane: &Lane, j: usize) -> R {
        R::from_f64(lane.beta[j]) * self.phi[place.phi + j * place.lanes]
    }

    /// φₖ(n + 1) = f − Σ φ*ⱼ, and the corrected state.
    fn correct(&mut self, f: &[R]) {
        let lanes = self.lanes.len();
        for d in 0..self.dim {
            for (at, lane) in self.lanes.iter().enumerate() {
                let place = Place::new(d, at, lanes);
                let difference = (0..lane.order).fold(f[place.i], |sum, j| sum - self.star(place, lane, j));
                self.correction[place.i] = difference;
                self.z_new[place.i] += R::from_f64(lane.weights[lane.order]) * difference;
            }
        }
    }

    /// Errors of the order under way and of the two below.
    fn errors(&mut self, f: &[R]) {
        self.measure(
            |tile, lane| tile.running[lane],
            |tile, place| {
                let lane = &tile.lanes[place.lane];
                let (order, g) = (lane.order, &lane.weights);
                let (difference, mut back) = (tile.correction[place.i].to_f64(), 0.0);
                // 0 · x is NaN exactly where x is not finite.
                let infinite = 0.0 * (tile.z_new[place.i].to_f64() + f[place.i].to_f64());
                let mut values = [(g[order] - g[order - 1]) * difference + infinite, 0.0, 0.0];
                // φ of one order less: add φ* back.
                for by in 1..=2.min(order - 1) {
                    back += tile.star(place, lane, order - by).to_f64();
                    values[by] = (g[order - by] - g[order - by - 1]) * (difference + back);
                }
                values
            },
        );
        for (lane, [own, lower, lower2]) in self.lanes.iter_mut().zip(&self.norms) {
            lane.errors = Errors { own: *own, lower: [*lower, *lower2], higher: 0.0 };
        }
    }

    /// Fails the accepted lanes where the right-hand side at the new state is not finite.
    fn refuse(&mut self, f: &[R]) {
        let lanes = self.lanes.len();
        for at in 0..lanes {
            let bad = (0..self.dim).find(|d| self.accepted[at] && !f[d * lanes + at].is_finite());
            if bad.is_some() {
                self.accepted[at] = false;
                self.fail(at, FailureKind::NotFinite, bad);
            }
        }
    }

    /// The differences of the accepted lanes that end at the new state: φⱼ₊₁(n + 1) = φⱼ(n + 1) − φ*ⱼ(n).
    fn differences(&mut self, f: &[R]) {
        let lanes = self.lanes.len();
        for d in 0..self.dim {
            for (at, lane) in self.lanes.iter().enumerate().filter(|(at, _)| self.accepted[*at]) {
                let place = Place::new(d, at, lanes);
                let known = lane.history.points.min(KEPT - 1);
                let mut difference = f[place.i];
                for j in 0..known {
                    let star = R::from_f64(lane.beta[j]) * self.phi[place.phi + j * lanes];
                    self.phi[place.phi + j * lanes] = difference;
                    difference -= star;
                }
                self.phi[place.phi + known * lanes] = difference;
            }
        }
    }

    /// Errors at one order more, where there are enough values.
    fn higher_errors(&mut self) {
        let enough = |lane: &Lane| lane.order + 1 < KEPT && lane.history.points > lane.order;
        self.measure(
            |tile, lane| tile.accepted[lane] && enough(&tile.lanes[lane]),
            |tile, place| {
                let lane = &tile.lanes[place.lane];
                let (up, g) = (lane.order + 1, &lane.weights);
                [(g[up] - g[up - 1]) * tile.phi[place.phi + up * place.lanes].to_f64()]
            },
        );
        for (lane, norms) in self.lanes.iter_mut().zip(&self.norms) {
            lane.errors.higher = norms[0];
        }
    }

    /// Moves the accepted lanes to their new state.
    fn settle(&mut self, f: &[R]) {
        let lanes = self.lanes.len();
        for (lane, _) in self.lanes.iter_mut().zip(&self.accepted).filter(|(_, accepted)| **accepted) {
            lane.history.push(lane.next);
        }
        for d in 0..self.dim {
            for at in (0..lanes).filter(|&at| self.accepted[at]) {
                let i = d * lanes + at;
                (self.z[i], self.f[i]) = (self.z_new[i], f[i]);
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
        let lanes = self.lanes.len();
        let state = &self.lanes[lane];
        let weights = state.history.dense(t, state.order_used);
        move |i| {
            let place = Place::new(i / lanes, i % lanes, lanes);
            let terms = (0..KEPT).filter(|&j| weights[j] != 0.0);
            terms.fold(self.z[i], |sum, j| sum + R::from_f64(weights[j]) * self.phi[place.phi + j * lanes])
        }
    }
}

/// A component of a lane: where it stands in tensors and where its differences start, which lie `lanes` apart.
#[derive(Debug, Clone, Copy)]
struct Place {
    lane: usize,
    lanes: usize,
    i: usize,
    phi: usize,
}

impl Place {
    fn new(component: usize, lane: usize, lanes: usize) -> Self {
        Self { lane, lanes, i: component * lanes + lane, phi: component * KEPT * lanes + lane }
    }
}

impl Lane {
    /// Chooses order and length of the step after an accepted one.
    fn accept(&mut self) {
        let errors = self.errors;
        let taken = self.next - self.history.now();
        self.equal = if (taken - self.h).abs() <= 1e-9 * taken.abs() { self.equal + 1 } else { 1 };
        (self.rejected, self.not_finite, self.order_used) = (0, false, self.order);
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
    fn reject(&mut self) {
        let finite = self.errors.own.is_finite();
        self.not_finite = !finite;
        self.starting = false;
        self.rejected += 1;
        self.equal = 0;
        self.h = (self.next - self.history.now()) * if finite { 0.5 } else { 0.1 };
        if self.rejected >= 3 {
            self.order = 1;
        }
    }
}
