"""Somebody's implementation: right, right under another convention, or wrong, where first, and by
which bug.

The simplest explanation wins: right, then a convention, then one bug, then two. Nothing is named
that does not predict every answer to within rounding; where nothing does, the first wrong step is
all that is said.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from backproof.checks.bugs.factors import SCALE
from backproof.checks.candidates.candidate import Candidate
from backproof.checks.candidates.conventions import Conventions
from backproof.checks.diagnosis import own_loss, penalties, smoothing
from backproof.checks.diagnosis.at_output import nearly_settled
from backproof.checks.diagnosis.choice import Explanation, Search
from backproof.checks.diagnosis.classes import WhereComplete, where_classes_occur
from backproof.checks.diagnosis.conclusions import (
    against_labels,
    failed,
    failed_behind,
    first_step,
    passed,
    undecided,
)
from backproof.checks.diagnosis.conventional import (
    all_asked_as,
    asked_as,
    factor_conventions,
    other_heads,
    other_hidden,
    settled_by_output,
    translations,
)
from backproof.checks.diagnosis.depth import WrittenFor, written_for
from backproof.checks.diagnosis.evidence import Evidence, differs_from_call_to_call
from backproof.checks.diagnosis.gradient_clipping import clipped, told
from backproof.checks.diagnosis.hidden_layers import recognised
from backproof.checks.diagnosis.hints import OVERFLOWS, not_asked, not_the_output, overflows
from backproof.checks.diagnosis.line import with_line, with_listing
from backproof.checks.diagnosis.low_precision import rounded_away
from backproof.checks.diagnosis.matching import UP_TO_FACTORS, WITH_DECAY, explain
from backproof.checks.diagnosis.optimizers import momentum_of, sentence_of, without_gradients
from backproof.checks.diagnosis.probes import close_together, plan, with_huge_logits
from backproof.checks.diagnosis.right import right_under
from backproof.checks.diagnosis.role import Role
from backproof.checks.diagnosis.unknown_activation import distance, shown_wrong
from backproof.checks.diagnosis.weight_decay import undeclared_decay, without_decay
from backproof.checks.findings import Bug, Diagnosis


def diagnose(
    candidate: Candidate,
    *,
    sizes: Sequence[int] | None = None,
    seed: int = 0,
    batch: int | None = None,
    listing: bool = False,
) -> Diagnosis:
    """Ask a candidate, and say what its answers mean.

    Args:
        candidate: whoever can be asked.
        sizes: units of the input and of each layer of the first problem, unless the candidate has
            its own built in.
        seed: of the problems.
        batch: samples of the first problem, unless the candidate has its own.
        listing: whether to say of each line of its file what that computes.
    Returns: the diagnosis. Answers that cannot be used are in it as complaints; nothing is raised
        for them.
    """
    with np.errstate(all="ignore"):
        contradiction = _too_few_activations(candidate.conventions, sizes)
        if contradiction:
            return Diagnosis("untested", contradiction, complaints=[contradiction])
        asked = _Asked(candidate, sizes, seed, batch)
        found = _beside_own_loss(asked, _concluded(asked))
        depth = _depth(asked, found)
        if depth is not None and depth.is_certain:
            again = diagnose(depth.candidate, seed=seed, batch=batch, listing=listing)
            return replace(again, hints=[depth.hint, *again.hints])
        found = with_line(found, candidate)
        if depth is not None:
            found.hints.append(depth.hint)
        if listing:
            settled = found.asked or candidate.conventions
            first = plan(settled, sizes=sizes, seed=seed, batch=batch)[0]
            found = with_listing(found, candidate, first)
        if found.outcome == "pass" and asked.overflows(found.asked):
            found.hints.append(OVERFLOWS)
    if asked.momentum is not None:
        found.hints.append(sentence_of(asked.momentum))
    if asked.own_forward:
        found.hints.append(not_asked(asked.own_forward))
    return found


def _depth(asked: _Asked, found: Diagnosis) -> WrittenFor | None:
    """The depth that a file has built in, where it stumbles over every network that is asked."""
    if found.outcome != "fail" or found.correct or found.bugs or asked.sizes is not None:
        return None
    return written_for(asked.candidate, seed=asked.seed, batch=asked.batch)


def _too_few_activations(conventions: Conventions, sizes: Sequence[int] | None) -> str:
    """What is wrong with the sizes that are asked for, if each hidden layer has its activation."""
    if sizes is None or conventions.sizes or isinstance(conventions.hidden, str):
        return ""
    if len(sizes) - 2 == len(conventions.hidden):
        return ""
    return (
        f"HIDDEN has an activation for each of {len(conventions.hidden)} hidden layers, and "
        f"--sizes has {len(sizes) - 2} of them: ask with as many"
    )


@dataclass(frozen=True)
class Heard:
    """What a candidate answered, and the conventions under which that is read.

    Attributes:
        conventions: those declared, with hidden activations that were recognised.
        evidence: every answer.
        as_declared: the same without what was recognised, if anything was.
    """

    conventions: Conventions
    evidence: list[Evidence]
    as_declared: Heard | None = None

    @property
    def as_likely(self) -> Heard:
        """Of a candidate that is wrong: one layer unlike the others, which are as declared, is
        sooner a mistake than meant."""
        if self.as_declared is None:
            return self
        usual = self.as_declared.conventions.hidden
        mixed = not isinstance(self.conventions.hidden, str)
        if mixed and usual in self.conventions.hidden:
            return self.as_declared
        return self


def _concluded(asked: _Asked) -> Diagnosis:
    """Right, by one convention or another; else the likeliest reason for its being wrong."""
    declared = asked.candidate.conventions
    heard = asked.hear(declared)
    found = _passed(declared, heard)
    if found is not None:
        return found
    found = without_gradients(heard.evidence) or _clipped(declared, heard)
    if found is not None:
        return found
    found = _passed_with_decay(asked, declared, heard)
    if found is not None:
        return found
    ways = [heard]
    for other in _translated(asked, declared, heard.evidence, against_declared=False):
        again = asked.hear(other)
        found = _passed(declared, again) or _passed_with_decay(asked, declared, again)
        if found is not None:
            return found
        ways.append(again)
        # who raises under a convention that the file does not declare says nothing by that
        if _answered(again.evidence) > _answered(heard.evidence):
            heard = again
    found = _by_own_loss(asked, declared, heard) if declared.has_loss else None
    if found is not None and found.outcome == "pass":
        return found
    for way in ways:
        unsaid = _beyond_constants(declared, way)
        if unsaid is not None:
            return unsaid
    return found or _wrong(asked, declared, heard)


def _beyond_constants(declared: Conventions, heard: Heard) -> Diagnosis | None:
    """What is right for a loss that no constant can declare: with a penalty that goes with 1/N or
    sign(W), or with labels that the code smooths. Under the head of the file, or one that it leaves
    open."""
    if not heard.evidence:
        return None
    if any(item.answer.complaint or item.answer.changed_arguments for item in heard.evidence):
        return None
    before = heard.conventions
    for head in (before, *other_heads(before)):
        for other in (head, *factor_conventions(head)):
            first = [asked_as(before, other, heard.evidence[0])]
            if penalties.penalty_in(other, first):
                held = all_asked_as(before, other, heard.evidence)
                penalty = penalties.penalty_in(other, _without_second(other, held))
                if penalty is not None:
                    return penalties.told(penalty, declared)
            if smoothing.smoothing_in(first):
                found = _smoothed(declared, other, all_asked_as(before, other, heard.evidence))
                if found is not None:
                    return found
    return None


def _without_second(conventions: Conventions, evidence: list[Evidence]) -> list[Evidence]:
    """All but the second step of an object, which may hold momentum of the first."""
    if not conventions.builds:
        return evidence
    return [item for item in evidence if item.probe.role is not Role.AGAIN]


def _smoothed(
    declared: Conventions, other: Conventions, evidence: list[Evidence]
) -> Diagnosis | None:
    """That every gradient is right for labels which the code smooths; as a convention where TARGETS
    can say it."""
    found = smoothing.smoothing_in(evidence)
    if found is None:
        return None
    targets = smoothing.as_targets(found, declared, evidence)
    if targets is None or "TARGETS" in declared.declared:
        return smoothing.told(found, declared)
    conventions = replace(other, targets=targets)
    as_said = all_asked_as(other, conventions, evidence)
    return _passed(declared, Heard(conventions, as_said)) or smoothing.told(found, declared)


def _clipped(declared: Conventions, heard: Heard) -> Diagnosis | None:
    """That gradients are clipped, which is no bug, and whether the rest is right."""
    found = clipped(heard.evidence)
    if found is None:
        return None
    rest = list(found.evidence)
    as_asked = heard.as_declared or heard
    right = bool(rest) and any(
        right_under(other, all_asked_as(heard.conventions, other, rest)) is not None
        for other in other_hidden(as_asked.conventions)
    )
    return told(found, rest_is_right=right)


def _beside_own_loss(asked: _Asked, found: Diagnosis) -> Diagnosis:
    """Right gradients, beside the candidate's own loss if it defines one."""
    declared = asked.candidate.conventions
    if found.outcome != "pass" or not declared.has_loss or found.asked is None or asked.own:
        return found
    own = asked.own_loss(found.asked)
    if own.complaint:
        hint = f"Your own loss is not compared: {own.complaint}"
        return replace(found, hints=[*found.hints, hint])
    return own_loss.beside_network(own, found, declared)


def _by_own_loss(asked: _Asked, declared: Conventions, heard: Heard) -> Diagnosis | None:
    """What the candidate's own loss says of gradients that are right under no convention: they are
    its own; or wrong, and then it shows which network is meant, or is all that there is to hold
    them against."""
    own = asked.own_loss(heard.conventions)
    evidence = heard.evidence
    search = _search(evidence)
    if own.complaint:
        explanations = search.simplest() if search else []
        says_network = {"HIDDEN", "OUTPUT", "COST"} & declared.declared
        if explanations or says_network or not _answered(evidence):
            return None
        return own_loss.unusable(own, heard.conventions)
    complaints = any(item.answer.complaint or item.answer.changed_arguments for item in evidence)
    if own.agrees:
        if complaints or differs_from_call_to_call(evidence):
            return None
        return own_loss.passed(own, declared, heard.conventions)
    network = _network_of(own, heard.conventions)
    if network is not None:
        return _wrong(asked, declared, asked.hear(network))
    explanations = search.simplest() if search else []
    if explanations:
        found = failed(declared, heard.conventions, evidence, explanations)
        return replace(found, hints=[*found.hints, f"{own_loss.OF_NO_NETWORK}."])
    return own_loss.failed(own, declared, heard.conventions)


def _network_of(own: own_loss.OwnLoss, conventions: Conventions) -> Conventions | None:
    """The network that can be declared whose loss a candidate's own is; None if there is none."""
    evidence = own_loss.as_evidence(own)
    if not evidence:
        return None
    shown = recognised(conventions, evidence)
    return right_under(shown, all_asked_as(conventions, shown, evidence))


def _passed_with_decay(asked: _Asked, declared: Conventions, heard: Heard) -> Diagnosis | None:
    """That everything is right but for a weight decay that the file does not declare, under its
    head or another one that it leaves open."""
    if "WEIGHT_DECAY" in declared.declared or not heard.evidence:
        return None
    before = heard.conventions
    for head in (before, *other_heads(before)):
        for other in (head, *factor_conventions(head)):
            if undeclared_decay(other, [asked_as(before, other, heard.evidence[0])]) is None:
                continue
            found = _passed_decayed(asked, declared, heard, other)
            if found is not None:
                return found
    return None


def _passed_decayed(
    asked: _Asked, declared: Conventions, heard: Heard, other: Conventions
) -> Diagnosis | None:
    """The same under one head."""
    evidence = all_asked_as(heard.conventions, other, heard.evidence)
    # the second step of an object may hold momentum, too: that shows once the decay is taken off
    again = Role.AGAIN if other.builds else None
    decay = undeclared_decay(other, [item for item in evidence if item.probe.role is not again])
    if decay is None:
        return None
    conventions = replace(other, weight_decay=decay)
    evidence = asked.without_momentum(conventions, without_decay(evidence, decay))
    return _passed(declared, Heard(conventions, evidence))


def _wrong(asked: _Asked, declared: Conventions, heard: Heard) -> Diagnosis:
    """Bugs that explain wrong numbers; before two are believed in at once, a wrong declaration, or
    classes that are counted."""
    mixed = heard
    heard = heard.as_likely
    evidence = heard.evidence
    search = _search(evidence)
    explanations = search.simplest() if search else []
    if explanations:
        return failed(declared, heard.conventions, evidence, explanations)
    own_step = _first_wrong_for_its_own_function(asked, declared, heard)
    if own_step == "":
        return undecided(heard.conventions, evidence)
    settled = _with_settled_output(heard)
    if settled is not heard:
        heard = settled
        evidence = heard.evidence
        search = _search(evidence)
        explanations = search.simplest() if search else []
        if explanations:
            return failed(declared, heard.conventions, evidence, explanations)
    for other in _translated(asked, declared, evidence, against_declared=True):
        again = asked.hear(other)
        found = _passed(declared, again) or _passed_with_decay(asked, declared, again)
        if found is not None and other.labels != declared.labels and "LABELS" in declared.declared:
            return against_labels(declared, heard.conventions, evidence, other)
        if found is not None:
            return found
    complete = where_classes_occur(heard.conventions, evidence, beside_bugs=False)
    if complete:
        return _failed_where_complete(declared, heard, complete)
    if search:
        explanations = search.combined() or rounded_away(evidence)
    if explanations:
        return failed(declared, heard.conventions, evidence, explanations)
    rescaled = _under_another_factor(heard)
    if rescaled is not None:
        return failed(declared, rescaled.conventions, rescaled.evidence, rescaled.explanations)
    complete = where_classes_occur(heard.conventions, evidence, beside_bugs=True)
    if complete:
        return _failed_where_complete(declared, heard, complete)
    for one in (mixed, _with_settled_output(mixed)):
        explanations = _beside_mixed(heard, one)
        if explanations:
            return failed(declared, one.conventions, one.evidence, explanations)
    found = failed(declared, heard.conventions, evidence, [])
    if own_step is None or found.first_step is None or found.first_step.quantity.kind != "a":
        return found
    return failed_behind(found, own_step, evidence)


def _with_settled_output(heard: Heard) -> Heard:
    """The convention first, then what is wrong beside it: as the output layer shows it, if that is
    right under another head or factor, maybe but for a weight decay."""
    before = heard.conventions
    found = settled_by_output(before, heard.evidence) or nearly_settled(before, heard.evidence)
    if found is None:
        return heard
    evidence = all_asked_as(before, found, heard.evidence)
    return Heard(found, without_decay(evidence, found.weight_decay - before.weight_decay))


def _first_wrong_for_its_own_function(
    asked: _Asked, declared: Conventions, heard: Heard
) -> str | None:
    """Where a hidden activation is the first wrong step and none is declared, it may be one that is
    not known here: the first step that is wrong given that one, "" if none is; None where that
    does not apply."""
    evidence = heard.evidence
    if "HIDDEN" in declared.declared or not heard.conventions.bias:
        return None
    if any(item.answer.changed_arguments or item.answer.complaint for item in evidence):
        return None
    if differs_from_call_to_call(evidence):
        return None
    step = first_step([], evidence, None)
    if step is None or step.quantity.kind != "a":
        return None
    return shown_wrong(
        heard.conventions, evidence, asked.close_together(heard.conventions, evidence)
    )


def _beside_mixed(heard: Heard, mixed: Heard) -> list[Explanation]:
    """Bugs in more layers than those that are unlike the others, if there is such a mixture: then
    it is meant."""
    search = _search(mixed.evidence)
    if mixed is heard or search is None:
        return []
    usual = heard.conventions.hidden
    odd = {layer for layer, name in enumerate(mixed.conventions.hidden, 1) if name != usual}
    found = search.simplest()
    return [one for one in found if not odd.issuperset(one.causes[0].place.layers)]


def _failed_where_complete(
    declared: Conventions, heard: Heard, complete: WhereComplete
) -> Diagnosis:
    """Wrong by the way in which classes are counted, and by what is wrong where that does not
    matter."""
    return failed(
        declared,
        heard.conventions,
        complete.evidence,
        complete.explanations,
        complete.sentence,
    )


def _search(evidence: list[Evidence]) -> Search | None:
    """For bugs, where there is something to explain: zeros alone look like many bugs."""
    something = any(item.says_something for item in evidence)
    if something and any(item.wrongs for item in evidence):
        return Search(evidence)
    return None


@dataclass(frozen=True)
class Settled:
    """Answers under conventions that a file does not declare, and what explains them there."""

    conventions: Conventions
    evidence: list[Evidence]
    explanations: list[Explanation]


def _under_another_factor(heard: Heard) -> Settled | None:
    """Two bugs that explain the answers if the sum was meant for the mean, or the half of a
    quadratic cost."""
    if not any(item.is_wrong_at_output for item in heard.evidence):
        return None  # with another factor, all that is right would be wrong
    for other in factor_conventions(heard.conventions):
        as_other = all_asked_as(heard.conventions, other, heard.evidence)
        if not any(item.wrongs for item in as_other):
            continue
        found = [one for one in Search(as_other).combined() if SCALE.id not in one.ids]
        if found:
            return Settled(other, as_other, found)
    return None


class _Asked:
    """A candidate and the problems that it is asked.

    Attributes:
        momentum: how much of the step before a step adds, where it was seen to.
        own_forward: why `forward` is not what is asked for under that name; "" where it is.
        own: whether its own loss was asked already.
    """

    def __init__(
        self, candidate: Candidate, sizes: Sequence[int] | None, seed: int, batch: int | None
    ) -> None:
        self.candidate = candidate
        self.sizes = sizes
        self.seed = seed
        self.batch = batch
        self.momentum: float | None = None
        self.own_forward = ""
        self.own = False

    def own_loss(self, conventions: Conventions) -> own_loss.OwnLoss:
        """The candidate's own loss beside its gradients, maybe but for a weight decay."""
        self.own = True
        probes = own_loss.questions(conventions, sizes=self.sizes, seed=self.seed, batch=self.batch)
        return own_loss.ask(self.candidate, conventions, probes).without_decay()

    def hear(self, conventions: Conventions) -> Heard:
        """All questions under some conventions, and the hidden activations that the answers show if
        none are declared."""
        evidence = self.under(conventions)
        if _answers_equal_widths_alone(evidence):
            evidence += self.under(conventions, equal_widths=True)
        shown = recognised(conventions, evidence)
        if shown == conventions:
            return Heard(conventions, evidence)
        as_shown = all_asked_as(conventions, shown, evidence)
        return Heard(shown, as_shown, as_declared=Heard(conventions, evidence))

    def overflows(self, right: Conventions) -> bool:
        """Whether right gradients are no numbers any more where logits are in the thousands."""
        if not right.head.is_softmax or right.labels == "values":
            return False
        probe = with_huge_logits(right, self.sizes, self.seed)
        (answer,) = self.candidate.under(right).ask([probe.question])
        return overflows(answer)

    def under(
        self,
        conventions: Conventions,
        *,
        first_only: bool = False,
        equal_widths: bool = False,
    ) -> list[Evidence]:
        """All questions, or the first alone, under some conventions; or those of single samples
        for a network whose layers are all as wide."""
        probes = plan(conventions, sizes=self.sizes, seed=self.seed, batch=self.batch)
        if first_only:
            probes = probes[:1]
        if equal_widths:
            widths = next(one for one in probes if one.role is Role.SQUARE).setting.problem.sizes
            square = plan(conventions, sizes=widths, seed=self.seed)
            probes = [probe for probe in square if probe.role in (Role.SINGLE, Role.SAME_Z)]
        candidate = self.candidate
        if conventions != self.candidate.conventions:
            candidate = self.candidate.under(conventions)
        answers = candidate.ask([probe.question for probe in probes])
        evidence = self._meant([Evidence(*pair) for pair in zip(probes, answers, strict=True)])
        # the velocity may hold the decay, as torch.optim.SGD's does, or the decay go by itself
        held = self.without_momentum(conventions, evidence)
        return self.without_momentum(conventions, without_decay(held, conventions.weight_decay))

    def without_momentum(
        self, conventions: Conventions, evidence: list[Evidence]
    ) -> list[Evidence]:
        """All but the second step of an object that adds some of the first one to it, which is
        kept as its momentum."""
        momentum = momentum_of(evidence) if conventions.builds else None
        if momentum is None:
            return evidence
        self.momentum = momentum
        return [item for item in evidence if item.probe.role is not Role.AGAIN]

    def close_together(
        self, conventions: Conventions, evidence: list[Evidence]
    ) -> list[tuple[Evidence, Evidence]]:
        """Answers to single samples, and to others close to them."""
        first = evidence[0].setting.problem
        probes = close_together(conventions, first, distance(evidence), self.seed)
        questions = [probe.question for pair in probes for probe in pair]
        answers = iter(self.candidate.under(conventions).ask(questions))
        found = []
        for near, far in probes:
            pair = [Evidence(near, next(answers)), Evidence(far, next(answers))]
            near_item, far_item = without_decay(pair, conventions.weight_decay)
            found.append((near_item, far_item))
        return found

    def _meant(self, evidence: list[Evidence]) -> list[Evidence]:
        """All but the answers of a `forward` of the file's own, which gives something else than the
        output."""
        others = {id(item): reason for item in evidence if (reason := not_the_output(item))}
        for reason in others.values():
            self.own_forward = reason
        return [item for item in evidence if id(item) not in others]


def _answers_equal_widths_alone(evidence: list[Evidence]) -> bool:
    """Whether single samples got no answer, and the network whose layers are all as wide did: then
    shapes are what stops the code elsewhere."""
    alone = [item for item in evidence if item.probe.role is Role.SINGLE]
    square = [item for item in evidence if item.probe.role is Role.SQUARE]
    if any(item.given is not None for item in alone):
        return False
    return any(item.given is not None for item in square)


def _answered(evidence: list[Evidence]) -> int:
    """How many questions about gradients got some."""
    return sum(item.given is not None and item.is_of_gradients for item in evidence)


def _passed(declared: Conventions, heard: Heard) -> Diagnosis | None:
    """That everything is right, if it is so under the conventions asked, others that differ by a
    factor, or another head."""
    right = right_under(heard.conventions, heard.evidence)
    if right is None:
        return None
    return passed(declared, heard.conventions, right, heard.evidence)


def _translated(
    asked: _Asked, declared: Conventions, evidence: list[Evidence], *, against_declared: bool
) -> Iterator[Conventions]:
    """Other ways to put the question: those alone under which the first one gets an answer, if it
    had one a right one."""
    for other in translations(declared, against_declared=against_declared):
        (first,) = asked.under(other, first_only=True)
        if first.given is None or first.answer.complaint:
            continue
        if evidence[0].given is None or _fits_some_head(other, first):
            yield other


def _fits_some_head(conventions: Conventions, first: Evidence) -> bool:
    """Whether an answer is right up to factors and a weight decay that the file does not declare,
    under the hidden layers and the head that are declared or others."""
    decays = "WEIGHT_DECAY" not in conventions.declared
    freedom = WITH_DECAY if decays else UP_TO_FACTORS
    for hidden in other_hidden(conventions):
        for head in (hidden, *other_heads(hidden)):
            as_head = asked_as(conventions, head, first)
            if explain((), [as_head], freedom=freedom) is not None:
                return True
    return False


__all__ = ["Bug", "Diagnosis", "diagnose"]
