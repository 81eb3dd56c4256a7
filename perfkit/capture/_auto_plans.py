"""What auto_explain sends, put together: the slowest plan of each statement, and how often each was seen."""

import json
import re
import threading
from dataclasses import dataclass, replace
from typing import Any

from perfkit.capture.databases.errors import as_sent
from perfkit.capture.databases.literals import hide_values
from perfkit.capture.fingerprint import fingerprint, shape_id
from perfkit.model.plan import Plan
from perfkit.model.plan_reader import PlanFormatError, read_postgresql_plan

_NOTICE = re.compile(r"duration: (?P<ms>\d+(?:\.\d+)?) ms  plan:\n(?P<json>\{.*\})\s*\Z", re.DOTALL)
_TEXT = re.compile(r'"Query Text": ("(?:[^"\\]|\\.)*")')
_CURSOR = re.compile(r"\s*DECLARE\s.*?\sCURSOR\s.*?\bFOR\s+", re.IGNORECASE | re.DOTALL)
# More statements inside functions than that are of one kind; the slowest ones tell.
MAX_NESTED = 20


@dataclass(slots=True)
class _Seen:
    """The slowest run of one statement so far, as it was sent, and how many there were."""

    text: str
    duration_ms: float
    plan: str
    runs: int = 0
    outer: str | None = None


class AutoPlans:
    """Collects notices; every method may be called from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sources: dict[str, str] = {}
        self._current: dict[int, str] = {}
        self._seen: dict[tuple[str, str], _Seen] = {}

    def expect(self, connection: int, statement: str, source: str) -> None:
        """A statement is about to be sent.

        Args:
            connection: the number of the driver's connection.
            statement: what the driver gets.
            source: the text from which its shape is made.
        """
        with self._lock:
            self._sources[statement] = self._sources[as_sent(statement)[0]] = source
            self._current[connection] = statement

    def receive(self, connection: int, message: str) -> None:
        """A notice has come; what is no plan is left alone."""
        notice = _NOTICE.match(message)
        text = _TEXT.search(message) if notice else None
        if notice is None or text is None:
            return
        sent = _CURSOR.sub("", json.loads(text[1]), count=1)
        with self._lock:
            is_outer = sent in self._sources
            source = self._sources[sent] if is_outer else sent
            seen = self._seen.setdefault(("outer" if is_outer else "nested", source), _Seen(sent, -1.0, ""))
            seen.runs += 1
            seen.outer = None if is_outer else self._current.get(connection)
            if float(notice["ms"]) > seen.duration_ms:
                seen.duration_ms, seen.plan = float(notice["ms"]), notice["json"]

    def finished(self) -> tuple[dict[str, Plan], tuple[Plan, ...]]:
        """The plans by fingerprint, and the plans of statements inside functions, slowest first."""
        outer: dict[str, Plan] = {}
        nested: list[tuple[float, Plan]] = []
        for (kind, source), seen in self._seen.items():
            plan = _plan(seen)
            if plan is None:
                continue
            if kind == "outer":
                key = shape_id(fingerprint(source, "postgresql"))
                outer[key] = replace(plan, fingerprint=key)
            else:
                nested.append((seen.duration_ms * seen.runs, plan))
        nested.sort(key=lambda pair: -pair[0])
        return outer, tuple(plan for _, plan in nested[:MAX_NESTED])


def _plan(seen: _Seen) -> Plan | None:
    """Values stand in the plan as the server filled them in, so they are hidden whatever the text holds."""
    try:
        data: dict[str, Any] = json.loads(seen.plan)
        data.pop("Query Text", None)
        data["Execution Time"] = seen.duration_ms
        plan = read_postgresql_plan(hide_values([data], seen.text), seen.text)
    except (ValueError, PlanFormatError):
        return None
    notes: tuple[str, ...] = ("The plan of the run itself, by auto_explain: of several runs, the slowest.",)
    if seen.outer is not None:
        notes = (f"Ran inside a function that was called by: {' '.join(seen.outer.split())[:80]}", *notes)
    return replace(plan, executions=seen.runs, notes=(*plan.notes, *notes))
