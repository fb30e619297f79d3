//! Regularisers of training: penalties on the steps, random end times, and the standard module `reg`.

use pullback::compile::{Settings, compile};
use pullback::load::{Request, load};
use pullback::model::{Batch, Evaluated, Model, ModelObjective, ObjectiveSetup, Purpose, initial, unconstrain};
use pullback::train::{Job, train};
use std::sync::atomic::AtomicBool;

/// A model text, compiled, with its start values.
fn open(text: &str, lanes: usize) -> (Model<f64>, Vec<f64>) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("m.node");
    std::fs::write(&file, text).unwrap();
    let loaded = load(&Request { path: file, ..Request::default() })
        .unwrap_or_else(|r| panic!("{}", pullback::diag::render(&r.problems, &r.sources, false)));
    let raw = unconstrain(&loaded.lowered, &initial(&loaded.lowered, 0));
    let settings = Settings { lanes, outputs: true, ..Settings::default() };
    (compile::<f64>(loaded.lowered, &settings).unwrap_or_else(|d| panic!("{d:?}")), raw)
}

fn ask(model: &Model<f64>, raw: &[f64], purpose: Purpose, count: usize, step: u64, gradient: bool) -> Evaluated {
    let samples: Vec<usize> = (0..count).collect();
    let batch = Batch { data: None, samples: &samples, seed: 3, step };
    let entry = if gradient { model.gradient.as_ref() } else { model.value.as_ref() };
    let found = model.evaluate_for(purpose, entry.unwrap(), raw, &batch);
    assert!(found.dropped.is_empty(), "{:?}", found.dropped);
    found
}

/// Equal steps, so that differences of the loss do not see the step control.
fn penalised(options: &str) -> String {
    format!(
        "param a = 1.5\nparam b = 0.7\nnoise e: [2] ~ normal(0, 0.2)\nstate x = 1 + e[0]\nstate y = a + e[1]\n\
         x' = a*x - x*y + sin(2*t)\ny' = -b*y + x*y\nloss = x(1)^2 + y(0.4)\n\
         solve tsit5(dt = 0.25{options}), 0 .. 1\n"
    )
}

#[test]
fn penalties_are_part_of_the_loss_in_training_only() {
    let both = penalised(", error_penalty = 300, stiffness_penalty = 0.05");
    let mut seen = Vec::new();
    // One sample at a time has whole steps in one kernel, several have a kernel for each stage.
    for lanes in [1, 8] {
        let (model, raw) = open(&both, lanes);
        let (plain, _) = open(&penalised(""), lanes);
        let training = ask(&model, &raw, Purpose::Training, 5, 0, true);
        let expected = ask(&plain, &raw, Purpose::Training, 5, 0, true);
        assert_eq!(ask(&model, &raw, Purpose::Evaluation, 5, 0, true).loss, expected.loss);
        assert_eq!(ask(&model, &raw, Purpose::Evaluation, 5, 0, true).raw, expected.raw);
        assert!(training.loss > expected.loss + 0.1, "{} {}", training.loss, expected.loss);
        for k in 0..raw.len() {
            let value = |by: f64| {
                let mut moved = raw.clone();
                moved[k] += by;
                ask(&model, &moved, Purpose::Training, 5, 0, false).loss
            };
            let h = 1e-3;
            let difference = (8.0 * (value(h) - value(-h)) - (value(2.0 * h) - value(-2.0 * h))) / (12.0 * h);
            let found = training.raw[k];
            assert!((found - difference).abs() < 1e-8 * (1.0 + difference.abs()), "{k}: {found} {difference}");
            assert!((found - expected.raw[k]).abs() > 1e-2, "the penalty does not matter");
        }
        seen.push((training.loss, training.raw));
    }
    assert!((seen[0].0 - seen[1].0).abs() < 1e-12 && (seen[0].1[0] - seen[1].1[0]).abs() < 1e-11, "{seen:?}");
}

const STEERED: &str = "param a = -1\nnoise e: [] ~ uniform(0, 1)\nnoise T: [] ~ steer(1, 0.4)\nstate x = 1\nx' = a*x\n\
                       metric end = T\nmetric square = T^2\nloss = (x(T) - 0.2)^2 + 0*e\nsolve 0 .. T\n\
                       train adam(lr = 0.01, batch = 4, steps = 6)\n";

#[test]
fn a_steered_time_is_one_draw_for_all_samples_of_an_update() {
    let (model, raw) = open(STEERED, 8);
    let mut ends = Vec::new();
    for step in 0..400 {
        let found = ask(&model, &raw, Purpose::Training, 20, step, false);
        let (end, square) = (found.metrics[0], found.metrics[1]);
        assert!((square - end * end).abs() < 1e-14, "the samples differ");
        assert!((0.6..1.4).contains(&end), "{end}");
        ends.push(end);
        assert_eq!(ask(&model, &raw, Purpose::Evaluation, 20, step, false).metrics[0], 1.0);
        assert!((ask(&model, &raw, Purpose::Training, 5, step, true).metrics[0] - end).abs() < 1e-15);
    }
    // Mean 1 and variance 0.4²/3 within four standard errors.
    let mean = ends.iter().sum::<f64>() / 400.0;
    let variance = ends.iter().map(|x| (x - 1.0).powi(2)).sum::<f64>() / 400.0;
    assert!((mean - 1.0).abs() < 4.0 * 0.231 / 20.0 && (variance - 0.16 / 3.0).abs() < 0.01, "{mean} {variance}");
}

#[test]
fn a_steered_run_is_resumed_bit_for_bit() {
    let (model, raw) = open(STEERED, 4);
    let spec = model.lowered.train.clone().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let checkpoint = folder.path().join("checkpoint");
    let go = |steps: u64, resume: bool, checkpoint: Option<&std::path::Path>| {
        let mut spec = spec.clone();
        spec.length = pullback::train::Length::Steps(steps);
        let setup = ObjectiveSetup { train: None, validation: None, validation_draws: 4, seed: 1 };
        let stop = AtomicBool::new(false);
        let job = Job { spec: &spec, model: 0, checkpoint, history: None, resume, stop: &stop };
        let mut params = raw.clone();
        train(&mut ModelObjective::new(&model, setup), &mut params, &job, &mut ()).unwrap();
        params.iter().map(|x| x.to_bits()).collect::<Vec<u64>>()
    };
    let whole = go(6, false, None);
    go(3, false, Some(&checkpoint));
    assert_eq!(go(6, true, Some(&checkpoint)), whole);
}

/// For z' = A z, ‖∂f/∂z‖² is the sum of the squares of A, and |εᵀA|² has this mean.
#[test]
fn rnode_is_the_weighted_sum_of_kinetic_energy_and_jacobian_norm() {
    let text = |jacobian: &str, more: &str| {
        format!(
            "use reg\nparam k = 1\nnoise eps: [2] ~ normal(0, 1)\nstate z: [2] = [1, 2]\n\
             state cost = 0\nlet v = k*[0.3*z[0] - z[1], 0.5*z[0] + 0.2*z[1]]\nz' = v\ncost' = rnode(v, {jacobian}{more})\nloss = cost(1) + 0*eps[0]\n\
             solve tsit5(rtol = 1e-10, atol = 1e-10, cost(atol = 1e10)), 0 .. 1\n"
        )
    };
    let loss = |text: &str, count: usize| {
        let (model, raw) = open(text, 8);
        ask(&model, &raw, Purpose::Training, count, 0, false).loss
    };
    let jacobian = loss(&text("jac(v, z)", ", kinetic = 0, jacobian = 1"), 1);
    assert!((jacobian - (0.09 + 1.0 + 0.25 + 0.04)).abs() < 1e-12, "{jacobian}");
    let estimate = loss(&text("vjp(v, z, eps)", ", kinetic = 0, jacobian = 1"), 4000);
    assert!((estimate - jacobian).abs() < 0.15, "{estimate}");
    // d|z|²/dt = zᵀ(A + Aᵀ)z and |Az|² are integrated by an independent rule: Simpson's, on the matrix exponential.
    let kinetic = loss(&text("jac(v, z)", ", kinetic = 1, jacobian = 0"), 1);
    assert!((kinetic - simpson()).abs() < 1e-8, "{kinetic} {}", simpson());
    let weighted = loss(&text("jac(v, z)", ", kinetic = 0.5, jacobian = 0.25"), 1);
    assert!((weighted - 0.5 * kinetic - 0.25 * jacobian).abs() < 1e-10);
}

/// ∫ |A exp(At) z0|² dt over [0, 1].
fn simpson() -> f64 {
    let times = |z: [f64; 2]| [0.3 * z[0] - z[1], 0.5 * z[0] + 0.2 * z[1]];
    let rate = |t: f64| {
        let (mut term, mut sum) = ([1.0, 2.0], [1.0, 2.0]);
        for k in 1..30 {
            let next = times(term);
            term = [next[0] * t / f64::from(k), next[1] * t / f64::from(k)];
            sum = [sum[0] + term[0], sum[1] + term[1]];
        }
        let v = times(sum);
        v[0] * v[0] + v[1] * v[1]
    };
    let n = 200;
    let weight = |i: i32| {
        if i == 0 || i == n {
            1.0
        } else if i % 2 == 1 {
            4.0
        } else {
            2.0
        }
    };
    (0..=n).map(|i| weight(i) * rate(f64::from(i) / f64::from(n))).sum::<f64>() / (3.0 * f64::from(n))
}
