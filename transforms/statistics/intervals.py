"""Interval estimators of counts over exposure or over people, for arrays of many strata.

Here: the limits, and the checks of their input. Not here: one stratum, ratios, differences, frames
(`rates`, which gives these functions too).

Every function takes numbers or arrays (lists, polars series) of one length and gives `Limits`:
None, null and NaN, no exposure and no people give NaN; nonsense (a negative or fractional count,
more events than people) is a `UsageError`. Sources: Garwood 1936 Biometrika 28:437; Breslow & Day
1987 (Byar); Wilson 1927 JASA 22:209; Clopper & Pearson 1934 Biometrika 26:404; McCullagh & Nelder
1989 (over-dispersion).
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
import polars as pl
from scipy import special

from transforms.errors import UsageError

_ROUNDING = 1e-9  # of a dispersion factor, far above what sums of a million patients lose


class Limits(NamedTuple):
    """Estimate and limits of many strata, float arrays of one shape; NaN where a value can't be
    given.
    """

    estimate: np.ndarray
    lower: np.ndarray
    upper: np.ndarray


def garwood(events, exposure, per=100, confidence=0.95) -> Limits:
    """Exact Poisson limits: chi²(a/2, 2x)/2 and chi²(1-a/2, 2x+2)/2 over the exposure (Garwood
    1936).
    """
    x, scale, alpha = _rate_inputs(events, exposure, per, confidence)
    lower = np.where(x > 0, special.gammaincinv(np.maximum(x, 1), alpha / 2), 0 * x)
    return Limits(x * scale, lower * scale, special.gammainccinv(x + 1, alpha / 2) * scale)


def byar(events, exposure, per=100, confidence=0.95) -> Limits:
    """Byar's approximation with x + 0.5 in both limits, as R's tern; a check on `garwood`."""
    x, scale, _ = _rate_inputs(events, exposure, per, confidence)
    half, z = x + 0.5, z_of(confidence)
    lower, upper = (
        half * (1 - 1 / (9 * half) + side * z / (3 * np.sqrt(half))) ** 3 for side in (-1, 1)
    )
    return Limits(x * scale, np.maximum(lower, 0) * scale, upper * scale)


def normal_rate(events, exposure, per=100, confidence=0.95) -> Limits:
    """Rate ± z·√x/t: the textbook approximation, whose lower limit may fall below 0."""
    x, scale, _ = _rate_inputs(events, exposure, per, confidence)
    margin = z_of(confidence) * np.sqrt(x)
    return Limits(x * scale, (x - margin) * scale, (x + margin) * scale)


def log_normal_rate(events, exposure, per=100, confidence=0.95) -> Limits:
    """Rate · exp(±z/√x); without events there are no limits."""
    x, scale, _ = _rate_inputs(events, exposure, per, confidence)
    factor = np.exp(z_of(confidence) / np.sqrt(np.where(x > 0, x, np.nan)))
    return Limits(x * scale, x * scale / factor, x * scale * factor)


def overdispersed(events, exposure, dispersion, per=100, confidence=0.95) -> Limits:
    """Rate · exp(±z·√(phi/x)) where phi > 1 and x > 0, and nowhere narrower than Garwood's limits.

    Without events, or with `dispersion` up to 1 or unknown, it is Garwood's interval.
    """
    exact = garwood(events, exposure, per=per, confidence=confidence)
    x, phi = np.broadcast_arrays(counts_of(events, name="events")[0], floats(dispersion))
    spread = (phi > 1) & (x > 0)
    ratio = np.where(spread, phi, 0) / np.where(spread, x, 1)
    factor = np.exp(z_of(confidence) * np.sqrt(ratio))
    return Limits(
        exact.estimate,
        np.minimum(exact.lower, exact.estimate / factor),
        np.maximum(exact.upper, exact.estimate * factor),
    )


def overdispersion_from_sums(patients, events, exposure, squares) -> np.ndarray:
    """`overdispersion` of many strata from sums over their patients with exposure; NaN where there
    is none.

    `squares` is the sum of x²/t over patients; sum((x - rate·t)²/(rate·t)) = squares/rate - events.
    It is 1 where it is so but for rounding: the limits jump there, and must not depend on the last
    digit.
    """
    n, x, t, squares = (floats(value) for value in (patients, events, exposure, squares))
    enough = (n > 1) & (x > 0) & (t > 0)
    rate = np.where(enough, x, np.nan) / np.where(enough, t, 1)
    phi = np.maximum(squares / rate - x, 0) / np.where(enough, n - 1, 1)
    return np.where(np.abs(phi - 1) < _ROUNDING, 1.0, phi)


def clopper_pearson(x, n, confidence=0.95) -> Limits:
    """Exact limits of x of n: Beta(x, n-x+1) at a/2 and Beta(x+1, n-x) at 1-a/2 (Clopper & Pearson
    1934).
    """
    x, n, alpha = _people_inputs(x, n, confidence)
    fails = n - x
    lower = special.betaincinv(np.maximum(x, 1), fails + 1, alpha / 2)
    upper = special.betainccinv(x + 1, np.maximum(fails, 1), alpha / 2)
    return Limits(x / n, np.where(x > 0, lower, 0 * n), np.where(fails > 0, upper, 1 + 0 * n))


def wilson(x, n, confidence=0.95) -> Limits:
    """Score limits of x of n, without continuity correction (Wilson 1927)."""
    x, n, _ = _people_inputs(x, n, confidence)
    share, z = x / n, z_of(confidence)
    middle = share + z**2 / (2 * n)
    margin = z * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    lower, upper = (middle - margin) / (1 + z**2 / n), (middle + margin) / (1 + z**2 / n)
    return Limits(share, np.where(x == 0, 0 * n, lower), np.where(x == n, 1 + 0 * n, upper))


def z_of(confidence) -> float:
    """The normal quantile of two-sided limits."""
    tail = alpha_of(confidence) / 2
    z = special.ndtri(1 - tail)
    return float(z)


def alpha_of(confidence) -> float:
    """What two-sided limits leave out on both sides together."""
    if isinstance(confidence, bool | str) or not 0 < confidence < 1:
        raise UsageError(f"confidence is {confidence}: give a number between 0 and 1, such as 0.95")
    return 1 - confidence


def floats(values) -> np.ndarray:
    """A number, or a sequence of numbers, as an array of floats; None and null become NaN."""
    if isinstance(values, pl.Series) and (
        values.dtype.is_numeric() or values.dtype in (pl.Boolean, pl.Null)
    ):
        return values.cast(pl.Float64).fill_null(np.nan).to_numpy()
    if isinstance(values, pl.DataFrame | pl.Series | str | Mapping):
        raise UsageError(
            f"found {_kind(values)}: give a number, or a sequence, array or column of numbers"
        )
    try:
        array = np.asarray(list(values) if isinstance(values, Iterator) else values, dtype=float)
    except (TypeError, ValueError) as error:
        raise UsageError(
            f"found {_kind(values)} that holds no numbers ({error}): give numbers or null"
        ) from error
    if array.ndim > 1:
        raise UsageError(f"found a table of shape {array.shape}: give one column of numbers")
    return array


def finite(values) -> np.ndarray:
    """An array of finite numbers, or NaN."""
    values = floats(values)
    if np.isinf(values).any():
        raise UsageError("a value is infinite: give finite numbers, or null where there is none")
    return values


def one_number(**values) -> None:
    """Refuses more than one stratum where an estimate of one is asked for."""
    many = [name for name, value in values.items() if floats(value).ndim]
    if many:
        raise UsageError(
            f"{', '.join(many)}: found several values, expected one number each; for many strata use the functions "
            "of arrays (rates.garwood, rates.wilson, ...) or of columns (rate_columns.poisson_rate_columns, ...)"
        )


def _kind(values) -> str:
    return (
        f"a column of {values.dtype}"
        if isinstance(values, pl.Series)
        else f"a {type(values).__name__}"
    )


def counts_of(*values, name: str) -> list[np.ndarray]:
    """Arrays of whole numbers from 0, or NaN."""
    arrays = [floats(value) for value in values]
    for array in arrays:
        given = array[~np.isnan(array)]
        wrong = given[(given < 0) | (given != np.floor(given)) | np.isinf(given)]
        if wrong.size:
            raise UsageError(f"{name}: {wrong[0]:g} is not a count; give whole numbers from 0")
    return arrays


def exposures_of(*values) -> list[np.ndarray]:
    """Arrays of finite numbers from 0, or NaN."""
    arrays = [floats(value) for value in values]
    for array in arrays:
        wrong = array[(array < 0) | np.isinf(array)]
        if wrong.size:
            raise UsageError(f"exposure: {wrong[0]:g} is not an amount; give finite numbers from 0")
    return arrays


def aligned(*arrays: np.ndarray) -> tuple[np.ndarray, ...]:
    """The arrays at one shape; a single number goes with every stratum."""
    try:
        return tuple(np.broadcast_arrays(*arrays))
    except ValueError as error:
        shapes = ", ".join(str(array.shape) for array in arrays)
        raise UsageError(
            f"arrays of different shapes ({shapes}): give one value a stratum in each"
        ) from error


def _rate_inputs(events, exposure, per, confidence):
    """Counts, the factor from a count to a rate (NaN without exposure), and alpha."""
    if not 0 < per < np.inf:
        raise UsageError(f"per is {per}: give how many units of exposure a rate is of, such as 100")
    x, t = aligned(counts_of(events, name="events")[0], exposures_of(exposure)[0])
    t = np.where(t > 0, t, np.nan)
    return x, per / t, alpha_of(confidence)


def _people_inputs(x, n, confidence):
    """Counts with NaN for no people, and alpha."""
    x, n = aligned(*counts_of(x, n, name="people"))
    if np.any(x > n):
        raise UsageError(
            f"{x[x > n].flat[0]:g} people of {n[x > n].flat[0]:g}: a part can't exceed its whole"
        )
    unknown = np.isnan(x) | np.isnan(n) | (n == 0)
    return np.where(unknown, np.nan, x), np.where(unknown, np.nan, n), alpha_of(confidence)
