"""Writes the bi-directional spirals: `train_N.npz` and `test_N.npz` for N in 30, 50 and 100 observed points.

A trajectory is a window of 100 of the 500 points on one of two spirals, half of them in each direction. Constants and
the range of the starts are those of the `latent_ode.py` example of torchdiffeq (the paper gives none); windows of the
test set start early enough for 100 more points to follow.
Arrays, with a leading axis of 1000 trajectories:

ts [N]            times of N of the 100 points, drawn without replacement
y [N, 2]          the points with noise of standard deviation 0.1
future [100, 2]   the 100 points that follow, without noise; the last point again where a training window ends late
noisy [100, 2]    the same with noise of the same standard deviation
grid [200]        times of the window and of the points that follow, the same for all
truth [200, 2]    the points at these times, without noise
clockwise []      1 or 0
"""

import array
import math
import pathlib
import random
import struct
import sys
import zipfile

POINTS, WINDOW, SAMPLES, NOISE, B = 500, 100, 1000, 0.1, 0.3
STEP = 6 * math.pi / (POINTS - 1)


def point(clockwise, k):
    t = k * STEP
    if clockwise:
        angle = 6 * math.pi + 1 - t
        radius = 50 * B / angle
        return radius * math.cos(angle) - 5, radius * math.sin(angle)
    return B * t * math.cos(t) + 5, B * t * math.sin(t)


def npy(shape, values):
    """The bytes of a NumPy array of 64-bit floats (format version 1.0)."""
    header = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {tuple(shape)}, }}"
    header += " " * (63 - (len(header) + 10) % 64) + "\n"
    data = array.array("d", values)
    if sys.byteorder == "big":
        data.byteswap()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + data.tobytes()


def write(path, observed, latest, draw, beyond):
    times, points, truth, future, noisy_future, direction = [], [], [], [], [], []
    for _ in range(SAMPLES):
        clockwise = draw.random() < 0.5
        start = draw.randint(WINDOW, latest)
        curve = [point(clockwise, min(start + k, POINTS - 1)) for k in range(2 * WINDOW)]
        truth.extend(c for p in curve for c in p)
        future.extend(c for p in curve[WINDOW:] for c in p)
        noisy_future.extend(c + beyond.gauss(0, NOISE) for p in curve[WINDOW:] for c in p)
        noisy = [(x + draw.gauss(0, NOISE), y + draw.gauss(0, NOISE)) for x, y in curve[:WINDOW]]
        for k in sorted(draw.sample(range(WINDOW), observed)):
            times.append(k * STEP)
            points.extend(noisy[k])
        direction.append(float(clockwise))
    arrays = {
        "ts": ((SAMPLES, observed), times),
        "y": ((SAMPLES, observed, 2), points),
        "grid": ((2 * WINDOW,), [k * STEP for k in range(2 * WINDOW)]),
        "truth": ((SAMPLES, 2 * WINDOW, 2), truth),
        "future": ((SAMPLES, WINDOW, 2), future),
        "noisy": ((SAMPLES, WINDOW, 2), noisy_future),
        "clockwise": ((SAMPLES,), direction),
    }
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, (shape, values) in arrays.items():
            # Without the time of day, so that the same seed writes the same bytes.
            entry = zipfile.ZipInfo(f"{name}.npy", (1980, 1, 1, 0, 0, 0))
            archive.writestr(entry, npy(shape, values), zipfile.ZIP_DEFLATED)


def clockwise(path):
    """The directions in a file that `main` wrote."""
    with zipfile.ZipFile(path) as archive:
        data = archive.read("clockwise.npy")
    found = array.array("d", data[10 + int.from_bytes(data[8:10], "little") :])
    if sys.byteorder == "big":
        found.byteswap()
    return found.tolist()


def main(folder, seed=0):
    folder.mkdir(parents=True, exist_ok=True)
    for observed in [30, 50, 100]:
        for split, latest in [("train", POINTS - WINDOW - 1), ("test", POINTS - 2 * WINDOW)]:
            draw, beyond = (random.Random(f"{seed} {observed} {split}{what}") for what in ("", " beyond"))
            write(folder / f"{split}_{observed}.npz", observed, latest, draw, beyond)


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent / "data"))
