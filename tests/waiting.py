"""How long a test waits for another process, and how it waits for a file."""

import subprocess
import threading
from pathlib import Path
from typing import Any

# What takes seconds here takes minutes on a machine ten times slower whose processors others use. What hangs,
# hangs for ever: only then is this the end.
WAIT_S = 600.0


def wait_for_file(path: Path, process: "subprocess.Popen[Any]") -> None:
    """Wait until a file is there that this process writes."""
    pause = threading.Event()
    while not path.exists():
        assert process.poll() is None, f"the process ended without writing {path}"
        pause.wait(0.05)
