"""Which statements change data, judged by their verb and their shape."""

from dataclasses import replace

import pytest

from perfkit.capture.fingerprint import fingerprint, operation_name
from perfkit.model import builders
from perfkit.model.connection import TransactionEvent
from perfkit.model.query import QueryTotals
from perfkit.model.query_writes import are_rolled_back, write_verb, writes_of

WRITES = {
    "INSERT INTO t VALUES (1)": "INSERT",
    "/* note */ UPDATE t SET a = 1": "UPDATE",
    "DELETE FROM t": "DELETE",
    "MERGE INTO t USING s ON t.id = s.id WHEN MATCHED THEN DELETE": "MERGE",
    "REPLACE INTO t VALUES (1)": "REPLACE",
    "TRUNCATE t": "TRUNCATE",
    "CREATE TEMPORARY TABLE t (a int)": "CREATE",
    "ALTER TABLE t ADD a int": "ALTER",
    "CALL refresh()": "CALL",
    "COPY t (a, b) FROM STDIN": "COPY",
    "WITH gone AS (DELETE FROM t RETURNING *) SELECT * FROM gone": "DELETE",
    "WITH s AS (SELECT 1) INSERT INTO t SELECT * FROM s": "INSERT",
    "WITH u AS (\n  UPDATE t SET a = 1 RETURNING a) SELECT * FROM u": "UPDATE",
    "WITH s AS (SELECT 1 AS a) UPDATE t SET a = s.a FROM s": "UPDATE",
    "SELECT * INTO copied FROM t": "SELECT INTO",
}
READS = [
    "SELECT 1",
    "SELECT * FROM t WHERE id = 1 FOR UPDATE",
    "SELECT * FROM t FOR NO KEY UPDATE SKIP LOCKED",
    "WITH s AS (SELECT * FROM t FOR UPDATE) SELECT * FROM s FOR SHARE",
    "SELECT (SELECT max(a) FROM t) AS m FROM t FOR UPDATE OF t",
    "SELECT 'DELETE FROM t; INSERT INTO t' AS text",
    "SELECT a -- UPDATE t SET\nFROM t",
    'SELECT "update", t.update, update FROM t',
    "SELECT name INTO @name FROM t",
    "VALUES (1)",
    "(SELECT 1) UNION (SELECT 2)",
    "SHOW work_mem",
    "EXPLAIN INSERT INTO t VALUES (1)",
    "SET LOCAL work_mem = '64MB'",
    "PRAGMA table_info(t)",
    "DECLARE c CURSOR FOR SELECT 1",
    "FETCH 100 FROM c",
    "COPY (SELECT 1) TO STDOUT",
    "COPY t (a, b) TO STDOUT",
    "COPY t TO STDOUT",
    "SAVEPOINT a",
    "ROLLBACK TO SAVEPOINT a",
    "",
]


def sent(text, **said):
    return builders.query(fingerprint(text), operation_name=operation_name(text), **said)


@pytest.mark.parametrize(("text", "verb"), WRITES.items())
def test_what_changes_data_is_a_write(text, verb):
    assert write_verb(sent(text)) == verb


@pytest.mark.parametrize("text", READS)
def test_what_only_reads_or_locks_is_none(text):
    assert write_verb(sent(text)) == ""


def test_writes_are_counted_with_those_not_kept_one_by_one_and_without_those_of_other_tasks():
    totals = QueryTotals("INSERT INTO t VALUES (?)", "INSERT INTO t VALUES (?)", "INSERT", 500, 10.0)
    others = (sent("DELETE FROM t", is_background=True),)
    own = builders.trace(sent("INSERT INTO t VALUES (1)"))
    block = replace(own, more_queries=(totals,), background_queries=others)
    assert writes_of(block) == {"INSERT": 501}


def test_a_block_that_was_not_measured_has_none():
    assert not writes_of(builders.unmeasured())


def block(*kinds, connection_id=0, start_ms=1.0):
    events = tuple(TransactionEvent(kind, 2.0 + i, connection_id) for i, kind in enumerate(kinds))
    write = replace(sent("INSERT INTO t VALUES (1)"), start_ms=start_ms)
    return replace(builders.trace(), queries=(write,), transactions=events)


def test_a_write_with_a_rollback_behind_it_is_rolled_back():
    assert are_rolled_back(block("rollback"))
    assert are_rolled_back(block("rollback", "begin", "commit"))


@pytest.mark.parametrize(
    "other",
    [
        block("commit"),
        block(),
        block("begin"),
        block("commit", "rollback"),
        block("rollback", connection_id=1),
        block("rollback", start_ms=3.0),
    ],
)
def test_a_write_that_was_committed_or_left_open_is_not(other):
    assert not are_rolled_back(other)
