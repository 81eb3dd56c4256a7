"""A pytest fixture that counts statements: `assert query_counter.count <= 1`.

Every pytest run of every project that installs perfkit loads this module, so it imports nothing until a test
asks for the fixture.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from perfkit.capture.queries import QueryCollector
    from perfkit.model.trace import Trace


class StatementCount(int):
    """A number of statements that knows them, so that a failing assertion can list them."""

    counter: "QueryCounter"


class QueryCounter:
    """Every statement that the test has sent so far, through any SQLAlchemy engine."""

    def __init__(self) -> None:
        self._collector = self._started()

    @property
    def count(self) -> StatementCount:
        """How many statements were sent; a failing comparison lists them with their lines."""
        count = StatementCount(self._collector.count)
        count.counter = self
        return count

    @property
    def trace(self) -> "Trace":
        """The statements so far, as `perfkit.diagnose` takes them."""
        from perfkit.model.trace import Trace

        log = self._collector.log()
        return Trace("test", "", log.duration_ms, queries=log.spans, transactions=log.transactions)

    def reset(self) -> None:
        """Forget what was sent so far, for example by the preparation of the test."""
        self.close()
        self._collector = self._started()

    def close(self) -> None:
        """Stop counting."""
        self._collector.stop()

    def listing(self) -> list[str]:
        """The statements by shape, each with its count and its lines."""
        from perfkit.views.queries import statement_lines

        return statement_lines(self.trace).splitlines()

    def __repr__(self) -> str:
        return "query_counter"

    @staticmethod
    def _started() -> "QueryCollector":
        from perfkit.capture.queries import QueryCollector

        collector = QueryCollector()
        collector.start()
        return collector


@pytest.fixture
def query_counter() -> Iterator[QueryCounter]:
    """Count the statements that the test sends through SQLAlchemy."""
    counter = QueryCounter()
    try:
        yield counter
    finally:
        counter.close()


def pytest_assertrepr_compare(op: str, left: object, right: object) -> list[str] | None:
    """List the statements when a comparison of their count fails."""
    counts = [side for side in (left, right) if isinstance(side, StatementCount)]
    if not counts:
        return None
    return [f"{int(left)} {op} {int(right)} statements", *counts[0].counter.listing()]  # type: ignore[call-overload]
