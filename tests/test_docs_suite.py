"""The code on docs/in-your-suite.md runs as it stands, and the numbers on docs/tolerances.md are
those of the code."""

import re
import runpy
from pathlib import Path

import pytest
import torch

from backproof import assert_gradients
from backproof.checks import bound, sums
from backproof.checks.black_box import difference_quotients, rounding, slopes
from benchmarks.planted_errors import KINDS

DOCS = Path(__file__).parents[1] / "docs"
BLOCKS = re.findall(
    r"```python\n(.*?)```", (DOCS / "in-your-suite.md").read_text("utf-8"), re.DOTALL
)


def test_blocks_of_the_page_run_in_order_and_their_tests_pass(tmp_path, capsys):
    """One module, as a reader would type it: later blocks use names of earlier ones."""
    assert len(BLOCKS) == 6
    page = tmp_path / "page.py"
    page.write_text("\n".join(BLOCKS), encoding="utf-8")
    module = runpy.run_path(str(page))
    module["test_gradients"]()
    assert "FAIL: 1 of 1 gradients: w" in capsys.readouterr().out


@pytest.mark.parametrize(("dtype", "column"), [(torch.float64, 0), (torch.float32, 1)])
def test_evaluations_on_the_page_are_those_that_a_loss_counts(dtype, column):
    page = " ".join((DOCS / "in-your-suite.md").read_text("utf-8").split())
    (found,) = re.findall(
        r"one tensor takes (\d+) \((\d+)\), three take (\d+) \((\d+)\), six (\d+) \((\d+)\)", page
    )
    (each, once, low) = re.search(
        r"\*\*(\d+) evaluations .*?\*\*, and (\d+) in all .*? or (\d+) in float32", page
    ).groups()
    for k, tensors in enumerate((1, 3, 6)):
        generator = torch.Generator().manual_seed(tensors)
        weights = [
            torch.randn(4, 4, dtype=dtype, generator=generator).requires_grad_()
            for _ in range(tensors)
        ]
        x, calls = torch.randn(5, 4, dtype=dtype, generator=generator), []

        def loss(weights=weights, x=x, calls=calls):
            calls.append(1)
            for w in weights:
                x = (x @ w).tanh()
            return x.square().mean()

        assert_gradients(loss, {str(layer): w for layer, w in enumerate(weights)})
        assert (
            len(calls)
            == int(found[2 * k + column])
            == int(each) * tensors + int((once, low)[column])
        )


@pytest.mark.parametrize(
    ("said", "true"),
    [
        (r"`SAFETY = (\d+)`", bound.SAFETY),
        (r"looked at in (\d+) blocks", sums.BLOCKS),
        (r"plants (\d+)\s+kinds", len(KINDS)),
        (r"(\w+) standard deviations of the loss's noise", difference_quotients.NOISE_BAR),
        (r"a ladder of (\w+) steps", len(slopes.ladder(1e-7, 1 / 16))),
        (r"less\s+than (\w+) times the bar", slopes.BEYOND_DOUBT),
        (r"random roundings \(.*?\): (\w+) runs", rounding.RUNS),
        (r"runs, (\w+) times their spread", rounding.SPREADS),
    ],
)
def test_numbers_on_the_page_are_those_of_the_code(said, true):
    page = (DOCS / "tolerances.md").read_text("utf-8")
    words = {"five": 5, "six": 6, "eight": 8, "ten": 10}
    (found,) = re.findall(said, page, re.DOTALL)
    assert float(words.get(found, found)) == true
