"""Builds the sample data in the empty PERFKIT_HOME that the environment names. Argument: the scale.

Answers with seconds: starting a server that was never there, building, cloning, resetting.
"""

import json
import sys
import time

from perfkit.lab import build, open_shop, stop
from perfkit.lab.server import embedded_server

CLONES = 3


def main() -> None:
    scale = sys.argv[1]
    try:
        server_s, _ = _timed(embedded_server)
        build_s, rows = _timed(build, scale)
        clones, resets = [], []
        for number in range(CLONES):
            clone_s, shop = _timed(open_shop, f"bench{number}", scale=scale)
            clones.append(clone_s)
            shop.engine  # noqa: B018 - a shop that was never touched is not reset
            resets.append(_timed(shop.reset)[0])
            shop.close()
    finally:
        stop()
    found = {
        "rows": sum(rows.values()),
        "server_s": server_s,
        "build_s": build_s,
        "clone_s": clones,
        "reset_s": resets,
    }
    print(json.dumps(found))


def _timed(function, *arguments, **options):
    start = time.perf_counter()
    result = function(*arguments, **options)
    return time.perf_counter() - start, result


main()
