import pytest

from perfkit.model.builders import line
from perfkit.model.retention import CacheUse, ContainerUse, Holder, Retention, TypeGrowth
from perfkit.views import retention


def kept(*holders, size=1_000_000):
    return Retention(
        tuple(TypeGrowth(f"Type{n}", 10, size, holder=holder) for n, holder in enumerate(holders))
    )


@pytest.mark.parametrize(
    ("holder", "words"),
    [
        (Holder("variable", "store", ("list of 5",)), "variable store → list of 5"),
        (Holder("class", "Order.seen"), "class attribute Order.seen"),
        (Holder("module", "shop.cache"), "shop.cache"),
        (Holder("frame", "rows in load()"), "variable rows in load(), which is running"),
        (Holder("out", "Out[7]", ("list of 5",)), "IPython's Out[7] → list of 5"),
        (Holder("unknown"), "not found"),
        (Holder("variable", "a", tuple("bcdefg")), "variable a → b → c → … → g"),
    ],
)
def test_a_chain_begins_with_the_name(holder, words):
    assert words in retention.held_by(holder)
    assert words in retention.as_text(kept(holder))


@pytest.mark.parametrize(
    ("holder", "advice"),
    [
        (Holder("out", "Out[7]"), "%xdel _7 lets go of it"),
        (Holder("result", "Out[12]"), "%xdel _12 lets go of it"),
        (Holder("exception", "sys.last_exc"), "The next error lets go of them"),
    ],
)
def test_what_the_notebook_keeps_is_told_from_a_leak_once(holder, advice):
    text = " ".join(retention.advice(kept(holder, holder)))
    assert text.count(advice) == 1
    assert "no leak of your code" in text


@pytest.mark.parametrize(
    "holder", [Holder("variable", "Out7"), Holder("module", "a.b"), Holder("unknown"), None]
)
def test_what_the_users_code_keeps_is_not_excused(holder):
    assert retention.advice(kept(holder)) == ()


def test_small_growth_is_no_row():
    assert retention.as_text(kept(Holder("variable", "x"), size=9_000)) == ""


def test_caches_stand_with_limit_and_hit_rate():
    caches = (
        CacheUse("price", line(3, cell="In[2]"), None, 75, 25, (0, 25, 30, 40, 50, 60)),
        CacheUse("rate", line(9, cell="In[2]"), 128, 0, 0, (0, 0)),
    )
    text = retention.as_text(Retention(caches=caches))
    assert "0 → … → 50 → 60 | none | 75% | price | In[2]:3" in text
    assert "0 → 0 | 128 | not called | rate | In[2]:9" in text


def test_containers_that_grew_are_named():
    text = retention.as_text(Retention(containers=(ContainerUse("shop.seen", "dict", (10, 3000)),)))
    assert "10 | 3,000 | dict | shop.seen" in text


def test_hostile_names_are_escaped():
    markup = retention.as_html(kept(Holder("variable", "</script><img src=x>\u2028\ud800"))).markup
    assert "<img" not in markup
    assert "</script>" not in markup
