"""Shapes in annotations are enforced in every test: jaxtyping's checks are installed before model
or checks is imported."""

import os
import pkgutil
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from jaxtyping import install_import_hook

# A diagnosis calls a hundred thousand small functions, and a check of each takes longer than
# calling it: one test of test_diagnosis.py enforces the shapes of these in a process of its own.
# So does test_black_box.py for the black box, whose functions stand in every operation of torch.
# The recorder looks at every value of every line.
HOT = {"activations", "bound", "bugs", "by_hand", "candidates", "diagnosis", "heads", "problem"}
HOT |= {"black_box", "quantities", "recording", "sums"}
CHECKS = pkgutil.iter_modules([str(Path(__file__).parent.parent / "checks")])
install_import_hook(
    [
        "backproof.model",
        *(f"backproof.checks.{module.name}" for module in CHECKS if module.name not in HOT),
    ],
    "beartype.beartype",
)

# two workers on two cores: threads of their own would only wait for each other
os.environ.setdefault("OMP_NUM_THREADS", "1")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what this machine cannot run, and say why."""
    import torch

    mnist = os.environ.get("BACKPROOF_MNIST")
    for item in items:
        if item.get_closest_marker("cuda") and not torch.cuda.is_available():
            item.add_marker(
                pytest.mark.skip(reason=f"torch {torch.__version__} sees no CUDA device")
            )
        if item.get_closest_marker("mnist") and not mnist:
            item.add_marker(
                pytest.mark.skip(
                    reason="BACKPROOF_MNIST does not name the folder of the MNIST files"
                )
            )


@pytest.fixture(autouse=True)
def search_path_as_it_was() -> Iterator[None]:
    """What a test does to the search path ends with it: processes that a later one spawns get a
    copy, and would not find us."""
    before = list(sys.path)
    yield
    sys.path[:] = before


@pytest.fixture
def mnist_folder() -> Path:
    """The folder of the four MNIST files."""
    return Path(os.environ["BACKPROOF_MNIST"])


@pytest.fixture
def with_threads() -> Iterator[Callable[[int], None]]:
    """A setter of torch's number of threads, which is as it was afterwards."""
    import torch

    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


@pytest.fixture
def without_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    """A diagnosis that looks for no two bugs at once, which takes it most of its time; that pairs
    name nothing that is neither of them is benchmarks/diagnosis.py's to count."""
    monkeypatch.setattr("backproof.checks.diagnosis.choice.Search.pairs", lambda search: iter(()))


@pytest.fixture
def as_in_a_terminal() -> Iterator[None]:
    """Let what a test starts die of Ctrl-C and of a hang-up, even where the tests were started in
    the background."""
    before = {name: signal.getsignal(name) for name in (signal.SIGHUP, signal.SIGINT)}
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    for name, handler in before.items():
        signal.signal(name, handler)
