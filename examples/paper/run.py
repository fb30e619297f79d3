"""Runs the experiments of the paper and writes their tables into docs/paper.md. Standard library only.

python3 examples/paper/run.py                   everything but mnist and mnist_long, the short schedule
python3 examples/paper/run.py poisson limits    some of it
python3 examples/paper/run.py --scale 5         five times as many training steps

What was run before with the same models, options and number of steps is kept in out/paper and not run again.
"""

import argparse
import datetime
import pathlib
import time

import experiments
import lab

PAGE = lab.ROOT / "docs" / "paper.md"


def insert(page, name, text):
    """Replaces what stands between the markers of a part."""
    start, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    before, rest = page.split(start)
    return f"{before}{start}\n{text.strip()}\n{end}{rest.split(end)[1]}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    words = f"of {', '.join(experiments.ALL)}; all but mnist and mnist_long by default"
    parser.add_argument("names", nargs="*", metavar="experiment", help=words)
    parser.add_argument("--pullback", type=pathlib.Path, help="the command; target/release/pullback by default")
    parser.add_argument("--out", type=pathlib.Path, default=lab.ROOT / "out" / "paper", help="folder of the results")
    parser.add_argument("--jobs", type=int, default=2, help="trainings side by side")
    parser.add_argument("--seeds", type=int, default=3, help="trainings of each model")
    parser.add_argument("--scale", type=float, default=1.0, help="multiple of the short numbers of steps")
    parser.add_argument("--page", type=pathlib.Path, default=PAGE, help="the page with the markers")
    args = parser.parse_args()
    for name in args.names:
        if name not in experiments.ALL:
            parser.error(f"there is no experiment `{name}`: choose of {', '.join(experiments.ALL)}")
    bench = lab.Lab(lab.binary(args.pullback), args.out.resolve(), args.jobs, args.seeds, args.scale)
    for name in args.names or experiments.SHORT:
        started = time.monotonic()
        trainings = experiments.TRAININGS.get(name, "{}").format(args.seeds)
        text = experiments.ALL[name](bench).strip() + f"\n\nTrainings of each model: {trainings}.\n"
        args.page.write_text(insert(args.page.read_text(encoding="utf-8"), name, text), encoding="utf-8")
        print(f"{name}: {datetime.timedelta(seconds=round(time.monotonic() - started))}", flush=True)


if __name__ == "__main__":
    main()
