"""A query plan: fields are what the database said, properties are what we computed."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from perfkit.model.location import CodeLocation


@dataclass(frozen=True, slots=True)
class PlanNode:
    """One node of a plan. `node_id` is its number in reading order, the root is 0."""

    node_id: int
    node_type: str
    children: tuple["PlanNode", ...] = ()
    plan_rows: float | None = None
    actual_rows: float | None = None
    actual_loops: int | None = None
    actual_total_time: float | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict)

    def walk(self) -> Iterator["PlanNode"]:
        """This node and all below it, in reading order."""
        yield self
        for child in self.children:
            yield from child.walk()


@dataclass(frozen=True, slots=True)
class Plan:
    """The plan of one statement."""

    system_name: str
    query_text: str
    root: PlanNode
    analyzed: bool
    fingerprint: str | None = None
    execution_time_ms: float | None = None
    planning_time_ms: float | None = None
    executions: int = 1
    call_site: CodeLocation | None = None
    notes: tuple[str, ...] = ()

    def nodes(self) -> Iterator[PlanNode]:
        """Every node, in reading order."""
        return self.root.walk()
