"""What one recorded pair is made of."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy.engine import Connection

from perfkit.model.trace import Trace

# Given a connection in autocommit, whose search path is the case's own schema.
Recorder = Callable[[Connection], Trace]


@dataclass(frozen=True)
class Statement:
    """One statement to explain, and what is done on the same connection before it.

    Attributes:
        sql: with `:name` parameters.
        parameters: their values.
        before: SQL that is executed first, and lasts: settings, an index, another shape of the data.
        analyze_writes: execute a statement that writes; it is rolled back.
    """

    sql: str
    parameters: Mapping[str, Any] | None = None
    before: str = ""
    analyze_writes: bool = False


@dataclass(frozen=True)
class PlanCase:
    """Two statements on the same tables. The file is named like the rule's module.

    Attributes:
        setup: SQL that makes the tables in an empty schema; VACUUM ANALYZE follows.
        fires: the rule has something to say about this.
        silent: looks alike, and there is nothing to say. It is recorded after `fires`, on the same tables.
        node: the type of the node that the finding must point at, or "" where it is about the whole.
        mentions: what the advice must hold, such as the statement to paste.
    """

    setup: str
    fires: Statement | Recorder
    silent: Statement | Recorder
    node: str = ""
    mentions: str = ""
