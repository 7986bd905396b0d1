"""Strata as a reader from outside adds them up: the lines of parts and their total, along each
dimension.

Here: `Strata`. Not here: what is known of the counts in them (whole_release.py).
"""

from collections.abc import Iterable, Sequence

import numpy as np
import polars as pl
from scipy import sparse

from ..facts.strata import COLUMNS_OF, STRATUM_COLUMNS

COUNT = np.float32  # exact to 16 million, in half the memory


class Strata:
    """The combinations of the dimensions in some tables, and the lines that they form along
    each.
    """

    def __init__(self, rows: Iterable[pl.DataFrame]) -> None:
        keys = (
            pl.concat(r.select(STRATUM_COLUMNS) for r in rows)
            .unique()
            .sort(STRATUM_COLUMNS, nulls_last=False)
        )
        self.keys = keys.with_row_index("stratum")
        self.size = keys.height
        self.lines = [self._lines(columns) for columns in COLUMNS_OF.values()]

    def _lines(self, columns: Sequence[str]) -> tuple:
        """Parts (strata), the line of each part, the total of each line, and which part is in which
        line, as a matrix.
        """
        others = [c for c in STRATUM_COLUMNS if c not in columns]
        is_total = pl.all_horizontal(pl.col(c).is_null() for c in columns)
        totals = self.keys.filter(is_total).select(*others, total="stratum").with_row_index("line")
        parts = self.keys.filter(~is_total).join(totals, on=others, nulls_equal=True)
        part, line = (parts[c].cast(pl.Int64).to_numpy() for c in ("stratum", "line"))
        member = sparse.csr_matrix(
            (np.ones(len(part), COUNT), (part, line)), shape=(self.size, totals.height)
        )
        return part, line, totals["total"].cast(pl.Int64).to_numpy(), member
