//! Times of a problem → span of every lane and order of its outputs.

use super::failure::{Failure, FailureKind};
use super::options::{Options, Stepping};
use super::real::Real;
use super::system::Problem;

/// The times of every lane, checked and sorted.
#[derive(Debug)]
pub(super) struct Schedule {
    pub(super) lanes: usize,
    pub(super) times: usize,
    pub(super) t0: Vec<f64>,
    /// The furthest output time, `[L]`.
    pub(super) t_end: Vec<f64>,
    /// `t_end` − t0, `[L]`, signed.
    pub(super) span: Vec<f64>,
    /// First index of the furthest output time, `[L]`: this output *is* the end of the integration.
    pub(super) owner: Vec<usize>,
    /// Indices of the output times from t0 outwards, `[L][T]`.
    order: Vec<usize>,
    /// Whether all lanes step together and have the same output times, as far as they have good ones.
    pub(super) alike: bool,
    /// `[L]`.
    pub(super) failures: Vec<Option<Failure>>,
}

impl Schedule {
    /// # Panics
    /// If the slices of the problem do not have the documented lengths.
    pub(super) fn new<R: Real>(problem: &Problem<R>, options: &Options, dim: usize, lanes: usize) -> Self {
        assert_eq!(problem.z0.len(), dim * lanes, "z0 is [D][L]");
        assert_eq!(problem.t0.len(), lanes, "t0 is [L]");
        assert_eq!(problem.ts.len(), problem.times * lanes, "ts is [T][L]");
        assert_eq!(problem.active.len(), lanes, "active is [L]");
        let mut schedule = Self {
            lanes,
            times: problem.times,
            t0: problem.t0.to_vec(),
            t_end: problem.t0.to_vec(),
            span: vec![0.0; lanes],
            owner: vec![0; lanes],
            order: (0..lanes * problem.times).map(|i| i % problem.times.max(1)).collect(),
            alike: lanes == 1 || options.stepping == Stepping::Batch,
            failures: vec![None; lanes],
        };
        let wrong = options.check();
        let mut planned = None;
        for lane in (0..lanes).filter(|&lane| problem.active[lane]) {
            if planned.is_some_and(|before| schedule.copy_plan(problem.ts, before, lane)) {
                continue;
            }
            let kind = wrong.or_else(|| schedule.plan_lane(problem.ts, lane));
            planned = if kind.is_none() { Some(lane) } else { planned };
            schedule.failures[lane] = kind.map(|kind| Failure { kind, t: problem.t0[lane], component: None });
        }
        if options.stepping == Stepping::Batch {
            schedule.check_batch(problem.active);
            schedule.alike = schedule.has_like_times(problem);
        }
        schedule
    }

    /// The plan of the lane `from`, if `lane` has the same times.
    fn copy_plan(&mut self, ts: &[f64], from: usize, lane: usize) -> bool {
        let time = |lane: usize, j: usize| ts[j * self.lanes + lane].to_bits();
        let same = self.t0[from].to_bits() == self.t0[lane].to_bits()
            && (0..self.times).all(|j| time(from, j) == time(lane, j));
        if same {
            self.t_end[lane] = self.t_end[from];
            self.span[lane] = self.span[from];
            self.owner[lane] = self.owner[from];
            let order = from * self.times..(from + 1) * self.times;
            self.order.copy_within(order, lane * self.times);
        }
        same
    }

    fn plan_lane(&mut self, ts: &[f64], lane: usize) -> Option<FailureKind> {
        let t0 = self.t0[lane];
        let time = |j: usize| ts[j * self.lanes + lane];
        if !t0.is_finite() || (0..self.times).any(|j| !time(j).is_finite()) {
            return Some(FailureKind::TimeNotFinite);
        }
        if (0..self.times).any(|j| time(j) > t0) && (0..self.times).any(|j| time(j) < t0) {
            return Some(FailureKind::TimesOnBothSides);
        }
        let order = &mut self.order[lane * self.times..][..self.times];
        let outwards = |i: &usize, j: &usize| (time(*i) - t0).abs().total_cmp(&(time(*j) - t0).abs());
        if !order.is_sorted_by(|i, j| outwards(i, j).is_le()) {
            order.sort_by(outwards);
        }
        if let Some(&last) = order.last() {
            self.t_end[lane] = time(last);
            self.span[lane] = time(last) - t0;
            self.owner[lane] = (0..self.times).find(|&j| time(j).total_cmp(&time(last)).is_eq()).unwrap_or(last);
        }
        if self.span[lane].is_finite() { None } else { Some(FailureKind::TimeNotFinite) }
    }

    fn check_batch(&mut self, active: &[bool]) {
        let good = |lane: &usize| active[*lane] && self.failures[*lane].is_none();
        let Some(first) = (0..self.lanes).find(good) else { return };
        let same = |lane: usize| {
            self.t0[lane].total_cmp(&self.t0[first]).is_eq() && self.t_end[lane].total_cmp(&self.t_end[first]).is_eq()
        };
        if !(0..self.lanes).filter(good).all(same) {
            for lane in (0..self.lanes).filter(|&lane| active[lane]) {
                let t = self.t0[lane];
                self.failures[lane] = Some(Failure { kind: FailureKind::BatchTimesDiffer, t, component: None });
            }
        }
    }

    fn has_like_times<R: Real>(&self, problem: &Problem<R>) -> bool {
        let mut good = (0..self.lanes).filter(|&lane| problem.active[lane] && self.failures[lane].is_none());
        let Some(first) = good.next() else { return false };
        let time = |lane: usize, j: usize| problem.ts[j * self.lanes + lane].to_bits();
        good.all(|lane| (0..self.times).all(|j| time(lane, j) == time(first, j)))
    }

    /// Fails the active lanes that have an infinite or NaN cotangent of an output; `values_bar` is `[T][D][L]`.
    pub(super) fn check_cotangents<R: Real>(
        &self,
        values_bar: &[R],
        active: &[bool],
        failures: &mut [Option<Failure>],
    ) {
        let dim = values_bar.len() / (self.times * self.lanes).max(1);
        for (i, row) in values_bar.chunks_exact(self.lanes.max(1)).enumerate() {
            if row.iter().all(|bar| bar.is_finite()) {
                continue;
            }
            for lane in (0..self.lanes).filter(|&lane| active[lane] && !row[lane].is_finite()) {
                let (t, component) = (self.t0[lane], Some(i % dim));
                failures[lane].get_or_insert(Failure { kind: FailureKind::NotFinite, t, component });
            }
        }
    }

    /// Time at the fraction `s` of the lane's span; exact at both ends.
    pub(super) fn at(&self, lane: usize, s: f64) -> f64 {
        if s >= 1.0 { self.t_end[lane] } else { self.t0[lane] + s * self.span[lane] }
    }

    /// Indices of the lane's output times from t0 outwards.
    pub(super) fn order(&self, lane: usize) -> &[usize] {
        &self.order[lane * self.times..][..self.times]
    }

    /// Fraction of the lane's span at which time `t` lies.
    pub(super) fn fraction(&self, lane: usize, t: f64) -> f64 {
        if t.total_cmp(&self.t_end[lane]).is_eq() { 1.0 } else { ((t - self.t0[lane]) / self.span[lane]).min(1.0) }
    }
}
