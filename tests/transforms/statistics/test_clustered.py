"""Limits of clustered values: equal to the known ones where nothing clusters, honest where
something does.
"""

import numpy as np
import pytest
from scipy import stats

from transforms.statistics.clustered import Sums, clustered_mean, clustered_proportion, median_ranks
from transforms.statistics.intervals import clopper_pearson


def sums(x, n) -> Sums:
    """Of one stratum, from a value a cluster."""
    x, n = np.asarray(x, float), np.asarray(n, float)
    return Sums(
        *(
            np.array([s])
            for s in (len(x), x.sum(), n.sum(), (x * x).sum(), (x * n).sum(), (n * n).sum())
        )
    )


@pytest.mark.parametrize(("x", "n"), [([0, 0, 0], [100, 100, 100]), ([3], [20]), ([5, 4], [5, 4])])
def test_no_events_only_events_or_one_cluster_are_the_exact_limits(x, n):
    """0 of 300 keeps its upper bound of 1.22 %: 1 - 0.025^(1/300)."""
    found, exact = clustered_proportion(sums(x, n)), clopper_pearson([sum(x)], [sum(n)])
    assert np.allclose(found, exact, atol=1e-12)
    if sum(x) == 0:
        assert found.upper[0] == pytest.approx(1 - 0.025 ** (1 / 300))


def test_effective_number_by_hand():
    """5 clusters of 10 with 0, 0, 2, 4, 4: p = 0.2; sum (x_i - 2)^2 = 16, variance 5/4 * 16 / 2500
    = 0.008; 0.2 * 0.8 / 0.008 = 20 effective values, times (t(49) / t(4))^2.
    """
    found = clustered_proportion(sums([0, 0, 2, 4, 4], [10] * 5))
    number = 20 * (stats.t.ppf(0.975, 49) / stats.t.ppf(0.975, 4)) ** 2
    x, fails = 0.2 * number, 0.8 * number
    expected = stats.beta.ppf(0.025, x, fails + 1), stats.beta.ppf(0.975, x + 1, fails)
    assert (found.lower[0], found.upper[0]) == pytest.approx(expected)
    exact = clopper_pearson(10, 50)
    assert found.lower[0] < exact.lower
    assert found.upper[0] > exact.upper


# R's survey::apiclus1, 183 schools of 15 districts: schools, those without pupils learning English,
# those with more than 90 % on subsidised meals, those that missed their target, and the sum of
# their results in 2000, a district
_SCHOOLS = [13, 34, 4, 13, 16, 2, 1, 4, 12, 21, 9, 11, 37, 2, 4]
_NO_LEARNERS = [0] * 10 + [4] + [0] * 4
_MEALS = [0] * 7 + [3] + [0] * 4 + [9, 2, 0]
_MISSED = [3, 8, 1, 4, 3, 0, 0, 0, 1, 7, 5, 2, 11, 1, 4]
_RESULTS = [
    9372,
    22508,
    2077,
    8593,
    11369,
    1116,
    551,
    1888,
    9111,
    13761,
    6386,
    7359,
    20394,
    905,
    2493,
]


@pytest.mark.parametrize(
    ("x", "estimate", "lower", "upper"),
    [
        (_NO_LEARNERS, 0.0218579235, 0.0001986436788, 0.1393961116309),
        (_MEALS, 0.07650273224, 0.01115585008, 0.23684259876),
        (_MISSED, 0.2732240437, 0.2094280780, 0.3446921684),
    ],
)
def test_shares_of_schools_in_districts_equal_r_survey(x, estimate, lower, upper):
    """R 4.2.2, survey 4.1-1: svyciprop(method = "beta") on svydesign(id = ~dnum, data =
    apiclus1).
    """
    found = clustered_proportion(sums(x, _SCHOOLS))
    assert [a[0] for a in found] == pytest.approx([estimate, lower, upper], abs=1e-9)


def test_mean_of_schools_in_districts_equals_r_survey():
    """svymean(~api00) of the same design: 644.17, standard error 23.779, t interval on 14 degrees
    of freedom.
    """
    found = clustered_mean(sums(_RESULTS, _SCHOOLS))
    assert [a[0] for a in found] == pytest.approx(
        [644.169398907, 593.168493261, 695.170304553], abs=1e-7
    )


def test_never_narrower_than_independent_values():
    """Clusters more even than chance keep the exact limits."""
    found, exact = clustered_proportion(sums([5] * 40, [10] * 40)), clopper_pearson([200], [400])
    assert np.allclose(found, exact)


def test_limits_cover_where_patients_differ():
    """40 patients with 15 sessions each, shares from Beta(1, 9): 95 % limits cover 0.1 at least 93
    % of the time, those that take sessions as independent cover it in under 88 %.
    """
    rng = np.random.default_rng(4)
    p = rng.beta(1, 9, size=(2000, 40))
    x = rng.binomial(15, p).astype(float)
    n = np.full_like(x, 15)
    stratum = Sums(np.full(2000, 40), *(a.sum(axis=1) for a in (x, n, x * x, x * n, n * n)))
    found, naive = clustered_proportion(stratum), clopper_pearson(x.sum(axis=1), n.sum(axis=1))
    covered = [np.mean((limits.lower <= 0.1) & (limits.upper >= 0.1)) for limits in (found, naive)]
    assert covered[0] >= 0.93
    assert covered[1] < 0.88


def test_mean_of_clusters_of_one_is_the_t_interval():
    """With a value a cluster the limits are the textbook's."""
    values = np.array([3.0, 5.0, 4.0, 8.0])
    found = clustered_mean(sums(values, np.ones(4)))
    expected = stats.t.interval(0.95, 3, values.mean(), stats.sem(values))
    assert (found.lower[0], found.upper[0]) == pytest.approx(expected)


def test_mean_by_hand_and_of_one_cluster():
    """Two patients, 2 sessions adding up to 4 and 1 of 5: mean 3; deviations 4 - 6 = -2 and 5 - 3 =
    2; variance 2 * 8 / 9. One patient has a mean and no limits; nobody has neither.
    """
    found = clustered_mean(sums([4, 5], [2, 1]))
    assert found.estimate[0] == 3
    assert found.upper[0] - 3 == pytest.approx(stats.t.ppf(0.975, 1) * np.sqrt(16 / 9))
    assert np.isnan(clustered_mean(sums([4], [2])).lower[0])
    assert np.isnan(clustered_mean(sums([], [])).estimate[0])
    assert np.isnan(clustered_proportion(sums([], [])).upper[0])


@pytest.mark.parametrize(
    ("x", "n", "has_limits"),
    [
        ([3, 3], [3, 3], False),
        ([0, 0, 0], [2, 1, 5], False),
        ([0.3, 0.1, 0.7], [3, 1, 7], False),
        ([3, 2], [3, 3], True),
    ],
)
def test_equal_means_have_no_limits(x, n, has_limits):
    """Two courses attended in full don't make a mean of 1 certain: no limits, whatever rounding
    leaves of a variance.
    """
    found = clustered_mean(sums(x, n))
    assert found.estimate[0] == pytest.approx(sum(x) / sum(n))
    assert np.isfinite(found.lower[0]) == np.isfinite(found.upper[0]) == has_limits


@pytest.mark.parametrize(
    ("n", "rank"), [(0, 0), (5, 0), (6, 1), (10, 2), (20, 6), (25, 8), (100, 40)]
)
def test_ranks_of_the_median(n, rank):
    """Exact limits of a median: of 10 ordered values the 2nd and the 9th, of 20 the 6th and the
    15th; 5 are too few.
    """
    assert median_ranks([n])[0] == rank
    if rank:
        assert stats.binom.cdf(rank - 1, n, 0.5) <= 0.025 < stats.binom.cdf(rank, n, 0.5)


def test_strata_do_not_touch_each_other():
    """Many strata at once are each what they are alone."""
    alone = [sums([0, 2], [4, 5]), sums([1, 1, 0], [3, 3, 3])]
    both = Sums(*(np.concatenate(pair) for pair in zip(*alone, strict=True)))
    for k, one in enumerate(alone):
        for estimator in (clustered_proportion, clustered_mean):
            assert [a[k] for a in estimator(both)] == pytest.approx([a[0] for a in estimator(one)])
