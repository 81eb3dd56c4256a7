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
    none. `timeout_ms` bounds the execution that `analyze` asks for.
    """

    statement: str
    parameters: Any
    analyze: bool
    timeout_ms: float
    style: TextStyle

    @property
    def has_parameters(self) -> bool:
        """Whether values are bound to the statement."""
        return isinstance(self.parameters, Mapping | list | tuple) and len(self.parameters) > 0

    def run(self, connection: Connection, prefix: str) -> CursorResult[Any]:
        """Execute the statement with `prefix` before it, through the driver's own parameter binding."""
        statement = prefix + self.statement
        if self.style == "named":
            return connection.execute(text(statement), self.parameters)
        if self.style == "driver":
            return connection.exec_driver_sql(statement, self.parameters if self.has_parameters else None)
        # Without values no driver may look for placeholders: `LIKE 'a%'` is nothing but text.
        return connection.exec_driver_sql(statement, execution_options={"no_parameters": True})
