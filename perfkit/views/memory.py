"""Memory of a block: how high it rose, what stayed, which lines hold it, and why the numbers differ."""

from collections.abc import Sequence

from perfkit.model.memory import AllocationDiff, LineMemory, MemoryProfile
from perfkit.model.wording import counted
from perfkit.views import curve, memory_flame, memory_repeats, memory_statements, retention
from perfkit.views._format import megabytes
from perfkit.views._html import Content, Html, code, details, join, paragraph, section, table, tag, tiles
from perfkit.views.curve import Mark
from perfkit.views.memory_words import place, signed, signed_count, source

SHOWN_LINES = 15
# Two sizes are called equal within 5 % or 3 MB: resident memory comes in pages, arenas and allocator caches.
_SAME_SHARE = 0.05
_SAME_BYTES = 3_000_000
_GARBAGE_WORTH_A_WORD = 1_000_000
_WORTH_A_ROW_BYTES = 1000
# A traced block costs about 90 bytes of tables and is hardly ever smaller than 24 bytes itself.
_TABLES_PER_REQUESTED = 4
_UNITS = "1 MB is 1,000,000 bytes."


def rows(profile: MemoryProfile) -> list[dict[str, object]]:
    """One row a line whose memory changed, for a DataFrame; the person's own lines first.

    Args:
        profile: what was measured.

    Returns:
        Plain values; sizes in bytes.
    """
    return [
        {
            "place": place(diff.location),
            "size_diff_bytes": diff.size_diff,
            "count_diff": diff.count_diff,
            "is_user_code": diff.is_user_code,
            "source": diff.location.source_text,
            "file_path": diff.location.file_path,
            "line_number": diff.location.line_number,
        }
        for diff in profile.growth
    ]


def line_rows(profile: MemoryProfile) -> list[dict[str, object]]:
    """One row a line that was measured line by line, for a DataFrame; sizes in bytes."""
    return [
        {
            "function": line.location.function_name,
            "place": place(line.location),
            "increment_bytes": line.increment_bytes,
            "rss_bytes": line.rss_bytes,
            "occurrences": line.occurrences,
            "source": line.location.source_text,
        }
        for line in profile.lines
    ]


def as_text(profile: MemoryProfile, top: int = SHOWN_LINES) -> str:
    """The profile for a terminal.

    Args:
        profile: what to show.
        top: how many lines of each group.
    """
    lines = [f"{value:>12}  {label}" for value, label in _numbers(profile)]
    lines += [*explanations(profile), *profile.notes]
    by_statement = memory_statements.as_text(profile)
    lines += ["", by_statement] if by_statement else []
    for title, group in _growth_groups(profile):
        lines += ["", title]
        shown = _worth_showing(group, top)
        lines += [_growth_text(diff) for diff in group[:shown]]
        lines += [_left_out(group[shown:])] if len(group) > shown else []
    if profile.native is not None:
        lines += ["", memory_flame.as_text(profile.native)]
    if profile.repeats is not None:
        lines += ["", memory_repeats.as_text(profile.repeats)]
    if profile.retention is not None:
        kept = retention.as_text(profile.retention)
        lines += ["", kept] if kept else []
    if profile.lines:
        lines += ["", f"Line by line: {_LINE_HEADERS}", *(_line_text(line) for line in profile.lines)]
    return "\n".join([*lines, _UNITS])


def as_html(profile: MemoryProfile, marks: Sequence[Mark] = (), top: int = SHOWN_LINES) -> Html:
    """The profile for a notebook, without a script.

    Args:
        profile: what to show.
        marks: moments to point out on the curve.
        top: how many lines of each group.
    """
    moments = (*marks, *memory_statements.marks(profile))
    parts: list[Content] = [tiles(_numbers(profile)), curve.as_html(profile, moments)]
    parts += [paragraph(sentence) for sentence in explanations(profile)]
    parts += [paragraph(note, quiet=True) for note in profile.notes]
    by_statement = memory_statements.as_html(profile)
    parts += [section(memory_statements.TITLE), by_statement] if by_statement.markup else []
    for title, group in _growth_groups(profile):
        shown = _worth_showing(group, top)
        body = join([_growth_table(group[:shown]), _rest_html(group[shown:])])
        is_most = sum(diff.size_diff for diff in group) * 2 > (profile.traced_growth_bytes or 0)
        is_own = group[0].is_user_code
        parts += [section(title), body] if is_own else [details(title, body, is_open=is_most)]
    if profile.traced_peak_bytes is not None and not profile.growth:
        parts.append(paragraph("No line holds more memory than before.", quiet=True))
    if profile.native is not None:
        parts.append(memory_flame.as_html(profile.native))
    if profile.repeats is not None:
        parts.append(memory_repeats.as_html(profile.repeats))
    if profile.retention is not None:
        parts.append(retention.as_html(profile.retention))
    if profile.lines:
        parts += [section("Line by line, by memory-profiler"), _line_table(profile.lines)]
    return join([*parts, paragraph(_UNITS, quiet=True)])


def explanations(profile: MemoryProfile) -> tuple[str, ...]:
    """Why the sizes differ, as far as the numbers tell."""
    sentences = []
    if profile.traced_peak_bytes is not None:
        sentences.append(_explain_peak(profile, profile.traced_peak_bytes))
    if profile.traced_growth_bytes is not None:
        sentences.append(_explain_kept(profile.kept_bytes, profile.traced_growth_bytes))
    if (profile.garbage_bytes or 0) >= _GARBAGE_WORTH_A_WORD:
        sentences.append(
            f"{megabytes(profile.garbage_bytes)} sat in reference cycles at the end of the block, and went "
            "only when garbage was collected."
        )
    return tuple(sentence for sentence in sentences if sentence)


def _same(left: float, right: float) -> bool:
    return abs(left - right) <= max(_SAME_BYTES, _SAME_SHARE * max(abs(left), abs(right)))


def _explain_peak(profile: MemoryProfile, requested: int) -> str:
    resident = profile.peak_increase_bytes
    if _same(resident, requested):
        return "The peaks agree: what Python requested is what became resident."
    if resident < requested:
        return (
            f"Python requested {megabytes(requested - resident)} more than became resident: memory takes no "
            "room until it is written to (np.empty, zeroed buffers), and room that the process already held "
            "free was used again."
        )
    excess = f"Resident memory rose {megabytes(resident - requested)} higher than what Python requested: "
    if not _holds_tables(profile):
        return f"{excess}memory of C code, such as database drivers, that Python does not count."
    return (
        f"{excess}tracemalloc's own tables (about 90 bytes for every object alive; "
        f"{megabytes(profile.tracer_bytes)} at the end), memory of C code that Python does not count, and "
        "fragmentation. Measure the peak without growth by line to have it exact."
    )


def _holds_tables(profile: MemoryProfile) -> bool:
    """Whether tracemalloc's tables can be a part of the resident peak that shows."""
    if profile.tracer_bytes is None:
        return False
    requested = profile.traced_peak_bytes
    if requested is None:
        return profile.tracer_bytes > _SAME_BYTES
    excess = min(profile.peak_increase_bytes - requested, _TABLES_PER_REQUESTED * requested)
    return not _same(requested + excess, requested)


def _explain_kept(resident: int, requested: int) -> str:
    if _same(resident, requested):
        return ""
    if resident > requested:
        return (
            f"The process kept {megabytes(resident - requested)} more than Python still holds: memory of C "
            "code, or memory that Python freed and the allocator has not given back to the system."
        )
    return (
        f"Python holds {megabytes(requested - resident)} more of what the block requested than the process "
        "grew by: memory not yet written to, or the block let go of memory that it found."
    )


def _numbers(profile: MemoryProfile) -> list[tuple[str, str]]:
    """The tiles, largest question first: value, what it is."""
    known = "exact, by the kernel" if profile.peak_source == "kernel" else "sampled: 10 ms can hide one"
    if _holds_tables(profile):
        known = "at most: tracemalloc's tables are in it"
    numbers = [
        (megabytes(profile.peak_increase_bytes), f"resident peak above the start ({known})"),
        (megabytes(profile.kept_bytes), "resident, kept after the block"),
    ]
    if profile.traced_peak_bytes is not None:
        numbers.append((megabytes(profile.traced_peak_bytes), "requested by Python in the block, peak"))
    if profile.traced_growth_bytes is not None:
        numbers.append((megabytes(profile.traced_growth_bytes), "requested in the block, still held"))
    return numbers


def _growth_groups(profile: MemoryProfile) -> list[tuple[str, list[AllocationDiff]]]:
    yours = [diff for diff in profile.growth if diff.is_user_code]
    others = [diff for diff in profile.growth if not diff.is_user_code]
    groups = (
        ("Growth by line: your code", yours),
        ("Growth by line: libraries, as your code called them", others),
    )
    return [(title, group) for title, group in groups if group]


def _worth_showing(group: Sequence[AllocationDiff], top: int) -> int:
    """How many of these lines, largest first, deserve a row: no names and closures of a few bytes."""
    return min(top, max(1, sum(abs(diff.size_diff) >= _WORTH_A_ROW_BYTES for diff in group)))


def _left_out(group: Sequence[AllocationDiff]) -> str:
    size = megabytes(sum(diff.size_diff for diff in group))
    return f"{counted(len(group), 'more line')}, {size} together."


def _rest_html(group: Sequence[AllocationDiff]) -> Html:
    return paragraph(_left_out(group), quiet=True) if group else Html("")


def _growth_text(diff: AllocationDiff) -> str:
    size, count = signed(diff.size_diff), signed_count(diff.count_diff)
    return f"{size:>12} {count:>10}  {place(diff.location)}  {source(diff.location)}".rstrip()


def _growth_table(group: Sequence[AllocationDiff]) -> Html:
    body: list[list[Content]] = [
        [
            signed(diff.size_diff),
            signed_count(diff.count_diff),
            place(diff.location),
            code(source(diff.location)) if diff.location.source_text else "",
        ]
        for diff in group
    ]
    return table(("size", "blocks", "place", "source"), body, numeric=(0, 1), narrow=(2,))


_LINE_HEADERS = "increment, resident after, times, place, source"


def _line_text(line: LineMemory) -> str:
    return (
        f"{signed(line.increment_bytes):>12} {megabytes(line.rss_bytes):>12} {line.occurrences:>8,}  "
        f"{place(line.location)}  {source(line.location)}"
    )


def _line_table(lines: Sequence[LineMemory]) -> Html:
    headers = ("increment", "resident after", "times", "place", "source")
    body: list[list[Content]] = [
        [
            signed(line.increment_bytes),
            megabytes(line.rss_bytes),
            f"{line.occurrences:,}",
            place(line.location),
            tag(
                "code",
                source(line.location),
                "white-space:pre;font-size:12px;background:transparent;color:inherit",
            ),
        ]
        for line in lines
    ]
    return table(headers, body, numeric=(0, 1, 2), narrow=(3,))
