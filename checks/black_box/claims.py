"""What is claimed about the gradients, asked twice: does it come, is it finite, is it the same each
time?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from backproof.checks.black_box.box import BlackBox, Loss
from backproof.checks.black_box.rungs import NOISE_BAR
from backproof.checks.black_box.untouched import Generators, same_bits
from backproof.checks.verdict import Verdict, judge, missing


@dataclass
class Claims:
    """The loss and its gradients as the code under test gives them.

    Attributes:
        names, values: the tensors' names, and their data before anything was moved.
        loss: at those values.
        gradients: one for each tensor; None where there is none.
        again: the same, asked a second time.
        computed: what autograd says; the same as `gradients`, unless these were given.
        who: the two sides of the comparison, for the report.
        draws: the generators' state to return to where the loss draws random numbers.
        loss_varies: how far the loss is from itself at two evaluations with the same draws.
        changed: names of tensors that the loss itself overwrites.
        evaluations: of the loss.
    """

    names: list[str]
    values: list[Tensor]
    loss: Tensor
    gradients: list[Tensor | None]
    again: list[Tensor | None]
    computed: list[Tensor | None]
    who: tuple[str, str] = ("autograd", "differences")
    draws: Generators | None = None
    loss_varies: float = 0.0
    changed: list[str] = field(default_factory=list)
    evaluations: int = 0

    @property
    def usable(self) -> bool:
        """Whether there is anything to compare with differences."""
        return not self.changed and bool(torch.isfinite(self.loss).all()) and not self._not_finite()

    @property
    def spread(self) -> list[float]:
        """What calling twice allows for: NOISE_BAR times the largest difference within a tensor, 0
        where there is none."""
        return [
            NOISE_BAR * float(difference.max()) if difference.numel() else 0.0
            for difference in self._differences()
        ]

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
        return (
            found
            + self._not_finite()
            + ([] if may_vary or self.loss_varies else self._different_on_every_run())
        )

    def notes(self) -> list[str]:
        """What differs from run to run."""
        if self.draws:
            notes = ["the loss draws random numbers; every evaluation was given the same ones"]
        else:
            notes = []
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
        bad = [
            (n, g)
            for n, g in zip(self.names, self.gradients, strict=True)
            if g is not None and not torch.isfinite(g).all()
        ]
        return [
            judge(
                "",
                name,
                "",
                pair,
                *(_array(x) for x in (g, torch.zeros_like(g), torch.ones_like(g))),
            )
            for name, g in bad
        ]

    def _different_on_every_run(self) -> list[Verdict]:
        found = []
        for name, first, second, differs in zip(
            self.names, self.gradients, self.again, self._differences(), strict=True
        ):
            if first is None and second is None:
                continue
            if first is None or second is None:
                found.append(
                    missing(
                        "",
                        name,
                        "",
                        ("first call", "second call"),
                        "it has a gradient only on some runs",
                    )
                )
            elif not same_bits(first, second):
                verdict = judge(
                    "",
                    name,
                    "",
                    ("first call", "second call"),
                    _array(first),
                    _array(second),
                    np.zeros(tuple(first.shape)),
                )
                size = float(differs.max()) / max(
                    float(first.abs().max()), torch.finfo(first.dtype).tiny
                )
                reason = (
                    f"different on every run, by {size:.1e} of its largest entry, although "
                    "the loss is the same"
                )
                found.append(Verdict(**(vars(verdict) | {"reason": reason, "outcome": "fail"})))
        return found

    def _differences(self) -> list[Tensor]:
        zero = torch.zeros(0)
        pairs = zip(self.gradients, self.again, strict=True)
        return [
            zero
            if a is None or b is None
            else (a.double() - b.double()).abs().nan_to_num(0.0, 0.0, 0.0)
            for a, b in pairs
        ]


def listen(
    loss: Loss, names: list[str], tensors: Sequence[Tensor], given: Mapping[str, Tensor] | None
) -> Claims:
    """Ask for the loss and its gradients twice; with the same random draws if it turns out that it
    draws."""
    start = Generators()
    box = BlackBox(loss, tensors)
    values = [tensor.data for tensor in tensors]
    first = _ask(box, names, given)
    second = None
    changed = [
        name
        for name, tensor, before in zip(names, tensors, box.at_0, strict=True)
        if not same_bits(tensor, before)
    ]
    if not changed:
        second = _ask(box, names, given)
        if not same_bits(first[0], second[0]):
            box.draws = start
            first = _ask(box, names, given)
            second = _ask(box, names, given)
    (value, gradients, computed), (again_value, again, _) = first, second or first
    varies = float((value.double() - again_value.double()).abs().max())
    who = ("autograd" if given is None else "given", "differences")
    draws = box.draws if varies == 0 else None
    return Claims(
        names,
        values,
        value,
        gradients,
        again,
        computed,
        who,
        draws,
        varies,
        changed,
        box.evaluations,
    )


def none_given(gradients: Sequence[Tensor | None], tensors: Sequence[Tensor]) -> list[Tensor]:
    """Gradients in float64, zero where there are none."""
    pairs = zip(gradients, tensors, strict=True)
    return [
        torch.zeros(t.shape, dtype=torch.float64, device=t.device)
        if g is None
        else g.to(torch.float64)
        for g, t in pairs
    ]


def _ask(
    box: BlackBox, names: list[str], given: Mapping[str, Tensor] | None
) -> tuple[Tensor, list[Tensor | None], list[Tensor | None]]:
    """The loss, the gradients that are claimed, and those by autograd."""
    value, gradients = box.gradients()
    if given is None:
        return value, gradients, gradients
    found: list[Tensor | None] = []
    for name, tensor in zip(names, box.tensors, strict=True):
        keys = [key for key in name.split(" = ") if key in given]
        gradient = given[keys[0]] if keys else None
        if gradient is not None and gradient.shape != tensor.shape:
            raise ValueError(
                f"{name}: expected a gradient of shape {tuple(tensor.shape)}, got "
                f"{tuple(gradient.shape)}."
            )
        found.append(None if gradient is None else gradient.detach().to(tensor.device))
    return value, found, gradients


def _array(tensor: Tensor) -> np.ndarray:
    return tensor.detach().to("cpu", torch.float64).numpy()
