"""Sentences are made for people: nothing branches on them, and nothing takes the name of a quantity
apart but its own file."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest
from command import ROOT

# what runs in a candidate's own process knows nothing of this project's quantities
FILES = [path for path in sorted((ROOT / "checks").rglob("*.py")) if "inside" not in path.parts]
PROSE = {
    "note",
    "notes",
    "statement",
    "reason",
    "complaint",
    "complaints",
    "sentence",
    "sentences",
    "evidence",
    "comment",
    "hint",
    "hints",
    "words",
    "where",
    "remedy",
    "__doc__",
}
SEARCHES = {
    "startswith",
    "endswith",
    "split",
    "partition",
    "rpartition",
    "find",
    "index",
    "replace",
    "removeprefix",
    "match",
    "fullmatch",
    "search",
    "findall",
}
KINDS = ("dW", "db", "dz", "da", "z[", "a[")


def name_of(node: ast.AST) -> str:
    """The last word of `bug.note`, `note`, `notes[0]`."""
    if isinstance(node, ast.Subscript):
        return name_of(node.value)
    if isinstance(node, ast.Attribute):
        return node.attr
    if isinstance(node, ast.Name) and node.id != "where":  # a place, in code that is no report
        return node.id
    return ""


def is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value != ""


def on_sentences(tree: ast.AST) -> Iterator[int]:
    """Lines on which a sentence is compared with a text, or searched."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            if any(map(is_text, sides)) and any(name_of(side) in PROSE for side in sides):
                yield node.lineno
        if isinstance(node, ast.Call) and name_of(node.func) in SEARCHES:
            receiver = node.func.value if isinstance(node.func, ast.Attribute) else node
            if any(name_of(one) in PROSE for one in (receiver, *node.args)):
                yield node.lineno


def on_names(tree: ast.AST) -> Iterator[int]:
    """Lines on which the name of a quantity is cut."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Slice):
            begins = node.slice.lower is not None
            if name_of(node.value) == "quantity" or (begins and name_of(node.value) == "name"):
                yield node.lineno
        if isinstance(node, ast.Call) and name_of(node.func) in (*SEARCHES, "rstrip", "strip"):
            texts = [one.value for one in node.args if isinstance(one, ast.Constant)]
            cuts = name_of(node.func) not in ("startswith", "endswith")
            if any((cuts and text in ("[", "]")) or text in KINDS for text in texts):
                yield node.lineno


@pytest.mark.parametrize("found", [on_sentences, on_names], ids=["sentences", "names"])
def test_no_branch_reads_what_is_made_for_people(found: object) -> None:
    assert callable(found)
    places = []
    for path in FILES:
        if path.name != "quantities.py":
            lines = found(ast.parse(path.read_text()))
            places += [f"{path.relative_to(ROOT)}:{line}" for line in lines]
    assert places == []


@pytest.mark.parametrize(
    "code",
    [
        'if "calls" in note: pass',
        'if bug.where == "layer 1": pass',
        'x = item.reason.endswith("entries")',
        'y = re.match("layer", cause.where)',
    ],
)
def test_the_search_finds_what_it_is_for(code: str) -> None:
    assert list(on_sentences(ast.parse(code)))


@pytest.mark.parametrize(
    "code",
    ["int(quantity[3:-1])", 'name.startswith("dW")', 'name.rstrip("]").split("[")', "quantity[:2]"],
)
def test_the_search_finds_names_that_are_cut(code: str) -> None:
    assert list(on_names(ast.parse(code)))
