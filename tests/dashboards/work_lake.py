"""A small real lake of two clinics in which somebody is expected today, for tests of the lists that
people work by.

Here: events as producers send them, landed without Kafka. Not here: what a test expects of them (it
says so itself).
"""

from collections import defaultdict
from datetime import datetime, timedelta

from ingest.contract import encode, record_key
from ingest.lake import Lake
from ingest.landing import land, prepare
from ingest.source import Batch
from transforms.schemas import TOPIC_BY_NAME


def records(now: datetime) -> list[tuple[str, dict]]:
    """P1 comes weekly to C1 on this weekday, its consult defers it; P2 of C2 has nothing to look
    at.
    """
    long_ago = now - timedelta(days=60)
    found = [
        ("clinics", {"clinic_id": "C1", "name": "Harbour <b>", "timezone": "UTC"}),
        ("clinics", {"clinic_id": "C2", "name": "Spree", "timezone": "UTC"}),
        (
            "devices",
            {
                "device_id": "D1",
                "clinic_id": "C1",
                "kind": "cryo",
                "modality": "local",
                "calibrated_on": f"{long_ago:%Y-%m-%d}",
            },
        ),
        (
            "devices",
            {
                "device_id": "D2",
                "clinic_id": "C1",
                "kind": "cryo",
                "retired_on": f"{long_ago:%Y-%m-%d}",
            },
        ),
        (
            "adverse_events",
            {
                "ae_id": "E1",
                "patient_id": "P1",
                "clinic_id": "C1",
                "term": "=cmd() burn",
                "grade": 2,
                "onset_at": now - timedelta(days=6, hours=20),
            },
        ),
    ]
    for k, outcome in ((1, "deferred"), (2, "cleared")):
        patient = {"patient_id": f"P{k}", "clinic_id": f"C{k}"}
        consult = {
            "consult_id": f"K{k}",
            "occurred_at": long_ago,
            "recorded_at": long_ago,
            "outcome": outcome,
        }
        found += [
            ("patients", patient | {"enrolled_on": f"{long_ago:%Y-%m-%d}"}),
            (
                "courses",
                patient
                | {
                    "course_id": f"R{k}",
                    "starts_on": f"{long_ago:%Y-%m-%d}",
                    "prescribed_sessions": 20,
                },
            ),
            ("consults", patient | consult),
        ]
        for week in (1, 2, 3):
            at = now - timedelta(weeks=week)
            session = {
                "session_id": f"S{k}{week}",
                "course_id": f"R{k}",
                "modality": "local",
                "started_at": at,
            }
            found.append(
                (
                    "sessions",
                    patient | session | {"device_id": "D1" if k == 1 else None, "duration_s": 150},
                )
            )
    return found


def fill(settings, *, now: datetime) -> None:
    """Makes the lake of `settings` with those records, landed now."""
    by_topic = defaultdict(list)
    for k, (name, data) in enumerate(records(now)):
        topic = TOPIC_BY_NAME[name].type
        by_topic[topic].append(
            (record_key(topic, data), encode(topic, data, id=f"e{k}", source="urn:emr", time=now))
        )
    batches = []
    for topic, pairs in by_topic.items():
        keys, values = zip(*pairs, strict=True)
        n = len(pairs)
        batches.append(Batch(topic, "T", 0, 0, n, list(range(n)), list(keys), list(values)))
    with Lake.open(settings) as lake:
        assert land(lake, prepare(batches, now=now)).rejects == 0
