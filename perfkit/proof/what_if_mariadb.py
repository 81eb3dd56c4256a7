"""What would make a statement faster on MariaDB, where an index cannot be rolled back.

`CREATE INDEX` commits at once, whatever transaction is open, and everybody sees the index (measured:
reference notes on EXPLAIN, section 6). So it is done only when the person has agreed, on a connection of its
own, and every index is dropped again, on a fresh connection if need be.
"""

from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter

from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from perfkit.model.plan import Plan
from perfkit.model.what_if import Attempt, Proof, ProofVerdict, TriedTable
from perfkit.model.wording import counted
from perfkit.proof import _what_if_trial as trial
from perfkit.proof import _what_if_verdict as verdict
from perfkit.proof._mariadb_plan import in_mariadb, pages_of, translated
from perfkit.proof._what_if_attempts import attempt_all
from perfkit.proof._what_if_candidates import index_designs
from perfkit.proof._what_if_designs import Design, IndexDesign

__all__ = ["prove_on_mariadb"]

# Whoever reads the table in an open transaction keeps an index from being dropped until that ends.
DROP_TIMEOUT_S = 60
_CONFIRM = "confirm=True (in a cell: %%explain --prove --yes)"
_LOCKED, _DEADLOCK, _DENIED, _NOT_ONLINE = 1205, 1213, 1142, (1845, 1846)
_CANCELLED = (1969, 3024)
_SAID = (
    "MariaDB cannot roll an index back: each was there for everybody while it was measured, and was dropped "
    "again. Times are medians of three executions, or of up to nine; blocks are pages of InnoDB."
)

Connect = Callable[[], Connection]


def prove_on_mariadb(
    connection: Connection,
    plan: Plan,
    explain: trial.Explainer,
    connect: Connect,
    *,
    number: int = 0,
    confirmed: bool = False,
) -> Proof:
    """Build indexes, measure, and drop them again.

    Args:
        connection: to MariaDB, opened for this alone: building an index commits what is open on it.
        plan: the measured plan of the statement.
        explain: executes the statement once more on this connection and returns its plan.
        connect: opens another connection, to drop an index where this one is lost.
        number: of the plan in its trace.
        confirmed: that indexes may be built and dropped, for everybody to see.

    Returns:
        What was tried, best first; `Proof.refusal` says why nothing was, where nothing was.
    """
    if not plan.analyzed:
        return Proof(number, refusal="Only a statement that was executed can be timed.")
    designs = _designs(plan)
    wanted: list[Design] = [design for design in designs if design.rejection is None]
    tables = tuple(_tried_tables(designs))
    if wanted and not confirmed:
        return Proof(number, tables=tables, refusal=_question(tables))
    rejected = [
        verdict.untried(item, ProofVerdict.REJECTED, item.rejection or "")
        for item in designs
        if item.rejection
    ]
    if not wanted:
        return Proof(number, None, tuple(rejected), tables, ("Nothing to try.",))
    trials = _Trials(connection, explain, connect)
    try:
        attempts, base = attempt_all(trials, wanted, trials.run_base().runs)
    except trial.ProofRefusedError as error:
        return Proof(number, refusal=str(error))
    notes = (*trials.left, _SAID)
    return Proof(number, base, verdict.ranked([*attempts, *rejected]), tables, notes)


def _rejected(design: IndexDesign) -> Attempt:
    return verdict.untried(design, ProofVerdict.REJECTED, design.rejection or "")


def _designs(plan: Plan) -> list[IndexDesign]:
    found: dict[str, IndexDesign] = {}
    for design in index_designs(translated(plan), plan.table_of):
        own = in_mariadb(design)
        if own is not None:
            found.setdefault(own.what, own)
    return list(found.values())


def _tried_tables(designs: list[IndexDesign]) -> list[TriedTable]:
    tables = {design.table.name: design.table for design in designs if design.table and not design.rejection}
    return [TriedTable(table.name, table.rows, table.size_bytes) for table in tables.values()]


def _question(tables: tuple[TriedTable, ...]) -> str:
    sizes = ", ".join(
        f"{item.name} ({counted(max(0, item.rows), 'row')}, {item.size_bytes / 1e6:,.0f} MB)"
        for item in tables
    )
    return (
        f"MariaDB cannot roll an index back, so nothing was tried. Indexes would be built on {sizes} for "
        f"everybody to see, replicas too, and dropped again. If that is fine, give {_CONFIRM}."
    )


@dataclass(slots=True)
class _Trials:
    """Builds an index, measures, and drops it. `left` says what could not be dropped."""

    connection: Connection
    explain: trial.Explainer
    connect: Connect
    left: tuple[str, ...] = ()

    @property
    def is_lost(self) -> bool:
        """Nothing more is tried either where an index could not be dropped."""
        return self.connection.invalidated or bool(self.left)

    def run_base(self) -> trial.Outcome:
        """Execute the statement as it is."""
        try:
            return trial.measured(self.explain, pages_of)
        except trial.UntriedError as error:
            raise trial.ProofRefusedError(str(error)) from None

    def run_trial(self, design: Design) -> trial.Outcome:
        """Execute it with the index, which is dropped whatever happens."""
        assert isinstance(design, IndexDesign)
        try:
            build_ms = _build(self.connection, design)
            outcome = trial.measured(self.explain, pages_of)
            return trial.Outcome(outcome.runs, outcome.plan, build_ms)
        finally:
            self._drop(design)

    def _drop(self, design: IndexDesign) -> None:
        statement = f"DROP INDEX IF EXISTS {design.name} ON {design.relation}"
        try:
            _send(self.connection, statement, DROP_TIMEOUT_S)
        except SQLAlchemyError:
            try:
                with self.connect() as fresh:
                    _send(fresh, statement, DROP_TIMEOUT_S)
            except SQLAlchemyError as error:
                words = f"{design.name} could not be dropped ({type(error).__name__}). Drop it: {statement};"
                self.left = (*self.left, words)


def _build(connection: Connection, design: IndexDesign) -> float:
    start = perf_counter()
    try:
        for statement in design.statements:
            _send(connection, statement, trial.LOCK_TIMEOUT_MS // 1000)
    except DBAPIError as error:
        raise _reason(error, design.relation) from None
    except SQLAlchemyError as error:
        raise trial.UntriedError(f"Not measured: {type(error).__name__}.") from None
    return (perf_counter() - start) * 1000


def _send(connection: Connection, statement: str, lock_s: int) -> None:
    """With limits for this statement alone."""
    limits = f"lock_wait_timeout={lock_s}, max_statement_time={trial.BUILD_TIMEOUT_MS / 1000}"
    trial.execute(connection, f"SET STATEMENT {limits} FOR {statement}")
    connection.rollback()


def _reason(error: DBAPIError, relation: str) -> Exception:
    code = error.orig.args[0] if error.orig and error.orig.args else None
    if error.connection_invalidated:
        return trial.UntriedError("The connection was lost.")
    if code in (_LOCKED, _DEADLOCK):
        return trial.UntriedError(
            f"An open transaction uses {relation}, perhaps your own. End it, or try again when it has ended."
        )
    if code in _CANCELLED:
        return trial.UntriedError(f"Building it took more than {trial.BUILD_TIMEOUT_MS // 1000} s.")
    if code == _DENIED:
        return trial.UnsuitableError(f"This user may not make indexes on {relation}.")
    if code in _NOT_ONLINE:
        return trial.UnsuitableError(
            f"{relation} cannot be indexed without keeping others from writing to it."
        )
    return trial.UntriedError(f"The database refused ({type(error.orig).__name__}).")
