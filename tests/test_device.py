"""Which device, how many threads, and what fits into memory."""

import pytest
import torch

from backproof.model import device
from backproof.model.command_line import BadInput
from backproof.model.device import A_THREADS_SHARE, bytes_for, memory, threads_for, usable
from backproof.model.network import MLP


@pytest.mark.parametrize(("available", "expected"), [(True, "cuda"), (False, "cpu")])
def test_auto_is_cuda_where_there_is_one(monkeypatch, available, expected):
    monkeypatch.setattr(device.torch.cuda, "is_available", lambda: available)
    assert usable("auto") == expected


def test_cpu_is_always_usable():
    assert usable("cpu") == "cpu"


def test_cuda_is_refused_where_there_is_none(monkeypatch):
    monkeypatch.setattr(device.torch.cuda, "is_available", lambda: False)
    with pytest.raises(BadInput) as error:
        usable("cuda")
    expected = (
        f"--device: expected a CUDA device, got a machine where torch {torch.__version__} "
        "sees none. Use --device cpu."
    )
    assert str(error.value) == expected


def test_threads_depend_on_the_work_of_a_step_alone(monkeypatch):
    monkeypatch.setattr(device.os, "cpu_count", lambda: 64)
    assert threads_for((64, 64, 32, 10), 32) == 1
    assert threads_for((1, 2 * A_THREADS_SHARE), 1) == 2
    assert threads_for((1, 2 * A_THREADS_SHARE - 1), 1) == 1
    assert threads_for((1, A_THREADS_SHARE), 1000) == 64


def test_threads_are_one_where_the_number_of_cores_is_unknown(monkeypatch):
    monkeypatch.setattr(device.os, "cpu_count", lambda: None)
    assert threads_for((10000, 10000), 1000) == 1


@pytest.mark.parametrize(("itemsize", "each"), [(4, 24), (8, 48)], ids=["float32", "float64"])
def test_bytes_count_every_parameter_and_its_companions(itemsize, each):
    sizes = (7, 5, 3)
    parameters = sum(parameter.numel() for parameter in MLP(sizes).parameters())
    assert bytes_for(sizes, itemsize) == parameters * each


def test_memory_is_known_or_without_limit(monkeypatch):
    assert memory() >= 2**28  # less could not have imported torch
    monkeypatch.delattr(device.os, "sysconf_names")
    assert memory() == 2**63
