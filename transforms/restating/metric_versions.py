"""Which figures were computed anew because their rule changed: metrics' versions now, beside those
of earlier runs.

Here: the comparison. Not here: versions (facts/catalogue), when a run is (orchestration).
"""

from collections.abc import Iterable
from datetime import datetime

import polars as pl

from ..facts.catalogue import METRICS, Metric
from ..options import Cut, Options
from ..schemas import MART_TABLES

TABLE = MART_TABLES["metric_versions"]


def with_versions(
    earlier: pl.DataFrame,
    *,
    cut: Cut,
    started_at: datetime,
    options: Options,
    metrics: Iterable[Metric] = tuple(METRICS.values()),
) -> pl.DataFrame:
    """`mart.metric_versions` after a run: `earlier` (its rows so far) and a row for each version that
    is not in it.

    The version before is the one of the last run (null `restated_at` is the oldest), null where
    there was none.
    """
    last = earlier.sort("restated_at", "version", nulls_last=False)
    previous = dict(last.select("metric_id", "version").iter_rows())
    there = set(earlier.select("metric_id", "version").iter_rows())
    rows = [
        {
            "metric_id": metric.id,
            "version": metric.version,
            "previous_version": previous.get(metric.id),
            "rule": metric.rule_by(options),
            "lake_snapshot": cut.lake_snapshot,
            "data_cutoff": cut.data_cutoff,
            "restated_at": started_at,
        }
        for metric in metrics
        if (metric.id, metric.version) not in there
    ]
    new = pl.DataFrame(rows, schema=TABLE.polars_schema)
    return pl.concat([TABLE.conform(earlier), new]).sort("metric_id", "restated_at", "version")
