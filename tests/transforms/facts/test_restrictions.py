"""The restrictions of adverse events: each row of a mart has one, by expression and by SQL alike;
one more is one record.
"""

import duckdb
import polars as pl
import pytest

from dashboards.pages.safety import page as safety
from transforms.facts import restrictions
from transforms.facts.restrictions import (
    RESTRICTIONS,
    Restriction,
    flag_columns,
    key_columns,
    rows_of,
    spelt_out,
    sql_of,
)
from transforms.schemas import MART_TABLES

EVENTS = pl.DataFrame(
    {
        "AESER": ["Y", "N", None, "N"],
        "AERELFL": ["N", None, "Y", "N"],
        "TRTEMFL": ["Y", "Y", "N", None],
        "SESS72FL": [None, "N", "Y", "N"],
        "AETOXGR": [3, 2, None, 1],
    }
)


@pytest.mark.parametrize(
    ("name", "met"),
    [
        ("any", [True, True, True, True]),
        ("serious", [True, False, False, False]),
        ("related", [False, False, True, False]),
        ("treatment_emergent", [True, True, False, False]),
        ("session_emergent", [False, False, True, False]),
        ("grade_2", [True, True, False, False]),
        ("grade_3", [True, False, False, False]),
    ],
)
def test_which_events_meet_it(name, met):
    """A flag that is not known is not met, nor is a grade."""
    assert EVENTS.with_columns(met=RESTRICTIONS[name].is_met())["met"].to_list() == met


@pytest.mark.parametrize("name", RESTRICTIONS)
def test_each_row_of_a_mart_has_one_restriction(name):
    """By expression and by SQL the same row, of one of each."""
    rows = spelt_out(pl.DataFrame({"restriction": list(RESTRICTIONS)}))
    assert rows.filter(rows_of(name))["restriction"].to_list() == [name]
    assert duckdb.sql(f"SELECT restriction FROM rows WHERE {sql_of(name)}").fetchall() == [(name,)]


def test_one_more_restriction_is_one_record(monkeypatch):
    """Columns and rows follow from the record; the page offers it."""
    more = Restriction(id="on_device", words="on a device", flag="DEVFL")
    monkeypatch.setitem(RESTRICTIONS, "on_device", more)
    assert more.column == "is_on_device_only"
    assert "is_on_device_only" in flag_columns(RESTRICTIONS)
    rows = spelt_out(pl.DataFrame({"restriction": list(RESTRICTIONS)}))
    assert rows.filter(rows_of("on_device"))["restriction"].to_list() == ["on_device"]
    assert rows.filter(rows_of("any"))["restriction"].to_list() == ["any"]
    assert {"value": "on_device", "label": "on a device"} in safety._RESTRICTION.options(None)


def test_the_marts_of_rates_have_their_columns():
    """The schema's columns and keys are the facts'."""
    for name in ("adverse_event_rates", "adverse_event_comparisons"):
        assert set(key_columns()) < set(MART_TABLES[name].key)
        assert set(key_columns()) < set(MART_TABLES[name].names)
    assert set(flag_columns(restrictions.GROUP_RESTRICTIONS)) < set(
        MART_TABLES["adverse_event_groups"].key
    )
