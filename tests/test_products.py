"""Every way gives the product, and which of them is taken depends on the shape and the threads
alone."""

import math

import pytest
import torch

from backproof.model import products
from backproof.model.products import (
    WIDE,
    WORTH_COPYING,
    WORTH_MOVING,
    WORTH_SHARING,
    WORTH_TALK,
    has_onednn,
    linear,
    parts_of,
    product,
)

EPS = float(torch.finfo(torch.float32).eps)
WORTH_IT = 12_000_000  # as on processors that are not Intel's
ONEDNN = has_onednn(torch.empty(0))
WAYS = [
    (products.whole, 1),
    (products.alone, 2),
    (products.in_parts, 2),
    (products.in_parts, 3),
] + ONEDNN * [(products.by_onednn, 1)]


def factors(m, k, n, transposed):
    generator = torch.Generator().manual_seed(m + k + n)
    A, B = (
        torch.randn(shape, generator=generator)
        for shape in (((k, m) if transposed else (m, k)), (k, n))
    )
    return (A.t() if transposed else A), B


@pytest.mark.parametrize(
    ("transposed", "view"),
    [(False, False), (True, False), (False, True)],
    ids=["", "transposed", "of a view"],
)
@pytest.mark.parametrize("start", ["0", "a column", "what was there"])
@pytest.mark.parametrize("shape", [(6, 4, 5), (7, 4, 5), (100, 784, 32), (1, 300, 200)])
@pytest.mark.parametrize(("way", "threads"), WAYS, ids=lambda of: getattr(of, "__name__", of))
def test_every_way_gives_the_product(
    monkeypatch, with_threads, way, threads, shape, start, transposed, view
):
    with_threads(threads)
    A, B = factors(*shape, transposed)
    B = B.t().contiguous().t() if view else B
    into = torch.full((shape[0], shape[2]), float("nan"))
    if start == "what was there":
        into = factors(shape[0], shape[2], 1, False)[0]
    begin = {
        "0": None,
        "a column": torch.linspace(-1, 1, shape[0])[:, None],
        "what was there": into,
    }[start]
    times = 1.0 if begin is None else -0.3
    monkeypatch.setattr(products, "fastest", lambda *shape: way)
    run = product(A, shape[2], into, begin, times)(B)
    for factor in (1, 2):  # a product is of what its factors hold when it runs
        A.mul_(factor)
        B.mul_(factor)
        exact, allowed = expected(A, B, torch.zeros(1) if begin is None else begin, times)
        run()
        assert into.shape == exact.shape
        assert bool(((into.double() - exact).abs() <= allowed).all())
        assert torch.get_num_threads() == threads


def expected(A, B, start, times):
    """The product in float64 and how far off float32 may be: a sum of n terms, in any order, by at
    most n eps of the sum of their magnitudes (Higham, section 3.1). The terms are k products and
    the start; a factor rounds once more.
    """
    exact = times * (A.double() @ B.double()) + start.double()
    return exact, (A.shape[1] + 2) * EPS * (
        abs(times) * (A.double().abs() @ B.double().abs()) + start.double().abs()
    )


@torch.no_grad()
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("shape", [(3, 4, 5), (1, 784, 100), (500, 784, 100)])
def test_both_libraries_give_the_layer(monkeypatch, shape, dtype):
    (x, W_T), layer = factors(*shape, False), torch.nn.Linear(shape[1], shape[2], dtype=dtype)
    x = x.to(dtype)
    layer.weight.copy_(W_T.t())
    exact = x.double() @ W_T.double() + layer.bias.double()
    allowed = (
        (shape[1] + 1)
        * torch.finfo(dtype).eps
        * (x.double().abs() @ W_T.double().abs() + layer.bias.double().abs())
    )
    for worth_it in (0, 2**62):
        monkeypatch.setattr(products, "WORTH_IT", worth_it)
        found = linear(x, layer.weight, layer.bias)
        assert (found.shape, found.dtype) == (exact.shape, dtype)
        assert bool(((found.double() - exact).abs() <= allowed).all())


@pytest.mark.parametrize(
    ("m", "threads", "parts"),
    [(100, 2, 2), (7, 2, 1), (10, 4, 2), (12, 4, 4), (5, 16, 5), (1, 2, 1)],
)
def test_rows_are_cut_into_as_many_equal_parts_as_there_are_threads_or_as_divide_them(
    with_threads, m, threads, parts
):
    with_threads(threads)
    assert parts_of(m) == parts


@pytest.mark.parametrize(
    ("m", "k", "n", "threads", "way"),
    [
        (2, WORTH_SHARING // 2, 1, 1, products.whole),
        (2, WORTH_SHARING // 2 - 1, 1, 2, products.alone),
        (2, WORTH_SHARING // 2, 1, 2, products.in_parts),
        (1, WORTH_SHARING, 1, 2, products.whole),
        (8, WORTH_TALK // (64 * WIDE) + 1, 8 * WIDE, 2, products.whole),
        (8, WORTH_TALK // (64 * WIDE), 8 * WIDE, 2, products.in_parts),
        (8, WORTH_TALK, 8 * WIDE - 1, 2, products.in_parts),
    ],
)
def test_the_way_depends_on_the_shape_and_the_threads(
    monkeypatch, with_threads, m, k, n, threads, way
):
    monkeypatch.setattr(products, "WORTH_IT", math.inf)
    with_threads(threads)
    assert products.fastest(torch.empty(m, k), n, torch.empty(m, n)) is way


def test_products_elsewhere_than_on_the_cpu_are_left_to_their_library(with_threads):
    with_threads(2)
    for m, k in ((2, 2), (2, WORTH_SHARING)):
        assert (
            products.fastest(torch.empty(m, k, device="meta"), 1, torch.empty(m, 1, device="meta"))
            is products.whole
        )


def test_the_smallest_are_made_by_one_thread_and_leave_the_others_as_they_were(
    monkeypatch, with_threads
):
    seen, true = [], torch.mm
    monkeypatch.setattr(
        torch, "mm", lambda A, B, out: seen.append(torch.get_num_threads()) or true(A, B, out=out)
    )
    with_threads(2)
    (A, B), into = factors(6, 4, 5, False), torch.empty(6, 5)
    run = product(A, 5, into)(B)
    for threads in (2, 3):
        with_threads(threads)
        run()
        assert torch.get_num_threads() == threads
    assert seen == [1, 1]


@pytest.mark.skipif(not ONEDNN, reason="this torch has no oneDNN for float32 on this processor")
@pytest.mark.parametrize(
    ("k", "n", "transposed", "taken"),
    [
        (WORTH_IT // 2 - 1, 1, False, False),
        (WORTH_IT // 2, 1, False, True),
        (WORTH_MOVING, WORTH_IT // WORTH_MOVING, False, True),
        (WORTH_MOVING - 1, WORTH_IT // WORTH_MOVING, False, False),
        (WORTH_IT // 64, WORTH_COPYING - 1, True, False),
        (WORTH_IT // WORTH_COPYING // 2 - 1, WORTH_COPYING, True, False),
        (WORTH_IT // WORTH_COPYING // 2 + 1, WORTH_COPYING, True, True),
    ],
)
def test_large_products_are_onednns_unless_it_would_copy_more_than_it_multiplies(
    monkeypatch, k, n, transposed, taken
):
    A, into = torch.empty(k, 2).t() if transposed else torch.empty(2, k), torch.empty(2, n)
    monkeypatch.setattr(products, "WORTH_IT", WORTH_IT)
    assert (products.fastest(A, n, into) is products.by_onednn) == taken
    monkeypatch.setattr(products, "WORTH_IT", math.inf)  # on Intel's processors
    assert products.fastest(A, n, into) is not products.by_onednn


@pytest.mark.parametrize(
    ("cpuinfo", "processor", "intel"),
    [
        ("processor\t: 0\nvendor_id\t: GenuineIntel\n", "", True),
        ("processor\t: 0\nvendor_id\t: AuthenticAMD\n", "", False),
        (None, "Intel64 Family 6 Model 167 Stepping 1, GenuineIntel", True),  # as Windows has it
        (None, "arm", False),
    ],
)
def test_the_maker_of_the_processor_is_read_where_the_system_tells_it(
    monkeypatch, tmp_path, cpuinfo, processor, intel
):
    if cpuinfo is not None:
        (tmp_path / "cpuinfo").write_text(cpuinfo)
    monkeypatch.setattr(products, "CPUINFO", tmp_path / "cpuinfo")
    monkeypatch.setattr(products.platform, "processor", lambda: processor)
    assert products.is_by_intel() == intel


@pytest.mark.parametrize(
    "like", [torch.empty(0, dtype=torch.float64), torch.empty(0, device="meta")]
)
def test_onednn_is_for_float32_on_the_cpu(like):
    assert not has_onednn(like)


def test_onednn_is_left_alone_where_the_processor_is_another(monkeypatch):
    monkeypatch.setattr(products.platform, "machine", lambda: "aarch64")
    assert not has_onednn(torch.empty(0))
