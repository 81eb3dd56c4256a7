import asyncio
import json

import pytest
from sqlalchemy import create_engine, text

from perfkit.model.verification import Outcome, verification_from_json
from perfkit.session import MIME_VERIFICATION, verify, verify_async

SERIES = (
    "WITH RECURSIVE s(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM s WHERE n + 1 < :count) SELECT n FROM s"
)


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


def test_a_coroutine_function_is_sent_to_the_other_verify():
    async def work():
        return 1

    with pytest.raises(TypeError, match="verify_async"):
        verify(work, work)


def test_a_generator_is_refused_because_nothing_of_it_has_run(engine):
    with pytest.raises(TypeError, match="generator"):
        verify(lambda: (n for n in slow(engine)), lambda: fast(engine))


def test_the_order_of_rows_counts_unless_told_otherwise(engine):
    def reversed_rows():
        return fast(engine)[::-1]

    assert verify(lambda: slow(engine), reversed_rows).outcome is Outcome.NOT_EQUIVALENT
    assert verify(lambda: slow(engine), reversed_rows, ordered=False).outcome is Outcome.FASTER


def test_an_error_of_the_users_reaches_the_user(engine):
    with pytest.raises(ZeroDivisionError):
        verify(lambda: 1 / 0, lambda: fast(engine))


def test_the_proof_travels_in_the_notebook(engine):
    proof = verify(lambda: slow(engine), lambda: fast(engine))

    bundle = json.loads(json.dumps(proof._repr_mimebundle_()))

    assert verification_from_json(bundle[MIME_VERIFICATION]) == proof.verification
    assert "300" in bundle["text/plain"]
