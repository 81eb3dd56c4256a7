"""What runs in processes of its own, so that each measurement starts from a fresh interpreter."""
