"""`python -m perfkit.cli`, for where the console script is not on the path."""

import sys

from perfkit.cli import main

sys.exit(main())
