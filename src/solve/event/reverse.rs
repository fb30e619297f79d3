//! Segments, cotangents of the outputs → cotangents of everything the outputs depend on.

#![allow(clippy::needless_range_loop, reason = "a lane indexes several buffers")]

use super::super::backsolve::backsolve;
use super::super::continuous;
use super::super::discrete::discrete;
use super::super::failure::{Failure, FailureKind};
use super::super::options::Options;
use super::super::real::Real;
use super::super::system::{Cotangents, Drift, Problem, Solution, Stats};
use super::super::tape::{LaneTape, Tape};
use super::EventAdjoint;
use super::record::{End, EventTape, Fired, Segment};

/// How the segments are pulled back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventGradient {
    /// [`super::super::discrete`]; the tape has kept the steps.
    Discrete,
    /// [`super::super::backsolve`].
    Backsolve,
    /// [`super::super::interpolated`]; the tape has kept the steps.
    Interpolated,
}

/// Cotangents of a [`super::solve_events`] with the same problem and options, which left `tape` and `solution`.
/// `values_bar` is `[T][D][L]`. A lane with an event that only touches its surface fails: its time has no derivative.
///
/// # Panics
/// If the slices do not have the documented lengths.
pub fn reverse_events<R: Real, S: EventAdjoint<R>>(
    sys: &mut S,
    problem: &Problem<R>,
    options: &Options,
    tape: &mut EventTape<R>,
    solution: &Solution<R>,
    values_bar: &[R],
    method: EventGradient,
) -> Cotangents<R> {
    let (dim, lanes) = (sys.dim(), sys.lanes());
    assert_eq!(values_bar.len(), problem.times * dim * lanes, "values_bar is [T][D][L]");
    let mut reverse = Reverse::new(problem, options, solution, values_bar, method, dim);
    reverse.check(&tape.failures);
    let left = |lane: usize| if reverse.failures[lane].is_none() { tape.lanes[lane].len() } else { 0 };
    reverse.left = (0..lanes).map(left).collect();
    while reverse.left.iter().any(|left| *left > 0) {
        reverse.junctions(sys, tape);
        reverse.sweep(sys, tape);
        reverse.left.iter_mut().for_each(|left| *left = left.saturating_sub(1));
    }
    reverse.finish()
}

struct Reverse<'a, R> {
    problem: &'a Problem<'a, R>,
    options: &'a Options,
    solution: &'a Solution<R>,
    values_bar: &'a [R],
    method: EventGradient,
    dim: usize,
    lanes: usize,
    /// Segments still to be pulled back, `[L]`.
    left: Vec<usize>,
    /// Cotangent of the state at the start of the segment behind, `[D][L]`, or of the state before the event.
    z_bar: Vec<R>,
    /// Cotangent of the time where the segment behind starts, `[L]`.
    t_bar: Vec<f64>,
    ts_bar: Vec<f64>,
    stats: Stats,
    drift: Option<Drift>,
    failures: Vec<Option<Failure>>,
}

impl<'a, R: Real> Reverse<'a, R> {
    fn new(
        problem: &'a Problem<'a, R>,
        options: &'a Options,
        solution: &'a Solution<R>,
        values_bar: &'a [R],
        method: EventGradient,
        dim: usize,
    ) -> Self {
        let lanes = problem.active.len();
        Self {
            problem,
            options,
            solution,
            values_bar,
            method,
            dim,
            lanes,
            left: Vec::new(),
            z_bar: vec![R::ZERO; dim * lanes],
            t_bar: vec![0.0; lanes],
            ts_bar: vec![0.0; problem.times * lanes],
            stats: Stats::new(lanes),
            drift: None,
            failures: vec![None; lanes],
        }
    }

    /// Lanes without a solution, and those with a cotangent that is not finite, have none here either.
    fn check(&mut self, failures: &[Option<Failure>]) {
        self.failures = failures.to_vec();
        for (i, bar) in self.values_bar.iter().enumerate() {
            let (lane, component) = (i % self.lanes, Some(i / self.lanes % self.dim));
            if self.problem.active[lane] && !bar.is_finite() {
                let t = self.problem.t0[lane];
                self.failures[lane].get_or_insert(Failure { kind: FailureKind::NotFinite, t, component });
            }
        }
    }

    fn rows(&self, lane: usize) -> impl Iterator<Item = usize> + use<R> {
        (lane..self.dim * self.lanes).step_by(self.lanes)
    }

    /// The segment of a lane that is under way.
    fn segment<'t>(&self, tape: &'t EventTape<R>, lane: usize) -> Option<&'t Segment<R>> {
        tape.lanes[lane].get(self.left[lane].checked_sub(1)?)
    }

    /// The event that ends the segment of a lane.
    fn event<'t>(&self, tape: &'t EventTape<R>, lane: usize) -> Option<&'t Fired<R>> {
        match &self.segment(tape, lane)?.end {
            End::Event(fired) => Some(fired),
            End::Horizon | End::Stopped => None,
        }
    }

    /// From the start of the segment behind to the state before the event: reset and time.
    fn junctions<S: EventAdjoint<R>>(&mut self, sys: &mut S, tape: &EventTape<R>) {
        let (n, lanes) = (self.z_bar.len(), self.lanes);
        let Some(host) = (0..lanes).find(|&lane| self.event(tape, lane).is_some()) else { return };
        let events = sys.rules().len();
        let (mut t, mut z) = (vec![0.0; lanes], vec![R::ZERO; n]);
        for lane in 0..lanes {
            let Some(fired) = self.event(tape, lane).or_else(|| self.event(tape, host)) else { continue };
            t[lane] = fired.t;
            self.rows(lane).zip(&fired.z).for_each(|(i, value)| z[i] = *value);
        }
        let velocity = self.velocity(sys, tape, &t, &z);
        let mut functions = vec![R::ZERO; events * lanes + events * n];
        let mut resets = functions.clone();
        for lane in 0..lanes {
            let Some(fired) = self.event(tape, lane) else { continue };
            functions[fired.event * lanes + lane] = R::from_f64(1.0);
            self.rows(lane).for_each(|i| resets[events * lanes + fired.event * n + i] = self.z_bar[i]);
        }
        let (mut g_z, mut g_t) = (vec![R::ZERO; n], vec![R::ZERO; lanes]);
        sys.events_vjp(&t, &z, &functions, &mut g_z, &mut g_t, false);
        let (mut z_bar, mut t_bar) = (vec![R::ZERO; n], vec![R::ZERO; lanes]);
        sys.events_vjp(&t, &z, &resets, &mut z_bar, &mut t_bar, true);
        self.stats.vjp_calls += 2;
        let dot = |a: &[R], lane: usize| -> f64 { self.rows(lane).map(|i| (a[i] * velocity[i]).to_f64()).sum::<f64>() };
        let mut alphas = vec![0.0; lanes];
        let mut grazing = Vec::new();
        for (lane, alpha) in alphas.iter_mut().enumerate() {
            let Some(fired) = self.event(tape, lane).filter(|f| !f.instant) else { continue };
            let total = self.t_bar[lane] + t_bar[lane].to_f64() + dot(&z_bar, lane);
            let rate = g_t[lane].to_f64() + dot(&g_z, lane);
            // Without a cotangent it does not matter when the event fires.
            *alpha = if total == 0.0 { 0.0 } else { -total / rate };
            if !alpha.is_finite() {
                *alpha = 0.0;
                grazing.push((lane, fired.t));
            }
        }
        for (weight, alpha) in functions.chunks_exact_mut(lanes).take(events).flat_map(|w| w.iter_mut().zip(&alphas)) {
            *weight *= R::from_f64(*alpha);
        }
        sys.events_vjp(&t, &z, &functions, &mut g_z, &mut g_t, true);
        self.stats.vjp_calls += 1;
        for lane in 0..lanes {
            let Some(fired) = self.event(tape, lane) else { continue };
            self.t_bar[lane] = if fired.instant { self.t_bar[lane] + t_bar[lane].to_f64() } else { 0.0 };
            self.rows(lane).for_each(|i| self.z_bar[i] = z_bar[i] + g_z[i]);
        }
        for (lane, t) in grazing {
            self.fail(lane, Failure { kind: FailureKind::Grazing, t, component: None });
        }
    }

    /// dz*/dt* of the solution before each event, `[D][L]`.
    fn velocity<S: EventAdjoint<R>>(&mut self, sys: &mut S, tape: &EventTape<R>, t: &[f64], z: &[R]) -> Vec<R> {
        let mut velocity = vec![R::ZERO; z.len()];
        match self.method {
            EventGradient::Discrete => {
                for lane in 0..self.lanes {
                    let Some(fired) = self.event(tape, lane) else { continue };
                    self.rows(lane).zip(&fired.slope).for_each(|(i, v)| velocity[i] = *v);
                }
            }
            EventGradient::Backsolve | EventGradient::Interpolated => {
                sys.rhs(t, z, &mut velocity);
                self.stats.rhs_calls += 1;
            }
        }
        velocity
    }

    fn fail(&mut self, lane: usize, failure: Failure) {
        self.failures[lane] = Some(failure);
        self.left[lane] = 0;
    }

    /// From the end of the segments to their starts.
    fn sweep<S: EventAdjoint<R>>(&mut self, sys: &mut S, tape: &mut EventTape<R>) {
        let mut active = vec![false; self.lanes];
        let mut slots = 2;
        for lane in 0..self.lanes {
            let Some(segment) = self.segment(tape, lane) else { continue };
            slots = slots.max(2 + segment.outputs.len());
            match &segment.end {
                End::Stopped => self.stopped(lane, segment),
                End::Event(fired) => active[lane] = !fired.instant,
                End::Horizon => active[lane] = true,
            }
        }
        if !active.contains(&true) {
            return;
        }
        let round = Round::new(self, tape, &active, slots);
        let problem = Problem { z0: &round.z0, t0: &round.t0, ts: &round.ts, times: slots, active: &active };
        let cotangents = match self.method {
            EventGradient::Discrete => {
                let taken = self.take_steps(tape, &active);
                let found = discrete(sys, &problem, self.options, &taken, &round.bars);
                self.put_back(tape, taken);
                found
            }
            EventGradient::Interpolated => {
                let ends = (0..self.lanes).map(|lane| self.segment(tape, lane).map_or((0.0, 0.0), |s| (s.t0, s.t_end)));
                let ends: Vec<(f64, f64)> = ends.collect();
                let taken = self.take_steps(tape, &active);
                let found = continuous::along(sys, &problem, self.options, (&taken, &ends), &round.bars);
                self.put_back(tape, taken);
                found
            }
            EventGradient::Backsolve => {
                let failures = vec![None; self.lanes];
                let known = Solution { values: round.values, failures, stats: Stats::default(), stretches: Vec::new() };
                backsolve(sys, &problem, self.options, &known, &round.bars)
            }
        };
        self.collect(cotangents, &active, &round.outputs);
    }

    /// Behind an event that stops, every output is the state after its reset, whatever its time.
    fn stopped(&mut self, lane: usize, segment: &Segment<R>) {
        let n = self.z_bar.len();
        for i in self.rows(lane) {
            for j in &segment.outputs {
                self.z_bar[i] += self.values_bar[j * n + i];
            }
        }
    }

    /// The steps of the segments under way, as one tape.
    fn take_steps(&self, tape: &mut EventTape<R>, active: &[bool]) -> Tape<R> {
        let mut lanes = Vec::new();
        for (lane, active) in active.iter().enumerate() {
            let segment = self.left[lane].checked_sub(1).and_then(|k| tape.lanes[lane].get_mut(k));
            lanes.push(match segment.filter(|_| *active) {
                Some(segment) => std::mem::take(&mut segment.tape),
                None => LaneTape::default(),
            });
        }
        Tape { lanes, failures: vec![None; self.lanes], stages_kept: tape.stages_kept, ..Tape::default() }
    }

    fn put_back(&self, tape: &mut EventTape<R>, taken: Tape<R>) {
        for (lane, steps) in taken.lanes.into_iter().enumerate().filter(|(_, t)| !t.s.is_empty()) {
            if let Some(segment) = self.left[lane].checked_sub(1).and_then(|k| tape.lanes[lane].get_mut(k)) {
                segment.tape = steps;
            }
        }
    }

    fn collect(&mut self, found: Cotangents<R>, active: &[bool], outputs: &[Vec<(usize, usize)>]) {
        let lanes = self.lanes;
        for lane in (0..lanes).filter(|&lane| active[lane]) {
            if let Some(failure) = found.failures[lane].clone() {
                self.fail(lane, failure);
                continue;
            }
            self.rows(lane).for_each(|i| self.z_bar[i] = found.z0[i]);
            self.t_bar[lane] = found.t0[lane];
            for (slot, j) in &outputs[lane] {
                self.ts_bar[j * lanes + lane] += found.ts[slot * lanes + lane];
            }
            self.stats.accepted[lane] += found.stats.accepted[lane];
            self.stats.rejected[lane] += found.stats.rejected[lane];
        }
        self.stats.rhs_calls += found.stats.rhs_calls;
        self.stats.rhs_evaluations += found.stats.rhs_evaluations;
        self.stats.vjp_calls += found.stats.vjp_calls;
        self.stats.jacobian_calls += found.stats.jacobian_calls;
        if let Some(drift) = found.drift.filter(|d| self.drift.is_none_or(|own| d.relative > own.relative)) {
            self.drift = Some(drift);
        }
    }

    fn finish(mut self) -> Cotangents<R> {
        for lane in 0..self.lanes {
            if self.failures[lane].is_some() || !self.problem.active[lane] {
                self.rows(lane).for_each(|i| self.z_bar[i] = R::ZERO);
                self.t_bar[lane] = 0.0;
                (lane..self.ts_bar.len()).step_by(self.lanes).for_each(|i| self.ts_bar[i] = 0.0);
            }
        }
        Cotangents {
            z0: self.z_bar,
            t0: self.t_bar,
            ts: self.ts_bar,
            stats: self.stats,
            drift: self.drift,
            failures: self.failures,
        }
    }
}

/// One segment of every lane as a problem. Its first time is the end of the integration, its second that of the event,
/// then come the outputs; a lane with fewer of them repeats its end.
struct Round<R> {
    z0: Vec<R>,
    t0: Vec<f64>,
    ts: Vec<f64>,
    bars: Vec<R>,
    /// The states at the times, as `backsolve` wants them.
    values: Vec<R>,
    /// (time of this problem, output of the whole one), by lane.
    outputs: Vec<Vec<(usize, usize)>>,
}

impl<R: Real> Round<R> {
    fn new(reverse: &Reverse<'_, R>, tape: &EventTape<R>, active: &[bool], slots: usize) -> Self {
        let (n, lanes) = (reverse.z_bar.len(), reverse.lanes);
        let mut round = Self {
            z0: reverse.problem.z0.to_vec(),
            t0: reverse.problem.t0.to_vec(),
            ts: vec![0.0; slots * lanes],
            bars: vec![R::ZERO; slots * n],
            values: vec![R::ZERO; slots * n],
            outputs: vec![Vec::new(); lanes],
        };
        for lane in 0..lanes {
            let end = round.t0[lane];
            (lane..round.ts.len()).step_by(lanes).for_each(|i| round.ts[i] = end);
            if let Some(segment) = reverse.segment(tape, lane).filter(|_| active[lane]) {
                round.lane(reverse, lane, segment);
            }
        }
        round
    }

    fn lane(&mut self, reverse: &Reverse<'_, R>, lane: usize, segment: &Segment<R>) {
        let (n, lanes) = (reverse.z_bar.len(), reverse.lanes);
        let (bars, values) = (reverse.values_bar, &reverse.solution.values);
        self.t0[lane] = segment.t0;
        for (i, value) in reverse.rows(lane).zip(&segment.tape.z) {
            self.z0[i] = *value;
        }
        let time = |j: usize| reverse.problem.ts[j * lanes + lane];
        let (mut end, mut end_output) = (segment.t_end, None);
        match &segment.end {
            End::Event(fired) => {
                if reverse.method != EventGradient::Discrete {
                    end = fired.t;
                }
                self.ts[lanes + lane] = fired.t;
                for (i, value) in reverse.rows(lane).zip(&fired.z) {
                    self.bars[n + i] = reverse.z_bar[i];
                    self.values[i] = *value;
                    self.values[n + i] = *value;
                }
            }
            End::Horizon | End::Stopped => {
                self.ts[lanes + lane] = end;
                end_output = segment.outputs.iter().copied().filter(|j| time(*j).total_cmp(&end).is_eq()).min();
                for i in reverse.rows(lane) {
                    let value = end_output.map_or(self.z0[i], |j| values[j * n + i]);
                    self.bars[i] = end_output.map_or(R::ZERO, |j| bars[j * n + i]);
                    self.values[i] = value;
                    self.values[n + i] = value;
                }
            }
        }
        self.ts[lane] = end;
        self.outputs[lane].extend(end_output.map(|j| (0, j)));
        let span = end - segment.t0;
        let others = segment.outputs.iter().copied().filter(|j| Some(*j) != end_output);
        let slots = self.ts.len() / lanes;
        let mut slot = 2;
        for j in others {
            // An output at the event before belongs here, though rounding may put it before the start.
            let t = if (time(j) - segment.t0) * span <= 0.0 { segment.t0 } else { time(j) };
            self.ts[slot * lanes + lane] = t;
            for i in reverse.rows(lane) {
                self.bars[slot * n + i] = bars[j * n + i];
                self.values[slot * n + i] = values[j * n + i];
            }
            self.outputs[lane].push((slot, j));
            slot += 1;
        }
        for slot in slot..slots {
            self.ts[slot * lanes + lane] = end;
            for i in reverse.rows(lane) {
                self.values[slot * n + i] = self.values[i];
            }
        }
    }
}
