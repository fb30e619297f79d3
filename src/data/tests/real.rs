//! The real data sets, where the variable `PULLBACK_DATA` names the folder that holds them.

use std::path::PathBuf;

use super::super::{Buffer, DimSize, Expect, Reader, load};
use super::{Scene, feed, input, sample};

#[allow(clippy::print_stderr, reason = "says why nothing was tested")]
fn folder() -> Option<PathBuf> {
    let folder = std::env::var_os("PULLBACK_DATA").map(PathBuf::from);
    if folder.is_none() {
        eprintln!("skipped: PULLBACK_DATA does not name a folder with the data sets");
    }
    folder
}

#[test]
fn theophylline_has_twelve_subjects() {
    let Some(folder) = folder() else { return };
    let mut source = Scene::csv("").source();
    source.path = folder.join("theoph.csv");
    source.by = Some("Subject".into());
    source.columns = vec![feed("ts", &["Time"]), feed("y", &["conc"]), feed("dose", &["Dose"])];
    let data = load(&source, &[input("ts", &["T"]), input("y", &["T"]), input("dose", &[])]).expect("data");
    assert_eq!((data.len, data.dims.clone()), (12, vec![("T".to_owned(), DimSize::Fixed(11))]));
    assert_eq!(sample(&data, "y", 0)[..2], [0.74, 2.84]);
}

#[test]
fn mnist_stays_compact() {
    let Some(folder) = folder() else { return };
    let mut source = Scene::csv("").source();
    source.reader = Reader::Idx;
    source.path = folder.join("mnist");
    let images = feed("image", &["train-images-idx3-ubyte.gz"]);
    source.columns = vec![images, feed("label", &["train-labels-idx1-ubyte.gz"])];
    let label = Expect { class: Some(10), ..input("label", &[]) };
    let data = load(&source, &[input("image", &["784"]), label]).expect("data");
    assert_eq!(data.len, 60_000);
    assert!(matches!(data.columns[0].buffer(), Buffer::U8(v) if v.len() == 60_000 * 784));
    // The first labels of the training set, as in every tutorial.
    assert_eq!((0..5).map(|s| sample(&data, "label", s)[0]).collect::<Vec<_>>(), [5.0, 0.0, 4.0, 1.0, 9.0]);
}
