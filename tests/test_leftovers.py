"""What the fixture around every test takes for left behind."""

import signal
import sys

import pytest

from tests.conftest import leftovers

pytestmark = pytest.mark.skipif(
    sys.platform == "win32", reason="Windows has no such signal and no such timer"
)


def test_a_handler_of_the_profiling_signal_is_one():
    before = leftovers()
    signal.signal(signal.SIGPROF, signal.SIG_IGN)
    try:
        assert leftovers() != before
    finally:
        signal.signal(signal.SIGPROF, signal.SIG_DFL)
    assert leftovers() == before


@pytest.mark.parametrize("interval_s", [0, 1000])
def test_a_profiling_timer_that_goes_on_is_one(interval_s):
    before = leftovers()
    signal.setitimer(signal.ITIMER_PROF, 1000, interval_s)
    try:
        assert leftovers() != before
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
    assert leftovers() == before
