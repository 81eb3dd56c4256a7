"""What is recorded for good holds nothing of the machine on which it was recorded."""

from dataclasses import replace

from perfkit.model import codec
from perfkit.model.builders import line, query, trace
from perfkit.model.plan_builders import node, plan
from tests.plans.recording import KINDS, RECORDED, load, names, without_places


def test_places_in_the_code_are_left_out():
    place = line(7, "run()")
    span = query("SELECT 1", call_site=place, loop_site=place)
    block = replace(trace([span]), plans=(plan(node("Seq Scan", ms=1), call_site=place),))

    kept = codec.dumps(without_places(block))

    assert "call_site" in codec.dumps(block)
    assert "call_site" not in kept
    assert place.source_text not in kept


def test_no_recorded_trace_has_any():
    for name in names():
        for kind in KINDS:
            block = load(name, kind)
            assert block == without_places(block), f"{RECORDED.name}/{name}.{kind}"
