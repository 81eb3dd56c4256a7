"""What an attempt showed, and which one is best."""

import math
from collections.abc import Iterable
from dataclasses import replace

from perfkit.model.plan import Plan, PlanNode
from perfkit.model.plan_savings import MIN_SAVING_MS
from perfkit.model.what_if import Attempt, ProofVerdict, Runs
from perfkit.model.wording import counted
from perfkit.proof import _what_if_times as times
from perfkit.proof._what_if_designs import Design, IndexDesign
from perfkit.proof._what_if_trial import Outcome

# Blocks from memory take no time that shows, so a proof on a warm server says nothing about a cold one.
MANY_TIMES_BLOCKS, MANY_MORE_BLOCKS = 4, 1_000
# Times this close are one time to the ranking: then blocks decide, which do not waver, then the size.
_SAME_TIME_FACTOR, _SHORTEST_MS = 1.25, 0.1
# A B-tree without an entry is one page that describes it.
_EMPTY_INDEX_BYTES = 8_192
_RANKS = (
    ProofVerdict.PROVED,
    ProofVerdict.EXPECTED,
    ProofVerdict.INCONCLUSIVE,
    ProofVerdict.NO_HELP,
    ProofVerdict.REJECTED,
)


def judged(design: Design, base: Runs, outcome: Outcome) -> Attempt:
    """The attempt with its verdict.

    Args:
        design: what was tried.
        base: the runs without it.
        outcome: the runs with it.
    """
    verdict, reason = _verdict(design, base, outcome)
    return _attempt(design, verdict, reason, outcome)


def is_open(design: Design, base: Runs, outcome: Outcome) -> bool:
    """Whether the times so far leave open what more runs could show."""
    is_used = not isinstance(design, IndexDesign) or uses(outcome.plan, design.name)
    return is_used and base.median_ms >= MIN_SAVING_MS and times.is_open(base, outcome.runs)


def untried(design: Design, verdict: ProofVerdict, reason: str) -> Attempt:
    """An attempt that came to no result."""
    return _attempt(design, verdict, reason, None)


def rejected(designs: Iterable[Design]) -> list[Attempt]:
    """The attempts that are not made, each with the reason that stands in its design."""
    return [untried(one, ProofVerdict.REJECTED, one.rejection) for one in designs if one.rejection]


def expected(design: Design, reason: str, costs: tuple[float, float]) -> Attempt:
    """An attempt of which only the planner was asked."""
    return replace(_attempt(design, ProofVerdict.EXPECTED, reason, None), costs=costs)


def ranked(attempts: list[Attempt]) -> tuple[Attempt, ...]:
    """Best first: what was proved, by time, then blocks, then size; what was only asked, by cost."""
    return tuple(sorted(attempts, key=_rank))


def _attempt(design: Design, verdict: ProofVerdict, reason: str, outcome: Outcome | None) -> Attempt:
    is_tried = verdict is not ProofVerdict.REJECTED
    return Attempt(
        kind=design.kind,
        what=design.what,
        statement=design.paste,
        verdict=verdict,
        reason=reason,
        relation=design.relation,
        nodes=design.nodes,
        runs=outcome.runs if outcome else None,
        build_ms=outcome.build_ms if outcome else None,
        size_bytes=outcome.size_bytes if outcome else None,
        write_share=design.write_share if is_tried and isinstance(design, IndexDesign) else None,
    )


def _verdict(design: Design, base: Runs, outcome: Outcome) -> tuple[ProofVerdict, str]:
    note = design.note
    if isinstance(design, IndexDesign) and not uses(outcome.plan, design.name):
        if outcome.must_wait:
            return ProofVerdict.INCONCLUSIVE, (
                "An older transaction is open on this server; until it ends, a new index may not be used. "
                "Try again then."
            )
        return ProofVerdict.NO_HELP, "The planner does not use it: it expects another way to be cheaper."
    if isinstance(design, IndexDesign) and design.predicate and _is_empty(outcome):
        return ProofVerdict.INCONCLUSIVE, (
            f"No row has {design.predicate}: is the value right? An index for it would be empty."
        )
    if design.kind == "statistics":
        note = _estimate(design.scan, outcome.plan)
    return _compared(base, outcome.runs, note)


def _compared(base: Runs, runs: Runs, note: str) -> tuple[ProofVerdict, str]:
    """Proved means a tenth faster beyond doubt, by the rule of `_what_if_times`."""
    if times.saved_share(base, runs) < times.MIN_SAVED_SHARE:
        return ProofVerdict.NO_HELP, f"{note} The statement is no faster with it.".strip()
    if base.median_ms < MIN_SAVING_MS:
        words = "The statement is fast here already: with so little data this says nothing about more."
        return ProofVerdict.INCONCLUSIVE, f"{note} {words}".strip()
    if not times.is_faster(base, runs):
        return ProofVerdict.INCONCLUSIVE, f"{note} {_overlap(runs)}".strip()
    if _reads_much_more(base, runs):
        words = "Faster here, where the blocks were in memory, but it reads far more of them."
        return ProofVerdict.INCONCLUSIVE, f"{note} {words}".strip()
    return ProofVerdict.PROVED, note


def _is_empty(outcome: Outcome) -> bool:
    return outcome.size_bytes is not None and outcome.size_bytes <= _EMPTY_INDEX_BYTES


def _overlap(runs: Runs) -> str:
    return f"The times overlap, also in {len(runs.times_ms)} runs: this machine is busy. Try again later."


def _reads_much_more(base: Runs, runs: Runs) -> bool:
    """An index read in its order jumps through the table; from a disk that takes longer than to sort."""
    more = runs.median_blocks - base.median_blocks
    return more >= MANY_MORE_BLOCKS and runs.median_blocks >= MANY_TIMES_BLOCKS * base.median_blocks


def uses(plan: Plan, index_name: str) -> bool:
    """Whether a plan reads an index of this name."""
    return any(node.index_name == index_name for node in plan.nodes())


def _estimate(scan: PlanNode, plan: Plan) -> str:
    """What is expected now, of the same table in the new plan."""
    same = [node for node in plan.nodes() if _is_same(node, scan)]
    if not same:
        return ""
    now = same[0]
    expected = counted(now.plan_rows or 0, "row is", "rows are")
    return f"{expected} expected instead of {scan.plan_rows or 0:,.0f}; {now.actual_rows or 0:,.0f} came."


def _is_same(node: PlanNode, other: PlanNode) -> bool:
    """The same table by the same name, or without a table the same groups."""
    if other.relation_name:
        return (node.relation_name, node.alias) == (other.relation_name, other.alias)
    keys = other.attributes.get("Group Key")
    return bool(keys) and node.attributes.get("Group Key") == keys


def _rank(attempt: Attempt) -> tuple[int, int, int, int]:
    runs = attempt.runs
    if runs is None:
        return _RANKS.index(attempt.verdict), round(attempt.costs[1]) if attempt.costs else 0, 0, 0
    time = round(math.log(max(runs.median_ms, _SHORTEST_MS), _SAME_TIME_FACTOR))
    return _RANKS.index(attempt.verdict), time, runs.median_blocks, attempt.size_bytes or 0
