"""Every number on the pages of figures.py: a name, and the function that computes its text.

A page keeps a number between `<!-- n:NAME -->` and `<!-- /n -->`, and figures.py rewrites or checks
what stands there.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from dataclasses import replace
from functools import cache

import numpy as np

from backproof.checks import by_hand
from backproof.checks.heads import CLASSIC, Head
from backproof.checks.learning import descent
from backproof.checks.learning.symptoms import look
from backproof.checks.learning.vital_signs import vital_signs
from backproof.checks.problem import Problem, standard
from backproof.checks.walkthrough.notation import BACKPROOF
from backproof.checks.walkthrough.text import walkthrough
from benchmarks import remedies, spread
from benchmarks.remedies import REMEDIES, Remedy, X, Y
from docs import symptom_rows

Layers = dict[int, np.ndarray]
SEEDS = range(10)
ORIGINAL, CURED = REMEDIES[0], REMEDIES[5]


def findings() -> str:
    """What is said about the original network before its first step."""
    found = look(*remedies.weights("row-constant", 0), X, Y, output="sigmoid", cost="quadratic")
    lines = [f"{symptom.name} in {symptom.where}: {symptom.evidence}" for symptom in found]
    return block(
        "\n".join("\n".join(textwrap.wrap(line, 80, subsequent_indent="    ")) for line in lines)
    )


def spread_table() -> str:
    """The spread of the outputs after 20,000 right steps, for every head."""
    lines = [
        "| output | cost | spread of output 0 | spread of output 1 |",
        "| --- | --- | ---: | ---: |",
    ]
    for head in CLASSIC:
        output = head.output
        cost = head.cost
        W, b = remedies.weights("row-constant", 0)
        W, b = descent.steps(W, b, X, Y, output=output, cost=cost, learning_rate=0.01, count=20_000)
        differences = " | ".join(map(str, spread.spread(W, b, X, output)))
        lines.append(f"| {output} | {cost} | {differences} |")
    return table(lines)


def remedy_table() -> str:
    """The table of remedies."""
    return table(list(remedies.table(len(SEEDS), 5000, 1.0)))


def steps_table() -> str:
    """Steps until every output is within 0.1 of what it should be, with random weights and right
    gradients."""
    lines = [
        "| learning rate | sigmoid, quadratic | softmax, cross-entropy |",
        "| ---: | ---: | ---: |",
    ]
    for rate, every in ((1.0, 10), (0.01, 500)):
        counts = [_steps_needed(remedy, rate, every) for remedy in (CURED, REMEDIES[6])]
        lines.append(f"| {rate:g} | {counts[0]:,} | {counts[1]:,} |")
    return table(lines)


def stale_ratio() -> str:
    """How many times too long the original's gradient of W[1] is after the first four samples, the
    median of ten networks."""
    return f"{np.median([_stale_against_right(seed, 1)[0] for seed in SEEDS]):.1f}"


def stale_cosine() -> str:
    """The cosine between the two."""
    return f"{np.median([_stale_against_right(seed, 1)[1] for seed in SEEDS]):.2f}"


def stale_ratio_later() -> str:
    """The same ratio at step 100, to one digit."""
    ratio = np.median([_stale_against_right(seed, 100)[0] for seed in SEEDS])
    return f"{float(f'{ratio:.0e}'):,.0f}"


def outputs_at_first() -> str:
    """How far below 1 the outputs of the original program are after its 100 steps, the median of
    ten networks."""
    below = []
    for seed in SEEDS:
        W, b = remedies.train(ORIGINAL, seed, 100, 0.01)
        below.append(1 - by_hand.forward(X, W, b, head=Head("sigmoid")).p)
    return f"{np.median(below):.1e}"


def cancelled_at_start() -> str:
    """|mean of the samples' gradients of W[1]| over the mean of their lengths, for the
    original, as drawn."""
    ratios = [
        _cancellation(*remedies.weights("row-constant", seed), "sigmoid", "quadratic")
        for seed in SEEDS
    ]
    return f"{min(ratios):.2f} to {max(ratios):.2f}"


def cancelled_when_stuck() -> str:
    """The same where the network has come to rest at [0.5, 0.5]."""
    return f"{_cancellation(*_stuck(), 'softmax', 'cross-entropy'):.0e}"


def answer_when_stuck() -> str:
    """What it answers there, for each picture."""
    p = by_hand.forward(X, *_stuck(), head=Head("softmax")).p
    return "[" + ", ".join(f"{value:.6f}" for value in p[0]) + "]"


def page() -> str:
    """The walkthrough of softmax and cross-entropy, from the logits to their gradient."""
    lines = walkthrough(softmax_problem("cross-entropy"), BACKPROOF)
    start, end = (
        next(at for at, line in enumerate(lines) if line.startswith(tag))
        for tag in ("(F3)", "(B2)")
    )
    return block("\n".join(lines[start:end]).rstrip())


def page_quadratic() -> str:
    """The same for the quadratic cost."""
    lines = walkthrough(softmax_problem("quadratic"), BACKPROOF)
    start = next(at for at, line in enumerate(lines) if line.startswith("(F4)"))
    end = next(at for at, line in enumerate(lines) if line.startswith("(B2)"))
    return block("\n".join(lines[start:end]).rstrip())


def jacobian_rows() -> str:
    """The largest sum of a row of J, in magnitude."""
    J = by_hand.softmax_jacobian(probabilities())[0]
    return f"{abs(J.sum(axis=1)).max():.0e}"


def collapse_error() -> str:
    """The largest difference between J @ (-Y/p) and p - Y on this sample."""
    p = probabilities()
    expected = p[0] - by_hand.one_hot(softmax_problem("cross-entropy").y, p)[0]
    dp = -by_hand.one_hot(softmax_problem("cross-entropy").y, p)[0] / p[0]
    return f"{abs(by_hand.softmax_jacobian(p)[0] @ dp - expected).max():.0e}".replace("0e+00", "0")


def wrong_and_sure(cost: str) -> str:
    """The gradient of the right class's logit where the network gives it a probability of 0.001."""
    return f"{output_gradient(0.001, cost):.6f}"


def output_gradient(p_right: float, cost: str) -> float:
    """d loss / d z of the right class, of two, at its probability."""
    z = np.array([[np.log(p_right / (1 - p_right)), 0.0]])
    passed = by_hand.Forward({1: z}, {0: np.zeros((1, 1))}, by_hand.softmax(z))
    return float(
        by_hand.backward(
            passed, {1: np.zeros((2, 1))}, np.array([0]), head=Head("softmax", cost)
        ).dz[1][0, 0]
    )


def block(text: str) -> str:
    """Text as a code block of its own."""
    return f"\n```\n{text}\n```\n"


def table(lines: list[str]) -> str:
    """Lines as a table of its own."""
    return "\n\n" + "\n".join(lines) + "\n\n"


def _steps_needed(remedy: Remedy, rate: float, every: int) -> int:
    """Full-batch steps until every output is within 0.1 of its target, counted in units of `every`;
    seed 0."""
    W, b = remedies.weights(remedy.weights, 0)
    for count in range(every, 200_001, every):
        W, b = descent.steps(
            W, b, X, Y, output=remedy.output, cost=remedy.cost, learning_rate=rate, count=every
        )
        p = by_hand.forward(X, W, b, head=Head(remedy.output, remedy.cost)).p
        if np.abs(p - by_hand.one_hot(Y, p)).max() < 0.1:
            return count
    raise ValueError(f"expected {remedy.name} to learn within 200,000 steps, and it did not")


@cache
def _stale_against_right(seed: int, steps: int) -> tuple[float, float]:
    """Length and cosine of the original's gradient of W[1] against the right one, at the last of so
    many steps."""
    (W, b), carried = remedies.weights("row-constant", seed), dict[int, np.ndarray]()
    for _ in range(steps):
        wrong = remedies.gradients(ORIGINAL, W, b, carried)
        right = remedies.gradients(replace(ORIGINAL, stale=False), W, b, {})
        for layer in W:
            W[layer] -= 0.01 * wrong.dW[layer]
            b[layer] -= 0.01 * wrong.db[layer]
    ghat, g = wrong.dW[1].ravel(), right.dW[1].ravel()
    lengths = float(np.linalg.norm(ghat)), float(np.linalg.norm(g))
    return lengths[0] / lengths[1], float(ghat @ g) / (lengths[0] * lengths[1])


@cache
def _stuck() -> tuple[Layers, Layers]:
    """The original weights after 5,000 right steps with softmax and cross-entropy at learning rate
    0.01."""
    W, b = remedies.weights("row-constant", 0)
    return descent.steps(
        W, b, X, Y, output="softmax", cost="cross-entropy", learning_rate=0.01, count=5_000
    )


def _cancellation(W: Layers, b: Layers, output: str, cost: str) -> float:
    return vital_signs(W, b, X, Y, output=output, cost=cost).layers[0].cancellation


def softmax_problem(cost: str) -> Problem:
    """The problem of `python -m checks --explain --sizes 2 3 3`, under either cost."""
    return replace(next(standard(1, 0, (2, 3, 3), 1)), head=Head("softmax", cost))


def probabilities() -> np.ndarray:
    """p of that problem."""
    problem = softmax_problem("cross-entropy")
    return by_hand.forward(problem.x, problem.W, problem.b).p


FAST: dict[str, Callable[[], str]] = {
    "findings": findings,
    "stale-ratio": stale_ratio,
    "stale-cosine": stale_cosine,
    "stale-ratio-later": stale_ratio_later,
    "outputs-at-first": outputs_at_first,
    "cancelled-at-start": cancelled_at_start,
    "page": page,
    "page-quadratic": page_quadratic,
    "jacobian-rows": jacobian_rows,
    "collapse-error": collapse_error,
    "wrong-and-sure-cross-entropy": lambda: wrong_and_sure("cross-entropy"),
    "wrong-and-sure-quadratic": lambda: wrong_and_sure("quadratic"),
    "evidence-table": symptom_rows.evidence_table,
}
SLOW: dict[str, Callable[[], str]] = {
    "spread-table": spread_table,
    "remedy-table": remedy_table,
    "steps-table": steps_table,
    "cancelled-when-stuck": cancelled_when_stuck,
    "answer-when-stuck": answer_when_stuck,
    "rate-table": symptom_rows.rate_table,
    "tried-table": symptom_rows.tried_table,
}
