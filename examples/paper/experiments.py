"""The experiments: each function runs one and returns the Markdown of its part of docs/paper.md."""

import csv
import functools
import importlib.util
import math
import re
import statistics

import classifiers
import floors
from lab import HERE, spread, table


def recipe(name):
    """A data recipe beside the models."""
    spec = importlib.util.spec_from_file_location("recipe", HERE / name)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def density_matching(lab):
    def flow(kind, size, which, seed):
        # Few units need more steps, and take less time for each.
        steps = {2: 2000, 8: 1000, 32: 600}[size] if kind == "cnf" else 10000
        model, letter = {"cnf": ("cnf.node", "M"), "planar": ("planar.node", "K")}[kind]
        sets = {"U": which, letter: size}
        tight = {"DIGITS": 6} if kind == "cnf" else {}
        name = f"density_matching/{kind}_{which}_{size}_{seed}"
        found = lab.trained(f"density_matching/{model}", name, steps, sets, seed, evaluate=tight, draws=100000)
        return found["loss"] + lab.kept(f"density_matching/z_{which}", ["log Z"], lambda: floors.log_z(which))

    sizes, potentials = (2, 8, 32), (1, 2, 3, 4)
    cells = [(kind, size, which) for which in potentials for size in sizes for kind in ("planar", "cnf")]
    runs = [functools.partial(flow, *cell, seed) for cell in cells for seed in range(lab.seeds)]
    losses = lab.all(runs)
    found = {cell: losses[k * lab.seeds : (k + 1) * lab.seeds] for k, cell in enumerate(cells)}
    rows, better = [], 0
    for which in potentials:
        for size in sizes:
            planar, cnf = found["planar", size, which], found["cnf", size, which]
            better += statistics.fmean(cnf) <= statistics.fmean(planar)
            rows.append([f"U{which}", size, spread(planar), spread(cnf)])
    pictures = [potential_picture(lab, which) for which in potentials]
    return (
        table(["potential", "K, M", "planar flow, K layers", "continuous flow, M units"], rows)
        + f"\nThe continuous flow is at least as good in {better} of {len(rows)} cells.\n\n"
        + table([f"U{which}" for which in potentials], [pictures])
    )


def potential_picture(lab, which):
    """The density of the flow of 32 units with samples of it."""
    params = lab.folder / f"density_matching/cnf_{which}_32_0/params.safetensors"
    folder = lab.folder / f"density_matching/picture_{which}"
    sets = ["--set", f"U={which}", "--params", params]
    lab.call("run", "density_matching/cnf.node", *sets, "--samples", 1000, "--out", folder, "--no-plots")
    with open(folder / "sample.csv", newline="", encoding="utf-8") as file:
        values = [row[-1] for row in csv.reader(file)][1:]  # two rows a sample
    with open(folder / "points.csv", "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("x", "y"), *zip(values[0::2], values[1::2])])
    feed = ["--data", folder / "points.csv", "--params", params, "--out", folder]
    lab.call("run", "density_matching/density.node", *feed)
    return f"![U{which}]({lab.picture(folder / 'density.png', f'u{which}.png')})"


SETS = {1: ("two circles", lambda: floors.circles(0.06)), 2: ("two moons", lambda: floors.moons(0.1))}


def likelihood(lab):
    models = {"planar": 10000, "wide": 800, "deep": 1500}

    def fit(model, which, seed):
        tight = {} if model == "planar" else {"DIGITS": 6}
        name = f"likelihood/{model}_{which}_{seed}"
        return lab.trained(f"likelihood/{model}.node", name, models[model], {"SET": which}, seed, evaluate=tight)

    cells = [(model, which) for which in SETS for model in models]
    runs = [(model, which, seed) for model, which in cells for seed in range(lab.seeds)]
    found = dict(zip(runs, lab.all([functools.partial(fit, *run) for run in runs])))
    names = {
        "planar": "planar flow, 64 layers",
        "wide": "one layer of 64 units, weights signals of time",
        "deep": "two layers of 64 units",
    }
    rows = []
    for model, which in cells:
        runs = [found[model, which, seed] for seed in range(lab.seeds)]
        floor = lab.kept(f"likelihood/floor_{which}", ["entropy"], SETS[which][1])
        gaps = [run["loss"] - floor for run in runs]
        seconds = statistics.fmean(run["seconds"] for run in runs)
        rows.append([SETS[which][0], names[model], runs[0]["steps"], f"{floor:.3f}", spread(gaps), f"{seconds:.0f}"])
    text = table(["data", "flow", "steps", "entropy", "held-out gap, nats", "training, s"], rows)
    text += "\n" + sampling(lab) + "\n"
    for which in SETS:
        text += snapshots(lab, which) + "\n"
    return text + "\n" + faithful(lab) + "\n" + sixteen(lab)


def sampling(lab):
    """Samples by running the flow from the base to the data; the way back measures the error."""
    rows = []
    for which, (name, _) in SETS.items():
        params = lab.folder / f"likelihood/deep_{which}_0/params.safetensors"
        errors = []
        for digits in (2, 3, 4, 5, 6, 8):
            words = ("likelihood/samples.node", "--params", params, "--set", f"DIGITS={digits}", "--samples", 2000)
            errors.append(lab.evaluated(f"likelihood/samples_{which}_{digits}", *words)["loss"])
        rows.append([name, *(f"{e:.1e}" for e in errors)])
    head = ["distance after sampling and running back", *(f"tolerance 1e-{d}" for d in (2, 3, 4, 5, 6, 8))]
    return table(head, rows)


def snapshots(lab, which):
    """The density after shares of the time."""
    shares = (5, 20, 40, 60, 80, 100)
    cells = []
    for percent in shares:
        folder = lab.folder / f"likelihood/picture_{which}_{percent}"
        params = lab.folder / f"likelihood/deep_{which}_0/params.safetensors"
        sets = ["--set", f"SET={which}", "--set", f"percent={percent}"]
        lab.call("run", "likelihood/deep.node", *sets, "--params", params, "--out", folder)
        name = f"{SETS[which][0].replace(' ', '_')}_{percent}.png"
        cells.append(f"![{percent} %]({lab.picture(folder / 'density.png', name)})")
    return table([f"{SETS[which][0]}, {p} %" if p == 5 else f"{p} %" for p in shares], [cells])


def faithful(lab):
    """Old Faithful: mean negative log-likelihood of the quarter that was held back."""

    def fit(model, seed):
        folder = lab.folder / f"likelihood/{model}_{seed}"
        path = HERE / "likelihood" / f"{model}.node"

        def make():
            words = ["train", path, "--seed", seed, "--out", folder]
            return lab.call(*words)["validation"]["loss"]

        return lab.kept(f"likelihood/{model}_{seed}", [path, HERE / "likelihood/faithful.csv"], make)

    models = ("mixture", "faithful")
    found = lab.all([functools.partial(fit, model, seed) for model in models for seed in range(lab.seeds)])
    rows = [["two normal densities", spread(found[: lab.seeds])], ["flow", spread(found[lab.seeds :])]]
    picture = lab.picture(lab.folder / "likelihood/faithful_0/density.png", "old_faithful.png")
    text = table(["Old Faithful, 68 eruptions held back", "negative log-likelihood, nats"], rows)
    return text + f"\n![Old Faithful]({picture})\n"


def sixteen(lab):
    found = lab.trained("likelihood/sixteen.node", "likelihood/sixteen", 1000)
    floor = 8 * lab.kept("likelihood/floor_2", ["entropy"], SETS[2][1])
    return (
        f"Dimension 16 (eight pairs of moons, mixed by a reflection): negative log-likelihood {found['loss']:.2f} after "
        f"{found['steps']} steps of one training, entropy {floor:.2f}. A right-hand side is 10,368 multiply-adds, of which "
        "the exact trace is 4,160 and the network 6,208.\n"
    )


def latent_ode(lab):
    recipe("latent_ode/spirals.py").main(HERE / "latent_ode/data")
    kinds = {
        "RNN, 7,500 steps": ("rnn.node", 7500, {"INPUTS": 2}),
        "RNN with gaps, 7,500 steps": ("rnn.node", 7500, {"INPUTS": 3}),
        "RNN, 30,000 steps": ("rnn.node", 30000, {"INPUTS": 2}),
        "RNN with gaps, 30,000 steps": ("rnn.node", 30000, {"INPUTS": 3}),
        "latent ODE": ("latent_ode.node", 30000, {"DIGITS": 3}),
    }
    counts = (30, 50, 100)

    def fit(kind, count, seed):
        model, steps, sets = kinds[kind]
        data = [f"latent_ode/data/{split}_{count}.npz" for split in ("train", "test")]
        name = f"latent_ode/{re.sub(r'[ ,]+', '_', kind)}_{count}_{seed}"
        tight = {"DIGITS": 6} if kind == "latent ODE" else {}
        found = lab.trained(f"latent_ode/{model}", name, steps, sets, seed, *data, evaluate=tight)
        return [math.sqrt(found["metrics"][error]) for error in ("square_error", "noisy_error")]

    cells = [(kind, count) for kind in kinds for count in counts]
    found = lab.all([functools.partial(fit, *cell, seed) for cell in cells for seed in range(lab.seeds)])
    clean, noisy = (
        {cell: [e[which] for e in found[k * lab.seeds : (k + 1) * lab.seeds]] for k, cell in enumerate(cells)}
        for which in (0, 1)
    )
    paper = [["RNN (paper)", "0.394", "0.320", "0.181"], ["latent ODE (paper)", "0.164", "0.150", "0.135"]]
    text = spiral_errors(clean, counts, "RMSE on the 100 points beyond", paper)
    return f"{text}\n{spiral_errors(noisy, counts, 'the same against points with noise', [])}\n{direction(lab)}"


def spiral_errors(errors, counts, title, paper):
    """Errors of every kind and number of points, below those of the paper."""
    kinds = dict.fromkeys(kind for kind, _ in errors)
    rows = [*paper, *([kind, *(spread(errors[kind, count]) for count in counts)] for kind in kinds)]
    for baseline in (kind for kind in kinds if kind != "latent ODE"):
        mean = {count: statistics.fmean(errors[baseline, count]) for count in counts}
        factors = [f"{mean[count] / statistics.fmean(errors['latent ODE', count]):.2f}" for count in counts]
        rows.append([f"{baseline} / latent ODE", *factors])
    return table([title, *(f"{count} of 100 points" for count in counts)], rows)


def direction(lab):
    """Pictures of trajectories, and how well the direction can be told from the latent state alone."""
    folder, model = lab.folder / "latent_ode/picture", "latent_ode/picture.node"
    params = lab.folder / "latent_ode/latent_ODE_30_0/params.safetensors"
    lab.call("run", model, "--params", params, "--out", folder, "--samples", 6, "--points", 200)
    picture = lab.picture(folder / "trajectory.png", "spirals.png")
    lab.call("run", model, "--params", params, "--out", folder, "--points", 2, "--no-plots")
    with open(folder / "mean.csv", newline="", encoding="utf-8") as file:
        places = {}
        for row in csv.DictReader(file):
            places.setdefault(int(float(row["sample"])), []).append(float(row["mean"]))
    clockwise = recipe("latent_ode/spirals.py").clockwise(HERE / "latent_ode/data/test_30.npz")
    half = len(clockwise) // 2
    centres = [
        [statistics.fmean(c) for c in zip(*(places[k] for k in range(half) if clockwise[k] == way))] for way in (0, 1)
    ]
    right = sum(
        (math.dist(places[k], centres[1]) < math.dist(places[k], centres[0])) == bool(clockwise[k])
        for k in range(half, len(clockwise))
    )
    return (
        f"Direction of {half} spirals told from the nearer of two centres in the latent space, which were found on the "
        f"other {half}: right in {100 * right / half:.1f} %.\n\n![trajectories]({picture})\n"
    )


def poisson(lab):
    recipe("poisson/events.py").main(HERE / "poisson/data")
    data = ("poisson/data/train.csv", "poisson/data/test.csv")

    def fit(seed):
        return lab.trained("poisson/poisson.node", f"poisson/rate_{seed}", 600, None, seed, *data)

    runs = lab.all([functools.partial(fit, seed) for seed in range(lab.seeds)])
    constant = lab.trained("poisson/constant.node", "poisson/constant", 50, None, 0, *data)
    events = runs[0]["metrics"]["events"]
    gaps = [(run["loss"] - run["metrics"]["true_loss"]) / events for run in runs]
    homogeneous = (constant["loss"] - runs[0]["metrics"]["true_loss"]) / events
    expected = [100 * (run["metrics"]["expected"] / events - 1) for run in runs]
    rows = [
        ["constant rate", f"{homogeneous:.4f}", "", ""],
        ["latent rate", spread(gaps, 4), spread([run["metrics"]["rate_error"] for run in runs]), spread(expected, 1)],
    ]
    head = ["model", "held-out nats an event above the true rate", "relative L2 error of the rate", "expected events, % off"]
    folder = lab.folder / "poisson/picture"
    lab.call("run", "poisson/picture.node", "--params", runs[0]["params"], "--out", folder)
    return table(head, rows) + f"\n![rate]({lab.picture(folder / 'trajectory.png', 'poisson.png')})\n"


def theophylline(lab):
    """Every subject is held out once: the root mean square error of the concentrations from three hours on."""
    folds = recipe("theophylline/folds.py")
    folds.main(HERE / "theophylline/data")
    models = {
        "compartment": ("one compartment, rates of everybody", 200),
        "universal": ("the same with networks in its rates, shifted by the first five points", 600),
        "latent": ("latent ODE that reads the first five points", 800),
    }

    def fit(model, seed, fold):
        data = [f"theophylline/data/{part}_{fold}.csv" for part in ("train", "test")]
        name = f"theophylline/{model}_{fold}_{seed}"
        return lab.trained(f"theophylline/{model}.node", name, models[model][1], None, seed, *data)

    runs = [(model, seed, fold) for model in models for seed in range(lab.seeds) for fold in range(folds.FOLDS)]
    found = dict(zip(runs, lab.all([functools.partial(fit, *run) for run in runs])))
    rows = []
    for model, (words, steps) in models.items():
        late = [[found[model, seed, fold]["metrics"]["late"] for fold in range(folds.FOLDS)] for seed in range(lab.seeds)]
        rows.append([words, steps, spread([math.sqrt(statistics.fmean(own)) for own in late], 2)])
    folder = lab.folder / "theophylline/picture"
    words = ("--params", found["universal", 0, 0]["params"], "--data", "theophylline/data/test_0.csv")
    lab.call("run", "theophylline/universal.node", *words, "--samples", 3, "--points", 200, "--out", folder)
    text = table(["model", "steps", "error from 3 h on, mg/l"], rows)
    return text + f"\n![Three held-out subjects]({lab.picture(folder / 'trajectory.png', 'theophylline.png')})\n"


def limits(lab):
    return "\n".join([crossing(lab), stepping(lab), tolerances(lab), reversal(lab)])


def crossing(lab):
    def fit(dimension, seed):
        return lab.trained("limits/flip.node", f"limits/flip_{dimension}_{seed}", 1000, {"D": dimension}, seed)["loss"]

    found = lab.all([functools.partial(fit, d, seed) for d in (1, 2) for seed in range(lab.seeds)])
    rows = [
        ["1 dimension (the best increasing map has 1/3)", spread(found[: lab.seeds], 4)],
        ["2 dimensions, the second starting at 0", spread(found[lab.seeds :], 6)],
    ]
    return table(["x → −x on [−1, 1]", "mean square error"], rows)


def moons_flow(lab, digits=4):
    sets = {"SET": 2, "DIGITS": digits}
    name = "likelihood/deep_2_0" if digits == 4 else f"limits/deep_{digits}"
    if digits == 4:
        return lab.trained("likelihood/deep.node", name, 1500, {"SET": 2}, 0, evaluate={"DIGITS": 6})["params"]
    return lab.trained("likelihood/deep.node", name, 1500, sets, 0)["params"]


def stepping(lab):
    """Evaluations of one flow at several batch sizes."""
    params, sizes = moons_flow(lab), (1, 4, 16, 64, 256, 1024)
    rows = []
    for name, model, sets in (("own step for each sample", "likelihood/deep.node", ["--set", "SET=2"]),
                              ("one step for the batch", "limits/joint.node", [])):
        cells = []
        for size in sizes:
            words = (model, "--params", params, *sets, "--set", "DIGITS=5", "--samples", size)
            cells.append(lab.evaluated(f"limits/{name.replace(' ', '_')}_{size}", *words)["stats"]["forward"]["rhs"] / size)
        rows.append([name, *(f"{c:.1f}" for c in cells)])
    return table(["evaluations a sample, batches of", *sizes], rows)


def tolerances(lab):
    """One flow trained at a loose and one at a tight tolerance, each evaluated at others."""
    digits, rows = (1, 2, 3, 4, 5, 6, 8), []
    for trained in (2, 4):
        params, losses, work = moons_flow(lab, trained), [], []
        for d in digits:
            words = ("likelihood/deep.node", "--params", params, "--set", "SET=2", "--set", f"DIGITS={d}", "--samples", 5000)
            found = lab.evaluated(f"limits/tolerance_{trained}_{d}", *words)
            losses.append(f"{found['loss']:.4f}")
            work.append(f"{found['stats']['forward']['rhs'] / 5000:.0f}")
        rows += [[f"trained at 1e-{trained}: loss, nats", *losses], ["evaluations a sample", *work]]
    return table(["two moons, evaluated at", *(f"1e-{d}" for d in digits)], rows)


def reversal(lab):
    digits, rows = (2, 4, 6, 8, 10), []
    for rate in (0, 1, 2, 5):
        errors = []
        for d in digits:
            words = ("limits/reversal.node", "--set", f"DIGITS={d}", "--set", f"rate={rate}", "--samples", 200)
            errors.append(f"{lab.evaluated(f'limits/reversal_{rate}_{d}', *words)['loss']:.1e}")
        rows.append([f"z' = tanh(W z) − {rate} z" if rate else "z' = tanh(W z)", *errors])
    return table(["distance after 5 units of time and back, tolerance", *(f"1e-{d}" for d in digits)], rows)


SHORT = {f.__name__: f for f in (poisson, theophylline, limits, density_matching, likelihood, latent_ode)}
# How many trainings of a model a part is made of, where that is not the number asked for.
TRAININGS = {"limits": "{} (x → −x); of the flows, 1", "mnist_long": "1"}
# What needs a download and hours.
ALL = {**SHORT, "mnist": classifiers.mnist, "mnist_long": classifiers.mnist_long}
