"""Makes reference.json: sketches of gradients and states at tight tolerances in float64, by torchdiffeq.

Where the golden values of tests/golden have a workload, the gradient must agree with them first. Takes some minutes."""
import json
from dataclasses import replace

import numpy as np
import torch

import torchdiffeq_peer
import workloads

TIGHT = {"odenet_mnist": (1e-7, 1e-7)}
# So many samples at a time, where the steps of all would not fit in memory: the gradient is a mean over samples.
PARTS = {"odenet_mnist": 16}


def close(name, gradients, golden):
    """The largest difference from the golden values, relative to the norm of a tensor."""
    worst = 0.0
    for g, want in zip(gradients, golden, strict=True):
        norm = np.linalg.norm(g)
        if "values" in want:
            difference = np.linalg.norm(np.ravel(g) - np.ravel(want["values"]))
        else:
            v = np.ravel(g)
            projection = v @ workloads.Rng(want["projection_seed"]).symmetric(v.shape, 1.0)
            ends = np.abs(v[:8] - want["first8"]).max()
            difference = max(ends, abs(norm - want["l2"]), abs(projection - want["projection"]))
        worst = max(worst, difference / norm)
    print(f"{name}: {worst:.1e} from the golden values", flush=True)
    return worst < 1e-8


def tight(w):
    """Gradient, states and evaluations at a tight tolerance."""
    part = PARTS.get(w.name, len(w.y0))
    gradients, states, evaluations = [], [], 0
    for k in range(0, len(w.y0), part):
        some = replace(w, data={name: a[k : k + part] for name, a in w.data.items()})
        calls = torchdiffeq_peer.calls(some, TIGHT.get(w.name, (1e-12, 1e-12)), torch.float64)
        gradient, found, work = calls["gradient: dopri5 backprop"]()
        gradients.append(gradient())
        states.append(found())
        evaluations += work[0]
    return np.mean(gradients, 0), np.concatenate(states), evaluations


def main():
    path = workloads.HERE / "reference.json"
    golden = json.loads((workloads.GOLDEN / "golden.json").read_text())["workloads"]
    found = json.loads(path.read_text()) if path.exists() else {}
    for name in workloads.NAMES:
        if name in found:
            continue
        w = workloads.workload(name)
        g, states, evaluations = tight(w)
        ends = np.cumsum([p.size for p in w.params])[:-1]
        wanted = golden[name]["dparams"] if name in golden else []
        parts = [g] if len(wanted) == 1 else np.split(g, ends)
        if wanted and not close(name, parts, wanted):
            raise SystemExit(f"{name} does not agree with the golden values")
        found[name] = {"gradient": workloads.sketch(g).tolist()}
        if w.forward:
            found[name]["states"] = workloads.sketch(states).tolist()
        print(f"{name}: {evaluations} evaluations", flush=True)
        path.write_text(json.dumps(found, indent=1) + "\n")


main()
