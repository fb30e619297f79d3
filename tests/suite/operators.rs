//! Every operator of the tables: interpreter = native code, and first and second derivatives against differences.

use crate::graphs::{Rng, close, interpret, native};
use pullback::diff::{self, Mode};
use pullback::graph::{Binary, Graph, Leaf, NodeId, Relation, Unary};

/// An interval where the function is smooth.
fn range1(f: Unary) -> (f64, f64) {
    match f {
        Unary::Log | Unary::Sqrt => (0.2, 3.0),
        Unary::Log1p => (-0.7, 3.0),
        Unary::Asin | Unary::Acos => (-0.9, 0.9),
        Unary::Tan => (-1.3, 1.3),
        Unary::Lgamma | Unary::Digamma | Unary::Trigamma => (0.3, 6.0),
        Unary::Abs | Unary::Sign => (0.1, 2.0),
        Unary::Floor | Unary::Not => (0.1, 0.9),
        Unary::Neg
        | Unary::Exp
        | Unary::Expm1
        | Unary::Sin
        | Unary::Cos
        | Unary::Atan
        | Unary::Sinh
        | Unary::Cosh
        | Unary::Tanh
        | Unary::Sigmoid
        | Unary::Softplus
        | Unary::Erf => (-2.0, 2.0),
    }
}

fn range2(f: Binary) -> (f64, f64) {
    match f {
        Binary::Div | Binary::Pow | Binary::Atan2 => (0.3, 2.0),
        Binary::Add | Binary::Sub | Binary::Mul | Binary::Min | Binary::Max | Binary::Guard => (-2.0, 2.0),
    }
}

const N: usize = 7;

/// Checks y = f(x) (elementwise, [N] → [N]): jvp, vjp, the second derivative and the divergence against central
/// differences, and native code against the interpreter for all of them.
fn check(name: &str, g: &mut Graph, x: NodeId, y: NodeId, data: &[f64], others: &[(NodeId, Vec<f64>)]) {
    let dot = g.leaf(Leaf::Noise(8), &[N]);
    let bar = g.leaf(Leaf::Noise(9), &[N]);
    let zero = g.full(0.0, &[N]);
    let jvp = diff::jvp(g, &[y], &[(x, dot)]).unwrap()[0].unwrap_or(zero);
    let vjp = diff::vjp(g, &[(y, bar)], &[x], Mode::PerSample).unwrap()[0].unwrap_or(zero);
    let second = diff::jvp(g, &[jvp], &[(x, dot)]).unwrap()[0].unwrap_or(zero);
    let div = diff::divergence(g, y, x).unwrap();
    let mut rng = Rng(5);
    let direction: Vec<f64> = (0..N).map(|_| rng.between(-1.0, 1.0)).collect();
    let weight: Vec<f64> = (0..N).map(|_| rng.between(-1.0, 1.0)).collect();
    let mut given = vec![x, dot, bar];
    given.extend(others.iter().map(|o| o.0));
    let values = |x: &[f64]| {
        let mut v = vec![x.to_vec(), direction.clone(), weight.clone()];
        v.extend(others.iter().map(|o| o.1.clone()));
        v
    };
    let outputs = [y, jvp, vjp, second, div];
    let found = interpret(g, &given, &values(data), &outputs, 1);
    close(&native::<f64>(g, &given, &values(data), &outputs, 1), &found, 2e-13, name);
    close(&native::<f32>(g, &given, &values(data), &outputs, 1), &found, 2e-4, name);
    let h = 1e-4;
    let moved = |s: f64| data.iter().zip(&direction).map(|(x, d)| x + s * d).collect::<Vec<f64>>();
    let at = |s: f64, out: NodeId| interpret(g, &given, &values(&moved(s)), &[out], 1).remove(0);
    let difference = |out: NodeId| {
        let (a, b, c, d) = (at(-2.0 * h, out), at(-h, out), at(h, out), at(2.0 * h, out));
        (0..a.len()).map(|i| (a[i] - 8.0 * b[i] + 8.0 * c[i] - d[i]) / (12.0 * h)).collect::<Vec<f64>>()
    };
    close(&[found[1].clone()], &[difference(y)], 1e-8, &format!("{name}: jvp"));
    close(&[found[3].clone()], &[difference(jvp)], 1e-7, &format!("{name}: second derivative"));
    let forward: f64 = found[1].iter().zip(&weight).map(|(a, b)| a * b).sum();
    let reverse: f64 = found[2].iter().zip(&direction).map(|(a, b)| a * b).sum();
    assert!(
        (forward - reverse).abs() <= 1e-12 * (1.0 + forward.abs()),
        "{name}: ⟨w, Jv⟩ {forward}, ⟨Jᵀw, v⟩ {reverse}"
    );
    let trace: f64 = (0..N).map(|i| found[1][i] / direction[i]).sum();
    assert!((found[4][0] - trace).abs() <= 1e-11 * (1.0 + trace.abs()), "{name}: div {} against {trace}", found[4][0]);
}

#[test]
fn functions_of_one_argument() {
    for &f in Unary::ALL {
        let mut g = Graph::new();
        let x = g.leaf(Leaf::Input(0), &[N]);
        let y = g.map1(f, x);
        let (low, high) = range1(f);
        let mut rng = Rng(f as u64);
        let data: Vec<f64> = (0..N).map(|_| rng.between(low, high)).collect();
        check(f.name(), &mut g, x, y, &data, &[]);
    }
}

#[test]
fn functions_of_two_arguments() {
    for &f in Binary::ALL {
        for side in 0..2 {
            let mut g = Graph::new();
            let (x, other) = (g.leaf(Leaf::Input(0), &[N]), g.leaf(Leaf::Input(1), &[N]));
            let y = if side == 0 { g.map2(f, x, other) } else { g.map2(f, other, x) };
            let (low, high) = range2(f);
            let mut rng = Rng(f as u64 + 40);
            let mut draw = || (0..N).map(|_| rng.between(low, high)).collect::<Vec<f64>>();
            let (data, fixed) = (draw(), draw());
            check(&format!("{} (argument {side})", f.name()), &mut g, x, y, &data, &[(other, fixed)]);
        }
    }
}

#[test]
fn comparisons_and_choices() {
    for &r in Relation::ALL {
        let mut g = Graph::new();
        let (x, other) = (g.leaf(Leaf::Input(0), &[N]), g.leaf(Leaf::Input(1), &[N]));
        let c = g.compare(r, x, other);
        let (a, b) = (g.map1(Unary::Sin, x), g.times(x, x));
        let y = g.select(c, a, b);
        let mut rng = Rng(r as u64 + 90);
        let mut draw = || (0..N).map(|_| rng.between(-2.0, 2.0)).collect::<Vec<f64>>();
        let (data, fixed) = (draw(), draw());
        check(r.name(), &mut g, x, y, &data, &[(other, fixed)]);
    }
}

/// The table's special values: ±0, ±inf, NaN and large arguments, native code against the meaning.
#[test]
fn special_values_agree() {
    let special = [0.0, -0.0, 1.0, -1.0, f64::INFINITY, f64::NEG_INFINITY, f64::NAN, 1e300, -1e300, 1e-310];
    for &f in Unary::ALL {
        let mut g = Graph::new();
        let x = g.leaf(Leaf::Input(0), &[special.len()]);
        let y = g.map1(f, x);
        let data = [special.to_vec()];
        let meaning = interpret(&g, &[x], &data, &[y], 1);
        for (p, q) in native::<f64>(&g, &[x], &data, &[y], 1)[0].iter().zip(&meaning[0]) {
            let same = p == q || p.is_nan() && q.is_nan() || (p - q).abs() <= 1e-13 * q.abs();
            assert!(same, "{}: {p} against {q} for {special:?}", f.name());
        }
    }
    for &f in Binary::ALL {
        let mut g = Graph::new();
        let n = special.len() * special.len();
        let (a, b) = (g.leaf(Leaf::Input(0), &[n]), g.leaf(Leaf::Input(1), &[n]));
        let y = g.map2(f, a, b);
        let left: Vec<f64> = (0..n).map(|i| special[i / special.len()]).collect();
        let right: Vec<f64> = (0..n).map(|i| special[i % special.len()]).collect();
        let data = [left.clone(), right.clone()];
        let meaning = interpret(&g, &[a, b], &data, &[y], 1);
        for (i, (p, q)) in native::<f64>(&g, &[a, b], &data, &[y], 1)[0].iter().zip(&meaning[0]).enumerate() {
            let same = p == q || p.is_nan() && q.is_nan() || (p - q).abs() <= 1e-13 * q.abs();
            assert!(same, "{}({}, {}): {p} against {q}", f.name(), left[i], right[i]);
        }
    }
}

/// A branch that is not taken never poisons the gradient.
#[test]
fn guarded_branches_have_finite_gradients() {
    for (f, at) in [(Unary::Log, 0.0), (Unary::Sqrt, 0.0), (Unary::Log1p, -1.0), (Unary::Asin, 1.0)] {
        let mut g = Graph::new();
        let x = g.leaf(Leaf::Input(0), &[]);
        let limit = g.scalar(at);
        let c = g.compare(Relation::NotEqual, x, limit);
        let risky = g.map1(f, x);
        let wide = g.spread(risky, &[3]);
        let sum = g.sum(wide);
        let zero = g.scalar(0.0);
        let y = g.select(c, sum, zero);
        let slope = diff::gradient(&mut g, y, x).unwrap();
        let curvature = diff::hessian(&mut g, y, x).unwrap();
        let found = native::<f64>(&g, &[x], &[vec![at]], &[slope, curvature], 1);
        assert_eq!(found, [[0.0], [0.0]], "{}", f.name());
    }
}
