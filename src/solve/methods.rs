//! Published coefficients → tableaux.
#![allow(clippy::unreadable_literal, reason = "coefficients are copied as they are printed in the papers")]

use super::tableau::{POWERS, Tableau};

mod dopri8;
mod vern7;

pub(super) use dopri8::DOPRI8;
pub(super) use vern7::VERN7;

/// Cubic Hermite interpolation of (z, f) at both ends, written as weights of the stages, plus `quartic[i]` θ²(1 − θ)².
/// `b` has one entry a stage; the last stage is f at the new point.
pub(super) const fn hermite<const S: usize>(b: [f64; S], quartic: [f64; S]) -> [[f64; POWERS]; S] {
    let mut dense = [[0.0; 4]; S];
    let mut i = 0;
    while i < S {
        let start = if i == 0 { 1.0 } else { 0.0 };
        let end = if i + 1 == S { 1.0 } else { 0.0 };
        let q = quartic[i];
        dense[i] = [start, 3.0 * b[i] - 2.0 * start - end + q, start + end - 2.0 * b[i] - 2.0 * q, q];
        i += 1;
    }
    pad(dense)
}

/// Polynomials of degree 4 as those of the highest degree.
const fn pad<const S: usize>(low: [[f64; 4]; S]) -> [[f64; POWERS]; S] {
    let mut dense = [[0.0; POWERS]; S];
    let mut i = 0;
    while i < S {
        let [a, b, c, d] = low[i];
        dense[i] = [a, b, c, d, 0.0, 0.0, 0.0];
        i += 1;
    }
    dense
}

/// Euler, Institutiones calculi integralis (1768). Dense output is the straight line.
pub(super) const EULER: Tableau = Tableau {
    order: 1,
    embedded_order: None,
    dense_order: 1,
    c: &[0.0, 1.0],
    a: &[&[1.0]],
    error: &[],
    coarse_error: &[],
    extra: &[],
    dense: &pad([[1.0, 0.0, 0.0, 0.0], [0.0; 4]]),
};

/// Runge (1895); Hairer, Nørsett, Wanner, Solving Ordinary Differential Equations I, table II.1.1.
pub(super) const MIDPOINT: Tableau = Tableau {
    order: 2,
    embedded_order: Some(1),
    dense_order: 2,
    c: &[0.0, 0.5, 1.0],
    a: &[&[0.5], &[0.0, 1.0]],
    error: &[-1.0, 1.0, 0.0],
    coarse_error: &[],
    extra: &[],
    dense: &hermite([0.0, 1.0, 0.0], [0.0; 3]),
};

/// The explicit trapezium rule, known as Heun's second order method.
pub(super) const HEUN: Tableau = Tableau {
    order: 2,
    embedded_order: Some(1),
    dense_order: 2,
    c: &[0.0, 1.0, 1.0],
    a: &[&[1.0], &[0.5, 0.5]],
    error: &[-0.5, 0.5, 0.0],
    coarse_error: &[],
    extra: &[],
    dense: &hermite([0.5, 0.5, 0.0], [0.0; 3]),
};

/// Ralston, Runge–Kutta methods with minimum error bounds, Math. Comp. 16 (1962) 431–437.
pub(super) const RALSTON: Tableau = Tableau {
    order: 2,
    embedded_order: Some(1),
    dense_order: 2,
    c: &[0.0, 2.0 / 3.0, 1.0],
    a: &[&[2.0 / 3.0], &[0.25, 0.75]],
    error: &[-0.75, 0.75, 0.0],
    coarse_error: &[],
    extra: &[],
    dense: &hermite([0.25, 0.75, 0.0], [0.0; 3]),
};

/// Kutta (1901); Hairer, Nørsett, Wanner, table II.1.2.
pub(super) const RK4: Tableau = Tableau {
    order: 4,
    embedded_order: None,
    dense_order: 3,
    c: &[0.0, 0.5, 0.5, 1.0, 1.0],
    a: &[&[0.5], &[0.0, 0.5], &[0.0, 0.0, 1.0], &[1.0 / 6.0, 1.0 / 3.0, 1.0 / 3.0, 1.0 / 6.0]],
    error: &[],
    coarse_error: &[],
    extra: &[],
    dense: &hermite([1.0 / 6.0, 1.0 / 3.0, 1.0 / 3.0, 1.0 / 6.0, 0.0], [0.0; 5]),
};

/// The 3/8 rule: Kutta (1901); Hairer, Nørsett, Wanner, table II.1.2.
pub(super) const RK4_38: Tableau = Tableau {
    order: 4,
    embedded_order: None,
    dense_order: 3,
    c: &[0.0, 1.0 / 3.0, 2.0 / 3.0, 1.0, 1.0],
    a: &[&[1.0 / 3.0], &[-1.0 / 3.0, 1.0], &[1.0, -1.0, 1.0], &[0.125, 0.375, 0.375, 0.125]],
    error: &[],
    coarse_error: &[],
    extra: &[],
    dense: &hermite([0.125, 0.375, 0.375, 0.125, 0.0], [0.0; 5]),
};

/// Bogacki, Shampine, A 3(2) pair of Runge–Kutta formulas, Appl. Math. Lett. 2 (1989) 321–325.
pub(super) const BOSH3: Tableau = Tableau {
    order: 3,
    embedded_order: Some(2),
    dense_order: 3,
    c: &[0.0, 0.5, 0.75, 1.0],
    a: &[&[0.5], &[0.0, 0.75], &[2.0 / 9.0, 1.0 / 3.0, 4.0 / 9.0]],
    error: &[-5.0 / 72.0, 1.0 / 12.0, 1.0 / 9.0, -1.0 / 8.0],
    coarse_error: &[],
    extra: &[],
    dense: &hermite([2.0 / 9.0, 1.0 / 3.0, 4.0 / 9.0, 0.0], [0.0; 4]),
};

const DOPRI5_B: [f64; 7] = [35.0 / 384.0, 0.0, 500.0 / 1113.0, 125.0 / 192.0, -2187.0 / 6784.0, 11.0 / 84.0, 0.0];

/// Dormand, Prince, A family of embedded Runge–Kutta formulae, J. Comp. Appl. Math. 6 (1980) 19–26; dense output of
/// Shampine, Some practical Runge–Kutta formulas, Math. Comp. 46 (1986) 135–150, in the form of Hairer, Nørsett,
/// Wanner, section II.6.
pub(super) const DOPRI5: Tableau = Tableau {
    order: 5,
    embedded_order: Some(4),
    dense_order: 4,
    c: &[0.0, 0.2, 0.3, 0.8, 8.0 / 9.0, 1.0, 1.0],
    a: &[
        &[0.2],
        &[3.0 / 40.0, 9.0 / 40.0],
        &[44.0 / 45.0, -56.0 / 15.0, 32.0 / 9.0],
        &[19372.0 / 6561.0, -25360.0 / 2187.0, 64448.0 / 6561.0, -212.0 / 729.0],
        &[9017.0 / 3168.0, -355.0 / 33.0, 46732.0 / 5247.0, 49.0 / 176.0, -5103.0 / 18656.0],
        &[35.0 / 384.0, 0.0, 500.0 / 1113.0, 125.0 / 192.0, -2187.0 / 6784.0, 11.0 / 84.0],
    ],
    error: &[71.0 / 57600.0, 0.0, -71.0 / 16695.0, 71.0 / 1920.0, -17253.0 / 339200.0, 22.0 / 525.0, -1.0 / 40.0],
    coarse_error: &[],
    extra: &[],
    dense: &hermite(
        DOPRI5_B,
        [
            -12715105075.0 / 11282082432.0,
            0.0,
            87487479700.0 / 32700410799.0,
            -10690763975.0 / 1880347072.0,
            701980252875.0 / 199316789632.0,
            -1453857185.0 / 822651844.0,
            69997945.0 / 29380423.0,
        ],
    ),
};

/// Tsitouras, Runge–Kutta pairs of order 5(4) satisfying only the first column simplifying assumption, Computers and
/// Mathematics with Applications 62 (2011) 770–775, with its dense output of order 4 multiplied out.
pub(super) const TSIT5: Tableau = Tableau {
    order: 5,
    embedded_order: Some(4),
    dense_order: 4,
    c: &[0.0, 0.161, 0.327, 0.9, 0.9800255409045097, 1.0, 1.0],
    a: &[
        &[0.161],
        &[-0.008480655492356989, 0.335480655492357],
        &[2.8971530571054935, -6.359448489975075, 4.3622954328695815],
        &[5.325864828439257, -11.748883564062828, 7.4955393428898365, -0.09249506636175525],
        &[5.86145544294642, -12.92096931784711, 8.159367898576159, -0.071584973281401, -0.028269050394068383],
        &[0.09646076681806523, 0.01, 0.4798896504144996, 1.379008574103742, -3.290069515436081, 2.324710524099774],
    ],
    error: &[
        0.001780011052225777,
        0.0008164344596567469,
        -0.007880878010261995,
        0.1447110071732629,
        -0.5823571654525552,
        0.45808210592918697,
        -1.0 / 66.0,
    ],
    coarse_error: &[],
    extra: &[],
    dense: &pad([
        [1.0, -2.763706197274826, 2.9132554618219126, -1.0530884977290216],
        [0.0, 0.1317, -0.2234, 0.1017],
        [0.0, 3.9302962368947516, -5.941033872131505, 2.490627285651253],
        [0.0, -12.411077166933676, 30.33818863028232, -16.548102889244902],
        [0.0, 37.50931341651104, -88.1789048947664, 47.37952196281928],
        [0.0, -27.896526289197286, 65.09189467479366, -34.87065786149661],
        [0.0, 1.5, -4.0, 2.5],
    ]),
};
