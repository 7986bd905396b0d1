"""How a long series is read for some of its patients or sessions, as SQL.

Here: the scan. Not here: what is made of it (activity.py, telemetry.py).
"""


def of_known(series: str, column: str, *, among: str) -> str:
    """The rows of `series` whose `column` is a `recorded_id` of the relation `among`, looked at as they are read.

    A join alone would not do: DuckDB 1.5.5 takes the filtered series for the smaller side and holds all of its
    samples in memory (110 thousand series, one patient: 440 MB for 160). What an expression is made of is never
    that side.
    """
    return f"FROM {series} WHERE coalesce({column} IN (SELECT recorded_id FROM {among}), false)"
