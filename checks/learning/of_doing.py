"""What a training that was run and watched shows: a judgement on its course and on a range test of
rates.

Every threshold stands in the table below beside its reason.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from backproof.checks.learning.by_doing import Course, Glance, our_step, watch
from backproof.checks.learning.data_signs import DataSigns
from backproof.checks.learning.finding import Symptom
from backproof.checks.learning.given import Given
from backproof.checks.learning.rates import RangeTest, range_test
from backproof.checks.learning.vital_signs import VitalSigns

UNLEARNED = 0.9  # of the loss of knowing nothing
# half a power of ten is the distance of two tested rates: anything nearer is the same rate
OTHER_RATE = 3.0
# of what the best rate gains in as many steps: twenty times the patience is a reason to give up
HARDLY = 0.05
# a smaller rate must do better by that part of the loss of knowing nothing, so that jitter does not
# decide
BETTER = 0.02
AT_REST = 0.01  # of the loss is what the second half of the steps gained
# of the loss is what all further steps promise to gain: a loss on its way to 0 promises all of it
MOST_PROMISED = 0.3
ENOUGH_STEPS = 500  # for "at rest" to mean anything
# of the samples' own gradients is left when they are added: at a minimum they cancel
CANCELLED = 0.05
# the same of a network that may be at rest nevertheless: slow ones were seen to crawl at 0.34
PULLED = 0.5
WRONG_SOMEWHERE = 0.05  # of the loss of knowing nothing: below it there is next to nothing to gain
SIGMA = 3.0  # standard deviations of a share of that many samples


def rate_too_large(course: Course, tested: RangeTest | None) -> Iterator[Symptom]:
    """The loss rose or broke at this rate, or came to rest, and falls further at a smaller one."""
    if tested is None or not course.rate > 0:
        return
    best = _best_below(tested, course.rate / OTHER_RATE)
    if not math.isfinite(best):
        return
    thrown = course.over == "diverged" or course.last.loss > course.first.loss
    thrown = thrown or course.knows > UNLEARNED or came_to_rest(course)
    here = tested.fall(course.rate)
    better = tested.fall(best) - max(here, 0.0)
    if not (thrown or here < 0) or better < BETTER * course.prior:
        return
    if course.last.loss < tested.losses[best] + BETTER * course.prior:
        return
    yield Symptom(
        "rate-too-large",
        "the training",
        f"at the learning rate {course.rate:g} the loss goes from {course.first.loss:.4g} to "
        f"{course.last.loss:.4g} in {course.last.step} steps; at {best:.2g} it falls to "
        f"{tested.losses[best]:.4g} in {tested.steps}",
        "takes steps so long that they jump over what they aim at",
        f"Take a smaller learning rate: {best:.2g} is what a short test suggests.",
        {"rate": course.rate, "suggested": best, "loss": course.last.loss},
        hopeless=True,
        flag=f"--lr {best:.2g}",
    )


def rate_too_small(course: Course, tested: RangeTest | None) -> Iterator[Symptom]:
    """The loss hardly fell at this rate, and falls at a larger one."""
    if tested is None or not course.rate > 0:
        return
    best = tested.best
    if not best >= OTHER_RATE * course.rate:
        return
    gained = tested.fall(course.rate)
    if gained < 0 or gained > HARDLY * tested.fall(best):
        return
    if tested.fall(best) < BETTER * course.prior:
        return
    if course.first.loss - course.last.loss > tested.fall(best):
        return
    yield Symptom(
        "rate-too-small",
        "the training",
        f"at the learning rate {course.rate:g} the loss goes from {course.first.loss:.6g} to "
        f"{course.last.loss:.6g} in {course.last.step} steps; at {best:.2g} it falls to "
        f"{tested.losses[best]:.4g} in {tested.steps}",
        "takes steps so short that it hardly moves",
        f"Take a larger learning rate: {best:.2g} is what a short test suggests.",
        {"rate": course.rate, "suggested": best, "loss": course.last.loss},
        hopeless=False,
        flag=f"--lr {best:.2g}",
    )


def poor_minimum(
    given: Given, signs: VitalSigns, data: DataSigns, right: float, course: Course | None
) -> Iterator[Symptom]:
    """The network is at rest, and less is right than the data allow.

    Args:
        given, signs: the network as it is now, and its numbers.
        data: of the samples.
        right: its accuracy on them.
        course: of the training that ended here; None to go on with ours and see, where it matters.
    """
    if not given.classes or len(data.frequencies) < 2 or not math.isfinite(signs.loss):
        return
    if set(given.shape.hidden) <= {"identity"}:
        return  # a linear network does what a line can do, and has no poor minima
    known = signs.loss / signs.prior_loss
    if not WRONG_SOMEWHERE < known < UNLEARNED or not signs.pull < PULLED:
        return
    allowed = data.attained
    N = min(len(data.x), 400)
    noise = SIGMA * math.sqrt(allowed * (1 - allowed) / N) if allowed < 1 else 0.0
    if right >= allowed - max(noise, 0.03):
        return
    if not rests(given, signs, course):
        return
    yield Symptom(
        "poor-minimum",
        "the training",
        f"{right:.1%} of the samples are right, {allowed:.1%} could be; the samples' gradients "
        f"cancel to {signs.pull:.1e} of their length, at a loss of {signs.loss:.4g} where knowing "
        f"nothing costs {signs.prior_loss:.4g}",
        "has come to rest where no small step helps, though a better answer exists",
        "Start again from other first weights, and give the hidden layer more units: with few, "
        "many starts end there.",
        {"accuracy": right, "attainable": allowed, "pull": signs.pull},
        hopeless=True,
        flag="--seed and --hidden",
    )


def rests(given: Given, signs: VitalSigns, course: Course | None) -> bool:
    """Whether more of the same training helps: known from gradients that cancel, or from its course
    and from going on for a while at a rate that suits where it stands.

    A plateau looks like rest to few steps, and a larger rate leaves it.
    """
    if course is not None and not came_to_rest(course):
        return False
    if course is None and signs.pull < CANCELLED:
        return True
    step = our_step(given)
    best = range_test(given, step, limit_s=1.0).best
    if not math.isfinite(best):
        return True
    on = watch(given, step, best / 3, limit_s=2.0, steps=3000, learnt=WRONG_SOMEWHERE)
    return came_to_rest(on)


def came_to_rest(course: Course) -> bool:
    """Whether the second half of the steps gained next to nothing, or so little less than the
    quarter before that no number of further steps would gain much."""
    if course.last.step < ENOUGH_STEPS or not math.isfinite(course.last.loss):
        return False
    quarter, half = (_at_part(course, part) for part in (4, 2))
    gained = half.loss - course.last.loss
    if abs(gained) < AT_REST * max(half.loss, 1e-300):
        return True
    return _promised(quarter.loss - half.loss, gained) < MOST_PROMISED * course.last.loss and (
        quarter.accuracy == half.accuracy == course.last.accuracy
    )


def _at_part(course: Course, part: int) -> Glance:
    """The first look after that part of the steps."""
    return next(one for one in course.glances if part * one.step >= course.last.step)


def _promised(before: float, gained: float) -> float:
    """What all further steps gain together, if each doubling of them gains that much less than the
    one before, as losses do that fall towards a limit by a power of the steps; infinite if the
    gains do not shrink."""
    if not 0 < gained < before:
        return math.inf
    shrinking = gained / before
    return gained * shrinking / (1 - shrinking)


def overflowed(course: Course) -> Iterator[Symptom]:
    """NumPy warned of an overflow in their step."""
    said = [text for text in course.warnings if "overflow" in text or "invalid" in text]
    if said and course.over == "diverged":
        yield Symptom(
            "overflow",
            "the training",
            f"NumPy warned in step: {'; '.join(said)}; the loss is {course.last.loss:.4g} after "
            f"{course.last.step} steps",
            "computes numbers that are too large for floating point, and then NaN",
            "Scale the inputs, draw smaller weights, take a smaller learning rate, and subtract "
            "the row's maximum before a softmax.",
            {"loss": course.last.loss},
            hopeless=True,
        )


def _best_below(tested: RangeTest, most: float) -> float:
    """The best of the tested rates that are no larger; NaN if none lowers the loss."""
    lower = {rate: loss for rate, loss in tested.losses.items() if rate <= most}
    rate = min(lower, key=lambda one: lower[one], default=math.nan)
    if math.isfinite(rate) and lower[rate] < tested.start:
        return rate
    return math.nan
