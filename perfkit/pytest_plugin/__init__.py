"""pytest: count the statements of a test, refuse too many, compare them with a recorded baseline.

Every pytest run of every project that installs perfkit loads this module, so it and what it imports are
small; SQLAlchemy and the rest of perfkit are loaded when a test asks for them.
"""

import argparse
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from perfkit.model.wording import counted
from perfkit.pytest_plugin.counter import QueryCounter, StatementCount

__all__ = ["QueryCounter", "StatementCount", "query_counter"]

DEFAULT_FILE = "perfkit-baseline.json"
BASELINE_PLUGIN = "perfkit-baseline"
_MARKERS = {
    "max_queries": "max_queries(n): fail the test if it sends more than n statements, fixtures not counted.",
    "no_n_plus_one": (
        'no_n_plus_one(ignore=("User.posts",)): fail the test if it loads rows, relationships or columns one '
        "by one; `ignore` names relationships and columns that may."
    ),
}


@pytest.fixture
def query_counter() -> Iterator[QueryCounter]:
    """Count the statements that the test sends: `assert query_counter.count <= 3`, `query_counter.max(3)`."""
    counter = QueryCounter()
    try:
        yield counter
    finally:
        counter.close()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options and settings of the baseline."""
    group = parser.getgroup("perfkit", "statements that tests send to databases")
    for name, does in (
        ("record", "write the statements of each test that passes to a baseline"),
        ("check", "fail a test that sends statements which the baseline does not have"),
    ):
        group.addoption(
            f"--perfkit-{name}",
            nargs="?",
            const="",
            type=_json_file,
            metavar="FILE.json",
            help=f"{does} (default: {DEFAULT_FILE} in rootdir, or perfkit_baseline of the configuration)",
        )
    group.addoption(
        "--perfkit-strict",
        action="store_true",
        help="with a check: also fail tests that send statements and are not in the baseline",
    )
    parser.addini("perfkit_baseline", "file of the baseline, relative to rootdir", default=DEFAULT_FILE)
    parser.addini("perfkit_check", "compare every run with the baseline", type="bool", default=False)
    parser.addini("perfkit_strict", "the same as --perfkit-strict", type="bool", default=False)


def pytest_configure(config: pytest.Config) -> None:
    """Explain the markers; load the baseline's part only if this run records or checks."""
    for text in _MARKERS.values():
        config.addinivalue_line("markers", text)
    record, check = config.getoption("perfkit_record"), config.getoption("perfkit_check")
    if record is not None and check is not None:
        raise pytest.UsageError("--perfkit-record and --perfkit-check exclude each other: give one of them.")
    if record is None and check is None and not config.getini("perfkit_check"):
        return
    from perfkit.pytest_plugin.baseline_run import BaselineRun

    path = Path(record or check or config.rootpath / config.getini("perfkit_baseline"))
    is_strict = config.getoption("perfkit_strict") or config.getini("perfkit_strict")
    run = BaselineRun(config, path, is_recording=record is not None, is_strict=is_strict)
    config.pluginmanager.register(run, BASELINE_PLUGIN)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Watch the call of a test that a marker or the baseline judges."""
    baseline = item.config.pluginmanager.get_plugin(BASELINE_PLUGIN)
    if baseline is None and not any(item.get_closest_marker(name) for name in _MARKERS):
        return (yield)
    from perfkit.pytest_plugin.watching import watched

    return (yield from watched(item, baseline))


def pytest_assertrepr_compare(op: str, left: object, right: object) -> list[str] | None:
    """List the statements when a comparison of their count fails."""
    counts = [side for side in (left, right) if isinstance(side, StatementCount)]
    if not counts:
        return None
    right_side = counted(int(right), "statement")  # type: ignore[call-overload]
    return [f"{int(left)} {op} {right_side}", *counts[0].counter.listing()]  # type: ignore[call-overload]


def _json_file(value: str) -> str:
    """The file of a baseline, absolute; the ending tells it from a test that was meant to be run."""
    if value and not value.endswith(".json"):
        raise argparse.ArgumentTypeError(
            f"{value!r} is no .json file. Put the tests before the option, or give it a file by `=`."
        )
    return str(Path(value).absolute()) if value else ""
