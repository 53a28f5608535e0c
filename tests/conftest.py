"""The shapes of every signature are checked while the tests run.

With MC_LIB_PLAIN=1 they are not, as for users: then the tests marked `bad_input` run, which
ask for the library's own errors, and those of random examples and those marked `slow`, which
such checks make twice as slow. With MC_LIB_PLAIN=all every test runs so.
With MC_LIB_FLOAT32=1 torch's default dtype is float32, as users have it: for doctests.
"""

import os
from collections.abc import Iterator

import hypothesis
import pytest
import torch

DTYPE = torch.float32 if os.environ.get("MC_LIB_FLOAT32") else torch.float64
torch.set_default_dtype(DTYPE)  # float64 as in the book; a test of float32 names it
MODE = os.environ.get("MC_LIB_PLAIN", "")
PLAIN = MODE != ""
if not PLAIN:
    from jaxtyping import install_import_hook

    install_import_hook(
        "mc_lib", "beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))"
    )

# deterministic, so that two runs of the suite say the same; `make test-long` searches on
hypothesis.settings.register_profile("suite", max_examples=25, deadline=None, derandomize=True)
hypothesis.settings.register_profile("long", max_examples=10_000, deadline=None)
hypothesis.settings.load_profile(os.environ.get("MC_LIB_HYPOTHESIS", "suite"))


@pytest.hookimpl(trylast=True)  # once hypothesis has marked its tests
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if MODE == "all":
        return
    plain = [
        any(map(item.get_closest_marker, ("bad_input", "hypothesis", "slow"))) for item in items
    ]
    config.hook.pytest_deselected(
        items=[x for x, p in zip(items, plain, strict=True) if p != PLAIN]
    )
    items[:] = [x for x, p in zip(items, plain, strict=True) if p == PLAIN]


@pytest.fixture(params=[torch.float32, torch.float64], ids=["float32", "float64"])
def dtype(request: pytest.FixtureRequest) -> torch.dtype:
    return request.param


@pytest.fixture
def single_precision() -> Iterator[None]:
    """For this test torch's default dtype is float32, as it is for users who set none."""
    torch.set_default_dtype(torch.float32)
    yield
    torch.set_default_dtype(DTYPE)


@pytest.fixture
def generator() -> torch.Generator:
    return torch.Generator().manual_seed(20250523)
