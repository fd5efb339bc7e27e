"""Which questions the diagnosis asks, and why each: together they tell every pair of suspects apart
that can be told apart.

With three samples or more, three classes or more, all widths different and two hidden layers the
suspects' predictions differ by far more than rounding (the nearest pair by 1.6e-7 of the gradient).
The other questions show what that one cannot: state, by asking twice; rates, by two learning rates;
a transpose or an index that is off, by equal widths; a wrong clip, by tiny probabilities; which
step goes wrong first, by single samples, for which db[l] is dz[l] itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from backproof.checks.bugs.wrong_pass import Setting
from backproof.checks.candidates.candidate import Question
from backproof.checks.candidates.conventions import Conventions
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
# exp of it is 3e-17, below every clip in use, and far above where exp underflows
SMALLEST_LOGIT = -38.0
SMALL_LOGIT = -9.0  # 1e-4: a clip that is above it and below the other reveals how large it is


@dataclass(frozen=True)
class Probe:
    """A question together with what it is for.

    Attributes:
        role: "first", "again", "rate", "other", "square", "order", "labels", "rare label", "rare
            class", "single", "same z", "forward" or "intermediates".
        question: for the candidate.
        setting: the same in the terms of the mathematics.
        sample: for "single" and "same z", which sample of the first problem it is.
    """

    role: str
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
    fixed = conventions.sizes
    chosen = tuple(fixed or sizes or DEFAULT_SIZES)
    other = chosen if fixed else _other_sizes(len(chosen))
    first = _problem(conventions, chosen, _samples(conventions, batch or _unlike(chosen)), seed)
    second = _problem(conventions, other, _samples(conventions, N_OTHER), seed + 1)
    probes = [_probe(conventions, "first", first), _probe(conventions, "again", first)]
    if conventions.protocol == "step" and conventions.learning_rate is None:
        probes.append(_probe(conventions, "rate", first, rate=OTHER_RATE))
    probes.append(_probe(conventions, "other", second))
    if not fixed:
        square = _problem(
            conventions, (SQUARE,) * len(chosen), _samples(conventions, N_SQUARE), seed + 2
        )
        probes.append(_probe(conventions, "square", square))
    probes.append(
        _probe(conventions, "order", _rows(first, np.roll(np.arange(len(first.y))[::-1], 1)))
    )
    if first.cost == "cross-entropy" and conventions.batch != 1:
        probes.append(
            _probe(
                conventions,
                "labels",
                _rows(first, slice(None), (first.y + 1) % classes(chosen[-1]), "other labels"),
            )
        )
    copies = conventions.batch or 1
    for what in ("label", "class"):
        probes.append(
            _probe(conventions, f"rare {what}", _extreme(first, what, copies, SMALLEST_LOGIT))
        )
    probes.append(_probe(conventions, "rare class", _extreme(first, "class", copies, SMALL_LOGIT)))
    for sample in range(min(SINGLES, len(first.y))):
        probes.append(_single(conventions, first, sample, int(first.y[sample]), copies))
    for shift in range(1, min(classes(chosen[-1]), 3)):
        probes.append(
            _single(conventions, first, 0, (int(first.y[0]) + shift) % classes(chosen[-1]), copies)
        )
    probes.append(_same_z(conventions, first, copies, seed))
    for kind, exists in (
        ("forward", conventions.has_forward),
        ("intermediates", conventions.has_intermediates),
    ):
        if exists:
            probes.append(_probe(conventions, kind, first, kind=kind))
    return probes


def _unlike(sizes: Sequence[int]) -> int:
    """A number of samples that is no layer's width, if there is one."""
    return next((N for N in N_FIRST if N not in sizes), N_FIRST[0])


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
        problem, weight, rate, conventions.bias, max(len(problem.y) // copies, 1), mean, half
    )


def _probe(
    conventions: Conventions,
    role: str,
    problem: Problem,
    *,
    kind: str = "",
    rate: float = RATE,
    sample: int = -1,
) -> Probe:
    steps = conventions.protocol == "step"
    learning_rate = (conventions.learning_rate or rate) if steps and not kind else None
    question = Question(problem, kind or ("step" if steps else "gradients"), learning_rate)
    return Probe(role, question, setting_of(conventions, problem, learning_rate), sample)


def _samples(conventions: Conventions, wanted: int) -> int:
    """The batch that can be asked next to the wanted one."""
    batch = conventions.batch or 1
    return batch * max(1, round(wanted / batch))


def _problem(conventions: Conventions, sizes: Sequence[int], N: int, seed: int) -> Problem:
    """Fresh weights, every class among the labels as far as the samples go, biases 0 where there
    are none."""
    output, cost = conventions.head
    problem = draw(sizes, N, seed, output=output, cost=cost)
    y = np.random.default_rng([seed, N]).permutation(N) % classes(sizes[-1])
    if conventions.bias:
        b = problem.b
    else:
        b = {layer: np.zeros_like(b) for layer, b in problem.b.items()}
    return replace(problem, y=y.astype(np.int64), b=b)


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


def _single(
    conventions: Conventions, problem: Problem, sample: int, label: int, copies: int
) -> Probe:
    """One sample with some label, as often as a call needs samples."""
    y = np.full(copies, label, dtype=np.int64)
    alone = _rows(problem, [sample] * copies, y, f"sample {sample} label {label}")
    return _probe(conventions, "single", alone, sample=sample)


def _same_z(conventions: Conventions, problem: Problem, copies: int, seed: int) -> Probe:
    """The first sample with other weights and biases that lead to the very same z in every layer.

    To W[l] is added what is orthogonal to a[l - 1], and what b[l] gains W[l] loses along a[l - 1].
    A wrong function of z cannot tell the difference; a wrong z does.
    """
    alone = _single(conventions, problem, 0, int(problem.y[0]), copies).setting.problem
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
        W[layer] = alone.W[layer] + noise - np.outer(noise @ a + gain, a) / (a @ a)
        b[layer] = alone.b[layer] + gain
    return _probe(
        conventions, "same z", replace(alone, W=W, b=b, name=f"{alone.name} same z"), sample=0
    )


def _extreme(problem: Problem, what: str, copies: int, smallest: float) -> Problem:
    """One sample whose logits reach from 0 down to the smallest, either at its own label or at the
    other classes."""
    alone = _rows(problem, [0] * copies, name=f"rare {what} {smallest:g}")
    L = problem.L
    K = problem.sizes[-1]
    a = alone.forward().a[L - 1][0]
    wanted = np.linspace(smallest if K == 1 else 0.0, smallest, K)
    label = classes(K) - 1 if what == "label" else 0
    y = np.full(copies, label, dtype=np.int64)
    W_L = problem.W[L]
    b_L = wanted - problem.W[L] @ a
    if not problem.b[L].any():  # no biases: the weights alone must do it
        W_L = problem.W[L] + np.outer(b_L, a) / (a @ a)
        b_L = problem.b[L]
    return replace(alone, y=y, W=problem.W | {L: W_L}, b=problem.b | {L: b_L})
