"""Opioid dose before and after: what was taken, what is known, what replaces what.

Here: one patient's care records. Not here: times to surgery or rescue (marts/test_adtte.py).
"""

from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest

from transforms.options import Cut
from transforms.rules import care
from transforms.rules.local_time import clocks
from transforms.schemas import CORE_TABLES

DAY1 = date(2025, 3, 3)
T0 = datetime(2025, 3, 3, 12, tzinfo=UTC)
PEOPLE = pl.DataFrame({"patient_id": ["P1"], "timezone": ["America/New_York"], "DAY1DT": [DAY1]})


def table(name, *rows):
    schema = CORE_TABLES[name]
    return pl.DataFrame(
        [{n: r.get(n) for n in schema.names} for r in rows], schema=schema.polars_schema
    )


def placed(frame, people):
    """core.care on its local days; P1's clinic is in the zone of `people`, C2 in Tokyo."""
    zone = people["timezone"].item()
    patients = table("patients", {"patient_id": "P1", "clinic_id": "C1"})
    clinics = table(
        "clinics",
        {"clinic_id": "C1", "timezone": zone},
        {"clinic_id": "C2", "timezone": "Asia/Tokyo"},
    )
    whose = clocks(patients=patients, clinics=clinics, patient_status=table("patient_status"))
    return care.local_care(frame, whose)


def record(k, day, dose=None, *, until=None, through=None, kind="opioid", code="N02AA05"):
    """One record of care: from `day` to `until`, known `through`, all in days from Day 1."""
    moment = lambda d: None if d is None else T0 + timedelta(days=d)  # noqa: E731
    return {
        "care_id": f"K{k}",
        "patient_id": "P1",
        "kind": kind,
        "code": code,
        "daily_dose_mme": dose,
        "occurred_at": moment(day),
        "ended_at": moment(until),
        "reported_through": moment(through),
    }


def doses(*records, people=PEOPLE):
    frame = table("care", *records)
    rows = care.opioid_doses(placed(frame, people), people)
    return rows.select("opioid_mme_baseline", "opioid_mme_latest").rows()


@pytest.mark.parametrize(
    ("records", "expected"),
    [
        ([], []),
        ([record(1, -28, 20, until=-1, through=60)], [(20.0, 0.0)]),
        # 14 of 28 days, the others known to be without
        (
            [record(1, -40, kind="none_since_last"), record(2, -14, 20, until=-1, through=60)],
            [(10.0, 0.0)],
        ),
        (
            [record(1, -14, 20, through=60)],
            [(20.0, 20.0)],
        ),  # the days before the first record are not known
        (
            [record(1, 10, 20, through=60)],
            [(None, 20.0)],
        ),  # first asked after Day 1: nothing is known of before
        ([record(1, -40, 20, through=60)], [(20.0, 20.0)]),  # no end: it goes on
        ([record(1, -40, 20, through=-30)], [(None, None)]),  # care is not known in those days
        ([record(1, -40, None, through=60)], [(None, None)]),  # nor is the dose
        ([record(1, -40, kind="none_since_last", through=60)], [(0.0, 0.0)]),
    ],
)
def test_mean_dose_of_28_days(records, expected):
    """Mean MME a day of the 28 days before Day 1 and of the last 28 days of known care; unknown is
    null.
    """
    assert doses(*records) == expected


def test_a_newer_record_of_the_code_replaces_an_unended_one():
    """Asked every 45 days: 40, 30, then 20 MME; doses of one drug don't add up over the visits."""
    visits = [
        record(k, day, dose, through=day)
        for k, (day, dose) in enumerate([(-30, 40), (15, 30), (60, 20)])
    ]
    assert doses(*visits) == [(40.0, pytest.approx((30 * 27 + 20) / 28))]


@pytest.mark.parametrize(
    ("zone", "started", "expected"),
    [
        # 2 March 23:30 UTC is the day before Day 1 in London, and Day 1 itself in Sydney
        ("Europe/London", datetime(2025, 3, 2, 23, 30, tzinfo=UTC), (20.0 / 28, 20.0)),
        ("Australia/Sydney", datetime(2025, 3, 2, 23, 30, tzinfo=UTC), (0.0, 20.0)),
        # 3 March 02:00 UTC is Day 1 in London, and the day before it in Denver
        ("Europe/London", datetime(2025, 3, 3, 2, tzinfo=UTC), (0.0, 20.0)),
        ("America/Denver", datetime(2025, 3, 3, 2, tzinfo=UTC), (20.0 / 28, 20.0)),
        (None, datetime(2025, 3, 3, 2, tzinfo=UTC), (0.0, 20.0)),  # no zone known: UTC
    ],
)
def test_a_day_of_care_is_local(zone, started, expected):
    """20 MME a day from that moment on, none known from day -40: the same moment is another day
    elsewhere.
    """
    rows = [
        record(1, -40, kind="none_since_last"),
        record(2, 0, 20, through=60) | {"occurred_at": started},
    ]
    frame = table("care", *rows)
    people = PEOPLE.with_columns(timezone=pl.lit(zone, pl.String), DTHDT=pl.lit(None, pl.Date))
    found = care.opioid_doses(placed(frame, people), people).row(0)[1:]
    assert found == (pytest.approx(expected[0]), expected[1])
    cut = Cut(lake_snapshot=1, data_cutoff=T0 + timedelta(days=90))
    operated = frame.with_columns(
        kind=pl.when(pl.col("care_id") == "K2").then(pl.lit("surgery")).otherwise("kind")
    )
    assert care.procedures(placed(operated, people), people, cut=cut)["surgery"].to_list() == [
        int(expected[0] == 0)
    ]  # Day 1 counts


def test_several_drugs_add_up():
    """Two codes at once: 10 + 5 MME a day."""
    both = [record(1, -40, 10, through=60), record(2, -40, 5, code="N02AA01", through=60)]
    assert doses(*both) == [(15.0, 15.0)]


def test_none_since_last_ends_an_unended_medication():
    """On 20 MME at day -30, none since then said at day 15 and 60: it ended by the report of day
    -30, not at day 60.
    """
    visits = [
        record(1, -30, 20, through=-30),
        record(2, 15, kind="none_since_last", through=15),
        record(3, 60, kind="none_since_last", through=60),
    ]
    assert doses(*visits) == [(0.0, 0.0)]


def test_use_of_a_medication_without_a_dose():
    """A dose that is not known leaves the mean unknown, but that it was taken is known."""
    rows = [
        record(1, -10, None, through=60),
        record(2, 40, kind="analgesic", code="N02BE01", until=45, through=60),
    ]
    frame = table("care", *rows)
    assert care.medication_use(placed(frame, PEOPLE), PEOPLE).row(0) == (
        "P1",
        True,
        False,
        True,
        True,
    )
    assert doses(*rows) == [(None, None)]


@pytest.mark.parametrize(
    ("timezone", "hour_utc", "baseline"),
    [
        ("Australia/Sydney", 14, None),  # 1 o'clock on Day 1: nothing is known of the day before
        ("Australia/Sydney", 12, 20.0),  # 23 o'clock of the day before
        ("UTC", 14, 20.0),
        (None, 14, 20.0),
        ("America/Denver", 14, 20.0),
    ],
)
def test_days_of_care_are_the_clinics(timezone, hour_utc, baseline):
    """Day 1 is a day at the clinic, and so is a day of care: 20 MME from 2 March, 14 h UTC, is from
    Day 1 in Sydney.
    """
    first = {**record(1, -1, 20, through=60), "occurred_at": T0.replace(day=2, hour=hour_utc)}
    assert doses(first, people=PEOPLE.with_columns(timezone=pl.lit(timezone))) == [(baseline, 20.0)]


def test_procedures_are_counted_by_the_clinics_days():
    """In Sydney the evening of 2 March UTC is Day 1 and the evening of 3 March the next day: 2
    injections in 2 days.
    """
    rows = [
        {**record(k, 0, kind="injection"), "occurred_at": at, "reported_through": at}
        for k, at in enumerate((T0.replace(day=2, hour=20), T0.replace(hour=20)))
    ]
    frame = table("care", *rows)
    found = {}
    for zone in ("Australia/Sydney", "UTC"):
        people = PEOPLE.with_columns(timezone=pl.lit(zone), DTHDT=pl.lit(None, pl.Date))
        cut = Cut(lake_snapshot=1, data_cutoff=T0 + timedelta(days=9))
        found[zone] = (
            care.procedures(placed(frame, people), people, cut=cut)
            .select("care_days", "injection")
            .row(0)
        )
    assert found == {"Australia/Sydney": (2, 2), "UTC": (1, 1)}
