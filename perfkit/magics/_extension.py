"""Puts the magics into an IPython shell and takes every trace of them out again."""

from collections.abc import Callable

from perfkit.magics._arguments import parse_line
from perfkit.magics._cell import CellMeter
from perfkit.magics._ipython import Magic, MagicError, Shell, unexpanded, usage
from perfkit.magics._magic import CellMagic
from perfkit.magics._rewrite import ATTRIBUTE, CellRewriter
from perfkit.magics._seal import SealLastExpression
from perfkit.magics.cells import CELL_MAGICS
from perfkit.magics.explain_sql import explain_cell, is_python
from perfkit.magics.lines import COMPARE, VERIFY, LineMagic
from perfkit.magics.pyspy import PYSPY
from perfkit.magics.status import Status, status
from perfkit.session import measure


class Extension:
    """Everything that `%load_ext perfkit` adds to one shell."""

    def __init__(self, shell: Shell) -> None:
        self._shell = shell
        self._cell_magics = {magic.name: magic for magic in CELL_MAGICS}
        own_status = LineMagic("perfkit", _STATUS_HELP, _no_arguments, self._status)
        self._line_magics = (VERIFY, COMPARE, PYSPY, own_status)
        self._meter = CellMeter(shell, self._cell_magics)
        # What rewritten cells call.
        self.begin, self.mark, self.seal = self._meter.begin, self._meter.mark, self._meter.seal
        self.defined = self._meter.defined
        self._rewriter = CellRewriter(self._measures)
        self._sealer = SealLastExpression(shell)
        self._callbacks: tuple[tuple[str, Callable[..., None]], ...] = (
            ("post_run_cell", self._meter.after_cell),
            ("post_execute", self._meter.after_silent_cell),
        )
        self._hidden: dict[tuple[str, str], Magic | None] = {}

    def load(self) -> None:
        """Add everything."""
        shell = self._shell
        setattr(shell, ATTRIBUTE, self)
        shell.input_transformers_cleanup.append(self._rewriter)
        shell.ast_transformers.append(self._sealer)
        for event, function in self._callbacks:
            shell.events.register(event, function)
        for magic in self._cell_magics.values():
            self._register("cell", magic.name, self._as_cell_magic(magic))
        for line_magic in self._line_magics:
            self._register("line", line_magic.name, self._as_line_magic(line_magic))
        # What a first block does once, such as looking for open connections, is done before the first cell.
        with measure():
            pass

    def unload(self) -> None:
        """Remove everything, and bring back magics of other packages that had the same names.

        Raises:
            MagicError: in the middle of a measured cell, which needs it to end.
        """
        if self._meter.busy:
            raise MagicError("This cell is being measured: unload perfkit in a cell of its own.")
        shell = self._shell
        shell.input_transformers_cleanup.remove(self._rewriter)
        shell.ast_transformers.remove(self._sealer)
        for event, function in self._callbacks:
            shell.events.unregister(event, function)
        for (kind, name), before in self._hidden.items():
            shell.magics_manager.magics[kind].pop(name, None)
            if before is not None:
                shell.magics_manager.magics[kind][name] = before
        delattr(shell, ATTRIBUTE)

    def _register(self, kind: str, name: str, function: Magic) -> None:
        # Into the table itself: IPython's own way to register offers no way back.
        table = self._shell.magics_manager.magics[kind]
        self._hidden[kind, name] = table.get(name)
        table[name] = unexpanded(function)

    def _measures(self, name: str, line: str, body: str) -> bool:
        """Whether `%%name line` above this body measures Python, so that the cell is to be rewritten."""
        return name in self._cell_magics and (name != "explain" or is_python(line, body))

    def _as_cell_magic(self, magic: CellMagic) -> Magic:
        """The magic as IPython knows it: for completion, help, SQL, and callers without a cell to rewrite."""

        def function(line: str, cell: str) -> None:
            if not self._body(cell).strip():
                raise MagicError(f"{magic.typed}: the cell is empty. {magic.wanted(line)}")
            if not self._measures(magic.name, line, cell):
                explain_cell(self._shell, line, cell)
                return
            parse_line(magic.parser, magic.typed, line)
            self._shell.run_cell(f"{magic.typed} {line}\n{cell}").raise_error()

        return _named(function, magic.name, magic.parser.format_help())

    def _body(self, cell: str) -> str:
        """What stands below all of our magics."""
        lines = cell.splitlines(keepends=True)
        return "".join(lines[self._rewriter.heads(lines)[1] :])

    def _as_line_magic(self, magic: LineMagic) -> Magic:
        def function(line: str) -> object:
            __tracebackhide__ = True
            return magic.call(self._shell, line)

        return _named(function, magic.name, magic.parser.format_help())

    def _status(self, shell: Shell, arguments: object) -> Status:
        magics: tuple[CellMagic | LineMagic, ...] = (*self._cell_magics.values(), *self._line_magics)
        return status(shell.user_ns, [(usage(magic.parser), magic.summary) for magic in magics])


_STATUS_HELP = "Show what perfkit can measure here, which engines it sees, and its magics."


def _no_arguments(parser: object) -> None:
    return None


def _named(function: Magic, name: str, document: str) -> Magic:
    function.__name__ = function.__qualname__ = name
    function.__doc__ = document
    return function
