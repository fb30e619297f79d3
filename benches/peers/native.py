"""Times our right-hand sides and vector-Jacobian products beside hand-written C.

    python3 benches/peers/native.py --climit FOLDER

FOLDER has `climit.c` and `models.h` (one kernel per model and batch; a line of JSON each) and, beside or above it, the
weights that it reads. It is compiled with gcc, with the vector tanh of libmvec (`std`) and with one made of a single
exponential (`fast`); the better one counts. One thread on both sides, in turns. Our times are of `pullback bench`.
"""

import argparse
import json
import subprocess
import tempfile
from pathlib import Path

import workloads
from run import program

FLAGS = ["-O3", "-march=native", "-mprefer-vector-width=512", "-ffast-math", "-fopenmp-simd"]
MODELS = {"lv": [1], "lorenz": [1], "pleiades": [1], "spiral": [1, 20, 512], "mlp64": [1, 20, 512]}
KERNELS = {"rhs": "right-hand side", "vjp": "vector-Jacobian product"}
PRECISIONS = {"f64": "double", "f32": "float"}


def compile_c(source, folder):
    """One program for each precision and kind of tanh."""
    built = {}
    for precision, real in PRECISIONS.items():
        for kind, more in (("std", []), ("fast", ["-DFASTTANH"])):
            target = folder / f"climit_{real}_{kind}"
            line = ["gcc", *FLAGS, *more, f"-DREAL={real}", f"-DTAG={kind}", "-o", target, source, "-lm"]
            subprocess.run([str(x) for x in line], check=True)
            built[precision, kind] = target
    return built


def c_times(built, weights, repeat):
    """Least seconds of a call: {(precision, kind): {name_rhs: …}}"""
    times = {}
    for key, binary in built.items():
        done = subprocess.run([binary, weights, str(repeat)], capture_output=True, text=True, check=True)
        rows = [json.loads(line) for line in done.stdout.splitlines()]
        times[key] = {row["workload"].removeprefix("N5_"): row["min_s"] for row in rows}
    return times


def our_times(binary, name, batch, precision, repeat):
    """Least seconds of a batch: {rhs: …, vjp: …}"""
    model = workloads.ROOT / "benches" / "models" / "native" / f"{name}.node"
    line = [binary, "bench", model, "--batch", batch, "--precision", precision, "--repeat", repeat, "--json", "--threads", 1]
    done = subprocess.run([str(x) for x in line], capture_output=True, text=True, check=True)
    kernels = json.loads(done.stdout)["kernels"]
    times = {}
    for what, kernel in KERNELS.items():
        k = next(k for k in kernels if k["kernel"] == kernel)
        # A batch is cut into tiles of some lanes, the last of which may have idle ones.
        times[what] = k["ns_per_call_min"] * -(-batch // k["lanes"]) * 1e-9
    return times


def short(seconds):
    return f"{seconds * 1e9:.3g} ns" if seconds < 1e-6 else f"{seconds * 1e6:.3g} µs"


def label(name, batch):
    return name if batch == 1 else f"{name}_b{batch}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--climit", type=Path, help="folder of the hand-written C")
    parser.add_argument("--pullback", help="the program")
    parser.add_argument("--rounds", type=int, default=3, help="turns (default 3)")
    parser.add_argument("--repeat", type=int, default=15, help="measurements in a turn (default 15)")
    args = parser.parse_args()
    if args.climit is None or not (args.climit / "climit.c").exists():
        raise SystemExit("skipped: no hand-written C to compare with; name its folder with --climit")
    found = [d / "spiral_weights.txt" for d in (args.climit, args.climit.parent)]
    weights = next((path for path in found if path.exists()), None)
    if weights is None:
        raise SystemExit(f"skipped: there is no spiral_weights.txt in {args.climit} or above it")
    binary, theirs, ours = program(args.pullback), {}, {}
    with tempfile.TemporaryDirectory() as folder:
        built = compile_c(args.climit / "climit.c", Path(folder))
        for _ in range(args.rounds):
            for (precision, kind), times in c_times(built, weights, args.repeat).items():
                for what, seconds in times.items():
                    best = theirs.get((what, precision), (float("inf"), ""))
                    theirs[what, precision] = min(best, (seconds, kind))
            for name, batches in MODELS.items():
                for batch in batches:
                    for precision in PRECISIONS:
                        for what, seconds in our_times(binary, name, batch, precision, args.repeat).items():
                            key = f"{label(name, batch)}_{what}", precision
                            ours[key] = min(ours.get(key, float("inf")), seconds)
    print("| model | batch | precision | rhs: C | ours | ratio | vjp: C | ours | ratio |")
    print("|---|---|---|---|---|---|---|---|---|")
    for name, batches in MODELS.items():
        for batch in batches:
            for precision in PRECISIONS:
                cells = [name, str(batch), precision]
                for what in KERNELS:
                    key = f"{label(name, batch)}_{what}", precision
                    (seconds, kind), own = theirs[key], ours[key]
                    cells += [f"{short(seconds)} ({kind})", short(own), f"{seconds / own:.2f}×"]
                print("| " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
