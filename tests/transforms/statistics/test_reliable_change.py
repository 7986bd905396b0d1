"""Measurement error, reliable change and regression to the mean against published and simulated
numbers.
"""

import math

import numpy as np
import polars as pl
import pytest
from scipy import stats

from transforms.errors import UsageError
from transforms.statistics import reliable_change as change


def test_row_14_reliable_change():
    """Reference 14: Jacobson & Truax 1991: 32.5 to 47.5 with SD 7.5 and r 0.80."""
    assert change.standard_error_of_measurement(sd=7.5, reliability=0.8) == pytest.approx(
        3.354102, abs=1e-6
    )
    assert change.standard_error_of_difference(sd=7.5, reliability=0.8) == pytest.approx(
        4.743416, abs=1e-6
    )
    assert change.reliable_change_index(32.5, 47.5, sd=7.5, reliability=0.8) == pytest.approx(
        3.162278, abs=1e-6
    )


@pytest.mark.parametrize(("cutoff", "drop"), [(4, 0.3054963), (7, 0.9150812)])
def test_row_35_regression_to_the_mean(cutoff, drop):
    """Reference 35: Population mean 5, SD 2, reliability 0.7; entry at 4 or at 7 points (Barnett
    2005).
    """
    assert change.expected_drop(5, 2, 0.7, cutoff) == pytest.approx(drop, abs=1e-7)


@pytest.mark.parametrize("cutoff", [4, 7])
def test_the_enrolled_sample_s_own_numbers_give_far_too_little(cutoff):
    """Mean and SD of those at 4 (or 7) or more give 0.06 instead of 0.305 (or 0.915): they must be
    the population's.
    """
    enrolled = stats.truncnorm((cutoff - 5) / 2, np.inf, loc=5, scale=2)
    assert change.expected_drop(enrolled.mean(), enrolled.std(), 0.7, cutoff) == pytest.approx(
        0.06, abs=0.005
    )


@pytest.mark.parametrize(("confidence", "z"), [(0.95, 1.959964), (0.90, 1.644854)])
def test_minimal_detectable_change(confidence, z):
    """z · √2 · SEM: 13.15 and 11.03 points of measurement error 4.743416/√2."""
    found = change.minimal_detectable_change(sd=10, reliability=0.775, confidence=confidence)
    assert found == pytest.approx(z * math.sqrt(2) * 10 * math.sqrt(0.225), rel=1e-6)


def test_expected_drop_is_what_simulated_patients_show():
    """200,000 seeded pairs with correlation 0.7: those first at 7 or more fall by 0.915 on average,
    untreated.
    """
    generator = np.random.default_rng(35)
    first, second = generator.multivariate_normal([5, 5], [[4, 2.8], [2.8, 4]], size=200_000).T
    assert np.mean((first - second)[first >= 7]) == pytest.approx(0.915, abs=0.03)


def test_selecting_nobody_out_or_measuring_perfectly_expects_no_drop():
    """A cut far below everyone, or a perfect measurement, selects no error."""
    assert change.expected_drop(5, 2, 0.7, -50) == pytest.approx(0, abs=1e-12)
    assert change.expected_drop(5, 2, 1.0, 7) == 0


def test_a_cut_far_above_everyone_is_still_a_number():
    """φ/(1-Φ) is z + 1/z … far out: 40 SD above, 2 · 0.3 · (40 + 1/40)."""
    assert change.expected_drop(5, 2, 0.7, 85) == pytest.approx(0.6 * (40 + 1 / 40), rel=1e-4)


@pytest.mark.parametrize(
    "found",
    [
        change.expected_drop(None, 2, 0.7, 4),
        change.expected_drop(5, 2, 0.7, None),
        change.standard_error_of_measurement(sd=None, reliability=0.7),
        change.minimal_detectable_change(sd=3, reliability=None),
        change.reliable_change_index(None, 4, sd=2, reliability=0.7),
        change.reliable_change_index(5, 4, sd=2, reliability=1),
    ],
)
def test_an_unknown_parameter_gives_no_number(found):
    """Without the population's numbers there is no line; without error no index."""
    assert found is None


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: change.expected_drop(5, -2, 0.7, 4),
        lambda: change.expected_drop(5, 0, 0.7, 4),
        lambda: change.expected_drop(5, 2, 70, 4),
        lambda: change.minimal_detectable_change(sd=2, reliability=0.7, confidence=95),
        lambda: change.reliable_change(
            pl.DataFrame(), before="a", after="b", sd=1, reliability=0.7, improves="left"
        ),
    ],
)
def test_nonsense_is_a_usage_error(wrong):
    """A reliability in per cent, a negative or no spread, a confidence in per cent."""
    with pytest.raises(UsageError):
        wrong()


# S_diff = √2 · 2 · √0.2 = 1.265: a change of 2.48 or more is reliable
_CASES = [
    (8, 5, "recovered"),  # -3, and 5 is at the cut of 5
    (9, 6, "improved"),  # -3, above the cut
    (5, 2, "improved"),  # -3, but at the cut before
    (7, 5, "unchanged"),  # -2
    (4, 7, "deteriorated"),  # +3
    (None, 3, None),
    (6, None, None),
]


def test_classes_of_change():
    """Recovered is reliable and across the cut; improved is reliable only; a missing score has no
    class.
    """
    frame = pl.DataFrame(_CASES, schema=["before", "after", "expected"], orient="row")
    found = change.reliable_change(
        frame,
        before="before",
        after="after",
        sd=2,
        reliability=0.8,
        improves="down",
        recovered_at=5,
    )
    assert found["reliable_change"].to_list() == found["expected"].to_list()
    assert found["reliable_change_index"][0] == pytest.approx(
        -3 / (math.sqrt(2) * 2 * math.sqrt(0.2))
    )


def test_classes_mirror_where_higher_is_better():
    """The same changes upside down have the same classes."""
    frame = pl.DataFrame(_CASES, schema=["before", "after", "expected"], orient="row")
    mirrored = frame.with_columns(-pl.col("before"), -pl.col("after"))
    found = change.reliable_change(
        mirrored,
        before="before",
        after="after",
        sd=2,
        reliability=0.8,
        improves="up",
        recovered_at=-5,
    )
    assert found["reliable_change"].to_list() == found["expected"].to_list()
