"""Suspects of the forward pass and of the output layer: what p is, what it is compared with, and what dz[L] becomes."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from checks.by_hand import sigmoid, softmax, softmax_jacobian
from checks.suspects import Variant, at, suspect
from checks.wrong_pass import Hook, Pass, Setting, times

OUTPUT = "the output layer"
Head = list[tuple[str, Callable[[Pass], np.ndarray]]]


def _heads(id: str, L: int, forms: Head) -> Iterator[Variant]:
    """A variant for every wrong dz[L]."""
    for note, dz in forms:
        yield Variant(id, OUTPUT, (("dz", at([L], lambda run, layer, right, dz=dz: dz(run))),), note)


@suspect(
    "softmax-diagonal",
    "only the diagonal p(1 - p) of the softmax Jacobian is used, as if softmax were a sigmoid",
    "dz[L] = (p - Y) / N for cross-entropy; for the quadratic cost dz[L] = p * (dp - (dp * p).sum(axis=1, keepdims=True))",
    "(B6)",
)
def softmax_diagonal(setting: Setting) -> Iterator[Variant]:
    """e p(1 - p); e q(1 - q) with q = softmax(p); -Y(1 - p)."""
    if setting.problem.output != "softmax":
        return
    forms: Head = []
    for factor in (2.0, 1.0) if setting.problem.cost == "quadratic" else (1.0,):
        times_two = f"{factor:g} " if factor != 1 else ""
        forms += [
            (f"{times_two}(p - Y) p(1 - p)", lambda run, f=factor: f * run.w * run.e * run.p * (1 - run.p)),
            (f"{times_two}(p - Y) q(1 - q), q = softmax(p)", lambda run, f=factor: f * run.w * run.e * _diagonal(softmax(run.p))),
        ]
    forms.append(("-Y(1 - p)", lambda run: -run.w * run.get("Y", run.L) * (1 - run.p)))
    yield from _heads("softmax-diagonal", setting.problem.L, forms)


def _diagonal(p: np.ndarray) -> np.ndarray:
    return p * (1 - p)


@suspect(
    "double-softmax",
    "softmax is taken twice: the cost gets probabilities where it expects logits",
    "hand z[L], not p, to the cross-entropy; dz[L] = (p - Y) / N with p = softmax(z[L])",
    "(B1)",
)
def double_softmax(setting: Setting) -> Iterator[Variant]:
    """J(p) @ (softmax(p) - Y) and its relatives under the other costs and outputs."""
    output, cost = setting.problem.output, setting.problem.cost

    def back(run: Pass, dp: np.ndarray) -> np.ndarray:
        return times(softmax_jacobian(run.p), dp) if output == "softmax" else dp * _diagonal(run.p)

    def error(run: Pass) -> np.ndarray:
        return run.w * (softmax(run.p) - run.get("Y", run.L))

    forms: Head = [
        ("J(p) @ (softmax(p) - Y)", lambda run: back(run, error(run))),
        ("softmax(p) - Y", error),
    ]
    if output == "sigmoid":
        forms.append(("(diag(p) - p p^T) @ (softmax(p) - Y)", lambda run: times(softmax_jacobian(run.p), error(run))))
    if cost == "quadratic":
        forms += [
            (
                "J(p) @ J(q) @ 2(q - Y), q = softmax(p)",
                lambda run: back(run, times(softmax_jacobian(softmax(run.p)), 2 * error(run))),
            ),
            ("J(q) @ 2(q - Y), q = softmax(p)", lambda run: times(softmax_jacobian(softmax(run.p)), 2 * error(run))),
            ("J(p) @ 2(q - Y), q = softmax(p)", lambda run: back(run, 2 * error(run))),
            ("J(softmax(p)) @ 2(p - Y)", lambda run: times(softmax_jacobian(softmax(run.p)), run.dp)),
        ]
    yield from _heads("double-softmax", setting.problem.L, forms)


@suspect(
    "cost-mismatch",
    "dz[L] is the delta of another cost than the declared one",
    "dz[L] = (p - Y) / N for cross-entropy, 2(p - Y) / N times the output's derivative for the quadratic cost",
    "(B1)",
)
def cost_mismatch(setting: Setting) -> Iterator[Variant]:
    """e under the quadratic cost, e s (or J e) under cross-entropy, with and without the 2."""
    forms: Head = []
    for f in (1.0, 2.0):
        two = "2 " if f == 2 else ""
        if setting.problem.cost == "quadratic":
            forms.append((f"{two}(p - Y), the delta of cross-entropy", lambda run, f=f: f * run.w * run.e))
            continue
        forms.append((f"{two}(p - Y) p(1 - p), that of the quadratic cost", lambda run, f=f: f * run.w * run.e * _diagonal(run.p)))
        if setting.problem.output == "softmax":
            forms.append(
                (
                    f"{two}J @ (p - Y), that of the quadratic cost",
                    lambda run, f=f: f * run.w * times(softmax_jacobian(run.p), run.e),
                )
            )
            forms.append(
                (f"{two}(p - Y) sigma'(z[L])", lambda run, f=f: f * run.w * run.e * _diagonal(sigmoid(run.get("z", run.L))))
            )
    yield from _heads("cost-mismatch", setting.problem.L, forms)


@suspect(
    "softmax-axis",
    "softmax is normalised over the wrong axis",
    "p = e / e.sum(axis=1, keepdims=True)   # over the classes of one sample (axis=0 where samples are columns)",
    "(F3)",
)
def softmax_axis(setting: Setting) -> Iterator[Variant]:
    """(F3) over samples, or over samples and classes together, within each call."""
    if setting.problem.output != "softmax":
        return

    def over(run: Pass, layer: int, p: np.ndarray, axes: tuple[int, ...]) -> np.ndarray:
        z = run.get("z", layer).reshape(run.setting.calls, -1, p.shape[1])
        e = np.exp(z - z.max(axis=axes, keepdims=True))
        return np.asarray((e / e.sum(axis=axes, keepdims=True)).reshape(p.shape))

    for axes, note in (((1,), "over the samples"), ((1, 2), "over samples and classes together")):
        hook: Hook = lambda run, layer, p, axes=axes: over(run, layer, p, axes)  # noqa: E731 - bound to its own axes
        yield Variant("softmax-axis", OUTPUT, (("p", hook),), note)


@suspect(
    "labels-shifted",
    "the labels are off by one: p is compared with the neighbouring class, or with the neighbouring sample's",
    "Y = np.eye(K)[y]   # classes count from 0, row n belongs to sample n",
    "(B1)",
)
def labels_shifted(setting: Setting) -> Iterator[Variant]:
    """Y rolled by one over classes or samples; or shifted without wrapping around."""
    for step in (1, -1):
        forms: list[tuple[str, Callable[[np.ndarray, int], np.ndarray]]] = [
            (f"class {step:+d}, wrapping around", lambda Y, calls, step=step: np.roll(Y, step, axis=1)),
            (f"class {step:+d}, the last one dropped", lambda Y, calls, step=step: _shift(Y, step)),
            (f"class {step:+d}, the last one kept", lambda Y, calls, step=step: _clip(Y, step)),
            (f"sample {step:+d}", lambda Y, calls, step=step: _roll_samples(Y, step, calls)),
        ]
        for note, form in forms:
            yield Variant("labels-shifted", OUTPUT, (("Y", lambda run, layer, Y, form=form: form(Y, run.setting.calls)),), note)


def _shift(Y: np.ndarray, step: int) -> np.ndarray:
    shifted = np.roll(Y, step, axis=1)
    shifted[:, 0 if step == 1 else -1] = 0
    return shifted


def _clip(Y: np.ndarray, step: int) -> np.ndarray:
    labels = np.clip(Y.argmax(axis=1) + step, 0, Y.shape[1] - 1)
    return np.asarray(np.eye(Y.shape[1])[labels])


def _roll_samples(Y: np.ndarray, step: int, calls: int) -> np.ndarray:
    return np.asarray(np.roll(Y.reshape(calls, -1, Y.shape[1]), step, axis=1).reshape(Y.shape))


@suspect(
    "sample-dropped",
    "some samples do not contribute, yet N counts them",
    "for n in range(N), not range(N - 1); and handle the last partial batch",
    "(B2)",
)
def sample_dropped(setting: Setting) -> Iterator[Variant]:
    """The last or first sample of each call gives nothing; or all that do not fill a batch of some size."""
    L = setting.problem.L
    for note, rows in (("the last sample", _last), ("the first sample", _first)):
        hook = at([L], lambda run, layer, dz, rows=rows: dz * _kept(run, rows))
        yield Variant("sample-dropped", "all layers", (("dz", hook),), note)
        left: Hook = lambda run, layer, dz, rows=rows: dz * _kept(run, rows)  # noqa: E731 - bound to its own rows
        yield Variant("sample-dropped", "dW", (("left", left),), f"{note}, in dW")
        bias: Hook = lambda run, layer, db, rows=rows: (run.get("dz", layer) * _kept(run, rows)).sum(axis=0)  # noqa: E731 - the same
        yield Variant("sample-dropped", "db", (("db", bias),), f"{note}, in db")
    for size in CHUNKS:
        hook = at([L], lambda run, layer, dz, size=size: dz * _kept(run, lambda n: slice(n - n % size, n)))
        yield Variant("sample-dropped", "all layers", (("dz", hook),), f"samples that do not fill a batch of {size}")


CHUNKS = (2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 25, 32, 50, 64, 100, 128)


def _last(in_call: int) -> slice:
    return slice(in_call - 1, in_call)


def _first(in_call: int) -> slice:
    return slice(0, 1)


def _kept(run: Pass, rows: Callable[[int], slice]) -> np.ndarray:
    """A column of 1 for the samples that contribute and 0 for the others, call by call."""
    keep = np.ones(run.setting.in_call)
    keep[rows(len(keep))] = 0
    return np.tile(keep, run.setting.calls)[:, None]


@suspect(
    "probability-clipped",
    "p is clipped away from 0 and 1, and the clip's own gradient is left out or wrong",
    "dz[L] = (p - Y) / N with the unclipped p; take the logarithm through log-sum-exp instead of clipping",
    "(F4)",
)
def probability_clipped(setting: Setting) -> Iterator[Variant]:
    """p in [eps, 1 - eps] in place of p: in p - Y, in dC/dp alone, in both factors; or nothing where it was clipped."""
    L = setting.problem.L
    for eps in CLIPS:

        def clip(run: Pass, eps: float = eps) -> np.ndarray:
            return np.clip(run.p, eps, 1 - eps)

        forms: Head = [
            ("p clipped in dz[L]", lambda run, c=clip: _delta(run, c(run), c(run))),
            ("p clipped in dC/dp alone", lambda run, c=clip: _delta(run, c(run), run.p)),
            ("dC/dp is 0 where p was clipped", lambda run, c=clip: _delta(run, run.p, run.p, (c(run) == run.p) * 1.0)),
            ("dz[L] is 0 where p was clipped", lambda run, c=clip: _delta(run, run.p, run.p) * (c(run) == run.p)),
            ("p clipped from below alone", lambda run, e=eps: _delta(run, np.maximum(run.p, e), np.maximum(run.p, e))),
            ("p clipped, then normalised", lambda run, c=clip: _delta(run, *[c(run) / c(run).sum(axis=1, keepdims=True)] * 2)),
            ("p + eps in dC/dp", lambda run, e=eps: _delta(run, run.p + e, run.p)),
            ("dz[L] = p clipped - Y", lambda run, c=clip: run.w * (c(run) - run.get("Y", run.L))),
            (
                "dz[L] = 0 for samples whose p[y] was clipped",
                lambda run, c=clip: _delta(run, run.p, run.p) * _unclipped(run, c(run)),
            ),
        ]
        for index, variant in enumerate(_heads("probability-clipped", L, forms)):
            yield Variant(variant.id, OUTPUT, variant.hooks, f"{variant.note}, eps = {eps:g}", alone=index > 3)


CLIPS = (*(10.0**-k for k in range(1, 17)), 5e-2, 5e-4, float(np.finfo(np.float32).eps), float(np.finfo(np.float64).eps))


def _unclipped(run: Pass, clipped: np.ndarray) -> np.ndarray:
    """1 for samples whose own class was not clipped."""
    own = (run.get("Y", run.L) * (clipped == run.p)).sum(axis=1, keepdims=True)
    return np.asarray(own > 0) * 1.0


def _delta(run: Pass, p_cost: np.ndarray, p: np.ndarray, through: np.ndarray | float = 1.0) -> np.ndarray:
    """dz[L] by the chain rule, with one p in dC/dp and another in dp/dz."""
    Y = run.get("Y", run.L)
    with np.errstate(divide="ignore", invalid="ignore"):
        if run.problem.cost == "quadratic":
            dp = 2 * (p_cost - Y)
        elif run.problem.output == "softmax":
            dp = np.where(Y > 0, -Y / p_cost, 0.0)
        else:
            dp = (p_cost - Y) / (p_cost * (1 - p_cost))
    dp = run.w * dp * through
    return times(softmax_jacobian(p), dp) if run.problem.output == "softmax" else dp * _diagonal(p)
