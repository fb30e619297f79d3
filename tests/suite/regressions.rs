//! Models that once gave wrong numbers, a panic or no end.

use pullback::compile::{Settings, compile};
use pullback::load::{Request, load};
use pullback::model::{Batch, Evaluated, initial, unconstrain};

/// Evaluates a model text on `count` samples, eight side by side.
fn evaluate(text: &str, count: usize, gradient: bool) -> Evaluated {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("m.node");
    std::fs::write(&file, text).unwrap();
    let loaded = load(&Request { path: file, ..Request::default() })
        .unwrap_or_else(|r| panic!("{}", pullback::diag::render(&r.problems, &r.sources, false)));
    let raw = unconstrain(&loaded.lowered, &initial(&loaded.lowered, 0));
    let lanes = if count == 1 { 1 } else { 8 };
    let model = compile::<f64>(loaded.lowered, &Settings { lanes, gradient, ..Settings::default() })
        .unwrap_or_else(|d| panic!("{d:?}"));
    let samples: Vec<usize> = (0..count).collect();
    let batch = Batch { data: None, samples: &samples, seed: 0, step: 0 };
    let entry = if gradient { model.gradient.as_ref() } else { model.value.as_ref() };
    model.evaluate(entry.unwrap(), &raw, &batch)
}

fn near(found: f64, value: f64) {
    assert!((found - value).abs() < 1e-5 * (1.0 + value.abs()), "{found}, not {value}");
}

#[test]
fn rates_that_use_neither_state_nor_time_fill_every_lane() {
    let text = "noise n: [] ~ normal(0, 1)\nparam k = 2\nstate x = 0\nstate y = 1\nx' = k\ny' = 3*k\n\
                loss = (x(1) + y(1) + 0*n)^2\nsolve 0 .. 1\n";
    for count in [1, 5, 20] {
        near(evaluate(text, count, true).loss, 81.0);
        near(evaluate(text, count, true).raw[0], 72.0);
    }
}

#[test]
fn slices_of_constants_are_constants() {
    let text = "param W: [2, 3] = 0.5\nnoise n: [] ~ uniform(1, 2)\n\
                loss = sum((W @ [zeros(3)[0:2], n])^2)/n^2\n";
    let found = evaluate(text, 5, true);
    near(found.loss, 0.5);
    for (entry, value) in found.raw.iter().zip([0.0, 0.0, 1.0, 0.0, 0.0, 1.0]) {
        near(*entry, value);
    }
}

#[test]
fn idle_lanes_do_not_poison_gradients() {
    let text = "noise n: [] ~ uniform(1, 2)\nparam k = 0.2\nparam w: [2] = 1\nparam s = 1\nstate x = n\nx' = k*x\n\
                loss = (norm(x(1)*w) - 1)^2 + (log(x(1))/s)^2\nsolve 0 .. 1\n";
    let found = evaluate(text, 5, true);
    assert!(found.raw.iter().all(|x| x.is_finite() && *x != 0.0), "{:?}", found.raw);
}

#[test]
fn natural_gradients_survive_rewriting() {
    let text = "param p: positive = 2\nparam n: negative = -2\nparam m: positive = 3\n\
                loss = (p - 1)^2 + (3 + n)^2 + log(1 + m)\n";
    let found = evaluate(text, 1, true);
    for (found, value) in found.natural.iter().zip([2.0, 2.0, 0.25]) {
        near(found[0], value);
    }
    for (found, value) in found.raw.iter().zip([4.0, -4.0, 0.75]) {
        near(*found, value);
    }
}

#[test]
fn derivatives_of_solutions_in_metrics() {
    let text = "param y0 = 1.5\nstate y = y0\ny' = -y\nloss = y(1)^2\nmetric g = grad(y(1), y0)\nsolve 0 .. 1\n";
    for gradient in [false, true] {
        near(evaluate(text, 1, gradient).metrics[0], (-1.0_f64).exp());
        near(evaluate(text, 20, gradient).metrics[0], (-1.0_f64).exp());
    }
    let with_parameter = text.replace("y' = -y", "y' = -k*y").replace("param y0", "param k = 1\nparam y0");
    near(evaluate(&with_parameter, 20, true).metrics[0], (-1.0_f64).exp());
}

#[test]
fn one_system_uses_the_solution_of_another() {
    let text = "param k = 0.5\nparam s = 1\node a(x) over 0 .. 5 {\n  state z = x\n  z' = -k*z\n}\nlet A = a(s)\n\
                let r = A.z(1)\nstate y = 1\ny' = -r*y\nloss = y(1)^2\nsolve 0 .. 1\n";
    let r = (-0.5_f64).exp();
    let found = evaluate(text, 1, true);
    near(found.loss, (-2.0 * r).exp());
    // d/ds exp(−2 s e^(−k)) = −2 e^(−k) loss
    near(found.raw[1], -2.0 * r * found.loss);
    near(found.raw[0], 2.0 * r * found.loss);
    let constant = text.replace("a(s)", "a(1)").replace("-k*z", "-z").replace("param k = 0.5\n", "");
    near(evaluate(&constant, 1, false).loss, (-2.0 * (-1.0_f64).exp()).exp());
}

#[test]
fn solves_that_need_one_another_are_not_joined() {
    let text = "param k = 1\node a(x) over 0 .. 5 {\n  state z = x\n  z' = -k*z\n}\n\
                ode b(x) over 0 .. 5 {\n  state z = x\n  z' = -0.5*z\n}\nlet A = a(1)\nlet B = b(1)\n\
                let a1 = A.z(1)\nlet b1 = B.z(1)\nlet a2 = A.z(b1)\nlet b2 = B.z(a1)\nloss = a1 + b1 + a2 + b2\n";
    let (a1, b1) = ((-1.0_f64).exp(), (-0.5_f64).exp());
    near(evaluate(text, 1, true).loss, a1 + b1 + (-b1).exp() + (-0.5 * a1).exp());
}

#[test]
fn a_loss_that_is_not_finite_is_named_as_the_cause() {
    let text = "param k = 1\nstate x = 1\nx' = -k*x\nloss = log(x(1) - 5)\nsolve 0 .. 1\n";
    let found = evaluate(text, 1, true);
    assert!(found.dropped[0].reason.starts_with("the loss is"), "{}", found.dropped[0].reason);
}
