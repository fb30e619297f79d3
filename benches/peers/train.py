"""Times 2,000 training steps of the spiral beside diffrax and torchdiffeq.

    python3 benches/peers/train.py

The network of the workload `spiral`, f32, Dormand-Prince 5(4) at 1e-7 / 1e-9 with one step size for all samples, batches
of 20 windows of 10 points, RMSprop with rate 1e-3. Each side draws its own batches and keeps its own thread count.
torchdiffeq, the slow one, takes some of the steps; its time is scaled. A peer that is not installed is left out.
"""

import argparse
import json
import subprocess
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

import numpy as np

import workloads
from run import program

STEPS, BATCH = 2000, 20
DECAY, RATE, EPS = 0.99, 1e-3, 1e-8


def windows():
    """Every window of the true spiral: starts and targets."""
    truth = workloads.spiral_true()
    starts = np.arange(990)
    return truth[starts], np.stack([truth[s : s + 10] for s in starts])


def ours(binary, w, folder):
    """Seconds of the training, of the whole process, and the last loss."""
    text = workloads.model("spiral").read_text()
    text += f"train rmsprop(lr = {RATE}, batch = {BATCH}, steps = {STEPS})\n"
    model, data, start = folder / "train.node", folder / "spiral.npz", folder / "start.safetensors"
    model.write_text(text)
    y0, target = windows()
    workloads.write_npz(data, {"y0": y0, "target": target})
    check = json.loads(subprocess.run([binary, "check", model, "--json"], capture_output=True, check=True).stdout)
    names, shapes = zip(*((p["name"], p["shape"]) for p in check["parameters"]))
    workloads.write_safetensors(start, names, [np.reshape(a, s) for a, s in zip(w.params, shapes)])
    command = [binary, "train", model, "--params", start, "--out", folder / "out", "--precision", "f32", "--no-plots"]
    began = time.perf_counter()
    done = subprocess.run([*map(str, command), "--json", "--quiet"], capture_output=True, text=True, check=True)
    found = json.loads(done.stdout.strip().splitlines()[-1])
    return found["seconds"], time.perf_counter() - began, found["loss"]


def batches(rng):
    y0, target = windows()
    while True:
        picked = rng.integers(0, 990, BATCH)
        yield y0[picked].astype(np.float32), np.swapaxes(target[picked], 0, 1).astype(np.float32)


def diffrax(w):
    import diffrax
    import jax
    import jax.numpy as jnp

    import diffrax_peer

    times = jnp.asarray(w.times, jnp.float32)
    rtol, atol = w.tolerance

    def loss(p, y0, target):
        control = diffrax.PIDController(rtol=rtol, atol=atol)
        found = diffrax.diffeqsolve(diffrax.ODETerm(diffrax_peer.spiral), diffrax.Dopri5(), times[0], times[-1], None,
                                    y0, p, saveat=diffrax.SaveAt(ts=times), stepsize_controller=control)
        return jnp.abs(found.ys - target).mean()

    @jax.jit
    def step(p, v, y0, target):
        value, g = jax.value_and_grad(loss)(p, y0, target)
        v = [DECAY * a + (1 - DECAY) * b * b for a, b in zip(v, g)]
        return [a - RATE * b / (jnp.sqrt(c) + EPS) for a, b, c in zip(p, g, v)], v, value

    p = [jnp.asarray(a, jnp.float32) for a in w.params]
    v, source = [jnp.zeros_like(a) for a in p], batches(np.random.default_rng(8))
    began = time.perf_counter()
    jax.block_until_ready(step(p, v, *next(source)))
    compiled = time.perf_counter()
    for _ in range(STEPS):
        p, v, value = step(p, v, *next(source))
    value = float(jax.block_until_ready(value))
    ended = time.perf_counter()
    return ended - compiled, ended - began, value


def torch(w, steps):
    import torch
    import torchdiffeq

    import torchdiffeq_peer

    torch.set_num_threads(1)
    f = torchdiffeq_peer.Spiral(w, torch.float32)
    times, (rtol, atol) = torch.tensor(w.times, dtype=torch.float32), w.tolerance
    optimizer = torch.optim.RMSprop(f.parameters(), lr=RATE, alpha=DECAY, eps=EPS)
    source, began = batches(np.random.default_rng(8)), None
    for k in range(steps + 1):
        began = time.perf_counter() if k == 1 else began
        y0, target = map(torch.from_numpy, next(source))
        optimizer.zero_grad()
        states = torchdiffeq.odeint_adjoint(f, y0, times, method="dopri5", rtol=rtol, atol=atol)
        loss = (states - target).abs().mean()
        loss.backward()
        optimizer.step()
    spent = (time.perf_counter() - began) * STEPS / steps
    return spent, spent, None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pullback", help="the program")
    parser.add_argument("--rounds", type=int, default=3, help="runs of ours and of diffrax; the least counts")
    parser.add_argument("--torch-steps", type=int, default=50, help="steps of torchdiffeq")
    args = parser.parse_args()
    w, found = workloads.workload("spiral"), {}
    with tempfile.TemporaryDirectory() as folder:
        binary = Path(program(args.pullback)).resolve()
        found["pullback"] = min(ours(binary, w, Path(folder)) for _ in range(args.rounds))
    if find_spec("diffrax"):
        found["diffrax, checkpointed"] = min(diffrax(w) for _ in range(args.rounds))
    if find_spec("torchdiffeq"):
        found[f"torchdiffeq, adjoint ({args.torch_steps} steps)"] = torch(w, args.torch_steps)
    head = ["2,000 steps of the spiral", "steps, s", "ratio", "with compilation, s", "ratio", "last loss"]
    print("| " + " | ".join(head) + " |\n|" + "---|" * len(head))
    own = found["pullback"]
    for name, (steps, whole, loss) in found.items():
        loss = "" if loss is None else f"{loss:.4f}"
        cells = [name, f"{steps:.3f}", f"{steps / own[0]:.1f}×", f"{whole:.3f}", f"{whole / own[1]:.1f}×", loss]
        print("| " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
