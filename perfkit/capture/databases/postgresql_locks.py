"""Advisory locks of a PostgreSQL session: they outlive a rollback, so those that are new are given back."""

from sqlalchemy.engine import Connection

from perfkit.capture.databases.postgresql_session import rows_or_none

Lock = tuple[int, int, int, str]

_HELD = """
SELECT classid::bigint, objid::bigint, objsubid::int, mode FROM pg_catalog.pg_locks
WHERE locktype = 'advisory' AND pid = pg_backend_pid() AND granted
"""
_FUNCTIONS = {"ExclusiveLock": "pg_advisory_unlock", "ShareLock": "pg_advisory_unlock_shared"}
_TWO_NUMBERS = 2
_SIGN = 1 << 31


def advisory_locks(connection: Connection) -> frozenset[Lock]:
    """The advisory locks that this session holds."""
    return frozenset(tuple(row) for row in rows_or_none(connection, _HELD) or [])


def release_new(connection: Connection, before: frozenset[Lock]) -> None:
    """Give back every advisory lock that was not held before, however often it was taken since."""
    while new := advisory_locks(connection) - before:
        calls = ", ".join(_unlock(*lock) for lock in sorted(new))
        answer = rows_or_none(connection, f"SELECT {calls}")
        if not answer or not any(answer[0]):
            return


def _unlock(high: int, low: int, kind: int, mode: str) -> str:
    if kind == _TWO_NUMBERS:
        return f"{_FUNCTIONS[mode]}({_signed(high, _SIGN)}, {_signed(low, _SIGN)})"
    return f"{_FUNCTIONS[mode]}({_signed(high << 32 | low, _SIGN << 32)})"


def _signed(number: int, sign: int) -> int:
    return number - 2 * sign if number >= sign else number
