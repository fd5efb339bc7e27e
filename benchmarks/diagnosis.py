"""How often the diagnosis is right, on candidates with bugs planted at random: counts for one bug, two, none, and an unknown one.

    python benchmarks/diagnosis.py [--cases N] [--seed N] [--only single|pair|correct|convention|unknown] [--verbose]

The candidates come from tests/planted.py, which shares no line with checks/suspects/. Sizes, seed, head, layout, protocol and every
other convention are drawn anew for each case; a bug that a network cannot show (the raw error with one hidden layer, for example)
is not planted there.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(HERE), str(HERE / "tests")]

from planted import Planted  # noqa: E402
from uncatalogued import UNKNOWN, Uncatalogued  # noqa: E402

from checks.candidates.conventions import Conventions  # noqa: E402
from checks.diagnosis.diagnose import Diagnosis, diagnose  # noqa: E402

HEADS = (
    ("softmax", "cross-entropy"),
    ("softmax", "quadratic"),
    ("softmax", "half-quadratic"),
    ("sigmoid", "quadratic"),
    ("sigmoid", "half-quadratic"),
    ("sigmoid", "binary-cross-entropy"),
)

Bug = tuple[str, dict[str, Any]]
KEPT = ("samples", "calls", "samples calls")


def forms(random: np.random.Generator, L: int) -> list[Bug]:
    """Every form of every bug of the catalogue once, with what is free drawn at random."""
    some = sorted(int(i) for i in random.choice(L, size=random.integers(1, L + 1), replace=False))
    hidden = [layer for layer in some if layer < L - 1] or [0]
    behind = [layer for layer in some if layer > 0] or [L - 1]
    factor = str(random.choice(["N", "1/N", "K", "1/K", "2", "1/2"]))
    eta = float(random.choice([0.01, 0.05, 0.1, 0.3, 0.001]))
    found: list[Bug] = [
        ("raw-error", {}),
        ("updated-weights", {"eta": eta * 10}),
        *(("softmax-diagonal", {"form": form}) for form in "pqy"),
        ("double-softmax", {}),
        ("bias-scalar", {}),
        ("bias-scalar", {"form": "number"}),
        ("bias-scalar", {"layers": some}),
        *(("sigmoid-twice", {"form": form}) for form in ("hidden", "output", "both")),
        ("wrong-layer", {"form": "activation"}),
        ("wrong-layer", {"form": "activation", "layers": some}),
        ("wrong-layer", {"form": "product"}),
        ("wrong-layer", {"form": "bias"}),
        ("wrong-layer", {"form": "row"}),
        ("sign", {"form": "everywhere"}),
        ("sign", {"form": "alternate"}),
        *(("no-hidden-derivative", {"form": form, "layers": hidden}) for form in ("one", "a", "rest")),
        ("cost-mismatch", {}),
        ("scale", {"factor": factor}),
        ("scale", {"factor": factor, "layers": some}),
        ("bias-not-summed", {"form": "rows"}),
        ("bias-not-summed", {"form": "mean"}),
        *(
            ("stale-accumulator", {"buffer": buffer, "when": when})
            for buffer in ("da", "dW")
            for when in ("samples", "calls", "samples calls")
        ),
        ("learning-rate-folded", {"form": "power", "eta": eta}),
        ("learning-rate-folded", {"form": "missing", "eta": eta, "layers": some[:1]}),
        ("learning-rate-folded", {"form": "double", "eta": eta, "layers": some[:1]}),
        ("in-place", {"form": "z"}),
        ("in-place", {"form": "derivative"}),
        ("softmax-axis", {"form": "samples"}),
        ("softmax-axis", {"form": "all"}),
        ("no-bias-gradient", {}),
        ("decay-sign", {"lambda": float(random.choice([-0.1, -0.01, 0.001]))}),
        ("transposed", {"layers": behind}),
        ("labels-shifted", {"by": int(random.choice([1, -1]))}),
        ("labels-shifted", {"by": int(random.choice([1, -1])), "form": "rows"}),
        ("sample-dropped", {}),
        ("sample-dropped", {"chunk": int(random.choice([2, 4, 5, 8]))}),
        ("low-precision", {"dtype": "float16", "layers": some}),
        ("low-precision", {"dtype": "float32", "layers": some}),
        ("probability-clipped", {"eps": float(random.choice([1e-3, 1e-7, 1e-8, 1e-12])), "form": "delta"}),
        ("probability-clipped", {"eps": float(random.choice([1e-3, 1e-7, 1e-8, 1e-12, 1e-15])), "form": "p"}),
    ]
    return found


def conventions(random: np.random.Generator, **fixed: Any) -> Conventions:
    """A random combination, all of it declared."""
    output, cost = HEADS[random.integers(len(HEADS))]
    drawn = {
        "layout": str(random.choice(["out,in", "in,out"])),
        "examples": str(random.choice(["rows", "columns"])),
        "labels": str(random.choice(["integers", "one-hot"])),
        "output": output,
        "cost": cost,
        "reduction": str(random.choice(["mean", "sum"])),
        "bias": bool(random.random() < 0.85),
        "protocol": str(random.choice(["gradients", "step"])),
        "batch": 1 if random.random() < 0.15 else None,
        "declared": frozenset({"LAYOUT", "EXAMPLES", "LABELS", "OUTPUT", "COST", "REDUCTION"}),
    }
    return Conventions(**(drawn | fixed))


def sizes_of(random: np.random.Generator) -> tuple[int, ...] | None:
    """Half of the time the default, otherwise up to four hidden layers of up to nine units."""
    if random.random() < 0.5:
        return None
    hidden = [int(n) for n in random.integers(2, 10, size=random.integers(0, 5))]
    return (int(random.integers(2, 9)), *hidden, int(random.integers(2, 7)))


def shows(bugs: dict[str, Any], asked: Conventions, sizes: tuple[int, ...] | None, seed: int) -> bool:
    """Whether a network of these sizes, or with equal widths, answers differently without each of the bugs."""
    if asked.output == "sigmoid" and {"softmax-diagonal", "softmax-axis"} & bugs.keys():
        return False  # there is no softmax to get wrong
    if bugs.keys() == {"updated-weights", "stale-accumulator"} and bugs["stale-accumulator"]["buffer"] == "da":
        return False  # for the one, tests/planted.py goes back several times, and fills the other's buffer each time
    if bugs.get("scale") == {"factor": {"quadratic": "1/2", "half-quadratic": "2"}.get(asked.cost, "")}:
        return False  # that is another convention, half or twice the cost, and named as one
    L = len(sizes or (0, 0, 0, 0)) - 1
    shapes = [sizes or (4, 8, 6, 3)] + ([] if asked.sizes else [(4,) * (L + 1)])
    every = [bugs, *({key: bug for key, bug in bugs.items() if key != left_out} for left_out in bugs)]
    answers = [_answers(some, asked, shapes, seed) for some in every]
    answers.append(_answers({}, asked, shapes, seed))
    return all(not _same(answers[0], other) for other in answers[1:])


def _answers(bugs: dict[str, Any], asked: Conventions, shapes: list[Any], seed: int) -> list[Any]:
    from checks.diagnosis import probes

    found = []
    for shape in shapes:
        plan = probes.plan(replace(asked, sizes=shape), seed=seed)
        found += Planted(asked, bugs).candidate().ask([probe.question for probe in plan])
    return found


def _same(first: list[Any], second: list[Any]) -> bool:
    for one, other in zip(first, second, strict=True):
        if (one.complaint is None) != (other.complaint is None):
            return False
        for mine, theirs in ((one.dW, other.dW), (one.db, other.db)):
            for layer in mine or {}:
                given, wanted = mine[layer], (theirs or {}).get(layer)
                if wanted is None or given.shape != wanted.shape or not np.allclose(given, wanted, rtol=1e-12, atol=1e-17):
                    return False
    return True


def singles(cases: int, seed: int) -> Iterator[tuple[str, str, Diagnosis]]:
    """Every form once, `cases` times over."""
    for round_ in range(cases):
        count = len(forms(np.random.default_rng(0), 3))
        for index in range(count):
            random = np.random.default_rng([seed, round_, index])
            asked, sizes = conventions(random), sizes_of(random)
            id, bug = forms(random, len(sizes or (0, 0, 0, 0)) - 1)[index]
            if shows({id: bug}, asked, sizes, seed + round_):
                made = Planted(asked, {id: bug})
                yield id, f"{bug} {asked} {sizes}", diagnose(made.candidate(), sizes=sizes, seed=int(random.integers(10**6)))


def pairs(cases: int, seed: int) -> Iterator[tuple[str, str, Diagnosis]]:
    """Two different bugs at once."""
    done = 0
    for index in range(100 * cases):
        random = np.random.default_rng([seed, 1, index])
        asked, sizes = conventions(random), sizes_of(random)
        all_forms = forms(random, len(sizes or (0, 0, 0, 0)) - 1)
        one, other = (all_forms[i] for i in random.choice(len(all_forms), size=2, replace=False))
        if one[0] == other[0] or not shows(dict([one, other]), asked, sizes, seed):
            continue
        made = Planted(asked, dict([one, other]))
        yield f"{one[0]}+{other[0]}", f"{one} {other} {asked} {sizes}", diagnose(made.candidate(), sizes=sizes, seed=index)
        done += 1
        if done == cases:
            return


def correct(cases: int, seed: int) -> Iterator[tuple[str, str, Diagnosis]]:
    """No bug, any convention."""
    for index in range(cases):
        random = np.random.default_rng([seed, 2, index])
        asked, sizes = conventions(random), sizes_of(random)
        bugs = {"in-place-step": {}} if random.random() < 0.5 else {}
        yield "correct", f"{asked} {sizes}", diagnose(Planted(asked, bugs).candidate(), sizes=sizes, seed=index)


def undeclared(cases: int, seed: int) -> Iterator[tuple[str, str, Diagnosis]]:
    """Right, but the file says nothing of one or two conventions."""
    for index in range(cases):
        random = np.random.default_rng([seed, 3, index])
        sizes = sizes_of(random)
        true = conventions(random, bias=True)
        claimed, names = true, []
        for name in random.permutation(["layout", "labels", "reduction", "cost", "examples", "rate"])[: random.integers(1, 3)]:
            default = {"layout": "out,in", "labels": "integers", "reduction": "mean", "examples": "rows", "cost": ""}.get(str(name))
            if name == "rate" and true.protocol == "step" and "COST" not in names:
                names.append("LEARNING_RATE")
            elif name == "cost" and "LEARNING_RATE" in names:
                continue  # half the cost at one rate is the cost at half the rate
            elif name == "cost" and "quadratic" in true.cost:
                claimed = replace(claimed, cost="half-quadratic" if true.cost == "quadratic" else "quadratic")
                names.append("COST")
            elif name == "reduction" and true.batch == 1:
                continue  # the sum over one example is its mean
            elif default and getattr(true, name) != default:
                claimed = replace(claimed, **{str(name): default}, declared=claimed.declared - {str(name).upper()})
                names.append(str(name).upper())
        if not names:
            continue
        made = Planted(true, {"hard-coded": {"eta": 0.05}} if "LEARNING_RATE" in names else {})
        candidate = replace(made.candidate(), conventions=claimed)
        yield "+".join(sorted(names)), f"{true} claimed {claimed} {sizes}", diagnose(candidate, sizes=sizes, seed=index)


def unknown(cases: int, seed: int) -> Iterator[tuple[str, str, Diagnosis]]:
    """Bugs that are in no catalogue; the label is the step that they break."""
    for round_ in range(cases):
        for index, (name, step) in enumerate(UNKNOWN):
            random = np.random.default_rng([seed, 4, round_, index])
            needs_bias = {"bias": True} if "bias" in name or step.startswith("db") else {}
            asked = conventions(random, batch=None, **needs_bias)
            made = Uncatalogued(asked, unknown=name, seed=int(random.integers(1000)))
            yield step, f"{name} {asked}", diagnose(made.candidate(), seed=int(random.integers(10**6)))


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", choices=("single", "pair", "correct", "convention", "unknown"))
    parser.add_argument("--verbose", action="store_true")
    args = parser.parse_args(argv)
    tables = {
        "single": single_table,
        "pair": pair_table,
        "correct": correct_table,
        "convention": convention_table,
        "unknown": unknown_table,
    }
    for name, table in tables.items():
        if args.only in (None, name):
            start = time.perf_counter()
            table(args.cases, args.seed, args.verbose)
            print(f"    {time.perf_counter() - start:.0f} s", flush=True)
    return 0


def _tell(verbose: bool, label: str, what: str, found: Diagnosis) -> None:
    if verbose:
        names = [(bug.id, bug.where) for bug in found.bugs]
        print(f"  MISS {label}: {names} {found.conventions} {found.outcome} {found.first_wrong} | {what} | {found.complaints[:1]}")


def single_table(cases: int, seed: int, verbose: bool) -> None:
    count: Counter[str] = Counter()
    missed: Counter[str] = Counter()
    for id, what, found in singles(cases, seed):
        names = [bug.id for bug in found.bugs]
        count.update(all=1, caught=found.outcome == "fail", first=names[:1] == [id], named=id in names)
        if names[:1] != [id]:
            missed[f"{id} as {names[:2]}"] += 1
        if found.outcome == "pass" or id not in names:
            _tell(verbose, id, what, found)
    print(f"one bug: {_share(count, 'caught', 'first', 'named')}")
    for line, times in missed.most_common():
        print(f"    {times} {line}")


def pair_table(cases: int, seed: int, verbose: bool) -> None:
    count: Counter[str] = Counter()
    for ids, what, found in pairs(cases * 20, seed):
        names = {bug.id for bug in found.bugs}
        both = set(ids.split("+")) <= names
        count.update(all=1, caught=found.outcome == "fail", both=both, none=not names, one=len(set(ids.split("+")) & names) == 1)
        if not both:
            _tell(verbose, ids, what, found)
    print(f"two bugs: {_share(count, 'caught', 'both', 'one', 'none')}")


def correct_table(cases: int, seed: int, verbose: bool) -> None:
    count: Counter[str] = Counter()
    for label, what, found in correct(cases * 50, seed):
        good = found.outcome == "pass" and not found.bugs and not found.conventions
        count.update(all=1, passed=good)
        if not good:
            _tell(verbose, label, what, found)
    print(f"correct: {_share(count, 'passed')}")


def convention_table(cases: int, seed: int, verbose: bool) -> None:
    count: Counter[str] = Counter()
    for label, what, found in undeclared(cases * 20, seed):
        named = {line.split(" ")[0] for line in found.conventions}
        good = found.outcome == "pass" and not found.bugs and named == set(label.split("+"))
        count.update(all=1, named=good)
        if not good:
            _tell(verbose, label, what, found)
    print(f"undeclared conventions: {_share(count, 'named')}")


def unknown_table(cases: int, seed: int, verbose: bool) -> None:
    count: Counter[str] = Counter()
    for step, what, found in unknown(cases, seed):
        right = (found.first_wrong or "").split(" ")[-1] == step
        count.update(all=1, caught=found.outcome == "fail", first_wrong=right, a_wrong_name=bool(found.bugs))
        if not right or found.bugs:
            _tell(verbose, step, what, found)
    print(f"unknown bugs: {_share(count, 'caught', 'first_wrong', 'a_wrong_name')}")


def _share(count: Counter[str], *names: str) -> str:
    return f"{count['all']} cases; " + ", ".join(
        f"{name} {count[name]} ({count[name] / max(count['all'], 1):.1%})" for name in names
    )


if __name__ == "__main__":
    raise SystemExit(main())
