use std::path::Path;
use std::sync::LazyLock;

use proptest::prelude::*;

use crate::train::history::History;
use crate::train::params::{Precision, load, save};
use crate::train::{Evaluation, StepRecord};

const TENSORS: [(&str, &[usize], &[f64]); 3] =
    [("f.0.W", &[2, 2], &[1.0, -2.5, 1e-300, 0.1]), ("k", &[], &[3.0]), ("none", &[0, 4], &[])];
const EXPECTED: [(&str, &[usize]); 3] = [("f.0.W", &[2, 2]), ("k", &[]), ("none", &[0, 4])];

fn written(precision: Precision) -> (tempfile::TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("params.safetensors");
    save(&path, &TENSORS, precision, &[("model", "Spiral"), ("loss", "0.1")]).unwrap();
    (folder, path)
}

#[test]
fn parameters_come_back() {
    let (_folder, path) = written(Precision::F64);
    let values = load(&path, &EXPECTED).unwrap();
    assert_eq!(values, TENSORS.map(|t| t.2.to_vec()));
    let bytes = std::fs::read(&path).unwrap();
    let (_, header) = safetensors::SafeTensors::read_metadata(&bytes).unwrap();
    assert_eq!(header.metadata().as_ref().unwrap()["model"], "Spiral");
    let (_folder, path) = written(Precision::F32);
    #[allow(clippy::cast_possible_truncation, reason = "the rounding is tested")]
    let rounded = f64::from(0.1_f64 as f32);
    assert_eq!(load(&path, &EXPECTED).unwrap()[0], [1.0, -2.5, 0.0, rounded]);
}

/// A file of one tensor of the given type.
fn raw(path: &Path, dtype: &str, data: &[u8], size: usize) {
    let n = data.len() / size;
    let header = format!(r#"{{"x":{{"dtype":"{dtype}","shape":[{n}],"data_offsets":[0,{}]}}}}"#, data.len());
    std::fs::write(path, [&(header.len() as u64).to_le_bytes(), header.as_bytes(), data].concat()).unwrap();
}

#[test]
fn half_precisions_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x");
    // Values of IEEE 754-2019: 1, −2, the largest, the smallest normal and the smallest subnormal number.
    let half: Vec<u8> = [0x3c00_u16, 0xc000, 0x7bff, 0x0400, 0x0001].iter().flat_map(|b| b.to_le_bytes()).collect();
    raw(&path, "F16", &half, 2);
    let expected = [1.0, -2.0, 65504.0, 2.0_f64.powi(-14), 2.0_f64.powi(-24)];
    assert_eq!(load(&path, &[("x", &[5])]).unwrap()[0], expected);
    raw(&path, "BF16", &[0x80, 0x3f, 0x40, 0xc0], 2);
    assert_eq!(load(&path, &[("x", &[2])]).unwrap()[0], [1.0, -3.0]);
    raw(&path, "F16", &[0x00, 0x7c], 2);
    assert_eq!(load(&path, &[("x", &[1])]).unwrap_err().code, "N0616");
    raw(&path, "I32", &[0; 4], 4);
    assert_eq!(load(&path, &[("x", &[1])]).unwrap_err().code, "N0617");
}

#[test]
fn each_defect_of_parameters_has_its_code() {
    let (folder, path) = written(Precision::F64);
    let code = |expected: &[(&str, &[usize])]| load(&path, expected).unwrap_err().code;
    assert_eq!(code(&[EXPECTED[0], EXPECTED[1], ("none", &[4, 0])]), "N0615");
    assert_eq!(code(&EXPECTED[..2]), "N0614");
    let missing = load(&path, &[("f.0.V", &[2, 2]), EXPECTED[1], EXPECTED[2]]).unwrap_err();
    assert_eq!((missing.code, missing.help), ("N0613", vec!["is `f.0.W` in the file the model's `f.0.V`?".to_owned()]));
    let bytes = std::fs::read(&path).unwrap();
    for cut in 0..bytes.len() {
        std::fs::write(&path, &bytes[..cut]).unwrap();
        assert_eq!(code(&EXPECTED), "N0611", "cut at {cut}");
    }
    std::fs::write(&path, "step,loss\n1,2\n").unwrap();
    assert_eq!(code(&EXPECTED), "N0612");
    assert_eq!(load(&folder.path().join("absent"), &EXPECTED).unwrap_err().code, "N0610");
    save(&path, &[("x", &[1], &[f64::NAN])], Precision::F64, &[]).unwrap();
    assert_eq!(code(&[("x", &[1])]), "N0616");
    assert_eq!(save(&path, &[("x", &[2], &[1.0])], Precision::F64, &[]).unwrap_err().code, "N0618");
    let nowhere = folder.path().join("no/such/folder");
    assert_eq!(save(&nowhere, &TENSORS, Precision::F64, &[]).unwrap_err().code, "N0619");
}

static HISTORY: LazyLock<String> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    history_of(&folder.path().join("history.csv"), 3)
});

static WHOLE: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let (_folder, path) = written(Precision::F64);
    std::fs::read(&path).unwrap()
});

proptest! {
    #![proptest_config(ProptestConfig { cases: 250, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_parameter_file_makes_reading_panic(at: prop::sample::Index, bits: u8, cut: prop::sample::Index, grow: bool) {
        let (folder, mut bytes) = (tempfile::tempdir().unwrap(), WHOLE.clone());
        let path = folder.path().join("params.safetensors");
        let at = at.index(bytes.len());
        bytes[at] ^= bits;
        if grow { bytes.extend([bits; 9]) } else { bytes.truncate(cut.index(bytes.len() + 1)) }
        std::fs::write(&path, &bytes).unwrap();
        if let Ok(values) = load(&path, &EXPECTED) {
            prop_assert!(values.iter().flatten().all(|x| x.is_finite()));
        }
    }

    #[test]
    fn no_history_makes_resuming_panic(text in "(step|,|1|2|\"|\n|epoch|[a-z]){0,40}", mangled: prop::sample::Index) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("history.csv");
        let mut whole = HISTORY.clone();
        whole.insert_str(mangled.index(whole.len()), &text);
        std::fs::write(&path, &whole).unwrap();
        if let Ok(mut history) = History::resume(&path, 2) {
            history.append(&record(3), None).unwrap();
            history.flush().unwrap();
        }
    }
}

fn record(step: u64) -> StepRecord {
    StepRecord {
        step,
        total: 9,
        epoch: 0,
        loss: 0.5,
        metrics: vec![("error, mean".into(), 0.25)],
        lr: 1e-3,
        gradient_norm: 2.0,
        seconds: 1.0,
        dropped: Vec::new(),
    }
}

fn history_of(path: &Path, steps: u64) -> String {
    let mut history = History::create(path).unwrap();
    let validation = Evaluation { loss: 0.75, metrics: vec![("error, mean".into(), 0.125)], ..Evaluation::default() };
    for step in 1..=steps {
        history.append(&record(step), (step == 2).then_some(&validation)).unwrap();
    }
    history.flush().unwrap();
    std::fs::read_to_string(path).unwrap()
}

#[test]
fn a_history_is_cut_to_the_checkpoint_and_continued() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("history.csv");
    let whole = history_of(&path, 5);
    let lines: Vec<&str> = whole.lines().collect();
    assert_eq!(
        lines[..3],
        [
            r#"step,epoch,loss,validation_loss,"error, mean","validation_error, mean",lr,gradient_norm,seconds,dropped"#,
            "1,0,0.5,,0.25,,0.001,2,1.000,0",
            "2,0,0.5,0.75,0.25,0.125,0.001,2,1.000,0",
        ]
    );
    // Wherever a kill cut the rows after the checkpoint of step 3.
    let least = lines[..4].iter().map(|l| l.len() + 1).sum::<usize>();
    for cut in least..=whole.len() {
        std::fs::write(&path, &whole[..cut]).unwrap();
        let mut history = History::resume(&path, 3).unwrap();
        for step in 4..=5 {
            history.append(&record(step), None).unwrap();
        }
        history.flush().unwrap();
        drop(history);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), whole, "cut at {cut}");
    }
    std::fs::write(&path, "a,b\n1,2\n").unwrap();
    assert_eq!(History::resume(&path, 3).err().map(|d| d.code), Some("N0621"));
}
