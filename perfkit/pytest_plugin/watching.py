"""The call of a test, watched: the statements it sends, and what its markers say of them."""

from collections.abc import Generator
from typing import TYPE_CHECKING, NamedTuple

import pytest

from perfkit.capture.queries import QueryCollector, QueryLog
from perfkit.model.finding import Finding
from perfkit.model.trace import Trace
from perfkit.model.wording import counted
from perfkit.pytest_plugin.counter import is_count
from perfkit.rules import all_rules, diagnose
from perfkit.views.findings import as_text
from perfkit.views.queries import statement_lines

if TYPE_CHECKING:
    from perfkit.pytest_plugin.baseline_run import BaselineRun

ONE_BY_ONE = ("n-plus-one", "eager-n-plus-one", "m-plus-n", "column-load")


class Demands(NamedTuple):
    """What the markers of a test demand; `None` for a marker that it does not have."""

    maximum: int | None
    ignored: tuple[str, ...] | None


def watched(item: pytest.Item, baseline: "BaselineRun | None") -> Generator[None, object, object]:
    """Run the call of a test; fail it if it passed and sent what it may not."""
    demands = _demands(item)
    collector = QueryCollector()
    collector.start()
    try:
        result = yield
    finally:
        log = collector.stop()
    trace = trace_of(log)
    complaints = _complaints(demands, trace)
    if baseline is not None:
        complaints.extend(baseline.complaints(item, trace))
    if complaints:
        pytest.fail("\n\n".join(complaints), pytrace=False)
    if baseline is not None:
        baseline.keep(item, trace)
    return result


def trace_of(log: QueryLog) -> Trace:
    """What a test has sent, as the rules take it."""
    return Trace(
        "test",
        "",
        log.duration_ms,
        queries=log.spans,
        transactions=log.transactions,
        notes=log.notes,
        more_queries=log.more,
        more_transactions=log.more_transactions,
        background_queries=log.background,
        more_background_queries=log.more_background,
        stalled_ms=log.stalled_ms,
    )


def over_budget(trace: Trace, maximum: int, demand: str) -> str:
    """Why a test has failed that sent more than it may: every statement, and what would save some.

    Args:
        trace: what was sent.
        maximum: how many statements were allowed.
        demand: what the person wrote, for example `max_queries(3)`.
    """
    sent = counted(trace.statement_count, "statement")
    head = f"{sent} sent, at most {maximum} allowed by {demand}:"
    advice = as_text(_one_by_one(trace, ()))
    return "\n".join(part for part in (head, statement_lines(trace), advice) if part)


def _complaints(demands: Demands, trace: Trace) -> list[str]:
    complaints = []
    if demands.maximum is not None and trace.statement_count > demands.maximum:
        complaints.append(over_budget(trace, demands.maximum, f"max_queries({demands.maximum})"))
    findings = () if demands.ignored is None else _one_by_one(trace, demands.ignored)
    if findings and complaints:  # they stand there already, as advice
        complaints.append(f"no_n_plus_one: {counted(len(findings), 'finding')}, see above.")
    elif findings:
        head = f"no_n_plus_one: {counted(len(findings), 'finding')} in {_sent(trace)}:"
        complaints.append("\n".join([head, as_text(findings), "The statements:", statement_lines(trace)]))
    return complaints


def _sent(trace: Trace) -> str:
    return counted(trace.statement_count, "statement")


def _one_by_one(trace: Trace, ignored: tuple[str, ...]) -> tuple[Finding, ...]:
    """What is loaded one by one, but for relationships and columns that may be."""
    found = diagnose(trace, [rule for rule in all_rules() if rule.name in ONE_BY_ONE]).findings
    return tuple(finding for finding in found if not ignored or not _loaded(finding, trace) <= {*ignored})


def _loaded(finding: Finding, trace: Trace) -> set[str | None]:
    """The relationships and columns of a finding, `None` for statements of no attribute."""
    spans = [(trace.queries or ())[number] for number in finding.offenders]
    return {span.relationship or span.column_load for span in spans}


def _demands(item: pytest.Item) -> Demands:
    budget, clean = (item.get_closest_marker(name) for name in ("max_queries", "no_n_plus_one"))
    if budget and not (len(budget.args) == 1 and not budget.kwargs and is_count(budget.args[0])):
        pytest.fail(
            "Write the marker with a number of statements: @pytest.mark.max_queries(3)", pytrace=False
        )
    ignored = _ignored(clean) if clean else None
    if clean and ignored is None:
        pytest.fail(
            "Write the marker as @pytest.mark.no_n_plus_one, or with names of relationships and columns: "
            '@pytest.mark.no_n_plus_one(ignore=("User.posts",))',
            pytrace=False,
        )
    return Demands(budget.args[0] if budget else None, ignored)


def _ignored(marker: pytest.Mark) -> tuple[str, ...] | None:
    """The names that the marker ignores; `None` where it was written wrongly."""
    names = marker.kwargs.get("ignore", ())
    names = (names,) if isinstance(names, str) else names
    if marker.args or {*marker.kwargs} - {"ignore"} or not isinstance(names, tuple | list | set | frozenset):
        return None
    return tuple(names) if all(isinstance(name, str) for name in names) else None
