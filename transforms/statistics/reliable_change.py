"""Change beyond measurement error, and the fall that selection alone brings.

Here: standard error of measurement, reliable change, minimal detectable change, regression to the
mean. Not here: important change and responder rules (`pain`, `instruments`), which error belongs to
a score (`measurement_error`).

All scores in one call share one unit. A parameter that is not known (None) gives None; a
reliability outside 0 to 1 or a negative standard deviation is a `UsageError`. Sources: Jacobson &
Truax 1991 J Consult Clin Psychol 59:12, with the √2 of Christensen & Mendoza 1986; Davis 1976 Am J
Epidemiol 104:493 and Barnett 2005 Int J Epidemiol 34:215.
"""

import math

import polars as pl
from scipy import stats

from transforms.errors import UsageError
from transforms.facts.responses import CHANGE_CLASSES

RELIABLE = 1.96


def standard_error_of_measurement(*, sd: float | None, reliability: float | None) -> float | None:
    """sd · √(1 - reliability), in the score's unit."""
    if sd is None or reliability is None:
        return None
    _check(sd, reliability)
    return sd * math.sqrt(1 - reliability)


def standard_error_of_difference(*, sd: float | None, reliability: float | None) -> float | None:
    """√2 times the standard error of measurement: what two measurements differ by without
    change.
    """
    error = standard_error_of_measurement(sd=sd, reliability=reliability)
    if error is None:
        return None
    return math.sqrt(2) * error


def minimal_detectable_change(
    *, sd: float | None, reliability: float | None, confidence=0.95
) -> float | None:
    """z · √2 · SEM: the smallest change beyond measurement error at this confidence (MDC95,
    MDC90).
    """
    if not 0 < confidence < 1:
        raise UsageError(f"confidence is {confidence}: give a number between 0 and 1, such as 0.95")
    error = standard_error_of_difference(sd=sd, reliability=reliability)
    if error is None:
        return None
    return float(stats.norm.ppf((1 + confidence) / 2)) * error


def reliable_change_index(
    before: float | None, after: float | None, *, sd, reliability
) -> float | None:
    """(after - before) over the standard error of the difference; None where any of them is, or
    there is no error.
    """
    error = standard_error_of_difference(sd=sd, reliability=reliability)
    if before is None or after is None or not error:
        return None
    return (after - before) / error


def reliable_change(
    frame: pl.DataFrame, *, before, after, sd, reliability, improves="down", recovered_at=None
) -> pl.DataFrame:
    """`frame` with `reliable_change_index` and `reliable_change`, one row per patient.

    `improves`: `down` where a lower score is better, `up` where a higher one is. `reliable_change`
    is `improved` or `deteriorated` beyond an index of 1.96, else `unchanged`; with `recovered_at`,
    a functional cut, `recovered` is improved and at or past the cut that `before` was not; null
    where a score is.
    """
    if improves not in ("down", "up"):
        raise UsageError(
            f"improves is {improves!r}: use 'down' where a lower score is better, else 'up'"
        )
    error = standard_error_of_difference(sd=sd, reliability=reliability)
    sign = -1 if improves == "down" else 1
    index = (pl.col(after) - pl.col(before)) / error if error else pl.lit(None, pl.Float64)
    better = sign * pl.col("reliable_change_index")
    cut = pl.lit(recovered_at, pl.Float64)
    is_recovered = crosses(sign * pl.col(before), sign * pl.col(after), cut=sign * cut)
    label = change_class(
        is_better=better > RELIABLE, is_worse=better < -RELIABLE, is_recovered=is_recovered
    )
    return frame.with_columns(reliable_change_index=index).with_columns(reliable_change=label)


def change_class(*, is_better: pl.Expr, is_worse: pl.Expr, is_recovered: pl.Expr) -> pl.Expr:
    """One of CHANGE_CLASSES; null where it is not known whether the change is beyond the error. A
    cut that is null is none.
    """
    recovered, improved, unchanged, deteriorated = (pl.lit(name) for name in CHANGE_CLASSES)
    return (
        pl.when(is_better & is_recovered.fill_null(False))
        .then(recovered)
        .when(is_better)
        .then(improved)
        .when(is_worse)
        .then(deteriorated)
        .when(is_better.not_() & is_worse.not_())
        .then(unchanged)
    )


def crosses(before: pl.Expr, after: pl.Expr, *, cut: pl.Expr) -> pl.Expr:
    """Whether `after` is at or past the cut and `before` was not; all turned so that higher is
    better.
    """
    return (before < cut) & (after >= cut)


def expected_drop(mean, sd, reliability, cutoff) -> float | None:
    """Mean fall on re-measurement, without any treatment, of those selected with a score of
    `cutoff` or more.

    sd · (1 - reliability) · φ(z) / (1 - Φ(z)) with z = (cutoff - mean)/sd, where `mean`, `sd` and
    `reliability` (test-retest, over the follow-up's interval) are those of the unselected
    population: the enrolled sample's own give far too little. It assumes normal scores, and is too
    small for scores skewed to the right (Linden 2013 BMC Med Res Methodol 13:119).
    """
    if any(value is None for value in (mean, sd, reliability, cutoff)):
        return None
    _check(sd, reliability)
    if sd == 0:
        raise UsageError(
            "sd is 0: in a population without spread nobody is selected; give the population's sd"
        )
    z = (cutoff - mean) / sd
    return float(sd * (1 - reliability) * math.exp(stats.norm.logpdf(z) - stats.norm.logsf(z)))


def _check(sd: float, reliability: float) -> None:
    if not sd >= 0:
        raise UsageError(f"sd is {sd}: a standard deviation is 0 or more")
    if not 0 <= reliability <= 1:
        raise UsageError(f"reliability is {reliability}: give a coefficient from 0 to 1")
