//! Measured orders, closed forms.

use super::support::{noise, solve_one};
use pullback::solve::{Controller, Method, Options};

/// exp(A t) z by the Taylor series with scaling.
pub fn flow(a: &[f64], z: &[f64], t: f64) -> Vec<f64> {
    let d = z.len();
    let parts = 64_u32.max((16.0 * t.abs()) as u32);
    let mut state = z.to_vec();
    for _ in 0..parts {
        let mut term = state.clone();
        for k in 1..20_u32 {
            term = (0..d)
                .map(|i| (0..d).map(|j| a[i * d + j] * term[j]).sum::<f64>() * t / f64::from(parts * k))
                .collect();
            state.iter_mut().zip(&term).for_each(|(s, t)| *s += t);
        }
    }
    state
}

pub fn distance(x: &[f64], y: &[f64]) -> f64 {
    x.iter().zip(y).map(|(x, y)| (x - y).abs()).fold(0.0, f64::max)
}

/// Slope of log(error) over log(step) from the two finest steps that are still clear of rounding.
pub fn slope(steps: &[usize], error: impl Fn(usize) -> f64) -> f64 {
    let pairs: Vec<(f64, f64)> = steps.iter().map(|&n| ((n as f64).ln(), error(n).ln())).collect();
    let clear: Vec<_> = pairs.into_iter().filter(|(_, e)| *e > (3e-13f64).ln()).collect();
    let [.., (n0, e0), (n1, e1)] = clear[..] else { panic!("too few points") };
    (e0 - e1) / (n1 - n0)
}

fn fixed(method: Method, step: f64) -> Options {
    Options { method, fixed_step: Some(step), ..Options::default() }
}

pub const STEPS: [usize; 7] = [10, 20, 40, 80, 160, 320, 640];

/// For a longer time the higher the order: the error is in its asymptotic range well before rounding covers it.
pub const LONG: [usize; 7] = [200, 400, 800, 1600, 3200, 6400, 12800];

/// For orders of 7 and 8, whose errors pass from large to rounding within a factor of 4; for a still longer time.
const FEW: [usize; 7] = [700, 1000, 1400, 2000, 2800, 4000, 5600];

#[test]
fn order_on_a_random_linear_system() {
    let (d, m, z0) = (5, noise(25, 7), noise(5, 8));
    for method in Method::ALL {
        let order = method.tableau().order as f64;
        let (steps, time, other) = if order < 7.0 { (LONG, 4.0 * order, 0.1) } else { (FEW, 40.0 * order, 0.01) };
        // Mostly rotation, so that neither growth nor decay hides the error.
        let a: Vec<f64> = (0..25).map(|i| 2.0 * (m[i] - m[i % 5 * 5 + i / 5]) + other * m[i]).collect();
        let f = |_: f64, z: &[f64], dz: &mut [f64]| {
            for i in 0..d {
                dz[i] = (0..d).map(|j| a[i * d + j] * z[j]).sum();
            }
        };
        let measured = slope(&steps, |n| {
            let end = solve_one(d, f, &z0, 0.0, &[time], &fixed(method, time / n as f64)).values;
            distance(&end, &flow(&a, &z0, time))
        });
        assert!((measured - order).abs() < 0.2, "{}: {measured}", method.name());
    }
}

/// z' = −2 t z² with z = 1/(c + t²): neither linear nor autonomous.
pub fn bell(t: f64, z: &[f64], dz: &mut [f64]) {
    dz[0] = -2.0 * t * z[0] * z[0];
}

pub fn bell_exact(t: f64) -> f64 {
    1.0 / (1.0 + t * t)
}

#[test]
fn order_on_a_non_autonomous_problem() {
    for method in Method::ALL.into_iter().filter(|method| method.tableau().order < 7) {
        let measured = slope(&STEPS, |n| {
            let start = bell_exact(-0.3);
            let end = solve_one(1, bell, &[start], -0.3, &[1.2], &fixed(method, 1.5 / n as f64)).values;
            (end[0] - bell_exact(1.2)).abs()
        });
        let order = method.tableau().order as f64;
        assert!((measured - order).abs() < 0.2, "{}: {measured}", method.name());
    }
}

/// z' = z cos t, on which the leading term of the error of the high orders does not change its sign.
#[test]
fn high_orders_on_a_non_autonomous_problem() {
    let f = |t: f64, z: &[f64], dz: &mut [f64]| dz[0] = z[0] * t.cos();
    let exact = |t: f64| t.sin().exp();
    for method in Method::ALL.into_iter().filter(|method| method.tableau().order >= 7) {
        let measured = slope(&[12, 14, 17, 20, 24, 28], |n| {
            let z = solve_one(1, f, &[exact(0.3)], 0.3, &[4.3], &fixed(method, 4.0 / n as f64)).values;
            (z[0] - exact(4.3)).abs()
        });
        let order = method.tableau().order as f64;
        assert!((measured - order).abs() < 0.2, "{}: {measured}", method.name());
    }
}

/// Local error of dense output, whose order is one more than the claimed order: one step from an exact state. Where
/// the method itself has the lower order, that one is seen.
#[test]
fn order_of_dense_output() {
    for method in Method::ALL {
        let high = method.tableau().order >= 7;
        let steps: &[usize] = if high { &[4, 5, 6, 7, 8, 9] } else { &[4, 8, 16, 32, 64, 128, 256] };
        let measured = slope(steps, |n| {
            let h = 1.0 / n as f64;
            let t0 = if high { -1.2 } else { 0.2 };
            let ts: Vec<f64> = [0.21, 0.37, 0.58, 0.83, 1.0].iter().map(|theta| t0 + theta * h).collect();
            let z = solve_one(1, bell, &[bell_exact(t0)], t0, &ts, &fixed(method, h)).values;
            z[..4].iter().zip(&ts).map(|(z, t)| (z - bell_exact(*t)).abs()).fold(0.0, f64::max)
        });
        // The part of order 6 of vern7 is too small to be seen: see its table.
        let seen = if method == Method::Vern7 { 7.0 } else { method.tableau().dense_order as f64 };
        assert!((measured - seen - 1.0).abs() < 0.2, "{}: {measured}", method.name());
    }
}

#[test]
fn closed_forms_forward_and_backward() {
    for method in Method::ALL {
        let fixed_step = method.tableau().embedded_order.is_none().then_some(1e-3);
        for end in [2.0, -2.0] {
            let ts = [end, 0.5 * end, 0.0, end / 3.0];
            let options = Options { method, fixed_step, rtol: 1e-9, atol: 1e-11, ..Options::default() };
            let rotation = |_: f64, z: &[f64], dz: &mut [f64]| (dz[0], dz[1]) = (-z[1], z[0]);
            let solution = solve_one(2, rotation, &[1.0, 0.0], 0.0, &ts, &options);
            assert_eq!(solution.failures, [None]);
            let tolerance = if method == Method::Euler { 3e-3 } else { 3e-7 };
            for (z, t) in solution.values.chunks(2).zip(ts) {
                let error = distance(z, &[t.cos(), t.sin()]);
                assert!(error < tolerance, "{} at {t}: {error:e}", method.name());
            }
            assert_eq!(solution.values[4..6], [1.0, 0.0], "t0 is exact");
        }
    }
}

#[test]
fn error_follows_the_tolerance_with_every_controller() {
    for controller in [Controller::PI, Controller::I, Controller::PID] {
        for method in [Method::Bosh3, Method::Dopri5, Method::Tsit5, Method::Vern7, Method::Dopri8] {
            let mut last = f64::INFINITY;
            for rtol in [1e-4, 1e-6, 1e-8] {
                let options = Options { method, rtol, atol: rtol, controller, ..Options::default() };
                let solution = solve_one(1, bell, &[bell_exact(-2.0)], -2.0, &[3.0], &options);
                let error = (solution.values[0] - bell_exact(3.0)).abs();
                // The few steps of high orders can be better by chance at the looser tolerance.
                let lucky = method.tableau().order >= 7 && error < rtol;
                assert!(error < 20.0 * rtol && (lucky || error < last), "{} {rtol}: {error:e}", method.name());
                last = error;
            }
        }
    }
}

#[test]
fn no_evaluation_is_wasted() {
    let options = fixed(Method::Dopri5, 0.1);
    let solution = solve_one(1, bell, &[1.0], 0.0, &[1.0], &options);
    assert_eq!((solution.stats.accepted[0], solution.stats.rhs_calls), (10, 61));
}
