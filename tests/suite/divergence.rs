//! The exact divergence of a network: its cost and its value.

use crate::graphs::{Rng, close, interpret, values};
use pullback::diff;
use pullback::graph::{Graph, Leaf, NodeId, Unary};
use pullback::opt;

/// tanh layers over a batched x, parameters shared.
fn network(g: &mut Graph, sizes: &[usize]) -> (NodeId, NodeId) {
    let x = g.leaf(Leaf::Input(0), &[sizes[0]]);
    let mut h = x;
    for (k, w) in sizes.windows(2).enumerate() {
        let k = k as u32;
        let weight = g.leaf(Leaf::Param(2 * k), &[w[1], w[0]]);
        let bias = g.leaf(Leaf::Param(2 * k + 1), &[w[1]]);
        let product = g.einsum_text("ab,b->a", &[weight, h]);
        h = g.plus(product, bias);
        if k as usize + 2 < sizes.len() {
            h = g.map1(Unary::Tanh, h);
        }
    }
    (x, h)
}

fn cost(g: &Graph, root: NodeId) -> u64 {
    let ready = opt::contract(g, &[root]);
    opt::multiply_adds(&ready.graph, &ready.roots)
}

/// The divergence alone, without what it shares with the forward pass.
fn costs(sizes: &[usize]) -> (u64, u64) {
    let mut g = Graph::new();
    let (x, y) = network(&mut g, sizes);
    let forward = cost(&g, y);
    let div = diff::divergence(&mut g, y, x).unwrap();
    let both = opt::contract(&g, &[y, div]);
    let total = opt::multiply_adds(&both.graph, &both.roots);
    (forward, total - forward)
}

#[test]
fn of_two_hidden_layers_costs_at_most_a_forward_pass() {
    for d in [2, 16, 64] {
        let (forward, div) = costs(&[d, 64, 64, d]);
        assert!(div <= forward, "D = {d}: {div} multiply-adds against {forward}");
    }
}

#[test]
fn of_three_hidden_layers_costs_at_most_the_jacobian() {
    for d in [2, 16, 64] {
        let (forward, div) = costs(&[d, 64, 64, 64, d]);
        assert!(div <= (d as u64 + 1) * forward, "D = {d}: {div} multiply-adds against {forward}");
    }
}

#[test]
fn is_the_trace_of_differences() {
    for sizes in [vec![3, 8, 3], vec![3, 8, 5, 3], vec![3, 8, 5, 6, 3]] {
        let mut g = Graph::new();
        let (x, y) = network(&mut g, &sizes);
        let div = diff::divergence(&mut g, y, x).unwrap();
        let leaves: Vec<NodeId> = g.ids().filter(|&id| matches!(g.node(id).op, pullback::graph::Op::Leaf(_))).collect();
        let data = values(&g, &leaves, 2, &mut Rng(7));
        let ready = opt::contract(&g, &[div]);
        let mut h = ready.graph;
        let mapped: Vec<NodeId> = leaves.iter().map(|&l| h.add(g.node(l).clone())).collect();
        let found = interpret(&h, &mapped, &data, &ready.roots, 2);
        let position = leaves.iter().position(|&l| l == x).unwrap();
        let mut trace = vec![0.0; 2];
        for lane in 0..2 {
            for i in 0..3 {
                let moved = |s: f64| {
                    let mut data = data.clone();
                    data[position][i * 2 + lane] += s;
                    interpret(&g, &leaves, &data, &[y], 2)[0][i * 2 + lane]
                };
                trace[lane] += (moved(1e-5) - moved(-1e-5)) / 2e-5;
            }
        }
        close(&found, &[trace], 1e-8, "divergence");
    }
}
