"""Does the check ever fail a correct network? And how far is the largest error from what is
allowed?

    python benchmarks/false_alarms.py [--problems 10000] [--classic] [--quick]
    [--figure docs/figures/bound.png] [--json]

Half of the problems in float64, half in float32, over all regimes, depths, heads and activations;
all witnesses against each other. --classic leaves sigmoid hidden layers and the four heads that the
project began with. Printed: the failures, which must be none; the distribution of error over bound,
where the bound stands before SAFETY multiplies it; and how the slopes along random directions fare,
whose error bars are measured: they must cover every error, and be small.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from backproof.checks.bound import SAFETY
from backproof.checks.problem import every_kind, standard
from backproof.checks.verdict import Verdict
from backproof.checks.witnesses.verify import verify

EDGES = np.concatenate([[0], np.logspace(-4, 0.5, 46)])
# central differences bring their own error bars
ROUNDING_ONLY = {
    "by_hand",
    "by_hand_float32",
    "by_autograd",
    "complex_step",
}


@dataclass
class Counted:
    """What came of many problems in one precision.

    Attributes:
        outcomes: of all comparisons.
        histogram, largest: of error / bound, between witnesses that only round.
        failures: in words.
        slopes: outcomes of the slopes, by hand against the black box.
        ratios: their error over what is allowed.
        bars: what is allowed over the slope, where it was tested.
    """

    outcomes: Counter[str] = field(default_factory=Counter)
    histogram: np.ndarray = field(default_factory=lambda: np.zeros(len(EDGES) - 1, dtype=int))
    largest: float = 0.0
    failures: list[str] = field(default_factory=list)
    slopes: Counter[str] = field(default_factory=Counter)
    ratios: list[float] = field(default_factory=list)
    bars: list[float] = field(default_factory=list)

    def add(self, verdicts: list[Verdict]) -> None:
        """Those of one problem."""
        self.outcomes.update(verdict.outcome for verdict in verdicts)
        self.failures += [
            f"{v.problem} {v.quantity} {v.pair} {v.ratio:.3g}"
            for v in verdicts
            if v.outcome == "fail"
        ]
        ratios = SAFETY * np.array(
            [v.ratio for v in verdicts if set(v.pair) <= ROUNDING_ONLY and np.isfinite(v.ratio)]
        )
        self.histogram += np.histogram(ratios, EDGES)[0]
        self.largest = max(self.largest, float(ratios.max()))
        for v in verdicts:
            if v.pair == ("by_hand", "random_directions"):
                self.slopes[v.outcome] += 1
                self.ratios.append(v.ratio)
                self.bars += [v.allowed / abs(v.values[0])] if v.allowed < abs(v.values[0]) else []


def count(problems: int, dtype: str, seed: int, *, classic: bool = False) -> Counted:
    """Every witness against every other."""
    import torch

    torch.set_num_threads(1)
    found = Counted()
    drawn = standard if classic else every_kind
    for problem in drawn(problems, seed):
        found.add(verify(problem.rounded_to(dtype), dtype=dtype))
    return found


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
    axes.set(
        xscale="log",
        yscale="log",
        ylim=(0.5, None),
        xlabel="worst error of a quantity / bound, between two witnesses",
    )
    axes.set(ylabel="comparisons", title=f"{problems:,} correct problems")
    axes.legend(fontsize=8)
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110, metadata={"Software": None})


def main(argv: list[str] | None = None) -> int:
    """Verify, count, print, draw; 1 if anything failed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--problems", type=int, default=10_000, help="half in each precision (default: 10000)"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the first problem (default: 0)")
    parser.add_argument(
        "--classic", action="store_true", help="sigmoid hidden layers and four heads alone"
    )
    parser.add_argument("--quick", action="store_true", help="100 problems")
    parser.add_argument(
        "--figure", type=Path, metavar="FILE", help="where to draw the distribution"
    )
    parser.add_argument("--json", action="store_true", help="one object for machines")
    args = parser.parse_args(argv)
    problems, start = 100 if args.quick else args.problems, time.perf_counter()
    found = {
        dtype: count(problems // 2, dtype, args.seed, classic=args.classic)
        for dtype in ("float64", "float32")
    }
    failures = [line for counted in found.values() for line in counted.failures]
    if args.figure:
        draw_figure(
            args.figure, {dtype: counted.histogram for dtype, counted in found.items()}, problems
        )
    if args.json:
        largest = {dtype: counted.largest for dtype, counted in found.items()}
        print(
            json.dumps(
                {
                    "problems": problems,
                    "false_alarms": len(failures),
                    "largest_error_over_bound": largest,
                    "safety": SAFETY,
                }
            )
        )
        return 1 if failures else 0
    print("\n".join(failures))
    for dtype, counted in found.items():
        print("\n".join(_lines(dtype, counted, problems // 2)))
    print(
        f"false alarms: {len(failures)} in {problems:,} correct problems, "
        f"{time.perf_counter() - start:.0f} s"
    )
    return 1 if failures else 0


def _lines(dtype: str, counted: Counted, problems: int) -> list[str]:
    """The distributions, for people."""
    shares = np.cumsum(counted.histogram) / max(1, counted.histogram.sum())
    below = ", ".join(
        f"{q:.2%} below {EDGES[1:][np.searchsorted(shares, q)]:.2g}" for q in (0.5, 0.99, 0.9999)
    )
    ratios = ", ".join(
        f"{q:.1%} below {np.quantile(counted.ratios, q):.2g}" for q in (0.5, 0.99, 0.999)
    )
    bars = ", ".join(f"{q:.0%} below {np.quantile(counted.bars, q):.1e}" for q in (0.5, 0.9))
    return [
        f"{dtype}: {problems:,} problems, {counted.outcomes.total():,} comparisons, "
        f"{dict(counted.outcomes)}",
        f"    error / bound: largest {counted.largest:.3f}, {below}; SAFETY allows {SAFETY:g}",
        f"    slopes by hand and of the black box: {dict(counted.slopes)}",
        f"    their error / allowed: largest {max(counted.ratios):.3f}, {ratios}; allowed / slope "
        f"where tested: {bars}",
    ]


if __name__ == "__main__":
    sys.exit(main())
