"""Calls of `pullback`, kept results, and the words of tables. Standard library only."""

import concurrent.futures
import hashlib
import json
import math
import os
import pathlib
import shutil
import statistics
import subprocess
import time

import pictures

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent


class Lab:
    """Runs commands; a command that was run before with the same files is not run again."""

    def __init__(self, binary, folder, jobs, seeds, scale):
        self.binary, self.folder, self.seeds = binary, folder, seeds
        self.scale = scale  # of every number of training steps
        self.pool = concurrent.futures.ThreadPoolExecutor(jobs)
        folder.mkdir(parents=True, exist_ok=True)

    def call(self, *words, cwd=HERE):
        """The last object that a command writes with --json. Its figures do not depend on --threads."""
        command = [str(self.binary), *map(str, words), "--json", "--quiet", "--threads", "1"]
        done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise SystemExit(f"{' '.join(command)}\n{done.stderr}{done.stdout}")
        return self.last(done.stdout)

    @staticmethod
    def last(text):
        """The object on the last line."""
        return json.loads(text.strip().splitlines()[-1])

    def kept(self, name, inputs, make):
        """`make()` as JSON in a file, made again only if `inputs` (words and files) changed."""
        sign = hashlib.sha256()
        for part in inputs:
            sign.update(part.read_bytes() if isinstance(part, pathlib.Path) else repr(part).encode())
        path, sign = self.folder / f"{name}.json", sign.hexdigest()
        if path.exists():
            found = json.loads(path.read_text())
            if found["inputs"] == sign:
                return found["value"]
        value = make()
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"inputs": sign, "value": value}))
        return value

    def trained(self, model, name, steps, sets=None, seed=0, data=None, held=None, evaluate=None, draws=20000):
        """Trains `model` and evaluates it; the result has `loss`, `metrics`, `seconds` and `params`, a file.

        The evaluation is in 64 bits on the data file `held`, on the model's own test set, or on fresh `draws`; with
        the `--set` values of `sets` and then of `evaluate`.
        """
        steps = max(1, round(steps * self.scale))
        out = self.folder / name
        setting = [w for k, v in (sets or {}).items() for w in ("--set", f"{k}={v}")]
        feed = ["--data", data] if data else []
        train = ["train", model, "--seed", seed, "--out", out, "--steps", steps, "--no-plots", *setting, *feed]
        train += ["--precision", "f32"]
        setting = [w for k, v in {**(sets or {}), **(evaluate or {})}.items() for w in ("--set", f"{k}={v}")]
        feed = ["--data", held, "--split", "train"] if held else [] if data else ["--samples", draws]
        check = ["eval", model, "--seed", seed, "--params", out / "params.safetensors", *setting, *feed]

        def make():
            started = time.monotonic()
            self.call(*train)
            seconds = time.monotonic() - started
            found = self.call(*check)
            rhs = found["stats"]["forward"]["rhs"] / found["samples"]
            return {"loss": found["loss"], "metrics": found["metrics"], "seconds": seconds, "rhs": rhs}

        files = [HERE / model, *(HERE / f for f in (data, held) if f)]
        words = [str(w) for w in (*train, *check) if not str(w).startswith(str(self.folder))]
        return {**self.kept(name, [*words, *files], make), "params": out / "params.safetensors", "steps": steps}

    def evaluated(self, name, *words):
        """What `eval` says, kept."""
        files = [pathlib.Path(w) for w in words if isinstance(w, pathlib.Path)]
        plain = [str(w) for w in words if not isinstance(w, pathlib.Path)]
        return self.kept(name, [*plain, HERE / words[0], *files], lambda: self.call("eval", *words))

    def all(self, tasks):
        """Results of functions without arguments, side by side, in their order."""
        return [f.result() for f in [self.pool.submit(task) for task in tasks]]

    def picture(self, source, name):
        """Keeps a picture in the book."""
        target = ROOT / "docs" / "images" / "paper" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(pictures.halved(source.read_bytes()))
        return f"images/paper/{name}"


def binary(path):
    """The command: as given, the release build, or what the PATH has."""
    built = ROOT / "target" / "release" / ("pullback.exe" if os.name == "nt" else "pullback")
    found = path or (built if built.exists() else shutil.which("pullback"))
    if not found:
        raise SystemExit("no `pullback`: build it with `cargo build --release`, or name it with --pullback")
    return pathlib.Path(found).resolve()


def spread(values, digits=3):
    """Mean, least and largest."""
    if any(not math.isfinite(v) for v in values):
        return "not finite"
    mean = f"{statistics.fmean(values):.{digits}f}"
    return mean if len(values) == 1 else f"{mean} ({min(values):.{digits}f} … {max(values):.{digits}f})"


def table(head, rows):
    """A table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines) + "\n"
