"""The lab: a sample shop on a real PostgreSQL that `pip` installed, with a network as slow as you like.

It knows nothing of the rest of perfkit.
"""

from perfkit.lab.errors import LabError
from perfkit.lab.face import build, info, remove, reset, stop
from perfkit.lab.shop import Shop, open_shop
from perfkit.lab.sqlite import open_sqlite

__all__ = ["LabError", "Shop", "build", "info", "open_shop", "open_sqlite", "remove", "reset", "stop"]
