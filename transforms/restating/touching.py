"""Which events touch the figures of a stratum: those of patients who are in it, or were.

Here: events placed by what places their patients, and counted. Not here: what an event says of the
past (landed.py), what a figure is made of (topics.py).
"""

from collections.abc import Iterable, Mapping

import polars as pl

from ..facts.strata import STRATUM_COLUMNS
from ..marts.strata import dimensions_of
from .landed import EVENTS
from .topics import Source

Counts = dict[str, dict[str, int]]  # reason -> topic -> events
_PEOPLE = pl.Schema(dict.fromkeys(("patient_id", *STRATUM_COLUMNS), pl.String))


def people_of(*adsl: pl.DataFrame) -> pl.DataFrame:
    """Each stratum in which a patient is or was, of frames of mart.adsl of several moments."""
    parts = [
        dimensions_of(frame).select(pl.col("USUBJID").alias("patient_id"), *STRATUM_COLUMNS)
        for frame in adsl
    ]
    return pl.concat([pl.DataFrame(schema=_PEOPLE), *parts]).unique()


class Placed:
    """Events, each where its patient is or was; one of no patient everywhere in its clinic."""

    def __init__(
        self, events: pl.DataFrame, *, people: pl.DataFrame, became: Mapping[str, str]
    ) -> None:
        """`became`: who a merged patient is by now."""
        now = events.with_columns(pl.col("patient_id").replace(became))
        events = pl.concat([events, now]).unique()
        of_people = events.filter(pl.col("patient_id").is_not_null())
        of_sites = events.filter(pl.col("patient_id").is_null())
        dims = people.rename({"clinic_id": "site_id"})
        there = of_people.join(dims, on="patient_id", how="left").with_columns(is_of_all=False)
        enrolled = there.with_columns(clinic_id="site_id")
        nowhere = [pl.lit(None, pl.String).alias(c) for c in STRATUM_COLUMNS if c != "clinic_id"]
        sites = of_sites.with_columns(*nowhere, is_of_all=pl.lit(True))
        columns = [*EVENTS.names(), *(c for c in STRATUM_COLUMNS if c != "clinic_id"), "is_of_all"]
        parts = [there.select(columns), enrolled.select(columns), sites.select(columns)]
        self._events = pl.concat(parts).unique()
        self._in: dict[tuple, pl.DataFrame] = {}
        self._counts: dict[tuple, Counts] = {}

    def counts(self, stratum: tuple[tuple[str, str], ...], sources: frozenset[Source]) -> Counts:
        """Events of these sources that touch a stratum, pairs of a dimension's column and value."""
        key = (stratum, sources)
        if key not in self._counts:
            self._counts[key] = _counted(self._of(stratum).filter(_is_of(sources)))
        return self._counts[key]

    def _of(self, stratum: tuple[tuple[str, str], ...]) -> pl.DataFrame:
        if stratum not in self._in:
            self._in[stratum] = self._events.filter(_is_in(stratum))
        return self._in[stratum]


def _is_in(stratum: Iterable[tuple[str, str]]) -> pl.Expr:
    is_there = [
        (pl.col(c) == value) | (pl.col("is_of_all") & pl.col(c).is_null()) for c, value in stratum
    ]
    return pl.all_horizontal(pl.lit(True), *is_there)


def _is_of(sources: frozenset[Source]) -> pl.Expr:
    whole = sorted(topic for topic, about in sources if about is None)
    is_part = [
        (pl.col("topic") == topic) & (pl.col("about") == about)
        for topic, about in sorted(s for s in sources if s[1] is not None)
    ]
    return pl.any_horizontal(pl.col("topic").is_in(whole), *is_part)


def _counted(events: pl.DataFrame) -> Counts:
    grouped = events.group_by("reason", "topic").agg(n=pl.col("event").n_unique())
    counts: Counts = {}
    for reason, topic, n in grouped.sort("reason", "topic").iter_rows():
        counts.setdefault(reason, {})[topic] = n
    return counts


def added(one: Counts, other: Counts) -> Counts:
    """The sums of both."""
    return {
        reason: {
            topic: one.get(reason, {}).get(topic, 0) + other.get(reason, {}).get(topic, 0)
            for topic in sorted({*one.get(reason, {}), *other.get(reason, {})})
        }
        for reason in sorted({*one, *other})
    }
