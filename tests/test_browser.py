"""The browser that takes the documentation's screenshots: it sees a page's errors, and draws."""

import io
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

sys.path.append(str(Path(__file__).parents[1]))

from docs.browser import Browser, installed

pytestmark = pytest.mark.skipif(installed() is None, reason="there is no Chromium")

PAGES = {
    "thrown": ("<script>absent()</script>", "ReferenceError: absent is not defined"),
    "printed": ("<script>console.error('it', 7)</script>", "it 7"),
    "missing": (
        "<img src='file:///no/such/picture.png'>",
        "Failed to load resource: net::ERR_FILE_NOT_FOUND",
    ),
    "good": ("<script>console.log('fine')</script>", None),
}


@pytest.fixture(scope="module")
def browser():
    with Browser(installed(), 300, 200) as browser:
        yield browser


@pytest.mark.parametrize("kind", PAGES)
def test_errors_of_a_page_are_seen(kind, browser, tmp_path):
    html, error = PAGES[kind]
    page = tmp_path / "page.html"
    page.write_text(html)
    browser.open(page.as_uri())
    assert len(browser.errors) == (0 if error is None else 1)
    assert error is None or error in browser.errors[0]


def test_a_picture_has_the_windows_size_and_the_pages_colour(browser, tmp_path):
    page = tmp_path / "page.html"
    page.write_text("<body style='background: #102030'>")
    browser.open(page.as_uri())
    with Image.open(io.BytesIO(browser.snapshot())) as picture:
        assert picture.size == (300, 200)
        assert np.array_equal(
            np.unique(np.asarray(picture.convert("RGB")).reshape(-1, 3), axis=0),
            [[0x10, 0x20, 0x30]],
        )


def test_a_script_runs_in_the_page_and_a_refusal_is_told(browser):
    assert browser.run("6 * 7") == 42
    with pytest.raises(RuntimeError, match=r"Page\.fly: expected an answer, got"):
        browser.ask("Page.fly")
