"""Funnels against FunnelPlotR's numbers, the published false-alarm rates of limits, and exact
tails.
"""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from transforms.errors import UsageError
from transforms.statistics import funnel

X = [18, 32, 25, 44, 60, 12, 38, 70, 22, 15]
N = [60, 80, 90, 100, 120, 50, 110, 140, 40, 55]
LIMITS = [
    f"{side}_{level}{od}"
    for level in ("95", "998")
    for od in ("", "_od")
    for side in ("lower", "upper")
]


def false_alarms(expected, method):
    """Probability that a clinic in control lies below, and above, its 95 % limits."""
    lower, upper = (
        np.round(x * expected, 9) for x in funnel.funnel_limits(expected, method=method)
    )
    below = stats.poisson.cdf(np.ceil(lower) - 1, expected)
    return below, stats.poisson.sf(np.floor(upper), expected)


# --- limits -------------------------------------------------------------------------------------


def test_quantile_limits_are_poisson_quantiles_over_the_expected():
    """At E = 10 the 2.5 % and 97.5 % quantiles are 4 and 17; over a fine grid they are scipy's."""
    assert funnel.funnel_limits(10) == (0.4, 1.7)
    expected = np.linspace(0.01, 300, 5000)
    for level in (0.95, 0.998):
        limits = funnel.funnel_limits(expected, level)
        tails = (1 - level) / 2, (1 + level) / 2
        for found, q in zip(limits, tails, strict=True):
            assert np.array_equal(np.round(found * expected), stats.poisson.ppf(q, expected))


def test_ci_limits_are_the_chi_squared_form():
    """χ²(0.025, 2E)/2E and χ²(0.975, 2E+2)/2E at E = 10: those of a count of 10 (Garwood: 4.795,
    18.390).
    """
    assert funnel.funnel_limits(10, method="ci") == pytest.approx((0.4795389, 1.8390356), abs=1e-7)
    expected = np.array([0.5, 3.2, 40.0])
    lower, upper = funnel.funnel_limits(expected, 0.998, "ci")
    assert lower == pytest.approx(stats.chi2.ppf(0.001, 2 * expected) / (2 * expected))
    assert upper == pytest.approx(stats.chi2.ppf(0.999, 2 * expected + 2) / (2 * expected))


def test_false_alarms_as_published():
    """Seaton & Manktelow 2012, E from 1 to 50: prediction limits keep each side at 2.5 %,
    confidence limits do not.
    """
    expected = np.arange(1, 50.005, 0.01)
    below, above = false_alarms(expected, "quantile")
    assert (np.median(below), below.min(), below.max()) == pytest.approx(
        (0.0186, 0, 0.0250), abs=2e-4
    )
    assert (np.median(above), above.min(), above.max()) == pytest.approx(
        (0.0201, 0.0052, 0.0250), abs=2e-4
    )
    below, above = false_alarms(expected, "ci")
    assert (np.median(below), below.min(), below.max()) == pytest.approx(
        (0.0325, 0.0219, 0.3679), abs=5e-4
    )
    assert (np.median(above), above.min(), above.max()) == pytest.approx(
        (0.0121, 0.0003, 0.0177), abs=5e-4
    )


@pytest.mark.parametrize(("expected", "no_event"), [(1, 0.368), (2, 0.135)])
def test_confidence_limits_are_not_used_for_flags(expected, no_event):
    """A clinic in control has no event with probability e^-E: the `ci` limit would flag it low, the
    funnel does not.
    """
    assert np.exp(-expected) == pytest.approx(no_event, abs=5e-4)
    assert funnel.funnel_limits(expected, method="ci").lower > 0  # 0 events would lie below it
    for spread in (True, False):
        flagged = funnel.funnel_ratio(
            [0, 10, 10, 10, 10], [expected, 10, 10, 10, 10], overdispersion=spread
        )
        assert flagged["signal"].to_list() == ["none"] * 5


def test_flags_hold_their_level_in_simulation():
    """Of clinics in control at most 2.5 % are flagged on a side at 95 %, and 0.1 % at 99.8 %."""
    generator = np.random.default_rng(5)
    expected = generator.uniform(0.2, 30, 40_000)
    signal = funnel.funnel_ratio(generator.poisson(expected), expected, overdispersion=False)[
        "signal"
    ]
    for side in ("low", "high"):
        assert 0.008 < signal.str.starts_with(side).mean() < 0.025
        assert (signal == f"{side}_998").mean() < 0.0015
    n = generator.integers(5, 200, 40_000)
    signal = funnel.funnel_proportions(generator.binomial(n, 0.2), n, overdispersion=False)[
        "signal"
    ]
    for side in ("low", "high"):
        assert 0.008 < signal.str.starts_with(side).mean() < 0.026


# --- proportions --------------------------------------------------------------------------------


def test_row_19_proportions_with_overdispersion():
    """Reference 19: FunnelPlotR's z, φ, τ² and limits at n = 100, winsorised by 10 %."""
    frame = funnel.funnel_proportions(X, N, overdispersion=True)
    z = [-1.5904, 0.0432, -2.4131, 0.8590, 2.2587, -2.4088, -1.1332, 2.4397, 1.9376, -1.9703]
    assert frame["center"].to_list() == pytest.approx([0.3976331] * 10, abs=1e-7)
    assert frame["z"].to_list() == pytest.approx(z, abs=5e-5)
    row = frame.row(3, named=True)
    assert (row["overdispersion"], row["tau2"]) == pytest.approx((3.408219, 0.008374605), abs=1e-6)
    expected = {
        "lower_95": 0.3043,
        "upper_95": 0.4949,
        "lower_95_od": 0.2115,
        "upper_95_od": 0.6006,
        "lower_998": 0.2536,
        "upper_998": 0.5513,
        "lower_998_od": 0.1241,
        "upper_998_od": 0.7122,
    }
    assert {k: row[k] for k in expected} == pytest.approx(expected, abs=5e-5)
    assert (row["lower"], row["upper"]) == (row["lower_95_od"], row["upper_95_od"])
    assert frame["signal"].to_list() == ["none"] * 10


def test_without_overdispersion_the_exact_tail_flags():
    """P(X <= 25 of 90 | 0.39763) = 0.0121 is at most 2.5 %, P(X <= 15 of 55) = 0.0374 is not."""
    frame = funnel.funnel_proportions(X, N, overdispersion=False)
    target = sum(X) / sum(N)
    for (x, n), signal in zip(zip(X, N, strict=True), frame["signal"], strict=True):
        below, above = stats.binom.cdf(x, n, target), stats.binom.sf(x - 1, n, target)
        expected = (
            "low_998"
            if below <= 0.001
            else "high_998"
            if above <= 0.001
            else "low_95"
            if below <= 0.025
            else "high_95"
            if above <= 0.025
            else "none"
        )
        assert signal == expected
    assert frame["signal"].to_list()[2] == "low_95"
    assert frame["signal"].to_list()[9] == "none"
    assert frame["lower_95_od"].is_null().all()


@pytest.mark.parametrize(
    ("phi", "tau2"),
    [
        (0.935, 0.00196),  # 8 · 0.935 = 7.48 > 7: (7.48 - 7) / (7 · 35)
        (0.875, 0),  # 8 · 0.875 = 7
        (0.5, 0),
    ],
)
def test_tau_squared_is_0_below_its_degrees_of_freedom_not_below_phi_1(phi, tau2):
    """τ² = 0 when Iφ < I - 1: φ = 0.935 with eight clinics of weight 35 still gives 0.00196."""
    assert funnel.tau_squared(phi, [35**-0.5] * 8) == pytest.approx(tau2, abs=5e-6)


@pytest.mark.parametrize(
    ("x", "n", "signal", "value"),
    [
        ([], [], [], []),
        ([0, 0], [5, 7], ["none", "none"], [0, 0]),  # nobody anywhere: nobody stands out
        ([5, 7], [5, 7], ["none", "none"], [1, 1]),
        ([1, 0], [5, 0], ["none", None], [0.2, None]),  # no people: no value
        ([1, None], [5, 9], ["none", None], [0.2, None]),
    ],
)
def test_proportions_at_their_edges(x, n, signal, value):
    """Targets of 0 and 1, clinics without people, unknown counts and no clinic at all."""
    frame = funnel.funnel_proportions(pl.Series(x, dtype=pl.Int64), pl.Series(n, dtype=pl.Int64))
    assert frame["signal"].to_list() == signal
    assert frame["value"].to_list() == value
    for column in LIMITS:
        assert frame[column].drop_nulls().is_between(0, 1).all()


# --- ratios -------------------------------------------------------------------------------------

OBSERVED = [18, 32, 25, 44, 60, 12, 38, 70, 22, 15]
EXPECTED = [20.0, 30, 30, 40, 50, 20, 45, 55, 16, 22]


def test_log_ratio_truncates():
    """SHMI: of ten clinics the lowest and highest z leave φ, τ² and I; limits exp(±z·√(1/E +
    τ²)).
    """
    frame = funnel.funnel_ratio(OBSERVED, EXPECTED)
    o, e = np.array(OBSERVED), np.array(EXPECTED)
    z = np.sqrt(e) * np.log(o / e)
    kept = (z > z.min()) & (z < z.max())
    phi = (z[kept] ** 2).mean()
    w = e[kept]
    tau2 = (8 * phi - 7) / (w.sum() - (w**2).sum() / w.sum())
    assert frame["overdispersion"][0] == pytest.approx(phi, abs=1e-12)
    assert frame["tau2"][0] == pytest.approx(tau2, abs=1e-12)
    assert frame["upper_998_od"].to_list() == pytest.approx(
        list(np.exp(3.090232 * np.sqrt(1 / e + tau2))), rel=1e-6
    )


def test_truncation_drops_nobody_where_a_tenth_is_less_than_one():
    """Groups by rank as SHMI: floor(10 r / (I + 1)) with eight clinics is 1 to 8, none in the first
    or last.
    """
    observed, expected = OBSERVED[:8], EXPECTED[:8]
    z2 = np.array(expected) * np.log(np.array(observed) / expected) ** 2
    assert funnel.funnel_ratio(observed, expected)["overdispersion"][0] == pytest.approx(
        z2.mean(), abs=1e-12
    )


def test_square_root_limits_are_squared_back():
    """CQC: (1 ± z·√(1/4E + τ²))², not 1 ± z·√…; the lower one ends at 0."""
    frame = funnel.funnel_ratio(OBSERVED, EXPECTED, method="sqrt")
    tau2, e = frame["tau2"][0], np.array(EXPECTED)
    assert tau2 > 0
    margin = 1.959964 * np.sqrt(1 / (4 * e) + tau2)
    assert frame["upper_95_od"].to_list() == pytest.approx(list((1 + margin) ** 2), rel=1e-6)
    assert frame["lower_95_od"].to_list() == pytest.approx(list((1 - margin) ** 2), rel=1e-6)
    assert funnel.ratio_limits(0.5, tau2=1, method="sqrt").lower == 0


@pytest.mark.parametrize(
    ("observed", "expected", "method", "phi", "tau2"),
    [
        (OBSERVED, EXPECTED, "log", 1.188208093, 0.01153780542),
        (OBSERVED, EXPECTED, "sqrt", 1.406802404, 0.004370180786),
        (
            [100, 150, 180, 80, 120, 225],
            [108, 112, 165, 95, 100, 220],
            "log",
            2.948033175,
            0.01947753058,
        ),
        (
            [100, 150, 180, 80, 120, 225],
            [108, 112, 165, 95, 100, 220],
            "sqrt",
            2.327178258,
            0.003439780154,
        ),
    ],
)
def test_overdispersion_of_ratios_equals_funnelplotr(observed, expected, method, phi, tau2):
    """Its R/od_adjustment.R in R 4.2.2, SHMI and CQC; the six hospitals are those of its own
    tests.
    """
    row = funnel.funnel_ratio(observed, expected, method=method).row(0, named=True)
    assert (row["overdispersion"], row["tau2"]) == pytest.approx((phi, tau2), rel=1e-8)


def test_scores_and_limits_of_ratios_equal_funnelplotr():
    """Of its six hospitals: z as SHMI and CQC, and SHMI's upper 95 % limits (its CQC limits are not
    squared back).
    """
    observed, expected = [100, 150, 180, 80, 120, 225], [108, 112, 165, 95, 100, 220]
    log, root = (
        funnel.funnel_ratio(observed, expected, method=method) for method in ("log", "sqrt")
    )
    assert log["z"].to_list() == pytest.approx(
        [-0.7998026007, 3.091681295, 1.117681374, -1.674989112, 1.823215568, 0.3333263191], abs=1e-8
    )
    assert root["z"].to_list() == pytest.approx(
        [-0.7846096908, 3.328886939, 1.142350573, -1.60504487, 1.9089023, 0.3352060516], abs=1e-8
    )
    assert log["upper_95_od"].to_list() == pytest.approx(
        [1.394103709, 1.391433466, 1.367815723, 1.40424176, 1.400048172, 1.354973207], abs=1e-8
    )


@pytest.mark.parametrize("method", ["log", "sqrt"])
def test_no_event_breaks_neither_version(method):
    """Where nothing happened the ratio is 0, with a finite z; where nothing is expected there is no
    value.
    """
    frame = funnel.funnel_ratio([0, 3, 4, 2, 6, 0], [2.0, 3, 3, 3, 4, 0], method=method)
    assert frame["value"].to_list()[0] == 0
    assert frame["z"].is_finite().drop_nulls().all()
    assert frame.row(5, named=True)["signal"] is None
    assert frame["overdispersion"].is_not_null().all()


@pytest.mark.parametrize("method", ["sqrt", "log"])
def test_a_spread_between_clinics_flags_nobody_that_chance_would_not(method):
    """None of 4.1 expected has probability exp(-4.1) = 0.017: low at 95 %, not at 99.8 %, where the
    transformation alone puts it; no clinic is flagged further with the spread than without, and
    what is drawn is no narrower.
    """
    observed, expected = [0, 21, 24, 22, 28, 11, 7, 31], [4.1, 18, 19, 24, 28, 8, 11, 26]
    frame = funnel.funnel_ratio(observed, expected, method=method)
    assert frame["tau2"][0] > 0
    assert frame["value"][0] < frame["lower_998_od"][0]
    assert frame["signal"][0] == "low_95"
    plain = funnel.funnel_ratio(observed, expected, method=method, overdispersion=False)
    order = ["none", "95", "998"]
    for with_spread, without in zip(frame["signal"], plain["signal"], strict=True):
        assert order.index(with_spread.split("_")[-1]) <= order.index(without.split("_")[-1])
    assert (frame["lower"] <= frame["lower_95"]).all()
    assert (frame["upper"] >= frame["upper_95"]).all()


def test_plain_limits_of_a_ratio_are_the_quantiles():
    """The limits drawn agree with the flags: outside them exactly where a tail is at most 2.5 %."""
    expected = np.repeat(np.linspace(0.3, 20, 60), 30)
    observed = np.tile(np.arange(30), 60)
    frame = funnel.funnel_ratio(observed, expected, overdispersion=False)
    outside = (frame["value"] < frame["lower_95"] - 1e-12) | (
        frame["value"] > frame["upper_95"] + 1e-12
    )
    assert outside.to_list() == (frame["signal"] != "none").to_list()


@given(
    st.lists(st.tuples(st.integers(0, 20), st.integers(1, 60)), min_size=2, max_size=12),
    st.randoms(),
)
def test_order_of_clinics_changes_nothing(clinics, random):
    """A clinic's limits and signal do not depend on where it stands; there are no ranks."""
    clinics = [(min(x, n), n) for x, n in clinics]
    shuffled = random.sample(clinics, len(clinics))
    for chart in (funnel.funnel_proportions, funnel.funnel_ratio):
        one, other = (
            chart(*zip(*c, strict=True)).select("value", *LIMITS).fill_null(-1).rows()
            for c in (clinics, shuffled)
        )
        assert np.allclose(sorted(one), sorted(other), atol=1e-9)
        assert not any("rank" in c for c in chart(*zip(*clinics, strict=True)).columns)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: funnel.funnel_limits(3, method="wald"), "quantile or ci"),
        (lambda: funnel.funnel_limits(-1), "not an amount"),
        (lambda: funnel.funnel_limits(3, level=95), "between 0 and 1"),
        (lambda: funnel.funnel_proportions([3], [2]), "exceed"),
        (lambda: funnel.funnel_ratio([1.5], [2]), "not a count"),
        (lambda: funnel.funnel_ratio([1], [2], method="wald"), "sqrt or log"),
    ],
)
def test_nonsense_is_refused(call, said):
    """Bad values raise a UsageError that says what to give."""
    with pytest.raises(UsageError, match=said):
        call()
