"""What would make a statement faster: tried on the real data, measured, and rolled back.

Locks: `CREATE INDEX` in a transaction holds a SHARE lock on the table until the rollback. Others read on, and
their writes wait. So every attempt has a transaction of its own, with time limits, and servers that are not
perfkit's lab are touched only when the person says so.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from perfkit.model.catalog import Table
from perfkit.model.plan import Plan
from perfkit.model.what_if import Attempt, Proof, ProofVerdict, TriedTable
from perfkit.model.wording import counted
from perfkit.proof import _what_if_catalog as catalog
from perfkit.proof import _what_if_trial as trial
from perfkit.proof import _what_if_verdict as verdict
from perfkit.proof._what_if_attempts import RolledBack, attempt_all
from perfkit.proof._what_if_candidates import index_designs
from perfkit.proof._what_if_designs import Design, IndexDesign
from perfkit.proof._what_if_hypothetical import SAID_BY, ask_planner
from perfkit.proof._what_if_rewrite import Rewrite, Rows, try_rewrite
from perfkit.proof._what_if_settings import setting_designs
from perfkit.proof._what_if_statistics import statistics_designs

__all__ = ["MAX_TABLE_BYTES", "Rewrite", "Rows", "prove"]

# An index on more takes long enough for the writes of others to queue up behind it.
MAX_TABLE_BYTES = 1_000_000_000
# A partial index pays where its condition is rare (reference notes on EXPLAIN, section 5).
MAX_PARTIAL_SHARE = 0.1
_CONFIRM = "confirm=True (in a cell: %%explain --prove --yes)"


def prove(
    connection: Connection,
    plan: Plan,
    explain: trial.Explainer,
    *,
    number: int = 0,
    confirmed: bool = False,
    planned: trial.Explainer | None = None,
    rewrite: Rewrite | None = None,
) -> Proof:
    """Try what could make a statement faster; nothing of it stays.

    Args:
        connection: to PostgreSQL, without an open transaction.
        plan: the measured plan of the statement.
        explain: executes the statement once more on this connection and returns its plan. It is called
            within transactions that are rolled back.
        number: of the plan in its trace.
        confirmed: that the server need not be perfkit's lab, and tables may be larger than 1 GB.
        planned: returns the statement's plan on this connection without executing it. Where indexes may not
            be built, the planner is asked about them, if the server has the extension hypopg.
        rewrite: another statement for the same result; it only reads, so it needs no consent.

    Returns:
        What was tried, best first; `Proof.refusal` says why nothing was changed, where nothing was.
    """
    try:
        return _proved(_Task(connection, plan, explain, planned, rewrite, number, confirmed))
    except trial.ProofRefusedError as error:
        return Proof(number, refusal=str(error))
    except SQLAlchemyError as error:
        if connection.invalidated:
            return Proof(number, refusal=trial.LOST)
        return Proof(number, refusal=f"The database refused to be asked ({type(error).__name__}).")


@dataclass(frozen=True, slots=True)
class _Task:
    """What `prove` was given."""

    connection: Connection
    plan: Plan
    explain: trial.Explainer
    planned: trial.Explainer | None
    rewrite: Rewrite | None
    number: int
    confirmed: bool


def _proved(task: _Task) -> Proof:
    if not task.plan.analyzed:
        return Proof(
            task.number, refusal="Only a statement that was executed can be timed; this one was planned only."
        )
    designs, tables, server = _designs(task.connection, task.plan)
    wanted = [design for design in designs if design.rejection is None]
    tried = _tables(wanted, tables)
    refusal = _refusal(server, wanted, tried, task.confirmed)
    rejected = [_rejected(design) for design in designs if design.rejection and not refusal]
    if refusal:
        asked, notes = _asked(task, server, wanted)
        return _with_measured(task, Proof(task.number, None, asked, tried, notes, refusal), [])
    if not (wanted or task.rewrite):
        note = "Nothing to try: " + ("see why below." if rejected else _nothing(task.plan))
        return Proof(task.number, None, tuple(rejected), tried, (note,))
    return _with_measured(task, Proof(task.number, None, tuple(rejected), tried), wanted)


def _with_measured(task: _Task, proof: Proof, wanted: list[Design]) -> Proof:
    """The proof with all that is executed: the designs that may be tried, and the rewritten statement."""
    if not (wanted or task.rewrite):
        return proof
    connection = task.connection
    trials = RolledBack(connection, task.explain, task.explain)
    attempts, base = attempt_all(trials, wanted, trials.run_base().runs)
    if task.rewrite and not connection.invalidated:
        more, base = try_rewrite(connection, task.plan, task.explain, task.rewrite, base)
        attempts += more
    lost = (trial.LOST,) if connection.invalidated else ()
    return replace(
        proof,
        base=base,
        attempts=verdict.ranked([*attempts, *proof.attempts]),
        notes=(*proof.notes, *lost, *_remarks(wanted, proof.tables)),
    )


def _asked(
    task: _Task, server: catalog.Server, wanted: list[Design]
) -> tuple[tuple[Attempt, ...], tuple[str, ...]]:
    """What the planner says of the indexes that may not be built, where it can be asked."""
    if server.hypopg is None or task.planned is None:
        return (), ()
    attempts = ask_planner(task.connection, task.planned, wanted, server.hypopg)
    return verdict.ranked(attempts), (SAID_BY,) if attempts else ()


def _designs(connection: Connection, plan: Plan) -> tuple[list[Design], dict[str, Table], catalog.Server]:
    with trial.rolled_back(connection):
        server = catalog.server(connection)
    tables = {table.shown_name: table for table in plan.tables}
    indexes = index_designs(plan, plan.table_of, trigrams=server.trigrams)
    others = [*statistics_designs(plan), *setting_designs(plan, indexes)]
    shared = (_with_share(connection, design) for design in indexes)
    return [*(design for design in shared if design is not None), *others], tables, server


def _with_share(connection: Connection, design: IndexDesign) -> IndexDesign | None:
    """With the share of rows that a partial index holds; `None` where its condition fits another table."""
    if not design.predicate or design.rejection or design.table is None:
        return design
    try:
        with trial.rolled_back(connection):
            share = catalog.expected_share(connection, design.table, design.predicate)
    except DBAPIError:
        if connection.invalidated:
            raise
        return None
    if share is not None and share > MAX_PARTIAL_SHARE:
        words = f"{design.predicate} holds for {share:.0%} of the rows, too many for a partial index."
        return replace(design, rejection=words)
    return design if share is None else replace(design, share=share)


def _tables(designs: Iterable[Design], tables: dict[str, Table]) -> tuple[TriedTable, ...]:
    names = dict.fromkeys(design.relation for design in designs if design.relation in tables)
    return tuple(TriedTable(name, tables[name].rows, tables[name].size_bytes) for name in names)


def _refusal(
    server: catalog.Server, designs: list[Design], tables: tuple[TriedTable, ...], confirmed: bool
) -> str | None:
    if server.is_replica:
        return "This server is a replica that can only be read: prove on the primary, or on a copy."
    if confirmed or not designs:
        return None
    sizes = ", ".join(
        f"{item.name} ({counted(max(0, item.rows), 'row')}, {item.size_bytes / 1e6:,.0f} MB)"
        for item in tables
    )
    if not server.is_lab:
        held = _locks(designs, sizes)
        return (
            f"This server is not perfkit's lab, so nothing was tried. {held}If that is fine, give {_CONFIRM}."
        )
    if any(item.size_bytes > MAX_TABLE_BYTES for item in tables):
        return f"{sizes}: more than 1 GB, so building takes long. If that is fine, give {_CONFIRM}."
    return None


def _locks(designs: list[Design], sizes: str) -> str:
    """What would be done, and who would have to wait."""
    if any(isinstance(design, IndexDesign) for design in designs):
        return (
            f"Indexes would be built on {sizes} and rolled back: others go on reading these tables, "
            "but their writes wait. "
        )
    return f"Statistics would be collected on {sizes} and rolled back; nobody waits. " if sizes else ""


def _rejected(design: Design) -> Attempt:
    return verdict.untried(design, ProofVerdict.REJECTED, design.rejection or "")


def _nothing(plan: Plan) -> str:
    return (
        "no scan or sort of this plan takes long and has a condition that an index could answer, and no "
        "estimate is far off."
    )


def _remarks(designs: list[Design], tables: tuple[TriedTable, ...]) -> tuple[str, ...]:
    times = (
        "All of it was rolled back. Times and blocks are medians of three executions, or of up to nine where "
        "three did not decide, with a warm cache."
    )
    if not designs:
        return (times,)
    if any(isinstance(design, IndexDesign) for design in designs):
        times += " Writes are an estimate: bytes written more for each new row."
    if not tables:
        return (times,)
    names = " and ".join(item.name for item in tables)
    return (
        times,
        f"What a rollback does not undo is PostgreSQL's own bookkeeping about {names}: the count of rows and "
        "pages, the hint that there may be an index, the time of the last ANALYZE.",
    )
