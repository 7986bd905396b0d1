"""Rows of mart.control_charts from the points of one chart: its phases, lines, signals and what it
can't say.

Here: where a chart's limits begin anew, and from how many points there are any. Not here: what is
charted (control_charts), limits and rules (statistics/spc.py).
"""

from collections.abc import Callable, Sequence
from itertools import pairwise

import polars as pl

from ..errors import UsageError
from ..facts.catalogue import METRICS
from ..options import Rebase

MIN_POINTS = 6
_LINES = ("center", "lower", "upper")
_SIGNALS = (
    "is_outside",
    "is_trend",
    "is_two_of_three",
    "is_shift",
    "point_type",
    "signal_direction",
    "variation_icon",
)
_OF_LIMITS = ("baseline_points", "is_trial_limits")


def rebases_of(rebases: Sequence[Rebase], *, metric: str, clinic: str | None) -> list[Rebase]:
    """Those of one chart, by day; one without a clinic is of every chart of its metric."""
    mine = [r for r in rebases if r.metric_id == metric and r.clinic_id in (None, clinic)]
    return sorted(mine, key=lambda r: r.from_date)


def require_charts(rebases: Sequence[Rebase]) -> None:
    """Refuses a rebase of what is no chart with limits of its own, which would change nothing
    unsaid.
    """
    charts = sorted(m for m in METRICS if m.startswith("chart_") and m != "chart_cold_injuries")
    for rebase in rebases:
        if rebase.metric_id not in charts:
            raise UsageError(
                f"FLOE_CONTROL_CHART_REBASES: found metric_id {rebase.metric_id!r}, expected one of {', '.join(charts)}"
            )


def rows(
    kind: str,
    points: pl.DataFrame,
    chart: Callable[[pl.DataFrame], pl.DataFrame],
    *,
    rebases: Sequence[Rebase] = (),
    no_value: str | None = None,
) -> pl.DataFrame:
    """`points` (`month`, `numerator`, `denominator`) and beside each its lines and signals, of
    `chart(points)`.

    A rebase starts a phase: its points have limits of their own, runs end there, and its rows carry
    the day and the reason. A phase of fewer than MIN_POINTS values has no lines, and says so.
    `no_value`: why a point may have none.
    """
    days = [None, *(r.from_date for r in rebases), None]
    parts = []
    for rebase, (start, end) in zip((None, *rebases), pairwise(days), strict=True):
        part = points.filter(_is_within(start, end))
        if part.height or rebase is None:
            parts.append(_phase(part, chart(part), rebase=rebase, no_value=no_value))
    frame = pl.concat(parts, how="diagonal_relaxed")
    return frame.with_columns(
        point=pl.int_range(1, pl.len() + 1, dtype=pl.Int64), chart=pl.lit(kind)
    )


def without_lines(frame: pl.DataFrame, reason: str) -> pl.DataFrame:
    nothing = [pl.lit(None, frame.schema[c]).alias(c) for c in (*_LINES, *_SIGNALS, *_OF_LIMITS)]
    return frame.with_columns(*nothing, reason=pl.coalesce("reason", pl.lit(reason)))


def named(frame: pl.DataFrame, metric: str, clinic: str | None) -> pl.DataFrame:
    return frame.with_columns(
        pl.col("numerator", "denominator").cast(pl.Float64),
        metric_id=pl.lit(metric),
        clinic_id=pl.lit(clinic, pl.String),
    )


def _is_within(start, end) -> pl.Expr:
    """Periods that begin from the first day on and before the other; None = without end."""
    after = pl.lit(True) if start is None else pl.col("month") >= start
    if end is None:
        return after
    return after & (pl.col("month") < end)


def _phase(
    points: pl.DataFrame, chart: pl.DataFrame, *, rebase: Rebase | None, no_value: str | None
) -> pl.DataFrame:
    made = chart.select("value", *_LINES, *_SIGNALS, *_OF_LIMITS, pl.col("^assurance_icon$"))
    frame = pl.concat(
        [points.select("numerator", "denominator", period_start="month"), made], how="horizontal"
    )
    frame = frame.with_columns(
        reason=pl.when(pl.col("value").is_null()).then(pl.lit(no_value, pl.String)),
        rebased_from=pl.lit(rebase.from_date if rebase else None, pl.Date),
        rebase_reason=pl.lit(rebase.reason if rebase else None, pl.String),
    )
    values = chart["value"].count()
    if values < MIN_POINTS:
        frame = without_lines(frame, f"{values} of the {MIN_POINTS} points that limits need")
    return frame
