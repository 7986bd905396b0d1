"""mart.arm_comparisons: who is compared with whom, from which day, and when there is no figure."""

from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from transforms.checks import check_table
from transforms.marts import MARTS, arm_comparisons
from transforms.options import Cut, Options
from transforms.schemas import CORE_TABLES, MART_TABLES

ALLOCATED = date(2025, 1, 6)
CUT = Cut(lake_snapshot=3, data_cutoff=datetime(2027, 1, 1, tzinfo=UTC))


def table(schema, rows: list[dict]) -> pl.DataFrame:
    return pl.DataFrame([{**dict.fromkeys(schema.names), **r} for r in rows], schema=schema.polars_schema)


def subject(name: str, arm: str | None, *, clinic="c1", allocation="randomised", treated_on=None, age=50.0) -> dict:
    return {
        "STUDYID": "s", "USUBJID": name, "SITEID": clinic, "ARM": arm, "ALLOCATN": allocation, "SEX": "F", "AGE": age,
        "INDICATN": "other", "PAINDUR": 12.0, "ALLOCDT": ALLOCATED if arm else None, "ENRLDT": ALLOCATED,
        "TRTSDT": treated_on, "DAY1DT": treated_on or ALLOCATED, "NSESS": 0, "TIMEZONE": "UTC",
    }  # fmt: skip


def answers(name: str, *days: tuple[int, float]) -> list[dict]:
    """Pain on days since allocation (0 = that day)."""
    return [
        {"response_id": f"{name}{d}", "event_id": f"{name}{d}", "patient_id": name, "instrument": "nrs_pain",
         "answered_at": datetime(2025, 1, 6, 12, tzinfo=UTC) + timedelta(days=d), "items": f'{{"average_7d": {v}}}'}
        for d, v in days
    ]  # fmt: skip


def compute(subjects: list[dict], responses: list[dict], **options) -> pl.DataFrame:
    adsl = table(MART_TABLES["adsl"], subjects)
    inputs = {"responses": table(CORE_TABLES["responses"], responses), "sessions": CORE_TABLES["sessions"].empty(),
              "clinics": CORE_TABLES["clinics"].empty(),
              "patient_status": CORE_TABLES["patient_status"].empty(), "adsl": adsl}  # fmt: skip
    adqs = MARTS["adqs"].compute(None, **inputs, options=Options(), cut=CUT)
    return arm_comparisons.compute(adqs=adqs, adsl=adsl, options=Options(**options), cut=CUT)


def trial(*, arms=("cold", "control"), n=20, **more) -> tuple[list[dict], list[dict]]:
    """n patients an arm; the first arm falls from 8 by about 4, the others by about 1."""
    rng = np.random.default_rng(3)
    subjects, responses = [], []
    for arm in arms:
        for k in range(n):
            subjects.append(subject(f"{arm}{k}", arm, age=float(rng.integers(30, 70)), **more))
            responses += answers(f"{arm}{k}", (0, 8), (91, 8 - (4 if arm == arms[0] else 1) - int(rng.integers(0, 2))))
    return subjects, responses


def ancova(frame: pl.DataFrame) -> dict:
    rows = frame.filter(method="ancova")
    assert rows.height == 1
    return rows.row(0, named=True)


@pytest.mark.parametrize(
    ("arms", "setting", "expected"),
    [
        (["cold", "Control"], "", "Control"),
        (["sham", "placebo"], "", "placebo"),
        (["cold", "usual_care"], "cold", "usual_care"),
        (["cold", "warm"], "warm", "warm"),
        (["cold", "warm"], "", None),
    ],
)
def test_the_reference_arm(arms, setting, expected):
    """control, placebo, sham, usual_care in this order, else the setting; else none."""
    assert arm_comparisons.reference_arm(arms, options=Options(reference_arm=setting)) == expected


def test_arm_minus_reference_with_p_value_only_where_randomised():
    """The arm falls by 3 more: about -3; the p-value is there for randomised arms alone."""
    row = ancova(compute(*trial()))
    assert (row["arm"], row["reference_arm"], row["visit"], row["population"]) == (
        "cold",
        "control",
        "Month 3",
        "completers",
    )
    assert -3.5 < row["estimate"] < -2.5
    assert row["ci_lower"] < row["estimate"] < row["ci_upper"]
    assert row["p_value"] < 0.001
    assert row["adjusted_for"] == ["baseline", "age"]  # nothing else varies
    concurrent = ancova(compute(*trial(allocation="concurrent")))
    assert concurrent["p_value"] is None
    assert concurrent["estimate"] == row["estimate"]


def test_day_1_is_allocation():
    """Treated 30 days after allocation, the assessment 91 days after allocation is Month 3 (day 92), not Week 8."""
    subjects, responses = trial(treated_on=ALLOCATED + timedelta(days=30))
    assert compute(subjects, responses)["visit"].unique().to_list() == ["Month 3"]


def test_missing_counts_as_no_response_only_when_due():
    """4 of 20 of the arm have no value: 16 and 20 completers, 20 and 20 with the missing as non-responders."""
    subjects, responses = trial()
    gone = {f"cold{k}91" for k in range(4)}
    frame = compute(subjects, [r for r in responses if r["event_id"] not in gone]).filter(criterion="PCT50")
    found = {r["population"]: (r["x_arm"], r["n_arm"], r["n_reference"]) for r in frame.iter_rows(named=True)}
    assert found == {"completers": (16, 16, 20), "missing_as_nonresponder": (16, 20, 20)}


def test_who_is_not_due_yet_is_pending():
    """Before Month 3 has closed nobody is counted as missing: completers have a figure, the others a reason."""
    subjects, responses = trial()
    adsl = table(MART_TABLES["adsl"], subjects)
    early = Cut(lake_snapshot=3, data_cutoff=datetime(2025, 5, 1, tzinfo=UTC))  # study day 116; Month 3 closes on 136
    inputs = {"responses": table(CORE_TABLES["responses"], responses), "sessions": CORE_TABLES["sessions"].empty(),
              "clinics": CORE_TABLES["clinics"].empty(),
              "patient_status": CORE_TABLES["patient_status"].empty(), "adsl": adsl}  # fmt: skip
    adqs = MARTS["adqs"].compute(None, **inputs, options=Options(), cut=early)
    frame = arm_comparisons.compute(adqs=adqs, adsl=adsl, options=Options(), cut=early).filter(criterion="PCT50")
    found = {r["population"]: (r["n_arm"], r["estimate"]) for r in frame.iter_rows(named=True)}
    assert found == {"completers": (20, 1.0), "missing_as_nonresponder": (0, None)}


def test_an_incomplete_visit_is_not_compared():
    """With a value of 23 of 40 due (58 %) there is no figure, only the reason."""
    subjects, responses = trial()
    gone = {f"cold{k}91" for k in range(17)}
    frame = compute(subjects, [r for r in responses if r["event_id"] not in gone])
    assert frame["estimate"].null_count() == frame.height
    assert frame["reason"].unique().to_list() == ["58 % of the patients due have a value, 60 % are needed"]


def test_no_reference_arm_says_so():
    """Arms of which none is a reference: a row each with the reason and what to set."""
    frame = compute(*trial(arms=("cold", "warm")))
    assert frame["estimate"].null_count() == frame.height == 2
    assert frame["reason"].str.contains("FLOE_REFERENCE_ARM").all()
    assert compute(*trial(arms=("cold", "warm")), reference_arm="warm").filter(method="ancova")["estimate"].item() < -2


@pytest.mark.parametrize("clinic", ["c1", "c2"])
def test_controls_of_another_study_are_not_an_arms_controls(clinic):
    """A second study with `control` too, at the same clinic or another, and routine care change nothing of the first."""
    subjects, responses = trial()
    others = [subject(f"other{k}", arm, clinic=clinic) | {"STUDYID": study}
              for study in ("t", "ROUTINE") for k, arm in enumerate(["control", "warm"] * 8, 20 * (study == "t"))]  # fmt: skip
    more = [a for s in others for a in answers(s["USUBJID"], (0, 8), (91, 0))]
    alone, beside = compute(subjects, responses), compute(subjects + others, responses + more)
    assert_frame_equal(beside.filter(study_id="s"), alone, check_row_order=False)
    assert beside["study_id"].unique().sort().to_list() == ["ROUTINE", "s", "t"]
    pairs = beside.select("study_id", "arm", "reference_arm").unique().rows()
    assert sorted(pairs) == [("ROUTINE", "warm", "control"), ("s", "cold", "control"), ("t", "warm", "control")]


def test_a_clinic_of_one_arm_moves_no_difference():
    """Everybody with a value is in the model; the clinic as a factor takes up what a clinic of controls alone tells."""
    subjects, responses = trial()
    others = [subject(f"other{k}", "control", clinic="c2") for k in range(10)]
    more = [a for k in range(10) for a in answers(f"other{k}", (0, 8), (91, 0))]
    alone, beside = ancova(compute(subjects, responses)), ancova(compute(subjects + others, responses + more))
    assert (beside["n_arm"], beside["n_reference"]) == (20, 30)
    assert beside["estimate"] == pytest.approx(alone["estimate"])


def test_the_study_names_its_reference():
    """What the study says comes before any name; an arm that nobody is in is no reference."""
    subjects, responses = trial()
    named = [s | {"REFARM": "Cold"} for s in subjects]
    assert compute(named, responses)["reference_arm"].unique().to_list() == ["cold"]
    absent = [s | {"REFARM": "warm"} for s in subjects]
    assert compute(absent, responses)["reference_arm"].unique().to_list() == ["control"]


def test_masked_arms_are_not_compared():
    """While the study's arms are masked a row a parameter and visit says so, with how many have a value."""
    subjects, responses = trial()
    masked = [s | {"ARM": None, "MASKFL": "Y"} for s in subjects]
    [row] = compute(masked, responses).to_dicts()
    assert (row["arm"], row["reference_arm"], row["n_arm"], row["estimate"]) == ("(masked)", "(masked)", 40, None)
    assert row["reason"].startswith("the study's arms are masked")


def test_a_study_is_compared_at_its_own_visits():
    """Day 92 is `Month 3` by default, `End` where the study plans it so; its target is in the model of all visits."""
    subjects, responses = trial()
    plan = '[{"visit": "End", "target_day": 90, "from_day": 60, "to_day": 120}]'
    frame = compute([s | {"VISITPLN": plan} for s in subjects], responses)
    assert frame["visit"].unique().to_list() == ["End"]
    assert ancova(frame)["estimate"] == ancova(compute(subjects, responses))["estimate"]


def test_arms_of_different_clinics_can_not_be_told_from_them():
    """Each arm at its own clinic: the adjusted difference has a reason instead of a figure."""
    subjects, responses = trial()
    subjects = [s | {"SITEID": s["ARM"]} for s in subjects]
    row = ancova(compute(subjects, responses))
    assert row["estimate"] is None
    assert row["reason"]


def test_a_covariate_that_is_not_known_leaves_the_patient_out_and_says_so():
    """One patient without an age: 19 and 20, with the note beside the figure."""
    subjects, responses = trial()
    row = ancova(compute([subjects[0] | {"AGE": None}, *subjects[1:]], responses))
    assert (row["n_arm"], row["n_reference"]) == (19, 20)
    assert row["estimate"] is not None
    assert row["reason"] == "1 patients without age left out"


def test_patients_without_an_arm_are_in_no_comparison():
    """Without arms there are no rows; the table still has its columns, and every row passes its checks."""
    subjects, responses = trial()
    assert (
        compute([s | {"ARM": None} for s in subjects], responses).schema == MART_TABLES["arm_comparisons"].polars_schema
    )
    assert check_table(MART_TABLES["arm_comparisons"], compute(subjects, responses))["is_passed"].all()
