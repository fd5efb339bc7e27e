"""The README's first picture shows what the checker says now."""

import html
import re

from docs import terminal


def test_the_picture_is_the_command_s_own_text():
    drawn = terminal.FIGURE.read_text("utf-8")
    shown = [html.unescape(row) for row in re.findall(r"<text [^>]*>(.*?)</text>", drawn)]
    assert shown == [terminal.COMMAND, *terminal.told()]


def test_it_shows_a_wrong_line_found():
    lines = terminal.told()
    assert lines[0].startswith("fail: ")
    assert any("<- here: dz[2] was due" in line for line in lines)
