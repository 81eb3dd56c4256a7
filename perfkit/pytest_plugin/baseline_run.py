"""One run of pytest that records a baseline, or checks its tests against one.

Statements travel on the test's report, which pytest-xdist carries from its workers to the controller: the
controller alone writes the file and the summary.
"""

import os
import shlex
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from perfkit.model.trace import Trace
from perfkit.model.wording import counted
from perfkit.pytest_plugin import baseline
from perfkit.pytest_plugin.baseline import BaselineError, Counts
from perfkit.pytest_plugin.baseline_report import Additions, listed, missing_entry

_COUNTS = pytest.StashKey[Counts]()
_REPORT_ATTRIBUTE = "perfkit_statements"


class BaselineRun:
    """A plugin, registered only in runs that record or check.

    Args:
        config: of this run.
        path: the baseline's file.
        is_recording: whether the file is written; otherwise tests are compared with it.
        is_strict: whether a test that sends statements and has no entry fails.
    """

    def __init__(self, config: pytest.Config, path: Path, *, is_recording: bool, is_strict: bool) -> None:
        self._config = config
        self._path = path
        self._is_recording = is_recording
        self._is_strict = is_strict
        self._is_worker = hasattr(config, "workerinput")
        self._known: dict[str, Counts] = {}
        self._sent: dict[str, Counts] = {}
        self._failed = 0
        self._write_error = ""

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self) -> None:
        """Read the file before anything runs; one that cannot be used ends the run with one line."""
        try:
            self._known = baseline.read(self._path)
        except FileNotFoundError:
            if not self._is_recording:
                raise pytest.UsageError(
                    f"{self._path} does not exist: record it by pytest {self._option}"
                ) from None
            if not self._path.parent.is_dir():
                raise pytest.UsageError(f"The folder {self._path.parent} does not exist.") from None
        except (BaselineError, OSError) as error:
            raise pytest.UsageError(str(error)) from None

    def complaints(self, item: pytest.Item, trace: Trace) -> list[str]:
        """Why this test fails the check; nothing for a test that sends what was recorded, or less."""
        if self._is_recording:
            return []
        test, spans = _test_id(item), trace.queries or ()
        again = f"pytest {shlex.quote(test)} {self._option}"
        if test not in self._known:
            return [missing_entry(len(spans), self._name, again)] if spans and self._is_strict else []
        additions = Additions(self._known[test], spans, self._config.rootpath)
        return [additions.text(self._name, again)] if additions else []

    def keep(self, item: pytest.Item, trace: Trace) -> None:
        """Remember what a test sent that has passed."""
        item.stash[_COUNTS] = baseline.count_sources(trace.queries or (), self._config.rootpath)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Send what the test sent along with its report."""
        report = yield
        counts = item.stash.get(_COUNTS, None)
        if call.when == "call" and counts is not None:
            del item.stash[_COUNTS]
            setattr(report, _REPORT_ATTRIBUTE, {"test": _test_id(item), "counts": baseline.flat(counts)})
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Collect what tests sent, in whatever process they ran."""
        sent: dict[str, Any] | None = getattr(report, _REPORT_ATTRIBUTE, None)
        if sent is not None:
            counts = baseline.unflat(sent["counts"])
            self._sent[sent["test"]] = baseline.larger(self._sent.get(sent["test"], {}), counts)
        elif report.failed and report.when != "teardown":
            self._failed += 1

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Write the file: the tests that passed anew, those that did not run or pass as they were."""
        if self._is_worker or not self._is_recording or not self._sent:
            return
        partial = self._path.with_name(f"{self._path.name}.{os.getpid()}.tmp")
        try:
            partial.write_text(baseline.dumps({**self._known, **self._sent}), encoding="utf-8")
            partial.replace(self._path)
        except OSError as error:
            partial.unlink(missing_ok=True)
            self._write_error = f"{self._name} could not be written: {error.strerror}"
            session.exitstatus = pytest.ExitCode.INTERNAL_ERROR

    def pytest_terminal_summary(self, terminalreporter: "pytest.TerminalReporter") -> None:
        """Say what was recorded, or what the check found besides failures."""
        lines = self._recorded() if self._is_recording else self._checked()
        if lines:
            terminalreporter.section("perfkit baseline")
            for line in lines:
                terminalreporter.write_line(line)

    def _recorded(self) -> list[str]:
        if self._write_error:
            return [self._write_error]
        if not self._sent:
            return [f"No test passed, so {self._name} was left alone."]
        lines = [f"Recorded {counted(len(self._sent), 'test')} in {self._name}."]
        if self._failed:
            lines.append(f"{counted(self._failed, 'test')} failed and left no new entry.")
        old = len({*self._known} - {*self._sent})
        if old:
            lines.append(
                f"{counted(old, 'entry', 'entries')} of tests that did not run or pass stayed as before; "
                "delete the file to begin anew."
            )
        return lines

    def _checked(self) -> list[str]:
        fewer, unknown = [], []
        for test, sent in sorted(self._sent.items()):
            now = baseline.total(sent)
            if test not in self._known:
                unknown.extend([f"{test}: {counted(now, 'statement')}"] if now else [])
            elif baseline.changes(self._known[test], sent):
                before = baseline.total(self._known[test])
                fewer.append(f"{test}: {counted(now, 'statement')}, recorded {before}")
        return [
            *listed("Fewer statements than recorded; record them, so that they stay few:", fewer),
            *listed(f"Not in {self._name}, so not checked:", unknown),
            *([f"Record: pytest TESTS {self._option}"] if fewer or unknown else []),
        ]

    @property
    def _name(self) -> str:
        return baseline.relative(str(self._path), self._config.rootpath)

    @property
    def _option(self) -> str:
        is_default = self._path == self._config.rootpath / self._config.getini("perfkit_baseline")
        return "--perfkit-record" if is_default else f"--perfkit-record={shlex.quote(str(self._path))}"


def _test_id(item: pytest.Item) -> str:
    """The test's id without the group that `--dist loadgroup` of pytest-xdist appends to it."""
    groups = {
        str([*mark.args, mark.kwargs.get("name", "default")][0]) for mark in item.iter_markers("xdist_group")
    }
    return item.nodeid.removesuffix(f"@{'_'.join(sorted(groups))}") if groups else item.nodeid
