//! Times at which the right-hand side jumps → stretches between them, integrated one after the other.
//!
//! Every stretch is a problem of its own: it ends just before a stop and the next one starts just after it, so that no
//! stage is evaluated on the wrong side. The state is continuous; the stops are constants.

use super::options::Options;
use super::real::Real;
use super::schedule::Schedule;
use super::system::{AdjointSystem, Cotangents, Drift, Problem, Solution, Stats, System};
use super::tape::Tape;
use super::{backsolve as backwards, continuous, discrete as exact, forward};

/// The stretches of all lanes.
struct Stretches<'a, R> {
    problem: &'a Problem<'a, R>,
    options: Options,
    dim: usize,
    lanes: usize,
    /// Stops inside of the lane's span, from t0 outwards.
    stops: Vec<Vec<f64>>,
    backwards: Vec<bool>,
}

impl<'a, R: Real> Stretches<'a, R> {
    fn new(problem: &'a Problem<'a, R>, options: &Options, dim: usize, lanes: usize) -> Self {
        let schedule = Schedule::new(problem, options, dim, lanes);
        let inside = |lane: usize| {
            let (t0, end) = (schedule.t0[lane], schedule.t_end[lane]);
            let (low, high) = (t0.min(end), t0.max(end));
            let bad = schedule.failures[lane].is_some() || !problem.active[lane];
            // As the model sees times: in its own precision.
            let rounded = options.stops.iter().map(|&t| R::from_f64(t).to_f64());
            let mut stops: Vec<f64> = rounded.filter(|t| !bad && *t > low && *t < high).collect();
            stops.sort_by(f64::total_cmp);
            stops.dedup();
            if end < t0 {
                stops.reverse();
            }
            stops
        };
        let stops: Vec<Vec<f64>> = (0..lanes).map(inside).collect();
        // Every stretch has a tape, and its share of the budget.
        let count = stops.iter().map(Vec::len).max().unwrap_or(0) + 1;
        let memory = options.memory.map(|memory| memory / count);
        Self {
            problem,
            options: Options { stops: Vec::new(), memory, ..options.clone() },
            dim,
            lanes,
            stops,
            backwards: (0..lanes).map(|lane| schedule.span[lane] < 0.0).collect(),
        }
    }

    fn count(&self) -> usize {
        self.stops.iter().map(Vec::len).max().unwrap_or(0) + 1
    }

    /// Whether output `j` of a lane lies in stretch `p`; one at a stop is the end of the stretch before.
    fn owns(&self, p: usize, lane: usize, j: usize) -> bool {
        let t = self.problem.ts[j * self.lanes + lane];
        let beyond = |stop: f64| if self.backwards[lane] { t < stop } else { t > stop };
        let stops = &self.stops[lane];
        p <= stops.len() && (p == 0 || beyond(stops[p - 1])) && (p == stops.len() || !beyond(stops[p]))
    }

    /// The nearest time before a stop, or after it, in the precision of the model.
    fn beside(&self, lane: usize, stop: f64, after: bool) -> f64 {
        let stop = R::from_f64(stop);
        let up = after != self.backwards[lane];
        if up { stop.next_up().to_f64() } else { stop.next_down().to_f64() }
    }

    /// Start times `[L]` and output times `[T + 1][L]` of stretch `p`, the last one being its end. Outputs elsewhere
    /// stand at its start.
    fn times(&self, p: usize) -> (Vec<f64>, Vec<f64>) {
        let start = |lane: usize| {
            let stop = p.checked_sub(1).and_then(|p| self.stops[lane].get(p));
            stop.map_or(self.problem.t0[lane], |&stop| self.beside(lane, stop, true))
        };
        let t0: Vec<f64> = (0..self.lanes).map(start).collect();
        let mut ts = Vec::with_capacity((self.problem.times + 1) * self.lanes);
        for j in 0..=self.problem.times {
            for (lane, start) in t0.iter().enumerate() {
                let end = self.stops[lane].get(p).map(|&stop| self.beside(lane, stop, false));
                ts.push(if j == self.problem.times {
                    end.unwrap_or(*start)
                } else if self.owns(p, lane, j) {
                    let t = self.problem.ts[j * self.lanes + lane];
                    end.map_or(t, |end| if self.backwards[lane] { t.max(end) } else { t.min(end) })
                } else {
                    *start
                });
            }
        }
        (t0, ts)
    }

    /// Lanes that go through stretch `p`.
    fn active(&self, p: usize, failed: &[bool]) -> Vec<bool> {
        (0..self.lanes).map(|lane| self.problem.active[lane] && p <= self.stops[lane].len() && !failed[lane]).collect()
    }

    /// The states at the start of stretch `p`, `[D][L]`.
    fn start(&self, tape: &Tape<R>, p: usize) -> Vec<R> {
        let mut z = vec![R::ZERO; self.dim * self.lanes];
        tape.stretches[p].view().start(&mut z);
        z
    }

    /// Calls `f` for every element `[T][D][L]` (counted as `i`) of an output of stretch `p`.
    fn elements(&self, p: usize, mut f: impl FnMut(usize)) {
        for i in 0..self.problem.times * self.dim * self.lanes {
            if self.owns(p, i % self.lanes, i / (self.dim * self.lanes)) {
                f(i);
            }
        }
    }
}

pub(super) fn solve<R: Real, S: System<R>>(
    sys: &mut S,
    problem: &Problem<R>,
    options: &Options,
    mut tape: Option<&mut Tape<R>>,
) -> Solution<R> {
    let (dim, lanes) = (sys.dim(), sys.lanes());
    let stretches = Stretches::new(problem, options, dim, lanes);
    let outputs = problem.times * dim * lanes;
    let missing = |i: usize| if problem.active[i % lanes] { R::NAN } else { R::ZERO };
    let mut all = Solution {
        values: (0..outputs).map(missing).collect(),
        failures: vec![None; lanes],
        stats: Stats::new(lanes),
        stretches: Vec::new(),
    };
    let mut z0 = problem.z0.to_vec();
    if let Some(tape) = &mut tape {
        tape.stretches.clear();
    }
    for p in 0..stretches.count() {
        let failed: Vec<bool> = all.failures.iter().map(Option::is_some).collect();
        let (active, (t0, ts)) = (stretches.active(p, &failed), stretches.times(p));
        let stretch = Problem { z0: &z0, t0: &t0, ts: &ts, times: problem.times + 1, active: &active };
        let mut part = Tape::new();
        let solution = forward::solve(sys, &stretch, &stretches.options, tape.is_some().then_some(&mut part));
        stretches.elements(p, |i| {
            if active[i % lanes] {
                all.values[i] = solution.values[i];
            }
        });
        for (i, z) in z0.iter_mut().enumerate().filter(|(i, _)| active[i % lanes]) {
            *z = solution.values[outputs + i];
        }
        for (failure, own) in all.failures.iter_mut().zip(&solution.failures) {
            *failure = failure.take().or_else(|| own.clone());
        }
        all.stats.add(&solution.stats);
        all.stretches.push(solution);
        if let Some(tape) = &mut tape {
            tape.stretches.push(part);
        }
    }
    if let Some(tape) = tape {
        tape.failures.clone_from(&all.failures);
    }
    all
}

/// Runs `pull` for the stretches, the last one first, and joins what it gives. It gets the number of the stretch, its
/// problem, and the cotangents of its outputs.
fn reverse<R: Real>(
    stretches: &Stretches<R>,
    values_bar: &[R],
    failures: Vec<Option<super::Failure>>,
    start: impl Fn(usize) -> Vec<R>,
    mut pull: impl FnMut(usize, &Problem<R>, &[R]) -> Cotangents<R>,
) -> Cotangents<R> {
    let (problem, dim, lanes) = (stretches.problem, stretches.dim, stretches.lanes);
    let outputs = problem.times * dim * lanes;
    let mut all = Cotangents {
        z0: vec![R::ZERO; dim * lanes],
        t0: vec![0.0; lanes],
        ts: vec![0.0; problem.times * lanes],
        stats: Stats::new(lanes),
        drift: None,
        failures,
    };
    for p in (0..stretches.count()).rev() {
        let failed: Vec<bool> = all.failures.iter().map(Option::is_some).collect();
        let (active, (t0, ts), z0) = (stretches.active(p, &failed), stretches.times(p), start(p));
        let stretch = Problem { z0: &z0, t0: &t0, ts: &ts, times: problem.times + 1, active: &active };
        let mut bar = vec![R::ZERO; outputs];
        stretches.elements(p, |i| bar[i] = values_bar[i]);
        bar.extend_from_slice(&all.z0);
        let part = pull(p, &stretch, &bar);
        for lane in (0..lanes).filter(|&lane| active[lane]) {
            (lane..dim * lanes).step_by(lanes).for_each(|i| all.z0[i] = part.z0[i]);
            all.t0[lane] = if p == 0 { part.t0[lane] } else { 0.0 };
            let own = (0..problem.times).filter(|&j| stretches.owns(p, lane, j));
            own.for_each(|j| all.ts[j * lanes + lane] = part.ts[j * lanes + lane]);
            all.failures[lane].clone_from(&part.failures[lane]);
        }
        all.stats.add(&part.stats);
        all.drift = Drift::worse(all.drift, part.drift);
    }
    for lane in (0..lanes).filter(|&lane| all.failures[lane].is_some()) {
        (lane..dim * lanes).step_by(lanes).for_each(|i| all.z0[i] = R::ZERO);
        (0..problem.times).for_each(|j| all.ts[j * lanes + lane] = 0.0);
        all.t0[lane] = 0.0;
    }
    all
}

pub(super) fn discrete<R: Real, S: AdjointSystem<R>>(
    sys: &mut S,
    problem: &Problem<R>,
    options: &Options,
    tape: &Tape<R>,
    values_bar: &[R],
) -> Cotangents<R> {
    let (dim, lanes) = (sys.dim(), sys.lanes());
    let stretches = Stretches::new(problem, options, dim, lanes);
    let start = |p: usize| stretches.start(tape, p);
    reverse(&stretches, values_bar, tape.failures.clone(), start, |p, stretch, bar| {
        exact::discrete(sys, stretch, &stretches.options, &tape.stretches[p], bar)
    })
}

pub(super) fn interpolated<R: Real, S: AdjointSystem<R>>(
    sys: &mut S,
    problem: &Problem<R>,
    options: &Options,
    tape: &Tape<R>,
    values_bar: &[R],
) -> Cotangents<R> {
    let (dim, lanes) = (sys.dim(), sys.lanes());
    let stretches = Stretches::new(problem, options, dim, lanes);
    let start = |p: usize| stretches.start(tape, p);
    reverse(&stretches, values_bar, tape.failures.clone(), start, |p, stretch, bar| {
        continuous::interpolated(sys, stretch, &stretches.options, &tape.stretches[p], bar)
    })
}

pub(super) fn backsolve<R: Real, S: AdjointSystem<R>>(
    sys: &mut S,
    problem: &Problem<R>,
    options: &Options,
    solution: &Solution<R>,
    values_bar: &[R],
) -> Cotangents<R> {
    let (dim, lanes) = (sys.dim(), sys.lanes());
    let stretches = Stretches::new(problem, options, dim, lanes);
    let outputs = problem.times * dim * lanes;
    let start = |p: usize| match p.checked_sub(1) {
        Some(before) => solution.stretches[before].values[outputs..].to_vec(),
        None => problem.z0.to_vec(),
    };
    reverse(&stretches, values_bar, solution.failures.clone(), start, |p, stretch, bar| {
        backwards::backsolve(sys, stretch, &stretches.options, &solution.stretches[p], bar)
    })
}
