//! The segments of a solution with events, kept for the reverse pass.

use super::super::failure::Failure;
use super::super::real::Real;
use super::super::tape::LaneTape;

/// The segments of every lane.
#[derive(Debug, Clone, Default)]
pub struct EventTape<R> {
    pub(super) lanes: Vec<Vec<Segment<R>>>,
    pub(super) failures: Vec<Option<Failure>>,
    /// Steps are kept, as `discrete` and `interpolated` need them; `backsolve` does not.
    pub(super) steps_kept: bool,
    /// Their stages too.
    pub(super) stages_kept: bool,
}

/// A stretch of one lane without an event inside.
#[derive(Debug, Clone)]
pub(super) struct Segment<R> {
    pub(super) t0: f64,
    /// End of its last step, which may lie behind the event that ends it.
    pub(super) t_end: f64,
    /// Positions are fractions of `t_end` − `t0`; its first state is that at `t0`.
    pub(super) tape: LaneTape<R>,
    /// Indices of the output times that lie in it.
    pub(super) outputs: Vec<usize>,
    pub(super) end: End<R>,
}

/// How a segment ends.
#[derive(Debug, Clone)]
pub(super) enum End<R> {
    /// At the furthest output time.
    Horizon,
    /// It lies behind an event that stops: its outputs all have its first state.
    Stopped,
    /// An event fires.
    Event(Fired<R>),
}

/// An event that fired.
#[derive(Debug, Clone)]
pub(super) struct Fired<R> {
    pub(super) event: usize,
    pub(super) t: f64,
    /// State before the reset, `[D]`.
    pub(super) z: Vec<R>,
    /// Slope of dense output there, `[D]`.
    pub(super) slope: Vec<R>,
    /// It fired where the segment starts, because of the event before: its time is the other's.
    pub(super) instant: bool,
}

/// As many events without time between them are taken for infinitely many.
const QUICK: usize = 100;

/// Events of one lane that follow each other.
#[derive(Debug, Clone, Default)]
pub(super) struct InARow {
    /// Without time between them.
    quick: usize,
    last: Option<usize>,
}

impl InARow {
    /// Takes note of an event at the end of a segment that began at `start`; true if there is no end to them.
    pub(super) fn endless<R>(&mut self, fired: &Fired<R>, start: f64) -> bool {
        let t = fired.t;
        // Where nothing was found between an event and its own reset, the time between them is below rounding.
        let itself = fired.instant && self.last == Some(fired.event);
        self.last = Some(fired.event);
        let no_time = (t - start).abs() <= 16.0 * f64::EPSILON * t.abs().max(start.abs());
        self.quick = if no_time { self.quick + 1 } else { 0 };
        itself || self.quick > QUICK
    }
}

impl<R: Real> EventTape<R> {
    /// An empty tape; [`super::solve_events`] fills it. `steps`: it is to serve `discrete` or `interpolated`.
    #[must_use]
    pub fn new(steps: bool) -> Self {
        Self { lanes: Vec::new(), failures: Vec::new(), steps_kept: steps, stages_kept: false }
    }

    /// Number of events that fired in a lane.
    #[must_use]
    pub fn fired(&self, lane: usize) -> usize {
        self.lanes.get(lane).map_or(0, |s| s.iter().filter(|s| matches!(s.end, End::Event(_))).count())
    }

    pub(super) fn reset(&mut self, lanes: usize, stages_kept: bool) {
        self.lanes.clear();
        self.lanes.resize_with(lanes, Vec::new);
        self.failures = vec![None; lanes];
        self.stages_kept = stages_kept;
    }

    /// Starts a segment at `t0` with the state `z0` `[D]`.
    pub(super) fn open(&mut self, lane: usize, t0: f64, t_end: f64, z0: Vec<R>, end: End<R>) {
        let tape = LaneTape { s: vec![0.0], z: z0, ..LaneTape::default() };
        self.lanes[lane].push(Segment { t0, t_end, tape, outputs: Vec::new(), end });
    }

    /// Adds a step that ends at the fraction `s` of the span to the segment under way.
    pub(super) fn push(&mut self, lane: usize, s: f64, z_new: &[R], ks: &[R]) {
        let lanes = self.lanes.len();
        let Some(segment) = self.lanes[lane].last_mut().filter(|_| self.steps_kept) else { return };
        segment.tape.s.push(s);
        segment.tape.z.extend(z_new[lane..].iter().step_by(lanes));
        if self.stages_kept {
            segment.tape.k.extend(ks[..ks.len() - z_new.len()][lane..].iter().step_by(lanes));
        }
    }

    /// The tape of the segment under way of the only lane, if it is kept.
    pub(super) fn under_way(&mut self) -> Option<&mut LaneTape<R>> {
        self.lanes[0].last_mut().filter(|_| self.steps_kept).map(|segment| &mut segment.tape)
    }

    /// An event ends the segment under way, the last step of which ends at `t_end`.
    pub(super) fn close(&mut self, lane: usize, t_end: f64, fired: Fired<R>) {
        let Some(segment) = self.lanes[lane].last_mut() else { return };
        segment.t_end = t_end;
        segment.end = End::Event(fired);
        if let Some(&last) = segment.tape.s.last().filter(|s| **s > 0.0) {
            segment.tape.s.iter_mut().for_each(|s| *s /= last);
        }
    }
}
