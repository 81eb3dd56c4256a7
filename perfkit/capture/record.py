"""A statement while it runs."""

from perfkit.capture.orm import NO_LOAD, OrmLoad
from perfkit.capture.positions import NOWHERE
from perfkit.capture.rows import RowCount


class Record:
    """A statement while it runs. Mutable and small: there may be a million of them."""

    __slots__ = (
        "batch_size", "connection_id", "consumed", "driver", "end", "error_type",
        "is_background", "load", "offset", "parameter_count", "parameters", "position", "returned_bytes",
        "rows", "serial", "shape_source", "start", "system_name", "task_id", "thread_id",
    )  # fmt: skip

    def __init__(self, serial: int, shape_source: str, system_name: str, driver: str) -> None:
        self.serial = serial
        self.shape_source = shape_source
        self.system_name = system_name
        self.driver = driver
        self.start = self.end = 0.0
        self.position = NOWHERE
        self.load: OrmLoad = NO_LOAD
        self.parameters: int | None = None
        self.parameter_count: int | None = None
        self.offset: int | None = None
        self.rows: int | None = None
        self.returned_bytes: int | None = None
        self.consumed: RowCount | None = None
        self.error_type: str | None = None
        self.thread_id = 0
        self.task_id: str | None = None
        self.batch_size = 1
        self.connection_id = 0
        self.is_background = False

    @property
    def read_s(self) -> float:
        """Seconds in which the database went on while rows were read: SQLite runs a statement then."""
        return self.consumed.fetch_s if self.consumed and self.system_name == "sqlite" else 0.0

    @property
    def consumed_rows(self) -> int | None:
        """Rows that the program read so far; `None` where they are not counted."""
        return self.consumed.rows if self.consumed else None

    @property
    def sent_rows(self) -> int | None:
        """Rows that the database sent; those that were read where the driver cannot tell."""
        if self.rows is not None or self.consumed is None or self.consumed.rows is None:
            return self.rows
        return self.consumed.rows + self.consumed.unused
