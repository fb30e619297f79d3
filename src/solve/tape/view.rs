//! What a reverse pass reads of a tape.

use super::LaneTape;
use crate::solve::failure::Failure;
use crate::solve::kept::Kept;
use crate::solve::real::Real;
use std::ops::Range;

/// Some lanes of a tape as a reverse pass reads them: all of them, or a slice of those that step together.
#[derive(Debug)]
pub(in crate::solve) struct View<'a, R> {
    pub(in crate::solve) lanes: &'a [LaneTape<R>],
    pub(in crate::solve) width: usize,
    pub(in crate::solve) failures: &'a [Option<Failure>],
    pub(in crate::solve) stages_kept: bool,
    pub(in crate::solve) limit: Option<usize>,
    pub(super) kept: &'a Kept<R>,
    /// Which of how many equal parts of what an evaluation left is that of these lanes.
    pub(super) part: (usize, usize),
}

impl<R> Clone for View<'_, R> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<R> Copy for View<'_, R> {}

impl<'a, R: Real> View<'a, R> {
    /// The steps of a lane.
    pub(in crate::solve) fn of(&self, lane: usize) -> &'a LaneTape<R> {
        &self.lanes[lane / self.width]
    }

    /// Number of accepted steps of a lane.
    pub(in crate::solve) fn steps(&self, lane: usize) -> usize {
        self.of(lane).steps()
    }

    /// Numbers `rows` of the states of a lane, which count from the first state on.
    pub(in crate::solve) fn states(&self, lane: usize, rows: Range<usize>) -> impl Iterator<Item = R> + 'a {
        self.numbers(&self.of(lane).z, lane, rows)
    }

    /// The same for its stages; fewer at the end.
    pub(in crate::solve) fn stages(&self, lane: usize, rows: Range<usize>) -> impl Iterator<Item = R> + 'a {
        self.numbers(&self.of(lane).k, lane, rows)
    }

    fn numbers(&self, list: &'a [R], lane: usize, rows: Range<usize>) -> impl Iterator<Item = R> + 'a {
        let end = list.len().min(rows.end * self.width);
        list[rows.start * self.width..end].iter().skip(lane % self.width).step_by(self.width).copied()
    }

    /// The first states of all lanes, `[D][L]`.
    pub(in crate::solve) fn start(&self, z: &mut [R]) {
        let lanes = self.lanes.len() * self.width;
        let dim = z.len() / lanes.max(1);
        for lane in 0..lanes {
            let rows = z.iter_mut().skip(lane).step_by(lanes);
            rows.zip(self.states(lane, 0..dim)).for_each(|(z, own)| *z = own);
        }
    }

    /// Rows `[…][L]` of all lanes, which step together, from row `first` of a list on.
    pub(in crate::solve) fn copy_together(
        &self,
        list: impl Fn(&'a LaneTape<R>) -> &'a [R],
        first: usize,
        out: &mut [R],
    ) {
        let lanes = self.lanes.len() * self.width;
        for (group, tape) in self.lanes.iter().enumerate() {
            let own = &list(tape)[first * self.width..];
            if self.width == lanes {
                out.copy_from_slice(&own[..out.len()]);
                return;
            }
            for (row, own) in out.chunks_exact_mut(lanes).zip(own.chunks_exact(self.width)) {
                row[group * self.width..][..self.width].copy_from_slice(own);
            }
        }
    }

    /// Steps between two kept states, of the lane where they are furthest apart.
    pub(in crate::solve) fn stride(&self) -> usize {
        self.lanes.iter().map(|lane| lane.stride).max().unwrap_or(1)
    }

    /// What stage `i` of a step (or attempt) left for its pull-back.
    pub(in crate::solve) fn kept_stage(&self, step: usize, i: usize) -> Option<&'a [R]> {
        let all = self.kept.stage(step, i).filter(|_| self.kept.is_on())?;
        let (part, parts) = self.part;
        Some(&all[part * (all.len() / parts)..][..all.len() / parts])
    }

    /// What all stages of a step but the first left, of lanes that are a whole tile.
    pub(in crate::solve) fn kept_step(&self, step: usize) -> Option<&'a [R]> {
        self.kept.step(step).filter(|_| self.part.1 == 1)
    }

    /// Number of attempts that became steps of some lanes; `None`: the lanes step together.
    pub(in crate::solve) fn attempts(&self) -> Option<usize> {
        self.kept.attempts()
    }

    /// Whether an attempt became a step of a lane.
    pub(in crate::solve) fn is_step(&self, attempt: usize, lane: usize) -> bool {
        self.kept.is_step(attempt, lane)
    }

    /// What the steps left, for steps that leave nothing.
    pub(in crate::solve) fn passing(&self) -> Kept<R> {
        self.kept.passing(self.part.1.max(1))
    }
}
