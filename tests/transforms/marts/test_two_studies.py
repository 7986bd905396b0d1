"""Two studies in the same clinics: each one's own comparisons and strata are those of each alone,
and never mixed.

Here: the acupuncture trial of `../shared/data` (skipped where it is absent) beside a second trial
made of it, with `control` in both; and a small pair made by hand. Not here: the trial's printed
figures (test_trial.py).
"""

from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from tests import treatment_episodes
from tests.transforms.marts.test_trial import CUT, core
from transforms.marts import MARTS
from transforms.options import Cut, Options
from transforms.rules import studies
from transforms.schemas import CORE_TABLES

TRIAL, OTHER = "acupuncture-headache", "second-trial"
MADE = (
    "adsl",
    "adex",
    "subject_episodes",
    "adqs",
    "adact",
    "cohort_outcomes",
    "responder_curves",
    "arm_comparisons",
)


def marts(tables: dict, *names: str, cut: Cut = CUT) -> dict[str, pl.DataFrame]:
    """The marts of these tables of core, the others being empty."""
    made = {name: table.empty() for name, table in CORE_TABLES.items()} | tables
    made["study_enrolments"] = studies.enrolments(made["study_enrolments"], made["patients"])
    made["episodes"] = treatment_episodes.core(made)
    for name in names:
        mart = MARTS[name]
        inputs = {full.split(".")[1]: made[full.split(".")[1]] for full in mart.inputs}
        made[name] = mart.compute(
            *(() if mart.is_summary else (None,)), **inputs, options=Options(), cut=cut
        )
    return made


@pytest.fixture(scope="module")
def tables() -> dict[str, dict]:
    """The trial, a second one whose patients answer otherwise, a routine patient, and all of it in
    one lake.
    """
    first = {topic: core(topic) for topic in ("clinics", "patients", "responses")}
    prefix = pl.lit("T-")
    patients = first["patients"].with_columns(
        patient_id=prefix + pl.col("patient_id"),
        study_id=pl.lit(OTHER),
        event_id=prefix + pl.col("event_id"),
        arm=pl.when(pl.col("arm") == "control")
        .then(pl.lit("acupuncture"))
        .otherwise(pl.lit("control")),
    )
    responses = first["responses"].with_columns(
        (prefix + pl.col(c)).alias(c) for c in ("patient_id", "response_id", "event_id")
    )
    second = first | {"patients": patients, "responses": responses}
    routine = (
        first["patients"]
        .head(30)
        .with_columns(
            patient_id=pl.lit("R-") + pl.col("patient_id"),
            study_id=None,
            arm=None,
            allocation=None,
            allocated_on=None,
        )
    )
    patients = pl.concat([first["patients"], second["patients"], routine])
    return {
        TRIAL: first,
        OTHER: second,
        "both": first
        | {"patients": patients, "responses": pl.concat([first["responses"], responses])},
    }


@pytest.fixture(scope="module")
def together(tables):
    return marts(tables["both"], *MADE)


@pytest.mark.parametrize("study", [TRIAL, OTHER])
def test_each_studys_comparisons_are_those_of_it_alone(tables, together, study):
    """Estimates, intervals, counts and p-values: with another trial in the lake nothing of a
    trial's own changes.
    """
    alone = marts(tables[study], "adsl", "adex", "subject_episodes", "adqs", "arm_comparisons")[
        "arm_comparisons"
    ]
    beside = together["arm_comparisons"].filter(study_id=study)
    assert alone.height > 20
    assert_frame_equal(beside, alone, check_row_order=False)


@pytest.mark.parametrize("study", [TRIAL, OTHER])
def test_each_studys_strata_are_those_of_it_alone(tables, together, study):
    """A stratum of the study and arm holds the patients of that study alone, `control` being an arm
    of both.
    """
    alone = marts(tables[study], *MADE[:-1])
    in_study = pl.col("strata") == pl.lit(["study_arm"], pl.List(pl.String))
    for name in ("cohort_outcomes", "responder_curves"):
        mine = together[name].filter(in_study, pl.col("study_id") == study).drop("is_suppressed")
        # what another study's clinics are asked tells nothing of this one's
        assert_frame_equal(
            mine, alone[name].filter(in_study).drop("is_suppressed"), check_row_order=False
        )
        assert mine.height > 20


def test_no_comparison_spans_two_studies(together):
    """Both trials and the routine patients: two pairs, one a trial, the one with the other's names
    exchanged; none of routine care.
    """
    pairs = (
        together["arm_comparisons"]
        .select("study_id", "arm", "reference_arm")
        .unique()
        .sort("study_id")
        .rows()
    )
    assert pairs == [(TRIAL, "acupuncture", "control"), (OTHER, "acupuncture", "control")]
    rows = together["arm_comparisons"].filter(
        pl.col("indication").is_null(), parameter="PAINIDX", visit="Month 12", method="ancova"
    )
    # as printed (4.6 better with acupuncture), and the same with the arms' names exchanged
    assert sorted(rows["estimate"].round(2)) == [-4.6, 4.6]


# --- a pair by hand -----------------------------------------------------------------------------

DAY1 = date(2025, 1, 6)
SMALL_CUT = Cut(lake_snapshot=1, data_cutoff=datetime(2025, 12, 1, tzinfo=UTC))


def made(name: str, rows: list[dict]) -> pl.DataFrame:
    table = CORE_TABLES[name]
    shared = {
        "event_id": "e",
        "source": "s",
        "event_time": datetime(2025, 1, 1, tzinfo=UTC),
        "is_set_aside": False,
    }
    return pl.DataFrame(
        [{k: (shared | r).get(k) for k in table.names} for r in rows], schema=table.polars_schema
    )


def answer(patient: str, day: int, value: int) -> dict:
    at = datetime(2025, 1, 6, 12, tzinfo=UTC) + timedelta(days=day)
    return {
        "response_id": f"{patient}{day}",
        "event_id": f"{patient}{day}",
        "patient_id": patient,
        "clinic_id": "C1",
        "instrument": "nrs_pain",
        "answered_at": at,
        "items": f'{{"average_7d": {value}}}',
    }


def small(**study) -> dict[str, pl.DataFrame]:
    """In one clinic a study with `control` whose pain falls by 4, and another whose falls by 1; 6
    an arm.
    """
    patients, answers = [], []
    for name, falls in (("A", 4), ("B", 1)):
        for arm in ("control", "cold"):
            for k in range(6):
                patient = f"{name}-{arm}-{k}"
                patients.append(
                    {
                        "patient_id": patient,
                        "clinic_id": "C1",
                        "enrolled_on": DAY1,
                        "study_id": name,
                        "arm": arm,
                        "allocation": "randomised",
                        "allocated_on": DAY1,
                    }
                )
                answers += [answer(patient, 0, 8), answer(patient, 91, 8 - falls - (k % 2))]
    return marts(
        {
            "patients": made("patients", patients),
            "responses": made("responses", answers),
            "clinics": made("clinics", [{"clinic_id": "C1", "timezone": "UTC"}]),
            "studies": made("studies", [{"study_id": "A", **study}, {"study_id": "B"}]),
        },
        "adsl",
        "adex",
        "subject_episodes",
        "adqs",
        "adact",
        "cohort_outcomes",
        "arm_comparisons",
        cut=SMALL_CUT,
    )


def change(outcomes: pl.DataFrame, **stratum) -> list[float]:
    rows = treatment_episodes.usual(outcomes).filter(
        metric_id="nrs7d_change", visit="Month 3", strata=["study_arm"], **stratum
    )
    return [round(v, 6) for v in rows.sort("study_id", "arm")["estimate"]]


def test_control_of_two_studies_is_two_strata():
    """Falls of 4 or 5 and of 1 or 2: means -4.5 and -1.5, never -3; everybody together is each
    patient once.
    """
    outcomes = treatment_episodes.usual(small()["cohort_outcomes"])
    assert change(outcomes, arm="control") == [-4.5, -1.5]
    whole = outcomes.filter(
        pl.col("strata").list.len() == 0, metric_id="nrs7d_change", visit="Month 3"
    )
    assert (whole["n_evaluable"].item(), round(whole["estimate"].item(), 6)) == (24, -3.0)


def test_a_masked_study_shows_no_arm_anywhere():
    """One stratum `(masked)` of 12, no comparison but the row that says so; the other study is as
    it was.
    """
    frames = small(masked_until=date(2026, 1, 1))
    assert frames["adsl"].filter(STUDYID="A").select("ARM", "TRT01A", "REFARM").unique().rows() == [
        (None, None, None)
    ]
    rows = treatment_episodes.usual(frames["cohort_outcomes"]).filter(
        metric_id="nrs7d_change", visit="Month 3", strata=["study_arm"]
    )
    assert sorted(rows.select("study_id", "arm", "n_evaluable").rows()) == [
        ("A", "(masked)", 12),
        ("B", "cold", 6),
        ("B", "control", 6),
    ]
    masked = frames["arm_comparisons"].filter(study_id="A")
    assert masked["estimate"].null_count() == masked.height > 0
    assert masked["reason"].str.starts_with("the study's arms are masked").all()
    assert (
        frames["arm_comparisons"].filter(study_id="B", method="ancova")["estimate"].null_count()
        == 0
    )
