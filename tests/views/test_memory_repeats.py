"""Memory after each further run: what is counted, in words."""

import re

from perfkit.model.builders import trace
from perfkit.model.memory import MemoryProfile
from perfkit.model.memory_growth import Iteration, Repeats
from perfkit.rules import diagnose
from perfkit.views import memory_repeats

MB = 1_000_000
GROWS = Repeats(tuple(Iteration(MB * n, MB * n) for n in range(1, 7)), 6)


def test_the_runs_are_said_to_count_after_the_warm_up():
    for shown in (memory_repeats.as_text(GROWS), str(memory_repeats.as_html(GROWS))):
        assert "6 further runs, counted after the first 2, which are warm-up: what Python" in shown
        assert "+3.0 MB in all after the warm-up" in shown


def test_the_columns_of_the_terminal_are_named_and_stand_below_their_names():
    _, head, first, *_ = memory_repeats.as_text(GROWS).splitlines()

    assert re.split("  +", head) == ["run", "held by Python", "change", "resident", "change"]
    assert len(head) == len(first)


def test_the_finding_says_so_too():
    measured = trace(memory=MemoryProfile(MB, MB, MB, "kernel", (), repeats=GROWS))
    (finding,) = [found for found in diagnose(measured).findings if found.code == "PK401"]
    assert finding.message.endswith("3.0 MB after the warm-up")
    assert finding.evidence[0].startswith("6 further runs, counted after the warm-up of 2; R² ")
