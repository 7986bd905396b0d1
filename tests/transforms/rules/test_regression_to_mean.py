"""Tests of transforms/rules/regression_to_mean.py."""

import pytest

from transforms.errors import UsageError
from transforms.options import Options
from transforms.rules.regression_to_mean import expected_change


@pytest.mark.parametrize(("cutoff", "fall"), [(4, 0.3054963), (7, 0.9150812)])
def test_regression_to_the_mean(cutoff, fall):
    """Reference 35: mean 5, sd 2, reliability 0.7, enrolled at 4 and at 7 or more."""
    options = Options(rtm_mean=5, rtm_sd=2, rtm_reliability=0.7, rtm_cutoff=cutoff)
    assert expected_change(options=options) == pytest.approx(-fall, abs=1e-6)


def test_regression_to_the_mean_needs_its_settings():
    """Without one of the four numbers there is no line; impossible ones are refused."""
    assert expected_change(options=Options(rtm_mean=5, rtm_sd=2, rtm_reliability=0.7)) is None
    with pytest.raises(UsageError, match="sd is 0"):
        expected_change(options=Options(rtm_mean=5, rtm_sd=0, rtm_reliability=0.7, rtm_cutoff=4))
