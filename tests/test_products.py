"""Every way gives the product, and which of them is taken depends on the shape and the threads alone."""

import pytest
import torch

from model import products
from model.products import WORTH_ADDING, WORTH_COPYING, WORTH_IT, WORTH_SHARING, has_onednn, linear, parts_of, product

EPS = float(torch.finfo(torch.float32).eps)
ONEDNN = has_onednn(torch.empty(0))
WAYS = [(products.whole, 1), (products.alone, 2), (products.in_parts, 2), (products.in_parts, 3)] + ONEDNN * [
    (products.by_onednn, 1)
]


def factors(m, k, n, transposed):
    generator = torch.Generator().manual_seed(m + k + n)
    A, B = (torch.randn(shape, generator=generator) for shape in (((k, m) if transposed else (m, k)), (k, n)))
    return (A.t() if transposed else A), B


@pytest.mark.parametrize(
    ("transposed", "view"), [(False, False), (True, False), (False, True)], ids=["", "transposed", "of a view"]
)
@pytest.mark.parametrize("plus", [False, True], ids=["", "and a column"])
@pytest.mark.parametrize("times", [None, -0.3], ids=["", "added"])
@pytest.mark.parametrize("shape", [(6, 4, 5), (7, 4, 5), (100, 784, 32), (1, 300, 200)])
@pytest.mark.parametrize(("way", "threads"), WAYS, ids=lambda of: getattr(of, "__name__", of))
def test_every_way_gives_the_product(monkeypatch, with_threads, way, threads, shape, times, plus, transposed, view):
    with_threads(threads)
    (A, B), column = factors(*shape, transposed), torch.linspace(-1, 1, shape[0])[:, None] if plus else None
    B = B.t().contiguous().t() if view else B
    into = torch.full((shape[0], shape[2]), float("nan")) if times is None else factors(shape[0], shape[2], 1, False)[0]
    monkeypatch.setattr(products, "fastest", lambda *shape: way)
    run = product(A, shape[2], into, column, times)(B)
    for factor in (1, 2):  # a product is of what its factors hold when it runs
        A.mul_(factor)
        B.mul_(factor)
        exact, allowed = expected(A, B, into, column, times)
        found = run()
        assert found.shape == exact.shape
        assert bool(((found.double() - exact).abs() <= allowed).all())
        assert found is into or (way is products.by_onednn and not plus and times is None)
        assert torch.get_num_threads() == threads


def expected(A, B, into, column, times):
    """The product in float64 and how far off float32 may be: a sum of n terms, in any order, by at most n eps of the sum of their
    magnitudes (Higham, section 3.1). The terms are k products, what was there, and a column; a factor rounds once more.
    """
    factor, there, column = (
        times or 1.0,
        torch.zeros(1) if times is None else into.double(),
        torch.zeros(1) if column is None else column,
    )
    exact = factor * (A.double() @ B.double()) + there + column
    return exact, (A.shape[1] + 3) * EPS * (abs(factor) * (A.double().abs() @ B.double().abs()) + abs(there) + abs(column))


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


@pytest.mark.parametrize(("m", "threads", "parts"), [(100, 2, 2), (7, 2, 1), (10, 4, 2), (12, 4, 4), (5, 16, 5), (1, 2, 1)])
def test_rows_are_cut_into_as_many_equal_parts_as_there_are_threads_or_as_divide_them(with_threads, m, threads, parts):
    with_threads(threads)
    assert parts_of(m) == parts


@pytest.mark.parametrize(
    ("m", "k", "threads", "way"),
    [
        (2, WORTH_SHARING // 2, 1, products.whole),
        (2, WORTH_SHARING // 2 - 1, 2, products.alone),
        (2, WORTH_SHARING // 2, 2, products.in_parts),
        (1, WORTH_SHARING, 2, products.whole),
    ],
)
def test_the_way_depends_on_the_shape_and_the_threads(with_threads, m, k, threads, way):
    with_threads(threads)
    assert products.fastest(torch.empty(m, k), 1, torch.empty(m, 1)) is way


def test_the_smallest_are_made_by_one_thread_and_leave_the_others_as_they_were(monkeypatch, with_threads):
    seen, true = [], torch.mm
    monkeypatch.setattr(torch, "mm", lambda A, B, out: seen.append(torch.get_num_threads()) or true(A, B, out=out))
    with_threads(2)
    (A, B), into = factors(6, 4, 5, False), torch.empty(6, 5)
    run = product(A, 5, into)(B)
    assert run() is into
    assert (seen, torch.get_num_threads()) == ([1], 2)
    with_threads(3)
    run()
    assert (seen, torch.get_num_threads()) == ([1, 1], 3)


@pytest.mark.skipif(not ONEDNN, reason="this torch has no oneDNN for float32 on this processor")
@pytest.mark.parametrize(
    ("k", "n", "transposed", "in_place"),
    [
        (WORTH_IT // 2 - 1, 1, False, True),
        (WORTH_IT // 2, 1, False, False),
        (WORTH_IT // 64, WORTH_COPYING - 1, True, True),
        (WORTH_IT // WORTH_COPYING // 2 - 1, WORTH_COPYING, True, True),
        (WORTH_IT // WORTH_COPYING // 2 + 1, WORTH_COPYING, True, False),
    ],
)
def test_small_products_are_written_where_they_are_wanted_and_large_ones_are_not(k, n, transposed, in_place):
    A, B = torch.empty(k, 2).t() if transposed else torch.empty(2, k), torch.empty(k, n)
    into = torch.empty(2, n)
    assert (product(A, n, into)(B)() is into) == in_place


@pytest.mark.skipif(not ONEDNN, reason="this torch has no oneDNN for float32 on this processor")
@pytest.mark.parametrize(("k", "taken"), [(WORTH_ADDING - 1, False), (WORTH_ADDING, True)])
def test_onednn_adds_its_products_to_something_where_each_is_a_sum_of_many_terms(k, taken):
    m = WORTH_IT // k + 1
    way = products.fastest(torch.empty(m, k), 1, torch.empty(m, 1), -0.5)
    assert (way is products.by_onednn) == taken
    assert products.fastest(torch.empty(m, k), 1, torch.empty(m, 1)) is products.by_onednn


@pytest.mark.parametrize("like", [torch.empty(0, dtype=torch.float64), torch.empty(0, device="meta")])
def test_onednn_is_for_float32_on_the_cpu(like):
    assert not has_onednn(like)


def test_onednn_is_left_alone_where_the_processor_is_another(monkeypatch):
    monkeypatch.setattr(products.platform, "machine", lambda: "aarch64")
    assert not has_onednn(torch.empty(0))
