"""A finished block that shows itself: text in a terminal, HTML in a notebook, rows in a DataFrame."""

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from perfkit import rules
from perfkit.model import codec
from perfkit.model.cpu import CpuProfile
from perfkit.model.finding import Diagnosis, Finding
from perfkit.model.plan import Plan
from perfkit.model.plan_writer import plan_json
from perfkit.model.production import ProductionPlan
from perfkit.model.trace import Trace
from perfkit.model.what_if import Proof
from perfkit.views import block, cpu, plan_tree, table
from perfkit.views.block import Focus

if TYPE_CHECKING:
    import pandas

MIME_TRACE = "application/vnd.perfkit.trace+json"
MIME_VERIFICATION = "application/vnd.perfkit.verification+json"


@dataclass(frozen=True)
class Result:
    """What was measured and what the rules say of it.

    `focus` is what the person asked for and is shown first; `target_ms` is the time they want.
    """

    trace: Trace
    focus: Focus = "all"
    target_ms: float | None = None

    @functools.cached_property
    def diagnosis(self) -> Diagnosis:
        """Findings, worst first, and the verdict of every rule."""
        return rules.diagnose(self.trace)

    @property
    def findings(self) -> tuple[Finding, ...]:
        """The findings, worst first."""
        return self.diagnosis.findings

    @property
    def plan(self) -> Plan:
        """The first plan; raises `LookupError` where the block holds none."""
        return self._plan(0)

    def plan_json(self, number: int = 0) -> str:
        """A plan as PostgreSQL's JSON, to paste into pev2 or another viewer. Bound values stay hidden.

        Args:
            number: of the plan, where the block holds several; they stand in the order of the report.

        Raises:
            LookupError: where there is no such plan, or it is not PostgreSQL's.
        """
        return plan_json(self._plan(number))

    def plan_frame(self, number: int = 0) -> "pandas.DataFrame":
        """One row a node of a plan, in reading order; times in milliseconds, rows over all loops.

        Args:
            number: of the plan, where the block holds several; they stand in the order of the report.

        Raises:
            LookupError: where there is no such plan.
        """
        import pandas as pd

        return pd.DataFrame(plan_tree.rows(self._plan(number)))

    @property
    def proofs(self) -> tuple[Proof, ...]:
        """What was tried for the plans; empty where `prove` was not asked for."""
        return self.trace.proofs or ()

    @property
    def production(self) -> ProductionPlan:
        """The plan at another size; raises `LookupError` where that was not asked for."""
        if not self.trace.production:
            raise LookupError(
                "No other size was asked for. Use perfkit.explain(…, rows={'orders': 50_000_000})."
            )
        return self.trace.production[0]

    def queries_frame(self) -> "pandas.DataFrame":
        """One row a statement, times in milliseconds; parameter values only if they were asked for."""
        import pandas as pd

        return pd.DataFrame(table.query_rows(self.trace), columns=list(table.QUERY_COLUMNS))

    def frame(self) -> "pandas.DataFrame":
        """One row a function of the profile, worst own time first; times in milliseconds.

        Raises:
            LookupError: if no function times were measured.
        """
        import pandas as pd

        return pd.DataFrame(cpu.rows(self._profile))

    def save_profile(self, path: str | Path) -> Path:
        """Write the profile for other tools: `.prof`, `.speedscope.json` or a `.html` that works offline.

        Args:
            path: a profile that is there already is replaced, any other file is not.

        Returns:
            The path.

        Raises:
            LookupError: if no function times were measured.
            ProfileFileError: if it cannot be written there.
        """
        from perfkit.session.profile_files import save_profile

        return save_profile(self._profile, path, name=self.trace.name)

    def _plan(self, number: int) -> Plan:
        plans = self.trace.plans
        if not plans:
            raise LookupError("This block holds no query plan. Use perfkit.explain or %%explain.")
        if not 0 <= number < len(plans):
            raise LookupError(f"There is no plan {number}; this block holds plans 0 to {len(plans) - 1}.")
        return plans[number]

    @property
    def _profile(self) -> CpuProfile:
        if self.trace.cpu is None:
            raise LookupError("This block holds no function times. Use %%profile or measure(cpu=True).")
        return self.trace.cpu

    def save(self, path: str | Path) -> Path:
        """Write the trace to a JSON file; `perfkit.load` reads it back."""
        return save(self.trace, path)

    def __str__(self) -> str:
        return block.as_text(self.trace, self.diagnosis, focus=self.focus, target_ms=self.target_ms)

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        return {
            "text/plain": str(self),
            "text/html": block.as_html(
                self.trace, self.diagnosis, focus=self.focus, target_ms=self.target_ms
            ).markup,
            MIME_TRACE: {
                **codec.trace_to_json(self.trace),
                "focus": self.focus,
                "target_ms": self.target_ms,
            },
        }


def save(trace: Trace, path: str | Path) -> Path:
    """Write a trace to a JSON file.

    Args:
        trace: what was measured; it holds no parameter values unless the measurement was asked for them.
        path: the file, which is replaced if it exists.

    Returns:
        The path.
    """
    target = Path(path)
    target.write_text(codec.dumps(trace), encoding="utf-8")
    return target


def load(path: str | Path) -> Trace:
    """Read a trace that `save` wrote.

    Raises:
        TraceFormatError: if the file is something else.
    """
    return codec.loads(Path(path).read_text(encoding="utf-8"))
