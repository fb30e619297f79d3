"""Times the gradient of one training step of the MNIST networks beside torch and torchdiffeq.

    sh examples/paper/mnist/fetch.sh
    python3 benches/peers/mnist.py

128 images, f32, every core on both sides, in turns; the same parameters (torch's usual draws) and the same images. What
is timed is the loss and its gradient, without the update. The difference of the gradients is stated beside the times.
"""

import argparse
import json
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
import torchdiffeq
from torch.nn import functional as F

import workloads
from run import program

FOLDER = workloads.ROOT / "examples" / "paper" / "mnist"
BATCH = 128
# model, words, how torchdiffeq differentiates the solve
ROWS = {
    "no_block": ("no block", None),
    "rknet": ("RK-Net, torchdiffeq by backpropagation", "backprop"),
    "odenet": ("ODE-Net, torchdiffeq by the adjoint", "adjoint"),
}


def images(name):
    """The first batch of an idx file."""
    content = (FOLDER / "data" / name).read_bytes()
    axes = content[3]
    shape = [int.from_bytes(content[4 + 4 * k : 8 + 4 * k], "big") for k in range(axes)]
    return np.frombuffer(content, np.uint8, offset=4 + 4 * axes).reshape(shape)[:BATCH]


class Network(torch.nn.Module):
    """The layers of `odenet.node`, by the names of their parameters there."""

    def __init__(self, params, way):
        super().__init__()
        self.way = way
        tensors = {k.replace(".", "_"): torch.nn.Parameter(torch.tensor(v, dtype=torch.float32)) for k, v in params.items()}
        self.all = torch.nn.ParameterDict(tensors)
        self.field = hidden(self)
        self.of_field = tuple(v for k, v in self.all.items() if k.split("_")[0] in ("first", "second", "third"))

    def norm(self, x, name):
        return F.group_norm(x, 32, self.all[f"{name}_scale"], self.all[f"{name}_shift"], 1e-5)

    def conv(self, x, name, **options):
        return F.conv2d(x, self.all[f"{name}_W"], self.all[f"{name}_b"], **options)

    def forward(self, x):
        h = F.relu(self.norm(self.conv(x, "down_0"), "down_1"))
        h = F.relu(self.norm(self.conv(h, "down_3", stride=2, padding=1), "down_4"))
        h = self.conv(h, "down_6", stride=2, padding=1)
        options = {"rtol": 1e-3, "atol": 1e-3, "method": "dopri5"}
        if self.way == "adjoint":
            h = torchdiffeq.odeint_adjoint(
                self.field[0], h, torch.tensor([0.0, 1.0]), adjoint_params=self.of_field, **options)[1]
        elif self.way:
            h = torchdiffeq.odeint(self.field[0], h, torch.tensor([0.0, 1.0]), **options)[1]
        h = F.relu(self.norm(h, "head_0")).mean((2, 3))
        return F.linear(h, self.all["head_3_W"], self.all["head_3_b"])


class Right(torch.nn.Module):
    """The right-hand side."""

    def __init__(self, network):
        super().__init__()
        self.network, self.evaluations = [network], 0

    def forward(self, t, z):
        self.evaluations += 1
        net = self.network[0]
        h = F.relu(net.norm(z, "first_0"))
        for name in ("second", "third"):
            clock = torch.ones_like(h[:, :1]) * t
            h = net.norm(net.conv(torch.cat((clock, h), 1), f"{name}_0", padding=1), f"{name}_1")
            h = F.relu(h) if name == "second" else h
        return h


def hidden(network):
    """Hidden in a list, so that the network does not become a part of its own part."""
    return [Right(network)]


def drawn(shapes):
    """torch's usual draws: uniform within one over the root of the inputs; norms start as identities."""
    rng, out = np.random.default_rng(1), {}
    for name, shape in shapes.items():
        if name.endswith(("scale", "shift")):
            out[name] = np.full(shape, float(name.endswith("scale")))
        else:
            bound = 1 / np.sqrt(np.prod(shapes[name[:-1] + "W"][1:]))
            out[name] = rng.uniform(-bound, bound, shape)
    return out


def ours(command, *words):
    done = subprocess.run([*map(str, command), *words, "--json"], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr + done.stdout)
    return json.loads(done.stdout)


def row(binary, name, rounds, repeat):
    words, way = ROWS[name]
    model = FOLDER / f"{name}.node"
    shapes = {p["name"]: p["shape"] for p in ours([binary, "check", model])["parameters"]}
    params = drawn(shapes)
    x = torch.tensor(images("train-images-idx3-ubyte") / 255, dtype=torch.float32)[:, None]
    y = torch.tensor(images("train-labels-idx1-ubyte").astype(np.int64))
    net, times, own = Network(params, way), [], []

    def step():
        net.zero_grad()
        loss = F.cross_entropy(net(x), y)
        forward = net.field[0].evaluations
        loss.backward()
        return loss.item(), forward

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "params.safetensors"
        workloads.write_safetensors(path, list(params), list(params.values()))
        command = [binary, "grad", model, "--params", path, "--batch", BATCH, "--precision", "f32"]
        step()
        for _ in range(rounds):
            for _ in range(repeat):
                net.field[0].evaluations = 0
                started = time.perf_counter()
                loss, forward = step()
                times.append(time.perf_counter() - started)
            found = ours(command, "--repeat", str(repeat))
            own.append((found["time_ms_min"] / 1e3, found["time_ms"] / 1e3))
    theirs = np.concatenate([net.all[k.replace(".", "_")].grad.double().numpy().ravel() for k in params])
    mine = np.concatenate([np.ravel(found["gradient"][k]["data"]) for k in params])
    apart = np.linalg.norm(mine - theirs) / np.linalg.norm(theirs)
    stats = found["stats"]
    back = stats.get("backward", {}).get("rhs", 0) // BATCH
    work = f"{forward} + {net.field[0].evaluations - forward}", f"{stats['forward']['rhs'] // BATCH} + {back}"
    least, middle = (min(times), statistics.median(times)), (min(o[0] for o in own), statistics.median(o[1] for o in own))
    cells = [words, *(f"{1e3 * t[0]:.0f} ms ({1e3 * t[1]:.0f} ms)" for t in (least, middle))]
    cells += [f"{middle[0] / least[0]:.2f} ({middle[1] / least[1]:.2f})", *work, f"{abs(found['loss'] - loss):.0e}", f"{apart:.0e}"]
    print("| " + " | ".join(cells) + " |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pullback", help="the program")
    parser.add_argument("--rounds", type=int, default=3, help="turns of both programs")
    parser.add_argument("--repeat", type=int, default=5, help="gradients in a turn")
    args = parser.parse_args()
    if not (FOLDER / "data" / "train-images-idx3-ubyte").exists():
        raise SystemExit("no images in examples/paper/mnist/data: run `sh examples/paper/mnist/fetch.sh` first")
    print(f"torch {torch.__version__}, torchdiffeq {torchdiffeq.__version__}, {torch.get_num_threads()} threads\n")
    head = ["network", "torch: least (median)", "ours", "share of torch's time", "its evaluations", "ours"]
    print("| " + " | ".join([*head, "difference of the losses", "of the gradients"]) + " |\n|" + "---|" * 8, flush=True)
    for name in ROWS:
        row(program(args.pullback), name, args.rounds, args.repeat)


if __name__ == "__main__":
    main()
