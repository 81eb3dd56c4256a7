"""Settings of a database session, on which the answers of statements may hang: a tenant, a role, a path."""

import re

from perfkit.model.query import Member, QuerySpan
from perfkit.model.trace import Trace
from perfkit.rules._statements import changes_setting

_NAME = re.compile(r"(?:SET|RESET)\s+(?:(?:SESSION|LOCAL|GLOBAL)\s+)?([\w.@\"]+)|\w+", re.IGNORECASE)
_RESET_ALL = re.compile(r"\s*RESET\s+ALL\b", re.IGNORECASE)
# Names of settings with the statements that set them last.
_State = dict[str, tuple[str, str | int]]


class Settings:
    """Under which settings each statement of a block was sent, as far as the block itself set them."""

    def __init__(self, trace: Trace) -> None:
        self._states: dict[int, int] = {}
        now: dict[int, _State] = {}
        numbers: dict[frozenset[tuple[str, tuple[str, str | int]]], int] = {}
        for index, span in enumerate(trace.queries or ()):
            if _RESET_ALL.match(span.query_text):
                now.pop(span.connection_id, None)
            elif changes_setting(span):
                now.setdefault(span.connection_id, {})[_name(span)] = _value(index, span)
            elif span.connection_id in now:
                state = frozenset(now[span.connection_id].items())
                self._states[index] = numbers.setdefault(state, len(numbers) + 1)

    def under(self, index: int) -> int:
        """A number for the settings of a statement: equal for equal settings, 0 where nothing was set."""
        return self._states.get(index, 0)

    def together(self, members: list[Member]) -> list[Member]:
        """Those statements that another of them shares all settings with: others cannot be asked as one."""
        if not self._states:
            return members
        counts: dict[int, int] = {}
        for index, _ in members:
            state = self.under(index)
            counts[state] = counts.get(state, 0) + 1
        return [member for member in members if counts[self.under(member[0])] > 1]


def _name(span: QuerySpan) -> str:
    if span.operation_name not in ("SET", "RESET", "USE"):  # set_config() names the setting by a value
        return f"{span.fingerprint} {span.call_site}"
    found = _NAME.match(span.query_text)
    return (found[1] or found[0]).lower() if found else ""


def _value(index: int, span: QuerySpan) -> tuple[str, str | int]:
    """Values that are not known differ."""
    return span.fingerprint, span.parameter_fingerprint or index
