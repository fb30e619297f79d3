//! `train`, where its checkpoint or history is not what it takes it for.

use super::{Case, DECAY, check, folder, trained, write};
use crate::cli::Place;
use std::fs;

const CASES: &[Case] = &[
    Case {
        name: "n0601_another_file_in_place_of_the_checkpoint",
        prepare: |place| {
            trained(place);
            write(place, "decay/checkpoint", "milk, bread, butter");
        },
        line: "train decay.node --resume",
        exit: 1,
    },
    Case {
        name: "n0602_a_checkpoint_that_was_copied_in_part",
        prepare: |place| spoil(place, |bytes| bytes.truncate(100)),
        line: "train decay.node --resume",
        exit: 1,
    },
    Case {
        name: "n0603_a_checkpoint_of_a_later_version",
        // The version follows the eight bytes that every checkpoint begins with.
        prepare: |place| spoil(place, |bytes| bytes[8] = 9),
        line: "train decay.node --resume",
        exit: 1,
    },
    Case {
        name: "n0604_a_checkpoint_with_a_wrong_bit",
        prepare: |place| spoil(place, |bytes| bytes[100] ^= 1),
        line: "train decay.node --resume",
        exit: 1,
    },
    Case {
        name: "n0605_a_checkpoint_of_a_changed_model",
        prepare: |place| {
            trained(place);
            write(place, "decay.node", DECAY.replace("-k*x", "-k*x^2"));
        },
        line: "train decay.node --resume",
        exit: 1,
    },
    Case {
        name: "n0606_another_learning_rate_and_seed",
        prepare: |place| {
            trained(place);
            write(place, "decay.node", DECAY.replace("0.01", "0.1"));
        },
        line: "train decay.node --resume --seed 7",
        exit: 1,
    },
    Case {
        name: "n0607_a_folder_where_the_checkpoint_goes",
        prepare: |place| {
            write(place, "decay.node", DECAY);
            folder(place, "decay/checkpoint");
        },
        line: "train decay.node",
        exit: 1,
    },
    Case {
        name: "n0608_a_folder_in_place_of_the_checkpoint",
        prepare: |place| {
            write(place, "decay.node", DECAY);
            folder(place, "decay/checkpoint");
        },
        line: "train decay.node --resume",
        exit: 1,
    },
    Case {
        name: "n0620_a_folder_where_the_history_goes",
        prepare: |place| {
            write(place, "decay.node", DECAY);
            folder(place, "decay/history.csv");
        },
        line: "train decay.node",
        exit: 1,
    },
    Case {
        name: "n0621_another_table_in_place_of_the_history",
        prepare: |place| {
            trained(place);
            write(place, "decay/history.csv", "year,hare,lynx\n1900,30,4\n");
        },
        line: "train decay.node --resume",
        exit: 1,
    },
];

/// Trains and spoils the checkpoint.
fn spoil(place: &Place, change: fn(&mut Vec<u8>)) {
    trained(place);
    let path = place.path("decay/checkpoint");
    let mut bytes = fs::read(&path).unwrap();
    change(&mut bytes);
    fs::write(path, bytes).unwrap();
}

#[test]
fn checkpoints() {
    check(CASES);
}
