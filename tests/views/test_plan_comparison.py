"""Plans before and after, side by side: what is said, and that nothing in it can run."""

from dataclasses import replace

from bs4 import BeautifulSoup

from perfkit.model.builders import trace, unmeasured
from perfkit.model.plan import Plan, PlanNode
from perfkit.model.plan_builders import node, plan
from perfkit.model.plan_reader import read_postgresql_plan
from perfkit.session import PlanComparison
from perfkit.views import comparison, plan_comparison
from tests.plans.large import wide_plan

HOSTILE = '<script>alert("x")</script>'
SQL = "SELECT * FROM orders WHERE user_id = 42 ORDER BY id"
SCAN = node(
    "Seq Scan", ms=55, rows=15, relation_name="orders", shared_hit_blocks=2000, Filter="(user_id = 42)",
    rows_removed_by_filter=9985,
)  # fmt: skip
LOOKUP = node(
    "Index Scan", ms=0.05, rows=15, relation_name="orders", index_name="by_user", shared_hit_blocks=4,
)  # fmt: skip
BEFORE = plan(node("Sort", SCAN, ms=60, rows=15, shared_hit_blocks=2000), query_text=SQL)
AFTER = plan(LOOKUP, query_text=SQL)


def alone(item):
    """A block of which nothing but a plan was measured."""
    return replace(unmeasured(), plans=(item,))


def page(before, after):
    return BeautifulSoup(plan_comparison.as_html(before, after).markup, "html.parser")


def words(before, after):
    return " ".join(page(before, after).get_text(" ").split())


def test_the_totals_come_first():
    text = words([BEFORE], [AFTER])

    for said in (
        "60 ms → 0.05 ms",
        "execution, 1,200 times as fast",
        "16.4 MB → 32.8 kB",
        "15 rows returned",
    ):
        assert said in text
    assert text.index("60 ms → 0.05 ms") < text.index("Seq Scan on orders")


def test_times_of_one_run_each_are_said_to_prove_little():
    for shown in (str(PlanComparison((BEFORE,), (AFTER,))), comparison.as_text(alone(BEFORE), alone(AFTER))):
        assert shown.endswith("%verify, given two functions, tells chance from change.")
        assert shown.count("One run proves little") == 1
    assert "One run proves little" in PlanComparison((BEFORE,), (AFTER,))._repr_mimebundle_()["text/html"]
    assert "One run proves little" in comparison.as_html(alone(BEFORE), alone(AFTER)).markup


def test_plans_without_times_have_no_such_line():
    planned = replace(BEFORE, analyzed=False)
    assert "One run proves little" not in str(PlanComparison((planned,), (AFTER,)))
    assert "One run proves little" not in comparison.as_text(alone(planned), alone(AFTER))


def test_each_node_stands_beside_the_one_that_does_its_work_with_the_change():
    text = words([BEFORE], [AFTER])

    assert "Sort 5.0 ms · 15 rows gone −5.0 ms" in text
    assert "Seq Scan on orders 55 ms · 15 rows · 16.4 MB read" in text
    assert "Index Scan using by_user on orders 0.05 ms · 15 rows · 32.8 kB read −55 ms −16.4 MB read" in text
    assert text.index("Seq Scan on orders") < text.index("Index Scan using by_user")


def test_what_has_become_slower_is_marked_as_such():
    markup = plan_comparison.as_html([AFTER], [BEFORE]).markup
    text = words([AFTER], [BEFORE])

    assert "1,200 times as slow" in text
    assert "+55 ms" in text
    assert "#b42318" in markup
    assert "#b42318" not in plan_comparison.as_html([BEFORE], [AFTER]).markup


def test_what_has_not_changed_is_not_marked():
    markup = plan_comparison.as_html([BEFORE], [BEFORE]).markup
    text = words([BEFORE], [BEFORE])

    assert "border-radius:10px" not in markup
    assert "→" not in text
    assert "times as" not in text


def test_another_number_of_rows_is_said_because_times_may_not_compare():
    other = plan(replace(LOOKUP, actual_rows=3.0), query_text=SQL)

    assert "returned 15 rows; after, 3 rows" in words([BEFORE], [other])
    assert "of different work" not in words([BEFORE], [AFTER])


def test_other_settings_are_named():
    text = words([BEFORE], [replace(AFTER, settings={"work_mem": "64MB"})])

    assert "The planner's settings differ: work_mem." in text


def test_plans_that_were_not_measured_are_compared_by_cost_and_no_time_is_made_up():
    planned = Plan(
        "postgresql", SQL, PlanNode(0, "Seq Scan", total_cost=1234.0, relation_name="orders"), analyzed=False
    )
    text = words([BEFORE], [planned])

    assert "unknown → 1,234" in text
    assert "cost, not measured on both sides" in text
    assert "Seq Scan on orders cost 1,234" in text
    assert "−55 ms" not in text
    assert "−5.0 ms" not in text
    assert "−" not in plan_comparison.as_text([BEFORE], [planned])


def test_statements_are_paired_by_their_shape_and_the_others_named():
    one, two, three = (replace(BEFORE, query_text=f"SELECT {n}", fingerprint=f"{n}") for n in range(3))
    text = words([one, two], [replace(AFTER, query_text="SELECT 0 -- again", fingerprint="0"), two, three])

    assert text.count("times as fast") == 1
    assert "The statement before SELECT 0" in text
    assert "new SELECT 2" in text
    assert "gone" in words([one, two, three], [one, two])


def test_a_rewritten_statement_is_taken_for_the_one_that_it_replaces():
    text = words([BEFORE], [replace(AFTER, query_text="SELECT id FROM orders")])

    assert "1,200 times as fast" in text
    assert "The statement before" in text


def test_of_a_large_plan_what_hardly_changed_is_folded():
    large = read_postgresql_plan(wide_plan(1000), SQL)
    folds = page([large], [large]).select("details")

    assert [fold.summary.get_text() for fold in folds] == ["1,000 nodes that hardly changed the time"]
    assert len(plan_comparison.as_html([large], [large]).markup) < 1_000_000


def test_the_text_says_the_same_on_lines():
    lines = plan_comparison.as_text([BEFORE], [AFTER]).splitlines()

    assert lines[0] == SQL
    assert "  execution, 1,200 times as fast: 60 ms → 0.05 ms" in lines
    (sort,) = (line for line in lines if line.endswith("Sort"))
    assert sort.split() == ["5.0", "ms", "gone", "−5.0", "ms", "15", "Sort"]
    assert lines[-1].endswith("16.4 MB → 32.8 kB  Seq Scan on orders → Index Scan using by_user on orders")


def test_names_and_conditions_are_escaped():
    scan = node(HOSTILE, relation_name=HOSTILE, alias=HOSTILE, subplan_name=HOSTILE, Filter=HOSTILE)
    hostile = plan(scan, query_text=HOSTILE, settings={HOSTILE: 1})

    found = page([hostile, BEFORE], [replace(hostile, settings={}), AFTER])
    assert not found.select("script")
    assert found.get_text().count(HOSTILE) >= 6


def test_comparing_two_blocks_shows_their_plans():
    before, after = (trace(plans=(item,), duration_ms=70.0) for item in (BEFORE, AFTER))

    markup = comparison.as_html(before, after).markup
    assert plan_comparison.as_html([BEFORE], [AFTER]).markup in markup
    assert plan_comparison.as_text([BEFORE], [AFTER]) in comparison.as_text(before, after)
    assert "Query plans" not in comparison.as_text(before, trace(duration_ms=1.0))
    assert "were not measured" not in comparison.as_text(*(replace(b, queries=None) for b in (before, after)))


def test_plans_without_any_number_are_still_matched():
    one, other = (
        Plan(
            "sqlite", SQL, PlanNode(0, "SCAN", relation_name="t", attributes={"Detail": text}), analyzed=False
        )
        for text in ("SCAN t", "SEARCH t USING INDEX by_kind")
    )

    assert words([one], [other]).endswith("before after SCAN t SEARCH t USING INDEX by_kind")
    assert plan_comparison.as_text([one], [other]).endswith("SCAN t → SEARCH t USING INDEX by_kind")
