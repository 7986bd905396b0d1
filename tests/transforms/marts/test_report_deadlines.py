"""Rules of mart.report_deadlines: what has to be reported, work days, states.

Here: one event and what must come out; published holidays. Not here: what an adverse event is.
"""

from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest

from transforms.marts import report_deadlines
from transforms.options import Cut, Options
from transforms.schemas import CORE_TABLES, MART_TABLES

AWARE = datetime(2025, 3, 3, 15, tzinfo=UTC)  # a Monday
CUT = datetime(2025, 3, 10, 12, tzinfo=UTC)


def frame(table, *rows):
    full = [{"event_id": "e", "source": "s", **row} for row in rows]
    return pl.DataFrame([{n: r.get(n) for n in table.names} for r in full], schema=table.polars_schema)


def run(*, facility=True, cut=CUT, **event):
    given = {"ae_id": "A1", "patient_id": "P1", "term": "burn", "is_serious": True, "related": "causal",
             "aware_at": AWARE, **event}  # fmt: skip
    return report_deadlines.compute(
        adverse_events=frame(CORE_TABLES["adverse_events"], given),
        clinics=frame(CORE_TABLES["clinics"], {"clinic_id": "C1", "timezone": "America/New_York",
                                               "is_device_user_facility": facility}),
        adae=frame(MART_TABLES["adae"], {"AEID": "A1", "CLINICID": "C1"}),
        options=Options(),
        cut=Cut(lake_snapshot=1, data_cutoff=cut),
    )  # fmt: skip


def state(**given):
    row = run(**given).row(0, named=True)
    return row["state"], row["days_left"]


@pytest.mark.parametrize(
    ("given", "rules"),
    [
        ({}, ["serious_injury"]),
        ({"outcome": "fatal"}, ["death_to_fda", "death_to_manufacturer"]),
        ({"grade": 5, "is_serious": None}, ["death_to_fda", "death_to_manufacturer"]),
        ({"serious_criteria": ["death"]}, ["death_to_fda", "death_to_manufacturer"]),
        ({"related": None}, ["serious_injury"]),
        ({"related": "not_related"}, []),
        ({"is_serious": False}, []),
        ({"is_serious": None}, []),
        ({"facility": False}, []),
    ],
)
def test_what_has_to_be_reported(given, rules):
    """Death to FDA and manufacturer, a serious injury to the manufacturer; unless known not to be related."""
    assert run(**given)["rule"].to_list() == [f"us_user_facility_{r}" for r in rules]


@pytest.mark.parametrize(
    ("aware", "due"),
    [
        (date(2025, 3, 3), date(2025, 3, 17)),
        (date(2025, 3, 8), date(2025, 3, 21)),  # a Saturday: Monday the 10th is day 1
        (date(2025, 12, 19), date(2026, 1, 6)),  # Christmas and New Year's Day are no work days
        (date(2021, 12, 20), date(2022, 1, 5)),  # Christmas kept on the 24th, New Year's Day on the 31st
        (date(2025, 6, 13), date(2025, 6, 30)),  # Juneteenth
    ],
)
def test_ten_work_days(aware, due):
    """The tenth work day after the day of becoming aware; weekends and federal holidays don't count."""
    assert report_deadlines.after_work_days(aware, 10) == due


def test_federal_holidays_of_2025():
    """The eleven days that the US Office of Personnel Management lists for 2025 (the inauguration apart)."""
    listed = ["01-01", "01-20", "02-17", "05-26", "06-19", "07-04", "09-01", "10-13", "11-11", "11-27", "12-25"]
    assert report_deadlines.federal_holidays(2025) == [date.fromisoformat(f"2025-{d}") for d in listed]
    assert date(2021, 12, 31) in report_deadlines.federal_holidays(2021)
    assert date(2022, 1, 1) not in report_deadlines.federal_holidays(2022)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, ("open", 7)),
        ({"cut": datetime(2025, 3, 18, 3, tzinfo=UTC)}, ("open", 0)),  # still 17 March in New York
        ({"cut": datetime(2025, 3, 18, 12, tzinfo=UTC)}, ("overdue", -1)),
        ({"reported_at": AWARE + timedelta(days=14)}, ("reported", 7)),
        ({"reported_at": AWARE + timedelta(days=15)}, ("reported_late", 7)),
        ({"reported_at": AWARE, "reported_to": "FDA"}, ("reported", 7)),
        ({"reported_at": AWARE, "reported_to": "the clinic's board"}, ("open", 7)),
        ({"aware_at": None}, ("no_date", None)),
        ({"facility": None}, ("no_date", None)),
    ],
)
def test_states(given, expected):
    """Open until the due day is over; reported in time or late; to someone else is not reported; no date, a reason."""
    assert state(**given) == expected


def test_reasons():
    """A row without a date, or whose report is in doubt, says why; a death reported to the FDA alone is half done."""
    assert run(aware_at=None)["reason"].to_list() == ["not known when the clinic became aware"]
    assert run(facility=None)["reason"].to_list() == ["not known whether the clinic is a device user facility"]
    assert run(reported_at=AWARE)["reason"].to_list() == ["to whom it was reported is not recorded"]
    death = run(outcome="fatal", reported_at=AWARE, reported_to="FDA")
    assert dict(zip(death["rule"], death["state"], strict=True)) == {
        "us_user_facility_death_to_fda": "reported",
        "us_user_facility_death_to_manufacturer": "open",
    }


def test_empty():
    """No event, no row, all columns."""
    assert run(is_serious=False).schema == MART_TABLES["report_deadlines"].polars_schema
