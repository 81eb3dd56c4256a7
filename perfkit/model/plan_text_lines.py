"""What kind each line of EXPLAIN's text is, and which lines were one before something wrapped them."""

import re
from collections.abc import Iterable, Iterator
from typing import Any

from perfkit.model.plan_lines import Line
from perfkit.model.plan_text_details import DETAIL
from perfkit.model.plan_text_node import has_numbers, is_node_name
from perfkit.model.plan_values import DECIMAL, number, open_after

Keys = dict[str, Any]

LABEL = re.compile(r"(?:InitPlan|SubPlan) \d+(?: \(returns [^)]*\))?|CTE .+", re.DOTALL)
TARGET_TABLE = re.compile(r"(?:Foreign )?(?:Insert|Update|Delete|Merge) on (.+)", re.DOTALL)
TIME = re.compile(rf"(Planning|Execution) time: {DECIMAL} ms|Total runtime: {DECIMAL} ms", re.IGNORECASE)
_TRIGGER_NUMBERS = re.compile(rf": (?:time={DECIMAL} )?calls={DECIMAL}$")
_LAST = re.compile(rf"\s*(?:Execution time|Total runtime): {DECIMAL} ms\s*", re.IGNORECASE)
# No literal holds a line like these, so what is open before them was cut off.
_CERTAIN = re.compile(
    r"->\s.*\((?:cost=\d|actual |never executed)|(?:Planning|Execution) Time: \d|Buffers: \w+ \w+=\d|"
    r"(?:Planning|JIT):$|"
    r"(?:Rows Removed by [A-Za-z ]{1,20}|Heap Fetches|Workers Planned|Workers Launched|Index Searches): \d"
)


def is_root(text: str) -> bool:
    """Whether a plan may start with this line."""
    name = text.strip().removeprefix("->").lstrip()
    return name[:1].isupper() and (has_numbers(name) or is_node_name(name))


def is_second_root(line: Line, first: Line) -> bool:
    """Whether another plan starts with this line, given the first line of this one."""
    text = line.text.strip()
    name = text[: text.find(" (")] if has_numbers(text) else ""
    return line.column <= first.column and is_node_name(name.strip())


def is_last(text: str) -> bool:
    """Whether it is the line that EXPLAIN writes at the very end."""
    return _LAST.fullmatch(text) is not None


def read_trigger(text: str) -> Keys | None:
    """The keys of `Trigger watch on orders: time=0.1 calls=3`; `None` for any other line.

    Behind the trigger's name may stand "for constraint" and that name, or instead of it.
    """
    numbers = _TRIGGER_NUMBERS.search(text) if text.startswith("Trigger ") else None
    if numbers is None:
        return None
    names, is_on, relation = text[len("Trigger") : numbers.start()].partition(" on ")
    trigger, _, constraint = names.partition(" for constraint ")
    found = {
        "Trigger Name": trigger.strip(),
        "Constraint Name": constraint,
        "Relation": relation if is_on else "",
    }
    times = {"Time": numbers[1], "Calls": numbers[2]}
    return {key: name for key, name in found.items() if name} | {
        key: number(amount) for key, amount in times.items() if amount
    }


def whole_lines(lines: Iterable[Line]) -> Iterator[list[Line]]:
    """The lines of each line that PostgreSQL wrote; there is one unless something has wrapped it."""
    broken: list[Line] = []
    quote, depth = "", 0
    for line in lines:
        text = line.text.strip()
        is_open = bool(quote or depth)
        if broken and (_CERTAIN.match(text) if is_open else starts_line(text)):
            yield broken
            broken, quote, depth = [], "", 0
        broken.append(line)
        quote, depth = open_after(line.text, quote, depth)
    if broken:
        yield broken


def starts_line(text: str) -> bool:
    """Whether a line of EXPLAIN starts with this text, rather than go on in it."""
    return any(
        (
            text.startswith("->"),
            DETAIL.fullmatch(text),
            LABEL.fullmatch(text),
            read_trigger(text),
            TARGET_TABLE.fullmatch(text),
        )
    )
