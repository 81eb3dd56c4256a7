"""A cell under our magics becomes a plain cell: only its first lines change, so `await` works in it.

IPython hands the body of an ordinary cell magic over as text. Whoever runs that text himself loses top-level
`await`, the numbers of the lines, or the failure of the cell (`shell.run_cell` reports success to nbclient).
"""

import re
from collections.abc import Callable

from perfkit.magics._ipython import run_as_cell_magic
from perfkit.magics._listing import as_comment

_HEAD = re.compile(r"%%(\w+)(?:[ \t]+(.*?))?\s*$")
ATTRIBUTE = "_perfkit"
BEGIN = f"get_ipython().{ATTRIBUTE}.begin("


class CellRewriter:
    """Replaces the leading lines `%%name arguments` by one call and leaves the number of lines as it is.

    Args:
        is_ours: told the name of a magic, its arguments and the text below it, says whether that is Python
            to measure.
    """

    # Completeness of a cell that is being typed is for IPython to judge, which knows how for `%%`.
    has_side_effects = True

    def __init__(self, is_ours: Callable[[str, str, str], bool]) -> None:
        self._is_ours = is_ours

    def __call__(self, lines: list[str]) -> list[str]:
        """The lines as IPython should run them."""
        heads, start = self.heads(lines)
        body = lines[start:]
        if not heads:
            return lines
        if not "".join(body).strip():
            # A blank line more, and IPython lets our magic say what is missing.
            return run_as_cell_magic([*lines, "\n"])
        if body[0].startswith("%%"):
            body = run_as_cell_magic(body)
        begin = f"{BEGIN}{', '.join(map(repr, heads))})\n"
        others = [as_comment(line) if line.strip() else "\n" for line in lines[1:start]]
        return [begin, *others, *body]

    def heads(self, lines: list[str]) -> tuple[list[str], int]:
        """Our magics on top of these lines, as `name arguments`, and where what they measure begins."""
        heads: list[str] = []
        start = 0
        for index, line in enumerate(lines):
            if heads and not line.strip():
                continue
            match = _HEAD.match(line)
            if not match or not self._is_ours(match[1], match[2] or "", "".join(lines[index + 1 :])):
                return heads, index if heads and line.startswith("%%") else start
            heads.append(f"{match[1]} {match[2] or ''}".rstrip())
            start = index + 1
        return heads, start
