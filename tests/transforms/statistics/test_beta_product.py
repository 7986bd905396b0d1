"""The beta product confidence procedure against R's bpcp, Clopper and Pearson, and its own promise
of coverage.

Here: the limits of one curve. Not here: where a curve uses them (test_survival.py).
"""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from transforms.statistics import survival
from transforms.statistics.beta_product import beta_product_limits
from transforms.statistics.intervals import clopper_pearson


def limits_of(sample):
    """(time, lower, upper) of a sample of (time, had the event)."""
    rows = pl.DataFrame(sample, schema={"day": pl.Float64, "event": pl.Boolean}, orient="row")
    curve = survival.kaplan_meier(rows, "day", "event")
    return curve.with_columns(beta_product_limits(curve)).select("time", "lower", "upper")


def test_four_failures_as_bpcp_prints_them():
    """The vignette of R's bpcp (discreteBPCP): failures at 3, 7, 8, 14; limits from each time to
    the next.
    """
    frame = limits_of([(3, True), (7, True), (8, True), (14, True)])
    assert frame["lower"].to_list() == pytest.approx(
        [0.194120450, 0.067585986, 0.006309463, 0], abs=1e-8
    )
    assert frame["upper"].to_list() == pytest.approx(
        [0.9936905, 0.9324140, 0.8058796, 0.6023646], abs=1e-7
    )


@given(st.lists(st.integers(1, 9), min_size=1, max_size=40))
def test_without_censoring_they_are_clopper_and_pearsons(times):
    """Of n people, none censored, s are without the event at each time: the exact limits of s of n,
    ties included.
    """
    frame = limits_of([(t, True) for t in times])
    n = len(times)
    for time, lower, upper in frame.rows():
        exact = clopper_pearson(sum(t > time for t in times), n)
        assert (lower, upper) == pytest.approx((float(exact.lower), float(exact.upper)), abs=1e-9)


@pytest.mark.parametrize("n", [1, 3, 30, 300])
def test_without_an_event_it_is_what_n_people_allow(n):
    """Nobody of n had the event: .025^(1/n) to 1, which is .29 for three."""
    frame = limits_of([(5, False)] * n)
    assert frame.rows() == [(5, pytest.approx(0.025 ** (1 / n)), 1)]


def test_moments_of_a_product_by_hand():
    """5 at risk, one event, one censored, one event of 3: W- = Beta(5, 1) · Beta(3, 1), W+ that
    times Beta(2, 1).

    E W- = 5/6 · 3/4 = .625 and E W-² = 5/7 · 3/5 = .428571; a + b = (.625 - .428571)/(.428571 -
    .390625) = 5.176471.
    """
    frame = limits_of([(1, True), (2, False), (3, True), (4, False), (5, False)])
    size = (0.625 - 3 / 7) / (3 / 7 - 0.625**2)
    assert frame["upper"][2] == pytest.approx(stats.beta.ppf(0.975, 0.625 * size, 0.375 * size))
    mean, square = 0.625 * 2 / 3, 3 / 7 / 2
    size = (mean - square) / (square - mean**2)
    assert frame["lower"][2] == pytest.approx(stats.beta.ppf(0.025, mean * size, (1 - mean) * size))


def test_limits_hold_their_level_where_log_log_ones_do_not():
    """4,000 seeded samples of 10, exponential times, uniform censoring: S(0.3) = .741 is missed by
    5 % at most.
    """
    generator = np.random.default_rng(7)
    held = 0
    for _ in range(4000):
        event, censor = generator.exponential(1, 10), generator.uniform(0.2, 2, 10)
        time = np.minimum(event, censor)
        at = 0.3
        # the curve up to that moment, which every sample observes by a censoring put there
        seen = [
            (min(t, at), bool(e <= c and t <= at))
            for t, e, c in zip(time, event, censor, strict=True)
        ]
        rows = limits_of(seen).filter(pl.col("time") <= at).tail(1)
        held += rows["lower"][0] <= np.exp(-at) <= rows["upper"][0]
    assert held / 4000 >= 0.95
