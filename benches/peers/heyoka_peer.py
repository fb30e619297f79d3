"""heyoka: Taylor series of adaptive order and step compiled by LLVM; gradients by forward variational equations."""
import heyoka as hy
import numpy as np

VERSION = f"heyoka {hy.__version__} (LLVM, Taylor)"
# Compilation is not what is measured, but a cache on disk would outlive the run.
hy.llvm_state.set_diskcache_enabled(False)


def system(w):
    """Equations and parameter values; a network's parameters are all weights, then all biases."""
    x, y = hy.make_vars("x", "y")
    par = hy.par
    if w.name == "lotka_volterra":
        rhs = [(x, par[0] * x - par[1] * x * y), (y, par[3] * x * y - par[2] * y)]
        return rhs, [float(a) for a in w.params], np.arange(4)
    outputs = hy.model.ffnn(inputs=[x * x * x, y * y * y], nn_hidden=[50], n_out=2,
                            activations=[hy.tanh, lambda v: v])
    w1, b1, w2, b2 = w.params
    values = np.concatenate([w1.ravel(), w2.ravel(), b1, b2])
    back = np.concatenate([np.arange(100), np.arange(200, 250), np.arange(100, 200), np.arange(250, 252)])
    return [(x, outputs[0]), (y, outputs[1])], list(values), back


def calls(w):
    """The calls of a workload: name -> function that returns (gradient, states, work)."""
    if not w.forward:
        return {}
    rhs, values, back = system(w)
    tol, times, samples = w.tolerance[0], w.times, w.y0.shape[0]
    out = {}

    def cotangent(ys, b):
        if "target" not in w.data:
            return 2.0 * ys / samples
        sign = np.sign(ys - w.data["target"][b]) / ys.size
        sign[0] = 0.0
        return sign

    def add_forward(name, compact):
        ta = hy.taylor_adaptive(rhs, [1.0, 1.0], pars=values, tol=tol, compact_mode=compact)

        def forward():
            found, steps = [], 0
            for start in w.y0:
                ta.time = 0.0
                ta.state[:] = start
                result = ta.propagate_grid(times)
                found.append(result[-1])
                steps += result[3]
            return None, (lambda: np.ravel(found)), (steps, "steps")

        out[f"forward: {name}"] = forward

    def batches(size):
        padded = np.concatenate([w.y0, np.repeat(w.y0[-1:], -samples % size, 0)])
        return [np.ascontiguousarray(padded[b : b + size].T) for b in range(0, len(padded), size)]

    def add_forward_lanes():
        size = hy.recommended_simd_size()
        ta = hy.taylor_adaptive_batch(rhs, np.ones((2, size)), pars=np.tile(np.array(values)[:, None], (1, size)),
                                      tol=tol, compact_mode=True)
        grid, parts = np.ascontiguousarray(np.tile(times[:, None], (1, size))), batches(size)

        def forward():
            found = []
            for part in parts:
                ta.set_time(0.0)
                ta.state[:] = part
                found.append(ta.propagate_grid(grid)[-1])
            return None, (lambda: np.moveaxis(np.concatenate(found, 2)[:, :, :samples], 2, 0).ravel()), None

        out["forward: SIMD batches"] = forward

    def add_gradient():
        full = hy.var_ode_sys(rhs, hy.var_args.params, order=1)
        ta = hy.taylor_adaptive(full, [1.0, 1.0], pars=values, tol=tol, compact_mode=True)
        start_state = ta.state.copy()
        n = len(values)

        def gradient():
            total, steps, states = np.zeros(n), 0, []
            for b, start in enumerate(w.y0):
                ta.time = 0.0
                ta.state[:] = start_state
                ta.state[:2] = start
                result = ta.propagate_grid(times)
                ys, sens = result[-1][:, :2], result[-1][:, 2:].reshape(len(times), 2, n)
                total += np.einsum("ti,tij->j", cotangent(ys, b), sens)
                steps += result[3]
                states.append(ys)
            return (lambda: total[back]), (lambda: np.ravel(states)), (steps, "steps")

        out["gradient: variational"] = gradient

    def add_gradient_lanes():
        size = hy.recommended_simd_size()
        full = hy.var_ode_sys(rhs, hy.var_args.params, order=1)
        ta = hy.taylor_adaptive_batch(full, np.ones((2, size)), pars=np.tile(np.array(values)[:, None], (1, size)),
                                      tol=tol, compact_mode=True)
        start_state, n = ta.state.copy(), len(values)
        grid, parts = np.ascontiguousarray(np.tile(times[:, None], (1, size))), batches(size)
        real = [min(size, samples - b) for b in range(0, samples, size)]

        def gradient():
            total = np.zeros(n)
            for part, count in zip(parts, real):
                ta.set_time(0.0)
                ta.state[:] = start_state
                ta.state[:2] = part
                found = ta.propagate_grid(grid)[-1][:, :, :count]
                sens = found[:, 2:].reshape(len(times), 2, n, count)
                total += np.einsum("tib,tijb->j", 2.0 * found[:, :2] / samples, sens)
            return (lambda: total[back]), None, None

        out["gradient: variational, SIMD batches"] = gradient

    add_forward("compact", True)
    if samples == 1:
        add_forward("not compact", False)
    else:
        add_forward_lanes()
        add_gradient_lanes()
    add_gradient()
    return out
