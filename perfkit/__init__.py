"""perfkit: find out why database-backed Python is slow, in the notebook."""
