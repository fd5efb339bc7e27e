"""check() and watch(): somebody's own function, judged where it is, in a script or in a cell of a
notebook.

    from backproof import check, watch
    check(gradients, activation="relu", layout="in,out")
    watch(lambda: train(X, Y))

What comes back says what `backproof check FILE` says, and shows itself in a notebook.
"""

from __future__ import annotations

import html
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from backproof.checks.candidates.candidate_file import CandidateFile, Habits
from backproof.checks.candidates.live import LiveProcess, declared, may_edit
from backproof.checks.diagnosis.diagnose import diagnose
from backproof.checks.findings import Bug, Line
from backproof.checks.grading import feedback
from backproof.checks.grading.conclude import Settings, conclude
from backproof.checks.grading.feedback import Feedback
from backproof.checks.grading.watching import watch_live
from backproof.checks.heads import COSTS


@dataclass(frozen=True)
class CheckReport:
    """What was found out about one candidate.

    Attributes:
        feedback: all of it, as plain data.
    """

    feedback: Feedback

    @property
    def outcome(self) -> str:
        """ "pass", "fail" or "untested"."""
        return self.feedback.outcome

    @property
    def bugs(self) -> list[Bug]:
        """The known bugs that explain the numbers, the likeliest first; empty when none does."""
        found = self.feedback.diagnosis
        return list(found.bugs) if found else []

    @property
    def conventions(self) -> list[str]:
        """Constants that say what the code computes, where it was recognised and not declared."""
        found = self.feedback.diagnosis
        return list(found.conventions) if found else []

    @property
    def first_wrong(self) -> str | None:
        """The first wrong step by equation and name, such as "(B4) da[1]"."""
        found = self.feedback.diagnosis
        return found.first_wrong if found else None

    @property
    def line(self) -> Line | None:
        """The line that makes the first wrong quantity; None where it is not known."""
        found = self.feedback.diagnosis
        return found.line if found else None

    def as_json(self) -> dict[str, Any]:
        """The object of `backproof check --json`."""
        return feedback.as_json(self.feedback)

    def print(self) -> None:
        """The lines of `backproof check`, on the screen."""
        print(self)

    def __str__(self) -> str:
        return "\n".join(feedback.as_text(self.feedback))

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        """A table for a notebook: labels on the left, what is to be said on the right."""
        rows = []
        for label, text in labelled(feedback.as_text(self.feedback)):
            rows.append(
                f"<tr><th style='text-align:left;vertical-align:top'>{html.escape(label)}</th>"
                f"<td style='text-align:left'>{html.escape(text)}</td></tr>"
            )
        colour = {"pass": "#1a7f37", "fail": "#cf222e"}.get(self.outcome, "#9a6700")
        head = f"<strong style='color:{colour}'>{html.escape(self.outcome)}</strong>"
        learning = self.feedback.learning
        course = learning.drawn if learning is not None else ""
        return f"<div>{head}<table>{''.join(rows)}</table>{course}</div>"


def labelled(lines: list[str]) -> list[tuple[str, str]]:
    """The lines of a feedback, put together again by their labels; the first is the verdict."""
    found: list[tuple[str, str]] = []
    for line in lines[1:]:
        label = line[: feedback.INDENT].strip()
        text = line[feedback.INDENT :].strip()
        if label or not found:
            found.append((label, text))
        else:
            before, so_far = found[-1]
            found[-1] = (before, f"{so_far} {text}")
    return found


def check(
    gradients: Callable[..., Any] | None = None,
    *,
    step: Callable[..., Any] | None = None,
    forward: Callable[..., Any] | None = None,
    intermediates: Callable[..., Any] | None = None,
    loss: Callable[..., Any] | None = None,
    seed: int = 0,
    **conventions: Any,
) -> CheckReport:
    """Ask a function for gradients, hold its answers against what they should be, and say what is
    wrong with them.

    The function runs in this process, on small networks that are drawn to be hard; nothing that it
    changes for everybody stays changed.

    Args:
        gradients: (W, b, x, y) -> (dW, db), lists of arrays, layer 1 first.
        step: (W, b, x, y, learning_rate) -> (W, b), or None after updating both in place. Give one
            of the two.
        forward: (W, b, x) -> the output, where there is one: it tells a wrong forward pass from a
            wrong backward pass.
        intermediates: (W, b, x, y) -> {"z": [...], "da": [...], ...}, whatever of it there is.
        loss: (W, b, x, y) -> the number whose gradients these are: compared with them by calling
            it, where no network that can be declared explains them.
        seed: of the problems.
        conventions: how the code differs from the defaults, each by the name of its constant in
            small letters: activation="relu", layout="in,out", examples="columns",
            labels="one-hot", output="sigmoid", cost="quadratic", reduction="sum", bias=False,
            sizes=[4, 7, 3], batch=1, learning_rate=0.1. What is left out is recognised where the
            numbers show it.
    Returns: the report: print it, or let a notebook show it.
    Raises: TypeError for a name that is no convention, or where neither or both functions are
        given; ValueError for a value that is none.
    """
    given = {"gradients": gradients, "step": step}
    asked = {name: function for name, function in given.items() if function is not None}
    if len(asked) != 1:
        both = "both" if asked else "neither"
        raise TypeError(f"check: expected gradients or step, got {both}. Give one of them.")
    beside = {"forward": forward, "intermediates": intermediates, "loss": loss}
    asked |= {name: function for name, function in beside.items() if function is not None}
    for name, function in asked.items():
        _expect_function(name, function)
    start = time.perf_counter()
    process = LiveProcess(asked)
    habits = Habits(may_edit=may_edit(asked))
    candidate = CandidateFile(process, declared(asked, conventions), habits)
    found = diagnose(candidate, seed=seed)
    name = f"{next(iter(asked))} of {process.path.name}"
    elapsed_s = time.perf_counter() - start
    return CheckReport(conclude(name, candidate, found, Settings(seed=seed), elapsed_s))


def watch(
    function: Callable[[], Any], *, cost: str | None = None, try_remedies: bool = False
) -> CheckReport:
    """Call a function that trains a network of somebody's own, look at its first updates line by
    line, and say whether they go down the gradient.

        watch(lambda: train(X, Y, epochs=3))

    Nothing is declared: the network, its data, its cost and its rate are recognised by what the
    lines compute, or the outcome is "untested". Where its gradients are right, it is looked at for
    what keeps it from learning, as by `why`. The function runs in this process, once and to its
    end, and what it changes stays changed.

    Args:
        function: takes nothing.
        cost: what is minimised, such as "quadratic", where two costs would do.
        try_remedies: whether to try what each finding asks for, where it does not learn.
    Returns: the report: print it, or let a notebook show it.
    Raises: TypeError for what cannot be called; ValueError for a cost that is none.
    """
    _expect_training(function)
    if cost is not None and cost not in COSTS:
        raise ValueError(f"watch: expected a cost of {', '.join(COSTS)}, got {cost!r}")
    return CheckReport(watch_live(function, Settings(cost=cost, tries=try_remedies)))


def _expect_training(given: object) -> None:
    """Refuse what cannot be called."""
    if not callable(given):
        kind = type(given).__name__
        raise TypeError(f"watch: expected a function, got {kind}. Write watch(lambda: train()).")


def _expect_function(name: str, given: object) -> None:
    """Refuse what cannot be called, before anything is asked."""
    if not callable(given):
        kind = type(given).__name__
        raise TypeError(f"check: expected a function for {name}, got {kind}. Give its name.")
