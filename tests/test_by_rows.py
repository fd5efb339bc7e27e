"""A large call in blocks of rows says what it says as a whole, which is the simple version; where
rows depend on each other, it is asked as a whole."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from backproof.checks.black_box import by_rows, exact_results, function_call
from backproof.checks.black_box.by_rows import _prime
from backproof.checks.black_box.exact_results import ExactResults
from backproof.checks.black_box.function_call import Call
from backproof.checks.black_box.observed_call import observed
from benchmarks.networks import Wrong
from tests.test_function_kinds import report_on

ROWS = 48
WIDTH = 32


def normalized(x: Tensor, w: Tensor, b: Tensor) -> Tensor:
    return functional.layer_norm(x, (WIDTH,), w, b)


def with_one_entry_wrong(x: Tensor, w: Tensor, b: Tensor) -> Tensor:
    def change(g: Tensor) -> Tensor:
        changed = g.clone()
        changed[41, 7] *= 1.1
        return changed

    return normalized(Wrong.apply(x, change), w, b)


def with_all_entries_wrong(x: Tensor, w: Tensor, b: Tensor) -> Tensor:
    """By so little that no entry alone shows it."""
    return normalized(Wrong.apply(x, lambda g: g * (1 + 4e-6)), w, b)


def with_a_wrong_weight(x: Tensor, w: Tensor, b: Tensor) -> Tensor:
    return normalized(x, Wrong.apply(w, lambda g: g * (1 + 1e-4)), b)


KERNELS = {
    "right": (normalized, set()),
    "one entry": (with_one_entry_wrong, {"gradient of input 0"}),
    "all entries": (with_all_entries_wrong, {"gradient of input 0"}),
    "a weight": (with_a_wrong_weight, {"gradient of input 1"}),
}


def inputs(rows: int, dtype: torch.dtype) -> tuple[Tensor, ...]:
    generator = torch.Generator().manual_seed(0)
    shapes = ((rows, WIDTH), (WIDTH,), (WIDTH,))
    return tuple(torch.randn(shape, generator=generator).to(dtype) for shape in shapes)


@pytest.fixture
def blocks(monkeypatch):
    """Small calls in small blocks; how many times results were made of them, and how many not."""
    monkeypatch.setattr(function_call, "LARGE", 1)
    monkeypatch.setattr(by_rows, "BLOCK", 20 * WIDTH)
    found = []
    asked = exact_results.right_by_rows

    def counted(*arguments):
        right = asked(*arguments)
        found.append(right is not None)
        return right

    monkeypatch.setattr(exact_results, "right_by_rows", counted)
    return found


@pytest.mark.parametrize("kind", KERNELS)
def test_verdicts_by_rows_are_those_of_the_whole(kind, blocks, monkeypatch):
    kernel, wrong = KERNELS[kind]
    given = inputs(ROWS, torch.float32)
    cut = report_on(kernel, normalized, given, layouts=False)
    assert blocks == [True]
    monkeypatch.setattr(function_call, "LARGE", 1 << 20)
    whole = report_on(kernel, normalized, given, layouts=False)
    assert blocks == [True, False]
    for report in (cut, whole):
        assert {verdict.quantity for verdict in report.failures} == wrong
    if kind == "one entry":
        assert cut.failures[0].worst_index == whole.failures[0].worst_index == (41, 7)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_bounds_by_rows_are_those_of_the_whole(dtype, blocks):
    """Up to what eight random roundings know of them; the exact results are the same to the last
    digits of float64."""
    call = Call(inputs(ROWS, dtype), {}, None, 0)
    native = observed(call, normalized)
    exact = ExactResults(dtype, None, 0, [])
    cut = exact.right(call, normalized, native, native)
    whole = exact.as_a_whole(call, normalized, native)
    assert blocks == [True]
    assert list(cut.values) == list(whole.values)
    for name, bound in whole.allowances.items():
        torch.testing.assert_close(cut.values[name], whole.values[name], rtol=1e-12, atol=1e-12)
        times = cut.allowances[name].entries.double() / bound.entries.double()
        assert 0.7 < float(times.median()) < 1.5, name
        assert 0.5 < cut.allowances[name].factor / bound.factor < 2, name


def test_weight_with_as_many_entries_as_there_are_rows_is_not_cut(blocks):
    assert report_on(normalized, normalized, inputs(WIDTH, torch.float32)).outcome == "pass"
    assert blocks == [True]


def batch_normalized(x: Tensor, w: Tensor, b: Tensor) -> Tensor:
    return functional.batch_norm(x, None, None, w, b, training=True)


def batch_normalized_in_blocks(x: Tensor, w: Tensor, b: Tensor) -> Tensor:
    return torch.cat([batch_normalized(part, w, b) for part in x.split(19)])


def test_rows_that_depend_on_each_other_are_asked_at_once(blocks):
    """The wrong kernel treats the same blocks as if they were independent."""
    given = inputs(ROWS, torch.float32)
    assert report_on(batch_normalized, batch_normalized, given).outcome == "pass"
    assert report_on(batch_normalized_in_blocks, batch_normalized, given).failures
    assert blocks == [False, False]


def test_blocks_have_a_prime_number_of_rows():
    assert [_prime(most) for most in (2, 3, 8, 64, 128)] == [2, 3, 7, 61, 127]


def test_number_of_threads_is_as_it_was(blocks, with_threads):
    with_threads(2)
    report_on(normalized, normalized, inputs(ROWS, torch.float32))
    assert torch.get_num_threads() == 2


def test_sum_of_many_rows_is_allowed_the_roundings_of_all(blocks, monkeypatch):
    """A kernel that adds up one row after the other, where its reference does so in pairs."""
    generator = torch.Generator().manual_seed(0)
    x = 1 + torch.rand(512, WIDTH, generator=generator)
    w = torch.ones(WIDTH)
    monkeypatch.setattr(by_rows, "BLOCK", 128 * WIDTH)

    class Scaled(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, w):
            ctx.save_for_backward(x, w)
            return x * w

        @staticmethod
        def backward(ctx, g):
            x, w = ctx.saved_tensors
            return g * w, (g.abs() * x).cumsum(0)[-1]

    class Exactly(Scaled):
        @staticmethod
        def backward(ctx, g):
            x, w = ctx.saved_tensors
            return g * w, (g.abs() * x).sum(0)

    assert report_on(Scaled.apply, Exactly.apply, (x, w), layouts=False).outcome == "pass"
    assert blocks == [True]
