"""What the database's catalogue says about the tables of a plan: sizes, columns, indexes, keys."""

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["Column", "ForeignKey", "Index", "Table"]


@dataclass(frozen=True, slots=True)
class Column:
    """A column. `width_bytes` is the average; what nobody counted is `None`.

    `distinct` is how PostgreSQL writes it (`pg_stats.n_distinct`): a number of values, or below zero the
    share of the rows. `correlation` tells from -1 to 1 how well the rows lie in this column's order.
    """

    name: str
    type_name: str
    width_bytes: int = 0
    distinct: float | None = None
    correlation: float | None = None
    collation: str | None = None
    is_nullable: bool = True

    @property
    def is_text(self) -> bool:
        """Whether it holds text: a cast to `text` changes neither its values nor their order."""
        return self.type_name.startswith(("text", "character", "varchar", "citext", "name"))


@dataclass(frozen=True, slots=True)
class Index:
    """An index that exists. Keys, operator classes (empty for the default) and directions go together."""

    name: str
    method: str
    is_valid: bool
    predicate: str | None
    keys: tuple[str, ...]
    include: tuple[str, ...]
    opclasses: tuple[str, ...]
    descending: tuple[bool, ...]
    is_unique: bool = False
    size_bytes: int | None = None
    scans: int | None = None


@dataclass(frozen=True, slots=True)
class ForeignKey:
    """A foreign key to or from a table of the plan. `is_indexed`: an index is led by its columns.

    `is_deferred` says that it is checked at the end of the transaction, so its time is in no plan.
    """

    name: str
    table: str
    columns: tuple[str, ...]
    referenced_table: str
    is_indexed: bool
    is_deferred: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """A table as the catalogue has it. `name` is qualified and quoted as SQL wants it.

    `rows` and `pages` are the planner's, -1 where nobody counted. `live_rows`, `dead_rows` and
    `modified_rows` (since the last ANALYZE) are the statistics collector's, `None` where it knows nothing.
    `is_analyzed` says whether statistics were ever collected. Of a partition, `parent` is the table it is
    part of, qualified and quoted, `partition_key` how that is divided, such as `RANGE (created_at)`, and
    `partition_count` into how many.
    """

    name: str
    rows: float
    size_bytes: int
    kind: str
    is_partition: bool
    columns: tuple[Column, ...]
    indexes: tuple[Index, ...]
    schema: str = ""
    relation_name: str = ""
    pages: int = -1
    live_rows: float | None = None
    dead_rows: float | None = None
    modified_rows: float | None = None
    is_analyzed: bool | None = None
    has_extended_statistics: bool = False
    parent: str | None = None
    partition_key: str | None = None
    partition_count: int | None = None

    @property
    def shown_name(self) -> str:
        """The name for a sentence and for SQL: without the schema where it is `public`."""
        return self.name.removeprefix("public.")

    @property
    def widths(self) -> Mapping[str, int]:
        """Average bytes by column."""
        return {column.name: column.width_bytes for column in self.columns}

    @property
    def distinct(self) -> Mapping[str, float]:
        """Numbers of different values, for the columns of which PostgreSQL takes them for constant."""
        counted = ((column.name, column.distinct or 0.0) for column in self.columns)
        return {name: count for name, count in counted if count > 0}

    @property
    def row_bytes(self) -> int:
        """Average bytes of one row's values."""
        return sum(column.width_bytes for column in self.columns)

    def column(self, name: str) -> Column | None:
        """The column of this name, as the catalogue writes it."""
        return next((column for column in self.columns if column.name == name), None)

    def distinct_count(self, name: str) -> float | None:
        """How many different values a column has, by the statistics; `None` where nobody counted."""
        known = self.column(name)
        if known is None or known.distinct is None:
            return None
        return known.distinct if known.distinct >= 0 else -known.distinct * max(self.rows, 0.0)
