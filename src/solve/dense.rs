//! Stages of a step → their weights in dense output, the further stages that only dense output needs, and the
//! cotangents of these.

use super::kernel::{Kernel, Row, combine, row};
use super::real::Real;
use super::tableau::{POWERS, Tableau};

/// Powers that the dense output of a method of fifth order has.
const USUAL: usize = 4;

/// The polynomials of the stages' weights in dense output, without the powers that a method does not use.
#[derive(Debug)]
pub(super) struct Weights {
    degree: usize,
    /// Coefficients of θ, θ², …, the last one first: `[S][P]`.
    rows: Vec<f64>,
}

impl Weights {
    pub(super) fn new(tableau: &Tableau) -> Self {
        let rows = &tableau.dense[..tableau.stages()];
        let degree = (0..POWERS).rev().find(|&p| rows.iter().any(|row| row[p] != 0.0)).map_or(1, |p| p + 1);
        Self { degree, rows: rows.iter().flat_map(|row| row[..degree].iter().rev().copied()).collect() }
    }

    /// Calls `give` with bᵢ(θ) of every stage in turn: as [`Self::at`], unrolled for the usual degree.
    fn each(&self, theta: f64, mut give: impl FnMut(f64)) {
        if self.degree == USUAL {
            self.rows.as_chunks::<USUAL>().0.iter().for_each(|row| give(polynomial(row, theta)));
        } else {
            self.at(theta).for_each(give);
        }
    }

    /// bᵢ(θ) of every stage in turn: the same bits as [`Tableau::dense_weight`].
    pub(super) fn at(&self, theta: f64) -> impl Iterator<Item = f64> {
        self.rows.chunks_exact(self.degree).map(move |row| polynomial(row, theta))
    }

    /// The state z + h Σ bᵢ(θ) kᵢ from the first stage and the others, where it has few entries, whose sums then stay in
    /// registers; false: it has more.
    pub(super) fn interpolate_few<R: Real>(
        &self,
        theta: f64,
        z: &[R],
        h: impl Fn(usize) -> R,
        ks: (&[R], &[R]),
        out: &mut [R],
    ) -> bool {
        match out.len() {
            1 => self.interpolate::<R, 1>(theta, z, h, ks, out),
            2 => self.interpolate::<R, 2>(theta, z, h, ks, out),
            3 => self.interpolate::<R, 3>(theta, z, h, ks, out),
            4 => self.interpolate::<R, 4>(theta, z, h, ks, out),
            _ => return false,
        }
        true
    }

    fn interpolate<R: Real, const N: usize>(
        &self,
        theta: f64,
        z: &[R],
        h: impl Fn(usize) -> R,
        (first, later): (&[R], &[R]),
        out: &mut [R],
    ) {
        let mut ks = first.as_chunks::<N>().0.iter().chain(later.as_chunks::<N>().0);
        let mut sums = [R::ZERO; N];
        self.each(theta, |weight| {
            let weight = R::from_f64(weight);
            let k = ks.next().into_iter().flatten();
            sums.iter_mut().zip(k).for_each(|(sum, k)| *sum += weight * *k);
        });
        for (d, (x, sum)) in out.iter_mut().zip(sums).enumerate() {
            *x = z[d] + h(d) * sum;
        }
    }
}

/// c₁θ + c₂θ² + …, the last coefficient first.
#[inline]
fn polynomial(row: &[f64], theta: f64) -> f64 {
    row.iter().fold(0.0, |sum, p| theta * (p + sum))
}

/// The extra stages of a tile (see [`Tableau::extra`]), evaluated for steps that have an output inside.
#[derive(Debug)]
pub(super) struct Extra<R> {
    tableau: &'static Tableau,
    /// Their rows over the stages of the method, and over the extra stages before.
    rows: Vec<(Row<R>, Row<R>)>,
    /// Stages, `[E][D][L]`.
    pub(super) ks: Vec<R>,
    /// States at them, `[E][D][L]`.
    states: Vec<R>,
    /// Their times, `[E][L]`.
    times: Vec<f64>,
}

impl<R: Real> Extra<R> {
    pub(super) fn new(tableau: &'static Tableau, dim: usize, lanes: usize) -> Self {
        let (stages, extra) = (tableau.stages(), tableau.extra.len());
        let split = |a: &[f64]| {
            let (own, others) = a.split_at(stages);
            (row(own.iter().copied()), row(others.iter().copied()))
        };
        Self {
            tableau,
            rows: tableau.extra.iter().map(|(_, a)| split(a)).collect(),
            ks: vec![R::ZERO; extra * dim * lanes],
            states: vec![R::ZERO; extra * dim * lanes],
            times: vec![0.0; extra * lanes],
        }
    }

    /// Number of extra stages `E`.
    pub(super) fn stages(&self) -> usize {
        self.rows.len()
    }

    /// Evaluates them, given all stages of the step in the kernel.
    pub(super) fn evaluate(&mut self, kernel: &Kernel<R>, mut rhs: impl FnMut(&[f64], &[R], &mut [R])) {
        let (n, lanes) = (kernel.n(), kernel.lanes);
        for (i, (own, others)) in self.rows.iter().enumerate() {
            let state = &mut self.states[i * n..(i + 1) * n];
            combine(state, &kernel.z, kernel.h_wide(), &kernel.ks, own);
            let (before, k) = self.ks.split_at_mut(i * n);
            add(state, kernel.h_wide(), before, others);
            let c = self.tableau.extra[i].0;
            let times = &mut self.times[i * lanes..(i + 1) * lanes];
            for ((time, t), h) in times.iter_mut().zip(&kernel.t).zip(&kernel.h) {
                *time = t + c * h;
            }
            rhs(times, state, &mut k[..n]);
        }
    }

    /// Node, times and state of extra stage `i`.
    pub(super) fn stage(&self, i: usize) -> (f64, &[f64], &[R]) {
        let (lanes, n) = (self.times.len() / self.rows.len(), self.states.len() / self.rows.len());
        (self.tableau.extra[i].0, &self.times[i * lanes..(i + 1) * lanes], &self.states[i * n..(i + 1) * n])
    }

    /// Adds h aᵢⱼ μ of extra stage `i` to the cotangents `own` `[S][D][L]` and `others` `[E][D][L]` of the stages j.
    pub(super) fn spread(&self, i: usize, h: &[R], mu: &[R], own: &mut [R], others: &mut [R]) {
        let n = mu.len();
        for (row, bars) in [(&self.rows[i].0, own), (&self.rows[i].1, others)] {
            for (j, a) in row {
                for ((bar, h), mu) in bars[j * n..(j + 1) * n].iter_mut().zip(h).zip(mu) {
                    *bar += *h * (*a * *mu);
                }
            }
        }
    }
}

/// out += h Σ a k over the row's stages.
fn add<R: Real>(out: &mut [R], h: &[R], ks: &[R], row: &Row<R>) {
    for (j, a) in row {
        for ((out, h), k) in out.iter_mut().zip(h).zip(&ks[j * h.len()..]) {
            *out += *h * (*a * *k);
        }
    }
}
