"""What is shown of a block: the numbers, the findings, and never anything that is not escaped."""

import dataclasses
import html
import json

import pytest
from bs4 import BeautifulSoup
from hypothesis import given
from hypothesis import strategies as st

from perfkit.model.builders import line, loan, loop, pool, query, refusal, trace, unmeasured
from perfkit.model.connection import TransactionEvent
from perfkit.model.plan_builders import node
from perfkit.model.plan_builders import plan as made_plan
from perfkit.model.production import ProductionPlan
from perfkit.rules import diagnose
from perfkit.views import block, findings, queries, table
from perfkit.views._html import Html, esc, join, tag

LAZY = "SELECT posts.id FROM posts WHERE ? = posts.author_id"
USERS = query("SELECT users.id FROM users", returned_rows=100, call_site=line(1, "users = all_users()"))
PAGE = trace(USERS, loop(100, LAZY, relationship="User.posts"), name="users page")
SANITISED_AWAY = ("script", "style", "svg", "iframe", "link")
HOSTILE = "</script><img src=x onerror=alert(1)>\"'&\u2028\ud800"


def shown(item, **options):
    return BeautifulSoup(block.as_html(item, diagnose(item), **options).markup, "html.parser")


def test_the_header_counts_statements_shapes_round_trips_time_and_findings():
    text = block.as_text(PAGE, diagnose(PAGE), focus="queries").splitlines()[0]

    assert text == (
        "users page: 101 statements in 2 shapes · 101 round trips"
        " · 101 ms of 101 ms in the database · 1 finding"
    )


WAITED = pool(loan(30.0, 40.0, wait_ms=30.0))


def test_the_header_tells_the_wait_for_a_connection_where_it_matters():
    waited = trace(query(duration_ms=10.0), duration_ms=100.0, pool=WAITED)

    assert "10 ms of 100 ms in the database · 30 ms waiting for a connection" in queries.summary(waited)
    assert "waiting" not in queries.summary(dataclasses.replace(waited, duration_ms=4000.0))
    assert "waiting" not in queries.summary(trace(query(), pool=pool(loan(0.5, 40.0, wait_ms=0.5))))


def test_the_time_line_parts_the_block_into_database_waiting_and_python():
    waited = trace(
        query(duration_ms=10.0),
        duration_ms=100.0,
        pool=pool(loan(50.0, 60.0, wait_ms=30.0)),
        transactions=(TransactionEvent("commit", 60.0, duration_ms=20.0),),
    )

    text = shown(waited, focus="queries").get_text(" ")

    assert "blue: in the database, 30 ms (30%)" in text
    assert "orange: waiting for a connection, 30 ms" in text
    assert "the rest, 40 ms, in Python" in text


def test_a_wait_that_came_to_nothing_counts_until_its_error():
    refused = trace(query(), duration_ms=100.0, pool=pool(refusal(10.0, refused_ms=40.0)))
    waiting_still = trace(query(), duration_ms=100.0, pool=pool(refusal(10.0)))

    assert (refused.waiting_ms, waiting_still.waiting_ms) == (30.0, 90.0)


def test_what_ran_before_the_block_stands_apart_and_in_no_number():
    others = [query("SELECT beat", is_background=True, duration_ms=5.0, start_ms=n) for n in range(12)]
    busy = dataclasses.replace(
        PAGE, background_queries=tuple(others), pool=pool(loan(90, 95, wait_ms=80, is_background=True))
    )

    text, page = block.as_text(busy, diagnose(busy), focus="queries"), shown(busy, focus="queries")

    assert text.splitlines()[0] == (
        "users page: 101 statements in 2 shapes · 101 round trips · 101 ms of 101 ms in the database"
        " · 12 more from tasks that ran before the block · 1 finding"
    )
    assert "12 more statements from tasks and threads that ran before the block" in text
    (apart,) = [fold for fold in page.find_all("details") if "SELECT beat" in fold.get_text()]
    assert apart.find("summary").get_text().startswith("12 more statements from tasks")
    assert diagnose(busy).findings == diagnose(PAGE).findings


def test_a_block_that_only_others_used_says_so():
    others = dataclasses.replace(trace(), background_queries=(query("SELECT beat", is_background=True),))

    assert queries.summary(others) == "no statements · 1 more from tasks that ran before the block"
    assert "SELECT beat" in shown(others, focus="queries").get_text()


def test_a_finding_shows_the_line_the_loop_where_to_mend_and_the_next_step():
    text = " ".join(shown(PAGE, focus="queries").get_text(" ").split())

    for part in (
        "Cell In[1], line 3",
        "Cell In[1], line 2",
        "Cell In[1], line 1",
        "selectinload(User.posts)",
    ):
        assert part in text
    assert "99 needless round trips" in text


def test_statements_stand_worst_first_with_their_count_and_their_line():
    rows = [
        [c.get_text(" ", strip=True) for c in row.find_all("td")]
        for row in shown(PAGE, focus="queries").find_all("tr")
    ]

    assert [row[0] for row in rows[1:3]] == ["100", "1"]
    assert "loop at Cell In[1], line 2" in rows[1][-1]


def test_a_block_without_findings_says_what_was_looked_for():
    quiet = trace(query())

    assert "No finding" in block.as_text(quiet, diagnose(quiet), focus="queries")
    assert "not judged" in block.as_text(quiet, diagnose(quiet), focus="all")


def test_rows_that_are_unknown_are_called_unknown():
    assert "unknown" in queries.as_text(trace(query(returned_rows=None)))


WRITES = (
    "INSERT INTO t VALUES (?)",
    "UPDATE t SET a = ?",
    "CREATE TABLE t (a)",
    "WITH d AS (DELETE FROM t) SELECT ?",
)


@pytest.mark.parametrize("statement", WRITES)
def test_no_rows_are_counted_for_what_never_sends_any(statement):
    assert "row" not in queries.as_text(trace(query(statement, returned_rows=0)))


@pytest.mark.parametrize(
    "statement", ["SELECT a FROM t", "UPDATE t SET a = ? RETURNING a", "DELETE FROM t RETURNING *"]
)
def test_what_could_have_sent_rows_and_sent_none_says_so(statement):
    assert "0 rows" in queries.as_text(trace(query(statement, returned_rows=0)))


def test_the_size_of_rows_stands_beside_them_where_it_is_known():
    known = query("SELECT a", returned_rows=1000, returned_bytes=3_200_000)
    group = trace([known, query("SELECT a", returned_rows=500), query("SELECT b", returned_rows=1000)])

    text = queries.as_text(group)

    assert "1,500 rows · ≈ 4.8 MB  SELECT a" in text
    assert "1,000 rows             SELECT b" in text
    assert "1,000 · ≈ 3.2 MB" in shown(group, focus="queries").get_text()


def test_a_block_that_was_not_measured_shows_no_zero_statements():
    text = block.as_text(unmeasured(), diagnose(unmeasured()))

    assert "0 statements" not in text
    assert "not judged" in text


def test_a_failed_block_and_a_failed_statement_are_named():
    failed = dataclasses.replace(
        trace(query(status="error", error_type="UniqueViolation")), error="IntegrityError", notes=("A note.",)
    )

    text = shown(failed, focus="queries").get_text(" ")

    for part in ("IntegrityError", "UniqueViolation", "1 failed", "A note."):
        assert part in text


def test_nothing_that_jupyterlab_strips_from_an_untrusted_notebook_is_used():
    page = shown(PAGE, focus="queries")

    assert [name for name in SANITISED_AWAY if page.find(name)] == []
    assert not page.find(id=True)
    assert "var(--" not in str(page)


def test_pictures_have_a_text_alternative_and_tables_have_headers():
    page = shown(PAGE, focus="queries")

    assert all(picture["alt"] for picture in page.find_all("img"))
    assert all(table_.find("th", scope="col") for table_ in page.find_all("table"))


def test_hostile_text_is_escaped_wherever_it_stands():
    place = line(1, HOSTILE, function_name=HOSTILE, cell=HOSTILE)
    hostile = dataclasses.replace(
        trace(loop(3, f"SELECT {HOSTILE}", site=place, loop_site=place, relationship=HOSTILE), name=HOSTILE),
        error=HOSTILE, notes=(HOSTILE,),
    )  # fmt: skip

    page = block.as_html(hostile, diagnose(hostile), focus="queries").markup

    assert "onerror=alert" not in [
        attribute for tag_ in BeautifulSoup(page, "html.parser").find_all() for attribute in tag_.attrs
    ]
    assert not BeautifulSoup(page, "html.parser").find(onerror=True)
    page.encode("utf-8")


@given(st.text())
def test_any_text_is_shown_as_itself(text):
    inside = tag("p", text).markup.removeprefix("<p>").removesuffix("</p>")

    assert "<" not in inside
    assert html.unescape(inside) == text.encode("utf-8", "backslashreplace").decode("utf-8")


def test_markup_stays_markup_and_everything_else_does_not():
    assert esc(join([Html("<b>"), "<b>", None, 1])) == "<b>&lt;b&gt;1"


def test_one_row_a_statement_without_values_for_a_frame():
    rows = table.query_rows(PAGE)

    assert len(rows) == 101
    assert set(rows[0]) == set(table.QUERY_COLUMNS)
    assert rows[1]["loop_site"] == "Cell In[1], line 2"
    json.dumps(rows)


def test_a_thousand_shapes_are_shown_as_twenty_and_a_number():
    many = trace([query(f"SELECT {n} FROM t{n}") for n in range(1000)])

    page = shown(many, focus="queries")

    assert "980 more shapes" in page.get_text()
    assert len(str(page)) < 400_000


def test_what_a_finding_costs_over_a_network_is_said_only_for_round_trips():
    (finding,) = diagnose(PAGE).findings

    assert "99 needless round trips, which is 99 ms at 1 ms each" in findings.cost_over_network(finding)
    assert findings.cost_over_network(dataclasses.replace(finding, round_trips=0)) is None


def planned(*settings):
    scans = (made_plan(node("Seq Scan", ms=5, relation_name="t"), settings=said) for said in settings)
    return dataclasses.replace(unmeasured(), plans=tuple(scans))


def told(item):
    """How often each line about the planner's settings is shown, in the text and in the HTML."""
    page = shown(item, focus="plans").get_text(" ")
    return [text.count("Planner settings") for text in (block.as_text(item, diagnose(item)), page)]


def test_settings_that_all_plans_share_are_told_once():
    settings = {"work_mem": "64MB"}

    assert told(planned(settings, settings, settings)) == [1, 1]
    assert told(planned(settings)) == [1, 1]
    assert told(planned(settings, {"work_mem": "1MB"})) == [2, 2]
    assert told(planned(settings, {})) == [1, 1]
    assert told(planned({}, {})) == [0, 0]


def test_the_plan_at_another_size_does_not_tell_them_again():
    item = planned({"work_mem": "64MB"})
    then = ProductionPlan(0, 1.0, dataclasses.replace(item.plans[0], analyzed=False))

    assert told(dataclasses.replace(item, production=(then,))) == [1, 1]


def test_each_of_several_plans_stands_below_its_statement():
    scans = [made_plan(node("Seq Scan", ms=5, relation_name=name)) for name in ("a", "b")]
    plans = [
        dataclasses.replace(scan, query_text=f"SELECT *\n  FROM {scan.root.relation_name}") for scan in scans
    ]
    both, one = trace(plans=tuple(plans)), trace(plans=tuple(plans[:1]))

    lines = block.as_text(both, diagnose(both)).splitlines()

    assert lines.index("SELECT * FROM a") < lines.index("SELECT * FROM b")
    assert "SELECT * FROM a" not in block.as_text(one, diagnose(one))
