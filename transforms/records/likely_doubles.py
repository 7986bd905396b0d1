"""Sessions that are likely one session recorded twice: by two tablets, or in two charts that were
merged since.

Here: which sessions they are. Not here: what counts; both stay counted, for two short sessions may
have been given.
"""

import polars as pl

from ..facts.sessions import BEGUN
from ..schemas.core import LIKELY_DOUBLES

_ORDER = ("started_at", "session_id")


def likely_doubles(sessions: pl.DataFrame) -> pl.DataFrame:
    """`core.likely_doubles` of `core.sessions`: one row per begun session that is likely another
    record of an earlier one.

    Two sessions of one patient, or on one device, are likely one where they start at the same
    moment or the later starts before the earlier ends (start + duration_s; an unknown duration
    reaches no further than the start). Of several earlier ones the first is named.
    """
    begun = sessions.filter(pl.col("status").is_in(BEGUN)).select(
        "session_id",
        "patient_id",
        "clinic_id",
        "device_id",
        "started_at",
        ended_at=pl.col("started_at")
        + pl.duration(microseconds=pl.col("duration_s").fill_null(0) * 1_000_000),
    )
    pairs = [_pairs(begun, by=by) for by in ("patient_id", "device_id")]
    return (
        LIKELY_DOUBLES.conform(pl.concat(pairs))
        .sort("session_id", "same", "double_of", descending=[False, True, False])
        .unique("session_id", keep="first", maintain_order=True)
    )


def _pairs(begun: pl.DataFrame, *, by: str) -> pl.DataFrame:
    """The first earlier session that each overlaps, among those with the same value of `by`."""
    ordered = begun.filter(pl.col(by).is_not_null()).sort(by, *_ORDER)
    # only what touches anything before it is compared pair by pair
    reach = pl.col("ended_at").cum_max().shift(1).over(by)
    touches = (pl.col("started_at") < reach) | (
        pl.col("started_at") == pl.col("started_at").shift(1).over(by)
    )
    ordered = ordered.with_columns(_group=(~touches.fill_null(False)).cum_sum())
    ordered = ordered.filter(pl.len().over("_group") > 1)
    pairs = ordered.join(ordered, on="_group", suffix="_before").filter(
        (pl.col("started_at_before") < pl.col("started_at"))
        & (pl.col("started_at") < pl.col("ended_at_before"))
        | (pl.col("started_at_before") == pl.col("started_at"))
        & (pl.col("session_id_before") < pl.col("session_id"))
    )
    first = pairs.sort("session_id", "started_at_before", "session_id_before").unique(
        "session_id", keep="first", maintain_order=True
    )
    return first.rename({"session_id_before": "double_of"}).with_columns(
        same=pl.lit(by.removesuffix("_id"))
    )
