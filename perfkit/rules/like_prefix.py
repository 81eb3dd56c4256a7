"""LIKE looks for text that begins with certain letters, and no index is ordered for that.

What it finds
    A scan that reads many rows to keep few, because its filter compares a column with a pattern such as
    'abc%' or the regular expression '^abc'.

Why is this slow
    The texts that begin with the same letters would lie side by side in an index. But an ordinary index of
    text follows the rules of a language, which compare more than one letter at a time, and so the planner
    cannot use it for a pattern. It reads and compares every row.

Example
    SELECT * FROM customers WHERE email LIKE 'ann%'
    with an index on email: 1,000,000 rows are read.

Use instead
    CREATE INDEX ON customers (email text_pattern_ops);
    This order is by the letters alone. Equality uses it too, `<` and ORDER BY do not. A column with the
    collation "C" needs no more than a plain index. A pattern that begins with a wildcard, as in '%ann%',
    needs an index of trigrams.

Thresholds
    min_removed_share (0.9): share of the rows read that the filter throws away; pev2 marks 90 %.
    min_removed_rows (10,000): rows thrown away over all loops and processes.
    In all rules about conditions the scan's own share is 10 % of the execution at least, and a saving below
    1 ms or 2 % of it is not worth a line.

Stays silent when
    An index with that order exists. The pattern begins with a wildcard, or case does not matter (ILIKE):
    like-infix knows more. The texts that do not match are wanted. The filter also compares a plain column
    of ten values or more for equality. Many rows are wanted, or few are read, as before an early LIMIT.
"""

from collections.abc import Iterator

from perfkit.model.finding import Finding
from perfkit.model.index_candidate import relation
from perfkit.model.plan_builders import node, planned_trace
from perfkit.model.plan_patterns import PatternStart, pattern_start
from perfkit.model.plan_predicates import Predicate
from perfkit.model.plan_savings import table_name
from perfkit.model.plan_waste import WastefulScan, has_pattern_index, wasteful_scans
from perfkit.model.scan_builders import filtering, known_index, known_table, plan_trace
from perfkit.model.trace import Trace
from perfkit.rules._rule import Rule, severity_of

CODE, NAME = "PK223", "like-prefix"
_LIKELY, _UNKNOWN = 0.85, 0.5


def like_prefix(
    trace: Trace, *, min_removed_share: float = 0.9, min_removed_rows: float = 10_000
) -> Iterator[Finding]:
    """Find scans that compare every row with a pattern that begins with letters.

    Args:
        trace: a block with plans.
        min_removed_share: share of the rows read that the filter throws away, from 0 to 1.
        min_removed_rows: rows thrown away over all loops and processes.
    """
    for scan in wasteful_scans(trace, min_removed_share=min_removed_share, min_removed_rows=min_removed_rows):
        for predicate in scan.predicates:
            if predicate.kind not in ("like", "regex") or predicate.is_negated or scan.has_plain_remedy:
                continue
            start = pattern_start(predicate, scan.plan.query_text)
            if start != "wildcard" and predicate.is_fixed and not has_pattern_index(scan, predicate):
                yield _finding(trace, scan, predicate, start)
                break


def _finding(trace: Trace, scan: WastefulScan, predicate: Predicate, start: PatternStart) -> Finding:
    saving_ms = scan.saving_in(trace)
    pattern = "a pattern that begins with letters" if start == "letters" else "a pattern that was bound to it"
    return Finding(
        code=CODE,
        rule=NAME,
        severity=severity_of(saving_ms, trace, grows_with_data=True),
        message=(
            f"{table_name(scan.node)}: {scan.shown_read} rows are compared with {pattern} "
            f"to keep {scan.shown_kept}."
        ),
        advice=_advice(scan, predicate, start),
        refutation=(
            "Refuted if the plan stays the same with the index in place: then the pattern begins with a "
            "wildcard after all, or the other conditions alone leave so few rows."
        ),
        confidence=_LIKELY if start == "letters" else _UNKNOWN,
        location=scan.plan.call_site,
        offenders=(scan.node.node_id,),
        plan=scan.number,
        saving_ms=saving_ms,
        evidence=scan.evidence,
    )


def _advice(scan: WastefulScan, predicate: Predicate, start: PatternStart) -> str:
    key, table = scan.key_of(predicate), relation(scan.node)
    opclass = _opclass(scan, predicate)
    statement = f"CREATE INDEX ON {table} ({f'{key} {opclass}'.strip()});"
    if key not in predicate.columns:
        statement += f"\nANALYZE {table};"
    if start == "letters":
        words = "An index that is ordered by the letters alone leads straight to what begins with them."
        return f"{words} It is suggested, not proved.\n{statement}"
    return (
        "It depends on the pattern, which the plan does not show. If it begins with letters ('abc%'), an "
        "index that is ordered by the letters alone serves; if it begins with a wildcard ('%abc'), only an "
        f"index of trigrams does.\n-- 'abc%'\n{statement}\n"
        "-- '%abc%'\nCREATE EXTENSION IF NOT EXISTS pg_trgm;\n"
        f"CREATE INDEX ON {table} USING gin ({key} gin_trgm_ops);"
    )


def _opclass(scan: WastefulScan, predicate: Predicate) -> str:
    """The order by letters alone, for the type of the column; a column with collation "C" has it anyway."""
    column = scan.column(predicate.columns[0]) if predicate.column else None
    if column is not None and column.collation in ("C", "POSIX"):
        return ""
    padded = column is not None and column.type_name.startswith("character(")
    return "bpchar_pattern_ops" if padded else "text_pattern_ops"


_PREFIX = "(customers.email ~~ 'ann%'::text)"
_BOUND = "((customers.email)::text ~~ ?::text)"
_TYPES = {"email": "text"}
RULE = Rule(
    code=CODE,
    name=NAME,
    requires="plans",
    check=like_prefix,
    yields_to=("parameter-type-cast", "cast-on-column", "function-on-column", "json-predicate"),
    fires_on=(
        planned_trace(filtering(_PREFIX)),
        planned_trace(filtering("(customers.email ~ '^ann'::text)")),
        planned_trace(filtering("(lower(customers.email) ~~ 'ann%'::text)")),
        # The statement tells what the plan does not show.
        plan_trace(filtering(_BOUND), query_text="SELECT * FROM customers WHERE email LIKE :part || '%'"),
        # Nobody knows the pattern.
        plan_trace(filtering(_BOUND), query_text="SELECT * FROM customers WHERE email LIKE :pattern"),
        # A plain index does not serve a pattern.
        plan_trace(filtering(_PREFIX), known_table(_TYPES, known_index("email"))),
        # The LIMIT got its rows at the end of the table.
        planned_trace(node("Limit", filtering(_PREFIX, rows=10), ms=40, rows=10)),
    ),
    silent_on=(
        # A wildcard first: no order helps.
        planned_trace(filtering("(customers.email ~~ '%ann%'::text)")),
        plan_trace(
            filtering(_BOUND), query_text="SELECT * FROM customers WHERE email LIKE '%' || :part || '%'"
        ),
        # Case does not matter.
        planned_trace(filtering("(customers.email ~~* 'ann%'::text)")),
        # What does not match is wanted.
        planned_trace(filtering("(customers.email !~~ 'ann%'::text)")),
        # The index is there.
        plan_trace(filtering(_PREFIX), known_table(_TYPES, known_index("email", opclass="text_pattern_ops"))),
        # An index on the plain column comes first.
        planned_trace(filtering(f"((customers.shop_id = 3) AND {_PREFIX})")),
        # Few rows, or many that match.
        planned_trace(filtering(_PREFIX, removed=900)),
        planned_trace(filtering(_PREFIX, rows=200_000, removed=100_000)),
        # A LIMIT stopped it before it had read much.
        planned_trace(node("Limit", filtering(_PREFIX, rows=10, removed=9_000, ms=2), ms=2, rows=10)),
    ),
)
