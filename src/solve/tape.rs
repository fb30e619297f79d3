//! Accepted steps, kept for the reverse pass.

mod view;

use super::failure::Failure;
use super::implicit;
use super::kept::Kept;
use super::real::Real;
use std::ops::Range;
pub(super) use view::View;

/// The accepted steps of every lane.
#[derive(Debug, Clone)]
pub struct Tape<R> {
    /// One for every `width` neighbouring lanes.
    pub(super) lanes: Vec<LaneTape<R>>,
    /// 1, or a divisor of L where all lanes step together and every step is kept.
    pub(super) width: usize,
    pub(super) failures: Vec<Option<Failure>>,
    pub(super) stages_kept: bool,
    /// What the evaluations leave for their pull-backs.
    pub(super) kept: Kept<R>,
    /// With stops: a tape for each stretch between them, and no lanes here.
    pub(super) stretches: Vec<Tape<R>>,
    /// The most states that a lane keeps; `None`: all (see [`super::checkpoint`]).
    pub(super) limit: Option<usize>,
}

impl<R: Real> Default for Tape<R> {
    fn default() -> Self {
        Self {
            lanes: Vec::new(),
            width: 1,
            failures: Vec::new(),
            stages_kept: false,
            kept: Kept::default(),
            stretches: Vec::new(),
            limit: None,
        }
    }
}

/// The accepted steps of one lane, or of some that step together: `D` then counts the components of all of them,
/// `[D][width]`.
#[derive(Debug, Clone, Default)]
pub(super) struct LaneTape<R> {
    /// Positions as fractions of the span, `[steps + 1]`, from 0 to 1.
    pub(super) s: Vec<f64>,
    /// States, `[steps + 1][D]`; with a limit those of every `stride`-th step (or that at the start, see `saved`).
    pub(super) z: Vec<R>,
    /// Stages but the last, `[steps][S − 1][D]`; empty when they are not kept. With a limit only the first one of each
    /// state.
    pub(super) k: Vec<R>,
    /// With a limit: steps between two states.
    pub(super) stride: usize,
    /// The step that the first state belongs to.
    pub(super) first: usize,
    /// With a limit, of an implicit method: all that is needed to step on from the states, in place of `z` and `k`.
    pub(super) saved: Vec<implicit::Saved<R>>,
    /// Which scheme of an implicit method took the step, `[steps]`; `k` then has all stages of every step.
    pub(super) scheme: Vec<u8>,
    /// Its order, where that varies.
    pub(super) order: Vec<u8>,
}

impl<R: Real> Tape<R> {
    /// All lanes.
    pub(super) fn view(&self) -> View<'_, R> {
        self.slice(0, self.lanes())
    }

    /// So many lanes from one on; fewer than all only of lanes that step together.
    pub(super) fn slice(&self, first: usize, lanes: usize) -> View<'_, R> {
        View {
            lanes: &self.lanes[first / self.width..(first + lanes) / self.width],
            width: self.width,
            failures: self.failures.get(first..first + lanes).unwrap_or_default(),
            stages_kept: self.stages_kept,
            limit: self.limit,
            kept: &self.kept,
            part: (first / lanes.max(1), self.lanes() / lanes.max(1)),
        }
    }

    /// Whether [`Self::slice`] can cut out these lanes.
    pub(super) fn has_slice(&self, first: usize, lanes: usize) -> bool {
        let whole = |count: usize| count.is_multiple_of(self.width);
        let equal = lanes > 0 && first.is_multiple_of(lanes) && self.lanes().is_multiple_of(lanes);
        first + lanes <= self.lanes() && whole(first) && whole(lanes) && (equal || !self.kept.is_on())
    }

    /// Number of lanes.
    pub(super) fn lanes(&self) -> usize {
        self.lanes.len() * self.width
    }

    /// An empty tape; [`super::solve`] fills it, and may reuse its memory.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Number of accepted steps of a lane; of lanes that are kept as one, also where a lane had failed before.
    #[must_use]
    pub fn steps(&self, lane: usize) -> usize {
        let inner: usize = self.stretches.iter().map(|tape| tape.steps(lane)).sum();
        inner + self.lanes.get(lane / self.width).map_or(0, LaneTape::steps)
    }

    /// Memory in use, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let saved = |lane: &LaneTape<R>| lane.saved.iter().map(implicit::Saved::bytes).sum::<usize>();
        let numbers = |lane: &LaneTape<R>| size_of::<R>() * (lane.z.len() + lane.k.len()) + saved(lane);
        let lane = |lane: &LaneTape<R>| 8 * lane.s.len() + lane.scheme.len() + lane.order.len() + numbers(lane);
        let inner: usize = self.stretches.iter().map(Self::bytes).sum();
        inner + self.lanes.iter().map(lane).sum::<usize>() + self.kept.bytes()
    }

    /// Forgets everything but the memory. `width` lanes are kept as one.
    pub(super) fn reset(&mut self, z0: &[R], (lanes, width): (usize, usize), stages_kept: bool) {
        self.width = width;
        self.stages_kept = stages_kept;
        self.kept.reset(0, 1, false);
        self.limit = None;
        self.failures = vec![None; lanes];
        self.lanes.resize_with(lanes / width, LaneTape::default);
        for (group, tape) in self.lanes.iter_mut().enumerate() {
            tape.clear(0);
            tape.s.push(0.0);
            tape.keep_some(group * width..(group + 1) * width, z0, lanes, &[]);
        }
    }

    /// Makes a fresh tape keep at most `limit` states a lane.
    pub(super) fn bound(&mut self, limit: usize) {
        self.limit = Some(limit);
        for lane in &mut self.lanes {
            // Where stages are kept, the first one belongs to the state; that at the start is evaluated again.
            lane.k.resize(if self.stages_kept { lane.z.len() } else { 0 }, R::ZERO);
        }
    }

    /// Adds a step of the only lane, with its first stage and the others.
    pub(super) fn push_alone(&mut self, s: f64, z_new: &[R], first: &[R], later: &[R]) {
        let last = later.len() - z_new.len();
        let tape = &mut self.lanes[0];
        if let Some(limit) = self.limit {
            tape.push_bounded(0, s, (z_new, 1), if self.stages_kept { &later[last..] } else { &[] }, limit);
            return;
        }
        grow(&mut tape.s, 1);
        tape.s.push(s);
        tape.keep_alone(z_new, if self.stages_kept { first } else { &[] });
        if self.stages_kept {
            grow(&mut tape.k, last);
            tape.k.extend_from_slice(&later[..last]);
        }
    }

    /// Adds the step that some lanes accepted; it ends at the fraction `s` of a lane, in `z_new` `[D][L]`; `ks` is
    /// `[S][D][L]`.
    pub(super) fn push(&mut self, accepted: &[bool], s: impl Fn(usize) -> f64, z_new: &[R], ks: &[R]) {
        let lanes = self.lanes();
        let (before, last) = ks.split_at(ks.len() - z_new.len());
        let (before, last) = if self.stages_kept { (before, last) } else { (&[][..], &[][..]) };
        if self.width > 1 {
            let Some(host) = accepted.iter().position(|accepted| *accepted) else { return };
            for (group, tape) in self.lanes.iter_mut().enumerate() {
                grow(&mut tape.s, 1);
                tape.s.push(s(host));
                tape.keep_some(group * self.width..(group + 1) * self.width, z_new, lanes, before);
            }
            return;
        }
        let mut taken = self.lanes.iter_mut().enumerate().filter(|(lane, _)| accepted[*lane]);
        if let Some(limit) = self.limit {
            taken.for_each(|(lane, tape)| tape.push_bounded(lane, s(lane), (z_new, lanes), last, limit));
            return;
        }
        taken.by_ref().for_each(|(lane, tape)| {
            grow(&mut tape.s, 1);
            tape.s.push(s(lane));
            grow(&mut tape.z, z_new.len() / lanes);
            grow(&mut tape.k, before.len() / lanes);
        });
        for rows in z_new.chunks(ROWS * lanes) {
            collect(&mut self.lanes, accepted, |tape| &mut tape.z, rows);
        }
        for rows in before.chunks(ROWS * lanes) {
            collect(&mut self.lanes, accepted, |tape| &mut tape.k, rows);
        }
    }

    /// Adds a step of the only lane, taken by a scheme (its index and its order) with the stages `ks`.
    pub(super) fn push_single(&mut self, s: f64, scheme: (usize, usize), z_new: &[R], ks: &[R]) {
        let tape = &mut self.lanes[0];
        tape.push_single(s, scheme);
        if self.limit.is_none() {
            tape.keep_alone(z_new, ks);
        }
    }
}

impl<R: Real> LaneTape<R> {
    /// Adds a step where there is a limit: the state `[D][L]` goes in if it is one of those to keep, with the stage there.
    fn push_bounded(&mut self, lane: usize, s: f64, (z_new, lanes): (&[R], usize), stages: &[R], limit: usize) {
        grow(&mut self.s, 1);
        self.s.push(s);
        let dim = z_new.len() / lanes;
        if self.makes_room(limit, self.z.len() / dim.max(1)) {
            room(&mut self.z, dim, limit);
            room(&mut self.k, stages.len() / lanes, limit);
            self.keep(lane, z_new, lanes, stages);
        }
    }

    /// Position, index and order of the scheme of a step of an implicit method.
    pub(super) fn push_single(&mut self, s: f64, scheme: (usize, usize)) {
        let small = |x: usize| u8::try_from(x).unwrap_or(u8::MAX);
        grow(&mut self.s, 1);
        self.s.push(s);
        self.scheme.push(small(scheme.0));
        self.order.push(small(scheme.1));
    }

    /// Forgets all; the next state belongs to step `first`.
    pub(super) fn clear(&mut self, first: usize) {
        self.z.clear();
        self.k.clear();
        self.saved.clear();
        self.s.clear();
        self.scheme.clear();
        self.order.clear();
        (self.first, self.stride) = (first, 1);
    }

    /// Adds a lane of a state `[D][L]` and of stages `[…][D][L]`.
    pub(super) fn keep(&mut self, lane: usize, z: &[R], lanes: usize, ks: &[R]) {
        grow(&mut self.z, z.len() / lanes);
        grow(&mut self.k, ks.len() / lanes);
        self.z.extend(z[lane.min(z.len())..].iter().step_by(lanes));
        self.k.extend(ks[lane.min(ks.len())..].iter().step_by(lanes));
    }

    /// The same for some neighbouring lanes.
    fn keep_some(&mut self, own: Range<usize>, z: &[R], lanes: usize, ks: &[R]) {
        if own.len() == lanes {
            self.keep_alone(z, ks);
        } else if own.len() == 1 {
            self.keep(own.start, z, lanes, ks);
        } else {
            for (list, rows) in [(&mut self.z, z), (&mut self.k, ks)] {
                grow(list, rows.len() / lanes * own.len());
                rows.chunks_exact(lanes).for_each(|row| list.extend_from_slice(&row[own.clone()]));
            }
        }
    }

    /// The same for the only lane.
    pub(super) fn keep_alone(&mut self, z: &[R], ks: &[R]) {
        grow(&mut self.z, z.len());
        grow(&mut self.k, ks.len());
        self.z.extend_from_slice(z);
        self.k.extend_from_slice(ks);
    }

    /// Whether the state at the end of the last step is one to keep, now that there are `kept`. If they are too many,
    /// every second one goes.
    pub(super) fn makes_room(&mut self, limit: usize, kept: usize) -> bool {
        if !self.steps().is_multiple_of(self.stride) {
            return false;
        }
        if kept >= limit {
            self.stride *= 2;
            if self.saved.is_empty() {
                halve(&mut self.z, kept);
                halve(&mut self.k, kept);
            }
            let mut even = false;
            self.saved.retain(|_| {
                even = !even;
                even
            });
        }
        self.steps().is_multiple_of(self.stride)
    }
}

/// Makes room for some more numbers. A long list grows by a sixteenth, so that a tape has nearly the size that is told.
fn grow<R>(list: &mut Vec<R>, more: usize) {
    const LONG: usize = 4096;
    let len = list.len();
    if len >= LONG && len + more > list.capacity() {
        list.reserve_exact(more.max(len / 16));
    }
}

/// Makes room for one more row of a list that will never have more than `limit`.
pub(super) fn room<R>(list: &mut Vec<R>, width: usize, limit: usize) {
    let len = list.len();
    if len + width > list.capacity() {
        list.reserve_exact(len.max(width).min(limit * width - len));
    }
}

/// Keeps every second one of `rows` equal rows.
fn halve<R: Copy>(list: &mut Vec<R>, rows: usize) {
    let width = list.len() / rows.max(1);
    for row in 1..rows.div_ceil(2) {
        list.copy_within(2 * row * width..(2 * row + 1) * width, row * width);
    }
    list.truncate(rows.div_ceil(2) * width);
}

/// Rows of a tile that are moved at once, so that they stay in the fastest cache.
const ROWS: usize = 16;

/// Adds rows `[…][L]` to a list of every lane that takes part.
fn collect<R: Copy>(
    tapes: &mut [LaneTape<R>],
    accepted: &[bool],
    list: impl Fn(&mut LaneTape<R>) -> &mut Vec<R>,
    rows: &[R],
) {
    let lanes = tapes.len();
    for (lane, tape) in tapes.iter_mut().enumerate().filter(|(lane, _)| accepted[*lane]) {
        list(tape).extend(rows[lane..].iter().step_by(lanes));
    }
}

/// Writes the numbers `of` every lane that has some to rows `[…][L]`.
pub(super) fn spread<'t, R: Copy + 't>(rows: &mut [R], lanes: usize, of: impl Fn(usize) -> Option<&'t [R]>) {
    for (block, rows) in rows.chunks_mut(ROWS * lanes.max(1)).enumerate() {
        for lane in 0..lanes {
            let own = of(lane).map(|own| &own[block * ROWS..]);
            for (row, value) in rows.chunks_exact_mut(lanes).zip(own.into_iter().flatten()) {
                row[lane] = *value;
            }
        }
    }
}

impl<R> LaneTape<R> {
    pub(super) fn steps(&self) -> usize {
        self.s.len().saturating_sub(1)
    }
}
