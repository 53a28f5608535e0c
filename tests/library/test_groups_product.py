"""A product of groups does everything entry by entry."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mc_lib.errors import ShapeMismatch
from mc_lib.groups.general_linear import GeneralLinear
from mc_lib.groups.product import ProductGroup


def product(*widths):
    return ProductGroup(tuple(GeneralLinear(n) for n in widths))


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def assert_same(g, h, **tolerances):
    assert len(g) == len(h)
    for a, b in zip(g, h, strict=True):
        torch.testing.assert_close(a, b, **tolerances)


@given(st.lists(st.integers(1, 5), max_size=4), st.integers(0, 99))
def test_it_is_a_group(widths, seed):
    G, close = product(*widths), {"rtol": 1e-9, "atol": 1e-9}
    a, b, c = (G.sample(seeded(seed + 100 * i)) for i in range(3))
    e = G.identity()
    assert_same(G.compose(G.compose(a, b), c), G.compose(a, G.compose(b, c)), **close)
    assert_same(G.compose(a, e), a)
    assert_same(G.compose(e, a), a)
    assert_same(G.compose(a, G.inverse(a)), e, **close)
    assert_same(G.inverse(G.compose(a, b)), G.compose(G.inverse(b), G.inverse(a)), **close)


def test_every_verb_is_that_of_the_factors(dtype):
    G = product(2, 3)
    a = G.sample(seeded(1), (4,), dtype=dtype)
    b = G.sample(seeded(2), (4,), dtype=dtype)
    assert_same(G.compose(a, b), tuple(x @ y for x, y in zip(a, b, strict=True)))
    assert_same(G.inverse(a), tuple(torch.linalg.inv(x) for x in a))
    assert_same(G.exp(a), tuple(torch.linalg.matrix_exp(x) for x in a))
    assert_same(G.identity(dtype=dtype), (torch.eye(2, dtype=dtype), torch.eye(3, dtype=dtype)))
    assert [x.device.type for x in G.identity(device="meta")] == ["meta", "meta"]


def test_samples_have_the_batch_the_dtype_and_the_condition_that_were_asked_for(dtype):
    g = product(2, 3).sample(seeded(), (5, 4), condition=3.0, dtype=dtype)
    assert [x.shape for x in g] == [(5, 4, 2, 2), (5, 4, 3, 3)]
    for x in g:
        assert x.dtype == dtype
        torch.testing.assert_close(
            torch.linalg.cond(x), torch.full((5, 4), 3.0, dtype=dtype), rtol=1e-3, atol=0
        )
    torch.testing.assert_close(
        torch.linalg.cond(product(4).sample(seeded())[0]), torch.tensor(10.0, dtype=torch.float64)
    )


def test_the_entries_are_independent_and_the_seed_decides():
    g, h = (product(3, 3).sample(seeded(5)) for _ in range(2))
    assert not torch.equal(g[0], g[1])
    assert torch.equal(g[0], h[0]) and torch.equal(g[1], h[1])


def test_entries_accept_any_sequence():
    one = torch.eye(1)
    assert product(1, 1).entries([one, one]) == (one, one)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("g", "got"),
    [
        ((torch.eye(2),), "1 entries"),
        ((torch.eye(2),) * 3, "3 entries"),
        (torch.eye(2), r"one tensor of shape \(2, 2\)"),
    ],
)
def test_an_element_has_one_entry_for_each_factor(g, got):
    G, e = product(2, 2), product(2, 2).identity()
    verbs = (G.entries, G.inverse, G.exp, lambda g: G.compose(g, e), lambda g: G.compose(e, g))
    for verb in verbs:
        with pytest.raises(
            ShapeMismatch, match=f"a tuple of 2 entries, one for each hidden layer, got {got}$"
        ):
            verb(g)
