"""The tables that describe the others: the dictionary and the catalogue, published."""

import json
from datetime import UTC, datetime

from transforms.catalogue import METRICS
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
