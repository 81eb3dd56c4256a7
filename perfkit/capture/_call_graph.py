"""From the profiler's raw entries to the functions that are worth showing.

Two things stand between cProfile's entries and the truth about a notebook cell. IPython compiles each
statement of a cell to a code object of its own, all named `<module>` at line 1, of which `pstats` keeps one:
here they are told apart by their lines. And around the block stand the frames that run it (IPython, the event
loop, perfkit itself), which are taken out and added up instead.
"""

import functools
import inspect
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from types import CodeType
from typing import Any

from perfkit.capture._code_origin import origin
from perfkit.capture._function_rows import Edge, Graph, Label, Row, functions_of, numbered
from perfkit.capture.call_site import cell_name
from perfkit.model.cpu import FunctionProfile

# What perfkit's own collectors call to do their work, beside the standard library and built-ins.
_OWN_HELPERS = ("sqlglot", "psutil")
# Called through perfkit or not: this is the work of the block.
_DATABASE_CALLS = ("sqlite3.", "psycopg", "pymysql", "MySQLdb", "asyncpg")
_THREAD_STARTS = {
    f"<built-in method _thread.{name}>" for name in ("start_new_thread", "start_joinable_thread")
}
_GREENLET_SWITCHES = {f"<method '{name}' of 'greenlet.greenlet' objects>" for name in ("switch", "throw")}
# Through these IPython runs a cell's statements and the event loop its tasks. Where other code calls them
# too, nothing tells which of their calls led where: all that they ran then counts as called by the block.
_PASS_ON = {
    ("~", 0, "<built-in method builtins.exec>"),
    ("~", 0, "<built-in method builtins.eval>"),
    ("~", 0, "<method 'run' of '_contextvars.Context' objects>"),
}
_LOOP_WAITS = ("selectors.py", "windows_events.py")


@dataclass(frozen=True, slots=True)
class BlockProfile:
    """The block's functions, and what was taken out of them, in seconds."""

    functions: tuple[FunctionProfile, ...]
    loop_wait: float = 0.0
    host: float = 0.0
    own: float = 0.0
    ran_event_loop: bool = False
    started_threads: bool = False
    switched_greenlets: bool = False


def block_profile(entries: Iterable[Any], *, started_in: str = "") -> BlockProfile:
    """Sort out raw entries.

    Args:
        entries: what `_lsprof.Profiler.getstats` returned.
        started_in: the file whose code asked for the recording.

    Returns:
        The functions of the block, the longest own time first, and the sums of what else ran in its thread.
    """
    graph = build_graph(list(entries))
    is_hosted = _is_hosted(graph, started_in)
    own = _closed_set(graph, _always_own, _may_serve_perfkit)
    may_serve = functools.partial(_may_serve_host, is_hosted=is_hosted)
    host = _closed_set(graph, lambda row: row.label in own or _is_loop_step(row), may_serve) - own
    host |= {label for label in _PASS_ON & graph.keys() if host & graph[label].callers.keys()}
    wait = sum(_loop_waits(graph, host))
    host_time = sum(graph[label].tottime for label in host) - wait
    own_time = sum(graph[label].tottime for label in own)
    ran_event_loop = any("asyncio" in label[0] for label in host)
    _take_out(graph, own | host)
    names = {label[2] for label in graph}
    return BlockProfile(
        functions_of(graph, numbered(graph)),
        wait,
        max(0.0, host_time),
        own_time,
        ran_event_loop,
        started_threads=bool(names & _THREAD_STARTS),
        switched_greenlets=bool(names & _GREENLET_SWITCHES),
    )


def _is_hosted(graph: Graph, started_in: str) -> bool:
    """Whether IPython has called what was called from outside the recording.

    It has if it asked for the recording, or if a statement of a cell did and other statements of that cell
    came after. In the block of a `with` statement the person's own line has called it.
    """
    return origin(started_in) == "host" or any(
        label[0] == started_in and label[2] == "<module>" for label in graph
    )


def build_graph(entries: list[Any]) -> Graph:
    """Functions by label, entries of equal label merged, with their callers."""
    by_statement = _statement_files(entries)
    labels = {id(entry.code): label_of(entry.code, by_statement) for entry in entries}
    graph: Graph = {}
    for entry in entries:
        label = labels[id(entry.code)]
        row = graph.setdefault(label, Row(label, origin(label[0])))
        _add(row, entry)
    for entry in entries:
        for call in entry.calls or ():
            if id(call.code) in labels:
                callers = graph[labels[id(call.code)]].callers
                _add(callers.setdefault(labels[id(entry.code)], Edge()), call)
    return graph


def _add(to: Row | Edge, entry: Any) -> None:
    to.ncalls += entry.callcount
    to.primitive_calls += entry.callcount - entry.reccallcount
    to.tottime += entry.inlinetime
    to.cumtime += entry.totaltime


def _statement_files(entries: list[Any]) -> set[str]:
    """Files whose `<module>` rows are statements: those of cells, and those with more than one."""
    count = Counter(
        entry.code.co_filename
        for entry in entries
        if isinstance(entry.code, CodeType) and entry.code.co_name == "<module>"
    )
    return {file_path for file_path, rows in count.items() if is_statement_file(file_path, rows)}


def is_statement_file(file_path: str, modules: int) -> bool:
    """Whether the `<module>` codes of a file, of which so many were seen, are single statements."""
    return modules > 1 or cell_name(file_path) is not None


def label_of(code: CodeType | str, by_statement: set[str]) -> Label:
    """What a row of the profile is known by: file, line, name.

    Args:
        code: a code object, or the name of a built-in function.
        by_statement: files whose `<module>` codes are single statements.
    """
    if isinstance(code, str):
        return ("~", 0, code)
    is_statement = code.co_name == "<module>" and code.co_filename in by_statement
    line = _statement_line(code) if is_statement else code.co_firstlineno
    return (code.co_filename, line, code.co_qualname)


def _statement_line(code: CodeType) -> int:
    """The first line of a statement whose code object says line 1, as those of all statements do."""
    lines = [number for *_, number in code.co_lines()]
    if code.co_flags & inspect.CO_COROUTINE and 0 in lines:
        # The instructions that make the coroutine stand at line 1; the statement follows the one at line 0.
        del lines[: lines.index(0)]
    return min(filter(None, lines), default=code.co_firstlineno)


def _closed_set(
    graph: Graph, is_member: Callable[[Row], bool], may_follow: Callable[[Row], bool]
) -> set[Label]:
    """The members, and of the rest that may follow them the largest set that nothing else calls."""
    members = {row.label for row in graph.values() if is_member(row)}
    followers = {row.label for row in graph.values() if row.label not in members and may_follow(row)}
    changed = True
    while changed:
        inside = members | followers
        stray = {label for label in followers if any(c not in inside for c in graph[label].callers)}
        followers -= stray
        changed = bool(stray)
    return members | followers


def _always_own(row: Row) -> bool:
    # Every cell that a magic has wrapped calls `get_ipython`: that call is the magic's, not the person's.
    return row.origin == "own" or (row.origin == "host" and row.label[2].endswith("get_ipython"))


def _is_loop_step(row: Row) -> bool:
    # Whoever has started the event loop: what it waits for is not work, and what it calls is not its own.
    return row.origin == "host" and row.label[2].endswith("_run_once")


def _may_serve_perfkit(row: Row) -> bool:
    if not row.callers or row.is_called_from_outside:
        return False
    if row.origin == "builtin":
        return not any(name in row.label[2] for name in _DATABASE_CALLS)
    return row.origin in ("stdlib", "host") or any(f"/{name}/" in row.label[0] for name in _OWN_HELPERS)


def _may_serve_host(row: Row, *, is_hosted: bool) -> bool:
    if row.origin == "host":
        return True
    return row.origin in ("builtin", "stdlib") and (is_hosted or not row.is_called_from_outside)


def _loop_waits(graph: Graph, host: set[Label]) -> Iterable[float]:
    """Time that the event loop had nothing to do: its selector's built-in calls."""
    for row in graph.values():
        if row.origin == "builtin":
            for caller, edge in row.callers.items():
                if caller in host and caller[0].endswith(_LOOP_WAITS):
                    yield edge.tottime


def _take_out(graph: Graph, labels: set[Label]) -> None:
    for label in labels:
        del graph[label]
    for row in graph.values():
        for label in labels & row.callers.keys():
            edge = row.callers.pop(label)
            # A built-in or library function that both sides call keeps the block's calls only; code of
            # the user runs for the user, whoever calls it.
            if row.origin in ("builtin", "stdlib", "host"):
                _subtract(row, edge)


def _subtract(row: Row, edge: Edge) -> None:
    row.ncalls -= edge.ncalls
    row.primitive_calls -= edge.primitive_calls
    row.tottime = max(0.0, row.tottime - edge.tottime)
    row.cumtime = max(0.0, row.cumtime - edge.cumtime)
