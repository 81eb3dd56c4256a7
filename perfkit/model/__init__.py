"""What was measured and judged: frozen dataclasses that go to JSON and back, with no clock and no I/O."""
