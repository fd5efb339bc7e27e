"""What was seen of a script: its network, and whether its steps take the right gradients off.

The gradients of the recognised network on the script's own data are compared with what its weights
lost at the first step, and with every array that its lines made on the way: a step of momentum or
Adam takes off something else, and still computes the gradients that it must.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from backproof.checks.candidates.inside.recording import Recording
from backproof.checks.quantities import Quantity
from backproof.checks.recording.own import Found
from backproof.checks.recording.page import Page
from backproof.checks.recording.script.descent import Descent
from backproof.checks.recording.script.lines import line_of, stacked
from backproof.checks.recording.script.number_lines import line_of_number, never_updated
from backproof.checks.recording.script.readings import Reading
from backproof.checks.recording.script.recognised import Recognised


@dataclass(frozen=True)
class Watched:
    """The judgement on a script.

    Attributes:
        reading: of its first step.
        right, wrong: gradients by name.
        first_wrong: the first wrong step, or None.
        found: the line that makes it, or None.
        recording: of the run, with what it makes sample by sample put together.
        recorded: the same as it was recorded.
        rivals: readings by another cost that are as likely.
        later: of a step of one sample, the readings of each step after it.
        hidden: gradients that come to nothing but rounding in every step that was seen, so that
            nothing shows whether they are right.
        doubt: why it is no verdict unless a known bug explains what is wrong; "" where it is one.
    """

    reading: Reading
    right: tuple[str, ...]
    wrong: tuple[str, ...]
    first_wrong: Quantity | None
    found: Found | None
    recording: Recording
    recorded: Recording
    rivals: tuple[Reading, ...] = ()
    later: tuple[tuple[Reading, ...], ...] = ()
    hidden: tuple[Quantity, ...] = ()
    doubt: str = ""

    @property
    def network(self) -> Recognised:
        """What was recognised."""
        return self.reading.found

    @property
    def page(self) -> Page:
        """The right numbers of the first step, for the targets and the cost that fit best."""
        return self.reading.page

    @property
    def step(self) -> Descent | None:
        """The descent that its parameters share, of the mean loss; None if it is another one."""
        return self.reading.descent

    @property
    def left(self) -> list[str]:
        """The single numbers that should change and do not, as they are written."""
        return never_updated(self.reading) if self.network.gathered is not None else []

    @property
    def layout(self) -> str:
        """How its weights lie."""
        return self.network.layout

    @property
    def sentence(self) -> str:
        """What was recognised, as it is printed first."""
        head = self.page.problem.head
        hidden = ", ".join(dict.fromkeys(map(str, self.network.network.hidden)))
        place = "columns" if self.network.columns else "rows"
        step = self._step()
        first, last = self._lines()
        where = f"line {first}" if first == last else f"lines {first} to {last}"
        samples = "single samples" if self.page.N == 1 else f"batches of {self.page.N}"
        sizes = "-".join(map(str, self.network.sizes))
        fixed = all(layer.is_fixed for layer in self.network.layers)
        biases = ", biases that never change" if fixed else ""
        own = self.reading.loss
        compared = str(own or f"{head.cost} against {self.reading.targets.name}")
        output = head.output if own is None else own.output
        return (
            f"I saw a {sizes} network: {', '.join(self.network.names)} "
            f"({self.layout.replace(',', ', ')}){biases}, {hidden or 'no hidden layer'}, "
            f"{output} output, {compared}, {samples} in {place}{step}, updated on {where}."
        )

    def _step(self) -> str:
        """How it updates, with a comma in front."""
        if self.step is not None:
            return f", {self.step}{self._of_sum()}"
        if self.wrong:
            return ""  # nothing is known of it
        if len(self.reading.rates) == len(self.reading.changes):
            return ", a rate for each parameter"
        return ", an update that is no plain descent"

    def _of_sum(self) -> str:
        """That the rate which stands in the script is one of the sum over samples, where it is."""
        N = self.page.N
        if self.step is None or N == 1:
            return ""
        written = self.reading.written.rate_of(self.step.rate, self.page)
        if written is None or written.convention is None or not written.convention.summed:
            return ""
        share = {2.0: "half of ", 0.5: "twice "}.get(written.convention.halved, "")
        return f", which is {written.eta:.6g} for {share}the sum over {N} samples"

    def _lines(self) -> tuple[int, int]:
        """The first and the last line that updates a W."""
        lines = []
        for layer in self.network.layers:
            made = layer.W.made_at(self.reading.step.after) or layer.W.versions[-1]
            lines.append(made.site.line)
        return min(lines), max(lines)

    @property
    def variables(self) -> frozenset[str]:
        """The names of W and b, which an update changes."""
        found = {layer.W.name for layer in self.network.layers}
        found |= {layer.b.name for layer in self.network.layers if layer.b is not None}
        return frozenset(found)

    def as_json(self) -> dict[str, Any]:
        """The object under "watched"."""
        own = self.reading.loss
        head = self.page.problem.head
        names = {"x": self.reading.passes[-1].input.name, "Y": self.reading.targets.name}
        if own is not None and not own.name:
            del names["Y"]
        for number, layer in enumerate(self.network.layers, start=1):
            names[f"W[{number}]"] = layer.W.name
            if layer.b is not None:
                names[f"b[{number}]"] = layer.b.name
        network = {
            "sizes": list(self.network.sizes),
            "layout": self.layout,
            "examples": "columns" if self.network.columns else "rows",
            "hidden": [str(one) for one in self.network.network.hidden],
            "output": head.output if own is None else own.output,
            "cost": head.cost if own is None else own.name or None,
            "batch": self.page.N,
            "learning_rate": None if self.step is None else self.step.rate,
        }
        return {"network": network, "names": names}


def concluded(best: Reading, recording: Recording) -> Watched:
    """What a reading comes to."""
    right = tuple(str(quantity) for quantity, is_right in best.seen.items() if is_right)
    wrong = tuple(str(quantity) for quantity, is_right in best.seen.items() if not is_right)
    until = stacked(recording, best.passes, best.step)
    whole = replace(recording, made=until.made)
    if not wrong:
        return Watched(best, right, wrong, None, None, whole, recording)
    first = first_wrong(best)
    if best.found.gathered is None:
        line = line_of(best, first, until)
    else:
        line = line_of_number(best, first, recording)
    return Watched(best, right, wrong, first, line, whole, recording)


def first_wrong(best: Reading) -> Quantity:
    """From the output back: a delta from which both gradients follow, else the gradient alone."""
    for layer in range(best.L, 0, -1):
        dW = best.seen[Quantity("dW", layer)]
        db = best.seen.get(Quantity("db", layer), dW)
        if not dW and not db:
            return Quantity("dz", layer)
        if not dW:
            return Quantity("dW", layer)
        if not db:
            return Quantity("db", layer)
    raise AssertionError("called only where something is wrong")
