"""The first wrong step, without knowing the bug: each step is fed the candidate's own upstream numbers, and must do the rest right.

For a single sample db[l] is dz[l] itself and dW[l] is dz[l] times a[l-1], so a candidate that returns nothing but gradients still
shows its a, dz and p. One sample asked with several labels tells (B5) from (B4), because the derivative of an activation cannot
depend on the label; the same question tells a wrong p from a wrong dz[L]. Where the candidate hands out its intermediates, those are used.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from checks.evidence import Evidence
from checks.quantities import Quantities, equation, names
from checks.wrong_pass import Pass, Setting

LOOSE = 1e-6  # relative; a step of a wrong pass has no derived bound. Rounding leaves 1e-12, a wrong step more than 1e-4
SCATTER = 0.2  # of the spread: what a polynomial leaves of values that are a function of z, such as a kink; scatter leaves all


def first_wrong(evidence: list[Evidence]) -> str | None:
    """The tag and name of the first step that is wrong although what it was given is right, such as "(B4) da[1]"."""
    for item in evidence:
        if item.answer.steps and (quantity := _of_intermediates(item)):
            return _tagged(quantity, item.setting)
    singles = [Single(item) for item in evidence if item.probe.role == "single" and _readable(item)]
    for find in (_output, _forward, _of_singles):
        if singles and (quantity := find(singles)):
            return _tagged(quantity, singles[0].item.setting)
    for item in evidence:
        if item.wrongs and item.probe.role not in ("single", "rare label", "rare class"):
            return _tagged(_of_batch(item, bool(singles)), item.setting)
    return next((_tagged(_of_batch(item, True), item.setting) for item in evidence if item.wrongs), None)


def _tagged(quantity: str, setting: Setting) -> str:
    problem = setting.problem
    return f"{equation(quantity, problem.L, problem.output, problem.cost)} {quantity}"


def _readable(item: Evidence) -> bool:
    """Whether every gradient came in its shape and finite."""
    given = item.given or {}
    return all(
        q in given and given[q].shape == item.right.named(q).shape and np.isfinite(given[q]).all() for q in item.setting.gradients
    )


@dataclass
class Single:
    """One sample's answer, read as intermediates."""

    item: Evidence

    def __post_init__(self) -> None:
        setting, given = self.item.setting, self.item.given or {}
        self.L, self.scale = setting.problem.L, setting.N * setting.weight
        self.dW = {layer: given[f"dW[{layer}]"] for layer in range(1, self.L + 1)}
        self.db = {layer: given[f"db[{layer}]"] for layer in range(1, self.L + 1)} if setting.bias else {}
        self.right: Pass = self.item.right

    def a(self, layer: int) -> np.ndarray:
        """The right a[layer] of the sample."""
        return self.right.get("a", layer)[0]

    def dz(self, layer: int) -> np.ndarray:
        """The right dz[layer], as large as the gradients are."""
        return np.asarray(self.right.get("dz", layer)[0] * self.setting.N)

    @property
    def setting(self) -> Setting:
        """Of the question."""
        return self.item.setting

    def from_db(self, layer: int) -> np.ndarray | None:
        """The candidate's dz as its db says it."""
        return self.db.get(layer)

    def from_dW(self, layer: int) -> np.ndarray | None:
        """The candidate's dz as its dW says it, given the right a[layer - 1]; None if dW is no multiple of that."""
        a = self.a(layer - 1)
        dz = self.dW[layer] @ a / (a @ a)
        return dz if _close(self.dW[layer], np.outer(dz, a)) else None

    def seen_dz(self, layer: int) -> np.ndarray | None:
        """Where db and dW agree, or db alone says something."""
        return self.db.get(layer) if self.db else self.from_dW(layer)

    def seen_a(self, layer: int) -> np.ndarray | None:
        """The candidate's a[layer]: the row by which dW[layer + 1] multiplies its dz; None if there is no such row."""
        dz = self.seen_dz(layer + 1)
        if dz is None or not dz.any():
            return None
        a = dz @ self.dW[layer + 1] / (dz @ dz)
        return a if _close(self.dW[layer + 1], np.outer(dz, a)) else None


def _close(first: np.ndarray, second: np.ndarray) -> bool:
    size = max(float(np.abs(first).max(initial=0)), float(np.abs(second).max(initial=0)))
    return bool(np.abs(first - second).max(initial=0) <= LOOSE * size)


def _all_close(pairs: list[tuple[np.ndarray | None, np.ndarray]]) -> bool:
    return all(seen is not None and _close(seen, right) for seen, right in pairs)


def _output(singles: list[Single]) -> str | None:
    """dz[L], where all that it was given seems right: dW[L] is it times the right a, and db[L] is it, and it is wrong."""
    L = singles[0].L
    if not all(single.from_dW(L) is not None for single in singles):
        return None
    seen = [single.seen_dz(L) for single in singles]
    consistent = _all_close([(single.from_dW(L), dz) for single, dz in zip(singles, seen, strict=True) if dz is not None])
    if not consistent or _all_close([(dz, single.dz(L)) for dz, single in zip(seen, singles, strict=True)]):
        return None
    if not _upstream_a_right(singles):
        return None
    return "p" if _p_is_wrong(singles) else f"dz[{L}]"


def _upstream_a_right(singles: list[Single]) -> bool:
    return all(
        single.seen_a(layer) is None or _close(single.seen_a(layer), single.a(layer))
        for single in singles
        for layer in range(singles[0].L)
    )  # type: ignore[arg-type]


def _p_is_wrong(singles: list[Single]) -> bool:
    """Whether dz[L] + Y is the same for every label: then p itself is off, and p - Y is taken rightly."""
    if singles[0].setting.problem.cost != "cross-entropy":
        return False
    L, found = singles[0].L, []
    for single in singles:
        dz = single.seen_dz(L)
        if single.item.probe.sample == singles[0].item.probe.sample and dz is not None:
            found.append(dz / single.scale + single.right.get("Y", L)[0])
    return len(found) > 1 and all(_close(p, found[0]) for p in found)


def _forward(singles: list[Single]) -> str | None:
    """z[l] or a[l], where dW shows another a[l] than the right one and dz[L] is wrong, too: a wrong a[l] leads to a wrong p."""
    L = singles[0].L
    if _all_close([(single.seen_dz(L), single.dz(L)) for single in singles]):
        return None
    for layer in range(1, L):
        seen = [single.seen_a(layer) for single in singles]
        if any(a is None for a in seen):
            continue
        if not _all_close([(a, single.a(layer)) for a, single in zip(seen, singles, strict=True)]):
            return f"{'a' if _function_of_z(singles, layer, seen) else 'z'}[{layer}]"
    return None


def _function_of_z(singles: list[Single], layer: int, seen: list[np.ndarray | None]) -> bool:
    """Whether a[layer] follows some curve over the right z[layer]: then (F2) is wrong and (F1) is not."""
    z = np.concatenate([single.right.get("z", layer)[0] for single in singles])
    a = np.concatenate([value for value in seen if value is not None])
    order = np.argsort(z)
    z, a = z[order], a[order]
    if np.ptp(a) == 0:
        return True
    steps, width = np.abs(np.diff(a)), np.maximum(np.diff(z), 1e-9)
    same = width < 1e-8
    if (steps[same] > 1e-6 * np.ptp(a)).any():
        return False
    degree = min(5, max(1, len(np.unique(z)) // 3))
    fitted = np.polynomial.Polynomial.fit(z, a, degree)(z)
    return float(np.std(a - fitted)) <= SCATTER * float(np.std(a))


def _of_singles(singles: list[Single]) -> str | None:
    """From the output back: dW and db given dz, then the next dz given this one."""
    L = singles[0].L
    for layer in range(L, 0, -1):
        dzs = [_expected(single, layer) for single in singles]
        if any(dz is None for dz in dzs):
            return None
        by_W = _all_close([(single.from_dW(layer), dz) for single, dz in zip(singles, dzs, strict=True) if dz is not None])
        by_b = not singles[0].db or _all_close(
            [(s.from_db(layer), dz) for s, dz in zip(singles, dzs, strict=True) if dz is not None]
        )
        if by_W and by_b:
            continue
        agree = all(s.from_dW(layer) is not None and (not s.db or _close(s.from_dW(layer), s.db[layer])) for s in singles)  # type: ignore[arg-type]
        if by_b and singles[0].db:
            return f"dW[{layer}]"
        if by_W:
            return f"db[{layer}]"
        if not agree and not singles[0].db:
            return f"dW[{layer}]"
        if layer == L:
            return f"dz[{L}]"
        return f"dz[{layer}]" if _derivative_is_wrong(singles, layer) else f"da[{layer}]"
    return None


def _expected(single: Single, layer: int) -> np.ndarray | None:
    """dz[layer] by right steps from the candidate's own dz[layer + 1]."""
    if layer == single.L:
        return single.dz(layer)
    upstream = single.seen_dz(layer + 1)
    if upstream is None or not _close(upstream, upstream):
        upstream = single.from_dW(layer + 1)
    if upstream is None:
        return None
    return np.asarray((upstream @ single.setting.problem.W[layer + 1]) * single.right.get("s", layer)[0])


def _derivative_is_wrong(singles: list[Single], layer: int) -> bool:
    """Whether dz[layer] is da[layer] times something that does not depend on the label: then that something is wrong."""
    by_sample: dict[int, list[np.ndarray]] = {}
    for single in singles:
        upstream, dz = single.seen_dz(layer + 1), single.seen_dz(layer)
        if dz is None:
            dz = single.from_dW(layer)
        if upstream is None or dz is None:
            return True
        da = upstream @ single.setting.problem.W[layer + 1]
        by_sample.setdefault(single.item.probe.sample, []).append(dz / da)
    factors = next((found for found in by_sample.values() if len(found) > 1), None)
    return factors is None or all(_close(factor, factors[0]) for factor in factors)


def _of_batch(item: Evidence, singles_right: bool) -> str:
    """Right for single samples, wrong for several: a sum over samples. The layer nearest to the output says which."""
    L = item.setting.problem.L
    for layer in range(L, 0, -1):
        dW, db = f"dW[{layer}]" in item.wrongs, f"db[{layer}]" in item.wrongs
        if dW and (db or not item.setting.bias):
            only_dW = not item.setting.bias and len(item.wrongs) == 1
            return f"dW[{layer}]" if only_dW else f"dz[{L}]" if layer == L else f"da[{layer}]"
        if dW or db:
            return f"dW[{layer}]" if dW else f"db[{layer}]"
    return f"dz[{L}]"


def _of_intermediates(item: Evidence) -> str | None:
    """The first of the candidate's own intermediates that does not follow from those before it."""
    steps, problem, run = item.answer.steps or {}, item.setting.problem, Pass(item.setting)
    rows = len(problem.y)
    for name in names(problem.L, problem.output, problem.cost):
        if name not in steps or name.startswith(("dW", "db")):
            continue
        step, _, index = name.rstrip("]").partition("[")
        layer = int(index or problem.L)
        expected = run.get(step, layer) if step in ("z", "a", "p", "da", "dz") else None
        given = np.asarray(steps[name])
        if expected is None or expected.shape[0] != rows:
            continue
        if given.shape != expected.shape or not _within(item, name, given, expected, run):
            return name
        run._known[step, layer] = given
    return None


def _within(item: Evidence, name: str, given: np.ndarray, expected: np.ndarray, run: Pass) -> bool:
    bounds: Quantities = item.bounds
    limit = bounds.get(name, np.zeros(expected.shape))
    return bool((np.abs(given - expected) <= limit + LOOSE * 1e-6 * np.abs(expected).max()).all())
