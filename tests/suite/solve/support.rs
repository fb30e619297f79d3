//! Systems and helpers for the tests.

use pullback::solve::{AdjointSystem, Options, Problem, Real, Solution, System, solve};

/// Any closure as a system: one sample after the other.
pub struct Closure<F> {
    pub dim: usize,
    pub lanes: usize,
    pub f: F,
}

impl<R: Real, F: FnMut(f64, &[R], &mut [R])> System<R> for Closure<F> {
    fn dim(&self) -> usize {
        self.dim
    }
    fn lanes(&self) -> usize {
        self.lanes
    }
    fn rhs(&mut self, t: &[f64], z: &[R], dz: &mut [R]) {
        let mut out = vec![R::ZERO; self.dim];
        for lane in 0..self.lanes {
            let state: Vec<R> = z.iter().skip(lane).step_by(self.lanes).copied().collect();
            (self.f)(t[lane], &state, &mut out);
            for d in 0..self.dim {
                dz[d * self.lanes + lane] = out[d];
            }
        }
    }
}

/// z' = A z + u sin(t) with parameters θ = (A row by row, u).
pub struct Linear {
    pub dim: usize,
    pub lanes: usize,
    pub theta: Vec<f64>,
    pub theta_bar: Vec<f64>,
}

impl Linear {
    pub fn new(dim: usize, lanes: usize, theta: Vec<f64>) -> Self {
        let theta_bar = vec![0.0; theta.len()];
        Self { dim, lanes, theta, theta_bar }
    }
}

impl System<f64> for Linear {
    fn dim(&self) -> usize {
        self.dim
    }
    fn lanes(&self) -> usize {
        self.lanes
    }
    fn rhs(&mut self, t: &[f64], z: &[f64], dz: &mut [f64]) {
        let (d, n) = (self.dim, self.lanes);
        for l in 0..n {
            for i in 0..d {
                let mut sum = self.theta[d * d + i] * t[l].sin();
                for j in 0..d {
                    sum += self.theta[i * d + j] * z[j * n + l];
                }
                dz[i * n + l] = sum;
            }
        }
    }
}

impl AdjointSystem<f64> for Linear {
    fn vjp(&mut self, t: &[f64], z: &[f64], w: &[f64], z_bar: &mut [f64], t_bar: &mut [f64], parameters: bool) {
        let (d, n) = (self.dim, self.lanes);
        for l in 0..n {
            t_bar[l] = (0..d).map(|i| w[i * n + l] * self.theta[d * d + i] * t[l].cos()).sum();
            for j in 0..d {
                z_bar[j * n + l] = (0..d).map(|i| w[i * n + l] * self.theta[i * d + j]).sum();
            }
            for i in (0..d).filter(|_| parameters) {
                self.theta_bar[d * d + i] += w[i * n + l] * t[l].sin();
                for j in 0..d {
                    self.theta_bar[i * d + j] += w[i * n + l] * z[j * n + l];
                }
            }
        }
    }
}

/// x' = θ₀ x − θ₁ x y + θ₄ sin(2t) x, y' = −θ₂ y + θ₃ x y: nonlinear, not autonomous.
pub struct Prey {
    pub lanes: usize,
    pub theta: [f64; 5],
    pub theta_bar: [f64; 5],
}

impl Prey {
    pub const THETA: [f64; 5] = [1.5, 1.0, 3.0, 1.0, 0.4];
    pub fn new(lanes: usize) -> Self {
        Self { lanes, theta: Self::THETA, theta_bar: [0.0; 5] }
    }
}

impl System<f64> for Prey {
    fn dim(&self) -> usize {
        2
    }
    fn lanes(&self) -> usize {
        self.lanes
    }
    fn rhs(&mut self, t: &[f64], z: &[f64], dz: &mut [f64]) {
        let (n, p) = (self.lanes, self.theta);
        for l in 0..n {
            let (x, y) = (z[l], z[n + l]);
            dz[l] = p[0] * x - p[1] * x * y + p[4] * (2.0 * t[l]).sin() * x;
            dz[n + l] = -p[2] * y + p[3] * x * y;
        }
    }
}

impl AdjointSystem<f64> for Prey {
    fn vjp(&mut self, t: &[f64], z: &[f64], w: &[f64], z_bar: &mut [f64], t_bar: &mut [f64], parameters: bool) {
        let (n, p) = (self.lanes, self.theta);
        for l in 0..n {
            let (x, y, u, v, s) = (z[l], z[n + l], w[l], w[n + l], (2.0 * t[l]).sin());
            z_bar[l] = u * (p[0] - p[1] * y + p[4] * s) + v * p[3] * y;
            z_bar[n + l] = -u * p[1] * x + v * (p[3] * x - p[2]);
            t_bar[l] = u * p[4] * 2.0 * (2.0 * t[l]).cos() * x;
            if parameters {
                let terms = [u * x, -u * x * y, -v * y, v * x * y, u * s * x];
                for (bar, term) in self.theta_bar.iter_mut().zip(terms) {
                    *bar += term;
                }
            }
        }
    }
}

/// [`Prey`] with its exact Jacobian and the derivatives of that.
pub struct Exact(pub Prey);

impl System<f64> for Exact {
    fn dim(&self) -> usize {
        2
    }
    fn lanes(&self) -> usize {
        1
    }
    fn rhs(&mut self, t: &[f64], z: &[f64], dz: &mut [f64]) {
        self.0.rhs(t, z, dz);
    }
    fn jacobian(&mut self, t: f64, z: &[f64], dfdz: &mut [f64], dfdt: &mut [f64]) {
        let ([x, y], p, s, c) = ([z[0], z[1]], self.0.theta, (2.0 * t).sin(), (2.0 * t).cos());
        dfdz.copy_from_slice(&[p[0] - p[1] * y + p[4] * s, -p[1] * x, p[3] * y, p[3] * x - p[2]]);
        dfdt.copy_from_slice(&[2.0 * p[4] * c * x, 0.0]);
    }
}

impl AdjointSystem<f64> for Exact {
    fn vjp(&mut self, t: &[f64], z: &[f64], w: &[f64], z_bar: &mut [f64], t_bar: &mut [f64], parameters: bool) {
        self.0.vjp(t, z, w, z_bar, t_bar, parameters);
    }
    fn jacobian_vjp(&mut self, t: f64, z: &[f64], bars: (&[f64], &[f64]), z_bar: &mut [f64], t_bar: &mut [f64]) {
        let ([x, y], p, s, c) = ([z[0], z[1]], self.0.theta, (2.0 * t).sin(), (2.0 * t).cos());
        let (m, u) = (bars.0, bars.1[0]);
        z_bar[0] = -m[1] * p[1] + m[3] * p[3] + 2.0 * u * p[4] * c;
        z_bar[1] = -m[0] * p[1] + m[2] * p[3];
        t_bar[0] = 2.0 * m[0] * p[4] * c - 4.0 * u * p[4] * s * x;
        let terms = [m[0], -m[0] * y - m[1] * x, -m[3], m[2] * y + m[3] * x, m[0] * s + 2.0 * u * c * x];
        self.0.theta_bar.iter_mut().zip(terms).for_each(|(bar, term)| *bar += term);
    }
}

/// Deterministic numbers in (−1, 1).
pub fn noise(count: usize, seed: u64) -> Vec<f64> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    };
    (0..count).map(|_| next()).collect()
}

/// Solves one sample: `[T][D]`.
pub fn solve_one(
    dim: usize,
    f: impl FnMut(f64, &[f64], &mut [f64]),
    z0: &[f64],
    t0: f64,
    ts: &[f64],
    options: &Options,
) -> Solution<f64> {
    let mut system = Closure { dim, lanes: 1, f };
    let problem = Problem { z0, t0: &[t0], ts, times: ts.len(), active: &[true] };
    solve(&mut system, &problem, options, None)
}
