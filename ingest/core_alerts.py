"""Alerts for what contradicts itself or can't be true: each clash of ids, contradiction and implausible safety record.

Here: `core.conflicts` and `core.implausible` -> alert events that are not in the lake yet. Not here: publishing
(orchestration/core_alerts.py), alerts of records that can't be read (reject_alerts.py).

An alert is named by what it is about, and its event says nothing that changes later: made twice it is the same event.
Of a series that runs on past a death there is one alert a patient, not one an event.
"""

import hashlib
from collections.abc import Iterator

import polars as pl

from .contract import encode, topic_named
from .lake import Lake

CLASH, CONTRADICTION, IMPLAUSIBLE = "clash_of_ids", "contradiction", "implausible_safety_record"
_TOPIC = topic_named("alerts").type
_SOURCE = "/floe/core"

_CLASHES = f"""
SELECT '{CLASH}' AS rule, topic AS subject_kind, record_id AS subject_id, '' AS detail, NULL AS clinic_id,
    arg_min(event_id, (ingested_at, event_id)) AS event_id, min(ingested_at) AS first_at
FROM core.conflicts WHERE kind = 'clash' GROUP BY topic, record_id
"""
_OF_SERIES = "\"table\" IN ('readings', 'telemetry')"
_WRONG = f"""
SELECT CASE WHEN is_contradiction THEN '{CONTRADICTION}' ELSE '{IMPLAUSIBLE}' END AS rule, "table" AS subject_kind,
    CASE WHEN {_OF_SERIES} THEN coalesce(patient_id, record_id) ELSE record_id END AS subject_id,
    CASE WHEN {_OF_SERIES} THEN implausible.rule ELSE field || ' ' || implausible.rule END AS detail,
    any_value(clinic_id) AS clinic_id, arg_min(event_id, (ingested_at, event_id)) AS event_id,
    min(ingested_at) AS first_at
FROM core.implausible WHERE is_contradiction OR is_safety GROUP BY ALL
"""


def due_alerts(lake: Lake) -> list[tuple[str, bytes, bytes]]:
    """(topic, key, value) of each alert that core calls for and raw.alerts does not hold, the oldest first."""
    rows = pl.concat([lake.sql(_CLASHES), lake.sql(_WRONG)], how="vertical_relaxed")
    landed = set(lake.table("raw.alerts", ["alert_id"])["alert_id"])
    ordered = rows.sort("first_at", "rule", "subject_kind", "subject_id", "detail")
    return [event for alert_id, event in _events(ordered) if alert_id not in landed]


def _events(rows: pl.DataFrame) -> Iterator[tuple[str, tuple[str, bytes, bytes]]]:
    for row in rows.iter_rows(named=True):
        alert_id = _alert_id(row)
        data = {
            "alert_id": alert_id,
            "rule": row["rule"],
            "severity": "amber",
            "clinic_id": row["clinic_id"],
            "subject_kind": row["subject_kind"],
            "subject_id": row["subject_id"],
            "evidence": [row["event_id"]],
            "occurred_at": row["first_at"],
            "tier": "today",
            "state": "open",
            "finding": row["detail"] or None,
        }
        value = encode(_TOPIC, data, id=alert_id, source=_SOURCE, time=row["first_at"])
        yield alert_id, (_TOPIC, alert_id.encode(), value)


def _alert_id(row: dict) -> str:
    """The rule and a digest of what it is about: ids have any length."""
    about = "\x1f".join((row["subject_kind"], row["subject_id"] or "", row["detail"]))
    return f"{row['rule']}-{hashlib.blake2b(about.encode(), digest_size=8).hexdigest()}"
