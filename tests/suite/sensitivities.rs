//! Forward sensitivities against the reverse of the same steps, and second derivatives against differences and closed
//! forms.

use pullback::compile::{Settings, compile, hessian};
use pullback::load::{Loaded, Request, load};
use pullback::lower::Gradient;
use pullback::model::{Batch, Evaluated, HessianProduct, Model, initial, unconstrain};

fn open(text: &str) -> Loaded {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("model.node");
    std::fs::write(&file, text).unwrap();
    load(&Request { path: file, ..Request::default() })
        .unwrap_or_else(|r| panic!("{}", pullback::diag::render(&r.problems, &r.sources, false)))
}

fn gradient(text: &str, method: Gradient, lanes: usize, samples: usize) -> Evaluated {
    let mut loaded = open(text);
    loaded.lowered.systems.iter_mut().for_each(|s| s.gradient = method);
    let raw = unconstrain(&loaded.lowered, &initial(&loaded.lowered, 5));
    let model = compile::<f64>(loaded.lowered, &Settings { lanes, ..Settings::default() }).unwrap();
    let samples: Vec<usize> = (0..samples).collect();
    let batch = Batch { data: None, samples: &samples, seed: 2, step: 0 };
    let found = model.evaluate(model.gradient.as_ref().unwrap(), &raw, &batch);
    assert!(found.dropped.is_empty(), "{:?}", found.dropped);
    found
}

/// Largest difference of two gradients, relative to the largest entry.
fn apart(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len());
    let size = a.iter().fold(1e-300_f64, |most, x| most.max(x.abs()));
    a.iter()
        .zip(b)
        .fold(0.0, |most: f64, (x, y)| if (x - y).is_nan() { f64::NAN } else { most.max((x - y).abs() / size) })
}

/// Forward and reverse gradients of one model, which must take the same steps.
fn agree(name: &str, text: &str, lanes: usize, samples: usize, within: f64) {
    let forward = gradient(text, Gradient::Forward, lanes, samples);
    let reverse = gradient(text, Gradient::Discrete, lanes, samples);
    assert_eq!(forward.forward.accepted, reverse.forward.accepted, "{name}");
    assert_eq!(forward.forward.rejected, reverse.forward.rejected, "{name}");
    assert_eq!(forward.backward.vjp, 0, "{name}");
    let off = (forward.loss - reverse.loss).abs() / reverse.loss.abs();
    assert!(off <= within.min(1e-9), "{name}: the losses differ by {off:e}");
    assert!(reverse.raw.iter().any(|x| *x != 0.0), "{name}");
    let difference = apart(&reverse.raw, &forward.raw);
    eprintln!("{name}: {difference:e}, loss {off:e}");
    assert!(difference <= within, "{name}: {difference:e}\n{:?}\n{:?}", reverse.raw, forward.raw);
    let natural = apart(&reverse.natural.concat(), &forward.natural.concat());
    assert!(natural <= within, "{name}: {natural:e}");
}

/// Parameters in rates, in starts and with bounds; a value at many times.
fn predator(solve: &str) -> String {
    format!(
        "model Predator\nnoise e: [] ~ uniform(0.8, 1.2)\nparam a: positive = 1.1\nparam b: positive = 0.4\n\
         param c: interval(0, 1) = 0.4\nparam d: positive = 0.1\nparam s: [2] = 5\nstate x: positive = 2*s[0]*e\n\
         state y = s[1]\nx' = a*x - b*x*y\ny' = d*x*y - c*y\nlet ts = linspace(0, 6, 13)\n\
         loss = mean((x(ts) - 8)^2) + y(6)*a\nmetric end = x(6)\nsolve {solve}, 0 .. 6\n"
    )
}

/// A network of state and time, with values of the sample in the right-hand side.
fn network(solve: &str) -> String {
    format!(
        "model Network\nuse nn\nnoise e: [2] ~ normal(0, 1)\nnoise w: [] ~ uniform(1, 2)\n\
         net f: [3] -> [2] = dense(5) |> tanh |> dense(2)\nparam rate: positive = 3\nparam s: [2] = 0.3\n\
         state z: [2] = s*e\nstate q = 1\nz' = f([z, sin(w*t)]) - 0.1*z\nq' = -rate*(q - cos(t)*z[0])\n\
         let ts = linspace(0, 3, 5)\nloss = sum(z(ts)^2) + sum(q(ts)^3)\nsolve {solve}, 0 .. 3\n"
    )
}

/// One solution drives another and is where it starts.
fn chain(solve: &str) -> String {
    format!(
        "model Chain\nnoise e: [] ~ normal(0, 1)\nparam k: positive = 0.7\nparam w = 1.5\n\
         ode first(u: []) over 0 .. 2 {{\n state x = u\n x' = -k*x + sin(t)\n solve {solve}\n}}\n\
         ode second(u: [], v: []) over 0 .. 1 {{\n state y = u\n y' = w*cos(y)*v\n solve {solve}\n}}\n\
         let a = first(e)\nlet b = second(a.x(2), a.x(1)*w)\nloss = b.y(1)^2 + a.x(2)*b.y(0.4)\n"
    )
}

const EXPLICIT: [&str; 5] = ["bosh3", "dopri5", "tsit5", "vern7", "dopri8"];

#[test]
fn of_explicit_methods_are_those_of_the_reverse() {
    for method in EXPLICIT {
        for options in ["rtol = 1e-6, atol = 1e-8", "dt = 0.05", "rtol = 1e-5, step = batch", "norm = max"] {
            let solve = format!("{method}({options})");
            for (lanes, samples) in [(1, 1), (8, 6)] {
                // A small system of one sample takes whole steps, and so may the one with tangents or not: lengths of
                // steps then differ by what rounding leaves of small error estimates.
                let within = if lanes == 1 && !options.contains("dt") { 1e-9 } else { 1e-11 };
                for (name, text) in models(&solve) {
                    agree(&format!("{name}, {solve}, {lanes}"), &text, lanes, samples, within);
                }
            }
        }
    }
}

/// Slices of a tile that steps together; shared time in the right-hand sides.
#[test]
fn of_many_samples_that_step_together() {
    for solve in ["tsit5(step = batch)", "dopri8(dt = 0.1, step = batch)"] {
        for (name, text) in [("predator", predator(solve)), ("network", network(solve))] {
            agree(&format!("{name}, {solve}"), &text, 128, 150, 1e-11);
        }
    }
}

fn models(solve: &str) -> [(&'static str, String); 3] {
    [("predator", predator(solve)), ("network", network(solve)), ("chain", chain(solve))]
}

/// To rounding without an iteration, else to what Newton's method leaves.
#[test]
fn of_implicit_methods_are_those_of_the_reverse() {
    let bars = [("rodas5p", 1e-11, 1e-11), ("auto", 1e-11, 1e-11), ("kvaerno5", 1e-7, 1e-10), ("bdf", 1e-7, 1e-10)];
    for (method, loose, tight) in bars {
        for (options, within) in [("rtol = 1e-6, atol = 1e-8", loose), ("rtol = 1e-9, atol = 1e-11", tight)] {
            let solve = format!("{method}({options})");
            for (name, text) in models(&solve) {
                agree(&format!("{name}, {solve}"), &text, 1, 2, within);
            }
            let stiff = chain(&solve).replace("k: positive = 0.7", "k: positive = 3000");
            // There the lengths of steps feel rounding, which is not that of the larger matrix.
            agree(&format!("stiff chain, {solve}"), &stiff, 1, 2, within.max(1e-9));
        }
    }
}

#[test]
fn of_steps_that_are_undone() {
    let pendulum = |solve: &str| {
        format!(
            "model Pendulum\nparam g: positive = 9.81\nparam q0 = 0.5\nparam mix: [3] simplex\nstate q = q0\n\
             state p = 0\nq' = p\np' = -g*sin(q)*mix[2] + mix[0]*cos(t)\nloss = q(3)^2 + p(2)\nsolve {solve}, 0 .. 3\n"
        )
    };
    for solve in ["leapfrog(dt = 0.01)", "yoshida4(dt = 0.02)", "tsit5(dt = 0.02, reversible = true)"] {
        agree(solve, &pendulum(solve), 1, 1, 1e-11);
    }
}

/// What has no reverse of single steps has tangents: those of the steps and orders taken.
#[test]
fn of_a_multistep_method_are_those_of_the_solution() {
    for text in [predator, network, chain] {
        let exact = gradient(&text("dopri8(rtol = 1e-12, atol = 1e-13)"), Gradient::Discrete, 1, 3);
        let forward = gradient(&text("adams(rtol = 1e-9, atol = 1e-11, gradient = forward)"), Gradient::Forward, 4, 3);
        let difference = apart(&exact.raw, &forward.raw);
        eprintln!("adams: {difference:e}");
        assert!(difference < 1e-6, "{difference:e}");
    }
}

/// Start, end and output times that parameters move.
fn moving(solve: &str) -> String {
    format!(
        "model Moving\nparam a = 0.3\nparam b = 2.2\nparam k = 0.7\nnoise e: [] ~ uniform(0.5, 1)\n\
         ode flow(u: []) over a .. 4 {{\n state x = u\n x' = -k*x + sin(t*e)\n solve {solve}\n}}\n\
         let s = flow(e)\nloss = s.x(b)^2 + s.x(2*b - e)*s.x(1)\n"
    )
}

#[test]
fn of_times_are_those_of_the_solution() {
    for method in ["tsit5", "dopri8", "rodas5p"] {
        let text = moving(&format!("{method}(rtol = 1e-12, atol = 1e-13)"));
        let forward = gradient(&text, Gradient::Forward, 1, 3);
        let reverse = gradient(&text, Gradient::Discrete, 1, 3);
        let difference = apart(&reverse.raw, &forward.raw);
        eprintln!("times, {method}: {difference:e}");
        assert!(difference < 1e-9, "{method}: {difference:e}\n{:?}\n{:?}", reverse.raw, forward.raw);
    }
}

fn decays(place: &std::path::Path) -> std::path::PathBuf {
    std::fs::write(place.join("decay.csv"), "u,v\n1,0.2\n2,0.5\n-1,0.3\n").unwrap();
    let file = place.join("decay.node");
    let text = "model Decay\ninput u: []\ninput v: []\ndata csv(\"decay.csv\", u = \"u\", v = \"v\")\n\
                param k: positive = 0.5\nstate x = u\nx' = -k*x + v*sin(t)\nloss = (x(2) - v)^2\n\
                solve tsit5, 0 .. 2\n";
    std::fs::write(&file, text).unwrap();
    file
}

#[test]
fn of_inputs_are_those_of_the_reverse() {
    let folder = tempfile::tempdir().unwrap();
    let file = decays(folder.path());
    let run = |method: Gradient| {
        let request = Request { path: file.clone(), with_data: true, ..Request::default() };
        let mut loaded = load(&request).unwrap_or_else(|_| panic!("the model loads"));
        loaded.lowered.systems.iter_mut().for_each(|s| s.gradient = method);
        let raw = unconstrain(&loaded.lowered, &initial(&loaded.lowered, 0));
        let settings = Settings { inputs: true, lanes: 2, ..Settings::default() };
        let model = compile::<f64>(loaded.lowered, &settings).unwrap();
        let batch = Batch { data: loaded.data.as_ref(), samples: &[0, 1, 2], seed: 0, step: 0 };
        model.evaluate(model.gradient.as_ref().unwrap(), &raw, &batch)
    };
    let (forward, reverse) = (run(Gradient::Forward), run(Gradient::Discrete));
    assert!(apart(&reverse.raw, &forward.raw) < 1e-12);
    assert_eq!(reverse.inputs.len(), 2);
    for (a, b) in reverse.inputs.iter().zip(&forward.inputs) {
        assert!(a.len() == 3 && apart(a, b) < 1e-12, "{a:?} {b:?}");
    }
}

/// A model for second derivatives, at its initial parameters; entries of all parameters are one flat vector.
struct Bent {
    gradient: Model<f64>,
    hessian: pullback::model::Hessian<f64>,
    natural: Vec<Vec<f64>>,
}

const BATCH: Batch = Batch { data: None, samples: &[0, 1, 2], seed: 2, step: 0 };

impl Bent {
    fn new(text: &str) -> Self {
        let lowered = open(text).lowered;
        let natural = initial(&lowered, 5);
        let settings = Settings { lanes: 4, ..Settings::default() };
        let gradient = compile::<f64>(lowered.clone(), &settings).unwrap();
        Self { gradient, hessian: hessian::<f64>(lowered, &settings).unwrap(), natural }
    }

    fn len(&self) -> usize {
        self.natural.iter().map(Vec::len).sum()
    }

    fn shaped(&self, flat: &[f64]) -> Vec<Vec<f64>> {
        let mut rest = flat;
        let mut parts = Vec::new();
        for size in self.hessian.sizes() {
            let (own, more) = rest.split_at(size);
            parts.push(own.to_vec());
            rest = more;
        }
        parts
    }

    fn product(&self, direction: &[f64]) -> HessianProduct {
        let raw = unconstrain(&self.gradient.lowered, &self.natural);
        let found = self.hessian.product(&raw, &self.shaped(direction), &BATCH);
        assert!(found.dropped.is_empty(), "{:?}", found.dropped);
        found
    }

    /// The gradient by natural values, `step` along a direction.
    fn slope(&self, direction: &[f64], step: f64) -> Vec<f64> {
        let mut natural = self.natural.clone();
        for (x, v) in natural.iter_mut().flatten().zip(direction) {
            *x += step * v;
        }
        let raw = unconstrain(&self.gradient.lowered, &natural);
        let found = self.gradient.evaluate(self.gradient.gradient.as_ref().unwrap(), &raw, &BATCH);
        assert!(found.dropped.is_empty(), "{:?}", found.dropped);
        found.natural.concat()
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

/// Two directions that have nothing to do with the model.
fn directions(len: usize) -> [Vec<f64>; 2] {
    let wave = |phase: f64| (0..len).map(|i| (1.7 * i as f64 + phase).sin()).collect();
    [wave(0.3), wave(2.0)]
}

/// Symmetric to rounding, and along the gradient's own differences.
#[test]
fn second_derivatives_are_symmetric_and_agree_with_differences() {
    let steps = ["tsit5(dt = 0.02)", "dopri8(dt = 0.1)", "vern7(dt = 0.05)", "bosh3(dt = 0.01)", "rodas5p(dt = 0.05)"];
    let tight = [
        "tsit5(rtol = 1e-11, atol = 1e-12)",
        "dopri8(rtol = 1e-12, atol = 1e-13)",
        "rodas5p(rtol = 1e-10, atol = 1e-12)",
    ];
    for solve in steps.into_iter().chain(tight) {
        for (name, text) in models(solve) {
            let bent = Bent::new(&text);
            let [u, v] = directions(bent.len());
            let (hu, hv) = (bent.product(&u), bent.product(&v));
            let (gradient, hv_flat) = (bent.slope(&v, 0.0), hv.product.concat());
            assert!(
                (hv.slope - dot(&gradient, &v)).abs() < 1e-10 * (1.0 + hv.slope.abs()),
                "{name}, {solve}: {}",
                hv.slope
            );
            let (a, b) = (dot(&hu.product.concat(), &v), dot(&hv_flat, &u));
            eprintln!("{name}, {solve}: symmetric to {:e}", (a - b).abs() / a.abs());
            assert!((a - b).abs() < 1e-10 * (1.0 + a.abs()), "{name}, {solve}: {a} {b}");
            let h = 1e-4;
            let [g2, g1, f1, f2] = [-2.0 * h, -h, h, 2.0 * h].map(|step| bent.slope(&v, step));
            let differences: Vec<f64> =
                (0..bent.len()).map(|i| (8.0 * (f1[i] - g1[i]) - (f2[i] - g2[i])) / (12.0 * h)).collect();
            let difference = apart(&differences, &hv_flat);
            eprintln!("{name}, {solve}: differences to {difference:e}");
            assert!(difference < 1e-6, "{name}, {solve}: {difference:e}\n{differences:?}\n{hv_flat:?}");
        }
    }
}

/// x = s e^(−kT).
#[test]
fn second_derivatives_of_a_decay() {
    let text = "param k: positive = 0.5\nparam s = 3\nstate x = s\nx' = -k*x\nloss = x(2)\n\
                solve tsit5(rtol = 1e-11, atol = 1e-13), 0 .. 2\n";
    let bent = Bent::new(text);
    let found = bent.product(&[1.0, 0.5]);
    let left = (-1.0_f64).exp();
    assert!((found.loss - 3.0 * left).abs() < 1e-10);
    assert!((found.slope - (-6.0 + 0.5) * left).abs() < 1e-9);
    let exact = [12.0 * left - 2.0 * left * 0.5, -2.0 * left];
    for (product, exact) in found.product.iter().zip(exact) {
        assert!((product[0] - exact).abs() < 1e-9, "{product:?} {exact}");
    }
}

/// A ball that is dropped from h hits the ground at τ = √(2h/g) and flies up again with the speed e √(2gh).
#[test]
fn second_derivatives_through_an_event() {
    let text = "param h: positive = 2\nparam e = 0.8\nparam g: positive = 9.81\nstate y = h\nstate v = 0\n\
                y' = v\nv' = -g\nevent bounce: y < 0 => { v := -e*v }\nloss = y(1)^2\nsolve tsit5, 0 .. 1\n";
    let height = |p: &[f64]| {
        let (speed, since) = ((2.0 * p[2] * p[0]).sqrt(), 1.0 - (2.0 * p[0] / p[2]).sqrt());
        (p[1] * speed * since - 0.5 * p[2] * since * since).powi(2)
    };
    let at = [2.0, 0.8, 9.81];
    let v = [0.3, -0.2, 1.0];
    let found = Bent::new(text).product(&v);
    assert!((found.loss - height(&at)).abs() < 1e-11, "{}", found.loss);
    for k in 0..3 {
        let along = |a: f64, b: f64| {
            let mut p = at;
            p.iter_mut().zip(v).for_each(|(p, v)| *p += a * v);
            p[k] += b;
            height(&p)
        };
        let h = 1e-3;
        let second = (along(h, h) - along(h, -h) - along(-h, h) + along(-h, -h)) / (4.0 * h * h);
        assert!(
            (found.product[k][0] - second).abs() < 1e-4 * (1.0 + second.abs()),
            "{k}: {} {second}",
            found.product[k][0]
        );
    }
}
