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

from backproof.checks.bugs.wrong_pass import Pass, Setting
from backproof.checks.diagnosis.evidence import Evidence
from backproof.checks.diagnosis.over_batch import p_is_wrong, wrong_sum
from backproof.checks.diagnosis.single_sample import Single, alike, all_close, close, p_behind
from backproof.checks.quantities import equation, names

# of the largest entry: what an intermediate may be off beyond its bound, whose upstream was not the
# right one
SMALLEST = 1e-12


def first_wrong(evidence: list[Evidence]) -> str | None:
    """The tag and name of the first step that is wrong although what it was given is right, such as
    "(B4) da[1]"."""
    for item in evidence:
        if item.answer.steps and (quantity := _of_intermediates(item)):
            return _tagged(quantity, item.setting)
    readable = [
        Single(item)
        for item in evidence
        if item.probe.role in ("single", "same z") and _readable(item)
    ]
    singles = [single for single in readable if single.item.probe.role == "single"]
    if singles:
        moved = next((single for single in readable if single.item.probe.role == "same z"), None)
        quantity = _forward(singles, moved) or _output(singles, moved)
        if (
            quantity
            and quantity[0] in "zap"
            and any(item.probe.role == "forward" and not item.is_wrong for item in evidence)
        ):
            quantity = None  # the candidate has shown its p, and it is right
        if (quantity is None or quantity.startswith("dz")) and p_is_wrong(evidence, singles):
            quantity = "p"
        if quantity := quantity or _backward(singles):
            return _tagged(_or_earlier(quantity, evidence), singles[0].item.setting)
    wrong = [item for item in evidence if item.wrongs and item.is_of_gradients]
    batches = [
        item
        for item in wrong
        if item.probe.role not in ("single", "same z", "rare label", "rare class", "labels")
    ]
    return next((_tagged(wrong_sum(item), item.setting) for item in (*batches, *wrong)), None)


def _or_earlier(quantity: str, evidence: list[Evidence]) -> str:
    """A step of layer l, unless in some batch one of dW and db alone is wrong above it: then dz was
    right, and that is not."""
    setting = evidence[0].setting
    wrong = frozenset[str]().union(*(item.wrongs for item in evidence))
    if quantity[0] == "d" and quantity != f"dz[{setting.problem.L}]" and setting.bias:
        for above in range(setting.problem.L, int(quantity[3:-1]), -1):
            if len(found := {f"dW[{above}]", f"db[{above}]"} & wrong) == 1:
                return found.pop()
    return quantity


def _tagged(quantity: str, setting: Setting) -> str:
    problem = setting.problem
    return f"{equation(quantity, problem.L, problem.output, problem.cost)} {quantity}"


def _readable(item: Evidence) -> bool:
    """Whether every gradient came in its shape and finite."""
    given = item.given or {}
    right = item.right
    return all(
        q in given and given[q].shape == right.named(q).shape and np.isfinite(given[q]).all()
        for q in item.setting.gradients
    )


def _forward(singles: list[Single], moved: Single | None) -> str | None:
    """z[l] or a[l], where dW shows another a[l] than the right one and dz[L] is wrong, too: a wrong
    a[l] leads to a wrong p."""
    L = singles[0].L
    if all(_same_output(single) for single in singles):
        return None
    # where some a further down is wrong or unseen, the other weights need not lead to the same z
    same_z = moved
    for layer in range(1, L):
        seen = [(a, single) for single in singles if (a := single.seen_a(layer)) is not None]
        if not all_close(singles, [(a, single.a(layer)) for a, single in seen]):
            again = same_z.seen_a(layer) if same_z else None
            before = next(
                (a for a, single in seen if same_z and single.sample == same_z.sample), None
            )
            same = again is None or before is None or all_close(singles, [(again, before)])
            if same:
                return f"a[{layer}]"
            return f"z[{layer}]"
        same_z = same_z if seen else None
    return None


def _same_output(single: Single) -> bool:
    """Whether dz[L] is right, by dW[L] or by db[L]; without biases, whether it points where the
    right one points."""
    right = single.dz(single.L)
    seen = single.seen_dz(single.L)
    by_W = single.from_dW(single.L)
    if by_W is not None and single.close(by_W, right):
        return True
    if seen is None:
        return True  # unreadable: nothing speaks against the forward pass
    if single.db:
        return single.close(seen, right)
    below = single.from_dW(single.L - 1) if single.L > 1 else None
    if below is not None:  # what came of dz[L] further back has a sign that can be read
        seen = below
        right = single.dz(single.L - 1)
    return single.close(
        seen / (np.linalg.norm(seen) or 1.0), right / (np.linalg.norm(right) or 1.0)
    )


def _output(singles: list[Single], moved: Single | None) -> str | None:
    """p, z[L] or dz[L], where db[L] and dW[L] agree on a dz[L] that is not the right one."""
    L = singles[0].L
    seen = [single.seen_dz(L) for single in singles]
    consistent = all_close(
        singles, [(single.from_dW(L), dz) for single, dz in zip(singles, seen, strict=True)]
    )
    if not consistent or all_close(
        singles, [(dz, single.dz(L)) for single, dz in zip(singles, seen, strict=True)]
    ):
        return None
    if not singles[0].db and _follows(singles, L):
        return f"dW[{L}]"
    p = p_behind(singles)
    if p is None:
        return f"dz[{L}]"
    if moved and not all_close(singles, [(moved.seen_dz(L), singles[0].seen_dz(L))]):
        return f"z[{L}]"
    return "p"


def _backward(singles: list[Single]) -> str | None:
    """From the output back: dW and db given dz, then the next dz given this one."""
    L = singles[0].L
    has_db = bool(singles[0].db)
    for layer in range(L, 0, -1):
        dzs = [_expected(single, layer) for single in singles]
        by_W = all_close(
            singles, [(single.from_dW(layer), dz) for single, dz in zip(singles, dzs, strict=True)]
        )
        by_b = has_db and all_close(
            singles, [(single.db[layer], dz) for single, dz in zip(singles, dzs, strict=True)]
        )
        if by_W and (by_b or not has_db):
            continue
        if by_b or by_W:
            if by_b:
                return f"dW[{layer}]"
            return f"db[{layer}]"
        if not has_db and (
            any(single.from_dW(layer) is None for single in singles) or _follows(singles, layer)
        ):
            return f"dW[{layer}]"
        if layer == L:
            return f"dz[{L}]"
        if _derivative_is_wrong(singles, layer):
            return f"dz[{layer}]"
        return f"da[{layer}]"
    return None


def _expected(single: Single, layer: int) -> np.ndarray:
    """dz[layer] by right steps from the candidate's own dz[layer + 1], as far as that can be
    read."""
    if layer == single.L:
        return single.dz(layer)
    upstream = single.seen_dz(layer + 1)
    return single.next_dz(layer, _expected(single, layer + 1) if upstream is None else upstream)


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


def _derivative_is_wrong(singles: list[Single], layer: int) -> bool:
    """Whether dz[layer] is da[layer] times something that does not depend on the label: then that
    something is wrong.

    Of two classes, every dz[layer + 1] of a sample may be a multiple of one vector, and then
    nothing depends on the label. What is wrong by the same factors for every sample, or by
    multiples of them, is then W, because a wrong derivative would depend on z.
    """
    loose = max(single.loose for single in singles)
    upstream = [single.seen_dz(layer + 1) for single in singles]
    seen = [single.seen_dz(layer) for single in singles]
    if any(up is None for up in upstream) or any(dz is None for dz in seen):
        return True
    pairs = [(np.asarray(up), np.asarray(dz)) for up, dz in zip(upstream, seen, strict=True)]
    if not any(dz.any() for _, dz in pairs):
        return False  # nothing arrives at all
    factors = [
        dz / (up @ single.W[layer + 1]) for (up, dz), single in zip(pairs, singles, strict=True)
    ]
    same = [i for i, single in enumerate(singles) if single.sample == singles[0].sample]
    if not all(close(factors[i], factors[same[0]], loose) for i in same):
        return False
    if np.linalg.matrix_rank(np.stack([up for up, _ in pairs]), rtol=loose) > 1:
        return True
    ratios = [factor / single.s(layer) for factor, single in zip(factors, singles, strict=True)]
    # of a derivative, and another W
    without = alike(factors, loose) and not close(factors[0], np.ones(len(factors[0])), loose)
    return not (without or alike(ratios, loose))


def _of_intermediates(item: Evidence) -> str | None:
    """The first of the candidate's own intermediates that does not follow from those before it."""
    steps = item.answer.steps or {}
    problem = item.setting.problem
    run = Pass(item.setting)
    for name in names(problem.L, problem.output, problem.cost):
        step, _, index = name.rstrip("]").partition("[")
        if name not in steps or step not in ("z", "a", "p", "da", "dz"):
            continue
        layer = int(index or problem.L)
        expected = run.get(step, layer)
        given = np.asarray(steps[name])
        if given.shape != expected.shape:
            return name
        limit = item.bounds[name] + SMALLEST * np.abs(expected).max()
        if not (np.abs(given - expected) <= limit).all():
            return name
        run.put(step, layer, given)
    return None
