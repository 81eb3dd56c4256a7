import base64
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from perfkit.model.verification import (
    CounterChange,
    Equivalence,
    Outcome,
    TargetResult,
    TimingComparison,
    Verification,
)
from perfkit.views.strip import strip
from perfkit.views.verification import as_html, as_text, headline

SAME = Equivalence(True, "same result (list, 100 items)")
COUNTERS = (
    CounterChange("statements", "", 101, 1),
    CounterChange("rows", "", None, 20),
    CounterChange("peak", "bytes", 2_000_000, 1_000_000),
    CounterChange("commits", "", 0, 0),
)
FASTER = TimingComparison(
    Outcome.FASTER, (4520.0,) * 10, (43.0,) * 10, 10, 1, 43 / 4520, 0.009, 0.0101, 0.00001
)
MET = TargetResult(200.0, True, 43.0, 42.0, 44.0, "met: median 43 ms, 95% interval 42 ms to 44 ms; and p95")
GOOD = Verification(Outcome.FASTER, SAME, COUNTERS, FASTER, MET, ("threads are not counted",))
WRONG = replace(
    GOOD, outcome=Outcome.NOT_EQUIVALENT, equivalence=Equivalence(False, "result[3] differs (int)")
)


def timed(outcome, ratio, before=100.0, after=100.0, **fields):
    timing = TimingComparison(outcome, (before,), (after,), 1, 1, ratio, ratio, ratio, 0.5, **fields)
    return Verification(outcome, SAME, timing=timing)


class Words(HTMLParser):
    """What a person sees, piece by piece, and the tags that are open at the end."""

    def __init__(self, markup):
        super().__init__()
        self.seen, self.open = [], []
        self.feed(markup)

    def handle_starttag(self, tag, attrs):
        if tag != "img":
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.seen.append(data)


def words(verification):
    page = Words(as_html(verification).markup)
    assert page.open == []
    return "".join(page.seen)


def test_the_first_line_tells_the_whole_story():
    assert as_text(GOOD).splitlines()[0] == (
        "FASTER: 4.52 s → 43 ms, 105 times as fast; same result; 101 statements → 1; target 200 ms met"
    )


def test_the_text_shows_counters_interval_target_and_notes():
    text = as_text(GOOD)
    aligned = " ".join(text.split())
    assert "counted statements 101 → 1 rows unknown → 20 peak 2.0 MB → 1.0 MB" in aligned
    assert "none on either side: commits" in text
    assert (
        "after takes 1.0% of the time before (99% interval 0.9% to 1.0%; Mann-Whitney p < 0.0001, 1 look)"
        in text
    )
    assert "  target    200 ms met: median 43 ms, 95% interval 42 ms to 44 ms\n            and p95\n" in text
    assert text.endswith("  notes     threads are not counted")


def test_the_card_says_the_same_as_the_text():
    seen = words(GOOD)
    assert seen.startswith("FASTER 4.52 s → 43 ms, 105 times as fast; same result; 101 statements → 1")
    for piece in (
        "Same result (list, 100 items).",
        "101",
        "unknown",
        "99% interval 0.9% to 1.0%",
        "MET 200 ms",
    ):
        assert piece in seen


@pytest.mark.parametrize("show", [as_text, words])
def test_no_time_stands_before_the_difference(show):
    text = show(WRONG)
    assert text.startswith(
        ("NOT EQUIVALENT: result[3] differs (int)", "NOT EQUIVALENT result[3] differs (int)")
    )
    assert text.index("say nothing while the results differ") < text.index("4.52 s")
    assert "target" not in text.lower()


def test_times_of_different_results_are_folded():
    markup = as_html(WRONG).markup
    assert markup.index("<details>") < markup.index("4.52 s") < markup.index("</details>")
    assert "<details>" not in as_html(GOOD).markup


def test_a_difference_without_times_needs_no_word_about_them():
    assert "Time" not in words(replace(WRONG, timing=None, target=None))


@pytest.mark.parametrize(
    ("verification", "expected"),
    [
        (timed(Outcome.FASTER, 0.8, 50, 40), "50 ms → 40 ms, 20% less time; same result"),
        (timed(Outcome.FASTER, 0.4, 50, 20), "50 ms → 20 ms, 2.5 times as fast; same result"),
        (timed(Outcome.SLOWER, 1.2, 50, 60), "50 ms → 60 ms, 20% more time; same result"),
        (timed(Outcome.SLOWER, 12.0, 5, 60), "5.0 ms → 60 ms, 12 times as slow; same result"),
        (timed(Outcome.FASTER, 0.74, 0.0135, 0.01), "13.5 µs → 10 µs, 26% less time; same result"),
        (timed(Outcome.FASTER, 0.05, 1.0, 0.05), "1 ms → 50 µs, 20 times as fast; same result"),
        (timed(Outcome.SLOWER, 1.07, 1.16, 1.24), "1.16 ms → 1.24 ms, 7% more time; same result"),
        (timed(Outcome.FASTER, 0.93, 11.4, 10.6), "11.4 ms → 10.6 ms, 7% less time; same result"),
        (timed(Outcome.SAME, 1.0, 1.16, 1.19), "1.2 ms → 1.2 ms, the same within 5%; same result"),
        (timed(Outcome.SAME, 1.0, 0.003, 0.003), "3 µs → 3 µs, the same within 5%; same result"),
        (timed(Outcome.SAME, 1.01), "100 ms → 100 ms, the same within 5%; same result"),
        (timed(Outcome.UNRESOLVED, 1.0), "100 ms → 100 ms, but 1 pair of runs cannot decide it; same result"),
        (Verification(Outcome.UNRESOLVED, SAME), "not timed; same result"),
        (replace(GOOD, timing=None, target=None), "not timed; same result; 101 statements → 1"),
    ],
)
def test_headlines(verification, expected):
    assert headline(verification) == expected


def test_an_unchanged_number_of_statements_is_one_number():
    counters = (CounterChange("statements", "", 1, 1),)
    assert headline(Verification(Outcome.SAME, SAME, counters)).endswith("same result; 1 statement")


def test_code_without_statements_gets_no_word_about_them():
    counters = (CounterChange("statements", "", 0, 0),)
    assert headline(Verification(Outcome.SAME, SAME, counters)) == "not timed; same result"


@pytest.mark.parametrize(("met", "phrase"), [(False, "missed"), (None, "neither met nor missed for certain")])
def test_a_target_that_is_not_met_is_not_called_met(met, phrase):
    verification = replace(GOOD, target=replace(MET, met=met, sentence="cannot say: nothing was timed"))
    assert headline(verification).endswith(f"target 200 ms {phrase}")
    assert "MET 200" not in words(verification)


def test_a_result_that_is_not_certified_is_not_called_the_same():
    verification = replace(GOOD, equivalence=Equivalence(None, "cannot certify: result is of type X"))
    assert "result not certified" in headline(verification)
    assert "same result" not in as_text(verification) + words(verification)


def test_a_comparison_without_runs_shows_why_and_no_picture():
    timing = TimingComparison(Outcome.UNRESOLVED, (), (), 0, 0, note="Only 0 pairs fitted into 30 s.")
    verification = Verification(Outcome.UNRESOLVED, SAME, timing=timing)
    assert headline(verification) == "no pair of runs fitted into the budget; same result"
    assert "Only 0 pairs fitted into 30 s." in as_text(verification)
    assert "Only 0 pairs fitted into 30 s." in words(verification)
    assert "<img" not in as_html(verification).markup


def test_too_few_runs_for_an_interval_are_said_to_be_so():
    timing = TimingComparison(Outcome.UNRESOLVED, (10.0,), (9.0,), 1, 1, 0.9, None, None, 1.0)
    assert "with too few runs for an interval" in as_text(
        Verification(Outcome.UNRESOLVED, SAME, timing=timing)
    )


def test_everything_from_outside_is_escaped():
    hostile = "<script>alert(1)</script>"
    verification = replace(
        GOOD,
        equivalence=Equivalence(True, hostile),
        notes=(hostile,),
        counters=(CounterChange(hostile, "", 1, 2),),
        target=replace(MET, sentence=f"met: {hostile}"),
    )
    assert "<script" not in as_html(verification).markup
    assert "<script" not in as_html(replace(verification, outcome=Outcome.NOT_EQUIVALENT)).markup


def drawing(markup):
    return base64.b64decode(re.search(r"base64,([^\"]+)", markup)[1]).decode()


def test_the_strip_has_a_dot_for_every_run_and_says_in_words_what_it_shows():
    markup = strip((4520.0, 4600.0), (43.0, 44.0, 45.0)).markup
    assert drawing(markup).count("<circle") == 5
    assert "logarithmic" in drawing(markup)
    assert (
        'alt="Times: 2 runs before took 4.52 s to 4.60 s, median 4.56 s; '
        '3 runs after took 43 ms to 45 ms, median 44 ms."' in markup
    )


def test_times_close_together_are_drawn_on_a_linear_axis():
    assert "logarithmic" not in drawing(strip((10.0, 11.0), (9.0,)).markup)


def test_equal_times_are_drawn_in_the_middle():
    assert drawing(strip((5.0,), (5.0,)).markup).count('cx="270.0"') == 2


def test_there_is_no_strip_of_one_side():
    assert strip((1.0,), ()).markup == ""
