"""EXPLAIN's text to the nested dictionaries of FORMAT JSON.

The tree is in the columns: a node stands below the nearest one above it whose arrow is further left. Lines
that a terminal or a mail has wrapped are put together again first.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from perfkit.model.plan_lines import Line, Wrapping, expanded, refuse, shown, wrapping_of
from perfkit.model.plan_reader import PlanFormatError
from perfkit.model.plan_text_details import (
    BLOCK_KEYS,
    DETAIL,
    grouping_sets,
    read_detail,
    read_serialization,
    read_settings,
)
from perfkit.model.plan_text_lines import LABEL, TARGET_TABLE, TIME, read_trigger, whole_lines
from perfkit.model.plan_text_node import read_actual, read_node, target_keys
from perfkit.model.plan_values import INTEGER, open_after, split_list

Keys = dict[str, Any]

_WORKER = re.compile(rf"Worker {INTEGER}:\s+(.*)", re.DOTALL)
_SECTIONS = ("Planning", "Serialization", "JIT")
_STATEMENT = (*_SECTIONS, "Settings", "Query Identifier")
# What the reader itself puts together from several lines.
_OWN = frozenset(
    {"Node Type", "Plan", "Plans", "Workers", "Target Tables", "Grouping Sets", "Triggers", *_SECTIONS}
)
# How many inputs a node has; with fewer, the end of the plan is missing.
_INPUTS = {"Nested Loop": 2, "Hash Join": 2, "Merge Join": 2, "Recursive Union": 2} | dict.fromkeys(
    (
        "Hash", "Sort", "Incremental Sort", "Materialize", "Memoize", "Limit", "Unique", "Gather", "Group",
        "Gather Merge", "Bitmap Heap Scan", "Subquery Scan", "LockRows", "WindowAgg", "SetOp", "Aggregate",
    ),
    1,
)  # fmt: skip
_MEMBERS = ("Append", "Merge Append", "BitmapAnd", "BitmapOr")


def read_text(lines: Sequence[Line]) -> Keys:
    """Read one plan.

    Args:
        lines: from the root's line to the last; what frames a plan is gone.

    Returns:
        What FORMAT JSON says of the statement, as far as the text holds it.

    Raises:
        PlanFormatError: if a line is damaged, or the columns of the nodes are lost.
    """
    plain = [line for line in map(expanded, lines) if line.text.strip()]
    whole, wrapping = list(whole_lines(plain)), wrapping_of(plain)
    try:
        return _read(whole, wrapping)
    except PlanFormatError:
        if len(whole) == len(plain):
            raise
        return _read(whole, wrapping.other)


def _read(whole: Iterable[list[Line]], wrapping: Wrapping) -> Keys:
    reader = _Reader()
    for broken in whole:
        texts = [line.text for line in broken]
        # A literal may hold line breaks of its own, at any width.
        is_literal = len(texts) > 1 and len(texts[0]) < wrapping.width - 1 and open_after(texts[0])[0] == "'"
        reader.read(Line(broken[0].number, "\n".join(texts) if is_literal else wrapping.join(texts)))
    return reader.finish()


class _Place(NamedTuple):
    """A node in its column, or a label above one, such as `SubPlan 1`, with what it says of that node."""

    column: int
    node: Keys
    label: Keys


class _Reader:
    """Puts one line after the other into the tree."""

    def __init__(self) -> None:
        self._statement: Keys = {}
        # Every node with the number of its line, in reading order.
        self._nodes: list[tuple[int, Keys]] = []
        # From the root to the latest node or label.
        self._path: list[_Place] = []
        # Below the nodes: what the following lines belong to, and the column of its name.
        self._section: tuple[int, Keys] | None = None
        # Within a node: its latest worker, and what compiling took in that one.
        self._inner: list[tuple[int, Keys]] = []

    def read(self, line: Line) -> None:
        text = line.text.strip()
        if not self._nodes or text.startswith("->"):
            self._node(line, text)
        elif self._is_below_all(line, text):
            self._below_all(line, text)
        elif self._section is not None and line.column > self._section[0]:
            self._detail(self._section[1], line, text)
        elif LABEL.fullmatch(text):
            self._label(line, text)
        else:
            self._below_node(line, text)

    def finish(self) -> Keys:
        for line_number, node in self._nodes:
            _complete(node, line_number)
        if any("Shared Hit Blocks" in node for _, node in self._nodes):
            for _, node in self._nodes:
                node.update({key: 0 for key in BLOCK_KEYS if key not in node})
        self._complete_triggers()
        return self._statement

    def _complete_triggers(self) -> None:
        """The text leaves out a trigger's table where the statement changes but one."""
        changed = [node for _, node in self._nodes if node["Node Type"] == "ModifyTable"]
        if len(changed) == 1 and "Relation Name" in changed[0]:
            for trigger in self._statement.get("Triggers", ()):
                trigger.setdefault("Relation", changed[0]["Relation Name"])

    def _node(self, line: Line, text: str) -> None:
        if self._section is not None:
            refuse(line.number, f"a node stands below the end of the plan: {shown(text)}")
        node = read_node(line.number, text.removeprefix("->").strip())
        if self._nodes:
            parent = self._parent(line)
            node |= parent.label
            parent.node.setdefault("Plans", []).append(node)
        else:
            self._statement["Plan"] = node
        self._path.append(_Place(line.column, node, {}))
        self._nodes.append((line.number, node))
        self._inner = []

    def _parent(self, line: Line) -> _Place:
        while self._path and self._path[-1].column >= line.column:
            self._path.pop()
        if not self._path:
            refuse(
                line.number,
                f"{shown(line.text)} stands as far left as the first node; paste the plan with its blanks",
            )
        return self._path[-1]

    def _label(self, line: Line, text: str) -> None:
        relationship = "SubPlan" if text.startswith("SubPlan") else "InitPlan"
        label = {"Parent Relationship": relationship, "Subplan Name": text}
        self._path.append(_Place(line.column, self._parent(line).node, label))

    def _is_below_all(self, line: Line, text: str) -> bool:
        """Per-worker `JIT` is called like that of the statement, and stands further right."""
        if TIME.fullmatch(text) or read_trigger(text):
            return True
        detail = DETAIL.fullmatch(text)
        return detail is not None and detail[1] in _STATEMENT and line.column <= self._nodes_column + 1

    @property
    def _nodes_column(self) -> int:
        return self._path[0].column if self._section is None else self._section[0]

    def _below_all(self, line: Line, text: str) -> None:
        time, trigger = TIME.fullmatch(text), read_trigger(text)
        self._section = (line.column, self._statement)
        if time is not None:
            name = (time[1] or "Execution").title()
            self._statement[f"{name} Time"] = float(time[2] or time[3])
        elif trigger is not None:
            self._statement.setdefault("Triggers", []).append(trigger)
        else:
            self._start_section(line, text)

    def _start_section(self, line: Line, text: str) -> None:
        key, _, value = text.partition(":")
        if key == "Settings":
            self._statement[key] = read_settings(value.strip())
        elif key in _SECTIONS:
            section = self._statement.setdefault(key, {})
            section |= read_serialization(value.strip())
            self._section = (line.column, section)
        else:
            self._statement |= read_detail(key, value.strip())

    def _below_node(self, line: Line, text: str) -> None:
        node = self._nodes[-1][1]
        while self._inner and self._inner[-1][0] >= line.column:
            self._inner.pop()
        worker, table = _WORKER.fullmatch(text), TARGET_TABLE.fullmatch(text)
        if worker is not None:
            self._start_worker(line, node, worker)
        elif table is not None:
            node.setdefault("Target Tables", []).append(target_keys(table[1]))
        else:
            self._detail(self._inner[-1][1] if self._inner else node, line, text)

    def _start_worker(self, line: Line, node: Keys, match: re.Match[str]) -> None:
        worker: Keys = {"Worker Number": int(match[1])}
        node.setdefault("Workers", []).append(worker)
        self._inner = [(line.column, worker)]
        actual = read_actual(match[2].strip())
        if actual is None:
            self._detail(worker, line, match[2].strip())
        else:
            worker |= actual

    def _detail(self, keys: Keys, line: Line, text: str) -> None:
        match = DETAIL.fullmatch(text)
        if match is None or (match[1] in _OWN and not (match[1] == "JIT" and self._inner)):
            refuse(line.number, f"neither a node nor a property of one: {shown(text)}")
        key, value = match[1], (match[2] or "").strip()
        if key == "JIT":
            keys[key] = {}
            self._inner.append((line.column, keys[key]))
        elif keys.get("Node Type") == "Aggregate" and key in ("Group Key", "Hash Key", "Sort Key"):
            keys.setdefault("Grouping Sets", []).append((key, split_list(value)))
        else:
            keys |= read_detail(key, value)


def _complete(node: Keys, line_number: int) -> None:
    """What the text leaves to the reader: which input of its parent each node is."""
    if "Grouping Sets" in node:
        node |= grouping_sets(node.pop("Grouping Sets"))
    inputs = [child for child in node.get("Plans", ()) if "Parent Relationship" not in child]
    needed = _INPUTS.get(node["Node Type"], 0)
    if len(inputs) < needed:
        refuse(
            line_number,
            f"{node['Node Type']} has {len(inputs)} of its {needed} inputs; the end of the plan is missing",
        )
    names = _relationships(node["Node Type"], len(inputs))
    for child, name in zip(inputs, names, strict=True):
        child["Parent Relationship"] = name


def _relationships(node_type: str, count: int) -> list[str]:
    if node_type in _MEMBERS:
        return ["Member"] * count
    if node_type == "Subquery Scan":
        return ["Subquery"] * count
    if node_type == "Custom Scan":
        return ["child"] * count
    return ["Outer", *["Inner"] * (count - 1)][:count]
