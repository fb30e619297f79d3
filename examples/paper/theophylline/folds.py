"""Writes the folds of `examples/theoph.csv`: `train_K.csv` and `test_K.csv` for K from 0 to 3, three of the twelve
subjects in each test set (those with number K modulo 4).
"""

import csv
import pathlib
import sys

FOLDS = 4
SOURCE = pathlib.Path(__file__).resolve().parent.parent.parent / "theoph.csv"


def main(folder):
    folder.mkdir(parents=True, exist_ok=True)
    with open(SOURCE, newline="", encoding="utf-8") as file:
        head, *rows = csv.reader(file)
    for fold in range(FOLDS):
        held = [row for row in rows if int(row[0]) % FOLDS == fold]
        kept = [row for row in rows if int(row[0]) % FOLDS != fold]
        for name, part in (("test", held), ("train", kept)):
            with open(folder / f"{name}_{fold}.csv", "w", newline="", encoding="utf-8") as file:
                csv.writer(file).writerows([head, *part])


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else pathlib.Path(__file__).resolve().parent / "data")
