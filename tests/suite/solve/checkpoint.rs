//! A budget of memory changes nothing but the work: gradients have the same bits.

use super::support::{Prey, noise};
use pullback::solve::{Cotangents, Implicit, Method, Options, Problem, Tape, discrete, solve};

/// Every number of a gradient, as bits, and the work.
fn gradient(options: &Options, problem: &Problem<f64>, bar: &[f64]) -> (Vec<u64>, Cotangents<f64>, usize) {
    let (mut system, mut tape) = (Prey::new(problem.t0.len()), Tape::new());
    let solution = solve(&mut system, problem, options, Some(&mut tape));
    assert!(solution.failures.iter().all(Option::is_none), "{:?}", solution.failures);
    let found = discrete(&mut system, problem, options, &tape, bar);
    let numbers = [&solution.values[..], &found.z0, &found.t0, &found.ts, &system.theta_bar].concat();
    (numbers.iter().map(|x| x.to_bits()).collect(), found, tape.bytes())
}

/// The same for no budget and for some, down to the least.
fn same_bits(name: &str, options: &Options, problem: &Problem<f64>) {
    let (dim, lanes) = (2, problem.t0.len());
    let bar = noise(problem.times * dim * lanes, 7);
    let (expected, plain, all) = gradient(options, problem, &bar);
    let steps: usize = plain.stats.accepted.iter().sum();
    assert!(steps > 40 * lanes, "{name}: only {steps} steps");
    let least = options.least_memory(dim);
    for memory in [least, least + 100, 3 * least, 8 * least, 1 << 20] {
        let bounded = Options { memory: Some(memory), ..options.clone() };
        let (got, found, kept) = gradient(&bounded, problem, &bar);
        assert_eq!(got, expected, "{name} with {memory} B");
        assert_eq!(found.stats.accepted, plain.stats.accepted, "{name}");
        // The positions of all steps are kept too, with scheme and order.
        assert!(kept <= lanes * memory + 10 * (steps + lanes), "{name}: {kept} B of {memory} B");
        assert!(memory > least || kept < all, "{name}: {kept} B instead of {all} B");
        assert!(found.stats.rhs_calls >= plain.stats.rhs_calls, "{name}: work that is not counted");
    }
}

fn times(lanes: usize) -> (Vec<f64>, Vec<f64>) {
    let t0: Vec<f64> = (0..lanes).map(|lane| 0.1 * lane as f64).collect();
    let fractions = [0.5, 0.013, 1.0, 0.77, 0.0, 0.77];
    let span = |lane: usize| if lane.is_multiple_of(2) { 12.0 + lane as f64 } else { -3.0 };
    let ts = fractions.iter().flat_map(|f| (0..lanes).map(|lane| t0[lane] + f * span(lane)).collect::<Vec<_>>());
    (t0.clone(), ts.collect())
}

#[test]
fn explicit_gradients_have_the_same_bits() {
    for method in Method::ALL {
        let fixed_step = (method.tableau().order < 5).then_some(0.01);
        for (lanes, keep_stages) in [(1, false), (1, true), (5, false), (3, true)] {
            let ((t0, ts), z0) = (times(lanes), noise(2 * lanes, 3).iter().map(|x| 1.2 + 0.3 * x).collect::<Vec<_>>());
            let problem = Problem { z0: &z0, t0: &t0, ts: &ts, times: 6, active: &vec![true; lanes] };
            let options = Options { method, fixed_step, rtol: 1e-9, atol: 1e-9, keep_stages, ..Options::default() };
            same_bits(&format!("{} {lanes}", method.name()), &options, &problem);
        }
    }
}

#[test]
fn implicit_gradients_have_the_same_bits() {
    for method in Implicit::ALL {
        let (t0, ts) = times(1);
        let problem = Problem { z0: &[1.1, 0.7], t0: &t0, ts: &ts, times: 6, active: &[true] };
        let method = Method::Implicit(method);
        for (rtol, stops) in [(1e-9, Vec::new()), (1e-7, vec![3.0, 3.5])] {
            let options = Options { method, rtol, atol: rtol, stops, ..Options::default() };
            same_bits(method.name(), &options, &problem);
        }
    }
}

#[test]
fn stops_share_a_budget() {
    let (t0, ts) = times(3);
    let problem = Problem { z0: &[1.1, 1.2, 1.3, 0.7, 0.8, 0.9], t0: &t0, ts: &ts, times: 6, active: &[true; 3] };
    let options = Options { rtol: 1e-10, atol: 1e-10, stops: vec![1.0, 7.0], ..Options::default() };
    same_bits("stops", &options, &problem);
}

/// A lane that fails on the way has no influence on the others' bits.
#[test]
fn failures_stay_where_they_are() {
    let (t0, ts) = times(3);
    let problem = Problem { z0: &[1.1, f64::NAN, 1.3, 0.7, 0.8, 0.9], t0: &t0, ts: &ts, times: 6, active: &[true; 3] };
    let options = Options { rtol: 1e-9, atol: 1e-9, ..Options::default() };
    let mut bar = noise(36, 7);
    (0..12).for_each(|i| bar[3 * i + 1] = 0.0);
    let run = |memory: Option<usize>| {
        let (mut system, mut tape) = (Prey::new(3), Tape::new());
        let options = Options { memory, ..options.clone() };
        solve(&mut system, &problem, &options, Some(&mut tape));
        let found = discrete(&mut system, &problem, &options, &tape, &bar);
        assert!(found.failures[1].is_some() && found.failures[0].is_none() && found.failures[2].is_none());
        (found.z0, found.t0, found.ts, system.theta_bar)
    };
    assert_eq!(run(Some(options.least_memory(2))), run(None));
}

/// The right-hand sides of a pass are taken at most once more while the windows are as long as the stretches, and few
/// times where the budget is small.
#[test]
fn work_grows_slowly() {
    let problem = Problem { z0: &[1.0, 1.0], t0: &[0.0], ts: &[40.0], times: 1, active: &[true] };
    // Without the stages, which plain tapes keep: each pass then evaluates them.
    let options = Options { rtol: 1e-10, atol: 1e-10, keep_stages: false, ..Options::default() };
    let calls = |memory: Option<usize>| {
        let (_, found, _) = gradient(&Options { memory, ..options.clone() }, &problem, &[1.0, 1.0]);
        (found.stats.rhs_calls as f64, found.stats.accepted[0])
    };
    let (plain, steps) = calls(None);
    assert!(steps > 1000, "{steps}");
    // 4 KiB are 256 states for more than a thousand steps.
    let (some, few) = (calls(Some(4096)).0, calls(Some(1024)).0);
    assert!(some < 2.1 * plain, "{some} instead of {plain}");
    assert!(few < 4.0 * plain, "{few} instead of {plain}");
}
