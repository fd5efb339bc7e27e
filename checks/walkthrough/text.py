"""One sample through a network: every equation with its symbols, its line of code and its numbers,
beside what a nudge does.

The numbers are those that `python -m checks` compares: the hand-written passes of by_hand.py on the
same problem, whose id stands in the first line. Everything fits 80 columns; of a wide layer the
page shows a part, and says which.
"""

from __future__ import annotations

import textwrap
from dataclasses import replace

import numpy as np

from backproof.checks.activations import Activation, named
from backproof.checks.problem import Problem
from backproof.checks.quantities import Quantities
from backproof.checks.walkthrough.code import lines_that_compute
from backproof.checks.walkthrough.notation import NOTATIONS, Notation
from backproof.checks.witnesses.verify import hand

COLUMNS = 80
MOST_SHOWN = 5  # entries of a vector: what fits beside a name
MOST_TERMS = 3  # products of a sum that are written out
MOST_NUDGES = 6  # parameters of a layer that are nudged
# small enough that the loss changes by the gradient to about three digits, large enough to imagine
NUDGE = 0.001


def walkthrough(problem: Problem, notation: Notation) -> list[str]:
    """The page.

    Args:
        problem: what to walk through; of several samples the first is taken.
        notation: whose symbols.
    Returns: lines of at most COLUMNS characters.
    """
    one = replace(problem, x=problem.x[:1], y=problem.y[:1]) if len(problem.y) > 1 else problem
    page = _Page(one, notation)
    page.given()
    page.forward()
    page.head()
    page.backward()
    return page.lines


def explain(problem: Problem, notation: str) -> str:
    """The page as text, in a notation by its name."""
    return "\n".join(walkthrough(problem, NOTATIONS[notation]))


def shown_units(problem: Problem) -> dict[int, np.ndarray]:
    """Which units of each layer the page shows: all of a narrow one, else the largest inputs, the
    first units, the right class."""
    shown = {layer: np.arange(min(n, MOST_SHOWN)) for layer, n in enumerate(problem.sizes)}
    if problem.sizes[0] > MOST_SHOWN:
        shown[0] = np.sort(np.argsort(-np.abs(problem.x[0]), kind="stable")[:MOST_SHOWN])
    last = len(problem.sizes) - 1
    if problem.y.ndim == 1 and problem.y[0] not in shown[last]:
        shown[last][-1] = problem.y[0]
    return shown


def nudged(problem: Problem, name: str, layer: int, index: tuple[int, ...]) -> float:
    """By how much the loss changes when one weight or bias is raised by NUDGE.

    Args:
        problem: the network and its sample.
        name: "W" or "b".
        layer, index: which entry.
    Returns: the change, in the unit of the loss.
    """
    arrays = {"W": dict(problem.W), "b": dict(problem.b)}
    arrays[name][layer] = arrays[name][layer].copy()
    arrays[name][layer][index] += NUDGE
    return _loss(replace(problem, W=arrays["W"], b=arrays["b"])) - _loss(problem)


def number(value: float) -> str:
    """Six decimals, or four digits and an exponent where that says more; always 11 characters."""
    plain = value == 0 or 1e-3 <= abs(value) < 1e3
    if plain:
        return f"{value:11.6f}"
    return f"{value:11.4e}"


class _Page:
    """The lines so far, and what they are made from."""

    def __init__(self, problem: Problem, notation: Notation) -> None:
        self.problem = problem
        self.notation = notation
        self.L = problem.L
        self.values: Quantities = hand(problem)
        self.shown = shown_units(problem)
        self.lines = list[str]()
        self.code_lines = lines_that_compute(problem)
        self.activations = dict(problem.activation)
        if not problem.head.is_softmax:
            self.activations[self.L] = named(problem.output)

    def given(self) -> None:
        """What the walk starts from."""
        problem = self.problem
        notation = self.notation
        self.say(f"Problem {problem.id}")
        self.say(f"in the symbols of {notation.name}; units and layers are numbered as there.")
        for layer, n in enumerate(problem.sizes):
            if n > MOST_SHOWN:
                which = "the largest inputs" if layer == 0 else "units"
                units = ", ".join(str(unit + notation.first_unit) for unit in self.shown[layer])
                self.say(
                    f"Layer {layer + notation.first_layer} has {n} units; shown are {which}: "
                    f"{units}."
                )
        self.say(
            f"Nudges are of {NUDGE:g}; where the loss bends, their last digit may differ from the "
            "gradient's."
        )
        self.heading("Given")
        self.vector("x", 0, problem.x[0])
        for layer in problem.W:
            self.matrix("W", layer, problem.W[layer])
            self.vector("b", layer, problem.b[layer])
        if problem.y.ndim == 1:
            self.say(f"    the class is {problem.y[0] + notation.first_unit}, so")
        self.vector("Y", self.L, problem.Y[0])

    def forward(self) -> None:
        """(F1) to (F4)."""
        problem = self.problem
        head = problem.head
        self.heading("Forward")
        for layer in problem.W:
            self.equation("F1", layer)
            self.sums(layer)
            if layer < self.L:
                self.activation("F2", layer, "h")
                self.vector("a", layer, self.values[f"a[{layer}]"][0])
        if head.is_softmax:
            self.equation("F3 softmax", self.L)
        else:
            self.activation("F3", self.L, "h")
        self.vector("p", self.L, self.values["p"][0])
        self.equation(f"F4 {head.cost}" if head.is_quadratic else f"F4 {head}", self.L)
        self.say(
            f"    {self.notation.symbol('loss')} = "
            f"{number(float(self.values['losses'][0])).strip()}"
        )

    def head(self) -> None:
        """From the loss to dz[L]: (B1), (B6) and (B7), (B8), or (B9)."""
        self.heading("Backward")
        problem = self.problem
        L = self.L
        head = problem.head
        tag = head.equation.strip("()")
        if not head.is_quadratic:
            self.equation(tag, L)
        else:
            self.equation(f"{tag} dp {head.cost}", L)
            self.vector("dp", L, self.values["dp"][0])
            if head.is_softmax:
                self.equation("B6", L)
                self.matrix("J", L, self.values["J"][0])
                self.equation(tag, L)
            else:
                self.activation(tag, L, "h_prime")
        self.vector("dz", L, self.values[f"dz[{L}]"][0])

    def backward(self) -> None:
        """(B2) to (B5), and what nudges say about them."""
        for layer in range(self.L, 0, -1):
            self.equation("B2", layer)
            self.matrix("dW", layer, self.values[f"dW[{layer}]"])
            self.equation("B3", layer)
            self.vector("db", layer, self.values[f"db[{layer}]"])
            self.nudges(layer)
            if layer > 1:
                self.equation("B4", layer)
                self.vector("da", layer - 1, self.values[f"da[{layer - 1}]"][0])
                self.activation("B5", layer - 1, "h_prime")
                self.kink(layer - 1)
                self.vector("dz", layer - 1, self.values[f"dz[{layer - 1}]"][0])

    def nudges(self, layer: int) -> None:
        """A sentence on the steepest parameter shown, and a table of the next ones."""
        ranked = sorted(self.parameters(layer), key=lambda found: -abs(self.gradient(*found)))[
            :MOST_NUDGES
        ]
        name, layer, index = ranked[0]
        change = nudged(self.problem, name, layer, index)
        says = NUDGE * self.gradient(name, layer, index)
        what = self.notation.at(name, layer, index)
        verb = "falls" if change < 0 else "rises"
        self.lines.append("")
        self.say(
            f"    Raise {what} by {NUDGE} and the loss {verb} by {_small(abs(change))}; the "
            f"gradient says {_small(abs(says))}."
        )
        if len(ranked) > 1:
            self.say(
                f"    {'raise':<12} {'by':>6} {'and the loss changes by':>25} "
                f"{'the gradient says':>19}"
            )
        for name, layer, index in ranked[1:]:
            change = nudged(self.problem, name, layer, index)
            says = NUDGE * self.gradient(name, layer, index)
            self.say(
                f"    {self.notation.at(name, layer, index):<12} {NUDGE:>6} {_small(change):>25} "
                f"{_small(says):>19}"
            )

    def parameters(self, layer: int) -> list[tuple[str, int, tuple[int, ...]]]:
        """The weights and biases of a layer that the page shows."""
        rows = self.shown[layer]
        columns = self.shown[layer - 1]
        weights = [("W", layer, (int(j), int(k))) for j in rows for k in columns]
        return [*weights, *(("b", layer, (int(j),)) for j in rows)]

    def gradient(self, name: str, layer: int, index: tuple[int, ...]) -> float:
        """What the backward pass says about one of them."""
        return float(self.values[f"d{name}[{layer}]"][index])

    def sums(self, layer: int) -> None:
        """z of each unit shown, as a sum in numbers where it is short."""
        W = self.problem.W[layer]
        b = self.problem.b[layer]
        reads = self.problem.x[0] if layer == 1 else self.values[f"a[{layer - 1}]"][0]
        z = self.values[f"z[{layer}]"][0]
        for j in self.shown[layer]:
            terms = [f"{_signed(w)}·{_signed(a)}" for w, a in zip(W[j], reads, strict=True)]
            written = " + ".join(terms) if len(terms) <= MOST_TERMS else f"{len(terms)} products"
            name = self.notation.at("z", layer, (int(j),))
            self.say(f"    {name} = {written} + {_signed(b[j])} = {number(float(z[j])).strip()}")

    def equation(self, key: str, layer: int) -> None:
        """The tag, the equation in symbols, and the code."""
        tag = f"({key.split()[0]})"
        self.lines.append("")
        self.say(f"{tag} {self.notation.equation(key, layer, self.L)}")
        self.quote(self.code(key, tag))

    def quote(self, lines: list[str]) -> None:
        """Lines of code, as they are."""
        for line in lines:
            label = "code: " if len(line) <= COLUMNS - 11 else ""
            self.say(f"     {label}{line}")

    def activation(self, key: str, layer: int, function: str) -> None:
        """(F2), (F3) or (B5), whose right side is that of the layer's own activation."""
        h = self.activations[layer]
        tag = f"({key})"
        formula = h.plain if function == "h" else h.plain_prime
        self.lines.append("")
        self.say(f"{tag} {self.notation.through(key, layer, self.L, h.name, formula)}")
        self.quote([*self.code(key, tag), *self.of_activation(h, function)])

    def kink(self, layer: int) -> None:
        """Of an activation with a kink: which units are on which side of it, and how near."""
        h = self.activations[layer]
        if not h.jump:
            return
        z = self.values[f"z[{layer}]"][0]
        prime = h.h_prime(z, self.values[f"a[{layer}]"][0])
        self.vector("h'", layer, prime)
        nearest = int(np.abs(z).argmin())
        where = self.notation.at("z", layer, (nearest,))
        self.say(
            f"    h' jumps from {prime_below(h):g} to 1 at the kink, z = 0; nearest to it is "
            f"{where} = {number(float(z[nearest])).strip()}."
        )
        dead = [self.notation.at("z", layer, (int(j),)) for j in np.flatnonzero(prime == 0)]
        if dead:
            self.say(
                f"    Nothing goes back through {', '.join(dead[:MOST_SHOWN])}"
                f"{' and others' * (len(dead) > MOST_SHOWN)}, which "
                f"{'is' if len(dead) == 1 else 'are'} negative."
            )

    def code(self, key: str, tag: str) -> list[str]:
        """The lines that compute this: of (B7) and (B8) the first makes dp, what follows makes
        dz."""
        of_tag = [line.text for line in self.code_lines if line.tag == tag]
        if tag == "(B7)" or tag == "(B8)":
            dp, *dz = of_tag
            return [dp] if "dp" in key.split() else dz
        return of_tag

    def of_activation(self, h: Activation, function: str) -> list[str]:
        """The line that computes h or h_prime of an activation."""
        return [
            line.text for line in self.code_lines if line.tag == h.tag and line.function == function
        ]

    def vector(self, name: str, layer: int, values: np.ndarray) -> None:
        """A name and its numbers; dots where the layer has more."""
        self.row(self.notation.symbol(name, layer), values, self.shown[0 if name == "x" else layer])

    def matrix(self, name: str, layer: int, values: np.ndarray) -> None:
        """A name and its rows."""
        if name == "J":
            rows, columns = (self.shown[layer], self.shown[layer])
        else:
            rows, columns = (self.shown[layer], self.shown[layer - 1])
        for j in rows:
            symbol = self.notation.symbol(name, layer) if j == rows[0] else ""
            self.row(symbol, values[j], columns)
        if len(rows) < len(values):
            self.row("", np.array([]), rows[:0], more=True)

    def row(self, symbol: str, values: np.ndarray, shown: np.ndarray, more: bool = False) -> None:
        """One line of numbers."""
        dots = " ..." if more or len(shown) < len(values) else ""
        self.say(f"    {symbol:<13}{''.join(number(float(values[unit])) for unit in shown)}{dots}")

    def heading(self, text: str) -> None:
        """A title."""
        self.lines += ["", text, "-" * len(text)]

    def say(self, text: str) -> None:
        """A line, broken where it would be too long."""
        indent = " " * (len(text) - len(text.lstrip()))
        self.lines += (
            textwrap.wrap(
                text,
                COLUMNS,
                subsequent_indent=indent + "    ",
                break_on_hyphens=False,
                drop_whitespace=True,
                replace_whitespace=False,
            )
            if len(text) > COLUMNS
            else [text.rstrip()]
        )


def prime_below(h: Activation) -> float:
    """h' on the lower side of its kink."""
    return 1.0 - h.jump


def _loss(problem: Problem) -> float:
    return float(problem.losses().mean())


def _signed(value: float) -> str:
    if value < 0:
        return f"({value:.4g})"
    return f"{value:.4g}"


def _small(value: float) -> str:
    """Three significant digits without an exponent, down to 1e-12."""
    if value == 0 or abs(value) < 1e-12:
        if value:
            return f"{value:.2e}"
        return "0"
    decimals = max(0, 2 - int(np.floor(np.log10(abs(value)))))
    return f"{value:.{decimals}f}"
