//! Models that are correct, asked for what they cannot do.

use super::{Case, check, folder, write};

const LINE: &str = "\
model Line
input x: []
input y: []
data csv(\"line.csv\", x = \"x\", y = \"y\")
param w = 1
loss = (w*x - y)^2
";
const TABLE: &str = "x,y\n1,2.1\n2,3.9\n3,6\n";

const CASES: &[Case] = &[
    Case {
        name: "n0502_a_folder_in_place_of_the_data",
        prepare: |place| {
            write(place, "line.node", LINE);
            folder(place, "measurements");
        },
        line: "train line.node --data measurements",
        exit: 1,
    },
    Case {
        name: "n0630_epochs_of_samples_that_never_end",
        prepare: |place| {
            let text = "model Draws\nnoise z: [2] ~ normal(0, 1)\nparam p = 1\nloss = sum((p*z)^2)\n";
            write(place, "draws.node", format!("{text}train adam(lr = 0.01, epochs = 3)\n"));
        },
        line: "train draws.node",
        exit: 1,
    },
    Case {
        name: "n0631_batches_for_lbfgs",
        prepare: |place| {
            write(place, "line.csv", TABLE);
            write(place, "line.node", format!("{LINE}train lbfgs(batch = 2, iterations = 10)\n"));
        },
        line: "train line.node",
        exit: 1,
    },
    Case {
        name: "n0632_a_model_without_parameters",
        prepare: |place| {
            write(place, "line.csv", TABLE);
            let text = LINE.replace("param", "let");
            write(place, "line.node", format!("{text}train adam(lr = 0.01, steps = 3)\n"));
        },
        line: "train line.node",
        exit: 1,
    },
    Case {
        name: "n0702_a_loss_on_the_sensitivity_of_a_solution",
        prepare: |place| {
            let text =
                "model Sensitivity\nparam z0 = 2\nstate z = z0\nz' = -z\nloss = grad(z(1), z0)^2\nsolve 0 .. 1\n";
            write(place, "sensitivity.node", text);
        },
        line: "grad sensitivity.node",
        exit: 1,
    },
    Case {
        name: "n0814_a_loss_with_stop",
        prepare: |place| write(place, "stopped.node", "model Stopped\nparam p = 2\nloss = p*stop(p)\n"),
        line: "grad stopped.node --check",
        exit: 3,
    },
    Case {
        name: "n0816_no_place_for_temporary_files",
        prepare: |place| {
            write(place, "points.csv", TABLE);
            let text = "model Points\ninput u: [2]\ndata csv(\"points.csv\", u = [\"x\", \"y\"])\nparam m: [2] = 0\n";
            write(place, "points.node", format!("{text}loss = sum((u - m)^2)\ntrain adam(lr = 0.01, steps = 1)\n"));
        },
        line: "train points.node",
        exit: 1,
    },
];

#[test]
fn models() {
    check(CASES);
}
