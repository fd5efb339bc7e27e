"""The tables of it-does-not-learn.md: each row is a network in which a symptom was provoked, and
what `why` says of it."""

from __future__ import annotations

from functools import cache

from backproof.checks.learning.answer import Answer
from benchmarks.symptoms_anywhere import PROVOKED, Case

# a row each: symptom, activation and seed of the network
STATIC = (
    ("vanishing", "sigmoid", 0),
    ("exploding", "relu", 0),
    ("dead-units", "relu", 0),
    ("inputs-unscaled", "sigmoid", 1),
    ("targets-out-of-range", "tanh", 1),
    ("labels-shuffled", "sigmoid", 0),
    ("duplicate-rows", "sigmoid", 0),
    ("class-imbalance", "sigmoid", 0),
    ("poor-minimum", "sigmoid", 0),
    ("leak", "sigmoid", 0),
    ("overflow", "sigmoid", 0),
)
BY_DOING = (("rate-too-large", "sigmoid", 0), ("rate-too-small", "sigmoid", 0))
TRIED = (
    "vanishing",
    "exploding",
    "dead-units",
    "inputs-unscaled",
    "targets-out-of-range",
    "overflow",
)
ENOUGH_S = 120.0  # so that steps, not seconds, end every training here


def evidence_table() -> str:
    """What is measured where each symptom was provoked."""
    rows = []
    for name, activation, seed in STATIC:
        answer = case(name, activation, seed).ask()
        found = next(symptom for symptom in answer.findings if symptom.name == name)
        rows.append(f"| `{name}` | {found.where} | {escaped(found.evidence)} |")
    return table("| finding | where | evidence |", rows)


def rate_table() -> str:
    """What a training shows whose learning rate is far off."""
    rows = []
    for name, activation, seed in BY_DOING:
        answer = case(name, activation, seed).ask(time_limit=ENOUGH_S)
        found = next(symptom for symptom in answer.findings if symptom.name == name)
        rows.append(f"| `{name}` | {escaped(found.evidence)} |")
    return table("| finding | evidence |", rows)


def tried_table() -> str:
    """What the remedy of each does, after as many steps as without it."""
    rows = []
    for name, activation, seed in STATIC:
        if name in TRIED:
            answer = tried(name, activation, seed)
            one = next(each for each in answer.tried if each.symptom == name)
            before = f"{one.loss_before:.3g}"
            rows.append(f"| `{name}` | {escaped(one.change)} | {before} | {one.loss:.3g} |")
    return table("| finding | with | loss without | loss with |", rows)


@cache
def case(name: str, activation: str, seed: int) -> Case:
    """The network of a row."""
    return PROVOKED[name][0](activation, seed)


def tried(name: str, activation: str, seed: int) -> Answer:
    """The answer with its remedies, for as many steps on any machine."""
    return case(name, activation, seed).ask(time_limit=ENOUGH_S, try_remedies=True)


def table(head: str, rows: list[str]) -> str:
    """A table in Markdown."""
    line = "|" + " --- |" * (head.count("|") - 1)
    return "\n\n" + "\n".join([head, line, *rows]) + "\n\n"


def escaped(text: str) -> str:
    """So that |dW[1]| is no column."""
    return text.replace("|", "\\|")
