"""Measures the cell that is running, from its first line to its last expression, whatever happens in it.

`_rewrite` puts `begin(...)` in place of the magics, `_seal` wraps the last expression in `seal(...)`, and
IPython calls `after_cell` when the cell has ended in any way: normally, with an error, or interrupted.
"""

import asyncio
import sys
from dataclasses import dataclass, field

from perfkit.magics._ipython import CellResult, MagicError, Shell, show
from perfkit.magics._magic import CellMagic, Run

# A SIGINT during an await is seen by the event loop only when something wakes it (ipykernel issue 881). Five
# times a second is soon for a person and costs nothing that could be measured.
_HEARTBEAT_S = 0.2


@dataclass
class MeasuredCell:
    """A cell under one or more magics, while it runs. `token` is how IPython knows the cell."""

    token: CellResult | None
    runs: tuple[Run, ...]
    sealed: bool = False
    heartbeat: asyncio.TimerHandle | None = field(default=None, repr=False)

    def start(self) -> None:
        """Start all measurements or none."""
        try:
            for run in self.runs:
                run.start()
        except BaseException:
            self.seal()
            raise
        self._beat()

    def seal(self) -> None:
        """Stop the clocks and the collectors, the innermost first. Idempotent."""
        self.sealed = True
        if self.heartbeat is not None:
            self.heartbeat.cancel()
        for run in reversed(self.runs):
            run.measurement.seal()

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
        token = self._shell.displayhook.exec_result
        number = self._shell.execution_count if token is None else token.execution_count
        runs = tuple(self._run(head, f"Cell In[{number}]") for head in heads)
        for run in runs:
            self._refuse_second(token, run.magic)
        cell = MeasuredCell(token, runs)
        self._cells.append(cell)
        try:
            cell.start()
        except BaseException:
            self._cells.remove(cell)
            raise

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
            self._cells.remove(cell)
            cell.seal()
        for cell in ended:
            for run in cell.runs:
                self._finish(run, result)

    def after_silent_cell(self) -> None:
        """Drop what was measured in a cell that a program runs without output: no other event ends it."""
        for cell in [cell for cell in self._cells if cell.token is not None and cell.token.info.silent]:
            self._cells.remove(cell)
            cell.seal()

    def _run(self, head: str, title: str) -> Run:
        name, _, line = head.partition(" ")
        return self._magics[name].run(self._shell, line, title)

    def _refuse_second(self, token: CellResult | None, magic: CellMagic) -> None:
        """A magic such as `%%timeit` above ours would run the cell, and our start, many times."""
        same_cell = (cell for cell in self._cells if cell.token is token)
        if any(run.magic is magic for cell in same_cell for run in cell.runs):
            raise MagicError(
                f"{magic.typed} is measuring this cell already. A magic that runs a cell many times, "
                f"such as %%timeit, goes below {magic.typed}."
            )

    def _finish(self, run: Run, result: CellResult | None) -> None:
        error = error_of(result)
        try:
            run.measurement.stop(error)
        except KeyboardInterrupt:
            sys.stderr.write(f"{run.magic.typed} was interrupted before its report was ready.\n")
            return
        if run.arguments.name:
            self._shell.push({run.arguments.name: run.measurement.result})
        show(run.measurement.result)
        failure = run.magic.check(run.measurement.result, run.arguments)
        if failure is not None and result is not None and error is None:
            self._fail(result, failure)

    def _fail(self, result: CellResult, failure: Exception) -> None:
        """Let the cell end with an error, so that the frontend, nbclient and "run all" see one."""
        result.error_in_exec = failure
        self._shell.showtraceback((type(failure), failure, None))


def error_of(result: CellResult | None) -> BaseException | None:
    """What ended the cell before its end, if anything did."""
    return None if result is None else result.error_before_exec or result.error_in_exec
