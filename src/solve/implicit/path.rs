//! Implicit steps on a tape → values between their ends.

use super::linear::Structure;
use super::scheme::Scheme;
use super::{Implicit, bdf};
use crate::solve::real::Real;
use crate::solve::tape::LaneTape;

/// Degree of dense output; of several the highest.
pub(in crate::solve) fn degree(method: Implicit) -> usize {
    match method {
        Implicit::Kvaerno5 => 3,
        Implicit::Rodas5p | Implicit::Auto => 4,
        Implicit::Bdf => bdf::HIGHEST,
    }
}

/// For every step its dense output at the fractions `inner` and the state at its end, added to `values`.
pub(in crate::solve) fn dense<R: Real>(
    method: Implicit,
    tape: &LaneTape<R>,
    dim: usize,
    span: f64,
    inner: &[f64],
    values: &mut Vec<R>,
) {
    let mut schemes = Scheme::<R>::of(method, &Structure::none());
    let mut from = 0;
    for (n, (kind, order)) in tape.scheme.iter().zip(&tape.order).enumerate() {
        let scheme = &mut schemes[usize::from(*kind)];
        scheme.resume(usize::from(*order));
        let ks = &tape.k[from..from + scheme.stages() * dim];
        from += ks.len();
        let scale = if scheme.stages_are_slopes() { (tape.s[n + 1] - tape.s[n]) * span } else { 1.0 };
        for theta in inner {
            let start = values.len();
            values.extend(&tape.z[n * dim..(n + 1) * dim]);
            for (i, k) in ks.chunks_exact(dim.max(1)).enumerate() {
                let weight = R::from_f64(scale * scheme.dense(i, *theta).0);
                values[start..].iter_mut().zip(k).for_each(|(value, k)| *value += weight * *k);
            }
        }
        values.extend(&tape.z[(n + 1) * dim..][..dim]);
    }
}
