"""What holds at scale 1 holds at every scale of the dtype, and beyond it is refused."""

from fractions import Fraction

import hypothesis.strategies as st
import mpmath
import numpy as np
import pytest
import torch
from hypothesis import given

from mc_lib.curves import OrbitCurve
from mc_lib.errors import McLibError, NoRealLogarithm, NotFinite, NotInGroup, OutOfDomain
from mc_lib.groups import GeneralLinear, Orthogonal, PositiveScaling
from mc_lib.groups.rotation import orthogonality_defect
from mc_lib.groups.sampling import spread
from mc_lib.layers import Layer
from mc_lib.symmetry import Symmetry

HALF = {torch.float64: 150, torch.float32: 17}  # half of the exponents of the dtype
EQUAL = {torch.float64: 1e-10, torch.float32: 1e-4}  # what the library calls equal

sizes = st.integers(1, 5)
seeds = st.integers(0, 2**32 - 1)
dtypes = st.sampled_from([torch.float64, torch.float32])
heights = st.sampled_from([-1.0, -0.9, -0.3, 0.3, 0.9, 1.0])


def scaled(n, seed, height, dtype, component=1):
    """A random element of condition number 5 and size 10^(height · half the exponents)."""
    generator = torch.Generator().manual_seed(seed)
    g = GeneralLinear(n).sample(generator, condition=5.0, component=component)
    return (g * 10.0 ** (height * HALF[dtype])).to(dtype)


def exact(x):
    return mpmath.matrix(x.double().tolist())


def gap(a, b):
    """‖a − b‖ / ‖b‖, without under- or overflow."""
    return float(mpmath.mnorm(a - b, "f") / mpmath.mnorm(b, "f"))


@pytest.fixture(autouse=True)
def sixty_digits():
    with mpmath.workdps(60):
        yield


def axis(g):
    """Whether g has eigenvalues near the negative axis, from the matrix at scale 1."""
    values = np.linalg.eigvals(g.double().numpy() / float(g.abs().max()))
    return ((values.real < 0) & (abs(values.imag) < 1e-2 * abs(values))).any()


# -- the logarithm -----------------------------------------------------------------
@given(sizes, seeds, heights, dtypes)
def test_a_logarithm_gives_back_its_matrix_at_every_scale(n, seed, height, dtype):
    g = scaled(n, seed, height, dtype)
    if axis(g):
        return
    assert bool(GeneralLinear(n).has_real_log(g))
    m = GeneralLinear(n).log(g)
    assert m.dtype == dtype
    with mpmath.workdps(60):
        assert gap(mpmath.expm(exact(m)), exact(g)) <= EQUAL[dtype]


@given(
    st.lists(st.sampled_from([-3.0, -1.0, -0.5, 2.0, 1.0]), min_size=1, max_size=5),
    heights,
    dtypes,
)
def test_negative_eigenvalues_must_pair_up_at_every_scale(entries, height, dtype):
    group, unit = GeneralLinear(len(entries)), 2.0 ** int(3.3 * height * HALF[dtype])
    g = torch.diag(torch.tensor(entries, dtype=dtype) * unit)
    paired = all(entries.count(x) % 2 == 0 for x in entries if x < 0)
    assert bool(group.has_real_log(g)) == paired
    if not paired:
        with pytest.raises(NoRealLogarithm):
            group.log(g)
        return
    with mpmath.workdps(60):
        assert gap(mpmath.expm(exact(group.log(g))), exact(g)) <= EQUAL[dtype]


@pytest.mark.parametrize("scale", [1e-305, 1e-170, 1e160, 1e305])
def test_logarithms_near_the_ends_of_the_range_are_right(scale):
    g = torch.tensor([[1.0, 2.0], [-0.5, 0.3]]) * scale
    assert gap(mpmath.expm(exact(GeneralLinear(2).log(g))), exact(g)) <= 1e-10
    assert bool(GeneralLinear(2).has_real_log(-torch.eye(2) * scale))
    assert not bool(GeneralLinear(2).has_real_log(torch.diag(torch.tensor([-1.0, -2.0])) * scale))


@pytest.mark.parametrize(("scale", "t"), [(1e-150, 2.0**-6), (1e150, 2.0**-6)])
def test_an_orbit_goes_to_its_end_at_every_scale(scale, t):
    g = torch.tensor([[1.0, 2.0], [-0.5, 0.3]]) * scale
    w = (torch.tensor([[1.0, -2.0], [3.0, 0.5]]), torch.tensor([[0.25, 1.0]]))
    curve = OrbitCurve.between(Symmetry.chain([Layer(GeneralLinear(2))]), (g,), w)
    base = mpmath.logm(exact(g) / mpmath.mpf(scale))
    root = mpmath.expm(t * base) * mpmath.mpf(scale) ** t
    w1, w2 = curve(t)
    assert gap(exact(w1), root * exact(w[0])) <= 1e-10
    assert gap(exact(w2), exact(w[1]) * mpmath.inverse(root)) <= 1e-10


# -- the other verbs of GL -----------------------------------------------------------
@given(sizes, seeds, heights, dtypes)
def test_polar_factors_at_every_scale(n, seed, height, dtype):
    g = scaled(n, seed, height, dtype, component=None)
    q, s = (exact(x) for x in GeneralLinear(n).polar(g))
    with mpmath.workdps(60):
        rounding = 100 * n * torch.finfo(dtype).eps
        assert gap(q * s, exact(g)) <= rounding
        assert gap(q.T * q, mpmath.eye(n)) <= rounding
        assert s == s.T and min(mpmath.eigsy(s, eigvals_only=True)) > 0


@given(sizes, seeds, heights, dtypes)
def test_a_path_ends_at_g_and_keeps_its_determinant_positive(n, seed, height, dtype):
    g = scaled(n, seed, height, dtype)
    start, middle, end = GeneralLinear(n).path(g)(torch.tensor([0.0, 0.5, 1.0], dtype=dtype))
    with mpmath.workdps(60):
        accuracy = {torch.float64: 1e-12, torch.float32: 1e-4}[dtype]
        assert gap(exact(start), mpmath.eye(n)) <= accuracy
        assert gap(exact(end), exact(g)) <= accuracy
        root = mpmath.sqrt(mpmath.det(exact(g)))
        assert abs(mpmath.det(exact(middle)) / root - 1) <= n * accuracy


def determinant(g):
    """By cofactors, in fractions."""
    if len(g) == 1:
        return g[0][0]
    minors = ([row[:j] + row[j + 1 :] for row in g[1:]] for j in range(len(g)))
    return sum((-1) ** j * g[0][j] * determinant(m) for j, m in enumerate(minors))


@given(sizes, seeds, heights, dtypes, st.sampled_from([1, -1]))
def test_the_component_is_the_sign_of_the_exact_determinant(n, seed, height, dtype, sign):
    g = scaled(n, seed, height, dtype, component=sign)
    det = determinant([[Fraction(x) for x in row] for row in g.tolist()])
    assert int(GeneralLinear(n).component(g)) == (1 if det > 0 else -1) == sign


@given(sizes, seeds, heights, dtypes)
def test_inverses_and_products_at_every_scale_or_refused(n, seed, height, dtype):
    group = GeneralLinear(n)
    g, h = scaled(n, seed, height, dtype), scaled(n, seed + 1, height, dtype)
    with mpmath.workdps(60):
        rounding = 100 * n * torch.finfo(dtype).eps
        assert gap(exact(group.inverse(g)) * exact(g), mpmath.eye(n)) <= rounding
        assert gap(exact(group.compose(g, h)), exact(g) * exact(h)) <= rounding


@given(sizes, seeds, heights, dtypes)
def test_the_action_at_every_scale(n, seed, height, dtype):
    symmetry = Symmetry.chain([Layer(GeneralLinear(n))])
    g = scaled(n, seed, height, dtype)
    w = (scaled(n, seed + 1, -height, dtype), scaled(n, seed + 2, height, dtype))
    w1, w2 = symmetry.act((g,), w)
    with mpmath.workdps(60):
        rounding = 100 * n * torch.finfo(dtype).eps
        assert gap(exact(w1), exact(g) * exact(w[0])) <= rounding
        assert gap(exact(w2) * exact(g), exact(w[1])) <= rounding


@pytest.mark.parametrize("n", [2, 64, 512])
def test_samples_of_wide_layers_have_the_component_asked_for(n, dtype):
    for component in (1, -1):
        generator = torch.Generator().manual_seed(n)
        g = GeneralLinear(n).sample(generator, component=component, dtype=dtype)
        q = Orthogonal(n).sample(generator, component=component, dtype=dtype)
        for x in (g, q):
            assert np.linalg.slogdet(x.double().numpy())[0] == component


def test_equal_random_numbers_are_spread_like_any_others():
    equal = torch.full((2, 3), 0.25, dtype=torch.float32)
    assert spread(equal).tolist() == [[-1.0, 0.0, 1.0]] * 2


# -- refusals ---------------------------------------------------------------------------
TINY = torch.tensor([[1.0, 2.0], [-0.5, 0.3]]) * 1e-320
HUGE = torch.tensor([[1.0, 2.0], [-0.5, 0.3]]) * 8e307
SMALL = (TINY * 1e280).float()  # 1e-40 is subnormal in float32
PAIR = (torch.eye(2), torch.eye(2))


@pytest.mark.bad_input
@pytest.mark.parametrize("g", [TINY, HUGE, SMALL], ids=["tiny", "huge", "float32"])
@pytest.mark.parametrize("verb", ["log", "has_real_log", "polar", "path", "inverse", "component"])
def test_a_matrix_whose_inverse_leaves_the_range_is_no_element(verb, g):
    with pytest.raises(NotInGroup, match="its inverse leaves the range"):
        getattr(GeneralLinear(2), verb)(g)
    assert not bool(GeneralLinear(2).contains(g))


@pytest.mark.bad_input
@pytest.mark.parametrize("g", [TINY, HUGE], ids=["tiny", "huge"])
def test_such_a_matrix_does_not_act(g):
    with pytest.raises(NotInGroup, match=r"its inverse leaves the range of torch\.float64"):
        Symmetry.chain([Layer(GeneralLinear(2))]).act((g,), PAIR)


@pytest.mark.bad_input
@pytest.mark.parametrize("group", [GeneralLinear(2), PositiveScaling(2)], ids=str)
@pytest.mark.parametrize(("g", "w"), [(1e200, 1e200), (1e-200, 1e200), (1e-200, 1e-200)])
def test_an_action_that_over_or_underflows_is_refused(group, g, w):
    element = group.identity() * g
    with pytest.raises(NotFinite, match=r"^g·w leaves the range of torch\.float64: a weight with"):
        Symmetry.chain([Layer(group)]).act((element,), (w * torch.eye(2), w * torch.eye(2)))


def test_weights_that_are_zero_or_subnormal_may_be_moved():
    symmetry = Symmetry.chain([Layer(PositiveScaling(2))])
    w = (torch.zeros(2, 2), torch.full((1, 2), 1e-310))
    moved = symmetry.act((torch.full((2,), 4.0),), w)
    assert not moved[0].any() and torch.allclose(moved[1], w[1] / 4, rtol=1e-10, atol=0)


@pytest.mark.bad_input
def test_products_and_exponentials_that_leave_the_range_are_refused():
    group, eye = GeneralLinear(2), torch.eye(2)
    for scale in (1e-170, 1e170):
        with pytest.raises(OutOfDomain, match=r"^gh leaves the range of torch\.float64$"):
            group.compose(scale * eye, scale * eye)
    with pytest.raises(OutOfDomain, match=r"^exp\(M\) underflows torch\.float64: ‖M‖ = "):
        group.exp(-1e3 * eye)
    with pytest.raises(OutOfDomain, match=r"^exp\(M\) overflows torch\.float64: ‖M‖ = 1\.41e\+200"):
        group.exp(1e200 * eye)
    turn = torch.tensor([[0.0, -1.0], [1.0, 0.0]])
    for size in (1e9, 1e200):
        with pytest.raises(OutOfDomain, match=r"^exp\(M\) is not orthogonal to 1e-10: ‖M‖ has the"):
            Orthogonal(2).exp(size * turn)


@pytest.mark.bad_input
def test_paths_far_outside_their_interval_are_refused_not_infinite():
    t = torch.tensor([0.0, 1000.0])
    for path in (
        GeneralLinear(2).path(torch.diag(torch.tensor([4.0, 9.0]))),
        PositiveScaling(2).path(torch.tensor([4.0, 9.0])),
    ):
        for verb in (path, path.velocity, path.acceleration):
            with pytest.raises(
                NotFinite, match=r"leaves the range of torch\.float64 for t between"
            ):
                verb(t)


@pytest.mark.parametrize("scale", [1e-200, 1e200])
def test_what_is_far_from_orthogonal_has_a_defect_without_nan(scale):
    turn = torch.tensor([[1.0, -1.0], [1.0, 1.0]])
    assert float(orthogonality_defect(scale * turn)) >= 1
    assert not bool(Orthogonal(2).contains(scale * torch.ones(2, 2)))


@pytest.mark.parametrize("height", range(-320, 309, 8))
def test_no_verb_returns_what_is_not_finite_at_any_scale(height):
    g = torch.tensor([[1.0, 2.0], [-0.5, 0.3]]) * float(f"1e{height}")
    group, symmetry = GeneralLinear(2), Symmetry.chain([Layer(GeneralLinear(2))])
    for verb in (
        lambda: group.log(g),
        lambda: group.polar(g)[1],
        lambda: group.inverse(g),
        lambda: group.compose(g, g),
        lambda: group.path(g)(torch.tensor(1.0)),
        lambda: symmetry.act((g,), PAIR)[1],
        lambda: OrbitCurve.between(symmetry, (g,), PAIR)(0.001)[1],
    ):
        try:
            found = verb()
        except McLibError:
            continue
        assert found.isfinite().all() and found.any()
