"""Writes event times of inhomogeneous Poisson processes on [0, 10]: rate 3 + 2 sin(2 pi t/5), by thinning.

Two tables, `train.csv` and `test.csv`, of 200 sequences each: columns `sequence` and `t`. And `truth.csv`, the rate on a
grid of times.
"""

import csv
import math
import pathlib
import random
import sys

END, HIGHEST = 10.0, 5.0


def rate(t):
    return 3 + 2 * math.sin(2 * math.pi * t / 5)


def events(draw):
    """Candidates of a homogeneous process, each kept with probability rate/HIGHEST (Lewis and Shedler 1979)."""
    t = 0.0
    while True:
        t += draw.expovariate(HIGHEST)
        if t > END:
            return
        if draw.random() * HIGHEST < rate(t):
            yield t


def main(folder, seed=0):
    draw = random.Random(seed)
    folder.mkdir(parents=True, exist_ok=True)
    for name in ["train", "test"]:
        with open(folder / f"{name}.csv", "w", newline="") as file:
            table = csv.writer(file)
            table.writerow(["sequence", "t"])
            for sequence in range(200):
                table.writerows([sequence, f"{t:.6f}"] for t in events(draw))
    with open(folder / "truth.csv", "w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["t", "rate"])
        table.writerows([f"{END * k / 100:.1f}", f"{rate(END * k / 100):.6f}"] for k in range(101))


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent / "data"))
