"""A query plan: fields are what the database said, properties are what we computed."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from perfkit.model.catalog import ForeignKey, Table
from perfkit.model.location import CodeLocation
from perfkit.model.plan_node import Buffers, NodeShare, PlanNode
from perfkit.model.plan_times import ROUNDING_MS, plan_shares

__all__ = ["AlternativePlan", "Buffers", "NodeShare", "OutsideTime", "Plan", "PlanNode", "TriggerTime"]

AlternativeKind = Literal["generic", "cursor"]


@dataclass(frozen=True, slots=True)
class TriggerTime:
    """One trigger: its time over all calls, in milliseconds. It stands outside the nodes."""

    name: str
    time_ms: float
    calls: float = 0
    relation_name: str | None = None
    constraint_name: str | None = None


@dataclass(frozen=True, slots=True)
class OutsideTime:
    """Time of a statement that no node holds, in milliseconds."""

    name: str
    time_ms: float


@dataclass(frozen=True, slots=True)
class AlternativePlan:
    """Another plan by which the database really ran the same statement.

    `kind` says why it is another one: `generic` is made once for all values of a prepared statement's
    parameters, `cursor` for the first rows of a named cursor. `executions` is how often the measured block
    ran the statement that way, 0 where that is not known.
    """

    kind: AlternativeKind
    plan: "Plan"
    executions: int = 0


@dataclass(frozen=True, slots=True)
class Plan:
    """The plan of one statement. Times are milliseconds, `None` where the database did not give them.

    `analyzed` says that the statement was executed for this plan. `executions` is how often the measured
    block sent it. `jit_time_ms` stands inside the nodes' times; planning, triggers and serialization do
    not. `settings` are the planner's settings that differ from their defaults, `attributes` what else the
    database said about the whole statement, under its own names. `notes` say what the plan cannot show.
    `tables` and `foreign_keys` are what the catalogue says of the tables in it, empty where it was not asked.
    `client_time_ms` is what one execution took in the measured block, as the program saw it, and
    `parameter_types` the Python types of the values that were bound, in order. `alternatives` are other
    plans of the same statement that the block really ran by; they have no alternatives of their own.
    `after_query_ms` is what data-modifying CTEs did after the main query, `parents` leads from a node's
    number to the node above it; both are computed.
    """

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
    triggers: tuple[TriggerTime, ...] = ()
    serialization_time_ms: float | None = None
    jit_time_ms: float | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    attributes: Mapping[str, Any] = field(default_factory=dict)
    tables: tuple[Table, ...] = ()
    foreign_keys: tuple[ForeignKey, ...] = ()
    client_time_ms: float | None = None
    parameter_types: tuple[str, ...] = ()
    alternatives: tuple[AlternativePlan, ...] = ()
    after_query_ms: float = field(default=0.0, init=False, repr=False, compare=False)
    parents: Mapping[int, PlanNode] = field(default_factory=dict, init=False, repr=False, compare=False)
    _nodes: tuple[PlanNode, ...] = field(default=(), init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """A node's own share depends on the whole tree: the plan holds copies that know theirs."""
        # PostgreSQL alone gives averages, rounded; the others give totals.
        result = plan_shares(self.root, ROUNDING_MS if self.system_name == "postgresql" else 0.0)
        shares = iter(result.shares)
        object.__setattr__(self, "root", _with_shares(self.root, shares))
        object.__setattr__(self, "after_query_ms", result.after_query_ms)
        # Every rule about plans goes through the nodes: sixty walks of a tree cost more than one tuple.
        object.__setattr__(self, "_nodes", tuple(self.root.walk()))
        parents = {child.node_id: node for node in self._nodes for child in node.children}
        object.__setattr__(self, "parents", parents)

    def nodes(self) -> Iterator[PlanNode]:
        """Every node, in reading order."""
        return iter(self._nodes)

    def node(self, node_id: int) -> PlanNode:
        """The node with this number; `KeyError` where there is none."""
        for node in self._nodes:
            if node.node_id == node_id:
                return node
        raise KeyError(node_id)

    def table_of(self, node: PlanNode) -> Table | None:
        """What the catalogue says of a node's table; `None` where it has none or was not asked."""
        for table in self.tables:
            is_temporary = node.schema == "pg_temp" and table.schema.startswith("pg_temp")
            if table.relation_name == node.relation_name and (
                node.schema in (None, table.schema) or is_temporary
            ):
                return table
        return None

    @property
    def duration_ms(self) -> float | None:
        """Execution time, or the root's time where the database gave no other; `None` if not measured."""
        return self.root.total_time_ms if self.execution_time_ms is None else self.execution_time_ms

    @property
    def trigger_time_ms(self) -> float:
        """Time of all triggers together, in milliseconds."""
        return sum(trigger.time_ms for trigger in self.triggers)

    @property
    def outside_times(self) -> tuple[OutsideTime, ...]:
        """Where time went that no node holds, in the order in which it passed, without what took none.

        Planning is not part of the execution time, everything else is. What is left is the
        executor: its start and end, and handing over the rows. `BEFORE` triggers run inside a node, so
        triggers count only as far as the execution time has room beside the nodes.
        """
        inside = self.root.total_time_ms or 0.0
        serialization = self.serialization_time_ms or 0.0
        rest = max(0.0, (self.execution_time_ms or 0.0) - inside - serialization - self.after_query_ms)
        triggers = min(self.trigger_time_ms, rest)
        times = (
            ("planning", self.planning_time_ms or 0.0),
            ("after the main query", self.after_query_ms),
            ("triggers", triggers),
            ("serialization of the result", serialization),
            ("executor start, end and result", rest - triggers),
        )
        return tuple(OutsideTime(name, time_ms) for name, time_ms in times if time_ms > 0)


def _with_shares(node: PlanNode, shares: Iterator[NodeShare]) -> PlanNode:
    share = next(shares)
    copy = replace(node, children=tuple(_with_shares(child, shares) for child in node.children))
    object.__setattr__(copy, "share", share)
    return copy
