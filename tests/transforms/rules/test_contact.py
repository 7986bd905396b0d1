"""Contact: which records are an occasion at which harm could have been told.

Here: single records and the moment that they stand for. Not here: who is lost
(test_time_at_risk.py).
"""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from transforms.rules.contact import CONTACTS, last_contact
from transforms.rules.local_time import clocks
from transforms.schemas import CORE_TABLES

T0 = datetime(2025, 3, 3, 10, tzinfo=UTC)
CUT = T0 + timedelta(days=100)
NAMES = ("patients", "clinics", "patient_status")
CLOCKS = clocks(**{name: CORE_TABLES[name].empty() for name in NAMES})


def at(days):
    return T0 + timedelta(days=days)


def contact_of(name, **record):
    """Days from T0 to the last contact that one record of a table makes; None = it makes none."""
    tables = {}
    for table in CONTACTS:
        schema = CORE_TABLES[table].polars_schema
        row = {"patient_id": "P", "event_time": T0, **record} if table == name else None
        rows = [{k: row.get(k) for k in schema}] if row else []
        tables[table] = pl.DataFrame(rows, schema=schema)
    moments = last_contact(tables, clocks=CLOCKS, until=CUT)["last_contact_at"].to_list()
    return (moments[0] - T0) / timedelta(days=1) if moments else None


@pytest.mark.parametrize(
    ("name", "record", "expected"),
    [
        ("sessions", {"started_at": at(5), "status": "delivered"}, 5),
        ("sessions", {"started_at": at(5), "status": None}, 5),  # delivered by default
        ("sessions", {"started_at": at(5), "status": "aborted"}, 5),
        ("sessions", {"started_at": at(5), "status": "missed"}, None),
        ("sessions", {"started_at": at(5), "status": "cancelled"}, None),
        ("consults", {"occurred_at": at(6)}, 6),
        ("screenings", {"occurred_at": at(7)}, 7),
        ("responses", {"answered_at": at(8)}, 8),
        ("performance_tests", {"performed_at": at(9)}, 9),
        ("care", {"occurred_at": at(1), "kind": "visit"}, 1),
        (
            "care",
            {"occurred_at": at(1), "kind": "analgesic", "reported_through": at(20)},
            20,
        ),  # asked on day 20
        (
            "adverse_events",
            {"onset_at": at(3), "event_time": at(50)},
            3,
        ),  # written down again on day 50: no contact
        ("adverse_events", {"onset_at": at(3), "aware_at": at(4)}, 4),
        ("adverse_events", {"onset_at": at(3), "resolved_at": at(9), "outcome": "resolved"}, 9),
        (
            "adverse_events",
            {"onset_at": at(3), "aware_at": at(9), "resolved_at": at(9), "outcome": "fatal"},
            3,
        ),
        ("adverse_events", {"onset_at": None, "event_time": at(11)}, 11),
        ("responses", {"answered_at": at(101)}, None),  # after the data cut
        ("responses", {"answered_at": at(100)}, 100),
    ],
)
def test_contact(name, record, expected):
    """The moment that counts, in days; null where nobody met the patient, or not yet."""
    assert contact_of(name, **record) == expected


def test_what_is_no_contact():
    """Neither what is worn nor any status that a clinic files is asked for."""
    assert not {"readings", "activity_days", "walking_days", "patient_status", "telemetry"} & set(
        CONTACTS
    )
