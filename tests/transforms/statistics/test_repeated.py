"""Means and shares of units of which a person may have several."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms.statistics import repeated
from transforms.statistics.intervals import clopper_pearson


def summed(people: list[list[float]]) -> pl.DataFrame:
    """One row of the sums over people, each with the values of their units."""
    frame = pl.DataFrame({"m": [len(p) for p in people], "s": [float(sum(p)) for p in people]})
    return frame.select(
        **repeated.sums("m", "s"), n=pl.col("m").sum(), x=pl.col("s").sum().cast(pl.Int64)
    )


def variance(people: list[list[float]]) -> float | None:
    frame = summed(people)
    mean = pl.lit(sum(map(sum, people)) / sum(map(len, people)))
    return frame.select(v=repeated.variance_of_mean(mean=mean, n=pl.col("n")))["v"].item()


def test_the_variance_of_a_mean_by_hand():
    """Persons (1, 3), (2), (6): mean 3; residuals of totals 4 - 6, 2 - 3, 6 - 3 are -2, -1, 3:
    14 x 3/2 over 4 squared is 1.3125.
    """
    assert variance([[1, 3], [2], [6]]) == pytest.approx(1.3125)


@given(st.lists(st.integers(0, 10), min_size=2, max_size=30))
def test_one_unit_each_is_the_usual_variance(values):
    """s²/n."""
    usual = np.var(values, ddof=1) / len(values)
    assert variance([[v] for v in values]) == pytest.approx(usual, abs=1e-9)


def test_one_person_has_none():
    assert variance([[1, 2, 3]]) is None


@given(st.integers(1, 19))
def test_one_unit_each_is_clopper_pearson(x):
    """Without repeated units Korn and Graubard's limits are the exact ones."""
    frame = summed([[1.0]] * x + [[0.0]] * (20 - x))
    limits = repeated.share_limits(frame, x="x", n="n").row(0)
    exact = clopper_pearson([x], [20])
    assert limits == pytest.approx((exact.lower[0], exact.upper[0]), abs=1e-9)


def test_units_that_are_alike_count_once():
    """Ten persons with two equal units each: the design effect is 2 x 19/18 x ... = 2.1111 (10/9 x
    19/10), so n is 20 / 2.1111 = 9.474 x (t19 / t9)² = (2.0930 / 2.2622)² = 8.110.
    """
    frame = summed([[1.0, 1.0]] * 4 + [[0.0, 0.0]] * 6)
    assert repeated.effective_n(frame, x="x", n="n").item() == pytest.approx(8.110, abs=5e-4)
    wide = repeated.share_limits(frame, x="x", n="n").row(0)
    plain = clopper_pearson([8], [20])
    assert wide[0] < plain.lower[0]
    assert wide[1] > plain.upper[0]


@pytest.mark.parametrize(("value", "limits"), [(0.0, (0.0, 0.3085)), (1.0, (0.6915, 1.0))])
def test_nobody_or_everybody_is_worth_the_persons(value, limits):
    """Of 10 persons with two units each, none with the event: the limits of 0 of 10."""
    frame = summed([[value, value]] * 10)
    assert repeated.share_limits(frame, x="x", n="n").row(0) == pytest.approx(limits, abs=1e-4)
