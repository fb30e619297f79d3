//! Right-hand sides that leave values for their pull-backs give the gradient of those that do not.

use crate::shared_time::near;
use pullback::compile::{Settings, compile, derive, kept};
use pullback::graph::{Op, Unary};
use pullback::load::{Request, load};
use pullback::lower::Lowered;
use pullback::model::{Batch, Evaluated, initial, unconstrain};
use pullback::solve::Stepping;

const NET: &str = "\
use nn
noise n: [3] ~ normal(0, 1)
net f: [4] -> [3] = dense(7) |> tanh |> dense(6) |> sigmoid |> dense(3)
state z: [3] = {start}
state gain = 0
let v = f([z, t])/(1 + sum(z^2)) + 0.1*exp(-z)
z' = v
gain' = div(v, z)
loss = sum(z(1)^2) + gain(1) + sum(z(0.4))
solve {method}, 0 .. 1
";

fn lowered(start: &str, method: &str) -> Lowered {
    read(&NET.replace("{start}", start).replace("{method}", method))
}

/// A model by its text.
pub fn read(text: &str) -> Lowered {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("m.node");
    std::fs::write(&file, text).unwrap();
    load(&Request { path: file, ..Request::default() })
        .unwrap_or_else(|r| panic!("{}", pullback::diag::render(&r.problems, &r.sources, false)))
        .lowered
}

/// Loss and gradient of the first samples, in tiles of so many lanes.
pub fn evaluate(lowered: Lowered, count: usize, lanes: usize) -> Evaluated {
    let raw = unconstrain(&lowered, &initial(&lowered, 3));
    let model = compile::<f64>(lowered, &Settings { lanes, threads: 2, inputs: true, ..Settings::default() })
        .unwrap_or_else(|d| panic!("{d:?}"));
    let samples: Vec<usize> = (0..count).collect();
    let batch = Batch { data: None, samples: &samples, seed: 5, step: 0 };
    model.evaluate(model.gradient.as_ref().unwrap(), &raw, &batch)
}

#[test]
fn activations_are_kept_and_what_follows_from_them_is_not() {
    let lowered = lowered("n", "dopri5(step = batch)");
    let derived = derive(&lowered, &Settings { lanes: 8, ..Settings::default() }).unwrap();
    let g = &derived.graph;
    let system = &lowered.systems[0];
    let found = kept(g, &derived.systems[0], system, 8);
    let of = |f: Unary| found.iter().filter(|&&id| g.node(id).op == Op::Map1(f)).count();
    assert_eq!((of(Unary::Tanh), of(Unary::Sigmoid), of(Unary::Exp)), (1, 1, 1));
    assert!(found.iter().all(|&id| !matches!(g.node(id).op, Op::Leaf(_) | Op::Reshape | Op::Slice(_))));
    // Samples that step on their own leave the same, unless even their stages are computed again.
    let mut apart = system.clone();
    apart.options.stepping = Stepping::PerSample;
    assert_eq!(kept(g, &derived.systems[0], &apart, 8), found);
    apart.options.keep_stages = false;
    assert!(kept(g, &derived.systems[0], &apart, 8).is_empty());
}

#[test]
fn the_same_gradient_as_without() {
    for method in ["dopri5", "dopri8", "bosh3", "rk4(dt = 1/16)", "tsit5(stops = [0.3])"] {
        let together = method.replacen(')', ", step = batch)", 1);
        let together = if together.contains('(') { together } else { format!("{method}(step = batch)") };
        let sample = |lanes| evaluate(lowered("n", method), 1, lanes);
        near(&sample(1), &sample(2), 1e-11);
        let several = |count, lanes| evaluate(lowered("n", &together), count, lanes);
        let fixed = evaluate(lowered("n", method), 130, 64);
        near(&several(5, 8), &several(5, 5), 1e-11);
        if method.starts_with("rk4") {
            near(&several(130, 160), &fixed, 1e-11);
        }
    }
}

/// A small network: one sample takes whole steps in one kernel, several do not.
#[test]
fn whole_steps_of_a_network() {
    let text = "use nn\nnoise n: [2] ~ normal(0, 1)\nparam w = 0.3\n\
        net f: [2] -> [2] = dense(20) |> tanh |> dense(20) |> tanh |> dense(2)\nstate z: [2] = n\n\
        z' = f(z*cos(w*t)) - 0.1*z\nloss = sum(z(1)^2) + sum(z(w))\nsolve {method}, 0 .. 1\n";
    for method in ["dopri5", "bosh3", "vern7(rtol = 1e-9)", "rk4(dt = 1/16)", "tsit5(stops = [0.4])"] {
        let lowered = || read(&text.replace("{method}", method));
        let takes = |lanes| {
            let model = compile::<f64>(lowered(), &Settings { lanes, ..Settings::default() }).unwrap();
            model.systems[0].takes_whole_steps()
        };
        assert_eq!((takes(1), takes(2)), (true, false), "{method}");
        near(&evaluate(lowered(), 5, 1), &evaluate(lowered(), 5, 2), 1e-11);
    }
}

/// Samples with steps of their own, in tiles of several: some reject attempts that others accept, and they end at
/// different ones.
#[test]
fn steps_of_their_own() {
    let start = "[exp(2*n[0]), 4*n[1], n[2]]";
    for method in
        ["dopri5(first_step = 0.5)", "bosh3(rtol = 1e-5, first_step = 0.5)", "dopri8(rtol = 1e-9, first_step = 0.9)"]
    {
        let single = evaluate(lowered(start, method), 21, 1);
        let steps = |found: &Evaluated| (found.forward.accepted, found.forward.rejected);
        assert!(steps(&single).1 > 0, "{method}: no step was rejected");
        for lanes in [2, 8, 24] {
            let several = evaluate(lowered(start, method), 21, lanes);
            assert_eq!(steps(&several), steps(&single), "{method}, {lanes} lanes");
            near(&single, &several, 1e-10);
        }
    }
}

/// Some samples blow up on the way, or leave infinite values beside finite slopes: that must not get into the others'
/// gradient.
#[test]
fn samples_that_end_on_the_way() {
    let head = "use nn\nnoise n: [] ~ normal(0, 1)\nnet f: [1] -> [1] = dense(5) |> tanh |> dense(1)\n";
    let blow_up = "state z = 1 + n\nz' = f([z])[0] + z^2*exp(z)\nloss = z(0.2)\nsolve dopri5, 0 .. 0.2\n";
    let infinite = "state z = if n > 0.5 then 720 else n\nz' = f([z])[0] + tanh(exp(z)) + exp(-z^2)*cos(40*t)\n\
        loss = z(1)\nsolve dopri5(first_step = 0.5), 0 .. 1\n";
    for text in [blow_up, infinite] {
        let lowered = || read(&format!("{head}{text}"));
        let single = evaluate(lowered(), 30, 1);
        assert!(single.dropped.len() > 3 && single.dropped.len() < 27, "{} of 30 dropped", single.dropped.len());
        for lanes in [8, 32] {
            let several = evaluate(lowered(), 30, lanes);
            assert_eq!(several.dropped.len(), single.dropped.len(), "{text}");
            near(&single, &several, 1e-10);
        }
    }
}

#[test]
fn a_sample_that_fails_leaves_nothing() {
    let start = "[log(n[0]), n[1], n[2]]";
    let alone = evaluate(lowered(start, "rk4(dt = 1/16)"), 20, 8);
    let together = evaluate(lowered(start, "rk4(dt = 1/16, step = batch)"), 20, 24);
    assert!(alone.dropped.len() > 3 && alone.dropped.len() < 17);
    assert_eq!(alone.dropped.len(), together.dropped.len());
    near(&alone, &together, 1e-11);
}

#[test]
fn slices_with_much_work_are_shared_out_to_threads() {
    // From some 3,750 multiply-adds a sample on, 160 samples are worth waking a thread for each stage.
    let wide = NET.replace("dense(7)", "dense(90)").replace("dense(6)", "dense(60)").replace("{start}", "n");
    for gradient in ["", ", gradient = backsolve", ", gradient = interpolated", ", memory = \"1 KiB\""] {
        let method = format!("rk4(dt = 1/8{gradient})");
        let alone = evaluate(read(&wide.replace("{method}", &method)), 130, 64);
        let together = method.replacen(')', ", step = batch)", 1);
        near(&alone, &evaluate(read(&wide.replace("{method}", &together)), 130, 160), 1e-11);
    }
}
