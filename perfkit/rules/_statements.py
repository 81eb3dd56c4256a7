"""What the rules about statements ask of a statement's text; none of it is a verdict by itself."""

import functools
import re

from perfkit.model.query import QuerySpan


class _Pattern:
    """An expression to look for, in any case. A million statements have few shapes: each is searched once."""

    def __init__(self, expression: str, flags: re.RegexFlag = re.NOFLAG) -> None:
        pattern = re.compile(expression, flags | re.IGNORECASE)
        self.found = functools.lru_cache(maxsize=4096)(lambda text: pattern.search(text) is not None)


_READS = ("SELECT", "WITH", "VALUES", "TABLE")
_WRITES = ("INSERT", "UPDATE", "DELETE", "MERGE", "REPLACE")
_WRITING_CTE = _Pattern(r"\b(INSERT\s+INTO|UPDATE|DELETE\s+FROM|MERGE\s+INTO)\b")
_LOCKS = _Pattern(r"\bFOR\s+(NO\s+KEY\s+)?(UPDATE|SHARE)\b")
_CATALOGUE = _Pattern(r"\b(pg_catalog|information_schema|sqlite_master|sqlite_schema|pg_[a-z_]+)\b")
_VOLATILE = _Pattern(
    r"\b(now|random|nextval|currval|clock_timestamp|statement_timestamp|gen_random_uuid|uuidv7|pg_\w+)\s*\(|"
    r"\bcurrent_(timestamp|time|date)\b",
)
_OFFSET = _Pattern(r"\bOFFSET\b")
_KEYSET = _Pattern(r"[<>]=?\s*\(?\?.*\bORDER\s+BY\b.*\b(LIMIT|FETCH)\b", re.DOTALL)
_RANGE = _Pattern(
    r"\bBETWEEN\s+\?\S*\s+AND\s+\?|(?<![\w.\"])([\w.\"]+)\s*>=?\s*\?.*(?<![\w.\"])\1\s*<=?\s*\?", re.DOTALL
)
_RANGE_OF_KEYS = _Pattern(r"\b(?:\w+_)?id\"?\s*(?:BETWEEN\s+\?|>=?\s*\?)")
_EQUAL = _Pattern(r"\bWHERE\b.*(?:[\w\"]\s*=\s*\?|\?(?:::[\w ]+)?\s*=)", re.DOTALL)
_INCLUSIVE = _Pattern(r"[<>]=\s*\(?\?")
_EQUAL_KEY = _Pattern(r"\b(?:\w*_)?id\"?\s*=\s*\?|\?(?:::[\w ]+)?\s*=\s*[\w.\"]*\b(?:\w*_)?id\b")
_IN_LIST = _Pattern(r"\bIN\s*\(…\)|=\s*ANY\b")
_WHERE = re.compile(r"\bWHERE\b", re.IGNORECASE)
_COLLECTION = _Pattern(r"\bWHERE\s+\?(::[\w ]+)?\s*=")
_EQUAL_COLUMN = re.compile(r"(?:([\w.\"]+)\s*=\s*\?|\?(?:::[\w ]+)?\s*=\s*([\w.\"]+))")
_CHUNK = _Pattern(r"\bLIMIT\b|\bINSERT\b.*\bSELECT\b", re.DOTALL)
_COUNT = _Pattern(r"^\s*SELECT\s+count\s*\(")
_LIMIT = _Pattern(r"\bLIMIT\b")
_JOIN = _Pattern(r"\bJOIN\b")
_SKIPS_LOCKED = _Pattern(r"\bSKIP\s+LOCKED\b")
_SETTING = _Pattern(r"^\s*(SET|RESET|USE)\b|\bset_config\s*\(")
_ENDS = 2
_STREAMS = ("COPY", "FETCH", "DECLARE", "LISTEN")
_HELD = _Pattern(r"\bpg_(try_)?advisory_lock")


def is_read(span: QuerySpan) -> bool:
    """Whether the statement only reads: it locks nothing and sets nothing."""
    if span.operation_name not in _READS or takes_lock(span) or changes_setting(span):
        return False
    return not _WRITING_CTE.found(span.query_text)


def changes_setting(span: QuerySpan) -> bool:
    """Whether it sets something for its session, after which the same question may have another answer."""
    return _SETTING.found(span.query_text)


def takes_lock(span: QuerySpan) -> bool:
    """Whether it reads rows and locks them, by FOR UPDATE or FOR SHARE."""
    return _LOCKS.found(span.query_text)


def skips_locked(span: QuerySpan) -> bool:
    """Whether it leaves out rows that others have locked, as a queue does."""
    return _SKIPS_LOCKED.found(span.query_text)


def is_catalogue(span: QuerySpan) -> bool:
    """Whether it asks for the schema, as reflection does, not for data."""
    return _CATALOGUE.found(span.query_text) or span.operation_name in ("PRAGMA", "SHOW", "EXPLAIN")


def is_volatile(span: QuerySpan) -> bool:
    """Whether the same text may answer differently each time by design."""
    return _VOLATILE.found(span.query_text)


def is_keyset_page(span: QuerySpan) -> bool:
    """Whether it may read the page behind the last key seen."""
    return _KEYSET.found(span.query_text)


def has_range(span: QuerySpan) -> bool:
    """Whether it compares something with both ends of a range."""
    return _RANGE.found(span.query_text)


def has_range_of_keys(span: QuerySpan) -> bool:
    """Whether the range is one of a column that is named like a key."""
    return _RANGE_OF_KEYS.found(span.query_text)


def compares_besides_range(span: QuerySpan) -> bool:
    """Whether a column must be equal to a value that was bound beside the two ends of a range."""
    return _EQUAL.found(span.query_text) and (span.parameter_count is None or span.parameter_count > _ENDS)


def has_inclusive_bound(span: QuerySpan) -> bool:
    """Whether a bound of it counts too: a page begins behind the last key, not at it."""
    return _INCLUSIVE.found(span.query_text)


def compares_key(span: QuerySpan) -> bool:
    """Whether a column that is named like a key must be equal to a value."""
    return _EQUAL_KEY.found(span.query_text)


def has_offset(span: QuerySpan) -> bool:
    """Whether it skips rows by OFFSET."""
    return _OFFSET.found(span.query_text)


def has_key_list(span: QuerySpan) -> bool:
    """Whether it already asks for many keys at once."""
    return _IN_LIST.found(span.query_text)


def is_row_lookup_in_loop(span: QuerySpan) -> bool:
    """Whether a proved loop may have sent it for one row: what n-plus-one and m-plus-n judge."""
    in_loop = span.loop_id is not None and span.status == "ok" and span.column_load is None
    if not in_loop or is_catalogue(span) or has_key_list(span):
        return False
    return is_read(span)


def is_write(span: QuerySpan) -> bool:
    """Whether it changes rows, inside a WITH as well."""
    if span.operation_name == "WITH":
        return _WRITING_CTE.found(span.query_text) and not takes_lock(span)
    return span.operation_name in _WRITES


def is_bulk_write(span: QuerySpan) -> bool:
    """Whether one statement writes many rows, or may: a chunk of a table, a list of keys, a COPY."""
    many = span.batch_size > 1 or (span.returned_rows or 0) > 1 or has_key_list(span)
    return many or span.operation_name == "COPY" or _CHUNK.found(span.query_text)


def holds_connection_on_purpose(span: QuerySpan) -> bool:
    """Whether the connection works, or must stay, after the call: rows that stream, LISTEN, a held lock."""
    is_stream = span.returned_rows is None and is_read(span)
    return is_stream or span.operation_name in _STREAMS or _HELD.found(span.query_text)


def key_column(span: QuerySpan) -> str | None:
    """The column that is compared with a value, where there is just one such column."""
    _, _, condition = _WHERE.sub("\0", span.query_text, count=1).partition("\0")
    found = {a or b for a, b in _EQUAL_COLUMN.findall(condition)}
    return found.pop() if len(found) == 1 else None


def loads_collection(span: QuerySpan) -> bool:
    """Whether a lazy load reads many rows: SQLAlchemy writes `? = child.parent_id` for those."""
    return _COLLECTION.found(span.query_text)


def is_count(span: QuerySpan) -> bool:
    """Whether it counts rows."""
    return _COUNT.found(span.query_text)


def has_limit(span: QuerySpan) -> bool:
    """Whether it asks for so many rows at most."""
    return _LIMIT.found(span.query_text)


def has_join(span: QuerySpan) -> bool:
    """Whether it joins tables by that word."""
    return _JOIN.found(span.query_text)
