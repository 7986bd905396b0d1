"""A study's analysis sets and its flow of patients, from enrolment to the primary analysis.

Here: the acupuncture trial's published flow (`../shared/data`, skipped where it is absent), and a
small study made by hand. Not here: comparisons (test_arm_comparisons.py, test_trial.py), the page.
"""

import json
from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from tests.transforms.marts.test_trial import core
from tests.transforms.marts.test_two_studies import answer, made, marts
from transforms.options import Cut
from transforms.schemas import CORE_TABLES

TRIAL = "acupuncture-headache"
NAMES = (
    "adsl",
    "adex",
    "subject_episodes",
    "adqs",
    "arm_comparisons",
    "study_plans",
    "analysis_sets",
    "consort_flow",
)
PRIMARY = {"parameter": "PAINIDX", "visit": "Month 12", "method": "ancova"}


def flow(frames: dict, step: str, **where) -> dict[str | None, int | None]:
    rows = frames["consort_flow"].filter(step=step, **where)
    return dict(rows.select("arm", "n_patients").iter_rows())


@pytest.fixture(
    scope="module", params=[None, PRIMARY], ids=["no record of the study", "its record"]
)
def trial(request) -> tuple[dict | None, dict]:
    tables = {topic: core(topic) for topic in ("clinics", "patients", "responses")}
    if request.param:
        record = {"study_id": TRIAL, "primary": json.dumps(request.param)}
        tables["studies"] = made("studies", [record])
    return request.param, marts(tables, *NAMES)


def test_the_trials_flow_is_the_published_one(trial):
    """401 allocated (205, 196), 301 with a score at 12 months (161, 140): Vickers 2004, BMJ
    328:744.
    """
    primary, frames = trial
    assert flow(frames, "allocated") == {None: 401, "acupuncture": 205, "control": 196}
    followed = flow(frames, "followed", visit="Month 12")
    assert followed == {None: 301, "acupuncture": 161, "control": 140}
    assert flow(frames, "lost", visit="Month 12") == {None: 100, "acupuncture": 44, "control": 56}
    analysed = flow(frames, "analysed")
    if primary:
        assert analysed == {None: 301, "acupuncture": 161, "control": 140}
    else:
        assert set(analysed.values()) == {None}
        said = frames["consort_flow"].filter(step="analysed")["reason"]
        assert said.str.starts_with("the study names no primary analysis").all()


def test_what_the_trial_does_not_tell_is_null_and_says_why(trial):
    """Who was assessed is in no event, and no session of the trial is in the lake."""
    for step in ("assessed", "received", "not_received"):
        rows = trial[1]["consort_flow"].filter(step=step)
        assert rows["n_patients"].null_count() == rows.height > 0
        assert rows["reason"].null_count() == 0


def test_the_trials_sets(trial):
    """ITT is all 401; FAS needs a primary parameter, per protocol a filing."""
    primary, frames = trial
    sets = frames["analysis_sets"]
    assert sets.filter(set_code="ITT")["is_in"].sum() == 401
    fas = sets.filter(set_code="FAS")
    assert fas["is_in"].null_count() == (0 if primary else 401)
    if primary:
        with_value = sets.filter(set_code="FAS", is_in=True).height
        assert with_value == _with_a_value_after(frames["adqs"])
    assert set(sets.filter(set_code="PP")["decided_by"]) == {"undecided"}


def _with_a_value_after(adqs: pl.DataFrame) -> int:
    """Counted otherwise: all have a baseline; who has any score later than the first day."""
    scores = adqs.filter(PARAMCD="PAINIDX").drop_nulls("AVAL")
    return scores.filter(pl.col("ADT") > pl.col("ADT").min().over("USUBJID"))["USUBJID"].n_unique()


# --- by hand ------------------------------------------------------------------------------------

DAY1 = date(2025, 1, 6)
CUT = Cut(lake_snapshot=1, data_cutoff=datetime(2025, 12, 1, tzinfo=UTC))
STUDY = {
    "study_id": "S",
    "title": "A study",
    "planned_visits": json.dumps(
        [
            {"visit": "V1", "target_day": 30, "from_day": 20, "to_day": 40},
            {"visit": "V2", "target_day": 340, "from_day": 330, "to_day": 350},
        ]
    ),
    "primary": json.dumps({"parameter": "NRS7D", "visit": "V1", "method": "ancova"}),
}


def patient(name: str, arm: str | None = None, **given) -> dict:
    day = DAY1 if arm else None
    return {
        "enrolment_id": name,
        "study_id": "S",
        "patient_id": name,
        "arm": arm,
        "allocation": "randomised",
        "allocated_on": day,
        "from": DAY1,
    } | given


def session(name: str, day: int) -> dict:
    at = datetime(2025, 1, 6, 14, tzinfo=UTC) + timedelta(days=day)
    return {
        "session_id": f"s{name}",
        "patient_id": name,
        "clinic_id": "C1",
        "modality": "local",
        "status": "delivered",
        "started_at": at,
    }


def small(
    *extra: dict, study: dict = STUDY, cut: Cut = CUT, without: str | None = None
) -> dict[str, pl.DataFrame]:
    """12 a arm: of `cold` c0 has no session, c1 withdrew before V1, c2 died, c3 has no answer at
    V1; of `control` nobody has a session; e0 and e1 were enrolled and never allocated.
    """
    arms = {"cold": "c", "control": "k"}
    people = [patient(f"{k}{i}", arm) for arm, k in arms.items() for i in range(12)]
    people += [patient("e0", analysis_sets='{"ITT": "fell ill"}'), patient("e1"), *extra]
    names = sorted({p["patient_id"] for p in people})
    people = [p for p in people if p["study_id"] != without]
    silent = {"c1", "c2", "c3", "e0", "e1"}
    answers = [answer(n, 0, 8) for n in names]
    answers += [answer(n, 30, 3 + k % 3) for k, n in enumerate(names) if n not in silent]
    leaving = [("c1", "withdrew", "moved away"), ("c2", "died", None)]
    statuses = [
        {
            "status_id": n,
            "patient_id": n,
            "status": status,
            "reason": why,
            "effective_on": DAY1 + timedelta(days=9),
        }
        for n, status, why in leaving
    ]
    tables = {
        "patients": [
            {"patient_id": n, "clinic_id": "C1", "enrolled_on": DAY1, "sex": "female"}
            for n in names
        ],
        "clinics": [{"clinic_id": "C1", "timezone": "UTC"}],
        "studies": [study] if study else [],
        "study_enrolments": people,
        "responses": answers,
        "patient_status": statuses,
        "sessions": [session(f"c{i}", 1) for i in range(1, 12)],
    }
    frames = {name: made(name, rows) for name, rows in tables.items()}
    return marts(frames, *NAMES, cut=cut)


@pytest.fixture(scope="module")
def frames() -> dict[str, pl.DataFrame]:
    return small()


def reasons(frames: dict, step: str, **where) -> dict:
    return json.loads(frames["consort_flow"].filter(step=step, **where)["reasons"].item() or "{}")


@pytest.mark.parametrize(
    ("step", "visit", "expected"),
    [
        ("enrolled", None, {None: 26}),
        ("excluded", None, {None: 2}),
        ("allocated", None, {None: 24, "cold": 12, "control": 12}),
        ("received", None, {None: None, "cold": 11, "control": None}),
        ("not_received", None, {None: None, "cold": 1, "control": None}),
        ("followed", "V1", {None: 21, "cold": 9, "control": 12}),
        ("pending", "V1", {None: 0, "cold": 0, "control": 0}),
        ("lost", "V1", {None: 3, "cold": 3, "control": 0}),
        ("followed", "V2", {None: 0, "cold": 0, "control": 0}),
        ("pending", "V2", {None: 22, "cold": 10, "control": 12}),
        ("lost", "V2", {None: 2, "cold": 2, "control": 0}),
        ("analysed", "V1", {None: 21, "cold": 9, "control": 12}),
        ("not_analysed", "V1", {None: 3, "cold": 3, "control": 0}),
    ],
)
def test_a_flow_by_hand(frames, step, visit, expected):
    """Each step's patients; at a visit of the study everybody allocated is followed, pending or
    lost.
    """
    where = pl.col("visit").eq_missing(pl.lit(visit, pl.String))
    rows = frames["consort_flow"].filter(where, step=step)
    assert dict(rows.select("arm", "n_patients").iter_rows()) == expected


@pytest.mark.parametrize(
    ("step", "where", "expected"),
    [
        ("excluded", {}, {"fell ill": 1, "no reason on record": 1}),
        ("not_received", {"arm": "cold"}, {"no reason on record": 1}),
        (
            "lost",
            {"arm": "cold", "visit": "V1"},
            {"died": 1, "moved away": 1, "no value in the visit's window": 1},
        ),
    ],
)
def test_why_patients_left(frames, step, where, expected):
    """A death, the status that ended follow-up, what the study files; else that nothing is on
    record.
    """
    assert reasons(frames, step, **where) == expected


def test_reasons_add_up_to_the_step(frames):
    """No patient of a step of leavers is without a reason."""
    rows = frames["consort_flow"].filter(pl.col("reasons").is_not_null())
    for n, text in rows.select("n_patients", "reasons").iter_rows():
        assert sum(json.loads(text).values()) == n


def test_an_arm_that_is_masked_has_no_row():
    """All arms together alone; the primary analysis is not told, nor who received which
    treatment.
    """
    frames = small(study=STUDY | {"masked_until": date(2026, 6, 1)})
    assert frames["consort_flow"]["arm"].null_count() == frames["consort_flow"].height > 0
    assert flow(frames, "allocated") == {None: 24}
    assert flow(frames, "followed", visit="V1") == {None: 21}
    for step in ("received", "analysed"):
        row = frames["consort_flow"].filter(step=step).row(0, named=True)
        assert (row["n_patients"], row["reason"]) == (None, "the study's arms are masked")
    plan = frames["study_plans"].row(0, named=True)
    assert (plan["is_masked"], plan["reference_arm"]) == (True, None)


def test_sets_that_are_filed_and_sets_that_are_derived(frames):
    """A filed set decides, and who has no word is in it; the others are derived, per protocol is
    not.
    """
    extra = patient(
        "x0", "cold", analysis_sets='{"Per protocol": "missed two visits", "mITT": "in"}'
    )
    sets = small(extra)["analysis_sets"]
    said = {
        (r["USUBJID"], r["set_code"]): (r["is_in"], r["reason"], r["decided_by"])
        for r in sets.iter_rows(named=True)
    }
    assert said["x0", "PP"] == (False, "missed two visits", "filed")
    assert said["c5", "PP"] == said["c5", "mITT"] == (True, None, "filed")
    assert said["c5", "FAS"] == (True, None, "derived")
    assert said["c0", "SAF"] == (False, "no session began", "derived")
    assert said["e0", "ITT"] == (False, "fell ill", "filed")
    assert said["c1", "FAS"][:2] == (False, "no value of the primary parameter after the baseline")
    before = frames["analysis_sets"].filter(USUBJID="c5", set_code="PP").row(0, named=True)
    assert (before["is_in"], before["decided_by"]) == (None, "undecided")


def test_routine_care_has_neither_flow_nor_sets():
    """A patient in no study is in no row, whoever else is in one."""
    frames = small(study={})
    assert set(frames["analysis_sets"]["STUDYID"]) == {"S"}
    assert set(frames["study_plans"]["study_id"]) == {"S"}
    tables = {
        "patients": made("patients", [{"patient_id": "r", "clinic_id": "C1", "enrolled_on": DAY1}])
    }
    alone = marts(tables, *NAMES)
    assert all(alone[name].is_empty() for name in ("study_plans", "analysis_sets", "consort_flow"))


def test_an_empty_lake_has_no_flow():
    """No study, no row, no error."""
    empty = marts({"patients": CORE_TABLES["patients"].empty()}, *NAMES)
    assert all(empty[name].is_empty() for name in ("study_plans", "analysis_sets", "consort_flow"))


def test_each_study_alone_has_the_flow_that_it_has_beside_the_other():
    """Patients of `control` go on into a second study: of both in one lake each has the flow and the
    sets, visits and reference of its own.
    """
    day = DAY1 + timedelta(days=200)
    then = [
        patient(f"k{k}", ("a", "b")[k % 2])
        | {"enrolment_id": f"u{k}", "study_id": "U", "allocated_on": day, "from": day}
        for k in range(12)
    ]
    both = small(*then)
    assert set(both["adsl"].filter(USUBJID="k1")["STUDYID"]) == {"S", "U"}
    for study, other in (("S", "U"), ("U", "S")):
        alone = small(*then, without=other)
        for name, column in (("consort_flow", "study_id"), ("analysis_sets", "STUDYID")):
            mine = both[name].filter(pl.col(column) == study)
            assert mine.height > 10
            assert_frame_equal(mine, alone[name].filter(pl.col(column) == study))
    visits = both["consort_flow"].filter(step="followed", study_id="S")["visit"]
    assert set(visits) == {"V1", "V2"}
    assert flow(both, "allocated", study_id="U") == {None: 12, "a": 6, "b": 6}
