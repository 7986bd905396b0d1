"""A study whose plan is not that of routine care: every mart that has a study has that study's own visits,
windows and reference arm, and routine care beside it has its own.

Here: one lake of both, looked through mart by mart. Not here: how a plan is read
(tests/transforms/rules/test_studies.py).
"""

from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest

from ingest.contract import encode, record_key
from tests.computed import computed
from transforms.facts.visits import BASELINE, END_OF_COURSE, VISITS
from transforms.schemas import MART_TABLES

DAY1 = date(2024, 1, 8)
LANDED = datetime(2026, 3, 1, tzinfo=UTC)
PLAN = [
    {"visit": "Week 2", "target_day": 14, "from_day": 10, "to_day": 20},
    {"visit": "Week 20", "target_day": 140, "from_day": 120, "to_day": 160},
]
OWN, USUAL = {visit["visit"] for visit in PLAN}, {visit.name for visit in VISITS}
STARTS = (0, 250)  # of each patient's two courses


def visit_columns(name: str) -> tuple[str, str] | None:
    names = MART_TABLES[name].names
    pairs = (("study_id", "visit"), ("STUDYID", "AVISIT"))
    return next((pair for pair in pairs if set(pair) <= set(names)), None)


OF_VISITS = sorted(name for name in MART_TABLES if visit_columns(name))


def at(day: float) -> str:
    return (datetime(2024, 1, 8, 12, tzinfo=UTC) + timedelta(days=day)).isoformat()


def records():
    yield "clinics", {"clinic_id": "C", "timezone": "UTC"}
    yield (
        "studies",
        {
            "study_id": "S",
            "reference_arm": "zz",
            "planned_visits": PLAN,
            "primary": {"parameter": "NRS7D", "visit": "Week 20", "method": "ancova"},
        },
    )
    for k in range(48):
        patient = f"p{k}"
        who = {"patient_id": patient, "clinic_id": "C"}
        yield "patients", who | {"enrolled_on": DAY1.isoformat(), "sex": "female"}
        if k % 2:
            of = {"study_id": "S", "enrolment_id": patient, "from": DAY1.isoformat()}
            arm = {"arm": ("aa", "zz")[k % 4 // 2], "allocation": "randomised"}
            yield "study_enrolments", who | of | arm | {"allocated_on": DAY1.isoformat()}
        for start in STARTS:
            yield from of_course(who, k, start)


def of_course(who: dict, k: int, start: int):
    """Two sessions, a harm now and then, pain before it and twice after, and what changed."""
    for day in (start, start + 7):
        yield (
            "sessions",
            who
            | {
                "session_id": f"{who['patient_id']}-{day}",
                "modality": "local",
                "course_id": f"{who['patient_id']}-{start}",
                "started_at": at(day),
                "duration_s": 150,
            },
        )
    if k % 3 == 0:
        of = {"ae_id": f"{who['patient_id']}-{start}", "term": "rash", "onset_at": at(start + 1)}
        yield "adverse_events", who | of
    for day, pain in ((-3, 8 - k % 3), (13, 6 - k % 4), (129, 3 + k % 5)):
        answer = {"answered_at": at(start + day)}
        name = f"{who['patient_id']}-{start + day}"
        given = {"instrument": "nrs_pain", "items": {"average_7d": pain}}
        yield "responses", who | answer | given | {"response_id": name}
        given = {"instrument": "pgic", "items": {"pgic": 1 + k % 6}}
        yield "responses", who | answer | given | {"response_id": f"{name}-pgic"}


def events():
    for k, (topic, data) in enumerate(records()):
        name = f"floe.{topic}.v1"
        at = datetime(2026, 2, 1, tzinfo=UTC)
        yield name, record_key(name, data), encode(name, data, id=f"e{k}", source="/t", time=at)


@pytest.fixture(scope="module")
def lake() -> dict[str, pl.DataFrame]:
    return computed(events(), landed=LANDED)


@pytest.mark.parametrize("name", [n for n in OF_VISITS if n not in ("adact", "dose_response")])
def test_a_studys_visits_are_those_that_it_plans(lake, name):
    """And the end of the course, which no plan has; those of routine care are the usual ones. A row
    without a visit is of an assessment between two of them, or of a step before.
    """
    study, visit = visit_columns(name)
    rows = lake[f"mart.{name}"].drop_nulls(study)
    of_study = set(rows.filter(pl.col(study) == "S")[visit].drop_nulls())
    routine = set(rows.filter(pl.col(study) == "ROUTINE")[visit].drop_nulls())
    assert of_study & OWN
    assert of_study <= OWN | {BASELINE, END_OF_COURSE}
    assert routine <= USUAL | {END_OF_COURSE}
    assert routine or name in ("arm_comparisons", "consort_flow")


def test_a_value_counts_in_the_windows_of_its_patients_study(lake):
    """Day 14 is Week 2 there and Week 1 in routine care, day 130 Week 20 and Month 3."""
    rows = lake["mart.adqs"].filter(PARAMCD="NRS7D", ANL01FL="Y").drop_nulls("AVISIT")
    placed = set(rows.select("STUDYID", "ADY", "AVISIT").rows())
    assert {("S", 14, "Week 2"), ("S", 130, "Week 20")} <= placed
    assert {("ROUTINE", 14, "Week 1"), ("ROUTINE", 130, "Month 3")} <= placed


def test_visit_days_are_those_that_the_study_plans(lake):
    """An outcome's and a flow's day is the plan's target; all 24 of the study are followed there."""
    for name in ("cohort_outcomes", "consort_flow"):
        rows = lake[f"mart.{name}"].filter(study_id="S").filter(pl.col("visit").is_in(OWN))
        days = set(rows.select("visit", "visit_day").rows())
        assert days == {("Week 2", 14), ("Week 20", 140)}
    flow = lake["mart.consort_flow"].filter(pl.col("arm").is_null(), study_id="S", visit="Week 20")
    assert flow.filter(step="followed")["n_patients"].to_list() == [24]
    assert flow.filter(step="analysed")["n_patients"].to_list() == [24]


def test_every_comparison_is_with_the_arm_that_the_study_names(lake):
    """`zz`, which no rule would take by its name."""
    seen = set()
    for name, table in MART_TABLES.items():
        if {"study_id", "reference_arm"} <= set(table.names):
            rows = lake[f"mart.{name}"].filter(study_id="S")
            assert set(rows["reference_arm"].drop_nulls()) <= {"zz"}, name
            seen |= {name} if rows["reference_arm"].count() else set()
    assert seen >= {"arm_comparisons", "study_plans"}
