"""What a check of the baseline tells a person: the statements that came, and the lines that send them."""

from collections.abc import Iterator
from pathlib import Path

from perfkit.model.location import CodeLocation
from perfkit.model.query import QuerySpan
from perfkit.model.wording import counted
from perfkit.pytest_plugin.baseline import (
    Change,
    Counts,
    changes,
    count_sources,
    function_name,
    relative,
    source_of,
)

SHOWN_LINES = 10
_TEXT_WIDTH = 100


class Additions:
    """What a test sends beyond its entry; false where there is nothing of the kind.

    Args:
        recorded: the test's entry.
        spans: what it sends now.
        root: the folder that shown paths are relative to.
    """

    def __init__(self, recorded: Counts, spans: tuple[QuerySpan, ...], root: Path) -> None:
        self._recorded = recorded
        self._spans = spans
        self._root = root
        self._sent = count_sources(spans, root)
        found = changes(recorded, self._sent)
        self._more = [change for change in found if change.sent > change.recorded]
        self._gone = [change for change in found if not change.sent]

    def __bool__(self) -> bool:
        return bool(self._more)

    def text(self, file_name: str, again: str) -> str:
        """The failure: what came, from which lines, what went, and how to record it.

        Args:
            file_name: the baseline's.
            again: the command that records the test.
        """
        added = sum(change.sent - change.recorded for change in self._more)
        lines = [f"{counted(added, 'statement')} more than {file_name} has for this test:"]
        for change in self._more:
            lines.append(f"  {_quantity(change)} {_shortened(change.statement)}")
            lines.extend(f"        {line}" for line in self._lines(change))
        lines.extend(f"  no longer sent: {_shortened(change.statement)}" for change in self._gone)
        return "\n".join([*lines, f"If that is meant to be: {again}"])

    def _lines(self, change: Change) -> Iterator[str]:
        """The lines that send a shape, of those functions that send it more often than recorded."""
        counts: dict[tuple[str, str], int] = {}
        for span in self._spans:
            source = source_of(span, self._root)
            if span.query_text == change.statement and self._sent[source] > self._recorded.get(source, 0):
                key = self._place(span.call_site), self._loop(span)
                counts[key] = counts.get(key, 0) + 1
        for (place, loop), count in sorted(counts.items(), key=lambda item: -item[1])[:SHOWN_LINES]:
            yield f"{place} ({count:,} ×{loop})"
        if len(counts) > SHOWN_LINES:
            yield f"and {counted(len(counts) - SHOWN_LINES, 'more place')}"

    def _loop(self, span: QuerySpan) -> str:
        return f", loop at {self._place(span.loop_site)}" if span.loop_site else ""

    def _place(self, site: CodeLocation | None) -> str:
        if site is None:
            return "no line of yours on the stack"
        return f"{relative(site.file_path, self._root)}:{site.line_number} in {function_name(site)}"


def missing_entry(statements: int, file_name: str, again: str) -> str:
    """Why a strict check fails a test that was never recorded."""
    sent = counted(statements, "statement")
    return f"{sent} sent, and {file_name} has no entry for this test.\nRecord it: {again}"


def listed(head: str, lines: list[str]) -> list[str]:
    """A list with its head, not longer than a person reads; nothing for no lines."""
    if not lines:
        return []
    rest = len(lines) - SHOWN_LINES
    shown = [f"  {line}" for line in lines[:SHOWN_LINES]]
    return [head, *shown, *([f"  and {rest} more"] if rest > 0 else [])]


def _quantity(change: Change) -> str:
    if not change.recorded:
        return f"new, {change.sent:,} ×"
    return f"{change.sent:,} ×, recorded {change.recorded:,} ×:"


def _shortened(text: str) -> str:
    return text if len(text) <= _TEXT_WIDTH else f"{text[: _TEXT_WIDTH - 1]}…"
