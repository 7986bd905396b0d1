"""Columns and dimensions that several tables of `mart` have.

Here: types, keys, strata, intervals, and what a stamp of a run is. Not here: any table.
"""

from collections.abc import Iterable

import polars as pl

from ...facts.restrictions import RESTRICTIONS
from ...facts.strata import COLUMNS_OF
from ..base import TIMESTAMP, Column, Outside, Table

S, I, F, B, D, T = pl.String, pl.Int64, pl.Float64, pl.Boolean, pl.Date, TIMESTAMP

SL = pl.List(pl.String)

KEY, OPEN, COUNTED, MEASURED, WITHHELD = Outside

YN = ("Y", "N")


def mart_table(name: str, comment: str, columns: list[Column], key: tuple[str, ...]) -> Table:
    return Table("mart", name, comment, tuple(columns), key)


def flag(name: str, comment: str) -> Column:
    return Column(name, S, comment, closed=YN)


STUDYID = Column("STUDYID", S, "study, ROUTINE for routine care", required=True)

STUDY_OF_RECORD = Column(
    "STUDYID",
    S,
    "study in whose enrolment its day lies, else ROUTINE; of a patient without a row of routine care in adsl the next study, else the last",
    required=True,
)

USUBJID = Column("USUBJID", S, "patient (a pseudonym)", required=True)

SITEID = Column("SITEID", S, "enrolling clinic")

CLINICID = Column("CLINICID", S, "clinic where it happened, at which it is counted")

EVENTID = Column("EVENTID", S, "event in raw that it comes from")


NEREASON = Column("NEREASON", S, "why a value, change or flag can't be given")


STAMP = [
    Column("metric_id", S, "metric of mart.metric_definitions", required=True, outside=KEY),
    Column("metric_version", S, "its version", required=True, outside=KEY),
    Column(
        "lake_snapshot",
        I,
        "snapshot of the lake that it was computed from when it last changed",
        required=True,
        outside=WITHHELD,
        is_stamp=True,
    ),
    Column(
        "data_cutoff",
        T,
        "data cut of the run in which it last changed (app.cursors: the cut that the table stands on)",
        required=True,
        outside=KEY,
        is_stamp=True,
    ),
    Column(
        "is_suppressed",
        B,
        "a reader from outside the clinic must not see the counts",
        required=True,
        outside=KEY,
    ),
]

# as disclosure.Cells takes them
CELL_DIMENSIONS = tuple(
    columns[0] if len(columns) == 1 else columns for columns in COLUMNS_OF.values()
)

STRATA = [
    Column("clinic_id", S, "clinic; null where not a dimension of the stratum", outside=KEY),
    Column(
        "modality",
        S,
        "modality, (none) for patients without a session; null where not a dimension",
        outside=KEY,
    ),
    Column("indication", S, "indication; null where not a dimension", outside=KEY),
    Column(
        "study_id",
        S,
        "study, ROUTINE for routine care; null where study_arm is not a dimension",
        outside=KEY,
    ),
    Column(
        "arm",
        S,
        "arm of that study, (none) for patients without one, (masked) while the study's arms are masked; null where study_arm is not a dimension",
        outside=KEY,
    ),
    Column(
        "strata",
        SL,
        "the dimensions in force, of clinic_id, modality, indication and study_arm (study_id and arm together): none, one or two; finer strata are computed when asked for (floe outcomes, the pages)",
        required=True,
        outside=KEY,
    ),
]


def interval(name: str, comment: str, unit: str | None = None) -> list[Column]:
    return [
        Column(name, F, comment, unit, outside=MEASURED),
        Column(f"{name}_lower", F, f"{comment}: lower 95 % limit", unit, outside=MEASURED),
        Column(f"{name}_upper", F, f"{comment}: upper 95 % limit", unit, outside=MEASURED),
    ]


CLUSTERED_REASON = Column(
    "clustered_reason",
    S,
    "why there are no limits for clinics like these: one clinic, fewer than five, or nothing that says how much clinics differ",
    outside=MEASURED,
)

CLUSTERED_INTERVAL = (
    Column(
        "ci_clustered_lower",
        F,
        "lower 95 % limit for clinics like these: that clinics differ is part of it (means: CR2 with Satterthwaite's degrees of freedom; shares and rates: the wider of exact limits on the effective number and a likelihood with the clinics' spread)",
        outside=MEASURED,
    ),
    Column("ci_clustered_upper", F, "upper 95 % limit for clinics like these", outside=MEASURED),
    CLUSTERED_REASON,
)

VERIFICATION = ("verified", "unverified", "proposal")


def restriction_columns(names: Iterable[str] = tuple(RESTRICTIONS)) -> list[Column]:
    """The columns `is_…_only` of these restrictions of adverse events."""
    chosen = [RESTRICTIONS[name] for name in names]
    return [
        Column(r.column, B, f"only {r.id.replace('_', '-')} events", required=True, outside=KEY)
        for r in chosen
        if r.flag
    ]
