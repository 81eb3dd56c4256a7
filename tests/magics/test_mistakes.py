"""Mistakes in the use of a magic: a line or two, the cell not run, an error, nothing left behind."""

import pytest

MISTAKES = [
    ("%%querycount --nax 3\nprint('ran')", "%%querycount: unrecognized arguments: --nax."),
    ("%%querycount --max many\nprint('ran')", "'many' is not a number of statements; give 0 or more"),
    ("%%querycount --max -1\nprint('ran')", "'-1' is not a number of statements"),
    ("%%querycount --max\nprint('ran')", "argument --max: expected one argument"),
    ("%%querycount 3rd\nprint('ran')", "'3rd' cannot name a variable; give a name such as before"),
    ("%%querycount class\nprint('ran')", "'class' cannot name a variable"),
    ("%%querycount a b\nprint('ran')", "unrecognized arguments: b"),
    ("%%profile 'a\nprint('ran')", "No closing quotation"),
    (
        "%%diagnose --target soon\nprint('ran')",
        "'soon' is not a time in milliseconds; give a number such as 200",
    ),
    ("%%diagnose --target 0\nprint('ran')", "'0' is not a time in milliseconds"),
    ("%%diagnose --target nan\nprint('ran')", "'nan' is not a time in milliseconds"),
    ("%%memtrace -f asq\nprint('ran')", "The notebook has no variable 'asq'. Did you mean 'ask'?"),
    ("%%memtrace -f engine\nprint('ran')", "%%memtrace: 'engine' cannot be measured line by line"),
    ("%%memtrace -f sa.nothing\nprint('ran')", "'sa' has nothing of the name 'nothing'."),
    (
        "%%memtrace -f asyncio.sys.exit\nprint('ran')",
        "%%memtrace: 'asyncio.sys.exit' cannot be measured",
    ),
    ("%%explain -e engine\nprint('ran')", "-e is for a cell of SQL, and this cell is Python."),
    ("%%explain -e wrong\nselect 1", "no variable 'wrong'. Engines here: engine."),
    ("%%explain\nselect * from nosuch where id = $1", "Write each value as :name"),
    ("%%explain --no-analyze\nprint('ran')", "--no-analyze is for a cell of SQL"),
    ("%%explain --analyze-writes\nprint('ran')", "--analyze-writes is for a cell of SQL"),
    ("%%explain --auto\nSELECT 1", "--auto is for a cell of Python"),
    ("%%explain --prove --rewrite other\nprint('ran')", "--rewrite is for a cell of SQL"),
    ("%%explain --prove --auto\nprint('ran')", "--auto takes the plans of the run"),
    ("%%explain --rewrite engine\nSELECT 1", "--rewrite is compared by a proof: add --prove."),
    ("%%explain --prove --rewrite engine\nSELECT 1", "engine is of type Engine; give SQL as text."),
    ("%%explain --prove --rewrite other\nSELECT 1", "The notebook has no variable 'other'."),
    (
        "other = 'SELECT :x'\nget_ipython().run_cell_magic('explain', '--prove --rewrite other', 'SELECT 1')",
        "other uses :x, and the SQL of the cell does not.",
    ),
    ("%%explain --rows orders=5\nprint('ran')", "--rows is for a cell of SQL"),
    (
        "%%explain --rows orders\nSELECT 1",
        "'orders' is no size; give a table and its rows: orders=",
    ),
    ("%%explain --rows orders=many\nSELECT 1", "'orders=many' is no size"),
    ("%%explain -e engines\nSELECT 1", "The notebook has no variable 'engines'. Did you mean 'engine'?"),
    ("%%explain -e ask\nSELECT 1", "'ask' is a function, not a SQLAlchemy engine. Engines here: engine."),
    ("%%explain\nSELECT :missing", "The SQL uses :missing, and the notebook has no variable 'missing'."),
    (
        "u = engine\nget_ipython().run_cell_magic('explain', '-e engine', 'SELECT :u')",
        "%%explain: :u was taken from the notebook's variable u, which is a Engine; assign it a value that a",
    ),
    ("%%explain\nselct 1", "the cell was read as Python, as it begins with 'selct'"),
    ("%%explain\nslect * from users", "If it is SQL, begin it with SELECT."),
    ("%%explain 3rd\nSELECT 1", "'3rd' cannot name a variable"),
    (
        "%%querycount ask\nprint('ran')",
        "%%querycount: 'ask' is the name of a function, which the result would",
    ),
    ("%%profile asyncio\nprint('ran')", "%%profile: 'asyncio' is the name of a module"),
    (
        "%%explain ask\nSELECT 1",
        "%%explain: 'ask' is the name of a function, which the result would replace.",
    ),
    ("%%diagnose page\ndef page(): ...", "%%diagnose: 'page' is the name of a function"),
    ("%%querycount", "%%querycount: the cell is empty. Write the code to measure below it."),
    ("%%querycount\n\n   \n", "%%querycount: the cell is empty."),
    ("%%querycount\n%%profile\n", "%%querycount: the cell is empty."),
    ("%%explain\n", "the cell is empty. Write a statement of SQL below it, or Python that sends"),
    ("%%explain before --no-analyze\n  \n", "the cell is empty. Write a statement of SQL below it"),
    ("%%explain --plan", "the cell is empty. Paste a plan of PostgreSQL below it, as text, JSON"),
    ("%%explain kept --plan\n\n", "the cell is empty. Paste a plan of PostgreSQL below it, as text, JSON"),
    ("%verify ask", "%verify: the following arguments are required: AFTER."),
    ("%verify asc ask", "The notebook has no variable 'asc'. Did you mean 'ask'?"),
    ("%verify ask ask", "%verify: ask needs number, but is called without arguments."),
    ("%verify ask() ask()", "%verify: give the function by its name alone, ask: %verify calls it itself."),
    ("%verify asyncio.run(1) ask", "%verify: give the function by its name alone, asyncio.run: %verify"),
    ("%verify engine ask", "'engine' is a Engine, not a function without arguments."),
    ("%compare ask ask", "'ask' is a function, not a result."),
    ("%compare one two", "The notebook has no variable 'one'. Run the cell that defines it first."),
    ("%perfkit now", "%perfkit: unrecognized arguments: now."),
]


@pytest.mark.parametrize(("cell", "message"), MISTAKES)
def test_a_mistake_is_said_in_a_line_or_two_and_the_cell_is_not_run(notebook, cell, message):
    ran = notebook.run(cell)
    assert ran.status == "error"
    assert ran.error.startswith("UsageError: ")
    assert message in ran.error
    assert len(ran.error.splitlines()) <= 2
    assert ran.printed == ""
    assert ran.bundles == []
    assert ran.shown == ""


@pytest.mark.parametrize(
    ("made", "kind"),
    [
        ("class taken: ...", "class"),
        ("import functools\n@functools.cache\ndef taken(): ...", "function"),
        ("taken = [].append", "function"),
    ],
)
def test_a_result_takes_no_name_of_what_the_notebook_needs(notebook, made, kind):
    notebook.run(f"{made}\nkept = taken")
    ran = notebook.run("%%querycount taken\nprint('ran')")
    assert ran.error == (
        f"UsageError: %%querycount: 'taken' is the name of a {kind}, which the result would replace. "
        "Give another name."
    )
    assert notebook.value("taken is kept") is True


@pytest.mark.parametrize("value", ["3", "None", "engine", "'text'", "lambda_of"])
def test_a_result_may_replace_a_value(notebook, value):
    notebook.run("lambda_of = {'a': len}")
    notebook.run(f"kept = {value}")
    for _ in range(2):
        assert notebook.run("%%querycount kept\nask(1)").status == "ok"
    assert notebook.value("len(kept.trace.queries)") == 1


def test_a_method_of_the_name_is_no_function_of_the_notebook(notebook):
    ran = notebook.run("%%querycount page\nclass Site:\n    def page(self): return ask(1)\nSite().page()")
    assert ran.status == "ok"
    assert notebook.value("len(page.trace.queries)") == 1


def test_what_a_driver_writes_for_a_value_is_shown_where_it_stands(notebook):
    ran = notebook.run("%%explain\nselect * from nosuch where id = %(id)s")
    error, statement, caret, hint = ran.error.splitlines()
    assert error == 'UsageError: %%explain: near "%": syntax error'
    assert statement[caret.index("^")] == "%"
    assert hint.startswith("Write each value as :name")


def test_sqlite_shows_where_it_could_not_go_on(notebook):
    ran = notebook.run("%%explain\nSELECT 1 FRM x y")
    assert ran.error.splitlines() == [
        'UsageError: %%explain: near "x": syntax error', "  SELECT 1 FRM x y", "               ^"
    ]  # fmt: skip


def test_a_mistake_in_python_stays_one_of_python(notebook):
    ran = notebook.run("%%explain\nselected = [1, 2")
    assert ran.reply["ename"] == "SyntaxError"
    assert "selected = [1, 2" in ran.error


def test_the_next_cell_works(notebook):
    notebook.run("%%querycount --nax 3\nask(1)")
    assert len(notebook.run("%%querycount\nask(1)").traces) == 1


def test_a_profiler_of_the_user_is_left_alone(notebook):
    notebook.run("import cProfile\nmine = cProfile.Profile()\nmine.enable()")
    ran = notebook.run("%%profile\nprint('ran')")
    assert "UsageError: %%profile cannot measure this cell: Another profiler (cProfile)" in ran.error
    assert ran.printed == ""
    notebook.run("mine.disable()")


def test_without_an_engine_explain_says_how_to_make_one(notebook):
    notebook.run("one = engine\ndel engine, ask\nx = one\ndel x")
    notebook.run("del one")
    ran = notebook.run("%%explain\nSELECT 1")
    assert ran.error == (
        "UsageError: The notebook has no SQLAlchemy engine. Make one: engine = create_engine(url)"
    )
    notebook.run("import sqlalchemy as sa\nengine = sa.create_engine('sqlite://')")


def test_of_several_engines_explain_asks_which(notebook):
    notebook.run("other = sa.create_engine('sqlite://')\nsame = engine")
    ran = notebook.run("%%explain\nSELECT 1")
    assert ran.error.splitlines() == [
        "UsageError: Several engines are here, and the SQL could be meant for any: "
        "engine (sqlite: in memory), other (sqlite: in memory).",
        "Say which: %%explain -e engine",
    ]
    assert notebook.run("%%explain -e other\nSELECT 1").status == "ok"
