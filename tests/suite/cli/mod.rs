//! The program as its user meets it: commands, their results, their messages, their exit codes.

mod files;
mod help;
mod json;
mod pages;
mod tangents;
mod wrong;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A folder of its own to run commands in.
pub(crate) struct Place {
    folder: tempfile::TempDir,
}

/// What a command did.
pub(crate) struct Ran {
    pub(crate) exit: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

const MODELS: &[(&str, &str)] = &[
    (
        "decay.node",
        "model Decay\nparam k: positive = 0.5\nstate x = 1\nx' = -k*x\nloss = (x(1) - 0.2)^2\nsolve 0 .. 1\n",
    ),
    ("no_loss.node", "model NoLoss\nparam k = 1\nstate x = k\nx' = -x\nsolve 0 .. 1\n"),
    ("nan.node", "model NotANumber\nparam p = 1\nloss = log(0 - p)\n"),
    ("blow_up.node", "model BlowUp\nparam p = 1\nstate x = p\nx' = x^2\nloss = x(3)\nsolve 0 .. 3\n"),
    (
        "lorenz.node",
        "model Lorenz\nparam sigma = 10\nparam rho = 28\nparam beta = 2.6667\nstate x = 1\nstate y = 1\nstate z = 20\n\
         x' = sigma*(y - x)\ny' = x*(rho - z) - y\nz' = x*y - beta*z\nloss = mean(z(linspace(0, 60, 121)))\nsolve 0 .. 60\n",
    ),
    (
        "lorenz_short.node",
        "model Lorenz\nparam sigma = 10\nparam rho = 28\nparam beta = 2.6667\nstate x = 1\nstate y = 1\nstate z = 20\n\
         x' = sigma*(y - x)\ny' = x*(rho - z) - y\nz' = x*y - beta*z\nloss = mean(z(linspace(0, 1, 11)))\nsolve 0 .. 1\n",
    ),
    (
        "friction.node",
        "model Friction\nparam k = 1\nstate q = 1\nstate p = 0\nq' = p\np' = -k*q - 0.1*p\nloss = q(1)\n\
         solve leapfrog(dt = 0.1), 0 .. 1\n",
    ),
    ("nothing.node", "model Nothing\nparam p = 1\nloss = p^2\n"),
    ("input.node", "model Input\ninput u: [2]\nparam p = 1\nloss = p*sum(u)\n"),
    ("empty.node", ""),
    ("ugly.node", "model   Ugly\nparam p=1\nloss = p ^ 2\n"),
];

impl Place {
    /// With nothing in it.
    pub(crate) fn empty() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    /// With an example and some small models.
    fn new() -> Self {
        let place = Self::empty();
        let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
        for name in ["lotka_volterra.node", "hare_lynx.csv"] {
            fs::copy(examples.join(name), place.path(name)).unwrap();
        }
        for (name, text) in MODELS {
            fs::write(place.path(name), text).unwrap();
        }
        fs::write(place.path("bytes.node"), [0x6d, 0xff, 0xfe]).unwrap();
        fs::write(place.path("file"), "not a folder").unwrap();
        place
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn run(&self, line: &str) -> Ran {
        self.run_in(&[], line)
    }

    /// A run with these variables in its environment.
    pub(crate) fn run_in(&self, variables: &[(&str, &str)], line: &str) -> Ran {
        let output = Command::new(env!("CARGO_BIN_EXE_pullback"))
            .args(line.split_whitespace())
            .current_dir(self.folder.path())
            .env_remove("NO_COLOR")
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Ran { exit: output.status.code().unwrap_or(-1), out: text(output.stdout), err: text(output.stderr) }
    }

    /// A run that must end well.
    pub(crate) fn good(&self, line: &str) -> Ran {
        let ran = self.run(line);
        assert_eq!(ran.exit, 0, "pullback {line}\n{}\n{}", ran.out, ran.err);
        ran
    }
}

/// Compares with `tests/snapshots/cli/NAME.snap`.
fn snapshot(name: &str, text: &str) {
    insta::with_settings!({ snapshot_path => "../../snapshots/cli", prepend_module_to_snapshot => false }, {
        insta::assert_snapshot!(name, text);
    });
}
