//! Steps of given length that can be undone: symplectic and algebraically reversible methods.
//!
//! Between neighbouring output times of a sample the steps are equal and at most as long as the option says, so outputs
//! are always ends of steps. The reverse pass undoes the steps one after another, from the last state alone: its memory
//! does not grow with their number, and its derivative is that of the discrete map.

#![allow(clippy::needless_range_loop, reason = "a lane indexes several buffers")]

mod reversible;
mod symplectic;

pub use symplectic::Symplectic;

use super::failure::{Failure, FailureKind};
use super::options::Options;
use super::real::Real;
use super::schedule::Schedule;
use super::system::{AdjointSystem, Cotangents, Problem, Solution, Stats, System};
use super::tableau::Method;
use super::tape::{LaneTape, Tape};
use reversible::Reversible;
use symplectic::Composition;

/// Whether these options ask for steps that can be undone.
pub(super) fn undoes(options: &Options) -> bool {
    options.reversible || matches!(options.method, Method::Symplectic(_))
}

/// A step that can be undone. Buffers are `[D][L]`; a lane with h = 0 stays as it is.
trait Scheme<R: Real> {
    /// The states of every lane as kept on the tape: the solution, then what else the method carries along.
    fn states(&mut self) -> Vec<&mut Vec<R>>;
    /// Steps from t to t + h. Returns the number of right-hand sides.
    fn step<S: System<R>>(&mut self, sys: &mut S, t: &[f64], h: &[f64]) -> usize;
    /// Undoes the step from t to t + h, and takes the cotangents back with it. `bars` belong to the states. Adds to the
    /// cotangents of t and of h. Returns the numbers of right-hand sides and of vector-Jacobian products.
    fn undo<S: AdjointSystem<R>>(
        &mut self,
        sys: &mut S,
        times: (&[f64], &[f64]),
        bars: &mut [Vec<R>],
        time_bars: &mut [[f64; 2]],
    ) -> (usize, usize);
}

/// As [`super::solve`]; the tape keeps the last state.
pub(super) fn solve<R: Real, S: System<R>>(
    sys: &mut S,
    problem: &Problem<R>,
    options: &Options,
    tape: Option<&mut Tape<R>>,
) -> Solution<R> {
    let (dim, lanes) = (sys.dim(), sys.lanes());
    match options.method {
        Method::Symplectic(method) if !options.reversible => {
            run(sys, problem, options, tape, Composition::new(method, &options.positions, problem.z0, lanes))
        }
        _ => run(sys, problem, options, tape, Reversible::new(options, problem.z0, dim, lanes)),
    }
}

/// As [`super::discrete`].
pub(super) fn reverse<R: Real, S: AdjointSystem<R>>(
    sys: &mut S,
    problem: &Problem<R>,
    options: &Options,
    tape: &Tape<R>,
    values_bar: &[R],
) -> Cotangents<R> {
    let (dim, lanes) = (sys.dim(), sys.lanes());
    match options.method {
        Method::Symplectic(method) if !options.reversible => {
            let scheme = Composition::new(method, &options.positions, problem.z0, lanes);
            run_back(sys, problem, options, tape, values_bar, scheme)
        }
        _ => run_back(sys, problem, options, tape, values_bar, Reversible::new(options, problem.z0, dim, lanes)),
    }
}

/// Equal steps between two output times of a lane.
#[derive(Debug, Clone, Copy)]
struct Stretch {
    from: f64,
    to: f64,
    steps: usize,
    /// The outputs at `from` and at `to`, by their last place in the order from t0 outwards plus one.
    outputs: (usize, usize),
}

impl Stretch {
    fn h(&self) -> f64 {
        (self.to - self.from) / self.steps as f64
    }

    fn at(&self, k: usize) -> f64 {
        self.from + k as f64 * self.h()
    }
}

/// The stretches of every lane.
struct Grid {
    schedule: Schedule,
    lanes: Vec<Vec<Stretch>>,
    failures: Vec<Option<Failure>>,
}

impl Grid {
    fn new<R: Real>(problem: &Problem<R>, options: &Options, dim: usize, lanes: usize) -> Self {
        let mut schedule = Schedule::new(problem, options, dim, lanes);
        let mut failures = std::mem::take(&mut schedule.failures);
        let mut grid = Vec::new();
        let step = options.fixed_step.unwrap_or(f64::INFINITY);
        for (lane, failure) in failures.iter_mut().enumerate() {
            let mut stretches: Vec<Stretch> = Vec::new();
            let (mut from, mut done) = (problem.t0[lane], 0);
            for (place, &j) in schedule.order(lane).iter().enumerate() {
                let to = problem.ts[j * lanes + lane];
                if !problem.active[lane] || failure.is_some() {
                    break;
                }
                if (to - from).abs() <= 0.0 {
                    done = place + 1;
                    if let Some(last) = stretches.last_mut() {
                        last.outputs.1 = done;
                    }
                    continue;
                }
                #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
                let steps = ((to - from).abs() / step - 1e-9).ceil().max(1.0) as usize;
                stretches.push(Stretch { from, to, steps, outputs: (done, place + 1) });
                (from, done) = (to, place + 1);
            }
            let total = stretches.iter().fold(0, |sum: usize, s| sum.saturating_add(s.steps));
            if total > options.max_steps {
                *failure = Some(Failure { kind: FailureKind::MaxSteps, t: problem.t0[lane], component: None });
                stretches.clear();
            }
            grid.push(stretches);
        }
        Self { schedule, lanes: grid, failures }
    }

    fn good(&self, lane: usize, active: &[bool]) -> bool {
        active[lane] && self.failures[lane].is_none()
    }
}

fn run<R: Real, S: System<R>, M: Scheme<R>>(
    sys: &mut S,
    problem: &Problem<R>,
    options: &Options,
    tape: Option<&mut Tape<R>>,
    mut scheme: M,
) -> Solution<R> {
    let (dim, lanes) = (sys.dim(), sys.lanes());
    let n = dim * lanes;
    let mut grid = Grid::new(problem, options, dim, lanes);
    let mut stats = Stats::new(lanes);
    let mut values = vec![R::ZERO; problem.times * n];
    let mut write = |grid: &Grid, lane: usize, places: std::ops::Range<usize>, z: &[R]| {
        for &j in &grid.schedule.order(lane)[places] {
            (lane..n).step_by(lanes).for_each(|i| values[j * n + i] = z[i]);
        }
    };
    let mut at: Vec<(usize, usize)> = vec![(0, 0); lanes];
    for lane in (0..lanes).filter(|&lane| grid.good(lane, problem.active)) {
        let first = grid.lanes[lane].first().map_or(problem.times, |s| s.outputs.0);
        write(&grid, lane, 0..first, problem.z0);
    }
    let (mut t, mut h) = (problem.t0.to_vec(), vec![0.0; lanes]);
    loop {
        for lane in 0..lanes {
            let stretch = grid.lanes[lane].get(at[lane].0).filter(|_| grid.good(lane, problem.active));
            h[lane] = stretch.map_or(0.0, Stretch::h);
            t[lane] = stretch.map_or(t[lane], |s| s.at(at[lane].1));
        }
        let moving = h.iter().filter(|h| **h != 0.0).count();
        if moving == 0 {
            break;
        }
        let calls = scheme.step(sys, &t, &h);
        stats.rhs_calls += calls;
        stats.rhs_evaluations += calls * moving;
        for lane in (0..lanes).filter(|&lane| h[lane] != 0.0) {
            let z = &*scheme.states().swap_remove(0);
            if let Some(i) = (lane..n).step_by(lanes).find(|&i| !z[i].is_finite()) {
                let component = Some(i / lanes);
                grid.failures[lane] = Some(Failure { kind: FailureKind::NotFinite, t: t[lane], component });
                continue;
            }
            stats.accepted[lane] += 1;
            at[lane].1 += 1;
            let stretch = grid.lanes[lane][at[lane].0];
            if at[lane].1 == stretch.steps {
                write(&grid, lane, stretch.outputs.0..stretch.outputs.1, z);
                at[lane] = (at[lane].0 + 1, 0);
            }
        }
    }
    for lane in (0..lanes).filter(|&lane| problem.active[lane] && grid.failures[lane].is_some()) {
        let from = grid.lanes[lane].get(at[lane].0).map_or(0, |s| s.outputs.0);
        write(&grid, lane, from..problem.times, &vec![R::NAN; n]);
    }
    if let Some(tape) = tape {
        let last = |lane: usize, scheme: &mut M| {
            let states = scheme.states();
            states.iter().flat_map(|z| z[lane.min(z.len())..].iter().step_by(lanes).copied()).collect()
        };
        tape.lanes = (0..lanes).map(|lane| LaneTape { z: last(lane, &mut scheme), ..LaneTape::default() }).collect();
        tape.width = 1;
        tape.failures.clone_from(&grid.failures);
        tape.stages_kept = false;
    }
    Solution { values, failures: grid.failures, stats, stretches: Vec::new() }
}

fn run_back<R: Real, S: AdjointSystem<R>, M: Scheme<R>>(
    sys: &mut S,
    problem: &Problem<R>,
    options: &Options,
    tape: &Tape<R>,
    values_bar: &[R],
    mut scheme: M,
) -> Cotangents<R> {
    let (dim, lanes) = (sys.dim(), sys.lanes());
    let n = dim * lanes;
    let mut grid = Grid::new(problem, options, dim, lanes);
    grid.failures.clone_from(&tape.failures);
    let mut failures = grid.failures.clone();
    grid.schedule.check_cotangents(values_bar, problem.active, &mut failures);
    grid.failures = failures;
    let host = (0..lanes).find(|&lane| grid.good(lane, problem.active));
    let mut bars: Vec<Vec<R>> = Vec::new();
    for (k, state) in scheme.states().into_iter().enumerate() {
        for lane in 0..lanes {
            // A lane without a result stands where one that has a result does: 0 · ∂f/∂θ must be 0 there.
            let source = if grid.good(lane, problem.active) { Some(lane) } else { host };
            let Some(source) = source else { continue };
            for (d, i) in (lane..n).step_by(lanes).enumerate() {
                state[i] = tape.lanes[source].z[k * dim + d];
            }
        }
        bars.push(vec![R::ZERO; n]);
    }
    let mut reverse = Back { problem, values_bar, n, lanes, ts_bar: vec![0.0; problem.times * lanes] };
    let mut at: Vec<(usize, usize)> = (0..lanes).map(|lane| (grid.lanes[lane].len(), 0)).collect();
    let mut stats = Stats::new(lanes);
    let mut t0_bar = vec![0.0; lanes];
    let (mut t, mut h) = (problem.t0.to_vec(), vec![0.0; lanes]);
    if let Some(host) = host {
        (0..lanes).filter(|&lane| !grid.good(lane, problem.active)).for_each(|lane| t[lane] = problem.t0[host]);
    }
    loop {
        h.fill(0.0);
        for lane in (0..lanes).filter(|&lane| grid.good(lane, problem.active)) {
            if at[lane].1 == 0 && at[lane].0 > 0 {
                at[lane].0 -= 1;
                at[lane].1 = grid.lanes[lane][at[lane].0].steps;
                reverse.outputs(&grid, lane, grid.lanes[lane][at[lane].0].outputs, &mut bars[0]);
            }
            if at[lane].1 > 0 {
                at[lane].1 -= 1;
                let stretch = grid.lanes[lane][at[lane].0];
                (t[lane], h[lane]) = (stretch.at(at[lane].1), stretch.h());
            }
        }
        let moving = h.iter().filter(|h| **h != 0.0).count();
        if moving == 0 {
            break;
        }
        let mut time_bars = vec![[0.0; 2]; lanes];
        let (rhs, vjp) = scheme.undo(sys, (&t, &h), &mut bars, &mut time_bars);
        stats.rhs_calls += rhs;
        stats.rhs_evaluations += rhs * moving;
        stats.vjp_calls += vjp;
        for lane in (0..lanes).filter(|&lane| h[lane] != 0.0) {
            stats.accepted[lane] += 1;
            let stretch = grid.lanes[lane][at[lane].0];
            let (share, steps) = (at[lane].1 as f64 / stretch.steps as f64, stretch.steps as f64);
            let [t_bar, h_bar] = time_bars[lane];
            // t = from + share (to − from), h = (to − from) / steps.
            let to = share * t_bar + h_bar / steps;
            reverse.time(&grid, lane, stretch.outputs.1, to, &mut t0_bar);
            reverse.time(&grid, lane, stretch.outputs.0, t_bar - to, &mut t0_bar);
        }
    }
    reverse.finish(sys, &mut grid, &mut bars, &mut t0_bar, &mut stats);
    let z0 = bars.swap_remove(0);
    Cotangents { z0, t0: t0_bar, ts: reverse.ts_bar, stats, drift: None, failures: grid.failures }
}

/// Cotangents of outputs and of times.
struct Back<'a, R> {
    problem: &'a Problem<'a, R>,
    values_bar: &'a [R],
    n: usize,
    lanes: usize,
    ts_bar: Vec<f64>,
}

impl<R: Real> Back<'_, R> {
    /// Adds the cotangents of the outputs at the end of a stretch to those of the state there.
    fn outputs(&self, grid: &Grid, lane: usize, places: (usize, usize), bar: &mut [R]) {
        for &j in &grid.schedule.order(lane)[places.0..places.1] {
            (lane..self.n).step_by(self.lanes).for_each(|i| bar[i] += self.values_bar[j * self.n + i]);
        }
    }

    /// Gives a cotangent to the time of the output at this place, or to t0. Of several outputs at one time the last in
    /// the order moves the grid.
    fn time(&mut self, grid: &Grid, lane: usize, place: usize, bar: f64, t0_bar: &mut [f64]) {
        let at_start = grid.lanes[lane].first().is_none_or(|s| place <= s.outputs.0);
        match place.checked_sub(1).filter(|_| !at_start) {
            Some(place) => self.ts_bar[grid.schedule.order(lane)[place] * self.lanes + lane] += bar,
            None => t0_bar[lane] += bar,
        }
    }

    /// The outputs at t0, which are z0: to first order, z(t) = z0 + (t − t0) f(t0, z0).
    fn finish<S: AdjointSystem<R>>(
        &mut self,
        sys: &mut S,
        grid: &mut Grid,
        bars: &mut [Vec<R>],
        t0_bar: &mut [f64],
        stats: &mut Stats,
    ) {
        let mut f = vec![R::ZERO; self.n];
        sys.rhs(self.problem.t0, self.problem.z0, &mut f);
        stats.rhs_calls += 1;
        for lane in 0..self.lanes {
            if grid.good(lane, self.problem.active) {
                // What else the method carries along starts as a copy of z0.
                let (first, others) = bars.split_at_mut(1);
                for i in (lane..self.n).step_by(self.lanes) {
                    others.iter().for_each(|bar| first[0][i] += bar[i]);
                }
                let places = grid.lanes[lane].first().map_or(self.problem.times, |s| s.outputs.0);
                for place in 0..places {
                    let j = grid.schedule.order(lane)[place];
                    for i in (lane..self.n).step_by(self.lanes) {
                        let bar = self.values_bar[j * self.n + i];
                        bars[0][i] += bar;
                        let slope = (bar * f[i]).to_f64();
                        self.ts_bar[j * self.lanes + lane] += slope;
                        t0_bar[lane] -= slope;
                    }
                }
            }
            let finite = (lane..self.n).step_by(self.lanes).all(|i| bars[0][i].is_finite());
            if self.problem.active[lane] && !finite {
                let t = self.problem.t0[lane];
                let failure = Failure { kind: FailureKind::NotFinite, t, component: None };
                grid.failures[lane].get_or_insert(failure);
            }
            if !grid.good(lane, self.problem.active) {
                (lane..self.n).step_by(self.lanes).for_each(|i| bars[0][i] = R::ZERO);
                (lane..self.ts_bar.len()).step_by(self.lanes).for_each(|i| self.ts_bar[i] = 0.0);
                t0_bar[lane] = 0.0;
            }
        }
    }
}
