"""Does the check ever fail a correct network? And how far is the largest error from what is allowed?

    python benchmarks/false_alarms.py [--problems 10000] [--quick] [--figure docs/figures/bound.png] [--json]

Half of the problems in float64, half in float32, over all regimes, depths and heads; all witnesses against each other. Printed: the
failures, which must be none, and the distribution of error over bound, where the bound stands before SAFETY multiplies it.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np

from checks.bound import SAFETY
from checks.problem import standard
from checks.witnesses import verify

EDGES = np.concatenate([[0], np.logspace(-4, 0.5, 46)])
ROUNDING_ONLY = {"by_hand", "by_hand_float32", "by_autograd", "complex_step"}  # central differences bring their own error bars


def count(problems: int, dtype: str, seed: int) -> tuple[Counter[str], np.ndarray, float, list[str]]:
    """Outcomes, the histogram of error / bound, its largest value, and every failure in words."""
    import torch

    torch.set_num_threads(1)
    outcomes: Counter[str] = Counter()
    histogram, largest, failures = np.zeros(len(EDGES) - 1, dtype=int), 0.0, []
    for problem in standard(problems, seed):
        verdicts = verify(problem.rounded_to(dtype), dtype=dtype)
        outcomes.update(verdict.outcome for verdict in verdicts)
        failures += [f"{v.problem} {v.quantity} {v.pair} {v.ratio:.3g}" for v in verdicts if v.outcome == "fail"]
        ratios = SAFETY * np.array([v.ratio for v in verdicts if set(v.pair) <= ROUNDING_ONLY and np.isfinite(v.ratio)])
        histogram += np.histogram(ratios, EDGES)[0]
        largest = max(largest, float(ratios.max()))
    return outcomes, histogram, largest, failures


def draw_figure(path: Path, histograms: dict[str, np.ndarray], problems: int) -> None:
    """Error over bound, a curve a precision, and where the check would fail."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7, 3.5))
    for dtype, histogram in histograms.items():
        axes.stairs(np.maximum(histogram[1:], 0.3), EDGES[1:], label=dtype)
    axes.axvline(1, color="grey", linestyle=":", label="the bound")
    axes.axvline(SAFETY, color="black", label=f"allowed: SAFETY = {SAFETY:g} times the bound")
    axes.set(xscale="log", yscale="log", ylim=(0.5, None), xlabel="worst error of a quantity / bound, between two witnesses")
    axes.set(ylabel="comparisons", title=f"{problems:,} correct problems")
    axes.legend(fontsize=8)
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110, metadata={"Software": None})


def main(argv: list[str] | None = None) -> int:
    """Verify, count, print, draw; 1 if anything failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--problems", type=int, default=10_000, help="half in each precision (default: 10000)")
    parser.add_argument("--seed", type=int, default=0, help="of the first problem (default: 0)")
    parser.add_argument("--quick", action="store_true", help="100 problems")
    parser.add_argument("--figure", type=Path, metavar="FILE", help="where to draw the distribution")
    parser.add_argument("--json", action="store_true", help="one object for machines")
    args = parser.parse_args(argv)
    problems, start, found = 100 if args.quick else args.problems, time.perf_counter(), {}
    for dtype in ("float64", "float32"):
        found[dtype] = count(problems // 2, dtype, args.seed)
    failures = [line for _, _, _, lines in found.values() for line in lines]
    if args.figure:
        draw_figure(args.figure, {dtype: histogram for dtype, (_, histogram, _, _) in found.items()}, problems)
    if args.json:
        largest = {dtype: value for dtype, (_, _, value, _) in found.items()}
        print(
            json.dumps({"problems": problems, "false_alarms": len(failures), "largest_error_over_bound": largest, "safety": SAFETY})
        )
        return 1 if failures else 0
    print("\n".join(failures))
    for dtype, (outcomes, histogram, largest, _) in found.items():
        shares = np.cumsum(histogram) / max(1, histogram.sum())
        quantiles = ", ".join(f"{q:.2%} below {EDGES[1:][np.searchsorted(shares, q)]:.2g}" for q in (0.5, 0.99, 0.9999))
        print(f"{dtype}: {problems // 2:,} problems, {sum(outcomes.values()):,} comparisons, {dict(outcomes)}")
        print(f"    error / bound: largest {largest:.3f}, {quantiles}; SAFETY allows {SAFETY:g}")
    print(f"false alarms: {len(failures)} in {problems:,} correct problems, {time.perf_counter() - start:.0f} s")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
