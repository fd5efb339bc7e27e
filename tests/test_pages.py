"""TensorBoard as a person sees it: every page opens in a real browser without an error, and shows
what it should."""

import sys
import time
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[1]))

from backproof import train
from backproof.model.configuration import resolve
from backproof.model.dashboard import Dashboard
from backproof.model.evaluation import Score
from backproof.model.run import start_run
from backproof.model.training import Record
from docs.browser import Browser, installed
from docs.screenshot import active, served

pytestmark = pytest.mark.skipif(installed() is None, reason="there is no Chromium")

PAGES = {
    "scalars": ("accuracy/test", "gradient_check", "update_ratio"),
    "custom_scalars": (
        "loss/train (one)",
        "loss/test (one)",
        "gradient norm by layer",
        "distinct units",
    ),
    "images": ("pictures/confusion_matrix", "pictures/first_layer", "pictures/worst_mistakes"),
    "histograms": ("weights", "gradients/layer_3", "activations/output"),
    "distributions": ("weights", "gradients/layer_3", "activations/output"),
    "graphs": ("layer_1", "layer_3", "output", "cost"),
    "hparams": ("Number of matching session groups: 3",),
    "pr_curves": ("precision_recall/class_0", "precision_recall/class_9"),
    "text": ("What to look at first", "Configuration", "Verification"),
    "projector": ("a[2], the last hidden layer", "Points: 359", "Dimension: 32", "sample"),
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A default run on digits, a short one with another learning rate, and one that goes on: its
    dashboard is yielded, too."""
    folder = tmp_path_factory.mktemp("logdir")
    assert train.main(["--run-dir", str(folder / "one")]) == 0
    assert (
        train.main(
            ["--run-dir", str(folder / "two"), "--lr", "0.02", "--epochs", "5", "--no-check"]
        )
        == 0
    )
    run = start_run(resolve({"lr": 0.04}), folder / "live", device="cpu")
    with Dashboard(run) as dashboard:
        for record, _ in zip(run.training.fit(1), range(2), strict=True):
            dashboard.write(record)
        yield folder, dashboard


@pytest.fixture(scope="module")
def address(runs):
    with served(runs[0]) as address:
        yield address


@pytest.fixture(scope="module")
def browser():
    with Browser(installed(), 1600, 1200) as browser:
        yield browser


@pytest.mark.parametrize("page", PAGES)
def test_a_page_opens_without_an_error_and_shows_what_it_should(page, address, browser):
    assert page in active(address)
    browser.open(f"{address}/#{page}", pause_s=0.5)
    assert browser.errors == []
    text = browser.text()
    assert [what for what in PAGES[page] if what not in text] == []


def test_runs_are_rows_with_their_settings_and_their_newest_accuracies(runs, address, browser):
    browser.open(f"{address}/#hparams", pause_s=0.5)
    text = browser.text()
    for row in (
        "one 32.000 digits 64-32 0.0050000 adam 0.9",
        "two 32.000 digits 64-32 0.020000 adam 0.9",
    ):
        assert row in text
    assert "live 32.000 digits 64-32 0.040000 adam 0." in text  # although it has not ended
    runs[1].write(Record(2, Score(1.0, 0.25), Score(1.0, 0.125), 0.04, {}, 0.1))
    end = time.monotonic() + 60
    while "live 32.000 digits 64-32 0.040000 adam 0.12500" not in text and time.monotonic() < end:
        browser.open(f"{address}/#hparams", pause_s=0.5)
        text = browser.text()
    assert "live 32.000 digits 64-32 0.040000 adam 0.12500" in text
