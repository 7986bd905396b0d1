"""What landed before it was known, read again: the SQL on a real lake, type by type.

Here: ingest/inspection.py's `raw_as_of` with transforms/records/reread.py. Not here: a whole lake
of the release before (tests/orchestration/test_release_before.py).
"""

import json
from datetime import UTC, date, datetime

import polars as pl
import pytest

from ingest.inspection import raw_as_of
from ingest.lake import Lake
from ingest.settings import Settings
from transforms.records.reread import reread
from transforms.schemas import RAW_TABLES, TOPICS

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
PLACE = {
    "kafka_topic": "t",
    "kafka_topic_id": "id",
    "kafka_partition": 0,
    "kafka_offset": 0,
    "event_id": "e",
    "source": "/s",
    "event_time": NOW,
    "ingested_at": NOW,
}


@pytest.fixture
def lake(tmp_path, with_lake):
    with Lake.open(Settings(home=with_lake(tmp_path), catalog="", data="")) as lake:
        yield lake


def read(lake, topic: str, row: dict, extra: dict | None, column: str):
    """The column as core's statements see it, of one row of `raw` with these unknown fields."""
    table = RAW_TABLES[topic]
    whole = (
        dict.fromkeys(table.names)
        | PLACE
        | row
        | {"extra": None if extra is None else json.dumps(extra)}
    )
    frame = pl.DataFrame([whole], schema=table.polars_schema)
    lake.write(lambda writer: writer.replace(table, frame))
    query = raw_as_of(lake, lake.snapshot())
    return query(f'SELECT "{column}" AS v FROM raw."{topic}"')["v"].to_list()[0]


@pytest.mark.parametrize(
    ("topic", "row", "extra", "column", "expected"),
    [
        ("clinics", {}, {"region": "S"}, "region", "S"),
        ("clinics", {"region": "T"}, {"region": "S"}, "region", "T"),  # what was read then stands
        ("clinics", {}, {"region": 7}, "region", None),  # not a text
        ("patients", {}, {"birth_year": 1970.0}, "birth_year", 1970),
        ("patients", {}, {"birth_year": 1500}, "birth_year", None),  # out of range
        ("courses", {}, {"ends_on": "2026-02-01"}, "ends_on", date(2026, 2, 1)),
        ("courses", {}, {"ends_on": "soon"}, "ends_on", None),
        ("patients", {}, {"pain_sites": ["lumbar", "neck"]}, "pain_sites", ["lumbar", "neck"]),
        ("patients", {}, {"baseline_covariates": {"bmi": 20}}, "baseline_covariates", '{"bmi":20}'),
        (
            "patients",
            {},
            {"recorded_at": "2026-02-01T10:00:00+01:00"},
            "recorded_at",
            datetime(2026, 2, 1, 9, tzinfo=UTC),
        ),
        (
            "patients",
            {},
            {"recorded_at": "2026-02-01T10:00:00"},
            "recorded_at",
            None,
        ),  # without an offset
        ("sessions", {}, {"adverse_events_asked": True}, "adverse_events_asked", True),
        ("sessions", {}, {"adverse_events_asked": "yes"}, "adverse_events_asked", None),
        ("sessions", {}, {"duration_s": 180}, "duration_s", 180.0),
        ("sessions", {}, None, "duration_s", None),
        ("sessions", {}, {"stop_reason": "patient"}, "stop_reason", "patient"),
        ("sessions", {}, {"stop_reason": "boredom"}, "stop_reason", "other"),
        ("sessions", {}, {"stop_reason": "boredom"}, "stop_reason_raw", "boredom"),
        (
            "sessions",
            {"stop_reason": "other", "stop_reason_raw": "patient"},
            None,
            "stop_reason",
            "patient",
        ),
        (
            "sessions",
            {"stop_reason": "other", "stop_reason_raw": "patient"},
            None,
            "stop_reason_raw",
            None,
        ),
        (
            "sessions",
            {"stop_reason": "other", "stop_reason_raw": "boredom"},
            None,
            "stop_reason_raw",
            "boredom",
        ),
        (
            "sessions",
            {"stop_reason": "operator"},
            {"stop_reason": "patient"},
            "stop_reason",
            "operator",
        ),
        (
            "patients",
            {"indication": "other"},
            None,
            "indication",
            "other",
        ),  # a list that has `other` itself
        ("readings", {"metric": "other", "metric_raw": "heart_rate"}, None, "metric", "heart_rate"),
        ("readings", {"metric": "other", "metric_raw": "mood"}, None, "metric", "other"),
    ],
)
def test_as_if_it_had_arrived_today(lake, topic, row, extra, column, expected):
    """A value in its list, a field from `extra` where type and range are the field's; all else as
    it landed.
    """
    assert read(lake, topic, row, extra, column) == expected


def test_every_table_can_be_read_so(lake):
    """Each raw table, with all of its columns, in their order and types."""
    query = raw_as_of(lake, lake.snapshot())
    for topic in TOPICS:
        assert (
            query(f'SELECT * FROM raw."{topic.name}"').columns
            == lake.table(f"raw.{topic.name}").columns
        )
        assert reread(topic.name).startswith("*")
