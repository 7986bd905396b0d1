"""Analysis of covariance against the published trial, statsmodels and its own algebra."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st

from transforms.errors import UsageError
from transforms.statistics import models, rates

_TRIAL = Path(__file__).parents[4] / "shared" / "data" / "acupuncture.csv"
_ADJUSTMENT = {"covariates": ["age", "chronicity"], "factors": ["sex", "migraine", "acupuncturist"]}


@pytest.fixture(scope="module")
def trial() -> pl.DataFrame:
    if not _TRIAL.exists():
        pytest.skip("../shared/data/acupuncture.csv is not here")
    return pl.read_csv(_TRIAL, infer_schema_length=None)


def sizes(model):
    return model.contrasts.select("n", "n_reference").row(0)


# --- the acupuncture trial (Vickers 2004 BMJ 328:744) -------------------------------------------


def test_vickers_2004_score_at_12_months(trial):
    """4.6 (2.2 to 7.0), P = 0.00025, 161 v 140; arm minus reference is -4.60 (-7.05 to -2.16)."""
    found = models.ancova(trial, "pk5", "pk1", "group", **_ADJUSTMENT)
    assert (found.estimate, found.lower, found.upper) == pytest.approx(
        (-4.60, -7.05, -2.16), abs=0.005
    )
    assert found.p_value == pytest.approx(0.00025, abs=5e-6)
    assert sizes(found) == (161, 140)
    assert (found.n, found.n_dropped_missing) == (301, 100)


def test_vickers_2004_score_at_3_months(trial):
    """3.9 (1.6 to 6.3), P = 0.001, 159 v 136 of those with a 12-month score; 4.18 (1.76 to 6.60) of
    173 v 153.
    """
    both = models.ancova(trial.drop_nulls("pk5"), "pk2", "pk1", "group", **_ADJUSTMENT)
    assert (both.estimate, both.lower, both.upper) == pytest.approx((-3.9, -6.3, -1.6), abs=0.05)
    assert round(both.p_value, 3) == 0.001
    assert sizes(both) == (159, 136)
    every = models.ancova(trial, "pk2", "pk1", "group", **_ADJUSTMENT)
    assert (every.estimate, every.lower, every.upper) == pytest.approx(
        (-4.18, -6.60, -1.76), abs=0.005
    )
    assert sizes(every) == (173, 153)


def test_vickers_2004_days_with_headache(trial):
    """1.8 (0.6 to 2.9), P = 0.003; arm minus reference is -1.76 (-2.93 to -0.60)."""
    found = models.ancova(trial.drop_nulls("pk5"), "f5", "f1", "group", **_ADJUSTMENT)
    assert (found.estimate, found.lower, found.upper) == pytest.approx(
        (-1.76, -2.93, -0.60), abs=0.005
    )
    assert round(found.p_value, 3) == 0.003


def test_vickers_2004_migraine_subgroup(trial):
    """4.9 (2.4 to 7.5) in 284 patients; the diagnosis is the same for all, so that it has no
    column.
    """
    found = models.ancova(trial.filter(migraine=1), "pk5", "pk1", "group", **_ADJUSTMENT)
    assert (found.estimate, found.lower, found.upper) == pytest.approx((-4.9, -7.5, -2.4), abs=0.05)
    assert found.n == 284


def test_vickers_2004_responders(trial):
    """87 (54 %) v 45 (32 %) at least 35 % better; 49 v 21 with at least half the days; Wald
    intervals.
    """
    completers = trial.drop_nulls("pk5")
    score = pl.col("pk1") - pl.col("pk5") >= 0.35 * pl.col("pk1")
    days = 2 * (pl.col("f1") - pl.col("f5")) >= pl.col("f1")
    counted = (
        completers.group_by("group")
        .agg(n=pl.len(), score=score.sum(), days=days.sum())
        .sort("group")
    )
    (_, n0, score0, days0), (_, n1, score1, days1) = counted.rows()
    assert (n1, n0, score1, score0, days1, days0) == (161, 140, 87, 45, 49, 21)
    for x1, x0, printed in ((score1, score0, (22, 11, 33)), (days1, days0, (15, 6, 25))):
        found = rates.risk_difference(x1, n1, x0, n0, method="wald")
        assert tuple(round(100 * v) for v in (found.estimate, found.lower, found.upper)) == printed


def test_vickers_2004_group_means(trial):
    """24.6 (14.1) v 26.7 (16.8) at baseline, 16.2 (13.7) v 22.3 (17.0) at 12 months, completers."""
    found = (
        trial.drop_nulls("pk5")
        .group_by("group")
        .agg(
            pl.col("pk1").mean().alias("m1"),
            pl.col("pk1").std().alias("s1"),
            pl.col("pk5").mean().alias("m5"),
            pl.col("pk5").std().alias("s5"),
        )
        .sort("group")
    )
    assert found.row(1)[1:] == pytest.approx((24.6, 14.1, 16.2, 13.7), abs=0.05)
    assert found.row(0)[1:] == pytest.approx((26.7, 16.8, 22.3, 17.0), abs=0.05)


def test_vickers_2004_needs_the_site(trial):
    """Without the acupuncturist the interval's upper end prints as 7.1."""
    found = models.ancova(trial, "pk5", "pk1", "group", ["age", "chronicity"], ["sex", "migraine"])
    assert round(-found.lower, 1) == 7.1


# --- SAS on other data --------------------------------------------------------------------------

# bacilli before and after, two antibiotics and a control F (Snedecor & Cochran 1967; the example of
# PROC GLM)
_LEPROSY = {
    "A": "11,6 8,0 5,2 14,8 19,11 6,4 10,13 6,1 11,8 3,0",
    "D": "6,0 6,2 7,3 8,1 18,18 8,4 19,14 8,9 5,1 15,9",
    "F": "16,13 13,10 11,18 9,5 21,23 16,12 12,5 12,16 7,1 12,20",
}


def test_leprosy_as_sas_prints_it():
    """PostTreatment = Drug PreTreatment: A - F -3.446138 (1.886781), p 0.0793; D - F -3.337167
    (1.853866), p 0.0835.
    """
    pairs = [
        (drug, *map(int, pair.split(",")))
        for drug, text in _LEPROSY.items()
        for pair in text.split()
    ]
    rows = pl.DataFrame(pairs, schema=["drug", "before", "after"], orient="row")
    found = models.ancova(rows, "after", "before", "drug", reference="F")
    assert found.contrasts["group"].to_list() == ["A", "D"]
    assert found.estimate.to_list() == pytest.approx([-3.446138280, -3.337166948], abs=5e-10)
    assert found.standard_error.to_list() == pytest.approx([1.88678065, 1.85386642], abs=5e-9)
    assert found.p_value.to_list() == pytest.approx([0.0793, 0.0835], abs=5e-5)
    assert found.degrees_of_freedom.to_list() == [26, 26]
    slope = found.coefficients.row(by_predicate=pl.col("term") == "before", named=True)
    assert (slope["estimate"], slope["standard_error"]) == pytest.approx(
        (0.987183811, 0.16449757), abs=5e-9
    )


# pounds before and after, of girls with anorexia: behavioural and family therapy, and a control
# (Hand 1993, data 285)
_ANOREXIA = {
    "CBT": "80.5,82.2 84.9,85.6 81.5,81.4 82.6,81.9 79.9,76.4 88.7,103.6 94.9,98.4 76.3,93.4 81,73.4 80.5,82.1 85,96.7 "
    "89.2,95.3 81.3,82.4 76.5,72.5 70,90.9 80.4,71.3 83.3,85.4 83,81.6 87.7,89.1 84.2,83.9 86.4,82.7 76.5,75.7 "
    "80.2,82.6 87.8,100.4 83.3,85.2 79.7,83.6 84.5,84.6 80.8,96.2 87.4,86.7",
    "Cont": "80.7,80.2 89.4,80.1 91.8,86.4 74,86.3 78.1,76.1 88.3,78.1 87.3,75.1 75.1,86.7 80.6,73.5 78.4,84.6 "
    "77.6,77.4 88.7,79.5 81.3,89.6 78.1,81.4 70.5,81.8 77.3,77.3 85.2,84.2 86,75.4 84.1,79.5 79.7,73 85.5,88.3 "
    "84.4,84.7 79.6,81.4 77.5,81.2 72.3,88.2 89,78.8",
    "FT": "83.8,95.2 83.3,94.3 86,91.5 82.5,91.9 86.7,100.3 79.6,76.7 76.9,76.8 94.2,101.6 73.4,94.9 80.5,75.2 "
    "81.6,77.8 82.1,95.5 77.6,90.7 83.5,92.5 89.9,93.8 86,91.7 87.3,98",
}


def test_anorexia_as_r_s_lm_gives_it():
    """lm(Postwt ~ Prewt + Treat, MASS::anorexia) of R 4.2.2: Cont -4.0971 (1.8935), FT 4.5631
    (2.1333), 68 residual.
    """
    pairs = [
        (arm, *map(float, pair.split(",")))
        for arm, text in _ANOREXIA.items()
        for pair in text.split()
    ]
    rows = pl.DataFrame(pairs, schema=["arm", "before", "after"], orient="row")
    found = models.ancova(rows, "after", "before", "arm", reference="CBT")
    assert found.contrasts["group"].to_list() == ["Cont", "FT"]
    assert found.estimate.to_list() == pytest.approx([-4.097066, 4.563063], abs=5.1e-7)
    assert found.standard_error.to_list() == pytest.approx([1.893493, 2.133336], abs=5.1e-7)
    assert found.p_value.to_list() == pytest.approx([0.03399931, 0.03603508], abs=5e-8)
    assert found.degrees_of_freedom.to_list() == [68, 68]
    slope = found.coefficients.row(by_predicate=pl.col("term") == "before", named=True)
    assert (slope["estimate"], slope["standard_error"]) == pytest.approx(
        (0.434461, 0.161182), abs=5.1e-7
    )


# --- algebra ------------------------------------------------------------------------------------


def test_row_23_adjusted_difference_identity():
    """Reference 23: 17.3 and baseline 6.5 apart, slope 0.71: 17.3 - 0.71 · 6.5 = 12.685 (Vickers &
    Altman 2001).
    """
    spread = pl.DataFrame(
        {"step": [-10.0, -5.0, 0.0, 5.0, 10.0], "noise": [1.0, -2.0, 2.0, -2.0, 1.0]}
    )
    groups = [
        spread.select(
            group=pl.lit(name),
            base=mean + pl.col("step"),
            after=level + 0.71 * pl.col("step") + pl.col("noise"),
        )
        for name, mean, level in (("placebo", 53.9, 62.3), ("acupuncture", 60.4, 79.6))
    ]
    found = models.ancova(pl.concat(groups), "after", "base", "group", reference="placebo")
    slope = found.coefficients.row(by_predicate=pl.col("term") == "base", named=True)["estimate"]
    assert slope == pytest.approx(0.71)
    assert found.estimate == pytest.approx(17.3 - 0.71 * 6.5)
    assert found.estimate == pytest.approx(12.685)


def simulated(seed, n=60, arms=("a", "b")):
    generator = np.random.default_rng(seed)
    base, age = generator.normal(6, 2, n), generator.uniform(20, 80, n)
    arm, site = generator.choice(arms, n), generator.integers(0, 4, n)
    after = (
        1 + 0.6 * base - 0.01 * age - 0.8 * (arm == "b") + 0.3 * site + generator.normal(0, 1, n)
    )
    return pl.DataFrame({"base": base, "age": age, "arm": arm, "site": site, "after": after})


def test_ancova_equals_statsmodels():
    """Every coefficient, error, p-value and limit of an ordinary least squares by another
    implementation.
    """
    rows = simulated(1)
    found = models.ancova(rows, "after", "base", "arm", ["age"], ["site"], confidence=0.9)
    sites = [rows["site"].eq(s).cast(pl.Float64).to_numpy() for s in (1, 2, 3)]
    x = np.column_stack(
        [np.ones(60), rows["arm"].eq("b").cast(pl.Float64), rows["base"], rows["age"], *sites]
    )
    other = sm.OLS(rows["after"].to_numpy(), x).fit()
    mine = found.coefficients
    assert mine["term"].to_list() == [
        "(intercept)",
        "arm=b",
        "base",
        "age",
        "site=1",
        "site=2",
        "site=3",
    ]
    assert mine["estimate"].to_numpy() == pytest.approx(other.params)
    assert mine["standard_error"].to_numpy() == pytest.approx(other.bse)
    assert mine["p_value"].to_numpy() == pytest.approx(other.pvalues, abs=1e-12)
    assert mine.select("lower", "upper").to_numpy() == pytest.approx(other.conf_int(0.1))
    assert found.degrees_of_freedom == other.df_resid
    assert found.contrasts.select("estimate", "lower", "upper").row(0) == pytest.approx(
        mine.select("estimate", "lower", "upper").row(1)
    )


def test_post_score_and_change_score_give_the_same_difference():
    """With the baseline in the model, change and follow-up estimate the same contrast."""
    rows = simulated(2).with_columns(change=pl.col("after") - pl.col("base"))
    post, change = (models.ancova(rows, outcome, "base", "arm") for outcome in ("after", "change"))
    assert (post.estimate, post.standard_error) == pytest.approx(
        (change.estimate, change.standard_error)
    )


@given(st.integers(0, 1000))
@settings(max_examples=20)
def test_order_does_not_change_the_answer(seed):
    """The same rows in another order."""
    rows = simulated(3)
    one, other = (
        models.ancova(r, "after", "base", "arm", ["age"], ["site"])
        for r in (rows, rows.sample(fraction=1, shuffle=True, seed=seed))
    )
    assert other.contrasts.select("estimate", "lower", "upper").row(0) == pytest.approx(
        one.contrasts.select("estimate", "lower", "upper").row(0)
    )


def test_doubling_the_rows_keeps_the_estimate():
    """Everyone twice: the same difference; the residual degrees of freedom 2n - p."""
    rows = simulated(4)
    one, two = (models.ancova(r, "after", "base", "arm") for r in (rows, pl.concat([rows, rows])))
    assert two.estimate == pytest.approx(one.estimate)
    assert (one.degrees_of_freedom, two.degrees_of_freedom) == (57, 117)


def test_reversing_the_reference_reverses_the_difference():
    """The first level in sort order is the reference unless another is named."""
    rows = simulated(5)
    forward = models.ancova(rows, "after", "base", "arm")
    back = models.ancova(rows, "after", "base", "arm", reference="b")
    assert forward.contrasts.select("group", "reference").row(0) == ("b", "a")
    assert back.contrasts.select("group", "reference").row(0) == ("a", "b")
    assert (back.estimate, back.lower, back.upper) == pytest.approx(
        (-forward.estimate, -forward.upper, -forward.lower)
    )


def test_three_groups_give_two_contrasts():
    """One row a group but the reference; a figure is then the column, one value a contrast."""
    found = models.ancova(simulated(6, arms=("a", "b", "c")), "after", "base", "arm")
    assert found.contrasts["group"].to_list() == ["b", "c"]
    assert found["estimate"].len() == 2
    assert found.estimate.equals(found.contrasts["estimate"])
    assert found.p_value.equals(found["p_value"])


def test_the_interval_covers_about_as_often_as_stated():
    """400 seeded trials of 24: the true difference of -0.8 is held in 93 to 97 %."""
    held = []
    for seed in range(400):
        found = models.ancova(simulated(seed, n=24), "after", "base", "arm", ["age"], ["site"])
        held.append(found.lower <= -0.8 <= found.upper)
    assert np.mean(held) == pytest.approx(0.95, abs=0.02)


# --- what can't be given ------------------------------------------------------------------------


def test_a_collinear_column_is_named_and_changes_nothing():
    """Age in months beside age in years: the later one is aliased, the difference stays."""
    rows = simulated(7).with_columns(months=12 * pl.col("age"))
    plain, doubled = (
        models.ancova(rows, "after", "base", "arm", c) for c in (["age"], ["age", "months"])
    )
    assert doubled.aliased == ("months",)
    assert (doubled.estimate, doubled.lower) == pytest.approx((plain.estimate, plain.lower))


def test_groups_that_sites_determine_have_no_difference():
    """Each site treats one arm: the arms can't be told from the sites, and the row says so."""
    rows = simulated(8).with_columns(
        arm=pl.when(pl.col("site") < 2).then(pl.lit("a")).otherwise(pl.lit("b"))
    )
    found = models.ancova(rows, "after", "base", "arm", [], ["site"])
    assert (found.estimate, found.lower, found.p_value) == (None, None, None)
    assert "can't tell the groups" in found.contrasts["reason"][0]
    assert found.coefficients.height > 0


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        (simulated(9).filter(arm="a"), "all complete rows are in group 'a'"),
        (
            simulated(9).with_columns(after=pl.when(arm="b").then("after")),
            "no complete row in the reference group 'a'",
        ),
        (simulated(9).with_columns(after=pl.lit(None, pl.Float64)), "no row has all of"),
        (simulated(9).clear(), "no row has all of"),
        (simulated(9).with_columns(arm=pl.lit("c")), "all complete rows are in group 'c'"),
    ],
)
def test_no_two_groups_give_no_contrast_and_a_reason(rows, reason):
    """A reference without complete patients is not replaced by the next group."""
    found = models.ancova(rows, "after", "base", "arm")
    assert found.contrasts.height == 0
    assert (found.estimate, found.p_value) == (None, None)
    assert reason in found.reason


def test_a_named_reference_that_nobody_is_in_gives_a_reason():
    """A stratum without the reference arm is no error: it has no comparison, and says so."""
    found = models.ancova(simulated(9), "after", "base", "arm", reference="sham")
    assert found.reason == "no complete row in the reference group 'sham' of arm"


def test_as_many_coefficients_as_rows_leave_no_interval():
    """Three rows for three coefficients: an estimate, and nothing to judge it by."""
    rows = pl.DataFrame({"arm": ["a", "a", "b"], "base": [1.0, 2.0, 4.0], "after": [1.0, 3.0, 3.0]})
    found = models.ancova(rows, "after", "base", "arm")
    assert found.estimate == pytest.approx(
        3 - (1 + 2 * 3)
    )  # slope 2 from arm a: 7 expected at base 4
    assert (found.standard_error, found.lower, found.p_value) == (None, None, None)
    assert found.contrasts["reason"][0] == "no residual variation to judge it by"


def test_missing_values_are_dropped_and_counted():
    """Null and NaN in any column used leave the row out; in another column they don't."""
    rows = simulated(10).with_columns(other=pl.lit(None, pl.Float64))
    holes = rows.with_row_index("i").with_columns(
        after=pl.when(pl.col("i") == 0).then(None).otherwise("after"),
        age=pl.when(pl.col("i") == 1).then(float("nan")).otherwise("age"),
        arm=pl.when(pl.col("i") == 2).then(None).otherwise("arm"),
    )
    found = models.ancova(holes, "after", "base", "arm", ["age"])
    assert (found.n, found.n_dropped_missing) == (57, 3)
    assert found.estimate == pytest.approx(
        models.ancova(rows[3:], "after", "base", "arm", ["age"]).estimate
    )


@pytest.mark.parametrize(
    ("covariates", "factors"),
    [
        ("age", "site"),
        (("age",), ("site",)),
        (["age", "age"], ["site", "site"]),
        (["base", "age"], ["arm", "site"]),
        ([None, "age"], ["site", None]),
    ],
)
def test_columns_may_be_given_as_one_name_or_twice(covariates, factors):
    """One name is a list of one; a repeated column, the baseline or the group among them count
    once.
    """
    rows = simulated(12)
    expected = models.ancova(rows, "after", "base", "arm", ["age"], ["site"]).contrasts
    found = models.ancova(
        rows, outcome="after", baseline="base", group="arm", covariates=covariates, factors=factors
    )
    assert found.contrasts.equals(expected)


def test_no_covariates_may_be_none():
    """None and an empty list are the same."""
    rows = simulated(12)
    bare = models.ancova(rows, "after", "base", "arm", None, None)
    assert bare.contrasts.equals(models.ancova(rows, "after", "base", "arm", [], []).contrasts)


def test_a_factor_level_of_one_row_takes_that_row_out_of_the_comparison():
    """Its own column fits that row exactly: the contrast is that of the other rows."""
    rows = simulated(13).with_row_index("i")
    one = rows.with_columns(site=pl.when(pl.col("i") == 7).then(9).otherwise("site"))
    found = models.ancova(one, "after", "base", "arm", ["age"], ["site"])
    without = models.ancova(one.filter(pl.col("i") != 7), "after", "base", "arm", ["age"], ["site"])
    assert (found.estimate, found.lower, found.upper) == pytest.approx(
        (without.estimate, without.lower, without.upper)
    )


def test_nan_is_missing_in_a_factor_too():
    """A category that is not a number is no category."""
    rows = simulated(14).with_columns(pl.col("site").cast(pl.Float64))
    holes = rows.with_columns(
        site=pl.when(pl.col("site") == 2).then(float("nan")).otherwise("site")
    )
    found = models.ancova(holes, "after", "base", "arm", [], ["site"])
    assert found.n_dropped_missing == rows.filter(site=2).height


@pytest.mark.parametrize(
    "wrong",
    [
        lambda rows: models.ancova(rows, "after", "bsae", "arm"),
        lambda rows: models.ancova(rows, "after", "base", "arm", ["arm"]),
        lambda rows: models.ancova(rows, "after", "base", "arm", ["site"], ["site"]),
        lambda rows: models.ancova(rows, "after", "after", "arm"),
        lambda rows: models.ancova(
            rows, "after", "base", "arm", [], ["site"], reference={"site": 9}
        ),
        lambda rows: models.ancova(rows, "after", "base", "arm", confidence=95),
        lambda rows: models.ancova(rows.lazy(), "after", "base", "arm"),
        lambda rows: models.ancova(
            rows.with_columns(after=pl.col("after") / 0), "after", "base", "arm"
        ),
    ],
)
def test_nonsense_is_a_usage_error(wrong):
    """A column that isn't there, words as a number, a column in two roles, an unknown reference,
    infinite values.
    """
    with pytest.raises(UsageError):
        wrong(simulated(11))


# --- least-squares means ------------------------------------------------------------------------


def test_least_squares_means_are_predictions_at_the_mean_over_equal_levels(trial):
    """As emmeans: covariates at their mean, every factor's levels with equal weights; limits by
    statsmodels' OLS.
    """
    rows = trial.drop_nulls("pk5")
    found = models.ancova(rows, "pk5", "pk1", "group", **_ADJUSTMENT)
    numbers, factors = ["pk1", "age", "chronicity"], ["sex", "migraine", "acupuncturist"]
    levels = {name: sorted(rows[name].unique()) for name in factors}
    coded = [
        rows[name].eq(level).cast(float).to_numpy()
        for name in factors
        for level in levels[name][1:]
    ]
    x = np.column_stack([np.ones(rows.height), rows["group"], *(rows[n] for n in numbers), *coded])
    fit = sm.OLS(rows["pk5"].to_numpy(), x).fit()
    shares = [1 / len(levels[name]) for name in factors for _ in levels[name][1:]]
    for group, row in zip((0, 1), found.means.iter_rows(named=True), strict=True):
        at = [1, group, *(rows[n].mean() for n in numbers), *shares]
        expected = fit.t_test(at)
        assert row["estimate"] == pytest.approx(expected.effect.item())
        assert (row["lower"], row["upper"]) == pytest.approx(tuple(expected.conf_int()[0]))
    assert found.means["n"].to_list() == [140, 161]


def test_least_squares_means_differ_by_the_contrast(trial):
    """Whatever is in the model, the means' difference is the contrast's estimate; another order of
    rows changes nothing.
    """
    found = models.ancova(trial, "pk5", "pk1", "group", **_ADJUSTMENT)
    assert found.means["estimate"][1] - found.means["estimate"][0] == pytest.approx(found.estimate)
    turned = models.ancova(trial.reverse(), "pk5", "pk1", "group", **_ADJUSTMENT)
    assert turned.means["estimate"].to_list() == pytest.approx(found.means["estimate"].to_list())
