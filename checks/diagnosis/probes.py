"""Which questions the diagnosis asks, and why each: together they tell every pair of suspects apart
that can be told apart.

With three samples or more, three classes or more, all widths different and two hidden layers the
suspects' predictions differ by far more than rounding (the nearest pair by 1.6e-7 of the gradient).
The other questions show what that one cannot: state, by asking twice; rates, by two learning rates;
a transpose or an index that is off, by equal widths; a wrong clip, by tiny probabilities; which
step goes wrong first, by single samples, for which db[l] is dz[l] itself.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from backproof.checks.bugs.setting import Setting
from backproof.checks.candidates.candidate import Question
from backproof.checks.candidates.conventions import Conventions
from backproof.checks.diagnosis.role import Role
from backproof.checks.problem import Problem, classes, draw

DEFAULT_SIZES = (4, 8, 6, 3)
OTHER_SIZES = (5, 6, 9, 4)
SQUARE = 4
# Primes, so that a factor tells where it comes from, and no batch size divides all of them; the
# second is above those that people use for mini-batches, up to 128: a loop over whole ones drops
# some of it, and not all. Of the first, one that is no layer's width, so that a db which keeps its
# samples shows which way round it lies.
N_FIRST = (7, 11, 13, 5)
N_OTHER = 131
N_SQUARE = 7
# large, so that an update shows in what is computed after it; no power of one is a factor of scale
RATE = 0.7
OTHER_RATE = 1.9
SINGLES = 4  # samples asked one by one
UNITS_SHOWN = 100  # hidden units of all samples together, to tell one function from two
# exp of it is 3e-17, below every clip in use, and far above where exp underflows
SMALLEST_LOGIT = -38.0
SMALL_LOGIT = -9.0  # 1e-4: a clip that is above it and below the other reveals how large it is


@dataclass(frozen=True)
class Probe:
    """A question together with what it is for.

    Attributes:
        role: what it is for.
        question: for the candidate.
        setting: the same in the terms of the mathematics.
        sample: for "single" and "same z", which sample of the first problem it is.
    """

    role: Role
    question: Question
    setting: Setting
    sample: int = -1


def plan(
    conventions: Conventions,
    *,
    sizes: Sequence[int] | None = None,
    seed: int = 0,
    batch: int | None = None,
) -> list[Probe]:
    """The questions, in the order in which they are asked.

    Args:
        conventions: of the candidate; its built-in sizes and batch are kept.
        sizes: units of the input and of each layer for the first problem; the candidate's own go
            before.
        seed: everything random comes from here.
        batch: samples of the first problem.
    Returns: some fifteen probes; the first two are the same call twice.
    """
    chosen = tuple(conventions.sizes or sizes or _default_sizes(conventions))
    N = _samples(conventions, batch or _unlike(chosen))
    first = _problem(conventions, chosen, N, seed)
    probes = [
        *_in_batches(conventions, first, seed),
        *_rare(conventions, first),
        *_one_by_one(conventions, first),
        _same_z(conventions, first, seed),
    ]
    if conventions.has_forward:
        probes.append(_probe(conventions, Role.FORWARD, first, kind="forward"))
    if conventions.has_intermediates:
        probes.append(_probe(conventions, Role.INTERMEDIATES, first, kind="intermediates"))
    return probes


def _in_batches(conventions: Conventions, first: Problem, seed: int) -> Iterator[Probe]:
    """The first problem twice, then whatever can be varied: the rate, the sizes, the order of the
    samples, their labels."""
    yield _probe(conventions, Role.FIRST, first)
    yield _probe(conventions, Role.AGAIN, first)
    if conventions.protocol == "step" and conventions.learning_rate is None:
        yield _probe(conventions, Role.RATE, first, rate=OTHER_RATE)
    count = len(first.sizes)
    other = conventions.sizes or _other_sizes(count)
    second = _problem(conventions, other, _samples(conventions, N_OTHER), seed + 1)
    yield _probe(conventions, Role.OTHER, second)
    if not conventions.sizes:
        widths = (SQUARE,) * count
        square = _problem(conventions, widths, _samples(conventions, N_SQUARE), seed + 2)
        yield _probe(conventions, Role.SQUARE, square)
    turned = np.roll(np.arange(len(first.y))[::-1], 1)
    yield _probe(conventions, Role.ORDER, _rows(first, turned))
    if first.cost == "cross-entropy" and conventions.batch != 1:
        labels = (first.y + 1) % classes(first.sizes[-1])
        relabelled = _rows(first, slice(None), labels, "other labels")
        yield _probe(conventions, Role.LABELS, relabelled)


def _rare(conventions: Conventions, first: Problem) -> Iterator[Probe]:
    """One sample with tiny probabilities."""
    copies = conventions.batch or 1
    if not has_rare(conventions):
        return
    for role, smallest in (
        (Role.RARE_LABEL, SMALLEST_LOGIT),
        (Role.RARE_CLASS, SMALLEST_LOGIT),
        (Role.RARE_CLASS, SMALL_LOGIT),
    ):
        yield _probe(conventions, role, _extreme(first, role, copies, smallest))


def close_together(
    conventions: Conventions, first: Problem, distance: float, seed: int
) -> list[tuple[Probe, Probe]]:
    """Samples one by one, each beside another so close to it that the two show how steep each
    hidden unit is: those of a problem, and as many more as a small network needs to show enough."""
    units = sum(first.sizes[1:-1])
    extra = max(0, math.ceil(UNITS_SHOWN / units) - len(first.y))
    more = _problem(conventions, first.sizes, max(extra, 1), seed + 3)
    x = np.concatenate([first.x, more.x[:extra]])
    y = np.concatenate([first.y, more.y[:extra]])
    near = replace(first, x=x, y=y, name=f"{first.name} more")
    towards = np.random.default_rng([seed, len(y), 11]).normal(size=x.shape)
    far = replace(near, x=x + distance * towards, name=f"{first.name} beside")
    return [
        (
            _single(conventions, near, sample, y[sample]),
            _single(conventions, far, sample, y[sample]),
        )
        for sample in range(len(y))
    ]


def with_huge_logits(conventions: Conventions, sizes: Sequence[int] | None, seed: int) -> Probe:
    """A question whose logits are in the thousands, where exp overflows."""
    chosen = conventions.sizes or sizes or _default_sizes(conventions)
    N = _samples(conventions, N_FIRST[0])
    problem = draw(
        chosen,
        N,
        seed,
        regime="extreme-logits",
        head=conventions.head,
        hidden=conventions.activations,
        levels=conventions.targets,
    )
    return _probe(conventions, Role.FIRST, problem)


def has_rare(conventions: Conventions) -> bool:
    """Whether tiny probabilities can be asked for: there are none, or who divides by the 1 - p of a
    softmax has lost all digits of it."""
    head = conventions.head
    return head.tells_classes and not (head.is_softmax and head.cost == "binary-cross-entropy")


def _one_by_one(conventions: Conventions, first: Problem) -> Iterator[Probe]:
    """Some samples alone, and the first of them with other labels."""
    for sample in range(min(SINGLES, len(first.y))):
        yield _single(conventions, first, sample, first.y[sample])
    for label in _other_labels(first):
        yield _single(conventions, first, 0, label)


def _unlike(sizes: Sequence[int]) -> int:
    """A number of samples that is no layer's width, if there is one."""
    return next((N for N in N_FIRST if N not in sizes), N_FIRST[0])


def _default_sizes(conventions: Conventions) -> tuple[int, ...]:
    """With as many hidden layers as activations are declared for."""
    if isinstance(conventions.hidden, str):
        return DEFAULT_SIZES
    hidden = itertools.islice(itertools.cycle(DEFAULT_SIZES[1:-1]), len(conventions.hidden))
    return (DEFAULT_SIZES[0], *hidden, DEFAULT_SIZES[-1])


def _other_sizes(count: int) -> tuple[int, ...]:
    """As many sizes as that, neighbours of different width, the last of four classes."""
    return (*(OTHER_SIZES[i % 3] for i in range(count - 1)), OTHER_SIZES[-1])


def setting_of(conventions: Conventions, problem: Problem, rate: float | None) -> Setting:
    """What multiplies the gradients of a problem under the declared conventions."""
    copies = conventions.batch or len(problem.y)
    half = conventions.cost == "half-quadratic"
    mean = conventions.averages
    weight = (0.5 if half else 1.0) / (len(problem.y) if mean else 1)
    weight /= problem.sizes[-1] if conventions.reduction == "mean-over-all" else 1
    return Setting(
        problem,
        weight,
        rate,
        conventions.bias,
        max(len(problem.y) // copies, 1),
        mean,
        half,
        conventions.weight_decay,
    )


def _probe(
    conventions: Conventions,
    role: Role,
    problem: Problem,
    *,
    kind: str = "",
    rate: float = RATE,
    sample: int = -1,
) -> Probe:
    steps = conventions.protocol == "step"
    learning_rate = (conventions.learning_rate or rate) if steps and not kind else None
    question = Question(
        problem,
        kind or ("step" if steps else "gradients"),
        learning_rate,
        same_object=role is Role.AGAIN,
    )
    return Probe(role, question, setting_of(conventions, problem, learning_rate), sample)


def _samples(conventions: Conventions, wanted: int) -> int:
    """The batch that can be asked next to the wanted one."""
    batch = conventions.batch or 1
    return batch * max(1, round(wanted / batch))


def _problem(conventions: Conventions, sizes: Sequence[int], N: int, seed: int) -> Problem:
    """Fresh weights, every class among the labels as far as the samples go, biases 0 where there
    are none."""
    labels = "values" if conventions.labels == "values" else "any"
    problem = draw(
        sizes,
        N,
        seed,
        labels=labels,
        head=conventions.head,
        hidden=conventions.activations,
        levels=conventions.targets,
    )
    y = problem.y
    if labels == "any":
        y = np.random.default_rng([seed, N]).permutation(N) % classes(sizes[-1])
    if conventions.bias:
        b = problem.b
    else:
        b = {layer: np.zeros_like(b) for layer, b in problem.b.items()}
    return replace(problem, y=y, b=b)


def _rows(
    problem: Problem,
    rows: Sequence[int] | np.ndarray | slice,
    y: np.ndarray | None = None,
    name: str = "reordered",
) -> Problem:
    """Some samples of a problem."""
    return replace(
        problem,
        x=problem.x[rows],
        y=problem.y[rows] if y is None else y,
        name=f"{problem.name} {name}",
    )


def _other_labels(problem: Problem) -> list[Any]:
    """Up to two other answers for the first sample: classes, or the targets of other samples."""
    if problem.y.ndim == 2:
        return list(problem.y[1:3])
    K = classes(problem.sizes[-1])
    return [(problem.y[0] + shift) % K for shift in range(1, min(K, 3))]


def _single(conventions: Conventions, problem: Problem, sample: int, label: Any) -> Probe:
    """One sample with some label, or some targets, as often as a call needs samples."""
    copies = conventions.batch or 1
    y = np.stack([np.asarray(label)] * copies)
    called = f"label {label}" if problem.y.ndim == 1 else f"targets {np.round(label, 3).tolist()}"
    alone = _rows(problem, [sample] * copies, y, f"sample {sample} {called}")
    return _probe(conventions, Role.SINGLE, alone, sample=sample)


def _same_z(conventions: Conventions, problem: Problem, seed: int) -> Probe:
    """The first sample with other weights and biases that lead to the very same z in every layer.

    To W[l] is added what is orthogonal to a[l - 1], and what b[l] gains W[l] loses along a[l - 1].
    A wrong function of z cannot tell the difference; a wrong z does.
    """
    alone = _single(conventions, problem, 0, problem.y[0]).setting.problem
    random = np.random.default_rng([seed, len(problem.y), 7])
    activations = alone.forward().a
    W = {}
    b = {}
    for layer in alone.W:
        a = activations[layer - 1][0]
        noise = random.normal(size=alone.W[layer].shape) / np.sqrt(len(a))
        if conventions.bias:
            gain = random.normal(size=len(alone.b[layer]))
        else:
            gain = np.zeros(len(alone.b[layer]))
        if not a.any():  # then any W leads to the same z
            gain = np.zeros(len(gain))
        W[layer] = alone.W[layer] + noise - np.outer(noise @ a + gain, a) / (a @ a or 1.0)
        b[layer] = alone.b[layer] + gain
    return _probe(
        conventions, Role.SAME_Z, replace(alone, W=W, b=b, name=f"{alone.name} same z"), sample=0
    )


def _extreme(problem: Problem, role: Role, copies: int, smallest: float) -> Problem:
    """One sample whose logits reach from 0 down to the smallest, either at its own label or at the
    other classes."""
    alone = _rows(problem, [0] * copies, name=f"{role.value} {smallest:g}")
    L = problem.L
    K = problem.sizes[-1]
    a = alone.forward().a[L - 1][0]
    wanted = np.linspace(smallest if K == 1 else 0.0, smallest, K)
    y = alone.y
    if y.ndim == 1:
        label = classes(K) - 1 if role == Role.RARE_LABEL else 0
        y = np.full(copies, label, dtype=np.int64)
    W_L = problem.W[L]
    b_L = wanted - problem.W[L] @ a
    if not problem.b[L].any():  # no biases: the weights alone must do it
        W_L = problem.W[L] + np.outer(b_L, a) / (a @ a or 1.0)
        b_L = problem.b[L]
    return replace(alone, y=y, W=problem.W | {L: W_L}, b=problem.b | {L: b_L})
