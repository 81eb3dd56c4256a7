"""What the planner would do with an index that is not built: the extension hypopg, where a server has it.

It answers with costs, which are guesses: from 1 to 30 % off those of the real index, and nothing is timed
(reference notes on EXPLAIN, section 6). So this is never called a proof. A hypothetical index belongs to the
session and outlives a rollback, so it is always taken away again.
"""

from sqlalchemy.engine import Connection
from sqlalchemy.exc import SQLAlchemyError

from perfkit.model.plan import Plan
from perfkit.model.what_if import Attempt, ProofVerdict
from perfkit.proof import _what_if_trial as trial
from perfkit.proof import _what_if_verdict as verdict
from perfkit.proof._what_if_designs import Design, IndexDesign

# The planner's guesses are no closer than that.
MIN_SAVED_SHARE = 0.3
SAID_BY = (
    "Nothing was built: the extension hypopg asked the planner alone, and nothing was timed. Its costs are "
    "guesses, 1 to 30 % off those of a real index."
)
_IN_USE = "This session has hypothetical indexes of its own, which perfkit leaves alone."


def ask_planner(
    connection: Connection, planned: trial.Explainer, designs: list[Design], schema: str
) -> list[Attempt]:
    """Ask what the planner would do with each index.

    Args:
        connection: without an open transaction.
        planned: returns the plan of the statement on this connection, without executing it.
        designs: what would be tried; only indexes of b-trees can be asked about.
        schema: of the extension, as SQL wants it.

    Returns:
        One attempt for each index, none of them proved.
    """
    indexes = [design for design in designs if isinstance(design, IndexDesign)]
    with trial.rolled_back(connection):
        rows = connection.exec_driver_sql(f"SELECT count(*) FROM {schema}.hypopg()").scalar()  # noqa: S608
        # the schema of an extension, quoted by the database
        before = planned().root.total_cost or 0.0
    if rows:
        return [verdict.untried(item, ProofVerdict.INCONCLUSIVE, _IN_USE) for item in indexes]
    return [_asked(connection, planned, item, schema, before) for item in indexes]


def _asked(
    connection: Connection, planned: trial.Explainer, design: IndexDesign, schema: str, before: float
) -> Attempt:
    if design.method != "btree":
        words = f"hypopg knows no {design.method.upper()} indexes: only building it can tell."
        return verdict.untried(design, ProofVerdict.INCONCLUSIVE, words)
    try:
        name, plan = _planned_with(connection, planned, design, schema)
    except (RuntimeError, SQLAlchemyError) as error:
        words = f"hypopg refused it ({type(error).__name__})."
        return verdict.untried(design, ProofVerdict.INCONCLUSIVE, words)
    after = plan.root.total_cost or 0.0
    if not verdict.uses(plan, name) or after > (1 - MIN_SAVED_SHARE) * before:
        return verdict.untried(design, ProofVerdict.NO_HELP, "The planner would not gain by it.")
    words = f"The planner would use it: cost {before:,.0f} → {after:,.0f}. Not measured."
    return verdict.expected(design, words, (before, after))


def _planned_with(
    connection: Connection, planned: trial.Explainer, design: IndexDesign, schema: str
) -> tuple[str, Plan]:
    """The name that hypopg gives the index, and the plan with it; hypopg forgets it whatever happens."""
    create = f"SELECT indexname FROM {schema}.hypopg_create_index(%(statement)s)"  # noqa: S608  as above
    try:
        with trial.rolled_back(connection):
            name = connection.exec_driver_sql(create, {"statement": design.statements[0]}).scalar()
            return str(name), planned()
    finally:
        if not connection.invalidated:
            with trial.rolled_back(connection):
                trial.execute(connection, f"SELECT {schema}.hypopg_reset()")
