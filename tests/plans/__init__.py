"""Real plans of PostgreSQL 18, two for each rule: one on which it fires, and a twin on which it is silent.

`python -m tests.plans [RULE …]` records them again, on an embedded server; the tests judge what was recorded.
"""
