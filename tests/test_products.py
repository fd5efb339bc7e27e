"""Both libraries give the product, and which of them is asked depends on the shape alone."""

import pytest
import torch

from model import products
from model.products import WORTH_COPYING, WORTH_IT, WORTH_SHARING, affine, has_onednn, linear, product

EPS = float(torch.finfo(torch.float32).eps)
ONEDNN = has_onednn(torch.empty(0))


def factors(m, k, n, transposed):
    generator = torch.Generator().manual_seed(m + k + n)
    A, B = (torch.randn(shape, generator=generator) for shape in (((k, m) if transposed else (m, k)), (k, n)))
    return (A.t() if transposed else A), B


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("shape", [(3, 4, 5), (100, 784, 32), (100, 32, 784), (784, 100, 128), (1, 2000, 1000)])
def test_both_libraries_give_the_product(monkeypatch, shape, transposed):
    A, B = factors(*shape, transposed)
    exact, into = A.double() @ B.double(), torch.full((shape[0], shape[2]), float("nan"))
    # A sum of k products, in any order, is off by at most k eps of the sum of their magnitudes (Higham, section 3.1).
    allowed = shape[1] * EPS * (A.double().abs() @ B.double().abs())
    for worth_it in (0, 2**62):
        monkeypatch.setattr(products, "WORTH_IT", worth_it)
        monkeypatch.setattr(products, "WORTH_COPYING", worth_it)
        found = product(*shape, into, transposed=transposed)(A, B, B.t())
        assert found.shape == exact.shape
        assert bool(((found.double() - exact).abs() <= allowed).all())


@torch.no_grad()
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("shape", [(3, 4, 5), (1, 784, 100), (500, 784, 100)])
def test_both_libraries_give_the_layer(monkeypatch, shape, dtype):
    (x, W_T), layer = factors(*shape, False), torch.nn.Linear(shape[1], shape[2], dtype=dtype)
    x = x.to(dtype)
    layer.weight.copy_(W_T.t())
    exact = x.double() @ W_T.double() + layer.bias.double()
    allowed = (shape[1] + 1) * torch.finfo(dtype).eps * (x.double().abs() @ W_T.double().abs() + layer.bias.double().abs())
    for worth_it in (0, 2**62):
        monkeypatch.setattr(products, "WORTH_IT", worth_it)
        found = linear(x, layer.weight, layer.bias)
        assert (found.shape, found.dtype) == (exact.shape, dtype)
        assert bool(((found.double() - exact).abs() <= allowed).all())


@pytest.mark.parametrize("shape", [(3, 4, 5), (100, 784, 32), (1, 2000, 1000)])
def test_both_libraries_add_the_column_and_write_where_they_are_told(monkeypatch, shape):
    (A, B), column = factors(*shape, False), torch.linspace(-1, 1, shape[0])[:, None]
    exact, into = A.double() @ B.double() + column.double(), torch.full((shape[0], shape[2]), float("nan"))
    allowed = (shape[1] + 1) * EPS * (A.double().abs() @ B.double().abs() + column.double().abs())
    for worth_it in (0, 2**62):
        monkeypatch.setattr(products, "WORTH_IT", worth_it)
        assert affine(*shape, into)(A, B, B.t(), column) is into
        assert bool(((into.double() - exact).abs() <= allowed).all())


@pytest.mark.parametrize(("k", "threads"), [(WORTH_SHARING - 1, 1), (WORTH_SHARING, 2)])
def test_small_products_are_made_by_one_thread_and_leave_the_others_as_they_were(monkeypatch, k, threads):
    seen, mm, addmm, before = [], torch.mm, torch.addmm, torch.get_num_threads()
    monkeypatch.setattr(torch, "mm", lambda *of, **to: (seen.append(torch.get_num_threads()), mm(*of, **to))[1])
    monkeypatch.setattr(torch, "addmm", lambda *of, **to: (seen.append(torch.get_num_threads()), addmm(*of, **to))[1])
    torch.set_num_threads(2)
    try:
        (A, B), into = factors(1, k, 1, False), torch.empty(1, 1)
        product(1, k, 1, into)(A, B, B.t())
        affine(1, k, 1, into)(A, B, B.t(), torch.ones(1, 1))
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert seen == [threads, threads]


@pytest.mark.skipif(not ONEDNN, reason="this torch has no oneDNN for float32 on this processor")
@pytest.mark.parametrize(
    ("k", "n", "transposed", "in_place"),
    [
        (WORTH_IT - 1, 1, False, True),
        (WORTH_IT, 1, False, False),
        (WORTH_IT, WORTH_COPYING - 1, True, True),
        (WORTH_IT // WORTH_COPYING, WORTH_COPYING, True, True),
        (WORTH_IT // WORTH_COPYING + 1, WORTH_COPYING, True, False),
    ],
)
def test_small_products_are_written_where_they_are_wanted_and_large_ones_are_not(k, n, transposed, in_place):
    A, B = torch.empty(k, 1).t() if transposed else torch.empty(1, k), torch.empty(k, n)
    into = torch.empty(1, n)
    assert (product(1, k, n, into, transposed=transposed)(A, B, B.t()) is into) == in_place


@pytest.mark.parametrize("like", [torch.empty(0, dtype=torch.float64), torch.empty(0, device="meta")])
def test_onednn_is_for_float32_on_the_cpu(like):
    assert not has_onednn(like)


def test_onednn_is_left_alone_where_the_processor_is_another(monkeypatch):
    monkeypatch.setattr(products.platform, "machine", lambda: "aarch64")
    assert not has_onednn(torch.empty(0))
