//! Derivatives of a system that knows none of its own, by finite differences.

use crate::solve::real::Real;
use crate::solve::system::{AdjointSystem, System};

/// Rounding error of the type.
fn epsilon<R: Real>() -> f64 {
    if size_of::<R>() == 4 { f64::from(f32::EPSILON) } else { f64::EPSILON }
}

/// Step for a component of this size; the power is 1/2 for one-sided, 1/3 for central differences.
fn step<R: Real>(size: f64, power: f64) -> f64 {
    epsilon::<R>().powf(power) * size.abs().max(1e-3)
}

/// ∂f/∂z `[D][D]` row-major and ∂f/∂t `[D]`, by central differences.
pub(in crate::solve) fn jacobian<R: Real, S: System<R> + ?Sized>(
    sys: &mut S,
    t: f64,
    z: &[R],
    dfdz: &mut [R],
    dfdt: &mut [R],
) {
    by_state(sys, t, z, 0..z.len(), dfdz);
    by_time(sys, t, z, dfdt);
}

/// The columns of ∂f/∂z of some components, in the matrix `[D][D]`.
pub(in crate::solve) fn by_state<R: Real, S: System<R> + ?Sized>(
    sys: &mut S,
    t: f64,
    z: &[R],
    columns: std::ops::Range<usize>,
    dfdz: &mut [R],
) {
    let n = z.len();
    let (mut moved, mut after, mut before) = (z.to_vec(), vec![R::ZERO; n], vec![R::ZERO; n]);
    for j in columns {
        let h = step::<R>(z[j].to_f64(), 1.0 / 3.0);
        let (right, left) = (R::from_f64(z[j].to_f64() + h), R::from_f64(z[j].to_f64() - h));
        moved[j] = right;
        sys.rhs(&[t], &moved, &mut after);
        moved[j] = left;
        sys.rhs(&[t], &moved, &mut before);
        moved[j] = z[j];
        for i in 0..n {
            dfdz[i * n + j] = slope(after[i], before[i], right.to_f64() - left.to_f64());
        }
    }
}

/// ∂f/∂t `[D]`.
pub(in crate::solve) fn by_time<R: Real, S: System<R> + ?Sized>(sys: &mut S, t: f64, z: &[R], dfdt: &mut [R]) {
    let h = step::<R>(t, 1.0 / 3.0);
    let mut before = vec![R::ZERO; z.len()];
    sys.rhs(&[t + h], z, dfdt);
    sys.rhs(&[t - h], z, &mut before);
    for (slot, before) in dfdt.iter_mut().zip(before) {
        *slot = slope(*slot, before, 2.0 * h);
    }
}

fn slope<R: Real>(after: R, before: R, width: f64) -> R {
    R::from_f64((after.to_f64() - before.to_f64()) / width)
}

/// Derivatives of Σ J̄ᵢⱼ ∂fᵢ/∂zⱼ + Σ f̄ᵢ ∂fᵢ/∂t, by central differences of vector-Jacobian products.
pub(in crate::solve) fn jacobian_vjp<R: Real, S: AdjointSystem<R> + ?Sized>(
    sys: &mut S,
    t: f64,
    z: &[R],
    bars: (&[R], &[R]),
    z_bar: &mut [R],
    t_bar: &mut [R],
) {
    let n = z.len();
    let (mut moved, mut w, mut part, mut t_part) = (z.to_vec(), vec![R::ZERO; n], vec![R::ZERO; n], vec![R::ZERO; 1]);
    z_bar.fill(R::ZERO);
    t_bar.fill(R::ZERO);
    for j in 0..=n {
        let h = step::<R>(if j < n { z[j].to_f64() } else { t }, 1.0 / 3.0);
        for side in [1.0, -1.0] {
            let weight = R::from_f64(side / (2.0 * h));
            for (i, w) in w.iter_mut().enumerate() {
                *w = weight * if j < n { bars.0[i * n + j] } else { bars.1[i] };
            }
            if j < n {
                moved[j] = R::from_f64(z[j].to_f64() + side * h);
            }
            let time = if j < n { t } else { t + side * h };
            sys.vjp(&[time], &moved, &w, &mut part, &mut t_part, true);
            z_bar.iter_mut().zip(&part).for_each(|(sum, x)| *sum += *x);
            t_bar[0] += t_part[0];
        }
        if j < n {
            moved[j] = z[j];
        }
    }
}
