"""Which measurement error and functional cut belong to a questionnaire's score, and the class of a
change by them.

Here: the error of each parameter, with its source, and reliable change of rows of mart.adqs.
Not here: the formulas (reliable_change), important change (pain), the smallest change of a
performance test (mobility_parameters).

The standard error of the difference is √2 times the standard error of measurement; of a form whose
table gives every score its own standard error, √(SE² of the baseline + SE² of the value) (Maassen
2004, 10.1017/s1355617704106097).
"""

import math
from dataclasses import dataclass, fields

import polars as pl

from ..facts.parameter_metrics import (
    ERROR_SOURCES,
    RECOVERED_SOURCES,
    SCORE_ERROR_SOURCE,
    statistics_of,
)
from ..facts.parameters import PARAMETERS, Parameter
from ..options import Options
from ..statistics.reliable_change import RELIABLE, change_class, crosses
from .pain import is_on_scale

# The parameters whose change from baseline means something.
OF_CHANGE = {code: p for code, p in PARAMETERS.items() if "change" in statistics_of(p)}
_DEFAULTS = {f.name: f.default for f in fields(Options)}


@dataclass(frozen=True, kw_only=True)
class Error:
    """What is known of a parameter: `sem` in its unit (None = by score, or not known),
    `recovered_at`, sources.
    """

    sem: float | None
    is_by_score: bool
    recovered_at: float | None
    source: str | None
    verification: str | None
    recovered_source: str | None
    reason: str | None


def error_of(parameter: Parameter, *, options: Options) -> Error:
    """The measurement error and functional cut in force; `reason` where no error is known."""
    sem = _option(parameter.error_option, options)
    recovered_at = _option(parameter.recovered_option, options)
    source, verification = _error_source(parameter, sem, options=options)
    cut_source = setting_or(
        parameter.recovered_option, options, RECOVERED_SOURCES.get(parameter.recovered_option)
    )
    return Error(
        sem=sem,
        is_by_score=parameter.has_score_error,
        recovered_at=recovered_at,
        source=source,
        verification=verification,
        recovered_source=None if recovered_at is None else cut_source,
        reason=_unknown(parameter) if source is None else None,
    )


def setting_or(option: str | None, options: Options, source: str | None) -> str | None:
    """The default's source, or that the site has set another value."""
    if option is None or getattr(options, option) == _DEFAULTS[option]:
        return source
    return f"the site's setting FLOE_{option.upper()}"


def _option(name: str | None, options: Options) -> float | None:
    if name is None:
        return None
    return getattr(options, name)


def _error_source(
    parameter: Parameter, sem: float | None, *, options: Options
) -> tuple[str | None, str | None]:
    if parameter.has_score_error:
        return SCORE_ERROR_SOURCE, "proposal"
    if sem is None:
        return None, None
    source, verification = ERROR_SOURCES.get(parameter.error_option, (None, None))
    named = setting_or(parameter.error_option, options, source)
    return named, verification if named == source else "proposal"


def _unknown(parameter: Parameter) -> str:
    setting = f": set FLOE_{parameter.error_option.upper()}" if parameter.error_option else ""
    return f"no measurement error of this score is known{setting}"


def classified(rows: pl.DataFrame, *, by: list[str], options: Options) -> pl.DataFrame:
    """`rows` with MDC, RCI, CHGCAT1, RCREASON.

    `rows`: `parameter`, `AVAL`, `BASE`, `CHG`, `AVALSE`, `ABLFL` and the columns of `by` (whose
    baseline it is). No class without a change, without a known error, from a baseline from which
    the scale can't show an improvement, and where there is no error at all.
    """
    errors = {code: error_of(p, options=options) for code, p in PARAMETERS.items()}
    base_error = pl.col("AVALSE").filter(pl.col("ABLFL") == "Y").first().over(by)
    of_score = (pl.col("AVALSE") ** 2 + base_error**2).sqrt()
    sem = _by_parameter({c: e.sem for c, e in errors.items()}, pl.Float64)
    rows = rows.with_columns(_error=pl.coalesce(of_score, math.sqrt(2) * sem))
    rows = rows.with_columns(
        MDC=RELIABLE * pl.col("_error"),
        RCI=pl.when(pl.col("_error") > 0).then(pl.col("CHG") / pl.col("_error")),
    )
    sign = _by_parameter(
        {c: 1 if p.better == "higher" else -1 for c, p in PARAMETERS.items()}, pl.Int64
    )
    cut = _by_parameter({c: e.recovered_at for c, e in errors.items()}, pl.Float64)
    better, is_seen = sign * pl.col("RCI"), _is_seen()
    label = change_class(
        is_better=better > RELIABLE,
        is_worse=better < -RELIABLE,
        is_recovered=crosses(sign * pl.col("BASE"), sign * pl.col("AVAL"), cut=sign * cut),
    )
    reason = (
        pl.when(~is_seen)
        .then(pl.lit("baseline from which an improvement can't be seen"))
        .when(pl.col("RCI").is_null())
        .then(_by_parameter({c: e.reason or _NO_ERROR for c, e in errors.items()}, pl.String))
    )
    return rows.with_columns(
        CHGCAT1=pl.when(is_seen).then(label),
        RCREASON=pl.when(pl.col("CHG").is_not_null()).then(reason),
    ).drop("_error")


_NO_ERROR = "a measurement error of 0 or of none of the two scores"


def _by_parameter(values: dict, dtype) -> pl.Expr:
    return pl.col("parameter").replace_strict(values, return_dtype=dtype)


def _is_seen() -> pl.Expr:
    """Whether the scale can show an improvement from the baseline."""
    seen = pl.lit(True)
    for code, parameter in PARAMETERS.items():
        if parameter.lowest_baseline is not None:
            seen = pl.when(pl.col("parameter") == code).then(is_on_scale(parameter)).otherwise(seen)
    return seen
