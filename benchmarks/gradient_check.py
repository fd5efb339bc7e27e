"""Ours side by side with torch's gradcheck, JAX's check_grads and HIPS autograd's check_grads: same
functions, same planted errors.

    pip install 'backproof[benchmarks]'
    python benchmarks/gradient_check.py [--seeds 5] [--quick] [--json]

A network (sigmoid, softmax, cross-entropy) is written in each framework; the gradient of one weight
matrix passes through a rule that plants an error. Counted: errors caught, correct gradients
rejected (in float64, converged, and float32), seconds for one check, and what the message names.
Then the exhaustive verification of two networks against gradcheck in slow mode, in the same run:
both get the same nn.Module. Ours is timed as train.py does it after every epoch (by hand against
autograd, the complex step and the fast backward pass), and as `python -m checks` does it (each
against each, and each against the sums of its own numbers).
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as train.py and `python -m checks` have it

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parents[1]))

from backproof.checks.problem import Problem, draw
from backproof.checks.verdict import Verdict
from backproof.checks.witnesses.verify import verify, verify_quickly
from backproof.model.network import MLP
from benchmarks.checkers import Change, gradcheck, ours, with_hips, with_jax

SIZES, N = (12, 8, 6, 4), 10


def at_entry(change: Callable[[float], float]) -> Change:
    """Change entry [3, 2]."""

    def edit(g: np.ndarray) -> np.ndarray:
        g = g.copy()
        g[3, 2] = change(g[3, 2])
        return g

    return edit


def rows_cut(g: np.ndarray) -> np.ndarray:
    """The last row missing."""
    return np.concatenate([g[:-1], 0 * g[-1:]])


PLANTED: dict[str, Change] = {
    "sign of the layer": lambda g: -g,
    "layer zero": lambda g: 0 * g,
    "layer times 2": lambda g: 2 * g,
    "layer by 1e-2": lambda g: g * (1 + 1e-2),
    "layer by 1e-3": lambda g: g * (1 + 1e-3),
    "layer by 1e-5": lambda g: g * (1 + 1e-5),
    "layer by 1e-9": lambda g: g * (1 + 1e-9),
    "row missing": rows_cut,
    "columns swapped": lambda g: g[:, [1, 0, *range(2, g.shape[1])]],
    "through float16": lambda g: g.astype(np.float16).astype(g.dtype),
    "sign of one entry": at_entry(lambda v: -v),
    "one entry zero": at_entry(lambda v: 0 * v),
    "one entry by 1e-3": at_entry(lambda v: v * (1 + 1e-3)),
    "one entry by 1e-5": at_entry(lambda v: v * (1 + 1e-5)),
    "one entry NaN": at_entry(lambda v: v * np.nan),
}


@dataclass
class Tool:
    """One checker and its record."""

    name: str
    check: Callable[[Problem, Change, str], str]  # -> "" if it accepts, else its message
    caught: dict[str, int] = field(default_factory=lambda: {"fresh": 0, "converged": 0})
    alarms: dict[str, int] = field(
        default_factory=lambda: {"fresh": 0, "converged": 0, "float32": 0}
    )
    seconds: list[float] = field(default_factory=list)
    names: set[str] = field(default_factory=set)


def compare(seeds: int) -> list[Tool]:
    """Every tool on every problem, right and wrong."""
    tools = [
        Tool("Backproof assert_gradients", ours),
        Tool("torch gradcheck, slow", gradcheck(False)),
        Tool("torch gradcheck, fast", gradcheck(True)),
        Tool("JAX check_grads", with_jax),
        Tool("HIPS autograd check_grads", with_hips),
    ]
    for tool in tools:
        for regime in ("fresh", "converged"):
            for seed in range(seeds):
                problem = draw(SIZES, N, seed, regime=regime)
                start = time.perf_counter()
                tool.alarms[regime] += bool(tool.check(problem, lambda g: g, "float64"))
                tool.seconds.append(time.perf_counter() - start)
                for change in PLANTED.values():
                    message = tool.check(problem, change, "float64")
                    tool.caught[regime] += bool(message)
                    tool.names |= _named(message)
        for seed in range(seeds):
            tool.alarms["float32"] += bool(
                tool.check(draw(SIZES, N, seed).rounded_to("float32"), lambda g: g, "float32")
            )
    return tools


def _named(message: str) -> set[str]:
    """What a message points at."""
    found = set()
    if "W[1]" in message:
        found.add("parameter by name")
    if "[3, 2]" in message:
        found.add("index")
    if re.search(r"for (in|out)put \d+", message, re.IGNORECASE) or "input 0" in message:
        found.add("input by number")
    return found


def exhaustive(quick: bool) -> list[tuple[str, float, float, float]]:
    """Seconds for verifying every parameter, as in training and all pairs, and for gradcheck in
    slow mode, on one nn.Module."""
    found = []
    for sizes in ((784, 30, 30, 10), (784, 16, 16, 10)) if not quick else ((64, 10, 8, 5),):
        problem = draw(sizes, 16, 0)
        in_training = median_seconds(lambda problem=problem: verify_quickly(problem))
        all_pairs = median_seconds(lambda problem=problem: verify(problem, differences=False))
        loss, parameters = module_loss(problem)
        start = time.perf_counter()
        torch.autograd.gradcheck(loss, parameters)
        found.append(
            ("-".join(map(str, sizes)), in_training, all_pairs, time.perf_counter() - start)
        )
    return found


def median_seconds(check: Callable[[], list[Verdict]]) -> float:
    """Of one check, once it has been warmed up; nothing may fail."""
    assert all(verdict.outcome != "fail" for verdict in check())
    times = []
    for _ in range(31):
        start = time.perf_counter()
        check()
        times.append(time.perf_counter() - start)
    return float(np.median(times))


def module_loss(problem: Problem) -> tuple[Callable[..., torch.Tensor], tuple[torch.Tensor, ...]]:
    """The loss of the project's own network as a function of its parameters, which is what
    gradcheck wants; and these."""
    network, cost = MLP.from_arrays(problem.W, problem.b), torch.nn.CrossEntropyLoss()
    names = [name for name, _ in network.named_parameters()]
    x, y = torch.tensor(problem.x), torch.tensor(problem.y)

    def loss(*values: torch.Tensor) -> torch.Tensor:
        return cost(
            torch.func.functional_call(network, dict(zip(names, values, strict=True)), (x,)), y
        )

    return loss, tuple(network.parameters())


def main(argv: list[str] | None = None) -> int:
    """Compare, print a table; 1 if ours missed anything or raised a false alarm."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=5, help="problems of each regime (default: 5)")
    parser.add_argument(
        "--quick", action="store_true", help="1 seed, and a small network for the timing"
    )
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="folder where the tables are to be written, too"
    )
    parser.add_argument("--json", action="store_true", help="one object for machines")
    args = parser.parse_args(argv)
    seeds = 1 if args.quick else args.seeds
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")  # gradcheck warns of float32 inputs; that is what is measured
    tools, timing = compare(seeds), exhaustive(args.quick)
    if args.json:
        print(json.dumps(as_json(tools, timing, seeds)))
    else:
        tables = {"gradient_check": detection(tools, seeds), "exhaustive": speed(timing)}
        print("\n\n".join("\n".join(table) for table in tables.values()))
        if args.out:
            write(args.out, tables)
    right = tools[0].alarms
    return 1 if any(right.values()) else 0


def detection(tools: list[Tool], seeds: int) -> list[str]:
    """Who caught what, and raised how many false alarms."""
    headings = (
        "",
        "caught, fresh",
        "caught, converged",
        "false alarms, float64",
        "false alarms, float32",
        "seconds",
        "names",
    )
    lines, total = (
        [f"| {' | '.join(headings)} |", "| --- " * len(headings) + "|"],
        seeds * len(PLANTED),
    )
    for t in tools:
        alarms = t.alarms["fresh"] + t.alarms["converged"]
        cells = (
            f"{t.caught['fresh']} of {total}",
            f"{t.caught['converged']} of {total}",
            f"{alarms} of {2 * seeds}",
        )
        cells += (
            f"{t.alarms['float32']} of {seeds}",
            f"{np.median(t.seconds):.3f}",
            ", ".join(sorted(t.names)) or "nothing",
        )
        lines.append(f"| {t.name} | {' | '.join(cells)} |")
    return lines


def speed(timing: list[tuple[str, float, float, float]]) -> list[str]:
    """Every parameter verified, in units of gradcheck's time."""
    lines = [
        "| every parameter, N = 16 | gradcheck, slow | in training | times faster | all pairs | "
        "times faster |",
        "| --- " * 6 + "|",
    ]
    for sizes, quick, pairs, slow in timing:
        lines.append(
            f"| {sizes} | {slow:.1f} s | {1e3 * quick:.1f} ms | {slow / quick:,.0f} | "
            f"{1e3 * pairs:.1f} ms | {slow / pairs:,.0f} |"
        )
    return lines


def as_json(
    tools: list[Tool], timing: list[tuple[str, float, float, float]], seeds: int
) -> dict[str, Any]:
    """For machines."""
    total = seeds * len(PLANTED)
    rows = [
        {"tool": t.name, "caught": t.caught, "of": total, "alarms": t.alarms, "correct": seeds}
        for t in tools
    ]
    keys = ("sizes", "ours_s", "all_pairs_s", "gradcheck_slow_s")
    return {
        "tools": rows,
        "exhaustive": [
            dict(zip(keys, line, strict=True)) | {"ratio": line[3] / line[1]} for line in timing
        ],
    }


def write(folder: Path, tables: dict[str, list[str]]) -> None:
    """A page for each table, which says where it comes from."""
    folder.mkdir(parents=True, exist_ok=True)
    said = (
        f"torch {torch.__version__}, NumPy {np.__version__}, {os.cpu_count()} cores, load "
        f"{os.getloadavg()[0]:.1f} at the end, "
        f"{time.strftime('%Y-%m-%d')}; by `python benchmarks/gradient_check.py`."
    )
    for name, table in tables.items():
        (folder / f"{name}.md").write_text(
            "\n".join(["# Beside other gradient checks", "", said, "", *table]) + "\n"
        )


if __name__ == "__main__":
    sys.exit(main())
