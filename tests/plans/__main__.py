"""`python -m tests.plans [RULE …]`: record the plans again."""

import sys

from tests.plans.recording import names, record_all

if __name__ == "__main__":
    record_all(sys.argv[1:] or names())
