"""Shares of values that come in clusters: how many independent ones they are worth, and the exact
limits on that number.

Here: the formulas, for whatever gives the variance. Not here: variances over clusters
(clustered.py, repeated.py, clinics_like_these.py), counts of independent values (intervals.py).

Source: Korn & Graubard 1998, Survey Methodology 24:193 (as R survey's svyciprop, beta).
"""

import numpy as np
from scipy import special


def effective_number(*, of_one, variance, n, quantiles) -> np.ndarray:
    """How many independent values would give the mean's `variance`, each of which has the variance
    `of_one`; at most `n`, how many there are.

    `quantiles`: those of independent values over those of the clusters' degrees of freedom, by
    which fewer clusters count for less. Where nothing varies it is `n`.
    """
    varies = variance > 0
    number = of_one / np.where(varies, variance, np.nan) * quantiles**2
    return np.where(varies, np.fmin(number, n), n)


def exact_limits(x, n, alpha: float) -> np.ndarray:
    """Lower and upper limits of x of n (Clopper & Pearson 1934), neither of which need be whole:
    Beta(x, n - x + 1) at alpha / 2, Beta(x + 1, n - x) at 1 - alpha / 2. Without events the lower
    is 0, with events only the upper 1; NaN where x or n is.
    """
    fails = n - x
    lower = special.betaincinv(np.where(x > 0, x, 1), fails + 1, alpha / 2)
    upper = special.betainccinv(x + 1, np.where(fails > 0, fails, 1), alpha / 2)
    none = 0 * fails
    return np.array([np.where(x > 0, lower, none), np.where(fails > 0, upper, 1 + none)])
