"""What each statement of a cell did to its memory, and which of them are marked on the curve."""

from collections.abc import Sequence
from dataclasses import dataclass

from perfkit.model.memory import MemoryProfile, StatementMemory
from perfkit.model.wording import counted
from perfkit.views._format import megabytes
from perfkit.views._html import Content, Html, code, join, paragraph, table
from perfkit.views.curve import Mark
from perfkit.views.memory_words import place, signed, source

_SHOWN = 12
_MARKS = 8
# Below this a statement moves memory no more than any other: pages, arenas, the interpreter's own caches.
_WORTH_A_ROW_BYTES = 100_000
_WORTH_A_MARK_SHARE = 0.05
_HEADERS = ("rise while it ran", "after it", "place", "source")
_TRACED_HEADERS = ("rise while it ran", "after it", "requested, rise", "requested, after", "place", "source")
TITLE = "Statement by statement: the rise is from where the statement began to its peak"


@dataclass(frozen=True, slots=True)
class Step:
    """A statement beside what was there when it began; all sizes are differences, in bytes."""

    statement: StatementMemory
    rise_bytes: int
    change_bytes: int
    traced_rise_bytes: int | None
    traced_change_bytes: int | None

    @property
    def weight_bytes(self) -> int:
        """How much it moved memory at most, resident or requested."""
        return max(
            self.rise_bytes,
            abs(self.change_bytes),
            self.traced_rise_bytes or 0,
            abs(self.traced_change_bytes or 0),
        )


def steps(profile: MemoryProfile) -> list[Step]:
    """Every statement, in the order in which they ran."""
    found, before, held = [], 0, 0
    for statement in profile.statements or ():
        peak = statement.peak_bytes if statement.peak_bytes is not None else statement.end_bytes
        traced_peak, traced_end = statement.traced_peak_bytes, statement.traced_end_bytes
        found.append(
            Step(
                statement,
                max(0, peak - before),
                statement.end_bytes - before,
                None if traced_peak is None else max(0, traced_peak - held),
                None if traced_end is None else traced_end - held,
            )
        )
        before, held = statement.end_bytes, traced_end or 0
    return found


def rows(profile: MemoryProfile) -> list[dict[str, object]]:
    """One row a statement, for a DataFrame; times in milliseconds, sizes in bytes."""
    return [
        {
            "place": place(step.statement.location),
            "start_ms": step.statement.start_ms,
            "end_ms": step.statement.end_ms,
            "rise_bytes": step.rise_bytes,
            "change_bytes": step.change_bytes,
            "traced_rise_bytes": step.traced_rise_bytes,
            "traced_change_bytes": step.traced_change_bytes,
            "source": step.statement.location.source_text,
        }
        for step in steps(profile)
    ]


def marks(profile: MemoryProfile) -> tuple[Mark, ...]:
    """The statements that moved memory most, as moments on the curve."""
    least = max(_WORTH_A_ROW_BYTES, _WORTH_A_MARK_SHARE * profile.peak_increase_bytes)
    heavy = [step for step in steps(profile) if max(step.rise_bytes, abs(step.change_bytes)) >= least]
    heavy = sorted(heavy, key=lambda step: -step.weight_bytes)[:_MARKS]
    return tuple(
        Mark(step.statement.start_ms, f"{place(step.statement.location)}  {source(step.statement.location)}")
        for step in sorted(heavy, key=lambda step: step.statement.start_ms)
    )


def as_text(profile: MemoryProfile) -> str:
    """The statements that moved memory, for a terminal; empty if there is one or none."""
    shown, rest = _shown(profile)
    if not shown:
        return ""
    lines = [" | ".join(str(cell) for cell in _cells(step)) for step in shown]
    return "\n".join([f"{TITLE} ({', '.join(_headers(profile))})", *lines, *([rest] if rest else [])])


def as_html(profile: MemoryProfile) -> Html:
    """The same for a notebook."""
    shown, rest = _shown(profile)
    if not shown:
        return Html("")
    body: list[list[Content]] = []
    for step in shown:
        *numbers, where, text = _cells(step)
        body.append([*numbers, where, code(text) if text else ""])
    headers = _headers(profile)
    numbers_end = len(headers) - 2
    note = paragraph(rest, quiet=True) if rest else ""
    return join([table(headers, body, numeric=range(numbers_end), narrow=(numbers_end,)), note])


def _shown(profile: MemoryProfile) -> tuple[Sequence[Step], str]:
    if profile.statements is None or len(profile.statements) < 2:
        return (), ""  # the numbers of the whole cell say it already
    found = steps(profile)
    heavy = [step for step in found if step.weight_bytes >= _WORTH_A_ROW_BYTES]
    kept = sorted(heavy, key=lambda step: -step.weight_bytes)[:_SHOWN]
    shown = [step for step in found if any(step is other for other in kept)]
    left = len(found) - len(shown)
    rest = f"{counted(left, 'other statement')} moved less than that." if left and shown else ""
    return shown, rest


def _headers(profile: MemoryProfile) -> tuple[str, ...]:
    first = profile.statements[0] if profile.statements else None
    return _TRACED_HEADERS if first and first.traced_end_bytes is not None else _HEADERS


def _cells(step: Step) -> list[str]:
    location = step.statement.location
    sizes = [megabytes(step.rise_bytes), signed(step.change_bytes)]
    if step.traced_rise_bytes is not None and step.traced_change_bytes is not None:
        sizes += [megabytes(step.traced_rise_bytes), signed(step.traced_change_bytes)]
    return [*sizes, place(location), source(location)]
