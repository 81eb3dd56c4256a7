"""What waiting for files took the nodes of a plan, where the database timed it (`track_io_timing`)."""

from perfkit.model.plan import PlanNode
from perfkit.model.plan_scans import number

TEMPORARY = ("Temp I/O Read Time", "Temp I/O Write Time")
# Before PostgreSQL 17 one number stood for shared and local blocks.
READS = ("Shared I/O Read Time", "Local I/O Read Time", "I/O Read Time")


def own_io_ms(node: PlanNode, names: tuple[str, ...]) -> float | None:
    """Milliseconds that a node itself waited; `None` where that was not timed.

    The database adds it up over everything below a node and over parallel processes, which wait at the same
    time, so it is divided among them.

    Args:
        node: a node of a measured plan.
        names: under which the database gives the times, such as `READS`.
    """
    if not any(name in node.attributes for name in names):
        return None
    inner = [child for child in node.children if child.parent_relationship != "InitPlan"]
    below = sum(number(child, name) for child in inner for name in names)
    return max(0.0, sum(number(node, name) for name in names) - below) / node.share.participants
