from tests.plans.case import PlanCase
from tests.plans.recording import sent

PAIRS = "SELECT count(*) FROM generate_series(1, 700) a CROSS JOIN generate_series(1, {}) b"
CASE = PlanCase(
    setup="",
    # Two million rows through a nested loop that does nothing else, and a few thousand.
    fires=sent(PAIRS.format(3000)),
    silent=sent(PAIRS.format(5)),
    node="Function Scan",
    mentions="TIMING OFF",
)
