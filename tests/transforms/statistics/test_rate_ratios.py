"""Ratios of rates with patients as clusters: R's numbers where events are independent, one model
for limits and p.
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transforms.statistics import rate_ratios, rates

pytestmark = pytest.mark.filterwarnings("error")


def sums(events, exposure) -> rate_ratios.PatientSums:
    x = np.array(events, dtype=float)
    t = np.broadcast_to(np.array(exposure, dtype=float), len(events))
    return rate_ratios.PatientSums(
        len(x), x.sum(), t.sum(), (x * x).sum(), (x * t).sum(), (t * t).sum()
    )


def once_each(events: int, exposure: float, patients: int) -> rate_ratios.PatientSums:
    """Patients with the same exposure, of whom some have one event each."""
    return sums([1] * events + [0] * (patients - events), exposure / patients)


@pytest.mark.parametrize(
    ("pair", "ratio", "lower", "upper"),
    [
        (
            (11, 800, 21, 3011),
            1.971488,
            0.8584264,
            4.2772659,
        ),  # R: poisson.test(c(11, 6+8+7), c(800, 1083+1050+878))
        (
            (12, 85.4, 5, 62.5),
            1.756440,
            0.5759996,
            6.3641548,
        ),  # R: poisson.test(c(12, 5), c(85.4, 62.5))
    ],
)
def test_events_of_different_patients_have_r_exact_limits(pair, ratio, lower, upper):
    """No patient has two events: there is no over-dispersion, and the limits are those of the exact
    conditional test.
    """
    x1, t1, x2, t2 = pair
    found = rate_ratios.rate_ratio(once_each(x1, t1, 800), once_each(x2, t2, 3011))
    assert (found.ratio, found.lower, found.upper) == pytest.approx((ratio, lower, upper), abs=1e-6)
    assert found.overdispersion < 1
    exact = rates.rate_ratio(x1, t1, x2, t2)
    assert (found.lower, found.upper) == pytest.approx((exact.lower, exact.upper))


def test_one_patient_with_all_events_is_one_event():
    """Ten burns of one patient of five, none of 45 others: phi 10, so p is no smaller than 2 · 0.1
    of one event.
    """
    ten, none = sums([10, 0, 0, 0, 0], 1), sums([0] * 45, 1)
    found = rate_ratios.rate_ratio(ten, none)
    assert found.overdispersion == pytest.approx(10)
    assert found.p_value >= 0.2
    assert np.isnan(found.ratio)
    assert found.lower < 1
    apart = rate_ratios.rate_ratio(sums([1] * 5, 2), sums([0] * 45, 1))
    assert apart.p_value < 0.01


def test_overdispersion_is_pearsons_where_exposures_are_equal():
    """Counts 0, 0, 6, 6 of one unit each, mean 3: (9 + 9 + 9 + 9) / 3 / (4 - 1) = 4; about their
    own rates 0.
    """
    assert rate_ratios.rate_ratio(sums([0, 0], 1), sums([6, 6], 1)).overdispersion == pytest.approx(
        4
    )
    assert rates.overdispersion([0, 0, 6, 6], [1, 1, 1, 1]) == pytest.approx(4)


_COUNTS = st.lists(st.integers(0, 6), min_size=1, max_size=30)


@settings(max_examples=300)
@given(
    first=_COUNTS,
    second=_COUNTS,
    t1=st.sampled_from([0.3, 1.0, 4.0]),
    t2=st.sampled_from([0.3, 1.0, 4.0]),
)
def test_p_is_below_005_just_where_the_interval_leaves_out_1(first, second, t1, t2):
    """One model: estimate within the limits, and p < 0.05 if and only if 1 is outside of them."""
    found = rate_ratios.rate_ratio(sums(first, t1), sums(second, t2))
    if sum(first) + sum(second) == 0:
        assert all(np.isnan(value) for value in found)
        return
    lower = found.lower if np.isfinite(found.lower) else 0
    upper = found.upper if np.isfinite(found.upper) else np.inf
    if abs(lower - 1) > 1e-9 and abs(upper - 1) > 1e-9:
        assert (found.p_value < 0.05) == (not lower < 1 < upper)
    if np.isfinite(found.ratio):
        assert lower <= found.ratio * (1 + 1e-12)
        assert found.ratio <= upper * (1 + 1e-12)


@settings(max_examples=100)
@given(first=_COUNTS, second=_COUNTS)
def test_never_narrower_than_exact_and_the_other_way_round_the_reciprocal(first, second):
    """Over-dispersion only widens; comparing the second with the first gives 1 / ratio and the same
    p.
    """
    one, other = sums(first, 1), sums(second, 2)
    if not (one.events and other.events):
        return
    found, turned = rate_ratios.rate_ratio(one, other), rate_ratios.rate_ratio(other, one)
    exact = rates.rate_ratio(
        int(one.events), float(one.exposure), int(other.events), float(other.exposure)
    )
    assert found.lower <= exact.lower * (1 + 1e-9)
    assert found.upper >= exact.upper * (1 - 1e-9)
    values = [float(v) for v in (1 / turned.upper, 1 / turned.lower, turned.p_value)]
    assert values == pytest.approx([float(v) for v in (found.lower, found.upper, found.p_value)])


def test_no_event_in_a_small_group_is_not_taken_for_variation():
    """0 of 12 patients against 114 of 188 with one event each: no over-dispersion, the exact limits
    and p.
    """
    found = rate_ratios.rate_ratio(sums([0] * 12, 1), once_each(114, 188, 188))
    exact = rates.rate_ratio(0, 12, 114, 188)
    assert found.overdispersion < 1
    assert found.upper == pytest.approx(exact.upper)
    assert found.p_value < 0.01


def test_without_exposure_or_events_there_is_nothing():
    """No exposure in a group, or no event in both: NaN; events in the first alone: a lower limit
    and p.
    """
    some, none, unexposed = sums([1, 2, 0], 1), sums([0, 0], 1), sums([0], 0)
    assert all(np.isnan(v) for v in rate_ratios.rate_ratio(none, none))
    assert all(np.isnan(v) for v in rate_ratios.rate_ratio(some, unexposed))
    found = rate_ratios.rate_ratio(some, none)
    assert np.isnan(found.ratio)
    assert np.isnan(found.upper)
    assert found.lower > 0
    assert 0 < found.p_value <= 1


def test_the_level_holds_where_the_exact_test_of_events_rejects_a_third():
    """2,000 trials of 12 against 188 patients, mean 0.5 events, phi 7.5: the exact test of events
    rejects in over a third, this in at most 0.06. All settings: tests/simulations.
    """
    rng = np.random.default_rng(4)
    patients = rng.gamma(0.5 / 6.5, 6.5, size=(2000, 200))
    x = rng.poisson(patients).astype(float)
    pair = [_many(part) for part in (x[:, :12], x[:, 12:])]
    assert np.mean(rate_ratios.rate_ratio(*pair).p_value < 0.05) < 0.06
    some = zip(pair[0].events[:300], pair[1].events[:300], strict=True)
    assert (
        np.mean([rates.rate_ratio(int(a), 12, int(b), 188).p_value < 0.05 for a, b in some]) > 0.3
    )


def _many(x: np.ndarray) -> rate_ratios.PatientSums:
    n = np.full(len(x), float(x.shape[1]))
    return rate_ratios.PatientSums(n, x.sum(1), n, (x * x).sum(1), x.sum(1), n)
