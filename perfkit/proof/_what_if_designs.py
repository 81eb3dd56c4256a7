"""Things worth trying for a plan: indexes, statistics, memory. Nothing is tried here."""

import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from perfkit.model.catalog import Index, Table
from perfkit.model.plan import PlanNode
from perfkit.model.sql_names import quoted
from perfkit.model.what_if import AttemptKind

# What an expression is taken to need in an index: nobody has measured it yet.
_EXPRESSION_BYTES = 16
_DECORATION = re.compile(r"[\s()]|::text")


@dataclass(frozen=True, slots=True)
class Key:
    """One column or expression of an index."""

    text: str
    descending: bool = False
    nulls: str = ""
    opclass: str = ""
    is_expression: bool = False

    @property
    def sql(self) -> str:
        """The key as `CREATE INDEX` wants it."""
        words = [f"({self.text})" if self.is_expression else self.text, self.opclass]
        words += ["DESC" if self.descending else "", self.nulls]
        return " ".join(word for word in words if word)


@dataclass(frozen=True, slots=True)
class Design:
    """One thing to try. `rejection` says why it is not worth it; then it is only reported.

    `statements` are run in the transaction, `paste` is what the person would run. `note` is said of it
    whatever the trial shows.
    """

    kind: AttemptKind
    what: str
    statements: tuple[str, ...]
    paste: str
    scan: PlanNode
    nodes: tuple[int, ...]
    relation: str
    rejection: str | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class IndexDesign(Design):
    """An index to try. The first `equal` keys are compared for equality, so their order is free.

    `name` is one that nobody has, `share` the share of the rows that a partial index holds.
    """

    table: Table | None = None
    keys: tuple[Key, ...] = ()
    include: tuple[str, ...] = ()
    predicate: str | None = None
    equal: int = 0
    share: float = 1.0
    name: str = ""
    method: str = "btree"

    @property
    def write_share(self) -> float | None:
        """Bytes that each new row writes more, as a share of the row: an estimate.

        (8 + widths of the index) / (27 + widths of the row), times the share of the rows that the index
        holds: 8 bytes are an index entry's header, 27 a row's (pganalyze, index write overhead). Of a GIN
        index it is unknown: a row has as many entries as there are words or keys in its value. So it is where
        nobody has counted the width of a row.
        """
        if self.table is None or self.method != "btree" or not self.table.row_bytes:
            return None
        parts = [*(key.text for key in self.keys), *self.include]
        width = sum(self.table.widths.get(unquoted(part), _EXPRESSION_BYTES) for part in parts)
        return (8 + width) / (27 + self.table.row_bytes) * self.share


def index_design(
    scan: PlanNode,
    table: Table,
    keys: Sequence[Key],
    *,
    equal: int,
    nodes: tuple[int, ...],
    include: tuple[str, ...] = (),
    predicate: str | None = None,
    expression_columns: tuple[str, ...] = (),
    method: str = "btree",
) -> IndexDesign:
    """Write an index down as SQL.

    Args:
        scan: the scan that it is for.
        table: its table.
        keys: columns and expressions, in order.
        equal: how many of them, from the first, are compared for equality.
        nodes: numbers of the plan's nodes that would gain.
        include: columns that are only carried along.
        predicate: of a partial index.
        expression_columns: columns that expressions among the keys are made of.
        method: `btree` or `gin`.
    """
    body = f"({', '.join(key.sql for key in keys)})"
    body = body if method == "btree" else f"USING {method} {body}"
    body += f" INCLUDE ({', '.join(include)})" if include else ""
    body += f" WHERE {predicate}" if predicate else ""
    name = f"perfkit_what_if_{secrets.token_hex(4)}"
    statements = [f"CREATE INDEX {name} ON {table.name} {body}"]
    texts = [key.text for key in keys if key.is_expression]
    if texts:
        # The planner knows nothing about an expression until it was analysed (reference notes on EXPLAIN,
        # section 6). Statistics on the expression itself leave the table's counters for autovacuum alone.
        statements += [f"CREATE STATISTICS {name}_s ON ({text}) FROM {table.name}" for text in texts[:1]]
        statements.append(f"ANALYZE {table.name} ({', '.join(map(quoted, expression_columns))})")
    shown = table.shown_name
    paste = f"CREATE INDEX CONCURRENTLY ON {shown} {body};" + (f"\nANALYZE {shown};" if texts else "")
    return IndexDesign(
        "index", f"{shown} {body}", tuple(statements), paste, scan, nodes, shown,
        table=table, keys=tuple(keys), include=include, predicate=predicate, equal=equal, name=name,
        method=method,
    )  # fmt: skip


def unquoted(name: str) -> str:
    """The name as the catalogue has it."""
    return name[1:-1].replace('""', '"') if name.startswith('"') else name


def existing(design: IndexDesign) -> Index | None:
    """An index that exists and offers all that the design would."""
    indexes = design.table.indexes if design.table else ()
    return next((index for index in indexes if _covers(index, design)), None)


def _covers(index: Index, design: IndexDesign) -> bool:
    if index.method != design.method:
        return False
    if design.method == "gin":
        return index.predicate is None and any(_answers(index, key) for key in design.keys)
    if index.predicate and not design.predicate:
        return False
    if index.predicate and _plain(index.predicate) != _plain(design.predicate or ""):
        return False
    if design.predicate and not index.predicate:
        return False
    wanted = [(_plain(key.text), key.opclass) for key in design.keys]
    found = list(zip(map(_plain, index.keys), index.opclasses, strict=True))[: len(wanted)]
    same = set(found[: design.equal]) == set(wanted[: design.equal])
    has_all = {_plain(name) for name in design.include} <= set(map(_plain, [*index.include, *index.keys]))
    return same and has_all and found[design.equal :] == wanted[design.equal :] and _same_order(index, design)


def _answers(index: Index, key: Key) -> bool:
    """Whether a GIN index holds this key; the default class for JSON knows all that the smaller one knows."""
    classes = {key.opclass.rpartition(".")[2], "" if key.opclass == "jsonb_path_ops" else key.opclass}
    found = zip(map(_plain, index.keys), index.opclasses, strict=True)
    return any(text == _plain(key.text) and opclass in classes for text, opclass in found)


def _same_order(index: Index, design: IndexDesign) -> bool:
    """An index is read forwards or backwards, so only the pattern of the directions matters."""
    wanted = [key.descending for key in design.keys[design.equal :]]
    found = list(index.descending[design.equal : len(design.keys)])
    return found in (wanted, [not item for item in wanted])


def _plain(text: str) -> str:
    return _DECORATION.sub("", text).lower()
