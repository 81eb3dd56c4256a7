"""Proof of a fix: the same result, the same or fewer exact counters, and time with statistics behind it."""
