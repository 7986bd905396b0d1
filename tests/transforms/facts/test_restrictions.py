"""The restrictions of adverse events: each row of a mart has one, by expression and by SQL alike;
one more is one record.
"""

import ast
import re
from pathlib import Path

import duckdb
import polars as pl
import pytest

from dashboards.pages.safety import page as safety
from transforms.facts.restrictions import (
    GROUP_RESTRICTIONS,
    RESTRICTIONS,
    Restriction,
    flag_columns,
    key_columns,
    rows_of,
    spelt_out,
    sql_of,
)
from transforms.marts import MARTS
from transforms.options import Options
from transforms.released.counts import COUNTS
from transforms.schemas import MART_TABLES

ROOT = Path(__file__).parents[3]
ROOMS = ("orchestration", "dashboards", "ingest", "transforms")
FACTS = ROOT / "transforms" / "facts" / "restrictions.py"
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


@pytest.mark.parametrize("name", GROUP_RESTRICTIONS)
def test_each_row_of_a_mart_with_some_has_one_restriction(name):
    """Of a mart that has no grades, none of its columns is asked for."""
    rows = spelt_out(pl.DataFrame({"restriction": list(GROUP_RESTRICTIONS)})).drop("min_grade")
    where = sql_of(name, among=GROUP_RESTRICTIONS)
    assert rows.sql(f"SELECT restriction FROM self WHERE {where}").rows() == [(name,)]


def test_the_page_offers_every_restriction():
    """In the order of the facts, in their words."""
    offered = [(o["value"], o["label"]) for o in safety._RESTRICTION.options(None)]
    assert offered == [(r.id, r.words) for r in RESTRICTIONS.values()]


def columns_by_name(source: str) -> set[str]:
    """The columns of restrictions that a source names one by one, where they must be derived."""
    texts = {node.value for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Constant)}
    named = {t for t in texts if isinstance(t, str)}
    return {c for c in key_columns() if any(re.search(rf"\b{c}\b", text) for text in named)}


def test_no_module_names_the_columns_of_restrictions():
    """A list of its own would forget the next restriction: rows would count twice, or be missed."""
    modules = [m for room in ROOMS for m in sorted((ROOT / room).rglob("*.py"))]
    assert {
        str(m.relative_to(ROOT)): columns_by_name(m.read_text())
        for m in modules
        if m != FACTS and columns_by_name(m.read_text())
    } == {}


@pytest.mark.parametrize(
    "source",
    [
        'by = ("is_serious_only", "is_related_only")',
        'where = f"{strata} AND NOT is_serious_only"',
        'rows = mart.filter(pl.col("min_grade").is_null())',
        "query = 'SELECT events FROM mart.adverse_event_rates WHERE min_grade IS NULL'",
    ],
)
def test_a_list_of_its_own_is_seen(source):
    """Planted: in a tuple, in a condition, in SQL."""
    assert columns_by_name(source)


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


@pytest.mark.parametrize("name", ["adverse_event_rates", "adverse_event_groups"])
def test_small_cells_are_looked_for_under_each_restriction(name):
    """What is hidden is hidden in its own restriction, and what is released hangs together in it:
    two restrictions taken for one would give a small cell away by the difference.
    """
    columns = set(flag_columns()) & set(MART_TABLES[name].key)
    assert columns
    assert columns <= set(MARTS[name].cells(Options()).by)
    assert columns <= set(COUNTS[name].by)


def test_the_marts_of_rates_have_their_columns():
    """The schema's columns and keys are the facts'."""
    for name in ("adverse_event_rates", "adverse_event_comparisons"):
        assert set(key_columns()) < set(MART_TABLES[name].key)
        assert set(key_columns()) < set(MART_TABLES[name].names)
    assert set(flag_columns(GROUP_RESTRICTIONS)) < set(MART_TABLES["adverse_event_groups"].key)
