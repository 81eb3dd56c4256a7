import re

import numpy as np
import pytest
from sqlalchemy import inspect, text

from perfkit.lab import open_shop
from perfkit.lab.generator import tables
from perfkit.lab.resources import data_dir, notebooks_dir
from perfkit.lab.settings import load_settings
from perfkit.lab.sqlite import sqlite_file
from perfkit.lab.templates import BYTES_PER_FACTOR

MB = 1_000_000


@pytest.fixture(scope="module")
def card():
    return (data_dir() / "README.md").read_text(encoding="utf-8")


def rows_of(card, heading):
    """The cells of the first table below a heading, as texts without marks."""
    part = card.split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]
    lines = [line for line in part.splitlines() if line.startswith("|")][2:]
    return [[cell.strip().strip("*") for cell in line.strip("|").split("|")] for line in lines]


def number(cell):
    return int(cell.replace(",", ""))


def test_the_rows_are_those_of_the_generator(card):
    settings = load_settings()
    written = {table: [number(cell) for cell in cells] for table, *cells in rows_of(card, "Rows")}
    sizes = [settings.sizes(settings.scales[scale]) for scale in ("tiny", "small", "full")]
    expected = {table: [size[table] for size in sizes] for table in settings.rows}
    assert written == expected | {"all": [sum(size.values()) for size in sizes]}


def test_the_columns_are_those_of_the_database(card):
    written = [(table, column, kind) for table, column, kind, _ in rows_of(card, "Columns")]
    names = {"timestamp with time zone": "timestamptz"}
    with open_shop() as shop, shop.engine.connect() as connection:
        query = text(
            "SELECT attrelid::regclass::text, attname, format_type(atttypid, NULL) FROM pg_attribute "
            "WHERE attnum > 0 AND attrelid IN (SELECT oid FROM pg_class WHERE relkind = 'r' "
            "AND relnamespace = 'public'::regnamespace) "
            "ORDER BY array_position(:tables, attrelid::regclass::text), attnum"
        )
        found = connection.execute(query, {"tables": list(load_settings().rows)}).all()
    assert written == [(table, column, names.get(kind, kind)) for table, column, kind in found]


def test_the_skew_is_that_of_the_generator(card):
    settings = load_settings()
    sizes = {"author_id": "users", "user_id": "users", "post_id": "posts", "product_id": "products"}
    found = {}
    for data in tables(settings, 1.0):
        for column in data.fixed:
            if (key := f"{data.name}.{column.name}") in settings.skew:
                keys = settings.rows[sizes[column.name]]
                counts = np.bincount(column.values.astype(np.int64), minlength=keys + 1)[1:]
                high = round(float(np.percentile(counts, 99)))
                found[key] = [int(counts.max()), high, int(np.median(counts)), int((counts == 0).sum())]
    assert {key: [number(cell) for cell in cells] for key, *cells in rows_of(card, "Skew")} == found


def test_the_shares_are_those_of_the_settings(card):
    cells = {(table, column): words for table, column, _, words in rows_of(card, "Columns")}
    weights = load_settings().choices
    for value, weight in weights["orders.status"].items():
        assert f"{value} {weight} %" in cells["orders", "status"]
    assert f"one of {len(weights['users.country'])}," in cells["users", "country"]
    assert f"one of {len(weights['products.category'])}" in cells["products", "category"]


def test_the_sizes_are_those_of_the_databases(card):
    tiny, small, full = (
        int(size) for size in re.findall(r"(?:tiny|small|full) (\d+) MB", card.replace("\n", " "))
    )
    sqlite = int(re.search(r"SQLite file at small: (\d+) MB", card)[1])
    measured = {}
    for scale in ("tiny", "small"):
        with open_shop("sized", scale=scale) as shop, shop.engine.connect() as connection:
            measured[scale] = (
                connection.execute(text("SELECT pg_database_size(current_database())")).scalar() / MB
            )
    assert measured["tiny"] == pytest.approx(tiny, rel=0.1)
    assert measured["small"] == pytest.approx(small, rel=0.1)
    assert sqlite_file("small").stat().st_size / MB == pytest.approx(sqlite, rel=0.1)
    # The full size is measured by `make bench`; here it follows from the small one.
    assert (measured["small"] - measured["tiny"]) * 5 == pytest.approx(full, rel=0.1)
    assert full == BYTES_PER_FACTOR / MB


def test_the_indexes_are_those_of_the_database(card):
    part = card.split("## Keys and indexes\n", 1)[1].split("Left without", 1)[0]
    named = {tuple(name.split(".")) for name in re.findall(r"`(\w+\.\w+)`", part)}
    with open_shop() as shop:
        look = inspect(shop.engine)
        found = {
            (table, index["column_names"][0])
            for table in load_settings().rows
            for index in look.get_indexes(table)
        }
    assert named == found


def test_the_folders_that_travel_with_perfkit_are_found():
    assert (data_dir() / "schema.sql").is_file()
    assert notebooks_dir().name == "notebooks"
