from tests.plans.case import PlanCase, Statement

CASE = PlanCase(
    setup="""
    CREATE TABLE articles (id int PRIMARY KEY, title text NOT NULL, body text NOT NULL);
    INSERT INTO articles
        SELECT i, 'article ' || i, repeat('x', 1800) FROM generate_series(1, 10000) i;
    """,
    fires=Statement("SELECT * FROM articles WHERE title LIKE 'article%'"),
    silent=Statement("SELECT id, title FROM articles WHERE title LIKE 'article%'"),
    mentions="SELECT id, title FROM shop.articles",
)
