"""Regrad beside PyTorch: each library in a process of its own, asked in turn, medians of the ratios of neighbours.

    python benchmarks/run.py [--rounds N] [--only NAME]

Prints a table and writes it to ``benchmarks/RESULTS.md`` with the machine named. The two processes never run at the
same time; a round asks both, so that a slow spell of the machine hits both, and the ratio is taken within the round.
Start reading at `main`.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import time
from typing import Any

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE))
THREADS = "2"


def serve(name: str) -> None:
    """A child: imports one library, then times one workload for each line it reads."""
    import gc
    import importlib

    from workloads import WORKLOADS

    lib = importlib.import_module(name)
    if name == "torch":
        lib.set_num_threads(int(THREADS))
    jobs = {key: make(lib) for key, (make, _, _) in WORKLOADS.items()}
    for line in sys.stdin:
        job, count = jobs[line.strip()]
        job()  # warm
        repeats, spent = 0, 0.0
        gc.collect()
        while spent < 0.03:
            start = time.perf_counter()
            job()
            spent += time.perf_counter() - start
            repeats += 1
        print(spent / repeats / count, flush=True)


class Child:
    """One library, served."""

    def __init__(self, name: str) -> None:
        env = {**os.environ, "OMP_NUM_THREADS": THREADS, "OPENBLAS_NUM_THREADS": THREADS}
        self.process = subprocess.Popen(
            [sys.executable, __file__, "--serve", name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=env,
        )

    def ask(self, key: str) -> float:
        """Seconds for one unit of the workload."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(key + "\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline())


def import_seconds(statement: str) -> float:
    """Wall seconds of a fresh interpreter that runs ``statement``."""
    start = time.perf_counter()
    # As installed packages are: with their compiled files kept.
    env = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    subprocess.run([sys.executable, "-c", statement], check=True, env=env)
    return time.perf_counter() - start


def imports(rounds: int) -> dict[str, float]:
    """Median import times, less the start of the interpreter; whether numba came along."""
    found: dict[str, list[float]] = {"regrad": [], "numpy": [], "torch": []}
    for name in found:
        import_seconds(f"import {name}")  # warm: files read, compiled files written
    for _ in range(rounds):
        empty = import_seconds("pass")
        for name, times in found.items():
            times.append(import_seconds(f"import {name}") - empty)
    subprocess.run(
        [sys.executable, "-c", "import regrad, sys; assert 'numba' not in sys.modules"], check=True
    )
    return {name: statistics.median(times) for name, times in found.items()}


def machine() -> str:
    """The processor's name."""
    info = pathlib.Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [s.split(":")[1].strip() for s in lines if s.startswith("model name")]
    return names[0] if names else platform.processor()


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=21)
    parser.add_argument("--only")
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(options.serve)
        return
    from rich.progress import track
    from workloads import WORKLOADS

    keys = [k for k in WORKLOADS if options.only is None or options.only in k]
    ours, theirs = Child("regrad"), Child("torch")
    rows: list[dict[str, Any]] = []
    for key in track(keys, description="measuring"):
        pairs = []
        for k in range(options.rounds):
            order = (ours, theirs) if k % 2 == 0 else (theirs, ours)
            took = {child: child.ask(key) for child in order}
            pairs.append((took[ours], took[theirs]))
        _, unit, bar = WORKLOADS[key]
        rows.append(
            {
                "workload": key,
                "unit": unit,
                "regrad_us": statistics.median(a for a, _ in pairs) * 1e6,
                "torch_us": statistics.median(b for _, b in pairs) * 1e6,
                "ratio": statistics.median(a / b for a, b in pairs),
                "bar": bar,
            }
        )
    report(rows, imports(max(3, options.rounds // 3)), write=options.only is None)


def report(rows: list[dict[str, Any]], loads: dict[str, float], write: bool) -> None:
    """Print the table and keep it beside this file."""
    from rich.console import Console
    from rich.table import Table

    table = Table("workload", "per", "Regrad µs", "PyTorch µs", "ratio", "bar")
    for r in rows:
        bar = "" if r["bar"] is None else f"≤ {r['bar']}"
        colour = "" if r["bar"] is None else "green" if r["ratio"] <= r["bar"] else "red"
        ratio = f"[{colour}]{r['ratio']:.2f}[/]" if colour else f"{r['ratio']:.2f}"
        table.add_row(r["workload"], r["unit"], f"{r['regrad_us']:.2f}", f"{r['torch_us']:.2f}", ratio, bar)
    console = Console()
    console.print(table)
    line = (
        f"import: regrad {loads['regrad']:.3f} s (of which numpy alone {loads['numpy']:.3f} s), torch"
        f" {loads['torch']:.3f} s; bar 0.15 s"
    )
    console.print(line)
    if not write:
        return
    text = [
        "# Results",
        "",
        (
            f"Machine: {machine()}, {os.cpu_count()} cores, {platform.system()}, Python"
            f" {platform.python_version()}. Two threads each."
        ),
        (
            "Medians over rounds in which both libraries are asked in turn; the ratio is the median of the"
            " rounds' ratios. `make bench` makes this page."
        ),
        "",
        "| workload | per | Regrad µs | PyTorch µs | ratio | bar |",
        "|---|---|---|---|---|---|",
    ]
    text += [
        f"| {r['workload']} | {r['unit']} | {r['regrad_us']:.2f} | {r['torch_us']:.2f} | {r['ratio']:.2f} |"
        f" {'' if r['bar'] is None else r['bar']} |"
        for r in rows
    ]
    text += ["", line, ""]
    (HERE / "RESULTS.md").write_text("\n".join(text))
    (HERE / "results.json").write_text(json.dumps({"rows": rows, "import": loads}, indent=1))


if __name__ == "__main__":
    main()
