"""A page to hand out: it says what the object says, holds nothing of a candidate's as markup, and
can be read in a browser in the light, in the dark, and on paper."""

from __future__ import annotations

import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from backproof.checks.report import html

sys.path.append(str(Path(__file__).parents[1]))

from docs.browser import Browser, installed

BUG = {
    "id": "sigmoid-twice",
    "where": "layer 1",
    "statement": "sigma' is taken of a",
    "evidence": "your db[1][0] is -0.0017",
    "residual": 1e-16,
    "fix": "dz[1] = da[1] * a[1] * (1 - a[1])",
    "see": "(B5)",
}
HOSTILE = "<script>throw 1</script>\x1b[31m\u202e\ud800 & \"'"


def found(verdict: str, candidate: str = "ada.py", **diagnosis: Any) -> dict[str, Any]:
    """The JSON object of a candidate, as far as a page shows it."""
    told = {
        "statement": "",
        "correct": ["dW[2]"],
        "wrong": [],
        "first_wrong": None,
        "bugs": [],
        "conventions": [],
        "findings": [],
        "notes": [],
    }
    return {
        "candidate": candidate,
        "verdict": verdict,
        "problems": 14,
        "symptoms": [],
        "tried": [],
        "gradients": 688,
        "seconds": 0.37,
        "diagnosis": told | diagnosis,
    }


WRONG = found(
    "fail",
    statement="The derivative is taken twice.",
    wrong=["dW[1]", "db[1]"],
    first_wrong="(B5) dz[1]",
    line={"file": "ada.py", "cell": None, "number": 12, "text": "dz = da * sigma(a)"},
    bugs=[BUG],
    conventions=['REDUCTION = "sum"'],
    notes=["it prints"],
) | {
    "listing": [
        {"number": 11, "text": "    a = sigma(z)", "remark": "a[1]", "outcome": "pass", "cell": 2},
        {"number": 12, "text": "    dz = 0", "remark": "dz[1]", "outcome": "fail", "cell": None},
    ]
}


def equation(tag: str) -> str:
    return f"{tag}: dz = da * h'(z)"


class Text(HTMLParser):
    """What a page shows, and its tags."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.shown: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.shown.append(data)


def test_everything_that_the_object_says_stands_on_the_page() -> None:
    shown = " ".join(Text(html.page(WRONG, equation)).shown)
    for words in (
        "✗ fail",
        "ada.py",
        "The derivative is taken twice.",
        "dW[2]",
        "(B5)",
        "dz[1]",
        "line 12 of ada.py",
        "dz = da * sigma(a)",
        "sigmoid-twice",
        "your db[1][0] is -0.0017",
        "dz[1] = da[1] * a[1] * (1 - a[1])",
        "(B5): dz = da * h'(z)",
        'REDUCTION = "sum"',
        "it prints",
        "cell 2, 11",
        "    a = sigma(z)",
        "✗ dz[1]",
        "14 problems, 688 gradients",
    ):
        assert words in shown


def test_a_right_one_says_so_and_has_no_section_that_is_empty() -> None:
    text = Text(html.page(found("pass"), equation))
    assert "✓ pass" in text.shown
    assert [word for word in text.shown if word in ("Findings", "Notes")] == []


def test_what_is_not_to_be_given_away_is_not_on_the_page() -> None:
    without = found("fail", wrong=["dW[1]"], bugs=[BUG | {"fix": ""}])
    page = html.page(without, lambda tag: "")
    assert "Fix" not in Text(page).shown
    assert "(1 - a[1])" not in page


def test_nothing_of_a_candidate_s_is_markup() -> None:
    bug = BUG | dict.fromkeys(("where", "statement", "evidence", "fix"), HOSTILE)
    hostile = found(
        "fail",
        candidate=HOSTILE,
        statement=HOSTILE,
        bugs=[bug],
        findings=[HOSTILE],
        notes=[HOSTILE],
        line={"file": HOSTILE, "cell": None, "number": 1, "text": HOSTILE},
        first_wrong="(B5) dz[1]",
    )
    for page in (html.page(hostile, equation), html.index([(hostile, "a.html")])):
        text = Text(page)
        assert "script" not in text.tags
        assert "\x1b" not in page
        assert "\u202e" not in page
        assert page.encode("utf-8")


def test_an_index_has_a_row_and_a_link_for_each() -> None:
    page = html.index([(WRONG, "pages/1.html"), (found("pass", "bob.py"), "pages/2.html")])
    text = Text(page)
    assert text.tags.count("a") == 2
    assert 'href="pages/2.html"' in page
    assert "1 pass, 1 fail" in text.shown
    assert "1 of 3" in text.shown


@pytest.mark.skipif(installed() is None, reason="there is no Chromium")
def test_a_browser_shows_it_without_an_error_in_the_light_in_the_dark_and_on_paper(
    tmp_path: Path,
) -> None:
    place = tmp_path / "ada.html"
    place.write_text(html.page(WRONG, equation), encoding="utf-8")
    (tmp_path / "index.html").write_text(html.index([(WRONG, "ada.html")]), encoding="utf-8")
    colours = (
        "const of = name => getComputedStyle(document.querySelector(name));"
        "[of('body').backgroundColor, of('p').color, of('h2').color]"
    )
    seen = {}
    program = installed()
    assert program is not None
    with Browser(program, 800, 600) as browser:
        browser.open((tmp_path / "index.html").as_uri(), pause_s=0.1)
        browser.open(place.as_uri(), pause_s=0.1)
        assert browser.errors == []
        assert browser.run("document.documentElement.scrollWidth <= innerWidth")
        for name, features in {
            "light": {"features": [{"name": "prefers-color-scheme", "value": "light"}]},
            "dark": {"features": [{"name": "prefers-color-scheme", "value": "dark"}]},
            "print": {"media": "print"},
        }.items():
            browser.ask("Emulation.setEmulatedMedia", **features)
            seen[name] = browser.run(
                f"(() => {{ {colours[: colours.index('[')]} return "
                f"{colours[colours.index('[') :]}; }})()"
            )
    assert seen["light"][0] == "rgb(255, 255, 255)"
    assert seen["dark"][0] == "rgb(13, 17, 23)"
    assert seen["print"][1:] == ["rgb(0, 0, 0)", "rgb(0, 0, 0)"]
