from tests.plans.case import PlanCase, Statement

_UPDATE = "UPDATE products SET price = price + 1 WHERE id <= 3000"
CASE = PlanCase(
    setup="""
    CREATE TABLE products (id int PRIMARY KEY, price int NOT NULL);
    INSERT INTO products SELECT i, i FROM generate_series(1, 10000) i;
    CREATE TABLE audit (entry text);
    CREATE FUNCTION write_audit() RETURNS trigger LANGUAGE plpgsql AS
        $$BEGIN INSERT INTO audit VALUES (NEW.id || ' costs ' || NEW.price); RETURN NEW; END$$;
    CREATE TRIGGER watch AFTER UPDATE ON products FOR EACH ROW EXECUTE FUNCTION write_audit();
    """,
    fires=Statement(_UPDATE, analyze_writes=True),
    silent=Statement(
        _UPDATE,
        before="DROP TRIGGER watch ON products; CREATE TRIGGER watch AFTER UPDATE ON products "
        "FOR EACH ROW WHEN (NEW.price > 1000000) EXECUTE FUNCTION write_audit()",
        analyze_writes=True,
    ),
    node="ModifyTable",
    mentions="FOR EACH STATEMENT",
)
