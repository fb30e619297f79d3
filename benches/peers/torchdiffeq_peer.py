"""torchdiffeq: Dormand-Prince 5(4), the adjoint equation or backpropagation through the steps."""
import math

import numpy as np
import torch
import torchdiffeq
from torch import nn

from workloads import flat

VERSION = f"torchdiffeq {torchdiffeq.__version__}, torch {torch.__version__}"


class Counted(nn.Module):
    """Counts its evaluations."""

    def __init__(self, w, dtype):
        super().__init__()
        self.evaluations = 0
        self.weights = nn.ParameterList([nn.Parameter(torch.tensor(p, dtype=dtype)) for p in w.params])

    def forward(self, t, y):
        self.evaluations += 1
        return self.field(t, y, list(self.weights))

    def net(self, x, p):
        for k in range(0, len(p), 2):
            x = nn.functional.linear(x, p[k], p[k + 1])
            x = torch.tanh(x) if k + 2 < len(p) else x
        return x


class Spiral(Counted):
    def field(self, t, y, p):
        return self.net(y**3, p)


class Network(Counted):
    def field(self, t, y, p):
        return self.net(y, p)


class LotkaVolterra(Counted):
    def field(self, t, s, p):
        x, y = s[:, 0], s[:, 1]
        xy = x * y
        return torch.stack((p[0] * x - p[1] * xy, p[3] * xy - p[2] * y), 1)


class Flow(Counted):
    """Position (2) and the integral of the trace, whose two derivatives are two reverse passes."""

    def field(self, t, s, p):
        keep = torch.is_grad_enabled()
        with torch.enable_grad():
            z = s[:, :2]
            z = z if z.requires_grad else z.detach().requires_grad_(True)
            dz = self.net(torch.cat((z, t.to(z.dtype).expand(z.shape[0], 1)), 1), p)
            trace = 0.0
            for i in range(2):
                row = torch.autograd.grad(dz[:, i].sum(), z, create_graph=keep, retain_graph=True)[0]
                trace = trace + row[:, i]
            out = torch.cat((dz, trace[:, None]), 1)
        return out if keep else out.detach()


class OdeNet(Counted):
    def field(self, t, x, p):
        norm, conv, relu = nn.functional.group_norm, nn.functional.conv2d, torch.relu
        clock = torch.ones_like(x[:, :1]) * t
        h = relu(norm(x, 32, p[0], p[1]))
        h = relu(norm(conv(torch.cat((clock, h), 1), p[2], p[3], padding=1), 32, p[4], p[5]))
        return norm(conv(torch.cat((clock, h), 1), p[6], p[7], padding=1), 32, p[8], p[9])


FIELDS = {"spiral": Spiral, "spiral_long": Spiral, "spiral_batch": Spiral, "spiral_final": Spiral,
          "lotka_volterra": LotkaVolterra, "cnf2d": Flow, "mlp_wide": Network, "odenet_mnist": OdeNet}


def loss(w, ys, target):
    """The loss of states (times, samples, …)."""
    if target is not None:
        return (ys - target).abs().mean()
    if w.saved:
        return (ys**2).sum() / ys.shape[1]
    if w.name == "cnf2d":
        z = ys[-1]
        return (0.5 * (z[:, :2] ** 2).sum(1) + math.log(2 * math.pi) - z[:, 2]).mean()
    return (ys[-1] ** 2).mean()


def calls(w, tolerance=None, dtype=None, options=None):
    """The calls of a workload: name -> function that returns (gradient, states, work)."""
    torch.set_num_threads(torch.get_num_threads() if w.name in ("cnf2d", "mlp_wide", "odenet_mnist") else 1)
    dtype = dtype or {"f32": torch.float32, "f64": torch.float64}[w.precision]
    f = FIELDS[w.name](w, dtype)
    tensor = lambda a: torch.tensor(a, dtype=dtype)
    y0, times = tensor(w.y0).requires_grad_(True), tensor(w.times)
    target = tensor(np.swapaxes(w.data["target"], 0, 1)) if "target" in w.data else None
    rtol, atol = tolerance or w.tolerance
    common = dict(method="dopri5", rtol=rtol, atol=atol)

    def gradient(solve, **more):
        f.evaluations = 0
        ys = solve(f, y0, times, **common, **more)
        forward = f.evaluations
        grads = torch.autograd.grad(loss(w, ys, target), [y0, *f.weights])
        work = (forward, f.evaluations - forward)
        states = lambda: flat([np.swapaxes(ys.detach().numpy(), 0, 1)])
        return (lambda: flat(g.numpy() for g in grads[1:])), states, work

    def forward():
        f.evaluations = 0
        with torch.no_grad():
            ys = torchdiffeq.odeint(f, y0, times, **common)
        return None, (lambda: flat([np.swapaxes(ys.numpy(), 0, 1)])), (f.evaluations, 0)

    out = {"gradient: dopri5 backprop": lambda: gradient(torchdiffeq.odeint),
           "gradient: dopri5 adjoint": lambda: gradient(torchdiffeq.odeint_adjoint)}
    if w.name == "mlp_wide":
        out["gradient: dopri5 adjoint seminorm"] = lambda: gradient(
            torchdiffeq.odeint_adjoint, adjoint_options={"norm": "seminorm"})
    if w.forward:
        out["forward: dopri5"] = forward
    return out
