//! Sparse Jacobians: their structure against derivatives, and models with them against the same with dense ones.

use crate::graphs::{Rng, interpret, random_graph, values};
use crate::implicit::{evaluate, open};
use proptest::prelude::*;
use pullback::compile::{Settings, compile, derive};
use pullback::diff;
use pullback::graph::{Graph, Leaf, dump};
use pullback::solve::Implicit;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn derivatives_are_zero_outside_of_the_pattern(seed in any::<u64>(), size in 1_usize..30) {
        let mut rng = Rng(seed);
        let mut r = random_graph(&mut rng, size);
        let data = values(&r.graph, &r.leaves, 1, &mut rng);
        for y in r.graph.reachable(&[r.output]) {
            for x in r.leaves.clone() {
                let Some(rows) = diff::pattern(&r.graph, y, x) else { continue };
                let jacobian = diff::jacobian(&mut r.graph, y, x).unwrap();
                let found = interpret(&r.graph, &r.leaves, &data, &[jacobian], 1).remove(0);
                let columns = r.graph.size(x);
                for (k, value) in found.iter().enumerate() {
                    let (i, j) = (k / columns, k % columns);
                    prop_assert!(
                        *value == 0.0 || rows[i].contains(&(j as u32)),
                        "d{i}/d{j} = {value}, {:?}\n{}", rows[i], dump(&r.graph, &[y])
                    );
                }
            }
        }
    }
}

/// A five-point stencil, as one convolution with a kernel that has zeros.
#[test]
fn the_pattern_of_a_convolution_leaves_out_zeros_of_its_kernel() {
    let mut g = Graph::new();
    let (n, m) = (4, 5);
    let flat = g.leaf(Leaf::State(0), &[n * m]);
    let image = g.reshape(flat, &[1, 1, n, m]);
    let entries = [0.0, 1.0, 0.0, 1.0, -4.0, 1.0, 0.0, 1.0, 0.0].map(|x| g.full(x, &[1]));
    let kernel = g.concat(0, &entries);
    let kernel = g.reshape(kernel, &[1, 1, 3, 3]);
    let y = g.conv(image, kernel, 1, 1);
    let rows = diff::pattern(&g, y, flat).unwrap();
    assert_eq!(rows[0], [0, 1, 5]);
    assert_eq!(rows[7], [2, 6, 7, 8, 12]);
}

/// The Brusselator with diffusion on a line (Hairer, Wanner, Solving Ordinary Differential Equations II, section IV.10).
/// With `dense`, every component depends on all others with weight 0, which no compiler may know.
fn brusselator(points: usize, solve: &str, dense: bool) -> String {
    let coupling = if dense { " + none*sum(u)*sum(v)" } else { "" };
    format!(
        "model Brusselator\ndim N = {points}\nparam diffusion: positive = 0.02\nparam none = 0\n\
         state u: [N] = 1 + tensor(i: sin(2*pi*linspace(1/(N + 1), N/(N + 1), N)[i]))\nstate v: [N] = fill(3)\n\
         let scale = diffusion*(N + 1)^2\n\
         u' = 1 + u*u*v - 4*u + scale*([[1], u[0:N - 1]] - 2*u + [u[1:N], [1]]){coupling}\n\
         v' = 3*u - u*u*v + scale*([[3], v[0:N - 1]] - 2*v + [v[1:N], [3]]){coupling}\n\
         loss = sum(u(10)^2) + 0*none\nsolve {solve}, 0 .. 10\n"
    )
}

fn directions(text: &str) -> Option<usize> {
    let derived = derive(&open(text).lowered, &Settings::default()).unwrap();
    derived.systems[0].jacobian.as_ref().unwrap().sparsity.as_ref().map(|known| known.0.directions())
}

#[test]
fn a_stencil_is_sparse_and_a_coupling_is_not() {
    assert_eq!(directions(&brusselator(40, "rodas5p()", false)), Some(6));
    assert_eq!(directions(&brusselator(40, "rodas5p()", true)), None);
    // Too small to pay.
    assert_eq!(directions(&brusselator(5, "rodas5p()", false)), None);
}

/// The same steps, up to rounding. (Diffusion cannot be integrated backwards, so not `backsolve`.)
#[test]
fn sparse_and_dense_jacobians_give_the_same_gradient() {
    for method in Implicit::ALL {
        for gradient in ["discrete", "interpolated", "forward"] {
            let solve = format!("{}(rtol = 1e-6, atol = 1e-8, gradient = {gradient})", method.name());
            let [sparse, dense] = [false, true].map(|dense| {
                let found = evaluate::<f64>(open(&brusselator(12, &solve, dense)), &[0], 1);
                [found.loss, found.natural[0][0]]
            });
            for (a, b) in sparse.iter().zip(&dense) {
                assert!((a / b - 1.0).abs() < 1e-7, "{solve}: {sparse:?} {dense:?}");
            }
        }
    }
}

/// Values by another program: `SciPy`'s Radau at a tolerance of 1e-12, the derivative by differences of fourth order.
#[test]
fn brusselator_with_diffusion_against_radau() {
    for method in Implicit::ALL {
        let solve = format!("{}(rtol = 1e-9, atol = 1e-9)", method.name());
        let found = evaluate::<f64>(open(&brusselator(40, &solve, false)), &[0], 1);
        let errors = [found.loss / 14.573_064_613_186_434 - 1.0, found.natural[0][0] / 276.945_478_465 - 1.0];
        assert!(errors.iter().all(|e| e.abs() < 2e-7), "{solve}: {errors:?}");
    }
}

#[test]
fn a_dense_jacobian_beyond_memory_is_refused() {
    let text = "dim N = 12000\nstate u: [N] = 1\nu' = -u*mean(u)\nloss = mean(u(1))\nsolve rodas5p, 0 .. 1\n";
    let found = derive(&open(text).lowered, &Settings::default()).map(|_| ());
    assert_eq!(found.unwrap_err().code, "N0312");
    let text = text.replace("u*mean(u)", "u");
    assert!(derive(&open(&text).lowered, &Settings::default()).is_ok());
}

/// Heat in the plane, its stencil a convolution with a kernel that has zeros: modes decay at their own rates.
#[test]
fn heat_in_the_plane_by_a_convolution() {
    let text = "dim N = 24\nparam k: positive = 0.1\n\
         let x = pi*linspace(1/(N + 1), N/(N + 1), N)\n\
         state u: [N, N] = tensor(i, j: sin(x[i])*sin(2*x[j]))\n\
         let kernel = reshape([0, 1, 0, 1, -4, 1, 0, 1, 0], 1, 1, 3, 3)\n\
         u' = k*(N + 1)^2*reshape(conv2d(reshape(u, 1, N, N), kernel, padding = 1), N, N)\n\
         loss = u(0.5)[5, 5]\nsolve kvaerno5(rtol = 1e-9, atol = 1e-9), 0 .. 0.5\n";
    assert!(directions(text).is_some_and(|n| n <= 7));
    let found = evaluate::<f64>(open(text), &[0], 1);
    let angle = |m: f64| m * std::f64::consts::PI / 25.0;
    let rate = -4.0 * 625.0 * ((angle(1.0) / 2.0).sin().powi(2) + (angle(2.0) / 2.0).sin().powi(2));
    let exact = angle(6.0).sin() * angle(12.0).sin() * (0.1 * rate * 0.5).exp();
    assert!((found.loss / exact - 1.0).abs() < 1e-6, "{} for {exact}", found.loss);
    let slope = found.natural[0][0];
    assert!((slope / (exact * rate * 0.5) - 1.0).abs() < 1e-5, "{slope} for {}", exact * rate * 0.5);
}

#[test]
fn single_precision_and_an_unstable_start() {
    let found = evaluate::<f32>(open(&brusselator(40, "kvaerno5(rtol = 1e-4, atol = 1e-5)", false)), &[0], 1);
    assert!((found.loss / 14.573_065 - 1.0).abs() < 1e-3, "{}", found.loss);
    // A Jacobian that is not finite is a failure, not a panic.
    let text = brusselator(40, "rodas5p()", false).replace("fill(3)", "fill(1e200)");
    let loaded = open(&text);
    let raw = pullback::model::unconstrain(&loaded.lowered, &pullback::model::initial(&loaded.lowered, 7));
    let model = compile::<f64>(loaded.lowered, &Settings { lanes: 1, ..Settings::default() }).unwrap();
    let batch = pullback::model::Batch { data: None, samples: &[0], seed: 3, step: 0 };
    assert_eq!(model.evaluate(model.gradient.as_ref().unwrap(), &raw, &batch).dropped.len(), 1);
}
