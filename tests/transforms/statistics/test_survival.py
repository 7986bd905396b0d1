"""Kaplan-Meier, medians and log-rank against published data, statsmodels and plain counting."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.duration.survfunc import SurvfuncRight, survdiff

from transforms.errors import UsageError
from transforms.statistics import log_rank, survival

# remission in weeks of leukaemia (Freireich 1963): "+" is censored
_TREATED = "6 6 6 6+ 7 9+ 10 10+ 11+ 13 16 17+ 19+ 20+ 22 23 25+ 32+ 32+ 34+ 35+"
_PLACEBO = "1 1 2 2 3 4 4 5 5 8 8 8 8 11 11 12 12 15 17 22 23"


def patients(text, **group):
    rows = [
        {"weeks": int(t.rstrip("+")), "relapse": not t.endswith("+"), **group} for t in text.split()
    ]
    return pl.DataFrame(rows)


TREATED = patients(_TREATED)
TRIAL = pl.concat([patients(_TREATED, arm="6-MP"), patients(_PLACEBO, arm="placebo")])

samples = st.lists(st.tuples(st.integers(0, 15), st.booleans()), min_size=1, max_size=40)


def frame_of(sample, **group):
    schema = {"weeks": pl.Int64, "relapse": pl.Boolean}
    rows = pl.DataFrame(sample, schema=schema, orient="row")
    return rows.with_columns(**{name: pl.lit(value) for name, value in group.items()})


def at(curve, time):
    return curve.row(by_predicate=pl.col("time") == time, named=True)


def test_row_12_freireich_curve():
    """Reference 12: Survival, standard errors, the log-log interval at 10 and the median of 6-MP,
    as R's survfit.
    """
    curve = survival.kaplan_meier(TREATED, "weeks", "relapse")
    expected = {
        6: 0.857143,
        7: 0.806723,
        10: 0.752941,
        13: 0.690196,
        16: 0.627451,
        22: 0.537815,
        23: 0.448179,
    }
    assert {t: at(curve, t)["survival"] for t in expected} == pytest.approx(expected, abs=1e-6)
    assert at(curve, 6)["standard_error"] == pytest.approx(0.0763604, abs=1e-7)
    assert at(curve, 23)["standard_error"] == pytest.approx(0.1345915, abs=1e-7)
    assert (at(curve, 10)["lower"], at(curve, 10)["upper"]) == pytest.approx(
        (0.503200, 0.889362), abs=1e-6
    )
    assert survival.median(curve)["median"].to_list() == [23]


def test_freireich_medians_with_limits():
    """6-MP: 23 (13 to not reached); placebo: 8 (4 to 11), as R's survfit with conf.type log-log."""
    found = survival.median(survival.kaplan_meier(TRIAL, "weeks", "relapse", "arm"), "arm")
    assert found.select("arm", "median", "lower", "upper").rows() == [
        ("6-MP", 23, 13, None),
        ("placebo", 8, 4, 11),
    ]
    assert found["reason"].to_list() == ["the upper limit stays above one half", None]


def test_freireich_log_rank():
    """Chi-squared 16.79 on 1; 9 observed of 19.25 expected and 21 of 10.75, as R's survdiff."""
    found = log_rank.log_rank(TRIAL, "weeks", "relapse", "arm")
    assert found.statistic == pytest.approx(16.79, abs=0.005)
    assert (found.degrees_of_freedom, found.reason) == (1, None)
    assert found.p_value == pytest.approx(4.17e-5, abs=1e-7)
    assert found.groups["observed"].to_list() == [9, 21]
    assert found.groups["expected"].to_list() == pytest.approx([19.25, 10.75], abs=0.005)


_AML = {  # Miller 1981, leukaemia in remission (R's survival::aml)
    "Maintained": "9 13 13+ 18 23 28+ 31 34 45+ 48 161+",
    "Nonmaintained": "5 5 8 8 12 16+ 23 27 30 33 43 45",
}
_OVARIAN = {  # Edmunson 1979 (R's survival::ovarian)
    "1": "59 115 156 431 448+ 477+ 638 803+ 855+ 1040+ 1106+ 268 329",
    "2": "421+ 464 475 563 744+ 769+ 770+ 1129+ 1206+ 1227+ 353 365 377+",
}
_GLIOMA = {  # Bland & Altman 2004 BMJ 328:1073
    "astrocytoma": "6 13 21 30 31+ 37 38 47+ 49 50 63 79 80+ 82+ 82+ 86 98 149+ 202 219",
    "glioblastoma": "10 10 12 13 14 15 16 17 18 20 24 24 25 28 30 33 34+ 35 37 40 40 40+ 46 48 70+ 76 81 82 91 112 181",
}


def groups_of(data):
    return pl.concat([patients(text, arm=arm) for arm, text in data.items()])


@pytest.mark.parametrize(
    ("data", "observed", "expected", "statistic", "p_value"),
    [
        (_AML, [7, 11], [10.69, 7.31], 3.40, 0.0653),
        (_OVARIAN, [7, 5], [5.23, 6.77], 1.06, 0.303),
        (_GLIOMA, [14, 28], [22.48, 19.52], 7.50, 0.006),
    ],
)
def test_published_log_rank_tests(data, observed, expected, statistic, p_value):
    """Observed and expected events as R's survdiff prints them (aml: survival's
    tests/difftest.Rout.save), and the BMJ.
    """
    found = log_rank.log_rank(groups_of(data), "weeks", "relapse", by=["arm"])
    assert found.groups["observed"].to_list() == observed
    assert found.groups["expected"].to_list() == pytest.approx(expected, abs=0.005)
    assert found.statistic == pytest.approx(statistic, abs=0.005)
    assert found.p_value == pytest.approx(p_value, abs=5e-4)


def test_aml_curves_as_r_prints_them():
    """survfit(Surv(time, status) ~ x, aml): survival and standard error of both arms, medians 31
    and 23.
    """
    curve = survival.kaplan_meier(groups_of(_AML), "weeks", "relapse", by="arm").filter(
        pl.col("events") > 0
    )
    printed = {
        "Maintained": {
            9: (0.909, 0.0867),
            13: (0.818, 0.1163),
            18: (0.716, 0.1397),
            23: (0.614, 0.1526),
            31: (0.491, 0.1642),
            34: (0.368, 0.1627),
            48: (0.184, 0.1535),
        },
        "Nonmaintained": {
            5: (0.8333, 0.1076),
            8: (0.6667, 0.1361),
            12: (0.5833, 0.1423),
            23: (0.4861, 0.1481),
            27: (0.3889, 0.1470),
            30: (0.2917, 0.1387),
            33: (0.1944, 0.1219),
            43: (0.0972, 0.0919),
        },
    }
    for arm, steps in printed.items():
        own = curve.filter((pl.col("arm") == arm) & (pl.col("survival") > 0))
        assert own["time"].to_list() == list(steps)
        assert own["survival"].to_list() == pytest.approx([s for s, _ in steps.values()], abs=5e-4)
        assert own["standard_error"].to_list() == pytest.approx(
            [e for _, e in steps.values()], abs=5e-5
        )
    whole = survival.kaplan_meier(groups_of(_AML), "weeks", "relapse", by="arm")
    assert survival.median(whole, "arm")["median"].to_list() == [31, 23]


_VETERAN = {  # days of patients with lung cancer, by cell type (Kalbfleisch & Prentice 1980; R's survival::veteran)
    "adeno": "8 92 35 117 132 12 162 3 95 24 18 83+ 31 51 90 52 73 8 36 48 7 140 186 84 19 45 80",
    "large": "177 162 216 553 278 12 260 200 156 182+ 143 105 103 250 100 52 164 19 53 15 43 340 133 111 231 378 49",
    "smallcell": "30 384 4 54 13 123+ 97+ 153 59 117 16 151 22 56 21 18 139 20 31 52 287 18 51 122 27 54 7 63 392 10 "
    "25 103+ 21 13 87 2 20 7 24 99 8 99 61 25 95 80 51 29",
    "squamous": "72 411 228 126 118 10 82 110 314 100+ 42 8 144 25+ 11 999 112 87+ 231+ 242 991 111 1 587 389 33 25 357 "
    "467 201 1 30 44 283 15",
}


def test_four_cell_types_as_r_prints_them():
    """survdiff(Surv(time, status) ~ celltype, veteran) of R 4.2.2, survival 3.5-3: chi-squared
    25.40 on 3.
    """
    found = log_rank.log_rank(groups_of(_VETERAN), "weeks", "relapse", by="arm")
    assert found.groups["observed"].to_list() == [26, 26, 45, 31]
    assert found.groups["expected"].to_list() == pytest.approx(
        [15.6937646, 34.5494784, 30.1020793, 47.6546777], abs=1e-7
    )
    assert (found.statistic, found.degrees_of_freedom) == (pytest.approx(25.4037003, abs=1e-7), 3)
    assert found.p_value == pytest.approx(1.27124594e-05, rel=1e-8)


def test_curves_of_four_cell_types_as_r_prints_them():
    """survfit, conf.type = "log-log", of the same data: medians with their limits, survival at a
    time in two groups.
    """
    curve = survival.kaplan_meier(groups_of(_VETERAN), "weeks", "relapse", by="arm")
    assert survival.median(curve, "arm").select("arm", "median", "lower", "upper").rows() == [
        ("adeno", 51, 24, 90),
        ("large", 156, 100, 216),
        ("smallcell", 51, 24, 61),
        ("squamous", 118, 44, 242),
    ]
    found = (
        survival.survival_at(curve, [100, 200], "arm").select("survival", "lower", "upper").rows()
    )
    assert found[6] == pytest.approx((0.62222, 0.43940, 0.76053), abs=5e-6)
    assert found[5] == pytest.approx((0.08777, 0.024697, 0.20201), abs=5e-6)


def test_two_small_groups_as_r_computes_them_for_statsmodels():
    """The case of statsmodels' tests/test_survfunc.py: survival, standard errors and survdiff's
    2.14673.
    """
    one, two = "3+ 1 2 3 2+ 1+ 5 3+", "1+ 1 2+ 3+ 7 1+ 5 3+ 9"
    curve = survival.kaplan_meier(
        groups_of({"1": one, "2": two}), "weeks", "relapse", "arm"
    ).filter(pl.col("events") > 0)
    first, second = (part.drop("arm") for part in curve.partition_by("arm", maintain_order=True))
    assert first["time"].to_list() == [1, 2, 3, 5]
    assert first["survival"].to_list() == pytest.approx([0.875, 0.7291667, 0.5468750, 0], abs=5e-8)
    assert first["standard_error"].to_list()[:3] == pytest.approx(
        [0.1169268, 0.1649762, 0.2005800], abs=5e-8
    )
    assert second["time"].to_list() == [1, 5, 7, 9]
    assert second["survival"].to_list() == pytest.approx(
        [0.8888889, 0.5925926, 0.2962963, 0], abs=5e-8
    )
    assert second["standard_error"].to_list()[:3] == pytest.approx(
        [0.1047566, 0.2518034, 0.2444320], abs=5e-8
    )
    found = log_rank.log_rank(groups_of({"1": one, "2": two}), "weeks", "relapse", "arm")
    assert found.statistic == pytest.approx(2.14673, abs=5e-6)


def test_counts_at_each_time():
    """Censored at 6 are still at risk of the events at 6: 21 at risk, 3 events, 1 censored, 17 left
    at 7.
    """
    curve = survival.kaplan_meier(TREATED, "weeks", "relapse")
    assert curve.columns == [
        "time",
        "at_risk",
        "events",
        "censored",
        "survival",
        "standard_error",
        "lower",
        "upper",
        "ci_method",
    ]
    assert curve.select("time", "at_risk", "events", "censored").rows()[:3] == [
        (6, 21, 3, 1),
        (7, 17, 1, 0),
        (9, 16, 0, 1),
    ]
    assert curve.select("events", "censored").sum().row(0) == (9, 12)


def test_ends_of_the_curve():
    """Where log-log limits do not exist, those of the beta product, and the row says so.

    Before the first event 3 are at risk: Beta(3, 1) at .025 = .025^(1/3) = .2924. At 0 the upper
    limit is that of Beta(2, 1) · Beta(1, 1) = Beta(1, 2) at .975 = 1 - √.025 = .8419.
    """
    curve = survival.kaplan_meier(frame_of([(1, False), (2, True), (3, True)]), "weeks", "relapse")
    assert curve["survival"].to_list() == [1, 0.5, 0]
    assert curve["ci_method"].to_list() == ["beta_product", "log_log", "beta_product"]
    figures = curve.select("standard_error", "lower", "upper")
    assert figures.row(0) == (0, pytest.approx(0.025 ** (1 / 3)), 1)
    assert figures.row(2) == (None, 0, pytest.approx(1 - 0.025**0.5))


def test_median_on_a_step_at_one_half_is_its_middle():
    """Of 2, 4, 6, 8 half survive from 4 to 6: the median is 5, as of uncensored numbers."""
    curve = survival.kaplan_meier(frame_of([(t, True) for t in (2, 4, 6, 8)]), "weeks", "relapse")
    assert survival.median(curve)["median"].to_list() == [5]


def test_median_not_reached_says_so():
    """With one event in three, survival never falls to one half: null, with the reason."""
    curve = survival.kaplan_meier(frame_of([(1, True), (2, False), (3, False)]), "weeks", "relapse")
    assert survival.median(curve).row(0) == (None, 1.0, None, "survival stays above one half")


def test_survival_at_times():
    """The step in force; 1 before the first time; null after the last, where nobody was seen."""
    curve = survival.kaplan_meier(TRIAL, "weeks", "relapse", "arm")
    found = survival.survival_at(curve, [0, 10, 24, 36], "arm")
    assert found["arm"].to_list() == ["6-MP"] * 4 + ["placebo"] * 4
    assert found["survival"].to_list()[:3] == pytest.approx([1, 0.752941, 0.448179], abs=1e-6)
    assert found["survival"].to_list()[3:] == [None, 1, pytest.approx(8 / 21), None, None]
    assert found["lower"].to_list()[6:] == [None, None]


def test_numbers_at_risk():
    """Those whose time is that or longer: 21 at 6, 15 at 10, none at 36; no event is needed
    there.
    """
    found = survival.numbers_at_risk(TREATED, "weeks", "relapse", [0, 6, 10, 10.5, 36])
    assert found.rows() == [(0, 21), (6, 21), (10, 15), (10.5, 13), (36, 0)]


@pytest.mark.parametrize("kind", [pl.Boolean, pl.Int8, pl.Float64])
def test_an_event_is_true_or_one(kind):
    """A boolean and 0/1 mean the same."""
    other = TREATED.with_columns(pl.col("relapse").cast(kind))
    assert survival.kaplan_meier(other, "weeks", "relapse").equals(
        survival.kaplan_meier(TREATED, "weeks", "relapse")
    )


def test_columns_may_be_named_and_typed_as_they_come():
    """One name or a list for `by`, positional or by keyword; decimals are numbers; an empty frame
    needs no types.
    """
    by_name = survival.kaplan_meier(TRIAL, "weeks", "relapse", by="arm")
    assert survival.kaplan_meier(
        TRIAL, duration="weeks", event="relapse", by=["arm", "arm"]
    ).equals(by_name)
    decimals = TRIAL.with_columns(pl.col("weeks").cast(pl.Decimal(8, 2)))
    assert log_rank.log_rank(decimals, "weeks", "relapse", "arm").statistic == pytest.approx(
        16.79, abs=0.005
    )
    assert (
        survival.kaplan_meier(pl.DataFrame({"weeks": [], "relapse": []}), "weeks", "relapse").height
        == 0
    )


def test_all_censored_and_all_at_once():
    """Nobody had the event: survival 1, but of two people; all of four had it at one time: 0 to 1 -
    .025^(1/4).
    """
    quiet = survival.kaplan_meier(frame_of([(3, False), (5, False)]), "weeks", "relapse")
    assert quiet.select("survival", "upper").unique().rows() == [(1, 1)]
    assert quiet["lower"].to_list() == pytest.approx(
        [0.025**0.5, 0.025]
    )  # 2 at risk until 3, then 1
    at_once = survival.kaplan_meier(frame_of([(3, True)] * 4), "weeks", "relapse")
    assert at_once.select("time", "at_risk", "events", "survival", "lower").rows() == [
        (3, 4, 4, 0, 0)
    ]
    assert at_once["upper"].to_list() == pytest.approx([1 - 0.025**0.25])
    assert survival.median(at_once)["median"].to_list() == [3]
    assert survival.median(quiet).select("lower", "upper").row(0) == (
        None,
        None,
    )  # as survfit: log-log limits alone


def test_survival_without_an_event_between_the_times():
    """Three people censored at 3, 5 and 9: at 2 three were at risk, at 4 two, at 9 one; after it
    nobody was seen.
    """
    quiet = survival.kaplan_meier(
        frame_of([(3, False), (5, False), (9, False)]), "weeks", "relapse"
    )
    found = survival.survival_at(quiet, [2, 3, 4, 9, 10])
    assert found["survival"].to_list() == [1, 1, 1, 1, None]
    assert found["lower"].to_list() == pytest.approx(
        [0.025 ** (1 / n) for n in (3, 3, 2, 1)] + [None]
    )


def test_rows_without_a_value_are_left_out():
    """A null or NaN duration, a null event or group is nobody's observation."""
    holes = pl.DataFrame(
        {
            "weeks": [None, float("nan"), 5.0, 6.0],
            "relapse": [True, True, None, True],
            "arm": ["6-MP", "6-MP", "6-MP", None],
        }
    )
    padded = pl.concat([TRIAL.with_columns(pl.col("weeks").cast(pl.Float64)), holes])
    found = log_rank.log_rank(padded, "weeks", "relapse", "arm")
    assert found.statistic == pytest.approx(
        log_rank.log_rank(TRIAL, "weeks", "relapse", "arm").statistic
    )
    assert survival.kaplan_meier(padded, "weeks", "relapse", "arm").height == 16 + 12


def test_no_rows_give_an_empty_curve_with_its_columns():
    """Nobody observed: no row, the same columns, and reasons where a number would be."""
    curve = survival.kaplan_meier(TRIAL.clear(), "weeks", "relapse", "arm")
    assert curve.height == 0
    assert survival.median(curve, "arm").columns == ["arm", "median", "lower", "upper", "reason"]
    assert survival.median(curve.drop("arm"))["reason"].to_list() == ["nobody was observed"]
    assert (
        log_rank.log_rank(TRIAL.clear(), "weeks", "relapse", "arm").reason
        == "fewer than two groups at risk"
    )


def test_log_rank_without_events_or_groups_says_why():
    """No statistic without an event, nor with one group."""
    quiet = TRIAL.with_columns(relapse=pl.lit(False))
    assert log_rank.log_rank(quiet, "weeks", "relapse", "arm").reason == "no events"
    alone = TRIAL.filter(arm="6-MP")
    found = log_rank.log_rank(alone, "weeks", "relapse", "arm")
    assert (found.statistic, found.p_value, found.reason) == (
        None,
        None,
        "fewer than two groups at risk",
    )


def test_a_group_that_left_before_every_event_counts_no_degree_of_freedom():
    """A group never at risk when something happens is not compared (as R's survdiff:
    tests/difftest.Rout.save).
    """
    early = frame_of([(0, False), (0, False)], arm="left")
    found = log_rank.log_rank(
        pl.concat([TRIAL.select("weeks", "relapse", "arm"), early]), "weeks", "relapse", "arm"
    )
    assert found.degrees_of_freedom == 1
    assert found.statistic == pytest.approx(16.79, abs=0.005)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: survival.kaplan_meier(
            TREATED.with_columns(weeks=-pl.col("weeks")), "weeks", "relapse"
        ),
        lambda: survival.kaplan_meier(TREATED.with_columns(relapse=pl.lit(2)), "weeks", "relapse"),
        lambda: survival.kaplan_meier(TREATED.with_columns(weeks=pl.lit("6")), "weeks", "relapse"),
        lambda: survival.kaplan_meier(TREATED, "days", "relapse"),
        lambda: survival.kaplan_meier(TREATED, "weeks", "relapse", confidence=95),
        lambda: survival.kaplan_meier(
            TREATED.with_columns(time=pl.lit("a")), "weeks", "relapse", "time"
        ),
        lambda: log_rank.log_rank(TREATED, "weeks", "relapse", "arm"),
        lambda: log_rank.log_rank(TRIAL, "weeks", "relapse", None),
        lambda: survival.kaplan_meier(TREATED.lazy(), "weeks", "relapse"),
        lambda: survival.kaplan_meier(TREATED.to_dict(as_series=False), "weeks", "relapse"),
        lambda: survival.kaplan_meier(
            TREATED.with_columns(relapse=pl.lit("yes")), "weeks", "relapse"
        ),
        lambda: survival.kaplan_meier(
            TREATED.with_columns(weeks=pl.duration(weeks=6)), "weeks", "relapse"
        ),
    ],
)
def test_nonsense_is_a_usage_error(wrong):
    """Negative or worded durations, an event of 2 or of words, a column or groups that aren't
    there, no frame.
    """
    with pytest.raises(UsageError):
        wrong()


@given(samples)
def test_the_curve_equals_statsmodels(sample):
    """Survival and Greenwood's error at each event time, from another implementation."""
    if not any(event for _, event in sample):
        return
    times, events = zip(*sample, strict=True)
    other = SurvfuncRight(np.array(times, dtype=float), np.array(events, dtype=int))
    mine = survival.kaplan_meier(frame_of(sample), "weeks", "relapse").filter(pl.col("events") > 0)
    assert mine["time"].to_list() == list(other.surv_times)
    assert mine["survival"].to_list() == pytest.approx(list(other.surv_prob), abs=1e-12)
    alive = mine["survival"].to_numpy() > 0
    assert mine["standard_error"].to_numpy()[alive] == pytest.approx(
        other.surv_prob_se[alive], abs=1e-12
    )


@given(samples, samples, samples)
def test_log_rank_equals_statsmodels(one, two, three):
    """Two and three groups, wherever every group is at risk at some event."""
    both = pl.concat([frame_of(one, arm="a"), frame_of(two, arm="b")])
    for trial in (both, pl.concat([both, frame_of(three, arm="c")])):
        mine = log_rank.log_rank(trial, "weeks", "relapse", "arm")
        groups = trial["arm"].n_unique()
        if (
            mine.degrees_of_freedom < groups - 1
            or np.linalg.matrix_rank(_variance(trial)) < groups - 1
        ):
            continue
        chi, p = survdiff(
            trial["weeks"].to_numpy(),
            trial["relapse"].to_numpy().astype(int),
            trial["arm"].to_numpy(),
        )
        assert (mine.statistic, mine.p_value) == pytest.approx((chi, p), rel=1e-6, abs=1e-9)


def _variance(trial):
    rows = trial.rename({"weeks": "time", "relapse": "event"})
    return log_rank._mantel_haenszel(rows, rows.partition_by("arm"))[2]


@given(samples, st.randoms())
def test_order_does_not_change_the_curve(sample, random):
    """The same patients in another order."""
    shuffled = random.sample(sample, len(sample))
    one, other = (
        survival.kaplan_meier(frame_of(s), "weeks", "relapse") for s in (sample, shuffled)
    )
    assert one.equals(other)


@given(samples)
def test_doubling_the_patients_keeps_survival_and_narrows_its_interval(sample):
    """Everybody twice: the same survival, twice at risk, a standard error smaller by √2."""
    one, two = (
        survival.kaplan_meier(frame_of(s), "weeks", "relapse") for s in (sample, sample * 2)
    )
    assert two["survival"].to_list() == pytest.approx(one["survival"].to_list(), abs=1e-12)
    assert two["at_risk"].to_list() == [2 * n for n in one["at_risk"]]
    errors = [
        (a, b)
        for a, b in zip(one["standard_error"], two["standard_error"], strict=True)
        if a is not None
    ]
    assert [b * 2**0.5 for _, b in errors] == pytest.approx([a for a, _ in errors], abs=1e-12)


@given(samples, samples)
def test_a_curve_by_group_is_the_group_s_own_curve(one, two):
    """Splitting by `by` is the same as calling it on each part."""
    trial = pl.concat([frame_of(one, arm="a"), frame_of(two, arm="b")])
    whole = survival.kaplan_meier(trial, "weeks", "relapse", "arm")
    for arm, sample in (("a", one), ("b", two)):
        assert (
            whole.filter(arm=arm)
            .drop("arm")
            .equals(survival.kaplan_meier(frame_of(sample), "weeks", "relapse"))
        )


@given(samples)
def test_limits_stay_within_0_and_1_around_survival(sample):
    """Log-log limits are probabilities, and hold the estimate between them."""
    known = survival.kaplan_meier(frame_of(sample), "weeks", "relapse").drop_nulls()
    assert known.select(((pl.col("lower") >= 0) & (pl.col("upper") <= 1)).all()).item()
    inside = (pl.col("lower") <= pl.col("survival") + 1e-12) & (
        pl.col("survival") <= pl.col("upper") + 1e-12
    )
    assert known.select(inside.all()).item()


def test_log_log_limits_cover_about_as_often_as_stated():
    """1,000 seeded trials of 60 with exponential times and censoring: S(1) = e^-1 is held in 93 to
    97 %.
    """
    generator = np.random.default_rng(12)
    held = []
    for _ in range(1000):
        event, censor = generator.exponential(1, 60), generator.uniform(0.5, 3, 60)
        rows = pl.DataFrame({"weeks": np.minimum(event, censor), "relapse": event <= censor})
        found = survival.survival_at(survival.kaplan_meier(rows, "weeks", "relapse"), [1.0]).row(
            0, named=True
        )
        held.append(found["lower"] <= np.exp(-1) <= found["upper"])
    assert 0.93 <= np.mean(held) <= 0.97
