"""What is claimed about the gradients, asked twice: does it come, is it finite, is it the same each
time, and does it grow with what is sent back?"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor

from backproof.checks.black_box.box import BlackBox, Loss, real
from backproof.checks.black_box.held import Held
from backproof.checks.black_box.rungs import NOISE_BAR
from backproof.checks.black_box.untouched import Generators, same_bits
from backproof.checks.verdict import Verdict, judge, missing

# what is sent back a second time: a power of two, so that no digit changes, and not 1
SCALE = -0.5
# eps of the largest entry that a scaled gradient may be off: rounding again, in another order
RESCALED = 64.0


Send = Callable[[float], list[Tensor | None]]


@dataclass
class Second:
    """How one tensor's gradient compares when it is asked for again.

    Attributes:
        same: to the last bit.
        differs: by how much at most, at an entry.
        verdict: what fails, if it may not vary.
    """

    same: bool = True
    differs: float = 0.0
    verdict: Verdict | None = None


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
            if gradient is None or bool(torch.isfinite(gradient).all()):
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
        second = _asked_again(box, names, computed, send)
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
    )
    found.evaluations = box.evaluations
    if given is None and not varies:
        found.not_scaled = _scaled(found, send)
    return found


def _asked_again(
    box: BlackBox, names: list[str], first: list[Tensor | None], send: Send
) -> list[Second]:
    """How the second answer compares with the first; a third decides where code is compiled on its
    first call, and is itself from then on."""
    again = send(1.0)
    found = [_compared(name, one, two) for name, one, two in zip(names, first, again, strict=True)]
    if all(second.same for second in found):
        return found
    _, third = box.gradients()
    warmed_up = [
        _compared(name, two, three) for name, two, three in zip(names, again, third, strict=True)
    ]
    if not all(second.same for second in warmed_up):
        return found
    return [
        Second(True, second.differs) if _is_rounding(second, one) else second
        for second, one in zip(found, first, strict=True)
    ]


def _is_rounding(second: Second, gradient: Tensor | None) -> bool:
    if second.same or gradient is None:
        return second.same
    largest = float(gradient.abs().max())
    return second.differs <= RESCALED * torch.finfo(gradient.dtype).eps * largest


def zero_if_none(gradients: Sequence[Tensor | None], tensors: Sequence[Tensor]) -> list[Tensor]:
    """Gradients in float64, complex ones by their parts; zero where there are none."""
    found = []
    for gradient, tensor in zip(gradients, tensors, strict=True):
        if gradient is None:
            shape = real(tensor.detach()).shape
            found.append(torch.zeros(shape, dtype=torch.float64, device=tensor.device))
        else:
            found.append(real(gradient).to(torch.float64))
    return found


def _scaled(claims: ClaimedGradients, send: Send) -> list[Verdict]:
    """Verdicts on gradients that are not SCALE times themselves when SCALE is sent back in place of
    1."""
    try:
        scaled = send(SCALE)
    except Exception:  # somebody's graph that can be gone through once only is judged otherwise
        return []
    found = []
    pair = (f"{SCALE} sent back", f"{SCALE} times what 1 gives")
    for name, one, other, second in zip(
        claims.names, claims.computed, scaled, claims.second, strict=True
    ):
        if one is None or other is None or not one.numel():
            continue
        info = torch.finfo(one.dtype)
        largest = abs(SCALE) * float(torch.linalg.vector_norm(one, torch.inf))
        allowed = RESCALED * info.eps * largest + info.tiny + NOISE_BAR * second.differs
        off = torch.sub(other, one, alpha=SCALE)
        if float(torch.linalg.vector_norm(off, torch.inf)) <= allowed:
            continue
        expected = SCALE * one
        bounds = np.full(_array(one).shape, allowed)
        verdict = judge("", name, "", pair, _array(other), _array(expected), bounds)
        reason = "the gradient does not grow with the one that is sent back: " + verdict.reason
        found.append(replace(verdict, reason=reason))
    return found


def _compared(name: str, first: Tensor | None, second: Tensor | None) -> Second:
    pair = ("first call", "second call")
    if first is None and second is None:
        return Second()
    if first is None or second is None:
        reason = "it has a gradient only on some runs"
        return Second(False, 0.0, missing("", name, "", pair, reason))
    if same_bits(first, second):
        return Second()
    one = _array(first)
    two = _array(second)
    with np.errstate(invalid="ignore"):
        differs = float(np.nan_to_num(np.abs(one - two), nan=0.0, posinf=0.0).max())
    verdict = judge("", name, "", pair, one, two, np.zeros(one.shape))
    size = differs / max(float(np.abs(one).max()), float(torch.finfo(first.dtype).tiny))
    reason = (
        f"different on every run, by {size:.1e} of its largest entry, although the loss is the same"
    )
    return Second(False, differs, replace(verdict, outcome="fail", reason=reason))


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
