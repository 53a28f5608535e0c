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
@pytest.mark.parametrize(
    ("verb", "more"),
    [
        *((verb, ()) for verb in ("admit", "require", "inverse", "log", "path", "component")),
        ("power", (2,)),
    ],
)
def test_factors_that_are_not_positive_are_refused(verb, more):
    g = torch.tensor([[1.0, 2.0], [3.0, -4.5]])
    message = r"\(batch entry \(1,\)\): factor 1 is -4\.5, not positive \(with a finite inverse\)$"
    with pytest.raises(NotInGroup, match=message):
        getattr(PositiveScaling(2), verb)(g, *more)


@pytest.mark.bad_input
@pytest.mark.usefixtures("single_precision")
@pytest.mark.parametrize(
    ("verb", "g", "error", "message"),
    [
        pytest.param("admit", [1e-40, 1.0], NotInGroup, "factor 0 is 9.99995e-41", id="tiny"),
        pytest.param("admit", [float("inf"), 1.0], NotFinite, "1 of the 2 entries", id="inf"),
        pytest.param(
            "contains",
            [1.0, 1.0, 1.0],
            ShapeMismatch,
            r"has shape \(\.\.\., 2\), got \(3,\)$",
            id="shape",
        ),
    ],
)
def test_what_are_no_factors_is_refused(verb, g, error, message):
    with pytest.raises(error, match=message):
        getattr(PositiveScaling(2), verb)(torch.tensor(g))


@pytest.mark.bad_input
@pytest.mark.usefixtures("single_precision")
def test_an_exponential_too_large_is_refused_with_the_range():
    message = (
        r"^the factors \(batch entry \(1,\)\) range from 1 to inf: torch.float32 holds 1\.18e-38 "
        r"to 8\.51e\+37$"
    )
    with pytest.raises(OutOfDomain, match=message):
        PositiveScaling(2).exp(torch.tensor([[0.0, 0.0], [0.0, 100.0]]))


BIG = torch.tensor([1.0, 1e30], dtype=torch.float32)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    "call",
    [
        pytest.param(lambda group: group.compose(BIG, BIG), id="compose"),
        pytest.param(lambda group: group.power(BIG, 2), id="square"),
        pytest.param(lambda group: group.power(BIG, -2.0), id="inverse square"),
        pytest.param(lambda group: group.power(BIG, float("nan")), id="nan"),
        pytest.param(
            lambda group: group.exp(torch.full((2,), -100.0, dtype=torch.float32)), id="exp"
        ),
    ],
)
def test_results_outside_the_range_of_the_dtype_are_refused(call):
    with pytest.raises(OutOfDomain, match="the factors range from"):
        call(PositiveScaling(2))


@pytest.mark.bad_input
@pytest.mark.usefixtures("single_precision")
@pytest.mark.parametrize(
    ("call", "message"),
    [
        pytest.param(
            lambda group, ones: group.compose(BIG, ones),
            r"has shape \(\.\.\., 2\), got \(3,\)$",
            id="second factor",
        ),
        pytest.param(
            lambda group, ones: group.compose(ones, BIG),
            r"has shape \(\.\.\., 2\), got \(3,\)$",
            id="first factor",
        ),
        pytest.param(
            lambda group, ones: group.exp(ones),
            "a Lie algebra element of PositiveScaling",
            id="exp",
        ),
    ],
)
def test_more_factors_than_neurons_are_refused(call, message):
    with pytest.raises(ShapeMismatch, match=message):
        call(PositiveScaling(2), torch.ones(3))


@pytest.mark.bad_input
@pytest.mark.parametrize("wrong", [0.5, torch.tensor(1)], ids=["number", "integer"])
def test_times_are_floating_point_tensors(wrong):
    with pytest.raises(DtypeMismatch, match="^the times t: "):
        PositiveScaling(1).path(torch.ones(1))(wrong)


@pytest.mark.bad_input
def test_times_are_finite():
    path = PositiveScaling(1).path(torch.ones(1))
    with pytest.raises(NotFinite, match="the times t: 1 of the 1 entries"):
        path.velocity(torch.tensor(float("nan")))


@pytest.mark.bad_input
def test_samples_of_an_impossible_condition_are_refused():
    with pytest.raises(OutOfDomain, match=r"must lie in \[1, 8\.39e\+06\) for n = 1"):
        PositiveScaling(1).sample(torch.Generator(), condition=1e7, dtype=torch.float32)
