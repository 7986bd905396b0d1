"""The types of the columns of `core`.

Here: short names of types. Not here: any table.
"""

import polars as pl

from ..base import TIMESTAMP

S, I, F, B, D, T = pl.String, pl.Int64, pl.Float64, pl.Boolean, pl.Date, TIMESTAMP
