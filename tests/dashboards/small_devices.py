"""Rows of the small lake about devices and people who are no patients.

Here: mart.device_events and mart.device_event_rates, written by hand. Not here: the other marts
(small_lake.py).
"""

from datetime import timedelta

from tests.dashboards.rows import CUT, STAMP

_OF_KIND = {
    "deficiency": (6, 2, 1),
    "device_fault": (3, None, None),
    "incident": (0, 0, 0),
    "near_miss": (1, 0, 0),
}
_PLACES = (
    ({}, False),
    ({"clinic_id": "C1"}, False),
    ({"clinic_id": "C2"}, True),
    ({"clinic_id": "C1", "device_id": "D1"}, True),
)


def device_event_rates() -> list[dict]:
    """6 deficiencies, 3 faults, no incident, one near miss in 800 sessions and 32 hours; limits
    made up but ordered.
    """
    return [
        STAMP
        | {
            "metric_id": "device_event_rates",
            "kind": kind,
            "strata": list(place),
            "is_suppressed": is_suppressed,
        }
        | place
        | {
            "events": n,
            "grave": grave,
            "grave_unknown": unknown,
            "sessions": 800,
            "device_hours": 32.0,
        }
        | {"unknown_moment": 0, "events_outside": 1, "sessions_without_duration": 0}
        | {"implausible_records": 1, "unread_records": 2}
        | _rate("events_per_100_sessions", n, 8)
        | _rate("events_per_1000_device_hours", n, 0.032)
        for place, is_suppressed in _PLACES
        for kind, (n, grave, unknown) in _OF_KIND.items()
    ]


def _rate(name: str, events: int, per: float) -> dict:
    return {
        name: events / per,
        f"{name}_lower": 0.5 * events / per,
        f"{name}_upper": (events + 4) / per,
    }


def device_events() -> list[dict]:
    """A deficiency of unknown moment, a near miss, an incident before the first session."""
    base = {
        "clinic_id": "C1",
        "modality": "whole_body",
        "counted_as": "counted",
        "is_grave": None,
        "event_id": "x",
    }
    return [
        base
        | {"kind": "deficiency", "record_id": "F1", "device_id": "D1", "what": "door seal leaks"},
        base
        | {
            "kind": "near_miss",
            "record_id": "I1",
            "what": "nitrogen leak",
            "occurred_at": CUT,
            "is_grave": True,
        },
        base
        | {
            "kind": "incident",
            "record_id": "I2",
            "what": "fell",
            "occurred_at": CUT - timedelta(days=900),
        }
        | {
            "person": "staff",
            "is_grave": False,
            "counted_as": "before_sessions",
            "clinic_id": "C2",
        },
    ]
