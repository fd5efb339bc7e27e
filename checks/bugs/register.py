"""Each known bug, as the step of the backward pass that it gets wrong: what it predicts follows
from hooked_pass.py.

A suspect is a function from the shape of a setting to its variants: where it may sit, and which
step it replaces by what. Adding one is adding one function under `@suspect`, here or in anybody's
own program: the entry holds its words, its rank, where it can occur and how it is tried. Those that
merely multiply a gradient, or add a multiple of W to it, have words alone (factors.py) and are read
off the numbers in checks/diagnosis/factors.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import combinations

from backproof.checks.bugs.hooked_pass import Hooks
from backproof.checks.bugs.setting import Setting, Shape
from backproof.checks.findings import Fix, Place

LAST = 1000  # the rank of a bug whose author gives none: behind all that have been counted


@dataclass(frozen=True)
class Variant:
    """One way in which a bug may have been written, at one place.

    Attributes:
        place: where it is.
        hooks: the steps that it replaces.
        note: which of the bug's forms, in the notation of EQUATIONS.md; ends the statement.
        id: of the bug; the register fills it in.
        rate_from: the layer whose dW tells at which rate W was changed, for the suspect that has an
            unknown rate.
        alone: a rare form, tried as the only bug and with a factor, but not in pairs.
        in_sequence: it shows only in a sequence of calls, and is held against the first calls of a
            process alone.
        moved: it puts entries where others belong, so that each may carry the rounding of any.
        short: the number format in which db may have been summed, too.
        fix: the line that repairs this form, where that is not the one that repairs every form.
        guard: what it adds to a probability, or to what that is divided by, so that nothing is
            divided by 0; else 0.
    """

    place: Place
    hooks: Hooks
    note: str
    id: str = ""
    rate_from: int | None = None
    in_sequence: bool = False
    alone: bool = False
    moved: bool = False
    short: str = ""
    fix: Fix | None = None
    guard: float = 0.0

    def beside(self, other: Variant) -> Variant:
        """The two together, this one's hooks first."""
        return replace(
            self,
            hooks=self.hooks + other.hooks,
            rate_from=self.rate_from or other.rate_from,
            in_sequence=self.in_sequence or other.in_sequence,
            moved=self.moved or other.moved,
            short=self.short or other.short,
            guard=0.0,
        )


Variants = Callable[[Shape], Iterator[Variant]]


def always(shape: Shape) -> bool:
    """Everywhere: any network can have it."""
    return True


def with_biases(shape: Shape) -> bool:
    """Only where the network has biases."""
    return shape.bias


def behind_softmax(shape: Shape) -> bool:
    """Only where the output is a softmax."""
    return shape.softmaxed


def of_classes(shape: Shape) -> bool:
    """Only where the outputs are read as probabilities."""
    return shape.tells_classes


def with_several_layers(shape: Shape) -> bool:
    """Only where a delta goes back through a layer."""
    return shape.L > 1


@dataclass(frozen=True)
class Suspect:
    """A bug of the catalogue: its words, and how it is tried.

    Attributes:
        id: its name in the catalogue.
        statement: one sentence on what the code does.
        fix: the line that repairs it. It may name those of checks/candidates/right_lines.py in
            braces, so that it comes out as the candidate would write it.
        see: the equation that it gets wrong first.
        rank: of bugs that explain the numbers equally well, the lowest is named first; they are in
            the order in which bugs were counted in public code.
        occurs: whether a network of some shape can have it.
        in_sequence: whether all of its forms show only in a sequence of calls.
        alone: whether it is never tried together with another.
        edits_arrays: whether it is code that edits an array, which a line of the source may show.
        rounds: whether it only takes digits away, so that it hides in float32.
        may_be_meant: whether another declaration of the file would make it right.
        borrows: whether it takes a delta from another layer, whatever else has been done to that.
        variants: where it may sit, and what it replaces; None for what is read off factors.
    """

    id: str
    statement: str
    fix: Fix
    see: str
    rank: int = LAST
    occurs: Callable[[Shape], bool] = always
    in_sequence: bool = False
    alone: bool = False
    edits_arrays: bool = False
    rounds: bool = False
    may_be_meant: bool = False
    borrows: bool = False
    variants: Variants | None = None

    def __call__(self, variants: Variants) -> Variants:
        """Enter a function in the register, under this id and with these words."""
        enter(replace(self, variants=variants))
        return variants

    def in_shape(self, shape: Shape) -> Iterator[Variant]:
        """Its variants in a network of some shape, under its name."""
        if self.variants is None or not self.occurs(shape):
            return
        for variant in self.variants(shape):
            yield replace(
                variant,
                id=self.id,
                in_sequence=variant.in_sequence or self.in_sequence,
                alone=variant.alone or self.alone,
            )


SUSPECTS: dict[str, Suspect] = {}


def enter(entry: Suspect) -> None:
    """Put a bug into the register.

    Raises: ValueError if another has its name already.
    """
    if entry.id in SUSPECTS:
        raise ValueError(f'expected a new name for a bug, got "{entry.id}", which exists')
    SUSPECTS[entry.id] = entry
    all_in_shape.cache_clear()


suspect = Suspect  # what the decorator is called: @suspect("raw-error", ...)


def all_variants(setting: Setting) -> list[Variant]:
    """Every variant of every suspect that can exist in a setting."""
    return list(all_in_shape(setting.shape))


@lru_cache(maxsize=64)
def all_in_shape(shape: Shape) -> tuple[Variant, ...]:
    """Every variant of every suspect in a network of some shape."""
    found: list[Variant] = []
    for entry in SUSPECTS.values():
        found += entry.in_shape(shape)
    return tuple(found)


def places(layers: Iterable[int]) -> Iterator[tuple[int, ...]]:
    """All layers together, each alone, and for up to five of them every set in between."""
    every = tuple(layers)
    if every:
        yield every
    for size in range(1, len(every)) if len(every) <= 5 else (1, len(every) - 1):
        yield from combinations(every, size)
