use std::collections::HashMap;

use safetensors::Dtype;
use safetensors::tensor::{TensorView, serialize};

use super::super::{Buffer, DimSize, Expect, Reader, load, write_npz};
use super::{Scene, feed, input, one_problem, sample};

/// An IDX file of bytes.
pub(super) fn idx(shape: &[u32], data: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 0, 8, u8::try_from(shape.len()).expect("few axes")];
    bytes.extend(shape.iter().flat_map(|s| s.to_be_bytes()));
    bytes.extend(data);
    bytes
}

/// A `NumPy` file, version 1.0.
pub(super) fn npy(descr: &str, fortran: bool, shape: &str, data: &[u8]) -> Vec<u8> {
    let order = if fortran { "True" } else { "False" };
    let text = format!("{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}\n");
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend(u16::try_from(text.len()).expect("a short header").to_le_bytes());
    bytes.extend(text.bytes());
    bytes.extend(data);
    bytes
}

/// An archive of `ts` (shared), `y` (2 samples of 3 rows) and `k` (one number a sample).
pub(super) fn npz() -> Vec<u8> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.npz");
    let y: Vec<f64> = (0..12).map(f64::from).collect();
    write_npz(&path, &[("ts", &[3], &[0.0, 1.0, 2.0]), ("y", &[2, 3, 2], &y), ("k", &[2], &[7.0, 8.0])]).expect("npz");
    std::fs::read(&path).expect("npz")
}

pub(super) fn safetensors() -> Vec<u8> {
    let data: Vec<u8> = [1.5_f32, 2.5, 3.5, 4.5].iter().flat_map(|x| x.to_le_bytes()).collect();
    let view = TensorView::new(Dtype::F32, vec![2, 2], &data).expect("a view");
    serialize(HashMap::from([("x", view)]), None).expect("a file")
}

#[test]
fn npz_with_shared_times() {
    let scene = Scene::new(Reader::Npz, "a.npz", &npz());
    let inputs = [input("ts", &["T"]), input("y", &["T", "D"]), input("k", &[])];
    let data = scene.load(&inputs).expect("data");
    assert_eq!(data.len, 2);
    assert_eq!(data.dims, [("T".to_owned(), DimSize::Fixed(3)), ("D".to_owned(), DimSize::Fixed(2))]);
    assert_eq!(sample(&data, "ts", 1), [0.0, 1.0, 2.0]);
    assert_eq!(sample(&data, "y", 1), [6.0, 7.0, 8.0, 9.0, 10.0, 11.0]);
    assert_eq!(sample(&data, "k", 1), [8.0]);
    let mut source = scene.source();
    source.window = Some(2);
    let data = load(&source, &inputs).expect("data");
    assert_eq!(data.len, 4);
    assert_eq!(sample(&data, "y", 3), [8.0, 9.0, 10.0, 11.0]);
    assert_eq!(sample(&data, "ts", 3), [1.0, 2.0]);
    assert_eq!(sample(&data, "k", 3), [8.0]);
}

#[test]
fn npz_problems() {
    let scene = Scene::new(Reader::Npz, "a.npz", &npz());
    let (code, text) = scene.problem(&[input("z", &[])]);
    assert!(code == "N0511" && text.contains("`k`, `ts`, `y`"), "{text}");
    let (code, text) = scene.problem(&[input("y", &["T", "3"])]);
    assert!(code == "N0510" && text.contains("axis 1 of `y` is declared as 3, but the data has 2"), "{text}");
    assert_eq!(scene.problem(&[input("y", &[])]).0, "N0512");
    let (code, text) = scene.problem(&[input("ts", &[]), input("k", &[])]);
    assert!(code == "N0513" && text.contains("`ts` has 3 samples, but `k` has 2"), "{text}");
    let (code, text) = scene.problem(&[input("y", &["T", "T"])]);
    assert!(code == "N0510" && text.contains("`T` is 3"), "{text}");
    let mut source = scene.source();
    source.by = Some("id".into());
    assert_eq!(one_problem(load(&source, &[input("k", &[])])).0, "N0524");
}

#[test]
fn rows_of_nan_are_padding() {
    let nan = f64::NAN;
    let data: Vec<u8> = [1.0, 2.0, nan, 3.0, 4.0, 5.0].iter().flat_map(|x: &f64| x.to_le_bytes()).collect();
    let scene = Scene::new(Reader::Npy, "y.npy", &npy("'<f8'", false, "(2, 3)", &data));
    let loaded = scene.load(&[input("y", &["T"])]).expect("data");
    assert_eq!(loaded.dims, [("T".to_owned(), DimSize::Ragged { max: 3 })]);
    assert_eq!(sample(&loaded, "y", 0), [1.0, 2.0, 2.0]);
    let (code, text) = scene.problem(&[input("y", &["3"])]);
    assert!(code == "N0508" && text.contains("`y` is NaN at sample 0, entry 2"), "{text}");
}

#[test]
fn npy_orders_and_types() {
    let big: Vec<u8> = (1..=6_i16).flat_map(i16::to_be_bytes).collect();
    let fortran = npy("'>i2'", true, "(2, 3)", &big);
    let data = Scene::new(Reader::Npy, "a.npy", &fortran).load(&[input("x", &["3"])]).expect("data");
    assert_eq!(sample(&data, "x", 0), [1.0, 3.0, 5.0]);
    assert_eq!(sample(&data, "x", 1), [2.0, 4.0, 6.0]);
    let booleans = npy("'|b1'", false, "(3,)", &[0, 1, 1]);
    let data = Scene::new(Reader::Npy, "a.npy", &booleans).load(&[input("x", &[])]).expect("data");
    assert!(matches!(data.columns[0].buffer(), Buffer::U8(_)));
    assert_eq!(data.len, 3);
}

#[test]
fn npy_problems() {
    let x = [input("x", &[])];
    for (bytes, code) in [
        (npy("'<f8'", false, "(2,)", &[0; 15]), "N0515"),
        (npy("'<f8'", false, "(1099511627776,)", &[]), "N0520"),
        (npy("'<f8'", false, "(99999999999999999999999,)", &[]), "N0515"),
        (npy("'<f8'", false, "(4294967296, 4294967296, 2)", &[]), "N0520"),
        (npy("'|u1'", false, "(1099511627776, 0)", &[]), "N0520"),
        (npy("'<c16'", false, "(1,)", &[0; 16]), "N0521"),
        (npy("[('a', '<f8')]", false, "(1,)", &[0; 8]), "N0521"),
        (npy("'<f8'", false, "(0,)", &[]), "N0518"),
        (npy("'<f8'", false, "((((((", &[]), "N0515"),
        (b"\x93NUMPY\x02\x00\xff\xff\xff\xff".to_vec(), "N0515"),
        (b"no".to_vec(), "N0515"),
    ] {
        let (found, text) = Scene::new(Reader::Npy, "a.npy", &bytes).problem(&x);
        assert_eq!(found, code, "{text}");
    }
}

#[test]
fn idx_stays_bytes_and_takes_a_folder() {
    let pixels: Vec<u8> = (0..12).collect();
    let scene = Scene::new(Reader::Idx, "images", &idx(&[3, 2, 2], &pixels));
    scene.add("labels", &idx(&[3], &[0, 9, 10]));
    let mut source = scene.source();
    source.path = scene.folder.path().to_path_buf();
    source.columns = vec![feed("image", &["images"]), feed("label", &["labels"])];
    let label = |n| Expect { class: Some(n), ..input("label", &[]) };
    let data = load(&source, &[input("image", &["1", "2", "2"]), label(11)]).expect("data");
    assert_eq!(data.columns[0].buffer().bytes(), 12);
    assert_eq!(data.columns[0].shape, [1, 2, 2]);
    assert_eq!(sample(&data, "image", 2), [8.0, 9.0, 10.0, 11.0]);
    let (code, text) = one_problem(load(&source, &[input("image", &["4"]), label(10)]));
    assert!(code == "N0517" && text.contains("10 at sample 2"), "{text}");
    source.columns[1].1 = vec!["label".into()];
    let (code, text) = one_problem(load(&source, &[input("image", &["4"]), label(11)]));
    assert!(code == "N0501" && text.contains("labels"), "{text}");
}

#[test]
fn idx_problems() {
    for (bytes, code) in [
        (idx(&[3, 2], &[0; 5]), "N0515"),
        (idx(&[3, 2], &[0; 7]), "N0515"),
        (idx(&[u32::MAX, u32::MAX, u32::MAX], &[]), "N0520"),
        (vec![0, 0, 8, 3, 0], "N0515"),
        (vec![0, 0, 7, 1, 0, 0, 0, 1, 0], "N0521"),
        (b"P5 28".to_vec(), "N0515"),
    ] {
        assert_eq!(Scene::new(Reader::Idx, "a", &bytes).problem(&[input("x", &["2"])]).0, code);
    }
}

#[test]
fn safetensors_by_name() {
    let mut bytes = safetensors();
    let data = Scene::new(Reader::Safetensors, "a.safetensors", &bytes).load(&[input("x", &["2"])]).expect("data");
    assert!(matches!(data.columns[0].buffer(), Buffer::F32(_)));
    assert_eq!(sample(&data, "x", 1), [3.5, 4.5]);
    let missing = Scene::new(Reader::Safetensors, "a", &bytes).problem(&[input("xx", &["2"])]);
    assert!(missing.0 == "N0511" && missing.1.contains("did you mean `x`"), "{missing:?}");
    bytes.truncate(bytes.len() - 1);
    assert_eq!(Scene::new(Reader::Safetensors, "a", &bytes).problem(&[input("x", &["2"])]).0, "N0515");
}
