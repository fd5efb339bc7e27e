"""Cases out of tests/planted.py and tests/uncatalogued.py: one program in which every bug is a
switch, in random conventions.

A bug that a network cannot show (the raw error with one hidden layer, for example) is not planted
there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from typing import Any

import numpy as np
from planted import Planted
from planting.case import Case
from uncatalogued import UNKNOWN, Uncatalogued

from backproof.checks.by_hand import SOFTMAX
from backproof.checks.candidates.conventions import Conventions
from backproof.checks.diagnosis import probes
from backproof.checks.diagnosis.diagnose import diagnose

HEADS = (
    ("softmax", "cross-entropy"),
    ("softmax", "quadratic"),
    ("softmax", "half-quadratic"),
    ("sigmoid", "quadratic"),
    ("sigmoid", "half-quadratic"),
    ("sigmoid", "binary-cross-entropy"),
)

Bug = tuple[str, dict[str, Any]]


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
        *(
            ("no-hidden-derivative", {"form": form, "layers": hidden})
            for form in ("one", "a", "rest")
        ),
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
        ("decay-sign", {"lambda": float(random.choice([-0.1, -0.01, -0.001]))}),
        ("transposed", {"layers": behind}),
        ("labels-shifted", {"by": int(random.choice([1, -1]))}),
        ("labels-shifted", {"by": int(random.choice([1, -1])), "form": "rows"}),
        ("sample-dropped", {}),
        ("sample-dropped", {"chunk": int(random.choice([2, 4, 5, 8]))}),
        ("low-precision", {"dtype": "float16", "layers": some}),
        ("low-precision", {"dtype": "float32", "layers": some}),
        (
            "probability-clipped",
            {"eps": float(random.choice([1e-3, 1e-7, 1e-8, 1e-12])), "form": "delta"},
        ),
        (
            "probability-clipped",
            {"eps": float(random.choice([1e-3, 1e-7, 1e-8, 1e-12, 1e-15])), "form": "p"},
        ),
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


def shows(
    bugs: dict[str, Any], asked: Conventions, sizes: tuple[int, ...] | None, seed: int
) -> bool:
    """Whether a network of these sizes, or with equal widths, answers differently without each of
    the bugs."""
    if asked.output == "sigmoid" and {"softmax-diagonal", "softmax-axis"} & bugs.keys():
        return False  # there is no softmax to get wrong
    if (
        bugs.keys() == {"updated-weights", "stale-accumulator"}
        and bugs["stale-accumulator"]["buffer"] == "da"
    ):
        # for the one, tests/planted.py goes back several times, and fills the other's buffer each
        # time
        return False
    L = len(sizes or (0, 0, 0, 0)) - 1
    half = {"quadratic": "1/2", "half-quadratic": "2"}.get(asked.cost)
    if (
        L == 1
        and asked.protocol == "step"
        and bugs.get("learning-rate-folded", {}).get("form") == "missing"
    ):
        # a step that multiplies everything by 1 has a learning rate of its own, and is told to
        # declare it
        return False
    scale = bugs.get("scale", {"factor": None})
    if half and scale["factor"] == half and len(scale.get("layers", range(L))) == L:
        return False  # that is another convention, half or twice the cost, and named as one
    shapes = [sizes or (4, 8, 6, 3)] + ([] if asked.sizes else [(4,) * (L + 1)])
    every = [
        bugs,
        *({key: bug for key, bug in bugs.items() if key != left_out} for left_out in bugs),
    ]
    answers = [_answers(some, asked, shapes, seed) for some in every]
    answers.append(_answers({}, asked, shapes, seed))
    silent = not any(array.any() for answer in answers[0] for array in (answer.dW or {}).values())
    return not silent and all(not _same(answers[0], other) for other in answers[1:])


def _answers(bugs: dict[str, Any], asked: Conventions, shapes: list[Any], seed: int) -> list[Any]:
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
                if (
                    wanted is None
                    or given.shape != wanted.shape
                    or not np.allclose(given, wanted, rtol=1e-12, atol=1e-17)
                ):
                    return False
    return True


Sizes = tuple[int, ...] | None


def _case(
    kind: str,
    names: tuple[str, ...],
    made: Planted,
    words: str,
    sizes: Sizes,
    seed: int,
    also: frozenset[str],
) -> Case:
    return Case(
        kind, names, also, words, lambda: diagnose(made.candidate(), sizes=sizes, seed=seed)
    )


def _twins(asked: Conventions, *bugs: Bug) -> frozenset[str]:
    """What else a bug is: the delta e p(1 - p) of a softmax under cross-entropy is that of another
    cost, and half a Jacobian."""
    diagonal = asked.head == SOFTMAX
    pair = {"cost-mismatch", "softmax-diagonal"} if diagonal else set()
    return (
        frozenset(pair - {id for id, _ in bugs}) if {id for id, _ in bugs} & pair else frozenset()
    )


def singles(seed: int) -> Iterator[Case]:
    """Every form in turn."""
    every = len(forms(np.random.default_rng(0), 3))
    for round_ in count():
        for index in range(every):
            random = np.random.default_rng([seed, round_, index])
            asked, sizes = conventions(random), sizes_of(random)
            id, bug = forms(random, len(sizes or (0, 0, 0, 0)) - 1)[index]
            if shows({id: bug}, asked, sizes, seed + round_):
                words, made = f"{id} {bug} {asked} {sizes}", Planted(asked, {id: bug})
                yield _case(
                    "single",
                    (id,),
                    made,
                    words,
                    sizes,
                    int(random.integers(10**6)),
                    _twins(asked, (id, bug)),
                )


def pairs(seed: int) -> Iterator[Case]:
    """Two different bugs at once."""
    for index in count():
        random = np.random.default_rng([seed, 1, index])
        asked, sizes = conventions(random), sizes_of(random)
        all_forms = forms(random, len(sizes or (0, 0, 0, 0)) - 1)
        one, other = (all_forms[i] for i in random.choice(len(all_forms), size=2, replace=False))
        if one[0] != other[0] and shows(dict([one, other]), asked, sizes, seed):
            words, made = f"{one} {other} {asked} {sizes}", Planted(asked, dict([one, other]))
            yield _case("pair", (one[0], other[0]), made, words, sizes, index, frozenset())


def correct(seed: int) -> Iterator[Case]:
    """No bug, any convention."""
    for index in count():
        random = np.random.default_rng([seed, 2, index])
        asked, sizes = conventions(random), sizes_of(random)
        bugs: dict[str, Any] = {"in-place-step": {}} if random.random() < 0.5 else {}
        yield _case(
            "correct", (), Planted(asked, bugs), f"{asked} {sizes}", sizes, index, frozenset()
        )


def undeclared(seed: int) -> Iterator[Case]:
    """Right, but the file says nothing of one or two conventions."""
    for index in count():
        random = np.random.default_rng([seed, 3, index])
        sizes, true = sizes_of(random), conventions(random, bias=True)
        claimed, names = _claims(random, true)
        if names:
            made = Planted(true, {"hard-coded": {"eta": 0.05}} if "LEARNING_RATE" in names else {})
            candidate = replace(made.candidate(), conventions=claimed)
            words, asked = f"{true} claimed {claimed} {sizes}", {"sizes": sizes, "seed": index}
            run = lambda candidate=candidate, asked=asked: diagnose(candidate, **asked)  # noqa: E731
            yield Case("convention", tuple(names), frozenset(), words, run)


def _claims(random: np.random.Generator, true: Conventions) -> tuple[Conventions, list[str]]:
    """What the file says in place of what is true, and the constants that differ."""
    claimed, names = true, list[str]()
    defaults = {"layout": "out,in", "labels": "integers", "reduction": "mean", "examples": "rows"}
    for name in random.permutation([*defaults, "cost", "rate"])[: random.integers(1, 3)]:
        if name == "rate" and true.protocol == "step" and "COST" not in names:
            names.append("LEARNING_RATE")
        elif name == "cost" and "LEARNING_RATE" in names:
            continue  # half the cost at one rate is the cost at half the rate
        elif name == "cost" and true.cost == "half-quadratic":
            # what it is called with its half, too
            claimed, names = (
                replace(claimed, cost="quadratic"),
                [*names, "COST"],
            )
        elif name == "reduction" and true.batch == 1:
            continue  # the sum over one example is its mean
        elif name in defaults and getattr(true, name) != defaults[name]:
            claimed = replace(
                claimed,
                **{str(name): defaults[name]},
                declared=claimed.declared - {str(name).upper()},
            )
            names.append(str(name).upper())
    return claimed, names


def unknown(seed: int) -> Iterator[Case]:
    """Bugs that are in no catalogue."""
    for round_ in count():
        for index, (name, step) in enumerate(UNKNOWN):
            random = np.random.default_rng([seed, 4, round_, index])
            needs_bias = {"bias": True} if "bias" in name or step.startswith("db") else {}
            asked = conventions(random, batch=None, **needs_bias)
            if name == "tanh in both layers":  # undeclared, that is another bug, with a name
                asked = replace(asked, declared=asked.declared | {"HIDDEN"})
            made = Uncatalogued(asked, unknown=name, seed=int(random.integers(1000)))
            yield _case(
                "unknown",
                (step,),
                made,
                f"{name} {asked}",
                None,
                int(random.integers(10**6)),
                frozenset(),
            )


STREAMS = {
    "single": singles,
    "pair": pairs,
    "correct": correct,
    "convention": undeclared,
    "unknown": unknown,
}
