use super::super::{DimSize, Expect, load};
use super::{Scene, feed, input, one_problem, sample};

#[test]
fn one_trajectory() {
    let scene = Scene::csv("year, hare,lynx\n1900,30,4\n1901,47.2,6.1\n1902,70.2,9.8\n");
    let mut source = scene.source();
    source.columns = vec![feed("ts", &["year"]), feed("y", &["hare", "lynx"])];
    let data = load(&source, &[input("ts", &["T"]), input("y", &["T", "2"])]).expect("data");
    assert_eq!(data.len, 1);
    assert_eq!(data.dims, [("T".to_owned(), DimSize::Fixed(3))]);
    assert_eq!(sample(&data, "ts", 0), [1900.0, 1901.0, 1902.0]);
    assert_eq!(sample(&data, "y", 0), [30.0, 4.0, 47.2, 6.1, 70.2, 9.8]);
    assert_eq!(data.columns[1].shape, [3, 2]);
}

#[test]
fn rows_are_samples_without_named_sizes() {
    let scene = Scene::csv("a;b;c\n1;2;0\n3;4;1\n");
    let mut source = scene.source();
    source.columns = vec![feed("x", &["b", "a"])];
    let data = load(&source, &[input("x", &["2"]), Expect { class: Some(2), ..input("c", &[]) }]).expect("data");
    assert_eq!(data.len, 2);
    assert_eq!(sample(&data, "x", 1), [4.0, 3.0]);
    assert_eq!(sample(&data, "c", 1), [1.0]);
    assert!(data.columns[1].shape.is_empty());
}

#[test]
fn rows_on_demand_take_the_size_from_the_columns() {
    let scene = Scene::csv("a,b\n1,2\n3,4\n");
    let mut source = scene.source();
    source.rows = true;
    source.columns = vec![feed("x", &["a", "b"])];
    let data = load(&source, &[input("x", &["D"])]).expect("data");
    assert_eq!((data.len, data.dims), (2, vec![("D".to_owned(), DimSize::Fixed(2))]));
}

const SUBJECTS: &str = "id,dose,t,c\nA,1,0,10\nB,2,5,50\nA,1,1,11\nB,2,6,51\nB,2,7,52\n";

#[test]
fn trajectories_by_a_column_are_ragged() {
    let scene = Scene::csv(SUBJECTS);
    let mut source = scene.source();
    source.by = Some("id".into());
    let data = load(&source, &[input("dose", &[]), input("t", &["T"]), input("c", &["T"])]).expect("data");
    assert_eq!(data.len, 2);
    assert_eq!(data.dims, [("T".to_owned(), DimSize::Ragged { max: 3 })]);
    assert_eq!(sample(&data, "dose", 1), [2.0]);
    assert_eq!((data.columns[1].len_of(0), data.columns[1].len_of(1)), (2, 3));
    assert_eq!(sample(&data, "c", 0), [10.0, 11.0, 11.0], "padded by the last row");
    let mut seen = Vec::new();
    data.columns[2].copy_sample(0, &mut |i, x| seen.push((i, x)));
    assert_eq!(seen, [(0, 10.0), (1, 11.0)]);
}

#[test]
fn a_constant_that_varies_names_the_group() {
    let scene = Scene::csv("id,dose,t\nA,1,0\nB,2,5\nB,2.5,6\n");
    let mut source = scene.source();
    source.by = Some("id".into());
    let (code, text) = one_problem(load(&source, &[input("dose", &[]), input("t", &["T"])]));
    assert_eq!(code, "N0516");
    assert!(text.contains("`id` is `B`: 2 at line 3, 2.5 at line 4"), "{text}");
}

#[test]
fn a_fixed_length_refuses_ragged_groups() {
    let scene = Scene::csv(SUBJECTS);
    let mut source = scene.source();
    source.by = Some("id".into());
    let (code, text) = one_problem(load(&source, &[input("t", &["3"])]));
    assert_eq!(code, "N0514");
    assert!(text.contains("2 in sample 0, 3 later"), "{text}");
}

#[test]
fn windows_overlap() {
    let scene = Scene::csv("t,y\n0,0\n1,10\n2,20\n3,30\n4,40\n");
    let mut source = scene.source();
    (source.window, source.stride) = (Some(3), 1);
    let data = load(&source, &[input("t", &["T"]), input("y", &["T"])]).expect("data");
    assert_eq!((data.len, data.dims.clone()), (3, vec![("T".to_owned(), DimSize::Fixed(3))]));
    assert_eq!(sample(&data, "y", 2), [20.0, 30.0, 40.0]);
    source.stride = 2;
    assert_eq!(load(&source, &[input("y", &["3"])]).expect("data").len, 2);
    source.window = Some(6);
    let (code, text) = one_problem(load(&source, &[input("y", &["T"])]));
    assert_eq!(code, "N0519");
    assert!(text.contains("has only 5"), "{text}");
}

#[test]
fn gzip_and_a_byte_order_mark() {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut packed, b"\xef\xbb\xbft\ty\n0\t1\n1\t2\n").expect("packed");
    let mut bytes = packed.finish().expect("packed");
    let inputs = [input("t", &["T"]), input("y", &["T"])];
    let data = Scene::new(super::Reader::Csv, "t.csv.gz", &bytes).load(&inputs).expect("data");
    assert_eq!(sample(&data, "y", 0), [1.0, 2.0]);
    bytes.truncate(bytes.len() - 9);
    assert_eq!(Scene::new(super::Reader::Csv, "t.csv.gz", &bytes).problem(&inputs).0, "N0515");
}

#[test]
fn problems_say_where() {
    let t = [input("t", &["T"])];
    for (text, code, says) in [
        ("", "N0504", "empty"),
        ("\n \n", "N0504", "no text"),
        ("1,2\n3,4\n", "N0505", "first line"),
        ("time,y\n0,1\n", "N0506", "`time`, `y`"),
        ("T,y\n0,1\n", "N0506", "did you mean `T`"),
        ("t,y\n", "N0518", "no rows"),
        ("t,y\n0,1\nx,1\n", "N0507", "column `t` has text at line 3: `x`"),
        ("t,y\n0,1\n,1\n", "N0508", "column `t` is empty at line 3"),
        ("t,y\nNaN,1\n", "N0508", "column `t` is `NaN` at line 2"),
        ("t,y\ninf,1\n", "N0508", "`inf` at line 2"),
        ("t,y\nNA,1\n", "N0508", "`NA` at line 2"),
        ("t,y\n0,1\n1\n", "N0509", "line 3 has 1 cell, the header names 2"),
    ] {
        let (found, message) = Scene::csv(text).problem(&t);
        assert!(found == code && message.contains(says), "{text:?}: {found} {message}");
    }
    let latin = Scene::new(super::Reader::Csv, "t.csv", b"t,y\n0,1\n0,\xe9\n").problem(&t);
    assert!(latin.0 == "N0503" && latin.1.contains("line 3"), "{latin:?}");
}

#[test]
fn every_bad_cell_is_reported_up_to_a_limit() {
    let text = format!("t\n{}", "x\n".repeat(100));
    assert_eq!(Scene::csv(&text).load(&[input("t", &["T"])]).expect_err("problems").len(), 8);
}

#[test]
fn a_missing_file_has_a_neighbour() {
    let scene = Scene::csv("t\n0\n");
    let mut source = scene.source();
    source.path.set_file_name("tabel.csv");
    let (code, text) = one_problem(load(&source, &[input("t", &["T"])]));
    assert!(code == "N0501" && text.contains("did you mean `") && text.contains("table.csv"), "{text}");
    source.path = scene.folder.path().to_path_buf();
    assert_eq!(one_problem(load(&source, &[input("t", &["T"])])).0, "N0502");
}

#[test]
fn shapes_that_columns_cannot_fill() {
    let scene = Scene::csv("id,a,b\n1,0,1\n1,2,3\n");
    let mut source = scene.source();
    source.columns = vec![feed("y", &["a", "b"])];
    assert_eq!(one_problem(load(&source, &[input("y", &["T"])])).0, "N0512");
    assert_eq!(one_problem(load(&source, &[input("y", &["T", "3"])])).0, "N0512");
    source.by = Some("ib".into());
    let (code, text) = one_problem(load(&source, &[input("y", &["T", "2"])]));
    assert!(code == "N0522" && text.contains("`id`"), "{text}");
    source.by = None;
    let (code, text) = one_problem(load(&source, &[input("y", &["5", "2"])]));
    assert!(code == "N0510" && text.contains("declared as 5, but the data has 2"), "{text}");
}

#[test]
fn labels_are_classes() {
    for (text, says) in [("c\n0\n3\n", "is 3 at line 3"), ("c\n0.5\n", "is 0.5 at line 2"), ("c\n-1\n", "is -1")] {
        let (code, message) = Scene::csv(text).problem(&[Expect { class: Some(3), ..input("c", &[]) }]);
        assert!(code == "N0517" && message.contains(says), "{message}");
    }
}
