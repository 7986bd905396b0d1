"""Alerts that core calls for: one a clash, contradiction and implausible safety record, and no second one."""

from datetime import UTC, datetime, timedelta

import orjson
import polars as pl
import pytest

from ingest.core_alerts import due_alerts
from ingest.decode import decode
from ingest.lake import Lake
from ingest.settings import Settings
from ingest.source import Batch
from orchestration.core_alerts import send_core_alerts
from transforms.schemas import CORE_TABLES, RAW_TABLES

AT = datetime(2026, 6, 1, tzinfo=UTC)


@pytest.fixture
def settings(tmp_path, with_lake):
    """A home with an empty lake, and no Kafka at its address."""
    return Settings(home=with_lake(tmp_path / "home"), kafka_bootstrap="127.0.0.1:9")


def implausible(**given) -> dict:
    return {"table": "sessions", "record_id": "S", "field": "started_at", "rule": "in_the_future", "sentence": "x",
            "event_id": "E", "source": "clinic", "ingested_at": AT, "is_safety": True, "is_contradiction": False,
            "is_set_aside": False} | given  # fmt: skip


def clash(**given) -> dict:
    return {"kind": "clash", "topic": "sessions", "record_id": "1001", "event_id": "E", "source": "a",
            "kafka_topic_id": "T", "kafka_partition": 0, "kafka_offset": 0, "ingested_at": AT} | given  # fmt: skip


def fill(lake: Lake, name: str, *rows: dict) -> None:
    table = CORE_TABLES[name]
    frame = pl.DataFrame([dict.fromkeys(table.names) | row for row in rows], schema=table.polars_schema)
    lake.write(lambda writer: writer.replace(table, frame))


def land(lake: Lake, events: list[tuple[str, bytes, bytes]]) -> None:
    count = len(events)
    batch = Batch(
        "floe.alerts.v1", "T", 0, 0, count, list(range(count)), [e[1] for e in events], [e[2] for e in events]
    )
    decoded = decode(batch, ingested_at=AT + timedelta(hours=1))
    assert decoded.rejects.is_empty()
    lake.write(lambda writer: writer.append(RAW_TABLES["alerts"], decoded.rows))


def about(events) -> list[tuple]:
    data = [orjson.loads(value)["data"] for _, _, value in events]
    return [(d["rule"], d["subject_kind"], d["subject_id"], d.get("finding"), d["evidence"]) for d in data]


def test_one_alert_for_each_and_none_for_what_is_no_matter_of_safety(settings):
    """Two events of one clash are one alert; a wrong calibration date is none; a care record after a death is one."""
    with Lake.open(settings) as lake:
        later = AT + timedelta(hours=1)
        fill(lake, "conflicts", clash(), clash(event_id="F", kafka_offset=1, ingested_at=later),
             clash(kind="superseded", record_id="1002"))  # fmt: skip
        fill(lake, "implausible", implausible(),
             implausible(table="devices", record_id="D", is_safety=False),
             implausible(table="care", record_id="K", field="occurred_at", rule="after_death", is_safety=False,
                         is_contradiction=True))  # fmt: skip
        found = about(due_alerts(lake))
    assert sorted(found) == [
        ("clash_of_ids", "sessions", "1001", None, ["E"]),
        ("contradiction", "care", "K", "occurred_at after_death", ["E"]),
        ("implausible_safety_record", "sessions", "S", "started_at in_the_future", ["E"]),
    ]


def test_a_series_after_a_death_is_one_alert_a_patient(settings):
    """Hours of readings after a death tell the same news."""
    rows = [implausible(table="readings", record_id=f"E{k}", event_id=f"E{k}", patient_id="P", rule="after_death",
                        is_safety=False, is_contradiction=True) for k in range(3)]  # fmt: skip
    with Lake.open(settings) as lake:
        fill(lake, "implausible", *rows)
        assert about(due_alerts(lake)) == [("contradiction", "readings", "P", "after_death", ["E0"])]


def test_what_has_landed_is_not_sent_again_and_made_twice_it_is_the_same_event(settings):
    """The same rows give the same bytes; once the alert is in raw.alerts nothing is due, whatever its state."""
    with Lake.open(settings) as lake:
        fill(lake, "implausible", implausible())
        first, second = due_alerts(lake), due_alerts(lake)
        assert first == second
        land(lake, first)
        assert due_alerts(lake) == []
        assert send_core_alerts(lake, settings) == "none is due"
        # a correction that is wrong too is the same news; another field is other news
        fill(lake, "implausible", implausible(event_id="F", ingested_at=AT + timedelta(days=1)))
        assert due_alerts(lake) == []
        fill(lake, "implausible", implausible(field="event_time"))
        assert len(due_alerts(lake)) == 1


def test_without_kafka_they_wait(settings):
    """Where nothing answers the run goes on, says so, and the next one finds the same alerts due."""
    with Lake.open(settings) as lake:
        fill(lake, "implausible", implausible())
        said = send_core_alerts(lake, settings)
        assert said == "1 are due: no Kafka answers at 127.0.0.1:9, the next run sends them"
        assert len(due_alerts(lake)) == 1
