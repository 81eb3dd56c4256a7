"""Two profiles side by side, as an object that shows itself."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from perfkit.model.cpu import CpuProfile
from perfkit.views import profile_diff as view

if TYPE_CHECKING:
    import pandas


@dataclass(frozen=True)
class ProfileDiff:
    """What became slower and faster between two profiles, function by function."""

    before: CpuProfile
    after: CpuProfile
    title: str = "before → after"

    def frame(self) -> "pandas.DataFrame":
        """One row a function, what became slower by the most first; times in milliseconds."""
        import pandas as pd

        return pd.DataFrame(view.rows(self.before, self.after))

    def __str__(self) -> str:
        return view.as_text(self.before, self.after, title=self.title)

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        markup = view.as_html(self.before, self.after, title=self.title).markup
        return {"text/plain": str(self), "text/html": markup}
