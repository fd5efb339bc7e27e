"""Whether a library takes derivatives in a script, by what it imports and calls."""

from __future__ import annotations

import pytest

from backproof.checks.grading.scripts import library, trainer

CERTAIN = {
    "import tensorflow as tf": "tensorflow",
    "from jax import grad": "jax",
    "import autograd.numpy as np": "autograd",
    "from keras.models import Sequential": "keras",
    # data and tools of a library take no derivatives
    "from keras.datasets import mnist": "",
    "from tensorflow.keras.datasets import mnist": "",
    "from keras.utils import to_categorical": "",
    "import numpy as np": "",
}
POSSIBLE = {
    "from sklearn.svm import SVC\nSVC().fit(x, y)": "sklearn",
    "from sklearn.datasets import load_digits\nx = load_digits().data": "",
    "import torch\nloss.backward()": "torch",
    "import torch\nx = torch.zeros(3)": "",
    "net.backward()": "",
}


@pytest.mark.parametrize("text", CERTAIN)
def test_library_that_takes_derivatives_is_seen_by_its_imports(text: str) -> None:
    assert library(text) == CERTAIN[text]


@pytest.mark.parametrize("text", POSSIBLE)
def test_library_that_may_train_is_told_where_nothing_by_hand_was_seen(text: str) -> None:
    assert trainer(text) == POSSIBLE[text]
    assert library(text) == ""
