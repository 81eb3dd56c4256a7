"""The fixture `query_counter`: what a test has sent so far."""

from types import TracebackType
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from perfkit.capture.queries import QueryCollector
    from perfkit.model.trace import Trace


class StatementCount(int):
    """A number of statements that knows them, so that a failing assertion can list them."""

    counter: "QueryCounter"


class QueryCounter:
    """Every statement that the test has sent so far.

    Statements of tasks and threads that were at work before it began counting are not the test's: they are
    in no count and break no budget.
    """

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
        from perfkit.pytest_plugin.watching import trace_of

        return trace_of(self._collector.log())

    def max(self, maximum: int) -> "QueryBudget":
        """Allow a part of the test at most so many statements: `with query_counter.max(3): ...`.

        Args:
            maximum: how many statements the block may send.

        Returns:
            A context manager that fails the test, with the statements and their lines, when the block has
            sent more. `as part` gives a counter of that part.

        Raises:
            TypeError: if the maximum is no whole number of at least 0.
        """
        return QueryBudget(maximum)

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


class QueryBudget:
    """At most so many statements within a `with` block; made by `query_counter.max`."""

    def __init__(self, maximum: int) -> None:
        if not is_count(maximum):
            raise TypeError("query_counter.max takes a whole number of statements: query_counter.max(3)")
        self._maximum = maximum
        self._parts: list[QueryCounter] = []

    def __enter__(self) -> QueryCounter:
        self._parts.append(QueryCounter())
        return self._parts[-1]

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        __tracebackhide__ = True  # the line to show is that of the `with`
        part = self._parts.pop()
        part.close()
        if error is None and part.count > self._maximum:
            from perfkit.pytest_plugin.watching import over_budget

            pytest.fail(over_budget(part.trace, self._maximum, f"query_counter.max({self._maximum})"))


def is_count(value: object) -> bool:
    """Whether this can be a number of statements."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
