"""The real trial beside a simulated one in the same clinics, from events on: each one's comparisons
are those of each alone.

Here: decode, core and marts of the acupuncture trial of `../shared/data` (skipped where it is
absent) and of a simulated trial whose clinics are the real one's. Not here: rows made by hand
(test_two_studies.py), the way through Kafka.
"""

from datetime import UTC, date, datetime

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from ingest.importers import ndjson
from ingest.simulate import Plan, simulate
from tests.computed import computed
from tests.transforms.marts.test_trial import TRIAL

# Both arms have sessions, and harm; the last one is the study's reference
PLAN = Plan(
    patients=90,
    days=150,
    clinics=6,
    seed=31,
    start=date(2001, 1, 8),
    study_share=0.7,
    arms=("cold", "warm"),
)
LANDED = datetime(2003, 1, 1, tzinfo=UTC)
CUT = datetime(
    2002, 12, 1, tzinfo=UTC
)  # of every lake here: windows that have closed in one have in the other
REAL = "acupuncture-headache"
SERIES = ("telemetry", "readings", "walking_bouts")
MADE = (
    "adsl",
    "adex",
    "subject_episodes",
    "time_at_risk",
    "adae",
    "adverse_event_rates",
    "adverse_event_comparisons",
    "adqs",
    "arm_comparisons",
)


def simulated() -> list[tuple]:
    """The simulated trial and its routine care without clinics of its own: those are the first ones
    of the real trial.
    """
    records = [record for record in simulate(PLAN) if record[0].split(".")[1] not in SERIES]
    clinics = sorted({key.decode() for topic, key, _ in records if topic == "floe.clinics.v1"})
    names = {clinic: f"site-{k:02d}" for k, clinic in enumerate(clinics, 1)}
    return [
        (topic, _renamed(key, names), _renamed(value, names))
        for topic, key, value in records
        if topic != "floe.clinics.v1"
    ]


def _renamed(text: bytes | None, names: dict[str, str]) -> bytes | None:
    """Clinics under their new names, as whole keys and as JSON strings; ids that only begin like
    them stay.
    """
    if text is None:
        return None
    for old, new in names.items():
        text = (
            new.encode()
            if text == old.encode()
            else text.replace(f'"{old}"'.encode(), f'"{new}"'.encode())
        )
    return text


@pytest.fixture(scope="module")
def lakes() -> dict[str, dict[str, pl.DataFrame]]:
    """Every table of the real trial, of the simulated one in its clinics, and of both."""
    if not TRIAL.is_file():
        pytest.skip(f"../shared/data/{TRIAL.name} beside the project is absent")
    real, other = list(ndjson.replay([TRIAL])), simulated()
    clinics = [record for record in real if record[0] == "floe.clinics.v1"]
    records = {REAL: real, PLAN.study_id: clinics + other, "both": real + other}
    return {
        name: computed(of_lake, landed=LANDED, data_cutoff=CUT, marts=MADE)
        for name, of_lake in records.items()
    }


@pytest.mark.parametrize("mart", ["arm_comparisons", "adverse_event_comparisons"])
@pytest.mark.parametrize("study", [REAL, PLAN.study_id])
def test_a_studys_own_comparisons_are_those_of_it_alone(lakes, study, mart):
    """Pairs, counts, estimates, limits and p-values; of the real trial nobody was asked about harm,
    so it has no pair.
    """
    alone, both = (lakes[name][f"mart.{mart}"].filter(study_id=study) for name in (study, "both"))
    assert_frame_equal(both, alone, check_row_order=False)
    assert alone.is_empty() == (study == REAL and mart == "adverse_event_comparisons")


def test_both_are_in_the_same_clinics(lakes):
    """Patients of both at the first six sites, by the names that both lakes have."""
    sites = lakes["both"]["mart.adsl"].group_by("STUDYID").agg(pl.col("SITEID").unique().sort())
    of_study = dict(sites.rows())
    assert of_study[PLAN.study_id] == [f"site-{k:02d}" for k in range(1, 7)]
    assert set(of_study[PLAN.study_id]) <= set(of_study[REAL])


def test_the_printed_figures_stand(lakes):
    """Score and days with headache at 12 months, 161 against 140, as printed (BMJ 2004;328:744), in
    the lake of both.
    """
    rows = lakes["both"]["mart.arm_comparisons"].filter(
        pl.col("indication").is_null(), study_id=REAL, visit="Month 12", method="ancova"
    )
    names = ("parameter", "n_arm", "n_reference", "estimate", "ci_lower", "ci_upper")
    assert rows.select(names).with_columns(pl.col(pl.Float64).round(2)).sort(
        "parameter"
    ).rows() == [
        ("PAINDAYS", 161, 140, -1.76, -2.93, -0.60),
        ("PAINIDX", 161, 140, -4.60, -7.05, -2.16),
    ]


def test_the_simulated_trial_has_figures_to_compare(lakes):
    """Differences of both models and of responders, and rate ratios over strata: equality above is
    of figures, not of nulls.
    """
    tables = lakes["both"]
    arms = tables["mart.arm_comparisons"].filter(
        pl.col("estimate").is_not_null(), study_id=PLAN.study_id
    )
    assert set(arms["method"]) == {"ancova", "mmrm", "risk_difference"}
    events = tables["mart.adverse_event_comparisons"].filter(study_id=PLAN.study_id)
    for figure in ("sessions_rate_ratio", "sessions_p_value", "risk_difference", "cmh_odds_ratio"):
        assert events[figure].is_not_null().any(), figure
