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
        name: "n0704_tangents_of_many_parameters",
        prepare: |place| {
            let net = "net f: [1] -> [1] = dense(300) |> tanh |> dense(1)";
            let text = format!("model Many\nuse nn\n{net}\nstate x: [1] = 1\nx' = f(x)\nloss = sum(x(1)^2)\n");
            write(place, "many.node", format!("{text}solve tsit5(gradient = forward), 0 .. 1\n"));
        },
        line: "grad many.node",
        exit: 1,
    },
    Case {
        name: "n0704_tangents_beside_another_gradient",
        prepare: |place| {
            let ode = |name: &str, gradient: &str| {
                format!(
                    "ode {name}(u: []) over 0 .. 1 {{\n  state x = u\n\
                       x' = -k*x\n  solve tsit5(gradient = {gradient})\n}}\n"
                )
            };
            let (first, second) = (ode("first", "forward"), ode("second", "backsolve"));
            let loss = "let a = first(1)\nlet b = second(2)\nloss = a.x(1)*b.x(1)\n";
            write(place, "two.node", format!("model Two\nparam k = 1\n{first}{second}{loss}"));
        },
        line: "grad two.node",
        exit: 1,
    },
    Case {
        name: "n0704_moving_times_behind_an_event_that_stops",
        prepare: |place| {
            let text = "model Fall\nparam T = 3\nstate y = 1\nstate v = 0\ny' = v\nv' = -9.81\n\
                        event land: y <= 0 => { stop }\nloss = y(T)\nsolve tsit5(gradient = forward), 0 .. 5\n";
            write(place, "fall.node", text);
        },
        line: "grad fall.node",
        exit: 1,
    },
    Case {
        name: "n0704_second_derivatives_of_a_multistep_method",
        prepare: |place| {
            let text = "model Decay\nparam k = 1\nstate x = 1\nx' = -k*x\nloss = x(1)\nsolve adams, 0 .. 1\n";
            write(place, "decay.node", text);
        },
        line: "grad decay.node --hvp random",
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
