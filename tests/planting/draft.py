"""The text of one file before it is put together: slots that hold what is right, and edits that
change them.

An expression slot holds what is right until an edit replaces it, in all layers or in some; a
statement slot is empty until an edit adds lines. Edits name what they work with by fields, because
styles call it differently: {A} the activation whose derivative is taken, or that (B2) multiplies,
{Z} the z behind it, {D} the delta, {M} the weights, {at} the layer, {old} what stood there before.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from planting.spec import Spec
from planting.words import Words


@dataclass(frozen=True)
class Edit:
    """One changed line: which slot, the new text, and in which layers alone it stands."""

    slot: str
    text: str
    layers: tuple[int, ...] | None = None


class Draft:
    """The slots of one file."""

    def __init__(self, spec: Spec, edits: Iterable[Edit]) -> None:
        self.spec, self.words, self.edits = spec, Words(spec), list(edits)
        sigma = "sigmoid({Z}) * (1 - sigmoid({Z}))"
        self.right = {
            "affine": self.words.affine("{M}", "{A}", "b[l - 1]"),
            "act": "sigmoid({Z})",
            "out": f"{spec.output}({{Z}})",
            "sigmoid": "1 / (1 + np.exp(-v))",
            "target": self.words.target(),
            "delta": right_delta(spec, self.words),
            "slope": {"a": "{A} * (1 - {A})", "z": sigma, "helper": "slope({A})"}[spec.slope],
            "sent": "{D}",
            "matrix": "{M}",
            "left": "{D}",
            "right": "{A}",
            "db": self.words.total("{D}"),
            "range": "range(N)",
            "rate": repr(spec.rate) if spec.rate else "rate",
            "sign": "-",
            "returned": "gW, gb" if spec.bias else "gW",
        }

    def has(self, slot: str) -> bool:
        """Whether some edit works there."""
        return any(edit.slot == slot for edit in self.edits)

    def text(self, slot: str, **fields: str) -> str:
        """An expression, after its edits, one around the other."""
        text = self.right[slot].format(**fields)
        for edit in self.edits:
            if edit.slot == slot:
                new = edit.text.format(**(fields | {"old": text}))
                text = (
                    new
                    if edit.layers is None
                    else f"({new} if {fields['at']} in {edit.layers} else {text})"
                )
        return text

    def lines(self, slot: str, indent: int, **fields: str) -> list[str]:
        """The statements that edits add."""
        found: list[str] = []
        for edit in self.edits:
            if edit.slot == slot:
                lines = edit.text.format(**fields).split("\n")
                found += (
                    lines
                    if edit.layers is None
                    else [
                        f"if {fields['at']} in {edit.layers}:",
                        *(f"    {line}" for line in lines),
                    ]
                )
        return ["    " * indent + line for line in found]


def right_delta(spec: Spec, words: Words) -> str:
    """dz[L] of one sample, as text."""
    if "entropy" in spec.cost:
        if not spec.chain:
            return "p - t"
        return (
            words.jacobian("p", "-t / p")
            if spec.output == "softmax"
            else "(p - t) / (p * (1 - p)) * p * (1 - p)"
        )
    slope = "2 * (p - t)" if spec.cost == "quadratic" else "(p - t)"
    return words.jacobian("p", slope) if spec.output == "softmax" else f"{slope} * p * (1 - p)"
