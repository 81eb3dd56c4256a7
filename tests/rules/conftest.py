"""Real databases for the rules that are tested on real programs."""

import sys
from pathlib import Path

import pytest
from sqlalchemy import create_engine

sys.path.insert(0, str(Path(__file__).parents[1] / "capture"))

from plan_server import plan_server  # noqa: F401  the fixture that starts PostgreSQL


@pytest.fixture
def postgres(plan_server):  # noqa: F811
    """An engine on a real PostgreSQL: 2,000 customers, 200,000 orders."""
    engine = create_engine(plan_server)
    yield engine
    engine.dispose()
