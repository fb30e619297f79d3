"""The least possible losses, by quadrature: log Z of the potentials, entropies of two circles and two moons (nats)."""

import math

WALL, SOFT = 4.0, 0.2


def potential(which, x, y):
    """U1 to U4 with the wall, as `density_matching/potentials.node` writes them."""
    wall = sum(0.5 * (max(abs(c) - WALL, 0) / SOFT) ** 2 for c in (x, y))
    w1 = math.sin(math.pi * x / 2)
    w2 = 3 * math.exp(-0.5 * ((x - 1) / 0.6) ** 2)
    w3 = 3 / (1 + math.exp(-(x - 1) / 0.3))

    def bump(c, scale):
        return -0.5 * (c / scale) ** 2

    def log_add(a, b):
        high = max(a, b)
        return high + math.log(math.exp(a - high) + math.exp(b - high))

    if which == 1:
        return wall - bump(math.hypot(x, y) - 2, 0.4) - log_add(bump(x - 2, 0.6), bump(x + 2, 0.6))
    if which == 2:
        return wall - bump(y - w1, 0.4)
    if which == 3:
        return wall - log_add(bump(y - w1, 0.35), bump(y - w1 + w2, 0.35))
    return wall - log_add(bump(y - w1, 0.4), bump(y - w1 + w3, 0.35))


def log_z(which, step=0.025, reach=6.0):
    """The logarithm of the integral of exp(-U)."""
    count = round(2 * reach / step)
    places = [-reach + step * (i + 0.5) for i in range(count)]
    return math.log(step * step * sum(math.exp(-potential(which, x, y)) for x in places for y in places))


def entropy(densities, cell):
    """Of the densities on a grid; `cell` is the area of one of its cells."""
    return -cell * sum(p * math.log(p) for p in densities if p > 0)


def circles(sigma, step=0.004):
    """Radii 1 and 1/2 in equal shares, plus normal noise. The density depends on the radius alone."""
    angles = 4000
    cosines = [math.cos(2 * math.pi * (k + 0.5) / angles) for k in range(angles)]
    total, r = 0.0, step / 2
    while r < 1 + 9 * sigma:
        p = 0.0
        for ring in (0.5, 1.0):
            away = [(r * r + ring * ring - 2 * r * ring * c) / (2 * sigma * sigma) for c in cosines[: angles // 2]]
            p += sum(math.exp(-a) for a in away if a < 60) / (angles // 2) / (4 * math.pi * sigma * sigma)
        if p > 0:
            total -= step * 2 * math.pi * r * p * math.log(p)
        r += step
    return total


def moons(sigma, step=0.03, angles=300):
    """(cos a, sin a) and (1 - cos a, 1/2 - sin a), a uniform on [0, pi], plus normal noise."""
    turns = [math.pi * (k + 0.5) / angles for k in range(angles)]
    arcs = [(math.cos(a), math.sin(a)) for a in turns] + [(1 - math.cos(a), 0.5 - math.sin(a)) for a in turns]
    margin = 7 * sigma
    densities = []
    y = -0.5 - margin
    while y < 1 + margin:
        x = -1 - margin
        while x < 2 + margin:
            away = (((x - u) ** 2 + (y - v) ** 2) / (2 * sigma * sigma) for u, v in arcs)
            densities.append(sum(math.exp(-a) for a in away if a < 60) / len(arcs) / (2 * math.pi * sigma * sigma))
            x += step
        y += step
    return entropy(densities, step * step)


if __name__ == "__main__":
    for which in (1, 2, 3, 4):
        print(f"log Z of U{which}: {log_z(which):.4f}")
    print(f"two circles, 0.06: {circles(0.06):.4f}")
    print(f"two moons, 0.1: {moons(0.1):.4f}")
