"""Cases by the hundred, each from a seed: a file, how it is asked, and what must be found."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any

import numpy as np

from backproof.checks.diagnosis.diagnose import diagnose
from planting import spec as specs
from planting.asked import Written, answers, same
from planting.case import Case
from planting.catalogue import CATALOGUE, Form, Place
from planting.spec import Spec
from planting.strange import strange


@dataclass(frozen=True)
class File:
    """A right file at random, and how it will be asked."""

    random: np.random.Generator
    spec: Spec
    sizes: tuple[int, ...] | None
    batch: int | None
    seed: int

    @property
    def L(self) -> int:
        return len(self.spec.sizes or self.sizes or (0,) * 4) - 1

    @property
    def place(self) -> Place:
        return Place(self.spec, self.L, self.random)

    def any_of(self, forms: Callable[[Place], Iterator[Form]]) -> Form | None:
        """One of the forms that fit."""
        fit = list(forms(self.place))
        return fit[int(self.random.integers(len(fit)))] if fit else None

    def written(self, *forms: Form) -> Written:
        return Written(self.spec, tuple(edit for form in forms for edit in form.edits))

    def shows(self, *forms: Form) -> bool:
        """Whether leaving any of the bugs out makes a difference, and some question gets an answer
        that is not all zeros."""
        slack = 1e-3 if self.spec.single else 1e-11
        found = answers(self.written(*forms), self.L, self.seed)
        if not any(array.any() for answer in found for array in (answer.dW or {}).values()):
            return False
        fewer = [[form for form in forms if form is not left_out] for left_out in forms]
        return all(
            not same(found, answers(self.written(*some), self.L, self.seed), slack)
            for some in [*fewer, []]
        )

    def case(
        self,
        kind: str,
        names: tuple[str, ...],
        *forms: Form,
        declares: dict[str, Any] | None = None,
    ) -> Case:
        written, asked = (
            self.written(*forms),
            {"sizes": self.sizes, "batch": self.batch, "seed": self.seed},
        )
        edits = [(edit.slot, edit.text, edit.layers) for edit in written.edits]
        words = (
            f"{'; '.join(f'{form.id}: {form.name}' for form in forms)} {asked} {edits} "
            f"{declares or ''} {self.spec}"
        )
        also = frozenset(name for form in forms for name in form.also)
        return Case(
            kind,
            names,
            also,
            words,
            lambda: diagnose(written.candidate(**(declares or {})), **asked),
            lines=written.spoiled if forms else frozenset(),
        )


def drawn(*seed: int, **fixed: object) -> File:
    """From a seed."""
    random = np.random.default_rng(list(seed))
    spec = specs.draw(random, **fixed)
    sizes = None if spec.sizes or random.random() < 0.6 else specs.sizes(random)
    batch = None if random.random() < 0.6 else int(random.integers(1, 21))
    return File(random, spec, sizes, batch, int(random.integers(10**6)))


def singles(seed: int) -> Iterator[Case]:
    """Each bug in turn, in a form and a file at random that show it."""
    for round_ in count():
        for index, forms in enumerate(CATALOGUE):
            for attempt in range(40):
                file = drawn(seed, 0, round_, index, attempt)
                if (form := file.any_of(forms)) and file.shows(form):
                    yield file.case("single", (form.id,), form)
                    break


def pairs(seed: int) -> Iterator[Case]:
    """Two different bugs that edit different lines."""
    for attempt in count():
        file = drawn(seed, 1, attempt)
        one, other = (
            CATALOGUE[int(i)] for i in file.random.choice(len(CATALOGUE), size=2, replace=False)
        )
        first, second = file.any_of(one), file.any_of(other)
        if first and second:
            slots = [
                {edit.slot for edit in form.edits} - {"finish", "globals"}
                for form in (first, second)
            ]
            if not slots[0] & slots[1] and file.shows(first, second):
                yield file.case("pair", (first.id, second.id), first, second)


def correct(seed: int) -> Iterator[Case]:
    """No bug."""
    for index in count():
        yield drawn(seed, 2, index).case("correct", ())


def conventions(seed: int) -> Iterator[Case]:
    """Right, but silent on up to three of its conventions, the 2 of its cost among them."""
    for index in count():
        file = drawn(seed, 3, index, spells=False)
        silent = _unsaid(file)
        if silent:
            yield file.case("convention", tuple(sorted(silent)), declares=silent)


def _unsaid(file: File) -> dict[str, Any]:
    """What the file will declare in place of what is true: nothing, or of the quadratic cost the
    name without its half."""
    spec = file.spec
    found = [
        name for name in ("LAYOUT", "EXAMPLES", "LABELS", "REDUCTION") if name in spec.constants
    ]
    found += ["COST"] if "quadratic" in spec.cost else []
    found += ["LEARNING_RATE"] if spec.rate else []
    if spec.batch == 1 or (spec.batch and "COST" in found):
        # the sum over one example is its mean; over two, twice that
        found = [name for name in found if name != "REDUCTION"]
    if not found:
        return {}
    size = int(file.random.integers(1, min(len(found), 3) + 1))
    silent: dict[str, Any] = {str(name): None for name in file.random.permutation(found)[:size]}
    if {"COST", "LEARNING_RATE"} <= silent.keys():
        silent.pop("COST")  # half the cost at one rate is the cost at half the rate
    if silent.keys() == {"COST"} and spec.cost == "half-quadratic":
        silent["COST"] = "quadratic"  # what both are called
    return silent


def unknown(seed: int) -> Iterator[Case]:
    """Every bug that is in no catalogue in turn, in a file at random."""
    names = [name for name, _, _ in strange(Place(Spec(), 3, np.random.default_rng(0)))]
    for round_ in count():
        for index, wanted in enumerate(names):
            for attempt in range(40):
                file = drawn(seed, 4, round_, index, attempt, single=False)
                fit = [
                    (step, Form(name, "", edits))
                    for name, step, edits in strange(file.place)
                    if name == wanted
                ]
                if fit and file.shows(fit[0][1]):
                    yield file.case("unknown", (fit[0][0],), fit[0][1])
                    break


STREAMS = {
    "single": singles,
    "pair": pairs,
    "correct": correct,
    "convention": conventions,
    "unknown": unknown,
}
