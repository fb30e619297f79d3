//! Achieved error against tolerance on problems with known end points.

use super::problems::{Case, classical, detest};
use super::support::solve_one;
use pullback::solve::{Method, Options};

const METHODS: [Method; 4] = [Method::Tsit5, Method::Vern7, Method::Dopri8, Method::Adams];

/// Error at the end over 1 + |z|, and evaluations of the right-hand side.
fn run(case: &Case, method: Method, tolerance: f64) -> (f64, usize) {
    let options = Options { method, rtol: tolerance, atol: tolerance, ..Options::default() };
    let solution = solve_one(case.z0.len(), &case.f, &case.z0, 0.0, &[case.end], &options);
    assert_eq!(solution.failures, [None], "{} {}", case.name, method.name());
    let pairs = solution.values.iter().zip(&case.values);
    let error = pairs.map(|(z, end)| (z - end).abs() / (1.0 + end.abs())).fold(0.0, f64::max);
    (error, solution.stats.rhs_evaluations)
}

/// By how much perturbations of 1 + |z| at 48 times on the way change the end, in units of 1 + |z| there: the
/// largest sum over the components, and at least 1, which is the error of the last step.
fn measured_condition(case: &Case) -> f64 {
    let options = Options { method: Method::Dopri8, rtol: 1e-12, atol: 1e-13, ..Options::default() };
    let (d, parts, small) = (case.z0.len(), 48, 1e-7);
    let times: Vec<f64> = (0..=parts).map(|i| case.end * f64::from(i) / f64::from(parts)).collect();
    let path = solve_one(d, &case.f, &case.z0, 0.0, &times, &options).values;
    let mut worst = 1.0_f64;
    for i in 0..parts as usize {
        let state = &path[i * d..(i + 1) * d];
        let end = |z: &[f64]| solve_one(d, &case.f, z, times[i], &[case.end], &options).values;
        let (base, mut sums) = (end(state), vec![0.0; d]);
        for c in 0..d {
            let mut moved = state.to_vec();
            moved[c] += small * (1.0 + state[c].abs());
            for ((sum, z), b) in sums.iter_mut().zip(end(&moved)).zip(&base) {
                *sum += (z - b).abs() / (1.0 + b.abs()) / small;
            }
        }
        worst = sums.into_iter().fold(worst, f64::max);
    }
    worst
}

fn check(cases: &[Case], methods: &[Method], tolerances: &[f64]) {
    let mut wrong = Vec::new();
    for case in cases {
        for method in methods {
            for tolerance in tolerances {
                let error = run(case, *method, *tolerance).0;
                if error > 10.0 * tolerance * case.condition {
                    wrong.push(format!("{} {} {tolerance:e}: {error:e}", case.name, method.name()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn detest_at_one_tolerance() {
    check(&detest(), &METHODS, &[1e-6]);
}

#[test]
#[ignore = "a minute"]
fn detest_at_three_tolerances() {
    check(&detest(), &METHODS, &[1e-4, 1e-6, 1e-8]);
}

#[test]
#[ignore = "a minute"]
fn classical_problems_at_three_tolerances() {
    check(&classical(), &METHODS, &[1e-6, 1e-8, 1e-10]);
}

#[test]
#[ignore = "a minute"]
fn conditions_are_as_stated() {
    let mut wrong = Vec::new();
    for case in detest().iter().chain(&classical()) {
        let measured = measured_condition(case);
        if !(0.9..1.1).contains(&(measured / case.condition)) {
            wrong.push(format!("{}: {measured}", case.name));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn cell((error, evaluations): (f64, usize), unit: f64) -> String {
    format!("{:.2} · {evaluations}", error / unit)
}

/// The table in docs/solvers.md: error over tolerance · condition, and evaluations.
#[test]
#[ignore = "a minute"]
fn the_table_of_the_book() {
    let mut table = String::from("| problem | condition | tolerance |");
    METHODS.iter().for_each(|method| table += &format!(" `{}` |", method.name()));
    table += "\n|---|---|---|---|---|---|---|\n";
    let rows = detest().into_iter().map(|case| (case, [1e-4, 1e-6, 1e-8]));
    for (case, tolerances) in rows.chain(classical().into_iter().map(|case| (case, [1e-6, 1e-8, 1e-10]))) {
        for tolerance in tolerances {
            let cells = METHODS.map(|method| cell(run(&case, method, tolerance), tolerance * case.condition));
            table += &format!("| {} | {} | {tolerance:e} | {} |\n", case.name, case.condition, cells.join(" | "));
        }
    }
    crate::docs::generated("docs/solvers.md", "accuracy", &table);
}
