"""What every statistic over a frame asks of it: a polars frame that has the columns named.

Here: that check, as one clear sentence. Not here: what the columns must hold (each statistic's
own).
"""

import polars as pl

from transforms.errors import UsageError


def check_columns(frame, *names) -> None:
    """A UsageError unless `frame` is a polars DataFrame with all columns of `names`."""
    if not isinstance(frame, pl.DataFrame):
        how = {"LazyFrame": ".collect() it", "dict": "give pl.DataFrame(it)"}.get(
            type(frame).__name__
        )
        raise UsageError(
            f"found a {type(frame).__name__}, expected a polars DataFrame: {how or 'pl.from_pandas it'}"
        )
    missing = [str(name) for name in names if name not in frame.columns]
    if missing:
        raise UsageError(
            f"no column {', '.join(missing)}: the frame has {', '.join(frame.columns)}"
        )
