"""Plans that a person pastes: recognised, unwrapped and read, whatever program they were copied from."""

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from perfkit.model.plan import Plan
from perfkit.model.plan_foreign import foreign_system, is_sql
from perfkit.model.plan_frames import is_header, names_a_plan, unframed, without_prefix
from perfkit.model.plan_lines import Line, lines_of, refuse, shown, text_of, wrapping_of
from perfkit.model.plan_logs import log_entries
from perfkit.model.plan_reader import PlanFormatError, read_postgresql_plan
from perfkit.model.plan_text import read_text
from perfkit.model.plan_text_lines import is_last, is_root, is_second_root
from perfkit.model.plan_xml import read_xml
from perfkit.model.plan_yaml import is_yaml_start, read_yaml

# Each plan is drawn as a tree of its own; nobody reads more of them at once.
MAX_PLANS = 20
_JSON_START = re.compile(r"\s*[\[{]\s*(?:[\[{\"].*)?", re.DOTALL)
_XML_START = re.compile(r"\s*<(?:\?xml|!DOCTYPE|explain)\b.*", re.DOTALL)
_QUERY_TEXT = re.compile(r"Query Text: ?(.*?)(?=\nQuery Parameters: |\Z)", re.DOTALL)
_EXPLAINED = re.compile(r"\bEXPLAIN\b\s*(?:\([^()]*\)|(?:ANALY[SZ]E|VERBOSE)\b|\s)*", re.IGNORECASE)
_PROMPT = re.compile(r"^\S{0,80}?[=(^*!'\"-][#>] ", re.MULTILINE)
_PARAMETERS = "Query Parameters"
_NODE = re.compile(r'"Node Type"\s*:|\bNode Type:|<Node-Type>')


@dataclass(frozen=True, slots=True)
class PastedPlans:
    """The plans of one paste in their order, and remarks about what was left out."""

    plans: tuple[Plan, ...]
    notes: tuple[str, ...] = ()


class _Part(NamedTuple):
    """Lines that belong together, what stood before them, and the milliseconds that a log gives."""

    lines: Sequence[Line]
    before: Sequence[Line] = ()
    duration_ms: float | None = None


class _Found(NamedTuple):
    """The values of FORMAT JSON that were found, and the lines that hold them."""

    statements: Sequence[object]
    lines: Sequence[Line]


def read_pasted_plans(text: str) -> PastedPlans:
    """Read what EXPLAIN answered, in any of its formats, from psql, pgAdmin, DBeaver or a log.

    Args:
        text: as it was pasted, with its frames and marks, one plan or several.

    Returns:
        The plans, at most `MAX_PLANS`; one that is damaged is left out with a note where others can be read.

    Raises:
        PlanFormatError: if no plan can be read. The message says in one line which line of the text is wrong.
    """
    lines = lines_of(text)
    foreign = foreign_system(text_of(lines))
    if foreign is not None:
        refuse(foreign[1], f"this is a plan of {foreign[0]}; a pasted plan can be one of PostgreSQL alone")
    plans: list[Plan] = []
    errors: list[PlanFormatError] = []
    notes: list[str] = []
    for found in _all_plans(lines):
        if isinstance(found, PlanFormatError):
            errors.append(found)
        elif len(plans) == MAX_PLANS:
            notes.append(f"More plans were pasted; the first {MAX_PLANS} are shown.")
            break
        else:
            plans.append(found)
    if not plans:
        raise errors[0] if errors else _nothing_found(lines)
    return PastedPlans(tuple(plans), (*notes, *(f"One plan is left out. {error}" for error in errors)))


def looks_like_plan(text: str) -> bool:
    """Whether a text starts as a plan does, or stands below the header that EXPLAIN gives it.

    Args:
        text: any; Python that holds a plan in quotes starts as Python does.
    """
    lines = lines_of(text)
    first = next((line for line in lines if line.text.strip()), None)
    if first is None:
        return False
    if log_entries([first]) or any(map(names_a_plan, lines)):
        return True
    start = _start([first, *unframed([first]), Line(1, first.text.lstrip('" '))])
    is_json = start is not None and _JSON_START.fullmatch(first.text) is not None
    return start is not None and (not is_json or '"Node Type"' in text)


def _nothing_found(lines: Sequence[Line]) -> PlanFormatError:
    written = [line for line in lines if line.text.strip()]
    if not written:
        return PlanFormatError("This plan cannot be read: the text is empty.")
    number, text = written[0]
    reason = (
        "this is SQL, not its plan; perfkit.explain(engine, sql) asks the database for that"
        if is_sql(text_of(written))
        else f"this is no plan of PostgreSQL: {shown(text)}"
    )
    return PlanFormatError(f"This plan cannot be read. Line {number}: {reason}.")


def _all_plans(lines: list[Line]) -> Iterator[Plan | PlanFormatError]:
    """Every plan, or why it cannot be read; what follows a damaged one in the same part is lost with it."""
    for part in _parts(lines):
        try:
            yield from _plans_of(part)
        except PlanFormatError as error:
            yield error


def _parts(lines: list[Line]) -> Iterator[_Part]:
    """The entries of a log, or the tables of a terminal, each of which starts with its header."""
    entries = log_entries(without_prefix(lines))
    if entries:
        yield from (_Part(entry.lines, (), entry.duration_ms) for entry in entries)
        return
    headers = [i for i, line in enumerate(lines) if is_header(line)]
    starts = [0, *headers]
    before: Sequence[Line] = ()
    for start, end in zip(starts, [*headers, len(lines)], strict=True):
        table = unframed(lines[start:end])
        yield _Part(table, before)
        before = table


def _plans_of(part: _Part) -> Iterator[Plan]:
    before, rest = part.before, part.lines
    while (start := _start(rest)) is not None:
        at, read = start
        before = [*before, *rest[:at]]
        found = read(rest[at:])
        for statement in found.statements:
            yield _plan(statement, found.lines, before, part.duration_ms)
        before, rest = (), rest[at + len(found.lines) :]


def _start(lines: Sequence[Line]) -> tuple[int, Callable[[Sequence[Line]], _Found]] | None:
    """Where a plan starts, and how it is read."""
    for at, line in enumerate(lines):
        if _JSON_START.fullmatch(line.text) and line.text.strip():
            return at, _or_put_together(_found_json)
        if _XML_START.fullmatch(line.text):
            return at, _or_put_together(_found_xml)
        if is_yaml_start(line.text):
            return at, _found_yaml
        if is_root(line.text):
            return at, _found_text
    return None


def _or_put_together(read: Callable[[Sequence[Line]], _Found]) -> Callable[[Sequence[Line]], _Found]:
    """Where something has wrapped the lines within words, all of them put together can be read."""

    def read_either(lines: Sequence[Line]) -> _Found:
        try:
            return read(lines)
        except PlanFormatError as error:
            wrapping = wrapping_of(lines)
            for way in (wrapping, wrapping.other):
                found = _whole(read, Line(lines[0].number, way.join([line.text for line in lines])))
                if found is not None:
                    return _Found(found.statements, lines)
            raise error from None

    return read_either


def _whole(read: Callable[[Sequence[Line]], _Found], line: Line) -> _Found | None:
    try:
        found = read([line])
        for statement in found.statements:
            read_postgresql_plan(statement)
    except PlanFormatError:
        return None
    return found


def _found_json(lines: Sequence[Line]) -> _Found:
    text = text_of(lines)
    start = len(text) - len(text.lstrip())
    try:
        value, end = json.JSONDecoder().raw_decode(text, start)
    except json.JSONDecodeError as error:
        where = lines[min(error.lineno, len(lines)) - 1].number
        is_cut = error.pos >= len(text.rstrip())
        refuse(where, "the JSON ends in the middle" if is_cut else f"the JSON is damaged ({error.msg})")
    except (RecursionError, ValueError) as error:
        refuse(lines[0].number, f"the JSON cannot be decoded ({type(error).__name__})")
    statements = value if isinstance(value, list) and len(value) > 1 else [value]
    return _Found(statements, lines[: text.count("\n", 0, end) + 1])


def _found_xml(lines: Sequence[Line]) -> _Found:
    end = next((i for i, line in enumerate(lines, 1) if "</explain>" in line.text), len(lines))
    return _Found([read_xml(lines[:end])], lines[:end])


def _found_yaml(lines: Sequence[Line]) -> _Found:
    first = lines[0]
    nexts = (
        i
        for i, line in enumerate(lines)
        if i and line.column == first.column and line.text.lstrip().startswith("- ")
    )
    end = next(nexts, len(lines))
    return _Found([read_yaml(lines[:end])], lines[:end])


def _found_text(lines: Sequence[Line]) -> _Found:
    """Up to the last line that EXPLAIN writes, or to the root of another plan."""
    end = len(lines)
    for i, line in enumerate(lines):
        if is_last(line.text):
            end = i + 1
            break
        if i and is_second_root(line, lines[0]):
            end = i
            break
    return _Found([read_text(lines[:end])], lines[:end])


def _plan(
    statement: object, lines: Sequence[Line], before: Sequence[Line], duration_ms: float | None
) -> Plan:
    notes: list[str] = []
    query_text = _query_text(before)
    only = statement[0] if isinstance(statement, list) and len(statement) == 1 else statement
    if isinstance(only, dict):
        query_text = str(only.pop("Query Text", query_text))
        if only.pop(_PARAMETERS, None) is not None or any(_PARAMETERS in line.text for line in before):
            notes.append("Values of parameters stood beside the plan; they were left out.")
    try:
        plan = read_postgresql_plan([only], query_text)
    except PlanFormatError as error:
        refuse(_line_of(error, only, lines), error.reason)
    if duration_ms is not None and plan.execution_time_ms is None:
        if plan.analyzed:
            plan = replace(plan, execution_time_ms=duration_ms)
        else:
            notes.append(
                f"The log says that the statement took {duration_ms:,g} ms; its nodes were not measured."
            )
    return replace(plan, notes=(*plan.notes, *notes))


def _query_text(before: Sequence[Line]) -> str:
    """The statement, where a log names it or the command of a terminal shows it."""
    text = _PROMPT.sub("", text_of(before)).strip()
    named = _QUERY_TEXT.search(text)
    if named is not None:
        return named[1].strip()
    commands = list(_EXPLAINED.finditer(text))
    return text[commands[-1].end() :].strip().rstrip(";") if commands else ""


def _line_of(error: PlanFormatError, statement: Any, lines: Sequence[Line]) -> int:
    """The line of the value that is wrong: of its key within its node, or of the node."""
    root, *path = error.place.split(".")
    nodes = [i for i, line in enumerate(lines) if _NODE.search(line.text)]
    nodes = nodes or [i for i, line in enumerate(lines) if not i or line.text.lstrip().startswith("->")]
    number = _reading_number(statement["Plan"], [int(part) for part in path]) if root == "Plan" else 0
    if number >= len(nodes):
        return lines[0].number
    end = nodes[number + 1] if number + 1 < len(nodes) else len(lines)
    of_node = lines[nodes[number] : end]
    key = error.key.replace(" ", "[ -]")
    return next((line.number for line in of_node if key and re.search(key, line.text)), of_node[0].number)


def _reading_number(plan: Any, path: Sequence[int]) -> int:
    """The number of a node in reading order, given the way to it from the root."""
    number = 0
    for index in path:
        pending = list(plan["Plans"][:index])
        number += 1
        while pending:
            pending.extend(pending.pop().get("Plans", ()))
            number += 1
        plan = plan["Plans"][index]
    return number
