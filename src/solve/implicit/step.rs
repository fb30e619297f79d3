//! One step of one sample: what every scheme reads and writes.

use crate::solve::options::Options;
use crate::solve::real::Real;

/// A step from `z` at `t` to `z_new` at `t_next`.
#[derive(Debug)]
pub(super) struct Step<R> {
    pub(super) dim: usize,
    pub(super) t: f64,
    pub(super) t_next: f64,
    /// Signed length.
    pub(super) h: f64,
    pub(super) z: Vec<R>,
    pub(super) z_new: Vec<R>,
    /// Stages, `[S][D]`.
    pub(super) ks: Vec<R>,
    /// Estimate of the local error, `[D]`.
    pub(super) error: Vec<R>,
    /// The first stage is f(t, z) already, from the end of the step before.
    pub(super) first_known: bool,
}

impl<R: Real> Step<R> {
    pub(super) fn new(dim: usize, stages: usize) -> Self {
        Self {
            dim,
            t: 0.0,
            t_next: 0.0,
            h: 0.0,
            z: vec![R::ZERO; dim],
            z_new: vec![R::ZERO; dim],
            ks: vec![R::ZERO; dim * stages],
            error: vec![R::ZERO; dim],
            first_known: false,
        }
    }

    /// Root mean square of an error scaled by atol + rtol max(|z|, |`z_new`|); NaN where the new state is not finite.
    pub(super) fn norm(&self, error: &[R], options: &Options) -> f64 {
        let mut sum = 0.0;
        for (d, ((error, z), new)) in error.iter().zip(&self.z).zip(&self.z_new).enumerate() {
            let (before, after) = (z.to_f64().abs(), new.to_f64().abs());
            let size = if before > after { before } else { after };
            let ratio = error.to_f64() / options.tolerance(d).scale(size);
            // 0 · x is NaN exactly where x is not finite.
            sum += ratio * ratio + 0.0 * after;
        }
        (sum / options.measured(self.dim).max(1) as f64).sqrt()
    }

    /// The component with the worst error in the last attempt.
    pub(super) fn worst_component(&self) -> Option<usize> {
        let badness = |d: usize| {
            let size = self.error[d].to_f64().abs();
            if self.z_new[d].is_finite() && size.is_finite() { size } else { f64::INFINITY }
        };
        (0..self.dim).max_by(|&a, &b| badness(a).total_cmp(&badness(b)).then(b.cmp(&a)))
    }
}

/// out += Σ factor·row[j] kⱼ over the row's stages.
pub(super) fn add_stages<R: Real>(out: &mut [R], ks: &[R], row: &[f64], factor: f64) {
    match out.len() {
        1 => add_few::<R, 1>(out, None, ks, row, factor),
        2 => add_few::<R, 2>(out, None, ks, row, factor),
        3 => add_few::<R, 3>(out, None, ks, row, factor),
        4 => add_few::<R, 4>(out, None, ks, row, factor),
        n => {
            for (a, k) in row.iter().zip(ks.chunks_exact(n.max(1))) {
                let a = R::from_f64(factor * a);
                for (out, k) in out.iter_mut().zip(k) {
                    *out += a * *k;
                }
            }
        }
    }
}

/// out = base + Σ factor·row[j] kⱼ over the row's stages.
pub(super) fn combine<R: Real>(out: &mut [R], base: &[R], ks: &[R], row: &[f64], factor: f64) {
    match out.len() {
        1 => add_few::<R, 1>(out, Some(base), ks, row, factor),
        2 => add_few::<R, 2>(out, Some(base), ks, row, factor),
        3 => add_few::<R, 3>(out, Some(base), ks, row, factor),
        4 => add_few::<R, 4>(out, Some(base), ks, row, factor),
        _ => {
            out.copy_from_slice(base);
            add_stages(out, ks, row, factor);
        }
    }
}

/// The same for a few components, whose sums stay in registers.
fn add_few<R: Real, const N: usize>(out: &mut [R], base: Option<&[R]>, ks: &[R], row: &[f64], factor: f64) {
    let Some(out) = out.first_chunk_mut::<N>() else { return };
    let mut sum = *base.and_then(|base| base.first_chunk::<N>()).unwrap_or(out);
    for (a, k) in row.iter().zip(ks.as_chunks::<N>().0) {
        let a = R::from_f64(factor * a);
        for d in 0..N {
            sum[d] += a * k[d];
        }
    }
    *out = sum;
}
