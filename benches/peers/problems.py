"""The problems of the work-precision diagrams, each written once: the right-hand side takes its arithmetic from what it
is given (numbers, JAX arrays, CasADi symbols, or text of a `.node` or DiffSL file)."""
import math
from dataclasses import dataclass, field
from typing import Callable

import numpy as np


class Text:
    """An expression that only writes itself down."""

    def __init__(self, text):
        self.text = text

    def __add__(self, other):
        return Text(f"({self.text} + {text(other)})")

    def __radd__(self, other):
        return Text(f"({text(other)} + {self.text})")

    def __sub__(self, other):
        return Text(f"({self.text} - {text(other)})")

    def __rsub__(self, other):
        return Text(f"({text(other)} - {self.text})")

    def __mul__(self, other):
        return Text(f"{self.text}*{text(other)}")

    def __rmul__(self, other):
        return Text(f"{text(other)}*{self.text}")

    def __truediv__(self, other):
        return Text(f"{self.text}/({text(other)})")

    def __neg__(self):
        return Text(f"(0.0 - {self.text})")


def text(value):
    if isinstance(value, Text):
        return value.text
    return repr(float(value)) if value >= 0 else f"(0.0 - {-float(value)!r})"


def text_sqrt(value):
    return Text(f"sqrt({value.text})")


@dataclass
class Problem:
    """`f(z, p, sqrt)` of the state and the parameters, autonomous; an error is |z − end| / (floor + |end|)."""

    title: str
    f: Callable
    z0: list
    end_time: float
    end: list
    stiff: bool = False
    p: list = field(default_factory=list)
    atol: float = 1.0  # for rtol = 1
    floor: float = 1.0

    def error(self, z):
        off = np.abs(np.asarray(z, float) - self.end) / (self.floor + np.abs(self.end))
        worst = float(np.max(off)) if np.all(np.isfinite(off)) else float("inf")
        return max(worst, 1e-17)

    def node(self, solver):
        """A model of it."""
        z = [Text(f"z[{i}]") for i in range(len(self.z0))]
        p = [Text(f"p{i}") for i in range(len(self.p))]
        rates = ",\n  ".join(text(r) for r in self.f(z, p, text_sqrt))
        params = "".join(f"param p{i} = {v!r}\n" for i, v in enumerate(self.p))
        start = ", ".join(repr(float(v)) for v in self.z0)
        return (f"{params}state z: [{len(z)}] = [{start}]\nz' = [\n  {rates}\n]\nloss = z({self.end_time!r})[0]\n"
                f"solve {solver}, 0 .. {self.end_time!r}\n")

    def diffsl(self):
        z = [Text(f"z{i}") for i in range(len(self.z0))]
        p = [Text(f"p{i}") for i in range(len(self.p))]
        given = ", ".join(f"p{i} = {float(v)!r}" for i, v in enumerate(self.p))
        start = ", ".join(f"z{i} = {text(v)}" for i, v in enumerate(self.z0))
        rates = ",\n  ".join(text(r) for r in self.f(z, p, text_sqrt))
        return (f"in_i {{ {given} }}\n" if p else "") + f"u_i {{ {start} }}\nF_i {{\n  {rates}\n}}\n"

    def rates(self, sqrt=math.sqrt):
        return lambda z: self.f(z, self.p, sqrt)


def arenstorf(z, p, sqrt):
    x, y, u, v = z
    mu = 0.012277471
    nu = 1.0 - mu

    def cube(a):
        d = a * a + y * y
        return d * sqrt(d)

    d1, d2 = cube(x + mu), cube(x - nu)
    return [u, v, x + 2.0 * v - nu * (x + mu) / d1 - mu * (x - nu) / d2, y - 2.0 * u - nu * y / d1 - mu * y / d2]


def pleiades(z, p, sqrt):
    x, y, u, v = z[:7], z[7:14], z[14:21], z[21:]
    a, b = [], []
    for i in range(7):
        sums = [0.0, 0.0]
        for j in (j for j in range(7) if j != i):
            dx, dy = x[j] - x[i], y[j] - y[i]
            d = dx * dx + dy * dy
            cube = d * sqrt(d)
            sums = [sums[0] + (j + 1.0) * dx / cube, sums[1] + (j + 1.0) * dy / cube]
        a.append(sums[0])
        b.append(sums[1])
    return [*u, *v, *a, *b]


def brusselator(z, p, sqrt):
    product = z[0] * z[0] * z[1]
    return [1.0 - 4.0 * z[0] + product, 3.0 * z[0] - product]


def van_der_pol(z, p, sqrt):
    return [z[1], p[0] * (1.0 - z[0] * z[0]) * z[1] - z[0]]


def robertson(z, p, sqrt):
    slow, back, fast = p[0] * z[0], p[1] * z[1] * z[2], p[2] * z[1] * z[1]
    return [back - slow, slow - back - fast, fast]


# End points: Arenstorf's orbit is periodic; Pleiades, van der Pol and Robertson: the test sets of the University of Bari and
# of Hairer; Brusselator: 32 digits by Mathematica (in the samples of russell_ode).
PLEIADES = [3.0, 3.0, -1.0, -3.0, 2.0, -2.0, 2.0, 3.0, -3.0, 2.0, 0.0, 0.0, -4.0, 4.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.75, -1.5,
            0.0, 0.0, 0.0, -1.25, 1.0, 0.0, 0.0]
PLEIADES_END = [
    0.3706139143970502, 3.237284092057233, -3.222559032418324, 0.659709145577531, 0.3425581707156584, 1.562172101400631,
    -0.7003092922212495, -3.943437585517392, -3.27138097397255, 5.225081843456543, -2.59061243497747, 1.198213693392275,
    -0.2429682344935836, 1.09144924042898, 3.417003806314313, 1.354584501625501, -2.590065597810775, 2.025053734714242,
    -1.155815100160448, -0.8072988170223021, 0.595239635420871, -3.74124496123401, 0.377345968575063, 0.9386858869551073,
    0.3667922227200571, -0.347404635380849, 2.344915448180937, -1.947020434263292]
ORBIT = [0.994, 0.0, 0.0, -2.00158510637908252240537862224]
PROBLEMS = {
    "pleiades": Problem("Pleiades", pleiades, PLEIADES, 3.0, PLEIADES_END),
    "arenstorf": Problem("Arenstorf's orbit", arenstorf, ORBIT, 17.0652165601579625588917206249, ORBIT),
    "brusselator": Problem("Brusselator", brusselator, [1.5, 3.0], 20.0, [0.49863707126834783, 4.596780349452011]),
    "van_der_pol": Problem("van der Pol, μ = 1000, to 2000", van_der_pol, [2.0, 0.0], 2000.0,
                           [1.706167732170469, -0.8928097010248125e-3], True, [1e3], 1e-2, 0.0),
    "robertson": Problem("Robertson, to 1e5", robertson, [1.0, 0.0, 0.0], 1e5,
                         [1.786592114209946e-2, 7.274751468436319e-8, 9.821340061103859e-1], True, [0.04, 1e4, 3e7],
                         1e-4, 0.0),
    # For the table of gradients.
    "van_der_pol_3000": Problem("van der Pol, μ = 1000, to 3000", van_der_pol, [2.0, 0.0], 3000.0,
                                [-1.510606936744095, 1.178380000730945e-3], True, [1e3], 1e-2, 0.0),
}
