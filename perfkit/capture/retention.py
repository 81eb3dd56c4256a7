"""What stays after a block: object types and their holders, caches, and containers that grew."""

from perfkit.capture.growing_containers import CacheWatch, ContainerWatch
from perfkit.capture.heap import HeapGrowth
from perfkit.model.retention import Retention, TypeGrowth


class RetentionWatch:
    """Looks at the heap before and after a block; never while it runs."""

    def __init__(self) -> None:
        self._heap = HeapGrowth()
        self._containers = ContainerWatch()
        self._caches = CacheWatch()
        self._types: tuple[TypeGrowth, ...] = ()

    def start(self) -> None:
        """Note what is there."""
        self._containers.start()
        self._caches.read()
        self._heap.start()

    def stop(self) -> Retention:
        """Note what is there now, and look for who holds the most of what is new."""
        grown = self._containers.read()
        self._caches.read()
        self._types = self._heap.stop(grown)
        return self.retention()

    def read_again(self) -> None:
        """Note the lengths of containers and caches once more, after the block has run again."""
        self._containers.read()
        self._caches.read()

    def retention(self) -> Retention:
        """What was seen so far."""
        return Retention(self._types, self._caches.uses(), self._containers.uses(), tuple(self._heap.notes))
