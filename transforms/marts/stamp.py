"""What every row of a summary carries: the metric's version, the lake's snapshot, the data cut.

Here: the stamp, and which counts are too small for a reader from outside the clinic. Not here: who may read what
(disclosure, and the reader by role): marts hold the true counts.
"""

import polars as pl

from ..catalogue import METRICS
from ..options import Cut


def stamped(frame: pl.DataFrame, *, cut: Cut) -> pl.DataFrame:
    """`frame` (with `metric_id`) and its `metric_version`, `lake_snapshot`, `data_cutoff`; an unknown metric raises."""
    versions = {m.id: m.version for m in METRICS.values()}
    return frame.with_columns(
        metric_version=pl.col("metric_id").replace_strict(versions, return_dtype=pl.String),
        lake_snapshot=pl.lit(cut.lake_snapshot, dtype=pl.Int64),
        data_cutoff=pl.lit(cut.data_cutoff).cast(pl.Datetime("us", "UTC")),
    )


def is_small(cells: list[str | pl.Expr], *, min_cell: int) -> pl.Expr:
    """Whether one of the counts is above 0 and below `min_cell`; a null count is no cell."""
    counts = [pl.col(c) if isinstance(c, str) else c for c in cells]
    return pl.any_horizontal(c.is_between(1, min_cell - 1) for c in counts).fill_null(False)
