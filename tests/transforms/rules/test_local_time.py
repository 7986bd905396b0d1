"""Whose clock a record has: its own clinic's, else its session's, else that of the clinic the
patient was in.
"""

from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest

from transforms.rules.local_time import clocks, with_clock, with_day_start, with_local_day
from transforms.schemas import CORE_RECORDS, TIMESTAMP

ZONES = {
    "BERLIN": "Europe/Berlin",
    "YORK": "America/New_York",
    "TOKYO": "Asia/Tokyo",
    "NOWHERE": None,
}


def table(schema, *rows: dict) -> pl.DataFrame:
    return pl.DataFrame(
        [{n: row.get(n) for n in schema.names} for row in rows], schema=schema.polars_schema
    )


CLINICS = table(
    CORE_RECORDS["clinics"], *({"clinic_id": c, "timezone": z} for c, z in ZONES.items())
)
SESSIONS = table(
    CORE_RECORDS["sessions"], {"session_id": "S", "clinic_id": "YORK"}, {"session_id": "N"}
)
PATIENTS = table(
    CORE_RECORDS["patients"], {"patient_id": "P", "clinic_id": "BERLIN"}, {"patient_id": "Q"}
)
MOVED = table(
    CORE_RECORDS["patient_status"],
    {
        "patient_id": "P",
        "status": "transferred",
        "clinic_id": "TOKYO",
        "effective_on": date(2026, 5, 10),
    },
    {
        "patient_id": "P",
        "status": "transferred",
        "clinic_id": None,
        "effective_on": date(2026, 5, 20),
    },
    {
        "patient_id": "P",
        "status": "completed",
        "clinic_id": "YORK",
        "effective_on": date(2026, 5, 30),
    },
)
CLOCKS = clocks(patients=PATIENTS, clinics=CLINICS, patient_status=MOVED)
AT = datetime(2026, 5, 4, 22, 30, tzinfo=UTC)


def day_of(at=AT, **given) -> tuple[date | None, str | None]:
    """The local day and zone of one record of patient P at half past ten in the evening, UTC."""
    row = (
        {"patient_id": "P", "clinic_id": None, "session_id": None, "utc_offset_min": None}
        | given
        | {"at": at}
    )
    types = dict.fromkeys(("patient_id", "clinic_id", "session_id"), pl.String)
    frame = pl.DataFrame([row], schema=types | {"utc_offset_min": pl.Int32, "at": TIMESTAMP})
    frame = with_clock(frame, at="at", clocks=CLOCKS, sessions=SESSIONS)
    return with_local_day(frame, at="at", into="day").select("day", "timezone").row(0)


@pytest.mark.parametrize(
    ("given", "day", "zone"),
    [
        ({"clinic_id": "YORK", "session_id": "N"}, 4, "America/New_York"),
        ({"clinic_id": "TOKYO", "session_id": "S"}, 5, "Asia/Tokyo"),
        ({"session_id": "S"}, 4, "America/New_York"),  # of the session's clinic
        (
            {"clinic_id": "NOWHERE", "session_id": "S"},
            4,
            "America/New_York",
        ),  # its own zone is not known
        ({"session_id": "X"}, 5, "Europe/Berlin"),  # a session not known yet: the patient's clinic
        ({}, 5, "Europe/Berlin"),
        ({"clinic_id": "UNKNOWN"}, 5, "Europe/Berlin"),
        ({"utc_offset_min": -240}, 5, "Europe/Berlin"),  # a clinic's clock before the writer's
        ({"patient_id": "Q", "utc_offset_min": -240}, 4, None),
        ({"patient_id": "Q", "utc_offset_min": 120}, 5, None),
        ({"patient_id": "Q"}, 4, None),  # UTC
        ({"patient_id": "UNKNOWN"}, 4, None),
    ],
)
def test_whose_clock(given, day, zone):
    """22:30 UTC is the next day in Berlin (00:30) and Tokyo (07:30), the same day in New York
    (18:30).
    """
    assert day_of(**given) == (date(2026, 5, day), zone)


def test_a_patient_who_moved_has_the_new_clinics_clock_from_that_day_on():
    """From midnight of 10 May in Tokyo, 15:00 UTC on 9 May; a transfer without a clinic moves
    nobody.
    """
    moved = datetime(2026, 5, 9, 15, tzinfo=UTC)
    assert day_of(moved - timedelta(microseconds=1))[1] == "Europe/Berlin"
    assert day_of(moved) == (date(2026, 5, 10), "Asia/Tokyo")
    assert day_of(datetime(2026, 6, 1, tzinfo=UTC))[1] == "Asia/Tokyo"


def test_no_moment_no_day():
    """A record whose moment is not known has the clock of the enrolment, and no day."""
    assert day_of(None) == (None, "Europe/Berlin")


def test_a_day_begins_where_its_clock_says():
    """Midnight local; where clocks skip it (Santiago, 6 September 2026) an hour later."""
    frame = pl.DataFrame(
        {"day": [date(2026, 9, 6)] * 2, "timezone": ["America/Santiago", "Europe/Berlin"]}
    )
    starts = with_day_start(frame, day="day", into="start")["start"].to_list()
    assert starts == [datetime(2026, 9, 6, 4, tzinfo=UTC), datetime(2026, 9, 5, 22, tzinfo=UTC)]
