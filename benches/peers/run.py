"""Times pullback and its peers on the same workloads, in the same run, in turns, and prints one table.

    pip install -r benches/peers/requirements.txt
    python3 benches/peers/run.py

`--pullback PATH` names the program (otherwise target/release, then PATH). A peer that is not installed is skipped."""
import argparse
import json
import os
import selectors
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

import numpy as np

import workloads

PEERS = {"torchdiffeq": "torchdiffeq", "diffrax": "diffrax", "casadi": "casadi", "pydiffsol": "pydiffsol",
         "heyoka": "heyoka"}
SMALL = ("spiral_long", "lotka_volterra", "spiral_batch")
NETWORKS = ("torchdiffeq", "diffrax")
# The project's aims: how many times faster than a peer's best variant.
AIMS = {("spiral", "gradient", "diffrax"): 12, ("spiral", "gradient", "torchdiffeq adjoint"): 1000,
        ("spiral", "gradient", "torchdiffeq backprop"): 150, ("spiral_long", "gradient", "diffrax"): 12,
        ("spiral_long", "gradient", "heyoka"): 25, ("spiral_long", "gradient", "pydiffsol"): 80,
        ("spiral_long", "forward", "heyoka"): 2.5, ("lotka_volterra", "forward", "heyoka"): 1,
        ("lotka_volterra", "forward", "pydiffsol"): 4, ("lotka_volterra", "gradient", "heyoka"): 2.5,
        ("lotka_volterra", "gradient", "pydiffsol"): 6, ("lotka_volterra", "gradient", "diffrax"): 20,
        ("spiral_batch", "forward", "heyoka"): 2, ("spiral_batch", "gradient", "heyoka"): 20,
        ("cnf2d", "gradient", "diffrax"): 4, ("mlp_wide", "gradient", "torchdiffeq backprop"): 2,
        ("odenet_mnist", "gradient", "torchdiffeq backprop"): 1.5}


class Worker:
    """A peer in a process of its own: compiled once, then asked for times in turns with the others."""

    def __init__(self, peer, name, pattern):
        self.peer, self.name, self.pending = peer, name, b""
        command = [sys.executable, str(workloads.HERE / "worker.py"), peer, name, pattern]
        self.log = tempfile.TemporaryFile()
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log)
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.process.stdout, selectors.EVENT_READ)

    def settled(self):
        """Whether it is ready or has ended."""
        if self.selector.select(0.0):
            part = os.read(self.process.stdout.fileno(), 65536)
            self.pending += part
            if not part:
                return True
        return b'{"ready"' in self.pending or self.process.poll() is not None

    def read(self, deadline):
        """The next answer, or None if it does not come in time or the process has ended."""
        while b"\n" not in self.pending:
            if not self.selector.select(max(0.0, deadline - time.monotonic())):
                return None
            part = os.read(self.process.stdout.fileno(), 65536)
            if not part:
                return None
            self.pending += part
        line, self.pending = self.pending.split(b"\n", 1)
        try:
            return json.loads(line)
        except ValueError:
            return self.read(deadline)

    def ready(self, deadline):
        """Its version and calls; a call that failed is reported and left out."""
        calls = []
        while (found := self.read(deadline)) is not None:
            if "ready" in found:
                return found["ready"], calls
            if "failed" in found:
                say(f"{self.name}: {self.peer}: {found['call']} failed: {found['failed']}")
            else:
                calls.append(found)
        say(f"{self.name}: {self.peer} did not get ready{self.last_words()}")
        return None, []

    def last_words(self):
        self.log.seek(0)
        lines = self.log.read().decode(errors="replace").strip().splitlines()
        return f": {lines[-1][:200]}" if lines else ""

    def times(self, call, seconds, limit):
        self.process.stdin.write(f"{call}\t{seconds}\n".encode())
        self.process.stdin.flush()
        return self.read(time.monotonic() + limit)

    def close(self):
        self.process.kill()
        self.process.wait()


def say(text):
    print(text, file=sys.stderr, flush=True)


class Pullback:
    """Our program on one workload, as a command."""

    def __init__(self, program, w, folder, model=None):
        self.program, self.w, self.model = program, w, str(model or workloads.model(w.name))
        self.data, self.params = str(folder / "data.npz"), str(folder / "params.safetensors")
        workloads.write_npz(self.data, w.data)
        self.more = ["--data", self.data, "--json"]
        about = self.call("check", [])
        self.names = [p["name"] for p in about["parameters"]]
        shapes = [p["shape"] for p in about["parameters"]]
        arrays = [np.reshape(a, s) for a, s in zip(w.params, shapes, strict=True)]
        workloads.write_safetensors(self.params, self.names, arrays)
        self.seconds, self.last = {}, None

    def call(self, command, more, timeout=120):
        line = [self.program, command, self.model, *self.more, *more]
        done = subprocess.run(line, capture_output=True, text=True, timeout=timeout)
        found = json.loads(done.stdout) if done.stdout.strip() else {}
        if done.returncode or "errors" in found:
            raise RuntimeError((found.get("errors") or [{"message": done.stderr.strip()}])[0]["message"])
        return found

    def evaluate(self, kind, repeat):
        common = ["--params", self.params, "--precision", self.w.precision, "--repeat", str(repeat)]
        if kind == "gradient":
            return self.call("grad", [*common, "--inputs"])
        return self.call("run", [*common, "--points", str(len(self.w.times))])

    def first(self, kind):
        """Error and work of one evaluation; remembers about how long it takes."""
        found = self.last = self.evaluate(kind, 3)
        self.seconds[kind] = found["time_ms_min"] / 1e3
        if kind == "gradient":
            vector = workloads.flat(found["gradient"][n]["data"] for n in self.names)
        else:
            out = found["outputs"]
            parts = [out["z"]] if "z" in out else [out["x"], out["y"]]
            arrays = [np.reshape(p["data"] if isinstance(p, dict) else p, (self.w.y0.shape[0], len(self.w.times), -1))
                      for p in parts]
            vector = np.concatenate(arrays, -1).ravel()
        share = self.w.y0.shape[0] if self.w.joint else 1
        stats = found["stats"]
        back = stats.get("backward", {"rhs": 0})
        work = [stats["forward"]["rhs"] // share, back["rhs"] // share]
        error = workloads.error(self.w.name, "gradient" if kind == "gradient" else "states", vector)
        return {"error": error, "work": work, "compile_ms": found["compile_ms"]}

    def times(self, kind, seconds):
        repeat = max(3, min(5000, int(seconds / self.seconds[kind])))
        found = self.evaluate(kind, repeat)
        return {"median_s": found["time_ms"] / 1e3, "min_s": found["time_ms_min"] / 1e3}


def gather(samples):
    """Median of the rounds' medians and the least of all, in seconds."""
    return {"median_s": statistics.median(s["median_s"] for s in samples), "min_s": min(s["min_s"] for s in samples)}


def start(name, args):
    """The workers of a workload; all of them compile at the same time."""
    fits = lambda peer: peer in NETWORKS or name in SMALL
    wanted = [p for p in args.peers if find_spec(PEERS[p]) and fits(p)]
    return [Worker(p, name, args.variants) for p in wanted]


def measure(name, workers, deadline, args, folder, versions):
    """The rows of a workload: one for every call of every peer, and ours."""
    w, calls = workloads.workload(name), []
    for worker in workers:
        version, found = worker.ready(deadline)
        if version:
            versions[worker.peer] = version
        calls += [(worker, c) for c in found]
    kinds = ["gradient", *(["forward"] if w.forward else [])]
    ours = Pullback(args.pullback, w, folder)
    own = {kind: ours.first(kind) for kind in kinds}
    samples, spent, mine = {}, {}, {kind: [] for kind in kinds}
    for _ in range(args.rounds):
        for kind in kinds:
            mine[kind].append(ours.times(kind, args.seconds))
        for k, (worker, c) in enumerate(calls):
            # What it took while others compiled says nothing: the first turn is always taken.
            if spent.get(k, 0.0) > args.limit:
                continue
            started = time.monotonic()
            found = worker.times(c["call"], args.seconds, args.patience)
            spent[k] = spent.get(k, 0.0) + time.monotonic() - started
            if found is None:
                spent[k] = float("inf")
            else:
                samples.setdefault(k, []).append(found)
    rows = []
    for k, (worker, c) in enumerate(calls):
        kind, variant = c["call"].split(": ")
        if k not in samples:
            say(f"{name}: {worker.peer}: {c['call']} took more than {args.patience:g} s")
            continue
        row = {"workload": name, "kind": kind, "peer": worker.peer, "variant": variant}
        rows.append({**row, **gather(samples[k]), "error": c["error"], "work": c["work"], "first_s": c["first_s"],
                     "samples": len(samples[k])})
    for kind in kinds:
        rows.append({"workload": name, "kind": kind, "peer": "pullback", **gather(mine[kind]), **own[kind]})
    return rows


def group(row):
    """What is compared: the peer, and for torchdiffeq also how it differentiates."""
    if row["peer"] == "torchdiffeq" and row["kind"] == "gradient":
        return f"torchdiffeq {'adjoint' if 'adjoint' in row['variant'] else 'backprop'}"
    return row["peer"]


def short(seconds):
    for unit, scale in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= scale or unit == "µs":
            return f"{seconds / scale:.3g} {unit}"


def both(row):
    return f"{short(row['min_s'])} ({short(row['median_s'])})"


def factor(ratio):
    return f"{ratio:.0f}×" if ratio >= 100 else f"{ratio:.3g}×"


def digits(error):
    return "–" if error is None else f"{error:.0e}".replace("e-0", "e-")


def effort(work):
    if not work:
        return "–"
    if work[1] == "steps":
        return f"{work[0]} steps"
    return f"{work[0]}" + (f" + {work[1]}" if work[1] else "")


def unequal(row, own):
    """What differs between the two sides of a row."""
    out = [] if "dopri5" in row["variant"] else ["other solver"]
    if row["kind"] == "gradient" and ("variational" in row["variant"] or "sensitivities" in row["variant"]):
        out.append("forward sensitivities, parameters only")
    if row["peer"] == "pydiffsol" and "adjoint" in row["variant"]:
        out.append("parameters only")
    if row["workload"] == "spiral_batch" and row["peer"] not in ("heyoka",) and "vmap" not in row["variant"]:
        out.append("one step size for all")
    if row["error"] and own["error"]:
        ratio = row["error"] / own["error"]
        if ratio > 3:
            out.append(f"{ratio:.0f}× less accurate")
        elif ratio < 1 / 3:
            out.append(f"{1 / ratio:.0f}× more accurate")
    return "; ".join(out) or "–"


def table(rows):
    """Markdown: the fastest variant of every peer on every workload. Ratios are of the least times, which other work on
    the machine disturbs least."""
    own = {(r["workload"], r["kind"]): r for r in rows if r["peer"] == "pullback"}
    best = {}
    for row in rows:
        if row["peer"] != "pullback":
            key = (row["workload"], row["kind"], group(row))
            if key not in best or row["min_s"] < best[key]["min_s"]:
                best[key] = row
    head = ["workload", "peer: its fastest variant", "least (median)", "ours", "ratio (of the medians)", "aim",
            "its error", "ours", "its evaluations", "ours", "not equal"]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    order = {name: k for k, name in enumerate(workloads.NAMES)}
    for (name, kind, what), row in sorted(best.items(), key=lambda item: (order[item[0][0]], item[0][1:])):
        o = own[name, kind]
        ratio, median = row["min_s"] / o["min_s"], row["median_s"] / o["median_s"]
        aim = AIMS.get((name, kind, what))
        mark = "" if aim is None else f"{aim:g}× {'reached' if ratio >= aim else 'missed'}"
        cells = [f"{name} {kind}", f"{row['peer']}: {row['variant']}", both(row), both(o),
                 f"{factor(ratio)} ({factor(median)})", mark, digits(row["error"]), digits(o["error"]),
                 effort(row["work"]), effort(o["work"]), unequal(row, o)]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def program(named):
    built = workloads.ROOT / "target" / "release" / "pullback"
    if named and not Path(named).is_file():
        raise SystemExit(f"there is no program {named}")
    found = named or (str(built) if built.exists() else shutil.which("pullback"))
    if not found:
        raise SystemExit("no program: `cargo build --release` first, or name it with --pullback")
    return found


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pullback", help="the program")
    parser.add_argument("--workloads", default=",".join(workloads.NAMES), help="comma-separated (default: all)")
    parser.add_argument("--peers", default=",".join(PEERS), help="comma-separated (default: all that are installed)")
    parser.add_argument("--variants", default="*", help="only the peers' variants of this pattern (default: all)")
    parser.add_argument("--rounds", type=int, default=5, help="turns (default 5)")
    parser.add_argument("--seconds", type=float, default=0.3, help="of one call in one turn (default 0.3)")
    parser.add_argument("--limit", type=float, default=60.0,
                        help="no further turn of a call after so many seconds (default 60)")
    parser.add_argument("--patience", type=float, default=60.0, help="seconds of one turn (default 60)")
    parser.add_argument("--setup", type=float, default=300.0, help="seconds to compile all peers (default 300)")
    parser.add_argument("--out", help="file for all variants, one JSON line each")
    args = parser.parse_args()
    for what, known in (("workloads", workloads.NAMES), ("peers", list(PEERS))):
        unknown = [name for name in getattr(args, what).split(",") if name not in known]
        if unknown:
            parser.error(f"unknown {what}: {', '.join(unknown)} (choose from {', '.join(known)})")
    args.pullback, args.peers = program(args.pullback), args.peers.split(",")
    return args


def main():
    args = arguments()
    for peer in args.peers:
        if not find_spec(PEERS[peer]):
            print(f"skipped: {peer} is not installed")
    names, rows, versions = args.workloads.split(","), [], {}
    for name in [n for n in names if not workloads.model(n).exists()]:
        print(f"skipped: there is no model for {name}")
        names.remove(name)
    # All are compiled before anything is timed, or one's compilation would disturb another's times.
    workers = {name: start(name, args) for name in names}
    deadline = time.monotonic() + args.setup
    say(f"compiling {sum(map(len, workers.values()))} peers")
    while any(not x.settled() for name in names for x in workers[name]) and time.monotonic() < deadline:
        time.sleep(0.2)
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            try:
                rows += measure(name, workers[name], deadline, args, Path(folder), versions)
            except RuntimeError as problem:
                print(f"skipped: {name}: {problem}")
        for worker in workers[name]:
            worker.close()
        if args.out:
            Path(args.out).write_text("".join(json.dumps(r) + "\n" for r in rows))
        say(f"{name}: done")
    print(table(rows))
    print("\n" + "; ".join(versions[p] for p in args.peers if p in versions))


if __name__ == "__main__":
    main()
