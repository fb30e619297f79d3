//! Outer products of one sample that are summed for many pull-backs at once give the gradient of those that are not.

use crate::kept::{evaluate as gradient, read as lowered};
use crate::shared_time::near;
use pullback::compile::{Settings, derive, gathered};
use pullback::model::Evaluated;

/// The first two layers have products worth gathering, the last one, of 3 × 40 entries, has not; the first reads the state
/// and a value of the sample, and what is added to it is read twice.
const NET: &str = "\
use nn
noise n: [40] ~ normal(0, 1)
param b: [40] = 0.1
net f: [40] -> [40] = dense(40)
net g: [40] -> [3] = tanh |> dense(40) |> tanh |> dense(3)
state z: [3] = n[0:3]
z' = g(f([z, n[3:40]]) + b) + 0.01*sum(b) - z
loss = sum(z(1)^2) + sum(z(0.4))
solve {method}, 0 .. 1
";

fn evaluate(method: &str, count: usize, lanes: usize) -> Evaluated {
    gradient(lowered(&NET.replace("{method}", method)), count, lanes)
}

#[test]
fn large_products_of_one_sample_are_gathered() {
    let model = lowered(&NET.replace("{method}", "dopri5"));
    let derived = derive(&model, &Settings::default()).unwrap();
    let (g, parts, system) = (&derived.graph, &derived.systems[0], &model.systems[0]);
    let found = gathered(g, parts, system, 1).expect("products of 40 × 40 entries");
    let products = found.sums.iter().filter(|s| g.size(s.single) >= 1600).count();
    assert_eq!((products, found.factors.len()), (2, 4));
    // The bias of the second layer and what is added after the first are sums of a factor.
    assert!(found.sums.len() > products, "no sum of a factor");
    assert!(gathered(g, parts, system, 2).is_none(), "two samples");
    let small = lowered(&NET.replace("{method}", "dopri5").replace("40", "20"));
    let derived = derive(&small, &Settings::default()).unwrap();
    assert!(gathered(&derived.graph, &derived.systems[0], &small.systems[0], 1).is_none(), "small products");
}

/// A network that is used twice with one cotangent: its biases' terms are one node, counted twice.
#[test]
fn a_term_that_comes_twice_counts_twice() {
    let text = "\
use nn
noise n: [40] ~ normal(0, 1)
net f: [40] -> [40] = dense(40)
state u: [40] = n
state v: [40] = 2*n
u' = f(u) + f(v)
v' = -v
loss = sum(u(1)^2)
solve dopri5, 0 .. 1
";
    let model = lowered(text);
    let derived = derive(&model, &Settings::default()).unwrap();
    let found = gathered(&derived.graph, &derived.systems[0], &model.systems[0], 1).expect("two products");
    let terms: Vec<_> = found.sums.iter().map(|s| (s.target, s.single)).collect();
    assert!((1..terms.len()).any(|i| terms[..i].contains(&terms[i])), "no term comes twice");
    near(&gradient(lowered(text), 1, 1), &gradient(lowered(text), 1, 2), 1e-11);
}

/// Fewer pull-backs than are gathered, some more, and many.
#[test]
fn the_same_gradient_as_without() {
    for method in [
        "euler(dt = 1/4)",
        "rk4(dt = 1/4)",
        "rk4(dt = 1/16)",
        "dopri5",
        "dopri5(memory = \"64 KiB\")",
        "dopri5(gradient = backsolve, rtol = 1e-11, atol = 1e-11)",
        "dopri5(gradient = interpolated, rtol = 1e-11, atol = 1e-11)",
        "adams",
    ] {
        near(&evaluate(method, 1, 1), &evaluate(method, 1, 2), 1e-11);
        near(&evaluate(method, 3, 1), &evaluate(method, 3, 3), 1e-8);
    }
}

/// Implicit methods pull back through Jacobians too.
#[test]
fn implicit_methods() {
    let exact = evaluate("dopri5(rtol = 1e-11, atol = 1e-11)", 2, 2);
    for method in ["kvaerno5", "rodas5p", "bdf"] {
        near(&evaluate(&format!("{method}(rtol = 1e-9, atol = 1e-9)"), 2, 2), &exact, 1e-6);
    }
}
