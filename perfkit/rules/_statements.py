"""What the rules about statements ask of a statement's text; none of it is a verdict by itself."""

import functools
import re

from perfkit.model.query import QuerySpan

_READS = ("SELECT", "WITH", "VALUES", "TABLE")
_WRITES = ("INSERT", "UPDATE", "DELETE", "MERGE", "REPLACE")
_WRITING_CTE = re.compile(r"\b(INSERT\s+INTO|UPDATE|DELETE\s+FROM|MERGE\s+INTO)\b", re.IGNORECASE)
_LOCKS = re.compile(r"\bFOR\s+(NO\s+KEY\s+)?(UPDATE|SHARE)\b", re.IGNORECASE)
_CATALOGUE = re.compile(
    r"\b(pg_catalog|information_schema|sqlite_master|sqlite_schema|pg_[a-z_]+)\b", re.IGNORECASE
)
_VOLATILE = re.compile(
    r"\b(now|random|nextval|currval|clock_timestamp|statement_timestamp|gen_random_uuid|uuidv7|pg_\w+)\s*\(|"
    r"\bcurrent_(timestamp|time|date)\b",
    re.IGNORECASE,
)
_OFFSET = re.compile(r"\bOFFSET\b", re.IGNORECASE)
_KEYSET = re.compile(r"[<>]=?\s*\(?\?.*\bORDER\s+BY\b.*\b(LIMIT|FETCH)\b", re.IGNORECASE | re.DOTALL)
_IN_LIST = re.compile(r"\bIN\s*\(…\)|=\s*ANY\b", re.IGNORECASE)
_WHERE = re.compile(r"\bWHERE\b", re.IGNORECASE)
_COLLECTION = re.compile(r"\bWHERE\s+\?(::[\w ]+)?\s*=", re.IGNORECASE)
_EQUAL_COLUMN = re.compile(r"(?:([\w.\"]+)\s*=\s*\?|\?(?:::[\w ]+)?\s*=\s*([\w.\"]+))")
_CHUNK = re.compile(r"\bLIMIT\b|\bINSERT\b.*\bSELECT\b", re.IGNORECASE | re.DOTALL)
_STREAMS = ("COPY", "FETCH", "DECLARE", "LISTEN")
_HELD = re.compile(r"\bpg_(try_)?advisory_lock", re.IGNORECASE)
# A block may hold a million statements, of few shapes: each text is searched once.
_found = functools.lru_cache(maxsize=4096)(lambda pattern, text: pattern.search(text) is not None)


def is_read(span: QuerySpan) -> bool:
    """Whether the statement only reads, and locks nothing."""
    text = span.query_text
    return span.operation_name in _READS and not takes_lock(span) and not _found(_WRITING_CTE, text)


def takes_lock(span: QuerySpan) -> bool:
    """Whether it reads rows and locks them, by FOR UPDATE or FOR SHARE."""
    return _found(_LOCKS, span.query_text)


def is_catalogue(span: QuerySpan) -> bool:
    """Whether it asks for the schema, as reflection does, not for data."""
    return _found(_CATALOGUE, span.query_text) or span.operation_name in ("PRAGMA", "SHOW", "EXPLAIN")


def is_volatile(span: QuerySpan) -> bool:
    """Whether the same text may answer differently each time by design."""
    return _found(_VOLATILE, span.query_text)


def is_page_walk(span: QuerySpan) -> bool:
    """Whether it reads one page of many, by OFFSET or by the last key seen."""
    if span.relationship:
        return False
    return has_offset(span) or _found(_KEYSET, span.query_text)


def has_offset(span: QuerySpan) -> bool:
    """Whether it skips rows by OFFSET."""
    return _found(_OFFSET, span.query_text)


def has_key_list(span: QuerySpan) -> bool:
    """Whether it already asks for many keys at once."""
    return _found(_IN_LIST, span.query_text)


def is_row_lookup_in_loop(span: QuerySpan) -> bool:
    """Whether a proved loop may have sent it for one row: what n-plus-one and m-plus-n judge."""
    return (
        span.loop_id is not None
        and span.status == "ok"
        and span.column_load is None
        and is_read(span)
        and not (is_catalogue(span) or is_page_walk(span) or has_key_list(span))
    )


def is_write(span: QuerySpan) -> bool:
    """Whether it changes rows, inside a WITH as well."""
    if span.operation_name == "WITH":
        return _found(_WRITING_CTE, span.query_text) and not takes_lock(span)
    return span.operation_name in _WRITES


def is_bulk_write(span: QuerySpan) -> bool:
    """Whether one statement writes many rows, or may: a chunk of a table, a list of keys, a COPY."""
    many = span.batch_size > 1 or (span.returned_rows or 0) > 1 or has_key_list(span)
    return many or span.operation_name == "COPY" or _found(_CHUNK, span.query_text)


def holds_connection_on_purpose(span: QuerySpan) -> bool:
    """Whether the connection works, or must stay, after the call: rows that stream, LISTEN, a held lock."""
    is_stream = span.returned_rows is None and is_read(span)
    return is_stream or span.operation_name in _STREAMS or _found(_HELD, span.query_text)


def key_column(span: QuerySpan) -> str | None:
    """The column that is compared with a value, where there is just one such column."""
    _, _, condition = _WHERE.sub("\0", span.query_text, count=1).partition("\0")
    found = {a or b for a, b in _EQUAL_COLUMN.findall(condition)}
    return found.pop() if len(found) == 1 else None


def loads_collection(span: QuerySpan) -> bool:
    """Whether a lazy load reads many rows: SQLAlchemy writes `? = child.parent_id` for those."""
    return _found(_COLLECTION, span.query_text)
