use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use std::sync::LazyLock;

use proptest::prelude::*;

use super::{GO, Shape, Toy, job};
use crate::train::checkpoint::{load, save};
use crate::train::lbfgs::{Current, Memory, Pair};
use crate::train::state::{OptimizerState, State};
use crate::train::{Best, Job, Length, Optimizer, ScheduleKind, TrainSpec, train};

fn spec(kind: Optimizer) -> TrainSpec {
    let mut spec = TrainSpec { length: Length::Steps(10), checkpoint_every: Some(3), ..TrainSpec::new(kind) };
    if kind != Optimizer::Lbfgs {
        (spec.batch, spec.clip, spec.schedule.kind) = (Some(3), Some(2.0), ScheduleKind::Cosine);
        spec.validate_every = Some(4);
    }
    spec.optimizer.options.memory = 3;
    spec.optimizer.options.tolerance = 0.0;
    spec
}

fn shape(kind: Optimizer) -> Shape {
    if kind == Optimizer::Lbfgs { Shape::Rosenbrock } else { Shape::Samples }
}

/// What must be the same after a resumed run, byte for byte: all but the seconds.
fn outcome(path: &Path, history: &Path, spec: &TrainSpec) -> (State, Vec<Vec<String>>) {
    let mut state = load(path, spec, 7, 2).unwrap();
    state.seconds = 0.0;
    let mut reader = csv::Reader::from_path(history).unwrap();
    let rows = reader.records().map(|row| {
        let row = row.unwrap();
        let cells = row.len();
        row.iter().enumerate().filter(|(i, _)| *i != cells - 2).map(|(_, c)| c.to_owned()).collect()
    });
    (state, rows.collect())
}

#[test]
fn a_killed_run_continues_bit_for_bit() {
    for kind in Optimizer::ALL {
        let spec = spec(kind);
        let folder = tempfile::tempdir().unwrap();
        let (path, history) = (folder.path().join("whole"), folder.path().join("whole.csv"));
        let files = |checkpoint, history| Job {
            checkpoint: Some(checkpoint),
            history: Some(history),
            resume: true,
            ..job(&spec, &GO)
        };
        let mut whole = Toy::new(shape(kind), Some(10));
        let mut x = [-1.2, 1.0];
        train(&mut whole, &mut x, &files(&path, &history), &mut ()).unwrap();
        let expected = outcome(&path, &history, &spec);
        assert_eq!(expected.1.len(), 10);
        let (path, history) = (folder.path().join("killed"), folder.path().join("killed.csv"));
        for kill in 1..=whole.calls {
            for file in [&path, &history] {
                let _absent = std::fs::remove_file(file);
            }
            let mut y = [-1.2, 1.0];
            let mut toy = Toy::new(shape(kind), Some(10));
            toy.killed_at = Some(kill);
            let killed = catch_unwind(AssertUnwindSafe(|| train(&mut toy, &mut y, &files(&path, &history), &mut ())));
            assert!(killed.is_err());
            y = [-1.2, 1.0];
            train(&mut Toy::new(shape(kind), Some(10)), &mut y, &files(&path, &history), &mut ()).unwrap();
            assert_eq!(y.map(f64::to_bits), x.map(f64::to_bits), "{} killed at {kill}", kind.name());
            assert_eq!(outcome(&path, &history, &spec), expected, "{} killed at {kill}", kind.name());
        }
    }
}

#[test]
fn a_constant_rate_may_be_trained_longer() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint");
    let run = |steps| {
        let spec = TrainSpec { length: Length::Steps(steps), ..TrainSpec::new(Optimizer::Adam) };
        let mut x = [0.0; 3];
        let job = Job { checkpoint: Some(&path), resume: true, ..job(&spec, &GO) };
        train(&mut Toy::new(Shape::Quadratic, Some(1)), &mut x, &job, &mut ()).unwrap()
    };
    assert_eq!(run(5).steps, 5);
    let longer = run(12);
    std::fs::remove_file(&path).unwrap();
    assert_eq!(longer.last, run(12).last);
}

/// Every field, with values that runs seldom reach.
#[test]
fn a_state_comes_back_whole() {
    let current = Some(Current { loss: 0.5, gradient: vec![1.0, -0.0], dropped: 3 });
    let pairs = [Pair { s: vec![1.0, 2.0], y: vec![3.0, 4.0] }].into();
    let state = State {
        good: vec![5.0, 6.0],
        optimizer: OptimizerState::Memory(Memory { current, pairs }),
        step: 1,
        best: Some(Best { loss: 0.25, step: 2, params: vec![7.0, 8.0] }),
        stale: 3,
        window: (4.0, 5),
        failures: 6,
        restored: true,
        dropped: 7,
        rhs: 8,
        seconds: 9.0,
        ..State::new(Optimizer::Lbfgs, &[1.0, 2.0])
    };
    let (folder, spec) = (tempfile::tempdir().unwrap(), TrainSpec::new(Optimizer::Lbfgs));
    let path = folder.path().join("checkpoint");
    save(&path, &state, &spec, 7).unwrap();
    assert_eq!(load(&path, &spec, 7, 2).unwrap(), state);
}

fn written(kind: Optimizer) -> (tempfile::TempDir, std::path::PathBuf, TrainSpec) {
    let (folder, spec) = (tempfile::tempdir().unwrap(), spec(kind));
    let path = folder.path().join("checkpoint");
    let job = Job { checkpoint: Some(&path), ..job(&spec, &GO) };
    train(&mut Toy::new(shape(kind), Some(10)), &mut [0.5, 0.1], &job, &mut ()).unwrap();
    (folder, path, spec)
}

#[test]
fn each_defect_has_its_code() {
    let (folder, path, spec) = written(Optimizer::Lbfgs);
    let bytes = std::fs::read(&path).unwrap();
    let code = |bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        load(&path, &spec, 7, 2).unwrap_err().code
    };
    assert_eq!(code(b"something else altogether, long enough"), "N0601");
    for cut in (0..40).chain((40..bytes.len()).step_by(29)) {
        assert_eq!(code(&bytes[..cut]), "N0602", "cut at {cut}");
    }
    let with = |at: usize, value: u8| [&bytes[..at], &[value], &bytes[at + 1..]].concat();
    assert_eq!(code(&with(8, 9)), "N0603");
    assert_eq!(code(&with(100, !bytes[100])), "N0604");
    assert_eq!(code(&[&bytes[..], b"x"].concat()), "N0604");
    std::fs::write(&path, &bytes).unwrap();
    assert_eq!(load(&path, &spec, 8, 2).unwrap_err().code, "N0605");
    assert_eq!(load(&path, &spec, 7, 3).unwrap_err().code, "N0604");
    let mut other = spec.clone();
    other.optimizer.options.lr = 0.5;
    let refused = load(&path, &other, 7, 2).unwrap_err();
    assert_eq!((refused.code, refused.notes), ("N0606", vec!["lr: 1.0 when it was written, 0.5 now".to_owned()]));
    assert_eq!(load(&folder.path().join("absent"), &spec, 7, 2).unwrap_err().code, "N0608");
    let state = load(&path, &spec, 7, 2).unwrap();
    assert!(matches!(&state.optimizer, OptimizerState::Memory(m) if m.pairs.len() == 3), "the memory is full");
    let nowhere = folder.path().join("no/such/folder");
    assert_eq!(save(&nowhere, &state, &spec, 7).unwrap_err().code, "N0607");
    let names: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(names, ["checkpoint"], "an unfinished file is left");
}

/// A checkpoint of `adam` and one of `lbfgs`.
static WHOLE: LazyLock<[(Vec<u8>, TrainSpec); 2]> = LazyLock::new(|| {
    [Optimizer::Adam, Optimizer::Lbfgs].map(|kind| {
        let (_folder, path, spec) = written(kind);
        (std::fs::read(&path).unwrap(), spec)
    })
});

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// Also with a checksum that fits, no content makes reading panic, or gives a state that does not fit.
    #[test]
    fn no_content_makes_reading_panic(at in 0_usize..2000, value: u64, lbfgs: bool) {
        let kind = if lbfgs { Optimizer::Lbfgs } else { Optimizer::Adam };
        let (mut bytes, spec) = WHOLE[usize::from(lbfgs)].clone();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("checkpoint");
        std::fs::write(&path, &bytes).unwrap();
        let at = 32 + at % (bytes.len() - 40);
        bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
        prop_assert!(load(&path, &spec, 7, 2).is_ok());
        let sum = crate::train::checkpoint::fingerprint(&bytes[32..]);
        bytes[24..32].copy_from_slice(&sum.to_le_bytes());
        std::fs::write(&path, &bytes).unwrap();
        if let Ok(state) = load(&path, &spec, 7, 2) {
            prop_assert!(state.fits(kind, 2));
        }
    }
}
