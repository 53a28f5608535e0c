"""Attention's scores: a naive loop, the symmetry of queries and keys, sharper midpoints."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import mc_lib as mc
from lab.attention import attention_scores, query_key, score_change
from mc_lib.errors import NotInGroup, ShapeMismatch


def head_of(seed, d=3, n=5, tokens=4, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    q, k = torch.randn(2, d, n, generator=generator, dtype=dtype) / 2
    return {"query": q, "key": k}, torch.randn(n, tokens, generator=generator, dtype=dtype)


@given(st.integers(1, 4), st.integers(1, 5), st.integers(1, 4), st.integers(0, 10_000))
def test_scores_are_those_of_a_loop_over_tokens(d, n, tokens, seed):
    w, x = head_of(seed, d, n, tokens)
    got = attention_scores(w, x)
    for i in range(tokens):
        logits = [
            math.exp(float((w["query"] @ x[:, i]) @ (w["key"] @ x[:, j])) / math.sqrt(d))
            for j in range(tokens)
        ]
        expected = torch.tensor([value / sum(logits) for value in logits], dtype=x.dtype)
        torch.testing.assert_close(got[i], expected)


@given(st.integers(0, 10_000))
def test_the_symmetry_changes_no_score(seed):
    w, x = head_of(seed)
    g = mc.GeneralLinear(3).sample(torch.Generator().manual_seed(seed))
    moved = query_key(3).act((g,), w)
    torch.testing.assert_close(moved["query"], g @ w["query"])
    torch.testing.assert_close(moved["key"], torch.linalg.inv(g).mT @ w["key"])
    assert float(score_change(moved, w, x)) < 1e-12
    wrong = {"query": g @ w["query"], "key": g @ w["key"]}
    assert float(score_change(wrong, w, x)) > 1e-3


def test_half_way_between_opposite_scalings_the_logits_are_multiplied(dtype):
    w, x = head_of(1, dtype=dtype)
    eye = torch.eye(3, dtype=dtype)
    ends = [query_key(3).act((b * eye,), w) for b in (4.0, 0.25)]
    middle = mc.Line(*ends)(0.5)
    c = mc.bounds.midpoint_scale(4.0)
    logits = attention_scores(w, x).log() * c**2
    torch.testing.assert_close(attention_scores(middle, x), logits.softmax(-1))


def test_the_change_is_the_largest_total_variation():
    w, x = head_of(2)
    other, _ = head_of(3)
    a, b = (attention_scores(v, x) for v in (w, other))
    rows = zip(a.tolist(), b.tolist(), strict=True)
    expected = max(sum(abs(p - q) for p, q in zip(*row, strict=True)) / 2 for row in rows)
    got = float(score_change(other, w, x))
    assert got == pytest.approx(expected)
    assert 0 < got < 1


def test_heads_may_be_batched():
    w, x = head_of(4)
    batch = {name: torch.stack([value, 2 * value]) for name, value in w.items()}
    change = score_change(batch, w, x)
    assert change.shape == (2,)
    assert float(change[0]) == 0
    assert float(change[1]) > 0.01


@pytest.mark.bad_input
def test_what_does_not_fit_is_refused():
    w, x = head_of(0)
    with pytest.raises(ShapeMismatch, match=r"'query' and 'key', got \['query'\]"):
        attention_scores({"query": w["query"]}, x)
    for bad in ({**w, "key": w["key"][:2]}, {name: v[:, :4] for name, v in w.items()}):
        with pytest.raises(ShapeMismatch, match="expected query and key"):
            attention_scores(bad, x)
    with pytest.raises(ShapeMismatch, match="expected query and key"):
        attention_scores({name: v[0] for name, v in w.items()}, x)
    with pytest.raises(ShapeMismatch, match="expected query and key"):
        attention_scores(w, x[None])
    with pytest.raises(NotInGroup):
        query_key(3).act((torch.zeros(3, 3, dtype=torch.float64),), w)
