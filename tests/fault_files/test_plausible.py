"""Files of faults about what can't be true, local days and wear: each comes out as its README says
is right.
"""

from datetime import date

import polars as pl
import pytest

from ingest.contract import encode, record_key
from ingest.importers import ndjson


@pytest.fixture(scope="module")
def end_before_start(replayed):
    return replayed("ae_end_before_start.ndjson").tables


@pytest.fixture(scope="module")
def clock_future(replayed):
    return replayed("clock_future.ndjson").tables


def test_an_end_before_its_start_is_no_end(end_before_start):
    """Frostbite 2 h after a session whose end was typed a year early: emergent, without a duration,
    listed.
    """
    [row] = end_before_start["mart.adae"].to_dicts()
    assert (row["TRTEMFL"], row["SESS24FL"], row["AENDT"], row["ADURN"]) == ("Y", "Y", None, None)
    [listed] = end_before_start["core.implausible"].to_dicts()
    assert (
        listed["table"],
        listed["record_id"],
        listed["field"],
        listed["rule"],
        listed["is_safety"],
    ) == (
        "adverse_events",
        "b-ae",
        "resolved_at",
        "end_before_start",
        True,
    )


def test_a_clock_ahead_moves_nobody(clock_future):
    """A session of 2036 gives its clinic the person-time, windows and emergence of the clinic
    without it.
    """
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
    """It has no start, and it is in core.implausible; the cut is the newest time that can be
    true.
    """
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
    assert days.select(
        "wear_minutes", "wear_source", "steps", "heart_rate_mean"
    ).unique().rows() == [(0, "heart_rate", 0, None)]
    assert tables["mart.adact"].filter(pl.col("AVAL").is_not_null()).is_empty()


def test_a_zone_that_is_no_name_of_iana_is_rejected_with_the_name_meant(replayed):
    """Clinics in `europe/berlin` and `Mars/Phobos` are rejects; readings with -00:00 follow the
    good clinic's day.
    """
    tables = replayed("clinic_zone_wrong.ndjson").tables
    assert tables["core.clinics"]["clinic_id"].to_list() == ["CX"]
    rejects = tables["raw.rejects"].sort("kafka_offset").select("reason", "detail").rows()
    assert rejects == [
        ("bad_timezone", "found europe/berlin, expected the IANA name Europe/Berlin"),
        (
            "bad_timezone",
            "found Mars/Phobos, expected an IANA name such as Europe/Berlin, in its own capitals",
        ),
    ]
    days = (
        tables["core.activity_days"]
        .select("patient_id", "day", "steps", "is_timezone_assumed")
        .rows()
    )
    assert days == [("Z-CX", date(2026, 5, 4), 3000, True)]
    orphans = tables["core.orphans"].filter(pl.col("missing_kind") == "clinic")
    assert set(orphans["missing_id"]) == {"CZ", "CY"}


# Each of patient F1 of clinic CF, and none of them can be true.
IMPOSSIBLE = (
    (
        "sessions",
        {
            "session_id": "x1",
            "clinic_id": "CF",
            "modality": "whole_body",
            "status": "aborted",
            "started_at": "1970-01-01T00:00:10Z",
        },
    ),
    (
        "sessions",
        {
            "session_id": "x2",
            "clinic_id": "CF",
            "modality": "whole_body",
            "status": "missed",
            "started_at": "2050-01-01T00:00:10Z",
        },
    ),
    (
        "responses",
        {
            "response_id": "x3",
            "instrument": "nrs_pain",
            "items": {"average_7d": 0},
            "answered_at": "2050-01-01T00:00:00Z",
        },
    ),
    ("patient_status", {"status_id": "x4", "status": "died", "effective_on": "2050-01-01"}),
    ("patient_status", {"status_id": "x5", "status": "withdrew", "effective_on": "1970-01-01"}),
    ("courses", {"course_id": "x6", "starts_on": "2026-05-04", "ends_on": "1970-01-01"}),
    ("care", {"care_id": "x7", "kind": "surgery", "occurred_at": "2050-01-01T00:00:00Z"}),
    (
        "consults",
        {"consult_id": "x8", "outcome": "contraindicated", "occurred_at": "2050-01-01T00:00:00Z"},
    ),
    (
        "performance_tests",
        {
            "test_id": "x9",
            "clinic_id": "CF",
            "test": "timed_up_and_go",
            "value": 1,
            "performed_at": "1970-01-01T00:00:00Z",
        },
    ),
    (
        "readings",
        {
            "device_id": "w",
            "metric": "step_count",
            "unit": "{steps}",
            "interval_s": 60,
            "values": [9, 9],
            "started_at": "2050-01-01T00:00:00Z",
        },
    ),
)


def test_what_cannot_be_changes_no_figure(fault_file, computed, clock_future):
    """Ten records of one patient that can't be true: every patient's days, windows and times stay,
    all ten are listed.
    """
    events = []
    for number, (topic, data) in enumerate(IMPOSSIBLE):
        data = {"patient_id": "F1"} | data
        event = encode(topic, data, id=f"x{number}", source="/h/wrong", time="2026-05-05T08:00:00Z")
        events.append((f"floe.{topic}.v1", record_key(topic, data), event))
    tables = computed([*ndjson.replay([fault_file("clock_future.ndjson")]), *events]).tables
    ids = set(tables["core.implausible"].filter(pl.col("source") == "/h/wrong")["event_id"])
    assert ids == {f"x{k}" for k in range(len(IMPOSSIBLE))}
    for mart in ("adsl", "adae", "adtte"):
        assert tables[f"mart.{mart}"].equals(clock_future[f"mart.{mart}"]), mart
    for mart in ("adqs", "adact"):  # the answer and the test stand there, on no day
        assert tables[f"mart.{mart}"].filter(pl.col("ADT").is_not_null()).is_empty()
    assert tables["core.data_cut"]["data_cutoff"].equals(
        clock_future["core.data_cut"]["data_cutoff"]
    )
    columns = [
        "clinic_id",
        "term",
        "min_grade",
        "patients",
        "patient_years",
        "events",
        "patients_with_event",
    ]
    rates = [t["mart.adverse_event_rates"].select(columns) for t in (tables, clock_future)]
    assert rates[0].equals(rates[1])
    assert tables["core.activity_days"].is_empty()
