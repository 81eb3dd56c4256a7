"""The questions of `02_missing_index.ipynb`."""

import re

from sqlalchemy import text
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import DBAPIError

import perfkit
from perfkit.exercises import Exercise
from perfkit.model.plan import Plan

FIND_ORDERS = "SELECT * FROM orders WHERE user_id = :user_id AND status = :status ORDER BY id DESC"
ENOUGH_ROWS = 2.0  # rows looked at for each row returned, below which a lookup wastes nothing worth a word
CLOSE = 0.1  # nobody knows the number of rows by heart


def rows_looked_at(plan: Plan) -> int:
    """Rows that the scans of a plan read: the ones they returned and the ones they threw away."""
    scans = [node for node in plan.nodes() if node.relation_name]
    return round(sum((node.total_rows or 0) + (node.total_rows_removed or 0) for node in scans))


def _rows(guess: object, *, looked_at: int, found: int) -> str | None:
    if not isinstance(guess, int | float):
        return "a number of rows is a number, such as `5_000`"
    if abs(guess - looked_at) <= CLOSE * looked_at:
        return None
    if abs(guess - found) <= CLOSE * found:
        return "that is how many it returns. To find them it has to look at more: at how many?"
    return f"it looked at {looked_at:,}"


rows = Exercise(
    "How many rows does PostgreSQL look at to find the pending orders of the busiest customer?",
    _rows,
    hints=(
        "There is no index on `user_id` or `status`. How would you find an entry in a book without one?",
        "You would read every page.",
        "The table has `shop.sizes['orders']` rows.",
    ),
    correct="All of them. Without an index there is no other way to know which rows match.",
)


def _order(guess: object, *, user_first: int, status_first: int) -> str | None:
    if not isinstance(guess, bool):
        return "the answer is `True` or `False`"
    matters = max(user_first, status_first) > ENOUGH_ROWS * min(user_first, status_first)
    if guess is matters:
        return None
    return f"this lookup touches {user_first} blocks with the one order and {status_first} with the other"


order = Exercise(
    "Does the order of the two columns matter for this lookup?",
    _order,
    hints=(
        "An index on two columns is sorted by the first, and within that by the second.",
        "The lookup gives one value for each of the two columns.",
        "Both sorted lists have all the matching entries next to each other.",
    ),
    correct="For this lookup both are equally good: it knows both columns.",
)


def index(engine: Engine, user_id: int, status: str) -> Exercise:
    """The exercise to write the index, judged by the plan of a busy customer's lookup with it."""

    def judge(statement: str) -> str | None:
        if not isinstance(statement, str):
            return "the answer is a statement of SQL in quotes"
        if not re.match(r"\s*create\s+(unique\s+)?index\b", statement, re.IGNORECASE):
            return "an index is made by `CREATE INDEX`"
        with engine.connect() as connection:
            _drop_indexes(connection)
            try:
                connection.execute(text(statement))
            except DBAPIError as error:
                return f"PostgreSQL refuses it: {str(error.orig).splitlines()[0]}"
            plan = perfkit.explain(connection, FIND_ORDERS, {"user_id": user_id, "status": status}).plan
            connection.rollback()
        return _waste(plan)

    return Exercise(
        "Write the index for this lookup",
        judge,
        hints=(
            "Which columns does the lookup compare with a value?",
            "An index may have several columns: `CREATE INDEX name ON table (first, second)`.",
            "`CREATE INDEX orders_user_id_status_idx ON orders (user_id, status)`",
        ),
        correct="PostgreSQL goes straight to the rows it returns.",
    )


def _drop_indexes(connection: Connection) -> None:
    """Within the transaction that is rolled back: an index from an earlier try would hide this one."""
    query = "SELECT indexname FROM pg_indexes WHERE tablename = 'orders' AND indexname <> 'orders_pkey'"
    for name in connection.scalars(text(query)).all():
        connection.execute(text(f'DROP INDEX "{name}"'))


def _waste(plan: Plan) -> str | None:
    looked_at, found = rows_looked_at(plan), round(plan.root.total_rows or 0)
    if any(node.node_type == "Seq Scan" for node in plan.nodes()):
        return f"PostgreSQL does not use it: it still looks at {looked_at:,} rows"
    if looked_at > ENOUGH_ROWS * max(found, 1):
        return (
            f"it is used, but PostgreSQL still looks at {looked_at:,} rows of the table to return {found:,}. "
            "Which other column does the lookup know?"
        )
    return None
