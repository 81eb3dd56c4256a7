"""Pasted plans: from every program, in every frame and format, and what is said of those that are none."""

import json
import textwrap
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perfkit.model import codec
from perfkit.model.builders import trace
from perfkit.model.plan import Plan
from perfkit.model.plan_paste import MAX_PLANS, looks_like_plan, read_pasted_plans
from perfkit.model.plan_reader import PlanFormatError
from perfkit.rules import diagnose
from perfkit.views import plan_tree
from tests.pasted_plans.recording import FOLDER, load

FRAMED = sorted((FOLDER / "psql").glob("*.txt"))
LOGS = sorted((FOLDER / "logs").iterdir())
RECORDED = load(18)
TEXT, JSON = RECORDED["hash_join"]["text"], RECORDED["hash_join"]["json"]
PRETTY = json.dumps(json.loads(JSON), indent=2)
LONG = (FOLDER / "psql" / "unaligned.json.txt").read_text(encoding="utf-8")
YAML, XML = RECORDED["insert"]["yaml"], RECORDED["insert"]["xml"]
SHORT = "Limit  (cost=0.00..1.00 rows=1 width=4)\n  ->  Seq Scan on t  (cost=0.00..9.00 rows=9 width=4)"


def read(text: str) -> Plan:
    plans = read_pasted_plans(text).plans
    assert len(plans) == 1
    return plans[0]


def reason(text: str) -> str:
    with pytest.raises(PlanFormatError) as caught:
        read_pasted_plans(text)
    assert len(str(caught.value).splitlines()) == 1
    assert len(str(caught.value)) < 220
    return str(caught.value)


def numbers(plan: Plan) -> list[tuple]:
    """What all formats say alike of a plan without times."""
    return [
        (
            node.node_type, node.plan_rows, node.actual_rows, node.actual_loops, node.total_cost, node.alias,
            node.parent_relationship, node.attributes.get("Hash Batches"),
            # Where a literal was wrapped, nobody can tell whether a blank stood there.
            str(node.attributes.get("Filter")).replace(" ", ""),
        )
        for node in plan.nodes()
    ]  # fmt: skip


# Frames ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", FRAMED, ids=lambda path: path.stem)
def test_every_table_that_psql_draws_holds_the_same_plan(path):
    plain = read((FOLDER / "psql" / "unaligned.json.txt").read_text(encoding="utf-8"))
    assert len(numbers(plain)) == 5
    assert numbers(read(path.read_text(encoding="utf-8"))) == numbers(plain)


def quoted(text: str) -> str:
    return "\n".join('"' + line.replace('"', '""') + '"' for line in text.splitlines())


FRAMES = {
    "pgAdmin, rows": f'"QUERY PLAN"\n{quoted(TEXT)}',
    "pgAdmin, one cell": '"QUERY PLAN"\n"' + PRETTY.replace('"', '""') + '"',
    "one cell of text": '"' + TEXT.rstrip().replace('"', '""') + '"',
    "DBeaver, with bars": "QUERY PLAN".ljust(140) + "|\n" + "-" * 140 + "+\n"
    + "\n".join(f"{line.ljust(140)}|" for line in TEXT.splitlines()),
    "a text of a programming language": json.dumps(PRETTY),
    "quoted twice": json.dumps(json.dumps(PRETTY)),
    "Windows' line ends": TEXT.replace("\n", "\r\n"),
    "old Macs' line ends": TEXT.replace("\n", "\r"),
    "tabs": PRETTY.replace("  ", "\t"),
    "unbreakable blanks": TEXT.replace("  ", "\xa0\xa0"),
    "a byte order mark": "\ufeff" + PRETTY,
    "a mail": "\n".join(f"> {line}" for line in TEXT.splitlines()),
    "a mail that was answered": "\n".join(f"> > {line}" for line in TEXT.splitlines()),
    "a fence": f"```sql\n{TEXT}\n```",
    "the first line without its blank": "\n".join(f" {line}" for line in TEXT.splitlines()).lstrip(),
    "indented": textwrap.indent(TEXT, "        "),
    "a prompt and a timing": f"shop=# EXPLAIN ANALYZE SELECT 1;\n QUERY PLAN\n-----\n{TEXT}(16 rows)\n\n"
    "Time: 12.345 ms\nshop=# ",
}  # fmt: skip


@pytest.mark.parametrize("name", FRAMES)
def test_frames_of_other_programs_are_taken_away(name):
    assert numbers(read(FRAMES[name])) == numbers(read(TEXT))


def cut(text: str, width: int) -> str:
    """As a terminal breaks lines."""
    lines = text.splitlines()
    return "\n".join(line[i : i + width] for line in lines for i in range(0, max(1, len(line)), width))


def broken(text: str, width: int) -> str:
    """As a mail breaks lines."""
    wrapped = (textwrap.wrap(line, width, break_long_words=False) for line in text.splitlines())
    return "\n".join(line for lines in wrapped for line in lines)


@pytest.mark.parametrize("width", [60, 72, 80, 100])
@pytest.mark.parametrize("form", ["text", "json", "yaml", "xml"])
def test_lines_that_a_terminal_has_cut_are_put_together(form, width):
    text = {"text": TEXT, "json": LONG, "yaml": YAML, "xml": XML}[form]
    cut_text = cut(text, width)
    assert cut_text != text
    assert numbers(read(cut_text)) == numbers(read(text))


@pytest.mark.parametrize("width", [60, 72, 80, 100])
def test_lines_that_a_mail_has_broken_are_put_together(width):
    assert numbers(read(broken(TEXT, width))) == numbers(read(TEXT))


# Formats -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [name for name, plans in RECORDED.items() if "yaml" in plans])
def test_yaml_and_xml_say_what_json_says(name):
    plans = {form: read(text) for form, text in RECORDED[name].items()}
    assert numbers(plans["yaml"]) == numbers(plans["json"])
    assert numbers(plans["xml"]) == numbers(plans["json"])
    for node, of_yaml, of_xml in zip(*(plans[form].nodes() for form in ("json", "yaml", "xml")), strict=True):
        varying = ("WAL", "Blocks", "Time")
        for other in (of_yaml, of_xml):
            assert set(other.attributes) == set(node.attributes)
            for key, value in node.attributes.items():
                assert any(word in key for word in varying) or other.attributes[key] == value, key


def test_what_stands_before_and_behind_a_plan_in_any_format_is_no_part_of_it():
    for text in (TEXT, SHORT, JSON, PRETTY, XML, YAML):
        assert numbers(read(f"Here it is:\n\n{text}\n(1 row)\n\nThank you")) == numbers(read(text))


def test_empty_lines_between_the_lines_of_a_plan_are_skipped():
    assert numbers(read(TEXT.replace("\n", "\n\n"))) == numbers(read(TEXT))


def test_lines_of_a_logged_statement_may_look_like_a_plan_in_another_format():
    statement = 'SELECT $$\n[\n{"a": 1}\n<explain>\n- Plan: $$'
    entry = f"LOG:  duration: 1.0 ms  plan:\nQuery Text: {statement}\n{SHORT}"
    assert read(entry).query_text == statement


# Logs --------------------------------------------------------------------------------------------------

QUERY = (
    "SELECT c.name, count(*)\nFROM orders o\n\tJOIN customers c ON c.id = o.customer_id\n"
    "WHERE o.status = 'refunded'  -- \"only\" these\nGROUP BY c.name;"
)


@pytest.mark.parametrize("path", LOGS, ids=lambda path: path.name)
def test_every_log_of_auto_explain_holds_both_plans_and_their_statements(path):
    first, second = read_pasted_plans(path.read_text(encoding="utf-8")).plans
    assert first.query_text == QUERY
    assert [node.node_type for node in first.nodes()] == [
        "Aggregate", "Hash Join", "Seq Scan", "Hash", "Seq Scan",
    ]  # fmt: skip
    assert second.query_text == "DELETE FROM watched WHERE id = 1;"
    # The log gives the time of the whole statement, the plan does not.
    assert first.execution_time_ms >= first.root.actual_total_time > 0


def stderr_log() -> str:
    return (FOLDER / "logs" / "stderr_text.log").read_text(encoding="utf-8")


def test_triggers_of_a_logged_plan_are_read():
    second = read_pasted_plans(stderr_log()).plans[1]
    assert second.triggers[0].constraint_name == "lines_id_fkey"


@pytest.mark.parametrize(
    "prefix",
    [
        "db-1  | ",
        "Nov  7 11:52:05 host postgres[123]: [5-1] ",
        "2026-11-27T11:52:05.577Z ",
        "2026-11-27T11:52:05.577+01:00 host postgres[123]: [5-2] ",
    ],
)
def test_what_a_collector_of_logs_puts_before_each_line_is_taken_away(prefix):
    text = "".join(f"{prefix}{line}\n" for line in stderr_log().splitlines())
    assert read_pasted_plans(text.replace("\t", "#011")).plans[0].query_text == QUERY
    assert read_pasted_plans(text).plans == read_pasted_plans(stderr_log()).plans


def test_other_entries_of_the_log_are_no_part_of_a_plan():
    entry = "2026-11-27 11:52:05.577 UTC [1] LOG:  checkpoint starting: time\n"
    with_others = entry + stderr_log().replace("2026-11-27", f"{entry}2026-11-27") + entry
    assert read_pasted_plans(with_others).plans == read_pasted_plans(stderr_log()).plans


def test_a_log_of_plans_without_times_keeps_the_time_that_it_gives():
    text = f"LOG:  duration: 1234.5 ms  plan:\n\tQuery Text: SELECT 1\n\t{SHORT}".replace(
        "\n  ->", "\n\t  ->"
    )
    plan = read(text)
    assert plan.execution_time_ms is None
    assert plan.notes == ("The log says that the statement took 1,234.5 ms; its nodes were not measured.",)


@pytest.mark.parametrize(
    "text",
    [
        "LOG:  duration: 1.0 ms  plan:\nQuery Text: SELECT $1\n"
        f"Query Parameters: $1 = 'ann@example.org'\n{SHORT}",
        '{"Query Text": "SELECT $1", "Query Parameters": "$1 = \'ann@example.org\'", '
        '"Plan": {"Node Type": "Result"}}',
    ],
)
def test_values_of_parameters_are_left_out(text):
    plan = read(text)
    assert plan.query_text == "SELECT $1"
    assert "ann@example.org" not in codec.dumps(trace(plans=(plan,)))
    assert "Values of parameters" in plan.notes[0]


# Statement, several plans ------------------------------------------------------------------------------


def test_the_command_above_a_plan_is_its_statement():
    terminal = (
        "shop=# EXPLAIN (ANALYZE, BUFFERS)\nshop-# SELECT *\nshop-#   FROM t;\n"
        f"     QUERY PLAN\n---------------\n{SHORT}\n(2 rows)\n"
    )
    assert read(terminal).query_text == "SELECT *\n  FROM t"
    assert read(f"EXPLAIN ANALYZE VERBOSE SELECT 1\n{SHORT}").query_text == "SELECT 1"
    assert read(SHORT).query_text == ""


def test_a_terminal_in_a_mail_is_read_with_its_statement():
    terminal = f"shop=# EXPLAIN SELECT 1;\n QUERY PLAN\n------\n{SHORT}\n(2 rows)"
    plan = read("\n".join(f"> {line}" for line in terminal.splitlines()))
    assert plan.query_text == "SELECT 1"
    assert numbers(plan) == numbers(read(SHORT))


def test_several_plans_are_all_read_in_their_order():
    table = " QUERY PLAN\n-----\n {}\n(2 rows)\n\n"
    headed = "".join(table.format(SHORT.replace("\n", "\n ").replace("on t", f"on t{i}")) for i in range(3))
    bare = "\n".join(SHORT.replace("on t", f"on t{i}") for i in range(3))
    document = json.dumps([{"Plan": {"Node Type": "Seq Scan", "Relation Name": f"t{i}"}} for i in range(3)])
    documents = "\n".join(json.dumps([part]) for part in json.loads(document))
    for text in (headed, bare, document, documents):
        found = read_pasted_plans(text)
        tables = [list(plan.nodes())[-1].relation_name for plan in found.plans]
        assert tables == ["t0", "t1", "t2"]
        assert found.notes == ()


def test_of_very_many_plans_the_first_are_read_and_a_note_says_so():
    found = read_pasted_plans("\n".join([SHORT] * (MAX_PLANS + 5)))
    assert len(found.plans) == MAX_PLANS
    assert found.notes == (f"More plans were pasted; the first {MAX_PLANS} are shown.",)
    assert read_pasted_plans("\n".join([SHORT] * MAX_PLANS)).notes == ()


def test_a_damaged_plan_among_others_is_left_out_with_a_note():
    found = read_pasted_plans(f"{stderr_log()[:600]}\n{stderr_log()}")
    assert len(found.plans) == 2
    assert "1 of the plans could not be read. The first: This plan cannot be read. Line " in found.notes[0]


# What cannot be read -----------------------------------------------------------------------------------

REFUSED = {
    "": "the text is empty",
    " \n\t\n": "the text is empty",
    "SELECT * FROM orders": "Line 1: this is SQL, not its plan",
    "\n\nhello": "Line 3: this is no plan of PostgreSQL: hello",
    "QUERY PLAN\n|--SCAN orders\n`--USE TEMP B-TREE FOR ORDER BY": "Line 2: this is a plan of SQLite",
    "SEARCH orders USING INDEX i (a=?)": "Line 1: this is a plan of SQLite",
    "+----+-------------+\n| id | select_type |\n+----+": "Line 2: this is a plan of MySQL or MariaDB",
    "-> Nested loop inner join  (cost=0.35 rows=1)": "Line 1: this is a plan of MySQL or MariaDB",
    '{\n  "query_block": {\n    "select_id": 1}}': "Line 1: this is a plan of MySQL or MariaDB",
    "┌──────────┐\n│  SEQ_SCAN  │\n└──────────┘": "Line 2: this is a plan of DuckDB",
    '[{\n "operator_type": "SCAN"}]': "Line 1: this is a plan of DuckDB",
    "<ShowPlanXML xmlns=''>": "Line 1: this is a plan of SQL Server",
    "Plan hash value: 123": "Line 1: this is a plan of Oracle",
    '[\n  {\n    "Plan": {\n      "Node Type": "Seq Scan",\n': "Line 5: the JSON ends in the middle",
    '[{"Plan": {\n"Node Type": "Seq Scan",,}}]': "Line 2: the JSON is damaged",
    '{"a": 1}': 'Line 1: the key "Plan" is missing',
    '["Utility statements have no plan structure"]': "a utility statement",
    "[" * 100_000: "the JSON cannot be decoded",
    '[{"Plan": {"Node Type": "Limit",\n"Plans": [{"Node Type": "Sort"},\n{"Node Type": "Seq Scan",\n'
    '"Plan Rows": "9"}]}}]': 'Line 4: "Plan Rows" of Plan.1 is text',
    '[{"Plan": {"Node Type": "Limit", "Plans": [{"Node Type": "Sort", "Alias": 3}]}}]': 'Line 1: "Alias" of',
    SHORT.replace("9.00 rows", "nine rows"): "Line 2: the numbers of a node cannot be read: (cost=0.00..nine",
    SHORT[:-9]: "Line 2: the numbers of a node cannot be read",
    SHORT.splitlines()[0]: "Line 1: Limit has 0 of its 1 inputs; the end of the plan is missing",
    SHORT.replace("\n  ->", "\n->"): "Line 2: -> Seq Scan on t",
    SHORT.replace("rows=9 ", "rows=1e200 "): 'Line 2: "Plan Rows" of Plan.0 is out of range',
    f"{SHORT}\nPlanning Time: 1.0 ms\n  ->  Result": "Line 4: a node stands below the end",
    "<explain>\n <Query>\n  <Plan>\n": "Line 4: the XML is damaged",
    '<?xml version="1.0"?>\n<!DOCTYPE a [<!ENTITY b "c">]>\n<explain>&b;</explain>': "Line 2: a plan has",
    "<explain>" * 2000: "elements within each other",
    "<explain>\ud800</explain>": "half a character",
    '- Plan: \n    Node Type: "Seq\n': "Line 2: not a value that PostgreSQL writes",
    '- Plan: \n    Node Type: &a "Seq Scan"\n': "Line 2: not a value that PostgreSQL writes",
    '- Plan: \n    Node Type: "Sort"\n     x: 1': "Line 3: indented like nothing above it",
    '- Plan: \n    Node Type: "Sort"\n    Plan Rows: "1"': 'Line 3: "Plan Rows" of Plan is text',
}  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), REFUSED.items(), ids=range(len(REFUSED)))
def test_what_is_no_plan_is_refused_in_one_line_that_says_where(text, expected):
    assert expected in reason(text)


@pytest.mark.parametrize(
    "text",
    [
        "Seq Scan on query_block  (cost=0.00..1.00 rows=1 width=4)\n  Filter: (a = 'SCAN t')",
        'Seq Scan on "QUERY PLAN"  (cost=0.00..1.00 rows=1 width=4)',
        "Seq Scan on t  (cost=0.00..1.00 rows=1 width=4)\n  Filter: (a = 'duration: 1 ms  plan:'::text)",
        "Seq Scan on t  (cost=0.00..1.00 rows=1 width=4)\n  Filter: (a = 'select_type: x'::text)",
        "Seq Scan on t  (cost=0.00..1.00 rows=1 width=4)\n  Filter: (a = '<ShowPlan'::text)",
    ],
)
def test_a_plan_that_only_mentions_other_things_is_read(text):
    assert read(text).root.node_type == "Seq Scan"


HOSTILE = [
    " " * 100_000 + "x", "-" * 100_000 + "x", '"' * 100_000, "=" * 100_000 + "> x", "A" * 100_000,
    *(
        f"{SHORT}\n        {line}"
        for line in (
            "Filter: " + "(" * 50_000, "Sampling: " + " (" * 50_000, "Buffers: " + "shared " * 20_000,
            "Batches: " + "A " * 50_000, "Full-sort Groups: " + "a  " * 50_000, "Output: " + "," * 100_000,
            "Filter: (\n" + "x\n" * 20_000, "Sort Method: " + " " * 50_000 + "x", "Rows: " + "9" * 50_000,
        )
    ),
    f"{SHORT}\nTrigger " + "a on " * 50_000, f"{SHORT}\nSettings: " + "a = 'b' " * 20_000,
    f"{SHORT}\nJIT:\n  Timing: " + "Generation 1 ms (" * 20_000, "EXPLAIN (" * 20_000,
    "- Plan: \n" + 'a: "x\n' * 20_000, "- " * 50_000, '[{"a":' * 500, "duration: 1 ms  plan:\n" * 5_000,
]  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_long_nonsense_is_read_or_refused_without_delay(text):
    # A pattern that tried every way to match would not come back within hours.
    with suppress(PlanFormatError):
        read_pasted_plans(text)


# Any text at all ---------------------------------------------------------------------------------------


def use(plan: Plan) -> None:
    """What is done with a plan that could be read."""
    block = trace(plans=(plan,), duration_ms=plan.duration_ms or 0.0)
    assert codec.loads(codec.dumps(block)) == block
    findings = diagnose(block).findings
    assert plan_tree.as_html(plan, findings).markup
    assert plan_tree.as_text(plan)
    assert plan_tree.rows(plan)


SAMPLES = [
    text
    for name in ("odd_names", "insert", "grouping_sets", "parallel_workers", "io_timings")
    for text in RECORDED[name].values()
] + [stderr_log(), FRAMES["DBeaver, with bars"], FRAMES["pgAdmin, one cell"]]
PIECES = [
    "->", "  ->  ", "(cost=0.00..1.00 rows=1 width=4)", '"', '""', "'", "\\", "\n", "\t", ":", ": ", "- ",
    "|", "│", "QUERY PLAN", "Plan:", "<Plan>", "</Plan>", "{", "}", "[", "]", "never executed", "Worker 0:  ",
    "SubPlan 1", "duration: 1.0 ms  plan:", "JIT:", "Trigger x: calls=1", "Sort Key: ", "Hash Key: ", "…",
    ".", "+", "9" * 400, "\n  Plans: 1\n", "\n  Workers: 1", "\nPlanning: x\nPlanning:\n", "\n  Label: x\n",
    "\nTriggers: x\n", "\n  Target Tables: x", "<Sort-Space>1</Sort-Space>", '"Plans": [3],', "Plan: 3",
]  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(SAMPLES), st.data())
def test_a_damaged_paste_is_read_or_refused_and_nothing_else(sample, data):
    text = sample
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(text)))
        end = min(len(text), start + data.draw(st.sampled_from([0, 1, 3, 40, 400])))
        text = text[:start] + data.draw(st.sampled_from(["", *PIECES]) | st.text(max_size=5)) + text[end:]
    with suppress(PlanFormatError):
        for plan in read_pasted_plans(text).plans:
            use(plan)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(PIECES) | st.text(max_size=10), max_size=30).map("".join))
def test_any_text_is_read_or_refused(text):
    with suppress(PlanFormatError):
        for plan in read_pasted_plans(text).plans:
            use(plan)


@pytest.mark.parametrize("path", [*FRAMED, *LOGS], ids=lambda path: path.stem)
def test_what_programs_write_is_recognised(path):
    assert looks_like_plan(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    "text", [TEXT, JSON, PRETTY, YAML, XML, FRAMES["pgAdmin, rows"], FRAMES["one cell of text"]]
)
def test_plans_without_a_frame_are_recognised(text):
    assert looks_like_plan(text)


@pytest.mark.parametrize(
    "text",
    [
        "x = 1", "SELECT 1", "for row in rows:\n    print(row)", "", "[1, 2]", "{'a': 1}", '["Plan"]',
        "Seq = 3\nScan(Seq)", "plan = '''\nSeq Scan on t  (cost=0.00..1.00 rows=1 width=4)\n'''",
        "- 1", "Limit(3)", "Result.x", "duration = 3", "# duration: 1 ms plan",
    ],
)  # fmt: skip
def test_other_things_are_not_taken_for_a_plan(text):
    assert not looks_like_plan(text)
