"""The `perfkit` command: usage, exit codes, and errors without a traceback."""

import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from perfkit import cli
from perfkit.cli import _shared, rule
from perfkit.rules import all_rules


@pytest.fixture
def save(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def save(name, *sources):
        nbformat.write(new_notebook(cells=[new_code_cell(source) for source in sources]), tmp_path / name)

    return save


def names_in(folder):
    return sorted(path.name for path in Path(folder).iterdir())


def test_the_import_brings_in_nothing_heavy():
    heavy = ["sqlalchemy", "nbformat", "nbclient", "rich", "jinja2", "perfkit.lab", "perfkit.rules", "pandas"]
    program = f"import sys, perfkit.cli; print([name for name in {heavy!r} if name in sys.modules])"

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout == "[]\n"


def test_the_version_is_that_of_the_package(capsys):
    with pytest.raises(SystemExit) as caught:
        cli.main(["--version"])

    assert caught.value.code == 0
    assert capsys.readouterr().out.startswith("perfkit 0.")


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["nonsense"],
        ["report"],
        ["data"],
        ["data", "nonsense"],
        ["report", "x.ipynb", "--timeout", "soon"],
        ["report", "x.ipynb", "--timeout", "-1"],
        ["lab", "--port", "many"],
    ],
)
def test_wrong_usage_ends_with_2_and_the_usage(arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        cli.main(arguments)

    assert caught.value.code == 2
    assert capsys.readouterr().err.startswith("usage: perfkit")


@pytest.mark.parametrize("command", ["tour", "lab", "report", "data", "doctor", "rule"])
def test_every_command_explains_itself(command, capsys):
    with pytest.raises(SystemExit) as caught:
        cli.main([command, "--help"])

    assert caught.value.code == 0
    assert f"perfkit {command}" in capsys.readouterr().out


class TestReport:
    def test_good_notebooks_give_0_a_table_and_an_index(self, save, capsys):
        save("a.ipynb", "1 + 1")
        save("b.ipynb", "2 + 2", "3 + 3")

        code = cli.main(["report", "a.ipynb", "b.ipynb", "-o", "out"])

        lines = capsys.readouterr().out.splitlines()
        assert code == 0
        assert names_in("out") == ["a.html", "b.html", "index.html"]
        assert any(line.split()[:5] == ["b.ipynb", "complete", "2", "of", "2"] for line in lines)
        assert lines[-1].endswith("index.html")

    def test_a_failing_cell_gives_1_its_traceback_and_a_report(self, save, capsys):
        save("bad.ipynb", "def f():\n    1/0\nf()")

        code = cli.main(["report", "bad.ipynb", "-o", "out"])

        errors = capsys.readouterr().err
        assert code == 1
        assert "line 2, in f()" in errors
        assert "\x1b" not in errors
        assert errors.splitlines()[-1] == (
            "perfkit: bad.ipynb FAILED at cell 1: ZeroDivisionError: division by zero"
        )
        assert names_in("out") == ["bad.html", "index.html"]

    def test_one_unreadable_file_does_not_stop_the_others(self, save, capsys):
        save("good.ipynb", "1")

        code = cli.main(["report", "missing.ipynb", "good.ipynb", "-o", "out"])

        assert code == 1
        assert capsys.readouterr().err == "perfkit: There is no file missing.ipynb.\n"
        assert names_in("out") == ["good.html", "index.html"]

    def test_without_any_report_there_is_no_index(self, save, capsys):
        assert cli.main(["report", "missing.ipynb", "-o", "out"]) == 1
        assert not Path("out").exists()

    def test_two_notebooks_of_one_name_are_refused_before_anything_runs(self, save, tmp_path, capsys):
        (tmp_path / "sub").mkdir()
        save("a.ipynb", "1")
        save("sub/a.ipynb", "1")

        assert cli.main(["report", "a.ipynb", "sub/a.ipynb"]) == 1
        assert "one report would overwrite the other" in capsys.readouterr().err
        assert not Path("reports").exists()

    def test_as_is_runs_nothing(self, save, capsys):
        save("a.ipynb", "open('ran', 'w')")

        assert cli.main(["report", "a.ipynb", "--as-is"]) == 0
        assert not Path("ran").exists()
        assert "not run" in capsys.readouterr().out


class TestRule:
    @pytest.mark.parametrize("found", all_rules(), ids=lambda found: found.code)
    def test_every_rule_is_described_with_thresholds_and_examples(self, found, capsys):
        assert cli.main(["rule", found.code.lower()]) == 0

        text = capsys.readouterr().out
        assert text.startswith(f"{found.code} {found.name}")
        assert "Why is this slow" in text
        assert f"Held to {len(found.fires_on)} traces" in text

    def test_thresholds_are_read_from_the_signature(self):
        text = rule.describe(next(found for found in all_rules() if found.code == "PK101"))

        assert "    min_repeats = 2" in text

    def test_without_a_code_all_are_listed(self, capsys):
        cli.main(["rule"])

        listed = [line.split()[0] for line in capsys.readouterr().out.splitlines()[2:]]
        assert listed == [found.code for found in all_rules()]

    def test_an_unknown_rule_gives_1_and_the_ones_there_are(self, capsys):
        assert cli.main(["rule", "PK000"]) == 1
        assert "There is no rule PK000. There are: PK101 n-plus-one" in capsys.readouterr().err


class TestErrors:
    @pytest.fixture
    def broken(self, monkeypatch):
        def run(_):
            raise ZeroDivisionError("oops")

        monkeypatch.setattr(rule, "run", run)

    def test_our_own_fault_is_two_lines(self, broken, capsys):
        assert cli.main(["rule"]) == 1

        errors = capsys.readouterr().err
        assert errors.startswith("perfkit: perfkit itself failed: ZeroDivisionError: oops")
        assert "PERFKIT_DEBUG=1" in errors
        assert len(errors.splitlines()) == 2

    def test_who_debugs_sees_the_traceback(self, broken, monkeypatch):
        monkeypatch.setenv("PERFKIT_DEBUG", "1")

        with pytest.raises(ZeroDivisionError):
            cli.main(["rule"])

    def test_an_interrupt_gives_130(self, monkeypatch, capsys):
        def run(_):
            raise KeyboardInterrupt

        monkeypatch.setattr(rule, "run", run)

        assert cli.main(["rule"]) == 130
        assert "Interrupted" in capsys.readouterr().err

    def test_a_reader_that_leaves_is_no_error(self):
        done = subprocess.run(
            f"{sys.executable} -m perfkit.cli rule PK101 | head -1; echo ${{PIPESTATUS[0]}}",
            shell=True,
            executable="/bin/bash",
            capture_output=True,
            text=True,
            check=False,
        )

        assert done.stderr == ""

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            (["data", "build", "--scale", "huge"], "No such scale: 'huge'"),
            (["data", "info", "--database-url", "nonsense"], "is not a URL"),
            (["data", "info", "--database-url", "mysql://u:pw@h/d"], "needs PostgreSQL"),
            (["data", "info", "--database-url", "postgresql://u:pw@127.0.0.1:1/d"], "127.0.0.1"),
        ],
    )
    def test_what_the_lab_refuses_is_said_without_a_traceback_or_password(self, arguments, words, capsys):
        assert cli.main(arguments) == 1

        errors = capsys.readouterr().err
        assert words in errors
        assert "Traceback" not in errors
        assert "pw" not in errors


def test_a_table_lines_its_columns_up():
    text = _shared.table(("name", "n"), [("long name", "1"), ("x", "22")])

    assert text.splitlines() == ["name       n", "-------------", "long name  1", "x          22"]
