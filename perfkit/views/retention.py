"""What stays after a block: growth by type with its holder, caches, and containers that grew."""

from collections.abc import Sequence

from perfkit.model.retention import CacheUse, ContainerUse, Holder, Retention, TypeGrowth
from perfkit.views._format import megabytes
from perfkit.views._functions import printable
from perfkit.views._html import Content, Html, code, join, paragraph, section, table
from perfkit.views.memory_words import place, signed, signed_count

_SHOWN = 8
# Interpreter and notebook move less than this from one cell to the next.
_WORTH_A_ROW_BYTES = 10_000
_PATH_STEPS = 4
_TYPE_HEADERS = ("size", "objects", "type", "held by")
_CACHE_HEADERS = ("entries", "limit", "hit rate", "function", "place")
_CONTAINER_HEADERS = ("before", "after", "container", "name")
_TYPES = "What stays: objects by type"
_CACHES = "Caches of your functions"
_CONTAINERS = "Containers that grew"
_SHALLOW = (
    "Sizes are the objects' own, without what they refer to. Strings, numbers and arrays that new objects "
    "refer to may be older."
)


def as_text(retention: Retention) -> str:
    """What stays, for a terminal; empty if nothing is worth a line."""
    parts = []
    for title, headers, body in _tables(retention):
        lines = [f"  {' | '.join(row)}" for row in body]
        parts.append("\n".join([f"{title} ({', '.join(headers)})", *lines]))
    return "\n".join([*parts, *_remarks(retention)])


def as_html(retention: Retention) -> Html:
    """The same for a notebook."""
    parts: list[Content] = []
    for title, headers, body in _tables(retention):
        cells: list[list[Content]] = [[_cell(headers[i], text) for i, text in enumerate(row)] for row in body]
        numeric = [i for i, header in enumerate(headers) if header in _NUMERIC]
        narrow = [i for i, header in enumerate(headers[:-1]) if header not in _NUMERIC]
        parts += [section(title), table(headers, cells, numeric=numeric, narrow=narrow)]
    return join([*parts, *(paragraph(text, quiet=True) for text in _remarks(retention))])


def held_by(holder: Holder | None) -> str:
    """Who holds the objects, in words: the name first, then the way from it to them."""
    if holder is None:
        return ""
    if holder.kind == "unknown":
        return "not found: a reference in C code, or too far away"
    name = _HOLDER_WORDS[holder.kind].format(printable(holder.name))
    path = holder.path
    if len(path) > _PATH_STEPS:
        path = (*path[:2], "…", *path[-1:])
    return " → ".join([name, *(printable(step) for step in path)])


def advice(retention: Retention) -> tuple[str, ...]:
    """What belongs to the notebook and is no leak, and how to let go of it; each sentence once."""
    holders = [growth.holder for growth in _material(retention) if growth.holder]
    return tuple(dict.fromkeys(sentence for holder in holders if (sentence := _notebook_holds(holder))))


_HOLDER_WORDS = {
    "variable": "variable {}",
    "module": "{}",
    "class": "class attribute {}",
    "frame": "variable {}, which is running",
    "out": "IPython's {}",
    "result": "IPython's {}",
    "exception": "the last error ({})",
}
_NUMERIC = frozenset({"size", "objects", "entries", "hit rate", "before", "after", "limit"})


def _notebook_holds(holder: Holder) -> str:
    if holder.kind in ("out", "result"):
        number = "".join(char for char in holder.name if char.isdigit())
        free = f"%xdel _{number} lets go of it" if number else "%reset out lets go of all results"
        return (
            f"IPython's {holder.name} keeps a result: no leak of your code. {free}; a ; at the end of the "
            "line has it not kept at all."
        )
    if holder.kind == "exception":
        return (
            "The last error keeps the variables of the functions that it passed through: no leak of your "
            "code. The next error lets go of them, for example 1/0 in a cell of its own."
        )
    return ""


def _material(retention: Retention) -> list[TypeGrowth]:
    return [growth for growth in retention.types if growth.size_diff >= _WORTH_A_ROW_BYTES][:_SHOWN]


def _tables(retention: Retention) -> list[tuple[str, tuple[str, ...], list[list[str]]]]:
    types = [_type_row(growth) for growth in _material(retention)]
    caches = [_cache_row(use) for use in retention.caches[:_SHOWN]]
    containers = [_container_row(use) for use in retention.containers[:_SHOWN]]
    tables = (
        (_TYPES, _TYPE_HEADERS, types),
        (_CACHES, _CACHE_HEADERS, caches),
        (_CONTAINERS, _CONTAINER_HEADERS, containers),
    )
    return [item for item in tables if item[2]]


def _type_row(growth: TypeGrowth) -> list[str]:
    return [
        signed(growth.size_diff),
        signed_count(growth.count_diff),
        printable(growth.type_name),
        held_by(growth.holder),
    ]


def _cache_row(use: CacheUse) -> list[str]:
    limit = "none" if use.maxsize is None else f"{use.maxsize:,}"
    rate = "not called" if use.hit_rate is None else f"{use.hit_rate:.0%}"
    return [_lengths(use.lengths), limit, rate, printable(use.name), place(use.location)]


def _container_row(use: ContainerUse) -> list[str]:
    return [_lengths(use.lengths[:1]), _lengths(use.lengths[1:]), use.type_name, printable(use.name)]


def _lengths(lengths: Sequence[int]) -> str:
    """The first and the last few: a cache that fills up shows it."""
    shown = [f"{length:,}" for length in lengths]
    return " → ".join(shown if len(shown) <= 4 else [shown[0], "…", *shown[-2:]])


def _cell(header: str, text: str) -> Content:
    return code(text) if header in ("type", "function", "name", "container") else text


def _remarks(retention: Retention) -> tuple[str, ...]:
    material = _material(retention)
    size = sum(growth.size_diff for growth in material)
    shallow = (f"Together {megabytes(size)}. {_SHALLOW}",) if material else ()
    return (*advice(retention), *shallow, *retention.notes)
