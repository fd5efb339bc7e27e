"""How far the outputs of the original network differ between its four inputs, after any number of
right full-batch steps.

python -m benchmarks.spread [--steps 20000] [--lr 0.01] [--seed 0] [--output softmax|sigmoid]
    [--cost cross-entropy|quadratic]
"""

from __future__ import annotations

import argparse
import sys

import numpy as np

from backproof.checks import by_hand
from backproof.checks.heads import CLASSIC, Head
from backproof.checks.learning import descent
from backproof.model.command_line import finite, one_of, whole_number
from benchmarks.remedies import X, Y, weights

HEADS = [(head.output, head.cost) for head in CLASSIC]


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--steps", type=whole_number(0), default=20_000, help="full-batch steps (default: 20000)"
    )
    parser.add_argument(
        "--lr", type=finite(above=0.0), default=0.01, help="learning rate (default: 0.01)"
    )
    parser.add_argument(
        "--seed", type=whole_number(0), default=0, help="of the weights (default: 0)"
    )
    parser.add_argument("--output", type=one_of("softmax", "sigmoid"), help="(default: both)")
    parser.add_argument("--cost", type=one_of("cross-entropy", "quadratic"), help="(default: both)")
    args = parser.parse_args(argv)
    print(
        f"4-50-50-2, weights constant in each row, learning rate {args.lr:g}, seed {args.seed}, "
        f"numpy {np.__version__}, float64"
    )
    print(f"{'output':<8} {'cost':<14} {'steps':>6}   spread of each output over the four pictures")
    for output, cost in HEADS:
        if output == (args.output or output) and cost == (args.cost or cost):
            W, b = weights("row-constant", args.seed)
            W, b = descent.steps(
                W, b, X, Y, output=output, cost=cost, learning_rate=args.lr, count=args.steps
            )
            print(
                f"{output:<8} {cost:<14} {args.steps:>6}   "
                f"{'   '.join(map(str, spread(W, b, X, output)))}"
            )
    return 0


def spread(
    W: dict[int, np.ndarray], b: dict[int, np.ndarray], x: np.ndarray, output: str
) -> list[float]:
    """The largest difference that any two rows of x make to each output."""
    p = by_hand.forward(x, W, b, head=Head(output)).p
    return [float(difference) for difference in p.max(axis=0) - p.min(axis=0)]


if __name__ == "__main__":
    sys.exit(main())
