from tests.plans.case import PlanCase, Statement

DIMENSIONS = ("shop", "city", "day", "product", "brand", "colour", "size", "clerk", "till", "offer")


def joined(names: tuple[str, ...]) -> str:
    tables = ", ".join(f"{name}s" for name in names)
    conditions = " AND ".join(f"{name}s.id = sales.{name}_id" for name in names)
    return f"SELECT sales.amount FROM sales, {tables} WHERE sales.id = 42 AND {conditions}"


CASE = PlanCase(
    setup=f"""
    CREATE TABLE sales (
        id int PRIMARY KEY, amount int NOT NULL,
        {", ".join(f"{name}_id int NOT NULL DEFAULT 1" for name in DIMENSIONS)}
    );
    INSERT INTO sales SELECT i, i % 5000 FROM generate_series(1, 20000) i;
    {
        " ".join(
            f"CREATE TABLE {name}s (id int PRIMARY KEY); INSERT INTO {name}s SELECT generate_series(1, 500);"
            for name in DIMENSIONS
        )
    }
    """,
    # Once before, so that the session knows the tables.
    fires=Statement(joined(DIMENSIONS), before=joined(DIMENSIONS)),
    silent=Statement(joined(DIMENSIONS[:4]), before=joined(DIMENSIONS[:4])),
    mentions="prepare_threshold",
)
