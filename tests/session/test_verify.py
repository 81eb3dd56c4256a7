import asyncio
import gc
import json

import pytest
from sqlalchemy import create_engine, text

from perfkit.model.verification import Outcome, verification_from_json
from perfkit.session import MIME_VERIFICATION, verify, verify_async

SERIES = (
    "WITH RECURSIVE s(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM s WHERE n + 1 < :count) SELECT n FROM s"
)


@pytest.fixture(autouse=True)
def only_young_objects():
    """Before each run that is timed, garbage is collected; the tests' own objects are many, and never are."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture
def engine():
    engine = create_engine("sqlite://")
    yield engine
    engine.dispose()


def slow(engine, count=300):
    with engine.connect() as connection:
        return [connection.scalar(text("SELECT :n"), {"n": n}) for n in range(count)]


def fast(engine, count=300):
    with engine.connect() as connection:
        return list(connection.scalars(text(SERIES), {"count": count}))


def test_a_fix_is_proved_by_result_counters_and_time(engine):
    proof = verify(lambda: slow(engine), lambda: fast(engine), target_ms=60_000)

    counters = {counter.name: (counter.before, counter.after) for counter in proof.verification.counters}
    assert proof.outcome is Outcome.FASTER
    assert proof.verification.equivalence.equal is True
    assert counters["statements"] == (300, 1)
    assert proof.verification.target.met is True


def test_a_fix_with_another_result_is_no_fix_and_is_not_timed(engine):
    calls = []

    def wrong():
        calls.append(1)
        return fast(engine, 299)

    proof = verify(lambda: slow(engine), wrong)

    assert proof.outcome is Outcome.NOT_EQUIVALENT
    assert (proof.verification.timing, len(calls)) == (None, 1)


def test_a_target_that_is_missed_is_said_to_be_missed(engine):
    proof = verify(lambda: slow(engine), lambda: fast(engine), target_ms=0.000_001)

    assert proof.verification.target.met is False


def test_coroutines_are_verified_in_the_running_loop(engine):
    async def before():
        await asyncio.sleep(0)
        return slow(engine)

    async def after():
        await asyncio.sleep(0)
        return fast(engine)

    proof = asyncio.run(verify_async(before, after))

    assert proof.outcome is Outcome.FASTER


def test_two_functions_that_return_nothing_are_timed_but_not_called_the_same(engine):
    def old_page():
        slow(engine)

    def new_page():
        fast(engine)

    proof = verify(old_page, new_page)

    assert proof.outcome is Outcome.FASTER
    assert proof.verification.equivalence.equal is None
    assert "result not certified" in str(proof).splitlines()[0]
    assert "neither version returned anything, so nothing could be compared; return what the page" in str(
        proof
    )


def test_a_function_that_returns_nothing_any_more_is_not_equivalent(engine):
    assert verify(lambda: fast(engine), lambda: None).outcome is Outcome.NOT_EQUIVALENT


def test_the_order_of_rows_counts_unless_told_otherwise(engine):
    def reversed_rows():
        return fast(engine)[::-1]

    strict = verify(lambda: slow(engine), reversed_rows)
    assert strict.outcome is Outcome.NOT_EQUIVALENT
    assert "(%verify --unordered, or ordered=False in Python, accepts that)" in str(strict)
    assert verify(lambda: slow(engine), reversed_rows, ordered=False).outcome is Outcome.FASTER


def test_the_proof_travels_in_the_notebook(engine):
    proof = verify(lambda: slow(engine), lambda: fast(engine))

    bundle = json.loads(json.dumps(proof._repr_mimebundle_()))

    assert verification_from_json(bundle[MIME_VERIFICATION]) == proof.verification
    assert "300" in bundle["text/plain"]


@pytest.fixture
def written():
    """An engine with one table, `t (a)`."""
    engine = create_engine("sqlite://")
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE t (a INTEGER)"))
    yield engine
    engine.dispose()


def insert(engine, number=1, *, undo=False):
    with engine.connect() as connection:
        connection.execute(text("INSERT INTO t VALUES (:n)"), {"n": number})
        if undo:
            connection.rollback()
        else:
            connection.commit()
    return number


def rows(engine):
    with engine.connect() as connection:
        return connection.scalar(text("SELECT count(*) FROM t"))


def test_functions_that_write_run_once_and_are_not_timed(written):
    proof = verify(lambda: insert(written), lambda: insert(written), target_ms=60_000)

    assert rows(written) == 2
    assert (proof.outcome, proof.verification.timing) == (Outcome.UNRESOLVED, None)
    assert proof.verification.equivalence.equal is True
    assert "before sent 1 × INSERT; after sent 1 × INSERT" in proof.verification.not_timed
    assert len(proof.verification.not_timed.splitlines()) == 2
    assert proof.verification.target.met is None
    for shown in (str(proof), proof._repr_mimebundle_()["text/html"]):
        assert "Not timed, because that takes many runs and each would write again" in shown
        assert "add --repeat-writes to %verify, or repeat_writes=True in Python" in shown


def test_one_function_that_writes_is_enough(written):
    proof = verify(lambda: 1, lambda: insert(written))

    assert rows(written) == 1
    assert "would write again: after sent 1 × INSERT." in proof.verification.not_timed


def test_writes_are_repeated_when_they_may_be(written):
    proof = verify(lambda: insert(written), lambda: insert(written), budget_s=3, repeat_writes=True)

    assert rows(written) > 4
    assert proof.verification.not_timed == ""
    assert proof.verification.timing is not None


def test_a_function_that_rolls_back_is_asked_for_too(written):
    proof = verify(lambda: insert(written, undo=True), lambda: insert(written, undo=True))

    assert rows(written) == 0
    assert proof.verification.timing is None
    assert "If their rollbacks undo all of it, add" in proof.verification.not_timed


def test_of_a_rollback_that_undid_nothing_the_first_run_is_the_only_one(written):
    autocommit = written.execution_options(isolation_level="AUTOCOMMIT")
    proof = verify(lambda: insert(autocommit, undo=True), lambda: 1)

    assert rows(written) == 1
    assert proof.verification.timing is None


def test_functions_that_lock_or_only_read_are_timed(written):
    def locks():
        with written.connect() as connection:
            connection.execute(text("BEGIN IMMEDIATE"))
            return connection.scalar(text("SELECT count(*) FROM t"))

    proof = verify(locks, lambda: rows(written), budget_s=0.2)

    assert proof.verification.timing is not None
    assert proof.verification.not_timed == ""


def test_different_results_are_said_before_anything_about_writes(written):
    proof = verify(lambda: insert(written, 1), lambda: insert(written, 2))

    assert proof.outcome is Outcome.NOT_EQUIVALENT
    assert proof.verification.not_timed == ""


def test_coroutines_that_write_run_once_unless_they_may_be_repeated(written):
    async def write():
        await asyncio.sleep(0)
        return insert(written)

    once = asyncio.run(verify_async(write, write))
    assert rows(written) == 2
    assert "1 × INSERT" in once.verification.not_timed

    often = asyncio.run(verify_async(write, write, budget_s=3, repeat_writes=True))
    assert rows(written) > 6
    assert often.verification.timing is not None
