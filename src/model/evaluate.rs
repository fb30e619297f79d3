//! A batch through a program: tiles over threads, failed samples dropped, sums in a fixed order.

use super::program::{Program, Segment};
use super::tile::{Report, Workspace};
use super::{Batch, Entry, Model, Number};
use crate::graph::Leaf;
use crate::solve::{Drift, Stats};
use rayon::prelude::*;

/// What an evaluation is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// An update of the parameters: draws of `steer` are random, and the penalties of `solve` items count.
    Training,
    /// Everything else: the loss as it is written, at the nominal end times.
    Evaluation,
}

/// A sample that was left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dropped {
    /// Which.
    pub sample: usize,
    /// Why, and what to try.
    pub reason: String,
}

/// Work of all solves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Work {
    /// Accepted steps over all samples.
    pub accepted: u64,
    /// Rejected steps over all samples.
    pub rejected: u64,
    /// Right-hand sides over all samples.
    pub rhs: u64,
    /// Calls of vector-Jacobian products, per tile.
    pub vjp: u64,
}

impl Work {
    fn add(&mut self, stats: &Stats) {
        self.accepted += stats.accepted.iter().sum::<usize>() as u64;
        self.rejected += stats.rejected.iter().sum::<usize>() as u64;
        self.rhs += stats.rhs_evaluations as u64;
        self.vjp += stats.vjp_calls as u64;
    }
}

/// Outputs of one sample, in the order of the model's outputs.
#[derive(Clone, Debug, PartialEq)]
pub struct SampleOutputs {
    /// Which sample.
    pub sample: usize,
    /// Row-major values.
    pub values: Vec<Vec<f64>>,
}

/// What an evaluation found.
#[derive(Clone, Debug, Default)]
pub struct Evaluated {
    /// Mean loss.
    pub loss: f64,
    /// Mean metrics.
    pub metrics: Vec<f64>,
    /// Derivative of the mean loss: unconstrained parameters, one after another.
    pub raw: Vec<f64>,
    /// With respect to the natural value of each parameter.
    pub natural: Vec<Vec<f64>>,
    /// With respect to each input: samples one after another, in the order of the batch.
    pub inputs: Vec<Vec<f64>>,
    /// Outputs of each sample.
    pub outputs: Vec<SampleOutputs>,
    /// Samples left out.
    pub dropped: Vec<Dropped>,
    /// Work of the forward solves.
    pub forward: Work,
    /// Work of the pull-backs.
    pub backward: Work,
    /// Largest drift of a backsolve.
    pub drift: Option<Drift>,
}

/// A tile when it is done.
struct Done<T> {
    /// What is read after it: roots and sums; the others are empty.
    buffers: Vec<Vec<T>>,
    samples: Vec<Option<usize>>,
    report: Report,
    dropped: Vec<Dropped>,
}

impl<T: Number> Entry<T> {
    /// A workspace, not empty: every value is written before it is read.
    fn take_workspace(&self) -> Workspace<T> {
        let free = self.pool.lock().ok().and_then(|mut pool| pool.pop());
        free.unwrap_or_else(|| Workspace::new(&self.program))
    }

    fn give_back(&self, work: Workspace<T>) {
        if let Ok(mut pool) = self.pool.lock() {
            pool.push(work);
        }
    }

    /// Copies of what is read when all tiles are done.
    fn read_later(&self, work: &Workspace<T>) -> Vec<Vec<T>> {
        let wanted = |b: &usize, accumulated: bool| accumulated || self.program.roots.contains(b);
        let infos = self.program.buffers.iter().enumerate().zip(&work.buffers);
        infos.map(|((b, info), x)| if wanted(&b, info.accumulated) { x.clone() } else { Vec::new() }).collect()
    }
}

impl<T: Number> Model<T> {
    /// Evaluates an entry point for unconstrained parameters.
    pub fn evaluate(&self, entry: &Entry<T>, raw: &[f64], batch: &Batch) -> Evaluated {
        self.evaluate_for(Purpose::Evaluation, entry, raw, batch)
    }

    /// The same, or the objective of training: with random end times and the penalties on the steps of solves.
    pub fn evaluate_for(&self, purpose: Purpose, entry: &Entry<T>, raw: &[f64], batch: &Batch) -> Evaluated {
        let program = &entry.program;
        let mut shared: Vec<Vec<T>> =
            program.buffers.iter().map(|b| vec![T::default(); if b.batched { 0 } else { b.len }]).collect();
        for &(leaf, b) in &program.leaves {
            if let Leaf::Param(k) = leaf {
                let range = self.raw_range(k as usize);
                shared[b] = raw[range].iter().map(|&x| T::narrow(x)).collect();
            }
        }
        let mut scratch = Vec::new();
        if let Some(prologue) = &program.prologue {
            run_shared(prologue, &mut shared, &mut scratch);
        }
        let tiles: Vec<&[usize]> = batch.samples.chunks(program.lanes).collect();
        let weight = 1.0 / batch.samples.len().max(1) as f64;
        let one = |tile: &&[usize]| self.tile(entry, &shared, tile, (batch, purpose), weight);
        let done: Vec<Done<T>> = if self.threads > 1 && tiles.len() > 1 {
            tiles.par_iter().map(one).collect()
        } else {
            tiles.iter().map(one).collect()
        };
        self.gather(entry, shared, scratch, batch, done)
    }

    /// One tile; samples that fail are replaced by a good one of weight 0 and the tile is run again.
    fn tile(
        &self,
        entry: &Entry<T>,
        shared: &[Vec<T>],
        samples: &[usize],
        batch: (&Batch, Purpose),
        weight: f64,
    ) -> Done<T> {
        let mut work = entry.take_workspace();
        work.penalised = (batch.1 == Purpose::Training).then_some(weight);
        let done = self.run_tile(entry, &mut work, shared, samples, batch, weight);
        entry.give_back(work);
        done
    }

    fn run_tile(
        &self,
        entry: &Entry<T>,
        work: &mut Workspace<T>,
        shared: &[Vec<T>],
        samples: &[usize],
        batch: (&Batch, Purpose),
        weight: f64,
    ) -> Done<T> {
        let program = &entry.program;
        let mut lanes: Vec<Option<usize>> = (0..program.lanes).map(|l| samples.get(l).copied()).collect();
        let mut dropped = Vec::new();
        loop {
            let Some(stand_in) = lanes.iter().copied().flatten().next() else {
                let buffers = program.buffers.iter().map(|b| vec![T::default(); b.len]).collect();
                return Done { buffers, samples: lanes, report: Report::default(), dropped };
            };
            self.fill(program, work, &lanes, stand_in, batch, weight);
            let mut report = work.run(self, program, shared);
            Self::check_loss(entry, work, &lanes, &mut report);
            if report.failures.is_empty() {
                // A loss that is not finite spoils its reverse pass too: the cause goes first.
                report.failures = std::mem::take(&mut report.reverse);
            }
            if report.failures.is_empty() {
                return Done { buffers: entry.read_later(work), samples: lanes, report, dropped };
            }
            for (lane, reason) in report.failures {
                if let Some(sample) = lanes[lane].take() {
                    dropped.push(Dropped { sample, reason });
                }
            }
        }
    }

    fn fill(
        &self,
        program: &Program<T>,
        work: &mut Workspace<T>,
        lanes: &[Option<usize>],
        stand_in: usize,
        (batch, purpose): (&Batch, Purpose),
        weight: f64,
    ) {
        for (lane, sample) in lanes.iter().enumerate() {
            work.active[lane] = sample.is_some();
        }
        for &(leaf, b) in &program.leaves {
            if !program.buffers[b].batched {
                continue;
            }
            let size = program.buffers[b].len / program.lanes;
            let mut value = vec![0.0; size];
            for (lane, sample) in lanes.iter().enumerate() {
                match leaf {
                    Leaf::Weight => value[0] = if sample.is_some() { weight } else { 0.0 },
                    _ => batch.fill(&self.lowered, leaf, sample.unwrap_or(stand_in), purpose, &mut value),
                }
                for (i, &x) in value.iter().enumerate() {
                    work.buffers[b][i * program.lanes + lane] = T::narrow(x);
                }
            }
        }
    }

    /// A loss that is not a number counts as a failure of its sample.
    fn check_loss(entry: &Entry<T>, work: &Workspace<T>, lanes: &[Option<usize>], report: &mut Report) {
        let Some(root) = entry.roots.loss else { return };
        let b = entry.program.roots[root];
        if !report.failures.is_empty() || !entry.program.buffers[b].batched {
            return;
        }
        for (lane, loss) in work.buffers[b].iter().enumerate() {
            if lanes[lane].is_some() && !loss.widen().is_finite() {
                let reason =
                    format!("the loss is {}; check logarithms, divisions and the range of the data", loss.widen());
                report.failures.push((lane, reason));
            }
        }
    }

    fn gather(
        &self,
        entry: &Entry<T>,
        mut shared: Vec<Vec<T>>,
        mut scratch: Vec<T>,
        batch: &Batch,
        done: Vec<Done<T>>,
    ) -> Evaluated {
        let program = &entry.program;
        let kept: usize = done.iter().map(|d| d.samples.iter().flatten().count()).sum();
        // Weights were 1/N; the mean is over the samples that were kept.
        let scale = batch.samples.len() as f64 / kept.max(1) as f64;
        for (b, info) in program.buffers.iter().enumerate().filter(|(_, i)| i.accumulated) {
            let mut sum = vec![0.0; info.len];
            for tile in &done {
                for (s, x) in sum.iter_mut().zip(&tile.buffers[b]) {
                    *s += x.widen();
                }
            }
            shared[b] = sum.into_iter().map(|s| T::narrow(s * scale)).collect();
        }
        if let Some(epilogue) = &program.epilogue {
            run_shared(epilogue, &mut shared, &mut scratch);
        }
        let mut out = Evaluated::default();
        for tile in &done {
            tile.report.forward.iter().for_each(|s| out.forward.add(s));
            tile.report.backward.iter().for_each(|s| out.backward.add(s));
            let worse = |d: &Drift| out.drift.is_none_or(|o| d.relative > o.relative);
            if let Some(drift) = tile.report.drift.filter(worse) {
                out.drift = Some(drift);
            }
            out.dropped.extend(tile.dropped.iter().cloned());
        }
        let reader = Reader { program, shared: &shared, done: &done, kept };
        out.loss = entry.roots.loss.map_or(f64::NAN, |r| reader.mean(r)) + reader.penalty();
        out.metrics = entry.roots.metrics.iter().map(|&r| reader.mean(r)).collect();
        for (k, p) in self.lowered.params.iter().enumerate() {
            if let Some(root) = entry.roots.raw.get(k) {
                out.raw.extend(reader.gradient(*root, p.raw_shape.iter().product()));
            }
            if let Some(root) = entry.roots.natural.get(k) {
                out.natural.push(reader.gradient(*root, p.shape.iter().product()));
            }
        }
        for (k, root) in entry.roots.inputs.iter().enumerate() {
            let size = self.lowered.inputs[k].shape.iter().product();
            out.inputs.push(reader.per_sample(*root, size, scale, batch.samples.len()));
        }
        if !entry.roots.outputs.is_empty() {
            out.outputs = reader.samples(&entry.roots.outputs);
        }
        out
    }
}

fn run_shared<T: Number>(segment: &Segment<T>, shared: &mut [Vec<T>], scratch: &mut Vec<T>) {
    let mut taken: Vec<Vec<T>> = segment.outputs.iter().map(|&b| std::mem::take(&mut shared[b])).collect();
    let inputs: Vec<&[T]> = segment.inputs.iter().map(|&b| shared[b].as_slice()).collect();
    let mut outputs: Vec<&mut [T]> = taken.iter_mut().map(Vec::as_mut_slice).collect();
    segment.kernel.run(&inputs, &mut outputs, scratch);
    drop(inputs);
    for (&b, buffer) in segment.outputs.iter().zip(taken) {
        shared[b] = buffer;
    }
}

/// Reads roots out of tiles.
struct Reader<'a, T> {
    program: &'a Program<T>,
    shared: &'a [Vec<T>],
    done: &'a [Done<T>],
    kept: usize,
}

impl<T: Number> Reader<'_, T> {
    /// The mean of a scalar root over the kept samples.
    fn mean(&self, root: usize) -> f64 {
        let b = self.program.roots[root];
        if !self.program.buffers[b].batched {
            return self.shared[b][0].widen();
        }
        if self.kept == 0 {
            return f64::NAN;
        }
        let mut sum = 0.0;
        for tile in self.done {
            for (lane, _) in tile.samples.iter().enumerate().filter(|(_, s)| s.is_some()) {
                sum += tile.buffers[b][lane].widen();
            }
        }
        sum / self.kept as f64
    }

    /// The mean of the penalties on the steps over the kept samples.
    fn penalty(&self) -> f64 {
        let mut sum = 0.0;
        for tile in self.done {
            let kept = tile.samples.iter().zip(&tile.report.penalty).filter(|(sample, _)| sample.is_some());
            sum += kept.map(|(_, penalty)| penalty).sum::<f64>();
        }
        sum / self.kept.max(1) as f64
    }

    fn gradient(&self, root: Option<usize>, size: usize) -> Vec<f64> {
        root.map_or_else(|| vec![0.0; size], |r| self.shared[self.program.roots[r]].iter().map(|x| x.widen()).collect())
    }

    /// A root's entries for one lane.
    fn lane(&self, tile: &Done<T>, root: usize, lane: usize) -> Vec<f64> {
        let b = self.program.roots[root];
        if !self.program.buffers[b].batched {
            return self.shared[b].iter().map(|x| x.widen()).collect();
        }
        tile.buffers[b].chunks(self.program.lanes).map(|c| c[lane].widen()).collect()
    }

    /// Rows in the order of the batch; NaN for a sample that was dropped.
    fn per_sample(&self, root: Option<usize>, size: usize, scale: f64, count: usize) -> Vec<f64> {
        let mut out = Vec::with_capacity(count * size);
        let lanes = self.done.iter().flat_map(|tile| (0..self.program.lanes).map(move |lane| (tile, lane)));
        for (tile, lane) in lanes.take(count) {
            match (tile.samples[lane], root) {
                (None, _) => out.extend(std::iter::repeat_n(f64::NAN, size)),
                (Some(_), Some(r)) => out.extend(self.lane(tile, r, lane).into_iter().map(|x| x * scale)),
                (Some(_), None) => out.extend(std::iter::repeat_n(0.0, size)),
            }
        }
        out
    }

    fn samples(&self, roots: &[usize]) -> Vec<SampleOutputs> {
        let mut out = Vec::new();
        for tile in self.done {
            for (lane, sample) in tile.samples.iter().enumerate() {
                if let Some(sample) = *sample {
                    let values = roots.iter().map(|&r| self.lane(tile, r, lane)).collect();
                    out.push(SampleOutputs { sample, values });
                }
            }
        }
        out
    }
}
