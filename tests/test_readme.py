"""The README says what is there; where it lists things, a failure prints the right list."""

import re
from pathlib import Path

import pytest

import perfkit
from perfkit.rules import all_rules

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


def between(name: str) -> str:
    return README.split(f"<!-- {name}:start -->")[1].split(f"<!-- {name}:end -->")[0].strip()


def rules_table() -> str:
    lines = ["| code | rule | finds |", "|---|---|---|"]
    for rule in all_rules():
        summary = (rule.check.__globals__["__doc__"] or "").splitlines()[0]
        lines.append(f"| {rule.code} | `{rule.name}` | {summary} |")
    return "\n".join(lines)


def test_every_rule_is_listed():
    assert between("rules") == rules_table(), f"put this between the markers:\n{rules_table()}"


def test_the_table_of_magics_names_exactly_those_that_are_registered():
    from IPython.core.interactiveshell import InteractiveShell

    shell = InteractiveShell()
    before = registered(shell)
    perfkit.load_ipython_extension(shell)
    added = registered(shell) - before
    perfkit.unload_ipython_extension(shell)

    listed = set(re.findall(r"^\| `(%%?\w+)", README, re.MULTILINE))
    assert listed == {name for name in added if not name.lstrip("%").startswith("_")}


def registered(shell) -> set[str]:
    magics = shell.magics_manager.magics
    cells = {f"%%{name}" for name in magics["cell"]}
    return cells | {f"%{name}" for name in magics["line"] if f"%%{name}" not in cells}


def test_every_name_that_the_readme_uses_is_exported():
    names = set(re.findall(r"\bpk\.(\w+)", README))

    assert names <= set(perfkit.__all__)
    assert [name for name in perfkit.__all__ if not hasattr(perfkit, name)] == []


def test_every_notebook_is_listed():
    listed = re.findall(r"^\| `(\d\d_\w+)` \|", README, re.MULTILINE)

    assert listed == sorted(path.stem for path in (ROOT / "notebooks").glob("*.ipynb"))


@pytest.mark.parametrize("target", sorted(set(re.findall(r"make (tour|lab|test|bench|help)", README))))
def test_every_task_is_in_the_makefile(target):
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE)


def test_every_command_is_known_to_the_command_line(capsys):
    from perfkit.cli import main

    with pytest.raises(SystemExit):
        main(["--help"])
    help_text = capsys.readouterr().out

    for command in ("tour", "lab", "report", "data", "doctor", "rule"):
        assert re.search(rf"^\s+{command}\b", help_text, re.MULTILINE)


def test_every_linked_file_is_there():
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", README) if not link.startswith("http")]

    assert [link for link in links if not (ROOT / link).exists()] == []


def test_the_numbers_are_there_and_name_the_machine():
    numbers = between("bench")

    assert "|" in numbers
    assert "CPU" in numbers or "cores" in numbers
