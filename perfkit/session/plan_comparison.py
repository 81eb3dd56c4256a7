"""The plans of two blocks side by side, as an object that shows itself."""

from dataclasses import dataclass
from typing import Any

from perfkit.model.plan import Plan
from perfkit.views import plan_comparison as view
from perfkit.views._html import card, heading, paragraph


@dataclass(frozen=True)
class PlanComparison:
    """Each statement's plan before and after, matched node by node; statements go by their shape."""

    before: tuple[Plan, ...]
    after: tuple[Plan, ...]
    title: str = "before → after"

    def __str__(self) -> str:
        plans = (self.before, self.after)
        return "\n".join([self.title, view.as_text(*plans), *view.caveats(*plans)])

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        plans = (self.before, self.after)
        caveats = [paragraph(caveat, quiet=True) for caveat in view.caveats(*plans)]
        shown = card(heading(self.title), view.as_html(*plans), *caveats)
        return {"text/plain": str(self), "text/html": shown.markup}
