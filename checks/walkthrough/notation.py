"""The same equations in three hands: this project's, 3Blue1Brown's videos' and Nielsen's book's.

The videos number layers from 0 (the input) and neurons from 0, write (L) for a layer, and call the
output a^(L); their vectors are columns. Nielsen numbers layers from 1 (the input, so his l is one
more than ours) and neurons from 1, and writes delta for dC/dz.
Sources: 3Blue1Brown, Neural Networks, chapters 1 and 4; Nielsen, Neural Networks and Deep Learning,
chapters 2 and 3.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Notation:
    """How one author writes.

    Attributes:
        name: as `--notation` has it.
        layer: how a layer's number is written, from ours.
        first_layer, first_unit: by how much the author's numbers are ahead of ours.
        symbols: what stands for each of our names; {l} is the layer.
        equations: by tag and, where heads differ, output or cost.
        entry: how an entry of a vector or matrix is written; {s} is the symbol, {i} the indices.
    """

    name: str
    first_layer: int
    first_unit: int
    symbols: dict[str, str]
    equations: dict[str, str]
    entry: str

    def symbol(self, name: str, layer: int = 0) -> str:
        """The author's symbol for our `name` at `layer`; that of an activation's derivative is the
        same for all."""
        if name == "h'":
            return name
        return self.symbols[name].format(l=layer + self.first_layer)

    def at(self, name: str, layer: int, indices: tuple[int, ...]) -> str:
        """The author's way to write one entry."""
        written = ",".join(str(index + self.first_unit) for index in indices)
        return self.entry.format(s=self.symbol(name, layer), i=written)

    def through(self, key: str, layer: int, L: int, name: str, formula: str) -> str:
        """The equation of `key` with an activation in it: its name, and h or h' as a formula."""
        a = self.symbol("a" if layer < L else "p", layer)
        h = formula.format(z=self.symbol("z", layer), a=a)
        return self.equation(key, layer, L, name=name, h=h)

    def equation(self, key: str, layer: int, L: int, **more: str) -> str:
        """The equation of `key`, such as "F1" or "F4 quadratic", at a layer of a network of L."""
        here = {name: self.symbol(name, layer) for name in self.symbols}
        before = {f"{name}_before": self.symbol(name, layer - 1) for name in self.symbols}
        after = {f"{name}_after": self.symbol(name, layer + 1) for name in self.symbols}
        output = {name: self.symbol(name, L) for name in ("p", "Y", "loss")}
        before["a_before"] = self.symbol("x" if layer == 1 else "a", layer - 1)
        return self.equations[key].format(**(here | before | after | output | more))


_COLUMNS = {
    "F1": "{z} = {W} {a_before} + {b}",
    "F2": "{a} = h({z}) = {h}",
    "F3 softmax": "{p} = exp({z}) / Σ exp({z})",
    "F3": "{p} = h({z}) = {h}",
    "F4 softmax+cross-entropy": "{loss} = -ln {p}, at the class y",
    "F4 softmax+binary-cross-entropy": "{loss} = -Σ ({Y} ln {p} + (1 - {Y}) ln (1 - {p}))",
    "F4 sigmoid+cross-entropy": "{loss} = -Σ ({Y} ln {p} + (1 - {Y}) ln (1 - {p}))",
    "F4 quadratic": "{loss} = Σ ({p} - {Y})²",
    "F4 half-quadratic": "{loss} = Σ ({p} - {Y})² / 2",
    "B1": "{dz} = {p} - {Y}",
    "B6": "{J} = diag({p}) - {p} {p}ᵀ",
    "B7 dp quadratic": "{dp} = 2 ({p} - {Y})",
    "B7 dp half-quadratic": "{dp} = {p} - {Y}",
    "B7": "{dz} = {J} {dp}",
    "B8 dp quadratic": "{dp} = 2 ({p} - {Y})",
    "B8 dp half-quadratic": "{dp} = {p} - {Y}",
    "B8": "{dz} = {dp} h'({z}),  h'({z}) = {h}",
    "B9": "{dz} = {p} - {Y}",
    "B10": "{dz} = {p} - {Y} - Σ R ({p} - {Y}), R the softmax of the rest",
    "B2": "{dW} = {dz} ({a_before})ᵀ",
    "B3": "{db} = {dz}",
    "B4": "{da_before} = ({W})ᵀ {dz}",
    "B5": "{dz} = {da} h'({z}),  h'({z}) = {h}",
}

BACKPROOF = Notation(
    "backproof",
    0,
    0,
    {name: f"{name}[{{l}}]" for name in ("W", "b", "z", "a", "dW", "db", "dz", "da")}
    | {name: name for name in ("x", "p", "Y", "loss", "dp", "J")},
    {
        "F1": "{z} = {a_before} {W}ᵀ + {b}",
        "F2": "{a} = {name}({z}) = {h}",
        "F3 softmax": "{p} = softmax({z}) = exp({z}) / Σ exp({z})",
        "F3": "{p} = {name}({z}) = {h}",
        "F4 softmax+cross-entropy": "{loss} = -log {p}[y] = log Σ exp({z}) - {z}[y]",
        "F4 softmax+binary-cross-entropy": "{loss} = -Σ ({Y} log {p} + (1 - {Y}) log (1 - {p}))",
        "F4 sigmoid+cross-entropy": "{loss} = Σ (log(1 + exp({z})) - {Y} {z})",
        "F4 quadratic": "{loss} = Σ ({p} - {Y})²",
        "F4 half-quadratic": "{loss} = Σ ({p} - {Y})² / 2",
        "B1": "{dz} = ({p} - {Y}) / N",
        "B6": "{J} = diag({p}) - {p} {p}ᵀ",
        "B7 dp quadratic": "{dp} = 2 ({p} - {Y}) / N",
        "B7 dp half-quadratic": "{dp} = ({p} - {Y}) / N",
        "B7": "{dz} = {J} {dp}",
        "B8 dp quadratic": "{dp} = 2 ({p} - {Y}) / N",
        "B8 dp half-quadratic": "{dp} = ({p} - {Y}) / N",
        "B8": "{dz} = {dp} h'({z}), h' = {h}",
        "B9": "{dz} = ({p} - {Y}) / N",
        "B10": "{dz} = e - Σ R e, e = ({p} - {Y}) / N, R the softmax of the rest",
        "B2": "{dW} = {dz}ᵀ {a_before}",
        "B3": "{db} = Σ {dz} over the samples",
        "B4": "{da_before} = {dz} {W}",
        "B5": "{dz} = {da} h'({z}), h' = {h}",
    },
    "{s}[{i}]",
)

THREE_BLUE = Notation(
    "3blue1brown",
    0,
    0,
    {
        "W": "w^({l})",
        "b": "b^({l})",
        "z": "z^({l})",
        "a": "a^({l})",
        "x": "a^(0)",
        "p": "a^({l})",
        "Y": "y",
        "loss": "C",
    }
    | {
        "dW": "∂C/∂w^({l})",
        "db": "∂C/∂b^({l})",
        "dz": "∂C/∂z^({l})",
        "da": "∂C/∂a^({l})",
        "dp": "∂C/∂a^({l})",
    }
    | {"J": "∂a^({l})/∂z^({l})"},
    _COLUMNS,
    "{s}_{i}",
)

NIELSEN = Notation(
    "nielsen",
    1,
    1,
    {
        "W": "w^{l}",
        "b": "b^{l}",
        "z": "z^{l}",
        "a": "a^{l}",
        "x": "a^1",
        "p": "a^{l}",
        "Y": "y",
        "loss": "C",
    }
    | {
        "dW": "∂C/∂w^{l}",
        "db": "∂C/∂b^{l}",
        "dz": "δ^{l}",
        "da": "∂C/∂a^{l}",
        "dp": "∂C/∂a^{l}",
        "J": "∂a^{l}/∂z^{l}",
    },
    _COLUMNS,
    "{s}_{i}",
)

NOTATIONS = {notation.name: notation for notation in (BACKPROOF, THREE_BLUE, NIELSEN)}
