"""Time of a gradient against hidden width, batch, length of the trajectory and tolerance, with diffrax beside ours.

    python3 benches/peers/scaling.py

writes docs/images/scaling.svg. Both sides take Dormand-Prince 5(4) with one step size for all samples; diffrax is
compiled by jit and differentiates by its checkpointed reverse mode."""
import argparse
import json
import tempfile
import time
from pathlib import Path

import numpy as np

import workloads
from run import Pullback, gather, program, say
from workloads import Rng, Workload, linear, trained

MODEL = '''model Scaling "a network, the mean square of its last state"
use nn
input y0: [{n}]
data npz("data.npz")
net f: [{n}] -> [{n}] = dense({hidden}) |> tanh |> dense({n})
state z: [{n}] = y0
z' = f({argument})
loss = mean(z({end})^2)
solve dopri5(rtol = {rtol}, atol = {atol}, step = batch), 0 .. {end}
'''


def network(hidden, batch):
    """An n-hidden-n network of 32-bit numbers over unit time."""
    sizes = (8, hidden, 8)
    data = {"y0": Rng(5).symmetric((batch, 8), 1.0)}
    return Workload("mlp_wide", "f32", (1e-4, 1e-4), linear(4, sizes), data, np.array([0.0, 1.0]), sizes=sizes)


def trajectory(end, rtol):
    """The trained spiral in 64-bit numbers."""
    data, times = {"y0": np.array([[2.0, 0.0]])}, np.array([0.0, end])
    return Workload("spiral_final", "f64", (rtol, rtol / 100), trained(), data, times, sizes=(2, 50, 2))


CURVES = {
    "hidden width (8-H-8, 128 samples, f32)": ([16, 64, 256, 1024, 2048], lambda x: network(x, 128)),
    "samples (8-128-8, f32)": ([1, 16, 128, 1024, 4096], lambda x: network(128, x)),
    "length (2-50-2 spiral, f64, rtol 1e-6)": ([1.0, 5.0, 25.0, 100.0], lambda x: trajectory(x, 1e-6)),
    "rtol (2-50-2 spiral to t = 25, f64)": ([1e-3, 1e-5, 1e-7, 1e-9, 1e-11], lambda x: trajectory(25.0, x)),
}


def text(w):
    """The workload as a model."""
    n, hidden, _ = w.sizes
    argument = "z^3" if w.name == "spiral_final" else "z"
    rtol, atol = w.tolerance
    return MODEL.format(n=n, hidden=hidden, argument=argument, end=w.times[-1], rtol=rtol, atol=atol)


def peer_times(call, seconds):
    times, end = [], time.perf_counter() + seconds
    while len(times) < 2 or time.perf_counter() < end:
        started = time.perf_counter()
        call()
        times.append(time.perf_counter() - started)
    times.sort()
    return {"median_s": times[len(times) // 2], "min_s": times[0]}


def point(w, args):
    """Our time and the peer's, in turns, and how far the two gradients are apart."""
    import diffrax_peer

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "scaling.node"
        path.write_text(text(w))
        ours = Pullback(args.pullback, w, Path(folder), model=path)
        first = ours.first("gradient")
        call = diffrax_peer.calls(w)["gradient: dopri5 checkpointed"]
        found = call()
        theirs = found[0]()
        mine = workloads.flat(ours.last["gradient"][n]["data"] for n in ours.names)
        apart = float(np.linalg.norm(mine - theirs) / np.linalg.norm(theirs))
        a, b = [], []
        for _ in range(args.rounds):
            a.append(ours.times("gradient", args.seconds))
            b.append(peer_times(call, args.seconds))
    work = {"work": first["work"][0], "peer_work": found[2]()[0]}
    return {"ours": gather(a), "diffrax": gather(b), "apart": apart, **work}


def draw(curves, path):
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "scaling", "font.size": 9})
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(2, 2, figsize=(9, 6.4))
    for axis, (name, points) in zip(axes.ravel(), curves.items()):
        xs = [p["x"] for p in points]
        for side, style in (("diffrax", "s--"), ("ours", "o-")):
            label = "pullback" if side == "ours" else "diffrax, checkpointed"
            axis.loglog(xs, [p[side]["min_s"] * 1e3 for p in points], style, label=label)
        axis.set_xlabel(name)
        axis.set_ylabel("ms for one gradient, the least")
        axis.grid(True, which="major", alpha=0.3)
        if name.startswith("rtol"):
            axis.invert_xaxis()
    axes[0, 0].legend()
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pullback", help="the program")
    parser.add_argument("--rounds", type=int, default=3, help="turns (default 3)")
    parser.add_argument("--seconds", type=float, default=0.3, help="of each side in one turn (default 0.3)")
    parser.add_argument("--svg", default=str(workloads.ROOT / "docs" / "images" / "scaling.svg"), help="the plot")
    parser.add_argument("--out", help="file for the numbers, as JSON")
    args = parser.parse_args()
    args.pullback = program(args.pullback)
    curves = {}
    for name, (xs, make) in CURVES.items():
        for x in xs:
            p = {"x": x, **point(make(x), args)}
            curves.setdefault(name, []).append(p)
            ours, theirs = p["ours"]["min_s"], p["diffrax"]["min_s"]
            say(f"{name}: {x:g}: {ours * 1e3:.4g} ms, diffrax {theirs * 1e3:.4g} ms, {theirs / ours:.3g}×; "
                f"{p['work']} and {p['peer_work']} evaluations; gradients {p['apart']:.0e} apart")
            if args.out:
                Path(args.out).write_text(json.dumps(curves, indent=1) + "\n")
    draw(curves, args.svg)


if __name__ == "__main__":
    main()
