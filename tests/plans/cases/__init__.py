"""One file a rule about plans, named like the rule's module."""
