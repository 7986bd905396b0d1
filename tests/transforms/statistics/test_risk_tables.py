"""Risk differences, exact tests and odds ratios of two-by-two tables against published ones, R,
scipy, statsmodels.
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.contingency_tables import StratifiedTable

from transforms.errors import UsageError
from transforms.statistics import risk_tables

# R's UCBAdmissions: admitted men of men, admitted women of women, by department
BERKELEY = {
    "x1": [512, 353, 120, 138, 53, 22],
    "n1": [825, 560, 325, 417, 191, 373],
    "x2": [89, 17, 202, 131, 94, 24],
    "n2": [108, 25, 593, 375, 393, 341],
}


@pytest.mark.parametrize(
    ("table", "lower", "upper"),
    [
        ((56, 70, 48, 80), 0.0528, 0.3382),
        ((9, 10, 3, 10), 0.1700, 0.8406),
        ((6, 7, 2, 7), 0.0342, 0.8534),
        ((5, 56, 0, 29), -0.0326, 0.1933),
        ((0, 10, 0, 20), -0.1658, 0.2844),
        ((0, 10, 0, 10), -0.2879, 0.2879),
        ((10, 10, 0, 20), 0.7156, 1.0000),
        ((10, 10, 0, 10), 0.6636, 1.0000),
    ],
)
def test_newcombe_1998_table_ii(table, lower, upper):
    """Miettinen and Nurminen's limits (method 6) of Newcombe 1998, Stat Med 17:873, Table II."""
    found = risk_tables.risk_difference_score(*table)
    assert (found.lower, found.upper) == pytest.approx((lower, upper), abs=5.1e-5)
    assert found.estimate == pytest.approx(table[0] / table[1] - table[2] / table[3])


def test_r_mantelhaen_test_of_berkeley():
    """mantelhaen.test(UCBAdmissions): 1.4269, p 0.2323, odds ratio 0.9046968 (0.7719074 to
    1.0603298).
    """
    statistic, p_value = risk_tables.cochran_mantel_haenszel(**BERKELEY)
    assert (round(statistic, 4), round(p_value, 4)) == (1.4269, 0.2323)
    found = risk_tables.common_odds_ratio(**BERKELEY)
    assert (found.estimate, found.lower, found.upper) == pytest.approx(
        (0.9046968, 0.7719074, 1.0603298), abs=5e-8
    )


def test_statsmodels_stratified_table():
    """statsmodels' StratifiedTable: the statistic with and without the correction, the pooled odds
    ratio's limits.
    """
    x1, n1, x2, n2 = (np.array(v) for v in BERKELEY.values())
    theirs = StratifiedTable(
        [np.array([[a, b - a], [c, d - c]]) for a, b, c, d in zip(x1, n1, x2, n2, strict=True)]
    )
    for continuity in (True, False):
        expected = theirs.test_null_odds(correction=continuity)
        found = risk_tables.cochran_mantel_haenszel(x1, n1, x2, n2, continuity=continuity)
        assert found == pytest.approx((expected.statistic, expected.pvalue))
    found = risk_tables.common_odds_ratio(x1, n1, x2, n2)
    assert (found.lower, found.upper) == pytest.approx(theirs.oddsratio_pooled_confint())


@settings(max_examples=150)
@given(st.integers(1, 25), st.integers(1, 25), st.data())
def test_fisher_is_scipys(n1, n2, data):
    """One table: scipy's fisher_exact (as R's fisher.test)."""
    x1, x2 = data.draw(st.integers(0, n1)), data.draw(st.integers(0, n2))
    expected = stats.fisher_exact([[x1, n1 - x1], [x2, n2 - x2]]).pvalue
    assert risk_tables.fisher_p_value(x1, n1, x2, n2) == pytest.approx(expected, abs=1e-9)


def test_the_exact_test_of_strata_enumerates_them():
    """Two strata of 3 v 3 with 2 and 3 events: the convolution of both hypergeometrics, by hand."""
    first, second = stats.hypergeom(6, 2, 3), stats.hypergeom(6, 3, 3)
    sums = {}
    for a in range(3):
        for b in range(4):
            sums[a + b] = sums.get(a + b, 0) + first.pmf(a) * second.pmf(b)
    expected = sum(p for p in sums.values() if p <= sums[5] * (1 + 1e-7))
    assert risk_tables.fisher_p_value([2, 3], [3, 3], [0, 0], [3, 3]) == pytest.approx(expected)


@settings(max_examples=60)
@given(st.integers(1, 30), st.integers(1, 30), st.data())
def test_equal_strata_and_turned_groups(n1, n2, data):
    """A table cut into two equal strata keeps its estimate; turned round, difference and limits
    change their sign.
    """
    x1, x2 = data.draw(st.integers(0, n1)), data.draw(st.integers(0, n2))
    one, other = (
        risk_tables.risk_difference_score(*t) for t in ((x1, n1, x2, n2), (x2, n2, x1, n1))
    )
    assert (-other.estimate, -other.upper, -other.lower) == pytest.approx(
        (one.estimate, one.lower, one.upper), abs=1e-6
    )
    double = risk_tables.risk_difference_score(2 * x1, 2 * n1, 2 * x2, 2 * n2)
    cut = risk_tables.risk_difference_score([x1, x1], [n1, n1], [x2, x2], [n2, n2])
    assert cut.estimate == pytest.approx(double.estimate)
    assert cut.lower == pytest.approx(double.lower, abs=0.25 / min(n1, n2))
    assert one.lower - 1e-9 <= one.estimate <= one.upper + 1e-9


def test_what_can_not_be_given():
    """Nobody in a group: nothing, with the reason; a stratum without one of the groups changes
    nothing; nonsense is refused.
    """
    assert risk_tables.risk_difference_score(0, 0, 1, 5).reason
    assert risk_tables.fisher_p_value(0, 0, 1, 5) is None
    assert risk_tables.cochran_mantel_haenszel(0, 4, 0, 5) == (None, None)
    assert risk_tables.common_odds_ratio(0, 4, 1, 5).reason
    with_empty = {name: [*values, 0] for name, values in BERKELEY.items()} | {
        "n2": [*BERKELEY["n2"], 7]
    }
    assert risk_tables.cochran_mantel_haenszel(**with_empty) == risk_tables.cochran_mantel_haenszel(
        **BERKELEY
    )
    assert risk_tables.risk_difference_score(**with_empty) == risk_tables.risk_difference_score(
        **BERKELEY
    )
    with pytest.raises(UsageError, match="exceed"):
        risk_tables.fisher_p_value(6, 5, 1, 5)
    with pytest.raises(UsageError, match="length"):
        risk_tables.fisher_p_value([1, 2], [5, 5], 1, 5)
