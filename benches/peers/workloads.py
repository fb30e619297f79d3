"""The workloads: weights and data from SplitMix64, and how far a gradient is from the reference.

Every workload is a model of benches/models. A network's parameters are listed layer by layer: weight (outputs, inputs),
bias. A gradient is one vector: the parameters' gradients in that order, each flattened by rows. States are flattened as
(samples, times, components).
"""
import json
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
GOLDEN = ROOT / "tests" / "golden"
GAMMA, MASK = 0x9E3779B97F4A7C15, (1 << 64) - 1


def splitmix64(seed, n, skip=0):
    """`n` outputs of the generator SplitMix64, after `skip` of them."""
    with np.errstate(over="ignore"):
        z = np.uint64(seed & MASK) + np.arange(1 + skip, n + 1 + skip, dtype=np.uint64) * np.uint64(GAMMA)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


class Rng:
    """A running generator of numbers that are uniform in plus or minus a bound."""

    def __init__(self, seed):
        self.seed, self.drawn = seed, 0

    def symmetric(self, shape, bound):
        n = int(np.prod(shape))
        bits = splitmix64(self.seed, n, self.drawn)
        self.drawn += n
        unit = (bits >> np.uint64(11)).astype(np.float64) * 2.0**-53
        return ((2.0 * unit - 1.0) * bound).reshape(shape)


@dataclass
class Workload:
    """One model with its parameters and data. `tolerance` is (rtol, atol); `joint` says that all samples are one state
    with one step size; `forward` that solving alone is measured too; `saved` that the loss takes all times and not only
    the last one; `sizes` are a network's widths."""

    name: str
    precision: str
    tolerance: tuple
    params: list
    data: dict
    times: np.ndarray
    joint: bool = True
    forward: bool = False
    saved: bool = False
    sizes: tuple = ()

    @property
    def y0(self):
        """Start values (samples, …)."""
        return next(iter(self.data.values()))


def linear(seed, sizes):
    """Weights and biases of a network, all within 1/sqrt(inputs)."""
    rng, out = Rng(seed), []
    for n, m in zip(sizes[:-1], sizes[1:]):
        bound = 1.0 / math.sqrt(n)
        out += [rng.symmetric((m, n), bound), rng.symmetric((m,), bound)]
    return out


def spiral_true():
    """The true spiral (1000, 2) at linspace(0, 25, 1000)."""
    return np.loadtxt(GOLDEN / "spiral_true.csv", delimiter=",", skiprows=1)[:, 1:]


def trained():
    """The weights of the network that was trained on the spiral."""
    read = json.loads((GOLDEN / "spiral_trained.json").read_text())
    return [np.array(read[k]) for k in ("w1", "b1", "w2", "b2")]


def spiral():
    rng, bound = Rng(1), 0.1 * math.sqrt(3.0)
    w1, w2 = rng.symmetric((50, 2), bound), rng.symmetric((2, 50), bound)
    truth, starts = spiral_true(), [47 * k % 990 for k in range(20)]
    data = {"y0": truth[starts], "target": np.stack([truth[s : s + 10] for s in starts])}
    times = np.linspace(0.0, 25.0, 1000)[:10]
    params = [w1, np.zeros(50), w2, np.zeros(2)]
    return Workload("spiral", "f32", (1e-7, 1e-9), params, data, times, saved=True, sizes=(2, 50, 2))


def spiral_long():
    data = {"y0": np.array([[2.0, 0.0]]), "target": spiral_true()[None]}
    times = np.linspace(0.0, 25.0, 1000)
    return Workload("spiral_long", "f64", (1e-6, 1e-8), trained(), data, times, forward=True, saved=True,
                    sizes=(2, 50, 2))


def lotka_volterra():
    params = [np.array(v) for v in (1.5, 1.0, 3.0, 1.0)]
    data, times = {"y0": np.ones((1, 2))}, np.linspace(0.0, 10.0, 101)
    return Workload("lotka_volterra", "f64", (1e-8, 1e-8), params, data, times, forward=True, saved=True)


def spiral_batch():
    b = np.arange(20.0)
    y0 = ((2.0 - 0.05 * b) * np.stack([np.cos(0.3 * b), np.sin(0.3 * b)])).T
    times = np.linspace(0.0, 0.225, 10)
    return Workload("spiral_batch", "f64", (1e-7, 1e-9), trained(), {"y0": y0}, times, joint=False, forward=True,
                    saved=True, sizes=(2, 50, 2))


def cnf2d():
    z = Rng(3).symmetric((512, 2), 2.0)
    data = {"s0": np.hstack([z, np.zeros((512, 1))])}
    sizes = (3, 64, 64, 2)
    return Workload("cnf2d", "f32", (1e-5, 1e-5), linear(2, sizes), data, np.array([0.0, 1.0]), sizes=sizes)


def mlp_wide():
    sizes = (64, 256, 256, 64)
    data = {"y0": Rng(5).symmetric((128, 64), 1.0)}
    return Workload("mlp_wide", "f32", (1e-4, 1e-4), linear(4, sizes), data, np.array([0.0, 1.0]), sizes=sizes)


def odenet_mnist():
    rng, bound, one, zero = Rng(6), 1.0 / math.sqrt(585.0), np.ones(64), np.zeros(64)
    conv = [rng.symmetric(shape, bound) for _ in range(2) for shape in ((64, 65, 3, 3), (64,))]
    params = [one, zero, *conv[:2], one, zero, *conv[2:], one, zero]
    data = {"y0": Rng(7).symmetric((128, 64, 6, 6), 1.0)}
    return Workload("odenet_mnist", "f32", (1e-3, 1e-3), params, data, np.array([0.0, 1.0]))


MAKERS = [spiral, spiral_long, lotka_volterra, spiral_batch, cnf2d, mlp_wide, odenet_mnist]
NAMES = [make.__name__ for make in MAKERS]


def workload(name):
    """The workload of this name."""
    return MAKERS[NAMES.index(name)]()


def model(name):
    """The path of a workload's model."""
    return ROOT / "benches" / "models" / f"{name}.node"


def write_npz(path, data):
    """Data as pullback reads them."""
    np.savez(path, **data)


def write_safetensors(path, names, arrays):
    """Parameters as pullback reads them: a length, a JSON header, the numbers."""
    header, at = {}, 0
    for name, a in zip(names, arrays, strict=True):
        header[name] = {"dtype": "F64", "shape": list(a.shape), "data_offsets": [at, at + a.size * 8]}
        at += a.size * 8
    text = json.dumps(header).encode()
    with open(path, "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for a in arrays:
            file.write(np.ascontiguousarray(a, "<f8").tobytes())


def flat(arrays):
    """One float64 vector of several arrays."""
    return np.concatenate([np.ravel(np.asarray(a, np.float64)) for a in arrays])


def sketch(vector):
    """64 projections on random signs: a short stand-in for a long vector. The norm of the difference of two sketches
    over the norm of one is the relative error of the vectors, to about 9 % (Johnson and Lindenstrauss 1984;
    Achlioptas 2003 for signs)."""
    v = np.asarray(vector, np.float64).ravel()
    bits = splitmix64(0x5EED, v.size)
    return np.array([np.where(bits >> np.uint64(k) & np.uint64(1), v, -v).sum() for k in range(64)])


def error(name, kind, vector):
    """The relative l2 error of a `gradient` or of `states` against benches/peers/reference.json, or None."""
    path = HERE / "reference.json"
    found = json.loads(path.read_text()).get(name, {}).get(kind) if path.exists() else None
    if found is None or vector is None:
        return None
    want = np.array(found)
    return float(np.linalg.norm(sketch(vector) - want) / np.linalg.norm(want))
