"""Networks of every activation and head in which a symptom was provoked, and healthy ones: what
benchmarks/symptoms.py counts.

A case is drawn from its seed: sizes, data, head. `why` gets it as a stranger would hand it over:
lists of arrays, labels as integers or values, and a step of its own where only doing shows it.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from backproof.checks.learning.answer import Answer
from backproof.checks.learning.by_doing import our_step, watch
from backproof.checks.learning.given import Given, take
from backproof.checks.learning.rates import range_test
from backproof.checks.learning.trying import drawn_anew
from backproof.checks.learning.why import why

ACTIVATIONS = (
    "sigmoid",
    "tanh",
    "relu",
    "leaky-relu",
    "elu",
    "softplus",
    "silu",
    "gelu",
    "gelu-tanh",
    "bipolar-sigmoid",
    "identity",
)
HEADS = (
    ("softmax", "cross-entropy"),
    ("sigmoid", "cross-entropy"),
    ("softmax", "quadratic"),
    ("sigmoid", "quadratic"),
    ("linear", "quadratic"),
)


@dataclass(frozen=True)
class Case:
    """A network and its data, and where the symptom is.

    Attributes:
        given: the network and its data.
        where: the place that is to be named.
        rate: of the step, where a step is handed over; None where none is.
    """

    given: Given
    where: str
    rate: float | None = None
    settings: dict[str, Any] = field(default_factory=dict)

    def ask(self, **settings: Any) -> Answer:
        """What `why` says."""
        given = self.given
        with np.errstate(all="ignore"):
            return why(
                [given.W[layer] for layer in given.W],
                [given.b[layer] for layer in given.b],
                given.x,
                given.y,
                hidden=given.shape.hidden,
                output=given.shape.output,
                cost=given.shape.cost,
                step=step_of(given) if self.rate is not None else None,
                learning_rate=self.rate,
                **(self.settings | settings),
            )


def step_of(given: Given) -> Callable[..., Any]:
    """Plain descent as somebody else would hand it over: lists in, lists out, any x and y."""

    def step(W: Any, b: Any, x: Any, y: Any, learning_rate: float) -> Any:
        shape = given.shape
        now = take(
            W, b, x, y, hidden=shape.hidden, output=shape.output, cost=shape.cost, layout="out,in"
        )
        after = our_step(now)(now.W, now.b, np.arange(len(now.x)), learning_rate)
        return list(after[0].values()), list(after[1].values())

    return step


def blobs(
    random: np.random.Generator, N: int = 0, n: int = 0, K: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Clouds, one or two of each class, every column of about the size 1."""
    n = n or int(random.integers(3, 16))
    K = K or int(random.integers(2, 5))
    N = N or int(random.integers(120, 300))
    y = random.integers(K, size=N)
    centre = random.normal(size=(2, K, n)) * 1.5
    x = centre[random.integers(2, size=N), y] + 0.7 * random.normal(size=(N, n))
    return x / x.std(), y


def values(random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Columns, and a smooth function of them."""
    n = int(random.integers(2, 7))
    x = random.normal(size=(int(random.integers(120, 300)), n))
    y = np.sin(x @ random.normal(size=n)) + x @ random.normal(size=n) / 2
    return x, y / y.std()


def healthy_case(
    activation: str, seed: int, *, depth: int = 0, head: tuple[str, str] | None = None
) -> Case:
    """Scaled data, and weights of the size that suits the activation."""
    random = np.random.default_rng([seed, ACTIVATIONS.index(activation)])
    output, cost = head or HEADS[seed % len(HEADS)]
    x, y = values(random) if output == "linear" else blobs(random)
    K = 1 if output == "linear" else int(y.max()) + 1
    depth = depth or int(random.integers(1, 3))
    sizes = [x.shape[1], *(int(random.integers(12, 40)) for _ in range(depth)), K]
    return Case(network(x, y, sizes, activation, output, cost, seed), "")


def network(
    x: np.ndarray,
    y: np.ndarray,
    sizes: list[int],
    activation: str | tuple[str, ...],
    output: str,
    cost: str,
    seed: int,
) -> Given:
    """Weights drawn as they should be."""
    W = [np.zeros((n, n_in)) for n_in, n in itertools.pairwise(sizes)]
    b = [np.zeros(n) for n in sizes[1:]]
    blank = take(W, b, x, y, hidden=activation, output=output, cost=cost, layout="out,in")
    return drawn_anew(blank, sizes, seed)


def healthy(at: int) -> tuple[list[str], bool]:
    """The at-th healthy network, asked about as drawn, with a step at a rate that suits, and after
    that training: what was found, and whether it learns."""
    activation = ACTIVATIONS[at % len(ACTIVATIONS)]
    seed = at // len(ACTIVATIONS)
    case = healthy_case(activation, seed)
    best = range_test(case.given, our_step(case.given)).best
    rate = best * 10 ** np.random.default_rng(seed).uniform(-1, 0)
    doing = replace(case, rate=float(rate)).ask(time_limit=10.0)
    assert doing.course is not None
    after = replace(case.given, W=doing.course.W, b=doing.course.b)
    answers = {
        "as drawn": case.ask(),
        "by doing": doing,
        "afterwards": replace(case, given=after).ask(),
    }
    found = []
    for when, answer in answers.items():
        found += [f"{name} {when} ({activation}, seed {seed})" for name in answer.names]
    return found, doing.course.learns


def vanishing(activation: str, seed: int) -> Case:
    """Six layers and more of weights that keep a part of what comes."""
    random = np.random.default_rng([seed, 1])
    case = healthy_case(activation, seed, depth=int(random.integers(5, 9)), head=HEADS[seed % 5])
    shrink = float(random.uniform(0.1, 0.25)) * (1.2 if activation == "sigmoid" else 1)
    W = {layer: array * shrink for layer, array in case.given.W.items()}
    return replace(case, given=replace(case.given, W=W), where="layer 1")


def exploding(activation: str, seed: int) -> Case:
    """Six layers and more of weights that are several times too large."""
    random = np.random.default_rng([seed, 2])
    case = healthy_case(activation, seed, depth=int(random.integers(5, 9)), head=HEADS[seed % 5])
    grow = float(random.uniform(3, 6))
    W = {layer: array * grow for layer, array in case.given.W.items()}
    return replace(case, given=replace(case.given, W=W), where="layer 1")


def dead_units(activation: str, seed: int) -> Case:
    """Biases far below 0 in one hidden layer, or weights that one enormous step threw there."""
    random = np.random.default_rng([seed, 3])
    case = healthy_case(activation, seed, depth=int(random.integers(1, 4)))
    layer = int(random.integers(1, len(case.given.W)))
    b = {at: array.copy() for at, array in case.given.b.items()}
    b[layer] -= 30.0 + 10 * random.random(len(b[layer]))
    return replace(case, given=replace(case.given, b=b), where=f"layer {layer}")


def inputs_unscaled(activation: str, seed: int) -> Case:
    """Pixels of 0 to 255, or columns of very different sizes."""
    random = np.random.default_rng([seed, 4])
    case = healthy_case(activation, seed)
    x = case.given.x
    if seed % 2:
        x = np.rint(255 * (x - x.min()) / (x.max() - x.min()))
    else:
        powers = random.permutation(np.linspace(-1, 3.5, x.shape[1]))
        x = x * 10**powers + 10**powers * random.normal(size=x.shape[1])
    return replace(case, given=replace(case.given, x=x), where="the columns of x")


def targets_out_of_range(activation: str, seed: int) -> Case:
    """Values of 1 to 4 or of -3 to 3 for a bounded output."""
    case = healthy_case(activation, seed, head=("linear", "quadratic"))
    output = ("sigmoid", "tanh", "relu", "bipolar-sigmoid")[seed % 4]
    y = case.given.y * (2 if output != "relu" else 1)
    if seed % 3 == 0 and output != "relu":
        y = np.clip(np.rint(2.5 + y), 1, 4)
    given = network(
        case.given.x,
        y,
        [case.given.x.shape[1], 20, 1],
        activation,
        output,
        "quadratic",
        seed,
    )
    return Case(given, "the targets")


def labels_shuffled(activation: str, seed: int) -> Case:
    """Rows that were shuffled without their labels."""
    random = np.random.default_rng([seed, 6])
    case = healthy_case(activation, seed)
    given = case.given
    order = random.permutation(len(given.x))
    where = "the labels" if given.classes else "the targets"
    return replace(case, given=replace(given, x=given.x[order]), where=where)


def duplicate_rows(activation: str, seed: int) -> Case:
    """Rows that were shuffled in place by swaps that overwrite one of the two."""
    random = np.random.default_rng([seed, 7])
    case = healthy_case(activation, seed)
    x = case.given.x.copy()
    for i in range(len(x) - 1, 0, -1):
        j = int(random.integers(i + 1))
        x[i], x[j] = x[j], x[i]
    return replace(case, given=replace(case.given, x=x), where="the rows of x")


def class_imbalance(activation: str, seed: int) -> Case:
    """One class has nearly all samples."""
    random = np.random.default_rng([seed, 8])
    case = healthy_case(activation, seed, head=HEADS[seed % 4])
    share = float(random.uniform(0.93, 0.985))
    y = np.where(random.random(400) < share, 0, random.integers(1, case.given.K, size=400))
    y[:2] = 1
    x = random.normal(size=(400, case.given.x.shape[1])) + 2 * y[:, None]
    given = take(
        list(case.given.W.values()),
        list(case.given.b.values()),
        x,
        y,
        hidden=activation,
        output=case.given.shape.output,
        cost=case.given.shape.cost,
        layout="out,in",
    )
    return Case(given, "the labels")


def poor_minimum(activation: str, seed: int) -> Case:
    """XOR by two hidden units, trained until it rests, from a start that ends at three of four."""
    x = np.array([[0.0, 0], [0, 1], [1, 0], [1, 1]])
    y = np.array([0, 1, 1, 0])
    random = np.random.default_rng([seed, 9])
    for _ in range(200):
        output, cost = (("sigmoid", "cross-entropy"), ("softmax", "cross-entropy"))[seed % 2]
        K = 1 if output == "sigmoid" else 2
        given = network(x, y, [2, 2, K], activation, output, cost, int(random.integers(1 << 30)))
        case = Case(given, "the training")
        course = watch(given, our_step(given), 0.5, limit_s=60.0, steps=6000)
        if course.last.accuracy != 0.75 or not 0.3 < course.knows < 0.8:
            continue
        for rate in (2.0, 0.2):  # steps that are too large do not rest, and then smaller ones help
            after = replace(given, W=course.W, b=course.b)
            before = course.last.loss
            course = watch(after, our_step(after), rate, limit_s=60.0, steps=6000, learnt=0.0)
        stays = course.last.accuracy == 0.75 and 0.3 < course.knows < 0.8
        if stays and course.last.loss > 0.99 * before:
            return replace(case, given=replace(given, W=course.W, b=course.b))
    raise ValueError(f"expected a start that ends at 75% with {activation}, got none in 200")


def leak(activation: str, seed: int) -> Case:
    """A column that counts the rows, of a table that is sorted or was shuffled; or the target."""
    random = np.random.default_rng([seed, 10])
    case = healthy_case(activation, seed)
    given = case.given
    column = np.arange(1.0, len(given.x) + 1)
    if seed % 3 == 1:
        column = random.permutation(column)
    if seed % 3 == 2:
        column = given.y * 2.0 + 1
    x = np.column_stack([column, given.x])
    sizes = [x.shape[1], *(len(given.b[layer]) for layer in given.b)]
    shape = given.shape
    made = network(x, given.y, sizes, activation, shape.output, shape.cost, seed)
    return Case(made, "column 0 of x")


def overflow(activation: str, seed: int) -> Case:
    """Inputs of thousands under weights that were drawn for inputs of 1."""
    random = np.random.default_rng([seed, 11])
    case = healthy_case(activation, seed, depth=1, head=HEADS[seed % 4])
    factor = float(10 ** random.uniform(3.7, 5))
    exponential = activation in ("sigmoid", "tanh", "softplus", "elu", "silu", "bipolar-sigmoid")
    W = {layer: array.copy() for layer, array in case.given.W.items()}
    if not exponential:
        W[2] *= 5
    where = "layer 1" if exponential else "layer 2"
    return replace(case, given=replace(case.given, x=case.given.x * factor, W=W), where=where)


def rate_too_large(activation: str, seed: int) -> Case:
    """A step at several times the largest rate at which a few steps lower the loss, or more."""
    random = np.random.default_rng([seed, 12])
    case = healthy_case(activation, seed)
    tested = range_test(case.given, our_step(case.given))
    largest = max(rate for rate, loss in tested.losses.items() if loss < tested.start)
    return replace(case, rate=float(largest * 10 ** random.uniform(0.7, 3)), where="the training")


def rate_too_small(activation: str, seed: int) -> Case:
    """A step at a thousandth of the rate that suits, or less."""
    random = np.random.default_rng([seed, 13])
    case = healthy_case(activation, seed)
    best = range_test(case.given, our_step(case.given)).best
    return replace(case, rate=float(best * 10 ** -random.uniform(4, 6)), where="the training")


SATURATING = ("sigmoid", "tanh", "bipolar-sigmoid", "softplus")
ONE_SIDED = ("relu", "gelu", "silu", "softplus")
ANY = ("sigmoid", "tanh", "relu", "gelu-tanh")
# name -> how it is provoked, and the activations in which it can occur
PROVOKED: dict[str, tuple[Callable[[str, int], Case], tuple[str, ...]]] = {
    "vanishing": (vanishing, ("sigmoid", "tanh", "relu", "elu")),
    "exploding": (exploding, ("relu", "leaky-relu", "identity", "gelu")),
    "dead-units": (dead_units, ONE_SIDED),
    "inputs-unscaled": (inputs_unscaled, ANY),
    "targets-out-of-range": (targets_out_of_range, ANY),
    "labels-shuffled": (labels_shuffled, ANY),
    "duplicate-rows": (duplicate_rows, ANY),
    "class-imbalance": (class_imbalance, ANY),
    "poor-minimum": (poor_minimum, ("sigmoid", "relu", "leaky-relu")),
    "leak": (leak, ANY),
    "overflow": (overflow, ("sigmoid", "tanh", "relu", "elu")),
    "rate-too-large": (rate_too_large, ANY),
    "rate-too-small": (rate_too_small, ANY),
}
