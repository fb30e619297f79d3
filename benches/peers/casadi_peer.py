"""CasADi with CVODES: Adams or BDF, gradients by the adjoint of CVODES (its own backward integration)."""
import casadi as ca
import numpy as np

VERSION = f"casadi {ca.__version__} (CVODES)"


def weights(w, p):
    """The parameter vector as tensors; CasADi's matrices are by columns, ours by rows."""
    out, at = [], 0
    for a in w.params:
        rows, cols = (a.shape if a.ndim == 2 else (a.size, 1))
        out.append(ca.reshape(p[at : at + a.size], cols, rows).T)
        at += a.size
    return out


def field(w, kind):
    """State, parameters and right-hand side of all samples as one system, as a scalar (SX) or matrix (MX) graph."""
    samples = w.y0.shape[0]
    y, p = kind.sym("y", 2 * samples), kind.sym("p", sum(a.size for a in w.params))
    if w.name == "lotka_volterra":
        xy = y[0] * y[1]
        return y, p, ca.vertcat(p[0] * y[0] - p[1] * xy, p[3] * xy - p[2] * y[1])
    w1, b1, w2, b2 = weights(w, p)
    spread = lambda b: b if samples == 1 else ca.repmat(b, 1, samples)
    h = ca.tanh(ca.mtimes(w1, ca.reshape(y, 2, samples) ** 3) + spread(b1))
    return y, p, ca.vec(ca.mtimes(w2, h) + spread(b2))


def calls(w):
    """The calls of a workload: name -> function that returns (gradient, states, work)."""
    if not w.forward:
        return {}
    y0, p0, times = w.y0.ravel(), np.concatenate([np.ravel(a) for a in w.params]), w.times
    rtol, atol = w.tolerance
    out = {}

    def add(kind, method):
        y, p, f = field(w, kind)
        options = {"reltol": rtol, "abstol": atol, "max_num_steps": 1000000, "linear_multistep_method": method}
        if method == "adams" and w.name != "lotka_volterra":
            options["nonlinear_solver_iteration"] = "functional"
        # The state at the start is the known start value: only later times are saved.
        solve = ca.integrator("solve", "cvodes", {"x": y, "p": p, "ode": f}, times[0], list(times[1:]), options)
        x0, q = ca.MX.sym("x0", y.shape[0]), ca.MX.sym("q", p.shape[0])
        ys = solve(x0=x0, p=q)["xf"]
        if "target" in w.data:
            wanted = w.data["target"][0, 1:].T
            loss = ca.sum1(ca.sum2(ca.fabs(ys - wanted))) / (2 * len(times))
        else:
            loss = ca.sumsqr(ys) / w.y0.shape[0]
        whole = ca.Function("whole", [x0, q], [ca.gradient(loss, q), ca.gradient(loss, x0)])

        def forward():
            found = solve(x0=y0, p=p0)["xf"]

            def states():
                later = np.array(found).T.reshape(len(times) - 1, -1, 2)
                return np.swapaxes(np.concatenate([w.y0[None], later]), 0, 1).ravel()

            return None, states, (solve.stats()["nfevals"], 0)

        def gradient():
            found = whole(y0, p0)
            return (lambda: np.array(found[0]).ravel()), None, None

        name = f"{method} {kind.__name__}"
        out[f"forward: {name}"], out[f"gradient: {name}"] = forward, gradient

    for kind in (ca.SX,) if w.name == "lotka_volterra" else (ca.MX,):
        add(kind, "adams")
    if w.name != "spiral_batch":
        add(ca.SX, "bdf")
    return out
