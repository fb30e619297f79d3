"""Error against time and evaluations over tolerances from 1e-3 to 1e-12: pullback, SciPy, diffrax, diffsol and CVODES.

    pip install -r benches/peers/requirements.txt
    python3 benches/peers/precision.py --out docs/images

`--pullback PATH` names the program (otherwise target/release, then PATH). Writes `precision_*.svg` and
`precision.json`. Time is the least of several solves of one trajectory, after compilation."""
import argparse
import json
import math
import os
import shutil
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from problems import PROBLEMS

EXPLICIT = ("dopri5", "tsit5", "vern7", "dopri8", "adams")
IMPLICIT = ("rodas5p", "kvaerno5", "bdf")
TOLERANCES = [10.0**-k for k in range(3, 13)]


def least(call, seconds):
    """What a call gives, and the least time of as many as fit, at least two."""
    found, best, end, count = None, math.inf, time.perf_counter() + seconds, 0
    while count < 2 or (time.perf_counter() < end and count < 200):
        started = time.perf_counter()
        found = call()
        best = min(best, time.perf_counter() - started)
        count += 1
    return found, best


class Ours:
    def __init__(self, program, seconds):
        self.program, self.seconds = program, seconds

    def methods(self, problem):
        return [f"pullback {m}" for m in (IMPLICIT if problem.stiff else EXPLICIT)]

    def solve(self, problem, name, rtol):
        method = name.split()[1]
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "model.node"
            options = f"rtol = {rtol!r}, atol = {rtol * problem.atol!r}, max_steps = 10000000"
            file.write_text(problem.node(f"{method}({options})"))
            line = [self.program, "run", str(file), "--json", "--points", "2", "--no-plots", "--out", folder, "--threads", "1"]

            def call(repeat):
                done = subprocess.run([*line, "--repeat", str(repeat)], capture_output=True, text=True, timeout=300)
                found = json.loads(done.stdout)
                if done.returncode:
                    raise RuntimeError(found["errors"][0]["message"])
                return found

            found = call(1)
            repeat = max(3, min(2000, int(self.seconds * 1e3 / max(found["time_ms"], 1e-3))))
            found = call(repeat)
        end = np.reshape(found["outputs"]["z"]["data"], (2, -1))[1]
        return problem.error(end), found["time_ms_min"] / 1e3, found["stats"]["forward"]["rhs"]


class SciPy:
    def __init__(self, seconds):
        self.seconds = seconds

    def methods(self, problem):
        return [f"SciPy {m}" for m in (("BDF", "Radau", "LSODA") if problem.stiff else ("RK45", "DOP853", "LSODA"))]

    def solve(self, problem, name, rtol):
        from scipy.integrate import solve_ivp

        rates = problem.rates()
        call = lambda: solve_ivp(lambda t, z: rates(z.tolist()), (0.0, problem.end_time), problem.z0, name.split()[1],
                                 rtol=rtol, atol=rtol * problem.atol)
        found, best = least(call, self.seconds)
        if not found.success:
            raise RuntimeError(found.message)
        return problem.error(found.y[:, -1]), best, found.nfev


class Diffrax:
    STAGES = {"Tsit5": 6, "Dopri8": 13, "Kvaerno5": None}

    def __init__(self, seconds):
        self.seconds, self.compiled = seconds, {}

    def methods(self, problem):
        return [f"diffrax {m}" for m in (("Kvaerno5",) if problem.stiff else ("Tsit5", "Dopri8"))]

    def build(self, problem, method):
        import diffrax
        import jax
        import jax.numpy as jnp

        jax.config.update("jax_enable_x64", True)
        field = lambda t, z, p: jnp.stack(problem.f(z, p, jnp.sqrt))
        adjoint = diffrax.RecursiveCheckpointAdjoint()

        def solve(z0, p, rtol, steps):
            control = diffrax.PIDController(rtol=rtol, atol=rtol * problem.atol)
            found = diffrax.diffeqsolve(diffrax.ODETerm(field), getattr(diffrax, method)(), 0.0, problem.end_time, None, z0,
                                        p, stepsize_controller=control, max_steps=steps, adjoint=adjoint)
            return found.ys[-1], found.stats["num_steps"]

        forward = jax.jit(lambda z0, p, rtol: solve(z0, p, rtol, 10_000_000))
        gradient = jax.jit(jax.grad(lambda p, z0, rtol: solve(z0, p, rtol, 4096 * 8)[0][0]))
        return jnp.asarray(problem.z0), jnp.asarray(problem.p), forward, gradient, jax.block_until_ready

    def parts(self, problem, method):
        return self.compiled.setdefault((problem.title, method), None) or self.compiled.update(
            {(problem.title, method): self.build(problem, method)}) or self.compiled[problem.title, method]

    def solve(self, problem, name, rtol):
        method = name.split()[1]
        z0, p, forward, _, ready = self.parts(problem, method)
        (end, steps), best = least(lambda: ready(forward(z0, p, rtol)), self.seconds)
        stages = self.STAGES[method]
        return problem.error(end), best, stages and int(steps) * stages

    def gradient(self, problem, name, rtol):
        z0, p, _, gradient, ready = self.parts(problem, name.split()[1])
        return least(lambda: ready(gradient(p, z0, rtol)), self.seconds)


class Diffsol:
    def __init__(self, seconds):
        self.seconds = seconds

    def methods(self, problem):
        return ["diffsol bdf"] if problem.stiff else ["diffsol tsit45"]

    def ode(self, problem, name, rtol):
        import pydiffsol as ds

        ode = ds.Ode(problem.diffsl(), ode_solver=getattr(ds, name.split()[1]))
        ode.rtol, ode.atol = rtol, rtol * problem.atol
        return ode

    def solve(self, problem, name, rtol):
        ode, p = self.ode(problem, name, rtol), np.asarray(problem.p, float)
        times = np.asarray([problem.end_time])
        found, best = least(lambda: np.asarray(ode.solve_dense(p, times).ys), self.seconds)
        return problem.error(found[:, -1]), best, None


class Cvodes:
    def __init__(self, seconds):
        self.seconds = seconds

    def methods(self, problem):
        return ["CVODES BDF"] if problem.stiff else ["CVODES Adams"]

    def integrator(self, problem, rtol):
        import casadi as ca

        z, p = ca.SX.sym("z", len(problem.z0)), ca.SX.sym("p", len(problem.p))
        f = ca.vertcat(*problem.f(ca.vertsplit(z), ca.vertsplit(p) if problem.p else [], ca.sqrt))
        options = {"reltol": rtol, "abstol": rtol * problem.atol, "max_num_steps": 10_000_000,
                   "linear_multistep_method": "bdf" if problem.stiff else "adams",
                   "nonlinear_solver_iteration": "newton" if problem.stiff else "functional"}
        return ca.integrator("solve", "cvodes", {"x": z, "p": p, "ode": f}, 0.0, problem.end_time, options)

    def solve(self, problem, name, rtol):
        solve = self.integrator(problem, rtol)
        found, best = least(lambda: solve(x0=problem.z0, p=problem.p)["xf"], self.seconds)
        return problem.error(np.array(found).ravel()), best, solve.stats()["nfevals"]


def programs(args):
    found = [Ours(args.pullback, args.seconds)]
    for module, peer in (("scipy", SciPy), ("diffrax", Diffrax), ("pydiffsol", Diffsol), ("casadi", Cvodes)):
        if find_spec(module):
            found.append(peer(args.seconds))
    return found


def measure(problem, solvers, limit):
    """For every method its points: tolerance, error, seconds, evaluations."""
    curves = {}
    for solver in solvers:
        for name in solver.methods(problem):
            for rtol in TOLERANCES:
                started = time.perf_counter()
                try:
                    error, seconds, evaluations = solver.solve(problem, name, rtol)
                except Exception as problem_found:  # a failure ends the curve and is said
                    print(f"{problem.title}: {name} at {rtol:g}: {problem_found}"[:200], file=sys.stderr, flush=True)
                    break
                curves.setdefault(name, []).append([rtol, error, seconds, evaluations])
                if time.perf_counter() - started > limit:
                    break
            done = curves.get(name, [])
            print(f"{problem.title}: {name}: {len(done)} points", file=sys.stderr, flush=True)
    return curves


def draw(problem, curves, path):
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    plt.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "precision", "font.size": 9})
    figure, panels = plt.subplots(1, 2, figsize=(10, 4.4), sharex=True)
    colours = plt.get_cmap("tab10").colors
    for k, (name, points) in enumerate(curves.items()):
        ours = name.startswith("pullback")
        style = {"color": colours[k % 10], "marker": "o" if ours else "x", "markersize": 4, "linewidth": 1.8 if ours else 1.0,
                 "linestyle": "-" if ours else "--", "label": name}
        errors = [p[1] for p in points]
        panels[0].plot(errors, [1e3 * p[2] for p in points], **style)
        if all(p[3] for p in points):
            panels[1].plot(errors, [p[3] for p in points], **style)
    for panel, label in zip(panels, ("time / ms", "evaluations of the right-hand side")):
        panel.set(xscale="log", yscale="log", xlabel="error at the end", ylabel=label)
        panel.grid(True, which="major", linewidth=0.4, alpha=0.6)
    panels[0].set_xlim(1e1, 1e-14)
    panels[0].set_title(problem.title, loc="left")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="center right", fontsize=8, frameon=False)
    figure.tight_layout(rect=(0, 0, 0.84, 1))
    figure.savefig(path, metadata={"Date": None, "Creator": None})
    plt.close(figure)


def program():
    built = Path(__file__).resolve().parents[2] / "target/release/pullback"
    return str(built) if built.exists() else shutil.which("pullback")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pullback", default=program(), help="the program")
    parser.add_argument("--out", type=Path, default=Path("."), help="folder of the pictures")
    parser.add_argument("--seconds", type=float, default=0.3, help="time for each point")
    parser.add_argument("--limit", type=float, default=20.0, help="a curve ends where a point takes longer, in seconds")
    parser.add_argument("--problems", nargs="*", default=[n for n in PROBLEMS if n != "van_der_pol_3000"])
    parser.add_argument("--only", nargs="*", help="programs: ours, scipy, diffrax, diffsol, cvodes")
    parser.add_argument("--draw", action="store_true", help="draw what precision.json holds, and measure nothing")
    args = parser.parse_args()
    os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1")
    store = args.out / "precision.json"
    known = json.loads(store.read_text()) if store.exists() else {}
    solvers = [] if args.draw else programs(args)
    if args.only:
        solvers = [s for s in solvers if type(s).__name__.lower() in args.only]
    for name in args.problems:
        problem = PROBLEMS[name]
        known.setdefault(name, {}).update(measure(problem, solvers, args.limit))
        store.write_text(json.dumps(known, indent=1) + "\n")
        draw(problem, known[name], args.out / f"precision_{name}.svg")


if __name__ == "__main__":
    main()
