"""What was found about a candidate as a page to hand out: one file, without scripts, to be read on
a screen, in the dark, and on paper.

It is made of the object that `check --json` prints, so that the two cannot disagree. Whatever a
candidate says is text here, never markup.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from html import escape
from importlib.resources import files
from typing import Any

from backproof.model.command_line import counted

Equation = Callable[[str], str]  # a tag such as "(B5)" -> its derivation as text, or ""
WORDS = {
    "pass": "✓ pass",
    "fail": "✗ fail",
    "untested": "? untested",
}


def page(found: Mapping[str, Any], equation: Equation, course: str = "") -> str:
    """One candidate: the verdict, what is right and wrong, the first wrong step, each bug with its
    evidence, its repair and its equation, and what else there is to say.

    Args:
        found: the JSON object of the candidate.
        equation: what to print beside a tag.
        course: the training that was watched, as a picture and in a line of markup, or "".
    """
    told = found["diagnosis"]
    parts = [
        _verdict(found),
        _gradients(told),
        _first_wrong(told, equation),
        *(_bug(bug, equation) for bug in told["bugs"]),
        _learning(found, course),
        _listing(found.get("listing")),
        _list("Write into your file", told["conventions"], code=True),
        _list("Findings", told["findings"]),
        _list("Notes", told["notes"]),
        _footer(found),
    ]
    return document(f"{found['verdict']}: {found['candidate']}", parts)


def index(every: Sequence[tuple[Mapping[str, Any], str]]) -> str:
    """Many candidates: a row each, with a link to its page.

    Args:
        every: the JSON object of each, and the address of its page as seen from this one.
    """
    outcomes = [found["verdict"] for found, _ in every]
    counts = ", ".join(
        f"{outcomes.count(outcome)} {outcome}" for outcome in WORDS if outcome in outcomes
    )
    head = "".join(f"<th>{name}</th>" for name in ("file", "verdict", "right", "bug", "in short"))
    rows = "\n".join(_row(found, address) for found, address in every)
    parts = [
        f"<header><h1>{len(every)} submissions</h1><p>{counts}</p></header>",
        f"<table><thead><tr>{head}</tr></thead><tbody>\n{rows}\n</tbody></table>",
    ]
    return document(f"{len(every)} submissions: {counts}", parts)


def document(title: str, parts: Iterable[str]) -> str:
    """A whole page, its style within it."""
    style = files("backproof.checks.report").joinpath("style.css").read_text("utf-8")
    body = "\n".join(part for part in parts if part)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{_text(title)}</title>\n<style>\n{style}</style>\n</head>\n"
        f"<body>\n<main>\n{body}\n</main>\n</body>\n</html>\n"
    )


def _verdict(found: Mapping[str, Any]) -> str:
    outcome = found["verdict"]
    statement = found["diagnosis"]["statement"] or "Every gradient is right."
    return (
        f'<header class="verdict {_text(outcome)}"><strong>{WORDS.get(outcome, outcome)}</strong>'
        f"<h1>{_text(found['candidate'])}</h1><p>{_text(statement)}</p></header>"
    )


def _gradients(told: Mapping[str, Any]) -> str:
    """Which came out right, in words and not in colour alone."""
    rows = [(name, "pass", "✓ right") for name in told["correct"]]
    rows += [(name, "fail", "✗ wrong") for name in told["wrong"]]
    if not rows:
        return ""
    cells = "".join(
        f'<tr><td><code>{_text(name)}</code></td><td class="{kind}">{word}</td></tr>'
        for name, kind, word in rows
    )
    return _section("Gradients", f"<table><tbody>{cells}</tbody></table>")


def _first_wrong(told: Mapping[str, Any], equation: Equation) -> str:
    """The step, the line of the candidate's that makes it, and its equation."""
    if not told["first_wrong"]:
        return ""
    tag, _, quantity = told["first_wrong"].partition(" ")
    text = f"<p>{_text(tag)} <code>{_text(quantity)}</code></p>"
    if told.get("first_wrong_or"):
        text += f"<p>or {_text(told['first_wrong_or'])}: the numbers do not tell which.</p>"
    line = told.get("line")
    if line:
        place = f"line {line['number']} of {line['file']}"
        if line.get("cell"):
            place = f"cell {line['cell']}, {place}"
        text += f"<p>{_text(place)}</p>{_code(line['text'])}"
    if not told["bugs"]:
        text += _derivation(tag, equation)
    return _section("The first step that goes wrong", text)


def _bug(bug: Mapping[str, Any], equation: Equation) -> str:
    text = f"<p>{_text(bug['where'])}: {_text(bug['statement'])}.</p>"
    text += f"<h3>Evidence</h3><p>{_text(bug['evidence'])}.</p>"
    if bug["fix"]:
        text += f"<h3>Fix</h3>{_code(bug['fix'])}"
    return _section(bug["id"], text + _derivation(bug["see"], equation))


def _learning(found: Mapping[str, Any], course: str) -> str:
    """What keeps it from learning, what to do, and what that did where it was tried."""
    if not found["symptoms"] and not course:
        return ""
    text = "" if found["symptoms"] else "<p>It learns.</p>"
    for one in found["symptoms"]:
        text += (
            f"<h3>{_text(one['name'])}</h3><p>{_text(one['where'])} {_text(one['meaning'])}.</p>"
        )
        text += f"<p>Because {_text(one['evidence'])}.</p><p>{_text(one['remedy'])}</p>"
        tried = [trial for trial in found["tried"] if trial["symptom"] == one["name"]]
        text += "".join(f"<p><em>Tried: {_text(_trial(trial))}.</em></p>" for trial in tried)
    return _section("Does it learn?", text + course)


def _trial(tried: Mapping[str, Any]) -> str:
    """What a remedy did, in one sentence."""
    word = "helps" if tried["helped"] else "does not help"
    return (
        f"with {tried['change']}, the loss is {_number(tried['loss'])} after the same "
        f"{tried['steps']} steps, {_number(tried['loss_before'])} without: {word}"
    )


def _number(value: float | None) -> str:
    """A loss; one that is not finite is null in the object."""
    return "not finite" if value is None else f"{value:.4g}"


def _derivation(tag: str, equation: Equation) -> str:
    """The equation beside its tag."""
    known = equation(tag)
    if not known:
        return f"<p>Read on at {_text(tag)} of EQUATIONS.md.</p>"
    return f"<h3>Equation {_text(tag)}</h3>{_code(known)}"


def _listing(lines: Sequence[Mapping[str, Any]] | None) -> str:
    """The candidate's own lines, with what each of them makes."""
    if not lines:
        return ""
    rows = "".join(_listed(line) for line in lines)
    return _section("Line by line", f'<table class="listing"><tbody>{rows}</tbody></table>')


def _listed(line: Mapping[str, Any]) -> str:
    kind = _text(line["outcome"])
    number = str(line["number"])
    if line["cell"]:
        number = f"cell {line['cell']}, {number}"
    remark = line["remark"]
    if line["outcome"] == "fail":
        remark = f"✗ {remark}"
    return (
        f'<tr><td class="faint">{number}</td><td>{_text(line["text"])}</td>'
        f'<td class="{kind}">{_text(remark)}</td></tr>'
    )


def _list(title: str, entries: Sequence[str], *, code: bool = False) -> str:
    if not entries:
        return ""
    if code:
        return _section(title, _code("\n".join(entries)))
    items = "".join(f"<li>{_text(entry)}</li>" for entry in entries)
    return _section(title, f"<ul>{items}</ul>")


def _footer(found: Mapping[str, Any]) -> str:
    size = f"{counted(found['problems'], 'problem')}, {counted(found['gradients'], 'gradient')}"
    return f'<footer class="faint"><p>{size}, {found["seconds"]:.2f} s</p></footer>'


def _row(found: Mapping[str, Any], address: str) -> str:
    told = found["diagnosis"]
    every = len(told["correct"]) + len(told["wrong"])
    right = ""
    if every:
        right = f"{len(told['correct'])} of {every}"
    bugs = " + ".join(bug["id"] for bug in told["bugs"])
    outcome = found["verdict"]
    return (
        f'<tr><td><a href="{_text(address)}">{_text(found["candidate"])}</a></td>'
        f'<td class="{_text(outcome)}">{WORDS.get(outcome, outcome)}</td><td>{right}</td>'
        f"<td>{_text(bugs)}</td><td>{_text(told['statement'])}</td></tr>"
    )


def _section(title: str, content: str) -> str:
    return f"<section><h2>{_text(title)}</h2>{content}</section>"


def _code(text: str) -> str:
    return f"<pre><code>{_text(text)}</code></pre>"


def _text(text: str) -> str:
    """Somebody else's text: no markup, and no sign that a page cannot hold."""
    shown = text.expandtabs().encode("utf-8", "replace").decode()
    return escape("".join(sign if sign.isprintable() or sign == "\n" else "?" for sign in shown))
