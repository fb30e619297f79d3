//! Compositions of kicks and drifts for q' = v(p), p' = F(q).

use super::super::real::Real;
use super::super::system::{AdjointSystem, System};
use super::Scheme;

/// A symplectic method.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Symplectic {
    /// Velocity form of Störmer's method, order 2 (Verlet, Phys. Rev. 159 (1967) 98–103).
    Leapfrog,
    /// Three of them, order 4 (Yoshida, Construction of higher order symplectic integrators, Phys. Lett. A 150 (1990)
    /// 262–268).
    Yoshida4,
}

impl Symplectic {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Leapfrog, Self::Yoshida4];

    /// The name users write.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Leapfrog => "leapfrog",
            Self::Yoshida4 => "yoshida4",
        }
    }

    /// Order of the method.
    #[must_use]
    pub const fn order(self) -> usize {
        match self {
            Self::Leapfrog => 2,
            Self::Yoshida4 => 4,
        }
    }

    /// Lengths of the leapfrog steps that a step is made of.
    fn parts(self) -> Vec<f64> {
        let outer = 1.0 / (2.0 - 2.0_f64.cbrt());
        match self {
            Self::Leapfrog => vec![1.0],
            Self::Yoshida4 => vec![outer, 1.0 - 2.0 * outer, outer],
        }
    }
}

/// An update of the positions or of the momenta.
#[derive(Debug, Clone, Copy)]
struct Update {
    positions: bool,
    /// Its length, and where in time it is taken, in steps.
    length: f64,
    node: f64,
}

/// The state and the updates of a step.
pub(super) struct Composition<R> {
    updates: Vec<Update>,
    positions: Vec<bool>,
    lanes: usize,
    z: Vec<R>,
    f: Vec<R>,
    w: Vec<R>,
    bar: Vec<R>,
    t_bar: Vec<R>,
    t: Vec<f64>,
}

impl<R: Real> Composition<R> {
    /// `positions[d]`: component d is one of q.
    pub(super) fn new(method: Symplectic, positions: &[bool], z0: &[R], lanes: usize) -> Self {
        let mut updates = Vec::new();
        let (mut kicked, mut drifted) = (0.0, 0.0);
        for part in method.parts() {
            // The time in a force is that which the positions have reached; in a velocity, that of the momenta.
            updates.push(Update { positions: false, length: 0.5 * part, node: drifted });
            kicked += 0.5 * part;
            updates.push(Update { positions: true, length: part, node: kicked });
            drifted += part;
            updates.push(Update { positions: false, length: 0.5 * part, node: drifted });
            kicked += 0.5 * part;
        }
        let zeros = vec![R::ZERO; z0.len()];
        Self {
            updates,
            positions: positions.to_vec(),
            lanes,
            z: z0.to_vec(),
            f: zeros.clone(),
            w: zeros.clone(),
            bar: zeros,
            t_bar: vec![R::ZERO; lanes],
            t: vec![0.0; lanes],
        }
    }

    /// Entries that an update changes, with their lanes.
    fn entries(&self, update: Update) -> Vec<(usize, usize)> {
        let moved = |i: &usize| self.positions.get(i / self.lanes).copied().unwrap_or(true) == update.positions;
        (0..self.z.len()).filter(moved).map(|i| (i, i % self.lanes)).collect()
    }

    fn rates<S: System<R>>(&mut self, sys: &mut S, update: Update, t: &[f64], h: &[f64]) {
        for ((at, t), h) in self.t.iter_mut().zip(t).zip(h) {
            *at = t + update.node * h;
        }
        sys.rhs(&self.t, &self.z, &mut self.f);
    }
}

impl<R: Real> Scheme<R> for Composition<R> {
    fn states(&mut self) -> Vec<&mut Vec<R>> {
        vec![&mut self.z]
    }

    fn step<S: System<R>>(&mut self, sys: &mut S, t: &[f64], h: &[f64]) -> usize {
        for update in self.updates.clone() {
            self.rates(sys, update, t, h);
            for (i, lane) in self.entries(update).into_iter().filter(|(_, lane)| h[*lane] != 0.0) {
                self.z[i] += R::from_f64(update.length * h[lane]) * self.f[i];
            }
        }
        self.updates.len()
    }

    fn undo<S: AdjointSystem<R>>(
        &mut self,
        sys: &mut S,
        (t, h): (&[f64], &[f64]),
        bars: &mut [Vec<R>],
        time_bars: &mut [[f64; 2]],
    ) -> (usize, usize) {
        for update in self.updates.clone().into_iter().rev() {
            // The rates of what was updated do not depend on it: they are the same behind the update.
            self.rates(sys, update, t, h);
            self.w.fill(R::ZERO);
            for (i, lane) in self.entries(update).into_iter().filter(|(_, lane)| h[*lane] != 0.0) {
                let length = R::from_f64(update.length * h[lane]);
                self.z[i] = self.z[i] - length * self.f[i];
                self.w[i] = length * bars[0][i];
                time_bars[lane][1] += update.length * (bars[0][i] * self.f[i]).to_f64();
            }
            sys.vjp(&self.t, &self.z, &self.w, &mut self.bar, &mut self.t_bar, true);
            for (bar, more) in bars[0].iter_mut().zip(&self.bar) {
                *bar += *more;
            }
            for (time_bar, t_bar) in time_bars.iter_mut().zip(&self.t_bar) {
                time_bar[0] += t_bar.to_f64();
                time_bar[1] += update.node * t_bar.to_f64();
            }
        }
        (self.updates.len(), self.updates.len())
    }
}
