//! State, step lengths → stages, new state, error (for a whole tile at once).

use super::dense::Weights;
use super::options::{Norm, Options};
use super::real::Real;
use super::system::{ForwardStep, System};
use super::tableau::Tableau;

/// Nonzero coefficients of a linear combination of stages, with the stage each belongs to.
pub(super) type Row<R> = Vec<(usize, R)>;

pub(super) fn row<R: Real>(coefficients: impl Iterator<Item = f64>) -> Row<R> {
    coefficients.enumerate().filter(|(_, a)| *a != 0.0).map(|(j, a)| (j, R::from_f64(a))).collect()
}

/// Buffers for one step of a tile. All tensors are `[component][lane]`.
#[derive(Debug)]
pub(super) struct Kernel<R> {
    pub(super) tableau: &'static Tableau,
    pub(super) dim: usize,
    pub(super) lanes: usize,
    rows: Vec<Row<R>>,
    error_row: Row<R>,
    coarse_row: Row<R>,
    keep_states: bool,
    /// Of dense output.
    pub(super) weights: Weights,
    /// States at the start of the step.
    pub(super) z: Vec<R>,
    /// States at its end.
    pub(super) z_new: Vec<R>,
    /// Stages, `[S][D][L]`.
    pub(super) ks: Vec<R>,
    /// States at the stages `[S − 1][D][L]` (only the last one computed, unless they are to be kept).
    states: Vec<R>,
    /// Times at the start of the step, `[L]`.
    pub(super) t: Vec<f64>,
    /// Times at its end, `[L]`.
    pub(super) t_next: Vec<f64>,
    /// Signed lengths of the step, `[L]`.
    pub(super) h: Vec<f64>,
    h_wide: Vec<R>,
    t_stage: Vec<f64>,
    error: Vec<R>,
    zero: Vec<R>,
    /// Σ over the components of the squared scaled error of the attempt, `[L]`.
    pub(super) sums: Vec<f64>,
}

impl<R: Real> Kernel<R> {
    pub(super) fn new(tableau: &'static Tableau, dim: usize, lanes: usize, keep_states: bool) -> Self {
        let n = dim * lanes;
        let stages = tableau.stages();
        let first = std::iter::once(Row::new());
        Self {
            tableau,
            dim,
            lanes,
            rows: first.chain(tableau.a.iter().map(|a| row(a.iter().copied()))).collect(),
            error_row: row(tableau.error.iter().copied()),
            coarse_row: row(tableau.coarse_error.iter().copied()),
            keep_states,
            weights: Weights::new(tableau),
            z: vec![R::ZERO; n],
            z_new: vec![R::ZERO; n],
            ks: vec![R::ZERO; stages * n],
            states: vec![R::ZERO; n * if keep_states { stages - 1 } else { 1 }],
            t: vec![0.0; lanes],
            t_next: vec![0.0; lanes],
            h: vec![0.0; lanes],
            h_wide: vec![R::ZERO; n],
            t_stage: vec![0.0; lanes],
            error: vec![R::ZERO; n],
            zero: vec![R::ZERO; n],
            sums: vec![0.0; lanes],
        }
    }

    /// Number of elements of one state tensor.
    pub(super) fn n(&self) -> usize {
        self.dim * self.lanes
    }

    /// Columns of the tableau: for every stage, the later stages that use it (the last row being b).
    pub(super) fn columns(&self) -> Vec<Row<R>> {
        let entry = |i: usize, j: usize| self.rows[j].iter().find(|(k, _)| *k == i).map(|(_, a)| (j, *a));
        let stages = self.tableau.stages();
        (0..stages).map(|i| (i + 1..stages).filter_map(|j| entry(i, j)).collect()).collect()
    }

    /// The lane's step lengths, repeated for every component: the combinations below are then one flat loop each.
    pub(super) fn widen_steps(&mut self) {
        for chunk in self.h_wide.chunks_exact_mut(self.lanes.max(1)) {
            for (wide, h) in chunk.iter_mut().zip(&self.h) {
                *wide = R::from_f64(*h);
            }
        }
    }

    /// Signed step lengths, `[D][L]`.
    pub(super) fn h_wide(&self) -> &[R] {
        &self.h_wide
    }

    /// A state of zeros, `[D][L]`.
    pub(super) fn zero(&self) -> &[R] {
        &self.zero
    }

    /// Evaluates the first stage, at the current state.
    pub(super) fn first_stage(&mut self, mut rhs: impl FnMut(&[f64], &[R], &mut [R])) {
        let n = self.n();
        rhs(&self.t, &self.z, &mut self.ks[..n]);
    }

    /// The same; what it leaves for its pull-back goes to `kept`, if there is room.
    pub(super) fn first_stage_keeping<S: System<R>>(&mut self, sys: &mut S, kept: &mut [R]) {
        self.first_stage(|t, z, dz| {
            if kept.is_empty() {
                sys.rhs(t, z, dz);
            } else {
                sys.rhs_keeping(t, z, dz, kept);
            }
        });
    }

    /// The state at the end of a step along the first stage, given `h`.
    pub(super) fn euler_step(&mut self) {
        self.widen_steps();
        let slopes = self.h_wide.iter().zip(&self.ks).map(|(h, k)| *h * *k);
        for ((z_new, z), slope) in self.z_new.iter_mut().zip(&self.z).zip(slopes) {
            *z_new = *z + slope;
        }
    }

    /// Computes the state at stage `i` and its time from the earlier stages.
    pub(super) fn prepare_stage(&mut self, i: usize) {
        let n = self.n();
        let last = i + 1 == self.tableau.stages();
        let slot = if self.keep_states { i * n } else { 0 };
        let target = if last { &mut self.z_new[..] } else { &mut self.states[slot..slot + n] };
        combine(target, &self.z, &self.h_wide, &self.ks[..i * n], &self.rows[i]);
        if last {
            self.t_stage.copy_from_slice(&self.t_next);
        } else {
            let c = self.tableau.c[i];
            for ((stage, t), h) in self.t_stage.iter_mut().zip(&self.t).zip(&self.h) {
                *stage = t + c * h;
            }
        }
    }

    /// Stages 2 to S (or S − 1 without `last`), given the first one and `h` (widened).
    pub(super) fn stages(&mut self, last: bool, mut rhs: impl FnMut(&[f64], &[R], &mut [R])) {
        let n = self.n();
        let stages = self.tableau.stages();
        for i in 1..if last { stages } else { stages - 1 } {
            self.prepare_stage(i);
            let slot = if self.keep_states { i * n } else { 0 };
            let state = if i + 1 == stages { &self.z_new[..] } else { &self.states[slot..slot + n] };
            rhs(&self.t_stage, state, &mut self.ks[i * n..(i + 1) * n]);
        }
    }

    /// Kept states of stage `i` > 0 (not the last one) and the nodes' times for it.
    pub(super) fn stage_state(&mut self, i: usize) -> (&[f64], &mut [R]) {
        let n = self.n();
        let c = self.tableau.c[i];
        for ((stage, t), h) in self.t_stage.iter_mut().zip(&self.t).zip(&self.h) {
            *stage = t + c * h;
        }
        (&self.t_stage, &mut self.states[i * n..(i + 1) * n])
    }

    /// Kept state of stage `i` (not the last one).
    pub(super) fn state(&self, i: usize) -> &[R] {
        let n = self.n();
        if i == 0 { &self.z } else { &self.states[i * n..(i + 1) * n] }
    }

    /// Stages after the first, new state and errors of an attempt, given `h`. What they leave for their pull-backs goes
    /// to `kept`, if there is room.
    pub(super) fn attempt<S: System<R>>(&mut self, sys: &mut S, options: &Options, kept: &mut [R]) {
        self.again(sys, options, kept);
        if !sys.whole_steps() {
            self.squared_errors(options);
        }
    }

    /// The same for a step that was accepted before: without its error.
    pub(super) fn again<S: System<R>>(&mut self, sys: &mut S, options: &Options, kept: &mut [R]) {
        self.widen_steps();
        if sys.whole_steps() {
            self.whole_step(sys, options, kept);
            return;
        }
        let mut blocks = kept.chunks_exact_mut(sys.kept().max(1));
        self.stages(true, |t, z, dz| match blocks.next() {
            Some(block) => sys.rhs_keeping(t, z, dz, block),
            None => sys.rhs(t, z, dz),
        });
    }

    fn whole_step<S: System<R>>(&mut self, sys: &mut S, options: &Options, kept: &mut [R]) {
        let n = self.n();
        let (first, later) = self.ks.split_at_mut(n);
        sys.step(&mut ForwardStep {
            t: &self.t,
            t_next: &self.t_next,
            h: &self.h_wide[..self.lanes],
            tolerances: tolerances(options),
            z: &self.z,
            first,
            later,
            z_new: &mut self.z_new,
            error: &mut self.error[..self.lanes],
            kept,
        });
        for (sum, error) in self.sums.iter_mut().zip(&self.error) {
            *sum = error.to_f64();
        }
    }

    /// Adds up, for every lane, the squares of the scaled error over the components (or takes the largest): NaN where
    /// the new state or the right-hand side there is not finite. Scale: atol + rtol max(|z|, |`z_new`|).
    pub(super) fn squared_errors(&mut self, options: &Options) {
        let coarse = (!self.coarse_row.is_empty()).then(|| {
            self.sum_squares(true, options);
            self.sums.clone()
        });
        self.sum_squares(false, options);
        for (sum, coarse) in self.sums.iter_mut().zip(coarse.into_iter().flatten()) {
            *sum = if *sum == 0.0 { 0.0 } else { *sum * *sum / (*sum + 0.01 * coarse) };
        }
    }

    fn sum_squares(&mut self, coarse: bool, options: &Options) {
        self.sums.fill(0.0);
        let last = self.ks.len() - self.n();
        let row = if coarse { &self.coarse_row } else { &self.error_row };
        if row.is_empty() {
            self.error.fill(R::ZERO);
        } else {
            combine(&mut self.error, &self.zero, &self.h_wide, &self.ks, row);
        }
        // Without an absolute tolerance, a component that is zero and stays zero has no error, not 0/0.
        for start in (0..self.n()).step_by(self.lanes.max(1)) {
            let tolerance = options.tolerance(start / self.lanes);
            let (atol, rtol) = (R::from_f64(tolerance.atol.max(1e-30)), R::from_f64(tolerance.rtol));
            let rows = start..start + self.lanes;
            let row = self.z[rows.clone()].iter().zip(&self.z_new[rows.clone()]);
            let row = row.zip(&self.error[rows.clone()]).zip(&self.ks[last..][rows]);
            for (sum, (((z, z_new), error), k)) in self.sums.iter_mut().zip(row) {
                let (before, after) = (z.abs(), z_new.abs());
                let ratio = *error / (atol + rtol * if before > after { before } else { after });
                // 0 · x is NaN exactly where x is not finite.
                let square = (ratio * ratio + R::ZERO * *z_new + R::ZERO * *k).to_f64();
                *sum = match options.norm {
                    Norm::Rms => *sum + square,
                    Norm::Max => larger(*sum, square),
                };
            }
        }
    }

    /// Error of entry `i` of the state in the last attempt.
    fn error_at(&self, i: usize) -> R {
        let mut sum = R::ZERO;
        for (j, e) in &self.error_row {
            sum += *e * self.ks[j * self.n() + i];
        }
        self.h_wide[i] * sum
    }

    /// The component of a lane with the worst error in the last attempt.
    pub(super) fn worst_component(&self, lane: usize) -> Option<usize> {
        let n = self.n();
        let badness = |d: usize| {
            let i = d * self.lanes + lane;
            let finite = self.z_new[i].is_finite() && self.ks[self.ks.len() - n + i].is_finite();
            let size = self.error_at(i).abs().to_f64();
            if finite && size.is_finite() { size } else { f64::INFINITY }
        };
        (0..self.dim).max_by(|&a, &b| badness(a).total_cmp(&badness(b)).then(b.cmp(&a)))
    }

    /// The first component of a lane whose state or first stage is not finite.
    pub(super) fn not_finite(&self, lane: usize) -> Option<usize> {
        (0..self.dim).find(|d| {
            let i = d * self.lanes + lane;
            !self.z[i].is_finite() || !self.ks[i].is_finite()
        })
    }

    /// Moves all lanes to the end of the step.
    pub(super) fn advance_all(&mut self) {
        let last = self.ks.len() - self.n();
        std::mem::swap(&mut self.z, &mut self.z_new);
        self.ks.copy_within(last.., 0);
    }

    /// Puts a lane where another one is.
    pub(super) fn copy_lane(&mut self, from: usize, to: usize) {
        for row in self.z.chunks_exact_mut(self.lanes) {
            row[to] = row[from];
        }
    }

    /// Moves the accepted lanes to the end of the step.
    pub(super) fn advance(&mut self, accepted: &[bool]) {
        let n = self.n();
        let last = self.ks.len() - n;
        if accepted.iter().all(|a| *a) {
            self.advance_all();
            return;
        }
        let (head, tail) = self.ks.split_at_mut(last);
        for start in (0..n).step_by(self.lanes.max(1)) {
            for (lane, accept) in accepted.iter().enumerate() {
                if *accept {
                    self.z[start + lane] = self.z_new[start + lane];
                    head[start + lane] = tail[start + lane];
                }
            }
        }
    }
}

/// Absolute and relative tolerance. Without an absolute one, a component that is zero and stays zero has no error, not
/// 0/0.
pub(super) fn tolerances<R: Real>(options: &Options) -> [R; 2] {
    [R::from_f64(options.atol.max(1e-30)), R::from_f64(options.rtol)]
}

/// The larger of two numbers, NaN if one of them is.
pub(super) fn larger(a: f64, b: f64) -> f64 {
    if a.is_nan() || a > b { a } else { b }
}

/// out = base + h Σ a k over the row's stages.
pub(super) fn combine<R: Real>(out: &mut [R], base: &[R], h: &[R], ks: &[R], row: &Row<R>) {
    match row.len() {
        1 => terms::<R, 1>(out, base, h, ks, row),
        2 => terms::<R, 2>(out, base, h, ks, row),
        3 => terms::<R, 3>(out, base, h, ks, row),
        4 => terms::<R, 4>(out, base, h, ks, row),
        5 => terms::<R, 5>(out, base, h, ks, row),
        6 => terms::<R, 6>(out, base, h, ks, row),
        7 => terms::<R, 7>(out, base, h, ks, row),
        8 => terms::<R, 8>(out, base, h, ks, row),
        9 => terms::<R, 9>(out, base, h, ks, row),
        10 => terms::<R, 10>(out, base, h, ks, row),
        11 => terms::<R, 11>(out, base, h, ks, row),
        12 => terms::<R, 12>(out, base, h, ks, row),
        _ => {
            out.copy_from_slice(base);
            for (j, a) in row {
                let k = &ks[j * out.len()..];
                for ((out, h), k) in out.iter_mut().zip(h).zip(k) {
                    *out += *h * (*a * *k);
                }
            }
        }
    }
}

/// A fixed number of terms, so that the sum stays in registers.
fn terms<R: Real, const N: usize>(out: &mut [R], base: &[R], h: &[R], ks: &[R], row: &Row<R>) {
    let n = out.len();
    let (base, h) = (&base[..n], &h[..n]);
    let k: [&[R]; N] = std::array::from_fn(|j| &ks[row[j].0 * n..][..n]);
    let a: [R; N] = std::array::from_fn(|j| row[j].1);
    for i in 0..n {
        let mut sum = a[0] * k[0][i];
        for j in 1..N {
            sum += a[j] * k[j][i];
        }
        out[i] = base[i] + h[i] * sum;
    }
}
