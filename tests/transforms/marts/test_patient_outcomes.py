"""mart.patient_outcomes: what one row says of a patient, and the reason for what it can't say."""

from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest

from transforms.checks import check_table
from transforms.marts import MARTS
from transforms.options import Cut, Options
from transforms.schemas import CORE_TABLES, MART_TABLES

DAY1 = date(2025, 1, 6)
CUT = Cut(lake_snapshot=3, data_cutoff=datetime(2025, 6, 1, tzinfo=UTC))


def table(schema, rows: list[dict]) -> pl.DataFrame:
    return pl.DataFrame(
        [{**dict.fromkeys(schema.names), **r} for r in rows], schema=schema.polars_schema
    )


def score(
    parameter: str, day: int, value: float | None, base: float | None = None, **flags
) -> dict:
    """A row of adqs or adact: `base` null = the baseline itself, or a row without one."""
    at = datetime(2025, 1, 6, tzinfo=UTC) + timedelta(days=day)
    change = None if base is None or value is None else value - base
    return {
        "STUDYID": "s",
        "USUBJID": "p",
        "PARAMCD": parameter,
        "PARAM": parameter,
        "ADT": at.date(),
        "ADTM": at,
        "AVAL": value,
        "BASE": base,
        "CHG": change,
        "EVENTID": f"{parameter}{day}",
        "FRSTEPFL": "Y",
        **flags,
    }


def compute(
    *, adqs=(), adact=(), adex=(), adae=(), courses=(), activity_days=(), patients=("p",), **options
) -> pl.DataFrame:
    subjects = [
        {"STUDYID": "s", "USUBJID": n, "DAY1DT": DAY1, "NSESS": 2, "EOSSTT": "ONGOING"}
        for n in patients
    ]
    rows = {
        "adqs": adqs,
        "adex": adex,
        "adae": adae,
        "courses": courses,
        "activity_days": activity_days,
        "adact": [{k: v for k, v in r.items() if k != "ADTM"} for r in adact],
        "adsl": subjects,
    }
    inputs = {}
    for full in MARTS["patient_outcomes"].inputs:
        room, name = full.split(".")
        inputs[name] = table(
            (MART_TABLES if room == "mart" else CORE_TABLES)[name], list(rows.get(name, ()))
        )
    return MARTS["patient_outcomes"].compute(None, **inputs, options=Options(**options), cut=CUT)


def test_baseline_latest_change_and_rules():
    """8 at baseline, 7 then 4: latest 4, change -4, the rules of the latest assessment."""
    last = {"CRIT1FL": "Y", "CRIT2FL": "Y", "CRIT3FL": "Y", "CRIT4FL": "N"}
    first = {"CRIT1FL": "N", "CRIT2FL": "N", "CRIT3FL": "N", "CRIT4FL": "N"}
    frame = compute(
        adqs=[
            score("NRS7D", 0, 8, 8) | {"CHG": None},
            score("NRS7D", 28, 4, 8, **last),
            score("NRS7D", 7, 7, 8, **first),
        ]
    )
    row = frame.row(0, named=True)
    assert [row[f"pain_{c}"] for c in ("parameter", "baseline", "latest", "change", "reason")] == [
        "NRS7D",
        8,
        4,
        -4,
        None,
    ]
    assert row["pain_latest_on"] == DAY1 + timedelta(days=28)
    flags = ("is_responder_30_pct", "is_responder_50_pct", "is_responder_points", "is_worse")
    assert [row[f] for f in flags] == [True, True, True, False]
    assert check_table(MART_TABLES["patient_outcomes"], frame)["is_passed"].all()


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ([], "never measured"),
        ([score("RMDQ", 28, 9)], "no baseline"),
        ([score("RMDQ", 0, 14, 14) | {"CHG": None}], "no value after the baseline"),
        ([score("ODI", 0, None) | {"NEREASON": "the ODI is licensed"}], "the ODI is licensed"),
    ],
)
def test_every_missing_outcome_has_its_reason(rows, reason):
    """No row is without a reason for a change that can't be given; nothing is guessed."""
    row = compute(adqs=rows).row(0, named=True)
    assert (row["disability_change"], row["disability_reason"]) == (None, reason)


def test_the_first_parameter_with_a_baseline_stands():
    """The ODI comes first, but a questionnaire with a baseline before one without."""
    rows = [
        score("ODI", 28, 20),
        score("RMDQ", 0, 14, 14) | {"CHG": None},
        score("RMDQ", 28, 9, 14),
    ]
    row = compute(adqs=rows).row(0, named=True)
    assert (row["disability_parameter"], row["disability_change"]) == ("RMDQ", -5)


def test_sessions_adherence_and_limits():
    """2 of 4 prescribed were delivered; one broke two limits and counts once; an aborted one was
    not cleared.
    """
    sessions = [
        {
            "SESSIONID": "a",
            "COURSEID": "c",
            "EXSTAT": "delivered",
            "DURFL": "Y",
            "TEMPLOFL": "Y",
            "CLEARFL": "Y",
        },
        {"SESSIONID": "b", "COURSEID": "c", "EXSTAT": "delivered", "DURFL": "N"},
        {"SESSIONID": "d", "COURSEID": "c", "EXSTAT": "aborted", "CLEARFL": "N", "CONTRAFL": "Y"},
        {"SESSIONID": "e", "COURSEID": "c", "EXSTAT": "missed", "DURFL": "Y", "CLEARFL": "N"},
    ]
    sessions = [{"STUDYID": "s", "USUBJID": "p", "EXSEQ": k} | s for k, s in enumerate(sessions)]
    course = {"course_id": "c", "patient_id": "p", "prescribed_sessions": 4}
    row = compute(adex=sessions, courses=[course]).row(0, named=True)
    found = [
        row[c]
        for c in (
            "sessions_prescribed",
            "adherence_ratio",
            "protocol_deviations",
            "sessions_not_cleared",
        )
    ]
    assert found == [4, 0.5, 1, 1]
    assert compute(adex=sessions).row(0, named=True)["adherence_ratio"] is None


def test_events_and_wear():
    """A persisting event is not counted again; of two devices of one day the longer worn counts; no
    days, no wear.
    """
    events = [("a", "Y", "Y"), ("b", "N", "N"), ("c", "Y", "N")]
    adae = [
        {"STUDYID": "s", "USUBJID": "p", "AESEQ": k, "AEID": i, "NEWFL": new, "AESER": serious}
        for k, (i, new, serious) in enumerate(events)
    ]
    worn = [("w", 0, 720), ("v", 0, 300), ("w", 1, 300), ("w", 2, 0)]
    days = [
        {"patient_id": "p", "device_id": d, "day": DAY1 + timedelta(days=k), "wear_minutes": m}
        for d, k, m in worn
    ]
    row = compute(adae=adae, activity_days=days).row(0, named=True)
    assert (row["adverse_events"], row["serious_adverse_events"]) == (2, 1)
    assert (row["valid_wear_days"], row["mean_wear_h"]) == (1, 8.5)  # (12 + 5) / 2 days worn
    nothing = compute().row(0, named=True)
    assert (nothing["adverse_events"], nothing["valid_wear_days"], nothing["mean_wear_h"]) == (
        0,
        None,
        None,
    )


def test_mobility_and_quality_of_life():
    """Steps come from adact, weeks by their day; health from the first of EQ-5D, PROMIS-29, EQ VAS
    with a baseline.
    """
    weeks = [score("STEPS", -7, 5000, 5000) | {"CHG": None}, score("STEPS", 56, 6000, 5000)]
    row = compute(
        adact=weeks, adqs=[score("EQVAS", 0, 60, 60) | {"CHG": None}, score("EQVAS", 30, 70, 60)]
    ).row(0, named=True)
    assert (row["steps_baseline"], row["steps_latest"], row["steps_change"]) == (5000, 6000, 1000)
    assert (row["quality_of_life_parameter"], row["quality_of_life_change"]) == ("EQVAS", 10)


def test_the_class_of_the_latest_change():
    """The latest assessment's class stands beside the change; where no error is known there is
    none.
    """
    rows = [
        score("NRS7D", 0, 8, 8) | {"CHG": None},
        score("NRS7D", 7, 4, 8, CHGCAT1="improved"),
        score("NRS7D", 28, 6, 8, CHGCAT1="unchanged"),
    ]
    weeks = [score("STEPS", -7, 5000, 5000) | {"CHG": None}, score("STEPS", 56, 6000, 5000)]
    row = compute(adqs=rows, adact=weeks).row(0, named=True)
    assert (row["pain_change"], row["pain_change_class"]) == (-2, "unchanged")
    assert (row["steps_change"], row["steps_change_class"]) == (1000, None)


def test_every_patient_has_a_row():
    """One row a patient, also for those without anything; such rows are for the clinic only."""
    frame = compute(patients=("p", "q", "r"))
    assert frame["patient_id"].to_list() == ["p", "q", "r"]
    assert frame["is_suppressed"].all()
