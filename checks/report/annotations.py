"""Verdicts as annotations of GitHub Actions: a wrong line is marked in the pull request that brings
it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def annotation(found: Mapping[str, Any]) -> str | None:
    """The command that marks a candidate's first wrong line, or the file; None where it is right.

    Args:
        found: the JSON object of the candidate.
    """
    if found["verdict"] == "pass":
        return None
    told = found["diagnosis"]
    line = told.get("line") or {}
    # a notebook's lines are counted by cell, which GitHub does not know
    number = "" if line.get("cell") else line.get("number", "")
    place = f"file={_property(str(found['candidate']))}"
    if number:
        place += f",line={number}"
    kind = "warning"
    if found["verdict"] == "fail":
        kind = "error"
    return f"::{kind} {place}::{_data(told['statement'] or 'not right')}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
