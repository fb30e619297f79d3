//! Times of the last steps → weights of the next one.

#![allow(clippy::needless_range_loop, reason = "an index runs over several tables")]

use super::{KEPT, ORDERS};

/// Positive nodes and weights of the Gauss–Legendre formula with 7 points on (−1, 1), exact up to degree 13.
const GAUSS: [(f64, f64); 4] = [
    (0.0, 0.417_959_183_673_469_4),
    (0.405_845_151_377_397_2, 0.381_830_050_505_118_9),
    (0.741_531_185_599_394_4, 0.279_705_391_489_276_7),
    (0.949_107_912_342_758_5, 0.129_484_966_168_869_7),
];

/// Times and weights whose sum Σ weight · f(time) is the integral from `a` to `b` of a polynomial f of degree at most 13.
fn formula(a: f64, b: f64) -> ([f64; 7], [f64; 7]) {
    let (middle, half) = (0.5 * (a + b), 0.5 * (b - a));
    let (mut times, mut weights) = ([middle; 7], [half * GAUSS[0].1; 7]);
    for (k, (node, weight)) in GAUSS.into_iter().enumerate().skip(1) {
        (times[2 * k - 1], times[2 * k]) = (middle - node * half, middle + node * half);
        weights[2 * k - 1..=2 * k].fill(half * weight);
    }
    (times, weights)
}

/// ∫ Πᵢ₌₀ʲ⁻¹ factor(i, s) ds from `a` to `b` for j up to `last`; 0 for the rest.
fn integrals(a: f64, b: f64, last: usize, factor: impl Fn(usize, f64) -> f64) -> [f64; KEPT] {
    let (times, weights) = formula(a, b);
    let (mut sums, mut products) = ([0.0; KEPT], [1.0; 7]);
    for j in 0..=last {
        sums[j] = products.iter().zip(&weights).fold(0.0, |sum, (product, weight)| sum + weight * product);
        if j < last {
            for (product, s) in products.iter_mut().zip(&times) {
                *product *= factor(j, *s);
            }
        }
    }
    sums
}

/// The times at which a lane knows its right-hand side, the latest one first.
#[derive(Debug, Clone)]
pub(super) struct History {
    times: [f64; KEPT],
    /// How many there are, at most [`KEPT`].
    pub(super) points: usize,
}

impl History {
    pub(super) fn new(t: f64) -> Self {
        Self { times: [t; KEPT], points: 1 }
    }

    pub(super) fn now(&self) -> f64 {
        self.times[0]
    }

    /// The time before the last step.
    pub(super) fn before(&self) -> f64 {
        self.times[1]
    }

    pub(super) fn push(&mut self, t: f64) {
        self.times.copy_within(..KEPT - 1, 1);
        self.times[0] = t;
        self.points = (self.points + 1).min(KEPT);
    }

    /// βⱼ = Πᵢ₌₀ʲ⁻¹ (t − xₙ₋ᵢ)/(xₙ − xₙ₋ᵢ₋₁), which takes the differences to the step that ends at `t`; 0 from
    /// `points` on (HNW equation III.5.9).
    pub(super) fn rescale(&self, t: f64) -> [f64; KEPT] {
        let mut beta = [0.0; KEPT];
        let mut product = 1.0;
        for j in 0..self.points {
            beta[j] = product;
            if j + 1 < self.points {
                product *= (t - self.times[j]) / (self.times[0] - self.times[j + 1]);
            }
        }
        beta
    }

    /// ∫ Πᵢ₌₀ʲ⁻¹ (s − xₙ₋ᵢ)/(t − xₙ₋ᵢ) ds over the step from now to `t`, for j up to `last` and `points`: the g of HNW
    /// equation III.5.5 times the step length.
    pub(super) fn weights(&self, t: f64, last: usize) -> [f64; KEPT] {
        let last = last.min(self.points).min(KEPT - 1);
        integrals(self.times[0], t, last, |j, s| (s - self.times[j]) / (t - self.times[j]))
    }

    /// Weights of the differences in the integral from the latest time back to `t`, by the polynomial through the last
    /// `degree` + 1 values.
    pub(super) fn dense(&self, t: f64, degree: usize) -> [f64; KEPT] {
        let last = degree.min(self.points - 1).min(ORDERS);
        integrals(self.times[0], t, last, |j, s| (s - self.times[j]) / (self.times[0] - self.times[j + 1]))
    }

    /// Weights of the values themselves (the latest one first) in the integral over the last step, by the polynomial
    /// through the last `degree` + 1 of them.
    pub(super) fn nodal(&self, degree: usize) -> [f64; KEPT] {
        let count = (degree + 1).min(self.points);
        let (times, weights) = formula(self.times[1], self.times[0]);
        let lagrange = |i: usize, s: f64| {
            let others = (0..count).filter(|&m| m != i);
            others.map(|m| (s - self.times[m]) / (self.times[i] - self.times[m])).product::<f64>()
        };
        let integral = |i| times.iter().zip(&weights).map(|(s, weight)| weight * lagrange(i, *s)).sum();
        std::array::from_fn(|i| if i < count { integral(i) } else { 0.0 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn history(times: &[f64]) -> History {
        let mut history = History::new(times[0]);
        times[1..].iter().for_each(|t| history.push(*t));
        history
    }

    /// Adams–Bashforth and Adams–Moulton coefficients for equal steps (HNW tables III.1.1 and III.1.2).
    #[test]
    fn equal_steps_give_the_classical_coefficients() {
        let past = history(&[0.0, 0.1, 0.2, 0.3, 0.4, 0.5]);
        let gamma = [1.0, 1.0 / 2.0, 5.0 / 12.0, 3.0 / 8.0, 251.0 / 720.0, 95.0 / 288.0, 19087.0 / 60480.0];
        let weights = past.weights(0.6, KEPT);
        for (j, gamma) in gamma.into_iter().enumerate() {
            // For equal steps the products are those of the backward differences.
            assert!((weights[j] / 0.1 - gamma).abs() < 1e-14, "{j}: {}", weights[j] / 0.1);
        }
        assert!(past.rescale(0.6)[..6].iter().all(|beta| (beta - 1.0).abs() < 1e-12));
        let moulton = [251.0 / 720.0, 646.0 / 720.0, -264.0 / 720.0, 106.0 / 720.0, -19.0 / 720.0];
        for (weight, expected) in past.nodal(4).iter().zip(moulton) {
            assert!((weight / 0.1 - expected).abs() < 1e-13, "{weight} {expected}");
        }
    }

    #[test]
    fn polynomials_are_integrated_exactly() {
        let past = history(&[0.0, 0.3, 0.4, 0.45, 0.9, 1.3]);
        let f = |t: f64| 1.0 + t - 3.0 * t.powi(4);
        let integral = |t: f64| t + t * t / 2.0 - 0.6 * t.powi(5);
        let times: Vec<f64> = past.times[..past.points].to_vec();
        let nodal: f64 = past.nodal(5).iter().zip(&times).map(|(w, t)| w * f(*t)).sum();
        assert!((nodal - (integral(1.3) - integral(0.9))).abs() < 1e-13);
        // Modified divided differences of f at the last times.
        let mut table: Vec<f64> = times.iter().map(|t| f(*t)).collect();
        let mut differences = vec![table[0]];
        for j in 1..times.len() {
            table = (0..times.len() - j).map(|i| (table[i] - table[i + 1]) / (times[i] - times[i + j])).collect();
            differences.push(table[0] * (1..=j).map(|i| times[0] - times[i]).product::<f64>());
        }
        let back: f64 = past.dense(1.0, 5).iter().zip(&differences).map(|(w, d)| w * d).sum();
        assert!((back - (integral(1.0) - integral(1.3))).abs() < 1e-13, "{back}");
        let (beta, weights) = (past.rescale(1.5), past.weights(1.5, KEPT));
        let ahead: f64 = (0..6).map(|j| weights[j] * beta[j] * differences[j]).sum();
        assert!((ahead - (integral(1.5) - integral(1.3))).abs() < 1e-12, "{ahead}");
    }
}
