"""Measures the cell that is running, from its first line to its last expression, whatever happens in it.

`_rewrite` puts `begin(...)` in place of the magics, `_seal` wraps the last expression in `seal(...)`,
`_failure` tells of an error before its traceback is rendered, and IPython calls `after_cell` when the cell
has ended in any way: normally, with an error, or interrupted.
"""

import asyncio
import functools
import operator
import sys
from dataclasses import dataclass, field

from perfkit.magics._failure import FailureWatch
from perfkit.magics._ipython import CellResult, MagicError, Shell, show
from perfkit.magics._listing import list_as_typed
from perfkit.magics._magic import CellMagic, Run
from perfkit.magics._repeat import Repetition
from perfkit.magics._rewrite import BEGIN
from perfkit.session import Measurement, Result

# A SIGINT during an await is seen by the event loop only when something wakes it (ipykernel issue 881). Five
# times a second is soon for a person and costs nothing that could be measured.
_HEARTBEAT_S = 0.2


@dataclass
class MeasuredCell:
    """A cell under one or more magics, while it runs. `token` is how IPython knows the cell."""

    token: CellResult | None
    runs: tuple[Run, ...]
    measurement: Measurement
    repetition: Repetition | None = None
    sealed: bool = False
    heartbeat: asyncio.TimerHandle | None = field(default=None, repr=False)

    @property
    def typed(self) -> str:
        """The magics as the person typed them."""
        return " with ".join(run.magic.typed for run in self.runs)

    def start(self) -> None:
        """Start to measure.

        Raises:
            MagicError: if that is not possible now, for example because another profiler is running.
        """
        self._beat()
        try:
            if self.repetition:
                self.repetition.start()
            self.measurement.start()
        except BaseException as error:
            self._still()
            if self.repetition:
                self.repetition.stop()
            if isinstance(error, Exception):
                raise MagicError(f"{self.typed} cannot measure this cell: {error}") from None
            raise
        if self.repetition:
            self.repetition.arm()

    def seal(self) -> None:
        """Stop the clock and the collectors. Idempotent."""
        self.sealed = True
        if self.repetition:
            self.repetition.disarm()
        self.measurement.seal()
        if self.repetition:
            self.repetition.stop()
        self._still()

    def _still(self) -> None:
        if self.heartbeat is not None:
            self.heartbeat.cancel()

    def _beat(self) -> None:
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return
        self.heartbeat = loop.call_later(_HEARTBEAT_S, self._beat)

    def belongs_to(self, result: CellResult | None) -> bool:
        """Whether this is the cell that ended with this result, and not one that ran inside it."""
        if result is None or self.token is None or result is self.token:
            return True
        # After Ctrl-C in an await, terminal IPython makes a new result for the same cell.
        return result.info.raw_cell is self.token.info.raw_cell


class CellMeter:
    """The cells that are being measured now: usually one, more when a cell runs another."""

    def __init__(self, shell: Shell, magics: dict[str, CellMagic]) -> None:
        self._shell = shell
        self._magics = magics
        self._cells: list[MeasuredCell] = []
        self._failures = FailureWatch(shell, self._seal_failed)

    @property
    def busy(self) -> bool:
        """Whether a cell is being measured."""
        return bool(self._cells)

    def begin(self, *heads: str) -> None:
        """Start to measure the running cell: what its first lines have become.

        Args:
            heads: `name arguments` of each magic on the cell, from the top.

        Raises:
            MagicError: if one of them cannot be; then none is started.
        """
        list_as_typed(sys._getframe(1).f_code.co_filename, f"%%{heads[0]}", BEGIN)
        token = self._shell.displayhook.exec_result
        runs = tuple(self._run(head) for head in heads)
        for run in runs:
            self._refuse_second(token, run.magic)
        number = self._shell.execution_count if token is None else token.execution_count
        parts = functools.reduce(operator.or_, (run.parts for run in runs))
        repeats = (run.arguments for run in runs if getattr(run.arguments, "repeat", None))
        repetition = next((Repetition(self._shell, token, arguments) for arguments in repeats), None)
        cell = MeasuredCell(token, runs, parts.measurement(f"Cell In[{number}]"), repetition)
        self._cells.append(cell)
        self._failures.start()
        try:
            cell.start()
        except BaseException:
            self._remove(cell)
            raise

    def mark(self, line_number: int) -> None:
        """A statement of the cell begins: what a cell under `%%memtrace` calls before each."""
        file_path = sys._getframe(1).f_code.co_filename
        for cell in self._cells:
            if not cell.sealed:
                cell.measurement.mark(file_path, line_number)

    def defined(self, function: object) -> None:
        """The cell has defined a function that `%%profile -l` names."""
        for cell in self._cells:
            if not cell.sealed:
                cell.measurement.defined(function)

    def seal(self, value: object = None) -> object:
        """Stop the clock; returns the value of the cell's last expression unchanged."""
        for cell in reversed(self._cells):
            if not cell.sealed:
                cell.seal()
                break
        return value

    def after_cell(self, result: CellResult | None) -> None:
        """Finish what belongs to the cell that has ended, and show it."""
        ended = [cell for cell in self._cells if cell.belongs_to(result)]
        for cell in reversed(ended):
            self._remove(cell)
            cell.seal()
        for cell in ended:
            self._finish(cell, result)

    def after_silent_cell(self) -> None:
        """Drop what was measured in a cell that a program runs without output: no other event ends it."""
        for cell in [cell for cell in self._cells if cell.token is not None and cell.token.info.silent]:
            self._remove(cell)
            cell.seal()

    def _remove(self, cell: MeasuredCell) -> None:
        self._cells.remove(cell)
        if not self._cells:
            self._failures.stop()

    def _seal_failed(self) -> None:
        """Stop the clocks of cells that an error has ended: its traceback, shown next, is not their work.

        IPython has noted the error by now. A traceback that the cell itself shows finds none noted, and
        neither does the one after Ctrl-C in an await at the terminal: `after_cell` seals that cell.
        """
        for cell in reversed(self._cells):
            error = error_of(cell.token)
            if not cell.sealed and error is not None:
                cell.seal()

    def _run(self, head: str) -> Run:
        name, _, line = head.partition(" ")
        return self._magics[name].run(self._shell, line)

    def _refuse_second(self, token: CellResult | None, magic: CellMagic) -> None:
        """A magic such as `%%timeit` above ours would run the cell, and our start, many times."""
        same_cell = (cell for cell in self._cells if cell.token is token)
        if any(run.magic is magic for cell in same_cell for run in cell.runs):
            raise MagicError(
                f"{magic.typed} is measuring this cell already. A magic that runs a cell many times, "
                f"such as %%timeit, goes below {magic.typed}."
            )

    def _finish(self, cell: MeasuredCell, result: CellResult | None) -> None:
        error, refusal = error_of(result), None
        try:
            if cell.repetition and error is None:
                refusal = cell.repetition.run(cell.measurement)
            cell.measurement.stop(error)
        except KeyboardInterrupt:
            sys.stderr.write(f"{cell.typed} was interrupted before its report was ready.\n")
            return
        for run in cell.runs:
            own = run.result(cell.measurement.trace)
            if run.name:
                self._shell.push({run.name: own})
            show(own)
            failure = _show_more(run, own) or run.magic.check(own, run.arguments) or refusal
            if failure is not None and result is not None and error is None:
                self._fail(result, failure)

    def _fail(self, result: CellResult, failure: Exception) -> None:
        """Let the cell end with an error, so that the frontend, nbclient and "run all" see one."""
        result.error_in_exec = failure
        self._shell.showtraceback((type(failure), failure, None))


def _show_more(run: Run, own: Result) -> Exception | None:
    try:
        for item in run.magic.follow(own, run.arguments):
            show(item)
    except MagicError as error:
        return error
    return None


def error_of(result: CellResult | None) -> BaseException | None:
    """What ended the cell before its end, if anything did."""
    return None if result is None else result.error_before_exec or result.error_in_exec
