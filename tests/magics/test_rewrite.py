import pytest

from perfkit.magics._rewrite import CellRewriter

OURS = {"querycount", "profile"}
rewrite = CellRewriter(lambda name, line, body: name in OURS)


def rewritten(cell: str) -> str:
    return "".join(rewrite(cell.splitlines(keepends=True)))


def test_only_the_first_line_changes():
    body = 'x = """\n%%querycount\n"""\n!ls\n%time x\nawait f()\n'
    result = rewritten(f"%%querycount before --max 3\n{body}")
    assert result == f"get_ipython()._perfkit.begin('querycount before --max 3')\n{body}"


def test_stacked_magics_become_one_call_and_the_lines_keep_their_numbers():
    cell = "%%querycount a\n\n%%profile  b \n\nwork()\n"
    assert rewritten(cell) == (
        "get_ipython()._perfkit.begin('querycount a', 'profile b')\n\n# %%profile  b\n\nwork()\n"
    )


def test_a_magic_of_others_below_ours_is_run_by_ipython():
    assert rewritten("%%querycount\n%%time\nwork()\n") == (
        "get_ipython()._perfkit.begin('querycount')\nget_ipython().run_cell_magic('time', '', 'work()\\n')\n"
    )


def test_blank_lines_above_a_magic_of_others_do_not_hide_it():
    assert rewritten("%%querycount\n\n%%time\nwork()\n").splitlines()[1:] == [
        "",
        "get_ipython().run_cell_magic('time', '', 'work()\\n')",
    ]


def test_quotes_in_arguments_stay_quotes():
    assert rewritten("%%querycount 'a' \"b\"\nx\n").startswith(
        "get_ipython()._perfkit.begin('querycount \\'a\\' \"b\"')\n"
    )


@pytest.mark.parametrize("cell", ["", "%%querycount\n", "%%querycount\n\n  \n", "%%querycount\n%%profile\n"])
def test_an_empty_cell_goes_to_the_magic_that_says_so(cell):
    assert rewritten(cell) == "" if not cell else "run_cell_magic('querycount'" in rewritten(cell)


@pytest.mark.parametrize(
    "cell",
    [
        "x = 1\n",
        "%%time\nx\n",
        "%%querycounts\nx\n",
        "%%querycount?\n",
        "%%querycount??\n",
        "%querycount\nx\n",
        "# %%querycount\nx\n",
        "x = 1\n%%querycount\n",
        " %%querycount\nx\n",
        "%%time\n%%querycount\nx\n",
    ],
)
def test_other_cells_stay_as_they_are(cell):
    assert rewritten(cell) == cell
