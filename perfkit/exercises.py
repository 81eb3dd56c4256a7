"""Questions in a notebook: the reader answers, `check` judges, `hint` helps a little more each time.

Three outcomes, as in Kaggle's learntools: not attempted, not yet because …, correct. An untouched notebook
runs from top to bottom, because a question that nobody has answered is no error.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from perfkit.model.wording import counted
from perfkit.views._html import FONT, MUTED, Html, code, join, pill, tag

MIME_EXERCISE = "application/vnd.perfkit.exercise+json"
_CODE = re.compile(r"`([^`]+)`")


class Status(StrEnum):
    """How far the reader came."""

    NOT_ATTEMPTED = "not attempted"
    NOT_YET = "not yet"
    CORRECT = "correct"


_KINDS = {Status.NOT_ATTEMPTED: "neutral", Status.NOT_YET: "worth it", Status.CORRECT: "good"}

Judge = Callable[..., "str | Status | None"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one check; shows itself. `remark` is the reason, or what the answer shows."""

    question: str
    status: Status
    remark: str

    def __str__(self) -> str:
        return f"{_label(self.status)} {_plain(self.remark)}".rstrip()

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        label = pill(_label(self.status), _KINDS[self.status])
        return {
            "text/plain": str(self),
            "text/html": _line(join([label, " ", _with_code(self.remark)])).markup,
            MIME_EXERCISE: {"question": self.question, "status": self.status.value},
        }


@dataclass(frozen=True, slots=True)
class Hint:
    """One hint; shows itself. `number` counts from 1."""

    number: int
    total: int
    text: str

    @property
    def label(self) -> str:
        """Which one it is, and whether it is the last."""
        last = ", the last one" if self.number == self.total else ""
        return f"Hint {self.number} of {self.total}{last}"

    def __str__(self) -> str:
        return f"{self.label}: {_plain(self.text)}"

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        label = tag("span", f"{self.label}: ", MUTED)
        return {"text/plain": str(self), "text/html": _line(join([label, _with_code(self.text)])).markup}


class Exercise:
    """One question of a notebook.

    Args:
        question: what is asked, in a sentence; a notebook's questions have different ones.
        judge: given the answer and what `check` was told besides; returns `None` for a right answer, the
            reason for a wrong one (it continues "Not yet, because"), or `Status.NOT_ATTEMPTED`.
        hints: from a nudge to almost the answer.
        correct: what a right answer shows, in a sentence. Backticks mark code, here and in the hints.

    Attributes:
        accepted: the last right answer, `None` as long as there is none.
    """

    def __init__(self, question: str, judge: Judge, *, hints: Sequence[str] = (), correct: str = "") -> None:
        self.question = question
        self.accepted: Any = None
        self._judge = judge
        self._hints = tuple(hints)
        self._correct = correct
        self._given = 0

    def check(self, answer: object = ..., **facts: object) -> Outcome:
        """Judge an answer.

        Args:
            answer: the reader's; the placeholder `...` stands for none.
            facts: what the judge needs to know besides, such as a number that was measured.

        Returns:
            The outcome, which shows itself. An answer that raises is a wrong one, not an error.
        """
        if answer is ...:
            return self._outcome(Status.NOT_ATTEMPTED)
        try:
            verdict = self._judge(answer, **facts)
        except Exception as error:
            # Whatever the reader's code raises belongs to the reader's answer.
            verdict = f"it raised {type(error).__name__}: {_first_line(error)}"
        if isinstance(verdict, Status):
            return self._outcome(verdict)
        if verdict:
            return Outcome(self.question, Status.NOT_YET, verdict)
        self.accepted = answer
        return self._outcome(Status.CORRECT)

    def hint(self) -> Hint:
        """Show the next hint; after the last one, the last again."""
        if not self._hints:
            return Hint(1, 1, "there is none for this question. Unfold the solution.")
        self._given = min(self._given + 1, len(self._hints))
        return Hint(self._given, len(self._hints), self._hints[self._given - 1])

    def _outcome(self, status: Status) -> Outcome:
        return Outcome(
            self.question, status, self._correct if status is Status.CORRECT else self._invitation()
        )

    def _invitation(self) -> str:
        help_ = f" There {'is' if len(self._hints) == 1 else 'are'} {counted(len(self._hints), 'hint')}."
        return "Replace the dots by your answer and run it again." + (help_ if self._hints else "")


def _label(status: Status) -> str:
    return {
        Status.NOT_ATTEMPTED: "Not attempted.",
        Status.NOT_YET: "Not yet, because",
        Status.CORRECT: "Correct.",
    }[status]


def _first_line(error: Exception) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), "without a message")


def _plain(text: str) -> str:
    return text.replace("`", "")


def _with_code(text: str) -> Html:
    """Backticks become code; everything is escaped."""
    return join(code(part) if index % 2 else part for index, part in enumerate(_CODE.split(text)))


def _line(content: Html) -> Html:
    return tag("div", content, f"{FONT};font-size:13.5px;line-height:1.6;max-width:760px;margin:4px 0")
