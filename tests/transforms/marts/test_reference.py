"""The tables that describe the others: the dictionary and the catalogue, published."""

import json
from dataclasses import fields
from datetime import UTC, datetime
from string import Formatter

import polars as pl
import pytest

from transforms.facts.catalogue import METRICS
from transforms.marts import data_dictionary, metric_definitions
from transforms.options import Cut, Options
from transforms.schemas import CORE_TABLES, MART_TABLES, RAW_TABLES

CUT = Cut(lake_snapshot=1, data_cutoff=datetime(2026, 1, 1, tzinfo=UTC))


def test_dictionary_lists_every_column_of_every_table_with_a_comment():
    """One row a column, views included; none without a meaning."""
    found = data_dictionary.compute(options=Options(), cut=CUT)
    for table in (*RAW_TABLES.values(), *CORE_TABLES.values(), *MART_TABLES.values()):
        rows = found.filter(schema=table.schema, table=table.name)
        assert rows["column"].to_list() == table.names
    assert "readings_long" in found["table"]
    assert found.filter((found["comment"] == "") | (found["table_comment"] == "")).is_empty()


def test_definitions_publish_the_catalogue_and_the_settings_in_force():
    """One row a metric and version; a parameter shows the value that the site has set."""
    found = metric_definitions.compute(options=Options(nrs_points=1.5), cut=CUT)
    assert found["metric_id"].to_list() == sorted(METRICS)
    assert found.filter(found["source"] == "").is_empty()
    shown = [json.loads(p) for p in found["parameters"] if p]
    assert {p["nrs_points"] for p in shown if "nrs_points" in p} == {1.5}


# Options that a rule of the catalogue can't be read without, each set to what no rule says by
# itself.
_SAYS = {
    "risk_window_days": 43,
    "episode_gap_days": 97,
    "lost_after_days": 61,
    "clean_window_days": 9,
    "sustained_min_days": 23,
    "course_gap_days": 37,
    "valid_day_wear_h": 11.5,
    "valid_week_days": 5,
    "anchor_min_group": 41,
    "responder_extra_pct": 47,
    "nrs_points": 1.5,
    "odi_min_items": 9,
    "min_completeness_pct": 67.5,
    "control_chart_arl": 512.0,
}


@pytest.mark.parametrize("option", _SAYS)
def test_a_definition_says_the_sites_own_number(option):
    """Some rule that depends on it says it; none says the default instead, or only the setting's
    name.
    """
    value = _SAYS[option]
    rules = metric_definitions.compute(options=Options(**{option: value}), cut=CUT).filter(
        pl.col("parameters").str.contains(f'"{option}"')
    )["rule"]
    assert rules.str.contains(rf"\b{value:g}\b").any()
    assert (
        not metric_definitions.compute(options=Options(), cut=CUT)["rule"]
        .str.contains("FLOE_|[{]")
        .any()
    )


def test_a_rule_stands_for_options_that_it_names():
    """Each {name} of a rule is one of the metric's parameters, and every parameter an option."""
    for metric in METRICS.values():
        named = {name for _, name, _, _ in Formatter().parse(metric.rule) if name}
        assert named <= set(metric.parameters) <= {f.name for f in fields(Options)}, metric.id
