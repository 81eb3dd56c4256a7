import gc

import pytest
from hypothesis import settings

# How long an example takes says nothing about its truth, and machines are shared.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")


@pytest.fixture(scope="module")
def quick_collections():
    """Collecting garbage before each simulated run is quick when what exists already is set aside."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()
