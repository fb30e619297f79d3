//! Values of lowered models, by the reference interpreter.

use super::lift::{lift, substitute};
use super::{Lowered, Options, lower};
use crate::check::check;
use crate::codegen::interp::evaluate;
use crate::data::DimSize;
use crate::diag::Sources;
use crate::graph::{Graph, Leaf, NodeId, Op, Unary};
use std::collections::HashMap;

fn compile(text: &str, options: &Options) -> Lowered {
    let mut sources = Sources::default();
    let id = sources.add("test.node", text);
    let (file, problems) = crate::syntax::parse(id, text);
    assert_eq!(problems, []);
    let (program, problems) = check(&file, &mut sources, &|_| Err("no files".into()), options);
    let program = program.unwrap_or_else(|| panic!("{problems:#?}"));
    let lowered = lower(&program, options).unwrap_or_else(|problems| panic!("{problems:#?}"));
    assert_eq!(crate::graph::verify(&lowered.graph), Vec::<String>::new());
    lowered
}

/// The value of an output of one sample, with inputs by name and lengths of ragged dims.
fn value(lowered: &Lowered, output: &str, inputs: &[(&str, &[f64])], lengths: &[f64]) -> Vec<f64> {
    let mut g = lowered.graph.clone();
    let mut given: Vec<(NodeId, Vec<f64>)> = Vec::new();
    for (k, input) in lowered.inputs.iter().enumerate() {
        let leaf = g.leaf(Leaf::Input(u32::try_from(k).unwrap()), &input.shape);
        let data = inputs.iter().find(|i| i.0 == input.name).expect("an input of this name").1;
        given.push((leaf, data.to_vec()));
    }
    for (k, param) in lowered.params.iter().enumerate() {
        let leaf = g.leaf(Leaf::Param(u32::try_from(k).unwrap()), &param.raw_shape);
        let super::Init::Constant(natural) = &param.init else { panic!("constant start values") };
        given.push((leaf, param.domain.unconstrained(natural)));
    }
    for (k, n) in lengths.iter().enumerate() {
        given.push((g.leaf(Leaf::Length(u32::try_from(k).unwrap()), &[]), vec![*n]));
    }
    let root = lowered.outputs.iter().find(|o| o.0 == output).expect("an output of this name").1;
    let given: Vec<(NodeId, &[f64])> = given.iter().map(|(id, v)| (*id, v.as_slice())).collect();
    evaluate(&g, &given, &[root], 1, |x| x).remove(0)
}

fn close(found: &[f64], wanted: &[f64]) {
    assert_eq!(found.len(), wanted.len(), "{found:?} against {wanted:?}");
    for (f, w) in found.iter().zip(wanted) {
        assert!((f - w).abs() <= 1e-12 * (1.0 + w.abs()), "{found:?} against {wanted:?}");
    }
}

/// The only output `v` of a model with inputs x = [1, 2, 3], A = [[1, 2, 3], [4, 5, 6]].
fn of(expression: &str) -> Vec<f64> {
    let text = format!("input x: [3]\ninput A: [2, 3]\noutput used = sum(x) + sum(A)\noutput v = {expression}\n");
    let lowered = compile(&text, &Options::default());
    value(&lowered, "v", &[("x", &[1.0, 2.0, 3.0]), ("A", &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0])], &[])
}

#[test]
fn expressions_have_their_values() {
    close(&of("A @ x"), &[14.0, 32.0]);
    close(&of("x @ A.T"), &[14.0, 32.0]);
    close(&of("x @ x"), &[14.0]);
    close(&of("A[1, 0:2]"), &[4.0, 5.0]);
    close(&of("A[:, end]"), &[3.0, 6.0]);
    close(&of("A[end, x[0]]"), &[5.0]);
    close(&of("[x, 4]"), &[1.0, 2.0, 3.0, 4.0]);
    close(&of("sum(A, axis = 0)"), &[5.0, 7.0, 9.0]);
    close(&of("mean(A, axis = 1)"), &[2.0, 5.0]);
    close(&of("max(A, axis = 0)"), &[4.0, 5.0, 6.0]);
    close(&of("min(A)"), &[1.0]);
    close(&of("argmax(x)"), &[2.0]);
    close(&of("dot(x, x)"), &[14.0]);
    close(&of("norm(x)"), &[14.0_f64.sqrt()]);
    close(&of("sum(softmax(A, axis = 1), axis = 1)"), &[1.0, 1.0]);
    close(&of("logsumexp(x)"), &[(1.0_f64.exp() + 2.0_f64.exp() + 3.0_f64.exp()).ln()]);
    close(&of("if x > 1 and not x == 3 then x else -x"), &[-1.0, 2.0, -3.0]);
    close(&of("clamp(x, 1.5, 2.5)"), &[1.5, 2.0, 2.5]);
    close(&of("linspace(0, 1, 5)"), &[0.0, 0.25, 0.5, 0.75, 1.0]);
    close(&of("interp(A.T, x, 1.5)"), &[1.5, 4.5]);
    close(&of("x |> exp |> log"), &[1.0, 2.0, 3.0]);
    close(&of("2 - 3 - 4"), &[-5.0]);
    close(&of("-2^2"), &[-4.0]);
    close(&of("eye(2) @ A"), &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
}

#[test]
fn index_notation_has_its_values() {
    close(&of("sum(i, j: A[i, j]*x[j])"), &[46.0]);
    close(&of("tensor(i: sum(j: A[i, j]*x[j]))"), &[14.0, 32.0]);
    close(&of("tensor(j, i: A[i, j])"), &[1.0, 4.0, 2.0, 5.0, 3.0, 6.0]);
    close(&of("tensor(i, j: x[i] - x[j])"), &[0.0, -1.0, -2.0, 1.0, 0.0, -1.0, 2.0, 1.0, 0.0]);
    close(&of("sum(i: x[i]^2)"), &[14.0]);
    close(&of("max(i: x[i]*x[2])"), &[9.0]);
    close(&of("mean(i, j: A[i, j])"), &[3.5]);
    close(&of("sum(i: -2*x[i])"), &[-12.0]);
    close(&of("sum(i: i*x[i])"), &[8.0]);
    close(&of("sum(j: A[0, j])"), &[6.0]);
}

#[test]
fn scans_have_their_values() {
    let text = "dim T\ninput y: [T]\nfn cell(h, x) = 2*h + x\nlet s = scan(cell, 1, y)\n\
                let r = scan(cell, 1, y, reverse = true)\noutput last = s.last\noutput all = s.all\noutput back = r.last";
    let options = Options { sizes: vec![("T".into(), DimSize::Ragged { max: 4 })], ..Options::default() };
    let lowered = compile(text, &options);
    let y: &[(&str, &[f64])] = &[("y", &[3.0, 1.0, 2.0, 2.0])];
    close(&value(&lowered, "last", y, &[3.0]), &[24.0]);
    close(&value(&lowered, "all", y, &[4.0]), &[5.0, 11.0, 24.0, 50.0]);
    close(&value(&lowered, "back", y, &[3.0]), &[21.0]);
}

#[test]
fn derivatives_have_their_values() {
    close(&of("grad(sum(x^3), x)"), &[3.0, 12.0, 27.0]);
    close(&of("jac(x^2, x)"), &[2.0, 0.0, 0.0, 0.0, 4.0, 0.0, 0.0, 0.0, 6.0]);
    close(&of("div(x^2, x)"), &[12.0]);
    close(&of("lap(sum(x^3), x)"), &[36.0]);
    close(&of("hvp(sum(x^3), x, x)"), &[6.0, 24.0, 54.0]);
    close(&of("jvp(x^2, x, x)"), &[2.0, 8.0, 18.0]);
    close(&of("vjp(A @ x, x, [1, 1])"), &[5.0, 7.0, 9.0]);
    close(&of("grad(sum(stop(x)*x), x)"), &[1.0, 2.0, 3.0]);
    close(&of("grad(sum(relu(x - 2)), x)"), &[0.0, 0.0, 1.0]);
}

#[test]
fn arguments_are_variables_whatever_is_passed() {
    let text = "input x: [3]\nfn slope(y) = grad(sum(y^2*2), y)\nfn twice(y) = slope(slope(y))\n\
                output v = slope(x + 1)\noutput w = slope(2)\noutput u = twice(x)";
    let lowered = compile(text, &Options::default());
    let x: &[(&str, &[f64])] = &[("x", &[1.0, 2.0, 3.0])];
    close(&value(&lowered, "v", x, &[]), &[8.0, 12.0, 16.0]);
    close(&value(&lowered, "w", x, &[]), &[8.0]);
    close(&value(&lowered, "u", x, &[]), &[16.0, 32.0, 48.0]);
}

#[test]
fn densities_agree_with_their_closed_forms() {
    let half_log_tau = 0.5 * std::f64::consts::TAU.ln();
    close(&of("normal_logpdf(1)"), &[-0.5 - half_log_tau]);
    close(&of("lognormal_logpdf(2)"), &[-0.5 * 2.0_f64.ln().powi(2) - 2.0_f64.ln() - half_log_tau]);
    close(&of("gamma_logpdf(2, 3, 4)"), &[2.0_f64.ln() * 7.0 - 8.0]);
    close(&of("beta_logpdf(0.3, 2, 3)"), &[(12.0 * 0.3 * 0.49_f64).ln()]);
    close(&of("poisson_logpmf(3, 2)"), &[(8.0 / 6.0_f64).ln() - 2.0]);
    close(&of("cauchy_logpdf(1)"), &[-(2.0 * std::f64::consts::PI).ln()]);
    close(&of("exponential_logpdf(2, 3)"), &[3.0_f64.ln() - 6.0]);
    close(&of("student_t_logpdf(1, 1)"), &[-(2.0 * std::f64::consts::PI).ln()]);
    close(&of("laplace_logpdf(1, 0, 2)"), &[-0.5 - 4.0_f64.ln()]);
    close(&of("kl_normal([0, 1], [0, 0])"), &[0.5]);
    close(&of("cross_entropy(x, 1)"), &[(1.0_f64.exp() + 2.0_f64.exp() + 3.0_f64.exp()).ln() - 2.0]);
    close(&of("huber(x, 0)"), &[(0.5 + 1.5 + 2.5) / 3.0]);
}

#[test]
fn padding_does_not_count() {
    let text = "dim T\ninput y: [T]\noutput total = sum(y)\noutput mid = mean(y)\noutput top = max(y)\noutput low = min(y)\n\
                output last = y[end]\noutput lse = logsumexp(y)\noutput dots = y @ y\noutput squares = sum(i: y[i]*y[i])";
    let options = Options { sizes: vec![("T".into(), DimSize::Ragged { max: 4 })], ..Options::default() };
    let lowered = compile(text, &options);
    let y: &[(&str, &[f64])] = &[("y", &[3.0, 1.0, 2.0, 2.0])];
    let short = |output: &str| value(&lowered, output, y, &[3.0]);
    close(&short("total"), &[6.0]);
    close(&short("mid"), &[2.0]);
    close(&short("top"), &[3.0]);
    close(&short("low"), &[1.0]);
    close(&short("last"), &[2.0]);
    close(&short("lse"), &[(3.0_f64.exp() + 1.0_f64.exp() + 2.0_f64.exp()).ln()]);
    close(&short("dots"), &[14.0]);
    close(&short("squares"), &[14.0]);
}

#[test]
fn domains_are_bijections() {
    use super::Domain;
    for (domain, natural) in [
        (Domain::Positive, vec![0.5, 3.0]),
        (Domain::Negative, vec![-0.5, -3.0]),
        (Domain::Unit, vec![0.25, 0.9]),
        (Domain::Interval(-1.0, 2.0), vec![0.0, 1.5]),
        (Domain::Simplex, vec![0.2, 0.5, 0.3]),
    ] {
        let mut g = Graph::new();
        let raw = domain.unconstrained(&natural);
        let leaf = g.leaf(Leaf::Param(0), &[raw.len()]);
        let value = domain.constrain(&mut g, leaf, &[natural.len()]);
        close(&evaluate(&g, &[(leaf, &raw)], &[value], 1, |x| x)[0], &natural);
    }
}

/// A signal on many times at once is the signal on each.
#[test]
fn lifting_agrees_with_substitution() {
    let mut g = Graph::new();
    let z = g.leaf(Leaf::State(0), &[3]);
    let t = g.leaf(Leaf::Time, &[]);
    let w = g.leaf(Leaf::Param(0), &[2, 3]);
    let table = g.leaf(Leaf::Param(1), &[4, 2]);
    let ts = g.leaf(Leaf::Param(2), &[4]);
    let rows = g.leaf(Leaf::Input(0), &[5, 3]);
    let times = g.leaf(Leaf::Input(1), &[5]);
    let h = g.einsum_text("ab,b->a", &[w, z]);
    let h = g.map1(Unary::Tanh, h);
    let forced = g.interp(table, ts, t);
    let sum = g.plus(h, forced);
    let scaled = g.times(sum, t);
    let index = g.iota(2);
    let some = g.gather(z, index);
    let top = g.max_last(z);
    let joined = g.concat(0, &[scaled, some]);
    let squeezed = g.slice(joined, &[1], &[3]);
    let turned = g.reshape(squeezed, &[3, 1]);
    let wide = g.broadcast(turned, &[0, 1], &[3, 1]);
    let padded = g.pad(wide, &[1, 0], &[5, 1]);
    let flat = g.reshape(padded, &[5]);
    let root = g.plus(flat, top);
    let lifted = lift(&mut g, root, &HashMap::from([(z, rows), (t, times)]), 5);
    assert!(g.reachable(&[lifted]).iter().all(|id| !matches!(g.node(*id).op, Op::Leaf(Leaf::State(_) | Leaf::Time))));
    let mut singles = Vec::new();
    for i in 0..5 {
        let (row, time) = (g.row(rows, i), g.row(times, i));
        singles.push(substitute(&mut g, root, &HashMap::from([(z, row), (t, time)])));
    }
    let data: Vec<f64> = (0..15).map(|i| f64::from(i * 7 % 11) / 5.0 - 1.0).collect();
    let given: Vec<(NodeId, &[f64])> = vec![
        (w, &[0.1, -0.2, 0.3, 0.5, 0.4, -0.6]),
        (table, &[0.0, 1.0, 2.0, 0.5, 1.5, -1.0, 0.2, 0.3]),
        (ts, &[0.0, 1.0, 2.5, 4.0]),
        (rows, &data),
        (times, &[0.5, 3.0, 1.0, 2.0, 0.1]),
    ];
    let together = evaluate(&g, &given, &[lifted], 1, |x| x).remove(0);
    let apart: Vec<f64> = evaluate(&g, &given, &singles, 1, |x| x).concat();
    close(&together, &apart);
}
