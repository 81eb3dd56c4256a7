"""LIKE, ILIKE or a regular expression looks for text anywhere in a column, row by row.

What it finds
    A scan that reads many rows to keep few, because its filter compares a column with a pattern that may
    begin with anything, such as '%abc%', that ignores case, or with a regular expression.

Why is this slow
    An ordered index finds texts by how they begin. Where that is not known, every row is read and searched.

Example
    SELECT * FROM products WHERE name ILIKE '%lamp%'
    searches 1,000,000 names to find 40.

Use instead
    CREATE EXTENSION IF NOT EXISTS pg_trgm;
    CREATE INDEX ON products USING gin (name gin_trgm_ops);
    An index of trigrams holds every three letters in a row. It needs the extension pg_trgm, which comes
    with PostgreSQL (package postgresql-contrib), and is larger and slower to write than an ordinary one.
    For words of a longer text, use full-text search. Where case alone is the trouble, compare lower(email)
    with a value in lower case, and make an index of lower(email).

Thresholds
    min_removed_share (0.9): share of the rows read that the filter throws away; pev2 marks 90 %.
    min_removed_rows (10,000): rows thrown away over all loops and processes.
    min_letters (3): plain letters in a row that the pattern must have. PostgreSQL's documentation of
        pg_trgm: a pattern without three letters to take out reads the whole index.
    In all rules about conditions the scan's own share is 10 % of the execution at least, and a saving below
    1 ms or 2 % of it is not worth a line.

Stays silent when
    An index of trigrams exists. The pattern begins with letters: like-prefix knows more. It holds fewer than
    three letters in a row. The texts that do not match are wanted. The filter also compares a plain column
    of ten values or more for equality. Many rows are wanted, or few are read, as before an early LIMIT.
"""

import re
from collections.abc import Iterator

from perfkit.model.finding import Finding
from perfkit.model.index_candidate import relation
from perfkit.model.plan_builders import node, planned_trace
from perfkit.model.plan_patterns import longest_run, pattern_start
from perfkit.model.plan_predicates import Predicate
from perfkit.model.plan_savings import table_name
from perfkit.model.plan_waste import WastefulScan, has_pattern_index, has_trigram_index, wasteful_scans
from perfkit.model.scan_builders import filtering, known_index, known_table, plan_trace
from perfkit.model.trace import Trace
from perfkit.rules._rule import Rule, severity_of

CODE, NAME = "PK224", "like-infix"
_CONFIDENCE = 0.7
_IGNORING_CASE = re.compile(r"'(?P<letters>[^%_'\\]+)(?P<rest>%?)'::text")


def like_infix(
    trace: Trace, *, min_removed_share: float = 0.9, min_removed_rows: float = 10_000, min_letters: int = 3
) -> Iterator[Finding]:
    """Find scans that search the text of every row.

    Args:
        trace: a block with plans.
        min_removed_share: share of the rows read that the filter throws away, from 0 to 1.
        min_removed_rows: rows thrown away over all loops and processes.
        min_letters: plain letters in a row that the pattern must have.
    """
    for scan in wasteful_scans(trace, min_removed_share=min_removed_share, min_removed_rows=min_removed_rows):
        for predicate in scan.predicates:
            if _is_search(scan, predicate, min_letters) and not scan.has_plain_remedy:
                yield _finding(trace, scan, predicate)
                break


def _is_search(scan: WastefulScan, predicate: Predicate, min_letters: int) -> bool:
    if predicate.kind not in ("like", "regex") or predicate.is_negated or not predicate.is_fixed:
        return False
    letters = longest_run(predicate)
    if (letters is not None and letters < min_letters) or has_trigram_index(scan, predicate):
        return False
    start = pattern_start(predicate, scan.plan.query_text)
    # An index for patterns that begin with letters is there and was not used: so this one does not.
    return start == "wildcard" or (start == "unknown" and has_pattern_index(scan, predicate))


def _finding(trace: Trace, scan: WastefulScan, predicate: Predicate) -> Finding:
    saving_ms = scan.saving_in(trace)
    return Finding(
        code=CODE,
        rule=NAME,
        severity=severity_of(saving_ms, trace, grows_with_data=True),
        message=(
            f"{table_name(scan.node)}: {scan.key_of(predicate)} is searched for a pattern in "
            f"{scan.shown_read} rows to keep {scan.shown_kept}."
        ),
        advice=_advice(scan, predicate),
        refutation=(
            "Refuted if the plan stays the same with the index in place, as it does for patterns with fewer "
            "than three letters in a row, or if the extension cannot be installed on this server."
        ),
        confidence=_CONFIDENCE,
        location=scan.plan.call_site,
        offenders=(scan.node.node_id,),
        plan=scan.number,
        saving_ms=saving_ms,
        evidence=scan.evidence,
    )


def _advice(scan: WastefulScan, predicate: Predicate) -> str:
    table, key = relation(scan.node), scan.key_of(predicate)
    advice = (
        "An index of trigrams finds text anywhere in a column. It needs the extension pg_trgm, which comes "
        "with PostgreSQL, and three letters to look for. It is suggested, not proved.\n"
        "CREATE EXTENSION IF NOT EXISTS pg_trgm;\n"
        f"CREATE INDEX ON {table} USING gin ({key} gin_trgm_ops);"
    )
    written = _IGNORING_CASE.fullmatch(predicate.value) if predicate.operator == "~~*" else None
    if written is None:
        return advice
    operator, opclass = ("LIKE", " text_pattern_ops") if written["rest"] else ("=", "")
    return (
        f"{advice}\n-- Without the extension: WHERE lower({key}) {operator} lower(:value)\n"
        f"CREATE INDEX ON {table} (lower({key}){opclass});"
    )


_INFIX = "(customers.name ~~ '%lamp%'::text)"
_BOUND = "((customers.name)::text ~~ ?::text)"
_TYPES = {"name": "text"}
RULE = Rule(
    code=CODE,
    name=NAME,
    requires="plans",
    check=like_infix,
    yields_to=(
        "parameter-type-cast", "cast-on-column", "function-on-column", "json-predicate", "like-prefix",
        "or-across-columns",
    ),
    fires_on=(
        planned_trace(filtering(_INFIX)),
        planned_trace(filtering("((customers.name)::text ~~* 'lamp%'::text)")),
        planned_trace(filtering("(customers.name ~* '(lamp|light)$'::text)")),
        plan_trace(filtering(_BOUND), query_text="SELECT * FROM customers WHERE name LIKE '%' || :part"),
        # An index for the other kind of pattern is there and was not used.
        plan_trace(
            filtering(_BOUND),
            known_table(_TYPES, known_index("name", opclass="text_pattern_ops")),
            query_text="SELECT * FROM customers WHERE name LIKE :pattern",
        ),
        # The LIMIT got its rows at the end of the table.
        planned_trace(node("Limit", filtering(_INFIX, rows=10), ms=40, rows=10)),
    ),
    silent_on=(
        # It begins with letters, or nobody knows.
        planned_trace(filtering("(customers.name ~~ 'lamp%'::text)")),
        planned_trace(filtering(_BOUND)),
        # Two letters are too few for trigrams.
        planned_trace(filtering("(customers.name ~~ '%zq%'::text)")),
        # What does not match is wanted.
        planned_trace(filtering("(customers.name !~~ '%lamp%'::text)")),
        # The index is there.
        plan_trace(
            filtering(_INFIX), known_table(_TYPES, known_index("name", opclass="gin_trgm_ops", method="gin"))
        ),
        # An index on the plain column comes first.
        planned_trace(filtering(f"((customers.shop_id = 3) AND {_INFIX})")),
        # Few rows, or many that match.
        planned_trace(filtering(_INFIX, removed=900)),
        planned_trace(filtering(_INFIX, rows=200_000, removed=100_000)),
        # A LIMIT stopped it before it had read much.
        planned_trace(node("Limit", filtering(_INFIX, rows=10, removed=9_000, ms=2), ms=2, rows=10)),
    ),
)  # fmt: skip
