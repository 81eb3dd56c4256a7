"""Speed and overhead, measured beside the peers: `make bench`, or `python -m tests.benchmarks [NAME...]`."""
