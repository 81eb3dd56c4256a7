import dataclasses
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perfkit.model import codec
from perfkit.model.builders import loop, query, trace, unmeasured
from perfkit.model.cpu import CpuProfile
from perfkit.model.location import CodeLocation
from perfkit.model.memory import MemoryProfile, RssSample
from perfkit.model.query import QuerySpan
from perfkit.model.trace import Trace


def test_what_was_not_measured_stays_apart_from_what_saw_nothing():
    assert codec.loads(codec.dumps(unmeasured())).queries is None
    assert codec.loads(codec.dumps(trace())).queries == ()


def test_every_part_of_a_trace_survives():
    place = CodeLocation("cell.py", 3, "f", "In[1]", "f()")
    whole = dataclasses.replace(
        trace(loop(3), query("SELECT 2", status="error", error_type="ProgrammingError")),
        memory=MemoryProfile(1, 2, 3, "kernel", (RssSample(0.0, 5),)),
        cpu=CpuProfile("cProfile", 10.0, 9.0, 8.0, ()),
        error="ValueError",
        notes=("a note",),
    )

    again = codec.loads(codec.dumps(whole))

    assert again == whole
    assert dataclasses.replace(again, queries=()) != whole
    assert place == CodeLocation("cell.py", 3, "f", "In[1]", "f()")


@given(
    st.builds(
        QuerySpan,
        st.text(),
        st.text(),
        st.text(),
        st.text(),
        st.floats(min_value=0, max_value=1e100),
    )
)
def test_any_statement_survives(span):
    one = trace(span)

    assert codec.loads(codec.dumps(one)) == one


@pytest.mark.parametrize(
    "text",
    ["", "nothing", "[]", "{}", '{"schema_version": 1}', '{"schema_version": 1, "trace": {}}',
     '{"schema_version": 1, "trace": {"name": 1, "start_time": "", "duration_ms": 1.0}}',
     '{"schema_version": "1", "trace": {}}'],
)  # fmt: skip
def test_what_is_no_trace_is_refused_in_one_line(text):
    with pytest.raises(codec.TraceFormatError) as refusal:
        codec.loads(text)

    assert "\n" not in str(refusal.value)
    assert "perfkit" in str(refusal.value)


def test_a_trace_of_a_later_version_is_refused_by_name():
    later = {**codec.trace_to_json(trace()), "schema_version": codec.SCHEMA_VERSION + 1}

    with pytest.raises(codec.TraceFormatError, match="Upgrade perfkit"):
        codec.trace_from_json(later)


def test_a_field_that_a_later_version_added_is_ignored():
    data = codec.trace_to_json(trace(query()))
    data["trace"]["queries"][0]["from_the_future"] = 1

    assert isinstance(codec.trace_from_json(data), Trace)


def test_a_trace_is_plain_json_without_not_a_number():
    assert json.loads(codec.dumps(trace(loop(2)))) == codec.trace_to_json(trace(loop(2)))


def test_a_plan_of_two_hundred_levels_survives():
    from perfkit.model.plan_builders import node, planned_trace

    deep = node("Seq Scan", ms=1, rows=1)
    for _ in range(200):
        deep = node("Materialize", deep, ms=1, rows=1)
    one = planned_trace(deep)

    assert codec.loads(codec.dumps(one)) == one


def test_lone_surrogates_do_not_keep_a_report_from_being_sent():
    odd = Trace("lone \ud800 and é", "2026-01-01T00:00:00+00:00", 1.0, notes=("\udfff",))
    sent = json.dumps(codec.trace_to_json(odd), ensure_ascii=False).encode("utf-8")
    assert codec.trace_from_json(json.loads(sent)).name == "lone \\ud800 and é"


def test_the_other_plans_of_a_statement_survive():
    from perfkit.model.plan import AlternativePlan
    from perfkit.model.plan_builders import node, plan

    generic = AlternativePlan("generic", plan(node("Seq Scan", ms=9)), executions=4)
    one = trace(plans=(plan(node("Index Scan", ms=1), alternatives=(generic,)),))

    assert codec.loads(codec.dumps(one)) == one
