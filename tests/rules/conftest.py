"""Real databases for the rules that are tested on real programs."""

import pytest
from sqlalchemy import create_engine


@pytest.fixture
def postgres(plan_server):
    """An engine on a real PostgreSQL: 2,000 customers, 200,000 orders."""
    engine = create_engine(plan_server)
    yield engine
    engine.dispose()
