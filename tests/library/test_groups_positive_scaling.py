"""Positive scalings: powers, the range of the dtype, paths."""

import pytest
import torch

from mc_lib.errors import DtypeMismatch, NotFinite, NotInGroup, OutOfDomain, ShapeMismatch
from mc_lib.groups import GeneralLinear, PositiveScaling


def test_power_is_the_homomorphism_of_the_output(generator, dtype):
    group = PositiveScaling(4)
    g, h = (group.sample(generator, (2,), dtype=dtype) for _ in range(2))
    torch.testing.assert_close(group.power(g, 2.0), g * g)
    torch.testing.assert_close(group.power(g, 0.5) ** 2, g)
    torch.testing.assert_close(group.power(g, -1.0), group.inverse(g))
    product = group.compose(group.power(g, 1.7), group.power(h, 1.7))
    torch.testing.assert_close(group.power(group.compose(g, h), 1.7), product)
    assert torch.equal(group.power(g, 0.0), torch.ones_like(g))


def test_a_constant_vector_scales_the_whole_layer():
    x = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    g = torch.full((2,), 4.0)
    assert PositiveScaling(2).left(g, x).tolist() == [[4, 8], [12, 16]]
    assert PositiveScaling(2).right_inverse(x, g).tolist() == [[0.25, 0.5], [0.75, 1]]


def test_path_is_the_power_t():
    path = PositiveScaling(2).path(torch.tensor([4.0, 1 / 9], dtype=torch.float64))
    t = torch.tensor([0.0, 0.5, 1.0, 2.0], dtype=torch.float64)
    expected = torch.tensor([[1, 1], [2, 1 / 3], [4, 1 / 9], [16, 1 / 81]], dtype=torch.float64)
    torch.testing.assert_close(path(t), expected, rtol=1e-14, atol=0)
    assert torch.equal(path(t)[0], torch.ones(2, dtype=torch.float64))
    rate = torch.tensor([4.0, 1 / 9], dtype=torch.float64).log()
    torch.testing.assert_close(path.velocity(t), rate * expected, rtol=1e-14, atol=0)
    torch.testing.assert_close(path.acceleration(t), rate**2 * expected, rtol=1e-14, atol=0)


def test_members_have_a_finite_inverse(dtype):
    tiny = torch.finfo(dtype).tiny
    g = torch.tensor([[tiny], [1 / tiny], [tiny * 0.5], [0.0], [-1.0]], dtype=dtype)
    assert PositiveScaling(1).contains(g).tolist() == [True, True, False, False, False]
    above = torch.tensor([1 / tiny], dtype=dtype) * 1.01
    assert not PositiveScaling(1).contains(above)
    assert torch.isfinite(PositiveScaling(1).inverse(g[:2])).all()


def test_samples_reach_both_ends(generator, dtype):
    g = PositiveScaling(6).sample(generator, (30,), condition=1e4, dtype=dtype)
    torch.testing.assert_close(g.amax(-1), torch.full((30,), 100.0, dtype=dtype), rtol=1e-5, atol=0)
    torch.testing.assert_close(g.amin(-1), torch.full((30,), 0.01, dtype=dtype), rtol=1e-5, atol=0)


def test_it_is_a_subgroup_of_gl(generator):
    g = PositiveScaling(3).sample(generator)
    dense, whole = PositiveScaling(3).matrix(g), GeneralLinear(3)
    torch.testing.assert_close(whole.log(dense), torch.diag(PositiveScaling(3).log(g)))
    t = torch.tensor([0.25, 0.5], dtype=torch.float64)
    torch.testing.assert_close(
        whole.path(dense)(t), PositiveScaling(3).matrix(PositiveScaling(3).path(g)(t))
    )


@pytest.mark.bad_input
@pytest.mark.usefixtures("single_precision")
def test_factors_that_are_not_positive_are_refused():
    group = PositiveScaling(2)
    g = torch.tensor([[1.0, 2.0], [3.0, -4.5]])
    message = r"\(batch entry \(1,\)\): factor 1 is -4\.5, not positive \(with a finite inverse\)$"
    verbs = [group.admit, group.require, group.inverse, group.log, group.path, group.component]
    for verb in [*verbs, lambda g: group.power(g, 2)]:
        with pytest.raises(NotInGroup, match=message):
            verb(g)
    with pytest.raises(NotInGroup, match="factor 0 is 9.99995e-41"):
        group.admit(torch.tensor([1e-40, 1.0]))
    with pytest.raises(NotFinite, match="1 of the 2 entries"):
        group.admit(torch.tensor([float("inf"), 1.0]))
    with pytest.raises(ShapeMismatch, match=r"has shape \(\.\.\., 2\), got \(3,\)$"):
        group.contains(torch.ones(3))


@pytest.mark.bad_input
@pytest.mark.usefixtures("single_precision")
def test_results_outside_the_range_of_the_dtype_are_refused():
    group = PositiveScaling(2)
    message = (
        r"^the factors \(batch entry \(1,\)\) range from 1 to inf: torch.float32 holds 1\.18e-38 "
    )
    with pytest.raises(OutOfDomain, match=message + r"to 8\.51e\+37$"):
        group.exp(torch.tensor([[0.0, 0.0], [0.0, 100.0]]))
    big = torch.tensor([1.0, 1e30])
    for call in (
        lambda: group.compose(big, big),
        lambda: group.power(big, 2),
        lambda: group.power(big, -2.0),
        lambda: group.power(big, float("nan")),
        lambda: group.exp(-100 * torch.ones(2)),
    ):
        with pytest.raises(OutOfDomain, match="the factors range from"):
            call()
    for pair in ((big, torch.ones(3)), (torch.ones(3), big)):
        with pytest.raises(ShapeMismatch, match=r"has shape \(\.\.\., 2\), got \(3,\)$"):
            group.compose(*pair)
    with pytest.raises(ShapeMismatch, match="a Lie algebra element of PositiveScaling"):
        group.exp(torch.ones(3))


@pytest.mark.bad_input
def test_times_are_floating_point_tensors():
    path = PositiveScaling(1).path(torch.ones(1))
    for wrong, error in ((0.5, DtypeMismatch), (torch.tensor(1), DtypeMismatch)):
        with pytest.raises(error, match="^the times t: "):
            path(wrong)
    with pytest.raises(NotFinite, match="the times t: 1 of the 1 entries"):
        path.velocity(torch.tensor(float("nan")))
    with pytest.raises(OutOfDomain, match=r"must lie in \[1, 8\.39e\+06\) for n = 1"):
        PositiveScaling(1).sample(torch.Generator(), condition=1e7, dtype=torch.float32)
