"""Weight decay, which is no bug: told as a convention where a file does not declare it, and taken
off before gradients are judged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from backproof.checks.candidates.conventions import Conventions
from backproof.checks.diagnosis.decay import decays_alike
from backproof.checks.diagnosis.evidence import Evidence
from backproof.checks.diagnosis.factor import fitted
from backproof.checks.diagnosis.matching import WITH_DECAY, explain
from backproof.checks.diagnosis.rounding import CLOSE
from backproof.checks.quantities import kind_of


def without_decay(evidence: Sequence[Evidence], decay: float) -> list[Evidence]:
    """The answers without a multiple of W in dW, and the rounding that taking it off costs."""
    return [_without(item, decay) for item in evidence]


def _without(item: Evidence, decay: float) -> Evidence:
    if decay == 0:
        return item
    times = decay if item.setting.mean else decay * item.setting.calls
    return without_added(item, {layer: times * W for layer, W in item.setting.problem.W.items()})


def without_added(item: Evidence, added: Mapping[int, np.ndarray]) -> Evidence:
    """An answer without what is added to dW, layer by layer, and the rounding that taking it off
    costs."""
    answer = item.answer
    if answer.dW is None:
        return item
    dW = dict(answer.dW)
    rounding = dict(answer.rounding)
    for layer, extra in added.items():
        name = f"dW[{layer}]"
        if layer in dW and dW[layer].shape == extra.shape:
            eps = item.rounding.eps(name)
            lost = 2 * eps * (np.abs(extra) + np.abs(dW[layer]))
            dW[layer] = dW[layer] - extra
            rounding[name] = rounding.get(name, 0.0) + lost
    return Evidence(item.probe, replace(answer, dW=dW, rounding=rounding))


def undeclared_decay(conventions: Conventions, evidence: list[Evidence]) -> float | None:
    """The multiple of W that makes every dW wrong, where one positive multiple is all that does;
    None where there is none, or the file declares its own."""
    if "WEIGHT_DECAY" in conventions.declared:
        return None
    gradients = [item for item in evidence if item.is_of_gradients]
    match = explain((), gradients, freedom=WITH_DECAY)
    if match is None or not match.decays or not decays_alike(match.fits, CLOSE):
        return None
    found: list[float] = []
    for fits in match.fits:
        factors = [factor for factor in fits.factors.values() if factor is not None]
        weights_alone = all(kind_of(name) == "dW" for name in fits.decays)
        everywhere = len(fits.decays) == fits.setting.problem.L
        if any(factor != 1.0 for factor in factors) or not weights_alone or not everywhere:
            return None
        calls = 1 if fits.setting.mean else fits.setting.calls
        found += [decay / calls for decay in fits.decays.values()]
    if min(found) <= 0 or max(found) - min(found) > CLOSE * max(found):
        return None
    return float(f"{found[0]:.6g}")


def decay_of_output(item: Evidence) -> float:
    """The multiple of W[L] by which one dW[L] differs from the right one, of either sign; 0 where
    anything else differs."""
    name = f"dW[{item.setting.problem.L}]"
    due = item.correct.value(name)
    given = item.came(name, due.shape)
    if given is None or given.shape != due.shape:
        return 0.0
    fit = fitted(item, name, given, due, WITH_DECAY, None)
    if fit is None or fit.factor != 1.0:
        return 0.0
    if item.setting.mean:
        return float(f"{fit.decay:.6g}")
    return float(f"{fit.decay / item.setting.calls:.6g}")


def decayed(item: Evidence, decay: float) -> Evidence:
    """An answer without a multiple of W in dW, that is still in the weights which were left."""
    setting = replace(item.setting, decay=item.setting.decay + decay)
    rest = _without(item, decay)
    return Evidence(replace(rest.probe, setting=setting), rest.answer)
