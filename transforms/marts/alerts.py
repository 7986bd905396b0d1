"""mart.alerts: the alerts as they stand.

Here: a row an alert, its latest state. Not here: raising them (ingest) and acknowledging them (the
command line).
"""

import polars as pl

from ..options import Cut, Options
from ..schemas import MART_TABLES

TABLE = MART_TABLES["alerts"]
INPUTS = ("core.alerts", "raw.reject_hours")


def compute(
    *, alerts: pl.DataFrame, reject_hours: pl.DataFrame, options: Options, cut: Cut
) -> pl.DataFrame:
    """Conforms to `mart.alerts`; an alert without a state is open, and one that is raised by the
    first record of an hour has the number of all of them.
    """
    counts = reject_hours.filter(pl.col("alert_id").is_not_null()).select("alert_id", "records")
    rows = alerts.with_columns(pl.col("state").fill_null("open")).join(
        counts, on="alert_id", how="left"
    )
    return TABLE.conform(rows).sort("occurred_at", descending=True)
