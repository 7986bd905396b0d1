"""Relief per course as a release holds it.

Here: its means, in steps that suit their intervals. Not here: other summaries (figures.py).
"""

import polars as pl

from ..disclosure.rounding import coarse_limits
from ..marts.course_relief import MEASURES
from ..options import Options


def course_relief(rows: pl.DataFrame, *, base: int, options: Options) -> pl.DataFrame:
    """Means and limits of each measure in steps of its interval, baselines in those of their
    change.
    """
    names = {name: [name, f"{name}_lower", f"{name}_upper"] for name in MEASURES}
    for side in ("first", "second"):
        names[f"change_{side}"].append(f"baseline_{side}")
    coarse = {}
    for name, figures in names.items():
        coarse |= coarse_limits(figures, lower=f"{name}_lower", upper=f"{name}_upper")
    return rows.with_columns(**coarse)
