"""A patient whom one study enrols more than once: counted once, as allocated first, and said so.

Here: records through the decoder to mart.adsl and mart.consort_flow, and the sentence that the page
of a study makes of them. Not here: the flow of patients enrolled once (test_consort_flow.py).
"""

import json
from datetime import UTC, date, datetime

import polars as pl
import pytest

from dashboards.pages.study.plan import enrolled_again
from ingest.contract import encode, record_key
from tests.computed import computed
from transforms.options import Options

LANDED = datetime(2025, 9, 1, 12, tzinfo=UTC)
MARTS = (
    "adsl",
    "adex",
    "subject_episodes",
    "adqs",
    "arm_comparisons",
    "study_plans",
    "analysis_sets",
    "consort_flow",
)
JANUARY, MARCH, MAY = "2025-01-06", "2025-03-03", "2025-05-05"
ENROLMENTS = {
    "once": [("cold", JANUARY, JANUARY)],
    "same": [("cold", JANUARY, JANUARY), ("cold", MARCH, MARCH)],
    "crossed": [("cold", JANUARY, JANUARY), ("sham", MARCH, MARCH)],
    "screened": [(None, JANUARY, None), ("sham", MARCH, MARCH)],
    "no-day": [(None, JANUARY, None), ("sham", MAY, None)],
    "other": [("sham", JANUARY, JANUARY)],
}


def event(topic: str, data: dict) -> tuple[str, bytes, bytes]:
    name = "-".join([topic, *(v for c, v in data.items() if c.endswith("_id"))])
    at = datetime(2025, 8, 1, tzinfo=UTC)
    return topic, record_key(topic, data), encode(topic, data, id=name, source="/t", time=at)


def records(enrolments: dict, *, masked_until: str | None = None) -> list[tuple]:
    """One clinic, the study S and its patients."""
    study = {"study_id": "S", "masked_until": masked_until}
    events = [
        event("floe.clinics.v1", {"clinic_id": "C", "timezone": "UTC"}),
        event("floe.studies.v1", study),
    ]
    for patient, several in enrolments.items():
        person = {"patient_id": patient, "clinic_id": "C", "enrolled_on": JANUARY}
        events.append(event("floe.patients.v1", person))
        for k, (arm, begins, allocated_on) in enumerate(several):
            enrolment = {
                "enrolment_id": f"{patient}-{9 - k}",
                "study_id": "S",
                "patient_id": patient,
                "arm": arm,
                "allocated_on": allocated_on,
                "from": begins,
            }
            given = {name: value for name, value in enrolment.items() if value is not None}
            events.append(event("floe.study_enrolments.v1", given))
    return events


def tables(**given) -> dict[str, pl.DataFrame]:
    return computed(records(ENROLMENTS, **given), landed=LANDED, marts=MARTS)


@pytest.fixture(scope="module")
def opened() -> dict[str, pl.DataFrame]:
    return tables()


@pytest.fixture(scope="module")
def masked() -> dict[str, pl.DataFrame]:
    return tables(masked_until="2026-01-01")


@pytest.mark.parametrize(
    ("patient", "expected"),
    [
        ("once", ("cold", date(2025, 1, 6), 1, "N")),
        ("same", ("cold", date(2025, 1, 6), 2, "N")),
        ("crossed", ("cold", date(2025, 1, 6), 2, "Y")),
        ("screened", ("sham", date(2025, 3, 3), 2, "N")),
        ("no-day", ("sham", date(2025, 5, 5), 2, "N")),
    ],
)
def test_the_first_allocation_counts(opened, patient, expected):
    """One row a patient: as the enrolment says that allocated first, from the day on which that
    did, how many there are, and whether another arm follows.
    """
    rows = opened["mart.adsl"].filter(STUDYID="S", USUBJID=patient)
    assert rows.select("ARM", "ALLOCDT", "NENRL", "OTHARMFL").row(0) == expected
    assert rows.height == 1
    assert rows["ENRLDT"].item() == date(2025, 1, 6)


def flow(frames: dict, step: str) -> pl.DataFrame:
    return frames["mart.consort_flow"].filter(pl.col("arm").is_null(), step=step)


def test_the_flow_counts_them_once_and_says_how_many_and_of_which_arm(opened):
    """Six patients of ten enrolments, all allocated; four of them enrolled twice, one with another
    arm.
    """
    assert flow(opened, "enrolled")["n_patients"].item() == 6
    assert flow(opened, "allocated")["n_patients"].item() == 6
    row = flow(opened, "enrolled_again").row(0, named=True)
    assert (row["n_patients"], row["n_of"]) == (4, 6)
    assert json.loads(row["reasons"]) == {
        "no other arm": 3,
        "another arm in a later enrolment": 1,
    }


def test_while_the_arms_are_masked_nothing_says_whether_another_follows(masked):
    """How many is said; of the arms neither the flag nor the reasons are there."""
    subjects = masked["mart.adsl"].filter(STUDYID="S")
    assert subjects["NENRL"].to_list().count(2) == 4
    assert subjects["OTHARMFL"].null_count() == subjects.height == 6
    row = flow(masked, "enrolled_again").row(0, named=True)
    assert (row["n_patients"], row["reasons"]) == (4, None)


def test_in_routine_care_nobody_is_enrolled_in_a_study():
    """Neither number nor flag; and of a study without such a patient no sentence."""
    frames = computed(records({"routine": [], "p": [("cold", JANUARY, JANUARY)]}), landed=LANDED)
    routine = frames["mart.adsl"].filter(STUDYID="ROUTINE")
    assert routine.select("NENRL", "OTHARMFL").row(0) == (None, None)
    assert enrolled_again(frames["mart.consort_flow"], is_masked=False) is None


def test_a_few_enrolled_again_hide_no_other_step():
    """Their own row is marked as too small; the flow, of which it tells nothing, is not."""
    arms = {f"{arm}{k}": [(arm, JANUARY, JANUARY)] for arm in ("cold", "sham") for k in range(12)}
    again = arms["cold0"] * 2
    frames = computed(records(arms | {"cold0": again}), landed=LANDED, marts=MARTS)
    marks = dict(frames["mart.consort_flow"].select("step", "is_suppressed").rows())
    assert Options().min_cell > 1
    assert (marks["enrolled_again"], marks["enrolled"], marks["allocated"]) == (True, False, False)


def test_the_sentence_of_a_study(opened, masked):
    """How many, what counts of them, the other arm; of masked arms that it is not told."""
    said = enrolled_again(opened["mart.consort_flow"], is_masked=False)
    assert said == (
        "The study enrolled 4 patients more than once. Each counts once, as first allocated "
        "(intention to treat); 1 of them has another arm in a later enrolment."
    )
    hidden = enrolled_again(masked["mart.consort_flow"], is_masked=True)
    assert hidden.endswith(
        "whether a later enrolment has another arm is not told while arms are masked."
    )
