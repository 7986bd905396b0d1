"""Rates, proportions, ratios and differences against published numbers, R and their own
definitions.
"""

import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from transforms.errors import UsageError
from transforms.statistics import rate_columns, rates


def interval(estimate):
    return estimate.lower, estimate.upper


@pytest.mark.parametrize(
    ("events", "lower", "upper"),
    [(5, 1.623486, 11.668332), (0, 0, 3.688879), (10, 4.795389, 18.390356)],
)
def test_rows_1_and_2_garwood(events, lower, upper):
    """References 1 and 2: Garwood's limits equal the standard tables and R's poisson.test, zero
    events included.
    """
    found = rates.poisson_rate(events, 1, per=1)
    assert found.estimate == events
    assert interval(found) == pytest.approx((lower, upper), abs=1e-6)


@pytest.mark.parametrize(
    ("method", "lower", "upper"),
    [
        ("exact", 0.001776808, 0.031478968),
        ("byar", 0.002820411, 0.027609866),
        ("normal", -0.001630872, 0.021630872),
        ("log_normal", 0.003125199, 0.031997963),
    ],
)
def test_row_4_rate_methods(method, lower, upper):
    """Reference 4: Each method's 90 % limits of 2 events in 200 patient-years are those of R's
    tern.
    """
    found = rates.poisson_rate(2, 200, per=1, confidence=0.9, method=method)
    assert found.estimate == 0.01
    assert interval(found) == pytest.approx((lower, upper), abs=1e-9)


def test_row_6_standardised_ratio():
    """Reference 6: Welsh nickel workers: 137 observed, 24.19893 expected, exact (Breslow & Day
    1987).
    """
    found = rates.standardised_ratio(137, 24.19893)
    assert found.estimate == pytest.approx(5.661407, abs=1e-6)
    assert interval(found) == pytest.approx((4.753125, 6.692709), abs=1e-6)
    assert found.p_value < 1e-50


def test_row_7_rate_ratio():
    """Reference 7: The example of R's poisson.test: 11 in 800 against 21 in 3011."""
    found = rates.rate_ratio(11, 800, 21, 3011)
    assert found.estimate == pytest.approx(1.971488, abs=1e-6)
    assert interval(found) == pytest.approx((0.8584264, 4.2772659), abs=1e-7)
    assert found.p_value == pytest.approx(0.07966863, abs=1e-8)


def test_row_8_rate_ratio():
    """Reference 8: 12 in 85.4 against 5 in 62.5 patient-years, R and Beta quantiles agreeing."""
    found = rates.rate_ratio(12, 85.4, 5, 62.5)
    assert found.estimate == pytest.approx(1.756440, abs=1e-6)
    assert interval(found) == pytest.approx((0.5759996, 6.3641548), abs=1e-7)
    assert found.p_value == pytest.approx(0.3340, abs=5e-5)


@pytest.mark.parametrize(
    ("x", "n", "lower", "upper"),
    [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_row_9_wilson(x, n, lower, upper):
    """Reference 9: The four examples of Newcombe 1998 (Stat Med 17:857), Wilson without continuity
    correction.
    """
    assert interval(rates.proportion(x, n)) == pytest.approx((lower, upper), abs=5e-5)


@pytest.mark.parametrize(
    ("x", "n", "lower", "upper"),
    [
        (81, 263, 0.2527, 0.3676),
        (15, 148, 0.0578, 0.1617),
        (0, 20, 0, 0.1684),
        (1, 29, 0.0009, 0.1776),
    ],
)
def test_clopper_pearson_examples_of_newcombe(x, n, lower, upper):
    """The exact limits printed in the same table of Newcombe 1998."""
    assert interval(rates.proportion(x, n, "clopper_pearson")) == pytest.approx(
        (lower, upper), abs=5e-5
    )


@pytest.mark.parametrize(
    ("events", "sessions", "rate", "lower", "upper"),
    [
        (4, 120, 3.3333, 0.908221, 8.534657),
        (7, 2450, 0.285714, 0.114872, 0.588681),
        (0, 300, 0, 0, 1.229627),
    ],
)
def test_row_36_rate_per_100_sessions(events, sessions, rate, lower, upper):
    """Reference 36: Events per 100 sessions with Garwood limits; no event still has an upper
    limit.
    """
    found = rates.poisson_rate(events, sessions)
    assert found.estimate == pytest.approx(rate, abs=5e-5)
    assert interval(found) == pytest.approx((lower, upper), abs=1e-6)


def test_rates_per_100_patient_years():
    """12 in 85.4 patient-years is 14.05 (7.26-24.55) per 100; 5 in 62.5 is 8.00 (2.60-18.67)."""
    first, second = rates.poisson_rate(12, 85.4), rates.poisson_rate(5, 62.5)
    assert (first.estimate, *interval(first)) == pytest.approx((14.05, 7.26, 24.55), abs=0.005)
    assert (second.estimate, *interval(second)) == pytest.approx((8.00, 2.60, 18.67), abs=0.005)


@pytest.mark.parametrize(
    ("x1", "n1", "x2", "n2", "method", "lower", "upper"),
    [
        (56, 70, 48, 80, "newcombe", 0.0524, 0.3339),
        (9, 10, 3, 10, "newcombe", 0.1705, 0.8090),
        (6, 7, 2, 7, "newcombe", 0.0582, 0.8062),
        (5, 56, 0, 29, "newcombe", -0.0381, 0.1926),
        (0, 10, 0, 20, "newcombe", -0.1611, 0.2775),
        (0, 10, 0, 10, "newcombe", -0.2775, 0.2775),
        (10, 10, 0, 20, "newcombe", 0.6791, 1.0),
        (10, 10, 0, 10, "newcombe", 0.6075, 1.0),
        (56, 70, 48, 80, "wald", 0.0575, 0.3425),
        (9, 10, 3, 10, "wald", 0.2605, 0.9395),
        (6, 7, 2, 7, "wald", 0.1481, 0.9947),
        (5, 56, 0, 29, "wald", 0.0146, 0.1640),
        (0, 10, 0, 10, "wald", 0, 0),
    ],
)
def test_risk_difference_examples_of_newcombe(x1, n1, x2, n2, method, lower, upper):
    """Methods 10 (hybrid score) and 1 (Wald) as printed in Newcombe 1998 (Stat Med 17:873), table
    II.
    """
    found = rates.risk_difference(x1, n1, x2, n2, method=method)
    assert found.estimate == pytest.approx(x1 / n1 - x2 / n2)
    assert interval(found) == pytest.approx((lower, upper), abs=5e-5)


def test_risk_differences_of_the_acupuncture_trial():
    """Vickers 2004 prints 22 % (11 to 33), 87/161 v 45/140, and 15 % (6 to 25), 49/161 v 21/140:
    Wald.
    """
    score, days = (
        rates.risk_difference(x1, 161, x2, 140, "wald") for x1, x2 in ((87, 45), (49, 21))
    )
    assert [round(100 * v) for v in (score.estimate, *interval(score))] == [22, 11, 33]
    assert [round(100 * v) for v in (days.estimate, *interval(days))] == [15, 6, 25]


# --- more published cases -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("events", "confidence", "lower", "upper"),
    [
        (1, 0.95, 0.0253, 5.5716),
        (2, 0.95, 0.2422, 7.2247),
        (3, 0.95, 0.6187, 8.7673),
        (4, 0.95, 1.0899, 10.2416),
        (20, 0.95, 12.2165, 30.8884),
        (50, 0.95, 37.1110, 65.9188),
        (100, 0.95, 81.3640, 121.6268),
        (0, 0.90, 0, 2.9957),
        (0, 0.99, 0, 5.2983),
    ],
)
def test_garwood_tables(events, confidence, lower, upper):
    """The tables of exact limits of a Poisson count (Garwood 1936), to four decimals."""
    assert interval(rates.poisson_rate(events, 1, per=1, confidence=confidence)) == pytest.approx(
        (lower, upper), abs=5e-5
    )


@pytest.mark.parametrize(
    ("method", "lower", "upper"),
    [
        ("exact", 0.0209884653319583, 0.0618505471787146),
        ("byar", 0.0219084369245707, 0.0602933510943048),
        ("normal", 0.0185227303217751, 0.0564772696782249),
    ],
)
def test_15_in_400_as_r_s_desctools(method, lower, upper):
    """PoissonCI(15, 400) of DescTools, the exact limits of exactci too (statsmodels,
    tests/test_rates_poisson.py).
    """
    found = rates.poisson_rate(15, 400, per=1, method=method)
    assert (found.estimate, *interval(found)) == pytest.approx((0.0375, lower, upper), abs=1e-14)


def test_log_normal_rate_as_tern_prints_it():
    """4 in 9.058333 patient-years, 90 %: 44.16 (19.40 to 100.50) per 100 (tern,
    _snaps/estimate_incidence_rate.md).
    """
    found = rates.poisson_rate(4, 9.058333, confidence=0.9, method="log_normal")
    assert (found.estimate, *interval(found)) == pytest.approx(
        (44.15823, 19.40154, 100.50487), abs=1e-5
    )


def test_rate_ratio_of_heart_disease():
    """Gu 2008: 60 in 51477.5 against 30 in 54308.7; central exact limits of R's exactci, which
    statsmodels quotes.
    """
    found = rates.rate_ratio(60, 51477.5, 30, 54308.7)
    assert found.estimate == pytest.approx(2.10999757175465, abs=1e-13)
    assert interval(found) == pytest.approx((1.339735721772650, 3.388365573616252), abs=1e-9)
    assert found.p_value == pytest.approx(0.000675182658686321, abs=1e-12)


@pytest.mark.parametrize(
    ("x", "n", "method", "confidence", "lower", "upper"),
    [
        (
            51,
            235,
            "clopper_pearson",
            0.95,
            0.1660633298083073,
            0.2752683640289254,
        ),  # R's binom.test, by statsmodels
        (
            10,
            20,
            "wilson",
            0.95,
            0.299298,
            0.700702,
        ),  # tern, _snaps/desctools_binom_diff.md, as the next two
        (10, 20, "wilson", 0.9, 0.3274038, 0.6725962),
        (10, 20, "clopper_pearson", 0.9, 0.3019539, 0.6980461),
    ],
)
def test_shares_as_r_prints_them(x, n, method, confidence, lower, upper):
    """Limits of shares in the tests of statsmodels and tern, computed there by R."""
    found = rates.proportion(x, n, method, confidence=confidence)
    assert interval(found) == pytest.approx((lower, upper), abs=5e-7)


@pytest.mark.parametrize(("method", "half"), [("newcombe", 0.3262989), ("wald", 0.3678005)])
def test_difference_of_halves_as_tern_prints_it(method, half):
    """5 of 10 against 5 of 10 at 90 % (tern, _snaps/desctools_binom_diff.md)."""
    found = rates.risk_difference(5, 10, 5, 10, method=method, confidence=0.9)
    assert interval(found) == pytest.approx((-half, half), abs=5e-8)


@pytest.mark.parametrize(
    ("method", "lower", "upper"), [("newcombe", 0.019, 0.34), ("wald", 0.029, 0.32)]
)
def test_difference_of_fagerland(method, lower, upper):
    """7 of 34 against 1 of 34 (Fagerland, Lydersen & Laake 2015, Stat Methods Med Res 24:224, in
    statsmodels' tests).
    """
    found = rates.risk_difference(7, 34, 1, 34, method=method)
    assert [float(f"{v:.2g}") for v in interval(found)] == [lower, upper]


def test_mendel_s_peas():
    """The example of R's binom.test: 682 of 925 is 0.7372973 (0.7076683 to 0.7654066)."""
    found = rates.proportion(682, 925, method="clopper_pearson")
    assert (found.estimate, *interval(found)) == pytest.approx(
        (0.7372973, 0.7076683, 0.7654066), abs=5e-8
    )


def test_wilson_as_prop_test():
    """R's prop.test(15, 25, correct = FALSE): 0.4074 to 0.7660."""
    assert interval(rates.proportion(15, 25)) == pytest.approx((0.4074, 0.7660), abs=5e-5)


@pytest.mark.parametrize(
    ("x1", "t1", "x2", "t2", "ratio", "lower", "upper", "p_value"),
    [
        (
            41,
            28010,
            15,
            19017,
            1.855759,
            1.005684,
            3.6093,
            None,
        ),  # Rothman's breast cancers; Stata's iri
        (
            2,
            17877,
            10,
            20000,
            0.2238,
            0.0238,
            1.0500,
            0.0421,
        ),  # Fay 2010 R J 2:53: p below 5 %, 1 in the interval
        (0, 10, 5, 10, 0, 0, 1.0913, 0.0625),  # none in the first group: p = 2 · 0.5⁵
    ],
)
def test_published_rate_ratios(x1, t1, x2, t2, ratio, lower, upper, p_value):
    """Exact conditional limits, and R's two-sided p-value, of published pairs; zero on a side
    included.
    """
    found = rates.rate_ratio(x1, t1, x2, t2)
    assert (found.estimate, *interval(found)) == pytest.approx((ratio, lower, upper), abs=5e-5)
    assert p_value is None or found.p_value == pytest.approx(p_value, abs=5e-5)


def test_without_events_the_bound_is_3_689_over_the_sessions():
    """0 in 300 sessions: at most 1.23 %; 0 in 3,000: 0.123 %."""
    assert rates.poisson_rate(0, 300).upper == pytest.approx(368.8879 / 300, abs=1e-6)
    assert rates.poisson_rate(0, 3000).upper == pytest.approx(0.123, abs=5e-4)


# --- what can't be given, and what is wrong -----------------------------------------------------


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (rates.poisson_rate(0, 0), "no exposure"),
        (rates.poisson_rate(3, 0), "no exposure"),
        (rates.poisson_rate(None, 10), "not known"),
        (rates.poisson_rate(2, None), "not known"),
        (rates.proportion(0, 0), "no people"),
        (rates.proportion(None, 5), "not known"),
        (rates.rate_ratio(0, 10, 0, 10), "no events in either group"),
        (rates.rate_ratio(1, 0, 2, 10), "no exposure"),
        (rates.rate_ratio(None, 1, 2, 10), "not known"),
        (rates.risk_difference(0, 0, 1, 5), "no people"),
        (rates.standardised_ratio(0, 0), "no expected events"),
    ],
)
def test_a_value_that_cannot_be_given_says_why(found, reason):
    """Nothing to divide by gives None with a reason: never zero, never an error."""
    assert (found.estimate, found.lower, found.upper, found.p_value) == (None, None, None, None)
    assert reason in found.reason


def test_a_log_normal_rate_without_events_has_a_rate_and_no_limits():
    """The rate 0 can be given; limits on the log scale can't."""
    found = rates.poisson_rate(0, 10, method="log_normal")
    assert (found.estimate, found.lower, found.upper) == (0, None, None)
    assert "no limits" in found.reason


def test_a_ratio_to_a_group_without_events_is_infinite_but_has_a_lower_limit():
    """3 in 1 against 0 in 1: R's poisson.test gives Inf (0.413-Inf), p = 0.25 = 2 · 0.5³."""
    found = rates.rate_ratio(3, 1, 0, 1)
    assert (found.estimate, found.upper) == (math.inf, math.inf)
    assert found.lower == pytest.approx(0.4132314, abs=1e-7)
    assert found.p_value == pytest.approx(0.25)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: rates.poisson_rate(-1, 10),
        lambda: rates.poisson_rate(1.5, 10),
        lambda: rates.poisson_rate(1, -10),
        lambda: rates.poisson_rate(1, math.inf),
        lambda: rates.poisson_rate(1, 10, confidence=95),
        lambda: rates.poisson_rate(1, 10, method="bootstrap"),
        lambda: rates.proportion(6, 5),
        lambda: rates.proportion(1, 2.5),
        lambda: rates.proportion(1, 2, method="agresti"),
        lambda: rates.rate_ratio(-1, 10, 1, 10),
        lambda: rates.risk_difference(1, 2, 5, 4),
        lambda: rates.risk_difference(1, 2, 3, 4, method="exact"),
        lambda: rates.garwood([1, 2], [1, 2, 3]),
        lambda: rates.poisson_rate(1, 10, per=0),
        lambda: rates.poisson_rate("5", 10),
        lambda: rates.poisson_rate([5, 3], [10, 20]),
        lambda: rates.proportion(pl.Series([5]), pl.Series([10])),
        lambda: rates.rate_ratio([1, 2], 10, 1, 10),
        lambda: rates.risk_difference(1, 2, 1, [2, 3]),
        lambda: rates.garwood(pl.DataFrame({"x": [1]}), 10),
        lambda: rates.garwood(pl.Series(["1"]), 10),
        lambda: rates.wilson([[1, 2], [3, 4]], 10),
        lambda: rates.wilson(["one"], 10),
    ],
)
def test_nonsense_is_a_usage_error(wrong):
    """A negative or fractional count, a part above its whole, an unknown method, many strata where
    one is meant.
    """
    with pytest.raises(UsageError):
        wrong()


# --- over-dispersion ----------------------------------------------------------------------------


def test_overdispersion_is_the_pearson_statistic_over_patients():
    """Rate 8/40 = 0.2; expected 2 each: ((0-2)² + (1-2)² + (1-2)² + (6-2)²)/2/3 = 22/2/3."""
    assert rates.overdispersion([0, 1, 1, 6], [10, 10, 10, 10]) == pytest.approx(22 / 2 / 3)


def test_overdispersion_of_damage_to_ships_equals_r_s_glm():
    """McCullagh & Nelder's 34 ships: dispersion of glm(incidents ~ offset(log(service)),
    quasipoisson), R 4.2.2.
    """
    incidents = [
        0,
        0,
        3,
        4,
        6,
        18,
        11,
        39,
        29,
        58,
        53,
        12,
        44,
        18,
        1,
        1,
        0,
        1,
        6,
        2,
        1,
        0,
        0,
        0,
        0,
        2,
        11,
        4,
        0,
        7,
        7,
        5,
        12,
        1,
    ]
    service = [
        127,
        63,
        1095,
        1095,
        1512,
        3353,
        2244,
        44882,
        17176,
        28609,
        20370,
        7064,
        13099,
        7117,
        1179,
        552,
        781,
        676,
        783,
        1948,
        274,
        251,
        105,
        288,
        192,
        349,
        1208,
        2051,
        45,
        789,
        437,
        1157,
        2161,
        542,
    ]
    assert rates.overdispersion(incidents, service) == pytest.approx(5.764503, abs=1e-6)


@pytest.mark.parametrize(
    ("events", "exposure"), [([3], [10]), ([0, 0, 0], [1, 2, 3]), ([], []), ([4, 0], [10, 0])]
)
def test_overdispersion_needs_two_patients_and_an_event(events, exposure):
    """One patient with exposure, or no event, tells nothing about clustering."""
    assert rates.overdispersion(events, exposure) is None


@pytest.mark.parametrize(
    ("events", "exposure"),
    [
        ([1, 0, 0], [26, 26, 26]),  # 78 / 26 - 1 = 2 over 3 - 1
        ([0, 1, 0], [22, 26, 30]),
        ([0, 2], [13, 26]),  # rate 2/39: 4/26 · 39/2 - 2 = 1 over 2 - 1
        ([0, 0, 1, 1], [4, 17, 9, 6]),
    ],
)
def test_overdispersion_of_one_is_one(events, exposure):
    """A factor of exactly 1 gives Garwood's limits, though in floating point it comes out a digit
    above.
    """
    phi = rates.overdispersion(events, exposure)
    assert phi == 1
    wide, exact = (rates.overdispersed(sum(events), 100, phi), rates.garwood(sum(events), 100))
    assert (wide.lower, wide.upper) == (exact.lower, exact.upper)


def test_overdispersion_from_sums_equals_the_patients_own():
    """The sums over patients that a mart holds give the same factor."""
    generator = np.random.default_rng(4)
    t = generator.uniform(1, 20, 50)
    x = generator.poisson(0.3 * t * generator.gamma(1, 1, 50))
    rate = x.sum() / t.sum()
    expected = ((x - rate * t) ** 2 / (rate * t)).sum() / 49
    assert rates.overdispersion(x, t) == pytest.approx(expected)
    sums = rates.overdispersion_from_sums([50], [x.sum()], [t.sum()], [(x**2 / t).sum()])
    assert sums == pytest.approx([expected])


def test_overdispersed_limits_follow_the_formula_and_never_undercut_garwood():
    """100 events, phi 4: rate · exp(±1.959964 · √(4/100)); without events, or phi up to 1,
    Garwood's own.
    """
    wide = rates.overdispersed([100, 0, 100, 100], 1000, [4, 4, 0.5, np.nan])
    exact = rates.garwood([100, 0, 100, 100], 1000)
    factor = math.exp(1.959964 * math.sqrt(4 / 100))
    assert (wide.lower[0], wide.upper[0]) == pytest.approx((10 / factor, 10 * factor), rel=1e-6)
    assert wide.lower[1:] == pytest.approx(exact.lower[1:])
    assert wide.upper[1:] == pytest.approx(exact.upper[1:])


@given(events=st.integers(1, 200), phi=st.floats(0, 50))
def test_overdispersed_limits_contain_garwood(events, phi):
    """For every count and factor, each over-dispersed limit is at or beyond the exact one."""
    wide, exact = rates.overdispersed(events, 7.0, phi), rates.garwood(events, 7.0)
    assert wide.lower <= exact.lower
    assert wide.upper >= exact.upper


# --- columns ------------------------------------------------------------------------------------


def test_columns_equal_the_numbers_row_by_row():
    """A frame of strata gets what each stratum alone would get; null where nothing can be given."""
    frame = pl.DataFrame(
        {"x": [0, 3, None, 5], "t": [10.0, 2.5, 4.0, 0.0], "phi": [None, 3.0, 2.0, 1.0]}
    )
    found = rate_columns.poisson_rate_columns(frame, events="x", exposure="t", name="rate")
    found = rate_columns.overdispersed_columns(
        found, events="x", exposure="t", dispersion="phi", name="rate"
    )
    for row in found.iter_rows(named=True):
        alone = rates.poisson_rate(row["x"], row["t"])
        assert (row["rate"], row["rate_lower"], row["rate_upper"]) == (
            alone.estimate,
            *interval(alone),
        )
    assert found["rate_od_lower"].to_list()[2:] == [None, None]
    assert found["rate_od_upper"][0] == found["rate_upper"][0]
    assert found["rate_od_upper"][1] > found["rate_upper"][1]


def test_proportion_columns_equal_the_numbers_row_by_row():
    """Both methods, with a stratum without people."""
    frame = pl.DataFrame({"x": [0, 3, 4, 0], "n": [5, 7, 4, 0]})
    for method in ("wilson", "clopper_pearson"):
        found = rate_columns.proportion_columns(frame, x="x", n="n", name="share", method=method)
        for row in found.iter_rows(named=True):
            alone = rates.proportion(row["x"], row["n"], method)
            assert (row["share"], row["share_lower"], row["share_upper"]) == (
                alone.estimate,
                *interval(alone),
            )


def test_an_empty_frame_keeps_its_columns():
    """No stratum gives no row, with the columns there."""
    empty = pl.DataFrame({"x": [], "t": []}, schema={"x": pl.Int64, "t": pl.Float64})
    found = rate_columns.poisson_rate_columns(empty, events="x", exposure="t", name="rate")
    assert found.columns == ["x", "t", "rate", "rate_lower", "rate_upper"]


# --- properties ---------------------------------------------------------------------------------


@given(events=st.integers(0, 500), exposure=st.floats(0.1, 1e4), confidence=st.floats(0.5, 0.999))
def test_garwood_limits_are_where_the_tail_probabilities_reach_half_alpha(
    events, exposure, confidence
):
    """P(X >= x | lower) = P(X <= x | upper) = alpha/2: the definition, not the χ² formula."""
    found = rates.poisson_rate(events, exposure, per=1, confidence=confidence)
    half = (1 - confidence) / 2
    assert stats.poisson.cdf(events, found.upper * exposure) == pytest.approx(half, rel=1e-6)
    if events:
        assert stats.poisson.sf(events - 1, found.lower * exposure) == pytest.approx(half, rel=1e-6)
    else:
        assert found.lower == 0


@given(n=st.integers(1, 300), data=st.data())
def test_clopper_pearson_limits_are_where_the_tail_probabilities_reach_half_alpha(n, data):
    """The definition, with the lower limit 0 at x = 0 and the upper 1 at x = n."""
    x = data.draw(st.integers(0, n))
    found = rates.proportion(x, n, "clopper_pearson")
    assert (
        found.lower == 0
        if x == 0
        else stats.binom.sf(x - 1, n, found.lower) == pytest.approx(0.025, rel=1e-6)
    )
    assert (
        found.upper == 1
        if x == n
        else stats.binom.cdf(x, n, found.upper) == pytest.approx(0.025, rel=1e-6)
    )


@given(n=st.integers(1, 10_000), data=st.data())
def test_wilson_limits_stay_within_0_and_1_and_mirror(n, data):
    """The interval of failures is the mirror image of that of successes."""
    x = data.draw(st.integers(0, n))
    hits, misses = rates.proportion(x, n), rates.proportion(n - x, n)
    assert 0 <= hits.lower <= hits.estimate <= hits.upper <= 1
    assert interval(hits) == pytest.approx((1 - misses.upper, 1 - misses.lower), abs=1e-12)


@given(st.integers(0, 60), st.floats(0.5, 500), st.integers(1, 60), st.floats(0.5, 500))
def test_a_swapped_ratio_is_the_inverse_with_the_same_p_value(x1, t1, x2, t2):
    """Which group comes first decides nothing."""
    one, other = rates.rate_ratio(x1, t1, x2, t2), rates.rate_ratio(x2, t2, x1, t1)
    assert one.p_value == pytest.approx(other.p_value, rel=1e-6)
    assert one.lower * other.upper == pytest.approx(1) if x1 else one.lower == 0
    assert one.upper * other.lower == pytest.approx(1)


@given(st.integers(0, 40), st.floats(0.5, 50), st.integers(0, 40), st.floats(0.5, 50))
def test_the_exact_p_value_equals_scipy(x1, t1, x2, t2):
    """The same definition as scipy's binomtest, which follows R."""
    if x1 + x2:
        expected = stats.binomtest(x1, x1 + x2, t1 / (t1 + t2)).pvalue
        assert rates.rate_ratio(x1, t1, x2, t2).p_value == pytest.approx(expected, rel=1e-6)


@given(
    st.lists(st.tuples(st.integers(0, 9), st.floats(0.5, 40)), min_size=2, max_size=30),
    st.randoms(),
)
def test_the_order_of_patients_does_not_change_overdispersion(patients, random):
    """The factor is of the patients, not of their order; a patient without exposure adds
    nothing.
    """
    shuffled = [*patients, (0, 0.0)]
    random.shuffle(shuffled)
    one = rates.overdispersion(*zip(*patients, strict=True))
    other = rates.overdispersion(*zip(*shuffled, strict=True))
    assert one == pytest.approx(other) if one is not None else other is None


@given(st.integers(0, 50), st.integers(1, 500))
def test_a_rate_scales_with_its_unit(events, sessions):
    """Per 1000 is ten times per 100, limits included."""
    hundred = rates.poisson_rate(events, sessions)
    thousand = rates.poisson_rate(events, sessions, per=1000)
    assert (thousand.estimate, *interval(thousand)) == pytest.approx(
        (10 * hundred.estimate, 10 * hundred.lower, 10 * hundred.upper)
    )


@pytest.mark.parametrize("mean", [0.3, 2.0, 9.0])
def test_garwood_covers_at_least_as_often_as_stated(mean):
    """Exact coverage, by adding the probabilities of the counts whose interval holds the truth."""
    counts = np.arange(0, 80)
    found = rates.garwood(counts, 1, per=1)
    holds = (found.lower <= mean) & (mean <= found.upper)
    assert stats.poisson.pmf(counts, mean)[holds].sum() >= 0.95


@pytest.mark.parametrize(("n", "truth"), [(20, 0.05), (20, 0.5), (75, 0.31)])
def test_clopper_pearson_covers_at_least_and_wilson_about_as_often_as_stated(n, truth):
    """Exact coverage; Wilson's is near 95 % on both sides (Newcombe 1998)."""
    counts = np.arange(0, n + 1)
    covered = {}
    for method in (rates.clopper_pearson, rates.wilson):
        found = method(counts, n)
        covered[method] = stats.binom.pmf(counts, n, truth)[
            (found.lower <= truth) & (truth <= found.upper)
        ].sum()
    assert covered[rates.clopper_pearson] >= 0.95
    assert covered[rates.wilson] == pytest.approx(0.95, abs=0.035)


def test_the_rate_ratio_covers_at_least_as_often_as_stated():
    """2,000 seeded pairs of counts with true ratio 2: the conditional interval holds it in 95 % or
    more.
    """
    generator = np.random.default_rng(20)
    pairs = generator.poisson((6, 5), size=(2000, 2))  # 6 in 30 against 5 in 50: 0.2 / 0.1
    known = [rates.rate_ratio(int(a), 30, int(b), 50) for a, b in pairs if a + b]
    held = np.mean([found.lower <= 2 <= found.upper for found in known])
    assert held >= 0.95


@pytest.mark.parametrize(
    ("n1", "p1", "n2", "p2"), [(20, 0.1, 25, 0.1), (30, 0.7, 30, 0.4), (60, 0.05, 40, 0.2)]
)
def test_newcombe_covers_about_as_often_as_stated(n1, p1, n2, p2):
    """Exact coverage, adding over every pair of counts: between 93 and 99 %."""
    held = 0.0
    for x1 in range(n1 + 1):
        for x2 in range(n2 + 1):
            weight = stats.binom.pmf(x1, n1, p1) * stats.binom.pmf(x2, n2, p2)
            found = rates.risk_difference(x1, n1, x2, n2)
            held += weight * (found.lower <= p1 - p2 <= found.upper)
    assert 0.93 <= held <= 0.99


def test_ratio_columns_are_the_ratio_of_each_row():
    """Every pair of 0 to 12 events over two exposures has rate_ratio's estimate and limits;
    infinite ones are null.
    """
    pairs = [(x1, 80.0, x2, 301.1) for x1 in range(13) for x2 in range(13)] + [(3, 0.0, 4, 10.0)]
    frame = pl.DataFrame(pairs, schema=["x1", "t1", "x2", "t2"], orient="row")
    found = rate_columns.rate_ratio_columns(frame, x1="x1", t1="t1", x2="x2", t2="t2", name="ratio")
    for pair, *columns in zip(
        pairs, *(found[c] for c in ("ratio", "ratio_lower", "ratio_upper")), strict=True
    ):
        one = rates.rate_ratio(*pair)
        expected = [
            None if v is None or v == float("inf") else v
            for v in (one.estimate, one.lower, one.upper)
        ]
        assert columns == [None if v is None else pytest.approx(v) for v in expected]
