use std::fs;

use super::super::{Reader, load, write_atomically, write_csv, write_npz};
use super::{Scene, input, sample};

#[test]
fn a_table_reads_back_to_the_same_bits() {
    let scene = Scene::csv("");
    let rows: Vec<Vec<f64>> = [0.1, 1.0 / 3.0, -1e300, 5e-324, 12345.0].iter().map(|x| vec![*x, 1.0]).collect();
    write_csv(&scene.path, &["x", "a \"b\", c"], &rows).expect("written");
    assert!(fs::read_to_string(&scene.path).expect("text").starts_with("x,\"a \"\"b\"\", c\"\n0.1,1\n"));
    let data = scene.load(&[input("x", &["T"])]).expect("data");
    assert_eq!(sample(&data, "x", 0), rows.iter().map(|r| r[0]).collect::<Vec<_>>());
}

#[test]
fn an_archive_reads_back_and_is_deterministic() {
    let scene = Scene::new(Reader::Npz, "a.npz", b"");
    let arrays: [(&str, &[usize], &[f64]); 2] = [("x", &[2], &[0.1, -2.0]), ("s", &[], &[3.0])];
    write_npz(&scene.path, &arrays).expect("written");
    let first = fs::read(&scene.path).expect("bytes");
    write_npz(&scene.path, &arrays).expect("written");
    assert_eq!(first, fs::read(&scene.path).expect("bytes"));
    let data = load(&scene.source(), &[input("x", &[]), input("s", &[])]).expect("data");
    assert_eq!(sample(&data, "x", 1), [-2.0]);
    assert_eq!(sample(&data, "s", 1), [3.0]);
    assert_eq!(write_npz(&scene.path, &[("x", &[3], &[1.0])]).expect_err("a wrong shape").code, "N0523");
}

#[test]
fn failures_leave_the_old_file() {
    let scene = Scene::csv("old");
    let nowhere = scene.folder.path().join("no/such/file.csv");
    let problem = write_atomically(&nowhere, b"new").expect_err("no folder");
    assert!(problem.code == "N0523" && problem.help[0].contains("does not exist"), "{problem:?}");
    let folder = scene.folder.path().join("sub");
    fs::create_dir(&folder).expect("a folder");
    assert_eq!(write_atomically(&folder, b"new").expect_err("a folder in the way").code, "N0523");
    let left = fs::read_dir(scene.folder.path()).expect("a folder").count();
    assert_eq!(left, 2, "a temporary file is left behind");
    assert_eq!(fs::read_to_string(&scene.path).expect("text"), "old");
}
