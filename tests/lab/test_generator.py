import hashlib
import math

import numpy as np
import pytest

from perfkit.lab.copy_format import HEADER, encode
from perfkit.lab.generator import EVENT_KINDS, MANUAL_MAX_BYTES, MANUAL_MIN_BYTES, tables
from perfkit.lab.settings import load_settings
from perfkit.lab.streams import Stream

# To pin new data: raise generator.version in data/settings.toml and take the values from the failing test.
TINY = {
    "users": "02beb6063be4a057",
    "products": "562623ca10b3c01f",
    "posts": "68cf6c11aa17282e",
    "comments": "904d561e369aeb68",
    "orders": "8024d1681ce0ef30",
    "order_items": "7412b20e5a46262f",
    "events": "f32571215efc7b6e",
}
FULL_FIRST_100_000_ROWS = {
    "users": "0a47f1351c50c632",
    "products": "44a112860e99e1e0",
    "posts": "68dd5df313f468b4",
    "comments": "ed71ed6c85229444",
    "orders": "a3cc927424ee042f",
    "order_items": "a35dcfe04c2ac332",
    "events": "9995b92f0f53fdc6",
}


@pytest.fixture(scope="module")
def tiny():
    return {data.name: data for data in tables(load_settings(), 0.002)}


@pytest.fixture(scope="module")
def full():
    return {data.name: data for data in tables(load_settings(), 1.0)}


def column(data, name):
    return next(column.values for column in data.fixed if column.name == name)


def checksum(data, max_rows=math.inf):
    """The sha256 of the encoded rows, of whole parts until so many rows are reached."""
    digest, done = hashlib.sha256(), 0
    for rows, payload in encode(data):
        digest.update(payload)
        done += rows
        if done >= max_rows:
            break
    return digest.hexdigest()


def test_the_bytes_of_the_tiny_shop_are_pinned(tiny):
    assert {name: checksum(data)[:16] for name, data in tiny.items()} == TINY


def test_the_bytes_of_the_full_shop_are_pinned(full):
    assert {name: checksum(data, 100_000)[:16] for name, data in full.items()} == FULL_FIRST_100_000_ROWS


def test_every_table_has_the_rows_of_its_scale(full, tiny):
    assert {name: data.rows for name, data in full.items()} == load_settings().rows
    assert {name: data.rows for name, data in tiny.items()} == load_settings().sizes(0.002)
    assert 4_400_000 < sum(data.rows for data in full.values()) < 4_600_000


@pytest.mark.parametrize("scale", ["tiny", "full"])
def test_every_key_points_at_a_row(request, scale):
    shop = request.getfixturevalue(scale)
    targets = {"author_id": "users", "user_id": "users", "post_id": "posts", "order_id": "orders"}
    targets["product_id"] = "products"
    for data in shop.values():
        assert column(data, "id").tolist() == list(range(1, data.rows + 1))
        for fixed in data.fixed:
            if fixed.name in targets:
                assert fixed.values.min() >= 1
                assert fixed.values.max() <= shop[targets[fixed.name]].rows


def test_everyone_has_written_a_post(full):
    assert np.bincount(column(full["posts"], "author_id"), minlength=100_001)[1:].min() == 1


def test_the_hundred_newest_users_at_tiny_have_posts_too(tiny):
    authors = set(column(tiny["posts"], "author_id").tolist())
    assert set(range(101, 201)) <= authors


def test_a_few_keys_are_hot_and_most_are_cold(full):
    counts = np.sort(np.bincount(column(full["comments"], "post_id"), minlength=200_001)[1:])[::-1]
    assert counts[0] > 10_000 * np.median(counts)
    assert 0.5 < counts[:2_000].sum() / counts.sum() < 0.7


def test_hot_keys_are_not_the_first_ones(full):
    hottest = np.argsort(np.bincount(column(full["orders"], "user_id")))[-10:]
    assert hottest.min() > 100


def test_times_rise_through_one_year_and_the_shop_grows(full):
    times = column(full["events"], "occurred_at")
    first, last = times[0].astype("datetime64[s]"), times[-1].astype("datetime64[s]")
    assert (np.diff(times) >= 0).all()
    assert str(first).startswith("2024-01-01")
    assert str(last).startswith("2024-12-31")
    halves = np.searchsorted(times, times[0] + (times[-1] - times[0]) // 2)
    assert 2.8 < (len(times) - halves) / halves < 3.2


def test_values_stay_in_their_ranges(full):
    assert column(full["products"], "price_cents").min() >= 99
    assert column(full["orders"], "total_cents").min() >= 500
    assert set(np.unique(column(full["events"], "kind"))) == set(range(EVENT_KINDS))
    assert set(np.unique(column(full["order_items"], "quantity"))) == {1, 2, 3, 4, 5}
    manual = next(pooled for pooled in full["products"].pooled if pooled.name == "manual")
    assert MANUAL_MIN_BYTES <= min(map(len, manual.pool)) < max(map(len, manual.pool)) < MANUAL_MAX_BYTES


def test_statuses_have_their_shares(full):
    status = next(pooled for pooled in full["orders"].pooled if pooled.name == "status")
    shares = np.bincount(status.index) / full["orders"].rows
    expected = np.array(list(load_settings().choices["orders.status"].values())) / 100
    assert np.abs(shares - expected).max() < 0.005


def test_a_table_does_not_depend_on_the_others():
    names = [data.name for data in tables(load_settings(), 0.002)]
    assert names == list(load_settings().rows)
    assert Stream("a").uniform(3).tolist() == Stream("a").uniform(3).tolist()
    assert Stream("a").uniform(3).tolist() != Stream("b").uniform(3).tolist()


def test_a_permutation_holds_each_number_once():
    assert sorted(Stream("x").permutation(1_000).tolist()) == list(range(1_000))


def test_integers_reach_both_ends_and_no_further():
    assert set(Stream("x").integers(-1, 3, 1_000).tolist()) == {-1, 0, 1, 2}


def test_the_parts_of_the_encoding_do_not_change_it(tiny, monkeypatch):
    whole = b"".join(payload for _, payload in encode(tiny["comments"]))
    monkeypatch.setattr("perfkit.lab.copy_format.CHUNK_BYTES", 1_000)
    parts = list(encode(tiny["comments"]))
    assert len(parts) > 100
    assert sum(rows for rows, _ in parts) == 2_000
    assert b"".join(payload for _, payload in parts) == whole
    assert len(HEADER) == 19


def test_one_row_has_the_bytes_that_the_manual_describes(tiny):
    payload = b"".join(payload for _, payload in encode(tiny["order_items"]))
    first = payload[: 2 + 3 * 12 + 2 * 8]
    assert first[:2] == (5).to_bytes(2, "big")
    assert first[2:14] == (8).to_bytes(4, "big") + (1).to_bytes(8, "big")
    assert first[-8:-4] == (4).to_bytes(4, "big")
