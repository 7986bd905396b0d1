"""Who is in which study: enrolments, routine care, what belongs to which, masking and planned
visits.

Here: transforms/rules/studies.py. Not here: what the marts make of it (tests/transforms/marts).
"""

from datetime import UTC, date, datetime

import polars as pl
import pytest

from transforms.facts.visits import VISITS, Visit
from transforms.options import Cut
from transforms.rules import studies
from transforms.schemas import CORE_TABLES

CUT = Cut(lake_snapshot=1, data_cutoff=datetime(2025, 6, 30, 12, tzinfo=UTC))
SHARED = {"event_id": "e", "source": "s", "event_time": datetime(2025, 1, 1, tzinfo=UTC)}


def core(name: str, *rows: dict) -> pl.DataFrame:
    table = CORE_TABLES[name]
    full = [{**dict.fromkeys(table.names), **SHARED, **row} for row in rows]
    return pl.DataFrame(
        [{k: r[k] for k in table.names} for r in full], schema=table.polars_schema, orient="row"
    )


def patient(patient_id="P1", **given) -> dict:
    return {"patient_id": patient_id, "clinic_id": "C1", "enrolled_on": date(2025, 1, 10)} | given


def enrolment(study_id: str, first: date, last: date | None = None, **given) -> dict:
    return {
        "enrolment_id": f"{study_id}-{first}",
        "study_id": study_id,
        "patient_id": "P1",
        "from": first,
        "to": last,
    } | given


def begun(*days: date) -> pl.DataFrame:
    return pl.DataFrame(
        {"patient_id": ["P1"] * len(days), "day": list(days)},
        schema={"patient_id": pl.String, "day": pl.Date},
    )


def spans(patients, enrolments, *days) -> list[tuple]:
    frame = studies.memberships(
        core("patients", *patients), core("study_enrolments", *enrolments), begun(*days)
    )
    return frame.select("study_id", "from_on", "to_on", "arm").rows()


# --- the short form -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("allocated_on", "begins"),
    [
        (None, date(2025, 1, 10)),
        (date(2025, 1, 8), date(2025, 1, 8)),
        (date(2025, 1, 12), date(2025, 1, 10)),
    ],
)
def test_the_short_form_is_one_open_enrolment(allocated_on, begins):
    """From the earlier of enrolment and allocation, without an end, with arm, allocation and the
    record's lineage.
    """
    short = patient(
        study_id="T",
        arm="control",
        allocation="randomised",
        allocated_on=allocated_on,
        event_id="E7",
    )
    [row] = studies.enrolments(core("study_enrolments"), core("patients", short)).to_dicts()
    assert (row["enrolment_id"], row["study_id"], row["patient_id"]) == ("T:P1", "T", "P1")
    assert (row["from"], row["to"]) == (begins, None)
    assert (row["arm"], row["allocation"], row["allocated_on"]) == (
        "control",
        "randomised",
        allocated_on,
    )
    assert row["event_id"] == "E7"


def test_an_explicit_enrolment_beats_the_short_form_of_its_study_alone():
    """The patient's `study_id` is not counted again where an enrolment says it; another study's
    does not matter.
    """
    explicit = core(
        "study_enrolments",
        enrolment("T", date(2025, 2, 1), arm="sham"),
        enrolment("T", date(2025, 2, 1), patient_id="P2", enrolment_id="N2"),
    )
    patients = core(
        "patients",
        patient(study_id="T", arm="control"),
        patient("P2", study_id="U"),
        patient("P3", arm="x"),
    )
    rows = studies.enrolments(explicit, patients).select("study_id", "patient_id", "arm").rows()
    assert sorted(rows) == [("T", "P1", "sham"), ("T", "P2", None), ("U", "P2", None)]


# --- who is in which study ----------------------------------------------------------------------

JANUARY, MARCH, MAY = date(2025, 1, 20), date(2025, 3, 20), date(2025, 5, 20)
FEB_1 = date(2025, 2, 1)
MAR_1 = date(2025, 3, 1)
APR_1 = date(2025, 4, 1)
APR_30 = date(2025, 4, 30)
ROUTINE_ROW = ("ROUTINE", date(2025, 1, 10), None, None)


@pytest.mark.parametrize(
    ("enrolments", "sessions", "expected"),
    [
        pytest.param([], [], [ROUTINE_ROW], id="in no study: routine care, session or not"),
        pytest.param(
            [enrolment("T", MAR_1)], [], [("T", MAR_1, None, None)], id="in a study, no session"
        ),
        pytest.param(
            [enrolment("T", MAR_1)], [MARCH], [("T", MAR_1, None, None)], id="every session inside"
        ),
        pytest.param(
            [enrolment("T", MAR_1)],
            [MAR_1],
            [("T", MAR_1, None, None)],
            id="the first day is inside",
        ),
        pytest.param(
            [enrolment("T", MAR_1)],
            [JANUARY, MARCH],
            [ROUTINE_ROW, ("T", MAR_1, None, None)],
            id="before",
        ),
        pytest.param(
            [enrolment("T", FEB_1, MARCH)],
            [MARCH],
            [("T", FEB_1, MARCH, None)],
            id="the last day is inside",
        ),
        pytest.param(
            [enrolment("T", FEB_1, MAR_1)],
            [MARCH],
            [ROUTINE_ROW, ("T", FEB_1, MAR_1, None)],
            id="after",
        ),
        pytest.param(
            [enrolment("T", FEB_1, MAR_1, arm="a"), enrolment("U", APR_1, arm="b")],
            [],
            [("T", FEB_1, MAR_1, "a"), ("U", APR_1, None, "b")],
            id="one study after the other",
        ),
        pytest.param(
            [enrolment("T", APR_1, APR_30, arm="b"), enrolment("T", FEB_1, MAR_1, arm="a")],
            [],
            [("T", FEB_1, APR_30, "a")],
            id="twice in one study: one, with the first arm",
        ),
        pytest.param(
            [enrolment("T", MAR_1, patient_id="P9")], [], [ROUTINE_ROW], id="of somebody not known"
        ),
    ],
)
def test_a_row_a_patient_and_study(enrolments, sessions, expected):
    """Routine care is one where the patient is in no study, or a session that began lies outside
    all enrolments.
    """
    assert spans([patient()], enrolments, *sessions) == expected


def test_an_arm_without_a_study_is_routine_cares():
    """Who has an arm and no study has it in routine care; the arm of a study is none in routine
    care.
    """
    assert spans([patient(arm="control")], []) == [("ROUTINE", date(2025, 1, 10), None, "control")]
    in_study = patient(study_id="T", arm="control")
    rows = spans([in_study], [enrolment("T", MAR_1, arm="control")], JANUARY)
    assert rows == [ROUTINE_ROW, ("T", MAR_1, None, "control")]


# --- what belongs to which ----------------------------------------------------------------------


def adsl(*rows: tuple) -> pl.DataFrame:
    schema = {"STUDYID": pl.String, "USUBJID": pl.String, "ENRLDT": pl.Date, "ENRENDT": pl.Date}
    return pl.DataFrame([(s, "P1", *rest) for s, *rest in rows], schema=schema, orient="row")


ROUTINE_AND_T = (("ROUTINE", date(2025, 1, 10), None), ("T", MAR_1, APR_1))
T_AND_U = (("T", FEB_1, MAR_1), ("U", APR_1, None))


@pytest.mark.parametrize(
    ("rows", "day", "expected"),
    [
        (ROUTINE_AND_T, JANUARY, "ROUTINE"),
        (ROUTINE_AND_T, MAR_1, "T"),
        (ROUTINE_AND_T, APR_1, "T"),
        (ROUTINE_AND_T, MAY, "ROUTINE"),
        (ROUTINE_AND_T, None, "ROUTINE"),
        (T_AND_U, JANUARY, "T"),  # before both: the next that begins
        (T_AND_U, date(2025, 2, 10), "T"),
        (T_AND_U, MARCH, "U"),  # between them
        (T_AND_U, MAY, "U"),
        (T_AND_U, None, "T"),
        ((("T", FEB_1, MAR_1),), MAY, "T"),  # after the only one
        ((("T", FEB_1, None), ("U", APR_1, None)), MAY, "U"),  # in two: the one that began last
    ],
)
def test_what_a_record_belongs_to(rows, day, expected):
    """The study in whose enrolment its day lies, else routine care; without it the next study, else
    the last.
    """
    frame = pl.DataFrame(
        {"patient_id": ["P1"], "at": [day]}, schema={"patient_id": pl.String, "at": pl.Date}
    )
    assert studies.with_study(frame, adsl(*rows), day="at")["STUDYID"].to_list() == [expected]


def test_an_outcome_before_a_study_is_its_baseline_too():
    """In the lead before an enrolment a row is told twice: where it belongs, and in the study that
    it precedes.
    """
    days = [date(2025, 1, 31), date(2025, 2, 1), MAR_1]
    frame = pl.DataFrame({"patient_id": ["P1"] * 3, "at": days})
    told = studies.of_studies(frame, adsl(*ROUTINE_AND_T), day="at", lead_days=28)
    assert sorted(told.select("STUDYID", "at").rows()) == [
        ("ROUTINE", days[0]),
        ("ROUTINE", days[1]),
        ("T", days[1]),
        ("T", days[2]),
    ]


def test_nobody_unknown_belongs_anywhere():
    """A row of a patient without a row in adsl is left out, not given a study."""
    frame = pl.DataFrame({"patient_id": ["P9"], "at": [MAY]})
    assert studies.with_study(frame, adsl(*ROUTINE_AND_T), day="at").is_empty()


# --- masking and visits -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("until", "is_masked"),
    [
        (None, False),
        (date(2025, 6, 29), False),
        (date(2025, 6, 30), False),
        (date(2025, 7, 1), True),
    ],
)
def test_masked_until(until, is_masked):
    """Arms are masked before the day `masked_until`; from the data cut's day (UTC) on that is it,
    they are shown.
    """
    study = core("studies", {"study_id": "T", "masked_until": until})
    assert studies.masked(study, cut=CUT) == (["T"] if is_masked else [])


@pytest.mark.parametrize(
    ("plan", "expected"),
    [
        (None, None),
        ("[]", None),
        ('[{"visit": "V", "target_day": 29}]', None),  # a target without a window
        (
            '[{"visit": "V", "target_day": 29, "from_day": 15, "to_day": 42}]',
            (VISITS[0], Visit("V", 29, 15, 42)),
        ),
        ('[{"visit": "V", "from_day": 15, "to_day": 42.0}]', (VISITS[0], Visit("V", 28, 15, 42))),
        ('[{"visit": "V", "from_day": 42, "to_day": 15}]', None),
        (
            '[{"visit": "V", "from_day": 2, "to_day": 9}, {"visit": "Baseline", "from_day": -14, "to_day": 1,'
            ' "target_day": 1}]',
            (Visit("Baseline", 1, -14, 1), Visit("V", 5, 2, 9)),
        ),
    ],
)
def test_planned_visits(plan, expected):
    """Windows count, the target being their middle where none is given; a study without any has the
    default ones.
    """
    assert studies.planned_visits(plan) == (VISITS if expected is None else expected)
