//! One tile of samples through a program.

use super::program::{BufferInfo, Makes, Program, Segment, SolveCall, Stage};
use super::slices::{Cut, Sliced};
use super::system::Bound;
use super::{Model, Number};
use crate::lower::Gradient;
use crate::solve::{
    self, AdjointSystem, Cotangents, Drift, EventGradient, EventTape, Failure, Options, Penalties, Problem, Solution,
    Stats, Tape,
};
use smallvec::SmallVec;
use std::borrow::Cow;

/// Buffers and tapes of one tile; kept for the next one.
pub(super) struct Workspace<T> {
    /// Values per tile and this tile's sums.
    pub buffers: Vec<Vec<T>>,
    /// Which lanes hold a sample that counts.
    pub active: Vec<bool>,
    /// A sample's weight in the loss, where the penalties on the steps of solves count.
    pub penalised: Option<f64>,
    tapes: Vec<Tape<T>>,
    solutions: Vec<Option<Solution<T>>>,
    /// In the place of tapes, for systems with events.
    event_tapes: Vec<EventTape<T>>,
    scratch: Vec<T>,
}

/// What happened in a tile, besides its values.
#[derive(Clone, Debug, Default)]
pub(super) struct Report {
    /// (lane, why)
    pub failures: Vec<(usize, String)>,
    /// The same for the reverse passes.
    pub reverse: Vec<(usize, String)>,
    /// Work of the solves.
    pub forward: Vec<Stats>,
    /// Work of their pull-backs.
    pub backward: Vec<Stats>,
    /// Largest drift of a backsolve.
    pub drift: Option<Drift>,
    /// Penalties on the steps of the solves, `[L]`; empty where they do not count.
    pub penalty: Vec<f64>,
}

impl<T: Number> Workspace<T> {
    /// Room for a program.
    pub fn new(program: &Program<T>) -> Self {
        let len = |b: &BufferInfo| if b.batched || b.accumulated { b.len } else { 0 };
        Self {
            buffers: program.buffers.iter().map(|b| vec![T::default(); len(b)]).collect(),
            active: vec![true; program.lanes],
            penalised: None,
            tapes: (0..program.solves).map(|_| Tape::new()).collect(),
            solutions: (0..program.solves).map(|_| None).collect(),
            event_tapes: (0..program.solves).map(|_| EventTape::default()).collect(),
            scratch: Vec::new(),
        }
    }

    /// Whether a pull-back follows, so that solves must leave a tape.
    fn differentiates(program: &Program<T>) -> bool {
        program.stages.iter().any(|s| matches!(s, Stage::Solve(SolveCall { makes: Makes::Cotangents { .. }, .. })))
    }

    /// Runs all stages. The tile's leaves have been filled in.
    pub fn run(&mut self, model: &Model<T>, program: &Program<T>, shared: &[Vec<T>]) -> Report {
        let mut report = Report::default();
        for (buffer, info) in self.buffers.iter_mut().zip(&program.buffers) {
            if info.accumulated {
                buffer.fill(T::default());
            }
        }
        let tape = Self::differentiates(program);
        for stage in &program.stages {
            match stage {
                Stage::Kernel(segment) => self.kernel(program, segment, shared),
                Stage::Solve(call) => match &call.makes {
                    Makes::Solution(out) => self.solve(model, program, shared, call, *out, tape, &mut report),
                    Makes::Cotangents { bar, solution: _, parts } => {
                        self.pull(model, program, shared, call, *bar, parts, &mut report);
                    }
                },
            }
        }
        report
    }

    fn kernel(&mut self, program: &Program<T>, segment: &Segment<T>, shared: &[Vec<T>]) {
        let mut taken: SmallVec<[Vec<T>; 16]> =
            segment.outputs.iter().map(|&b| std::mem::take(&mut self.buffers[b])).collect();
        let mut scratch = std::mem::take(&mut self.scratch);
        {
            let inputs: SmallVec<[&[T]; 16]> = segment.inputs.iter().map(|&b| self.value(program, shared, b)).collect();
            let mut outputs: SmallVec<[&mut [T]; 16]> = taken.iter_mut().map(Vec::as_mut_slice).collect();
            segment.kernel.run(&inputs, &mut outputs, &mut scratch);
        }
        self.scratch = scratch;
        for (&b, buffer) in segment.outputs.iter().zip(taken) {
            self.buffers[b] = buffer;
        }
    }

    fn value<'a>(&'a self, program: &Program<T>, shared: &'a [Vec<T>], b: usize) -> &'a [T] {
        if program.buffers[b].batched { &self.buffers[b] } else { &shared[b] }
    }

    /// A value with lanes, whether or not the samples share it.
    fn laned(&self, program: &Program<T>, shared: &[Vec<T>], b: usize) -> Vec<T> {
        if program.buffers[b].batched {
            return self.buffers[b].clone();
        }
        shared[b].iter().flat_map(|&x| std::iter::repeat_n(x, program.lanes)).collect()
    }

    fn times(&self, program: &Program<T>, shared: &[Vec<T>], b: usize) -> Vec<f64> {
        self.laned(program, shared, b).into_iter().map(crate::codegen::Element::widen).collect()
    }

    #[allow(clippy::too_many_arguments, reason = "the parts of one call, split by who owns them")]
    fn solve(
        &mut self,
        model: &Model<T>,
        program: &Program<T>,
        shared: &[Vec<T>],
        call: &SolveCall,
        out: usize,
        with_tape: bool,
        report: &mut Report,
    ) {
        let z0 = self.laned(program, shared, call.args[0]);
        let (t0, ts) = (self.times(program, shared, call.args[1]), self.times(program, shared, call.args[2]));
        let mut tape = std::mem::take(&mut self.tapes[call.tape]);
        let scratch = std::mem::take(&mut self.scratch);
        let kernels = &model.systems[call.system];
        let info = &model.lowered.systems[call.system];
        let options = &*penalised(&info.options, self.penalised.map(|_| 1.0));
        let mut event_tape = EventTape::new(with_tape && info.keeps_steps());
        let (solution, scratch) = {
            let captures: SmallVec<[&[T]; 8]> =
                call.args[3..].iter().map(|&b| self.value(program, shared, b)).collect();
            let problem = Problem { z0: &z0, t0: &t0, ts: &ts, times: ts.len() / program.lanes, active: &self.active };
            // The other methods read the solution only.
            let tape = (with_tape && info.gradient != Gradient::Forward && info.keeps_steps()).then_some(&mut tape);
            if kernels.lanes == program.lanes {
                let mut system = Bound::new(kernels, captures, scratch);
                let solution = if info.events.is_some() {
                    solve::solve_events(&mut system, &problem, options, &mut event_tape)
                } else {
                    solve::solve(&mut system, &problem, options, tape)
                };
                (solution, system.scratch)
            } else {
                let cut = Cut::new(kernels, program.lanes, &captures);
                let mut system = Sliced::new(kernels, program.lanes, &captures, &cut, model.threads > 1);
                (solve::solve(&mut system, &problem, options, tape), scratch)
            }
        };
        self.scratch = scratch;
        self.tapes[call.tape] = tape;
        self.event_tapes[call.tape] = event_tape;
        for (lane, failure) in solution.failures.iter().enumerate() {
            if let Some(failure) = failure.as_ref().filter(|_| self.active[lane]) {
                report
                    .failures
                    .push((lane, format!("{}; {}", describe(model, call.system, failure), failure.advice())));
            }
        }
        if self.penalised.is_some() {
            report.penalty.resize(program.lanes, 0.0);
            report.penalty.iter_mut().zip(&solution.stats.penalty).for_each(|(sum, own)| *sum += own);
        }
        report.forward.push(solution.stats.clone());
        let mut solution = solution;
        self.fill_idle(&mut solution.values);
        self.buffers[out].copy_from_slice(&solution.values);
        self.solutions[call.tape] = Some(solution);
    }

    /// Idle lanes get the values of one that counts: their weight of 0 must not meet the logarithm of 0.
    fn fill_idle(&self, values: &mut [T]) {
        let Some(stand_in) = self.active.iter().position(|a| *a) else { return };
        for entry in values.chunks_mut(self.active.len()) {
            let value = entry[stand_in];
            for (x, _) in entry.iter_mut().zip(&self.active).filter(|(_, active)| !**active) {
                *x = value;
            }
        }
    }

    #[allow(clippy::too_many_arguments, reason = "the parts of one call, split by who owns them")]
    fn pull(
        &mut self,
        model: &Model<T>,
        program: &Program<T>,
        shared: &[Vec<T>],
        call: &SolveCall,
        bar: usize,
        parts: &[(usize, usize)],
        report: &mut Report,
    ) {
        let z0 = self.laned(program, shared, call.args[0]);
        let (t0, ts) = (self.times(program, shared, call.args[1]), self.times(program, shared, call.args[2]));
        let values_bar = self.laned(program, shared, bar);
        let scratch = std::mem::take(&mut self.scratch);
        let mut event_tape = std::mem::take(&mut self.event_tapes[call.tape]);
        let kernels = &model.systems[call.system];
        let (cotangents, bars, scratch) = {
            let captures: SmallVec<[&[T]; 8]> =
                call.args[3..].iter().map(|&b| self.value(program, shared, b)).collect();
            let problem = Problem { z0: &z0, t0: &t0, ts: &ts, times: ts.len() / program.lanes, active: &self.active };
            let options = penalised(&model.lowered.systems[call.system].options, self.penalised);
            let tape = &self.tapes[call.tape];
            let back = Back { model, call, options: &options, problem: &problem, tape, values_bar: &values_bar };
            let solution = self.solutions[call.tape].as_ref();
            if kernels.lanes == program.lanes {
                let mut system = Bound::new(kernels, captures, scratch).with_bars();
                let cotangents = match solution {
                    Some(solution) if model.lowered.systems[call.system].events.is_some() => {
                        back.run_events(&mut system, solution, &mut event_tape)
                    }
                    _ => back.run(&mut system, solution),
                };
                (cotangents, std::mem::take(system.bars()), system.scratch)
            } else {
                let cut = Cut::new(kernels, program.lanes, &captures);
                let mut system = Sliced::new(kernels, program.lanes, &captures, &cut, model.threads > 1).with_bars();
                (back.run_slices(&mut system, solution), system.into_bars(), scratch)
            }
        };
        self.event_tapes[call.tape] = event_tape;
        self.scratch = scratch;
        for (lane, failure) in cotangents.failures.iter().enumerate() {
            if let Some(failure) = failure.as_ref().filter(|_| self.active[lane]) {
                report.reverse.push((
                    lane,
                    format!("in the reverse pass: {}; {}", describe(model, call.system, failure), failure.advice()),
                ));
            }
        }
        report.backward.push(cotangents.stats.clone());
        let worse = |d: &Drift| report.drift.is_none_or(|r| d.relative > r.relative);
        if let Some(drift) = cotangents.drift.filter(worse) {
            report.drift = Some(drift);
        }
        for &(argument, b) in parts {
            let value = part(&cotangents, &bars, argument);
            self.deliver(program, b, argument, &value);
        }
    }

    /// Puts a cotangent where it belongs; one of a shared z0, t0 or ts is summed over the lanes first.
    fn deliver(&mut self, program: &Program<T>, b: usize, argument: usize, value: &[T]) {
        let info = &program.buffers[b];
        let lanes = program.lanes;
        if info.batched {
            self.buffers[b].copy_from_slice(value);
        } else if argument < 3 {
            for (sum, lane) in self.buffers[b].iter_mut().zip(value.chunks(lanes)) {
                *sum = lane.iter().fold(*sum, |s, &x| T::narrow(s.widen() + x.widen()));
            }
        } else {
            for (sum, &x) in self.buffers[b].iter_mut().zip(value) {
                *sum = T::narrow(sum.widen() + x.widen());
            }
        }
    }
}

/// Options of a solve whose penalties count with this weight, or not at all.
fn penalised(options: &Options, weight: Option<f64>) -> Cow<'_, Options> {
    if options.penalties.is_none() {
        return Cow::Borrowed(options);
    }
    let penalties = weight.map_or_else(Penalties::default, |weight| options.penalties.scaled(weight));
    Cow::Owned(Options { penalties, ..options.clone() })
}

/// What a reverse pass starts from.
struct Back<'a, T> {
    model: &'a Model<T>,
    call: &'a SolveCall,
    options: &'a Options,
    problem: &'a Problem<'a, T>,
    tape: &'a Tape<T>,
    values_bar: &'a [T],
}

impl<T: Number> Back<'_, T> {
    fn run(&self, system: &mut impl AdjointSystem<T>, solution: Option<&Solution<T>>) -> Cotangents<T> {
        let info = &self.model.lowered.systems[self.call.system];
        match (info.pulled_by(), solution) {
            (Gradient::Backsolve, Some(solution)) => {
                solve::backsolve(system, self.problem, self.options, solution, self.values_bar)
            }
            (Gradient::Interpolated, _) => {
                solve::interpolated(system, self.problem, self.options, self.tape, self.values_bar)
            }
            (Gradient::Backsolve | Gradient::Discrete | Gradient::Forward, _) => {
                solve::discrete(system, self.problem, self.options, self.tape, self.values_bar)
            }
        }
    }

    /// The same for a system in slices, each of which is reversed on its own where steps are.
    fn run_slices(&self, system: &mut Sliced<T>, solution: Option<&Solution<T>>) -> Cotangents<T> {
        let by = self.model.lowered.systems[self.call.system].pulled_by();
        let by_steps = matches!(by, Gradient::Discrete | Gradient::Forward);
        if by_steps && solve::reverses_slices(self.options) {
            system.reverse(self.problem, self.options, self.tape, self.values_bar)
        } else {
            self.run(system, solution)
        }
    }
}

impl<T: Number> Back<'_, T> {
    /// The same for a system with events.
    fn run_events(&self, system: &mut Bound<T>, solution: &Solution<T>, tape: &mut EventTape<T>) -> Cotangents<T> {
        let info = &self.model.lowered.systems[self.call.system];
        let method = match info.pulled_by() {
            Gradient::Discrete | Gradient::Forward => EventGradient::Discrete,
            Gradient::Backsolve => EventGradient::Backsolve,
            Gradient::Interpolated => EventGradient::Interpolated,
        };
        solve::reverse_events(system, self.problem, self.options, tape, solution, self.values_bar, method)
    }
}

/// What failed, the state by its name.
fn describe<T: Number>(model: &Model<T>, system: usize, failure: &Failure) -> String {
    let text = Failure { component: None, ..failure.clone() }.message();
    let states = &model.lowered.systems[system].states;
    let state = failure.component.and_then(|c| states.iter().rev().find(|s| s.offset <= c));
    match state {
        Some(state) => format!("{text} (state `{}`)", state.name),
        None => text,
    }
}

fn part<T: Number>(cotangents: &Cotangents<T>, bars: &[Vec<T>], argument: usize) -> Vec<T> {
    let narrow = |v: &[f64]| v.iter().map(|&x| T::narrow(x)).collect();
    match argument {
        0 => cotangents.z0.clone(),
        1 => narrow(&cotangents.t0),
        2 => narrow(&cotangents.ts),
        k => bars[k - 3].clone(),
    }
}
