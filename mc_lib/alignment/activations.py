"""Alignment by what the neurons do on data: the correlation of their activations."""

import itertools
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from mc_lib.alignment.base import Alignment, require_single
from mc_lib.checks import require_tensors
from mc_lib.errors import NotSymmetric, ShapeMismatch
from mc_lib.groups import Permutation
from mc_lib.groups.nearest import best_assignment
from mc_lib.points import Point
from mc_lib.symmetry import Symmetry


def align_activations(
    symmetry: Symmetry,
    w: Point,
    of_u: Sequence[Float[Tensor, "_ k"]],
    of_w: Sequence[Float[Tensor, "_ k"]],
) -> Alignment:
    """Return the permutations that pair neurons by how alike they respond to data.

    In each layer p maximises Σ_i corr(z_i, z'_{p(i)}), the correlation over the data of
    neuron i of u and neuron p(i) of w (Li et al. 2016; Tatro et al. 2020). The layers do
    not depend on one another, so this is the exact maximum, up to 1e-9 a neuron: neurons
    that give the same response to all samples correlate with none, and such ties go to the
    neurons whose places are nearest. The distance of the weights plays no part, and may
    even grow.

    Args:
        symmetry: permutations at each layer, such as `permutations_of(net.symmetry)`.
        w: the point to move.
        of_u: the responses of each hidden layer of u, a row a neuron, a column a sample.
        of_w: those of w, on the same samples.

    Returns:
        g, g·w and Σ (1 − corr) over all neurons, before and after.

    Raises:
        NotSymmetric: a layer without permutations.
        ShapeMismatch: not one matrix a layer, a row a neuron, of equal numbers of columns.
        McLibError: w is not a point on which the symmetry acts.

    >>> from mc_lib.layers import Layer
    >>> chain = Symmetry.chain([Layer(Permutation(2))])
    >>> w = (torch.tensor([[1.0], [2.0]]), torch.tensor([[3.0, 4.0]]))
    >>> z = torch.tensor([[0.0, 1.0, 0.0, 1.0], [0.0, 1.0, 1.0, 0.0]])
    >>> found = align_activations(chain, w, [z], [z.flip(0)])
    >>> found.g, found.before, found.after
    ((tensor([1, 0]),), 2.0, 0.0)
    """
    require_single(symmetry, w)
    for name, layer in symmetry.layers.items():
        if not isinstance(layer.group, Permutation):
            raise NotSymmetric(f"{name!r} needs permutations to reorder, got {layer.group}")
    _require_responses(symmetry, of_u, of_w)
    tables = [_correlation(a, b) for a, b in zip(of_u, of_w, strict=True)]
    g = tuple(best_assignment(table - apart(len(table)).to(table.device)) for table in tables)
    best = [
        table[torch.arange(len(p), device=p.device), p] for table, p in zip(tables, g, strict=True)
    ]
    before = sum(float((1 - table.diagonal()).sum()) for table in tables)
    after = sum(float((1 - found).sum()) for found in best)
    return Alignment(g, symmetry.act(g, w), (before, after))


def _correlation(a: Tensor, b: Tensor) -> Tensor:
    """Return corr(a_i, b_j); 0 where a neuron gives the same response to all samples."""
    return _standard(a) @ _standard(b).mT


def _standard(x: Tensor) -> Tensor:
    """Return the rows less their mean, at length 1; 0 where that is but rounding."""
    rest = x - x.mean(1, keepdim=True)
    length, size = (torch.linalg.vector_norm(y, dim=1, keepdim=True) for y in (rest, x))
    varies = length > 100 * torch.finfo(x.dtype).eps * size
    return torch.where(varies, rest / torch.where(varies, length, 1), 0)


def apart(n: int) -> Float[Tensor, "n n"]:
    """Return 1e-9 ((i − j)/n)², which tells ties apart and nothing else.

    >>> apart(1).item()
    0.0
    """
    i = torch.arange(n, dtype=torch.float64) / n
    return 1e-9 * (i[:, None] - i).square()


def _require_responses(symmetry: Symmetry, *sides: Sequence[Tensor]) -> None:
    sizes = [layer.group.n for layer in symmetry.layers.values()]
    require_tensors([*itertools.chain(*sides)], "the responses")
    shapes = [[tuple(x.shape) for x in side] for side in sides]
    columns = {shape[1:] for side in shapes for shape in side}
    flat = all(len(shape) == 2 for side in shapes for shape in side)
    if not flat or any([s[0] for s in side] != sizes for side in shapes) or len(columns) > 1:
        raise ShapeMismatch(
            f"expected responses of {sizes} neurons to the same samples, got shapes "
            f"{shapes[0]} and {shapes[1]}"
        )
