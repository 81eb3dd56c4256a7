from pathlib import Path

import psutil

from perfkit.lab.leftovers import postgres_processes

WAIT_S = 60.0


def cluster_of(home: Path) -> Path:
    return home / "postgresql"


def servers_of(home: Path) -> list[int]:
    return [process.pid for process in postgres_processes(cluster_of(home) / "data")]


def gone(processes: list[psutil.Process]) -> bool:
    return psutil.wait_procs(processes, timeout=WAIT_S)[1] == []
