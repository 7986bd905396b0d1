"""Curves, classes and verdicts of the latest or of all treatment episodes, computed when somebody
asks: what they count is what mart.cohort_outcomes counts of the same episodes.

Here: simulated clinics whose patients come back. Not here: limits of clusters (tests of
statistics/repeated.py and repeated_survival.py), pages (tests/dashboards/test_episode_choice.py).
"""

from datetime import UTC, datetime

import polars as pl
import polars.selectors as cs
import pytest
from polars.testing import assert_frame_equal

from ingest.simulate import Plan, Returns, simulate
from tests.computed import OPTIONS, computed
from tests.transforms.marts.test_strata_asked import marts_behind
from transforms.facts.responses import CHANGE_CLASSES
from transforms.facts.strata import STORED
from transforms.facts.values import ALL, FIRST, LATEST
from transforms.marts import episode_curves
from transforms.marts.asked import made_by
from transforms.options import Cut

SHARES = ("responder_curves", "responder_disagreement", "reliable_change", "important_change")
NAMES = (*SHARES, "survival_curves")
OVER = ((), ("clinic_id",), ("study_arm",))
CELL = ["parameter", "visit", "clinic_id", "study_id", "arm"]


@pytest.fixture(scope="module")
def site() -> dict[str, pl.DataFrame]:
    plan = Plan(
        clinics=2,
        patients=110,
        days=420,
        seed=11,
        with_readings=False,
        with_telemetry=False,
        returns=Returns(),
    )
    names = marts_behind([*NAMES, "cohort_outcomes", "subject_episodes"])
    return computed(simulate(plan), landed=datetime(2028, 1, 1, tzinfo=UTC), marts=names)


def asked(site: dict[str, pl.DataFrame], name: str, episode: str, over=OVER) -> pl.DataFrame:
    inputs, summary = made_by(name, episode=episode)
    tables = {full_name.split(".")[1]: site[full_name] for full_name in inputs}
    cut = Cut(lake_snapshot=1, data_cutoff=site["core.data_cut"]["data_cutoff"][0])
    return summary(**tables, options=OPTIONS, cut=cut, over=over, episode=episode)


def of_nobody_back(site: dict[str, pl.DataFrame]) -> dict[str, pl.DataFrame]:
    """The site as if each patient's first episode were the only one, of those in one study: of two
    that counts in which a patient was treated first, or last.
    """
    first = site["mart.subject_episodes"].filter(FRSTEPFL="Y").with_columns(LASTEPFL=pl.lit("Y"))
    first = first.filter(pl.col("STUDYID").n_unique().over("USUBJID") == 1)
    return site | {"mart.subject_episodes": first}


def test_a_third_of_the_patients_came_back(site):
    """Else the rest would agree on nothing."""
    episodes = site["mart.subject_episodes"].drop_nulls("APERIOD")
    assert episodes.filter(FRSTEPFL="N")["USUBJID"].n_unique() > 20


@pytest.mark.parametrize("name", SHARES)
@pytest.mark.parametrize("episode", [LATEST, ALL])
def test_where_nobody_came_back_every_choice_is_the_first(site, name, episode):
    """Counts, shares and limits; of all episodes no limits of an area, which are of patients."""
    alone = of_nobody_back(site)
    rows, first = (asked(alone, name, e) for e in (episode, FIRST))
    assert first.height > 20
    if name == "important_change" and episode == ALL:
        assert rows["auc_lower"].null_count() == rows.height
        rows, first = (frame.drop("auc_lower", "auc_upper") for frame in (rows, first))
    assert_frame_equal(rows, first, rel_tol=1e-9)


def test_curves_of_first_episodes_are_the_stored_ones(site):
    """By the function for other episodes, of every stored stratum."""
    tables = {name.split(".")[1]: site[name] for name in episode_curves.INPUTS}
    cut = Cut(lake_snapshot=1, data_cutoff=site["core.data_cut"]["data_cutoff"][0])
    given = {"options": OPTIONS, "cut": cut, "over": STORED, "episode": FIRST}
    rows = episode_curves.compute(**tables, **given)
    is_it = pl.col("parameter").is_in(episode_curves.PARAMETERS)
    stored = site["mart.survival_curves"].filter(is_it)
    assert stored["events"].sum() > 0
    keys = rows.select(~cs.float() & ~cs.by_name("is_suppressed", "strata")).columns
    left, right = (frame.drop("is_suppressed").sort(keys) for frame in (rows, stored))
    assert_frame_equal(left, right, rel_tol=1e-9)


@pytest.mark.parametrize("episode", [FIRST, LATEST, ALL])
@pytest.mark.parametrize("percent", [30, 50])
def test_a_curve_at_a_rule_is_the_share_of_responders_of_the_same_episodes(site, episode, percent):
    """Responders, those due, and where patients have several episodes the limits, of
    mart.cohort_outcomes: composite, without a value no response.
    """
    curves = asked(site, "responder_curves", episode).filter(cutoff_pct=percent)
    outcomes = site["mart.cohort_outcomes"].filter(
        pl.col("population").str.starts_with("missing"),
        statistic=f"pct{percent}",
        episode=episode,
        strategy="composite",
    )
    both = curves.join(outcomes, on=[*CELL, "strata"], nulls_equal=True, suffix="_of_outcome")
    assert both.height > 10
    assert (both["x"] == both["n_event"]).all()
    assert (both["n"] == both["n_evaluable"] + both["n_missing_of_outcome"]).all()
    if episode == ALL:
        several = both.filter(pl.col("n") > pl.col("n_patients"))
        several = several.filter(pl.col("n_event") > 5)
        for side in ("ci_lower", "ci_upper"):
            left, right = several[side], several[f"{side}_of_outcome"]
            assert (left - right).abs().max() in (None, pytest.approx(0, abs=1e-9))


@pytest.mark.parametrize("name", SHARES)
def test_of_all_episodes_there_are_as_many_as_of_first_and_further_ones(site, name):
    """In the whole: no fewer than of the first, and of the latest others."""
    counts = {"responder_curves": "n", "responder_disagreement": "n", "reliable_change": "n_due"}
    n = counts.get(name, "n_changes")
    sums = {e: asked(site, name, e, over=((),))[n].sum() for e in (FIRST, LATEST, ALL)}
    assert sums[ALL] > max(sums[FIRST], sums[LATEST])
    assert sums[FIRST] != sums[LATEST]


def test_verdicts_of_all_episodes_add_up_and_their_limits_are_over_patients(site):
    """Of each cell; a share's limits are other than those of as many patients where some have
    several.
    """
    rows = asked(site, "responder_disagreement", ALL)
    sums = rows.group_by([*CELL, "strata"]).agg(pl.col("x").sum(), pl.col("n").first())
    assert (sums["x"] == sums["n"]).all()
    assert (rows["ci_lower"] <= rows["estimate"] + 1e-12).all()
    assert (rows["ci_upper"] >= rows["estimate"] - 1e-12).all()


def test_classes_of_all_episodes_add_up(site):
    """Each has a class, once; pending and due are all of them."""
    rows = asked(site, "reliable_change", ALL).filter(pl.col("reason").is_null())
    classes = [f"n_{name}" for name in CHANGE_CLASSES]
    counted = rows.select(total=pl.sum_horizontal(classes), n="n_evaluable")
    assert (counted["total"] == counted["n"]).all()
    assert (rows["n_patients"] <= rows["n_due"] + rows["n_pending"]).all()
    assert (rows["n_patients"] < rows["n_due"] + rows["n_pending"]).any()


def test_of_all_episodes_times_are_counted_and_limits_are_over_patients(site):
    """More times than of first episodes, of fewer patients than times; where survival is 1 or 0 no
    limits where somebody has several.
    """
    first = site["mart.survival_curves"].filter(pl.col("strata").list.len() == 0)
    whole = asked(site, "survival_curves", ALL, over=((),))
    for parameter in episode_curves.PARAMETERS:
        rows = whole.filter(parameter=parameter)
        assert rows["at_risk"].max() >= first.filter(parameter=parameter)["at_risk"].max()
        if rows["at_risk"].max() > rows["n_patients"].max():
            ends = rows.filter((pl.col("survival") == 1) | (pl.col("survival") == 0))
            assert ends["lower"].null_count() == ends.height
            between = rows.filter((pl.col("survival") < 1) & (pl.col("survival") > 0))
            assert between["lower"].null_count() == 0
    loss = whole.filter(parameter="TTLOSS")
    assert loss["at_risk"].max() > loss["n_patients"].max()
