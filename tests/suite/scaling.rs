//! Compile time grows linearly with the model.

use crate::graphs::native;
use pullback::graph::{Graph, Leaf, NodeId, Unary};
use std::time::{Duration, Instant};

/// A chain of scalar operations with long-range uses, as a generated model has.
fn chain(n: usize) -> (Graph, NodeId, NodeId) {
    let mut g = Graph::new();
    let x = g.leaf(Leaf::Input(0), &[]);
    let mut last = vec![x];
    for k in 0..n / 2 {
        let a = last[last.len() - 1];
        let b = last[last.len() / 2];
        let c = g.scale(0.5 + (k % 7) as f64 * 1e-3, a);
        let d = if k % 50 == 0 { g.map1(Unary::Tanh, c) } else { g.minus(c, b) };
        last.push(d);
    }
    let y = last[last.len() - 1];
    (g, x, y)
}

fn time(n: usize) -> Duration {
    let (g, x, y) = chain(n);
    let start = Instant::now();
    native::<f64>(&g, &[x], &[vec![0.3]], &[y], 1);
    start.elapsed()
}

#[test]
fn of_scalar_chains_up_to_100_000_nodes() {
    time(1_000);
    let (small, large) = (time(10_000), time(100_000));
    let ratio = large.as_secs_f64() / small.as_secs_f64();
    assert!(ratio < 25.0, "ten times the nodes took {ratio} times as long: {small:?}, {large:?}");
}
