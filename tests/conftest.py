"""Every test, whatever it does, leaves nothing of perfkit behind in the process."""

import sys
import threading

import pytest
from sqlalchemy.engine import Dialect, Engine

EVENTS = ("before_cursor_execute", "after_cursor_execute", "begin", "commit", "rollback")


def leftovers() -> dict[str, object]:
    """What perfkit could have left in this process."""
    monitoring = getattr(sys, "monitoring", None)
    return {
        "listeners": {name: _listeners(Engine, name) for name in EVENTS},
        "error listeners": _listeners(Dialect, "handle_error"),
        "threads": sorted(t.name for t in threading.enumerate() if t.name.startswith("perfkit")),
        "profiler": sys.getprofile(),
        "tools": [monitoring.get_tool(i) for i in range(6)] if monitoring else [],
    }


def _listeners(cls: type, event: str) -> int:
    """Class-level listeners; SQLAlchemy keeps no public count of them."""
    return len(getattr(cls.dispatch, event)._clslevel.get(cls, ()))


@pytest.fixture(autouse=True)
def _nothing_stays_behind():
    before = leftovers()
    yield
    assert leftovers() == before
