"""Each clinic's count of one metric beside the limits that the others make, and beside a stated
reference.

Here: which counts are compared, and with what. Not here: which figures and words they are
(clinic_funnel.py, nearness.py), the limits themselves (statistics/left_out.py).
"""

import numpy as np
import polars as pl

from ..options import Options
from ..schemas import MART_TABLES
from ..statistics import funnel, left_out

TABLE = MART_TABLES["clinic_funnel"]
# metric of which each event is news -> the setting of its reference
REFERENCES = {
    "funnel_serious_event": "serious_event_reference_pct",
    "funnel_cold_injury_grade_2": "cold_injury_reference_pct",
}


def share(part: str, whole: str) -> pl.Expr:
    return pl.when(pl.col(whole) > 0).then(pl.col(part) / pl.col(whole))


def beside_others(counts: pl.DataFrame, *, has_events: bool) -> pl.DataFrame:
    """The clinics of one metric with target, limits and signal, or the reason why there are
    none.
    """
    counts = counts.sort("clinic_id").with_columns(
        reason=pl.when(pl.col("denominator").fill_null(0) <= 0)
        .then(pl.lit("nobody to count"))
        .otherwise("reason")
    )
    ready = counts.filter(pl.col("reason").is_null())
    left = counts.filter(pl.col("reason").is_not_null())
    if ready.height >= funnel.MIN_CLINICS:
        ready = _judged(ready, has_events=has_events)
    else:
        few = f"{ready.height} clinics to compare: at least {funnel.MIN_CLINICS} are needed"
        ready = _uncompared(ready).with_columns(reason=pl.lit(few))
    frame = pl.concat([ready, _uncompared(left)], how="diagonal_relaxed")
    return frame.drop("of_modality", "sessions_of", strict=False).with_columns(
        clinics=pl.lit(ready.height, pl.Int64)
    )


def _uncompared(counts: pl.DataFrame) -> pl.DataFrame:
    """A proportion stands without a comparison; a ratio is one."""
    is_proportion = pl.col("kind") == "proportion"
    return counts.with_columns(
        estimate=pl.when(is_proportion).then(share("numerator", "denominator")),
        denominator=pl.when(is_proportion).then("denominator"),
    )


def _judged(ready: pl.DataFrame, *, has_events: bool) -> pl.DataFrame:
    metric = ready["metric_id"][0]
    is_spread = metric not in REFERENCES
    if ready["kind"][0] == "ratio":
        tables = (np.array(ready[c].to_list(), float) for c in ("of_modality", "sessions_of"))
        chart = left_out.ratios(*tables, overdispersion=is_spread)
        none = pl.when(pl.col("expected").is_null()).then(
            pl.lit("nothing expected at the other clinics' rates")
        )
        counts = {"numerator": pl.col("x"), "denominator": pl.col("expected"), "reason": none}
    else:
        chart = left_out.proportions(
            ready["numerator"], ready["denominator"], overdispersion=is_spread
        )
        counts = {}
    limits = [c for c in TABLE.names if c.startswith(("lower_", "upper_"))]
    chart = chart.select(
        "overdispersion",
        "tau2",
        "signal",
        *limits,
        estimate="value",
        target="center",
        tail_probability="tail",
        tail_probability_at_target="tail_at_target",
        limit_share="share_high" if has_events else "share_low",
        **counts,
    )
    return pl.concat([ready.drop(counts), chart], how="horizontal")


def beside_reference(frame: pl.DataFrame, *, options: Options) -> pl.DataFrame:
    """Beside the stated reference, in any number of clinics; where none is stated, that is said."""
    setting = REFERENCES.get(frame["metric_id"][0])
    if setting is None:
        return frame
    stated = getattr(options, setting)
    if stated is None:
        missing = f"no reference is stated (FLOE_{setting.upper()}): clinics that are all alike bad would not be seen"
        return frame.with_columns(reference_reason=pl.lit(missing))
    chart = left_out.against_reference(frame["numerator"], frame["denominator"], stated / 100)
    return frame.with_columns(
        chart["tail"].alias("reference_tail_probability"),
        chart["signal"].alias("reference_signal"),
        reference=pl.lit(stated / 100),
        reference_source=pl.lit(options.safety_reference_source or "a setting without a source"),
    )
