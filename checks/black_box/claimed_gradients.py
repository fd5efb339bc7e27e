"""What is claimed about the gradients, asked twice: does it come, is it finite, is it the same each
time, and does it grow with what is sent back?"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor

from backproof.checks.black_box.asked_again import Second, asked_again, scaled
from backproof.checks.black_box.box import BlackBox, Loss, real
from backproof.checks.black_box.difference_quotients import NOISE_BAR
from backproof.checks.black_box.held import Held
from backproof.checks.black_box.parts import all_finite
from backproof.checks.black_box.untouched import Generators, same_bits
from backproof.checks.verdict import Verdict, judge, missing


@dataclass
class ClaimedGradients:
    """The loss and its gradients as the code under test gives them.

    Attributes:
        names, values: the tensors' names, and their data before anything was moved.
        loss: at those values.
        gradients: one for each tensor; None where there is none.
        computed: what autograd says; the same as `gradients`, unless these were given.
        second: what asking again gave, one for each tensor.
        who: the two sides of the comparison, for the report.
        draws: the generators' state to return to where the loss draws random numbers.
        loss_varies: how far the loss is from itself at two evaluations with the same draws.
        changed: names of tensors that the loss itself overwrites.
        not_scaled: verdicts on gradients that do not grow with what is sent back.
        evaluations: of the loss.
        held: keeps what the loss detaches; None where it may move.
        copies: of the tensors' values.
    """

    names: list[str]
    values: list[Tensor]
    loss: Tensor
    gradients: list[Tensor | None]
    computed: list[Tensor | None]
    second: list[Second]
    who: tuple[str, str] = ("autograd", "differences")
    draws: Generators | None = None
    loss_varies: float = 0.0
    changed: list[str] = field(default_factory=list)
    not_scaled: list[Verdict] = field(default_factory=list)
    evaluations: int = 0
    held: Held | None = None
    copies: list[Tensor] | None = None

    @property
    def usable(self) -> bool:
        """Whether there is anything to compare with differences."""
        return not self.changed and bool(torch.isfinite(self.loss).all()) and not self._not_finite()

    @property
    def spread(self) -> list[float]:
        """What calling twice allows for: NOISE_BAR times the largest difference within a tensor, 0
        where there is none."""
        return [NOISE_BAR * second.differs for second in self.second]

    def verdicts(self, may_vary: bool) -> list[Verdict]:
        """What fails already, before anything is moved."""
        found = [
            missing(
                "",
                name,
                "",
                self.who,
                "the loss changes it in place; a loss must only read its parameters",
            )
            for name in self.changed
        ]
        if not torch.isfinite(self.loss).all():
            found += [
                missing("", name, "", self.who, f"the loss itself is {float(self.loss)}")
                for name in self.names
            ]
        found += self._not_finite()
        if not may_vary and not self.loss_varies:
            found += [second.verdict for second in self.second if second.verdict is not None]
        if not found:
            found += self.not_scaled
        return found

    def notes(self) -> list[str]:
        """What differs from run to run."""
        notes = []
        if self.draws:
            notes.append("the loss draws random numbers; every evaluation was given the same ones")
        if self.held is not None:
            notes.append("what the loss detaches was held at its value, as stop_gradients asks")
        if self.loss_varies:
            notes.append(
                f"the loss differs from run to run, by {self.loss_varies:.1e} between two; "
                "nothing finer can be seen"
            )
            notes.append(
                "a loss that draws from a generator of its own (generator=...) should seed it "
                "itself, at every call"
            )
        return notes

    def _not_finite(self) -> list[Verdict]:
        pair = (self.who[0], "a finite number")
        found = []
        for name, gradient in zip(self.names, self.gradients, strict=True):
            if gradient is None or all_finite(gradient):
                continue
            values = _array(gradient)
            zeros = np.zeros(values.shape)
            found.append(judge("", name, "", pair, values, zeros, zeros + 1))
        return found


def claimed(
    loss: Loss,
    names: list[str],
    tensors: Sequence[Tensor],
    given: Mapping[str, Tensor] | None,
    held: Held | None,
) -> ClaimedGradients:
    """Ask for the loss and its gradients twice; with the same random draws if it turns out that it
    draws."""
    start = Generators()
    values = [tensor.data for tensor in tensors]
    box = BlackBox(loss, tensors, held=held)
    first, computed = box.gradients()
    changed = [
        name
        for name, tensor, before in zip(names, tensors, box.at_0, strict=True)
        if not same_bits(tensor, before)
    ]
    who = ("autograd" if given is None else "given", "differences")
    if changed:
        nothing = [Second() for _ in names]
        gradients = _given(names, tensors, given, computed)
        return ClaimedGradients(
            names,
            values,
            first,
            gradients,
            computed,
            nothing,
            who,
            changed=changed,
            evaluations=box.evaluations,
        )
    again, send = box.graph()
    if not same_bits(first, again):
        box.draws = start
        first, computed = box.gradients()
        again, send = box.graph()
    gradients = _given(names, tensors, given, computed)
    second = [Second() for _ in names]
    if given is None:
        second = asked_again(box, names, computed, send)
    varies = float((first.double() - again.detach().double()).abs().max())
    if not math.isfinite(varies):
        varies = 0.0
    found = ClaimedGradients(
        names,
        values,
        first,
        gradients,
        computed,
        second,
        who,
        box.draws if varies == 0 else None,
        varies,
        evaluations=box.evaluations,
        held=held,
        copies=box.at_0,
    )
    if given is None and not varies:
        wrong = scaled(box, (first, computed), second, send)
        found.not_scaled = [
            replace(verdict, quantity=name)
            for name, verdict in zip(names, wrong, strict=True)
            if verdict is not None
        ]
        found.evaluations = box.evaluations
    return found


def zero_if_none(gradients: Sequence[Tensor | None], tensors: Sequence[Tensor]) -> list[Tensor]:
    """Gradients in float64, complex ones by their parts; zero where there are none."""
    found = []
    for gradient, tensor in zip(gradients, tensors, strict=True):
        if gradient is None:
            shape = real(tensor.detach()).shape
            found.append(torch.zeros(shape, dtype=torch.float64, device=tensor.device))
        else:
            found.append(real(gradient).to(torch.float64).contiguous())
    return found


def _given(
    names: list[str],
    tensors: Sequence[Tensor],
    given: Mapping[str, Tensor] | None,
    computed: list[Tensor | None],
) -> list[Tensor | None]:
    """The gradients to check: those by autograd, unless somebody hands over their own."""
    if given is None:
        return computed
    found: list[Tensor | None] = []
    for name, tensor in zip(names, tensors, strict=True):
        keys = [key for key in name.split(" = ") if key in given]
        gradient = given[keys[0]] if keys else None
        if gradient is not None and gradient.shape != tensor.shape:
            raise ValueError(
                f"{name}: expected a gradient of shape {tuple(tensor.shape)}, got "
                f"{tuple(gradient.shape)}."
            )
        # a copy, for it may be a view of a parameter, which moves
        found.append(None if gradient is None else gradient.detach().to(tensor.device).clone())
    return found


def _array(tensor: Tensor) -> np.ndarray:
    return real(tensor.detach()).to("cpu", torch.float64).numpy()
