"""The recipe for a new bug works as it is written, and the page lists the bugs that there are."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from command import ROOT
from planted import in_process

from backproof.checks.bugs.hooked_pass import STEPS, layers_of, reach_of
from backproof.checks.bugs.register import LAST, SUSPECTS, Suspect, all_in_shape, enter
from backproof.checks.candidates.conventions import Conventions
from backproof.checks.diagnosis.diagnose import diagnose
from backproof.checks.heads import Head

PAGE = (ROOT / "checks" / "EQUATIONS.md").read_text()
EXAMPLE = ROOT / "examples" / "bugs" / "rectified_delta.py"


def rows() -> dict[str, str]:
    """The page's table of mistakes: bug -> what stands under its equation."""
    table = PAGE.partition("## Which mistake touches which equation")[2].partition("\n## ")[0]
    return dict(re.findall(r"^\| `([a-z-]+)` \| (.*?) \|", table, re.MULTILINE))


def test_the_page_lists_every_bug_of_the_register_with_its_equation() -> None:
    assert rows().keys() == SUSPECTS.keys()
    for id, equations in rows().items():
        # "the head" is the line for dz[L], under whatever cost
        see = SUSPECTS[id].see
        shown = PAGE.partition(f"| `{id}` | ")[2].partition("\n")[0]
        assert see in shown or (see == "(B1)" and "the head" in equations), id


@pytest.fixture
def own_bug() -> Iterator[None]:
    """The example, imported, and taken out of the register afterwards."""
    spec = importlib.util.spec_from_file_location("rectified_delta", EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    spec.loader.exec_module(importlib.util.module_from_spec(spec))
    yield
    del SUSPECTS["rectified-delta"]
    all_in_shape.cache_clear()


def rectified(W: Any, b: Any, x: Any, y: Any) -> Any:
    """A program with that bug, written on its own."""
    activations = [x]
    for matrix, bias in zip(W[:-1], b[:-1], strict=True):
        activations.append(1 / (1 + np.exp(-(activations[-1] @ matrix.T + bias))))
    z = activations[-1] @ W[-1].T + b[-1]
    p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    dz = (p - np.eye(len(b[-1]))[y]) / len(y)
    dW: list[Any] = []
    db: list[Any] = []
    for layer in reversed(range(len(W))):
        dW.insert(0, dz.T @ activations[layer])
        db.insert(0, dz.sum(axis=0))
        a = activations[layer]
        dz = np.maximum(dz @ W[layer], 0) * a * (1 - a)
    return dW, db


def test_a_bug_added_from_outside_in_ten_lines_is_named(own_bug: None) -> None:
    found = diagnose(in_process({"gradients": rectified}, Conventions()))
    assert [(bug.id, bug.where, bug.see) for bug in found.bugs] == [
        ("rectified-delta", "layers 1, 2", "(B4)")
    ]
    assert found.first_wrong == "(B4) da[2]"
    assert SUSPECTS["rectified-delta"].rank == LAST
    body = EXAMPLE.read_text().partition("@suspect")[2]
    assert len(body.splitlines()) <= 10


def test_without_its_entry_the_same_program_gets_no_name() -> None:
    found = diagnose(in_process({"gradients": rectified}, Conventions()))
    assert (found.outcome, found.bugs, found.first_wrong) == ("fail", [], "(B4) da[2]")


def test_a_name_can_be_entered_once() -> None:
    with pytest.raises(ValueError, match='got "scale", which exists'):
        enter(Suspect("scale", "again", SUSPECTS["scale"].fix, "(B1)"))


def test_what_a_step_reads_is_what_changes_it() -> None:
    """Each step, nudged in a pass, changes exactly those that are noted as reading it."""
    from backproof.checks.bugs.hooked_pass import HookedPass, at
    from backproof.checks.bugs.setting import Setting
    from backproof.checks.problem import draw

    for output, cost in (("softmax", "quadratic"), ("sigmoid", "quadratic")):
        setting = Setting(draw((3, 4, 5, 2), 6, 1, head=Head(output, cost)), 1.0)
        reach = reach_of(3, output, cost)
        correct = HookedPass(setting)
        for step, layer in reach.bit:
            nudged = HookedPass(setting, (at(step, [layer], lambda run, layer, v: v + 0.01),))
            for other in STEPS:
                for there in layers_of(other, 3):
                    reads = bool(reach.read[other, there] & reach.bit[step, layer])
                    changed = not np.array_equal(
                        nudged.get(other, there), correct.get(other, there)
                    )
                    assert reads or not changed, (step, layer, other, there)
