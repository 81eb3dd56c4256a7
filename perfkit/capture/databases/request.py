"""What is to be explained, the same for every database."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import text
from sqlalchemy.engine import Connection, CursorResult

from perfkit.capture.databases.errors import TextStyle

# Tells perfkit's own collectors to look away.
INTERNAL = {"perfkit_internal": True}


@dataclass(frozen=True, slots=True)
class ExplainRequest:
    """One statement with its parameters.

    `style` says how the text is to be read: `named` has `:name` parameters and `parameters` is a mapping,
    `driver` has the driver's own placeholders (and `%%` for `%` where the driver wants that), `plain` has
    none. `timeout_ms` bounds the execution that `analyze` asks for. `analyze_writes` also executes what may
    write; it is rolled back. `executions` is how often a measured block sent it, 0 where none did, and
    `in_cursor` that it read the rows from a cursor in the server. `sent` is what goes to the database in
    place of the statement, its values written into it, so it is never shown.
    """

    statement: str
    parameters: Any
    analyze: bool
    timeout_ms: float
    style: TextStyle
    analyze_writes: bool = False
    executions: int = 0
    in_cursor: bool = False
    sent: str | None = None

    @property
    def has_parameters(self) -> bool:
        """Whether values are bound to the statement."""
        return isinstance(self.parameters, Mapping | list | tuple) and len(self.parameters) > 0

    @property
    def parameter_types(self) -> tuple[str, ...]:
        """The Python types of the values that are bound, in order, such as `int` or `decimal.Decimal`."""
        if not self.has_parameters:
            return ()
        values = self.parameters.values() if isinstance(self.parameters, Mapping) else self.parameters
        return tuple(_type_name(type(value)) for value in values)

    @property
    def written(self) -> str:
        """The statement as the database reads it, but for its values."""
        return self.statement.replace("%%", "%") if self.style == "driver" else self.statement

    def run(self, connection: Connection, prefix: str) -> CursorResult[Any]:
        """Execute the statement with `prefix` before it, through the driver's own parameter binding."""
        statement = prefix + (self.sent or self.statement)
        if self.sent is not None:
            return connection.exec_driver_sql(statement, execution_options={"no_parameters": True})
        if self.style == "named":
            return connection.execute(text(statement), self.parameters)
        if self.style == "driver":
            return connection.exec_driver_sql(statement, self.parameters if self.has_parameters else None)
        # Without values no driver may look for placeholders: `LIKE 'a%'` is nothing but text.
        return connection.exec_driver_sql(statement, execution_options={"no_parameters": True})


def parameter_names(statement: str) -> list[str]:
    """The `:name` parameters of a statement, as SQLAlchemy reads them: `::type` is none."""
    return list(text(statement).compile().params)


def _type_name(cls: type) -> str:
    return cls.__qualname__ if cls.__module__ == "builtins" else f"{cls.__module__}.{cls.__qualname__}"
