"""SQL as it is: no driver looks for placeholders in it."""

from sqlalchemy.engine import Connection, Row


def send(connection: Connection, statement: str) -> None:
    """Execute statements."""
    connection.exec_driver_sql(statement, execution_options={"no_parameters": True})


def ask(connection: Connection, query: str) -> Row:
    """The only row of an answer."""
    return connection.exec_driver_sql(query, execution_options={"no_parameters": True}).one()
