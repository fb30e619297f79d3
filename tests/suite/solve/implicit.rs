//! Implicit methods: order conditions, measured orders, directions, failures.

use super::convergence::{LONG, STEPS, bell, bell_exact, distance, flow, slope};
use super::support::{noise, solve_one};
use super::tableaux::{Tree, dot, matrix, trees};
use pullback::solve::{FailureKind, Implicit, Method, Options, RosenbrockTable};

const STIFF: [Implicit; 2] = [Implicit::Kvaerno5, Implicit::Rodas5p];

fn fixed(method: Implicit, step: f64) -> Options {
    let method = Method::Implicit(method);
    Options { method, fixed_step: Some(step), rtol: 1e-13, atol: 1e-13, ..Options::default() }
}

/// Coefficients are printed with 16 digits: the sum of the absolute values of the terms bounds what that leaves.
const ROUNDING: f64 = 64.0 * f64::EPSILON;

#[test]
fn esdirk_coefficients_satisfy_the_order_conditions() {
    let esdirk = Implicit::Kvaerno5.esdirk().unwrap();
    let (tableau, mut a) = (&esdirk.tableau, matrix(&esdirk.tableau));
    (1..a.len()).for_each(|i| a[i][i] = esdirk.gamma);
    for (row, c) in a.iter().zip(tableau.c) {
        assert!((row.iter().sum::<f64>() - c).abs() < 1e-15, "nodes are sums of rows");
    }
    let b = a.last().unwrap().clone();
    let embedded: Vec<f64> = b.iter().zip(tableau.error).map(|(b, e)| b - e).collect();
    let worst = |weights: &[f64], order: usize| {
        let of = |tree: &Tree| (dot(weights, &tree.stages(&a)) - 1.0 / tree.density()).abs();
        trees(order).iter().map(of).fold(0.0, f64::max)
    };
    assert!(
        (1..=5).all(|order| worst(&b, order) < ROUNDING),
        "{:?}",
        (1..=5).map(|o| worst(&b, o)).collect::<Vec<_>>()
    );
    assert!((1..=4).all(|order| worst(&embedded, order) < ROUNDING), "the embedded method");
    assert!(worst(&b, 6) > 1e-6 && worst(&embedded, 5) > 1e-6, "no higher order");
}

/// Matrices of a Rosenbrock method in its first form: (αᵢⱼ), (βᵢⱼ) = (αᵢⱼ + γᵢⱼ), and Γ, from the transformed one:
/// Γ⁻¹ = 1/γ − C, (αᵢⱼ) = A Γ (Hairer, Wanner II, section IV.7).
struct First {
    alpha: Vec<Vec<f64>>,
    beta: Vec<Vec<f64>>,
    gamma: Vec<Vec<f64>>,
}

impl First {
    #[allow(clippy::needless_range_loop, reason = "indices of a matrix")]
    fn of(table: &RosenbrockTable) -> Self {
        let s = table.alpha.len();
        let entry = |rows: &[&[f64]], i: usize, j: usize| if j < i { rows[i - 1][j] } else { 0.0 };
        let mut gamma = vec![vec![0.0; s]; s];
        // The inverse of a lower triangular matrix, column by column.
        for j in 0..s {
            gamma[j][j] = table.gamma;
            for i in j + 1..s {
                gamma[i][j] = table.gamma * (j..i).map(|k| entry(table.c, i, k) * gamma[k][j]).sum::<f64>();
            }
        }
        let times = |i: usize, j: usize| (0..s).map(|k| entry(table.a, i, k) * gamma[k][j]).sum::<f64>();
        let alpha: Vec<Vec<f64>> = (0..s).map(|i| (0..s).map(|j| times(i, j)).collect()).collect();
        let beta = (0..s).map(|i| (0..s).map(|j| alpha[i][j] + gamma[i][j]).collect()).collect();
        Self { alpha, beta, gamma }
    }

    /// Φᵢ of a tree: β where a node has one child, α where it has several (theorem IV.7.3).
    fn stages(&self, tree: &Tree) -> Vec<f64> {
        let inner: Vec<Vec<f64>> = tree.0.iter().map(|tree| self.stages(tree)).collect();
        let rows = if inner.len() == 1 { &self.beta } else { &self.alpha };
        rows.iter().map(|row| inner.iter().map(|phi| dot(row, phi)).product()).collect()
    }

    /// Largest residual of the conditions of this order for weights of the transformed form, at θ.
    fn worst(&self, weights: &[f64], order: usize, theta: f64) -> f64 {
        trees(order).iter().map(|tree| self.of_tree(weights, tree, theta)).fold(0.0, f64::max)
    }

    /// Residual of the condition of one tree.
    fn of_tree(&self, weights: &[f64], tree: &Tree, theta: f64) -> f64 {
        let s = weights.len();
        let b: Vec<f64> = (0..s).map(|j| (0..s).map(|i| weights[i] * self.gamma[i][j]).sum()).collect();
        (dot(&b, &self.stages(tree)) - theta.powi(tree.size() as i32) / tree.density()).abs()
    }
}

#[test]
fn rosenbrock_coefficients_satisfy_the_order_conditions() {
    let table = Implicit::Rodas5p.rosenbrock().unwrap();
    let first = First::of(table);
    for i in 0..table.alpha.len() {
        assert!((first.alpha[i].iter().sum::<f64>() - table.alpha[i]).abs() < 1e-12, "node {i}");
        assert!((first.gamma[i].iter().sum::<f64>() - table.d[i]).abs() < 1e-12, "factor of the time derivative {i}");
    }
    // Entries of the transformed form reach 165: their last digits are 1e-14, and products of four of them follow.
    let zero = 1e-11;
    let embedded: Vec<f64> = table.b.iter().zip(table.error).map(|(b, e)| b - e).collect();
    for order in 1..=5 {
        let worst = first.worst(table.b, order, 1.0);
        assert!(worst < zero, "order {order}: {worst:e}");
    }
    assert!((1..=4).all(|order| first.worst(&embedded, order, 1.0) < zero), "the embedded method");
    assert!(first.worst(table.b, 6, 1.0) > 1e-6 && first.worst(&embedded, 5, 1.0) > 1e-6, "no higher order");
    let tall = (0..6).fold(Tree(vec![]), |tree, k| if k == 0 { tree } else { Tree(vec![tree]) });
    assert!((tall.size(), first.of_tree(table.b, &tall, 1.0) < 1e-15) == (6, true), "order 6 on linear problems");
    for theta in [0.2, 0.5, 0.9] {
        let weights: Vec<f64> = (0..8).map(|i| table.dense_weight(i, theta)).collect();
        for order in 1..=4 {
            let worst = first.worst(&weights, order, theta);
            assert!(worst < zero, "dense output, order {order} at {theta}: {worst:e}");
        }
        let slope = |i| (table.dense_weight(i, theta + 1e-5) - table.dense_weight(i, theta - 1e-5)) / 2e-5;
        assert!((0..8).all(|i| (table.dense_slope(i, theta) - slope(i)).abs() < 1e-7), "the derivative of the weights");
    }
}

#[test]
fn order_on_a_random_linear_system() {
    let (d, m, z0) = (5, noise(25, 7), noise(5, 8));
    let a: Vec<f64> = (0..25).map(|i| 2.0 * (m[i] - m[i % 5 * 5 + i / 5]) + 0.1 * m[i]).collect();
    let f = |_: f64, z: &[f64], dz: &mut [f64]| {
        for i in 0..d {
            dz[i] = (0..d).map(|j| a[i * d + j] * z[j]).sum();
        }
    };
    for method in STIFF {
        let measured = slope(&LONG[..4], |n| {
            let end = solve_one(d, f, &z0, 0.0, &[20.0], &fixed(method, 20.0 / n as f64)).values;
            distance(&end, &flow(&a, &z0, 20.0))
        });
        // Rodas5P has order 6 where f is linear and autonomous; the test of its coefficients shows that too.
        let order = if method == Implicit::Rodas5p { 6.0 } else { 5.0 };
        assert!((measured - order).abs() < 0.2, "{}: {measured}", method.name());
    }
}

#[test]
fn order_on_a_non_autonomous_problem_and_of_dense_output() {
    for method in STIFF {
        let (order, _, dense_order) = method.orders();
        let measured = slope(&STEPS[..5], |n| {
            let start = bell_exact(-0.3);
            let end = solve_one(1, bell, &[start], -0.3, &[1.2], &fixed(method, 1.5 / n as f64)).values;
            (end[0] - bell_exact(1.2)).abs()
        });
        assert!((measured - order as f64).abs() < 0.2, "{}: {measured}", method.name());
        let local = slope(&[4, 8, 16, 32, 64], |n| {
            let (h, t0) = (1.0 / n as f64, 0.2);
            let ts: Vec<f64> = [0.21, 0.37, 0.58, 0.83, 1.0].iter().map(|theta| t0 + theta * h).collect();
            let z = solve_one(1, bell, &[bell_exact(t0)], t0, &ts, &fixed(method, h)).values;
            z[..4].iter().zip(&ts).map(|(z, t)| (z - bell_exact(*t)).abs()).fold(0.0, f64::max)
        });
        assert!((local - dense_order as f64 - 1.0).abs() < 0.2, "dense output of {}: {local}", method.name());
    }
}

/// z' = −λ(z − cos t) − sin t with λ = 1e6: an L-stable method follows cos t at any step length, so that outputs within
/// the steps need their own error control.
#[test]
fn very_stiff_linear_problem() {
    let f = |t: f64, z: &[f64], dz: &mut [f64]| dz[0] = -1e6 * (z[0] - t.cos()) - t.sin();
    for method in Implicit::ALL {
        let options = Options { method: Method::Implicit(method), ..Options::default() };
        let ts = [0.5, 3.0, 10.0];
        let solution = solve_one(1, f, &[2.0], 0.0, &ts, &options);
        assert_eq!(solution.failures, [None]);
        for (z, t) in solution.values.iter().zip(ts) {
            assert!((z - t.cos()).abs() < 1e-5, "{} at {t}: {z}", method.name());
        }
        let most = if method == Implicit::Bdf { 400 } else { 100 };
        assert!(solution.stats.accepted[0] < most, "{}: {:?}", method.name(), solution.stats);
    }
}

#[test]
fn closed_forms_forward_and_backward() {
    for method in Implicit::ALL {
        for end in [2.0, -2.0] {
            let ts = [end, 0.5 * end, 0.0, end / 3.0];
            let method = Method::Implicit(method);
            let options = Options { method, rtol: 1e-9, atol: 1e-11, ..Options::default() };
            let rotation = |_: f64, z: &[f64], dz: &mut [f64]| (dz[0], dz[1]) = (-z[1], z[0]);
            let solution = solve_one(2, rotation, &[1.0, 0.0], 0.0, &ts, &options);
            assert_eq!(solution.failures, [None]);
            for (z, t) in solution.values.chunks(2).zip(ts) {
                let error = distance(z, &[t.cos(), t.sin()]);
                assert!(error < 3e-7, "{} at {t}: {error:e}", method.name());
            }
            assert_eq!(solution.values[4..6], [1.0, 0.0], "t0 is exact");
        }
    }
}

#[test]
fn failures_are_values() {
    let blow_up = |_: f64, z: &[f64], dz: &mut [f64]| dz[0] = z[0] * z[0];
    let not_real = |_: f64, z: &[f64], dz: &mut [f64]| dz[0] = -1.0 / z[0].sqrt();
    for method in Implicit::ALL {
        let options = Options { method: Method::Implicit(method), ..Options::default() };
        let solution = solve_one(1, blow_up, &[1.0], 0.0, &[0.5, 2.0], &options);
        let failure = solution.failures[0].clone().unwrap();
        assert!((failure.t - 1.0).abs() < 1e-3 && failure.component == Some(0), "{failure:?}");
        assert!((solution.values[0] - 2.0).abs() < 1e-4 && solution.values[1].is_nan());
        let failure = solve_one(1, not_real, &[1.0], 0.0, &[9.0], &options).failures[0].clone().unwrap();
        assert!((failure.t - 2.0 / 3.0).abs() < 1e-3, "{failure:?}");
        let few = Options { max_steps: 3, ..options.clone() };
        let failure = solve_one(1, not_real, &[1.0], 0.0, &[0.6], &few).failures[0].clone().unwrap();
        assert_eq!(failure.kind, FailureKind::MaxSteps);
        let wrong = Options { rtol: f64::NAN, ..options };
        let failure = solve_one(1, not_real, &[1.0], 0.0, &[0.6], &wrong).failures[0].clone().unwrap();
        assert_eq!(failure.kind, FailureKind::BadOptions);
    }
}

#[test]
fn auto_stays_explicit_where_that_is_cheaper() {
    let rotation = |_: f64, z: &[f64], dz: &mut [f64]| (dz[0], dz[1]) = (-z[1], z[0]);
    let with = |method| {
        let options = Options { method, ..Options::default() };
        solve_one(2, rotation, &[1.0, 0.0], 0.0, &[50.0], &options)
    };
    let (auto, explicit) = (with(Method::Implicit(Implicit::Auto)), with(Method::Tsit5));
    assert_eq!(auto.stats.jacobian_calls, 0);
    assert_eq!(auto.stats.accepted, explicit.stats.accepted);
    assert!(distance(&auto.values, &explicit.values) < 1e-12);
}
