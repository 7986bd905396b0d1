"""The effective number of values that come in clusters, and exact limits on it.

Here: the formulas by themselves. Not here: what variances give them, and published limits
(test_clustered.py, test_repeated.py, test_clinics_like_these.py).
"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms.statistics.effective_number import effective_number, exact_limits
from transforms.statistics.intervals import clopper_pearson


@pytest.mark.parametrize(
    ("of_one", "variance", "n", "quantiles", "number"),
    [
        (0.25, 0.0025, 100, 1.0, 100),  # as of independent values
        (0.25, 0.01, 100, 1.0, 25),  # four times the variance: a quarter of the values
        (0.25, 0.01, 100, 0.8, 16),  # few clusters: less
        (0.25, 0.001, 100, 1.0, 100),  # never more than there are
        (0.25, 0.0, 100, 1.0, 100),  # nothing varies
        (0.25, np.nan, 100, 1.0, 100),  # nor can be told to
    ],
)
def test_how_many_values_are_worth_as_much(of_one, variance, n, quantiles, number):
    """What one value's variance comes to over that of the mean, by the squared ratio of quantiles."""
    found = effective_number(of_one=of_one, variance=variance, n=n, quantiles=quantiles)
    assert found == pytest.approx(number)


@given(st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_of_whole_numbers_the_limits_are_clopper_and_pearson_s(counts):
    x, n = counts
    exact = clopper_pearson([x], [n])
    lower, upper = exact_limits(np.array([float(x)]), np.array([float(n)]), 0.05)
    assert (lower[0], upper[0]) == pytest.approx((exact.lower[0], exact.upper[0]), abs=1e-12)


@pytest.mark.parametrize(("x", "n"), [(np.nan, 5.0), (1.0, np.nan), (np.nan, np.nan)])
def test_what_is_not_known_has_no_limits(x, n):
    assert np.isnan(exact_limits(np.array([x]), np.array([n]), 0.05)).all()
