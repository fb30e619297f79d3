//! The same with an implicit method or Adams' formulas, one sample at a time.

use super::super::adams::Walk;
use super::super::failure::{Failure, FailureKind};
use super::super::implicit::{Run, Structure};
use super::super::options::Options;
use super::super::real::Real;
use super::super::schedule::Schedule;
use super::super::system::{Problem, Solution, Stats};
use super::super::tableau::Method;
use super::EventSystem;
use super::record::{End, EventTape, Fired, InARow};
use super::taken::Taken;
use super::walker::Walker;
use super::watch::{Hit, Watch};

/// As [`super::solve_events`].
pub(super) fn solve<R: Real, S: EventSystem<R>>(
    sys: &mut S,
    problem: &Problem<R>,
    options: &Options,
    tape: &mut EventTape<R>,
) -> Solution<R> {
    let dim = sys.dim();
    // Events are looked for, and their states read, on dense output.
    let options = &Options { read_between: true, ..options.clone() };
    let mut schedule = Schedule::new(problem, options, dim, 1);
    tape.reset(1, true);
    let mut single = Single {
        problem,
        options,
        structure: Structure::of(sys),
        order: schedule.order(0).to_vec(),
        t_end: schedule.t_end[0],
        direction: schedule.span[0].signum(),
        watch: Watch::new(sys.rules(), dim, 1),
        tape,
        values: vec![R::ZERO; problem.times * dim],
        written: 0,
        row: InARow::default(),
        attempts: 0,
        stats: Stats::new(1),
        failure: schedule.failures[0].take(),
    };
    if problem.active[0] {
        if single.failure.is_none() {
            single.run(sys, schedule.span[0] != 0.0);
        }
        for &j in &single.order[single.written..] {
            single.values[j * dim..(j + 1) * dim].fill(R::NAN);
        }
    }
    single.tape.failures = vec![single.failure.clone()];
    Solution { values: single.values, failures: vec![single.failure], stats: single.stats, stretches: Vec::new() }
}

struct Single<'a, R> {
    problem: &'a Problem<'a, R>,
    options: &'a Options,
    structure: Structure,
    /// Outputs from t0 outwards.
    order: Vec<usize>,
    t_end: f64,
    direction: f64,
    watch: Watch<R>,
    tape: &'a mut EventTape<R>,
    values: Vec<R>,
    /// Outputs written, in their order.
    written: usize,
    row: InARow,
    /// Steps so far, rejected ones included.
    attempts: usize,
    stats: Stats,
    failure: Option<Failure>,
}

impl<R: Real> Single<'_, R> {
    fn run<S: EventSystem<R>>(&mut self, sys: &mut S, moves: bool) {
        let (mut t, mut z) = (self.problem.t0[0], self.problem.z0.to_vec());
        self.tape.open(0, t, self.t_end, z.clone(), End::Horizon);
        self.outputs(|at| (at - t).abs() <= 0.0, |_, out| out.copy_from_slice(&z));
        if !moves {
            return;
        }
        self.watch.start(sys, &[t], &z, &[self.direction]);
        while let Some((fired, step_end)) = self.segment(sys, t, &z) {
            t = fired.t;
            let Some(behind) = self.fire(sys, fired, step_end) else { return };
            z = behind;
            let left = (self.t_end - t) * self.direction;
            if left <= 8.0 * f64::EPSILON * self.t_end.abs().max(t.abs()) {
                // The event lies at the end: what is left of the span is rounding.
                if let Some(segment) = self.tape.lanes[0].last_mut() {
                    segment.t_end = segment.t0;
                }
                self.outputs(|_| true, |_, out| out.copy_from_slice(&z));
                return;
            }
        }
    }

    /// Integrates from (t, z) to the next event, with the end of the step in which it lies, or to the end.
    fn segment<S: EventSystem<R>>(&mut self, sys: &mut S, t: f64, z: &[R]) -> Option<(Fired<R>, f64)> {
        // An output at the event before belongs here, though rounding may put it before the start.
        let time = |&j: &usize| if (self.problem.ts[j] - t) * self.direction <= 0.0 { t } else { self.problem.ts[j] };
        let ts: Vec<f64> = self.order[self.written..].iter().map(time).chain([self.t_end]).collect();
        let problem = Problem { z0: z, t0: &[t], ts: &ts, times: ts.len(), active: &[true] };
        let schedule = Schedule::new(&problem, self.options, z.len(), 1);
        match self.options.method {
            Method::Implicit(method) => {
                let mut run = Run::new(method, &problem, self.options, &schedule, &self.structure);
                run.clock.attempts = self.attempts;
                self.walk(sys, run, &schedule)
            }
            _ => self.walk(sys, Walk::new(self.options, &schedule, z, self.attempts), &schedule),
        }
    }

    fn walk<S: EventSystem<R>, W: Walker<R>>(
        &mut self,
        sys: &mut S,
        mut walker: W,
        schedule: &Schedule,
    ) -> Option<(Fired<R>, f64)> {
        let (start, span) = (schedule.t0[0], schedule.span[0]);
        let (mut found, mut broken) = (None, None);
        walker.begin(sys);
        while walker.goes_on() {
            if !walker.tried(sys) {
                continue;
            }
            let (taken, s) = (walker.taken(), walker.position());
            let hit = self.watch.step(sys, &taken, &[true]).pop().flatten();
            if let Some(hit) = hit {
                found = Some(self.event(&walker, hit, start));
                break;
            }
            if self.watch.broken[0] {
                let t = taken.at(0, 1.0);
                broken = Some(Failure { kind: FailureKind::NotFinite, t, component: None });
                break;
            }
            walker.keep(self.tape);
            self.outputs(|at| ((at - start) / span).min(1.0) <= s, |at, out| dense(&taken, at, out));
            drop(taken);
            walker.accept();
        }
        let (attempts, stats, failure) = walker.finish();
        self.attempts = attempts;
        self.stats.add(&stats);
        self.failure = failure.or(broken);
        found
    }

    /// An event ends the segment that began at `start` within the last step.
    fn event<W: Walker<R>>(&mut self, walker: &W, hit: Hit, start: f64) -> (Fired<R>, f64) {
        let taken = walker.taken();
        let t = taken.at(0, hit.theta);
        let mut z = vec![R::ZERO; self.structure.dim];
        taken.state(0, hit.theta, &mut z);
        // Only where the segment starts too, it fires because of the event before.
        let instant = hit.instant && taken.times(0).0.total_cmp(&start).is_eq();
        if !instant {
            walker.keep(self.tape);
        }
        // What lies at the event, up to rounding, belongs behind it.
        let (near, direction) = (8.0 * f64::EPSILON * t.abs().max(taken.length(0).abs()), self.direction);
        self.outputs(|at| (t - at) * direction > near, |at, out| dense(&taken, at, out));
        let step_end = if instant { t } else { taken.at(0, 1.0) };
        (Fired { event: hit.event, t, z, slope: taken.slope(0, hit.theta), instant }, step_end)
    }

    /// Writes the next outputs as long as their times are `reached`.
    fn outputs(&mut self, reached: impl Fn(f64) -> bool, value: impl Fn(f64, &mut [R])) {
        let dim = self.structure.dim;
        while let Some(&j) = self.order.get(self.written) {
            if !reached(self.problem.ts[j]) {
                break;
            }
            value(self.problem.ts[j], &mut self.values[j * dim..(j + 1) * dim]);
            self.written += 1;
            if let Some(segment) = self.tape.lanes[0].last_mut() {
                segment.outputs.push(j);
            }
        }
    }

    /// Resets the state, again where that sets off another event; the state from which to go on.
    fn fire<S: EventSystem<R>>(&mut self, sys: &mut S, mut fired: Fired<R>, mut step_end: f64) -> Option<Vec<R>> {
        let dim = self.structure.dim;
        let mut start = self.tape.lanes[0].last().map_or(fired.t, |segment| segment.t0);
        let mut resets = vec![R::ZERO; self.watch.rules().len() * dim];
        loop {
            let (t, event) = (fired.t, fired.event);
            sys.resets(&[t], &fired.z, &mut resets);
            let z = resets[event * dim..(event + 1) * dim].to_vec();
            let endless = self.row.endless(&fired, start);
            self.tape.close(0, step_end, fired);
            let fail = |kind, component| Some(Failure { kind, t, component });
            if let Some(component) = z.iter().position(|x| !x.is_finite()) {
                self.failure = fail(FailureKind::NotFinite, Some(component));
                return None;
            }
            if endless {
                self.failure = fail(FailureKind::Zeno, None);
                return None;
            }
            let stops = self.watch.rules()[event].stops;
            self.tape.open(0, t, self.t_end, z.clone(), if stops { End::Stopped } else { End::Horizon });
            if stops {
                self.outputs(|_| true, |_, out| out.copy_from_slice(&z));
                return None;
            }
            let next = self.watch.restart(sys, (&[t], &z), &[self.direction], &[Some(event)]);
            let Some(event) = next[0] else { return Some(z) };
            let slope = vec![R::ZERO; dim];
            (fired, step_end, start) = (Fired { event, t, z, slope, instant: true }, t, t);
        }
    }
}

/// The state at a time within a step.
fn dense<R: Real>(taken: &impl Taken<R>, at: f64, out: &mut [R]) {
    let (t, t_next) = taken.times(0);
    taken.state(0, if at.total_cmp(&t_next).is_eq() { 1.0 } else { (at - t) / taken.length(0) }, out);
}
