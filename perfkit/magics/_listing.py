"""The listing of a measured cell, as tracebacks and debuggers show it, is what the person typed.

IPython keeps the text that runs, whose first line is the call of `begin`. The magics stand in its place, as
comments: whoever marks the failing part of a line has to parse the listing.
"""

import linecache


def as_comment(line: str) -> str:
    """A line of a magic, with its line break."""
    return f"# {line.strip()}\n"


def list_as_typed(file_path: str, first_line: str, call: str) -> None:
    """Show what was typed in the first line of a listing.

    Args:
        file_path: the name under which the cell's lines are known.
        first_line: as it was typed.
        call: how the line that runs in its place begins; a listing that begins in another way stays.
    """
    entry = linecache.cache.get(file_path)
    if entry is None or len(entry) == 1:  # a file that nobody has read
        return
    size, modified, lines, name = entry
    if lines and lines[0].startswith(call):
        shown = as_comment(first_line)
        new_size = size - len(lines[0]) + len(shown)
        linecache.cache[file_path] = (new_size, modified, [shown, *lines[1:]], name)
