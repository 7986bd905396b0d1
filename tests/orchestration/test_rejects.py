"""Rejects sent again: with their headers, once they can be read, and then their alert is closed.

Here: the verb's function on the session's broker. Not here: which record is a reject
(tests/ingest/test_decode.py).
"""

from uuid import uuid4

import orjson
import pytest

from ingest import content_modes, headers, rules, stream, worker
from ingest.lake import Lake
from ingest.reject import Reject
from orchestration.rejects import replay_rejects, show_reject

TOPIC = "floe.incidents.v1"
AT = "2026-03-01T08:30:00+01:00"
DATA = {
    "incident_id": "i",
    "clinic_id": "c1",
    "occurred_at": AT,
    "subject_kind": "none",
    "kind": "door",
}


@pytest.fixture
def settings(broker, tmp_path, with_lake):
    """A lake of its own beside the session's Kafka."""
    stream.ensure_topics(broker)
    return broker.model_copy(update={"home": with_lake(tmp_path), "ingest_linger_ms": 50})


@pytest.fixture
def source() -> str:
    """Tells this test's events from others in the shared Kafka."""
    return f"/test/{uuid4().hex}"


def binary(source: str, *, type: str = TOPIC) -> tuple:
    """An event in binary mode, with a header that is no text."""
    attributes = {"specversion": "1.0", "id": "1", "source": source, "type": type, "time": AT}
    pairs = [(f"ce_{name}", text.encode()) for name, text in attributes.items()]
    return TOPIC, source.encode(), orjson.dumps(DATA), [*pairs, ("odd", b"\xff")]


def rejects(settings, key: str) -> list[dict]:
    with Lake.open(settings, read_only=True) as lake:
        return lake.table("raw.rejects", where="key = $1", params=[key.encode()]).to_dicts()


def states(settings, reject: dict) -> list[str]:
    """The states through which the alert of this reject went."""
    place = f"{reject['kafka_topic']}/{reject['kafka_partition']}/{reject['kafka_offset']}"
    with Lake.open(settings, read_only=True) as lake:
        alerts = lake.table("raw.alerts", where="list_contains(evidence, $1)", params=[place])
    return alerts.sort("revision")["state"].to_list()


def test_a_reject_that_can_be_read_now_is_sent_again_and_its_alert_closed(
    settings, source, monkeypatch
):
    """Set aside by a release that could not read it; by the next one read, with its headers,
    once.
    """
    reason = "wrong_content_type"  # a reason that no other record of this Kafka has
    with monkeypatch.context() as before:
        before.setattr(
            content_modes, "_binary", lambda *_, **__: Reject(reason, None, "not known yet")
        )
        stream.publish(settings, [binary(source)])
        worker.run(settings, drain=True)
    (reject,) = rejects(settings, source)
    assert headers.from_json(reject["headers"])[-1] == (b"odd", b"\xff")
    assert states(settings, reject) == ["open"]
    assert source in show_reject(
        settings, topic=TOPIC, partition=reject["kafka_partition"], offset=reject["kafka_offset"]
    )

    assert replay_rejects(settings, reason=reason, topic=TOPIC) == (1, [])
    worker.run(settings, drain=True)
    with Lake.open(settings, read_only=True) as lake:
        assert lake.table("raw.incidents", ["incident_id"], "source = $1", [source]).height == 1
    assert [r["replayed_at"] is not None for r in rejects(settings, source)] == [True]
    assert states(settings, reject) == ["open", "closed"]
    assert replay_rejects(settings, reason=reason, topic=TOPIC) == (0, [])


def test_a_reject_that_still_cant_be_read_stays_as_it_is(settings, source):
    """Nothing is sent, nothing is marked, the alert stays open, and the sentence says which and
    why.
    """
    stream.publish(settings, [binary(source, type="floe.consults.v1")])
    worker.run(settings, drain=True)
    (reject,) = rejects(settings, source)
    assert reject["reason"] == "wrong_type_name"
    sent, left = replay_rejects(settings, reason="wrong_type_name", topic=TOPIC)
    assert sent == 0
    assert [sentence.partition(" ")[2] for sentence in left] == [
        f"record of {TOPIC} still can't be read (wrong_type_name): nothing was sent, nothing is changed"
    ]
    assert rejects(settings, source) == [reject]
    assert states(settings, reject) == ["open"]


def test_a_part_of_a_batched_record_is_sent_again_by_itself(settings, source, monkeypatch):
    """Of an array of two one landed and one was set aside: only that one is sent, and its record is
    not again.
    """
    event = {"specversion": "1.0", "source": source, "type": TOPIC, "time": AT, "data": DATA}
    broken = event | {"id": "2", "data": DATA | {"kind": "x" * 4_001}}
    stream.publish(
        settings, [(TOPIC, source.encode(), orjson.dumps([event | {"id": "1"}, broken]))]
    )
    worker.run(settings, drain=True)
    (reject,) = rejects(settings, source)
    assert (reject["part"], reject["reason"], reject["value"]) == (
        1,
        "too_long",
        orjson.dumps(broken),
    )
    monkeypatch.setattr("ingest.lengths.LONGEST_TEXT", 5_000)
    rules.checks.cache_clear()
    try:
        assert replay_rejects(settings, reason="too_long", topic=TOPIC)[0] == 1
        worker.run(settings, drain=True)
    finally:
        rules.checks.cache_clear()
    with Lake.open(settings, read_only=True) as lake:
        ids = lake.table("raw.incidents", ["event_id"], "source = $1", [source])[
            "event_id"
        ].to_list()
    assert sorted(ids) == ["1", "2"]
    assert [r["replayed_at"] is not None for r in rejects(settings, source)] == [True]


def test_what_was_kept_as_a_checksum_is_read_from_kafka_again(settings, source, monkeypatch):
    """Beyond the bound of a flood: of four of five events position and checksum are kept. All that
    Kafka still holds are sent as they came; where it holds other bytes nothing is sent, and it is
    said.
    """
    topic, reason = "floe.care.v1", "wrong_content_type"
    data = {"patient_id": "p", "kind": "visit", "occurred_at": AT}
    attributes = {"specversion": "1.0", "source": source, "type": topic, "time": AT}

    def sent(number: int) -> tuple:
        pairs = [
            (f"ce_{name}", text.encode())
            for name, text in (attributes | {"id": str(number)}).items()
        ]
        return (
            topic,
            source.encode(),
            orjson.dumps(data | {"care_id": f"{source}-{number}"}),
            [*pairs, ("odd", b"\xff")],
        )

    with monkeypatch.context() as before:
        before.setattr(
            content_modes, "_binary", lambda *_, **__: Reject(reason, None, "not known yet")
        )
        stream.publish(settings, [sent(k) for k in range(5)])
        worker.run(settings.model_copy(update={"rejects_whole_mb": 0}), drain=True)
    with Lake.open(settings) as lake:
        mine = lake.table(
            "raw.rejects", where="kafka_topic = $1 AND reason = $2", params=[topic, reason]
        )
        assert (
            mine["value"].null_count() == mine["checksum"].count() == 4
        )  # the first is the sample
        changed = mine.filter(mine["checksum"].is_not_null())["kafka_offset"].max()
        lake.write(
            lambda w: w.execute(
                "UPDATE raw.rejects SET checksum = 'other' WHERE kafka_offset = $1 AND checksum IS NOT NULL "
                "AND reason = 'wrong_content_type'",
                [changed],
            )
        )
    place = mine.filter(mine["kafka_offset"] == changed).row(0, named=True)
    shown = show_reject(settings, topic=topic, partition=place["kafka_partition"], offset=changed)
    assert "not kept: beyond FLOE_REJECTS_WHOLE_MB" in shown
    count, left = replay_rejects(settings, reason=reason, topic=topic)
    assert count == 4
    assert len(left) == 1
    assert (
        f"Kafka no longer holds them at {topic}/{place['kafka_partition']}, offsets {changed}"
        in left[0]
    )
    worker.run(settings, drain=True)
    with Lake.open(settings, read_only=True) as lake:
        assert lake.table("raw.care", ["care_id"], "source = $1", [source]).height == 4
