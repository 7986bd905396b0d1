"""What of a change of pain would come without any treatment, because patients enrol at their worst.

Here: the expected change by a site's settings, and its columns beside an observed one. Not here:
the formula (reliable_change.expected_drop).
"""

import polars as pl

from ..facts.parameters import PARAMETERS
from ..options import Options
from ..statistics.reliable_change import expected_drop


def expected_change(*, options: Options) -> float | None:
    """The change of a pain NRS that regression to the mean alone would give (negative); None
    without its settings.
    """
    drop = expected_drop(
        options.rtm_mean, options.rtm_sd, options.rtm_reliability, options.rtm_cutoff
    )
    return None if drop is None else -drop


def rtm_columns(
    parameter: pl.Expr, *, options: Options, is_change: bool = True
) -> dict[str, pl.Expr]:
    """`rtm_expected` and `rtm_source` beside a change of a pain NRS; null beside anything else."""
    of_pain = parameter.is_in(
        [c for c, p in PARAMETERS.items() if p.instrument == "nrs_pain"]
    ) & pl.lit(is_change)
    expected = expected_change(options=options)
    source = pl.lit(options.rtm_source or None, dtype=pl.String)
    return {
        "rtm_expected": pl.when(of_pain).then(pl.lit(expected, dtype=pl.Float64)),
        "rtm_source": pl.when(of_pain & pl.lit(expected is not None)).then(source),
    }
