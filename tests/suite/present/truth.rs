//! The printed equations at a random point, against the lowered graph and central differences of it.

use super::evaluate::{Scope, Value, evaluate, scalar};
use super::{MODELS, loaded, parsed};
use pullback::check::Domain;
use pullback::codegen::interp;
use pullback::graph::{Leaf, NodeId};
use pullback::lower::Lowered;
use pullback::present;
use pullback::syntax::ast::ItemKind;

/// A point: natural values of states, parameters, and adjoints, flat; time.
#[derive(Clone)]
struct Point {
    states: Vec<Vec<f64>>,
    params: Vec<Vec<f64>>,
    adjoints: Vec<Vec<f64>>,
    time: f64,
}

impl Point {
    fn random(lowered: &Lowered) -> Self {
        let mut bits = 7_u64;
        // Entries in (0.2, 0.9): inside of every domain of the models.
        let mut next = || {
            bits = bits.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            0.2 + 0.7 * ((bits >> 11) as f64 / (1_u64 << 53) as f64)
        };
        let mut draw = |shape: &[usize]| (0..shape.iter().product()).map(|_| next()).collect::<Vec<f64>>();
        let states: Vec<_> = lowered.systems[0].states.iter().map(|s| draw(&s.shape)).collect();
        let adjoints = lowered.systems[0].states.iter().map(|s| draw(&s.shape)).collect();
        // Different signs too, where the domain is the real line.
        let signed = |(k, x): (usize, f64)| if k % 2 == 0 { x } else { -x };
        let params = lowered.params.iter().map(|p| {
            let values = draw(&p.shape);
            if p.domain == Domain::Real { values.into_iter().enumerate().map(signed).collect() } else { values }
        });
        Self { params: params.collect(), states, adjoints, time: 0.37 }
    }

    fn scope(&self, lowered: &Lowered) -> Scope {
        let mut scope = Scope::from([("t".to_string(), scalar(self.time))]);
        let legal = |name: &str| name.replace('.', "_");
        let value = |shape: &[usize], data: &[f64]| Value { shape: shape.to_vec(), data: data.to_vec() };
        for (p, x) in lowered.params.iter().zip(&self.params) {
            scope.insert(legal(&p.name), value(&p.shape, x));
        }
        for ((s, x), a) in lowered.systems[0].states.iter().zip(&self.states).zip(&self.adjoints) {
            scope.insert(s.name.clone(), value(&s.shape, x));
            scope.insert(format!("a_{}", s.name), value(&s.shape, a));
        }
        scope
    }

    /// Rates of the natural states by the interpreter, from the graph that the solver's kernels are made of.
    fn rates(&self, lowered: &Lowered) -> Vec<Vec<f64>> {
        let mut g = lowered.graph.clone();
        let system = &lowered.systems[0];
        let mut raw_params: Vec<(NodeId, Vec<f64>)> = Vec::new();
        for (k, (p, x)) in lowered.params.iter().zip(&self.params).enumerate() {
            let leaf = g.leaf(Leaf::Param(k as u32), &p.raw_shape);
            raw_params.push((leaf, x.iter().map(|x| raw(p.domain, *x)).collect()));
        }
        let flat: Vec<f64> = system
            .states
            .iter()
            .zip(&self.states)
            .flat_map(|(s, x)| x.iter().map(|x| raw(s.domain, *x)).collect::<Vec<_>>())
            .collect();
        let state = g.leaf(Leaf::State(0), &[system.dim]);
        let time = g.leaf(Leaf::Time, &[]);
        let time_value = [self.time];
        let mut inputs: Vec<(NodeId, &[f64])> = vec![(state, &flat), (time, &time_value)];
        inputs.extend(raw_params.iter().map(|(id, x)| (*id, x.as_slice())));
        let rhs = interp::evaluate(&g, &inputs, &[system.rhs], 1, |x| x).remove(0);
        let part = |(s, x): (&pullback::lower::StateInfo, &Vec<f64>)| {
            x.iter().enumerate().map(|(i, x)| rhs[s.offset + i] * slope(s.domain, *x)).collect()
        };
        system.states.iter().zip(&self.states).map(part).collect()
    }

    /// aᵀ f
    fn product(&self, lowered: &Lowered) -> f64 {
        let rates = self.rates(lowered);
        rates.iter().flatten().zip(self.adjoints.iter().flatten()).map(|(f, a)| f * a).sum()
    }
}

fn raw(domain: Domain, x: f64) -> f64 {
    match domain {
        Domain::Real => x,
        Domain::Positive => x.ln(),
        Domain::Unit => (x / (1.0 - x)).ln(),
        other => panic!("no model here has {other:?}"),
    }
}

fn slope(domain: Domain, x: f64) -> f64 {
    match domain {
        Domain::Real => 1.0,
        Domain::Positive => x,
        Domain::Unit => x * (1.0 - x),
        other => panic!("no model here has {other:?}"),
    }
}

/// Values of the printed equations, by name.
fn printed(path: &str, mut scope: Scope) -> Scope {
    let text = present::adjoint(&loaded(path), false).unwrap();
    let (file, problems) = parsed(&text);
    assert!(problems.is_empty(), "{problems:#?}");
    let mut found = Scope::new();
    for item in &file.items {
        match &item.kind {
            ItemKind::Let { name, value, .. } => {
                let value = evaluate(value, &scope);
                scope.insert(name.text.clone(), value);
            }
            ItemKind::Equation { state, value } => {
                found.insert(state.text.clone(), evaluate(value, &scope));
            }
            other => panic!("{other:?}"),
        }
    }
    found
}

fn agree(what: &str, a: f64, b: f64, tolerance: f64) {
    assert!((a - b).abs() <= tolerance * (1.0 + b.abs()), "{what}: printed {a}, found {b}");
}

/// Central differences of aᵀf with a step of 1e-6: truncation and rounding are below 1e-8 here.
fn compare(path: &str, what: &str, values: Option<&Value>, point: &Point, pick: &dyn Fn(&mut Point) -> &mut [f64]) {
    let lowered = loaded(path).lowered;
    let n = pick(&mut point.clone()).len();
    for i in 0..n {
        let shifted = |h: f64| {
            let mut p = point.clone();
            pick(&mut p)[i] += h;
            p.product(&lowered)
        };
        let slope = (shifted(1e-6) - shifted(-1e-6)) / 2e-6;
        let value = values.map_or(0.0, |v| if v.shape.is_empty() { v.data[0] } else { v.data[i] });
        agree(&format!("{path}: {what}[{i}]"), value, -slope, 1e-7);
    }
}

#[test]
fn printed_equations_are_the_adjoint_system() {
    for path in MODELS {
        let lowered = loaded(path).lowered;
        let point = Point::random(&lowered);
        let found = printed(path, point.scope(&lowered));
        for (k, (s, rates)) in lowered.systems[0].states.iter().zip(point.rates(&lowered)).enumerate() {
            let value = found[&s.name].as_shape(&s.shape);
            assert_eq!(value.shape, s.shape, "{path}: {}", s.name);
            for (a, b) in value.data.iter().zip(&rates) {
                agree(&format!("{path}: {}", s.name), *a, *b, 1e-12);
            }
            let name = format!("a_{}", s.name);
            compare(path, &name, Some(&found[&name]), &point, &|p| &mut p.states[k]);
        }
        for (k, p) in lowered.params.iter().enumerate() {
            let name = format!("g_{}", p.name.replace('.', "_"));
            compare(path, &name, found.get(&name), &point, &|p| &mut p.params[k]);
        }
        compare(path, "a_t", found.get("a_t"), &point, &|p| std::slice::from_mut(&mut p.time));
    }
}

/// The adjoint of Lotka-Volterra, derived by hand.
#[test]
fn lotka_volterra_by_hand() {
    let path = MODELS[0];
    let lowered = loaded(path).lowered;
    let scope = Point::random(&lowered).scope(&lowered);
    let v = |n: &str| scope[n].data[0];
    let (x, y, a, b) = (v("x"), v("y"), v("a_x"), v("a_y"));
    let found = printed(path, scope.clone());
    let expected = [
        ("a_x", -(a * (v("alpha") - v("beta") * y) + b * v("delta") * y)),
        ("a_y", -(-a * v("beta") * x + b * (v("delta") * x - v("gamma")))),
        ("g_alpha", -a * x),
        ("g_beta", a * x * y),
        ("g_gamma", b * y),
        ("g_delta", -b * x * y),
    ];
    for (name, value) in expected {
        agree(name, found[name].data[0], value, 1e-14);
    }
    assert!(!found.contains_key("g_sigma"), "the scale of the errors is not in the system");
}
