use std::path::Path;
use std::sync::atomic::AtomicBool;

use super::{GO, Shape, Toy, job, value};
use crate::train::{
    Ended, Evaluation, Failure, Job, Length, Objective, Observer, Optimizer, Report, Request, StepRecord, TrainError,
    TrainSpec, train,
};

/// Writes down what it is told.
#[derive(Default)]
struct Log {
    steps: Vec<StepRecord>,
    validations: Vec<(u64, bool)>,
    failures: Vec<(u64, u64)>,
    done: Option<Report>,
}

impl Observer for Log {
    fn step(&mut self, record: &StepRecord) {
        self.steps.push(record.clone());
    }
    fn validation(&mut self, step: u64, _evaluation: &Evaluation, improved: bool) {
        self.validations.push((step, improved));
    }
    fn failed(&mut self, step: u64, _failure: &Failure, in_row: u64) {
        self.failures.push((step, in_row));
    }
    fn checkpointed(&mut self, _step: u64, _path: &Path) {}
    fn done(&mut self, report: &Report) {
        self.done = Some(report.clone());
    }
}

fn spec(kind: Optimizer, steps: u64) -> TrainSpec {
    TrainSpec { length: Length::Steps(steps), ..TrainSpec::new(kind) }
}

#[test]
fn an_epoch_takes_every_sample_once_in_a_new_order() {
    let spec = TrainSpec { length: Length::Epochs(2), batch: Some(4), ..TrainSpec::new(Optimizer::Adam) };
    let (mut toy, mut x, mut log) = (Toy::new(Shape::Samples, Some(10)), [0.0; 2], Log::default());
    train(&mut toy, &mut x, &job(&spec, &GO), &mut log).unwrap();
    assert_eq!(toy.seen.iter().map(Vec::len).collect::<Vec<_>>(), [4, 4, 2, 4, 4, 2]);
    let (first, second) = (toy.seen[..3].concat(), toy.seen[3..].concat());
    assert_ne!(first, second);
    for mut epoch in [first, second] {
        epoch.sort_unstable();
        assert_eq!(epoch, (0..10).collect::<Vec<_>>());
    }
    assert_eq!(log.steps.iter().map(|s| s.epoch).collect::<Vec<_>>(), [0, 0, 0, 1, 1, 1]);
}

/// Where samples come from noise, `lbfgs` minimises the mean over one fixed draw of them.
#[test]
fn lbfgs_keeps_the_noise_and_others_draw_afresh() {
    struct Steps(Vec<(u64, usize)>);
    impl Objective for Steps {
        fn len(&self) -> usize {
            2
        }
        fn samples(&self) -> Option<usize> {
            None
        }
        fn evaluate(&mut self, x: &[f64], r: &Request<'_>, g: Option<&mut [f64]>) -> Result<Evaluation, Failure> {
            self.0.push((r.step, r.count));
            let (loss, slope) = value(Shape::Samples, x, r);
            if let Some(g) = g {
                g.copy_from_slice(&slope);
            }
            Ok(Evaluation { loss, ..Evaluation::default() })
        }
        fn validate(&mut self, _: &[f64], _: u64) -> Result<Option<Evaluation>, Failure> {
            Ok(None)
        }
    }
    let (mut adam, mut lbfgs) = (Steps(Vec::new()), Steps(Vec::new()));
    train(&mut adam, &mut [0.0; 2], &job(&spec(Optimizer::Adam, 3), &GO), &mut ()).unwrap();
    assert_eq!(adam.0, [(0, 128), (1, 128), (2, 128)]);
    let small = TrainSpec { batch: Some(4), ..TrainSpec::new(Optimizer::Lbfgs) };
    let report = train(&mut lbfgs, &mut [0.0; 2], &job(&small, &GO), &mut ()).unwrap();
    assert_eq!(report.ended, Ended::Converged);
    assert!(lbfgs.0.len() > 3 && lbfgs.0.iter().all(|r| *r == (0, 4)));
}

#[test]
fn training_stops_without_improvement_and_keeps_the_best() {
    let mut spec = spec(Optimizer::Sgd, 100);
    (spec.validate_every, spec.patience) = (Some(2), Some(3));
    let (mut toy, mut x, mut log) = (Toy::new(Shape::Quadratic, Some(1)), [0.0; 3], Log::default());
    toy.validations = vec![3.0, 1.0, f64::NAN, 2.0, 1.0];
    let report = train(&mut toy, &mut x, &job(&spec, &GO), &mut log).unwrap();
    assert_eq!((report.ended, report.steps), (Ended::Patience, 10));
    let best = report.best.clone().unwrap();
    assert_eq!((best.step, best.loss.to_bits()), (4, 1.0_f64.to_bits()));
    assert_eq!(best.params, x);
    assert_ne!(report.last, x);
    assert_eq!(log.validations, [(2, true), (4, true), (8, false), (10, false)]);
    assert_eq!(log.failures, [(6, 0)]);
    assert_eq!(log.done, Some(report));
}

#[test]
fn the_stop_flag_ends_every_optimiser() {
    for kind in Optimizer::ALL {
        let spec = spec(kind, 100);
        let mut toy = Stopping { toy: Toy::new(Shape::Rosenbrock, Some(1)), flag: &AtomicBool::new(false), at: 5 };
        let flag = toy.flag;
        let report = train(&mut toy, &mut [-1.2, 1.0], &job(&spec, flag), &mut ()).unwrap();
        assert_eq!(report.ended, Ended::Stopped);
        assert!(toy.toy.calls == 5, "{}: {} calls", kind.name(), toy.toy.calls);
    }
}

/// Sets the flag during an evaluation, as an interrupt would.
struct Stopping<'a> {
    toy: Toy,
    flag: &'a AtomicBool,
    at: u64,
}

impl Objective for Stopping<'_> {
    fn len(&self) -> usize {
        self.toy.len()
    }
    fn samples(&self) -> Option<usize> {
        self.toy.samples()
    }
    fn evaluate(&mut self, x: &[f64], r: &Request<'_>, g: Option<&mut [f64]>) -> Result<Evaluation, Failure> {
        self.flag.store(self.toy.calls + 1 >= self.at, std::sync::atomic::Ordering::Relaxed);
        self.toy.evaluate(x, r, g)
    }
    fn validate(&mut self, x: &[f64], step: u64) -> Result<Option<Evaluation>, Failure> {
        self.toy.validate(x, step)
    }
}

#[test]
fn a_time_budget_ends_the_run() {
    let mut spec = spec(Optimizer::Sgd, u64::MAX);
    spec.seconds = Some(0.01);
    let report = train(&mut Toy::new(Shape::Quadratic, Some(1)), &mut [0.0; 3], &job(&spec, &GO), &mut ()).unwrap();
    assert_eq!(report.ended, Ended::TimeBudget);
}

#[test]
fn divergence_is_a_failure_with_advice_and_good_parameters() {
    let mut spec = spec(Optimizer::Sgd, 1000);
    spec.optimizer.options.lr = 10.0;
    let (mut toy, mut x, mut log) = (Toy::new(Shape::Quadratic, Some(1)), [0.0; 3], Log::default());
    toy.fails_beyond = 100.0;
    let Err(TrainError::Numerics(failure)) = train(&mut toy, &mut x, &job(&spec, &GO), &mut log) else {
        panic!("it must fail");
    };
    assert!(failure.message.contains("after 5 failures in a row: too far out"), "{}", failure.message);
    assert!(failure.advice.contains("stay near; try a smaller `lr` (it is 10)"), "{}", failure.advice);
    assert_eq!(log.failures.iter().map(|f| f.1).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
    assert!(x.iter().all(|x| x.abs() <= 100.0));
}

#[test]
fn an_update_that_overflows_is_not_kept() {
    let mut spec = TrainSpec { validate_every: Some(3), ..spec(Optimizer::Sgd, 3) };
    // The first gradient is within the clip, the update by it is not a number that f64 has.
    spec.optimizer.options.lr = 1e200;
    spec.failures = 100;
    let (mut toy, mut x) = (Toy::new(Shape::Quadratic, Some(1)), [1e150; 3]);
    let report = train(&mut toy, &mut x, &job(&spec, &GO), &mut ()).unwrap();
    assert!(!report.last.iter().all(|x| x.is_finite()));
    assert_eq!(x.map(f64::to_bits), [1e150_f64; 3].map(f64::to_bits));
}

#[test]
fn a_run_goes_on_after_a_single_failure() {
    let mut spec = spec(Optimizer::Momentum, 400);
    spec.optimizer.options.lr = 0.05;
    let (mut toy, mut x, mut log) = (Toy::new(Shape::Quadratic, Some(1)), [0.0; 3], Log::default());
    // The heavy ball overshoots, fails, and from the point before settles.
    toy.fails_beyond = 1.3;
    train(&mut toy, &mut x, &job(&spec, &GO), &mut log).unwrap();
    assert!(!log.failures.is_empty());
    assert!(x.iter().all(|x| (x - 1.0).abs() < 1e-3), "{x:?}");
}

#[test]
fn dropped_samples_and_evaluations_are_counted() {
    let (mut toy, mut log) = (Toy::new(Shape::Quadratic, Some(5)), Log::default());
    toy.drops = 2;
    let report = train(&mut toy, &mut [0.0; 3], &job(&spec(Optimizer::Adam, 10), &GO), &mut log).unwrap();
    assert_eq!((report.dropped, report.rhs), (20, 20));
    assert!(log.steps.iter().all(|s| s.dropped.len() == 2 && s.dropped[1].reason == "max steps"));
}

#[test]
fn lbfgs_does_not_trade_samples_for_a_lower_loss() {
    /// The loss would be lowest where half of the samples fail.
    struct Losing;
    impl Objective for Losing {
        fn len(&self) -> usize {
            2
        }
        fn samples(&self) -> Option<usize> {
            Some(2)
        }
        fn evaluate(&mut self, x: &[f64], r: &Request<'_>, g: Option<&mut [f64]>) -> Result<Evaluation, Failure> {
            let (loss, slope) = value(Shape::Rosenbrock, x, r);
            if let Some(g) = g {
                g.copy_from_slice(&slope);
            }
            let fails = x[0] > 0.5;
            let dropped = crate::train::Dropped { sample: 0, reason: "lost".into() };
            let dropped = if fails { vec![dropped] } else { Vec::new() };
            Ok(Evaluation { loss: if fails { loss - 10.0 } else { loss }, dropped, ..Evaluation::default() })
        }
        fn validate(&mut self, _: &[f64], _: u64) -> Result<Option<Evaluation>, Failure> {
            Ok(None)
        }
    }
    let mut x = [-1.2, 1.0];
    let report = train(&mut Losing, &mut x, &job(&spec(Optimizer::Lbfgs, 100), &GO), &mut ()).unwrap();
    assert_eq!(report.dropped, 0);
    assert!(x[0] <= 0.5 && x[0] > 0.0, "{x:?}");
}

#[test]
fn options_that_the_data_rules_out_are_refused() {
    let code = |toy: &mut Toy, spec: &TrainSpec| {
        let mut x = vec![0.0; toy.len];
        let Err(TrainError::Problem(d)) = train(toy, &mut x, &job(spec, &GO), &mut ()) else {
            panic!("it must be refused");
        };
        d.code
    };
    let epochs = TrainSpec { length: Length::Epochs(2), ..TrainSpec::new(Optimizer::Adam) };
    assert_eq!(code(&mut Toy::new(Shape::Samples, None), &epochs), "N0630");
    let batch = TrainSpec { batch: Some(2), ..TrainSpec::new(Optimizer::Lbfgs) };
    assert_eq!(code(&mut Toy::new(Shape::Samples, Some(4)), &batch), "N0631");
    let mut empty = Toy::new(Shape::Samples, Some(4));
    empty.len = 0;
    assert_eq!(code(&mut empty, &TrainSpec::new(Optimizer::Adam)), "N0632");
    assert_eq!(code(&mut Toy::new(Shape::Samples, Some(0)), &epochs), "N0633");
    let (job, mut toy): (Job<'_>, _) = (job(&epochs, &GO), Toy::new(Shape::Samples, Some(4)));
    assert!(matches!(train(&mut toy, &mut [0.0], &job, &mut ()), Err(TrainError::Problem(d)) if d.code == "N0634"));
}
