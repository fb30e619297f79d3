//! The meanings: values from Abramowitz and Stegun and exact identities.

use std::f64::consts::{LN_2, PI};

use super::super::scalar::{digamma, lgamma, sigmoid, softplus, trigamma};

/// Euler's constant.
const GAMMA: f64 = 0.577_215_664_901_532_9;

#[track_caller]
fn close(got: f64, expected: f64, ulps: f64) {
    let error = (got - expected).abs() / (expected.abs() * f64::EPSILON);
    assert!(error <= ulps, "{got:e}, not {expected:e}: {error} ulp");
}

#[test]
fn digamma_at_known_points() {
    close(digamma(1.0), -GAMMA, 4.0);
    close(digamma(0.5), -GAMMA - 2.0 * LN_2, 4.0);
    close(digamma(0.25), -GAMMA - PI / 2.0 - 3.0 * LN_2, 4.0);
    close(digamma(2.0), 1.0 - GAMMA, 8.0);
    close(digamma(-0.5), 2.0 - GAMMA - 2.0 * LN_2, 60.0); // 0.036: a small difference of large terms
    close(digamma(1e10), 1e10_f64.ln() - 0.5e-10, 2.0);
    assert!(digamma(0.0).is_nan() && digamma(-3.0).is_nan() && digamma(f64::NEG_INFINITY).is_nan());
    assert!(digamma(f64::NAN).is_nan());
    assert_eq!(digamma(f64::INFINITY), f64::INFINITY);
}

#[test]
fn trigamma_at_known_points() {
    close(trigamma(1.0), PI * PI / 6.0, 4.0);
    close(trigamma(0.5), PI * PI / 2.0, 4.0);
    close(trigamma(2.0), PI * PI / 6.0 - 1.0, 4.0);
    close(trigamma(-0.5), PI * PI / 2.0 + 4.0, 8.0);
    close(trigamma(1e10), 1e-10 + 0.5e-20, 2.0);
    assert_eq!(trigamma(-2.0), f64::INFINITY);
    assert_eq!(trigamma(f64::INFINITY), 0.0);
    assert!(trigamma(f64::NAN).is_nan());
}

#[test]
fn trigamma_is_the_derivative_of_digamma() {
    for x in [0.3, 1.7, 5.5, 30.0, -0.7, -3.4] {
        let h = 1e-5;
        let slope = (digamma(x + h) - digamma(x - h)) / (2.0 * h);
        assert!((slope / trigamma(x) - 1.0).abs() < 1e-7, "at {x}: {slope}");
    }
}

#[test]
fn log_gamma_and_the_stable_forms() {
    close(lgamma(0.5), PI.sqrt().ln(), 4.0);
    close(lgamma(11.0), 3_628_800_f64.ln(), 2.0);
    close(lgamma(-0.5), (2.0 * PI.sqrt()).ln(), 4.0);
    assert_eq!(sigmoid(-1000.0), 0.0);
    assert_eq!(sigmoid(1000.0), 1.0);
    assert_eq!(softplus(1000.0), 1000.0);
    close(softplus(-700.0), (-700_f64).exp(), 4.0);
}
