"""The line of a node in EXPLAIN's text, such as `->  Hash Left Join  (cost=… rows=… width=…) (actual …)`.

The names are those that `ExplainNode` of PostgreSQL 13 to 18 writes; the keys are those of FORMAT JSON.
"""

import re
from typing import Any

from perfkit.model.plan_lines import refuse, shown
from perfkit.model.plan_values import INTEGER, number

Keys = dict[str, Any]

_N = r"(\d{1,30}(?:\.\d{1,30})?(?:e\+?\d{1,3})?)"
_COST = rf"\(cost={_N}\.\.{_N}\s+rows={_N}\s+width={INTEGER}\)"
_ACTUAL = rf"\((?:actual\s+(?:time={_N}\.\.{_N}\s+)?rows={_N}\s+loops={INTEGER}|(never\s+executed))\)"
_NUMBERS = re.compile(rf"(?:{_COST})?\s*(?:{_ACTUAL})?")
_NUMBERS_START = re.compile(r"\((?:cost=|actual\s+(?:time|rows)=|never\s+executed\))")
_COST_KEYS = ("Startup Cost", "Total Cost", "Plan Rows", "Plan Width")
_ACTUAL_KEYS = ("Actual Startup Time", "Actual Total Time", "Actual Rows", "Actual Loops")

_IDENTIFIER = r'(?:"(?:[^"]|"")+"|[^\s."]+)'
_TARGET = re.compile(rf"(?:({_IDENTIFIER})\.)?({_IDENTIFIER})(?:\s+({_IDENTIFIER}))?")
_OPERATION = re.compile(r"(Foreign )?(Insert|Update|Delete|Merge)(?: on (.+))?", re.DOTALL)
_JOIN = re.compile(r"(Nested Loop|Merge|Hash)(?: (Left|Full|Right|Semi|Anti|Right Semi|Right Anti))?( Join)?")
_AGGREGATE = re.compile(r"(Partial |Finalize )?(Hash|Group|Mixed)?Aggregate")
_SET_OPERATION = re.compile(r"(Hash)?SetOp (.+)")
_INDEX_SCAN = re.compile(rf"(Index(?: Only)? Scan)( Backward)? using ({_IDENTIFIER})(?: on (.+))?", re.DOTALL)
_CUSTOM = re.compile(r"(Custom Scan) \(([^()]+)\)")
_STRATEGIES = {"Hash": "Hashed", "Group": "Sorted", "Mixed": "Mixed", None: "Plain"}
# What the name behind "on" is, where it is not a table. Of an empty one only the alias is known.
_NAMED = {
    "CTE Scan": "CTE Name", "WorkTable Scan": "CTE Name", "Function Scan": "Function Name",
    "Table Function Scan": "Table Function Name", "Named Tuplestore Scan": "Tuplestore Name",
    "Subquery Scan": "", "Values Scan": "",
}  # fmt: skip
_PLAIN = frozenset(
    {
        "Result", "ProjectSet", "Append", "Merge Append", "Recursive Union", "BitmapAnd", "BitmapOr",
        "Nested Loop", "Gather", "Gather Merge", "Materialize", "Memoize", "Sort", "Incremental Sort",
        "Group", "WindowAgg", "Unique", "LockRows", "Limit", "Hash", "Foreign Scan",
    }
)  # fmt: skip
_SCANS = frozenset(
    {
        "Seq Scan", "Sample Scan", "Bitmap Index Scan", "Bitmap Heap Scan", "Tid Scan", "Tid Range Scan",
        "Foreign Scan", "Custom Scan", *_NAMED,
    }
)  # fmt: skip


def has_numbers(text: str) -> bool:
    """Whether costs or times stand in the line, as they do in the line of a node and nowhere else."""
    found = _NUMBERS_START.search(text)
    return found is not None and text[: found.start()].count('"') % 2 == 0


def is_node_name(text: str) -> bool:
    """Whether the text is what PostgreSQL calls a node, as it stands there with COSTS OFF."""
    name = _without_prefix(text)[0]
    if name in _PLAIN or _AGGREGATE.fullmatch(name) or _INDEX_SCAN.fullmatch(name):
        return True
    scan, is_scan, target = name.partition(" on ")
    # "Hash" alone is the node below a join, "Merge" alone none: a join is called one.
    is_join = _JOIN.fullmatch(name) is not None and name.endswith("Join")
    written = scan in _SCANS or scan.removeprefix("Foreign ") in ("Insert", "Update", "Delete", "Merge")
    return is_join or (bool(is_scan) and written and _TARGET.fullmatch(target) is not None)


def read_node(line_number: int, text: str) -> Keys:
    """The keys of a node from its line.

    Args:
        line_number: for messages.
        text: without the arrow.

    Raises:
        PlanFormatError: if the numbers in brackets are damaged.
    """
    start = _NUMBERS_START.search(text) if has_numbers(text) else None
    if start is None:
        return _named(text.strip())
    numbers = _NUMBERS.fullmatch(text[start.start() :].strip())
    if numbers is None:
        refuse(line_number, f"the numbers of a node cannot be read: {shown(text[start.start() :])}")
    return _named(text[: start.start()].strip()) | _numbers(numbers.groups())


def read_actual(text: str) -> Keys | None:
    """The keys of `actual time=… rows=… loops=…`, as it stands in the line of a worker."""
    numbers = _NUMBERS.fullmatch(f"({text})")
    return _numbers(numbers.groups()) if numbers else None


def _numbers(groups: tuple[str | None, ...]) -> Keys:
    keys = (*_COST_KEYS, *_ACTUAL_KEYS)
    found: Keys = {key: number(text) for key, text in zip(keys, groups, strict=False) if text is not None}
    if groups[-1]:  # never executed: JSON gives zeros
        found |= dict.fromkeys(_ACTUAL_KEYS, 0)
    return found


def _named(head: str) -> Keys:
    name, prefix = _without_prefix(head)
    for read in (_operation, _join, _aggregate, _set_operation, _index_scan):
        keys = read(name)
        if keys is not None:
            return keys | prefix
    return _other(name) | prefix


def _without_prefix(head: str) -> tuple[str, Keys]:
    prefix: Keys = {"Parallel Aware": head.startswith("Parallel ")}
    name = head.removeprefix("Parallel ")
    if name.startswith("Async "):
        name, prefix = name.removeprefix("Async "), prefix | {"Async Capable": True}
    return name, prefix


def _operation(name: str) -> Keys | None:
    match = _OPERATION.fullmatch(name)
    if match is None:
        return None
    node_type = "Foreign Scan" if match[1] else "ModifyTable"
    return {"Node Type": node_type, "Operation": match[2], **target_keys(match[3])}


def _join(name: str) -> Keys | None:
    match = _JOIN.fullmatch(name)
    # "Hash" alone is the node below a join, and only a nested loop is called no join.
    if match is None or not (match[3] or name == "Nested Loop"):
        return None
    node_type = match[1] if match[1] == "Nested Loop" else f"{match[1]} Join"
    return {"Node Type": node_type, "Join Type": match[2] or "Inner"}


def _aggregate(name: str) -> Keys | None:
    match = _AGGREGATE.fullmatch(name)
    if match is None:
        return None
    mode = (match[1] or "Simple").strip()
    return {"Node Type": "Aggregate", "Strategy": _STRATEGIES[match[2]], "Partial Mode": mode}


def _set_operation(name: str) -> Keys | None:
    match = _SET_OPERATION.fullmatch(name)
    if match is None:
        return None
    return {"Node Type": "SetOp", "Strategy": "Hashed" if match[1] else "Sorted", "Command": match[2]}


def _index_scan(name: str) -> Keys | None:
    match = _INDEX_SCAN.fullmatch(name)
    if match is None:
        return None
    direction = "Backward" if match[2] else "Forward"
    found = {"Node Type": match[1], "Scan Direction": direction, "Index Name": _unquoted(match[3])}
    return found | target_keys(match[4])


def _other(name: str) -> Keys:
    node_type, is_scan, target = name.partition(" on ")
    custom = _CUSTOM.fullmatch(node_type)
    found: Keys = {"Node Type": custom[1] if custom else node_type}
    if custom:
        found["Custom Plan Provider"] = custom[2]
    if node_type == "Foreign Scan":
        found["Operation"] = "Select"
    if node_type == "Bitmap Index Scan":
        return found | {"Index Name": _unquoted(target)}
    return found | target_keys(target if is_scan else None, _NAMED.get(node_type, "Relation Name"))


def target_keys(target: str | None, name_key: str = "Relation Name") -> Keys:
    """The keys of `schema.table alias`, each part quoted where it must be.

    Args:
        target: what stands behind "on"; `None` for nothing.
        name_key: what the name is; "" where only an alias stands there.
    """
    if target is None:
        return {}
    match = _TARGET.fullmatch(target)
    if match is None:
        return {name_key or "Alias": target}
    schema, name, alias = (_unquoted(part) if part else None for part in match.groups())
    found: Keys = {"Alias": alias or name}
    if name_key:
        found[name_key] = name
    return found | ({"Schema": schema} if schema else {})


def _unquoted(name: str) -> str:
    if len(name) > 1 and name[0] == name[-1] == '"':
        return name[1:-1].replace('""', '"')
    return name
