"""Which device, how many threads, and what fits into memory."""

import pytest
import torch

from backproof.model import device, distributed
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


def test_products_are_in_full_precision_for_a_while(monkeypatch):
    """As under TORCH_ALLOW_TF32_CUBLAS_OVERRIDE=1, which NVIDIA's containers set."""
    torch.set_float32_matmul_precision("high")
    try:
        with device.full_precision():
            assert torch.get_float32_matmul_precision() == "highest"
        assert torch.get_float32_matmul_precision() == "high"
    finally:
        torch.set_float32_matmul_precision("highest")


CARD_ERRORS = [
    (torch.OutOfMemoryError("CUDA out of memory. Tried"), "--hidden: expected a network that fits"),
    (MemoryError(), "--hidden: expected a network that fits into memory, got 4-8-2."),
    (
        torch.AcceleratorError("CUDA error: unspecified launch failure\nmore"),
        "--device: expected a cuda device that works, got: CUDA error: unspecified launch failure.",
    ),
]


@pytest.mark.parametrize(("error", "line"), CARD_ERRORS, ids=lambda part: type(part).__name__)
def test_an_error_of_a_card_is_called_by_its_name(error, line):
    with pytest.raises(BadInput) as told, device.answering_for("cuda", (4, 8, 2)):
        raise error
    assert str(told.value).startswith(line)


def test_any_other_error_is_left_alone():
    with pytest.raises(RuntimeError, match="a fault"), device.answering_for("cuda", (4, 8, 2)):
        raise RuntimeError("a fault of our own")


def test_more_processes_than_cards_are_refused_in_one_line(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setenv("LOCAL_RANK", "0")
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    assert distributed._own_card() == 0
    monkeypatch.setenv("LOCAL_RANK", "1")
    with pytest.raises(BadInput) as told:
        distributed._own_card()
    assert str(told.value) == (
        "torchrun: expected a CUDA device for each of 2 processes, got 1. Start "
        "--nproc-per-node=1, or use --device cpu."
    )
