"""Recording the cases on a real server."""

import importlib
import pkgutil
import tempfile
from dataclasses import replace
from pathlib import Path

from sqlalchemy import create_engine
from sqlalchemy.engine import Connection, Engine

import perfkit as pk
from perfkit.model import codec
from perfkit.model.builders import EXAMPLE_TIME
from perfkit.model.trace import Trace
from tests.plan_server import server_url
from tests.plans import cases
from tests.plans.case import PlanCase, Recorder, Statement

RECORDED = Path(__file__).parent / "recorded"
KINDS = ("fires", "silent")


def names() -> list[str]:
    """The rules' modules for which there is a case."""
    return sorted(module.name for module in pkgutil.iter_modules(cases.__path__))


def case(name: str) -> PlanCase:
    """The case for a rule's module."""
    found: PlanCase = importlib.import_module(f"{cases.__name__}.{name}").CASE
    return found


def path(name: str, kind: str) -> Path:
    """Where a trace is kept."""
    return RECORDED / f"{name}.{kind}.json"


def load(name: str, kind: str) -> Trace:
    """A recorded trace."""
    return codec.loads(path(name, kind).read_text(encoding="utf-8"))


def record_all(wanted: list[str]) -> None:
    """Record these cases, and write them down."""
    RECORDED.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="perfkit-plans-") as folder:
        for url in server_url(str(Path(folder) / "server")):
            engine = create_engine(url, isolation_level="AUTOCOMMIT")
            for name in wanted:
                for kind, trace in record(engine, case(name)).items():
                    path(name, kind).write_text(codec.dumps(trace) + "\n", encoding="utf-8")
                    print(f"{name} {kind}: {trace.duration_ms:,.1f} ms")
            engine.dispose()


def record(engine: Engine, wanted: PlanCase) -> dict[str, Trace]:
    """Both traces of a case, in a schema of its own that is dropped again."""
    traces = {}
    with engine.connect() as connection:
        execute(connection, "CREATE SCHEMA shop; SET search_path TO shop")
        try:
            execute(connection, wanted.setup)
            execute(connection, "VACUUM ANALYZE")
            for kind in KINDS:
                execute(connection, "RESET ALL; SET search_path TO shop")
                traces[kind] = without_places(_trace(connection, getattr(wanted, kind)))
        finally:
            execute(connection, "DROP SCHEMA shop CASCADE; RESET ALL")
    return traces


def without_places(trace: Trace) -> Trace:
    """Without what belongs to the machine and the moment: paths, addresses and the time of day."""
    queries = [
        replace(span, call_site=None, loop_site=None, thread_id=0, context_id=0)
        for span in trace.queries or ()
    ]
    return replace(
        trace,
        start_time=EXAMPLE_TIME,
        queries=None if trace.queries is None else tuple(queries),
        plans=tuple(replace(plan, call_site=None) for plan in trace.plans or ()),
        transactions=None,
        pool=None,
    )


def execute(connection: Connection, sql: str) -> None:
    """Execute SQL without placeholders; VACUUM must stand alone."""
    if sql:
        connection.exec_driver_sql(sql, execution_options={"no_parameters": True})


def _trace(connection: Connection, wanted: Statement | Recorder) -> Trace:
    if not isinstance(wanted, Statement):
        return wanted(connection)
    execute(connection, wanted.before)
    result = pk.explain(
        connection, wanted.sql, dict(wanted.parameters or {}) or None, analyze_writes=wanted.analyze_writes
    )
    return explained(result)


def sent(statement: str) -> Recorder:
    """Send a statement as a program does, so that its plan knows what the program saw.

    The plan is made on another connection: give tables with their schema.
    """

    def record(connection: Connection) -> Trace:
        with pk.measure("block", queries=True, plans=True) as measured:
            connection.exec_driver_sql(statement).all()
        return measured.trace

    return record


def explained(result: pk.Result) -> Trace:
    """The block is what the statement took, not what perfkit took to look around."""
    return replace(result.trace, duration_ms=result.plan.duration_ms or result.trace.duration_ms)
