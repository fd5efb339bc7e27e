"""Provoke each symptom in many seeds, train many healthy networks, and count what
checks.learning.symptoms says.

python -m benchmarks.symptoms [--seeds 20] [--healthy 100] [--first 0] [--only NAME ...] [--try]

Sizes, data, head and layer are drawn from the seed. A provoked symptom counts as found if it is
named at the right place (other findings may stand beside it: they are printed). A healthy training
is looked at before it starts and after every epoch, and counts as healthy if it learns: its loss
ends below half of that of the class frequencies.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections import Counter

import numpy as np

from backproof.model.command_line import whole_number
from benchmarks import symptoms_anywhere
from benchmarks.symptoms_of_runs import PROVOKED, healthy

TIME_LIMIT = 1.5  # seconds for watching a step, and as much again for remedies


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--seeds", type=whole_number(0), default=20, help="cases of each symptom (default: 20)"
    )
    parser.add_argument(
        "--healthy", type=whole_number(0), default=100, help="healthy trainings (default: 100)"
    )
    parser.add_argument(
        "--first", type=whole_number(0), default=0, help="the first seed (default: 0)"
    )
    parser.add_argument(
        "--anywhere",
        type=whole_number(0),
        default=400,
        help="healthy trainings of all activations and heads (default: 400)",
    )
    parser.add_argument("--only", nargs="+", metavar="NAME", help="these symptoms alone")
    parser.add_argument(
        "--try", action="store_true", dest="tries", help="try each remedy, too: ten times the time"
    )
    args = parser.parse_args(argv)
    seeds = range(args.first, args.first + args.seeds)
    print(f"numpy {np.__version__}, seeds {args.first} to {args.first + args.seeds - 1}\n")
    print(f"{'provoked':<20} {'found':>8}   beside it")
    chosen = [name for name in PROVOKED if not args.only or name in args.only]
    missed = sum(provoke(name, seeds) for name in chosen)
    for name in symptoms_anywhere.PROVOKED:
        if not args.only or name in args.only:
            missed += provoke_anywhere(name, seeds, args.tries)
    alarms = healthy_anywhere(args.anywhere, args.first)
    print(f"\n{'healthy':<20} {'learnt':>8}  looks  findings")
    alarms += sum(
        train_healthy(kind, args.healthy, args.first) for kind in ("digits", "bars", "mnist", "csv")
    )
    return 1 if missed or alarms else 0


def provoke(name: str, seeds: range) -> int:
    """One line of the table; returns how many were missed."""
    missed, beside = [], Counter[str]()
    for seed in seeds:
        found, where = PROVOKED[name](np.random.default_rng([seed, len(name)]), seed)
        if (name, where) not in {(symptom.name, symptom.where) for symptom in found}:
            missed.append(seed)
        beside.update({symptom.name for symptom in found} - {name})
    others = ", ".join(f"{other} {count}" for other, count in beside.most_common())
    print(
        f"{name:<20} {len(seeds) - len(missed):>3} of {len(seeds)}   "
        f"{others}{f'   missed: seeds {missed}' if missed else ''}"
    )
    return len(missed)


def provoke_anywhere(name: str, seeds: range, tries: bool) -> int:
    """A line for each activation in which it can occur; returns how many too few were found: one of
    twenty may be missed, and a remedy may fail to help one of ten."""
    make, activations = symptoms_anywhere.PROVOKED[name]
    short = 0
    for activation in activations:
        missed, beside, helped = [], Counter[str](), []
        for seed in seeds:
            case = make(activation, seed)
            answer = case.ask(time_limit=TIME_LIMIT, try_remedies=tries)
            if (name, case.where) not in {(found.name, found.where) for found in answer.findings}:
                missed.append(seed)
            beside.update(set(answer.names) - {name})
            helped += [tried.helped for tried in answer.tried if tried.symptom == name]
        others = ", ".join(f"{other} {count}" for other, count in beside.most_common())
        remedy = f"  tried: {sum(helped)} of {len(helped)} help" if helped else ""
        print(
            f"{name:<20} {len(seeds) - len(missed):>3} of {len(seeds)}   {activation:<15} "
            f"{others}{remedy}{f'   missed: seeds {missed}' if missed else ''}",
            flush=True,
        )
        short += max(0, len(missed) - len(seeds) // 20)
        short += len(helped) > 0 and sum(helped) < 0.9 * len(helped)
    return short


def healthy_anywhere(count: int, first: int) -> int:
    """Healthy networks of every activation and head in turn, looked at before, while and after they
    are trained; returns how many findings there were."""
    alarms = Counter[str]()
    learnt = 0
    for at in range(first, first + count):
        found, learns = symptoms_anywhere.healthy(at)
        learnt += learns
        alarms.update(found)
    names = ", ".join(f"{name} {times}" for name, times in alarms.items())
    print(f"{'any activation':<20} {learnt:>3} of {count:<3} {3 * count:>5}  {names or 'none'}")
    return sum(alarms.values())


def train_healthy(kind: str, count: int, first: int) -> int:
    """Train count/4 networks on one kind of data (MNIST a tenth, the others 30% each); returns how
    many findings there were."""
    share = count // 10 if kind == "mnist" else count * 3 // 10
    if kind == "mnist" and "BACKPROOF_MNIST" not in os.environ:
        print(
            "mnist                 skipped: BACKPROOF_MNIST does not name the folder of its files"
        )
        return 0
    learnt, looks, alarms = 0, 0, Counter[str]()
    for seed in range(first, first + share):
        found, seen, ended_well = healthy(kind, seed)
        learnt, looks = learnt + ended_well, looks + seen
        alarms.update(f"{symptom.name} {symptom.where} (seed {seed})" for symptom in found)
    print(
        f"{kind:<20} {learnt:>3} of {share:<3} {looks:>5}  {', '.join(alarms) or 'none'}",
        flush=True,
    )
    return sum(alarms.values())


if __name__ == "__main__":
    sys.exit(main())
