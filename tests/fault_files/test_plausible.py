"""Files of faults about what can't be true, local days and wear: each comes out as its README says is right."""

from datetime import date

import polars as pl
import pytest


@pytest.fixture(scope="module")
def end_before_start(replayed):
    return replayed("ae_end_before_start.ndjson").tables


@pytest.fixture(scope="module")
def clock_future(replayed):
    return replayed("clock_future.ndjson").tables


def test_an_end_before_its_start_is_no_end(end_before_start):
    """Frostbite 2 h after a session whose end was typed a year early: emergent, without a duration, listed."""
    [row] = end_before_start["mart.adae"].to_dicts()
    assert (row["TRTEMFL"], row["SESS24FL"], row["AENDT"], row["ADURN"]) == ("Y", "Y", None, None)
    [listed] = end_before_start["core.implausible"].to_dicts()
    assert (listed["table"], listed["record_id"], listed["field"], listed["rule"], listed["is_safety"]) == (
        "adverse_events", "b-ae", "resolved_at", "end_before_start", True)  # fmt: skip


def test_a_clock_ahead_moves_nobody(clock_future):
    """A session of 2036 gives its clinic the person-time, windows and emergence of the clinic without it."""
    subjects = clock_future["mart.adsl"].sort("USUBJID")
    for column in ("TRTSDT", "TRTEDT", "DAY1DT", "LSTCONDT"):
        assert subjects[column].n_unique() == 1, column
    assert subjects["TRTEDT"].to_list() == [date(2026, 5, 4)] * 2
    assert clock_future["mart.adae"]["TRTEMFL"].to_list() == [None, None]
    rates = clock_future["mart.adverse_event_rates"]
    rates = rates.filter(pl.col("strata").list.join(",") == "clinic_id", pl.col("term").is_null())
    years = {row["clinic_id"]: row["patient_years"] for row in rates.to_dicts()}
    assert years["CF"] == years["CG"] == pytest.approx(30 / 365.25)


def test_the_session_of_2036_is_listed(clock_future):
    """It has no start, and it is in core.implausible; the cut is the newest time that can be true."""
    starts = dict(clock_future["core.sessions"].select("session_id", "started_at").rows())
    assert starts["f2"] is None
    assert starts["f1"] is not None
    listed = clock_future["core.implausible"].select("table", "record_id", "field", "rule").rows()
    assert ("sessions", "f2", "started_at", "in_the_future") in listed
    assert {row[1] for row in listed} == {"f2"}
    assert clock_future["core.data_cut"]["data_cutoff"][0].date() == date(2026, 10, 20)


def test_a_heart_rate_of_0_or_255_is_no_wear(replayed):
    """Days of heart rates of 0, or of 255, beside 0 steps: not worn, so no valid day of 0 steps."""
    tables = replayed("not_worn_heart_rate.ndjson").tables
    days = tables["core.activity_days"]
    assert days["patient_id"].unique().sort().to_list() == ["W0", "W255"]
    assert days.select("wear_minutes", "wear_source", "steps", "heart_rate_mean").unique().rows() == [
        (0, "heart_rate", 0, None)
    ]
    assert tables["mart.adact"].filter(pl.col("AVAL").is_not_null()).is_empty()


def test_a_zone_that_is_no_name_of_iana_is_rejected_with_the_name_meant(replayed):
    """Clinics in `europe/berlin` and `Mars/Phobos` are rejects; readings with -00:00 follow the good clinic's day."""
    tables = replayed("clinic_zone_wrong.ndjson").tables
    assert tables["core.clinics"]["clinic_id"].to_list() == ["CX"]
    rejects = tables["raw.rejects"].sort("kafka_offset").select("reason", "detail").rows()
    assert rejects == [
        ("bad_timezone", "found europe/berlin, expected the IANA name Europe/Berlin"),
        ("bad_timezone", "found Mars/Phobos, expected an IANA name such as Europe/Berlin, in its own capitals"),
    ]
    days = tables["core.activity_days"].select("patient_id", "day", "steps", "is_timezone_assumed").rows()
    assert days == [("Z-CX", date(2026, 5, 4), 3000, True)]
    orphans = tables["core.orphans"].filter(pl.col("missing_kind") == "clinic")
    assert set(orphans["missing_id"]) == {"CZ", "CY"}
