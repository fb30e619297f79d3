"""diffrax: Dormand-Prince 5(4) and Tsitouras 5(4) under jit, checkpointed reverse mode or the adjoint equation."""
import math

import jax

jax.config.update("jax_enable_x64", True)

import diffrax
import jax.numpy as jnp
import numpy as np

from workloads import flat

VERSION = f"diffrax {diffrax.__version__}, jax {jax.__version__}"


def net(p, x):
    for k in range(0, len(p), 2):
        x = x @ p[k].T + p[k + 1]
        x = jnp.tanh(x) if k + 2 < len(p) else x
    return x


def spiral(t, y, p):
    return net(p, y**3)


def lotka_volterra(t, s, p):
    x, y = s[..., 0], s[..., 1]
    return jnp.stack((p[0] * x - p[1] * x * y, p[3] * x * y - p[2] * y), -1)


def flow_one(t, s, p):
    def g(z):
        return net(p, jnp.concatenate((z, jnp.asarray(t, z.dtype)[None])))

    e = jnp.eye(2, dtype=s.dtype)
    dz, push = jax.linearize(g, s[:2])
    return jnp.concatenate((dz, (push(e[0])[0] + push(e[1])[1])[None]))


def flow(t, s, p):
    return jax.vmap(flow_one, (None, 0, None))(t, s, p)


def mlp(t, y, p):
    return net(p, y)


def group_norm(x, gamma, beta):
    n, h, w, c = x.shape
    g = x.reshape(n, h, w, 32, c // 32)
    m = g.mean((1, 2, 4), keepdims=True)
    v = ((g - m) ** 2).mean((1, 2, 4), keepdims=True)
    return ((g - m) * jax.lax.rsqrt(v + 1e-5)).reshape(x.shape) * gamma + beta


def odenet(t, x, p):
    """Channels last, kernels HWIO: channels first are far slower inside a loop of XLA on a CPU."""
    def conv(h, k, c):
        h = jnp.concatenate((jnp.ones_like(h[..., :1]) * t, h), -1)
        return jax.lax.conv_general_dilated(h, k, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")) + c

    h = conv(jax.nn.relu(group_norm(x, p[0], p[1])), p[2], p[3])
    h = conv(jax.nn.relu(group_norm(h, p[4], p[5])), p[6], p[7])
    return group_norm(h, p[8], p[9])


FIELDS = {"spiral": spiral, "spiral_long": spiral, "spiral_batch": spiral, "spiral_final": spiral,
          "lotka_volterra": lotka_volterra, "cnf2d": flow, "mlp_wide": mlp, "odenet_mnist": odenet}
SOLVERS = {"dopri5": diffrax.Dopri5, "tsit5": diffrax.Tsit5}


def loss(w, ys, target):
    """The loss of states (times, samples, …)."""
    if target is not None:
        return jnp.abs(ys - target).mean()
    if w.saved:
        return (ys**2).sum() / ys.shape[1]
    if w.name == "cnf2d":
        z = ys[-1]
        return (0.5 * (z[:, :2] ** 2).sum(1) + math.log(2 * math.pi) - z[:, 2]).mean()
    return (ys[-1] ** 2).mean()


def calls(w):
    """The calls of a workload: name -> function that returns (gradient, states, work)."""
    dtype = {"f32": jnp.float32, "f64": jnp.float64}[w.precision]
    image = w.name == "odenet_mnist"
    turn = lambda a, axes: np.transpose(a, axes) if image and np.ndim(a) == 4 else a
    params = [jnp.asarray(turn(p, (2, 3, 1, 0)), dtype) for p in w.params]
    y0, times = jnp.asarray(turn(w.y0, (0, 2, 3, 1)), dtype), jnp.asarray(w.times, dtype)
    target = jnp.asarray(np.swapaxes(w.data["target"], 0, 1), dtype) if "target" in w.data else None
    save = diffrax.SaveAt(ts=times) if w.saved else diffrax.SaveAt(t1=True)
    rtol, atol = w.tolerance

    def compiled(solver, adjoint, batched, gradient):
        f = flow_one if batched and w.name == "cnf2d" else FIELDS[w.name]

        def solve(p, y):
            control = diffrax.PIDController(rtol=rtol, atol=atol)
            found = diffrax.diffeqsolve(diffrax.ODETerm(f), SOLVERS[solver](), times[0], times[-1], None, y, p,
                                        saveat=save, stepsize_controller=control, adjoint=adjoint)
            return found.ys, found.stats["num_steps"]

        solve = jax.vmap(solve, in_axes=(None, 0), out_axes=(1, 0)) if batched else solve

        def value(py):
            ys, steps = solve(*py)
            return loss(w, ys, target), (ys, steps)

        run = jax.jit(jax.value_and_grad(value, has_aux=True) if gradient else value)

        def call():
            out = jax.block_until_ready(run((params, y0)))
            (_, (ys, steps)), grads = out if gradient else (out, None)
            states = lambda: flat([np.swapaxes(np.asarray(ys), 0, 1)])
            vector = (lambda: flat(turn(np.asarray(g), (3, 2, 0, 1)) for g in grads[0])) if gradient else None
            return vector, states, (lambda: (int(np.max(steps)) * 6 + 2, 0))

        return call

    checkpointed, adjoint = diffrax.RecursiveCheckpointAdjoint(), diffrax.BacksolveAdjoint()
    joint = w.joint or w.name == "spiral_batch"
    out = {"gradient: dopri5 checkpointed": compiled("dopri5", checkpointed, False, True)} if joint else {}
    if not image:
        out["gradient: tsit5 checkpointed"] = compiled("tsit5", checkpointed, False, True)
    if w.name in ("spiral", "spiral_batch", "cnf2d"):
        out["gradient: dopri5 checkpointed vmap"] = compiled("dopri5", checkpointed, True, True)
    if not image:
        out["gradient: dopri5 adjoint"] = compiled("dopri5", adjoint, False, True)
    if w.forward:
        out["forward: dopri5"] = compiled("dopri5", checkpointed, False, False)
        out["forward: tsit5"] = compiled("tsit5", checkpointed, False, False)
        if w.name == "spiral_batch":
            out["forward: dopri5 vmap"] = compiled("dopri5", checkpointed, True, False)
    return out
