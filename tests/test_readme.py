"""The README says what is there; where it lists things, a failure prints the right list."""

import inspect
import re
from pathlib import Path

import pytest

import perfkit
from perfkit.rules import all_rules

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


def between(name: str) -> str:
    return README.split(f"<!-- {name}:start -->")[1].split(f"<!-- {name}:end -->")[0].strip()


FAMILIES = {
    "PK1": ("statements", "n-plus-one, duplicate-query, write-loop, cartesian-product, deep-offset"),
    "PK20": ("plans: reading tables", "selective-seq-scan, inefficient-index, heap-fetches, bloat"),
    "PK22": ("plans: conditions and rewrites", "parameter-type-cast, function-on-column, not-in-subplan"),
    "PK24": ("plans: joins, memory, estimates, writes", "correlated-columns, hash-batches, fk-index-missing"),
    "PK26": ("plans: time outside the nodes", "jit-overhead, generic-plan, result-transfer, lock-wait"),
    "PK29": ("plans of SQLite and MariaDB", "sqlite-scan, mariadb-join-buffer"),
    "PK4": ("memory", "memory-growth, load-all"),
    "PK5": ("connections and transactions", "commit-per-row, pool-exhausted, idle-in-transaction"),
    "PK9": ("caches", "unbounded-cache"),
}


def family(code: str) -> str:
    """The last family that begins at or before a code."""
    return max((start for start in FAMILIES if start <= code), key=lambda start: start)


def families_table() -> str:
    counts = dict.fromkeys(FAMILIES, 0)
    for rule in all_rules():
        counts[family(rule.code)] += 1
    lines = ["| family | rules | such as |", "|---|---|---|"]
    lines += [
        f"| {title} | {counts[start]} | {', '.join(f'`{name}`' for name in names.split(', '))} |"
        for start, (title, names) in FAMILIES.items()
    ]
    return "\n".join([f"{len(all_rules())} rules, all of them [in one list](docs/rules.md):", "", *lines])


def rules_table() -> str:
    lines = ["| code | rule | finds |", "|---|---|---|"]
    for rule in all_rules():
        summary = (rule.check.__globals__["__doc__"] or "").splitlines()[0]
        lines.append(f"| {rule.code} | `{rule.name}` | {summary} |")
    return "\n".join(lines)


def test_the_rules_are_summed_up_by_family():
    named = {name for _, names in FAMILIES.values() for name in names.split(", ")}

    assert named <= {rule.name for rule in all_rules()}
    assert between("rules") == families_table(), f"put this between the markers:\n{families_table()}"


def test_every_rule_is_listed():
    listed = (ROOT / "docs" / "rules.md").read_text()

    assert listed.endswith(f"\n\n{rules_table()}\n"), f"docs/rules.md must end with:\n{rules_table()}"


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


def test_a_smaller_shop_is_asked_for_as_the_readme_says(capsys):
    from perfkit import lab
    from perfkit.cli import main
    from perfkit.lab.settings import parse_scale

    assert "perfkit tour --scale small" in README
    with pytest.raises(SystemExit):
        main(["tour", "--help"])
    assert "--scale SCALE" in capsys.readouterr().out

    called = re.search(r'lab\.open_shop\("(\w+)", scale="(\w+)"\)', README)
    inspect.signature(lab.open_shop).bind(called[1], scale=called[2])
    assert parse_scale(called[2]).name == "small"


def test_async_functions_are_awaited_as_the_readme_says():
    called = re.search(r"await perfkit\.verify_async\((\w+), (\w+), target_ms=(\d+)\)", README)

    inspect.signature(perfkit.verify_async).bind(called[1], called[2], target_ms=called[3])


def test_every_linked_file_is_there():
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", README) if not link.startswith("http")]

    assert [link for link in links if not (ROOT / link).exists()] == []


def test_the_numbers_are_there_and_name_the_machine():
    numbers = between("bench")

    assert "|" in numbers
    assert "CPU" in numbers or "cores" in numbers
