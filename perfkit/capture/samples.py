"""The first statement of each shape, kept with its real parameters while the block runs.

Samples never enter a trace: they hold the user's values. They exist so that a plan can be asked for with
the parameters that the statement really had, and are dropped when the block has been judged.
"""

from dataclasses import dataclass
from typing import Any

from sqlalchemy.engine import Engine

from perfkit.model.location import CodeLocation


@dataclass(slots=True)
class StatementSample:
    """One statement as the driver received it. `parameters` are the driver's own, in its own style.

    `in_cursor` says that its rows were fetched from a cursor in the server (SQLAlchemy's `stream_results`).
    """

    fingerprint: str
    statement: str
    parameters: Any
    engine: Engine
    executemany: bool = False
    executions: int = 1
    total_ms: float = 0.0
    call_site: CodeLocation | None = None
    in_cursor: bool = False
