"""A candidate, the questions that it is asked under some conventions, and what it answers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from backproof.checks.candidates.candidate import Candidate
from backproof.checks.candidates.conventions import Conventions
from backproof.checks.diagnosis import own_loss_asked
from backproof.checks.diagnosis.conventional import (
    all_asked_as,
    asked_as,
    other_heads,
    other_hidden,
    translations,
)
from backproof.checks.diagnosis.evidence import Evidence
from backproof.checks.diagnosis.hidden_layers import recognised
from backproof.checks.diagnosis.hints import not_the_output, overflows
from backproof.checks.diagnosis.matching import UP_TO_FACTORS, WITH_DECAY, explain
from backproof.checks.diagnosis.optimizers import momentum_of
from backproof.checks.diagnosis.own_loss import OwnLoss
from backproof.checks.diagnosis.probes import close_together, plan, with_huge_logits
from backproof.checks.diagnosis.role import Role
from backproof.checks.diagnosis.unknown_activation import distance
from backproof.checks.diagnosis.weight_decay import without_decay


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


class Asked:
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

    def own_loss(self, conventions: Conventions) -> OwnLoss:
        """The candidate's own loss beside its gradients, maybe but for a weight decay."""
        self.own = True
        probes = own_loss_asked.questions(
            conventions, sizes=self.sizes, seed=self.seed, batch=self.batch
        )
        return own_loss_asked.ask(self.candidate, conventions, probes).without_decay()

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


def answered(evidence: list[Evidence]) -> int:
    """How many questions about gradients got some."""
    return sum(item.given is not None and item.is_of_gradients for item in evidence)


def translated(
    asked: Asked, declared: Conventions, evidence: list[Evidence], *, against_declared: bool
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
