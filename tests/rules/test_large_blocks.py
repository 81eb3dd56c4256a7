"""Findings about a block of which only the first statements are kept name the numbers of all of it."""

from dataclasses import replace

import pytest

from perfkit.model.query import QueryTotals
from perfkit.rules import find_rule

MORE = 1_000_000


def of_more(block):
    """The block as if it had sent a million more of each kind of its statements, known as totals only."""
    kinds = {(span.fingerprint, span.call_site, span.loop_site): span for span in block.queries}
    rest = tuple(
        QueryTotals(
            span.query_text,
            span.fingerprint,
            span.operation_name,
            MORE,
            total_ms=MORE * 0.5,
            call_site=span.call_site,
            loop_site=span.loop_site,
        )
        for span in kinds.values()
    )
    return replace(block, more_queries=rest, duration_ms=1e7)


def both(code, number=0):
    """The finding about a rule's own example, as it is and as a part of a very large block."""
    rule = find_rule(code)
    block = rule.fires_on[number]
    return *next(zip(rule.check(block), rule.check(of_more(block)), strict=True)), of_more(block)


@pytest.mark.parametrize("code", ["PK101", "PK103", "PK104", "PK106", "PK107", "PK108"])
def test_statements_that_are_kept_as_totals_count(code):
    small, large, block = both(code)
    sent, total = len(small.offenders), len(small.offenders) + MORE

    assert small.message.startswith(f"{sent} ")
    assert large.message == small.message.replace(f"{sent} ", f"{total:,} ", 1)
    assert large.round_trips == small.round_trips + MORE
    assert large.saving_ms == pytest.approx(small.saving_ms + MORE * 0.5, rel=0.01)
    assert block.statement_count >= total


def test_the_shapes_of_a_loop_are_counted_one_by_one():
    small, large, _ = both("PK105")
    shapes = len(small.evidence)

    assert large.message.startswith(f"{len(small.offenders) + shapes * MORE:,} statements where {shapes} ")
    assert all(line.startswith("1,000,0") for line in large.evidence)


def test_what_no_total_tells_is_said_to_be_of_the_first_statements():
    for code in ("PK102", "PK110", "PK501"):
        small, large, block = both(code)
        part = f", counted in the first {len(block.queries):,} of {block.statement_count:,} statements"
        assert large.message == small.message + part
        assert "counted in" not in small.message


def test_of_pages_and_of_parameters_it_is_said_how_many_were_looked_at():
    small, large, _ = both("PK112")
    assert small.message.startswith("20 pages by OFFSET")
    assert large.message.startswith("The first 20 of 1,000,020 pages by OFFSET")
    small, large, _ = both("PK101")
    assert "parameter sets among the first" in large.evidence[0]
    assert "among the first" not in small.evidence[0]
    _, large, _ = both("PK113")
    assert "1,000,001 executions" in large.evidence[0]


def test_statements_of_another_line_or_loop_do_not_count():
    block = of_more(find_rule("PK101").fires_on[0])
    others = tuple(replace(total, loop_site=None) for total in block.more_queries)
    (found,) = find_rule("PK101").check(replace(block, more_queries=others))
    assert found.round_trips < 1000
