"""The first wrong step as the numbers show it, settled where a named bug or the other gradients know better."""

from __future__ import annotations

from collections.abc import Sequence


def agreed(step: str | None, bugs: Sequence[tuple[str, str]], names: list[str], wrong: list[str], *, rough: bool) -> str | None:
    """The first wrong step that contradicts nothing else in the report.

    Args:
        step: as the numbers show it, such as "(B4) da[1]"; None if they show none.
        bugs: id and equation of each bug that is named, the likeliest first.
        names, wrong: all gradients that were compared, and those that are wrong.
        rough: whether the numbers were coarse, or of one label alone.
    """
    if step and bugs:
        if bugs[0][0] == "softmax-axis" and not step.startswith("(F"):
            step = "(F3) p"  # dz[L] looks wrong where p is, for nobody saw p
        step = _as_the_bug_says(step, bugs[0][1]) if rough else step
    return _or_earlier(step, names, wrong)


def _as_the_bug_says(step: str, see: str) -> str:
    """(B2), (B4) and (B5) of a layer are hard to tell apart with one label alone, or in float32: there a bug that is known can."""
    step_of = {"(B4)": "(B4) da", "(B5)": "(B5) dz"}
    for tag in ("(B2) dW", "(B4) da", "(B5) dz"):
        if see in step_of and step.startswith(tag):
            return step.replace(tag, step_of[see])
    return step


def _or_earlier(step: str | None, names: list[str], wrong: list[str]) -> str | None:
    """The first wrong step, unless one of dW[l] and db[l] alone is wrong before it: then dz[l] was right, and that one is not."""
    tag, _, quantity = (step or "").partition(" ")
    if tag not in ("(B2)", "(B3)", "(B4)", "(B5)"):
        return step
    layer = int(quantity[3:-1]) + quantity.startswith("da")  # da[l] is made of dz[l + 1], after dW[l + 1] and db[l + 1]
    L = max(int(name[3:-1]) for name in names if name.startswith("dW"))
    for above in range(L, layer - 1, -1):
        found = [name for name in (f"dW[{above}]", f"db[{above}]") if name in wrong]
        if len(found) == 1 and f"db[{above}]" in names and (above > layer or quantity.startswith("da")):
            return f"({'B2' if found[0].startswith('dW') else 'B3'}) {found[0]}"
    return step
