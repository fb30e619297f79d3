//! Problem with events → states at the output times, segment by segment.

use super::super::dense::Extra;
use super::super::failure::FailureKind;
use super::super::kernel::Kernel;
use super::super::options::Options;
use super::super::real::Real;
use super::super::schedule::Schedule;
use super::super::stepper::Stepper;
use super::super::system::{Problem, Solution};
use super::super::tableau::Method;
use super::EventSystem;
use super::record::{End, EventTape, Fired, InARow};
use super::taken::{Explicit, Taken};
use super::watch::{Hit, Watch};

/// As [`super::super::solve`], for a system with events. An output at the time of an event has the state behind the
/// reset; behind an event that stops, every output has the state after its reset. An event whose condition holds at t0
/// fires only after it has ceased to hold. Of events at one time, the one declared first fires first, and what its
/// reset makes true fires at once. The segments are kept on the tape.
///
/// # Panics
/// If the slices of the problem do not have the documented lengths.
pub fn solve_events<R: Real, S: EventSystem<R>>(
    sys: &mut S,
    problem: &Problem<R>,
    options: &Options,
    tape: &mut EventTape<R>,
) -> Solution<R> {
    if matches!(options.method, Method::Implicit(_) | Method::Adams) {
        return super::single::solve(sys, problem, options, tape);
    }
    let mut forward = Forward::new(sys, problem, options, tape);
    forward.begin(sys);
    while forward.stepper.any_running() {
        forward.stepper.propose();
        forward.set_times();
        forward.stepper.limits(&forward.kernel);
        if !forward.stepper.any_running() {
            break;
        }
        forward.step(sys);
    }
    forward.finish()
}

struct Forward<'a, R> {
    problem: &'a Problem<'a, R>,
    /// The start of a lane moves to its last event.
    schedule: Schedule,
    direction: Vec<f64>,
    kernel: Kernel<R>,
    /// The further stages of dense output.
    extra: Extra<R>,
    stepper: Stepper<'a>,
    watch: Watch<R>,
    tape: &'a mut EventTape<R>,
    values: Vec<R>,
    /// Number of outputs already written, `[L]`.
    written: Vec<usize>,
    /// Events in a row, `[L]`.
    rows: Vec<InARow>,
}

impl<'a, R: Real> Forward<'a, R> {
    fn new<S: EventSystem<R>>(
        sys: &S,
        problem: &'a Problem<'a, R>,
        options: &'a Options,
        tape: &'a mut EventTape<R>,
    ) -> Self {
        let (dim, lanes) = (sys.dim(), sys.lanes());
        let mut schedule = Schedule::new(problem, options, dim, lanes);
        let failures = std::mem::take(&mut schedule.failures);
        let on_way = |lane: usize| problem.active[lane] && failures[lane].is_none();
        let running = (0..lanes).map(|lane| on_way(lane) && schedule.span[lane] != 0.0).collect();
        tape.reset(lanes, options.keep_stages);
        let mut kernel = Kernel::new(options.method.tableau(), dim, lanes, false);
        kernel.z.copy_from_slice(problem.z0);
        kernel.t.copy_from_slice(problem.t0);
        kernel.t_next.copy_from_slice(problem.t0);
        for lane in (0..lanes).filter(|&lane| on_way(lane)) {
            let z0 = problem.z0[lane..].iter().step_by(lanes).copied().collect();
            tape.open(lane, problem.t0[lane], schedule.t_end[lane], z0, End::Horizon);
        }
        Self {
            problem,
            direction: schedule.span.iter().map(|s| s.signum()).collect(),
            extra: Extra::new(kernel.tableau, dim, lanes),
            kernel,
            stepper: Stepper::new(options, running, failures),
            watch: Watch::new(sys.rules(), dim, lanes),
            tape,
            values: vec![R::ZERO; schedule.times * dim * lanes],
            written: vec![0; lanes],
            rows: vec![InARow::default(); lanes],
            schedule,
        }
    }

    fn begin<S: EventSystem<R>>(&mut self, sys: &mut S) {
        let lanes = self.schedule.lanes;
        if self.stepper.any_running() {
            self.kernel.first_stage(|t, z, dz| sys.rhs(t, z, dz));
            self.stepper.count_rhs(1);
            self.stepper.check_finite(&self.kernel);
            self.stepper.first_steps(&mut self.kernel, &self.schedule.span, |t, z, dz| sys.rhs(t, z, dz));
            self.watch.start(sys, &self.kernel.t, &self.kernel.z, &self.direction);
        }
        for lane in 0..lanes {
            let t0 = self.schedule.t0[lane];
            if self.problem.active[lane] && self.stepper.failures[lane].is_none() {
                self.outputs(lane, |t| (t - t0).abs() <= 0.0, |forward, _, i| forward.problem.z0[i]);
            }
        }
    }

    fn set_times(&mut self) {
        for lane in 0..self.schedule.lanes {
            if self.stepper.running[lane] {
                let clock = self.stepper.clock(lane);
                self.kernel.t[lane] = self.schedule.at(lane, clock.s);
                self.kernel.t_next[lane] = self.schedule.at(lane, clock.s_next);
                self.kernel.h[lane] = (clock.s_next - clock.s) * self.schedule.span[lane];
            } else {
                self.kernel.h[lane] = 0.0;
                self.kernel.t_next[lane] = self.kernel.t[lane];
            }
        }
    }

    fn step<S: EventSystem<R>>(&mut self, sys: &mut S) {
        self.kernel.attempt(sys, self.stepper.options, &mut []);
        self.stepper.count_rhs(self.kernel.tableau.stages() - 1);
        self.stepper.judge(&self.kernel);
        if !self.stepper.accepted.contains(&true) {
            return;
        }
        if self.extra.stages() > 0 {
            self.extra.evaluate(&self.kernel, |t, z, dz| sys.rhs(t, z, dz));
            self.stepper.count_rhs(self.extra.stages());
        }
        let taken = Explicit { kernel: &self.kernel, extra: &self.extra.ks };
        let hits = self.watch.step(sys, &taken, &self.stepper.accepted);
        let mut fired: Vec<Option<Fired<R>>> = vec![None; hits.len()];
        for (lane, hit) in hits.into_iter().enumerate() {
            match hit {
                _ if !self.stepper.accepted[lane] => {}
                Some(hit) => fired[lane] = Some(self.event_in_step(lane, hit)),
                None if self.watch.broken[lane] => {
                    self.stepper.accepted[lane] = false;
                    self.stepper.fail(lane, FailureKind::NotFinite, self.kernel.t_next[lane], None);
                }
                None => self.whole_step(lane),
            }
        }
        self.kernel.advance(&self.stepper.accepted);
        if fired.iter().any(Option::is_some) {
            self.fire(sys, fired);
        }
    }

    fn taken(&self) -> Explicit<'_, R> {
        Explicit { kernel: &self.kernel, extra: &self.extra.ks }
    }

    fn whole_step(&mut self, lane: usize) {
        let s = self.stepper.clock(lane).s;
        self.tape.push(lane, s, &self.kernel.z_new, &self.kernel.ks);
        let (t0, span) = (self.schedule.t0[lane], self.schedule.span[lane]);
        self.outputs(lane, |t| ((t - t0) / span).min(1.0) <= s, |forward, t, i| forward.dense(lane, t, i));
        self.stepper.running[lane] = s < 1.0;
    }

    /// Entry `i` of the state of the lane at a time within its step.
    fn dense(&self, lane: usize, t: f64, i: usize) -> R {
        let at_end = t.total_cmp(&self.kernel.t_next[lane]).is_eq();
        let theta = if at_end { 1.0 } else { (t - self.kernel.t[lane]) / self.kernel.h[lane] };
        self.taken().entry(theta, i)
    }

    /// An event ends the segment within the step.
    fn event_in_step(&mut self, lane: usize, hit: Hit) -> Fired<R> {
        let lanes = self.schedule.lanes;
        let taken = self.taken();
        let t = taken.at(lane, hit.theta);
        let z = (lane..self.kernel.n()).step_by(lanes).map(|i| taken.entry(hit.theta, i)).collect();
        let slope = taken.slope(lane, hit.theta);
        // Only where the segment starts too, it fires because of the event before.
        let instant = hit.instant && self.kernel.t[lane].total_cmp(&self.schedule.t0[lane]).is_eq();
        if !instant {
            self.tape.push(lane, self.stepper.clock(lane).s, &self.kernel.z_new, &self.kernel.ks);
        }
        // What lies at the event, up to rounding, belongs behind it.
        let near = 8.0 * f64::EPSILON * t.abs().max(self.kernel.h[lane].abs());
        let direction = self.direction[lane];
        self.outputs(lane, |at| (t - at) * direction > near, |forward, at, i| forward.dense(lane, at, i));
        Fired { event: hit.event, t, z, slope, instant }
    }

    /// Writes the next outputs of a lane as long as their times are `reached`.
    fn outputs(&mut self, lane: usize, reached: impl Fn(f64) -> bool, value: impl Fn(&Self, f64, usize) -> R) {
        let (n, lanes) = (self.kernel.n(), self.schedule.lanes);
        while self.written[lane] < self.schedule.times {
            let j = self.schedule.order(lane)[self.written[lane]];
            let t = self.problem.ts[j * lanes + lane];
            if !reached(t) {
                break;
            }
            for i in (lane..n).step_by(lanes) {
                self.values[j * n + i] = value(self, t, i);
            }
            self.written[lane] += 1;
            if let Some(segment) = self.tape.lanes[lane].last_mut() {
                segment.outputs.push(j);
            }
        }
    }

    /// Resets the lanes with an event, and those that fire because of it, and starts them again.
    fn fire<S: EventSystem<R>>(&mut self, sys: &mut S, mut fired: Vec<Option<Fired<R>>>) {
        let (n, lanes) = (self.kernel.n(), self.schedule.lanes);
        let involved: Vec<bool> = fired.iter().map(Option::is_some).collect();
        let mut t = self.kernel.t.clone();
        let mut z = self.kernel.z.clone();
        let mut resets = vec![R::ZERO; self.watch.rules().len() * n];
        while fired.iter().any(Option::is_some) {
            for (lane, f) in fired.iter().enumerate() {
                let Some(f) = f else { continue };
                t[lane] = f.t;
                (lane..n).step_by(lanes).zip(&f.z).for_each(|(i, value)| z[i] = *value);
            }
            sys.resets(&t, &z, &mut resets);
            let mut reset = vec![None; lanes];
            for (lane, f) in fired.iter_mut().enumerate() {
                let Some(f) = f.take() else { continue };
                let event = f.event;
                (lane..n).step_by(lanes).for_each(|i| z[i] = resets[event * n + i]);
                if self.reset_lane(lane, f, &z) {
                    reset[lane] = Some(event);
                }
            }
            let next = self.watch.restart(sys, (&t, &z), &self.direction, &reset);
            for (lane, event) in next.into_iter().enumerate() {
                let Some(event) = event else { continue };
                let state: Vec<R> = z[lane..].iter().step_by(lanes).copied().collect();
                let slope = vec![R::ZERO; state.len()];
                fired[lane] = Some(Fired { event, t: t[lane], z: state, slope, instant: true });
            }
        }
        self.restart(sys, &involved, &t, &z);
    }

    /// Ends the segment of a lane; `z` holds the state behind the reset. Whether the lane goes on.
    fn reset_lane(&mut self, lane: usize, fired: Fired<R>, z: &[R]) -> bool {
        let lanes = self.schedule.lanes;
        let (event, t, start) = (fired.event, fired.t, self.schedule.t0[lane]);
        let step_end = if fired.instant { t } else { self.kernel.t_next[lane] };
        let endless = self.rows[lane].endless(&fired, start);
        self.tape.close(lane, step_end, fired);
        let new: Vec<R> = z[lane..].iter().step_by(lanes).copied().collect();
        if let Some(component) = new.iter().position(|x| !x.is_finite()) {
            self.stepper.fail(lane, FailureKind::NotFinite, t, Some(component));
            return false;
        }
        if endless {
            self.stepper.fail(lane, FailureKind::Zeno, t, None);
            return false;
        }
        self.schedule.t0[lane] = t;
        let stops = self.watch.rules()[event].stops;
        let end = if stops { End::Stopped } else { End::Horizon };
        self.tape.open(lane, t, self.schedule.t_end[lane], new, end);
        if stops {
            self.stepper.running[lane] = false;
            self.outputs(lane, |_| true, |_, _, i| z[i]);
        }
        !stops
    }

    /// First stages and step lengths of the lanes that start again at (t, z).
    fn restart<S: EventSystem<R>>(&mut self, sys: &mut S, involved: &[bool], t: &[f64], z: &[R]) {
        let (n, lanes) = (self.kernel.n(), self.schedule.lanes);
        let mut again = vec![false; lanes];
        for lane in (0..lanes).filter(|&lane| involved[lane]) {
            self.kernel.t[lane] = t[lane];
            (lane..n).step_by(lanes).for_each(|i| self.kernel.z[i] = z[i]);
            if self.stepper.failures[lane].is_some()
                || matches!(self.tape.lanes[lane].last(), Some(s) if matches!(s.end, End::Stopped))
            {
                continue;
            }
            let end = self.schedule.t_end[lane];
            let span = end - t[lane];
            let over = span * self.direction[lane] <= 8.0 * f64::EPSILON * end.abs().max(t[lane].abs());
            self.stepper.running[lane] = !over;
            again[lane] = !over;
            if over {
                // The event lies at the end: what is left of the span is rounding.
                if let Some(segment) = self.tape.lanes[lane].last_mut() {
                    segment.t_end = segment.t0;
                }
                self.outputs(lane, |_| true, |_, _, i| z[i]);
            } else {
                self.schedule.span[lane] = span;
                self.stepper.restart(lane, span, span);
            }
        }
        if !again.contains(&true) {
            return;
        }
        let mut stage = vec![R::ZERO; n];
        sys.rhs(&self.kernel.t, &self.kernel.z, &mut stage);
        for lane in (0..lanes).filter(|&lane| again[lane]) {
            (lane..n).step_by(lanes).for_each(|i| self.kernel.ks[i] = stage[i]);
        }
        let all = std::mem::replace(&mut self.stepper.running, again.clone());
        self.stepper.count_rhs(1);
        self.stepper.check_finite(&self.kernel);
        self.stepper.first_steps(&mut self.kernel, &self.schedule.span, |t, z, dz| sys.rhs(t, z, dz));
        for lane in 0..lanes {
            self.stepper.running[lane] = if again[lane] { self.stepper.running[lane] } else { all[lane] };
        }
    }

    /// NaN at the outputs that were not reached.
    fn finish(mut self) -> Solution<R> {
        let (n, lanes) = (self.kernel.n(), self.schedule.lanes);
        for lane in (0..lanes).filter(|&lane| self.problem.active[lane]) {
            for &j in &self.schedule.order(lane)[self.written[lane]..] {
                (lane..n).step_by(lanes).for_each(|i| self.values[j * n + i] = R::NAN);
            }
        }
        self.tape.failures.clone_from(&self.stepper.failures);
        Solution {
            values: self.values,
            failures: self.stepper.failures,
            stats: self.stepper.stats,
            stretches: Vec::new(),
        }
    }
}
