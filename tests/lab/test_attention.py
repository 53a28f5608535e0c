"""Attention's scores: a naive loop, the symmetry of queries and keys, sharper midpoints."""

import itertools
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


def biased_head(seed, d=3, n=5):
    w, x = head_of(seed, d, n)
    b, c = torch.randn(2, d, generator=torch.Generator().manual_seed(seed + 1)) / 2
    return {**w, "query bias": b.to(x), "key bias": c.to(x)}, x


@given(st.integers(1, 4), st.integers(1, 5), st.integers(0, 10_000))
def test_scores_with_biases_are_those_of_a_loop_over_tokens(d, n, seed):
    w, x = biased_head(seed, d, n)
    got = attention_scores(w, x)
    for i, j in itertools.product(range(4), range(4)):
        queries, keys = (
            [
                sum(float(w[name][k, m] * x[m, at]) for m in range(n)) + float(w[f"{name} bias"][k])
                for k in range(d)
            ]
            for name, at in (("query", i), ("key", j))
        )
        logit = sum(a * b for a, b in zip(queries, keys, strict=True)) / math.sqrt(d)
        plain = float(got[i, j] / got[i, 0])
        first = [
            sum(float(w["key"][k, m] * x[m, 0]) for m in range(n)) + float(w["key bias"][k])
            for k in range(d)
        ]
        at_first = sum(a * b for a, b in zip(queries, first, strict=True)) / math.sqrt(d)
        assert plain == pytest.approx(math.exp(logit - at_first), rel=1e-9)


@given(st.integers(0, 10_000))
def test_the_symmetry_moves_the_biases_too(seed):
    w, x = biased_head(seed)
    g = mc.GeneralLinear(3).sample(torch.Generator().manual_seed(seed))
    moved = query_key(3, biases=True).act((g,), w)
    torch.testing.assert_close(moved["query bias"], g @ w["query bias"])
    torch.testing.assert_close(moved["key bias"], torch.linalg.inv(g).mT @ w["key bias"])
    assert float(score_change(moved, w, x)) < 1e-12
    left = {name: w[name] if "bias" in name else x for name, x in moved.items()}
    assert float(score_change(left, w, x)) > 1e-3


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
@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param(
            lambda w: {"query": w["query"]},
            r"'query bias' and 'key bias', got \['query'\]",
            id="no key",
        ),
        pytest.param(
            lambda w: {**w, "key": w["key"][:2]}, "expected query and key", id="short key"
        ),
        pytest.param(
            lambda w: {name: v[:, :4] for name, v in w.items()},
            "expected query and key",
            id="fewer inputs",
        ),
        pytest.param(
            lambda w: {**w, "query bias": w["query"][:, 0]},
            r"of a head with biases also 'query bias' and 'key bias', got \['key', 'query', 'qu",
            id="one bias",
        ),
        pytest.param(
            lambda w: {**w, "bias": w["query"][:, 0]}, "expected the weights 'query'", id="a name"
        ),
        pytest.param(
            lambda w: {**w, "query bias": w["query"][0], "key bias": w["key"][0]},
            r"their biases \(\.\.\., d\)",
            id="long biases",
        ),
        pytest.param(
            lambda w: {name: v[0] for name, v in w.items()}, "expected query and key", id="vectors"
        ),
    ],
)
def test_heads_that_do_not_fit_are_refused(change, message):
    w, x = head_of(0)
    with pytest.raises(ShapeMismatch, match=message):
        attention_scores(change(w), x)


@pytest.mark.bad_input
def test_a_batch_of_tokens_is_refused():
    w, x = head_of(0)
    with pytest.raises(ShapeMismatch, match="expected query and key"):
        attention_scores(w, x[None])


@pytest.mark.bad_input
def test_a_symmetry_without_biases_does_not_move_a_head_with_them():
    w, _ = biased_head(0)
    with pytest.raises(ShapeMismatch, match="the point has"):
        query_key(3).act((torch.eye(3, dtype=torch.float64),), w)


@pytest.mark.bad_input
def test_a_singular_matrix_is_no_symmetry():
    w, _ = head_of(0)
    with pytest.raises(NotInGroup):
        query_key(3).act((torch.zeros(3, 3, dtype=torch.float64),), w)
