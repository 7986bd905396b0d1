"""Intercurrent events: on which day each first happened to a patient after Day 1.

Here: the days, from other care. Not here: which events there are and how each counts
(facts/estimands.py), the end of an episode (episodes.py).

An event on Day 1 or later counts, up to the day on which the episode's windows end. An opioid is
begun where none was taken on a day of the 28 before Day 1; a renewed one is none. What was given as
rescue is rescue, whatever it was.
"""

import polars as pl

from . import care as care_rules
from .care import WINDOW_DAYS

_BEGIN = pl.col("DAY1DT")


def first_days(care: pl.DataFrame, people: pl.DataFrame) -> pl.DataFrame:
    """A row a unit and kind of event that happened: `USUBJID`, `kind`, `event_on`, the first day.

    `care`: of care.local_care; `people`: a row a unit (a patient in a study and episode) with
    `USUBJID`, `patient_id`, `DAY1DT`, `windows_to`.
    """
    own = people.select("USUBJID", "patient_id", "DAY1DT", "windows_to")
    procedures = care.filter(pl.col("kind").is_in(care_rules.PROCEDURES)).select(
        "patient_id", "kind", day="on"
    )
    rescues = care.filter(pl.col("is_rescue").fill_null(False)).select(
        "patient_id", kind=pl.lit("rescue"), day="on"
    )
    happened = pl.concat([procedures, rescues]).join(own, on="patient_id")
    rows = pl.concat(
        [happened.select("USUBJID", "kind", "day", "DAY1DT", "windows_to"), _opioids(care, own)]
    )
    is_in_episode = (pl.col("day") <= pl.col("windows_to")).fill_null(True)
    return (
        rows.filter((pl.col("day") >= _BEGIN) & is_in_episode)
        .group_by("USUBJID", "kind")
        .agg(event_on=pl.col("day").min())
        .sort("USUBJID", "kind")
    )


def with_first_event(people: pl.DataFrame, care: pl.DataFrame) -> pl.DataFrame:
    """The units with `event_on`, the day of the first of all intercurrent events; null = none."""
    days = first_days(care, people).group_by("USUBJID").agg(pl.col("event_on").min())
    return people.join(days, on="USUBJID", how="left", maintain_order="left")


def _opioids(care: pl.DataFrame, own: pl.DataFrame) -> pl.DataFrame:
    """Opioids begun by units who took none before Day 1."""
    taken = care_rules.medications(care, kinds=("opioid",)).join(own, on="patient_id")
    before = taken.filter(
        (pl.col("begins") < _BEGIN)
        & (pl.col("ends") >= _BEGIN - pl.duration(days=WINDOW_DAYS)).fill_null(True)
    )
    return (
        taken.join(before, on="USUBJID", how="anti")
        .select("USUBJID", pl.lit("opioid").alias("kind"), "DAY1DT", "windows_to", day="begins")
        .select("USUBJID", "kind", "day", "DAY1DT", "windows_to")
    )
