//! Models with implicit methods: compiled Jacobians, gradients against golden values and explicit methods.

use pullback::compile::{Settings, compile};
use pullback::load::{Loaded, Request, load};
use pullback::model::{Batch, Evaluated, Number, initial, unconstrain};
use pullback::solve::Implicit;
use serde_json::Value;

pub fn open(text: &str) -> Loaded {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("model.node");
    std::fs::write(&file, text).unwrap();
    load(&Request { path: file, ..Request::default() })
        .unwrap_or_else(|r| panic!("{}", pullback::diag::render(&r.problems, &r.sources, false)))
}

/// Loss and gradient of these draws with the initial parameters.
pub fn evaluate<T: Number>(loaded: Loaded, samples: &[usize], lanes: usize) -> Evaluated {
    let raw = unconstrain(&loaded.lowered, &initial(&loaded.lowered, 7));
    let model = compile::<T>(loaded.lowered, &Settings { lanes, ..Settings::default() }).unwrap();
    let batch = Batch { data: None, samples, seed: 3, step: 0 };
    let found = model.evaluate(model.gradient.as_ref().unwrap(), &raw, &batch);
    assert!(found.dropped.is_empty(), "{:?}", found.dropped);
    found
}

fn robertson(method: &str) -> String {
    format!(
        "model Robertson\nparam k1: positive = 0.04\nparam k2: positive = 3e7\nparam k3: positive = 1e4\n\
         state x = 1\nstate y = 0\nstate z = 0\nlet slow = k1*x\nlet fast = k2*y^2\nlet back = k3*y*z\n\
         x' = back - slow\ny' = slow - back - fast\nz' = fast\nloss = z(1e5)\nsolve {method}, 0 .. 1e5\n"
    )
}

/// Two independent programs agree on the values (tests/golden/golden.json).
#[test]
fn robertson_golden_gradient_through_compiled_jacobians() {
    let text = std::fs::read_to_string("tests/golden/golden.json").unwrap();
    let golden: Value = serde_json::from_str(&text).unwrap();
    let golden = &golden["workloads"]["robertson"];
    let rates = &golden["dparams"][0]["values"];
    for method in Implicit::ALL {
        let name = method.name();
        for (options, within) in [("rtol = 1e-6, atol = 1e-10", 4e-6), ("rtol = 1e-9, atol = 1e-13", 2e-8)] {
            for gradient in ["discrete", "forward"] {
                let text = robertson(&format!("{name}({options}, gradient = {gradient})"));
                let found = evaluate::<f64>(open(&text), &[0], 1);
                assert!((found.loss - golden["radau_loss"].as_f64().unwrap()).abs() < within, "{name}: {}", found.loss);
                for (k, natural) in found.natural.iter().enumerate() {
                    let error = natural[0] / rates[k].as_f64().unwrap() - 1.0;
                    let what = format!("{name}({options}), {gradient}, k{}", k + 1);
                    eprintln!("{what}: {error:e}");
                    assert!(error.abs() < within, "{what}: relative error {error:e}");
                }
            }
        }
    }
}

#[test]
fn robertson_in_single_precision() {
    let found = evaluate::<f32>(open(&robertson("rodas5p(rtol = 1e-4, atol = 1e-8)")), &[0], 1);
    assert!((found.loss - 0.982_134).abs() < 1e-3, "{}", found.loss);
    assert!((found.natural[0][0] / 0.793_048_6 - 1.0).abs() < 1e-2, "{:?}", found.natural);
}

/// Stiff, not autonomous, with a network, a parameter on which the start depends, and inputs of the sample inside of
/// the right-hand side.
fn driven(method: &str) -> String {
    format!(
        "model Driven\nuse nn\nnoise e: [2] ~ normal(0, 1)\nnoise w: [] ~ uniform(1, 2)\n\
         net f: [3] -> [2] = dense(6) |> tanh |> dense(2)\nparam rate: positive = 60\nparam s: [2] = 0.3\n\
         state z: [2] = s*e\nstate q = 1\nz' = f([z, sin(w*t)]) - 0.1*z\nq' = -rate*(q - cos(t)*z[0])\n\
         let ts = linspace(0, 3, 5)\nloss = sum(z(ts)^2) + sum(q(ts)^3)\nsolve {method}, 0 .. 3\n"
    )
}

#[test]
fn implicit_and_explicit_gradients_agree() {
    let tight = "(rtol = 1e-10, atol = 1e-12)";
    let samples = [0, 1, 2, 3, 4];
    let explicit = evaluate::<f64>(open(&driven(&format!("tsit5{tight}"))), &samples, 8);
    let size = explicit.raw.iter().fold(0.0_f64, |m, x| m.max(x.abs()));
    for method in Implicit::ALL {
        let found = evaluate::<f64>(open(&driven(&format!("{}{tight}", method.name()))), &samples, 8);
        assert!((found.loss / explicit.loss - 1.0).abs() < 1e-8, "{}", method.name());
        for (k, (x, y)) in found.raw.iter().zip(&explicit.raw).enumerate() {
            assert!((x - y).abs() < 1e-7 * size, "{}, parameter {k}: {x} instead of {y}", method.name());
        }
    }
}

/// At any tolerance: the reverse is that of the steps taken. With fixed steps, differences see the same map.
#[test]
fn discrete_gradient_is_exact_at_large_steps() {
    for method in ["rodas5p", "kvaerno5"] {
        let solver = format!("{method}(dt = 0.35, rtol = 1e-12, atol = 1e-12)");
        let loaded = open(&driven(&solver));
        let raw = unconstrain(&loaded.lowered, &initial(&loaded.lowered, 7));
        let model = compile::<f64>(loaded.lowered, &Settings::default()).unwrap();
        let batch = Batch { data: None, samples: &[0, 1], seed: 3, step: 0 };
        let found = model.evaluate(model.gradient.as_ref().unwrap(), &raw, &batch);
        let loss = |raw: &[f64]| model.evaluate(model.value.as_ref().unwrap(), raw, &batch).loss;
        for k in 0..raw.len() {
            let along = |h: f64| {
                let mut moved = raw.clone();
                moved[k] += h;
                loss(&moved)
            };
            let h = 1e-3;
            let difference = (8.0 * (along(h) - along(-h)) - (along(2.0 * h) - along(-2.0 * h))) / (12.0 * h);
            let off = (found.raw[k] - difference).abs();
            assert!(off < 1e-8 * (1.0 + difference.abs()), "{method}, parameter {k}: off by {off:e} of {difference}");
        }
    }
}

/// The adjoint equation, along the steps or backwards beside z: the same as the exact reverse, at these tolerances.
#[test]
fn adjoint_equations_agree_with_the_exact_reverse() {
    for method in Implicit::ALL {
        let gradient = |name: &str, rtol: &str| {
            let solver = format!("{}(rtol = {rtol}, atol = {rtol}, gradient = {name})", method.name());
            evaluate::<f64>(open(&driven(&solver)), &[0, 1, 2], 1).raw
        };
        let exact = gradient("discrete", "1e-9");
        let size = exact.iter().map(|x| x.abs()).fold(0.0, f64::max);
        for name in ["interpolated", "backsolve"] {
            let found = gradient(name, "1e-8");
            let off = found.iter().zip(&exact).map(|(x, y)| (x - y).abs()).fold(0.0, f64::max) / size;
            eprintln!("{} {name}: {off:e}", method.name());
            assert!(off < 1e-5, "{} {name}: {off:e}", method.name());
        }
    }
}

/// A stiff system cannot be integrated backwards; along the steps that were taken its gradient is the published one.
#[test]
fn robertson_golden_gradient_along_the_steps() {
    let text = std::fs::read_to_string("tests/golden/golden.json").unwrap();
    let golden: Value = serde_json::from_str(&text).unwrap();
    let rates = &golden["workloads"]["robertson"]["dparams"][0]["values"];
    for (method, within) in [("kvaerno5", 1e-4), ("rodas5p", 1e-5), ("bdf", 1e-4), ("auto", 1e-5)] {
        let text = robertson(&format!("{method}(rtol = 1e-8, atol = 1e-12, gradient = interpolated)"));
        let found = evaluate::<f64>(open(&text), &[0], 1);
        for (k, natural) in found.natural.iter().enumerate() {
            let error = natural[0] / rates[k].as_f64().unwrap() - 1.0;
            eprintln!("{method}, k{}: {error:e}", k + 1);
            assert!(error.abs() < within, "{method}, k{}: relative error {error:e}", k + 1);
        }
    }
}
