"""What an import takes beyond SQLAlchemy's. Argument: the statement. Answers with wall and CPU in ms."""

import json
import sys
import time

import sqlalchemy  # noqa: F401 - what comes now is measured beyond it

before_cpu, before = time.process_time(), time.perf_counter()
exec(sys.argv[1])
after, after_cpu = time.perf_counter(), time.process_time()
print(json.dumps([(after - before) * 1000, (after_cpu - before_cpu) * 1000]))
