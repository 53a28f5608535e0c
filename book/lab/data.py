"""Chapters 1, 2 and 7: the handwritten digits that ship with scikit-learn."""

import importlib
from typing import TypeAlias

import torch
from jaxtyping import Float, Int
from torch import Tensor

from mc_lib.checks import TOLERANCE
from mc_lib.errors import DtypeMismatch, McLibError, OutOfDomain

Labelled: TypeAlias = tuple[Float[Tensor, "64 _"], Int[Tensor, "_"]]
"""Images as columns, with the digit that each one shows."""

IMAGES = 1797
LARGEST = 16  # a pixel counts the dark dots of a 4 × 4 block


class NotInstalled(McLibError):
    """A package that only some functions need and that is absent; says how to get it."""


def digits(
    generator: torch.Generator,
    *,
    test: int = 597,
    dtype: torch.dtype | None = None,
) -> tuple[Labelled, Labelled]:
    """Return handwritten digits to train on, and others to test on.

    1797 images of 8 × 8 pixels, drawn by 43 people (Alpaydin & Kaynak 1998, the test part
    of the "Optical Recognition of Handwritten Digits" data of the UCI repository). They
    are put in a random order, and the last `test` of them are held out.

    Args:
        generator: the source of randomness; the result lives on its device.
        test: how many images are held out, from 1 to 1796.
        dtype: of the images; torch's default dtype if None.

    Returns:
        (X, labels) of the images to train on and (X, labels) of those held out. X has a
        column for each image: its 64 pixels row by row, from 0 (white) to 1 (black).

    Raises:
        OutOfDomain: `test` leaves no image to train on or none to test on.
        DtypeMismatch: a dtype that is not float32 or float64.
        NotInstalled: scikit-learn, which holds the images, is absent.

    >>> (X, labels), (held_out, _) = digits(torch.Generator().manual_seed(0))
    >>> X.shape, held_out.shape, sorted(set(labels.tolist()))
    (torch.Size([64, 1200]), torch.Size([64, 597]), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
    """
    if not 1 <= test < IMAGES:
        raise OutOfDomain(f"hold out 1 to {IMAGES - 1} of the {IMAGES} images, got test = {test}")
    dtype = dtype or torch.get_default_dtype()
    if dtype not in TOLERANCE:
        raise DtypeMismatch(f"dtype {dtype} is not supported: use torch.float64 or torch.float32")
    try:
        datasets = importlib.import_module("sklearn.datasets")
    except ImportError:
        raise NotInstalled(
            "the digits ship with scikit-learn, which is not installed: "
            "pip install scikit-learn, or pip install mc_lib[book]"
        ) from None
    pixels, shown = datasets.load_digits(return_X_y=True)
    order = torch.randperm(IMAGES, generator=generator, device=generator.device)
    images = (torch.as_tensor(pixels, dtype=dtype) / LARGEST).to(order.device)[order].mT
    labels = torch.as_tensor(shown).to(order.device)[order]
    kept = IMAGES - test
    return (images[:, :kept], labels[:kept]), (images[:, kept:], labels[kept:])
