import gc

import pytest


@pytest.fixture
def quick_collections():
    """Collecting garbage before each simulated run is quick when what exists already is set aside."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()
