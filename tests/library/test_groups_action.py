"""The doors of a group: what its public methods refuse before their formulas are asked."""

import pytest
import torch

import mc_lib as mc
from mc_lib.errors import DtypeMismatch, NotFinite, NotInGroup, OutOfDomain, ShapeMismatch

A = torch.tensor([[2.0, 1.0], [0.5, 1.0]], dtype=torch.float64)
QUARTER = torch.tensor([[0.0, -1.0], [1.0, 0.0]], dtype=torch.float64)
ELEMENTS = {
    mc.GeneralLinear(2): A,
    mc.Orthogonal(2): QUARTER,
    mc.PositiveScaling(2): torch.tensor([0.5, 3.0], dtype=torch.float64),
    mc.Permutation(2): torch.tensor([1, 0]),
    mc.SignedPermutation(2): torch.tensor([-2, 1]),
}
every_group = pytest.mark.parametrize(("group", "g"), ELEMENTS.items(), ids=map(str, ELEMENTS))


@every_group
def test_the_doors_lead_to_the_formulas(group, g):
    assert torch.equal(group.left(g, A), group._left(g, A))
    assert torch.equal(group.right_inverse(A, g), group._right_inverse(A, g))
    assert torch.equal(group.nearest((A, A), (A, A)), group._nearest((A, A), (A, A), 1))


@every_group
@pytest.mark.parametrize("c", [1e-200, 1e200])
def test_the_nearest_element_does_not_depend_on_the_scale(group, g, c):
    rows = (A, A.flip(0) + 1)
    moved = (group.left(g, rows[0]), group.right_inverse(rows[1].mT, g).mT)
    found = group.nearest(moved, rows)
    scaled = group.nearest(*((c * x, c * y) for x, y in (moved, rows)))
    torch.testing.assert_close(scaled, found, rtol=1e-6, atol=1e-6)


# -- errors --------------------------------------------------------------------
@pytest.mark.bad_input
@every_group
def test_rows_that_do_not_fit_are_refused(group, g):
    message = r"acts on axis -2 of matrices with 2 neurons there, got \(3, 2\)"
    with pytest.raises(ShapeMismatch, match=message):
        group.left(g, torch.ones(3, 2).double())
    with pytest.raises(ShapeMismatch, match=r"axis -1 .* got \(2, 3\)"):
        group.right_inverse(torch.ones(2, 3).double(), g)
    with pytest.raises(ShapeMismatch, match=r"batches \(4,\) and \(3,\) do not broadcast"):
        group.left(g.expand(4, *g.shape), A.expand(3, 2, 2))
    with pytest.raises(NotFinite, match="the rows and the element: 4 of the 4"):
        group.left(g, A / 0)
    if g.is_floating_point():
        with pytest.raises(DtypeMismatch, match="mixed dtypes"):
            group.left(g, A.float())


@pytest.mark.bad_input
@every_group
def test_what_is_no_element_does_not_act(group, g):
    with pytest.raises(NotInGroup, match="not an element of"):
        group.left(0 * g, A)
    for bad in (g.to("meta"), g.to_sparse(), g.half(), None):
        with pytest.raises(DtypeMismatch):
            group.left(bad, A)
        with pytest.raises(DtypeMismatch):
            group.compose(g, bad)


@pytest.mark.bad_input
@every_group
def test_factors_of_a_product_fit_together(group, g):
    with pytest.raises(ShapeMismatch, match=r"batches \(3,\) and \(4,\) do not broadcast"):
        group.compose(g.expand(3, *g.shape), g.expand(4, *g.shape))
    if g.is_floating_point():
        with pytest.raises(DtypeMismatch, match="torch.float32 on cpu and torch.float64 on cpu"):
            group.compose(g.float(), g)


@pytest.mark.bad_input
@every_group
def test_a_source_of_randomness_and_a_dtype_are_asked_for(group, g):
    with pytest.raises(TypeError, match="^the generator is a Generator, got an int$"):
        group.sample(0)
    for dtype in (torch.float16, torch.bfloat16, torch.int64):
        with pytest.raises(DtypeMismatch, match=f"dtype {dtype} is not supported"):
            group.sample(torch.Generator(), dtype=dtype)
        with pytest.raises(DtypeMismatch, match=f"dtype {dtype} is not supported"):
            group.identity(dtype=dtype)
    with pytest.raises(OutOfDomain, match="a size of the batch is 0 or more, got -1"):
        group.sample(torch.Generator(), (-1,))
    with pytest.raises(DtypeMismatch, match="'nowhere' is no device here"):
        group.identity(device="nowhere")


@pytest.mark.bad_input
@every_group
def test_the_nearest_element_is_of_two_pairs_of_matrices(group, g):
    cases = [
        ((A,), (A,), "a pair of matrices"),
        ((A, A), (A, A[:, :1]), "two pairs of matrices of 2 rows and the same shapes"),
        ((A[:1], A[:1]), (A[:1], A[:1]), "two pairs of matrices of 2 rows"),
    ]
    for u, w, message in cases:
        with pytest.raises(ShapeMismatch, match=message):
            group.nearest(u, w)
    with pytest.raises(DtypeMismatch, match="mixed dtypes"):
        group.nearest((A, A), (A.float(), A.float()))


@pytest.mark.bad_input
def test_what_leaves_the_dtype_is_refused():
    large = torch.full((2, 2), 1e308, dtype=torch.float64)
    with pytest.raises(OutOfDomain, match="g x leaves the range of torch.float64"):
        mc.GeneralLinear(2).left(4 * A, large)
    with pytest.raises(OutOfDomain, match="M x leaves the range"):
        mc.PositiveScaling(2).left_tangent(torch.full((2,), 1e9).double(), large)
