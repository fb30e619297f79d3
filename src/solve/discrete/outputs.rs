//! Cotangents of the outputs → cotangents of the stages they were read from, of the states and the times.

use super::{Reverse, products};
use crate::solve::real::Real;
use std::borrow::Cow;

impl<R: Real> Reverse<'_, R> {
    /// Spreads the cotangents of the outputs within the step over its stages, its state, and its times.
    pub(super) fn outputs(&mut self) {
        if std::mem::take(&mut self.dense_used) {
            self.dense.fill(R::ZERO);
        }
        self.z_bar.fill(R::ZERO);
        self.t_n_bar.fill(0.0);
        self.h_bar.fill(0.0);
        let lanes = self.kernel.lanes;
        if self.schedule.alike && self.extra.stages() == 0 {
            self.shared_outputs();
            return;
        }
        for lane in 0..lanes {
            let Some(step) = self.step[lane] else { continue };
            let schedule = self.schedule;
            let start = self.tape.of(lane).s[step];
            if step + 1 == self.steps[lane] && self.problem.times > 0 {
                self.end_output(lane);
            }
            while let Some(k) = self.remaining[lane].checked_sub(1) {
                let j = schedule.order(lane)[k];
                let t = self.problem.ts[j * lanes + lane];
                if step > 0 && schedule.fraction(lane, t) <= start {
                    break;
                }
                self.remaining[lane] = k;
                if j != schedule.owner[lane] {
                    self.dense_output(lane, j, t);
                }
            }
        }
    }

    /// The same for all lanes at once, where they are alike.
    fn shared_outputs(&mut self) {
        let Some((host, step)) = self.host.and_then(|host| Some((host, self.step[host]?))) else { return };
        let (schedule, lanes) = (self.schedule, self.kernel.lanes);
        let start = self.tape.of(host).s[step];
        if step + 1 == self.steps[host] && self.problem.times > 0 {
            for lane in 0..lanes {
                if self.good[lane] {
                    self.end_output(lane);
                }
            }
        }
        while let Some(k) = self.remaining[host].checked_sub(1) {
            let j = schedule.order(host)[k];
            let t = self.problem.ts[j * lanes + host];
            if step > 0 && schedule.fraction(host, t) <= start {
                break;
            }
            self.remaining.fill(k);
            if j != schedule.owner[host] {
                self.shared_dense_output(host, j, t);
            }
        }
    }

    fn shared_dense_output(&mut self, host: usize, j: usize, t: f64) {
        let (n, lanes, tableau) = (self.kernel.n(), self.kernel.lanes, self.kernel.tableau);
        let h = self.kernel.h[host];
        let theta = (t - self.kernel.t[host]) / h;
        self.use_dense();
        let bar = &self.values_bar[j * n..][..n];
        for (weight, dense) in self.kernel.weights.at(theta).zip(self.dense.chunks_exact_mut(n.max(1))) {
            let weight = R::from_f64(h * weight);
            if weight != R::ZERO {
                dense.iter_mut().zip(bar).for_each(|(dense, bar)| *dense += weight * *bar);
            }
        }
        self.z_bar.iter_mut().zip(bar).for_each(|(z_bar, bar)| *z_bar += *bar);
        if !self.times {
            return;
        }
        let mut slopes = vec![0.0; lanes];
        for stage in 0..tableau.stages() {
            products(&mut self.product, bar, &self.kernel.ks[stage * n..]);
            let slope = tableau.dense_slope(stage, theta);
            slopes.iter_mut().zip(&self.product).for_each(|(sum, product)| *sum += slope * product);
        }
        for (lane, slope) in slopes.into_iter().enumerate().filter(|(lane, _)| self.good[*lane]) {
            self.cotangents.ts[j * lanes + lane] += slope;
            self.t_n_bar[lane] -= slope;
            self.h_bar[lane] -= theta * slope;
        }
    }

    /// Before something is added to `dense`.
    pub(super) fn use_dense(&mut self) {
        self.dense.resize(self.mu.len(), R::ZERO);
        self.dense_used = true;
    }

    /// The output that is the end of the integration.
    pub(super) fn end_output(&mut self, lane: usize) {
        let (n, lanes) = (self.kernel.n(), self.kernel.lanes);
        let last = self.mu.len() - n;
        let j = self.schedule.owner[lane];
        for i in (lane..n).step_by(lanes) {
            self.mu[last + i] = self.values_bar[j * n + i];
        }
    }

    fn dense_output(&mut self, lane: usize, j: usize, t: f64) {
        let (n, lanes, tableau) = (self.kernel.n(), self.kernel.lanes, self.kernel.tableau);
        let h = self.kernel.h[lane];
        let theta = (t - self.kernel.t[lane]) / h;
        self.use_dense();
        let bar = &self.values_bar[j * n..][..n];
        let rows = || (lane..n).step_by(lanes);
        // The extra stages are not there where all outputs of the step are at its start, where their weights are 0.
        let (stages, extra) = (tableau.stages(), self.dense_extra.len() / n.max(1));
        for stage in 0..stages + extra {
            let weight = R::from_f64(h * tableau.dense_weight(stage, theta));
            let dense = match stage.checked_sub(stages) {
                None => &mut self.dense[stage * n..],
                Some(extra) => &mut self.dense_extra[extra * n..],
            };
            rows().for_each(|i| dense[i] += weight * bar[i]);
        }
        rows().for_each(|i| self.z_bar[i] += bar[i]);
        if !self.times {
            return;
        }
        let mut slope = 0.0;
        for stage in 0..stages + extra {
            let ks = match stage.checked_sub(stages) {
                None => &self.kernel.ks[stage * n..],
                Some(extra) => &self.extra.ks[extra * n..],
            };
            let product: f64 = rows().map(|i| (bar[i] * ks[i]).to_f64()).sum();
            slope += tableau.dense_slope(stage, theta) * product;
        }
        // θ = (t − tₙ)/h.
        self.cotangents.ts[j * lanes + lane] += slope;
        self.t_n_bar[lane] -= slope;
        self.h_bar[lane] -= theta * slope;
    }
}

/// The cotangents, 0 in lanes without a result.
pub(super) fn masked<'a, R: Real>(values_bar: &'a [R], good: &[bool]) -> Cow<'a, [R]> {
    if good.iter().all(|good| *good) {
        return Cow::Borrowed(values_bar);
    }
    let mut masked = values_bar.to_vec();
    for row in masked.chunks_exact_mut(good.len()) {
        row.iter_mut().zip(good).filter(|(_, good)| !**good).for_each(|(bar, _)| *bar = R::ZERO);
    }
    Cow::Owned(masked)
}
