import asyncio
import json

import pytest
from sqlalchemy import create_engine, text

from perfkit.model.codec import TraceFormatError, trace_from_json
from perfkit.session import (
    MIME_TRACE,
    MeasurementNotEndedError,
    Result,
    compare,
    diagnose,
    load,
    measure,
    save,
)


@pytest.fixture
def engine():
    engine = create_engine("sqlite://")
    yield engine
    engine.dispose()


def ask(engine, times=1):
    with engine.connect() as connection:
        for number in range(times):
            connection.execute(text("SELECT :n"), {"n": number})
    return times


def test_a_block_gives_a_trace_a_diagnosis_and_a_frame(engine):
    with measure("page") as m:
        ask(engine, 3)

    assert (m.trace.name, len(m.trace.queries), m.trace.cpu, m.trace.memory) == ("page", 3, None, None)
    assert [finding.rule for finding in m.diagnosis.findings] == ["n-plus-one"]
    assert list(m.queries_frame()["operation_name"]) == ["SELECT"] * 3


def test_a_block_that_runs_has_nothing_to_read_yet(engine):
    with measure("page") as m:
        with pytest.raises(MeasurementNotEndedError, match="page"):
            m.trace  # noqa: B018  reading it is the test
        assert "still running" in str(m)


def test_an_async_block_is_measured_the_same_way(engine):
    async def main():
        async with measure() as m:
            ask(engine, 2)
        return m

    assert len(asyncio.run(main()).trace.queries) == 2


def test_an_error_ends_the_block_reaches_the_user_and_is_named(engine):
    def fail():
        ask(engine)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), measure() as m:
        fail()

    assert (m.trace.error, len(m.trace.queries)) == ("ZeroDivisionError", 1)


def test_every_collector_runs_at_once_and_is_gone_afterwards(engine):
    with measure("all", cpu=True, memory=True, plans=True) as m:
        ask(engine, 2)

    assert m.trace.cpu.functions
    assert m.trace.memory.peak_bytes > 0
    assert len(m.trace.plans) == 1
    assert len(m.trace.queries) == 2


def test_what_comes_after_the_seal_is_not_part_of_the_block(engine):
    m = measure()
    m.start()
    ask(engine)
    m.seal()
    ask(engine)
    m.stop()

    assert len(m.trace.queries) == 1


def test_a_collector_that_cannot_start_leaves_none_running(engine):
    import cProfile

    holder = cProfile.Profile()
    holder.enable()
    try:
        measurement = measure(cpu=True, memory="peak")
        with pytest.raises(RuntimeError, match=r"[Pp]rofil"):
            measurement.start()
    finally:
        holder.disable()

    with measure(cpu=True) as m:
        ask(engine)
    assert m.trace.cpu.functions


def test_a_saved_trace_is_judged_again_later(engine, tmp_path):
    with measure("page") as m:
        ask(engine, 3)

    again = load(save(m.trace, tmp_path / "page.json"))

    assert again == m.trace
    assert diagnose(again).findings == m.diagnosis.findings


def test_a_file_that_is_no_trace_is_refused(tmp_path):
    path = tmp_path / "notes.json"
    path.write_text("[]")

    with pytest.raises(TraceFormatError):
        load(path)


def test_a_function_is_diagnosed_by_calling_it(engine):
    result = diagnose(lambda: ask(engine, 3))

    assert [finding.rule for finding in result.findings] == ["n-plus-one"]
    assert result.trace.cpu is not None


def test_the_trace_travels_in_the_notebook_and_holds_no_value(engine):
    secret = "hunter" + "2"  # not in one piece: the source line itself may be shown
    with measure("page") as m, engine.connect() as connection:
        connection.execute(text("SELECT :word"), {"word": secret})
        connection.exec_driver_sql(f"SELECT '{secret}'")

    bundle = m._repr_mimebundle_()

    assert trace_from_json(json.loads(json.dumps(bundle[MIME_TRACE]))) == m.trace
    assert secret not in json.dumps(bundle)


def test_a_hostile_name_is_escaped_wherever_it_is_shown(engine):
    with measure("<script>alert(1)</script>") as m:
        ask(engine)

    assert "<script>" not in m._repr_mimebundle_()["text/html"]


def test_the_time_asked_for_is_said_to_be_met_or_missed(engine):
    with measure(target_ms=60_000) as met:
        ask(engine)
    with measure(target_ms=0.000_001) as missed:
        ask(engine)

    assert "met" in str(met)
    assert "missed" in str(missed)


def test_two_blocks_are_compared_as_traces_results_or_files(engine, tmp_path):
    with measure("before") as before:
        ask(engine, 5)
    with measure("after") as after:
        ask(engine, 1)

    by_objects = str(compare(before, after.result))

    assert by_objects == str(compare(save(before.trace, tmp_path / "b.json"), after.trace))
    assert "5" in by_objects
    with pytest.raises(TypeError, match="Compare takes"):
        compare(before, 42)


def test_a_result_without_a_plan_says_how_to_get_one(engine):
    with measure() as m:
        ask(engine)

    with pytest.raises(LookupError, match="explain"):
        Result(m.trace).plan  # noqa: B018  reading it is the test
