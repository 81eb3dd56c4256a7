"""Two measurements of one kind side by side, as objects that show themselves."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Protocol, TypeVar

from perfkit.model.cpu import CpuProfile
from perfkit.model.memory import MemoryProfile
from perfkit.views import memory_diff, profile_diff
from perfkit.views._html import Html

if TYPE_CHECKING:
    import pandas

Measured = TypeVar("Measured")


class _View(Protocol):
    """A module that shows two measurements."""

    def rows(self, before: Any, after: Any) -> list[dict[str, object]]: ...

    def as_text(self, before: Any, after: Any, *, title: str) -> str: ...

    def as_html(self, before: Any, after: Any, *, title: str) -> Html: ...


@dataclass(frozen=True)
class _SideBySide(Generic[Measured]):
    view: ClassVar[_View]

    before: Measured
    after: Measured
    title: str = "before → after"

    def frame(self) -> "pandas.DataFrame":
        """One row a thing that both sides were compared by; the names of the columns give the units."""
        import pandas as pd

        return pd.DataFrame(self.view.rows(self.before, self.after))

    def __str__(self) -> str:
        return self.view.as_text(self.before, self.after, title=self.title)

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        markup = self.view.as_html(self.before, self.after, title=self.title).markup
        return {"text/plain": str(self), "text/html": markup}


class MemoryDiff(_SideBySide[MemoryProfile]):
    """What takes more and less memory between two results: in all, by line and by type.

    Its frame has one row a number, a line and a type; sizes are in bytes.
    """

    view: ClassVar[_View] = memory_diff


class ProfileDiff(_SideBySide[CpuProfile]):
    """What became slower and faster between two profiles, function by function.

    Its frame has one row a function, what became slower by the most first; times are in milliseconds.
    """

    view: ClassVar[_View] = profile_diff
