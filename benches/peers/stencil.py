"""The Brusselator with diffusion on a line, to t = 10: two states a point, each of which depends on its neighbours only.
Forward solve and gradient of Σ u² with respect to the diffusion, by pullback, CVODES, SciPy and diffrax in one run.

    pip install -r benches/peers/requirements.txt
    python3 benches/peers/stencil.py

Times are the least of several; errors are relative, against SciPy's Radau at 1e-11 and its differences. CVODES gets the
sparse Jacobian that CasADi derives and a sparse direct solver, SciPy the sparse Jacobian as a function; diffrax has dense
linear algebra only."""
import argparse
import json
import os
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from precision import least
from run import program

DIFFUSION, END = 0.02, 10.0
MODEL = """dim N = {points}
param diffusion: positive = 0.02
state u: [N] = 1 + tensor(i: sin(2*pi*linspace(1/(N + 1), N/(N + 1), N)[i]))
state v: [N] = fill(3)
let scale = diffusion*(N + 1)^2
u' = 1 + u*u*v - 4*u + scale*([[1], u[0:N - 1]] - 2*u + [u[1:N], [1]])
v' = 3*u - u*u*v + scale*([[3], v[0:N - 1]] - 2*v + [v[1:N], [3]])
loss = sum(u(10)^2)
solve {method}(rtol = {rtol!r}, atol = {rtol!r}), 0 .. 10
"""


def start(n):
    x = np.linspace(1 / (n + 1), n / (n + 1), n)
    return np.concatenate([1 + np.sin(2 * np.pi * x), np.full(n, 3.0)])


def rates(z, d, cat, n):
    """Of any library that concatenates and slices."""
    u, v, scale = z[:n], z[n:], d * (n + 1) ** 2
    wide = lambda w, end: (cat(end, w[: n - 1]), cat(w[1:], end))
    (ul, ur), (vl, vr) = wide(u, 1.0), wide(v, 3.0)
    return cat(1 + u * u * v - 4 * u + scale * (ul - 2 * u + ur), 3 * u - u * u * v + scale * (vl - 2 * v + vr))


def concatenate(*parts):
    return np.concatenate([np.atleast_1d(p) for p in parts])


def sparse_jacobian(n, d):
    from scipy.sparse import bmat, diags

    scale = d * (n + 1) ** 2
    second = scale * diags([1.0, -2.0, 1.0], [-1, 0, 1], shape=(n, n))

    def jacobian(_, z):
        u, v = z[:n], z[n:]
        return bmat([[second + diags(2 * u * v - 4), diags(u * u)], [diags(3 - 2 * u * v), second - diags(u * u)]], "csc")

    return jacobian


def scipy_loss(n, method, rtol, d=DIFFUSION):
    from scipy.integrate import solve_ivp

    f = lambda t, z: rates(z, d, concatenate, n)
    found = solve_ivp(f, (0.0, END), start(n), method, rtol=rtol, atol=rtol, jac=sparse_jacobian(n, d))
    return float(np.sum(found.y[:n, -1] ** 2))


def reference(n):
    """Loss and slope, by differences of fourth order."""
    at = lambda k: scipy_loss(n, "Radau", 1e-11, DIFFUSION + 2e-4 * k)
    return at(0), (8 * (at(1) - at(-1)) - (at(2) - at(-2))) / (12 * 2e-4)


def ours(n, method, rtol, args):
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "model.node"
        file.write_text(MODEL.format(points=n, method=method, rtol=rtol))

        def call(command, repeat):
            line = [args.pullback, command, str(file), "--json", "--threads", "1", "--repeat", str(repeat)]
            done = subprocess.run(line, capture_output=True, text=True, timeout=600, check=True)
            return json.loads(done.stdout)

        found = {}
        for command in ("eval", "grad"):
            first = call(command, 1)
            found[command] = call(command, max(2, min(200, int(args.seconds * 1e3 / first["time_ms"]))))
    slope = found["grad"]["gradient"]["diffusion"]["data"][0]
    return (found["eval"]["loss"], found["eval"]["time_ms_min"] / 1e3), (slope, found["grad"]["time_ms_min"] / 1e3)


def scipy(n, method, rtol, args):
    return least(lambda: scipy_loss(n, method, rtol), args.seconds), None


def cvodes(n, _, rtol, args):
    import casadi as ca

    z, p = ca.MX.sym("z", 2 * n), ca.MX.sym("p")
    dae = {"x": z, "p": p, "ode": rates(z, p, ca.vertcat, n)}
    options = {"reltol": rtol, "abstol": rtol, "max_num_steps": 1000000, "linear_solver": "csparse"}
    solve = ca.integrator("solve", "cvodes", dae, 0.0, END, options)
    loss = ca.sumsqr(solve(x0=start(n), p=p)["xf"][:n])
    forward, gradient = ca.Function("f", [p], [loss]), ca.Function("g", [p], [ca.gradient(loss, p)])
    return (least(lambda: float(forward(DIFFUSION)), args.seconds), least(lambda: float(gradient(DIFFUSION)), args.seconds))


def diffrax(n, method, rtol, args):
    import diffrax as dfx
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", True)
    cat = lambda *parts: jnp.concatenate([jnp.atleast_1d(p) for p in parts])

    def loss(d):
        field = dfx.ODETerm(lambda t, z, d: rates(z, d, cat, n))
        control = dfx.PIDController(rtol=rtol, atol=rtol)
        found = dfx.diffeqsolve(field, dfx.Kvaerno5(), 0.0, END, None, jnp.asarray(start(n)), d, max_steps=512,
                                stepsize_controller=control)
        return jnp.sum(found.ys[-1][:n] ** 2)

    forward, gradient = jax.jit(loss), jax.jit(jax.grad(loss))
    return (least(lambda: float(forward(DIFFUSION)), args.seconds), least(lambda: float(gradient(DIFFUSION)), args.seconds))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pullback", help="the program")
    parser.add_argument("--points", type=int, nargs="*", default=[100, 500])
    parser.add_argument("--rtol", type=float, default=1e-6)
    parser.add_argument("--seconds", type=float, default=2.0, help="time for each number")
    parser.add_argument("--dense-points", type=int, default=100, help="diffrax up to so many")
    args = parser.parse_args()
    args.pullback = program(args.pullback)
    os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1")
    calls = [(f"pullback {m}", ours, m) for m in ("rodas5p", "kvaerno5", "bdf")]
    calls += [("CVODES", cvodes, None)] * bool(find_spec("casadi"))
    calls += [("SciPy BDF", scipy, "BDF"), ("SciPy Radau", scipy, "Radau")]
    calls += [("diffrax Kvaerno5", diffrax, None)] * bool(find_spec("diffrax"))
    for n in args.points:
        value, slope = reference(n)
        print(f"\n{n} points, {2 * n} states, rtol = atol = {args.rtol:g}\n")
        print("| program | forward | error | gradient | error |\n|---|---|---|---|---|")
        for name, call, method in calls:
            if call is diffrax and n > args.dense_points:
                continue
            try:
                forward, gradient = call(n, method, args.rtol, args)
            except Exception as failure:
                print(f"{name}: {failure}"[:300], file=sys.stderr, flush=True)
                continue
            off = lambda found, exact: f"{1e3 * found[1]:.3g} ms | {abs(found[0] / exact - 1):.1e}"
            print(f"| {name} | {off(forward, value)} | {off(gradient, slope) if gradient else ' | '} |", flush=True)


if __name__ == "__main__":
    main()
