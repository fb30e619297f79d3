//! Properties of random graphs: interpreter = native code, and the derivative sweeps against each other.

use crate::graphs::{Rng, close, interpret, native, random_graph, values};
use proptest::prelude::*;
use pullback::diff::{self, Mode};
use pullback::graph::{dump, verify};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn native_code_agrees_with_the_interpreter(seed in any::<u64>(), size in 1_usize..40, lanes in prop::sample::select(vec![1_usize, 2, 3, 8, 11])) {
        let mut rng = Rng(seed);
        let r = random_graph(&mut rng, size);
        prop_assert!(verify(&r.graph).is_empty(), "{:?}", verify(&r.graph));
        let data = values(&r.graph, &r.leaves, lanes, &mut rng);
        let meaning = interpret(&r.graph, &r.leaves, &data, &[r.output], lanes);
        let text = dump(&r.graph, &[r.output]);
        close(&native::<f64>(&r.graph, &r.leaves, &data, &[r.output], lanes), &meaning, 1e-12, &text);
        close(&native::<f32>(&r.graph, &r.leaves, &data, &[r.output], lanes), &meaning, 2e-4, &text);
    }

    #[test]
    fn reverse_and_forward_sweeps_are_transposes(seed in any::<u64>(), size in 1_usize..30) {
        let mut rng = Rng(seed);
        let mut r = random_graph(&mut rng, size);
        let g = &mut r.graph;
        let one = g.scalar(1.0);
        let bars = diff::vjp(g, &[(r.output, one)], &r.leaves, Mode::PerSample).unwrap();
        let mut seeds = Vec::new();
        let mut pairs = Vec::new();
        for (k, (&x, bar)) in r.leaves.iter().zip(&bars).enumerate() {
            let shape = g.shape(x).clone();
            let dot = g.leaf(pullback::graph::Leaf::Noise(k as u32), &shape);
            seeds.push((x, dot));
            if let Some(bar) = bar {
                let p = g.times(*bar, dot);
                pairs.push(g.sum(p));
            }
        }
        let mut through_vjp = g.scalar(0.0);
        for p in pairs {
            through_vjp = g.plus(through_vjp, p);
        }
        let through_jvp = diff::jvp(g, &[r.output], &seeds).unwrap()[0].unwrap_or(through_vjp);
        prop_assert!(verify(g).is_empty(), "{:?}", verify(g));
        let given: Vec<_> = r.leaves.iter().copied().chain(seeds.iter().map(|s| s.1)).collect();
        let data = values(g, &given, 4, &mut rng);
        let found = native::<f64>(g, &given, &data, &[through_vjp, through_jvp], 4);
        let lanes = |v: &Vec<f64>| if v.len() == 1 { vec![v[0]; 4] } else { v.clone() };
        close(&[lanes(&found[0])], &[lanes(&found[1])], 1e-12, "⟨w, Jv⟩ = ⟨Jᵀw, v⟩");
    }
}

/// A derivative with respect to a node must see every use of it, whatever is trivially simplified on the way.
#[test]
fn derivatives_with_respect_to_a_reshaped_slice_see_its_uses() {
    use pullback::graph::{Graph, Leaf, Unary};
    let mut g = Graph::new();
    let flat = g.leaf(Leaf::State(0), &[2]);
    let part = g.slice(flat, &[1], &[1]);
    let p = g.reshape(part, &[]);
    let wide = g.reshape(p, &[1]);
    let energy = g.map1(Unary::Sin, wide);
    let energy = g.reshape(energy, &[]);
    let slope = diff::gradient(&mut g, energy, p).unwrap();
    let found = native::<f64>(&g, &[flat], &[vec![0.3, 0.7]], &[slope], 1);
    close(&found, &[vec![0.7_f64.cos()]], 1e-14, "slope");
}
