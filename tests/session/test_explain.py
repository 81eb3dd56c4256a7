"""`explain` from Python: what may be given as the database."""

import pytest
from sqlalchemy import create_engine

from perfkit.capture.plans import ExplainError
from perfkit.session import explain, explain_script, shop_engine

ENGINE = create_engine("sqlite://")
SHOP = type("Shop", (), {"__module__": "perfkit.lab.shop", "engine": property(lambda self: ENGINE)})


def test_a_shop_of_the_lab_is_explained_on_its_engine():
    assert explain(SHOP(), "SELECT 1").plan.system_name == "sqlite"
    assert len(explain_script(SHOP(), "SELECT 1; SELECT 2", {}).trace.plans) == 2


def test_an_object_of_the_person_is_not_touched():
    touched = type("Mine", (), {"engine": property(lambda self: 1 / 0)})()
    assert shop_engine(touched) is None
    with pytest.raises(ExplainError, match="Give a SQLAlchemy Engine, AsyncEngine or Connection, not Mine"):
        explain(touched, "SELECT 1")
