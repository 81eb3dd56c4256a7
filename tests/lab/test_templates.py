import json
from pathlib import Path

import psycopg
import pytest
from lab_helpers import WAIT_S
from sqlalchemy import text

from perfkit.lab import LabError, build, info, open_shop, reset
from perfkit.lab.failures import clear_errors
from perfkit.lab.guard import FileLock
from perfkit.lab.server import embedded_server
from perfkit.lab.settings import load_settings
from perfkit.lab.templates import require_space

TEMPLATE = "perfkit_template_tiny"
BUILD = "from perfkit.lab import build; print(build('tiny')['users'])"


class BuildStoppedError(Exception):
    pass


class InterruptedReporter:
    """Stops the building in the middle of the named step."""

    def __init__(self, step):
        self.step = step

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass

    def begin(self, title, total_rows):
        pass

    def advance(self, step, rows):
        if step == self.step:
            raise BuildStoppedError


def scalar(shop, query):
    with shop.engine.connect() as connection:
        return connection.execute(text(query)).scalar()


def databases():
    with embedded_server().connect() as connection:
        return {name for (name,) in connection.execute("SELECT datname FROM pg_database").fetchall()}


def test_building_returns_the_rows_and_does_it_once(scratch):
    assert build("tiny") == load_settings().sizes(0.002)
    with embedded_server().connect() as connection:
        made = connection.execute("SELECT oid FROM pg_database WHERE datname = %s", [TEMPLATE]).fetchone()
        build("tiny")
        again = connection.execute("SELECT oid FROM pg_database WHERE datname = %s", [TEMPLATE]).fetchone()
    assert made == again


def test_the_database_holds_what_the_generator_made():
    with open_shop() as shop, shop.engine.connect() as connection:
        for table, rows in shop.sizes.items():
            assert connection.execute(text(f"SELECT count(*) FROM {table}")).scalar() == rows
        row = connection.execute(text("SELECT * FROM orders WHERE id = 1")).one()
        assert set(row._mapping) == {"id", "user_id", "status", "total_cents", "created_at"}
        assert row.created_at.isoformat().startswith("2024-")
        query = "SELECT md5(string_agg(t::text, '|' ORDER BY id)) FROM {} t"
        assert (
            connection.execute(text(query.format("order_items"))).scalar()
            == "9785cb0dd63b774f9082d180f6c2b88d"
        )
        assert connection.execute(text(query.format("users"))).scalar() == "ea8e65ab843fb976143bffe7df14fdde"


def test_keys_and_indexes_are_those_of_an_ordinary_team():
    with open_shop() as shop, shop.engine.connect() as connection:
        query = "SELECT indexname FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1"
        indexes = set(connection.execute(text(query)).scalars())
        primary = {f"{table}_pkey" for table in shop.sizes}
        assert indexes == primary | {
            "users_email_key",
            "products_sku_key",
            "posts_author_id_idx",
            "comments_post_id_idx",
            "order_items_order_id_idx",
        }
        query = "SELECT count(*) FROM pg_constraint WHERE contype = 'f' AND convalidated"
        assert connection.execute(text(query)).scalar() == 7


def test_statistics_and_visibility_are_there_from_the_start():
    with open_shop("statistics") as shop, shop.engine.connect() as connection:
        tables = "relkind = 'r' AND relnamespace = 'public'::regnamespace"
        query = f"SELECT relname FROM pg_class WHERE {tables} AND {{}}"
        assert connection.execute(text(query.format("reltuples <= 0"))).all() == []
        assert connection.execute(text(query.format("relallvisible < relpages"))).all() == []


def test_a_clone_may_be_changed_and_reset_brings_it_back():
    with open_shop("changed") as shop, open_shop("other") as other:
        with shop.engine.begin() as connection:
            connection.execute(text("DROP TABLE events, comments"))
            connection.execute(text("UPDATE users SET name = 'x'"))
        assert scalar(other, "SELECT count(*) FROM comments") == 2_000
        shop.reset()
        assert scalar(shop, "SELECT count(*) FROM comments") == 2_000
        assert scalar(shop, "SELECT count(*) FROM users WHERE name = 'x'") == 0


def test_opening_again_keeps_what_was_changed_until_it_is_reset():
    with open_shop("kept") as shop, shop.engine.begin() as connection:
        connection.execute(text("CREATE INDEX mine ON orders (user_id, status)"))
    with open_shop("kept") as shop:
        assert scalar(shop, "SELECT to_regclass('mine')::text") == "mine"
    reset("kept")
    with open_shop("kept") as shop:
        assert scalar(shop, "SELECT to_regclass('mine')::text") is None


def test_a_reset_closes_connections_of_other_processes(start_user):
    user = start_user("shared")
    with open_shop("shared") as shop:
        shop.engine.connect().close()
        shop.reset()
        assert scalar(shop, "SELECT count(*) FROM users") == 200
    user.communicate(timeout=WAIT_S)
    assert user.returncode == 0


@pytest.mark.parametrize("step", ["users", "events", "keys and indexes", "statistics"])
def test_an_interrupted_build_leaves_nothing_behind(scratch, step):
    with pytest.raises(BuildStoppedError):
        build("tiny", InterruptedReporter(step))
    assert databases() == {"postgres", "template0", "template1"}
    assert build("tiny")["users"] == 200


def test_a_half_built_template_of_a_killed_process_is_not_taken_for_whole(scratch):
    with embedded_server().connect() as connection:
        connection.execute("CREATE DATABASE perfkit_unfinished_tiny")
        connection.execute("CREATE DATABASE perfkit_unfinished_full")
    with open_shop() as shop:
        assert scalar(shop, "SELECT count(*) FROM events") == 4_000
    assert databases() == {"postgres", "template0", "template1", TEMPLATE, "shop_tiny"}


def test_data_of_other_settings_is_built_again(scratch):
    open_shop().close()
    with embedded_server().connect() as connection:
        about = json.dumps({"perfkit": "0" * 16, "scale": "tiny", "factor": 0.002, "rows": {}})
        for name in (TEMPLATE, "shop_tiny"):
            connection.execute(
                psycopg.sql.SQL("COMMENT ON DATABASE {} IS {}").format(psycopg.sql.Identifier(name), about)
            )
    with open_shop() as shop:
        assert scalar(shop, "SELECT count(*) FROM users") == 200
    assert {item.rows for item in info().databases} == {9_020}


def test_a_database_of_somebody_else_is_left_alone():
    with embedded_server().connect() as connection:
        connection.execute("CREATE DATABASE mine_tiny")
        with pytest.raises(LabError, match="not made by perfkit"):
            open_shop("mine")
        connection.execute("DROP DATABASE mine_tiny")


def test_two_builds_at_once_build_once(scratch, start_python):
    processes = [start_python(BUILD) for _ in range(2)]
    outputs = [process.communicate(timeout=WAIT_S) for process in processes]
    assert [out for out, _ in outputs] == ["200\n", "200\n"]
    with embedded_server().connect() as connection:
        query = "SELECT count(*) FROM pg_database WHERE starts_with(datname, 'perfkit_')"
        assert connection.execute(query).fetchone() == (1,)


def test_waiting_for_another_build_is_told(scratch, start_python):
    with FileLock(embedded_server().folder / "build.lock"):
        process = start_python(BUILD)
        assert (
            process.stderr.readline()
            == "perfkit: Another perfkit process is building the sample data; waiting for it.\n"
        )
    assert process.communicate(timeout=WAIT_S) == ("200\n", "")


def test_a_disk_without_space_is_told_before_anything_is_made(tmp_path):
    require_space(tmp_path, 1)
    with pytest.raises(LabError, match="PERFKIT_SCALE"):
        require_space(tmp_path, 10**18)


def test_a_disk_that_fills_up_is_told_in_one_line():
    with (
        pytest.raises(LabError, match=r"The disk is full .*PERFKIT_HOME") as caught,
        clear_errors(),
        Path("/dev/full").open("w") as full,
    ):
        full.write("x")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (psycopg.errors.DiskFull("could not extend file\nHINT: x"), "The disk is full"),
        (psycopg.OperationalError("server closed the connection\nmore"), "went away"),
        (psycopg.errors.InsufficientResources("out of memory"), "went away"),
        (PermissionError(13, "Permission denied", "/x"), "Cannot use /x"),
    ],
)
def test_what_goes_wrong_becomes_one_line(error, message):
    with pytest.raises(LabError, match=message) as caught, clear_errors():
        raise error
    assert "\n" not in str(caught.value)


def test_info_lists_templates_and_clones():
    open_shop("listed").close()
    found = {item.name: item for item in info().databases}
    assert (found[TEMPLATE].kind, found["listed_tiny"].kind) == ("template", "clone")
    assert found["listed_tiny"].rows == 9_020
    assert found["listed_tiny"].size_bytes > 1_000_000
