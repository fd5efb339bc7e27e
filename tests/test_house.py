"""The house: what each room may read, and that imports point one way."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "backproof."

# Each room, and the rooms that it may read beside itself. The page is what stands in checks/.
MAY_READ: dict[str, set[str]] = {
    "model": set(),
    "page": set(),
    "report": {"page"},
    "black_box": {"page", "report", "model"},
    "learning": {"page", "model"},
    "witnesses": {"page", "black_box", "model"},
    "walkthrough": {"page", "witnesses", "model"},
    "candidates": {"page"},
    "recording": {"page", "candidates"},
    "bugs": {"page"},
    "diagnosis": {"page", "bugs", "candidates", "recording"},
    "grading": {
        "page",
        "report",
        "candidates",
        "recording",
        "bugs",
        "diagnosis",
        "learning",
        "pages",
    },
    "pages": {"page"},
    "training": {"page", "report", "witnesses", "learning", "model"},
}
# What everybody may read: exit codes and one-line errors, the one way to write a file, and commands
# to paste.
SHARED = ("model.command_line", "model.atomic", "model.program", "model.pasted")
DOORS = {
    "checks",
    "checks.__main__",
    "checks.flags",
    "checks.walkthrough.command",
}  # they open every room, when it is asked for


def room(module: str) -> str:
    """The room of a module: a folder of checks/, "page" for the files in it, or "model"."""
    first, *rest = module.split(".")
    if first != "checks":
        return first
    if rest and (ROOT / "checks" / rest[0]).is_dir():
        return rest[0]
    return "page"


def arrows(source: Path) -> Iterator[tuple[str, int]]:
    """Every module of Backproof that a file imports, anywhere in it, and on which line."""
    for node in ast.walk(ast.parse(source.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            if name.startswith(PACKAGE):
                yield name.removeprefix(PACKAGE), node.lineno


def upwards(module: str, source: Path) -> list[str]:
    """The imports of a module that its room may not have."""
    own = room(module)
    found = []
    for target, line in arrows(source):
        allowed = {own, *MAY_READ[own]}
        if room(target) not in allowed and not target.startswith(SHARED):
            found.append(f"{source.relative_to(ROOT)}:{line} reads {target}")
    return found


def modules(folder: str) -> list[tuple[str, Path]]:
    """Every module in a folder, by its name below `backproof`."""
    found = []
    for path in sorted((ROOT / folder).rglob("*.py")):
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        found.append((name, path))
    return found


def test_imports_point_one_way():
    wrong = []
    for name, path in [*modules("model"), *modules("checks")]:
        if name not in DOORS:
            wrong += upwards(name, path)
    assert wrong == []


def test_an_import_upwards_is_found(tmp_path, monkeypatch):
    """Meta-test: candidates that read the diagnosis, which the house once had."""
    monkeypatch.setattr("test_house.ROOT", tmp_path)
    (tmp_path / "checks" / "candidates").mkdir(parents=True)
    (tmp_path / "checks" / "diagnosis").mkdir()
    path = tmp_path / "checks" / "candidates" / "feedback.py"
    path.write_text("def f():\n    from backproof.checks.diagnosis.diagnose import diagnose\n")
    assert upwards("checks.candidates.feedback", path) == [
        "checks/candidates/feedback.py:2 reads checks.diagnosis.diagnose.diagnose"
    ]


def test_the_rooms_have_no_circle():
    """An order of the rooms exists in which each reads only rooms before it."""
    order: list[str] = []
    while len(order) < len(MAY_READ):
        ready = [
            name for name, reads in MAY_READ.items() if name not in order and reads <= {*order}
        ]
        assert ready, f"a circle among {set(MAY_READ) - set(order)}"
        order += ready


def test_every_room_is_in_the_table():
    rooms = {room(name) for name, _ in [*modules("model"), *modules("checks")]}
    assert rooms <= {*MAY_READ}


def test_by_hand_reads_nothing_of_ours_but_names():
    """Agreement is evidence only between strangers."""
    allowed = {"checks.heads", "checks.activations"}
    read = {target for target, _ in arrows(ROOT / "checks/by_hand.py")}
    assert {".".join(target.split(".")[:2]) for target in read} <= allowed


@pytest.mark.parametrize("folder", ["checks", "model"])
def test_every_folder_of_code_says_what_it_is_for(folder):
    for _, path in modules(folder):
        text = ast.get_docstring(ast.parse(path.read_text("utf-8")))
        assert text, path
        assert len(text.split()) >= 4, path
