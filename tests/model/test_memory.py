import json

import pytest

from perfkit.model.builders import line, trace
from perfkit.model.codec import dumps, loads
from perfkit.model.memory import AllocationDiff, LineMemory, MemoryProfile, RssSample

PROFILE = MemoryProfile(
    baseline_bytes=100,
    peak_bytes=900,
    end_bytes=300,
    peak_source="kernel",
    rss_samples=(RssSample(0.0, 100), RssSample(2.5, 900)),
    traced_peak_bytes=700,
    traced_growth_bytes=150,
    growth=(AllocationDiff(line(2, "x = [1]"), 150, 3, False),),
    lines=(LineMemory(line(3, "  y = 1", function_name="load"), 900, -20, 4),),
    tracer_bytes=10,
    garbage_bytes=5,
    notes=("A remark.",),
)


def test_sizes_are_told_relative_to_the_start():
    assert PROFILE.peak_increase_bytes == 800
    assert PROFILE.kept_bytes == 200


def test_memory_given_back_is_negative():
    assert MemoryProfile(500, 500, 300, "kernel").kept_bytes == -200


@pytest.mark.parametrize("profile", [PROFILE, MemoryProfile(1, 2, 3, "sampled")])
def test_a_profile_survives_json(profile):
    block = trace(memory=profile)
    assert loads(dumps(block)) == block


def test_a_profile_of_an_earlier_version_is_still_read():
    text = dumps(trace(memory=PROFILE))
    data = json.loads(text)
    for later in ("tracer_bytes", "garbage_bytes", "notes"):
        del data["trace"]["memory"][later]
    memory = loads(json.dumps(data)).memory
    assert memory.notes == ()
    assert memory.tracer_bytes is None
