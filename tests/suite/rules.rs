//! Every rewrite rule: fires where its law says, gives the same values, and never makes the graph larger.

use crate::graphs::{Rng, close, interpret, random_graph, values};
use proptest::prelude::*;
use pullback::graph::{Binary, Graph, Leaf, NodeId, Op, Unary};
use pullback::opt::{self, rules::RULES};

/// A graph on which a rule must fire, and its root.
fn example(law: &str) -> (Graph, NodeId, NodeId) {
    let mut g = Graph::new();
    let x = g.leaf(Leaf::Input(0), &[5]);
    let (zero, one) = (g.full(0.0, &[5]), g.full(1.0, &[5]));
    let y = match law.split(' ').next().unwrap() {
        "f(constants)" => {
            let two = g.full(2.0, &[5]);
            let three = g.plus(two, one);
            g.times(x, three)
        }
        "x·1" => g.times(x, one),
        "x" => g.plus(x, zero),
        "−(−x)" => {
            let n = g.map1(Unary::Neg, x);
            g.map1(Unary::Neg, n)
        }
        "a" => {
            let n = g.map1(Unary::Neg, x);
            let e = g.map1(Unary::Exp, x);
            g.plus(e, n)
        }
        "x/c" => {
            let c = g.full(4.0, &[5]);
            g.over(x, c)
        }
        "x²" => {
            let c = g.full(3.0, &[5]);
            g.map2(Binary::Pow, x, c)
        }
        "log(1" => {
            let square = g.times(x, x);
            let s = g.plus(one, square);
            g.map1(Unary::Log, s)
        }
        "log(1+e^x)" => {
            let e = g.map1(Unary::Exp, x);
            g.map1(Unary::Log1p, e)
        }
        "f(a," => {
            let e = g.map1(Unary::Exp, x);
            g.times(e, x)
        }
        "if" => {
            let c = g.compare(pullback::graph::Relation::Less, x, zero);
            g.select(c, x, x)
        }
        "reshape(reshape(x))" => {
            let e = g.map1(Unary::Exp, x);
            let s = g.reshape(e, &[5, 1]);
            let t = g.reshape(s, &[1, 5]);
            g.sum(t)
        }
        _ => {
            let s = g.stop(x);
            g.stop(s)
        }
    };
    (g, x, y)
}

#[test]
fn every_rule_fires_and_keeps_the_value() {
    for rule in RULES {
        let law = if rule.law.starts_with("log(1 + e^x)") { "log(1+e^x)" } else { rule.law };
        let (g, x, y) = example(law);
        let fires = g.ids().any(|id| (rule.rewrite)(&mut g.clone(), g.node(id)).is_some());
        assert!(fires, "{}", rule.law);
        let simple = opt::simplify(&g, &[y]);
        let count = |g: &Graph, root: NodeId| g.reachable(&[root]).len();
        assert!(count(&simple.graph, simple.roots[0]) <= count(&g, y), "{} grows", rule.law);
        let data = vec![vec![-1.2, -0.3, 0.4, 0.9, 2.0]];
        let before = interpret(&g, &[x], &data, &[y], 1);
        let mut h = simple.graph;
        let x = h.leaf(Leaf::Input(0), &[5]);
        close(&interpret(&h, &[x], &data, &simple.roots, 1), &before, 1e-15, rule.law);
    }
}

/// Half powers become products, roots and reciprocals, with the limits and the domain of the power.
#[test]
fn powers_are_products() {
    let at = [0.0, 1e-310, 1e-60, 0.3, 1.0, 2.5, 1e60, f64::INFINITY, f64::NAN, -0.7, -1e60];
    for k in -8..=8 {
        let exponent = f64::from(k) / 2.0;
        let mut g = Graph::new();
        let x = g.leaf(Leaf::Input(0), &[at.len()]);
        let n = g.full(exponent, &[at.len()]);
        let y = g.map2(Binary::Pow, x, n);
        let simple = opt::simplify(&g, &[y]);
        let mut h = simple.graph;
        let root = simple.roots[0];
        assert!(!h.reachable(&[root]).iter().any(|&id| h.node(id).op == Op::Map2(Binary::Pow)), "{exponent}");
        let x = h.leaf(Leaf::Input(0), &[at.len()]);
        let found = interpret(&h, &[x], &[at.to_vec()], &[root], 1);
        for (x, y) in at.iter().zip(&found[0]) {
            let wanted = x.powf(exponent);
            let same = (wanted.is_nan() && y.is_nan()) || (wanted - y).abs() <= 1e-15 * wanted.abs() || wanted == *y;
            assert!(same, "{x}^{exponent} is {wanted}, not {y}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn passes_keep_the_values_of_random_graphs(seed in any::<u64>(), size in 1_usize..40) {
        let mut rng = Rng(seed);
        let r = random_graph(&mut rng, size);
        let data = values(&r.graph, &r.leaves, 3, &mut rng);
        let before = interpret(&r.graph, &r.leaves, &data, &[r.output], 3);
        for pass in [opt::simplify, opt::contract] {
            let mut after = pass(&r.graph, &[r.output]);
            let leaves: Vec<NodeId> = r.leaves.iter().map(|&l| after.graph.add(r.graph.node(l).clone())).collect();
            prop_assert!(pullback::graph::verify(&after.graph).is_empty());
            close(&interpret(&after.graph, &leaves, &data, &after.roots, 3), &before, 1e-12, "after a pass");
        }
    }
}
