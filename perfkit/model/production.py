"""The plan that the planner would choose for tables of another size: an estimate, nothing is executed."""

from dataclasses import dataclass

from perfkit.model.plan import Plan, PlanNode

# Reading a million rows one by one takes a tenth of a second and more, in each execution.
LARGE_ROWS = 1_000_000
# A statement whose cost grows tenfold is not the one that was tried out any more.
GROWTH = 10.0


@dataclass(frozen=True, slots=True)
class GrownTable:
    """A table today and at the other size: rows as the planner counts them, bytes without indexes."""

    name: str
    rows_today: float
    rows: float
    bytes_today: int
    size_bytes: int

    @property
    def factor(self) -> float:
        """How many times more rows there are."""
        return self.rows / self.rows_today if self.rows_today > 0 else 1.0


@dataclass(frozen=True, slots=True)
class ProductionPlan:
    """What becomes of `Trace.plans[plan]` at another size.

    `cost_today` is the planner's cost of the statement today, `plan_then` its plan at the other size, without
    times; `None` where there is none, and `refusal` says why. Costs are the planner's units, no milliseconds.
    `left_out` says, in sentences, which of the sizes that were given could not be taken.
    """

    plan: int
    cost_today: float | None = None
    plan_then: Plan | None = None
    tables: tuple[GrownTable, ...] = ()
    notes: tuple[str, ...] = ()
    refusal: str | None = None
    left_out: tuple[str, ...] = ()

    @property
    def cost_then(self) -> float | None:
        """The planner's cost at the other size."""
        return self.plan_then.root.total_cost if self.plan_then else None

    @property
    def growth(self) -> float | None:
        """How many times more the statement costs then."""
        if not self.cost_today or self.cost_then is None:
            return None
        return self.cost_then / self.cost_today

    @property
    def large_scans(self) -> tuple[tuple[PlanNode, GrownTable], ...]:
        """Scans that read every row of a table with a million rows or more then."""
        if self.plan_then is None:
            return ()
        by_name = {table.name: table for table in self.tables}
        scans = [node for node in self.plan_then.nodes() if node.node_type == "Seq Scan"]
        named = [(node, by_name.get(_name(self.plan_then, node))) for node in scans]
        return tuple((node, table) for node, table in named if table and table.rows >= LARGE_ROWS)

    @property
    def falls_over(self) -> bool:
        """Whether the statement costs much more then, and reads large tables from end to end."""
        return (self.growth or 0.0) >= GROWTH and bool(self.large_scans)


def _name(plan: Plan, node: PlanNode) -> str:
    table = plan.table_of(node)
    return table.shown_name if table else node.relation_name or ""
