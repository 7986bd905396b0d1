"""What every row of a summary carries: the metric's version, the lake's snapshot, the data cut.

Here: the stamp. Not here: which counts are too small for a reader from outside the clinic
(transforms/disclosure), and who may read what (the reader, by role): marts hold the true counts.
"""

import polars as pl

from ..facts.catalogue import METRICS
from ..options import Cut


def stamped(frame: pl.DataFrame, *, cut: Cut) -> pl.DataFrame:
    """`frame` (with `metric_id`) and its `metric_version`, `lake_snapshot`, `data_cutoff`; an
    unknown metric raises.
    """
    versions = {m.id: m.version for m in METRICS.values()}
    return frame.with_columns(
        metric_version=pl.col("metric_id").replace_strict(versions, return_dtype=pl.String),
        lake_snapshot=pl.lit(cut.lake_snapshot, dtype=pl.Int64),
        data_cutoff=pl.lit(cut.data_cutoff).cast(pl.Datetime("us", "UTC")),
    )
