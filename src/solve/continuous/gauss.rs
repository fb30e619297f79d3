//! Gauss–Legendre quadrature on [0, 1].

/// Nodes and weights of the rule with `m` nodes, exact for polynomials up to degree 2m − 1. Newton's method on the
/// Legendre polynomial from the asymptotic nodes (Abramowitz, Stegun, 25.4.29 and 22.16.6).
pub(super) fn gauss(m: usize) -> Vec<(f64, f64)> {
    let rule = |i: usize| {
        let mut x = (std::f64::consts::PI * (i as f64 + 0.75) / (m as f64 + 0.5)).cos();
        for _ in 0..100 {
            let (value, slope) = legendre(m, x);
            let step = value / slope;
            x -= step;
            if step.abs() < 1e-16 {
                break;
            }
        }
        let slope = legendre(m, x).1;
        (0.5 * (1.0 - x), 1.0 / ((1.0 - x * x) * slope * slope))
    };
    (0..m).map(rule).collect()
}

/// The Legendre polynomial of degree m and its derivative.
fn legendre(m: usize, x: f64) -> (f64, f64) {
    let (mut before, mut value) = (1.0, x);
    for k in 2..=m {
        let k = k as f64;
        (before, value) = (value, ((2.0 * k - 1.0) * x * value - (k - 1.0) * before) / k);
    }
    (value, m as f64 * (x * value - before) / (x * x - 1.0))
}

#[cfg(test)]
mod tests {
    use super::gauss;

    #[test]
    fn polynomials_are_integrated_exactly() {
        for m in 1..=7 {
            let rule = gauss(m);
            for power in 0..2 * m {
                let sum: f64 = rule.iter().map(|(x, w)| w * x.powi(i32::try_from(power).unwrap())).sum();
                assert!((sum * (power as f64 + 1.0) - 1.0).abs() < 1e-14, "{m} {power} {sum}");
            }
        }
    }
}
