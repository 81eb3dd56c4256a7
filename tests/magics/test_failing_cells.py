"""What a failing cell is charged with: its own work, not the rendering of its traceback."""

import re

import pytest

MAGICS = ["querycount", "profile", "profile --engine sampling", "memtrace", "diagnose", "explain"]
FAILURES = ["1 / 0", "await asyncio.sleep(0)\n1 / 0", "raise SystemExit(1)", "def f():\n    1 / 0\nf()"]


@pytest.fixture
def rendering(notebook):
    """A kernel that notes at each traceback, in `noted`, how long the measured cells have taken."""
    owner = "next(cls for cls in type(shell).__mro__ if '_get_exc_info' in vars(cls))"
    notebook.run(f"shell, noted = get_ipython(), []\nowner = {owner}\noriginal = owner._get_exc_info")
    notebook.run(
        "def note(self, *arguments):\n"
        "    noted.extend(cell.measurement._duration_ms for cell in self._perfkit._meter._cells)\n"
        "    return original(self, *arguments)\n"
        "owner._get_exc_info = note"
    )
    yield notebook
    notebook.run("owner._get_exc_info = original")


def functions(ran):
    """The names and the files of the functions in the profile."""
    places = [f["location"] for f in ran.traces[0]["cpu"]["functions"]]
    return {place["function_name"] for place in places}, " ".join(place["file_path"] for place in places)


@pytest.mark.parametrize("magic", MAGICS)
@pytest.mark.parametrize("cell", FAILURES)
def test_the_time_of_a_failing_cell_ends_with_its_error(rendering, magic, cell):
    ran = rendering.run(f"%%{magic} kept\nx = 1\n{cell}")
    assert ran.traces[0]["error"] in ("ZeroDivisionError", "SystemExit")
    assert rendering.value("noted == [kept.trace.duration_ms]") is True


@pytest.mark.parametrize("cell", FAILURES)
def test_the_profile_of_a_failing_cell_holds_nothing_of_its_traceback(notebook, cell):
    ran = notebook.run(f"%%profile\nwork = sorted([2, 1])\n{cell}")
    names, files = functions(ran)
    assert ran.traces[0]["error"] in ("ZeroDivisionError", "SystemExit")
    assert "<built-in method builtins.sorted>" in names
    assert "ultratb" not in files
    assert "stack_data" not in files


def test_a_traceback_that_the_cell_itself_shows_is_its_own_work(notebook):
    ran = notebook.run(
        "%%profile\ntry:\n    1 / 0\nexcept ZeroDivisionError:\n    get_ipython().showtraceback()\n"
        "work = sorted([2, 1])\nwork"
    )
    assert ran.status == "ok"
    names, files = functions(ran)
    assert "<built-in method builtins.sorted>" in names
    assert "ultratb" in files


def test_a_cell_that_fails_within_a_cell_does_not_end_the_outer_one(notebook):
    ran = notebook.run("%%diagnose\nget_ipython().run_cell('1 / 0')\nwork = sorted([2, 1])\nask(1)")
    assert ran.status == "ok"
    assert "<built-in method builtins.sorted>" in functions(ran)[0]
    assert len(ran.traces[0]["queries"]) == 1


def test_statements_after_the_error_of_an_inner_measured_cell_belong_to_the_outer_one(notebook):
    ran = notebook.run(
        "%%querycount outer\nask(1)\nget_ipython().run_cell('%%querycount inner\\nask(1)\\n1 / 0')\nask(2)"
    )
    assert ran.status == "ok"
    assert notebook.value("[len(inner.trace.queries), len(outer.trace.queries)]") == [1, 3]
    assert notebook.value("inner.trace.error") == "ZeroDivisionError"


def listing(ran):
    """The numbered lines of a traceback."""
    lines = [re.fullmatch(r"(?:-+> | +)(\d+) ?(.*)", line) for line in ran.error.splitlines()]
    return {int(line[1]): line[2] for line in lines if line}


@pytest.mark.parametrize("magic", MAGICS)
def test_a_traceback_lists_the_lines_of_the_cell_and_no_call_of_perfkit(notebook, magic):
    ran = notebook.run(f"%%{magic} kept\nx = 1\n1 / 0\ny = 2")
    assert listing(ran) == {1: f"# %%{magic} kept", 2: "x = 1", 3: "1 / 0", 4: "y = 2"}
    assert "----> 3 1 / 0" in ran.error
    assert "_perfkit" not in ran.error


def test_magics_on_top_of_each_other_are_listed_where_they_stand(notebook):
    ran = notebook.run("%%querycount a\n\n%%profile b\n1 / 0")
    assert listing(ran) == {1: "# %%querycount a", 2: "", 3: "# %%profile b", 4: "1 / 0"}


def test_a_function_of_a_measured_cell_is_listed_like_that_in_later_cells_too(notebook):
    notebook.run("%%querycount\ndef divide():\n    return 1 / 0")
    ran = notebook.run("divide()")
    assert "----> 3     return 1 / 0" in ran.error
    assert "_perfkit" not in ran.error


def test_a_listing_can_be_parsed_which_marking_the_failing_part_of_a_line_takes(notebook):
    notebook.run("%%querycount kept\n%%profile\ndef divide():\n    return 1 / 0\nimport ast, linecache")
    lines = "''.join(linecache.getlines(divide.__code__.co_filename))"
    assert notebook.value(f"[type(ast.parse({lines}).body[0]).__name__, {lines}.count(chr(10))]") == [
        "FunctionDef", 5
    ]  # fmt: skip


@pytest.mark.parametrize("cell", ["1", "1 / 0"])
def test_the_shell_shows_tracebacks_by_its_own_method_again(notebook, cell):
    before = notebook.value("repr(type(get_ipython()).showtraceback)")
    notebook.run(f"%%querycount\n{cell}")
    assert notebook.value("repr(type(get_ipython()).showtraceback)") == before
    assert notebook.value("'showtraceback' in vars(get_ipython())") is False


def test_a_method_that_another_extension_put_there_still_shows_the_traceback(notebook):
    notebook.run(
        "shell, seen = get_ipython(), []\n"
        "def theirs(*arguments, _original=shell.showtraceback, **options):\n"
        "    seen.append(1)\n    return _original(*arguments, **options)\n"
        "shell.showtraceback = theirs"
    )
    ran = notebook.run("%%profile\nwork = sorted([2, 1])\n1 / 0")
    assert notebook.value("[seen, shell.showtraceback is theirs]") == [[1], True]
    assert "theirs" not in functions(ran)[0]
    notebook.run("del shell.showtraceback")


def test_a_cell_may_put_its_own_method_there_and_take_it_away(notebook):
    ran = notebook.run(
        "%%querycount\nshell = get_ipython()\nshell.showtraceback = print\n"
        "mine = shell.showtraceback is print\n"
        "del shell.showtraceback\n[mine, shell.showtraceback is print]"
    )
    assert ran.shown == "[True, False]"


def test_at_the_terminal_the_profile_ends_with_the_error_too(terminal):
    result, _ = terminal.run("%%profile kept\nwork = sorted([2, 1])\n1 / 0")
    assert isinstance(result.error_in_exec, ZeroDivisionError)
    places = [f.location for f in terminal.shell.user_ns["kept"].trace.cpu.functions]
    assert "<built-in method builtins.sorted>" in {place.function_name for place in places}
    assert not [place for place in places if "ultratb" in place.file_path or "stack_data" in place.file_path]
