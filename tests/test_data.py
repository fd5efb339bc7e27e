"""The built-in data sets, the split, and what every Dataset promises."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from jaxtyping import TypeCheckError

from backproof.model import data
from backproof.model.command_line import BadInput
from backproof.model.data import load, split


def test_bars_are_the_four_pictures_of_the_question():
    bars = load("bars")
    named = [(row.tolist(), bars.classes[label]) for row, label in zip(bars.x, bars.y, strict=True)]
    assert named == [
        ([1, 1, 0, 0], "horizontal"),
        ([0, 0, 1, 1], "horizontal"),
        ([1, 0, 1, 0], "vertical"),
        ([0, 1, 0, 1], "vertical"),
    ]
    assert bars.picture == (2, 2)


def test_bars_are_all_for_training_and_for_test_and_not_scaled():
    bars = load("bars")
    assert bars.train.tolist() == bars.test.tolist() == [0, 1, 2, 3]
    assert np.array_equal(bars.training(np.float64)[0], bars.x)


def test_digits_equal_the_copy_in_scikit_learn():
    digits, copy = load("digits"), pytest.importorskip("sklearn.datasets").load_digits()
    assert digits.x.shape == copy.data.shape
    assert digits.x.dtype == np.uint8
    assert np.array_equal(digits.x, copy.data)
    assert np.array_equal(digits.y, copy.target)
    assert digits.classes == tuple(map(str, copy.target_names))


def test_digits_are_paper_at_minus_one_and_ink_at_one():
    x, y = load("digits").training(np.float32)
    assert x.dtype == np.float32
    assert (x.min(), x.max()) == (-1, 1)
    assert y.dtype == np.int64


def test_digits_have_the_same_digest_and_split_everywhere():
    digits = load("digits")
    assert digits.digest == "55e6c0a2cfb4"
    assert (len(digits.train), len(digits.test)) == (1438, 359)
    assert digits.test[:8].tolist() == [4, 5, 6, 9, 14, 17, 18, 19]


def test_training_and_testing_follow_the_split():
    digits = load("digits")
    for (x, y), chosen in ((digits.training(), digits.train), (digits.testing(), digits.test)):
        assert np.array_equal(x * 8 + 8, digits.x[chosen])  # exact: 8 is a power of 2
        assert np.array_equal(y, digits.y[chosen])


@pytest.mark.parametrize(
    "change",
    [
        lambda bars: replace(bars, x=bars.x[:, ::-1]),
        lambda bars: replace(bars, x=bars.x.astype(np.float64)),
        lambda bars: replace(bars, y=bars.y[::-1]),
        lambda bars: replace(bars, classes=("vertical", "horizontal")),
    ],
    ids=["samples", "dtype", "labels", "names"],
)
def test_digest_changes_with_the(change):
    bars = load("bars")
    assert bars.digest == load("bars").digest
    assert len(bars.digest) == 12
    assert change(bars).digest != bars.digest


LABELS = {
    "balanced": np.arange(200) % 4,
    "sorted": np.sort(np.arange(200) % 4),
    "unbalanced": np.repeat([0, 1, 2], [170, 25, 5]),
    "pairs": np.repeat(np.arange(10), 2),
    "singletons": np.repeat([0, 1, 2, 3], [27, 1, 1, 1]),
}


@pytest.mark.parametrize("y", LABELS.values(), ids=LABELS.keys())
def test_split_covers_every_sample_once(y):
    train, test = split(y)
    assert np.array_equal(np.sort(np.concatenate([train, test])), np.arange(len(y)))
    assert len(test) == round(0.2 * len(y))


@pytest.mark.parametrize("y", LABELS.values(), ids=LABELS.keys())
def test_split_is_always_the_same(y):
    for first, second in zip(split(y), split(y.copy()), strict=True):
        assert np.array_equal(first, second)


@pytest.mark.parametrize("y", [LABELS[name] for name in ("balanced", "sorted", "unbalanced")])
def test_split_takes_a_fifth_of_every_class(y):
    in_test = np.bincount(y[split(y)[1]], minlength=y.max() + 1)
    assert np.abs(in_test - np.bincount(y) / 5).max() < 1


@pytest.mark.parametrize("y", LABELS.values(), ids=LABELS.keys())
def test_split_leaves_every_class_a_training_sample(y):
    assert set(y[split(y)[0]]) == set(y)


def test_split_does_not_follow_the_order_of_the_file():
    assert len(set(np.diff(split(LABELS["sorted"])[1]))) > 5


@pytest.mark.parametrize(("n", "divided"), [(19, False), (20, True)])
def test_split_divides_from_twenty_samples_on(n, divided):
    train, test = split(np.arange(n) % 2)
    assert np.array_equal(train, test) != divided


def test_load_refuses_an_unknown_name():
    with pytest.raises(BadInput) as error:
        load("foo")
    assert str(error.value) == (
        "expected digits, bars, mnist, a .csv or a .npz file, got 'foo'. Choose one of the names, "
        "or give a file's path."
    )


def test_load_reads_tables_by_their_suffix_whatever_its_case(tmp_path):
    (tmp_path / "flowers.CSV").write_text("1,2,a\n3,4,b\n5,6,a\n")
    flowers = load(str(tmp_path / "flowers.CSV"))
    assert (flowers.name, flowers.classes, flowers.picture) == ("flowers", ("a", "b"), None)


def test_load_fits_the_standardisation_on_the_training_rows_alone(tmp_path):
    x = np.random.default_rng(0).normal(size=(40, 2))
    np.savez(tmp_path / "t.npz", x=x, y=np.arange(40) % 2)
    table = load(str(tmp_path / "t.npz"))
    assert np.array_equal(table.preprocessing.mean, x[table.train].mean(axis=0))
    assert np.array_equal(table.preprocessing.scale, x[table.train].std(axis=0))


def test_load_divides_pictures_by_their_largest_training_value(tmp_path):
    x = np.random.default_rng(0).integers(0, 9, size=(40, 3, 5), dtype=np.uint8)
    np.savez(tmp_path / "p.npz", x=x, y=np.arange(40) % 2)
    pictures = load(str(tmp_path / "p.npz"))
    assert pictures.picture == (3, 5)
    assert not pictures.preprocessing.mean.any()
    assert set(pictures.preprocessing.scale) == {8.0}


def test_load_puts_mnist_together_from_its_four_files(monkeypatch, tmp_path):
    images = np.random.default_rng(0).integers(0, 256, size=(5, 28, 28), dtype=np.uint8)
    labels = np.array([3, 1, 4, 1, 5], dtype=np.uint8)
    parts = {"train-images-idx3-ubyte": images[:3], "train-labels-idx1-ubyte": labels[:3]}
    parts |= {"t10k-images-idx3-ubyte": images[3:], "t10k-labels-idx1-ubyte": labels[3:]}
    monkeypatch.setattr(
        data,
        "read_mnist",
        lambda folder, download: parts if folder == tmp_path and download else {},
    )
    mnist = load("mnist", tmp_path, download=True)
    assert np.array_equal(mnist.x, images.reshape(5, 784))
    assert mnist.y.tolist() == [3, 1, 4, 1, 5]
    assert (mnist.train.tolist(), mnist.test.tolist(), mnist.picture) == (
        [0, 1, 2],
        [3, 4],
        (28, 28),
    )
    assert mnist.testing(np.float32)[0].max() <= 1


def test_load_looks_for_mnist_in_data_mnist(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BadInput, match=r"^data/mnist: expected the 4 MNIST files"):
        load("mnist")


def test_dataset_refuses_fewer_labels_than_samples():
    bars = load("bars")
    with pytest.raises(TypeCheckError):
        replace(bars, y=bars.y[:3])


def test_loading_imports_neither_torch_nor_what_only_a_download_needs():
    program = (
        "import sys, backproof.model.data; print({'torch', 'jaxtyping', 'tqdm', 'ssl', "
        "'urllib.request'} & set(sys.modules))"
    )
    answer = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        cwd=data.DIGITS.parents[1],
    )
    assert answer.stdout == "set()\n"
