//! Parameter files that do not fit the model, and places where no parameters or results can be written.

use super::{Case, DECAY, check, folder, trained, write};
use crate::cli::Place;

const CASES: &[Case] = &[
    Case {
        name: "n0523_a_folder_where_the_trajectory_goes",
        prepare: |place| {
            write(place, "decay.node", DECAY);
            folder(place, "decay/trajectory.csv");
        },
        line: "run decay.node",
        exit: 1,
    },
    Case {
        name: "n0614_a_parameter_that_the_model_has_no_more",
        prepare: |place| {
            write(place, "decay.node", DECAY.replace("x' = -k*x", "param rest = 0\nx' = rest - k*x"));
            place.good("train decay.node --no-plots");
            write(place, "decay.node", DECAY);
        },
        line: "eval decay.node --params decay/params.safetensors",
        exit: 1,
    },
    Case {
        name: "n0615_a_vector_for_a_number",
        prepare: |place| tensor(place, "F64", &[2], &[1.0_f64.to_le_bytes(), 2.0_f64.to_le_bytes()].concat()),
        line: "eval decay.node --params made.safetensors",
        exit: 1,
    },
    Case {
        name: "n0616_a_parameter_that_is_nan",
        prepare: |place| tensor(place, "F64", &[], &f64::NAN.to_le_bytes()),
        line: "eval decay.node --params made.safetensors",
        exit: 1,
    },
    Case {
        name: "n0617_a_parameter_that_is_an_integer",
        prepare: |place| tensor(place, "I64", &[], &1_i64.to_le_bytes()),
        line: "eval decay.node --params made.safetensors",
        exit: 1,
    },
    Case {
        name: "n0619_a_folder_where_the_parameters_go",
        prepare: |place| {
            trained(place);
            std::fs::remove_file(place.path("decay/params.safetensors")).unwrap();
            folder(place, "decay/params.safetensors");
        },
        line: "train decay.node",
        exit: 1,
    },
];

/// The model, and a file of one tensor for its parameter `k`, as another program would write it.
fn tensor(place: &Place, dtype: &str, shape: &[usize], data: &[u8]) {
    let entry = serde_json::json!({ "k": { "dtype": dtype, "shape": shape, "data_offsets": [0, data.len()] } });
    let header = entry.to_string();
    let length = (header.len() as u64).to_le_bytes();
    write(place, "decay.node", DECAY);
    write(place, "made.safetensors", [&length[..], header.as_bytes(), data].concat());
}

#[test]
fn parameters() {
    check(CASES);
}
