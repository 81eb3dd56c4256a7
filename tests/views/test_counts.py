"""One is one: `1 row`, not `1 rows`, wherever a person reads a count."""

import re
from dataclasses import replace

from cpu_profiles import function, profile

from perfkit.model.builders import query, trace
from perfkit.model.plan import TriggerTime
from perfkit.model.plan_builders import node, plan
from perfkit.model.wording import counted
from perfkit.rules import all_rules, diagnose
from perfkit.views import block, plan_tree, profile_diff, queries

NOUNS = (
    "rows|times|calls|loops|blocks|pages|entries|indexes|statements|shapes|samples|nodes|values|batches|sets"
    "|executions|runs|pairs|items|bytes|functions|places|processes|connections|transactions|trips|findings"
)
ONE_AS_MANY = re.compile(rf"(?<![\d.,])1 (?:[a-z]+ )?(?:{NOUNS})\b.*")


def test_counts_are_followed_by_the_right_form():
    assert [counted(n, "index", "indexes") for n in (0, 1, 1000)] == ["0 indexes", "1 index", "1,000 indexes"]
    assert [counted(n, "row") for n in (0.4, 1.4, 1.6)] == ["0 rows", "1 row", "2 rows"]


def test_no_example_of_a_rule_shows_one_as_many():
    shown = [
        block.as_text(example, diagnose(example))
        for rule in all_rules()
        for example in (*rule.fires_on, *rule.silent_on)
    ]
    assert [found[0] for text in shown for found in ONE_AS_MANY.finditer(text)] == []


def test_one_row_of_a_statement_and_one_more_place_or_shape():
    text = queries.as_text(trace(query(returned_rows=1), query("SELECT 2", returned_rows=2)))
    assert "1 row   SELECT 1" in text
    assert "2 rows  SELECT 2" in text
    many = trace(*(query(f"SELECT {n}") for n in range(queries.SHOWN_GROUPS + 1)))
    assert "1 more shape not shown." in str(queries.as_html(many))


def test_one_row_and_one_byte_of_a_plan():
    said = {"Filter": "(a = 1)", "rows_removed_by_filter": 1.0, "total_cost": 9.0}
    scan = node("Seq Scan", relation_name="t", ms=5, **said)
    item = plan(replace(scan, plan_width=1), triggers=(TriggerTime("check", 0.5, 1),))
    text, markup = plan_tree.as_text(item), str(plan_tree.as_html(item))
    assert "in 1 call." in text
    assert "threw away 1 row" in markup
    assert "1 byte a row" in markup
    assert not ONE_AS_MANY.search(text)


def test_one_call_of_a_profile():
    before, after = profile(function("f", own=0.5, calls=9)), profile(function("f", own=0.1, calls=1))
    assert "9 → 1 call" in profile_diff.as_text(before, after, title="a → b")
    assert "9 → 1 calls" not in profile_diff.as_text(before, after, title="a → b")
