"""Is `assert_gradients` ever wrong about a network that it knows nothing of? What does it miss, and
what does it cost?

    python benchmarks/black_box.py [--networks 500 300] [--entries 100] [--kernels 1000] [--seed 0]
        [--quick] [--json]

Correct networks of every kind, in float64 and in float32: no gradient may be rejected. The same
with errors planted in one parameter: whatever can be seen is rejected, under that parameter's name
alone. One wrong entry of 24,790: its index, and what naming it costs. A float32 kernel, right,
rounded to float16, noisy. And the error that torch's gradcheck(fast_mode=True) accepts.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parents[1]))

from backproof import check_gradients
from benchmarks import cross_entropy_kernels as kernels
from benchmarks import one_entry
from benchmarks.networks import Case, mlp
from benchmarks.populations import Networks, count

PRINTED = 50  # wrong verdicts in words


def fast_mode(seeds: int) -> dict[str, int]:
    """784-256-128-10 with the sign of its first layer reversed: how gradcheck(fast_mode=True) and
    we judge it."""
    found = {
        "seeds": seeds,
        "accepted_by_gradcheck_fast": 0,
        "caught_by_name": 0,
        "evaluations_a_tensor": 0,
    }
    for seed in range(seeds):
        right = mlp((784, 256, 128, 10), 8, seed)
        names, values = list(right.parameters), tuple(right.parameters.values())
        case = right.wrong(names[0], torch.neg)

        def loss(
            *values: torch.Tensor, case: Case = case, names: list[str] = names
        ) -> torch.Tensor:
            return case.loss(dict(zip(names, values, strict=True)))

        found["accepted_by_gradcheck_fast"] += torch.autograd.gradcheck(
            loss, values, fast_mode=True, raise_exception=False
        )
        report = check_gradients(case, case.parameters, seed=seed)
        said = [(verdict.quantity, verdict.reason) for verdict in report.failures]
        found["caught_by_name"] += said == [(names[0], "the sign is reversed")]
        found["evaluations_a_tensor"] = max(
            found["evaluations_a_tensor"], -(-report.evaluations // len(names))
        )
    return found


def main(argv: list[str] | None = None) -> int:
    """Count, print; 1 if anything right was rejected, or anything wrong that can be seen was
    not."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--networks",
        type=int,
        nargs=2,
        default=[500, 300],
        metavar="N",
        help="float64, float32 (default: 500 300)",
    )
    parser.add_argument(
        "--entries",
        type=int,
        default=100,
        help="networks with one wrong entry of 24,790 (default: 100)",
    )
    parser.add_argument(
        "--kernels", type=int, default=1000, help="seeds of each kernel (default: 1000)"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the first network (default: 0)")
    parser.add_argument("--quick", action="store_true", help="a fiftieth of everything")
    parser.add_argument("--json", action="store_true", help="one object for machines")
    args = parser.parse_args(argv)
    torch.set_num_threads(1)
    start, part = time.perf_counter(), 50 if args.quick else 1
    found = {
        kind: count(-(-networks // part), getattr(torch, kind), args.seed)
        for kind, networks in zip(("float64", "float32"), args.networks, strict=True)
    }
    entries, fast = one_entry.count(-(-args.entries // part)), fast_mode(-(-10 // part))
    verdicts = kernels.count(-(-args.kernels // part))
    wrong = _wrong(found, entries, verdicts, fast)
    if args.json:
        print(json.dumps(_as_json(found, entries, verdicts, fast) | {"wrong": len(wrong)}))
    else:
        print("\n".join(_lines(found, entries, verdicts, fast)))
        print("\n".join(wrong[:PRINTED]))
        print(f"wrong verdicts: {len(wrong)}, {time.perf_counter() - start:.0f} s")
    return 1 if wrong else 0


def _wrong(
    found: dict[str, Networks],
    entries: dict[str, one_entry.Named],
    verdicts: dict[str, Counter[str]],
    fast: dict[str, int],
) -> list[str]:
    """Every verdict that is not what it should be, in words."""
    wrong = [f"false alarm: {line}" for networks in found.values() for line in networks.alarms]
    wrong += [f"missed: {line}" for networks in found.values() for line in networks.missed]
    wrong += [f"not named: {line}" for named in entries.values() for line in named.missed]
    for kernel, outcomes in verdicts.items():
        wrong += [
            f"kernel {kernel}: {outcome}"
            for outcome in outcomes.elements()
            if not kernels.EXPECTED[kernel](outcome)
        ]
    return wrong + ["the sign of the first layer"] * (fast["seeds"] - fast["caught_by_name"])


def _lines(
    found: dict[str, Networks],
    entries: dict[str, one_entry.Named],
    verdicts: dict[str, Counter[str]],
    fast: dict[str, int],
) -> list[str]:
    """For people."""
    lines = []
    for kind, networks in found.items():
        cost = (
            f"evaluations a tensor: median {np.median(networks.evaluations):.1f}, at most "
            f"{max(networks.evaluations):.1f}"
        )
        lines.append(
            f"{kind}: {networks.networks} correct networks, {networks.gradients} gradients, "
            f"{networks.untested} verdicts untested"
        )
        lines.append(f"    false alarms: {len(networks.alarms)}; {cost}")
        for error, (caught, visible) in networks.planted.items():
            lines.append(
                f"    {error}: {caught} of {visible} that can be seen are caught under their own "
                "name alone"
            )
    lines.append(
        f"one wrong entry of 24,790 in {'-'.join(map(str, one_entry.SIZES))}, float64; 2 log2(P) "
        f"is {2 * np.log2(24_790):.1f}"
    )
    for error, named in entries.items():
        cost = (
            f"{np.median(named.beyond):.0f} evaluations beyond those of the check (median), at "
            f"most {max(named.beyond)}"
        )
        lines.append(
            f"    {error}: {named.named} of {named.visible} that can be seen are named, {cost}"
        )
    for kernel, outcomes in verdicts.items():
        right = sum(kernels.EXPECTED[kernel](outcome) for outcome in outcomes.elements())
        lines.append(
            f"float32 softmax + cross-entropy, logits up to 80, {kernel}: {right} of "
            f"{outcomes.total()} {kernels.SAID[kernel]}"
        )
    cost = f"with {fast['evaluations_a_tensor']} evaluations a tensor"
    lines.append(f"784-256-128-10, the sign of its first layer reversed, {fast['seeds']} seeds:")
    lines.append(f"    gradcheck(fast_mode=True) accepts {fast['accepted_by_gradcheck_fast']}")
    lines.append(
        f"    assert_gradients rejects {fast['caught_by_name']} with the parameter's name and the "
        f"reason, {cost}"
    )
    return lines


def _as_json(
    found: dict[str, Networks],
    entries: dict[str, one_entry.Named],
    verdicts: dict[str, Counter[str]],
    fast: dict[str, int],
) -> dict[str, Any]:
    """For machines."""
    networks = {
        kind: {
            "networks": of.networks,
            "gradients": of.gradients,
            "untested": of.untested,
            "false_alarms": len(of.alarms),
            "most_evaluations_a_tensor": max(of.evaluations),
            "planted": {
                error: {"caught": caught, "visible": visible}
                for error, (caught, visible) in of.planted.items()
            },
        }
        for kind, of in found.items()
    }
    named = {
        error: {"named": of.named, "visible": of.visible, "most_beyond": max(of.beyond)}
        for error, of in entries.items()
    }
    return {
        "networks": networks,
        "one_entry": named,
        "kernels": {k: dict(v) for k, v in verdicts.items()},
        "fast_mode": fast,
    }


if __name__ == "__main__":
    sys.exit(main())
