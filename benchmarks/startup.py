"""From start to first result, in units of `python -c "import torch"`: python benchmarks/startup.py

label.py answers one drawing, train.py learns the digits with every check and its dashboard. The
three commands take turns; the best of several counts. Seconds of processor time stand beside
seconds on the clock, because they say more on a busy machine.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
TARGETS = {"label.py": 0.15, "train.py": 4.0}


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--rounds", type=int, default=3, help="how often each command runs (default: 3)"
    )
    parser.add_argument(
        "--out", type=Path, default=ROOT / "benchmarks/results", help="folder of the table"
    )
    given = parser.parse_args(argv)
    best: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        run(
            [
                sys.executable,
                "train.py",
                "--data",
                "bars",
                "--epochs",
                "1",
                "--run-dir",
                f"{folder}/bars",
            ]
        )
        for turn in range(given.rounds):
            for name, command in commands(folder, turn).items():
                taken = run(command)
                best[name] = [min(pair) for pair in zip(taken, best.get(name, taken), strict=True)]
    lines = table(best)
    print("\n".join(lines))
    given.out.mkdir(parents=True, exist_ok=True)
    (given.out / "startup.md").write_text(
        "\n".join(["# From start to first result", "", *lines]) + "\n"
    )
    return 0


def commands(folder: str, turn: int) -> dict[str, list[str]]:
    """What is compared; every run of train.py has a folder of its own."""
    return {
        "import torch": [sys.executable, "-c", "import torch"],
        "label.py": [sys.executable, "label.py", "--run", f"{folder}/bars", "1", "1", "0", "0"],
        "train.py": [sys.executable, "train.py", "--run-dir", f"{folder}/digits-{turn}"],
    }


def run(command: list[str]) -> list[float]:
    """Seconds on the clock, and of processor time, that a command takes."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    elapsed, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    return [elapsed, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime]


def table(best: dict[str, list[float]]) -> list[str]:
    """A markdown table in units of import torch."""
    unit = best["import torch"]
    lines = [
        f"Best of several, load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores. Written by "
        "`python benchmarks/startup.py`.",
        "",
        "| command | seconds | times import torch | processor seconds | times import torch | "
        "target |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name, (elapsed, processor) in best.items():
        ratios = elapsed / unit[0], processor / unit[1]
        lines.append(
            f"| {name} | {elapsed:.2f} | {ratios[0]:.2f} | {processor:.2f} | {ratios[1]:.2f} | "
            f"{TARGETS.get(name, 1)} |"
        )
    return lines


if __name__ == "__main__":
    sys.exit(main())
