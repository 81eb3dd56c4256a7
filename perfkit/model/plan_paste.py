"""Plans that a person pastes: recognised, unwrapped and read, whatever program they were copied from."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from perfkit.model.plan import Plan
from perfkit.model.plan_foreign import foreign_system, is_sql
from perfkit.model.plan_formats import is_json_start, plan_start
from perfkit.model.plan_frames import is_header, names_a_plan, unframed, without_prefix
from perfkit.model.plan_lines import Line, lines_of, refuse, shown, text_of
from perfkit.model.plan_logs import log_entries
from perfkit.model.plan_reader import PlanFormatError, read_postgresql_plan

# Each plan is drawn as a tree of its own; nobody reads more of them at once.
MAX_PLANS = 20
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
    if errors:
        notes.append(f"{len(errors)} of the plans could not be read. The first: {errors[0]}")
    return PastedPlans(tuple(plans), tuple(notes))


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
    start = plan_start([first, *unframed([first]), Line(1, first.text.lstrip('" '))])
    return start is not None and (not is_json_start(first.text) or '"Node Type"' in text)


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
    lines = without_prefix(lines)
    entries = log_entries(lines)
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
    while (start := plan_start(rest)) is not None:
        at, read = start
        before = [*before, *rest[:at]]
        found = read(rest[at:])
        for statement in found.statements:
            yield _plan(statement, found.lines, before, part.duration_ms)
        before, rest = (), rest[at + len(found.lines) :]


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
    start, end = 0, len(lines)
    if root == "Plan":
        number = _reading_number(statement["Plan"], [int(part) for part in path])
        # Several nodes may stand in one line.
        start, end = [*nodes, len(lines)][min(number, len(nodes) - 1) :][:2]
    of_node = lines[start:end]
    key = re.compile(re.escape(error.key or error.place.strip('"')).replace(r"\ ", "[ -]"))
    return next((line.number for line in of_node if key.search(line.text)), of_node[0].number)


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
