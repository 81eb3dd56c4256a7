"""The lines below a node in EXPLAIN's text, such as `Sort Method: external merge  Disk: 848kB`.

Each becomes the keys of FORMAT JSON; kilobytes and milliseconds lose their unit, as they do there.
"""

import re
from collections.abc import Callable
from typing import Any

from perfkit.model.plan_values import DECIMAL, INTEGER, number, split_list, typed

Keys = dict[str, Any]

DETAIL = re.compile(r"([A-Z][A-Za-z0-9/ -]{0,60}):(?:\s+(.*)|)", re.DOTALL)
# Text puts several on a line, parted by two blanks: `Buckets: 1024  Batches: 1  Memory Usage: 9kB`.
_PAIR = re.compile(
    rf"([A-Z][A-Za-z -]{{0,40}}?): {INTEGER}(?: \(originally {INTEGER}\))?(?: ?kB| ?b)?(?=\s|$)"
)
_SORT = re.compile(rf"(.{{1,80}}?)\s{{1,4}}(Memory|Disk): {INTEGER} ?kB")
_SORT_GROUPS = re.compile(rf"{INTEGER}\s{{1,4}}Sort Methods?: (.{{1,200}}?)(\s{{1,4}}Average .*)?", re.DOTALL)
_SORT_GROUP_SPACE = re.compile(
    rf"Average (Memory|Disk): {INTEGER} ?kB\s{{1,4}}Peak (?:Memory|Disk): {INTEGER} ?kB"
)
_STORAGE = re.compile(rf"(\w+)\s{{1,4}}Maximum Storage: {INTEGER} ?kB")
_WORD = re.compile(rf"((?:[a-z/]{{1,20}} ){{0,2}})([a-z]{{1,20}})={DECIMAL}")
# A value is not escaped: it ends with the quote behind which the next name or nothing follows.
_SETTING = re.compile(r"([\w.]+) = '((?:[^']|'(?!\s*,\s*[\w.]+ = |\s*$))*)'")
_JIT_OPTION = re.compile(r"(\w+) (true|false)")
_JIT_TIME = re.compile(rf"(\w+) {DECIMAL} ms(?: \((\w+) {DECIMAL} ms\))?")
_SERIALIZATION = re.compile(rf"(?:time={DECIMAL} ms\s+)?output={INTEGER} ?kB\s+format=(\w+)")
_MEMORY = re.compile(rf"used={INTEGER} ?kB\s+allocated={INTEGER} ?kB")

_HASH = {"Buckets": "Hash Buckets", "Batches": "Hash Batches", "Memory Usage": "Peak Memory Usage"}
_HASHED_AGGREGATE = {"Batches": "HashAgg Batches", "Memory Usage": "Peak Memory Usage"}
_CACHE = {
    "Hits": "Cache Hits", "Misses": "Cache Misses", "Evictions": "Cache Evictions",
    "Overflows": "Cache Overflows", "Memory Usage": "Peak Memory Usage",
}  # fmt: skip
BLOCK_KEYS = tuple(
    f"{kind} {action} Blocks"
    for kind, actions in (
        ("Shared", ("Hit", "Read", "Dirtied", "Written")),
        ("Local", ("Hit", "Read", "Dirtied", "Written")),
        ("Temp", ("Read", "Written")),
    )
    for action in actions
)
_WAL = {"records": "WAL Records", "fpi": "WAL FPI", "bytes": "WAL Bytes", "full": "WAL Buffers Full"}
_LISTS = frozenset(
    {"Output", "Sort Key", "Presorted Key", "Group Key", "Conflict Arbiter Indexes", "Params Evaluated"}
)


def read_detail(key: str, value: str) -> Keys:
    """The keys of one line below a node.

    Args:
        key: what stands before the first colon.
        value: what stands behind it.

    Returns:
        One or more keys; a line that is not known keeps its name.
    """
    if key in _LISTS:
        return {key: split_list(value)}
    return _READERS.get(key, _as_it_stands)(key, value)


def read_settings(value: str) -> Keys:
    """`work_mem = '64kB', jit = 'off'` as a mapping; the values are not escaped in it."""
    return dict(_SETTING.findall(value))


def read_serialization(value: str) -> Keys:
    """`time=0.054 ms  output=18kB  format=text`."""
    match = _SERIALIZATION.fullmatch(value)
    if match is None:
        return {}
    time = {"Time": float(match[1])} if match[1] else {}
    return time | {"Output Volume": int(match[2]), "Format": match[3]}


def grouping_sets(lines: list[tuple[str, list[str]]]) -> Keys:
    """The keys of an aggregate from its lines `Sort Key`, `Hash Key` and `Group Key`, in their order.

    One `Group Key` is plain grouping. More of them, or any `Hash Key`, are grouping sets: each hashed set
    stands for itself, the sorted ones share a sort.
    """
    if len(lines) == 1 and lines[0][0] == "Group Key" and lines[0][1] != ["()"]:
        return {"Group Key": lines[0][1]}
    sets: list[Keys] = []
    for name, columns in lines:
        keys = [] if columns == ["()"] else columns
        if name == "Sort Key":
            sets.append({"Sort Key": keys})
        elif name == "Group Key" and sets and "Hash Keys" not in sets[-1]:
            sets[-1].setdefault("Group Keys", []).append(keys)
        else:
            sets.append({f"{name}s": [keys]})
    return {"Grouping Sets": sets}


def _as_it_stands(key: str, value: str) -> Keys:
    return {key: typed(key, value)}


def _pairs(names: dict[str, str]) -> Callable[[str, str], Keys]:
    def read(key: str, value: str) -> Keys:
        found: Keys = {}
        for name, amount, originally in _PAIR.findall(f"{key}: {value}"):
            known = names.get(name, name)
            found[known] = int(amount)
            if known in ("Hash Buckets", "Hash Batches"):
                found[f"Original {known}"] = int(originally or amount)
        return found or {key: value}

    return read


def _sort_method(key: str, value: str) -> Keys:
    match = _SORT.fullmatch(value)
    if match is None:
        return {key: value}
    return {"Sort Method": match[1], "Sort Space Used": int(match[3]), "Sort Space Type": match[2]}


def _sort_groups(key: str, value: str) -> Keys:
    match = _SORT_GROUPS.fullmatch(value)
    if match is None:
        return {key: typed(key, value)}
    found: Keys = {"Group Count": int(match[1]), "Sort Methods Used": split_list(match[2])}
    for kind, average, peak in _SORT_GROUP_SPACE.findall(match[3] or ""):
        space = {"Average Sort Space Used": int(average), "Peak Sort Space Used": int(peak)}
        found[f"Sort Space {kind}"] = space
    return {key: found}


def _storage(key: str, value: str) -> Keys:
    match = _STORAGE.fullmatch(value)
    return {"Storage": match[1], "Maximum Storage": int(match[2])} if match else {key: value}


def _grouped(value: str) -> list[tuple[str, str, float]]:
    """`shared hit=3 read=1, temp read=2` as kind, word and number; the kind holds until the next comma."""
    found = []
    for group in value.split(","):
        kind = ""
        for words, word, amount in _WORD.findall(group):
            kind = words.strip() or kind
            found.append((kind, word, number(amount)))
    return found


def _buffers(key: str, value: str) -> Keys:
    found: Keys = dict.fromkeys(BLOCK_KEYS, 0)
    for kind, word, amount in _grouped(value):
        found[f"{kind.title()} {word.title()} Blocks"] = int(amount)
    return found


def _io_timings(key: str, value: str) -> Keys:
    """Before PostgreSQL 15 the kinds are not told apart; `shared/local` is how early ones wrote them."""
    plain = ("", "shared/local")
    return {
        f"{'' if kind in plain else kind.title() + ' '}I/O {word.title()} Time": float(amount)
        for kind, word, amount in _grouped(value)
    }


def _wal(key: str, value: str) -> Keys:
    found: Keys = dict.fromkeys(("WAL Records", "WAL FPI", "WAL Bytes"), 0)
    return found | {_WAL.get(word, f"WAL {word}"): int(amount) for _, word, amount in _grouped(value)}


def _tuples(key: str, value: str) -> Keys:
    found: Keys = {f"Tuples {action}": 0 for action in ("Inserted", "Updated", "Deleted", "Skipped")}
    return found | {f"Tuples {word.title()}": int(amount) for _, word, amount in _grouped(value)}


def _heap_blocks(key: str, value: str) -> Keys:
    found = {"Exact Heap Blocks": 0, "Lossy Heap Blocks": 0}
    return found | {f"{word.title()} Heap Blocks": int(amount) for _, word, amount in _grouped(value)}


def _sampling(key: str, value: str) -> Keys:
    """`bernoulli ('20'::real) REPEATABLE ('3'::double precision)`."""
    method, _, rest = value.partition(" (")
    parameters, is_seeded, seed = rest.partition(") REPEATABLE (")
    found: Keys = {"Sampling Method": method, "Sampling Parameters": split_list(parameters.removesuffix(")"))}
    return found | ({"Repeatable Seed": seed.removesuffix(")")} if is_seeded else {})


def _memory(key: str, value: str) -> Keys:
    match = _MEMORY.fullmatch(value)
    return {"Memory Used": int(match[1]), "Memory Allocated": int(match[2])} if match else {key: value}


def _jit_options(key: str, value: str) -> Keys:
    return {key: {name: text == "true" for name, text in _JIT_OPTION.findall(value)}}


def _jit_times(key: str, value: str) -> Keys:
    found: Keys = {}
    for name, time, part, part_time in _JIT_TIME.findall(value):
        total = number(time)
        found[name] = {part: number(part_time), "Total": total} if part else total
    return {key: found}


_READERS: dict[str, Callable[[str, str], Keys]] = {
    "Sort Method": _sort_method,
    "Full-sort Groups": _sort_groups,
    "Pre-sorted Groups": _sort_groups,
    "Buckets": _pairs(_HASH),
    "Batches": _pairs(_HASHED_AGGREGATE),
    "Planned Partitions": _pairs(_HASHED_AGGREGATE),
    "Hits": _pairs(_CACHE),
    "Storage": _storage,
    "Buffers": _buffers,
    "I/O Timings": _io_timings,
    "WAL": _wal,
    "Tuples": _tuples,
    "Heap Blocks": _heap_blocks,
    "Sampling": _sampling,
    "Memory": _memory,
    "Options": _jit_options,
    "Timing": _jit_times,
}
