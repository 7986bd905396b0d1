"""Missing baseline values: imputed by mean and indicator where groups were randomised, not used
elsewhere.
"""

import numpy as np
import polars as pl
import pytest
import statsmodels.api as sm

from transforms.statistics import models
from transforms.statistics.baseline_covariates import MISSING, adjustment

ROWS = pl.DataFrame(
    {
        "person": ["a", "b", "c", "d"],
        "age": [30.0, None, 50.0, 70.0],
        "months": [None, None, None, None],
        "weight": [60.0, 70.0, 80.0, float("nan")],
        "sex": ["F", "M", None, "F"],
        "site": ["s", "s", "s", "s"],
    },
    schema_overrides={"months": pl.Float64},
)
NAMES = {
    "covariates": {"age": "age", "months": "duration", "weight": "weight"},
    "factors": {"sex": "sex", "site": "clinic"},
}


def adjusted(rows=ROWS, *, is_randomised: bool, people=None):
    people = rows if people is None else people
    return adjustment(rows, people=people, person="person", is_randomised=is_randomised, **NAMES)


def test_randomised_groups_lose_nobody():
    """The mean of those known (50 of 30, 50, 70; 70 of 60, 70, 80), an indicator each, a level for
    the missing; what nobody has, or all have alike, is not used.
    """
    found = adjusted(is_randomised=True)
    assert found.rows["age"].to_list() == [30, 50, 50, 70]
    assert found.rows["weight"].to_list() == [60, 70, 80, 70]
    assert found.rows["sex"].to_list() == ["F", "M", MISSING, "F"]
    assert found.covariates == ["age", "weight", "age_is_missing", "weight_is_missing"]
    assert found.rows["age_is_missing"].to_list() == [0, 1, 0, 0]
    assert (found.factors, found.names) == (["sex"], ["age", "weight", "sex"])
    assert found.notes[0] == "age missing in 1: imputed by its mean, with an indicator"
    assert found.notes[-1] == "sex missing in 1: a level of its own"


def test_other_groups_do_without():
    """Missing in anybody compared, with a value at the visit or without: not used, and said."""
    whole = ROWS.with_columns(age=pl.Series([30.0, 40.0, 50.0, 70.0]))
    found = adjusted(whole, is_randomised=False)
    assert (found.covariates, found.factors) == (["age"], [])
    assert found.notes == [
        "duration not used: missing in 4",
        "weight not used: missing in 1",
        "sex not used: missing in 1",
    ]
    elsewhere = adjusted(whole, is_randomised=False, people=ROWS)
    assert elsewhere.covariates == []


def test_a_person_of_several_visits_counts_once():
    """Three rows of one person do not move the mean that another's missing value is imputed by."""
    found = adjusted(pl.concat([ROWS, ROWS.head(1), ROWS.head(1)]), is_randomised=True)
    assert found.rows["age"].to_list() == [30, 50, 50, 70, 30, 30]


def test_the_estimate_is_that_of_statsmodels_with_the_indicator():
    """White & Thompson's model written out: y on group, x (0 where missing, for the value does not
    matter) and x is missing.
    """
    rng = np.random.default_rng(2)
    group, x = rng.integers(0, 2, 80), rng.normal(50, 10, 80)
    y = 2 * group + 0.1 * x + rng.normal(0, 1, 80)
    is_missing = rng.random(80) < 0.6
    rows = pl.DataFrame(
        {"person": np.arange(80), "g": group, "y": y, "age": np.where(is_missing, np.nan, x)}
    )
    found = adjustment(
        rows,
        people=rows,
        person="person",
        covariates={"age": "age"},
        factors={},
        is_randomised=True,
    )
    model = models.ancova(found.rows, "y", None, "g", found.covariates)
    matrix = np.column_stack([np.ones(80), group, np.where(is_missing, 0, x), is_missing])
    expected = sm.OLS(y, matrix).fit()
    assert model.estimate == pytest.approx(expected.params[1])
    assert (model.lower, model.upper) == pytest.approx(tuple(expected.conf_int()[1]))
    assert model.n == 80
