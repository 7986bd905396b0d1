"""mart.alerts: the alerts as they stand.

Here: a row an alert, its latest state. Not here: raising them (ingest) and acknowledging them (the command line).
"""

import polars as pl

from ..options import Cut, Options
from ..schemas import MART_TABLES

TABLE = MART_TABLES["alerts"]
INPUTS = ("core.alerts",)


def compute(*, alerts: pl.DataFrame, options: Options, cut: Cut) -> pl.DataFrame:
    """Conforms to `mart.alerts`; an alert without a state is open."""
    return TABLE.conform(alerts.with_columns(pl.col("state").fill_null("open"))).sort("occurred_at", descending=True)
