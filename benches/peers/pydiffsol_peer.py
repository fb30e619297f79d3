"""pydiffsol: DiffSL text compiled by LLVM, reverse mode by Enzyme; Tsitouras 5(4) or BDF."""
import numpy as np
import pydiffsol as ds

VERSION = f"pydiffsol {ds.version()}, diffsol {ds.diffsol_version()} (LLVM, Enzyme)"


def text(w):
    """The model in DiffSL. A trainable matrix is written column by column there: only vectors can be sliced."""
    if w.name == "lotka_volterra":
        return "in_i { p0 = 1.5, p1 = 1.0, p2 = 3.0, p3 = 1.0 }\nu_i { x = 1.0, y = 1.0 }\n" \
               "F_i { p0*x - p1*x*y, p3*x*y - p2*y }\n"
    number = lambda v: f"{'0.0 - ' if v < 0 else ''}{abs(float(v))!r}"
    n, rows = 50, list(enumerate(w.y0))
    lines = [f"in_i {{ (0:{5 * n + 2}): w = 0.1 }}", "u_i {"]
    lines += [f"  x{b} = {number(x)},\n  y{b} = {number(y)}," for b, (x, y) in rows] + ["}"]
    for b, _ in rows:
        cubes = f"w_i[0:{n}]*x{b}*x{b}*x{b} + w_i[{n}:{2 * n}]*y{b}*y{b}*y{b}"
        lines += [f"h{b}_i {{ tanh({cubes} + w_i[{2 * n}:{3 * n}]) }}",
                  f"f{b} {{ w_i[{3 * n}:{4 * n}]*h{b}_i }}", f"g{b} {{ w_i[{4 * n}:{5 * n}]*h{b}_i }}"]
    ends = [f"  f{b} + w_i[{5 * n}],\n  g{b} + w_i[{5 * n + 1}]," for b, _ in rows]
    return "\n".join([*lines, "F_i {", *ends, "}"]) + "\n"


def calls(w):
    """The calls of a workload: name -> function that returns (gradient, states, work)."""
    if not w.forward:
        return {}
    small = w.name == "lotka_volterra"
    first = w.params[0]
    p = np.concatenate([np.ravel(first.T), *(np.ravel(a) for a in w.params[1:])])
    back = np.concatenate([np.arange(100).reshape(2, 50).T.ravel(), np.arange(100, 252)]) if not small else np.arange(4)
    rtol, atol = w.tolerance
    samples, times, source = w.y0.shape[0], w.times, text(w)
    out = {}

    def cotangent(ys):
        if "target" not in w.data:
            return 2.0 * ys / samples
        sign = np.sign(ys - w.data["target"][0].T) / ys.size
        sign[:, 0] = 0.0
        return sign

    def states(ys):
        return lambda: np.swapaxes(ys.T.reshape(len(times), samples, 2), 0, 1).ravel()

    def add(method):
        ode = ds.Ode(source, ode_solver=getattr(ds, method))
        ode.rtol, ode.atol = rtol, atol

        def forward():
            return None, states(np.asarray(ode.solve_dense(p, times).ys)), None

        out[f"forward: {method}"] = forward
        tight = ds.Ode(source, ode_solver=getattr(ds, method))
        tight.rtol, tight.atol = rtol, atol
        tight.sens_rtol, tight.sens_atol, tight.param_rtol, tight.param_atol = rtol, atol, rtol, atol

        def adjoint():
            solution, checkpoints = tight.solve_adjoint_fwd(p, times)
            ys = np.asarray(solution.ys)
            found = np.asarray(tight.solve_adjoint_bkwd(solution, checkpoints, np.ascontiguousarray(cotangent(ys))))
            return (lambda: found.ravel()[back]), states(ys), None

        def sensitivities():
            solution = ode.solve_fwd_sens(p, times)
            ys, sens = np.asarray(solution.ys), np.asarray(solution.sens)
            found = np.array([(cotangent(ys) * s).sum() for s in sens])
            return (lambda: found[back]), states(ys), None

        out[f"gradient: {method} adjoint"] = adjoint
        if w.name != "spiral_batch":
            out[f"gradient: {method} forward sensitivities"] = sensitivities

    add("tsit45")
    if w.name != "spiral_batch":
        add("bdf")
    return out
