"""Parameters on any page: rows and metrics by what they are a statistic of, how they are written.

Here: what several pages ask of a parameter. Not here: which a page shows (pages/), what they are
called (words.py).
"""

from collections.abc import Iterable

import polars as pl

from transforms.facts.catalogue import STATISTICS
from transforms.facts.digits import DIGITS_OF_UNIT, USUAL
from transforms.facts.instruments import INSTRUMENTS
from transforms.facts.parameters import PARAMETERS

from . import words


def is_of(parameters: Iterable[str], *statistics: str) -> pl.Expr:
    """Rows of a summary that are one of the statistics of one of the parameters."""
    is_parameter = pl.col("parameter").is_in(list(parameters))
    return is_parameter & pl.col("statistic").is_in(statistics)


def metrics_of(parameters: Iterable[str], *statistics: str) -> tuple[str, ...]:
    """Ids of the metrics, those that there are, in order."""
    pairs = ((parameter, statistic) for parameter in parameters for statistic in statistics)
    return tuple(STATISTICS[pair].id for pair in pairs if pair in STATISTICS)


def is_pain(code: str) -> bool:
    """Whether a questionnaire's parameter is of pain."""
    return INSTRUMENTS[PARAMETERS[code].instrument].is_pain


def parameter_options(codes: list[str]) -> list[dict]:
    """A select's options, pain first."""
    groups = (
        ("Pain", [c for c in codes if is_pain(c)]),
        ("Function and life", [c for c in codes if not is_pain(c)]),
    )
    return [
        {
            "group": name,
            "items": [{"value": c, "label": f"{c}: {words.parameter_title(c)}"} for c in members],
        }
        for name, members in groups
        if members
    ]


def digits_of(unit: str) -> int:
    """How many digits a number of this unit is written with."""
    return DIGITS_OF_UNIT.get(unit, USUAL)
