//! Tape of accepted steps, cotangents of the outputs → cotangents of everything the outputs depend on, exactly.
//!
//! What is differentiated is the discrete map with its step positions frozen as fractions of the span:
//! tₙ = t0 + sₙ (`t_end` − t0). With stages kᵢ = f(tₙ + cᵢh, zₙ + h Σ aᵢⱼ kⱼ) and the last stage at the new point, the
//! reverse recursion is wᵢ = h Σ_{j>i} aⱼᵢ μⱼ + dense contributions and μᵢ = (∂f/∂z)ᵀ wᵢ, where μ of the last stage is
//! the cotangent of the new state. The cotangent of the first stage is handed to the last stage of the step before,
//! which is the same evaluation.

mod load;
mod outputs;
mod single;

use super::checkpoint::{Descent, Plan, Replay, replay};
use super::dense::Extra;
use super::failure::{Failure, FailureKind};
use super::implicit;
use super::kernel::{Kernel, Row, combine};
use super::options::{Options, Stepping};
use super::penalty::Penalty;
use super::real::Real;
use super::schedule::Schedule;
use super::system::{AdjointSystem, Cotangents, Problem, ReverseStep, Stats};
use super::tableau::Method;
use super::tape::{Tape, View};
use outputs::masked;
use std::borrow::Cow;

/// Reverses the accepted steps of a [`super::solve`] with the same problem and options. `values_bar` is `[T][D][L]`.
/// Exact derivatives of the discrete map (up to rounding). Of several outputs at the furthest time, the first one
/// moves the end of the integration; the others are read from dense output there. A lane with a cotangent that is not
/// finite fails and contributes nothing; where the adjoint overflows on the way, the lane fails too, but the
/// accumulators of the parameters are spoilt by then.
///
/// # Panics
/// If the slices do not have the documented lengths or the tape is of another number of lanes.
pub fn discrete<R: Real, S: AdjointSystem<R>>(
    sys: &mut S,
    problem: &Problem<R>,
    options: &Options,
    tape: &Tape<R>,
    values_bar: &[R],
) -> Cotangents<R> {
    if !options.stops.is_empty() {
        return super::stops::discrete(sys, problem, options, tape, values_bar);
    }
    if let Method::Implicit(method) = options.method {
        return implicit::discrete(method, sys, problem, options, tape, values_bar);
    }
    let (dim, lanes) = (sys.dim(), sys.lanes());
    if !options.method.has_discrete() {
        return refuse(problem, dim * lanes, FailureKind::NeedsBacksolve);
    }
    assert_eq!(tape.lanes(), lanes, "the tape has L lanes");
    assert_eq!(values_bar.len(), problem.times * dim * lanes, "values_bar is [T][D][L]");
    if !options.keeps_steps() {
        return super::grid::reverse(sys, problem, options, tape, values_bar);
    }
    reverse(sys, problem, options, tape.view(), values_bar)
}

/// Whether the lanes of a solve with these options may be reversed in slices, each on its own, by [`discrete_slice`].
#[must_use]
pub fn reverses_slices(options: &Options) -> bool {
    let explicit = options.method.has_discrete() && !matches!(options.method, Method::Implicit(_));
    explicit && options.stops.is_empty() && options.keeps_steps()
}

/// As [`discrete`] for some of the lanes of a [`super::solve`] where all step together: their steps are known by now, and
/// nothing joins them. `problem` and `values_bar` are those of the lanes of `sys`, which begin at lane `first` of the
/// tape: one [`super::System::slice`] of the system that was solved, or some.
///
/// # Panics
/// If the slices do not have the documented lengths, the lanes are no such slices, or [`reverses_slices`] says no.
pub fn discrete_slice<R: Real, S: AdjointSystem<R>>(
    sys: &mut S,
    problem: &Problem<R>,
    options: &Options,
    (tape, first): (&Tape<R>, usize),
    values_bar: &[R],
) -> Cotangents<R> {
    assert!(reverses_slices(options), "steps of this kind are reversed together");
    assert!(tape.has_slice(first, sys.lanes()), "the lanes are slices of the tape");
    assert_eq!(values_bar.len(), problem.times * sys.dim() * sys.lanes(), "values_bar is [T][D][L]");
    reverse(sys, problem, options, tape.slice(first, sys.lanes()), values_bar)
}

/// Explicit steps, without stops.
fn reverse<R: Real, S: AdjointSystem<R>>(
    sys: &mut S,
    problem: &Problem<R>,
    options: &Options,
    tape: View<R>,
    values_bar: &[R],
) -> Cotangents<R> {
    let (dim, lanes) = (sys.dim(), sys.lanes());
    let schedule = Schedule::new(problem, options, dim, lanes);
    let mut reverse = Reverse::new(problem, options, tape, values_bar, &schedule, dim);
    let longest = reverse.steps.iter().copied().max().unwrap_or(0);
    let plain = reverse.extra.stages() == 0 && reverse.penalty.is_none() && tape.limit.is_none() && tape.stages_kept;
    if sys.whole_steps() && lanes == 1 && plain && longest > 0 {
        reverse.run_alone(sys);
        reverse.finish(sys);
        return reverse.cotangents;
    }
    reverse.replay_what_is_not_kept(options);
    let attempts = tape.attempts();
    if attempts.is_some() && longest > 0 {
        reverse.final_slopes(sys);
    }
    for back in 0..attempts.filter(|_| longest > 0).unwrap_or(longest) {
        reverse.choose(attempts, back);
        if reverse.step.iter().all(Option::is_none) {
            continue;
        }
        reverse.load(sys, back);
        reverse.evaluate_extra(sys);
        reverse.outputs();
        reverse.extra_stages(sys);
        reverse.penalties();
        if sys.whole_steps() {
            reverse.whole_step(sys);
        } else {
            reverse.last_stage(sys);
            reverse.stages(sys);
        }
    }
    reverse.finish(sys);
    reverse.cotangents
}

/// No cotangents: every lane has failed.
pub(super) fn refuse<R: Real>(problem: &Problem<R>, n: usize, kind: FailureKind) -> Cotangents<R> {
    let failure = |(t, active): (&f64, &bool)| active.then_some(Failure { kind, t: *t, component: None });
    let lanes = problem.t0.len();
    Cotangents {
        z0: vec![R::ZERO; n],
        t0: vec![0.0; lanes],
        ts: vec![0.0; problem.ts.len()],
        stats: Stats::new(lanes),
        drift: None,
        failures: problem.t0.iter().zip(problem.active).map(failure).collect(),
    }
}

struct Reverse<'a, R: Real> {
    problem: &'a Problem<'a, R>,
    tape: View<'a, R>,
    /// Where the tape has a limit: what brings back the steps that it does not keep.
    replay: Option<Descent<R, Replay<'a, R>>>,
    /// Cotangents of the outputs; where all lanes are alike, 0 in those without a result.
    values_bar: Cow<'a, [R]>,
    schedule: &'a Schedule,
    /// Whether derivatives by times are wanted.
    times: bool,
    kernel: Kernel<R>,
    columns: Vec<Row<R>>,
    extra: Extra<R>,
    penalty: Option<Penalty<R>>,
    /// Steps to reverse, `[L]`; 0 for lanes without a result.
    steps: Vec<usize>,
    /// Lanes with a result, `[L]`.
    good: Vec<bool>,
    /// The first of them.
    host: Option<usize>,
    /// Whether all lanes step together.
    together: bool,
    /// Outputs not yet reached going backwards, `[L]`.
    remaining: Vec<usize>,
    /// Steps of the lane that are left, `[L]`.
    left: Vec<usize>,
    /// Step of the lane under way, `None` where it idles, `[L]`.
    step: Vec<Option<usize>>,
    /// What is kept for the step under way: its index.
    block: Option<usize>,
    /// Cotangents μ of the stage states, `[S][D][L]`; the last one is that of the new state.
    mu: Vec<R>,
    /// Contributions of dense output to the cotangents of the stages, `[S][D][L]`; empty before they are needed.
    dense: Vec<R>,
    /// Whether there are some that are not 0.
    dense_used: bool,
    /// The same to the extra stages, `[E][D][L]`; empty where no output of the tile is inside of the step.
    dense_extra: Vec<R>,
    /// The same to the state at the start of the step, `[D][L]`.
    z_bar: Vec<R>,
    w: Vec<R>,
    /// Cotangent of the first stage of the step after, `[D][L]`.
    carry: Vec<R>,
    /// Cotangent of the very first stage, `[D][L]`.
    first: Vec<R>,
    t_bar: Vec<R>,
    /// Cotangents of the start and of the length of the step under way, `[L]`.
    t_n_bar: Vec<f64>,
    h_bar: Vec<f64>,
    t_end_bar: Vec<f64>,
    product: Vec<f64>,
    /// What a whole step gives: the cotangent of the state at its start, `[D][L]`, and of its length, `[L]`; the first is
    /// that of the new state by the last stage otherwise.
    total: Vec<R>,
    length_bar: Vec<R>,
    cotangents: Cotangents<R>,
}

impl<'a, R: Real> Reverse<'a, R> {
    fn new(
        problem: &'a Problem<'a, R>,
        options: &Options,
        tape: View<'a, R>,
        values_bar: &'a [R],
        schedule: &'a Schedule,
        dim: usize,
    ) -> Self {
        let lanes = schedule.lanes;
        let kernel = Kernel::new(options.method.tableau(), dim, lanes, true);
        let (n, all) = (kernel.n(), kernel.ks.len());
        let mut failures = tape.failures.to_vec();
        schedule.check_cotangents(values_bar, problem.active, &mut failures);
        let good: Vec<bool> = (0..lanes).map(|lane| problem.active[lane] && failures[lane].is_none()).collect();
        let steps: Vec<usize> = (0..lanes).map(|lane| if good[lane] { tape.steps(lane) } else { 0 }).collect();
        let cotangents = Cotangents {
            z0: vec![R::ZERO; n],
            t0: vec![0.0; lanes],
            ts: vec![0.0; problem.times * lanes],
            stats: Stats::new(lanes),
            drift: None,
            failures,
        };
        let mut reverse = Self {
            problem,
            tape,
            replay: None,
            values_bar: if schedule.alike { masked(values_bar, &good) } else { Cow::Borrowed(values_bar) },
            schedule,
            times: options.time_cotangents,
            columns: kernel.columns(),
            extra: Extra::new(kernel.tableau, dim, lanes),
            penalty: Penalty::new(options.penalties, &kernel),
            kernel,
            left: Vec::clone(&steps),
            block: None,
            steps,
            host: good.iter().position(|good| *good),
            together: options.stepping == Stepping::Batch,
            good,
            remaining: vec![problem.times; lanes],
            step: vec![None; lanes],
            mu: vec![R::ZERO; all],
            dense: Vec::new(),
            dense_used: false,
            dense_extra: Vec::new(),
            z_bar: vec![R::ZERO; n],
            w: vec![R::ZERO; n],
            carry: vec![R::ZERO; n],
            first: vec![R::ZERO; n],
            t_bar: vec![R::ZERO; lanes],
            t_n_bar: vec![0.0; lanes],
            h_bar: vec![0.0; lanes],
            t_end_bar: vec![0.0; lanes],
            product: vec![0.0; lanes],
            total: vec![R::ZERO; n],
            length_bar: vec![R::ZERO; lanes],
            cotangents,
        };
        reverse.park();
        reverse
    }

    fn replay_what_is_not_kept(&mut self, options: &'a Options) {
        let (dim, stages) = (self.kernel.dim, self.tape.stages_kept);
        let longest = self.steps.iter().copied().max().unwrap_or(0);
        let plan = Plan::explicit::<R>(options, dim, stages).filter(|_| self.tape.limit.is_some() && longest > 0);
        self.replay = plan.map(|plan| {
            let kept = if stages { self.kernel.tableau.stages() - 1 } else { 0 };
            let window = replay::window(self.tape, plan.window.min(longest), dim, kept);
            let player = Replay::new(options, self.schedule, self.tape, dim, self.steps.clone());
            Descent::new(player, plan, longest, self.tape.stride(), window)
        });
    }

    /// Gives every lane without a result the start of one that has a result: 0 · ∂f/∂θ must be 0 there.
    fn park(&mut self) {
        let Some(host) = self.host else { return };
        let lanes = self.kernel.lanes;
        for lane in 0..lanes {
            let source = if self.good[lane] { lane } else { host };
            self.kernel.t[lane] = self.schedule.t0[source];
            self.kernel.t_next[lane] = self.schedule.t0[source];
            for row in 0..self.kernel.dim {
                let value = self.problem.z0[row * lanes + source];
                self.kernel.z[row * lanes + lane] = value;
                self.kernel.z_new[row * lanes + lane] = value;
            }
        }
    }

    fn count_rhs(&mut self, calls: usize) {
        self.cotangents.stats.rhs_calls += calls;
        self.cotangents.stats.rhs_evaluations += calls * self.step.iter().flatten().count();
    }

    /// The extra stages of dense output, where an output of some lane is inside of its step.
    fn evaluate_extra<S: AdjointSystem<R>>(&mut self, sys: &mut S) {
        self.dense_extra.clear();
        let lanes = self.kernel.lanes;
        let inside = |lane: usize| {
            let Some(step) = self.step[lane] else { return false };
            let start = self.tape.of(lane).s[step];
            let within = |j: usize| {
                let t = self.problem.ts[j * lanes + lane];
                let fraction = self.schedule.fraction(lane, t);
                j != self.schedule.owner[lane] && fraction > 0.0 && (step == 0 || fraction > start)
            };
            self.schedule.order(lane)[..self.remaining[lane]].iter().any(|&j| within(j))
        };
        let inside = if self.extra.stages() == 0 { 0 } else { (0..lanes).filter(|&lane| inside(lane)).count() };
        if inside == 0 {
            return;
        }
        self.dense_extra.resize(self.extra.ks.len(), R::ZERO);
        self.extra.evaluate(&self.kernel, |t, z, dz| sys.rhs(t, z, dz));
        self.cotangents.stats.rhs_calls += self.extra.stages();
        self.cotangents.stats.rhs_evaluations += self.extra.stages() * inside;
    }

    /// Takes the cotangents of the extra stages back to the stages of the method, the state and the times.
    fn extra_stages<S: AdjointSystem<R>>(&mut self, sys: &mut S) {
        if self.dense_extra.is_empty() {
            return;
        }
        self.use_dense();
        let n = self.kernel.n();
        let mut mu = vec![R::ZERO; n];
        for i in (0..self.extra.stages()).rev() {
            self.w.copy_from_slice(&self.dense_extra[i * n..(i + 1) * n]);
            if self.times {
                products(&mut self.product, &self.w, &self.extra.ks[i * n..]);
                self.lengthen();
            }
            let (c, t, z) = self.extra.stage(i);
            sys.vjp(t, z, &self.w, &mut mu, &mut self.t_bar, true);
            self.cotangents.stats.vjp_calls += 1;
            self.extra.spread(i, self.kernel.h_wide(), &mu, &mut self.dense, &mut self.dense_extra);
            for (z_bar, mu) in self.z_bar.iter_mut().zip(&mu) {
                *z_bar += *mu;
            }
            self.stage_time(c);
        }
    }

    /// The penalties on the steps depend on their stages and lengths, like dense output.
    fn penalties(&mut self) {
        if self.penalty.is_some() {
            self.use_dense();
        }
        let Some(penalty) = &mut self.penalty else { return };
        for lane in (0..self.kernel.lanes).filter(|&lane| self.step[lane].is_some()) {
            self.h_bar[lane] += penalty.pull_step(&self.kernel, lane, &mut self.dense);
        }
    }

    /// The whole step at once.
    fn whole_step<S: AdjointSystem<R>>(&mut self, sys: &mut S) {
        let last = self.mu.len() - self.kernel.n();
        let lanes = self.kernel.lanes;
        self.dense.resize(self.mu.len(), R::ZERO);
        sys.reverse_step(&mut ReverseStep {
            t: &self.kernel.t,
            t_next: &self.kernel.t_next,
            h: &self.kernel.h_wide()[..lanes],
            z: &self.kernel.z,
            z_new: &self.kernel.z_new,
            ks: &self.kernel.ks,
            kept: self.block.and_then(|block| self.tape.kept_step(block)),
            dense: &self.dense,
            carry: &self.carry,
            z_new_bar: &self.mu[last..],
            z_bar: &self.z_bar,
            total: &mut self.total,
            first_bar: &mut self.w,
            t_bar: &mut self.t_bar,
            h_bar: &mut self.length_bar,
        });
        self.cotangents.stats.vjp_calls += self.kernel.tableau.stages() - 1;
        for lane in (0..lanes).filter(|&lane| self.times && self.step[lane].is_some()) {
            self.t_n_bar[lane] += self.t_bar[lane].to_f64();
            self.h_bar[lane] += self.length_bar[lane].to_f64();
        }
        self.mu[last..].copy_from_slice(&self.total);
        self.hand_over();
    }

    /// The stage at the new point: dense output, and what the step after hands over.
    fn last_stage<S: AdjointSystem<R>>(&mut self, sys: &mut S) {
        let n = self.kernel.n();
        let last = self.mu.len() - n;
        match self.dense.get(last..) {
            Some(dense) => self.w.copy_from_slice(dense),
            None => self.w.fill(R::ZERO),
        }
        self.length_product(last);
        for (row, carry) in self.w.chunks_exact_mut(self.step.len()).zip(self.carry.chunks_exact(self.step.len())) {
            for ((w, carry), step) in row.iter_mut().zip(carry).zip(&self.step) {
                *w = if step.is_some() { *w + *carry } else { R::ZERO };
            }
        }
        if self.w.iter().all(|w| *w == R::ZERO) {
            return;
        }
        let kept = self.kept(self.kernel.tableau.stages() - 1);
        let (t, z, bar) = (&self.kernel.t_next, &self.kernel.z_new, &mut self.total);
        pull(sys, kept, (t, z), &self.w, bar, &mut self.t_bar);
        self.cotangents.stats.vjp_calls += 1;
        for (mu, bar) in self.mu[last..].iter_mut().zip(&self.total) {
            *mu += *bar;
        }
        self.stage_time(1.0);
    }

    /// Stages S − 1 to 1, then the state at the start of the step.
    fn stages<S: AdjointSystem<R>>(&mut self, sys: &mut S) {
        let n = self.kernel.n();
        let last = self.mu.len() - n;
        for i in (0..self.kernel.tableau.stages() - 1).rev() {
            let dense = if self.dense_used { &self.dense[i * n..(i + 1) * n] } else { self.kernel.zero() };
            combine(&mut self.w, dense, self.kernel.h_wide(), &self.mu, &self.columns[i]);
            self.length_product(i * n);
            if i == 0 {
                break;
            }
            let kept = self.kept(i);
            let (t, z) = self.kernel.stage_state(i);
            pull(sys, kept, (t, z), &self.w, &mut self.mu[i * n..(i + 1) * n], &mut self.t_bar);
            self.cotangents.stats.vjp_calls += 1;
            for (z_bar, mu) in self.z_bar.iter_mut().zip(&self.mu[i * n..]) {
                *z_bar += *mu;
            }
            self.stage_time(self.kernel.tableau.c[i]);
        }
        for (lambda, z_bar) in self.mu[last..].iter_mut().zip(&self.z_bar) {
            *lambda += *z_bar;
        }
        self.hand_over();
    }

    /// The first stage goes to the step before; the times to t0 and the end of the span.
    fn hand_over(&mut self) {
        let lanes = self.kernel.lanes;
        for (row, w) in self.carry.chunks_exact_mut(lanes).zip(self.w.chunks_exact(lanes)) {
            for ((carry, w), step) in row.iter_mut().zip(w).zip(&self.step) {
                *carry = if step.is_some() { *w } else { *carry };
            }
        }
        for lane in 0..lanes {
            let Some(step) = self.step[lane] else { continue };
            self.cotangents.stats.accepted[lane] += 1;
            if step == 0 {
                for i in (lane..self.w.len()).step_by(lanes) {
                    self.first[i] = self.w[i];
                    self.carry[i] = R::ZERO;
                }
            }
            let s = &self.tape.of(lane).s;
            let (s, ds) = (s[step], s[step + 1] - s[step]);
            let (t_n, h) = (self.t_n_bar[lane], self.h_bar[lane]);
            self.cotangents.t0[lane] += t_n * (1.0 - s) - h * ds;
            self.t_end_bar[lane] += t_n * s + h * ds;
        }
    }

    /// Every use of a stage k is multiplied by h: `h_bar` gains w·k / h.
    fn length_product(&mut self, offset: usize) {
        if !self.times {
            return;
        }
        products(&mut self.product, &self.w, &self.kernel.ks[offset..]);
        self.lengthen();
    }

    fn lengthen(&mut self) {
        for (lane, product) in self.product.iter().enumerate() {
            if self.step[lane].is_some() {
                self.h_bar[lane] += product / self.kernel.h[lane];
            }
        }
    }

    fn stage_time(&mut self, c: f64) {
        if !self.times {
            return;
        }
        for lane in 0..self.t_bar.len() {
            let t_bar = self.t_bar[lane].to_f64();
            self.t_n_bar[lane] += t_bar;
            self.h_bar[lane] += c * t_bar;
        }
    }

    /// The first stage of all, lanes without a step, and the sums.
    fn finish<S: AdjointSystem<R>>(&mut self, sys: &mut S) {
        if let Some(replay) = self.replay.take() {
            self.cotangents.stats.add(&replay.player.stats);
        }
        let (n, lanes) = (self.kernel.n(), self.kernel.lanes);
        let last = self.mu.len() - n;
        self.park();
        self.z_bar.fill(R::ZERO);
        self.t_bar.fill(R::ZERO);
        if self.first.iter().any(|w| *w != R::ZERO) {
            sys.vjp(&self.kernel.t, &self.kernel.z, &self.first, &mut self.z_bar, &mut self.t_bar, true);
            self.cotangents.stats.vjp_calls += 1;
        }
        for i in 0..n {
            self.cotangents.z0[i] = self.mu[last + i] + self.z_bar[i];
        }
        let empty = |lane: usize| self.good[lane] && self.steps[lane] == 0;
        if (0..lanes).any(empty) {
            self.kernel.first_stage(|t, z, dz| sys.rhs(t, z, dz));
            self.cotangents.stats.rhs_calls += 1;
        }
        for lane in 0..lanes {
            self.finish_lane(lane);
        }
    }

    fn finish_lane(&mut self, lane: usize) {
        let (n, lanes, times) = (self.kernel.n(), self.kernel.lanes, self.problem.times);
        if !self.good[lane] {
            (lane..n).step_by(lanes).for_each(|i| self.cotangents.z0[i] = R::ZERO);
            return;
        }
        self.cotangents.t0[lane] += self.t_bar[lane].to_f64();
        if self.steps[lane] > 0 {
            self.cotangents.ts[self.schedule.owner[lane] * lanes + lane] += self.t_end_bar[lane];
        } else {
            // All outputs are z0; to first order, z(t) = z0 + (t − t0) f(t0, z0).
            for j in 0..times {
                for i in (lane..n).step_by(lanes) {
                    let bar = self.values_bar[j * n + i];
                    self.cotangents.z0[i] += bar;
                    self.cotangents.ts[j * lanes + lane] += (bar * self.kernel.ks[i]).to_f64();
                }
                self.cotangents.t0[lane] -= self.cotangents.ts[j * lanes + lane];
            }
        }
        let worst = (0..self.kernel.dim).find(|d| !self.cotangents.z0[d * lanes + lane].is_finite());
        if let Some(component) = worst {
            let t = self.schedule.t0[lane];
            self.cotangents.failures[lane] =
                Some(Failure { kind: FailureKind::NotFinite, t, component: Some(component) });
            (lane..n).step_by(lanes).for_each(|i| self.cotangents.z0[i] = R::ZERO);
            (0..times).for_each(|j| self.cotangents.ts[j * lanes + lane] = 0.0);
            self.cotangents.t0[lane] = 0.0;
        }
    }
}

/// A vector-Jacobian product at a time and a state, from what their right-hand side left if it left anything.
fn pull<R: Real, S: AdjointSystem<R>>(
    sys: &mut S,
    kept: Option<&[R]>,
    (t, z): (&[f64], &[R]),
    w: &[R],
    z_bar: &mut [R],
    t_bar: &mut [R],
) {
    match kept {
        Some(kept) => sys.vjp_kept(t, z, w, kept, z_bar, t_bar),
        None => sys.vjp(t, z, w, z_bar, t_bar, true),
    }
}

/// w·k of every lane.
fn products<R: Real>(out: &mut [f64], w: &[R], k: &[R]) {
    out.fill(0.0);
    let lanes = out.len().max(1);
    for (w, k) in w.chunks_exact(lanes).zip(k.chunks_exact(lanes)) {
        for ((product, w), k) in out.iter_mut().zip(w).zip(k) {
            *product += (*w * *k).to_f64();
        }
    }
}
