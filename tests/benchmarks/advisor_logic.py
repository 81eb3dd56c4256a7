"""What advisors would propose: their logic in a few lines each, with real indexes, not hypothetical ones.

Re-implemented from their sources and documentation (reference notes on EXPLAIN, section 5): dexter tries all
single columns and pairs of the columns in WHERE and ORDER BY and takes what the planner uses; index_advisor
tries single columns alone; the Index Advisor of pganalyze puts the columns of WHERE into one index, equality
first, and leaves ORDER BY aside. None of them knows partial, covering or expression indexes, or operator
classes.
"""

from itertools import permutations

from sqlalchemy import Connection

from tests.benchmarks.advisor_data import Case

# dexter's settings: half the cost must go, and a pair must halve that of a single column once more.
DEXTER_SAVING, DEXTER_PAIR, DEXTER_LEAST_COST = 0.5, 0.5, 100
Columns = tuple[str, ...]


def dexter(connection: Connection, case: Case) -> list[Columns]:
    """Single columns, then pairs, of everything in WHERE and ORDER BY."""
    columns = [*case.equal, *case.ranges, *case.order]
    before, _ = _planned(connection, case, [])
    single, used = _planned(connection, case, [(column,) for column in columns])
    pairs, used_pairs = _planned(
        connection, case, [*((column,) for column in columns), *permutations(columns, 2)]
    )
    if single > DEXTER_LEAST_COST and pairs < DEXTER_PAIR * single:
        single, used = pairs, used_pairs
    return used if single <= DEXTER_SAVING * before else []


def index_advisor(connection: Connection, case: Case) -> list[Columns]:
    """Single columns of the statement; those that the planner uses, if the cost falls."""
    columns = dict.fromkeys([*case.equal, *case.ranges, *case.order])
    before, _ = _planned(connection, case, [])
    after, used = _planned(connection, case, [(column,) for column in columns])
    return used if after < before else []


def pganalyze(connection: Connection, case: Case) -> list[Columns]:
    """The columns of WHERE, equality first and then one range; the planner is not asked."""
    columns = (*case.equal, *case.ranges[:1], *case.patterns[:1])
    return [columns] if columns else []


ADVISORS = {"dexter-like": dexter, "index_advisor-like": index_advisor, "pganalyze-like": pganalyze}


def _planned(connection: Connection, case: Case, indexes: list[Columns]) -> tuple[float, list[Columns]]:
    """The planner's cost with these indexes, and those of them that it uses; nothing of it stays."""
    names = {f"tried_{number}": columns for number, columns in enumerate(indexes)}
    with connection.begin() as transaction:
        for name, columns in names.items():
            connection.exec_driver_sql(f"CREATE INDEX {name} ON {case.table} ({', '.join(columns)})")
        root = connection.exec_driver_sql(
            f"EXPLAIN (FORMAT JSON) {case.sql}", execution_options={"no_parameters": True}
        ).scalar()[0]["Plan"]
        transaction.rollback()
    return root["Total Cost"], [columns for name, columns in names.items() if name in _indexes(root)]


def _indexes(node: dict) -> set[str]:
    below = set().union(*(_indexes(child) for child in node.get("Plans", ())))
    return below | {node.get("Index Name")}
