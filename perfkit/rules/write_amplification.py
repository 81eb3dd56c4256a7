"""Every row that is written also goes into many indexes, and into the log once for each.

What it finds
    A statement that wrote far more into the write-ahead log than its rows are long, on a table with many
    indexes.

Why is this slow
    An INSERT adds an entry to every index of the table. So does an UPDATE, unless it changes no indexed
    column and finds room on the same page. Each entry is a page to find, to change and to log; a GIN index
    takes many for one row. The log is then written to disk, sent to the replicas, and kept in the backups.

Example
    UPDATE products SET price = price + 1 on a table with 11 indexes: 1 kB in the log for a row of 40 bytes.

Use instead
    DROP INDEX products_old_code;
    for each index that no statement uses. For updates of columns that stand in no index leave room on the
    pages: ALTER TABLE products SET (fillfactor = 80); For a large load, create the indexes after it.

Thresholds
    min_row_bytes (1,000): bytes in the log for each row written, beyond the row itself (reference notes on
        EXPLAIN, rule 59). A table with one index takes 150 to 225, and 65 to 75 more for each other B-tree,
        measured on PostgreSQL 18.
    min_rows (1,000): rows written.
    min_share (0.5): what writing took of the execution time, without finding or computing the rows.

Stays silent when
    Pages were logged as a whole, because it was their first change after a checkpoint: they are taken off.
    The rows themselves are long. Few rows were written, or rows were deleted, which touches no index. The log
    was not counted (EXPLAIN needs WAL). Finding the rows takes most of the time.
"""

from collections.abc import Iterator

from perfkit.model.catalog import Index, Table
from perfkit.model.finding import Finding
from perfkit.model.plan import Plan, PlanNode
from perfkit.model.plan_builders import example_index, example_table, node, planned_trace
from perfkit.model.plan_savings import is_worth_a_line, measured_plans, saving_in_block, table_name
from perfkit.model.plan_scans import number as number_of
from perfkit.model.plan_writes import rows_written
from perfkit.model.sql_names import quoted
from perfkit.model.trace import Trace
from perfkit.model.wording import counted
from perfkit.rules._rule import Rule, severity_of

CODE, NAME = "PK252", "write-amplification"
_PAGE_BYTES = 8192
_MAX_SHOWN = 5
_QUOTE = "'"
_INDEX_USES = "SELECT indexrelname, idx_scan FROM pg_stat_user_indexes WHERE relid = '{name}'::regclass;"


def write_amplification(
    trace: Trace, *, min_row_bytes: float = 1000.0, min_rows: float = 1000.0, min_share: float = 0.5
) -> Iterator[Finding]:
    """Find writes that log far more than their rows.

    Args:
        trace: a block with plans.
        min_row_bytes: bytes in the log for each row, beyond the row itself.
        min_rows: rows written.
        min_share: what writing took of the execution time, from 0 to 1.
    """
    for number, plan, duration_ms in measured_plans(trace):
        for writer in plan.nodes():
            if writer.node_type != "ModifyTable" or writer.attributes.get("Operation") == "Delete":
                continue
            rows, own_ms = rows_written(writer), writer.self_time_ms or 0.0
            is_costly = own_ms >= min_share * duration_ms and is_worth_a_line(own_ms, duration_ms)
            if rows < max(1.0, min_rows) or not is_costly:
                continue
            if _logged_bytes(writer) / rows - _row_bytes(plan, writer) >= min_row_bytes:
                yield _finding(trace, number, plan, writer, rows)


def _logged_bytes(writer: PlanNode) -> float:
    """Bytes in the log without whole pages, which are logged once after each checkpoint."""
    return max(0.0, number_of(writer, "WAL Bytes") - number_of(writer, "WAL FPI") * _PAGE_BYTES)


def _row_bytes(plan: Plan, writer: PlanNode) -> float:
    """The length of one row: the catalogue's average, or what the statement hands over."""
    table = plan.table_of(writer)
    given = max((child.plan_width or 0 for child in writer.children), default=0)
    return float(max(table.row_bytes if table else 0, given))


def _finding(trace: Trace, number: int, plan: Plan, writer: PlanNode, rows: float) -> Finding:
    table = plan.table_of(writer)
    unused = _unused(table)
    # Each index takes its part of the writing, the table itself one more.
    share = len(unused) / (1 + len(table.indexes)) if table else 0.0
    saving_ms = saving_in_block((writer.self_time_ms or 0.0) * share, plan, trace) if unused else None
    count = f", which has {counted(len(table.indexes), 'index', 'indexes')}" if table else ""
    return Finding(
        code=CODE,
        rule=NAME,
        severity="info" if saving_ms is None else severity_of(saving_ms, trace),
        message=(
            f"{_logged_bytes(writer) / rows:,.0f} bytes are logged for each of {rows:,.0f} rows of "
            f"{table_name(writer)}{count}."
        ),
        advice=_advice(table, writer, unused),
        refutation=(
            "Refuted if writing takes as long without these indexes. The count of an index's uses begins "
            "when the statistics were last reset, and knows nothing of the replicas: ask there too."
        ),
        confidence=0.5,
        location=plan.call_site,
        offenders=(writer.node_id,),
        plan=number,
        saving_ms=saving_ms,
        evidence=(
            f"{number_of(writer, 'WAL Records'):,.0f} records and "
            f"{number_of(writer, 'WAL Bytes') / 1e6:,.1f} MB in the log, and "
            f"{counted(number_of(writer, 'WAL FPI'), 'whole page')}.",
            f"Writing took {writer.self_time_ms or 0.0:,.1f} ms of {plan.duration_ms or 0.0:,.1f} ms.",
        ),
    )


def _unused(table: Table | None) -> list[Index]:
    """Indexes that no statement has read, and that guard nothing."""
    return [index for index in table.indexes if index.scans == 0 and not index.is_unique] if table else []


def _advice(table: Table | None, writer: PlanNode, unused: list[Index]) -> str:
    if table is not None and unused:
        schema = "" if table.schema == "public" else f"{quoted(table.schema)}."
        words = "Drop the indexes that no statement has read since the statistics were reset."
        drops = [f"DROP INDEX {schema}{quoted(index.name)};" for index in unused[:_MAX_SHOWN]]
        rest = len(unused) - len(drops)
        return "\n".join([words, *drops, *([f"-- and {rest} more"] if rest else [])])
    name = table.shown_name if table else quoted(writer.relation_name or "")
    if writer.attributes.get("Operation") == "Insert":
        return (
            "For a load of this size create the indexes after it, and look which of them are used at all.\n"
            + _INDEX_USES.format(name=name.replace(_QUOTE, 2 * _QUOTE))
        )
    return (
        "Leave room on each page: changing columns that stand in no index then touches no index. It counts "
        f"for pages that are written anew.\nALTER TABLE {name} SET (fillfactor = 80);"
    )


def _write(
    operation: str,
    *,
    row_bytes: float = 1_300,
    pages: int = 0,
    rows: float = 5_000,
    width: int = 40,
    ms: float = 100,
) -> PlanNode:
    source = node("Seq Scan", ms=2, rows=rows, relation_name="products", plan_width=width)
    return node(
        "ModifyTable", source, ms=100, rows=0, relation_name="products", Operation=operation,
        WAL_Bytes=row_bytes * rows + pages * _PAGE_BYTES, WAL_FPI=pages, WAL_Records=12 * rows,
    )  # fmt: skip


_INDEXES = tuple(example_index(f"products_{place}", "code", scans=place % 2) for place in range(10))
_PRODUCTS = example_table("products", indexes=_INDEXES)
RULE = Rule(
    code=CODE,
    name=NAME,
    requires="plans",
    check=write_amplification,
    fires_on=(
        planned_trace(_write("Update"), tables=(_PRODUCTS,), name="ten indexes, half of them unused"),
        planned_trace(_write("Update"), name="nothing is known of the indexes"),
        planned_trace(_write("Insert"), name="a load"),
    ),
    silent_on=(
        planned_trace(_write("Update", row_bytes=300), name="one index"),
        planned_trace(_write("Update", row_bytes=300, pages=900), name="whole pages after a checkpoint"),
        planned_trace(_write("Insert", width=900), name="the rows are long"),
        planned_trace(_write("Update", rows=50), name="few rows"),
        planned_trace(_write("Delete"), name="deleting touches no index"),
        planned_trace(node("Append", _write("Update"), ms=900), name="the time goes elsewhere"),
    ),
)
