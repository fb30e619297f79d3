"""MNIST: the rows of the paper's table 1 and the measurements of its figure 3, as the Markdown of docs/paper.md."""

import csv
import os
import re
import statistics
import subprocess
import time

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
# The paper has 160.
LONG = 15
IMAGES, BATCH = 60000, 128
SOLVERS = ("adams", "dopri5", "tsit5")
DIGITS = (1, 2, 3, 4, 5)


def images():
    if not (FOLDER / "data" / "train-images-idx3-ubyte").exists():
        raise SystemExit("mnist: no images in examples/paper/mnist/data: run `sh examples/paper/mnist/fetch.sh` first")


def mnist(lab):
    images()
    text = classification(lab)
    params = lab.folder / "mnist/odenet_1/params.safetensors"
    return "\n".join([text, loosened(lab, params), backwards(lab, params), flat_memory(lab, params), growing(lab)])


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


def trained(lab, name, seed, epochs=EPOCHS, kind=""):
    """The test error after training, and the seconds it took."""
    epochs = max(1, round(epochs * lab.scale))
    key = f"mnist/{name}{kind}_{seed}"

    def make():
        started = time.monotonic()
        out = train(lab, name, lab.folder / key, "--seed", seed, "--epochs", epochs)
        return {"error": out["test"]["metrics"]["error"], "epochs": epochs, "seconds": time.monotonic() - started}

    return lab.kept(key, [seed, epochs, FOLDER / f"{name}.node"], make)


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
        kib = peak([*command, "--steps", 30, "--quiet"])
        with open(folder / "history.csv", newline="", encoding="utf-8") as file:
            seconds = [float(row["seconds"]) for row in csv.DictReader(file)]
        return {"seconds": statistics.median(b - a for a, b in zip(seconds[9:], seconds[10:])), "kib": kib}

    return lab.kept(f"mnist/pace_{name}", [FOLDER / f"{name}.node"], make)


def peak(command):
    """The most memory of a process in KiB."""
    process = subprocess.Popen([*map(str, command)], stdout=subprocess.DEVNULL)
    status, usage = os.wait4(process.pid, 0)[1:]
    if status != 0:
        raise SystemExit(f"{' '.join(map(str, command))} failed")
    return usage.ru_maxrss


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


def flat_memory(lab, params):
    """Memory of a gradient of 64 images over the tolerance, by either method."""
    digits, rows = (1, 3, 5, 7), []
    for method, words in (("backsolve", "continuous adjoint"), ("discrete", "derivative of the steps")):
        cells = []
        for digit in digits:
            path = variant(lab, "dopri5", digit)
            command = ["grad", path, "--params", params, "--batch", 64, "--gradient", method, "--precision", "f64", "--quiet"]
            name = f"mnist/memory_{method}_{digit}"
            kib = lab.kept(name, [method, path, params], lambda: peak([lab.binary, *command, "--threads", 1]))
            cells.append(f"{kib / 1024:.0f}")
        rows.append([words, *cells])
    return table(["peak memory of a gradient of 64 images, MiB, dopri5 at", *(f"1e-{digit}" for digit in digits)], rows)


def flat(found):
    return [g for name in sorted(found["gradient"]) for g in found["gradient"][name]["data"]]


def growing(lab):
    """Figure 3d: evaluations before and after training."""
    stages = (("before training", None), ("after", lab.folder / "mnist/odenet_1/params.safetensors"))
    rows = [[name, *evaluations(lab, params)] for name, params in stages]
    return table(["evaluations a sample, dopri5", "at 1e-3", "at 1e-5"], rows)


def evaluations(lab, params):
    """Evaluations of 1,000 test images at two tolerances."""
    words, found = ("--seed", 1, "--precision", "f64", "--samples", 1000), []
    for digits in (3, 5):
        told = asked(lab, "eval", variant(lab, "dopri5", digits), params, *words)
        found.append(f"{told['stats']['forward']['rhs'] / told['samples']:.1f}")
    return found


def mnist_long(lab):
    """The ODE-Net with more passes over the images: what it does with those it was trained on, pass by pass, and others."""
    images()
    found = trained(lab, "odenet", 1, LONG, "_long")
    folder = lab.folder / "mnist/odenet_long_1"
    passes = learned(folder / "history.csv")
    shown = sorted({round(k * len(passes) / 10) for k in range(1, 11)} | {1})
    rows = [[k, f"{passes[k - 1][0]:.4f}", f"{100 * passes[k - 1][1]:.2f}"] for k in shown if k > 0]
    words = [found["epochs"], f"{100 * found['error']:.2f}", f"{found['seconds'] / 60:.0f}"]
    at = evaluations(lab, folder / "params.safetensors")
    head = ["passes", "test error, %", "training, min", "evaluations a sample at 1e-3", "at 1e-5"]
    return table(head, [[*words, *at]]) + "\n" + table(["pass", "mean loss of its batches", "their error, %"], rows)


def learned(history):
    """Mean loss and error of the batches of every pass."""
    passes = {}
    with open(history, newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            passes.setdefault(int(row["epoch"]), []).append((float(row["loss"]), float(row["error"])))
    return [tuple(map(statistics.fmean, zip(*rows))) for _, rows in sorted(passes.items())]
