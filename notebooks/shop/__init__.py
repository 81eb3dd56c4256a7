"""The sample application that the notebooks diagnose: a small shop, the way ordinary teams write one."""
