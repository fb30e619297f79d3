//! A tile that is stepped as one, evaluated in slices and reversed slice by slice: what makes up for tiles where all
//! samples share a step size.
//!
//! The slices are the same for any number of threads, and so are the sums over them.

use super::Number;
use super::system::{Bound, SystemKernels};
use crate::solve::{self, AdjointSystem, Cotangents, Options, Problem, Stats, System, Tape};
use rayon::prelude::*;
use smallvec::SmallVec;

/// Captured values, those of the samples cut into slices: `[slice][capture]`, empty for shared ones.
pub(super) struct Cut<T>(Vec<Vec<Vec<T>>>);

impl<T: Number> Cut<T> {
    /// Cuts the captured values of a tile of `lanes` samples.
    pub fn new(kernels: &SystemKernels<T>, lanes: usize, captures: &[&[T]]) -> Self {
        let width = kernels.lanes;
        let cut = |slice: usize| {
            let each = captures.iter().zip(&kernels.captures);
            each.map(|(x, info)| if info.batched { rows(x, lanes, slice * width, width) } else { Vec::new() }).collect()
        };
        Self((0..lanes / width).map(cut).collect())
    }
}

/// Some of the lanes of every row.
fn rows<T: Copy>(x: &[T], lanes: usize, first: usize, width: usize) -> Vec<T> {
    x.chunks_exact(lanes).flat_map(|row| &row[first..first + width]).copied().collect()
}

/// From so much work of an evaluation on (see [`SystemKernels::work`]), the slices are shared out to threads: to wake and
/// to await them takes some 10 µs (measured).
const WORTH_THREADS: usize = 600_000;

/// A system over the slices of a tile.
pub(super) struct Sliced<'a, T> {
    kernels: &'a SystemKernels<T>,
    lanes: usize,
    threads: bool,
    slices: Vec<Slice<'a, T>>,
}

/// One slice with the part of the operands that belongs to it.
struct Slice<'a, T> {
    bound: Bound<'a, T>,
    first: usize,
    t: Vec<f64>,
    z: Vec<T>,
    w: Vec<T>,
    dz: Vec<T>,
    z_bar: Vec<T>,
    t_bar: Vec<T>,
}

impl<'a, T: Number> Sliced<'a, T> {
    /// Binds captured values; `threads`: there are several.
    pub fn new(
        kernels: &'a SystemKernels<T>,
        lanes: usize,
        captures: &[&'a [T]],
        cut: &'a Cut<T>,
        threads: bool,
    ) -> Self {
        let (width, n) = (kernels.lanes, kernels.dim * kernels.lanes);
        let slice = |(k, own): (usize, &'a Vec<Vec<T>>)| {
            let pick = |(shared, own): (&&'a [T], &'a Vec<T>)| if own.is_empty() { *shared } else { own.as_slice() };
            let captures: SmallVec<[&'a [T]; 8]> = captures.iter().zip(own).map(pick).collect();
            Slice {
                bound: Bound::new(kernels, captures, Vec::new()),
                first: k * width,
                t: vec![0.0; width],
                z: vec![T::default(); n],
                w: vec![T::default(); n],
                dz: vec![T::default(); n],
                z_bar: vec![T::default(); n],
                t_bar: vec![T::default(); width],
            }
        };
        let slices = cut.0.iter().enumerate().map(slice).collect();
        Self { kernels, lanes, threads, slices }
    }

    /// Prepares the accumulators of the captures' cotangents.
    pub fn with_bars(mut self) -> Self {
        self.slices = self.slices.into_iter().map(|s| Slice { bound: s.bound.with_bars(), ..s }).collect();
        self
    }

    /// The captures' cotangents of the whole tile.
    pub fn into_bars(mut self) -> Vec<Vec<T>> {
        self.each(|s| s.bound.multiply_factors());
        let (lanes, width) = (self.lanes, self.kernels.lanes);
        let mut all: Vec<Vec<T>> = Vec::new();
        for (k, info) in self.kernels.captures.iter().enumerate() {
            let mut whole = vec![T::default(); if info.batched { info.len / width * lanes } else { info.len }];
            for slice in &self.slices {
                let bar = &slice.bound.bars[k];
                if info.batched {
                    paste(&mut whole, bar, lanes, slice.first, width);
                } else {
                    whole.iter_mut().zip(bar).for_each(|(sum, x)| *sum = T::narrow(sum.widen() + x.widen()));
                }
            }
            all.push(whole);
        }
        all
    }

    /// Whether so many evaluations of all slices are shared out to threads.
    fn is_shared_out(&self, evaluations: usize) -> bool {
        self.threads && self.kernels.work.saturating_mul(self.lanes * evaluations) >= WORTH_THREADS
    }

    /// An evaluation for every slice, or what takes as long.
    fn each(&mut self, f: impl Fn(&mut Slice<'a, T>) + Sync + Send) {
        if self.is_shared_out(1) {
            self.slices.par_iter_mut().for_each(f);
        } else {
            self.slices.iter_mut().for_each(f);
        }
    }

    /// The steps of a solve reversed slice by slice: they are known by now, and nothing joins the samples.
    pub fn reverse(
        &mut self,
        problem: &Problem<T>,
        options: &Options,
        tape: &Tape<T>,
        values_bar: &[T],
    ) -> Cotangents<T> {
        let (lanes, width, n) = (self.lanes, self.kernels.lanes, self.kernels.dim * self.lanes);
        let steps = (0..lanes).map(|lane| tape.steps(lane)).max().unwrap_or(0);
        let shared_out = self.is_shared_out(steps * options.method.tableau().stages());
        let one = |s: &mut Slice<'a, T>| {
            let own = rows(problem.z0, lanes, s.first, width);
            let ts = rows(problem.ts, lanes, s.first, width);
            let range = s.first..s.first + width;
            let (t0, active) = (&problem.t0[range.clone()], &problem.active[range]);
            let problem = Problem { z0: &own, t0, ts: &ts, times: problem.times, active };
            let bar = rows(values_bar, lanes, s.first, width);
            solve::discrete_slice(&mut s.bound, &problem, options, (tape, s.first), &bar)
        };
        let done: Vec<_> = if shared_out {
            self.slices.par_iter_mut().map(one).collect()
        } else {
            self.slices.iter_mut().map(one).collect()
        };
        let mut whole = Cotangents {
            z0: vec![T::default(); n],
            t0: vec![0.0; lanes],
            ts: vec![0.0; problem.times * lanes],
            stats: Stats::default(),
            drift: None,
            failures: Vec::with_capacity(lanes),
        };
        for (slice, part) in self.slices.iter().zip(done) {
            paste(&mut whole.z0, &part.z0, lanes, slice.first, width);
            paste(&mut whole.t0, &part.t0, lanes, slice.first, width);
            paste(&mut whole.ts, &part.ts, lanes, slice.first, width);
            whole.stats.append(part.stats);
            whole.failures.extend(part.failures);
        }
        whole
    }

    /// Puts one result of every slice where it belongs.
    fn collect(&self, out: &mut [T], part: impl for<'s> Fn(&'s Slice<'a, T>) -> &'s [T]) {
        for slice in &self.slices {
            paste(out, part(slice), self.lanes, slice.first, self.kernels.lanes);
        }
    }
}

/// Writes rows of `width` lanes into rows of `lanes`.
fn paste<T: Copy>(out: &mut [T], part: &[T], lanes: usize, first: usize, width: usize) {
    for (row, part) in out.chunks_exact_mut(lanes).zip(part.chunks_exact(width)) {
        row[first..first + width].copy_from_slice(part);
    }
}

/// Reads rows of `width` lanes from rows of `lanes`.
fn take<T: Copy>(part: &mut [T], x: &[T], lanes: usize, first: usize, width: usize) {
    for (part, row) in part.chunks_exact_mut(width).zip(x.chunks_exact(lanes)) {
        part.copy_from_slice(&row[first..first + width]);
    }
}

impl<T: Number> Slice<'_, T> {
    fn load(&mut self, t: &[f64], z: &[T], lanes: usize) {
        let width = self.t.len();
        take(&mut self.t, t, lanes, self.first, width);
        take(&mut self.z, z, lanes, self.first, width);
    }
}

impl<'a, T: Number> System<T> for Sliced<'a, T> {
    fn dim(&self) -> usize {
        self.kernels.dim
    }

    fn lanes(&self) -> usize {
        self.lanes
    }

    fn slice(&self) -> usize {
        self.kernels.lanes
    }

    fn rhs(&mut self, t: &[f64], z: &[T], dz: &mut [T]) {
        let lanes = self.lanes;
        self.each(|s| {
            s.load(t, z, lanes);
            s.bound.rhs(&s.t, &s.z, &mut s.dz);
        });
        self.collect(dz, |s| &s.dz);
    }

    fn kept(&self) -> usize {
        self.slices.iter().map(|s| s.bound.kept()).sum()
    }

    fn rhs_keeping(&mut self, t: &[f64], z: &[T], dz: &mut [T], kept: &mut [T]) {
        let (lanes, size) = (self.lanes, kept.len() / self.slices.len());
        let evaluate = |(s, kept): (&mut Slice<'a, T>, &mut [T])| {
            s.load(t, z, lanes);
            s.bound.rhs_keeping(&s.t, &s.z, &mut s.dz, kept);
        };
        if self.is_shared_out(1) {
            self.slices.par_iter_mut().zip(kept.par_chunks_exact_mut(size)).for_each(evaluate);
        } else {
            self.slices.iter_mut().zip(kept.chunks_exact_mut(size)).for_each(evaluate);
        }
        self.collect(dz, |s| &s.dz);
    }
}

impl<T: Number> AdjointSystem<T> for Sliced<'_, T> {
    fn vjp_kept(&mut self, t: &[f64], z: &[T], w: &[T], kept: &[T], z_bar: &mut [T], t_bar: &mut [T]) {
        let (lanes, size) = (self.lanes, kept.len() / self.slices.len());
        self.each(|s| {
            s.load(t, z, lanes);
            take(&mut s.w, w, lanes, s.first, s.t.len());
            let kept = &kept[s.first / s.t.len() * size..][..size];
            s.bound.vjp_kept(&s.t, &s.z, &s.w, kept, &mut s.z_bar, &mut s.t_bar);
        });
        self.collect(z_bar, |s| &s.z_bar);
        self.collect(t_bar, |s| &s.t_bar);
    }

    fn vjp(&mut self, t: &[f64], z: &[T], w: &[T], z_bar: &mut [T], t_bar: &mut [T], parameters: bool) {
        let lanes = self.lanes;
        self.each(|s| {
            s.load(t, z, lanes);
            take(&mut s.w, w, lanes, s.first, s.t.len());
            s.bound.vjp(&s.t, &s.z, &s.w, &mut s.z_bar, &mut s.t_bar, parameters);
        });
        self.collect(z_bar, |s| &s.z_bar);
        self.collect(t_bar, |s| &s.t_bar);
    }

    fn augmented(&mut self, t: &[f64], z: &[T], w: &[T], dz: &mut [T], z_bar: &mut [T], t_bar: &mut [T]) {
        let lanes = self.lanes;
        self.each(|s| {
            s.load(t, z, lanes);
            take(&mut s.w, w, lanes, s.first, s.t.len());
            s.bound.augmented(&s.t, &s.z, &s.w, &mut s.dz, &mut s.z_bar, &mut s.t_bar);
        });
        self.collect(dz, |s| &s.dz);
        self.collect(z_bar, |s| &s.z_bar);
        self.collect(t_bar, |s| &s.t_bar);
    }
}
