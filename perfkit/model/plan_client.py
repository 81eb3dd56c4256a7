"""What the program saw of a statement, set against what the server says that it took."""

from collections.abc import Mapping

from perfkit.model.plan import Plan


def outside_server_ms(plan: Plan) -> float:
    """How much longer one execution took in the program than planning and executing it on the server.

    The server's time is that of the plan, which timing every row makes longer, so what is left is rather too
    small. Writing out the result counts as handing it over.

    Returns:
        Milliseconds; 0 where one of the two was not measured.
    """
    if plan.client_time_ms is None or plan.execution_time_ms is None:
        return 0.0
    computing_ms = plan.execution_time_ms - (plan.serialization_time_ms or 0.0)
    return max(0.0, plan.client_time_ms - computing_ms - (plan.planning_time_ms or 0.0))


def planning_blocks(plan: Plan) -> tuple[int, int]:
    """Blocks that planning found in the cache, and those it read from the disk."""
    said = plan.attributes.get("Planning")
    if not isinstance(said, Mapping):
        return 0, 0
    return _count(said.get("Shared Hit Blocks")), _count(said.get("Shared Read Blocks"))


def _count(value: object) -> int:
    return value if isinstance(value, int) else 0
