"""What each magic shows, and what its arguments do."""

import json

import pytest

LOOP = "for i in range(5):\n    ask(i)\n"


def test_querycount_shows_the_n_plus_one_with_its_line_and_loop(notebook):
    ran = notebook.run(f"%%querycount\n{LOOP}")
    text = ran.bundles[0]["text/plain"]
    assert "5 statements in 1 shape" in text
    assert "PK101 n-plus-one" in text
    assert f"loop   {ran.label}, line 2" in text


@pytest.mark.parametrize("budget", [5, 6])
def test_a_cell_within_its_budget_passes(notebook, budget):
    assert notebook.run(f"%%querycount --max {budget}\n{LOOP}").status == "ok"


def test_a_cell_over_its_budget_fails_and_lists_the_statements_by_line(notebook):
    ran = notebook.run(f"%%querycount kept --max 4\n{LOOP}ask(9)")
    assert ran.status == "error"
    assert ran.reply["ename"] == "QueryBudgetExceeded"
    # `ask` was defined in a cell that is not numbered anew, so its place is that of the set-up.
    first, second = ran.error.splitlines()
    assert first == "QueryBudgetExceeded: 6 statements sent, at most 4 allowed (--max 4)."
    assert "6 × select ?" in second
    assert "perfkit" not in ran.error
    assert ran.shown == "9"
    assert len(ran.traces) == 1
    assert notebook.value("len(kept.trace.queries)") == 6


def test_an_error_of_the_cell_comes_before_its_budget(notebook):
    ran = notebook.run(f"%%querycount --max 0\n{LOOP}1 / 0")
    assert ran.reply["ename"] == "ZeroDivisionError"
    assert "QueryBudgetExceeded" not in ran.error


def test_budget_errors_hold_no_values(notebook):
    secret = "hunter2"
    ran = notebook.run(f"%%querycount --max 0\nask('{secret}');")
    assert ran.reply["ename"] == "QueryBudgetExceeded"
    assert secret not in ran.error.replace(f"ask('{secret}')", "")


def test_a_longer_list_ends_with_how_much_more_there_is(notebook):
    cell = "\n".join(f"engine.connect().exec_driver_sql('select {i} as c{i}').close()" for i in range(20))
    ran = notebook.run(f"%%querycount --max 3\n{cell}")
    assert ran.error.splitlines()[-1] == "  and 8 more kinds of statement"
    assert f"{ran.label}, line 2: 1 × " in ran.error


@pytest.mark.parametrize(("budget", "status"), [(20_049, "error"), (20_050, "ok")])
def test_statements_that_are_not_kept_one_by_one_count_against_the_budget(notebook, budget, status):
    ran = notebook.run(f"%%querycount --max {budget}\nfor i in range(20_050):\n    ask(i)\n")
    assert ran.status == status
    if status == "error":
        first, second = ran.error.splitlines()
        assert first == "QueryBudgetExceeded: 20,050 statements sent, at most 20,049 allowed (--max 20049)."
        assert "20,050 × select ?" in second


def test_querycount_shows_values_only_to_those_who_ask(notebook):
    secret = "hunter2"
    ask = f"ask('{secret[:4]}' + '{secret[4:]}');"
    assert secret not in json.dumps(notebook.run(f"%%querycount\n{ask}").bundles)
    bundle = notebook.run(f"%%querycount --params\n{ask}").bundles[0]
    assert secret in bundle["text/plain"]
    assert secret in bundle["text/html"]


def test_values_are_shown_by_no_other_magic_of_the_same_cell(notebook):
    notebook.run("%%diagnose other\n%%querycount kept --params\nask(7);")
    assert notebook.value("kept.trace.queries[0].parameters") == ["7"]
    assert notebook.value("[span.parameters for span in other.trace.queries]") == [None]


def test_querycount_without_statements_says_so(notebook):
    ran = notebook.run("%%querycount\npass")
    assert "no statements" in ran.bundles[0]["text/plain"]


def test_explain_shows_the_plan_of_sql_with_the_notebooks_variables(notebook):
    notebook.run('number, name = 3, "x\'; --"')
    ran = notebook.run("%%explain kept\nSELECT :number AS a, :name AS b")
    assert ran.status == "ok", ran.error
    assert "SCAN CONSTANT ROW" in ran.bundles[0]["text/plain"]
    assert "x'; --" not in json.dumps(ran.bundles[0])
    assert notebook.value("kept.plan.root.node_type != ''") is True


def test_explain_of_sql_sends_nothing_but_the_statement_itself(notebook):
    notebook.run("%%querycount counted\n%%explain\nSELECT 1")
    assert notebook.value("len(counted.trace.queries)") == 0


def test_explain_of_several_statements_shows_each_and_says_what_has_no_plan(notebook):
    notebook.run("number = 4711")
    ran = notebook.run("%%explain kept\nPRAGMA user_version; SELECT ';' AS a;\nSELECT :number AS b; -- end")
    assert ran.status == "ok", ran.error
    assert len(ran.traces[0]["plans"]) == 2
    text = ran.bundles[0]["text/plain"]
    assert "No plan for PRAGMA user_version: SQLite has no plan for PRAGMA." in text
    assert "4711" not in json.dumps(ran.bundles[0])


@pytest.mark.parametrize("more", ["", "; SELECT 2"])
def test_an_escaped_colon_is_a_colon(notebook, more):
    ran = notebook.run(rf"""%%explain kept
SELECT 'at\:noon' AS a{more}""")
    assert ran.status == "ok", ran.error
    assert "at:noon" in notebook.value("kept.plan.query_text")


def test_explain_of_several_statements_without_any_plan_is_an_error(notebook):
    ran = notebook.run("%%explain\nCREATE TABLE a (x);\nDROP TABLE a")
    assert ran.status == "error"
    assert "no statement of this cell has a plan" in ran.error
    assert "No plan for DROP TABLE a" in ran.error


def test_a_proof_takes_one_statement(notebook):
    assert "--prove takes one statement" in notebook.run("%%explain --prove\nSELECT 1; SELECT 2").error


def test_explain_says_where_a_proof_is_not_possible(notebook):
    ran = notebook.run("%%explain --prove --yes\nSELECT 1")
    assert ran.status == "ok", ran.error
    assert "Only on PostgreSQL can perfkit try an index" in ran.bundles[0]["text/plain"]


def test_explain_says_where_another_size_cannot_be_asked_for(notebook):
    ran = notebook.run("%%explain --rows orders=50_000_000 --stats nowhere.sql --yes\nSELECT 1")
    assert ran.status == "ok", ran.error
    assert "Only PostgreSQL can be told statistics" in ran.bundles[0]["text/plain"]


def test_explain_compares_a_rewritten_statement(notebook):
    notebook.run("other = 'SELECT 1'")
    ran = notebook.run("%%explain kept --prove --rewrite other --yes\nSELECT 1")
    assert ran.status == "ok", ran.error
    assert notebook.value("len(kept.proofs)") == 1


def test_explain_takes_a_connection_by_name(notebook):
    notebook.run("connection = engine.connect()")
    ran = notebook.run("%%explain -e connection\nSELECT 1")
    assert ran.status == "ok", ran.error
    notebook.run("connection.close()")


def test_explain_shows_every_distinct_statement_of_python(notebook):
    ran = notebook.run(f"%%explain\n{LOOP}with engine.connect() as c:\n    c.exec_driver_sql('select 2, 3')")
    assert ran.status == "ok", ran.error
    assert len(ran.traces[0]["plans"]) == 2
    assert sorted(plan.get("executions", 1) for plan in ran.traces[0]["plans"]) == [1, 5]


def test_profile_shows_the_functions_of_the_cell(notebook):
    ran = notebook.run("%%profile\ndef slow():\n    return sum(range(100))\nslow()")
    names = [f["location"]["function_name"] for f in ran.traces[0]["cpu"]["functions"]]
    assert "slow" in names
    assert "attributed" in ran.bundles[0]["text/plain"]
    assert not [name for name in names if name.startswith("CellMeter")]


def test_memtrace_measures_named_functions_line_by_line(notebook):
    notebook.run("def grow():\n    kept = [0] * 100_000\n    return len(kept)")
    ran = notebook.run("%%memtrace -f grow -f asyncio.sleep\ngrow()")
    assert ran.status == "ok", ran.error
    lines = ran.traces[0]["memory"]["lines"]
    assert {line["location"]["function_name"] for line in lines} == {"grow"}


def test_memtrace_measures_a_function_that_the_cell_itself_defines(notebook):
    ran = notebook.run("%%memtrace -f later\ndef later():\n    return [0] * 1000\nlater();")
    assert ran.status == "ok", ran.error
    assert {line["location"]["function_name"] for line in ran.traces[0]["memory"]["lines"]} == {"later"}


def test_diagnose_measures_everything_and_judges_the_target(notebook):
    ran = notebook.run(f"%%diagnose --target 60000\n{LOOP}")
    trace = ran.traces[0]
    assert {"queries", "plans", "cpu", "memory"} <= trace.keys()
    assert "PK101 n-plus-one" in ran.bundles[0]["text/plain"]
    assert "60.00 s" in ran.bundles[0]["text/plain"]


VERSIONS = """
def slow(): return [ask(i) for i in range(4)]
def fast():
    with engine.connect() as c:
        return [row[0] for row in c.exec_driver_sql('values (0), (1), (2), (3)')]
"""


def test_verify_proves_a_fix_and_can_be_kept(notebook):
    notebook.run(VERSIONS)
    ran = notebook.run("proof = %verify slow fast --target 60000\nproof")
    assert ran.status == "ok", ran.error
    assert notebook.value("proof.verification.equivalence.equal") is True
    assert notebook.value("proof.verification.target.met") is True


WRITING = """
with engine.begin() as connection:
    connection.execute(sa.text("create table written (a integer)"))
def write():
    with engine.begin() as connection:
        connection.execute(sa.text("insert into written values (1)"))
def written():
    with engine.connect() as connection:
        return connection.scalar(sa.text("select count(*) from written"))
"""


def test_verify_does_not_repeat_what_writes_unless_told(notebook):
    notebook.run(WRITING)
    ran = notebook.run("%verify write write")
    assert ran.status == "ok"
    assert "sent 1 × INSERT" in ran.shown
    assert "--repeat-writes" in ran.shown
    assert notebook.value("written()") == 2
    told = notebook.run("proof = %verify write write --repeat-writes\nproof")
    assert "Not timed" not in told.shown
    assert notebook.value("written() > 6") is True


@pytest.mark.parametrize(
    ("options", "written"),
    [
        ("--repeat-writes", "repeat_writes=True"),
        ("--unordered", "ordered=False"),
        ("--repeat-writes --unordered", "ordered=False, repeat_writes=True"),
    ],
)
def test_verify_hands_its_options_on_to_the_async_verify(notebook, options, written):
    notebook.run("async def one(): pass\ntwo = one")
    ran = notebook.run(f"%verify one two {options}")
    assert ran.error.splitlines()[1] == f"await perfkit.verify_async(one, two, {written})"


def test_verify_accepts_another_order_when_told(notebook):
    notebook.run("def up(): return [1, 2, 3]\ndef down(): return [3, 2, 1]")
    ran = notebook.run("proof = %verify up down\nproof")
    assert ran.shown.startswith("NOT EQUIVALENT: ")
    assert (
        "the same in any order (%verify --unordered, or ordered=False in Python, accepts that)" in ran.shown
    )
    notebook.run("proof = %verify up down --unordered")
    assert notebook.value("proof.verification.equivalence.equal") is True


def test_verify_tells_how_to_await_async_functions(notebook):
    notebook.run("async def one(): ...\nasync def two(): ...")
    ran = notebook.run("%verify one two --target 200")
    assert ran.error.splitlines()[1] == "await perfkit.verify_async(one, two, target_ms=200)"


def test_verify_lets_errors_of_the_functions_through(notebook):
    notebook.run("def bad(): return 1 / 0\ndef good(): return 1")
    ran = notebook.run("%verify bad good")
    assert ran.reply["ename"] == "ZeroDivisionError"
    assert ran.error.endswith(
        "perfkit: bad(), the old version, raised this in its first run; nothing was compared."
    )
    assert ".py" not in ran.error  # no frame of perfkit


def test_an_error_in_a_later_run_shows_the_users_frames_and_the_version(notebook):
    notebook.run(
        "answers = iter([1])\ndef once(): return 1 if next(answers, 0) else 1 / 0\ndef good(): return 1"
    )
    ran = notebook.run("%verify good once")
    assert ran.reply["ename"] == "ZeroDivisionError"
    assert "perfkit: once(), the new version, raised this when both were run again to be timed" in ran.error
    assert ".py" not in ran.error


@pytest.mark.parametrize(
    ("result", "told"),
    [
        ("(i for i in range(3))", "returns a generator, so nothing of it has run: return list(...) of it."),
        (
            "asyncio.sleep(0)",
            "returns something to be awaited, so nothing of it has run: await it in an async ",
        ),
    ],
)
def test_verify_says_in_a_line_what_has_not_run(notebook, result, told):
    notebook.run(f"def page(): return {result}")
    ran = notebook.run("%verify page page")
    assert ran.error.startswith(f"UsageError: %verify: page {told}")
    assert len(ran.error.splitlines()) == 1


def test_compare_puts_two_results_side_by_side(notebook):
    notebook.run(f"%%querycount before\n{LOOP}")
    notebook.run("%%querycount after\nask(1)")
    ran = notebook.run("%compare before after")
    assert ran.status == "ok", ran.error
    assert "5" in ran.shown


def test_perfkit_shows_engines_without_passwords_and_every_magic(notebook):
    notebook.run(
        "private = sa.create_engine('postgresql+psycopg://me:s3cret@db.example/shop?password=s3cret')"
    )
    ran = notebook.run("%perfkit")
    assert "private  postgresql: shop on db.example" in ran.shown
    assert "engine   sqlite: in memory" in ran.shown
    assert "s3cret" not in json.dumps(ran.outputs)
    for magic in ("querycount", "explain", "profile", "memtrace", "diagnose"):
        assert f"%%{magic} [" in ran.shown
    for magic in ("verify", "compare", "perfkit"):
        assert f"  %{magic} " in ran.shown


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("%%querycount?", "--max N"),
        ("%%explain?", "-e ENGINE"),
        ("%verify?", "BEFORE"),
        ("%%memtrace?", "-f FUNCTION"),
        ("%%diagnose?", "--target MS"),
        ("%perfkit?", "Show what perfkit can measure here"),
    ],
)
def test_a_question_mark_shows_help_made_from_the_arguments(notebook, asked, said):
    ran = notebook.run(asked)
    pages = [payload["data"]["text/plain"] for payload in ran.reply["payload"]]
    assert said in pages[0]


@pytest.mark.parametrize("typed", ["%%queryc", "%%mem", "%veri"])
def test_names_are_completed(notebook, typed):
    matches = notebook.value(f"get_ipython().complete('', {typed!r}, {len(typed)})[1]")
    assert len(matches) == 1
    assert matches[0].startswith(typed)


def test_explain_by_auto_explain_asks_afterwards_where_it_is_not_to_be_had(notebook):
    ran = notebook.run(f"%%explain --auto\n{LOOP}")
    assert ran.status == "ok", ran.error
    assert len(ran.traces[0]["plans"]) == 1
    assert "Plans were asked for after the block." in ran.bundles[0]["text/plain"]


def test_explain_of_python_says_why_nothing_was_tried(notebook):
    ran = notebook.run("%%explain --prove kept\nask(1)")

    assert ran.status == "ok", ran.error
    assert "Only on PostgreSQL can perfkit try an index" in ran.bundles[0]["text/plain"]
