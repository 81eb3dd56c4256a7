"""The frames of all threads, in a process of its own: what is tested against would never end."""

import gc
import subprocess
import sys

import pytest

from perfkit.capture._running_frames import running_frames

COLLECTING = """
import gc, threading
from perfkit.capture._running_frames import running_frames

class Node:
    pass

def cycle():
    node = Node()
    node.itself, node.local = node, threading.local()

def look():
    gc.enable()
    return running_frames()

gc.set_threshold(1, 1, 1)
for _ in range(100):
    gc.disable()
    for _ in range(3):
        cycle()
    look()
"""


def test_garbage_that_is_due_while_frames_are_looked_up_does_not_stop_the_process():
    subprocess.run([sys.executable, "-c", COLLECTING], check=True, timeout=60)


@pytest.mark.parametrize("is_on", [True, False])
def test_the_collector_stays_as_the_program_has_it(is_on):
    (gc.enable if is_on else gc.disable)()
    try:
        assert running_frames()
        assert gc.isenabled() is is_on
    finally:
        gc.enable()
