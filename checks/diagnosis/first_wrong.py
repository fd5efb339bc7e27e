"""The first wrong step, without knowing the bug: each step is fed the candidate's own upstream
numbers, and must do the rest right.

Where the candidate hands out its intermediates, those are used; otherwise its gradients of single
samples show them (single_sample.py), and what goes wrong in batches alone is over_batch.py's. One
sample asked with several labels tells (B5) from (B4), because the derivative of an activation
cannot depend on the label, and a wrong p from a wrong dz[L]; other weights that lead to the same z
tell (F1) from (F2) and (F3).
"""

from __future__ import annotations

import numpy as np

from backproof.checks.bugs.hooked_pass import HookedPass
from backproof.checks.diagnosis.error_or_derivative import Blame, blamed
from backproof.checks.diagnosis.evidence import Evidence
from backproof.checks.diagnosis.over_batch import p_is_wrong, wrong_sum
from backproof.checks.diagnosis.role import Role
from backproof.checks.diagnosis.single_sample import Single, all_close, p_behind
from backproof.checks.quantities import Quantity, kind_of, layer_of, names

# of the largest entry: what an intermediate may be off beyond its bound, whose upstream was not the
# right one
SMALLEST = 1e-12


def first_wrong(evidence: list[Evidence]) -> str | None:
    """The name of the first step that is wrong although what it was given is right, such as
    "da[1]"."""
    for item in evidence:
        if item.answer.steps:
            name = _of_intermediates(item)
            if name:
                return name
    return _of_single_samples(evidence) or _of_batches(evidence)


def _of_single_samples(evidence: list[Evidence]) -> str | None:
    """What gradients of single samples show, and the p that batches show beside them."""
    singles, moved = _read(evidence)
    if not singles:
        return None
    name = _forward(singles, moved) or _output(singles, moved)
    if name and not Quantity.parse(name).is_backward and _shown_right(evidence):
        name = None  # the candidate has shown its p, and it is right
    if (name is None or kind_of(name) == "dz") and p_is_wrong(evidence, singles):
        name = "p"
    name = name or _backward(singles, moved)
    if name:
        return _or_earlier(name, evidence)
    return None


def as_likely(name: str, evidence: list[Evidence]) -> str | None:
    """The other step that the numbers may be put down to as well as to this one; None where they
    tell."""
    step = Quantity.parse(name)
    singles, moved = _read(evidence)
    other = {"da": "dz", "dz": "da"}.get(step.kind)
    if other is None or not singles or step.layer == singles[0].L:
        return None
    if blamed(singles, moved, layer_of(name)) is Blame.EITHER:
        return step.beside(other)
    return None


def _read(evidence: list[Evidence]) -> tuple[list[Single], Single | None]:
    """What single samples show; and the first of them with other weights that lead to the same z,
    if that was answered."""
    readable = [Single(item) for item in evidence if item.probe.role in ALONE and _readable(item)]
    singles = [single for single in readable if single.item.probe.role == Role.SINGLE]
    moved = [single for single in readable if single.item.probe.role == Role.SAME_Z]
    if moved:
        return singles, moved[0]
    return singles, None


ALONE = (Role.SINGLE, Role.SAME_Z)


def _shown_right(evidence: list[Evidence]) -> bool:
    """Whether the candidate was asked for its output, and gave the right one."""
    return any(item.probe.role == Role.FORWARD and not item.is_wrong for item in evidence)


def _of_batches(evidence: list[Evidence]) -> str | None:
    """A sum over samples that goes wrong, by the first question that shows one: a batch, if any
    does."""
    wrong = [item for item in evidence if item.wrongs]
    batches = [item for item in wrong if item.probe.role.is_batch]
    for item in (*batches, *wrong):
        return wrong_sum(item)
    return None


def _or_earlier(name: str, evidence: list[Evidence]) -> str:
    """A step of layer l, unless in some batch one of dW and db alone is wrong above it: then dz was
    right, and that is not."""
    setting = evidence[0].setting
    L = setting.problem.L
    step = Quantity.parse(name)
    if not step.is_backward or step == Quantity("dz", L) or not setting.bias:
        return name
    wrong = frozenset[str]().union(*(item.wrongs for item in evidence))
    for layer in range(L, layer_of(name), -1):
        found = {f"dW[{layer}]", f"db[{layer}]"} & wrong
        if len(found) == 1:
            return found.pop()
    return name


def _readable(item: Evidence) -> bool:
    """Whether every gradient came in its shape and finite, and no layer is out of work."""
    if not item.is_whole:
        return False
    # of units that are all out of work, dW shows no dz
    layers = range(item.setting.problem.L)
    return all(item.correct.get("a", layer).any() for layer in layers)


def _forward(singles: list[Single], moved: Single | None) -> str | None:
    """z[l] or a[l], where dW shows another a[l] than the right one and dz[L] is wrong, too: a wrong
    a[l] leads to a wrong p."""
    if all(_same_output(single) for single in singles):
        return None
    # where some a further down is wrong or unseen, the other weights need not lead to the same z
    same_z = moved
    for layer in range(1, singles[0].L):
        read = [(single.read_a(layer), single) for single in singles]
        seen = [(a, single) for a, single in read if a is not None]
        if not all_close(singles, [(a, single.a(layer)) for a, single in seen]):
            if _same_for_same_z(layer, singles, same_z):
                return f"a[{layer}]"
            return f"z[{layer}]"
        if not seen:
            same_z = None
    return None


def _same_for_same_z(layer: int, singles: list[Single], moved: Single | None) -> bool:
    """Whether a[layer] is the same for other weights that lead to the same z, or cannot be
    compared."""
    if moved is None:
        return True
    again = moved.read_a(layer)
    same_sample = [single.read_a(layer) for single in singles if single.sample == moved.sample]
    before = next((a for a in same_sample if a is not None), None)
    return again is None or before is None or all_close(singles, [(again, before)])


def _same_output(single: Single) -> bool:
    """Whether dz[L] is right, by dW[L] or by db[L]; without biases, whether it points where the
    right one points."""
    right = single.dz(single.L)
    read = single.read_dz(single.L)
    by_W = single.from_dW(single.L)
    if by_W is not None and single.close(by_W, right):
        return True
    if read is None:
        return True  # unreadable: nothing speaks against the forward pass
    if single.db:
        return single.close(read, right)
    below = single.from_dW(single.L - 1) if single.L > 1 else None
    if below is not None:  # what came of dz[L] further back has a sign that can be read
        read = below
        right = single.dz(single.L - 1)
    length = np.linalg.norm(read) or 1.0
    due_length = np.linalg.norm(right) or 1.0
    return single.close(read / length, right / due_length)


def _output(singles: list[Single], moved: Single | None) -> str | None:
    """p, z[L] or dz[L], where db[L] and dW[L] agree on a dz[L] that is not the right one."""
    L = singles[0].L
    read = [single.read_dz(L) for single in singles]
    from_dW = [single.from_dW(L) for single in singles]
    consistent = all_close(singles, list(zip(from_dW, read, strict=True)))
    right = [single.dz(L) for single in singles]
    if not consistent or all_close(singles, list(zip(read, right, strict=True))):
        return None
    if not singles[0].db and _follows(singles, L):
        return f"dW[{L}]"
    if p_behind(singles) is None:
        return f"dz[{L}]"
    if moved and not all_close(singles, [(moved.read_dz(L), read[0])]):
        return f"z[{L}]"
    return "p"


def _backward(singles: list[Single], moved: Single | None) -> str | None:
    """From the output back: dW and db given dz, then the next dz given this one."""
    for layer in range(singles[0].L, 0, -1):
        name = _wrong_in_layer(singles, moved, layer)
        if name:
            return name
    return None


def _wrong_in_layer(singles: list[Single], moved: Single | None, layer: int) -> str | None:
    """The first step of one layer that is wrong, given the candidate's own dz of the next."""
    has_db = bool(singles[0].db)
    expected = [_expected(single, layer) for single in singles]
    from_dW = [single.from_dW(layer) for single in singles]
    dW_follows = all_close(singles, list(zip(from_dW, expected, strict=True)))
    db_follows = False
    if has_db:
        from_db = [single.db[layer] for single in singles]
        db_follows = all_close(singles, list(zip(from_db, expected, strict=True)))
    if dW_follows and (db_follows or not has_db):
        return None
    if db_follows:
        return f"dW[{layer}]"
    if dW_follows:
        return f"db[{layer}]"
    if not has_db and (any(dz is None for dz in from_dW) or _follows(singles, layer)):
        return f"dW[{layer}]"
    if layer == singles[0].L or blamed(singles, moved, layer) is Blame.DERIVATIVE:
        return f"dz[{layer}]"
    return f"da[{layer}]"


def _expected(single: Single, layer: int) -> np.ndarray:
    """dz[layer] by right steps from the candidate's own dz[layer + 1], as far as that can be
    read."""
    if layer == single.L:
        return single.dz(layer)
    upstream = single.read_dz(layer + 1)
    if upstream is None:
        upstream = _expected(single, layer + 1)
    return single.next_dz(layer, upstream)


def _follows(singles: list[Single], layer: int) -> bool:
    """Whether the next dz follows from the right dz[layer], whatever dW[layer] shows: then only
    dW[layer] is wrong."""
    if layer == 1:
        return False
    pairs = [
        (single.from_dW(layer - 1), single.next_dz(layer - 1, _expected(single, layer)))
        for single in singles
    ]
    return all_close(singles, pairs)


def _of_intermediates(item: Evidence) -> str | None:
    """The first of the candidate's own intermediates that does not follow from those before it."""
    steps = item.answer.steps or {}
    problem = item.setting.problem
    run = HookedPass(item.setting)
    for name in names(problem.L, problem.head):
        quantity = Quantity.parse(name)
        if name not in steps or quantity.kind not in ("z", "a", "p", "da", "dz"):
            continue
        layer = quantity.layer or problem.L
        expected = run.get(quantity.kind, layer)
        given = np.asarray(steps[name])
        if given.shape != expected.shape:
            return name
        limit = item.rounding.bounds[name] + SMALLEST * np.abs(expected).max()
        if not (np.abs(given - expected) <= limit).all():
            return name
        run.put(quantity.kind, layer, given)
    return None
