"""The frames that the threads run now, without Python 3.11's deadlock.

Up to 3.11.8, `sys._current_frames` holds the lock of the interpreter's list of threads while it makes frame
objects. One of them may start the garbage collector, and what is collected may want the same lock: a
`threading.local`, or a thread that ends. The process then stands still for ever (python/cpython#106883).
"""

import gc
import sys
from types import FrameType


def running_frames() -> dict[int, FrameType]:
    """The topmost frame of each thread, by the thread's number: `sys._current_frames`."""
    if sys.version_info >= (3, 12) or not gc.isenabled():
        return sys._current_frames()
    gc.disable()
    try:
        return sys._current_frames()
    finally:
        gc.enable()
