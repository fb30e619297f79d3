"""Peak memory of a gradient against evaluations of the right-hand side: ours by every way back, torchdiffeq beside it.

    python3 benches/peers/memory.py

writes docs/images/memory.svg. An 8-128-8 network of 64 samples over longer and longer times, 32 bits, steps of 0.1:
Dormand-Prince 5(4), torchdiffeq with the classical method of order 4. The memory is that of a whole process, less what the
shortest time takes."""
import argparse
import json
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

import numpy as np

import workloads
from run import Pullback, program, say
from start import peak, process
from workloads import Rng, Workload, linear

MODEL = """model Memory "the mean square of the last state"
use nn
input y0: [8]
data npz("data.npz")
net f: [8] -> [8] = dense(128) |> tanh |> dense(8)
state z: [8] = y0
z' = f(z)
loss = mean(z({end})^2)
solve dopri5({options}), 0 .. {end}
"""
STEPS = "dt = 0.1, step = batch"
WAYS = {
    "discrete": STEPS,
    "discrete, memory = \"4 KiB\" a sample": STEPS + ", memory = \"4 KiB\"",
    "backsolve": STEPS + ", gradient = backsolve",
    "reversible": "dt = 0.1, reversible = true",
}
ENDS = [1, 4, 16, 64, 256]
PEER = """
import sys, numpy as np, torch
from torchdiffeq import odeint, odeint_adjoint
p = [torch.tensor(a, dtype=torch.float32, requires_grad=True) for a in np.load(sys.argv[1]).values()]; y0 = p.pop(0).detach()
class F(torch.nn.Module):
    def __init__(self):
        super().__init__(); self.p = torch.nn.ParameterList(p); self.calls = 0
    def forward(self, t, y):
        self.calls += 1; return torch.tanh(y @ self.p[0].T + self.p[1]) @ self.p[2].T + self.p[3]
f = F(); solve = odeint_adjoint if sys.argv[3] == "adjoint" else odeint
end = solve(f, y0, torch.tensor([0.0, float(sys.argv[2])]), method="rk4", options={"step_size": 0.1})[-1]
calls = f.calls; (end ** 2).mean().backward(); print(calls)
"""


def ours(options, args):
    """(evaluations, MiB) for every time."""
    points = []
    data = {"y0": Rng(5).symmetric((64, 8), 1.0)}
    for end in ENDS:
        with tempfile.TemporaryDirectory() as folder:
            folder = Path(folder)
            w = Workload("memory", "f32", (1e-4, 1e-4), linear(4, (8, 128, 8)), data, np.array([0.0, end]))
            model = folder / "model.node"
            model.write_text(MODEL.format(end=float(end), options=options))
            made = Pullback(args.pullback, w, folder, model)
            line = [args.pullback, "grad", str(model), "--data", made.data, "--params", made.params, "--precision", "f32",
                    "--json", "--threads", "1"]
            calls = json.loads(process(line)[1])["stats"]["forward"]["rhs"] / 64
            points.append((calls, min(peak(line) for _ in range(3))))
    return points


def torchdiffeq(way, args):
    points = []
    for end in ENDS[: args.peer_ends]:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "arrays.npz"
            arrays = [Rng(5).symmetric((64, 8), 1.0), *linear(4, (8, 128, 8))]
            np.savez(file, *arrays)
            line = [sys.executable, "-c", PEER, str(file), str(end), way]
            points.append((int(process(line)[1]), min(peak(line) for _ in range(2))))
    return points


def draw(curves, path):
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "memory", "font.size": 9})
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(9, 4.2), layout="constrained")
    for name, points in curves.items():
        calls, memory = np.array(points).T
        axes.plot(calls, np.maximum(memory - memory[0], 0.1), "o-" if name[0] != "t" else "s--", label=name)
    axes.set(xscale="log", yscale="log", xlabel="evaluations forward", ylabel="peak memory above the shortest time's, MiB")
    axes.grid(alpha=0.3)
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    figure.savefig(path, metadata={"Date": None})


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pullback", help="the program")
    parser.add_argument("--peer-ends", type=int, default=4, help="times that torchdiffeq goes to")
    parser.add_argument("--out", type=Path, default=workloads.ROOT / "docs" / "images" / "memory.svg")
    args = parser.parse_args()
    args.pullback = program(args.pullback)
    curves = {}
    for name, options in WAYS.items():
        curves[name] = ours(options, args)
        say(f"{name}: {curves[name]}")
    if find_spec("torchdiffeq"):
        for way in ("backprop", "adjoint"):
            curves[f"torchdiffeq, {way}"] = torchdiffeq(way, args)
            say(f"torchdiffeq {way}: {curves[f'torchdiffeq, {way}']}")
    draw(curves, args.out)


if __name__ == "__main__":
    main()
