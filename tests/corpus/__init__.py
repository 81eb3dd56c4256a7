"""Small real programs whose verdict a person can tell at a glance, and what each tool makes of them."""
