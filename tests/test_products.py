"""Both libraries give the product, and which of them is asked depends on the shape alone."""

import pytest
import torch

from model import products
from model.products import WORTH_IT, WORTH_IT_TRANSPOSED, affine, has_onednn, product

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
        monkeypatch.setattr(products, "WORTH_IT_TRANSPOSED", worth_it)
        found = product(*shape, into, transposed=transposed)(A, B, B.t())
        assert found.shape == exact.shape
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


@pytest.mark.skipif(not ONEDNN, reason="this torch has no oneDNN for float32 on this processor")
@pytest.mark.parametrize(("transposed", "worth_it"), [(False, WORTH_IT), (True, WORTH_IT_TRANSPOSED)])
def test_small_products_are_written_where_they_are_wanted_and_large_ones_are_not(transposed, worth_it):
    for k, in_place in ((worth_it - 1, True), (worth_it, False)):
        A, B = factors(1, k, 1, transposed)
        into = torch.empty(1, 1)
        assert (product(1, k, 1, into, transposed=transposed)(A, B, B.t()) is into) == in_place


@pytest.mark.parametrize("like", [torch.empty(0, dtype=torch.float64), torch.empty(0, device="meta")])
def test_onednn_is_for_float32_on_the_cpu(like):
    assert not has_onednn(like)


def test_onednn_is_left_alone_where_the_processor_is_another(monkeypatch):
    monkeypatch.setattr(products.platform, "machine", lambda: "aarch64")
    assert not has_onednn(torch.empty(0))
