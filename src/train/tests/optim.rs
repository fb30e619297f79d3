use super::{GO, Shape, Toy, job};
use crate::train::lbfgs::{Iteration, Memory};
use crate::train::linesearch::{CURVATURE, DECREASE, Point, Probe, search};
use crate::train::optim::Moments;
use crate::train::{Ended, Evaluation, Length, Optimizer, OptimizerSpec, TrainSpec, train};

fn steps(spec: &OptimizerSpec, gradients: &[f64]) -> Vec<f64> {
    let (mut moments, mut x) = (Moments::new(spec.kind, 1), [1.0]);
    let step = |g: &f64| {
        moments.update(spec, spec.options.lr, &mut x, &[*g]);
        x[0]
    };
    gradients.iter().map(step).collect()
}

#[track_caller]
fn close(found: &[f64], expected: &[f64]) {
    let pairs = found.iter().zip(expected);
    assert!(pairs.clone().all(|(a, b)| (a - b).abs() <= 1e-15), "{found:?} is not {expected:?}");
    assert_eq!(found.len(), expected.len());
}

/// By hand, from the published update rules, x₀ = 1 and gradients 0.5, −0.25.
#[test]
fn first_steps_are_those_of_the_rules() {
    let mut spec = OptimizerSpec::new(Optimizer::Sgd);
    spec.options.lr = 0.1;
    close(&steps(&spec, &[0.5, -0.25]), &[0.95, 0.975]);
    spec.kind = Optimizer::Momentum;
    // v = 0.5, then 0.45 − 0.25 = 0.2.
    close(&steps(&spec, &[0.5, -0.25]), &[0.95, 0.93]);
    spec.kind = Optimizer::RmsProp;
    // v = 0.0025, then 0.002475 + 0.000625 = 0.0031.
    let first = 1.0 - 0.05 / (0.05 + 1e-8);
    close(&steps(&spec, &[0.5, -0.25]), &[first, first + 0.025 / (0.0031_f64.sqrt() + 1e-8)]);
    spec.kind = Optimizer::Adam;
    // m̂ = 0.5, √v̂ = 0.5; then m = 0.045 − 0.025 = 0.02, m̂ = 0.02/0.19, v = 0.00024975 + 0.0000625 = 0.00031225.
    let first = 1.0 - 0.05 / (0.5 + 1e-8);
    let second = first - 0.1 * (0.02 / 0.19) / ((0.000_312_25_f64 / 0.001_999).sqrt() + 1e-8);
    close(&steps(&spec, &[0.5, -0.25]), &[first, second]);
}

#[test]
fn weight_decay_is_coupled_in_adam_and_decoupled_in_adamw() {
    let mut spec = OptimizerSpec::new(Optimizer::AdamW);
    spec.options.lr = 0.1;
    spec.options.weight_decay = 0.5;
    close(&steps(&spec, &[0.0]), &[0.95]);
    spec.kind = Optimizer::Adam;
    // The gradient is λx = 0.5, whatever its size the first step is lr.
    close(&steps(&spec, &[0.0]), &[1.0 - 0.05 / (0.5 + 1e-8)]);
}

#[test]
fn every_optimiser_descends() {
    for kind in Optimizer::ALL {
        for (shape, start, below) in [(Shape::Quadratic, 0.0, 1e-3), (Shape::Rosenbrock, 0.5, 0.2)] {
            let mut spec = TrainSpec::new(kind);
            spec.length = Length::Steps(2000);
            spec.optimizer.options.lr = match (kind, shape) {
                (Optimizer::Sgd, Shape::Rosenbrock) => 1e-3,
                (Optimizer::Momentum, Shape::Rosenbrock) => 2e-4,
                (Optimizer::Lbfgs, _) => 1.0,
                _ => 1e-2,
            };
            let mut toy = Toy::new(shape, Some(1));
            let mut x = vec![start; toy.len];
            let report = train(&mut toy, &mut x, &job(&spec, &GO), &mut ()).unwrap();
            let best = report.best.unwrap();
            assert!(best.loss < below, "{} on {:?}: {}", kind.name(), start, best.loss);
            assert_eq!(best.params, x);
        }
    }
}

#[test]
fn lbfgs_solves_rosenbrock_to_full_precision() {
    let spec = TrainSpec::new(Optimizer::Lbfgs);
    let (mut toy, mut x) = (Toy::new(Shape::Rosenbrock, Some(1)), [-1.2, 1.0]);
    let report = train(&mut toy, &mut x, &job(&spec, &GO), &mut ()).unwrap();
    assert_eq!(report.ended, Ended::Converged);
    assert!(x.iter().all(|x| (x - 1.0).abs() < 1e-10), "{x:?}");
    assert!(toy.calls < 70, "{} evaluations", toy.calls);
}

/// Samples of one-dimensional functions, of Moré and Thuente (1994), §5, and others.
type Curve = fn(f64) -> (f64, f64);

#[test]
fn the_line_search_ends_where_the_strong_wolfe_conditions_hold() {
    let curves: [Curve; 4] = [
        |a| (-a / (a * a + 2.0), (a * a - 2.0) / (a * a + 2.0).powi(2)),
        |a| ((a + 0.004).powi(5) - 2.0 * (a + 0.004).powi(4), 5.0 * (a + 0.004).powi(4) - 8.0 * (a + 0.004).powi(3)),
        |a| ((a - 3.0) * (a - 3.0), 2.0 * (a - 3.0)),
        |a| (a.exp() - 2.0 * a, a.exp() - 2.0),
    ];
    for (i, curve) in curves.into_iter().enumerate() {
        for first in [1e-3, 1e-1, 1.0, 10.0, 1e3] {
            let (loss, slope) = curve(0.0);
            let origin = Point { step: 0.0, loss, slope };
            let found = search::<()>(origin, first, &mut |a| Ok(probe(a, curve(a)))).unwrap().unwrap().point;
            assert!(found.loss <= loss + DECREASE * found.step * slope, "decrease, curve {i} from {first}");
            assert!(found.slope.abs() <= CURVATURE * slope.abs(), "curvature, curve {i} from {first}");
        }
    }
}

fn probe(step: f64, (loss, slope): (f64, f64)) -> Option<Probe> {
    let evaluation = Evaluation { loss, ..Evaluation::default() };
    (loss.is_finite() && slope.is_finite()).then(|| Probe {
        point: Point { step, loss, slope },
        params: vec![step],
        gradient: vec![slope],
        evaluation,
    })
}

#[test]
fn lbfgs_backs_off_from_failed_evaluations() {
    // −log(x) + x, minimum 1 at 1; the logarithm of a negative number fails.
    let (mut memory, mut x) = (Memory::default(), [1e-3]);
    let options = OptimizerSpec::new(Optimizer::Lbfgs).options;
    let mut failed = 0;
    for _ in 0..50 {
        let iteration = memory
            .iterate::<()>(&options, &mut x, &mut |x, g| {
                g[0] = 1.0 - 1.0 / x[0];
                let loss = x[0] - x[0].ln();
                failed += usize::from(loss.is_nan());
                Ok((!loss.is_nan()).then(|| Evaluation { loss, ..Evaluation::default() }))
            })
            .unwrap();
        if matches!(iteration, Iteration::Converged) {
            break;
        }
        // From a start on the far side the first trials are negative.
        if x[0] > 0.9 && failed == 0 {
            (memory, x) = (Memory::default(), [1e6]);
            memory.pairs.push_back(crate::train::lbfgs::Pair { s: vec![1.0], y: vec![1e-7] });
            failed += 1;
        }
    }
    assert!(failed > 1, "no evaluation failed");
    assert!((x[0] - 1.0).abs() < 1e-8, "{x:?}");
}
