"""The first statement of each shape, kept with its real parameters while the block runs.

Samples never enter a trace: they hold the user's values. They exist so that a plan can be asked for with
the parameters that the statement really had, and are dropped when the block has been judged.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy.engine import Engine

from perfkit.capture.fingerprint import fingerprint, shape_id
from perfkit.model.location import CodeLocation
from perfkit.model.query import QuerySpan


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


def finished_samples(
    samples: Mapping[str, StatementSample], spans: Iterable[QuerySpan]
) -> tuple[StatementSample, ...]:
    """The samples of a block that is over, with what its statements say of them.

    Args:
        samples: by the text that their shape comes from.
        spans: the statements of the block that are kept one by one.
    """
    groups: dict[str, list[QuerySpan]] = {}
    for span in spans:
        groups.setdefault(span.fingerprint, []).append(span)
    for shape_source, sample in samples.items():
        sample.fingerprint = shape_id(fingerprint(shape_source, sample.engine.dialect.name))
        members = groups.get(sample.fingerprint)
        if not members:
            continue  # its shape came after those that are kept
        sample.executions, sample.call_site = len(members), members[0].call_site
        sample.total_ms = sum(span.duration_ms for span in members)
    return tuple(samples.values())
