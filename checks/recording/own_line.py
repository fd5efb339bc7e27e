"""The line of somebody's file that first makes a wrong number.

Their gradients show what they must have had on the way: of one sample, their db[l] is their dz[l],
and their dW[l] is that times their a[l - 1]. The line on which that very array appears first is the
line. Nothing is named by where it stands in the program: only a line on which the wrong value was
seen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from backproof.checks import by_hand
from backproof.checks.activations import Activation, named
from backproof.checks.candidates.inside.recorder import Site
from backproof.checks.candidates.inside.recording import Made, Recording, Series
from backproof.checks.quantities import Quantity
from backproof.checks.recording.page import Page, ratio, tolerance
from backproof.checks.recording.source import Sources

# entries: as many that agree up to some factor are no accident
ANY_FACTOR = 4
HOLDING = ("value", "edit")  # kinds of places that have a name
EXACT = ("z", "a", "p", "x", "Y")  # what no program multiplies by anything


@dataclass(frozen=True)
class Own:
    """What a candidate answered to the call that was recorded.

    Attributes:
        recording: of that call.
        page: the right numbers of it.
        gradients: its dW and db, in the project's shapes.
        unread: by gradient, how far reading it off a step may have put it, entry by entry at most.
        weights: for a step, the W and b that it left, in the project's shapes; else empty.
        eps: relative rounding of the precision in which it answered.
    """

    recording: Recording
    page: Page
    gradients: dict[Quantity, np.ndarray]
    unread: dict[Quantity, float]
    weights: dict[Quantity, np.ndarray]
    eps: float = 0.0

    def near(self, quantity: Quantity, eps: float) -> float:
        """How near a recorded array must be to be this gradient, relative to its largest entry."""
        size = float(np.abs(self.gradients[quantity]).max(initial=0)) or 1.0
        unread = 4 * self.unread.get(quantity, 0.0) / size
        return max(tolerance(max(eps, self.eps)), unread)

    def given(self, quantity: Quantity) -> np.ndarray | None:
        """A gradient that came in its shape, or None."""
        found = self.gradients.get(quantity)
        if found is None or found.shape != self.page.values[quantity].shape:
            return None
        return found

    def is_wrong(self, quantity: Quantity) -> bool:
        """Whether a gradient is another than the right one, in this call."""
        right = self.page.values[quantity]
        given = self.gradients[quantity]
        return not _same(given, right, self.near(quantity, 0.0))

    @property
    def of_one_sample(self) -> Own | None:
        """The same as the call of one sample that it is, if all of its samples are copies of it."""
        problem = self.page.problem
        N = self.page.N
        if N == 1 or (problem.x != problem.x[0]).any() or (problem.y != problem.y[0]).any():
            return None
        first = replace(problem, x=problem.x[:1], y=problem.y[:1])
        made = tuple(replace(one, value=_one_row(one.value, N)) for one in self.recording.made)
        gradients = {quantity: array / N for quantity, array in self.gradients.items()}
        page = Page(first, self.page.weight, self.page.learning_rate)
        recording = replace(self.recording, made=made)
        return Own(recording, page, gradients, self.unread, {}, self.eps)

    @property
    def shows_a_fault(self) -> bool:
        """Whether any gradient is wrong in this call."""
        return any(self.is_wrong(quantity) for quantity in self.gradients)


@dataclass(frozen=True)
class Found:
    """The line, before it is put into words.

    Attributes:
        file, line, function: where.
        name: what holds the wrong value there, "" if nothing does.
        quantity: what it is.
        kind: see Site.
        array: the wrong value; of what is left out, the right one.
        is_left_out: whether the line returns without what was computed before.
        is_taken: whether it takes one right value for another one.
    """

    file: str
    line: int
    function: str
    name: str
    quantity: Quantity
    kind: str
    array: np.ndarray
    is_left_out: bool = False
    is_taken: bool = False


@dataclass(frozen=True)
class Sought:
    """What to look for: whether an array is the candidate's own, and whether it is the right one.

    Attributes:
        quantity: what it is.
        is_own: of an array in the project's shape, whether it explains the candidate's answer.
        right: the right array.
        exact: whether only the very numbers count, because they differ from the right ones by a
            factor alone.
        elements: numbers that must all appear one by one, where the program has no arrays; and what
            is made of recorded ones before they are compared.
        names: under which alone it counts, and only after they have held something else; None for
            any name. Zeros count there.
    """

    quantity: Quantity
    is_own: Callable[[np.ndarray, float], bool]
    right: np.ndarray
    exact: bool = False
    elements: np.ndarray | None = None
    through: Callable[[np.ndarray], np.ndarray] | None = None
    names: frozenset[str] | None = None


@dataclass(frozen=True)
class _Seen:
    """Where and when an array was seen first; and whether it is right there, but taken for what it
    is not."""

    time: int
    site: Site
    array: np.ndarray
    caller: tuple[str, int] | None = None
    is_taken: bool = False


def locate_edit(own: Own) -> Found | None:
    """The first line that edits an array which its function was given, and which was right."""
    for made in own.recording.made:
        if made.site.kind == "edit":
            before = [one for one in own.recording.made if one.time < made.time]
            same = [one for one in before if one.value.shape == made.value.shape]
            for one in reversed(same):
                for match in own.page.matches(one.value, one.eps):
                    if match.quantity.kind in ("z", "a", "dz"):
                        site = made.site
                        return Found(
                            site.file,
                            site.line,
                            site.function,
                            site.name,
                            match.quantity,
                            site.kind,
                            made.value,
                        )
    return None


def locate(own: Own, first_wrong: Quantity, sources: Sources) -> Found | None:
    """The line on which a quantity that is wrong appears first; None where no line shows it.

    Args:
        own: the call that was recorded.
        first_wrong: the step that goes wrong first, as the answers show it.
        sources: the files.
    """
    alone = own.of_one_sample if first_wrong.kind not in ("dW", "db") else None
    for one in (alone, own):
        finder = _Finder(one, sources) if one is not None else None
        for sought in finder.plan(first_wrong) if finder is not None else ():
            if finder is not None and (found := finder.first(sought)) is not None:
                return finder.loop_that_leaves_out(found) or found
    return _Finder(own, sources).not_returned(first_wrong)


class _Finder:
    """Looks for the candidate's own arrays in one recording."""

    def __init__(self, own: Own, sources: Sources) -> None:
        self.own = own
        self.sources = sources
        self.page = own.page
        self.L = own.page.problem.L
        self.N = own.page.N
        self._factors_of: dict[Quantity, set[float]] = {}

    def plan(self, wrong: Quantity) -> Iterator[Sought]:
        """What to look for, the nearest to the fault first."""
        layer = wrong.layer or self.L
        match wrong.kind:
            case "z" if layer < self.L:
                yield from self._behind_a(layer)
                yield from self._own_a(layer)
            case "a":
                yield from self._behind_a(layer)
                yield from self._own_a(layer)
            case "z" | "p":
                yield from self._behind_p()
                yield from self._own_p()
            case "da" | "dz" | "dp" if self._dz_is_right(layer):
                yield from self._own_gradients(layer)
            case "da":
                yield from self._behind_dz(layer)
                yield from self._own_dz(layer)
            case "dz" | "dp":
                yield from self._own_labels(layer)
                if layer == self.L:
                    yield from self._own_p()
                yield from self._own_dz(layer)
            case "dW" | "db":
                yield from self._fewer_samples(wrong)
                yield from self._factor_of_dW(wrong)
                yield from self._own_gradient(wrong)

    def first(self, sought: Sought) -> Found | None:
        """The earliest place where what is sought appears and is not the right thing."""
        found = self._earliest(sought)
        if found is None:
            return None
        site = found.site
        if (caller := self._of_a_right_helper(found, sought)) is not None:
            file, line = caller
            function = self.sources.of(file).function(line)
            return Found(file, line, function, "", sought.quantity, "argument", found.array)
        name = site.name if site.kind in HOLDING else ""
        return Found(
            site.file,
            site.line,
            site.function,
            name,
            sought.quantity,
            site.kind,
            found.array,
            is_taken=found.is_taken,
        )

    def _of_a_right_helper(self, seen: _Seen, sought: Sought) -> tuple[str, int] | None:
        """The line that calls the function which made it, if that function does to its argument
        what it should: then the argument is wrong, such as p in place of z."""
        kind = sought.quantity.kind
        if kind not in ("a", "p") or seen.site.kind != "return" or seen.caller is None:
            return None
        layer = sought.quantity.layer or self.L
        make = output(self.page) if kind == "p" else hidden(self.page, layer).h
        for made in self.own.recording.made:
            if made.time < seen.time:
                for array in orientations(made.value, sought.right.shape):
                    with np.errstate(all="ignore"):
                        done = make(array)
                    if any(
                        _same(done, value, tolerance(made.eps))
                        for value in orientations(seen.array, sought.right.shape)
                    ):
                        return seen.caller
        return None

    def loop_that_leaves_out(self, found: Found) -> Found | None:
        """The loop around a line, where their gradient is what some of the samples give, and the
        others never came to that line."""
        quantity = found.quantity
        given = self.own.given(quantity)
        if self.N < 3 or given is None or not given.any() or quantity.kind != "dW":
            return None
        layer = quantity.layer or self.L
        dz = self.page.values[Quantity("dz", layer)]
        below = self.page.values.get(Quantity("a", layer - 1), self.page.problem.x)
        parts = np.stack([np.outer(left, top).ravel() for left, top in zip(dz, below, strict=True)])
        shares, *_ = np.linalg.lstsq(parts.T, given.ravel(), rcond=None)
        largest = float(np.abs(shares).max())
        near = 1e-6 * largest
        is_sum = _same(shares @ parts, given.ravel(), self.own.near(quantity, 0.0))
        left_out = np.abs(shares) <= near
        taken = np.abs(np.abs(shares) - largest) <= near
        if not is_sum or not left_out.any() or not (left_out | taken).all():
            return None
        line = self.sources.of(found.file).loop(found.line)
        return replace(found, line=line, name="", is_left_out=True) if line else None

    def not_returned(self, wrong: Quantity) -> Found | None:
        """The last line of the call, where a gradient that was right on the way is missing in what
        comes back."""
        given = self.own.given(wrong)
        ended = self.own.recording.ended
        if ended is None or wrong.kind not in ("dW", "db") or self.page.learning_rate is not None:
            return None
        right = self.page.values[wrong]
        unclear = wrong.kind == "db" and self.N == 1  # dz[l] has the same numbers
        if unclear or (given is not None and given.any()) or not right.any():
            return None
        exact = Sought(wrong, lambda array, eps: _same(array, right, 1e-9), 0 * right, exact=True)
        if self._earliest(exact) is None:
            return None
        file, line, function = ended
        return Found(file, line, function, "", wrong, "return", right, is_left_out=True)

    def _earliest(self, sought: Sought) -> _Seen | None:
        found: list[_Seen] = []
        for made in self.own.recording.made:
            if self._fits(made, sought):
                found.append(_Seen(made.time, made.site, made.value, made.caller))
                break
        elements = sought.elements
        for series in self.own.recording.series if elements is not None else ():
            if elements is not None and (time := self._in_series(series, sought)) is not None:
                found.append(_Seen(time, series.site, elements, series.caller))
        earliest = min(found, key=lambda one: one.time, default=None)
        if earliest is None or sought.names is not None:
            return earliest
        return self._not_something_else(earliest, sought)

    def _not_something_else(self, seen: _Seen, sought: Sought) -> _Seen | None:
        """Where their dz[l] is the right da[l], without its derivative: the line that multiplies it
        by something else, if there is one."""
        wrong = sought.quantity
        matches = self.page.matches(seen.array, self.own.eps)
        if wrong.kind in ("dW", "db"):
            return self._taken_for(seen, sought)
        if wrong.kind != "dz" or all(match.quantity.kind != "da" for match in matches):
            return seen
        for made in self.own.recording.made:
            site = made.site
            later = made.time > seen.time and site.kind in HOLDING and site.line != seen.site.line
            if later and self.sources.multiplies(site.file, site.line) and self._fits(made, sought):
                return _Seen(made.time, made.site, made.value, made.caller)
        return seen

    def _taken_for(self, seen: _Seen, sought: Sought) -> _Seen | None:
        """Where a gradient is the right value of something else, such as db[l] all rows of dz[l]:
        the last line of that function that takes it for the gradient."""
        kind = sought.quantity.kind
        same = {kind, "dz" if kind == "db" and self.N == 1 else kind}
        if all(
            match.quantity.kind in same for match in self.page.matches(seen.array, self.own.eps)
        ):
            return seen
        later = [
            made
            for made in self.own.recording.made
            if made.time > seen.time
            and made.site.function == seen.site.function
            and made.site.kind in HOLDING
            and made.site.line != seen.site.line
            and self._fits(made, sought)
        ]
        if not later:
            return None
        last = later[-1].site.line
        first = next(made for made in later if made.site.line == last)
        return _Seen(first.time, first.site, first.value, first.caller, is_taken=True)

    def _fits(self, made: Made, sought: Sought) -> bool:
        if sought.names is not None:
            return self._fits_by_name(made, sought)
        for array in orientations(made.value, sought.right.shape):
            if not array.any() or not np.isfinite(array).all():
                continue
            if self._is_right(array, sought, self._close(made.eps)):
                continue
            if sought.is_own(array, made.eps):
                return True
        return False

    def _close(self, eps: float) -> float:
        """How near to the right array an array is right: where the answer came in full precision,
        numbers that are rounded on the way may be what is wrong."""
        return tolerance(min(eps, self.own.eps) if self.own.eps else eps)

    def _fits_by_name(self, made: Made, sought: Sought) -> bool:
        """Whether it is what is sought under a name that held the right array before."""
        assert sought.names is not None
        if made.site.name not in sought.names:
            return False
        before = (
            array
            for other in self.own.recording.made
            if other.time < made.time and other.site.name == made.site.name
            for array in orientations(other.value, sought.right.shape)
        )
        held = any(ratio(array, sought.right, tolerance(made.eps)) is not None for array in before)
        return held and any(
            sought.is_own(array, made.eps) for array in orientations(made.value, sought.right.shape)
        )

    def _is_right(self, array: np.ndarray, sought: Sought, close: float) -> bool:
        """Whether it is the right array: a gradient up to a factor, unless that is what is
        wrong."""
        if sought.exact or sought.quantity.kind in EXACT:
            usual = self._usual(sought.quantity) if sought.exact else {1.0}
            return any(_same(array, factor * sought.right, close) for factor in usual)
        return ratio(array, sought.right, close) is not None

    def _usual(self, quantity: Quantity) -> set[float]:
        """By what the program multiplies such a quantity on the way, as layers show whose gradients
        come out right: by N, say, where the mean is taken later."""
        if quantity not in self._factors_of:
            kinds = ("dW", "db") if quantity.kind in ("dW", "db") else ("dz", "da")
            found = {1.0}
            layers = [n for n in range(1, self.L + 1) if not self._shows_a_fault(n)]
            if quantity.kind in ("dz", "da"):  # what is below was made of this one
                layers = [n for n in layers if n > (quantity.layer or self.L)]
            others = {Quantity(kind, n) for kind in kinds for n in layers if n != quantity.layer}
            for made in self.own.recording.made if others else ():
                for match in self.page.matches(made.value, made.eps):
                    if match.quantity in others and match.form.sample is None:
                        found.add(match.factor)
            self._factors_of[quantity] = found
        return self._factors_of[quantity]

    def _in_series(self, series: Series, sought: Sought) -> int | None:
        """When the first of the wrong numbers was there, if all that are wrong came."""
        assert sought.elements is not None
        wanted = sought.elements.reshape(-1)
        right = sought.right.reshape(-1)
        off = np.abs(wanted - right) > 1e-9 * np.abs(right).max(initial=0)
        if sought.through is not None:
            series = series.through(sought.through)
            off = np.ones(len(wanted), dtype=bool)
        if not len(series.values) or off.sum() < min(2, len(wanted)):
            return None
        return series.time_of_multiple(wanted[off], self._factors(sought), 1e-9)

    def _factors(self, sought: Sought) -> Sequence[float]:
        if sought.exact or not sought.quantity.is_backward:
            return (1.0,)
        return tuple(self.page.factors)

    def _own_a(self, layer: int) -> Iterator[Sought]:
        """Their a[l], by which their dW[l + 1] multiplies their dz[l + 1]."""
        a = self.seen_a(layer)
        right = self.page.values[Quantity("a", layer)]
        if a is not None and not _same(a, right, 1e-9):
            yield self._equal(Quantity("a", layer), a, right)

    def _behind_a(self, layer: int) -> Iterator[Sought]:
        """An array of which the right activation makes their a[l], and which is not the right
        z[l]."""
        a = self.seen_a(layer)
        if a is None:
            return
        h = hidden(self.page, layer).h
        right = self.page.values[Quantity("z", layer)]

        def is_own(array: np.ndarray, eps: float) -> bool:
            with np.errstate(all="ignore"):
                return _same(h(array), a, tolerance(eps))

        if _same(a, self.page.values[Quantity("a", layer)], 1e-9):
            return
        yield Sought(Quantity("z", layer), is_own, right, elements=a[0], through=h)

    def _own_p(self) -> Iterator[Sought]:
        """Their p: what the right head makes their dz[L] of."""
        right = self.page.values[Quantity("p")]
        explains = self._explains_output()
        elements = None
        dz = self.seen_dz(self.L)
        if dz is not None and self.page.problem.head.equation in ("(B1)", "(B9)"):
            elements = (dz / self.page.weight + self.page.given[Quantity("Y")])[0]
        if explains is not None:
            yield Sought(Quantity("p"), explains, right, elements=elements)

    def _behind_p(self) -> Iterator[Sought]:
        """Logits of which the right output makes their p."""
        explains = self._explains_output()
        if explains is None:
            return
        make_p = output(self.page)
        quantity = Quantity("z", self.L)
        p = self.page.values[Quantity("p")]

        def is_own(array: np.ndarray, eps: float) -> bool:
            with np.errstate(all="ignore"):
                made = make_p(array)
                # logits without their maximum are right, too, and p itself is no logit
                right = _same(made, p, tolerance(eps)) or _same(array, p, tolerance(eps))
                return not right and explains(made, eps)

        yield Sought(quantity, is_own, self.page.values[quantity])

    def _explains_output(self) -> Callable[[np.ndarray, float], bool] | None:
        """Whether the right head makes their dz[L] of an output; None where theirs is right."""
        head = dz_of_output(self.page)
        right = self.page.values[Quantity("dz", self.L)]
        dz = self.seen_dz(self.L)
        if head is None or (dz is not None and _same(dz, right, self._near(self.L, 0.0))):
            return None
        Y = self.page.given[Quantity("Y")]
        explains = self._explains_dz(self.L)
        return lambda array, eps: explains(head(array, Y), eps)

    def _own_dz(self, layer: int) -> Iterator[Sought]:
        """Their dz[l]: read off their gradients of one sample, or what sums to them over a
        batch."""
        quantity = Quantity("dz", layer)
        right = self.page.values[quantity]
        dz = self.seen_dz(layer)
        if dz is None:
            if not self._shows_a_fault(layer):
                return
            by_a_factor = self._differs_by_a_factor(layer)
            yield Sought(quantity, self._explains(layer, by_a_factor), right, by_a_factor)
            if by_a_factor:
                dW = Quantity("dW", layer)
                given = self.own.given(dW)
                if given is not None and float((given * self.page.values[dW]).sum()) < 0:
                    yield self._reversed(quantity, right)
                yield from self._own_gradients(layer)
            return
        if _same(dz, right, self._near(layer, 0.0)):
            return
        if ratio(dz, right, self._near(layer, 0.0)) is None:
            yield self._proportional(quantity, dz, right)
            return
        # another by a factor alone: the very numbers of whatever shows the factor first
        yield replace(self._equal(quantity, dz, right), exact=True)
        if float((dz * right).sum()) < 0:
            yield self._reversed(quantity, right)
        yield from self._own_gradients(layer)

    def _reversed(self, quantity: Quantity, right: np.ndarray) -> Sought:
        """The right array with another sign, however it is scaled, where that is not how the
        program holds such arrays."""
        usual = self._usual(quantity)

        def is_own(array: np.ndarray, eps: float) -> bool:
            factor = ratio(array, right, tolerance(eps))
            if factor is None or factor > 0:
                return False
            known = self.page.nearest_factor(factor)
            return abs(factor - known) <= 1e-9 * abs(known) and known not in usual

        return Sought(quantity, is_own, right, exact=True)

    def _shows_a_fault(self, layer: int) -> bool:
        """Whether any gradient of a layer is wrong in this call."""
        both = [Quantity(kind, layer) for kind in ("dW", "db")]
        return any(self.own.is_wrong(one) for one in both if one in self.own.gradients)

    def _differs_by_a_factor(self, layer: int) -> bool:
        """Whether their gradients of a layer are the right ones but for a factor."""
        for kind in ("dW", "db"):
            quantity = Quantity(kind, layer)
            given = self.own.given(quantity)
            right = self.page.values[quantity]
            if given is None or given.shape != right.shape:
                continue
            if ratio(given, right, self.own.near(quantity, 0.0)) is None:
                return False
        return True

    def _behind_dz(self, layer: int) -> Iterator[Sought]:
        """An array that times the right derivative is their dz[l]: their da[l]."""
        dz = self.seen_dz(layer)
        slope = self._slope(layer)
        quantity = Quantity("da", layer)
        right = self.page.values[quantity]
        if dz is None:
            if not self._shows_a_fault(layer):
                return
            by_a_factor = self._differs_by_a_factor(layer)
            explains = self._explains(layer, by_a_factor)
            yield Sought(
                quantity, lambda array, eps: explains(array * slope, eps), right, by_a_factor
            )
            return
        near = self._near
        by_a_factor = (
            ratio(dz, self.page.values[Quantity("dz", layer)], near(layer, 0.0)) is not None
        )
        equal = _same if by_a_factor else self._scaled

        def is_own(array: np.ndarray, eps: float) -> bool:
            return equal(array * slope, dz, near(layer, eps))

        with np.errstate(all="ignore"):
            elements = dz[0] / slope[0]
        usable = np.isfinite(elements).all()
        elements = elements if usable else None
        yield Sought(quantity, is_own, right, by_a_factor, elements)

    def _own_gradient(self, quantity: Quantity) -> Iterator[Sought]:
        """Their dW[l] or db[l] itself; where it is only ever taken off, the weights left."""
        given = self.own.gradients.get(quantity)
        if given is None or not self.own.is_wrong(quantity):
            return
        right = self.page.values[quantity]
        if given.shape != right.shape:  # of no quantity: the very numbers must be there
            right = np.zeros(given.shape)
        if given.any():
            yield self._very_gradient(quantity, given, right)
        else:
            yield from self._put_to_zero(quantity, given)
        left = Quantity(quantity.kind[1:], quantity.layer)
        if given.any() and left in self.own.weights:
            after = self.own.weights[left]
            before = self.page.given[left]
            yield Sought(
                quantity, lambda array, eps: _same(array, after, 1e-14), before, True, after
            )

    def _put_to_zero(self, quantity: Quantity, given: np.ndarray) -> Iterator[Sought]:
        """Zeros under a name that has held the right gradient."""
        right = self.page.values[quantity]
        names = set()
        for made in self.own.recording.made:
            for array in orientations(made.value, right.shape):
                if ratio(array, right, tolerance(made.eps)) is not None:
                    names.add(made.site.name)
        if names:
            yield Sought(
                quantity, lambda array, eps: not array.any(), right, names=frozenset(names)
            )

    def _very_gradient(self, quantity: Quantity, given: np.ndarray, right: np.ndarray) -> Sought:
        exact = not right.any() or ratio(given, right, self.own.near(quantity, 0.0)) is not None

        def is_own(array: np.ndarray, eps: float) -> bool:
            near = self.own.near(quantity, eps)
            if exact:
                return _same(array, given, near) or self._taken_off(array, given, near)
            return self._scaled(array, given, near)

        return Sought(quantity, is_own, right, exact, elements=given)

    def _taken_off(self, array: np.ndarray, given: np.ndarray, near: float) -> bool:
        """Whether it is what a step takes off the weights: the gradient times the rate."""
        rate = self.page.learning_rate
        return rate is not None and _same(array, rate * given, near)

    def _own_gradients(self, layer: int) -> Iterator[Sought]:
        """Their dW[l] and db[l], whichever comes first, where dz[l] itself was seen to be right."""
        both = [
            sought for kind in ("dW", "db") for sought in self._own_gradient(Quantity(kind, layer))
        ]
        found = [(sought, self._earliest(sought)) for sought in both]
        seen = [(sought, one) for sought, one in found if one is not None]
        yield from [sought for sought, _ in sorted(seen, key=lambda pair: pair[1].time)]

    def _dz_is_right(self, layer: int) -> bool:
        """Whether a line makes the right dz[l], by more than a factor of another wrong one."""
        quantity = Quantity("dz", layer)
        right = self.page.values[quantity]
        dz = self.seen_dz(layer)
        near = self._near(layer, 0.0)
        dW = self.own.given(Quantity("dW", layer))
        if dz is None or dW is None or ratio(dz, right, near) is not None or right.size < 3:
            return False
        below = self.page.values.get(Quantity("a", layer - 1), self.page.problem.x)
        if _same(dW, dz.T @ below, near):
            return False  # both gradients are made of another dz[l]
        sought = Sought(
            quantity,
            lambda array, eps: self._scaled(array, right, tolerance(eps)),
            right,
            exact=True,
            elements=right[0],
        )
        return self._earliest(sought) is not None

    def _own_labels(self, layer: int) -> Iterator[Sought]:
        """The targets that they take their p against, where those are not the right ones."""
        head = dz_of_output(self.page)
        if layer < self.L or head is None:
            return
        p = self.page.values[Quantity("p")]
        explains = self._explains_dz(layer)

        def is_own(array: np.ndarray, eps: float) -> bool:
            likely = bool(array.min() >= 0 and array.max() <= 1 and array.shape[1] > 1)
            return likely and explains(head(p, array), eps)

        yield Sought(Quantity("Y"), is_own, self.page.given[Quantity("Y")])

    def _explains_dz(self, layer: int) -> Callable[[np.ndarray, float], bool]:
        """Whether an array is their dz[l], as large as it is."""
        dz = self.seen_dz(layer)
        if dz is None:
            return self._explains(layer, exact=True)
        return lambda array, eps: _same(array, dz, self._near(layer, eps))

    def _factor_of_dW(self, wrong: Quantity) -> Iterator[Sought]:
        """What stands for dz[l] or a[l - 1] in their dW[l], if it is nothing of the right pass: an
        array that was edited, say."""
        layer = wrong.layer or self.L
        dW = self.own.given(Quantity("dW", layer))
        if wrong.kind != "dW" or self.N > 1 or dW is None:
            return
        dz = self.page.values[Quantity("dz", layer)]
        below = Quantity("a", layer - 1) if layer > 1 else Quantity("x")
        a = self.page.values.get(below, self.page.problem.x)
        if dW.shape != (dz.shape[1], a.shape[1]) or not dW.any():
            return
        own_a = dz @ dW / (dz @ dz.T)
        own_dz = (dW @ a.T / (a @ a.T)).T
        near = self._near(layer, 0.0)
        pairs = ((below, own_a, a, (dz, own_a)), (Quantity("dz", layer), own_dz, dz, (own_dz, a)))
        for quantity, own, right, (left, top) in pairs:
            is_product = _same(dW, left.T @ top, near)
            if is_product and ratio(own, right, near) is None and not self.page.matches(own, 1e-16):
                yield self._proportional(quantity, own, right)

    def _explains(self, layer: int, exact: bool = False) -> Callable[[np.ndarray, float], bool]:
        """Over a batch: what gives both their gradients, as far as there are two."""
        below = self.page.values.get(Quantity("a", layer - 1), self.page.problem.x)
        dW = self.own.given(Quantity("dW", layer))
        db = self.own.given(Quantity("db", layer))

        def is_own(array: np.ndarray, eps: float) -> bool:
            near = self._near(layer, eps)
            equal = _same if exact else self._scaled
            by_W = dW is not None and equal(array.T @ below, dW, near)
            return by_W and (db is None or equal(array.sum(axis=0), db, near))

        return is_own

    def _fewer_samples(self, wrong: Quantity) -> Iterator[Sought]:
        """Some of the rows of x, where the right pass over those alone gives their gradient."""
        given = self.own.given(wrong)
        x = self.page.problem.x
        if self.N < 2 or given is None:
            return
        layer = wrong.layer or self.L
        dz = self.page.values[Quantity("dz", layer)]
        below = self.page.values.get(Quantity("a", layer - 1), x)

        def is_own(array: np.ndarray, eps: float) -> bool:
            rows = [int(np.abs(x - row).max(axis=1).argmin()) for row in array]
            if not _same(array, x[rows], tolerance(eps)):
                return False
            sums = {"dW": dz[rows].T @ below[rows], "db": dz[rows].sum(axis=0)}
            return ratio(given, sums[wrong.kind], self.own.near(wrong, eps)) is not None

        for count in self._numbers_of_rows(x.shape[1]):
            yield Sought(Quantity("x"), is_own, np.zeros((count, x.shape[1])))

    def _numbers_of_rows(self, width: int) -> list[int]:
        """How many rows there are in arrays that could be a part of x."""
        shapes = {np.squeeze(made.value).shape for made in self.own.recording.made}
        pairs = [shape for shape in shapes if len(shape) == 2 and width in shape]
        counts = {shape[0] if shape[1] == width else shape[1] for shape in pairs}
        return sorted(count for count in counts if 1 < count < self.N)

    def _equal(self, quantity: Quantity, own: np.ndarray, right: np.ndarray) -> Sought:
        near = self._near
        layer = quantity.layer or self.L
        return Sought(
            quantity,
            lambda array, eps: _same(array, own, near(layer, eps)),
            right,
            elements=own[0] if len(own) == 1 else None,
        )

    def _proportional(self, quantity: Quantity, own: np.ndarray, right: np.ndarray) -> Sought:
        layer = quantity.layer or self.L
        return Sought(
            quantity,
            lambda array, eps: self._scaled(array, own, self._near(layer, eps)),
            right,
            elements=own[0] if len(own) == 1 else None,
        )

    def _scaled(self, array: np.ndarray, own: np.ndarray, near: float) -> bool:
        """Whether it is their array, up to a factor that people multiply gradients by."""
        if array.shape != own.shape:
            return False
        factor = ratio(array, own, near)
        if factor is None:
            return False
        if array.size > ANY_FACTOR:
            return True
        known = self.page.nearest_factor(factor)
        return abs(factor - known) <= near * abs(known)

    def _near(self, layer: int, eps: float) -> float:
        """How near something must be to what was read off the gradients of a layer."""
        some = [
            self.own.near(Quantity(kind, layer), eps)
            for kind in ("dW", "db")
            if Quantity(kind, layer) in self.own.gradients
        ]
        return max([tolerance(eps), *some])

    def seen_dz(self, layer: int) -> np.ndarray | None:
        """Their dz[l], one row, of a call with one sample; None where the gradients do not show it.

        Their dW[l] shows it where it is that times the right a[l - 1], and their db[l] always; a
        db in a short format may be rounded once more than the dz that it is.
        """
        if self.N > 1:
            return None
        right = self.page.values[Quantity("dz", layer)]
        a = self.page.values.get(Quantity("a", layer - 1), self.page.problem.x)[0]
        dW = self.own.given(Quantity("dW", layer))
        if dW is not None and dW.shape == (right.shape[1], len(a)):
            dz = dW @ a / (a @ a)
            if _same(dW, np.outer(dz, a), self._near(layer, 0.0)):
                return np.asarray(dz)[None]
        db = self.own.given(Quantity("db", layer))
        if db is not None and db.shape == right.shape[1:]:
            return db[None]
        return None

    def seen_a(self, layer: int) -> np.ndarray | None:
        """Their a[l], one row."""
        dz = self.seen_dz(layer + 1)
        dW = self.own.given(Quantity("dW", layer + 1))
        if self.N > 1 or dz is None or dW is None or not dz.any():
            return None
        a = dz[0] @ dW / (dz[0] @ dz[0])
        if not _same(dW, np.outer(dz[0], a), self._near(layer + 1, 0.0)):
            return None
        return np.asarray(a)[None]

    def _slope(self, layer: int) -> np.ndarray:
        """The right h'(z[l])."""
        z = self.page.values[Quantity("z", layer)]
        a = self.page.values[Quantity("a", layer)]
        return np.asarray(hidden(self.page, layer).h_prime(z, a))


def hidden(page: Page, layer: int) -> Activation:
    """The activation of a hidden layer."""
    return page.problem.activation[layer]


def output(page: Page) -> Callable[[np.ndarray], np.ndarray]:
    """What makes p of the logits."""
    head = page.problem.head
    return lambda z: by_hand.output_of(z, head)


def dz_of_output(page: Page) -> Callable[[np.ndarray, np.ndarray], np.ndarray] | None:
    """What the right head makes of an output and its targets: dz[L], as large as the candidate's
    gradients; None where that cannot be made of p alone."""
    weight = page.weight
    head = page.problem.head
    if head.equation in ("(B1)", "(B9)"):
        return lambda p, Y: weight * (p - Y)
    if not head.is_quadratic:
        return None
    scale = weight if head.cost == "half-quadratic" else 2 * weight
    if head.is_softmax:
        return lambda p, Y: scale * p * (p - Y - ((p - Y) * p).sum(axis=1, keepdims=True))
    slope = _slope_of_output(page)
    return lambda p, Y: scale * (p - Y) * slope(p)


def _slope_of_output(page: Page) -> Callable[[np.ndarray], np.ndarray]:
    """h' of an element-wise output, of p where that is enough; else at the right logits."""
    name = page.problem.head.output
    made = {"sigmoid": lambda p: p * (1 - p), "tanh": lambda p: 1 - p**2}
    if name in made:
        return made[name]
    z = page.values[Quantity("z", page.problem.L)]
    right = named(name).h_prime(z, page.values[Quantity("p")])
    return lambda p: right


def orientations(value: np.ndarray, shape: tuple[int, ...]) -> Iterator[np.ndarray]:
    """An array in the shape of a quantity, as far as axes of length 1 and a transpose make it."""
    array = np.squeeze(value)
    wanted = tuple(n for n in shape if n != 1)
    if array.shape == wanted:
        yield array.reshape(shape)
    if array.ndim == 2 and array.T.shape == wanted:
        yield array.T.reshape(shape)


def _one_row(array: np.ndarray, N: int) -> np.ndarray:
    """The row that an array repeats for N copies of a sample; or the array itself."""
    for axis in range(array.ndim):
        if array.shape[axis] == N:
            row = array.take([0], axis=axis)
            if (array == row).all():
                return row
    return array


def _same(first: np.ndarray, second: np.ndarray, near: float) -> bool:
    """Equal to within a part of the largest entry."""
    if first.shape != second.shape:
        return False
    size = np.abs(second).max(initial=0)
    return bool(np.abs(first - second).max(initial=0) <= near * size)
