"""Why a reading of a script is no verdict: what it need not mean, or what speaks against it."""

from __future__ import annotations

from collections.abc import Sequence

from backproof.checks.quantities import Quantity
from backproof.checks.recording.script import losses
from backproof.checks.recording.script.altered import Altered
from backproof.checks.recording.script.readings import Reading

SHRINKS = 1e-3  # relative: of two weight decays that are one
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


def undecided(best: Reading, tried: Sequence[Reading], later: Sequence[Reading]) -> str:
    """Why what is no gradient of the cost need not be wrong; "" where it is right, or wrong for
    every loss, or for the one that the script computes itself.

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
        shows = best.is_alike or best.shows_error or best.shows_delta or any(best.seen.values())
        if not shows:
            return (
                f"no line was seen to compute the error of its output against "
                f"{best.targets.name}, which a gradient is made of"
            )
    for quantity in best.changes:
        explained = _explained(best, quantity)
        if explained:
            variable = best.found.layers[(quantity.layer or 1) - 1]
            name = variable.W.name if quantity.kind == "dW" or not variable.b else variable.b.name
            return (
                f"what {name} loses is not the gradient of the "
                f"{best.head.cost} against {best.targets.name}, and {explained}"
            )
    return _unknown_cost(best, [*tried, *later])


def _explained(best: Reading, quantity: Quantity) -> str:
    """What a right script may do that explains a step which takes no gradient off, as a clause; ""
    for nothing."""
    change = best.changes[quantity]
    right = best.page.values[quantity]
    if best.seen[quantity] or not change.lost.any() or change.ratio(right) is not None:
        return ""  # right, or the very gradient at another rate
    fit = change.descent(right, change.near)
    shared = best.descent
    if fit is not None and shared is not None and shared.decay:
        shrinks = fit.rate * fit.decay
        if abs(shrinks - shared.rate * shared.decay) <= SHRINKS * shrinks:
            return ""  # shrunk as the other layers are, and another multiple of the gradient
    usual = ""
    if quantity.kind == "dW":
        usual = losses.unusual(change.lost, change.before, best.page, quantity.layer or best.L)
    rate = None if best.descent is None else best.descent.rate
    return (
        usual
        or Altered(change.lost, change.before, right, rate, max(NEAR, change.near)).explained()
    )


def _unknown_cost(best: Reading, tried: Sequence[Reading]) -> str:
    last = best.changes[Quantity("dW", best.L)]
    if best.climbing or _is_recognised_cost(best) or not last.lost.any():
        return ""
    if losses.is_wrong_for_every_loss(last.lost, last.before, best.page):
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
    return best.seen[Quantity("dW", best.L)] or (free > 1 and of_bias)


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


def contradiction(best: Reading, tried: Sequence[Reading]) -> str:
    """The other reading of a script whose steps go down one cost while it computes another; "" for
    none."""
    if not best.top or best.shows_cost:
        return ""
    for other in tried:
        same = (
            other.targets.Y.tobytes() == best.targets.Y.tobytes() and other.moments == best.moments
        )
        if same and other.head != best.head and other.shows_cost:
            wrong = [str(quantity) for quantity, right in other.seen.items() if not right]
            if wrong:
                return (
                    f"two costs would do: its steps go down the {best.head.cost}, and it computes "
                    f"the {other.head.cost}, of which {', '.join(wrong)} are wrong. Say which is "
                    f"meant with --cost {best.head.cost} or --cost {other.head.cost}"
                )
    return ""
