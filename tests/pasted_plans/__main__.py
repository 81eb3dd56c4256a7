"""`python -m tests.pasted_plans [ADDRESS …]`: record the plans again."""

import sys
import tempfile
from pathlib import Path

from tests.pasted_plans.recording import record
from tests.plan_server import server_url

if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="perfkit-pasted-") as folder:
        for address in sys.argv[1:] or server_url(str(Path(folder) / "server")):
            print(record(address))
