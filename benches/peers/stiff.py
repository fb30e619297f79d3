"""Van der Pol, μ = 1000, to 3000 and Robertson to 1e5: end point and gradient of its first component with respect to the
parameters, by pullback, diffsol, CVODES and diffrax in the same run, with relative errors beside the times.

    pip install -r benches/peers/requirements.txt
    python3 benches/peers/stiff.py

Times are the least of several rounds in turns. The reference gradients are sensitivities by SciPy's Radau at 1e-12."""
import argparse
import json
import os
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from precision import Cvodes, Diffrax, Diffsol, Ours, least, program
from problems import PROBLEMS

NAMES = ("van_der_pol_3000", "robertson")


def reference(problem):
    """∂z₁(T)/∂p by the variational equation."""
    import casadi as ca
    from scipy.integrate import solve_ivp

    n, m = len(problem.z0), len(problem.p)
    z, p, s = ca.SX.sym("z", n), ca.SX.sym("p", m), ca.SX.sym("s", n, m)
    f = ca.vertcat(*problem.f(ca.vertsplit(z), ca.vertsplit(p), ca.sqrt))
    both = ca.vertcat(z, ca.vec(s))
    # Relative sensitivities: all of one size.
    rate = ca.vertcat(f, ca.vec(ca.mtimes(ca.jacobian(f, z), s) + ca.jacobian(f, p) @ ca.diag(p)))
    rates = ca.Function("f", [both], [ca.substitute(rate, p, ca.DM(problem.p))])
    slope = ca.Function("j", [both], [ca.substitute(ca.jacobian(rate, both), p, ca.DM(problem.p))])
    start = np.concatenate([problem.z0, np.zeros(n * m)])
    found = solve_ivp(lambda t, y: np.array(rates(y)).ravel(), (0.0, problem.end_time), start, "Radau", rtol=1e-12,
                      atol=1e-16, jac=lambda t, y: np.array(slope(y)))
    end = found.y[:, -1]
    return problem.error(end[:n]), np.reshape(end[n:], (n, m), order="F")[0] / problem.p


class OurGradient(Ours):
    def gradient(self, problem, name, rtol):
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "model.node"
            file.write_text(problem.node(f"{name.split()[1]}(rtol = {rtol!r}, atol = {rtol * problem.atol!r})"))
            line = [self.program, "grad", str(file), "--json", "--threads", "1"]

            def call(repeat):
                done = subprocess.run([*line, "--repeat", str(repeat)], capture_output=True, text=True, timeout=300)
                return json.loads(done.stdout)

            found = call(3)
            found = call(max(3, min(5000, int(self.seconds * 1e3 / found["time_ms"]))))
        gradient = [found["gradient"][f"p{i}"]["data"] for i in range(len(problem.p))]
        return np.ravel(gradient), found["time_ms_min"] / 1e3


class DiffraxGradient(Diffrax):
    pass


class DiffsolGradient(Diffsol):
    def methods(self, problem):
        return ["diffsol bdf", "diffsol tr_bdf2", "diffsol esdirk34"]

    def solve(self, problem, name, rtol):
        return super().solve(problem, name.removesuffix(" (adjoint)"), rtol)

    def gradient(self, problem, name, rtol):
        """By forward sensitivities or the adjoint, whichever is faster."""
        ode, p, times = self.ode(problem, name, rtol), np.asarray(problem.p, float), np.asarray([problem.end_time])
        ode.sens_rtol, ode.sens_atol = rtol, rtol * problem.atol

        def forward():
            return np.array([s[0, -1] for s in np.asarray(ode.solve_fwd_sens(p, times).sens)])

        return least(forward, self.seconds)


class DiffsolAdjoint(DiffsolGradient):
    def methods(self, problem):
        return ["diffsol bdf (adjoint)"]

    def gradient(self, problem, name, rtol):
        ode = self.ode(problem, name.removesuffix(" (adjoint)"), rtol)
        p, times = np.asarray(problem.p, float), np.asarray([problem.end_time])
        ode.sens_rtol, ode.sens_atol, ode.param_rtol, ode.param_atol = rtol, rtol * problem.atol, rtol, rtol * problem.atol
        cotangent = np.zeros((len(problem.z0), 1))
        cotangent[0, 0] = 1.0

        def adjoint():
            solution, checkpoints = ode.solve_adjoint_fwd(p, times)
            return np.asarray(ode.solve_adjoint_bkwd(solution, checkpoints, cotangent)).ravel()

        return least(adjoint, self.seconds)


class CvodesGradient(Cvodes):
    def gradient(self, problem, name, rtol):
        import casadi as ca

        solve, p = self.integrator(problem, rtol), ca.MX.sym("p", len(problem.p))
        end = solve(x0=problem.z0, p=p)["xf"]
        whole = ca.Function("whole", [p], [ca.gradient(end[0], p)])
        return least(lambda: np.array(whole(problem.p)).ravel(), self.seconds)


def solvers(args):
    found = [OurGradient(args.pullback, args.seconds)]
    for module, peers in (("pydiffsol", (DiffsolGradient, DiffsolAdjoint)), ("casadi", (CvodesGradient,)),
                          ("diffrax", (DiffraxGradient,))):
        if find_spec(module):
            found += [peer(args.seconds) for peer in peers]
    return found


def row(forward, gradient, expected):
    cells = [f"{1e3 * forward[1]:.3g} ms", f"{forward[0]:.1e}"] if forward else ["fails", ""]
    if gradient is None:
        return cells + ["fails", ""]
    off = np.max(np.abs(gradient[0] - expected) / np.abs(expected))
    return cells + [f"{1e3 * gradient[1]:.3g} ms", f"{off:.1e}"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pullback", default=program(), help="the program")
    parser.add_argument("--rtol", type=float, nargs="*", default=[1e-6, 1e-8], help="relative tolerances")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=0.3, help="time for each number in a round")
    args = parser.parse_args()
    os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1")
    for problem in (PROBLEMS[n] for n in NAMES):
        off, expected = reference(problem)
        head = ["program", *(f"{kind} at {rtol:g} | error" for rtol in args.rtol for kind in ("forward", "gradient"))]
        print(f"\n{problem.title} (the reference's own end is {off:.0e} off)\n")
        print("| " + " | ".join(head) + " |\n|" + "---|" * (1 + 4 * len(args.rtol)))
        for name, cells in table(problem, args, expected).items():
            print("| " + " | ".join([name, *cells]) + " |", flush=True)


def table(problem, args, expected):
    """Cells of every program: for each tolerance, time and error of the end point and of the gradient."""
    calls = [(s, name, rtol) for s in solvers(args) for name in s.methods(problem) for rtol in args.rtol]
    best, failed = {}, set()
    for _ in range(args.rounds):
        for call in calls:
            for kind in ("solve", "gradient"):
                key = (call[1], call[2], kind)
                try:
                    found = None if key in failed else getattr(call[0], kind)(problem, *call[1:])
                except Exception as failure:
                    print(f"{call[1]}, {call[2]:g}: {kind}: {failure}"[:200], file=sys.stderr, flush=True)
                    failed.add(key)
                    continue
                if found and (key not in best or found[1] < best[key][1]):
                    best[key] = found
    rows = {}
    for _, name, rtol in calls:
        cells = row(best.get((name, rtol, "solve")), best.get((name, rtol, "gradient")), expected)
        rows.setdefault(name, []).extend(cells)
    return rows


if __name__ == "__main__":
    main()
