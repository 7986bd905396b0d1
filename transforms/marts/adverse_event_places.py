"""Which sessions, time at risk and records of adverse events lie where: by clinic, modality and
study, before anything is counted.

Here: the place of each set of columns that a session has, and whether a record counts there. Not
here: counting in strata (adverse_event_cells.py), what time at risk is (rules/time_at_risk.py).

One definition serves numerator and denominator. A stratum of a clinic, modality or study holds the
sessions, the time and the events of that clinic, modality or study, and a patient in each of his or
her sessions' strata. An event counts in a stratum where its first record's onset lies in its
patient's time at risk there; elsewhere it is counted as outside. One of unknown onset counts in a
patient who has time at risk there. While an event of a term lasts, and in its clean window, the
patient is not at risk of that term: that time is in no denominator of the term. Any term together,
a body system or a group of terms has the whole time: whoever has a headache can still fall. Counted
to the planned end are the same figures without the loss of lost patients.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from ..facts.sessions import BEGUN, DELIVERED
from ..facts.strata import Combination
from ..facts.thresholds import SESSION_WINDOW_H
from ..options import Cut, Options
from ..rules.safety import lasts_until, with_event_number
from ..rules.time_at_risk import (
    OBSERVED,
    PLANNED,
    holds,
    in_stretch,
    intersection,
    intervals,
    joined,
    person_time_cut,
    session_windows,
)
from .strata import columns_of, dimensions_of

# Suffix of the figures -> the end of the time that they are over
ENDS = {"": OBSERVED, "_planned": PLANNED}
# Columns that a session has; the indication is the patient's, the arm the patient's in the study
OF_SESSION = ("clinic_id", "modality", "study_id")
EVERYBODY = "_all"  # one value in every row: the key of the stratum of everybody


@dataclass(frozen=True, kw_only=True)
class Place:
    """What lies where, by some of the columns OF_SESSION: `time` and `removed` by suffix of ENDS.

    `time`: intervals at risk with the patient's dimensions; `removed`: those of a `category` in
    which the patient is not at risk of it; `covered`: of the time at risk what session windows
    cover; `records`: of events, with `counts`, `counts_planned`, `is_outside`, `is_unknown`,
    `is_set_aside`.
    """

    time: dict[str, pl.DataFrame]
    removed: dict[str, pl.DataFrame]
    covered: pl.DataFrame
    records: pl.DataFrame


def sessions_in_time(adsl: pl.DataFrame, adex: pl.DataFrame, at_risk: pl.DataFrame) -> pl.DataFrame:
    """A row a session that began in time at risk, with its `episode` and the dimensions of its
    place and patient.
    """
    people = dimensions_of(adsl).select("STUDYID", "USUBJID", "indication", "study_id", "arm")
    begun = (
        adex.filter(pl.col("EXSTAT").is_in(BEGUN))
        .join(people, on=["STUDYID", "USUBJID"])
        .select(
            pl.lit(0).alias(EVERYBODY),
            "indication",
            "study_id",
            "arm",
            patient_id="USUBJID",
            clinic_id="CLINICID",
            modality="MODALITY",
            session_id="SESSIONID",
            started_at="EXSTDTM",
            day="ASTDT",
            is_delivered=pl.col("EXSTAT") == DELIVERED,
            is_asked=(pl.col("ASKEDFL") == "Y").fill_null(False),
        )
    )
    return in_stretch(begun, at_risk)


def event_records(adsl: pl.DataFrame, adae: pl.DataFrame) -> pl.DataFrame:
    """A row a record of mart.adae with its dimensions, `event_number`, `event_at` and `category`,
    the term.
    """
    people = dimensions_of(adsl).select("STUDYID", "USUBJID", "indication", "study_id", "arm")
    records = (
        with_event_number(adae)
        .join(people, on=["STUDYID", "USUBJID"])
        .with_columns(pl.lit(0).alias(EVERYBODY))
    )
    return records.rename(
        {
            "USUBJID": "patient_id",
            "CLINICID": "clinic_id",
            "MODALITY": "modality",
            "AEDECOD": "category",
        }
    )


def lasting(records: pl.DataFrame, *, clean_window_days: int) -> pl.DataFrame:
    """When a patient has an event of a term, or is in its clean window: `patient_id`, `category`,
    `from_at`, `to_at`.
    """
    until = lasts_until(
        onset="ASTDTM", end="AENDTM", outcome="AEOUT", clean_window_days=clean_window_days
    )
    spans = records.select("patient_id", "category", from_at="ASTDTM", to_at=until)
    return joined(spans.filter(pl.col("to_at") > pl.col("from_at")))


def places(
    begun: pl.DataFrame,
    records: pl.DataFrame,
    at_risk: pl.DataFrame,
    *,
    removed: pl.DataFrame,
    options: Options,
    cut: Cut,
    over: Iterable[Combination],
) -> dict[tuple[str, ...], Place]:
    """The place of each set of the columns OF_SESSION that the combinations have. `removed`: as
    `lasting` gives it, or no row.
    """
    cut_at = person_time_cut(options=options, cut=cut)
    return {
        by: _place(
            begun,
            records,
            at_risk,
            removed,
            by=by,
            cut_at=cut_at,
            window_days=options.risk_window_days,
        )
        for by in {of_session(combination) for combination in over}
    }


def of_session(combination: Combination) -> tuple[str, ...]:
    """The columns of a combination that a session has."""
    return tuple(c for c in columns_of(combination) if c in OF_SESSION)


def _place(
    begun: pl.DataFrame,
    records: pl.DataFrame,
    at_risk: pl.DataFrame,
    removed: pl.DataFrame,
    *,
    by: tuple[str, ...],
    cut_at: datetime,
    window_days: int,
) -> Place:
    spans = {
        suffix: intervals(begun, at_risk, by=by, until=until, window_days=window_days)
        for suffix, until in ENDS.items()
    }
    of = ["patient_id", *(c for c in ("study_id",) if c in by)]
    people = begun.select(*of, "indication", "arm", EVERYBODY).unique(of)
    windows = intersection(
        spans[""], session_windows(begun, by=by, hours=SESSION_WINDOW_H), on=["patient_id", *by]
    )
    without = {
        suffix: intersection(part, removed, on=["patient_id"]) for suffix, part in spans.items()
    }
    return Place(
        time={suffix: part.join(people, on=of) for suffix, part in spans.items()},
        removed={suffix: part.join(people, on=of) for suffix, part in without.items()},
        covered=windows.join(people, on=of),
        records=_judged(records, spans, by=by, cut_at=cut_at),
    )


def _judged(
    records: pl.DataFrame, spans: dict[str, pl.DataFrame], *, by: tuple[str, ...], cut_at: datetime
) -> pl.DataFrame:
    """The records with whether each counts there, observed and to the planned end, and whether it
    is outside.

    An event after the cut of person-time is neither: it waits. One of unknown onset that ended
    before the first session (it is not treatment-emergent, though the setting takes unknown ones
    for it) is told by `is_unknown` alone.
    """
    on = ["patient_id", *by]
    keyed = records.with_row_index("_record")
    is_unknown = pl.col("event_at").is_null()
    counts = {}
    for suffix, part in spans.items():
        pairs = keyed.select("_record", *on, "event_at").join(part, on=on)
        there = pairs["_record"].unique()
        inside = pairs.filter(holds("event_at"))["_record"].unique()
        by_patient = (
            is_unknown & (pl.col("TRTEMFL") == "Y") & pl.col("_record").is_in(there.implode())
        )
        counts[f"counts{suffix}"] = pl.col("_record").is_in(
            inside.implode()
        ) | by_patient.fill_null(False)
        if not suffix:
            counts["is_unknown"] = is_unknown & pl.col("_record").is_in(there.implode())
    judged = keyed.with_columns(**counts).drop("_record")
    is_past = (pl.col("event_at") <= pl.lit(cut_at)).fill_null(False)
    is_aside = pl.col("ASIDEFL").eq_missing("Y")
    return judged.with_columns(
        is_outside=is_past & ~pl.col("counts") & ~is_aside, is_set_aside=is_aside
    )
