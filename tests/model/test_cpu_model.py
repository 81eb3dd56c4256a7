"""The CPU profile: its coverage, and its way through JSON."""

from perfkit.model import codec
from perfkit.model.cpu import CallerEdge, CpuProfile, FunctionProfile
from perfkit.model.location import CodeLocation
from perfkit.model.trace import Trace


def test_coverage_is_the_attributed_share_and_never_more_than_all():
    assert CpuProfile("engine", 200.0, 50.0, 10.0, ()).coverage == 0.25
    assert CpuProfile("engine", 100.0, 101.0, 10.0, ()).coverage == 1.0
    assert CpuProfile("engine", 0.0, 0.0, 0.0, ()).coverage == 1.0


def test_a_profile_survives_json_with_its_callers_and_notes():
    functions = (
        FunctionProfile(CodeLocation("a.py", 1, "caller", "In[1]", "caller()"), 1, 1, 0.1, 0.3, True),
        FunctionProfile(
            CodeLocation("~", 0, "<built-in method x>"),
            2,
            1,
            0.2,
            0.2,
            False,
            (CallerEdge(0, 2, 1, 0.2, 0.2),),
        ),
    )
    trace = Trace(
        "t", "2026-01-01T00:00:00+00:00", 1.0, cpu=CpuProfile("e", 1.0, 0.5, 0.4, functions, ("why",))
    )
    assert codec.loads(codec.dumps(trace)) == trace


def test_a_trace_saved_before_there_were_notes_is_read_without_them():
    trace = Trace("t", "2026-01-01T00:00:00+00:00", 1.0, cpu=CpuProfile("e", 1.0, 0.5, 0.4, ()))
    assert "notes" not in codec.trace_to_json(trace)["trace"]["cpu"]
    assert codec.loads(codec.dumps(trace)).cpu.notes == ()
