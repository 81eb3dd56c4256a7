"""Instructions to lines that a person can open, each looked up once."""

from perfkit.capture.call_site import code_location, line_at
from perfkit.capture.loop_header import loop_header_line
from perfkit.capture.positions import Instruction
from perfkit.model.location import CodeLocation


class Places:
    """Remembers the locations of a block: many statements share few lines."""

    def __init__(self) -> None:
        self._lines: dict[Instruction, CodeLocation] = {}
        self._loops: dict[Instruction, CodeLocation] = {}

    def line(self, place: Instruction | None) -> CodeLocation | None:
        """The line of an instruction."""
        if place is None:
            return None
        known = self._lines.get(place)
        if known is None:
            line = place.line or line_at(place.code, place.offset)
            known = self._lines[place] = code_location(place.code.co_filename, line, place.code.co_name)
        return known

    def loop(self, place: Instruction | None) -> CodeLocation | None:
        """The line where the loop around an instruction begins."""
        if place is None:
            return None
        known = self._loops.get(place)
        if known is None:
            line = place.line or loop_header_line(place.code, place.offset, line_at(place.code, place.offset))
            known = self._loops[place] = code_location(place.code.co_filename, line, place.code.co_name)
        return known
