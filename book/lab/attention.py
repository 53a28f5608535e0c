"""Chapter 5b: attention's queries and keys, whose product has a general linear symmetry."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from mc_lib.checks import require_tensors
from mc_lib.errors import ShapeMismatch
from mc_lib.groups.general_linear import GeneralLinear
from mc_lib.layers import Axes, Fixed, Into, Layer, OutOf
from mc_lib.symmetry import Symmetry

Head = dict[str, Tensor]
"""The weights "query" and "key" of one head, shape (..., d, n) both; a head with biases has
"query bias" and "key bias" too, shape (..., d)."""

BIASES = {"query bias", "key bias"}


def query_key(d: int, *, biases: bool = False) -> Symmetry:
    """Return the action g·(Q, K) = (gQ, g⁻ᵀK) of GL_d on the weights of a head.

    The logits x_iᵀQᵀK x_j are as they were: (gQ)ᵀ(g⁻ᵀK) = QᵀK. With biases they are
    (Qx_i + b_Q)ᵀ(Kx_j + b_K), and the biases move along: (gb_Q, g⁻ᵀb_K).

    Args:
        d: the width of the head.
        biases: whether the head has them; one without one of them has a zero there.

    Returns:
        The symmetry of a point of `Head` form.

    >>> w = {"query": torch.tensor([[3.0]]), "key": torch.tensor([[5.0]])}
    >>> moved = query_key(1).act((torch.tensor([[2.0]]),), w)
    >>> moved["query"], moved["key"]
    (tensor([[6.]]), tensor([[2.5000]]))
    """
    layer = "inside the head"
    axes: dict[str, Axes] = {"query": (Into(layer), Fixed()), "key": (OutOf(layer), Fixed())}
    if biases:
        axes |= {"query bias": (Into(layer),), "key bias": (OutOf(layer),)}
    return Symmetry(axes, {layer: Layer(GeneralLinear(d))})


def attention_scores(w: Head, X: Float[Tensor, "n t"]) -> Float[Tensor, "*batch t t"]:
    """Return softmax((QX + b_Q)ᵀ(KX + b_K) / √d): row i is how token i divides its attention.

    Args:
        w: {"query": Q, "key": K}, shape (..., d, n) both; with biases also {"query bias": b_Q,
            "key bias": b_K}, shape (..., d) both.
        X: one token a column, shape (n, t).

    Returns:
        Rows of sum 1, shape (..., t, t).

    Raises:
        ShapeMismatch: other weights than these, or shapes that do not fit.

    >>> one = torch.eye(1)
    >>> attention_scores({"query": one, "key": 0 * one}, torch.ones(1, 2))
    tensor([[0.5000, 0.5000],
            [0.5000, 0.5000]])
    """
    if set(w) not in ({"query", "key"}, {"query", "key"} | BIASES):
        raise ShapeMismatch(
            "expected the weights 'query' and 'key', of a head with biases also 'query bias' and "
            f"'key bias', got {sorted(w)}"
        )
    require_tensors([*w.values(), X], "query, key and X")
    q, k = w["query"], w["key"]
    shifts = [w[name] for name in BIASES & set(w)]
    if (
        q.shape[-2:] != k.shape[-2:]
        or q.ndim < 2
        or X.ndim != 2
        or q.shape[-1] != len(X)
        or any(b.shape[-1:] != q.shape[-2:-1] for b in shifts)
    ):
        raise ShapeMismatch(
            "expected query and key (..., d, n), their biases (..., d) and X (n, t), got "
            f"{ {name: tuple(x.shape) for name, x in w.items()} } and {tuple(X.shape)}"
        )
    queries, keys = q @ X, k @ X
    if shifts:
        queries, keys = queries + w["query bias"][..., None], keys + w["key bias"][..., None]
    return torch.softmax(queries.mT @ keys / math.sqrt(q.shape[-2]), dim=-1)


def score_change(w: Head, before: Head, X: Float[Tensor, "n t"]) -> Float[Tensor, "*batch"]:
    """Return the largest share of attention that any token gives to others than before.

    max over the tokens i of ½ Σ_j |S_ij − S'_ij|, the total variation between the rows of
    `attention_scores`: 0 where nothing has changed, at most 1.

    Args:
        w: a head, batched or not.
        before: a head.
        X: one token a column, shape (n, t).

    Returns:
        Shape (...).

    Raises:
        ShapeMismatch: as `attention_scores`.

    >>> one = torch.eye(1)
    >>> w = {"query": one, "key": one}
    >>> score_change(w, w, torch.ones(1, 2))
    tensor(0.)
    """
    change = attention_scores(w, X) - attention_scores(before, X)
    return change.abs().sum(-1).amax(-1) / 2
