"""Endpoints that a site defines by a cut: yes or no, of any parameter, from its value or from how
much it improved.

Here: how a cut is written, read and judged. Not here: the product's own responder rules (pain), who
is compared.

Written as `NRS7D<=3` (the value), `ODI improved>=12.8` (points better than at baseline) or
`ODI improved>=30%` (of the baseline); several are separated by semicolons.
"""

import re
from dataclasses import dataclass

import polars as pl

from ..errors import UsageError
from ..facts.parameters import PARAMETERS
from . import pain

_WRITTEN = re.compile(
    r"(?P<parameter>\w+)\s*(?P<kind>improved)?\s*(?P<side><=|>=)\s*(?P<cut>-?\d+(\.\d+)?)\s*(?P<pct>%)?"
)


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """One endpoint; `text` is its name in a table. `kind`: value, points or percent."""

    text: str
    parameter: str
    kind: str
    side: str
    cut: float

    def is_met(self) -> pl.Expr:
        """Over the columns BASE and AVAL; null where a value, or a baseline that it needs, is
        missing or can't tell.
        """
        parameter = PARAMETERS[self.parameter]
        base, value = pl.col("BASE"), pl.col("AVAL")
        if self.kind == "value":
            return value <= self.cut if self.side == "<=" else value >= self.cut
        if self.kind == "points":
            return pain.is_points_responder(base, value, points=self.cut, better=parameter.better)
        met = pain.is_percent_responder(base, value, percent=self.cut, better=parameter.better)
        return pl.when(pain.is_evaluable_baseline(parameter)).then(met)


def endpoints(text: str) -> list[Endpoint]:
    """The endpoints of a setting, in its order; empty text gives none, anything else that can't be
    read a `UsageError`.
    """
    return [_endpoint(part.strip()) for part in text.split(";") if part.strip()]


def _endpoint(text: str) -> Endpoint:
    written = _WRITTEN.fullmatch(text)
    if written is None:
        raise UsageError(
            f"{text!r} is no endpoint: write a parameter and a cut, as NRS7D<=3, ODI improved>=10 or ODI improved>=30%"
        )
    parameter, side = written["parameter"].upper(), written["side"]
    if parameter not in PARAMETERS:
        raise UsageError(
            f"{parameter} of the endpoint {text!r} is no parameter: use one of {', '.join(PARAMETERS)}"
        )
    kind = ("percent" if written["pct"] else "points") if written["kind"] else "value"
    is_improvement = kind != "value"
    if (is_improvement and side != ">=") or (written["pct"] and not is_improvement):
        raise UsageError(
            f"{text!r}: an improvement is written with >=, and only an improvement in %"
        )
    if kind == "percent" and not PARAMETERS[parameter].has_percent_rules:
        raise UsageError(f"{text!r}: a percentage of {parameter} means nothing; give points")
    return Endpoint(text=text, parameter=parameter, kind=kind, side=side, cut=float(written["cut"]))
