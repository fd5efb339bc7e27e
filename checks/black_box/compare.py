"""A function against a reference, step by step: as it is called, in other layouts, to the second
order, in forward mode."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from backproof.checks.black_box import matmul_precision
from backproof.checks.black_box.arguments import check_call, check_options
from backproof.checks.black_box.counts import check_count
from backproof.checks.black_box.derived import (
    DerivedCall,
    forward_mode,
    gradients_of,
    second_order,
    tangents_by_reverse_mode,
    tangents_of,
)
from backproof.checks.black_box.function_call import (
    Call,
    Function,
    Outcome,
    first_line,
    gradient_of,
)
from backproof.checks.black_box.function_verdicts import (
    Right,
    all_results,
    differences,
    verdicts,
)
from backproof.checks.black_box.gradient_report import GradientReport, strictly
from backproof.checks.black_box.names import chosen
from backproof.checks.black_box.own_rounding import with_its_own
from backproof.checks.black_box.probes import Probes
from backproof.checks.black_box.pytrees import differentiable
from backproof.checks.black_box.rounding import NEAR, Allowance, allowances
from backproof.checks.black_box.shadow import LOW, Shadow
from backproof.checks.black_box.untouched import Generators, untouched
from backproof.checks.verdict import Verdict, missing

SIDES = ("function", "reference")


@dataclass(frozen=True)
class Options:
    """The options of check_function, with its names."""

    dtype: torch.dtype | None = None
    accumulate: torch.dtype | None = None
    only: Sequence[str | int] | None = None
    except_: Sequence[str | int] = ()
    order: int = 1
    modes: Sequence[str] = ("reverse",)
    strict: bool = False
    overwrites: Sequence[str | int] = ()
    layouts: bool = True
    may_vary: bool = False
    runs: int = 3
    seed: int = 0


def compare(
    function: Function,
    reference: Function,
    inputs: Sequence[Any],
    keywords: Mapping[str, Any],
    options: Options,
) -> GradientReport:
    """The report on a function: what check_function returns."""
    start = time.perf_counter()
    check_call(function, reference, inputs, keywords)
    check_options(options.dtype, options.accumulate, options.order, options.modes)
    check_count("runs", options.runs, 2 if options.may_vary else 1)
    call = Call(inputs, keywords, options.dtype, options.seed)
    call.wanted = chosen(call.names, options.only, options.except_)
    overwritable = chosen(call.names, options.overwrites, ()) if options.overwrites else []
    with untouched(_leaves(call)), torch.enable_grad():
        comparison = Comparison(function, reference, call, options, overwritable)
        found = comparison.run()
    notes = list(comparison.notes)
    excluded = [name for name in call.names if name not in call.wanted]
    if excluded:
        notes.append(f"excluded, and so not differentiated by: {', '.join(excluded)}")
    device = next(leaf.value.device for leaf in call.leaves if differentiable(leaf.value))
    notes += [said for said in [matmul_precision.said(comparison.low, device)] if said]
    entries = sum(leaf.value.numel() for leaf in call.leaves if leaf.name in call.names)
    kinds = dict.fromkeys(str(dtype).removeprefix("torch.") for dtype in call.dtypes)
    return GradientReport(
        strictly(found, options.strict),
        1,
        entries,
        str(device),
        ", ".join(kinds),
        time.perf_counter() - start,
        comparison.calls,
        tuple(notes),
        ("result", "calls"),
    )


class Comparison:
    """One function, one reference, one set of arguments.

    Args:
        function, reference: what is compared.
        call: the arguments.
        options: of check_function.
        overwritable: names of inputs that the function may overwrite.
    """

    def __init__(
        self,
        function: Function,
        reference: Function,
        call: Call,
        options: Options,
        overwritable: Sequence[str],
    ) -> None:
        self.function = function
        self.reference = reference
        self.call = call
        self.options = options
        self.overwritable = overwritable
        self.low = _lowest(call.dtypes)
        self.calls = 0
        self.notes: list[str] = []

    def run(self) -> list[Verdict]:
        """Every verdict, in the order in which somebody would ask."""
        native = self._reference_as_it_is()
        runs = [self._observe() for _ in range(self.options.runs)]
        first = runs[0]
        right = self.right(self.call, self.reference, native, first)
        results = [all_results(outcome) for outcome in runs]
        vary = self._varies(results)
        right, found = self._heard(self.call, self.function, results, right, vary)
        found += self._side_effects(first, native, bool(vary))
        found += self._shared_notes(native)
        if not any(verdict.outcome == "fail" for verdict in found):
            probes = Probes(self, right, first)
            found += self._probed(probes)
        if self.options.order == 2:
            found += self._second_order(first, native)
        if "forward" in self.options.modes:
            found += self._forward_mode()
        return found

    def observe(self, **how: Any) -> Outcome:
        """One more call, counted."""
        self.calls += 1
        return self.call.observed(self.function, **how)

    def exact(self, through: str | None) -> dict[str, Tensor | None]:
        """What the reference gives in float64 where one output alone is used."""
        return self.call.exact(self.reference, self._shadow(), through)

    def right(
        self, call: Call, reference: Function, native: Outcome | None, first: Outcome
    ) -> Right:
        """The exact results, and what rounding may do to them."""
        values = call.exact(reference, self._shadow())
        names = [name for name, value in values.items() if value is not None]
        formats = [self._format(call, name, first) for name in names]
        bounds = allowances(
            lambda mode: _in_order(call.exact(reference, mode), names, values),
            self.low,
            [value for value in values.values() if value is not None],
            self.options.seed,
            self._also,
            self.options.accumulate,
            formats,
            lambda found: _far_inside(found, names, values, first),
        )
        found = Right(
            values,
            dict(zip(names, bounds, strict=True)),
            kinds=dict(zip(names, formats, strict=True)),
        )
        if native is not None:
            self._add_native(found, native)
        return found

    def _heard(
        self,
        call: Call,
        function: Function,
        results: Sequence[Mapping[str, Tensor | None]],
        right: Right,
        vary: Mapping[str, float] | None,
    ) -> tuple[Right, list[Verdict]]:
        """Judge by the reference's roundings, and what fails by the function's own as well."""
        found = verdicts(results, right, self._kind, vary)
        if not any(verdict.outcome == "fail" for verdict in found):
            return right, found
        wider = self._widened(call, function, right)
        again = verdicts(results, wider, self._kind, vary)
        before = {verdict.quantity for verdict in found if verdict.outcome == "fail"}
        after = {verdict.quantity for verdict in again if verdict.outcome == "fail"}
        self.notes += [
            f"{name} is judged by the roundings of the function's own operations: they lose more "
            "digits than the reference's"
            for name in sorted(before - after)
        ]
        return wider, again

    def _widened(self, call: Call, function: Function, right: Right) -> Right:
        """With what the function's own operations explain where its formula is right."""
        own = with_its_own(
            function,
            call,
            self.low,
            right.values,
            right.allowances,
            right.kinds,
            self.options.seed,
            self.options.accumulate,
        )
        return replace(right, allowances={**right.allowances, **own})

    def _probed(self, probes: Probes) -> list[Verdict]:
        """What other calls say; what fails is judged by the function's own roundings, too."""
        found = probes.run()
        if found:
            wider = self._widened(self.call, self.function, probes.right)
            probes = Probes(self, wider, probes.first)
            found = probes.run()
        self.notes += probes.notes
        return found

    def _add_native(self, right: Right, native: Outcome) -> None:
        """Formats and indices that the reference returns when it is called like the function."""
        promoted = None
        for dtype in self.call.dtypes:
            promoted = dtype if promoted is None else torch.promote_types(promoted, dtype)
        for name, value in native.outputs.items():
            if not (value.is_floating_point() or value.is_complex()):
                right.also[name] = value
                continue
            right.formats[name] = {value.dtype}
            real = value.dtype.to_real()
            if promoted is not None and torch.finfo(real).bits > torch.finfo(promoted).bits:
                # the reference computes in more digits; its kernel need not return them
                right.formats[name].add(promoted.to_complex() if value.is_complex() else promoted)

    def _reference_as_it_is(self) -> Outcome | None:
        """The reference called like the function; None where it cannot be, in this precision."""
        before = Generators()
        try:
            native = self.call.observed(self.reference)
        except Exception:  # a reference that runs in float64 alone is good enough
            before.restore()
            return None
        if before.differs():
            self.call.draws = before
            self.notes.append(
                "the reference draws random numbers; every call was given the same ones"
            )
        return native

    def _observe(self) -> Outcome:
        return self.observe()

    def _varies(self, results: list[dict[str, Tensor | None]]) -> dict[str, float] | None:
        if not self.options.may_vary:
            return None
        vary = differences(results)
        self.notes += [
            f"{name} differs from call to call, by {size:.1e} at most"
            for name, size in vary.items()
            if size
        ]
        return vary

    def _side_effects(
        self, outcome: Outcome, native: Outcome | None, may_vary: bool
    ) -> list[Verdict]:
        """What was overwritten, unless the reference overwrites it, too, or it is allowed."""
        found = []
        allowed = {*self.overwritable, *(native.overwritten if native else ())}
        again_too = native is not None and bool(native.again)
        for name in outcome.overwritten:
            if name in allowed:
                continue
            found.append(
                missing("", name, "", SIDES, "the function overwrites it; name it in overwrites=")
            )
        for name in outcome.again:
            if may_vary or found or again_too:
                continue
            reason = (
                "going back through one graph a second time gives another gradient: the backward "
                "pass overwrites what it saved, or keeps a state"
            )
            found.append(missing("", gradient_of(name), "", SIDES, reason))
        if outcome.refused:
            self.notes.append(
                f"the graph can be gone through once only ({outcome.refused}), so a second time "
                "is untested"
            )
        return found

    def _shared_notes(self, native: Outcome | None) -> list[Verdict]:
        if native is None:
            self.notes.append(
                "the reference does not run in this precision, so the formats of outputs were not "
                "compared"
            )
        return []

    def _second_order(self, first: Outcome, native: Outcome | None) -> list[Verdict]:
        outputs = {
            name: value
            for name, value in first.outputs.items()
            if native is None or name in native.outputs
        }
        call = second_order(self.call, outputs)
        wanted = self.call.wanted
        return self._derived(
            call,
            gradients_of(self.function, wanted),
            [gradients_of(self.reference, wanted)],
            "second derivative by",
        )

    def _forward_mode(self) -> list[Verdict]:
        call = forward_mode(self.call)
        wanted = self.call.wanted
        return self._derived(
            call,
            tangents_of(self.function, wanted),
            [
                tangents_of(self.reference, wanted),
                tangents_by_reverse_mode(self.reference, wanted),
            ],
            "forward mode of",
        )

    def _derived(
        self, call: DerivedCall, function: Function, references: list[Function], word: str
    ) -> list[Verdict]:
        """Compare what is made of the function with the same made of the reference."""
        try:
            self.calls += 1
            first = call.observed(function)
        except Exception as error:  # somebody's code in a mode that it was not written for
            reason = f"it cannot be computed: {type(error).__name__}: {first_line(error)}"
            return [missing("", f"{word} the function", "", SIDES, reason)]
        right = None
        for reference in references:
            try:
                right = self.right(call, reference, None, first)
                break
            except Exception as error:  # nor may the reference have been
                why = f"{type(error).__name__}: {first_line(error)}"
        if right is None:
            reason = f"untested: the reference cannot do that ({why})"
            return [Verdict("", f"{word} the function", "", SIDES, "untested", reason=reason)]
        results = all_results(first)
        if not call.wanted:
            results = dict(first.outputs)
        _, found = self._heard(call, function, [results], right, None)
        return [_renamed(verdict, word) for verdict in found]

    @property
    def _kind(self) -> str:
        return str(self.low).removeprefix("torch.")

    @property
    def _also(self) -> list[torch.dtype]:
        return [dtype for dtype in LOW if dtype != self.low]

    def _shadow(self) -> Shadow:
        return Shadow(self.low, also=self._also)

    def _format(self, call: Call, name: str, first: Outcome) -> torch.dtype:
        """That of the function's own result, as far as it has one."""
        if name in first.outputs:
            dtype = first.outputs[name].dtype
            return dtype.to_real() if dtype.is_floating_point or dtype.is_complex else self.low
        for wanted in call.wanted:
            if gradient_of(wanted) == name:
                return call.dtype_of(wanted).to_real()
        return self.low


def _far_inside(
    found: Sequence[Allowance],
    names: Sequence[str],
    exact: Mapping[str, Tensor | None],
    first: Outcome,
) -> bool:
    """Whether every result is so near to the exact one that fewer runs tell enough."""
    given = all_results(first)
    for name, allowance in zip(names, found, strict=True):
        value = given.get(name)
        right = exact[name]
        if value is None or right is None or not differentiable(value):
            continue
        if value.shape != right.shape:
            return False
        off = (value.to(right.dtype) - right).abs()
        if bool((off > NEAR * allowance.entries.abs()).any()):
            return False
    return True


def _renamed(verdict: Verdict, word: str) -> Verdict:
    """Under a name that says of which derivative it speaks."""
    name = verdict.quantity.removeprefix("gradient of ")
    if name.startswith("output['"):
        name = name.removeprefix("output['").removesuffix("']")
        if word.startswith("second"):
            return replace(verdict, quantity=f"gradient of {name}, as it is differentiated")
    return replace(verdict, quantity=f"{word} {name}")


def _in_order(
    values: dict[str, Tensor | None],
    names: Sequence[str],
    like: Mapping[str, Tensor | None],
) -> list[Tensor]:
    """The values of these names; zeros for a gradient that one run alone does not have."""
    found = []
    for name in names:
        value = values.get(name)
        if value is None:
            known = like[name]
            assert known is not None
            value = torch.zeros_like(known)
        found.append(value)
    return found


def _lowest(dtypes: Sequence[torch.dtype]) -> torch.dtype:
    """The one with the fewest digits."""
    return max(dtypes, key=lambda dtype: torch.finfo(dtype).eps)


def _leaves(call: Call) -> list[Tensor]:
    """What must be left as it was."""
    return [
        leaf.value
        for leaf in call.leaves
        if isinstance(leaf.value, Tensor) and leaf.value.is_leaf and differentiable(leaf.value)
    ]
