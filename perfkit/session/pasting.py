"""Plans that were asked for elsewhere, judged and shown as if they had been asked for here."""

import datetime
from typing import Any

from perfkit.model.plan_paste import PastedPlans, read_pasted_plans
from perfkit.model.plan_reader import read_postgresql_plan
from perfkit.model.trace import Trace
from perfkit.session.result import Result


def read_plan(plan: Any) -> Result:
    """Judge a plan of PostgreSQL that somebody has at hand. Nothing is sent anywhere.

    Args:
        plan: what EXPLAIN answered, in any of its formats (text, JSON, YAML, XML), as it was copied from
            psql, pgAdmin, DBeaver or a log of auto_explain, with frames, quotes and wrapped lines. Several
            plans may follow each other. What a driver has decoded from JSON is taken too.

    Returns:
        The same as `perfkit.explain` returns, without a connection: `result.plan` is the first plan,
        `result.trace.plans` are all of them, `result.findings` what the rules say of them.

    Raises:
        PlanFormatError: if no plan can be read, in one line that says which line of the text is wrong.
    """
    found = read_pasted_plans(plan) if isinstance(plan, str) else PastedPlans((read_postgresql_plan(plan),))
    start_time = datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")
    # The block is what the statements took; reading the text is no part of it.
    duration_ms = sum(plan.duration_ms or 0.0 for plan in found.plans)
    return Result(
        Trace("pasted plan", start_time, duration_ms, plans=found.plans, notes=found.notes), "plans"
    )
