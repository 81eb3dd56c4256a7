"""The tree of a plan: what it says, and that nothing in it can run."""

import json
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from bs4 import BeautifulSoup

from perfkit.model.builders import line
from perfkit.model.plan import AlternativePlan, Plan, PlanNode, TriggerTime
from perfkit.model.plan_builders import node, plan, planned_trace
from perfkit.model.plan_reader import read_postgresql_plan
from perfkit.rules import diagnose, selective_seq_scan
from perfkit.views import plan_tree

RECORDED = {
    file.stem: read_postgresql_plan(json.loads(file.read_text(encoding="utf-8")), "SELECT 1")
    for file in sorted((Path(__file__).parent.parent / "model" / "plans").glob("*.json"))
}
HOSTILE = '<script>alert("x")</script>'
SCAN = node(
    "Seq Scan", ms=55, rows=15, relation_name="orders", rows_removed_by_filter=999_985,
    Filter="(orders.user_id = 42)",
)  # fmt: skip


class Page(HTMLParser):
    """The text of a page, its tags, and whether they are balanced."""

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.attributes: set[str] = set()
        self.feed(markup)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes.update(name for name, _ in attrs)
        if tag != "br":
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


@pytest.mark.parametrize("recorded", RECORDED.values(), ids=RECORDED)
def test_every_node_of_a_recorded_plan_is_in_the_html_the_text_and_the_rows(recorded):
    count = len(list(recorded.nodes()))
    page = Page(plan_tree.as_html(recorded).markup)
    assert not page.open
    assert len(plan_tree.rows(recorded)) == count
    text = plan_tree.as_text(recorded)
    for row in plan_tree.rows(recorded):
        assert row["node"] in page.text
        assert row["node"] in text


def test_nothing_in_the_page_can_run_or_needs_a_style_sheet():
    pages = [Page(plan_tree.as_html(recorded).markup) for recorded in RECORDED.values()]
    assert not {tag for page in pages for tag in page.tags} & {"script", "style", "svg", "iframe", "link"}
    assert {name for page in pages for name in page.attributes} <= {"style", "scope", "title"}


def test_names_and_conditions_are_escaped():
    scan = node(
        HOSTILE, relation_name=HOSTILE, alias=HOSTILE, index_name=HOSTILE, schema=HOSTILE,
        subplan_name=HOSTILE, Filter=HOSTILE, Sort_Key=[HOSTILE], Other={HOSTILE: [HOSTILE]},
    )  # fmt: skip
    tree = plan(
        scan,
        query_text=HOSTILE,
        call_site=line(1, HOSTILE),
        notes=(HOSTILE,),
        settings={HOSTILE: HOSTILE},
        triggers=(TriggerTime(HOSTILE, 3.0, relation_name=HOSTILE),),
    )
    page = Page(plan_tree.as_html(tree).markup)
    assert "script" not in page.tags
    assert page.text.count(HOSTILE) >= 8


def test_the_share_the_rows_and_the_rows_thrown_away_are_said():
    text = Page(plan_tree.as_html(plan(node("Limit", SCAN, ms=56, rows=15))).markup).text
    assert "98%" in text
    assert "55 ms" in text
    assert "Filter: user_id = 42 — threw away 999,985 rows" in text


def test_a_finding_stands_beside_its_node():
    trace = planned_trace(node("Sort", SCAN, ms=56, rows=15))
    findings = diagnose(trace, [selective_seq_scan.RULE]).findings
    text = Page(plan_tree.as_html(trace.plans[0], findings).markup).text
    assert text.index("Seq Scan on orders") < text.index("1,000,000 rows are read to keep 15. (PK201)")


def test_a_wrong_estimate_is_marked_unless_the_node_was_stopped_early():
    wrong = node("Seq Scan", ms=5, rows=930, planned=10, relation_name="orders")
    assert "93× more" in plan_tree.as_html(plan(node("Sort", wrong, ms=6))).markup
    assert "93×" not in plan_tree.as_html(plan(node("Limit", wrong, ms=6, rows=1))).markup
    assert "93× more than expected" in plan_tree.as_text(plan(wrong))


def test_a_node_that_never_ran_shows_no_numbers():
    tree = plan(node("Append", node("Seq Scan", loops=0, rows=0, planned=900, relation_name="orders"), ms=3))
    assert "never executed" in plan_tree.as_html(tree).markup
    assert "never executed" in plan_tree.as_text(tree)
    assert "900" not in Page(plan_tree.as_html(tree).markup).text.partition("as JSON")[0]


def test_a_spill_is_marked():
    assert "sorted on disk, 11.8 MB" in plan_tree.as_html(RECORDED["sort_on_disk"]).markup
    assert "sorted on disk, 11.8 MB" in plan_tree.as_text(RECORDED["sort_on_disk"])
    assert "in 8 batches on disk" in plan_tree.as_html(plan(node("Hash", ms=3, Hash_Batches=8))).markup
    assert "batches" not in Page(plan_tree.as_html(plan(node("Hash", ms=3, Disk_Usage=0))).markup).text


def test_a_time_that_rounding_makes_rough_says_so():
    inner = node("Index Scan", ms=0.001, loops=500_000, relation_name="orders")
    text = Page(plan_tree.as_html(plan(node("Nested Loop", inner, ms=900))).markup).text
    assert "≈ 500 ms" in text
    assert "Rounding: ± 250 ms" in text


def test_what_stands_outside_the_nodes_is_said():
    text = plan_tree.as_text(RECORDED["writable_cte_with_trigger"])
    assert "after the main query" in text
    assert "Trigger watch on watched" in text
    compiled = replace(RECORDED["bitmap_or"], jit_time_ms=26.7, settings={"work_mem": "5MB"})
    assert "27 ms went into compiling the plan (JIT)" in plan_tree.as_text(compiled)
    assert "work_mem = 5MB" in plan_tree.as_text(compiled)


def test_a_plan_that_was_not_executed_shows_costs_and_says_so():
    scan = PlanNode(0, "Seq Scan", plan_rows=900, total_cost=1234.5, relation_name="orders", plan_width=8)
    tree = Plan("postgresql", "DELETE FROM orders", scan, analyzed=False, notes=("It was not executed.",))
    text = Page(plan_tree.as_html(tree).markup).text
    for words in ("not measured", "cost 1,234", "900 rows expected", "It was not executed."):
        assert words in text
    assert "0 ms" not in text


def test_a_plan_without_numbers_has_no_place_for_them():
    tree = Plan("sqlite", "", PlanNode(0, "QUERY PLAN", attributes={"Detail": "QUERY PLAN"}), analyzed=False)
    page = Page(plan_tree.as_html(tree).markup)
    assert "text-align:right" not in plan_tree.as_html(tree).markup
    assert page.text == "not measured execution QUERY PLAN"


@pytest.mark.parametrize(
    ("item", "title"),
    [
        (
            node("Seq Scan", relation_name="orders", alias="o", Parallel_Aware=True),
            "Parallel Seq Scan on orders o",
        ),
        (
            node("Index Scan", relation_name="orders", index_name="by_user"),
            "Index Scan using by_user on orders",
        ),
        (node("Hash Join", Join_Type="Left"), "Hash Left Join"),
        (node("Nested Loop", Join_Type="Anti"), "Nested Loop Anti Join"),
        (node("Nested Loop", Join_Type="Inner"), "Nested Loop"),
        (node("Aggregate", Strategy="Hashed", Partial_Mode="Partial"), "Partial HashAggregate"),
        (node("Aggregate", Strategy="Plain", Partial_Mode="Simple"), "Aggregate"),
        (node("ModifyTable", Operation="Update", relation_name="orders"), "Update on orders"),
        (node("CTE Scan", CTE_Name="big", alias="b"), "CTE Scan on big b"),
    ],
)
def test_titles_read_like_the_text_of_explain(item, title):
    (row,) = plan_tree.rows(plan(item))
    assert row["node"] == title


def test_where_it_was_sent_and_how_often():
    text = Page(plan_tree.as_html(plan(SCAN, call_site=line(3, "find()"), executions=101)).markup).text
    assert "find()" in text
    assert "sent 101 times" in text


def test_a_deep_plan_stays_on_the_page():
    deep = node("Seq Scan", ms=1)
    for _ in range(60):
        deep = node("Subquery Scan", deep, ms=1)
    assert "padding-left:224px" in plan_tree.as_html(plan(deep)).markup
    assert "padding-left:240px" not in plan_tree.as_html(plan(deep)).markup


def test_the_plan_can_be_copied_as_json_and_reads_back():
    for recorded in RECORDED.values():
        page = BeautifulSoup(plan_tree.as_html(recorded).markup, "html.parser")
        (copy,) = page.select("pre")
        assert read_postgresql_plan(copy.get_text(), recorded.query_text) == recorded


def test_a_hostile_name_stays_text_in_the_copy():
    page = BeautifulSoup(plan_tree.as_html(plan(node(HOSTILE, relation_name=HOSTILE))).markup, "html.parser")
    (copy,) = page.select("pre")
    assert json.loads(copy.get_text())[0]["Plan"]["Relation Name"] == HOSTILE


def test_of_a_large_plan_it_is_said_how_to_get_the_json():
    many = plan(node("Append", *(node("Seq Scan", ms=1) for _ in range(60)), ms=70))
    long = plan(node("Seq Scan", ms=1, Filter="(a = '" + "x" * 100_000 + "')"))
    assert "print(result.plan_json())" in Page(plan_tree.as_html(many).markup).text
    assert "print(result.plan_json(3))" in Page(plan_tree.as_html(long, number=3).markup).text
    assert "print(" not in plan_tree.as_html(plan(SCAN)).markup


def test_a_plan_of_another_database_has_no_such_json():
    tree = Plan("sqlite", "", PlanNode(0, "QUERY PLAN"), analyzed=False)
    assert "JSON" not in plan_tree.as_html(tree).markup


def test_other_plans_of_the_same_statement_are_there_to_unfold():
    generic = plan(node("Seq Scan", ms=240, relation_name="orders"))
    cursor = plan(node("Index Scan", ms=5, relation_name="orders", index_name="by_day"))
    both = (AlternativePlan("generic", generic, executions=7), AlternativePlan("cursor", cursor))
    tree = plan(SCAN, alternatives=both)
    for text in (Page(plan_tree.as_html(tree).markup).text, plan_tree.as_text(tree)):
        assert (
            "The generic plan, made once for all values of a prepared statement, run 7 times in this block"
            in text
        )
        assert (
            text.index("The generic plan") < text.index("240 ms") < text.index("The plan of the named cursor")
        )
        assert "using by_day on orders" in text
    assert "The plan of" not in plan_tree.as_text(plan(SCAN))


def test_what_to_paste_stands_beside_the_node_and_very_much_of_it_is_cut():
    trace = planned_trace(node("Sort", SCAN, ms=56, rows=15))
    (finding,) = diagnose(trace, [selective_seq_scan.RULE]).findings
    text = Page(plan_tree.as_html(trace.plans[0], [finding]).markup).text
    assert text.index("(PK201)") < text.index("CREATE INDEX ON orders (user_id);")
    many = replace(finding, advice="Analyze.\n" + "\n".join(f"ANALYZE part_{n};" for n in range(90)))
    text = Page(plan_tree.as_html(trace.plans[0], [many]).markup).text
    assert "ANALYZE part_5; 84 more lines in the list of findings" in text
    assert "ANALYZE part_6;" not in text
    plain = replace(finding, advice="Read fewer rows.")
    assert "Next: Read fewer rows." in Page(plan_tree.as_html(trace.plans[0], [plain]).markup).text


def test_workers_and_shortened_conditions_are_told_whole_in_the_fold():
    ids = ",".join(map(str, range(50)))
    condition = f"(id = ANY ('{{{ids}}}'::int[]))"
    worker = {"Worker Number": 0, "Actual Total Time": 8.741, "Actual Rows": 572.0, "Sort Space Type": "Disk"}
    item = node("Seq Scan", ms=3, relation_name="t", Filter=condition, Workers=[worker])
    text = Page(plan_tree.as_html(plan(item)).markup).text
    assert "Filter: id = ANY (0, 1, 2, … 50 values)" in text
    assert f"Filter: {condition}" in text
    assert "Workers: number 0 8.7 ms for 572 rows, sorted on disk" in text
    short = node("Seq Scan", ms=3, relation_name="t", Filter="(a = 1)", Parallel_Aware=False, Disabled=False)
    assert Page(plan_tree.as_html(plan(short)).markup).text.count("a = 1") == 2  # on the line and in the JSON
    assert "False" not in plan_tree.as_html(plan(short)).markup
