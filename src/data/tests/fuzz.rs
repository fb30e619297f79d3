//! Damaged files give a diagnostic or data, never a panic.

use proptest::prelude::*;

use super::super::{Expect, Reader};
use super::arrays::{idx, npy, npz, safetensors};
use super::{Scene, input};

fn valid() -> Vec<(Reader, Vec<u8>, Expect)> {
    let numbers: Vec<u8> = (0..6).flat_map(|x| f64::from(x).to_le_bytes()).collect();
    let pack = |bytes: &[u8]| {
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        std::io::Write::write_all(&mut packed, bytes).expect("packed");
        packed.finish().expect("packed")
    };
    let table = b"t,y\n0,1.5\n1,2.5e1\n2,\"3\"\n";
    vec![
        (Reader::Csv, table.to_vec(), input("y", &["T"])),
        (Reader::Csv, pack(table), input("y", &["T"])),
        (Reader::Npz, npz(), input("y", &["T", "2"])),
        (Reader::Npy, npy("'<f8'", false, "(3, 2)", &numbers), input("y", &["T"])),
        (Reader::Npy, npy("'>f4'", true, "(3, 2, 2)", &numbers), input("y", &["T", "D"])),
        (Reader::Safetensors, safetensors(), input("x", &["2"])),
        (Reader::Idx, idx(&[3, 2, 2], &[7; 12]), input("y", &["4"])),
        (Reader::Idx, pack(&idx(&[3, 2, 2], &[7; 12])), input("y", &["4"])),
    ]
}

#[test]
fn the_files_to_damage_are_valid() {
    for (reader, bytes, expect) in valid() {
        let scene = Scene::new(reader, "file", &bytes);
        assert!(scene.load(std::slice::from_ref(&expect)).is_ok(), "{reader:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn damage_is_a_diagnostic(
        which in 0..8_usize,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        cut in prop::option::of(any::<prop::sample::Index>()),
        window in prop::option::of(0..5_usize),
    ) {
        let (reader, mut bytes, expect) = valid().swap_remove(which);
        for (place, byte) in changes {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        let scene = Scene::new(reader, "file", &bytes);
        let mut source = scene.source();
        source.window = window;
        match super::load(&source, std::slice::from_ref(&expect)) {
            Ok(data) => {
                let mut out = vec![0.0; data.columns[0].size()];
                for s in 0..data.len {
                    data.columns[0].fill(s, &mut out);
                    prop_assert!(out.iter().all(|x| x.is_finite()));
                }
            }
            Err(problems) => prop_assert!(!problems.is_empty()),
        }
    }

    #[test]
    fn any_bytes_are_a_diagnostic_or_data(which in 0..8_usize, bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let (reader, _, expect) = valid().swap_remove(which);
        match Scene::new(reader, "file", &bytes).load(&[expect]) {
            Ok(data) => prop_assert!(data.len > 0),
            Err(problems) => prop_assert!(problems.iter().all(|p| p.code.starts_with("N05"))),
        }
    }
}
