"""Two memory results side by side: peaks, what stayed, growth by line and by type."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from perfkit.model.memory import MemoryProfile
from perfkit.model.wording import counted
from perfkit.views._format import megabytes
from perfkit.views._functions import printable
from perfkit.views._html import Content, Html, card, code, heading, paragraph, section, table
from perfkit.views.memory_words import place, signed, source

_SHOWN = 12
# Resident sizes of one and the same cell differ by this from run to run (pages, arenas).
_NOISE_BYTES = 100_000
_TOTALS = "The whole block"
_HEADERS = ("before", "after", "change")
_CAVEAT = "One run each. A change of less than 3 MB in resident memory may be pages and arenas."


@dataclass(frozen=True, slots=True)
class Change:
    """One size in both results, `None` where it was not measured."""

    name: str
    before_bytes: int | None
    after_bytes: int | None

    @property
    def change_bytes(self) -> int | None:
        """By how much it grew; `None` where one side is not known."""
        if self.before_bytes is None or self.after_bytes is None:
            return None
        return self.after_bytes - self.before_bytes


def totals(before: MemoryProfile, after: MemoryProfile) -> list[Change]:
    """The numbers of the whole blocks."""
    return [
        Change("resident peak above the start", before.peak_increase_bytes, after.peak_increase_bytes),
        Change("resident, kept after the block", before.kept_bytes, after.kept_bytes),
        Change("requested by Python, peak", before.traced_peak_bytes, after.traced_peak_bytes),
        Change("requested by Python, still held", before.traced_growth_bytes, after.traced_growth_bytes),
    ]


def line_changes(before: MemoryProfile, after: MemoryProfile) -> list[Change]:
    """Growth by line. A line of a notebook is known by its text, as it stands in another cell each time."""
    return _changes(_by_line(before), _by_line(after))


def type_changes(before: MemoryProfile, after: MemoryProfile) -> list[Change]:
    """Growth by type."""
    return _changes(_by_type(before), _by_type(after))


def rows(before: MemoryProfile, after: MemoryProfile) -> list[dict[str, object]]:
    """One row a number, a line and a type, for a DataFrame; sizes in bytes."""
    groups = (
        ("total", totals(before, after)),
        ("line", line_changes(before, after)),
        ("type", type_changes(before, after)),
    )
    return [
        {
            "kind": kind,
            "name": change.name,
            "before_bytes": change.before_bytes,
            "after_bytes": change.after_bytes,
            "change_bytes": change.change_bytes,
        }
        for kind, changes in groups
        for change in changes
    ]


def as_text(before: MemoryProfile, after: MemoryProfile, *, title: str) -> str:
    """Both results side by side for a terminal.

    Args:
        before: the result as it was.
        after: the new one.
        title: which is which.
    """
    lines = [title]
    for name, changes in _groups(before, after):
        lines += ["", f"{name} ({', '.join(_HEADERS)})"]
        lines += ["  ".join(f"{cell:>12}" for cell in _sizes(item)) + f"  {item.name}" for item in changes]
    return "\n".join([*lines, "", *_remarks(before, after)])


def as_html(before: MemoryProfile, after: MemoryProfile, *, title: str) -> Html:
    """Both results side by side as one card; the arguments are those of `as_text`."""
    parts: list[Content] = [heading(title)]
    for name, changes in _groups(before, after):
        named: Callable[[str], Content] = str if name == _TOTALS else code
        body: list[list[Content]] = [[*_sizes(item), named(item.name)] for item in changes]
        parts += [section(name), table((*_HEADERS, ""), body, numeric=(0, 1, 2))]
    return card(*parts, *(paragraph(text, quiet=True) for text in _remarks(before, after)))


def _groups(before: MemoryProfile, after: MemoryProfile) -> list[tuple[str, Sequence[Change]]]:
    groups = (
        (_TOTALS, totals(before, after)),
        ("Growth by line", _material(line_changes(before, after))),
        ("Growth by type", _material(type_changes(before, after))),
    )
    return [(name, changes) for name, changes in groups if changes]


def _material(changes: Iterable[Change]) -> list[Change]:
    return [item for item in changes if abs(item.change_bytes or 0) >= _NOISE_BYTES][:_SHOWN]


def _changes(before: Counter[str], after: Counter[str]) -> list[Change]:
    found = [Change(name, before[name], after[name]) for name in before | after]
    return sorted(found, key=lambda item: (-abs(item.change_bytes or 0), item.name))


def _by_line(profile: MemoryProfile) -> Counter[str]:
    sizes: Counter[str] = Counter()
    for diff in profile.growth:
        text = source(diff.location) if diff.location.cell else ""
        sizes[text or place(diff.location)] += diff.size_diff
    return sizes


def _by_type(profile: MemoryProfile) -> Counter[str]:
    sizes: Counter[str] = Counter()
    for growth in profile.retention.types if profile.retention else ():
        sizes[printable(growth.type_name)] += growth.size_diff
    return sizes


def _sizes(change: Change) -> tuple[str, str, str]:
    difference = change.change_bytes
    return (
        _size(change.before_bytes),
        _size(change.after_bytes),
        "unknown" if difference is None else signed(difference),
    )


def _size(size: int | None) -> str:
    return "not measured" if size is None else megabytes(size)


def _remarks(before: MemoryProfile, after: MemoryProfile) -> list[str]:
    small = sum(abs(item.change_bytes or 0) < _NOISE_BYTES for item in line_changes(before, after))
    remarks = [f"{counted(small, 'line')} changed by less than {megabytes(_NOISE_BYTES)}."] if small else []
    if (before.tracer_bytes is None) != (after.tracer_bytes is None):
        remarks.append(
            "Growth by line was traced in one of the two only: its tables are in that resident peak."
        )
    return [*remarks, _CAVEAT]
