"""Trains `rings.node` with and without each regulariser and prints the table of docs/solvers.md. Standard library only.

    python3 examples/regularisers/table.py

`--pullback` names the program (otherwise target/release); about 20 s a training, on one thread each.
"""

import argparse
import json
import pathlib
import statistics
import subprocess
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
BUILT = HERE.parent.parent / "target" / "release" / "pullback"
KINDS = {
    "none": {},
    "RNODE, 0.01 and 0.001": {"KINETIC": 2, "JACOBIAN": 3},
    "`error_penalty = 10000`": {"ERRORS": 1},
    "`stiffness_penalty = 0.01`": {"STIFFNESS": 2},
    "STEER, half width 0.25": {"STEER": 6},
}


def call(program, *words):
    done = subprocess.run([str(w) for w in (program, *words, "--json", "--quiet", "--threads", "1")], check=True,
                          capture_output=True, text=True)
    return json.loads(done.stdout.strip().splitlines()[-1])


def trained(program, sets, seed):
    """Evaluations of a solve, share of wrong answers in per cent, and cross entropy, on 4,000 fresh points."""
    chosen = [w for name, value in sets.items() for w in ("--set", f"{name}={value}")]
    with tempfile.TemporaryDirectory() as folder:
        call(program, "train", HERE / "rings.node", "--seed", seed, "--out", folder, "--no-plots", *chosen)
        params = pathlib.Path(folder) / "params.safetensors"
        words = ("--params", params, "--samples", 4000, "--seed", 77)
        found = call(program, "eval", HERE / "rings.node", *words)
    work = found["stats"]["forward"]["rhs"] / found["samples"]
    return work, 100 * found["metrics"]["wrong"], found["metrics"]["cross_entropy"]


def spread(values, digits):
    return f"{statistics.fmean(values):.{digits}f} ({min(values):.{digits}f} … {max(values):.{digits}f})"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pullback", default=BUILT, help="the program")
    parser.add_argument("--seeds", type=int, default=6, help="trainings of each kind")
    args = parser.parse_args()
    print("| regulariser | evaluations a solve | wrong, % | cross entropy |\n|---|---|---|---|")
    for name, sets in KINDS.items():
        runs = [trained(args.pullback, sets, seed) for seed in range(1, args.seeds + 1)]
        cells = [spread([run[k] for run in runs], digits) for k, digits in enumerate((1, 2, 3))]
        print("| " + " | ".join([name, *cells]) + " |", flush=True)


if __name__ == "__main__":
    main()
