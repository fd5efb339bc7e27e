"""One call of a function as it is: its results, its gradients, and what it does to what it was
given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from backproof.checks.black_box.differentiate import dense, differentiate
from backproof.checks.black_box.free_memory import give_back
from backproof.checks.black_box.function_call import Call, Function, Layout, first_line
from backproof.checks.black_box.pytrees import Leaf, name_outputs
from backproof.checks.black_box.untouched import same_bits


@dataclass
class Outcome:
    """What one call gave.

    Attributes:
        outputs: the tensors returned, by name.
        gradients: of what is differentiated by, by the name of the input; None where there is none.
        overwritten: names of what was changed although it should only be read.
        again: gradients that came out differently when the same graph was gone through once more.
        refused: what the second time raised, in a sentence; "" if nothing.
    """

    outputs: dict[str, Tensor] = field(default_factory=dict)
    gradients: dict[str, Tensor | None] = field(default_factory=dict)
    overwritten: list[str] = field(default_factory=list)
    again: dict[str, Tensor | None] = field(default_factory=dict)
    refused: str = ""


def observed(
    call: Call,
    function: Function,
    layout: Layout | None = None,
    sent_layout: Layout | None = None,
    through: str | None = None,
    twice: bool = True,
) -> Outcome:
    """Call a function, go back through it, and watch what it does to what it was given.

    Args:
        call: the arguments.
        function: what is called.
        layout: how the inputs lie in memory; as they were given by default.
        sent_layout: how the gradients that are sent back do.
        through: the only output that a gradient is sent back through; all by default.
        twice: whether to go back through the same graph once more.
    """
    inputs = call.fresh(layout=layout)
    outcome = Outcome()
    returned = call.called(function, inputs)
    outcome.outputs = {leaf.name: leaf.value.detach().clone() for leaf in name_outputs(returned)}
    kept = call.sent_through(returned, through)
    sent = [call.gradient_for(leaf.name, leaf.value, sent_layout) for leaf in kept]
    wanted = [value for name, value in call.tensors_among(inputs) if name in call.wanted]
    values = [leaf.value for leaf in kept]
    gradients = differentiate(values, wanted, sent)
    for name in call.wanted:
        gradient = dense(gradients.pop(0))
        outcome.gradients[name] = None if gradient is None else gradient.clone()
    outcome.overwritten = _overwritten(call, inputs, kept, sent, sent_layout)
    for leaf in name_outputs(returned):
        if not same_bits(leaf.value.detach(), outcome.outputs[leaf.name]):
            outcome.overwritten.append(leaf.name)
    del sent
    if not twice:
        return outcome
    if call.is_large:
        give_back()
    _go_back_again(call, outcome, kept, wanted, sent_layout)
    return outcome


def _overwritten(
    call: Call,
    inputs: list[Any],
    kept: Sequence[Leaf],
    sent: Sequence[Tensor],
    sent_layout: Layout | None,
) -> list[str]:
    """Names of what was given, and is no longer what it was."""
    found = []
    for leaf, value in zip(call.leaves, inputs, strict=True):
        if isinstance(value, Tensor) and not same_bits(value, leaf.value):
            found.append(leaf.name)
    for leaf, value in zip(kept, sent, strict=True):
        if not same_bits(value, call.gradient_for(leaf.name, leaf.value, sent_layout)):
            found.append(f"the gradient sent back through {leaf.name}")
    return found


def _go_back_again(
    call: Call,
    outcome: Outcome,
    kept: Sequence[Leaf],
    wanted: list[Tensor],
    sent_layout: Layout | None,
) -> None:
    sent = [call.gradient_for(leaf.name, leaf.value, sent_layout) for leaf in kept]
    try:
        again = differentiate([leaf.value for leaf in kept], wanted, sent)
    except Exception as error:  # somebody's backward may raise anything the second time
        outcome.refused = f"{type(error).__name__}: {first_line(error)}"
        return
    for name, second in zip(call.wanted, again, strict=True):
        first = outcome.gradients[name]
        second = dense(second)
        if first is None and second is None:
            continue
        if first is None or second is None or not same_bits(first, second):
            outcome.again[name] = second
