"""The tables of results on pages are those that benchmarks wrote, and what is said about them is
so."""

import re
from pathlib import Path

import pytest

from benchmarks import nielsen

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "docs" / "results.md", ROOT / "docs" / "speed.md"]
BLOCKS = [
    block
    for page in PAGES
    for block in re.findall(
        r"<!-- results: (\S+) -->\n(.*?)<!-- /results -->", page.read_text("utf-8"), re.DOTALL
    )
]


def rows(name):
    return [
        line
        for line in (ROOT / "benchmarks" / "results" / f"{name}.md").read_text("utf-8").splitlines()
        if line[:1] == "|"
    ]


@pytest.mark.parametrize(("name", "block"), BLOCKS, ids=[name for name, _ in BLOCKS])
def test_a_table_on_the_page_is_the_one_that_was_written(name, block):
    assert block.splitlines() == rows(name)


def test_the_best_epoch_of_the_best_of_three_runs_exceeds_each_of_the_books_figures():
    sigmoid = [row for row in rows("nielsen") if "sigmoid" in row]
    assert len(sigmoid) == len(nielsen.BOOK)
    for row, experiment in zip(sigmoid, nielsen.BOOK, strict=True):
        cells = [cell.strip() for cell in row.strip("|").split("|")]
        assert cells[:3] == [experiment.name, experiment.counted_on, f"{experiment.book:.2f}"]
        assert max(map(float, cells[3].split(","))) > experiment.book


def test_an_experiment_of_one_epoch_runs_with_the_books_settings():
    import torch

    from backproof.model.evaluation import Samples

    generator = torch.Generator().manual_seed(0)
    few = Samples(torch.rand(60, 784, generator=generator), torch.arange(60) % 10)
    found = nielsen.run(
        nielsen.replace(nielsen.BOOK[0], epochs=1),
        dict.fromkeys(("train", "validation", "test"), few),
        0,
        "large",
    )
    assert [len(of) for of in found.values()] == [1, 1]
    assert all(0 <= percent <= 100 for of in found.values() for percent in of)
