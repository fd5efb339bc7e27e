"""Why a reading of a script is no verdict: what it need not mean, or what speaks against it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from backproof.checks.quantities import Quantity
from backproof.checks.recording.script import losses
from backproof.checks.recording.script.altered import Altered, is_multiple_by_row
from backproof.checks.recording.script.changes import USUAL
from backproof.checks.recording.script.descent import are_alike
from backproof.checks.recording.script.handed import handed
from backproof.checks.recording.script.readings import Reading
from backproof.checks.recording.script.targets import as_targets
from backproof.checks.recording.script.written import conventional

FEWEST_SAMPLES = 6  # whose weights are no accident
SHRINKS = 1e-3  # relative: of two weight decays that are one
FEW = 2  # numbers, which are a multiple of many others
NO_SUM = 1e-3  # of its largest entry, that a sum of zero is not off by
NEAR = 1e-6  # relative to the largest: of entries or norms that were brought to one size


def unseen(best: Reading) -> str:
    """The first gradient of a parameter that the network has and nobody judged: of every W, and of
    every b where any layer has one; "" for none."""
    layers = range(1, best.L + 1)
    wanted = [Quantity("dW", layer) for layer in layers]
    if any(layer.has_bias for layer in best.found.layers):
        wanted += [Quantity("db", layer) for layer in layers]
    # of a bias that nothing ever changes a gradient that is zero, too, shows nothing
    shown = {one for one, right in best.seen.items() if not right or one not in best.still}
    return next((str(quantity) for quantity in wanted if quantity not in shown), "")


def unknown_loss(best: Reading, tried: Sequence[Reading], later: Sequence[Reading]) -> str:
    """Why what is no gradient of the cost may be one of another, or of other targets; "" where it
    is right, or wrong for every loss, or for the one that the script computes itself.

    Args:
        best: how the first step is read.
        tried: all readings of it.
        later: of the steps after it.
    """
    if best.is_off:
        return ""
    if not best.top:
        alike = [one for one in tried if one.score == best.score]
        rivals = [one for one in alike if one.moments == best.moments]
        names = list(dict.fromkeys(one.targets.name for one in rivals))
        if len({one.targets.Y.tobytes() for one in rivals}) > 1:
            return (
                f"none of {', '.join(names[:6])} fits as the targets of what is taken off "
                f"{best.found.names[-1]}"
            )
        distinct = len({one.input.rows.tobytes() for one in best.step.passes})
        if len(best.passes) < distinct and not (best.is_alike or best.shows_delta):
            return (
                f"{distinct} passes were seen before the first update, and no array that could be "
                f"the targets of all"
            )
        if not best.is_compared:
            return (
                f"no line was seen to subtract {best.targets.name} from its output, or it from that"
            )
        shows = best.is_alike or best.shows_error or best.shows_delta or best.shows_mistake
        if not shows and not any(best.seen.values()) and not _shows_gradients(best):
            return (
                f"no line was seen to compute the error of its output against "
                f"{best.targets.name}, which a gradient is made of"
            )
    if altered(best):
        return ""
    return _of_other_targets(best) or _unknown_cost(best, [*tried, *later])


def altered(best: Reading) -> str:
    """What a right script does to a step beside taking a gradient off, where that explains one
    that is none; "" where nothing does."""
    if best.is_off:
        return ""
    for quantity, change in best.changes.items():
        if explained := _own_rate(best, quantity):
            return _of(best, quantity, explained)
        if _may_be_right(best, quantity):
            rate = None if best.descent is None else best.descent.rate
            right = best.page.values[quantity]
            near = max(NEAR, change.near)
            explained = Altered(change.lost, change.before, right, rate, near).explained()
            if quantity.kind == "dW" and losses.is_sum_of(
                change.lost, [right, change.before], [True, True]
            ):
                explained = "weight decay would explain it"
            explained = explained or _of_activations(best, quantity)
            if explained:
                return _of(best, quantity, explained)
    return ""


def _of_activations(best: Reading, quantity: Quantity) -> str:
    """Whether a penalty on what comes out of a hidden unit, the same for all samples, explains
    what its weights lose, as of a sparse autoencoder."""
    layer = quantity.layer or best.L
    shared = best.descent
    if quantity.kind != "dW" or layer == best.L or shared is None:
        return ""
    values = best.page.values
    activation = best.found.network.hidden[layer - 1]
    slope = activation.h_prime(values[Quantity("z", layer)], values[Quantity("a", layer)])
    below = values[Quantity("a", layer - 1)] if layer > 1 else best.page.problem.x
    change = best.changes[quantity]
    by_unit = slope.T @ below
    due = values[quantity] + shared.decay * change.before
    near = max(NEAR, change.near)
    is_penalty = is_multiple_by_row(change.lost / shared.rate - due, by_unit, due, near)
    return "a penalty on what a hidden layer gives would explain it" if is_penalty else ""


def _of_other_targets(best: Reading) -> str:
    """The same of weights of the classes or of smoothed labels."""
    quantity = Quantity("dW", best.L)
    if not _may_be_right(best, quantity):
        return ""
    change = best.changes[quantity]
    explained = losses.of_other_targets(change.lost, change.before, best.page)
    if not explained and _has_weights_of_samples(best):
        explained = "weights of the samples would explain it"
    return _of(best, quantity, explained) if explained else ""


def _has_weights_of_samples(best: Reading) -> bool:
    """Whether what the last layer's change is made of is the right error, times a number of each
    sample that was there before the pass."""
    due = best.page.values[Quantity("dz", best.L)]
    sizes = (due**2).sum(axis=1)
    for made, _ in best.deltas if len(due) >= FEWEST_SAMPLES and sizes.all() else ():
        dz = next(as_targets(made.value, *due.shape), None)
        if dz is None:
            continue
        weights = (dz * due).sum(axis=1) / sizes
        if np.abs(dz - weights[:, None] * due).max() > NEAR * np.abs(dz).max():
            continue
        some = best.found.archive.multiples(weights, best.passes[0].began)
        if np.ptp(weights) > NEAR * np.abs(weights).max() and some:
            return True
    return False


def _of(best: Reading, quantity: Quantity, explained: str) -> str:
    layer = best.found.layers[(quantity.layer or 1) - 1]
    name = layer.W.name if quantity.kind == "dW" or not layer.b else layer.b.name
    loss = best.loss or f"{best.head.cost} against {best.targets.name}"
    return f"what {name} loses is not the gradient of the {loss}, and {explained}"


def _shows_gradients(best: Reading) -> bool:
    """Whether the script computes the cost, and hands its gradients to what updates."""
    last = best.changes[Quantity("dW", best.L)]
    is_handed = not losses.is_adaptive(last.lost) or handed(best) is not None
    return (best.shows_cost and is_handed) or _hands_no_gradient(best)


def _hands_no_gradient(best: Reading) -> bool:
    """Whether an optimizer is handed what is the gradient of no loss of a softmax, which does not
    see what is added to all logits: its biases' do not sum to zero."""
    last = Quantity("db", best.L)
    if not best.head.is_softmax or last not in best.changes or best.changes[last].before.any():
        return False  # a weight decay would be in it
    made = handed(best)
    if made is None:
        return False
    db = made.gradients[last]
    return bool(abs(db.sum()) > NO_SUM * np.abs(db).max())


def _may_be_right(best: Reading, quantity: Quantity) -> bool:
    """Whether what was lost is no gradient, and not the very gradient at another rate either."""
    change = best.changes[quantity]
    right = best.page.values[quantity]
    if best.seen[quantity] or not change.lost.any() or change.ratio(right) is not None:
        return False
    if _is_known_rate(best, quantity):
        return False
    fit = change.descent(right, change.near)
    shared = best.descent
    if fit is None or shared is None or not shared.decay:
        return True
    # shrunk as the other layers are, and another multiple of the gradient
    shrinks = fit.rate * fit.decay
    return bool(abs(shrinks - shared.rate * shared.decay) > SHRINKS * shrinks)


def _own_rate(best: Reading, quantity: Quantity) -> str:
    """Whether single numbers lose their gradient at a rate that the script holds beside that of
    others, as a clause: no line makes an array of such gradients; "" where they do not."""
    ratio = best.changes[quantity].ratio(best.page.values[quantity])
    shared = best.descent
    if best.found.gathered is None or best.seen[quantity] or shared is None or ratio is None:
        return ""
    factors = conventional(best.page)
    for factor in factors:
        eta = ratio * factor
        is_usual = any(are_alike(ratio, shared.rate * one) for one in factors)
        is_written = best.written.is_literal(eta) and best.written.has(shared.rate * factor)
        if eta > 0 and is_written and not is_usual and eta not in USUAL:
            return f"a rate of {eta:.6g} of its own would explain it"
    return ""


def _is_known_rate(best: Reading, quantity: Quantity) -> bool:
    """Whether what a layer of two weights loses is no gradient at the rate at which its biases lose
    theirs, whatever decay there is beside it: at some rate, any two numbers are."""
    change = best.changes[quantity]
    right = best.page.values[quantity]
    shared = best.descent
    is_biased = best.seen.get(Quantity("db", quantity.layer), False)
    if quantity.kind != "dW" or change.lost.size != 2 or shared is None or not is_biased:
        return False
    parts = np.stack([right.reshape(-1), change.before.reshape(-1)], axis=1)
    if abs(np.linalg.det(parts)) <= NEAR * np.abs(parts).max() ** 2:
        return False
    rate = float(np.linalg.solve(parts, change.lost.reshape(-1))[0])
    return not are_alike(rate, shared.rate, SHRINKS)


def _unknown_cost(best: Reading, tried: Sequence[Reading]) -> str:
    last = best.changes[Quantity("dW", best.L)]
    shows = best.climbing or best.shows_mistake or best.takes_one or _is_recognised_cost(best)
    if shows or not last.lost.any():
        return ""
    if losses.is_wrong_for_every_loss(last.lost, last.before, best.page) or _hands_no_gradient(
        best
    ):
        return ""
    same = [one for one in tried if one.targets.Y.tobytes() == best.targets.Y.tobytes()]
    if any(one.shows_cost for one in same):
        return ""  # of what came out before the update, or behind it
    return (
        f"what {best.found.names[-1]} loses is the gradient of no cost that is known here against "
        f"{best.targets.name}, and no number was seen to be such a cost either"
    )


def _is_recognised_cost(best: Reading) -> bool:
    """Whether a gradient of the last layer is right; of two numbers any are a multiple."""
    free = best.page.problem.sizes[-1] - best.head.is_softmax  # entries of db that may be anything
    of_bias = best.seen.get(Quantity("db", best.L), False)
    return best.seen[Quantity("dW", best.L)] or (free > 1 and of_bias) or _reaches_below(best)


def _reaches_below(best: Reading) -> bool:
    """Whether the last layer's biases and weights below lose the cost's gradient at a rate that the
    script holds: it has come through what is wrong."""
    below = [
        quantity
        for quantity, change in best.changes.items()
        if quantity.kind == "dW" and quantity.layer != best.L and change.lost.size > FEW
    ]
    right = [best.seen[quantity] for quantity in below]
    return best.has_rate and best.seen.get(Quantity("db", best.L), False) and any(right)


def taken_off_anew(best: Reading) -> str:
    """Why a step at several rates may take off what a line has made of a right gradient, and not
    that itself: it is as many times as large as the rate is; "" where no line has made it."""
    rates = {quantity: best.rate_of(quantity) for quantity in best.changes}
    known = [rate for rate in rates.values() if rate is not None]
    if best.descent is not None or len(known) < len(rates) or not all(best.seen.values()):
        return ""
    usual = max(known, key=lambda one: sum(are_alike(one, other) for other in known))
    for quantity, rate in rates.items():
        if rate is None or are_alike(rate, usual):
            continue
        for factor in best.made(quantity):
            if are_alike(rate, usual * factor) and not are_alike(factor, rate):
                return (
                    f"{quantity} is taken off at a rate of {rate:.6g}, and others at "
                    f"{usual:.6g}: either that is its own, or what a line makes of it, "
                    f"{factor:.6g} times as much, is taken off in its place"
                )
    return ""


def left_out(best: Reading) -> str:
    """Why a sum over single samples may not be the mean that its rate says: the rate that is
    written is divided by one sample more; "" where it is not."""
    N = best.page.N
    descent = best.descent
    if len(best.passes) < 2 or len(best.passes) != N or descent is None or best.has_rate:
        return ""
    eta = descent.rate * (N + 1) / N
    if not best.written.is_literal(eta):
        return ""
    return (
        f"{N} samples were seen to go into its first step, and each counts for {eta:.6g} / "
        f"{N + 1}: one of them may be left out"
    )


def divided(best: Reading) -> str:
    """Why a step at several rates may have a division too few: some parameters lose as many times
    more of their gradient as there are samples; "" where they do not."""
    N = best.page.N
    rates = best.rates
    if best.descent is not None or not rates or N < 3 or not all(best.seen.values()):
        return ""
    if not are_alike(max(rates), N * min(rates)):
        return ""
    return (
        f"some of its parameters go at a rate of {min(rates):.6g}, and others at {max(rates):.6g}, "
        f"which is {N} times as much, as many as there are samples: a division by {N} may be left "
        "out there, or too much elsewhere"
    )


def contradiction(best: Reading, tried: Sequence[Reading]) -> str:
    """The other reading of a script whose steps go down one cost while it computes another; "" for
    none."""
    if best.shows_cost or not (best.top or all(best.seen.values())):
        return ""
    for other in tried:
        same = (
            other.targets.Y.tobytes() == best.targets.Y.tobytes() and other.moments == best.moments
        )
        if same and other.head != best.head and other.shows_cost:
            is_any = other.is_single and not other.top  # of one number, any is a multiple
            wrong = [str(one) for one, right in other.seen.items() if is_any or not right]
            if wrong:
                return (
                    f"two costs would do: its steps go down the {best.head.cost}, and it computes "
                    f"the {other.head.cost}, of which {', '.join(wrong)} are wrong. Say which is "
                    f"meant with --cost {best.head.cost} or --cost {other.head.cost}"
                )
    return ""
