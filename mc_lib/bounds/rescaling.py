"""Loss on the segment between a minimum and its rescaling (Propositions 5.3, 5.6).

Two weights around a k-homogeneous activation, (W_{l-1}, W_l) ↦ (m W_{l-1}, m⁻ᵏ W_l). On
the segment the output is f Y with f = (1−α+αm⁻ᵏ)(1−α+αm)ᵏ. With s = log m and the gap
A(α, s) = log(1−α+αeˢ) − αs, which is ≥ 0 (weighted AM–GM) and convex in s,

    log f = A(α, −ks) + k A(α, s),

so f ≥ 1 on the segment for every k > 0, and f grows with |s| on either side of s = 0.
Computed so, losses near 0 keep their relative accuracy, and large ones do not overflow
before their value does. Measured relative error, ε the spacing of the dtype at 1: below
10 ε while |s| and k|s| are below 1, below 1000 ε up to the largest losses.
"""

import math

import torch
from torch import Tensor

from mc_lib.bounds.formula import Arguments, Number, Result


def rescaling_loss(m: Number, k: Number, alpha: Number, Y_norm: Number) -> Result:
    """Return the loss at α on the segment from W to its rescaling by m.

    (1 − (1−α+αm⁻ᵏ)(1−α+αm)ᵏ)² ‖Y‖² (Section 5.2, eq. 14).

    Args:
        m: factor > 0 of W_{l-1}.
        k: degree > 0 of the activation, σ(cz) = cᵏσ(z).
        alpha: place on the segment, in [0, 1].
        Y_norm: ‖Y‖ ≥ 0, Frobenius.

    Returns:
        A sum of squares ≥ 0.

    Raises:
        OutOfDomain: an argument outside these ranges, or the loss overflows.

    >>> round(rescaling_loss(2, 1, 0.5, 8), 12)  # ((1 + 1/2)(1 + 2)/4 − 1)² 64
    1.0
    """
    given = Arguments.of("rescaling_loss", m=m, k=k, alpha=alpha, Y_norm=Y_norm)
    m, k, alpha, y = given
    _require_rescaling(given)
    given.require((alpha >= 0) & (alpha <= 1), "0 ≤ alpha ≤ 1")
    return given.result(segment_loss(m, k, alpha, y))


def rescaling_midpoint_loss(m: Number, k: Number, Y_norm: Number) -> Result:
    """Return the loss at the middle of the segment from W to its rescaling by m.

    (2^{-(k+1)} (1+m⁻ᵏ)(1+m)ᵏ − 1)² ‖Y‖² (Section 5.2, eq. 15), unchanged by m → 1/m.

    Args:
        m: factor > 0 of W_{l-1}.
        k: degree > 0 of the activation.
        Y_norm: ‖Y‖ ≥ 0.

    Returns:
        A sum of squares ≥ 0.

    Raises:
        OutOfDomain: as `rescaling_loss`.

    >>> round(rescaling_midpoint_loss(3, 1, 3), 12)  # ((1 + 1/3)(1 + 3)/4 − 1)² 9
    1.0
    """
    given = Arguments.of("rescaling_midpoint_loss", m=m, k=k, Y_norm=Y_norm)
    m, k, y = given
    _require_rescaling(given)
    return given.result(segment_loss(m, k, torch.full_like(m, 0.5), y))


def rescaling_barrier(m: Number, k: Number, Y_norm: Number) -> tuple[Result, Result]:
    """Return where on the segment the loss (14) is largest, and how large.

    With a = m⁻ᵏ − 1, b = m − 1, log f = log(1+αa) + k log(1+αb) is concave in α and 0 at
    both ends, so f ≥ 1 and the loss peaks where f does: a(1+αb) + kb(1+αa) = 0, that is
    α = −(a+kb) / ((k+1)ab). For k = 1 it is ½, with loss ((m + 1/m − 2)/4)² ‖Y‖² (ours);
    as m → ∞ it is k/(k+1). For m = 1 the loss is 0 throughout, and α = ½, the limit.

    Args:
        m: factor > 0 of W_{l-1}.
        k: degree > 0 of the activation.
        Y_norm: ‖Y‖ ≥ 0.

    Returns:
        (α, the loss there), α in (0, 1).

    Raises:
        OutOfDomain: as `rescaling_loss`.

    >>> alpha, height = rescaling_barrier(2, 1, 8)
    >>> alpha, round(height, 12)
    (0.5, 1.0)
    """
    given = Arguments.of("rescaling_barrier", m=m, k=k, Y_norm=Y_norm)
    m, k, y = given
    _require_rescaling(given)
    alpha = peak(m, k)
    height = segment_loss(m, k, alpha, y)
    return given.result(alpha.expand_as(height)), given.result(height)


def rescaling_factor(b: Number, k: Number, Y_norm: Number) -> Result:
    """Return a factor m whose rescaling puts a loss above b at the middle of the segment.

    m = [2^{k+1} (√b/‖Y‖ + 1)]^{1/k} (proof of Proposition 5.3), raised by the rounding
    of the dtype so that the computed `rescaling_midpoint_loss(m, k, Y_norm)` is above b
    too: in exact arithmetic it is, because (1+m⁻ᵏ)(1+m)ᵏ > mᵏ.

    Args:
        b: the loss to exceed, > 0.
        k: degree > 0 of the activation.
        Y_norm: ‖Y‖ > 0.

    Returns:
        m > 1.

    Raises:
        OutOfDomain: an argument outside these ranges, or m overflows (small k, large b).

    >>> round(rescaling_factor(1, 1, 1), 12)  # 4 (1 + 1)
    8.0
    """
    given = Arguments.of("rescaling_factor", b=b, k=k, Y_norm=Y_norm)
    b, k, y = given
    given.require(b > 0, "b > 0")
    given.require(k > 0, "k > 0")
    given.require(y > 0, "Y_norm > 0")
    log_ratio = b.log() / 2 - y.log()
    log_power = (k + 1) * math.log(2) + torch.logaddexp(torch.zeros_like(k), log_ratio)
    rounding = 16 * torch.finfo(k.dtype).eps * (1 + log_power)
    return given.result(((log_power + rounding) / k).exp())


def _require_rescaling(given: Arguments) -> None:
    given.require(given.values["m"] > 0, "m > 0")
    given.require(given.values["k"] > 0, "k > 0")
    given.require(given.values["Y_norm"] >= 0, "Y_norm ≥ 0")


def segment_loss(m: Tensor, k: Tensor, alpha: Tensor, y: Tensor) -> Tensor:
    """Return (14) for tensors inside its domain; infinite where it overflows.

    >>> segment_loss(*(torch.tensor(x) for x in (2.0, 1.0, 0.5, 1.0)))
    tensor(0.0156)
    """
    s = m.log()
    log_f = _gap(alpha, -k * s) + k * _gap(alpha, s)
    # f − 1 is f beyond e⁴⁰ in either dtype, and f ‖Y‖ may fit where f does not
    return torch.where(log_f < 40, log_f.expm1() * y, (log_f + y.log()).exp()) ** 2


def _gap(alpha: Tensor, s: Tensor) -> Tensor:
    """A(α, s) = log(1−α+αeˢ) − αs, to full relative accuracy as s → 0 and as α → 0, 1."""
    flip = alpha > 0.5  # A(α, s) = A(1−α, −s)
    alpha, s = torch.where(flip, 1 - alpha, alpha), torch.where(flip, -s, s)
    near = ((1 - alpha) * _phi(-alpha * s) + alpha * _phi((1 - alpha) * s)).log1p()
    far = torch.logaddexp((-alpha).log1p(), alpha.log() + s) - alpha * s
    return torch.where(s.abs() < 1, near, far)


def peak(m: Tensor, k: Tensor) -> Tensor:
    """Return the maximiser of (14) over α; at m it is one minus that at 1/m.

    >>> peak(torch.tensor(4.0), torch.tensor(1.0))
    tensor(0.5000)
    """
    r = m.log().abs()
    # −(a+kb)/(ab) with a = e⁻ᵏʳ − 1, b = eʳ − 1, where a + kb = φ(−kr) + kφ(r), term by term
    down, up = -(-k * r).expm1(), r.expm1()
    ratio = torch.where(r < 1, _phi(r) / up, 1 - r / up)  # φ(r)/b, which cannot overflow
    alpha = (_phi(-k * r) / up + k * ratio) / (down * (k + 1))
    alpha = torch.where(m < 1, 1 - alpha, alpha)
    return torch.where((k == 1) | (r == 0), 0.5, alpha)


def _phi(x: Tensor) -> Tensor:
    """φ(x) = eˣ − 1 − x, by its series where the difference would cancel."""
    tail = torch.ones_like(x)
    for n in range(20, 2, -1):
        tail = 1 + tail * x / n
    return torch.where(x.abs() < 1, tail * x**2 / 2, x.expm1() - x)
