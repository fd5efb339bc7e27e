"""Where a candidate's own arrays appear first in a recording."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from backproof.checks.candidates.inside.recording import Made, Series
from backproof.checks.quantities import Quantity
from backproof.checks.recording.own import Found, Seen, Sought, orientations, same
from backproof.checks.recording.own_values import OwnValues
from backproof.checks.recording.page import ratio, tolerance
from backproof.checks.recording.right_functions import hidden, output

HOLDING = ("value", "edit")  # kinds of places that have a name
EXACT = ("z", "a", "p", "x", "Y")  # what no program multiplies by anything


class OwnPlaces(OwnValues):
    """Looks for what is sought in one recording."""

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

    def _of_a_right_helper(self, seen: Seen, sought: Sought) -> tuple[str, int] | None:
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
                        same(done, value, tolerance(made.eps))
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
        is_sum = same(shares @ parts, given.ravel(), self.own.near(quantity, 0.0))
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
        exact = Sought(wrong, lambda array, eps: same(array, right, 1e-9), 0 * right, exact=True)
        if self._earliest(exact) is None:
            return None
        file, line, function = ended
        return Found(file, line, function, "", wrong, "return", right, is_left_out=True)

    def _earliest(self, sought: Sought) -> Seen | None:
        found: list[Seen] = []
        for made in self.own.recording.made:
            if self._fits(made, sought):
                seen = self._itself(Seen(made.time, made.site, made.value, made.caller), sought)
                if seen is not None:
                    found.append(seen)
                    break
        elements = sought.elements
        for series in self.own.recording.series if elements is not None else ():
            if elements is not None and (time := self._in_series(series, sought)) is not None:
                seen = self._itself(Seen(time, series.site, elements, series.caller), sought)
                found += [seen] if seen is not None else []
        return min(found, key=lambda one: one.time, default=None)

    def _itself(self, seen: Seen, sought: Sought) -> Seen | None:
        """What fits, unless it is something else that is right and fits by chance, as W[L] does
        where one output makes da[l] a multiple of it."""
        if sought.names is not None:
            return seen
        return self._not_something_else(seen, sought)

    def _not_something_else(self, seen: Seen, sought: Sought) -> Seen | None:
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
            later = later and self.sources.multiplies(site.file, site.line)
            if later and self._fits(made, sought) and not self._is_left(made):
                return Seen(made.time, made.site, made.value, made.caller)
        if self.sources.hands_on(seen.site.file, seen.site.line):
            return replace(seen, is_taken=True)
        return self._handed_on(seen, sought) or self._given_on(seen, sought) or seen

    def _given_on(self, seen: Seen, sought: Sought) -> Seen | None:
        """Where a function returned it that makes the right da of another layer, too: the call that
        takes it next."""
        layer = sought.quantity.layer or self.L
        others = {Quantity("da", n) for n in range(1, self.L) if n != layer}
        if seen.site.kind != "return":
            return None
        place = (seen.site.file, seen.site.line)
        made_right = False
        for made in self.own.recording.made:
            if (made.site.file, made.site.line) == place:
                found = self.page.matches(made.value, self.own.eps)
                made_right = made_right or any(match.quantity in others for match in found)
        for made in self.own.recording.made if made_right else ():
            later = made.time > seen.time and made.site.kind == "argument"
            if later and self._fits(made, sought):
                return Seen(made.time, made.site, made.value, made.caller, is_taken=True)
        return None

    def _handed_on(self, seen: Seen, sought: Sought) -> Seen | None:
        """The one line that takes it for something else as it is: by giving it another name, or by
        returning what its function was given; None where there is none, or several."""
        calls: set[tuple[str, int]] = set()
        found: dict[tuple[str, int], Seen] = {}
        for made in self.own.recording.made:
            site = made.site
            place = (site.file, site.line)
            if made.time <= seen.time or not self._fits(made, sought):
                continue
            if site.kind == "argument":
                calls.add(place)
            returns = site.kind == "return" and made.caller in calls
            names = site.kind in HOLDING and self.sources.hands_on(*place)
            if (returns or names) and site.line != seen.site.line:
                one = Seen(made.time, site, made.value, made.caller, is_taken=True)
                found.setdefault(place, one)
        return next(iter(found.values())) if len(found) == 1 else None

    def _is_left(self, made: Made) -> bool:
        """Whether it is a parameter that a step left: of a bias that was zero, a multiple of its
        gradient."""
        return any(
            same(array, after, 1e-14)
            for after in self.own.weights.values()
            for array in orientations(made.value, after.shape)
        )

    def _taken_for(self, seen: Seen, sought: Sought) -> Seen | None:
        """Where a gradient is the right value of something else, such as db[l] all rows of dz[l]:
        the last line of that function that takes it for the gradient."""
        kind = sought.quantity.kind
        kinds = {kind, "dz" if kind == "db" and self.N == 1 else kind}
        if all(
            match.quantity.kind in kinds for match in self.page.matches(seen.array, self.own.eps)
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
        return Seen(first.time, first.site, first.value, first.caller, is_taken=True)

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
            return any(same(array, factor * sought.right, close) for factor in usual)
        return ratio(array, sought.right, close) is not None

    def _usual(self, quantity: Quantity) -> set[float]:
        """By what the program multiplies such a quantity on the way, as layers show whose gradients
        come out right: by N, say, where the mean is taken later."""
        if quantity not in self._factors_of:
            kinds = {"dW", "db"} if quantity.kind in ("dW", "db") else {"dz", "da"}
            if quantity.kind == "db" and self.N == 1:
                kinds.add("dz")  # which has the same numbers
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
