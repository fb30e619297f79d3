//! Samples that step together share their time: what depends on time alone is computed once for all of them.

use pullback::codegen::Backend;
use pullback::compile::{Derived, Settings, compile, derive};
use pullback::graph::{Leaf, Op, Unary};
use pullback::load::{Request, load};
use pullback::lower::Lowered;
use pullback::model::{Batch, Evaluated, initial, unconstrain};

/// A flow whose weights are a network of time; `{solve}` is replaced.
const FLOW: &str = "\
use nn
noise n: [2] ~ normal(0, 1)
net hyper: [1] -> [6] = dense(5) |> tanh |> dense(6)
state z: [2] = {start}
state gain = 0
let p = hyper([t])
let v = [p[0]*sin(p[1]*z[0] + p[2]*z[1]), p[3]*z[0]*z[1] + p[4]*t + p[5]]
z' = v
gain' = div(v, z)
loss = sum(z(1)^2)/10 + gain(1) + sum(z(0.4))
solve rk4(dt = 1/8{options}), 0 .. 1
";

fn lowered(start: &str, options: &str) -> Lowered {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("m.node");
    std::fs::write(&file, FLOW.replace("{start}", start).replace("{options}", options)).unwrap();
    load(&Request { path: file, ..Request::default() })
        .unwrap_or_else(|r| panic!("{}", pullback::diag::render(&r.problems, &r.sources, false)))
        .lowered
}

fn derived(options: &str, inputs: bool) -> Derived {
    let settings = Settings { lanes: 8, inputs, ..Settings::default() };
    derive(&lowered("n", options), &settings).unwrap_or_else(|d| panic!("{d:?}"))
}

/// Whether the network of time is batched in the right-hand side.
fn per_sample(derived: &Derived) -> bool {
    let g = &derived.graph;
    let mut layers = g.reachable(&[derived.systems[0].rhs]).into_iter();
    layers.any(|id| g.node(id).op == Op::Map1(Unary::Tanh) && g.batched(id))
}

fn evaluate(start: &str, options: &str, count: usize, lanes: usize, backend: Backend) -> Evaluated {
    let lowered = lowered(start, options);
    let raw = unconstrain(&lowered, &initial(&lowered, 3));
    let model = compile::<f64>(lowered, &Settings { lanes, backend, threads: 2, ..Settings::default() })
        .unwrap_or_else(|d| panic!("{d:?}"));
    let samples: Vec<usize> = (0..count).collect();
    let batch = Batch { data: None, samples: &samples, seed: 5, step: 0 };
    model.evaluate(model.gradient.as_ref().unwrap(), &raw, &batch)
}

#[test]
fn weights_of_time_are_computed_once() {
    assert!(per_sample(&derived("", false)), "samples that step on their own have their own time");
    let shared = derived(", step = batch", false);
    assert!(!per_sample(&shared));
    let g = &shared.graph;
    let bars = shared.systems[0].bars.clone().unwrap();
    assert_eq!(bars[1], None, "time has no cotangent that anybody reads");
    let roots: Vec<_> = bars.into_iter().flatten().chain([shared.systems[0].rhs]).collect();
    assert!(!g.reachable(&roots).iter().any(|&id| g.node(id).op == Op::Leaf(Leaf::Time)));
}

#[test]
fn the_same_gradient_as_samples_that_step_alone() {
    for (count, lanes) in [(3, 3), (5, 8), (130, 160)] {
        for gradient in ["", ", gradient = backsolve"] {
            let alone = evaluate("n", gradient, count, 8, Backend::Jit);
            for backend in [Backend::Jit, Backend::Interpreter] {
                let together = evaluate("n", &format!("{gradient}, step = batch"), count, lanes, backend);
                near(&alone, &together, 1e-12);
            }
        }
    }
}

#[test]
fn a_sample_that_fails_takes_no_other_along() {
    // log n is not a number for about half of the samples.
    for gradient in ["", ", gradient = backsolve"] {
        let alone = evaluate("[log(n[0]), n[1]]", gradient, 20, 8, Backend::Jit);
        let together = evaluate("[log(n[0]), n[1]]", &format!("{gradient}, step = batch"), 20, 24, Backend::Jit);
        assert!(alone.dropped.len() > 3, "{}", alone.dropped.len());
        assert_eq!(alone.dropped.len(), together.dropped.len());
        near(&alone, &together, 1e-12);
    }
}

#[test]
fn a_tile_in_slices_gives_the_same_gradient() {
    // 160 lanes are five slices; with 20 samples all but one are padding.
    let more = ["", ", gradient = interpolated", ", stops = [0.3, 0.55]", ", memory = \"400 B\""];
    for (start, options) in more.map(|options| ("n", options)).into_iter().chain([("[log(n[0]), n[1]]", "")]) {
        for count in [20, 130] {
            let alone = evaluate(start, options, count, 8, Backend::Jit);
            let together = evaluate(start, &format!("{options}, step = batch"), count, 160, Backend::Jit);
            assert_eq!(alone.dropped.len(), together.dropped.len());
            assert_eq!(alone.forward.accepted, together.forward.accepted, "{options}");
            near(&alone, &together, 1e-12);
        }
    }
}

/// Two evaluations have the same loss and gradient, to a tolerance relative to the largest entry.
pub fn near(a: &Evaluated, b: &Evaluated, tolerance: f64) {
    let pairs = a.raw.iter().zip(&b.raw).chain(std::iter::once((&a.loss, &b.loss)));
    let size = a.raw.iter().fold(a.loss.abs(), |size, x| size.max(x.abs()));
    assert!(size.is_finite() && size > 0.0);
    for (x, y) in pairs {
        assert!((x - y).abs() <= tolerance * size, "{x} and {y}");
    }
}
