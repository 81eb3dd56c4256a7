"""An empty cell, with and without `%%querycount`, in a real kernel, interleaved. Argument: repeats.

Answers with milliseconds: how long the kernel was busy with the cell, and the time until the client had it
all, by cell.
"""

import json
import os
import random
import sys
import tempfile
import time
from datetime import datetime
from typing import Any

from jupyter_client.manager import KernelManager

WARM_UPS = 5
CELLS = {
    "pass": "pass",
    "%%querycount": "%%querycount\npass",
    "%%capture (IPython's own)": "%%capture\npass",
}


def main() -> None:
    repeats = int(sys.argv[1])
    with tempfile.TemporaryDirectory() as folder:
        os.environ["IPYTHONDIR"] = folder
        manager = KernelManager(kernel_name="python3")
        manager.start_kernel()
        client = manager.client()
        client.start_channels()
        try:
            client.wait_for_ready(timeout=60)
            print(json.dumps(_measured(client, repeats)))
        finally:
            client.stop_channels()
            manager.shutdown_kernel(now=True)
            manager.cleanup_resources()


def _measured(client: Any, repeats: int) -> dict[str, list[tuple[float, float]]]:
    _run(client, "%load_ext perfkit\nimport sqlalchemy")
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in CELLS}
    for repeat in range(-WARM_UPS, repeats):
        for name in random.sample(list(CELLS), len(CELLS)):
            measured = _run(client, CELLS[name])
            if repeat >= 0:
                times[name].append(measured)
    return times


def _run(client: Any, code: str) -> tuple[float, float]:
    states: dict[str, datetime] = {}

    def collect(message: dict[str, Any]) -> None:
        if message["msg_type"] == "status":
            states[message["content"]["execution_state"]] = message["header"]["date"]

    start = time.perf_counter()
    reply = client.execute_interactive(code, output_hook=collect, timeout=60)
    wall_ms = (time.perf_counter() - start) * 1000
    if reply["content"]["status"] != "ok":
        raise RuntimeError(f"{reply['content']['ename']}: {reply['content']['evalue']}")
    return (states["idle"] - states["busy"]).total_seconds() * 1000, wall_ms


main()
