"""MNIST: the rows of the paper's table 1 and the measurements of its figure 3, as the Markdown of docs/paper.md."""

import csv
import os
import re
import statistics
import subprocess

from lab import HERE, spread, table

# model, words, parameters
ROWS = (
    ("odenet", "ODE-Net, continuous adjoint", 208266),
    ("rknet", "RK-Net, derivative of the steps", 208266),
    ("resnet6", "ResNet, six blocks", 576778),
    ("resnet1", "ResNet, one block", 206858),
    ("no_block", "no block", 132874),
)
FOLDER = HERE / "mnist"
EPOCHS = 5
IMAGES, BATCH = 60000, 128
SOLVERS = ("adams", "dopri5", "tsit5")
DIGITS = (1, 2, 3, 4, 5)


def mnist(lab):
    if not (FOLDER / "data" / "train-images-idx3-ubyte").exists():
        raise SystemExit("mnist: no images in examples/paper/mnist/data: run `sh examples/paper/mnist/fetch.sh` first")
    text = classification(lab)
    params = lab.folder / "mnist/odenet_1/params.safetensors"
    return "\n".join([text, loosened(lab, params), backwards(lab, params), growing(lab)])


def classification(lab):
    """Test errors after the short schedule, what a step takes and what it needs."""
    seeds = range(1, lab.seeds + 1)
    runs = [(name, seed) for name, *_ in ROWS for seed in seeds]
    # One after another: a training fills both cores.
    found = {run: trained(lab, *run) for run in runs}
    rows = []
    for name, words, parameters in ROWS:
        errors = [100 * found[name, seed]["error"] for seed in seeds]
        step = pace(lab, name)
        minutes = step["seconds"] * (IMAGES / BATCH) / 60
        cells = [f"{parameters:,}", spread(errors, 2), f"{1000 * step['seconds']:.0f}", f"{minutes:.1f}"]
        rows.append([words, *cells, f"{step['kib'] / 1024:.0f}"])
    head = ["network", "parameters", f"test error after {found['odenet', 1]['epochs']} epochs, %"]
    return table([*head, "a step of 128 images, ms", "an epoch, min", "peak memory, MiB"], rows)


def trained(lab, name, seed):
    """The test error after training."""
    epochs = max(1, round(EPOCHS * lab.scale))

    def make():
        folder = lab.folder / f"mnist/{name}_{seed}"
        out = train(lab, name, folder, "--seed", seed, "--epochs", epochs)
        return {"error": out["test"]["metrics"]["error"], "epochs": epochs}

    return lab.kept(f"mnist/{name}_{seed}", [seed, epochs, FOLDER / f"{name}.node"], make)


def train(lab, name, folder, *words):
    """What `train` says at its end; it uses every core."""
    command = [lab.binary, "train", FOLDER / f"{name}.node", "--out", folder, "--precision", "f32", "--no-plots"]
    command = [*map(str, (*command, *words)), "--json", "--quiet"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command)}\n{done.stderr}{done.stdout}")
    return lab.last(done.stdout)


def pace(lab, name):
    """Seconds of a training step (median of 20 behind the first ten) and the most memory in KiB, in a run of its own."""

    def make():
        folder = lab.folder / f"mnist/pace_{name}"
        command = [lab.binary, "train", FOLDER / f"{name}.node", "--out", folder, "--precision", "f32", "--no-plots"]
        command = [*map(str, command), "--steps", "30", "--quiet"]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        status, usage = os.wait4(process.pid, 0)[1:]
        if status != 0:
            raise SystemExit(f"{' '.join(command)} failed")
        with open(folder / "history.csv", newline="", encoding="utf-8") as file:
            seconds = [float(row["seconds"]) for row in csv.DictReader(file)]
        return {"seconds": statistics.median(b - a for a, b in zip(seconds[9:], seconds[10:])), "kib": usage.ru_maxrss}

    return lab.kept(f"mnist/pace_{name}", [FOLDER / f"{name}.node"], make)


def variant(lab, solver, digits):
    """The ODE-Net with another solver and tolerance: a file beside the results."""
    text = (FOLDER / "odenet.node").read_text(encoding="utf-8")
    text = re.sub(r"^solve .*$", f"solve {solver}(rtol = 1e-{digits}, atol = 1e-{digits}, gradient = backsolve), 0 .. 1", text, flags=re.M)
    path = lab.folder / "mnist" / f"odenet_{solver}_{digits}.node"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text.replace('idx("data"', f'idx("{FOLDER / "data"}"'), encoding="utf-8")
    return path


def asked(lab, command, path, params, *words):
    """What a command says of 1,000 test images or of a batch of 64, kept with its time in ms."""
    name = f"mnist/{command}_{path.stem}_{params.parent.name if params else 'start'}_{'_'.join(str(w).strip('-') for w in words)}"
    more = ["--params", params] if params else []
    files = [path, *([params] if params else [])]
    return lab.kept(name, [command, *map(str, words), *files], lambda: lab.call(command, path, *more, *words))


def loosened(lab, params):
    """Figure 3a and 3b: one network, trained at 1e-3, evaluated at other tolerances."""
    rows = []
    for solver in SOLVERS:
        for digits in DIGITS:
            path = variant(lab, solver, digits)
            found = asked(lab, "eval", path, params, "--precision", "f64", "--samples", 1000)
            exact = asked(lab, "eval", variant(lab, "dopri5", 8), params, "--precision", "f64", "--samples", 1000)
            work = found["stats"]["forward"]["rhs"] / found["samples"]
            cells = [f"{work:.1f}", f"{abs(found['loss'] - exact['loss']):.1e}", f"{100 * found['metrics']['error']:.1f}"]
            timed = asked(lab, "eval", path, params, "--precision", "f32", "--samples", 64, "--repeat", 3)
            rows.append([solver, f"1e-{digits}", *cells, f"{timed['time_ms_min'] / timed['samples']:.2f}"])
    head = ["solver", "tolerance", "evaluations a sample", "error of the loss", "test error, %", "ms a sample, one thread"]
    return table(head, rows)


def backwards(lab, params):
    """Figure 3c: evaluations of the forward and the backward solve, and the error of the gradient."""
    words = ("--batch", 64, "--precision", "f64")
    exact = flat(asked(lab, "grad", variant(lab, "dopri5", 8), params, *words, "--gradient", "discrete"))
    size = sum(g * g for g in exact) ** 0.5
    rows = []
    for solver in SOLVERS:
        for digits in DIGITS:
            found = asked(lab, "grad", variant(lab, solver, digits), params, *words)
            forward, backward = (found["stats"][way]["rhs"] / 64 for way in ("forward", "backward"))
            error = sum((a - b) ** 2 for a, b in zip(flat(found), exact)) ** 0.5 / size
            rows.append([solver, f"1e-{digits}", f"{forward:.1f}", f"{backward:.1f}", f"{backward / forward:.2f}", f"{error:.1e}"])
    head = ["solver", "tolerance", "evaluations forward", "backward", "ratio", "relative error of the gradient"]
    return table(head, rows)


def flat(found):
    return [g for name in sorted(found["gradient"]) for g in found["gradient"][name]["data"]]


def growing(lab):
    """Figure 3d: evaluations before and after training."""
    rows = []
    for name, params in (("before training", None), ("after", lab.folder / "mnist/odenet_1/params.safetensors")):
        cells = []
        for digits in (3, 5):
            words = ("--seed", 1, "--precision", "f64", "--samples", 1000)
            found = asked(lab, "eval", variant(lab, "dopri5", digits), params, *words)
            cells.append(f"{found['stats']['forward']['rhs'] / found['samples']:.1f}")
        rows.append([name, *cells])
    return table(["evaluations a sample, dopri5", "at 1e-3", "at 1e-5"], rows)
