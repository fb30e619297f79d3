"""One peer on one workload, driven by lines on stdin: `python3 worker.py PEER WORKLOAD PATTERN`.

It compiles and warms up every call, answers with one JSON line about each, and then, for every line
`CALL<tab>SECONDS`, with the times of the calls that fit in so many seconds."""
import json
import os
import sys
import time
from fnmatch import fnmatch

peer, name, pattern = sys.argv[1:]
for variable in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"):
    os.environ.pop(variable, None)
# What a library prints must not mix with the answers.
answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)


def answer(value):
    answers.write(json.dumps(value) + "\n")
    answers.flush()


def later(value):
    return value() if callable(value) else value


def main():
    import importlib

    import workloads

    module = importlib.import_module(f"{peer}_peer")
    w = workloads.workload(name)
    known = {}
    chosen = {n: call for n, call in module.calls(w).items() if fnmatch(n.split(": ")[1], pattern)}
    for call_name, call in chosen.items():
        try:
            started = time.perf_counter()
            gradient, states, work = call()
            first = time.perf_counter() - started
            started = time.perf_counter()
            call()
            second = time.perf_counter() - started
        except Exception as problem:  # one variant that fails must not take the others along
            answer({"call": call_name, "failed": f"{type(problem).__name__}: {problem}".splitlines()[0][:200]})
            continue
        kind = "gradient" if call_name.startswith("gradient") else "states"
        error = workloads.error(name, kind, later(gradient if kind == "gradient" else states))
        answer({"call": call_name, "first_s": first, "second_s": second, "error": error, "work": later(work)})
        known[call_name] = call
    answer({"ready": module.VERSION})
    for line in sys.stdin:
        call_name, seconds = line.rstrip("\n").split("\t")
        call, times, end = known[call_name], [], time.perf_counter() + float(seconds)
        while not times or (time.perf_counter() < end and len(times) < 5000):
            started = time.perf_counter()
            call()
            times.append(time.perf_counter() - started)
        times.sort()
        answer({"median_s": times[len(times) // 2], "min_s": times[0], "calls": len(times)})


main()
