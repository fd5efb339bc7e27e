"""What a check borrows it gives back: values, gradients, flags and every generator's state."""

import random

import numpy as np
import pytest
import torch

from backproof.checks.black_box.untouched import Generators, same_bits, untouched


def test_generators_return_to_the_same_numbers():
    before = Generators()
    first = (torch.rand(3), np.random.random(3), random.random())
    before.restore()
    again = (torch.rand(3), np.random.random(3), random.random())
    assert torch.equal(first[0], again[0])
    assert (first[1] == again[1]).all()
    assert first[2] == again[2]
    before.restore()


def test_whatever_happens_inside_is_undone():
    w = torch.tensor([1.0, -0.0, float("nan")], requires_grad=True)
    w.grad, grad = torch.ones(3), None
    grad, value = w.grad, w.detach().clone()

    def meddle():
        with untouched([w]):
            w.data = w.data.double() + 1
            w.grad = None
            grad.add_(5)
            w.requires_grad_(False)
            raise KeyError("half way")

    with pytest.raises(KeyError, match="half way"):
        meddle()
    assert same_bits(w, value)
    assert w.grad is grad
    assert torch.equal(grad, torch.ones(3))
    assert w.requires_grad


def test_a_gradient_that_was_none_is_none_again():
    w = torch.ones(2, requires_grad=True)
    with untouched([w]):
        w.square().sum().backward()
    assert w.grad is None


def test_same_bits_tells_zeros_apart_and_takes_nan_for_nan():
    nan = torch.tensor([float("nan"), 1.0])
    assert same_bits(nan, nan.clone())
    assert not same_bits(torch.tensor(0.0), torch.tensor(-0.0))
    assert not same_bits(torch.ones(2), torch.ones(2, dtype=torch.float64))
    assert not same_bits(torch.ones(2), torch.ones(1, 2))
    assert same_bits(torch.ones(0, 3), torch.ones(0, 3))


@pytest.mark.parametrize("begin", range(4))
@pytest.mark.parametrize("count", [1, 2, 3, 7, 8])
@pytest.mark.parametrize("dtype", [torch.uint8, torch.bfloat16, torch.float32, torch.complex128])
def test_same_bits_wherever_numbers_begin(begin, count, dtype):
    """Bytes are compared several at once, as far as their number and their place allow."""
    numbers = torch.arange(1, 13).to(dtype)
    part = numbers[begin : begin + count]
    assert same_bits(part, part.clone())
    for entry in range(count):
        other = part.clone()
        other[entry] = 0
        assert not same_bits(part, other)
        assert not same_bits(other, part)
