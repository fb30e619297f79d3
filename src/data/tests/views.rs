use super::super::{Buffer, Dataset, load};
use super::{Scene, input, sample};

fn lines(rows: impl Iterator<Item = String>) -> String {
    rows.collect::<Vec<_>>().join("\n")
}

fn ten() -> Dataset {
    let rows = lines((0..10).map(|i| i.to_string()));
    Scene::csv(&format!("x\n{rows}")).load(&[input("x", &[])]).expect("data")
}

fn values(data: &Dataset) -> Vec<f64> {
    (0..data.len).map(|s| sample(data, "x", s)[0]).collect()
}

#[test]
fn a_split_is_a_partition_and_repeats() {
    let data = ten();
    let (train, held) = data.split(0.3, 1);
    assert_eq!((train.len, held.len), (7, 3));
    let mut all = [values(&train), values(&held)].concat();
    all.sort_by(f64::total_cmp);
    assert_eq!(all, values(&data));
    assert_eq!(values(&held), values(&data.split(0.3, 1).1));
    assert!((2..20).any(|seed| values(&data.split(0.3, seed).1) != values(&held)), "the seed does nothing");
    let (Buffer::F64(a), Buffer::F64(b)) = (data.columns[0].buffer(), held.columns[0].buffer()) else {
        panic!("a table is double precision");
    };
    assert!(std::sync::Arc::ptr_eq(a, b), "a split copies");
}

#[test]
fn extremes_of_a_split() {
    let data = ten();
    for (fraction, held) in [(0.0, 0), (f64::NAN, 0), (-1.0, 0), (1e-9, 1), (1.0, 9), (7.0, 9)] {
        assert_eq!(data.split(fraction, 0).1.len, held, "{fraction}");
    }
    assert_eq!(data.take(1).split(0.5, 0).1.len, 0);
    assert_eq!(values(&data.take(3)), [0.0, 1.0, 2.0]);
    assert_eq!(data.take(99).len, 10);
    assert_eq!(data.select(&[3, 99]).len, 1);
}

#[test]
fn windows_of_one_trajectory_do_not_leak() {
    let rows = lines((0..20).map(|i| i.to_string()));
    let scene = Scene::csv(&format!("x\n{rows}"));
    let mut source = scene.source();
    source.window = Some(4);
    let (train, held) = load(&source, &[input("x", &["T"])]).expect("data").split(0.25, 0);
    let last = (0..train.len).map(|s| sample(&train, "x", s)[3]).fold(0.0, f64::max);
    let first = (0..held.len).map(|s| sample(&held, "x", s)[0]).fold(99.0, f64::min);
    assert_eq!((train.len, held.len), (10, 4));
    assert!(last < first, "{last} {first}");
}

#[test]
fn windows_of_many_trajectories_are_held_back_whole() {
    let rows = lines((0..20).map(|i| format!("{},{i}", i / 5)));
    let scene = Scene::csv(&format!("id,x\n{rows}"));
    let mut source = scene.source();
    (source.window, source.by) = (Some(4), Some("id".into()));
    let (train, held) = load(&source, &[input("x", &["T"])]).expect("data").split(0.25, 3);
    assert_eq!((train.len, held.len), (6, 2));
    assert_eq!(sample(&held, "x", 1)[..3], sample(&held, "x", 0)[1..], "not of one trajectory");
}
