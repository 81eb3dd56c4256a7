"""Look-alikes: programs that are right as they are, on which every rule must stay silent."""
