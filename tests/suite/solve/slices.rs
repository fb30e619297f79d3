//! Lanes that step together, kept and reversed in slices: the same bits as all at once.

use crate::solve::support::Prey;
use pullback::solve::{
    AdjointSystem, Cotangents, Implicit, Method, Options, Problem, Stats, Stepping, System, Tape, discrete,
    discrete_slice, interpolated, reverses_slices, solve,
};

const LANES: usize = 6;

/// A system whose lanes are kept so many at a time.
struct Cut {
    inner: Prey,
    width: usize,
}

impl System<f64> for Cut {
    fn dim(&self) -> usize {
        2
    }
    fn lanes(&self) -> usize {
        self.inner.lanes
    }
    fn slice(&self) -> usize {
        self.width
    }
    fn rhs(&mut self, t: &[f64], z: &[f64], dz: &mut [f64]) {
        self.inner.rhs(t, z, dz);
    }
}

impl AdjointSystem<f64> for Cut {
    fn vjp(&mut self, t: &[f64], z: &[f64], w: &[f64], z_bar: &mut [f64], t_bar: &mut [f64], parameters: bool) {
        self.inner.vjp(t, z, w, z_bar, t_bar, parameters);
    }
}

fn cases() -> Vec<Options> {
    let together = || Options { stepping: Stepping::Batch, ..Options::default() };
    let methods = [Method::Dopri5, Method::Tsit5, Method::Dopri8, Method::Bosh3];
    let mut all: Vec<Options> = methods.into_iter().map(|method| Options { method, ..together() }).collect();
    all.push(Options { method: Method::Rk4, fixed_step: Some(0.125), ..together() });
    all.push(Options { keep_stages: false, ..together() });
    all.push(Options { memory: Some(400), ..together() });
    all.push(Options { memory: Some(400), keep_stages: false, ..together() });
    all
}

/// Outputs inside of steps, in no order; the last lane is padding.
fn with_problem<T>(bad: Option<usize>, f: impl FnOnce(&Problem<f64>) -> T) -> T {
    let mut z0 = [1.0, 1.4, 2.0, 1.0, 0.8, 9.0, 1.0, 0.7, 0.1, 1.3, 0.5, 9.0];
    if let Some(lane) = bad {
        z0[lane] = f64::NAN;
    }
    let ts: Vec<f64> = [1.7, 0.4, 3.0, 0.0].iter().flat_map(|t| [*t; LANES]).collect();
    f(&Problem { z0: &z0, t0: &[0.0; LANES], ts: &ts, times: 4, active: &[true, true, true, true, true, false] })
}

fn bars() -> Vec<f64> {
    (0..4 * 2 * LANES).map(|i| (i as f64 * 0.7).sin()).collect()
}

fn bits(c: &Cotangents<f64>) -> Vec<u64> {
    c.z0.iter().chain(&c.t0).chain(&c.ts).map(|x| x.to_bits()).collect()
}

/// Cotangents of all lanes at once, with the tape in slices of this width.
fn whole(problem: &Problem<f64>, options: &Options, width: usize) -> (Cotangents<f64>, [f64; 5]) {
    let mut system = Cut { inner: Prey::new(LANES), width };
    let mut tape = Tape::new();
    solve(&mut system, problem, options, Some(&mut tape));
    let bars = discrete(&mut system, problem, options, &tape, &bars());
    (bars, system.inner.theta_bar)
}

/// Some neighbouring columns of every row of `LANES`.
fn columns<T: Copy>(rows: &[T], first: usize, width: usize) -> Vec<T> {
    rows.chunks(LANES).flat_map(|row| &row[first..first + width]).copied().collect()
}

/// The same slice by slice.
fn sliced(problem: &Problem<f64>, options: &Options, width: usize) -> (Cotangents<f64>, [f64; 5]) {
    let mut system = Cut { inner: Prey::new(LANES), width };
    let mut tape = Tape::new();
    solve(&mut system, problem, options, Some(&mut tape));
    let mut sum = [0.0; 5];
    let mut all = Cotangents {
        z0: vec![0.0; 2 * LANES],
        t0: vec![0.0; LANES],
        ts: vec![0.0; 4 * LANES],
        stats: Stats::default(),
        drift: None,
        failures: Vec::new(),
    };
    for first in (0..LANES).step_by(width) {
        let (z0, ts, bar) =
            (columns(problem.z0, first, width), columns(problem.ts, first, width), columns(&bars(), first, width));
        let (t0, active) = (&problem.t0[first..first + width], &problem.active[first..first + width]);
        let part = Problem { z0: &z0, t0, ts: &ts, times: 4, active };
        let mut own = Prey::new(width);
        let found = discrete_slice(&mut own, &part, options, (&tape, first), &bar);
        for (all, found) in [(&mut all.z0, &found.z0), (&mut all.t0, &found.t0), (&mut all.ts, &found.ts)] {
            for (row, found) in all.chunks_mut(LANES).zip(found.chunks(width)) {
                row[first..first + width].copy_from_slice(found);
            }
        }
        all.failures.extend(found.failures);
        all.stats.append(found.stats);
        sum.iter_mut().zip(own.theta_bar).for_each(|(sum, own)| *sum += own);
    }
    (all, sum)
}

#[test]
fn the_same_bits_for_any_width() {
    for bad in [None, Some(0), Some(2)] {
        for options in cases() {
            with_problem(bad, |problem| {
                let (expected, theta) = whole(problem, &options, LANES);
                assert_eq!(expected.failures.iter().flatten().count(), usize::from(bad.is_some()));
                assert!(theta.iter().all(|x| x.is_finite() && *x != 0.0), "{theta:?}");
                for width in [1, 2, 3] {
                    let (kept, kept_theta) = whole(problem, &options, width);
                    assert_eq!((bits(&kept), kept_theta), (bits(&expected), theta), "{options:?} {width}");
                    let (cut, sum) = sliced(problem, &options, width);
                    assert_eq!(
                        (bits(&cut), &cut.failures),
                        (bits(&expected), &expected.failures),
                        "{options:?} {width}"
                    );
                    assert_eq!(cut.stats.accepted, expected.stats.accepted);
                    assert_eq!(cut.stats.rhs_evaluations, expected.stats.rhs_evaluations);
                    let close = |(a, b): (&f64, &f64)| (a - b).abs() <= 1e-13 * a.abs().max(1.0);
                    assert!(sum.iter().zip(&theta).all(close), "{sum:?} {theta:?}");
                }
            });
        }
    }
}

#[test]
fn a_cotangent_that_is_not_finite_spoils_its_lane_only() {
    with_problem(None, |problem| {
        let options = Options { stepping: Stepping::Batch, ..Options::default() };
        let mut tape = Tape::new();
        let mut system = Cut { inner: Prey::new(LANES), width: 3 };
        solve(&mut system, problem, &options, Some(&mut tape));
        let mut bar = bars();
        let good = discrete(&mut system, problem, &options, &tape, &bar);
        bar[LANES + 1] = f64::NAN;
        let found = discrete(&mut system, problem, &options, &tape, &bar);
        assert!(found.failures[1].is_some() && found.failures.iter().flatten().count() == 1);
        for lane in [0, 2, 3, 4] {
            assert_eq!(found.z0[lane].to_bits(), good.z0[lane].to_bits());
        }
        assert!(system.inner.theta_bar.iter().all(|x| x.is_finite()));
    });
}

#[test]
fn the_adjoint_equation_reads_slices_too() {
    for keep_stages in [true, false] {
        let options = Options { stepping: Stepping::Batch, keep_stages, rtol: 1e-8, atol: 1e-8, ..Options::default() };
        let of = |width| {
            with_problem(Some(1), |problem| {
                let mut system = Cut { inner: Prey::new(LANES), width };
                let mut tape = Tape::new();
                solve(&mut system, problem, &options, Some(&mut tape));
                bits(&interpolated(&mut system, problem, &options, &tape, &bars()))
            })
        };
        let expected = of(LANES);
        assert!(expected.iter().any(|bits| *bits != 0));
        assert_eq!(of(2), expected);
        assert_eq!(of(1), expected);
    }
}

#[test]
fn steps_that_are_not_reversed_in_slices() {
    let of = |method| reverses_slices(&Options { method, ..Options::default() });
    assert!(of(Method::Dopri5) && of(Method::Rk4));
    assert!(!of(Method::Adams) && !of(Method::Implicit(Implicit::Bdf)));
    assert!(!reverses_slices(&Options { stops: vec![0.5], ..Options::default() }));
    assert!(!reverses_slices(&Options { reversible: true, fixed_step: Some(0.1), ..Options::default() }));
}
