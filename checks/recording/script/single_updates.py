"""Whether single numbers that do not lose their gradient must be wrong: an update may treat each of
them in its own way, as Adam and a clip do."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from backproof.checks.quantities import Quantity
from backproof.checks.recording.script.held_numbers import EPS
from backproof.checks.recording.script.readings import Reading

NEAR = 1e-6  # relative to the largest
ROUNDINGS = 4.0  # of a number before and after its update
ALIKE = 1e-4  # relative: multiples that are one
FEWEST = 2  # numbers that lose their gradient at one rate, by no accident


def excused(best: Reading, later: Sequence[Sequence[Reading]]) -> str:
    """What explains a wrong step of single numbers that need not be wrong, as a sentence; "" where
    its update is plain, and nothing explains what it loses.

    Args:
        best: how the step is read.
        later: of each step after it, the readings that may be the same.
    """
    if best.before is not None or all(best.seen.values()):
        return ""
    if best.is_off and (scaled := _scaled(best, later)):
        return scaled
    lost, due, before = _numbers(best)
    size = np.maximum(np.abs(lost), np.abs(due))
    shows = size > NEAR * size.max(initial=0)
    is_wrong = shows & (np.abs(lost - due) > NEAR * size + ROUNDINGS * EPS * np.abs(before))
    if not (is_wrong | ~shows).all():
        return _explained(best, lost, due, is_wrong)
    if any(_is_of_delta(best, layer) for layer in range(1, best.L + 1)):
        return ""
    return (
        f"what {', '.join(best.found.names)} lose is the gradient of nothing that is known here, "
        "and an update that treats each number in its own way, as Adam's, would explain it"
    )


def _scaled(best: Reading, later: Sequence[Sequence[Reading]]) -> str:
    """What explains a step that is a multiple of the right one, and another one at each sample."""
    some = [best]
    for each in later:
        some += [one for one in each if one.head == best.head][:1]
    by_label: dict[bytes, list[float]] = {}
    norms = []
    for one in some:
        quantity = Quantity("dW", one.L)
        ratio = one.changes[quantity].ratio(one.page.values[quantity])
        if ratio is None or ratio <= 0:
            return ""
        by_label.setdefault(one.page.problem.Y.tobytes(), []).append(ratio)
        norms.append(float(np.linalg.norm(_numbers(one)[0])))
    spreads = [float(np.ptp(ratios)) / max(ratios) for ratios in by_label.values()]
    if max(map(len, by_label.values())) > 1 and max(spreads) <= ALIKE:
        return "weights of the classes would explain what is lost"
    if any(abs(norm - norms[0]) <= ALIKE * norms[0] for norm in norms[1:]):
        return "gradients that are brought to a norm would explain what is lost"
    return ""


def _numbers(best: Reading) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of all weights and biases in a row: what they lose, what they must, and what they were."""
    rate = 1.0 if best.descent is None else best.descent.rate
    some = list(best.changes.items())
    lost = [change.lost.reshape(-1) for _, change in some]
    due = [rate * best.page.values[quantity].reshape(-1) for quantity, _ in some]
    before = [change.before.reshape(-1) for _, change in some]
    return np.concatenate(lost), np.concatenate(due), np.concatenate(before)


def _explained(best: Reading, lost: np.ndarray, due: np.ndarray, is_wrong: np.ndarray) -> str:
    """The same where others lose their gradient."""
    sizes = np.abs(lost)
    largest = float(sizes.max())
    cut = sizes >= (1 - NEAR) * largest
    is_cut = cut[is_wrong].all() and (np.abs(due) > sizes)[is_wrong].all()
    is_cut = is_cut and (np.sign(due) == np.sign(lost))[is_wrong].all()
    if is_cut and (is_wrong.sum() > 1 or _is_written(best, largest)):
        return "gradients that are clipped one by one would explain what is lost"
    return "an L1 penalty would explain what is lost" if _is_pulled(best) else ""


def _is_pulled(best: Reading) -> bool:
    """Whether all numbers of each parameter that is wrong lose one size more, towards zero."""
    rate = 1.0 if best.descent is None else best.descent.rate
    pulled = []
    for quantity, change in best.changes.items():
        if not best.seen[quantity]:
            more = change.lost - rate * best.page.values[quantity]
            pulled.append((more * np.sign(change.before)).reshape(-1))
    sizes = np.concatenate(pulled)
    is_one = float(np.ptp(sizes)) <= NEAR * float(sizes.max())
    return bool(len(sizes) > 1 and sizes.min() > 0 and is_one)


def _is_written(best: Reading, size: float) -> bool:
    """Whether the largest number that is lost is a rate times a number of the script, as a limit
    is."""
    rates = [] if best.descent is None else [best.descent.rate]
    limits = [size / (rate * factor) for rate in rates for factor in (0.5, 1.0, 2.0)]
    return any(best.written.is_literal(limit) for limit in (size, *limits))


def _is_of_delta(best: Reading, layer: int) -> bool:
    """Whether what a layer loses is one number for each of its neurons times what went in, and
    that number for its bias: then it is descent, by whatever delta."""
    x = best.page.values[Quantity("a", layer - 1)] if layer > 1 else best.page.problem.x
    lost = best.changes[Quantity("dW", layer)].lost
    bias = best.changes.get(Quantity("db", layer))
    taken = x[0]
    count = np.count_nonzero(taken) + (bias is not None)
    if len(x) > 1 or count < FEWEST or not lost.any():
        return False
    at = int(np.abs(taken).argmax())
    if taken[at] == 0:
        return False
    delta = lost[:, at] / taken[at]
    off = float(np.abs(lost - np.outer(delta, taken)).max())
    if bias is not None:
        off = max(off, float(np.abs(bias.lost - delta).max()))
    return bool(off <= NEAR * max(float(np.abs(lost).max()), float(np.abs(delta).max())))
