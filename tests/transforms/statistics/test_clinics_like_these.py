"""Limits for clinics like these: CR2 from first principles, the exact limits at their edges, order
and splitting.
"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from transforms.errors import UsageError
from transforms.statistics.clinics_like_these import (
    mean_limits,
    proportion_limits,
    rate_limits,
    robust,
)
from transforms.statistics.intervals import clopper_pearson, garwood

SIZES = [3, 8, 5, 20, 12, 4]


def by_matrices(sizes: list[int], values: np.ndarray) -> tuple[float, float]:
    """CR2 variance and Satterthwaite's degrees of freedom of a mean as Pustejovsky and Tipton
    (2018) write them.

    A_j = (I - H_jj)^(-1/2), V = M Σ X_j' A_j e_j e_j' A_j X_j M; P_ij = p_i' p_j with p_j = (I -
    H)_j' A_j X_j M; the degrees of freedom are trace(P)² / trace(P²).
    """
    total = sum(sizes)
    x = np.ones((total, 1))
    bread = np.linalg.inv(x.T @ x)
    hat, residual = x @ bread @ x.T, values - values.mean()
    ends = np.cumsum(sizes)
    pieces, variance = [], 0.0
    for start, end in zip(ends - sizes, ends, strict=True):
        here = slice(start, end)
        weights, vectors = np.linalg.eigh(np.eye(end - start) - hat[here, here])
        adjust = vectors @ np.diag(weights**-0.5) @ vectors.T
        variance += (bread @ x[here].T @ adjust @ residual[here]).item() ** 2
        pieces.append((np.eye(total) - hat)[here].T @ adjust @ x[here] @ bread)
    products = np.array([[(a.T @ b).item() for b in pieces] for a in pieces])
    return variance, np.trace(products) ** 2 / np.sum(products**2)


def test_cr2_and_its_degrees_of_freedom_from_first_principles():
    """Six clinics of 3 to 20 values: the closed form equals the matrices of the paper."""
    values = np.random.default_rng(1).normal(3, 2, sum(SIZES))
    variance, freedom = by_matrices(SIZES, values)
    sums = [part.sum() for part in np.split(values, np.cumsum(SIZES)[:-1])]
    fit = robust([sums], [SIZES])
    assert fit.ratio[0] == pytest.approx(values.mean())
    assert fit.variance[0] == pytest.approx(variance)
    assert fit.degrees_of_freedom[0] == pytest.approx(freedom)
    limits = mean_limits([sums], [SIZES])
    margin = stats.t.ppf(0.975, freedom) * variance**0.5
    assert (limits.lower[0], limits.upper[0]) == pytest.approx(
        (values.mean() - margin, values.mean() + margin)
    )


def test_clinics_of_one_size_are_a_sample_of_their_means():
    """Equal sizes: the t interval of the clinics' means, on their number less one; no degrees of
    freedom are lost.
    """
    means = np.array([4.0, 5.5, 3.5, 6.0, 5.0, 4.5])
    found = mean_limits([10 * means], [[10] * 6])
    expected = stats.t.interval(0.95, 5, means.mean(), stats.sem(means))
    assert (found.lower[0], found.upper[0]) == pytest.approx(expected)
    assert robust([10 * means], [[10] * 6]).degrees_of_freedom[0] == pytest.approx(5)


@pytest.mark.parametrize("limits", [mean_limits, proportion_limits, rate_limits])
def test_fewer_than_five_clinics_have_no_limits(limits):
    """Four clinics, and five of which one has nobody: the estimate alone. Five have limits. No
    clinic: nothing.
    """
    four, five = [[2, 3, 1, 4, 0]], [[10, 9, 8, 12, 0]]
    assert limits(four, five).estimate[0] == pytest.approx(10 / 39)
    assert np.isnan(limits(four, five).lower[0])
    assert np.isnan(limits(four, five).upper[0])
    assert np.isfinite(limits([[2, 3, 1, 4, 1]], [[10, 9, 8, 12, 7]]).upper[0])
    assert np.isnan(limits([[0, 0]], [[0, 0]]).estimate[0])


def test_no_event_at_all_is_none_of_the_clinics():
    """0 of 500 in five clinics: the upper limit of 0 of 5, 1 - 0.025^(1/5) = 0.522, for patients of
    a clinic may all be alike; with events only the lower one. A rate without an event has no
    limits: nothing bounds how clinics differ.
    """
    sizes = [[100] * 5]
    none, all_of = proportion_limits([[0] * 5], sizes), proportion_limits(sizes, sizes)
    assert (none.lower[0], none.upper[0]) == pytest.approx((0, 1 - 0.025**0.2))
    assert (all_of.lower[0], all_of.upper[0]) == pytest.approx((0.025**0.2, 1))
    rate = rate_limits([[0] * 5], sizes)
    assert (rate.estimate[0], np.isnan(rate.lower[0]), np.isnan(rate.upper[0])) == (0, True, True)


def test_equal_means_have_no_limits():
    """Five clinics with one mean don't make it certain."""
    assert np.isnan(mean_limits([[0.3, 0.1, 0.7, 0.2, 0.5]], [[3, 1, 7, 2, 5]]).lower[0])


def test_limits_are_never_narrower_than_those_of_these_patients():
    """Clinics more even than chance keep at least the exact limits of independent patients and
    events.
    """
    x, n = [[10, 10, 11, 10, 9, 10]], [[50] * 6]
    for found, exact in (
        (proportion_limits(x, n), clopper_pearson(60, 300)),
        (rate_limits(x, n), garwood(60, 300, per=1)),
    ):
        assert found.lower[0] <= exact.lower + 1e-9
        assert found.upper[0] >= exact.upper - 1e-9


def test_one_clinic_with_all_the_events_makes_wide_limits():
    """12 of 30 in one of six clinics, none elsewhere: these patients' limits end at 11.4 %, those
    of clinics like these lie far beyond.
    """
    x, n = [[12, 0, 0, 0, 0, 0]], [[30] * 6]
    assert clopper_pearson(12, 180).upper == pytest.approx(0.1136, abs=5e-4)
    assert proportion_limits(x, n).upper[0] > 0.35
    assert rate_limits(x, n).upper[0] > 0.35


@given(
    st.lists(st.tuples(st.integers(0, 12), st.integers(1, 60)), min_size=5, max_size=9).filter(
        lambda rows: sum(min(x, n) for x, n in rows) > 0
    ),
    st.randoms(),
)
def test_order_and_absent_clinics_change_nothing(clinics, random):
    """Nor does a clinic that has nobody in the stratum; limits hold the estimate; a rate's unit is
    its unit.
    """
    rows = [(min(x, n), n) for x, n in clinics]
    shuffled = [*random.sample(rows, len(rows)), (0, 0)]
    for limits in (proportion_limits, rate_limits):
        one, other = (
            limits(*([list(part)] for part in zip(*some, strict=True))) for some in (rows, shuffled)
        )
        assert np.allclose(one, other, rtol=1e-4, atol=1e-6)
        assert one.lower[0] - 1e-6 <= one.estimate[0] <= one.upper[0] + 1e-6
    x, n = ([list(part)] for part in zip(*rows, strict=True))
    assert np.allclose(rate_limits(x, n, per=100), 100 * np.array(rate_limits(x, n)))


def test_strata_do_not_touch_each_other():
    """Many strata at once are each what they are alone."""
    generator = np.random.default_rng(5)
    n = generator.integers(0, 60, (12, 8))
    x = generator.binomial(n, 0.1)
    for limits in (mean_limits, proportion_limits, rate_limits):
        together = limits(x, n)
        for k in range(12):
            alone = limits(x[[k]], n[[k]])
            assert np.allclose(
                [a[k] for a in together],
                [a[0] for a in alone],
                rtol=1e-4,
                atol=1e-6,
                equal_nan=True,
            )


def test_tables_of_another_shape_are_refused():
    """One row a stratum, one column a clinic."""
    with pytest.raises(UsageError, match="one row per stratum"):
        mean_limits([1, 2], [3, 4])
