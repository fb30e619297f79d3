"""How long until the first gradient: whole processes on the workload `spiral`, and the compilation of networks alone.

    pip install -r benches/peers/requirements.txt
    python3 benches/peers/start.py

Processes are run in turns; time from start to end and the peak of resident memory are the least of several. Compilation is
that of a right-hand side with its vector-Jacobian product: `wide_H` is 2 -> H -> 2 of y³, `deep_H` is 8 -> H -> H -> 8, the
weights parameters. CasADi makes C of a matrix graph (gcc -O3), JAX compiles with XLA for one sample; ours is the whole
`pullback grad`: text to native code of solve, loss and gradient."""
import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

import workloads
from run import Pullback, program

HERE = Path(__file__).resolve().parent
PROCESSES = {
    "casadi": """
import casadi as ca, numpy as np, workloads
w = workloads.workload("spiral"); n = w.y0.shape[0]; y, p = ca.MX.sym("y", 2 * n), ca.MX.sym("p", 252)
w1, b1 = ca.reshape(p[:100], 2, 50).T, p[100:150]; w2, b2 = ca.reshape(p[150:250], 50, 2).T, p[250:252]
h = ca.tanh(w1 @ ca.reshape(y, 2, n) ** 3 + ca.repmat(b1, 1, n))
dae = {"x": y, "p": p, "ode": ca.vec(w2 @ h + ca.repmat(b2, 1, n))}
options = {"reltol": 1e-7, "abstol": 1e-9, "linear_multistep_method": "adams", "nonlinear_solver_iteration": "functional"}
ys = ca.integrator("s", "cvodes", dae, w.times[0], list(w.times[1:]), options)(x0=w.y0.ravel(), p=p)["xf"]
target = np.swapaxes(w.data["target"], 0, 1)[1:].reshape(len(w.times) - 1, -1).T
loss = ca.sum1(ca.sum2(ca.fabs(ys - target))) / (2 * n * len(w.times))
print(ca.Function("g", [p], [ca.gradient(loss, p)])(np.concatenate([np.ravel(a) for a in w.params])).shape)
""",
    "torchdiffeq": """
import torch, workloads
from torchdiffeq import odeint
w = workloads.workload("spiral"); p = [torch.tensor(a, dtype=torch.float32, requires_grad=True) for a in w.params]
f = lambda t, y: torch.tanh(y ** 3 @ p[0].T + p[1]) @ p[2].T + p[3]
y0, ts = torch.tensor(w.y0, dtype=torch.float32), torch.tensor(w.times, dtype=torch.float32)
ys = odeint(f, y0, ts, rtol=1e-7, atol=1e-9, method="dopri5")
loss = (ys - torch.tensor(w.data["target"], dtype=torch.float32).transpose(0, 1)).abs().mean(); loss.backward()
print(p[0].grad.shape)
""",
    "diffrax": """
import jax, jax.numpy as jnp, diffrax, workloads
w = workloads.workload("spiral"); p = [jnp.asarray(a, jnp.float32) for a in w.params]
y0, ts = jnp.asarray(w.y0, jnp.float32), jnp.asarray(w.times, jnp.float32)
target = jnp.swapaxes(jnp.asarray(w.data["target"], jnp.float32), 0, 1)
f = diffrax.ODETerm(lambda t, y, p: jnp.tanh(y ** 3 @ p[0].T + p[1]) @ p[2].T + p[3])
def loss(p):
    s = diffrax.diffeqsolve(f, diffrax.Dopri5(), ts[0], ts[-1], None, y0, p, saveat=diffrax.SaveAt(ts=ts),
                            stepsize_controller=diffrax.PIDController(rtol=1e-7, atol=1e-9))
    return jnp.mean(jnp.abs(s.ys - target))
print(jax.jit(jax.grad(loss))(p)[0].shape)
""",
}
NETS = {"spiral": ("wide", 50), "wide_1024": ("wide", 1024), "deep_256": ("deep", 256)}
COMPILE = {
    "casadi": """
import sys, time; import casadi as ca, subprocess, tempfile, os
kind, h = sys.argv[1], int(sys.argv[2]); sizes = [2, h, 2] if kind == "wide" else [8, h, h, 8]; started = time.perf_counter()
y, a, p = ca.MX.sym("y", sizes[0]), ca.MX.sym("a", sizes[-1]), []; x = y ** 3 if kind == "wide" else y
for k, (n, m) in enumerate(zip(sizes, sizes[1:])):
    w, b = ca.MX.sym(f"w{k}", m, n), ca.MX.sym(f"b{k}", m); p += [w, b]; x = w @ x + b; x = ca.tanh(x) if k + 2 < len(sizes) else x
f = ca.Function("f", [y, a, *p], [x, *[ca.gradient(ca.dot(a, x), v) for v in (y, *p)]])
folder = tempfile.mkdtemp(); os.chdir(folder); f.generate("f.c")
subprocess.run(["gcc", "-O3", "-shared", "-fPIC", "f.c", "-o", "f.so", "-lm"], check=True); ca.external("f", "./f.so")
print(time.perf_counter() - started)
""",
    "jax": """
import sys, time; import jax, jax.numpy as jnp
kind, h = sys.argv[1], int(sys.argv[2]); sizes = [2, h, 2] if kind == "wide" else [8, h, h, 8]
p = [x for n, m in zip(sizes, sizes[1:]) for x in (jnp.ones((m, n)) * 0.01, jnp.zeros(m))]; jnp.ones(3).block_until_ready()
def f(p, y):
    x = y ** 3 if kind == "wide" else y
    for k in range(0, len(p), 2):
        x = p[k] @ x + p[k + 1]; x = jnp.tanh(x) if k + 2 < len(p) else x
    return x
def both(p, y, a):
    x, pull = jax.vjp(f, p, y); return x, pull(a)
y, a = jnp.ones(sizes[0]), jnp.ones(sizes[-1]); started = time.perf_counter()
jax.jit(both).lower(p, y, a).compile(); print(time.perf_counter() - started)
""",
}
MODEL = """use nn
net f: [{n}] -> [{n}] = {layers}
state z: [{n}] = fill(0.1)
z' = f({argument})
loss = sum(z(1)^2)
solve dopri5, 0 .. 1
"""


def process(command):
    """Seconds and MiB of a process, and what it wrote."""
    started = time.perf_counter()
    child = subprocess.Popen(command, cwd=HERE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    text, errors = child.communicate()
    if child.returncode:
        raise RuntimeError(errors[-400:])
    return time.perf_counter() - started, text


def peak(command):
    """MiB at most: by a fresh parent, whose children are this one."""
    code = ("import resource, subprocess, sys; subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, check=True); "
            "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024)")
    return float(process([sys.executable, "-c", code, *command])[1])


def first_gradient(args):
    with tempfile.TemporaryDirectory() as folder:
        ours = Pullback(args.pullback, workloads.workload("spiral"), Path(folder))
        line = [args.pullback, "grad", ours.model, "--data", ours.data, "--params", ours.params, "--precision", "f32", "--json"]
        commands = {"pullback": line}
        commands |= {name: [sys.executable, "-c", code] for name, code in PROCESSES.items() if find_spec(name)}
        seconds = {name: min(process(line)[0] for _ in range(args.rounds)) for name, line in commands.items()}
        memory = {name: min(peak(line) for _ in range(2)) for name, line in commands.items()}
    print("| first gradient of `spiral` | whole process | ratio | peak memory | ratio |\n|---|---|---|---|---|")
    for name in commands:
        times, more = seconds[name] / seconds["pullback"], memory[name] / memory["pullback"]
        print(f"| {name} | {1e3 * seconds[name]:.3g} ms | {times:.3g}× | {memory[name]:.0f} MiB | {more:.3g}× |", flush=True)


def compilation(args):
    names = ["pullback", *(name for name in COMPILE if find_spec(name))]
    print("\n| compilation, ms | " + " | ".join(names) + " |\n" + "|---" * (len(names) + 1) + "|")
    for net, (kind, h) in NETS.items():
        n, hidden = (2, 1) if kind == "wide" else (8, 2)
        layers = " |> ".join([f"dense({h}) |> tanh"] * hidden + [f"dense({n})"])
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "model.node"
            file.write_text(MODEL.format(n=n, layers=layers, argument="z^3" if kind == "wide" else "z"))
            call = lambda: json.loads(process([args.pullback, "grad", str(file), "--json"])[1])["compile_ms"]
            cells = [min(call() for _ in range(args.rounds))]
        for name in names[1:]:
            call = lambda: 1e3 * float(process([sys.executable, "-c", COMPILE[name], kind, str(h)])[1])
            cells.append(min(call() for _ in range(3)))
        print(f"| {net} | " + " | ".join(f"{cell:.3g}" for cell in cells) + " |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pullback", help="the program")
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    args.pullback = program(args.pullback)
    os.environ["PYTHONPATH"] = str(HERE)
    first_gradient(args)
    compilation(args)


if __name__ == "__main__":
    main()
