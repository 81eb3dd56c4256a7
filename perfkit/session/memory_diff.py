"""Two memory results side by side, as an object that shows itself."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from perfkit.model.memory import MemoryProfile
from perfkit.views import memory_diff as view

if TYPE_CHECKING:
    import pandas


@dataclass(frozen=True)
class MemoryDiff:
    """What takes more and less memory between two results: in all, by line and by type."""

    before: MemoryProfile
    after: MemoryProfile
    title: str = "before → after"

    def frame(self) -> "pandas.DataFrame":
        """One row a number, a line and a type; sizes in bytes."""
        import pandas as pd

        return pd.DataFrame(view.rows(self.before, self.after))

    def __str__(self) -> str:
        return view.as_text(self.before, self.after, title=self.title)

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        markup = view.as_html(self.before, self.after, title=self.title).markup
        return {"text/plain": str(self), "text/html": markup}
