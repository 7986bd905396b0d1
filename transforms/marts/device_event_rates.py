"""mart.device_event_rates: how often devices fail and people who are no patients come to harm, over
sessions and hours.

Here: counts, denominators and exact intervals by clinic, modality and device. Not here: single
records and which of them count (device_events.py), adverse events of patients
(adverse_event_rates.py).

Numerator and denominators are of one place and time: the clinic where it happened, from its first
session that began to the hour of the data cut. A session is on the device that it names, whose
modality its own record says.
"""

from collections.abc import Sequence

import polars as pl

from .. import disclosure
from ..facts.device_events import COUNTED, DEVICE_EVENTS, FAULT
from ..options import Cut, Options
from ..records.unread import unread_records
from ..rules import local_time
from ..rules.exposure import placed_sessions
from ..rules.time_at_risk import person_time_cut
from ..schemas import MART_TABLES
from ..schemas.mart import DEVICE_DIMENSIONS
from ..statistics import rate_columns
from ..touching import Touches
from .stamp import stamped

TABLE = MART_TABLES["device_event_rates"]
INPUTS = (
    "mart.device_events",
    "core.sessions",
    "core.clinics",
    "core.patients",
    "core.patient_status",
    "core.implausible",
    "raw.rejects",
)
METRIC = "device_event_rates"
# Rate -> its denominator, and so many of which
RATES = {
    "events_per_100_sessions": ("sessions", 100),
    "events_per_1000_device_hours": ("device_hours", 1000),
}
# The whole, each clinic and modality, both together, and the devices of a clinic
COMBINATIONS = (
    (),
    ("clinic_id",),
    ("modality",),
    ("clinic_id", "modality"),
    ("clinic_id", "device_id"),
)
_OF_TOPICS = ("deficiencies", "incidents", "sessions")
_TOPICS = frozenset(f"floe.{name}.v1" for name in _OF_TOPICS)
TOUCHED_BY = {"raw.rejects": (Touches(part=("kafka_topic", _TOPICS)),)}
_MS_PER_H = 3_600_000
_GRAVITY = ("grave", "grave_unknown")
_COUNTS = ("events", *_GRAVITY, "unknown_moment", "events_outside")


def compute(
    *,
    device_events: pl.DataFrame,
    sessions: pl.DataFrame,
    clinics: pl.DataFrame,
    patients: pl.DataFrame,
    patient_status: pl.DataFrame,
    implausible: pl.DataFrame,
    rejects: pl.DataFrame,
    options: Options,
    cut: Cut,
) -> pl.DataFrame:
    """A row a stratum with sessions or events and kind of event, those without events too.

    Columns of MART_TABLES["device_event_rates"].
    """
    whose = local_time.clocks(patients=patients, clinics=clinics, patient_status=patient_status)
    # a session whose start can't be true counts, as it does in the rates of adverse events
    is_in_time = pl.col("started_at").is_null() | (
        pl.col("started_at") <= pl.lit(person_time_cut(options=options, cut=cut))
    )
    begun = placed_sessions(sessions, whose).filter("is_begun", is_in_time)
    rows = pl.concat([_stratum(begun, device_events, combination) for combination in COMBINATIONS])
    rows = with_rates(_with_reason(rows)).with_columns(
        metric_id=pl.lit(METRIC), unread_records=pl.lit(_unread(rejects), pl.Int64)
    )
    rows = _with_implausible(rows, implausible)
    rows = rows.with_columns(cells(options).suppressed(rows))
    return TABLE.conform(stamped(rows, cut=cut)).sort(TABLE.key, nulls_last=False)


def cells(options: Options) -> disclosure.Cells:
    """Events, grave ones and the others; the rows of single devices are the clinics' own: nobody
    outside sees one.
    """
    others = pl.col("events") - pl.col("grave") - pl.col("grave_unknown")
    counts = ["sessions", "events", *_GRAVITY, others, "unknown_moment", "events_outside"]
    return disclosure.Cells(
        counts=counts,
        dimensions=DEVICE_DIMENSIONS,
        by=["kind"],
        min_cell=options.min_cell,
        widened=lambda rows: rows["is_suppressed"] | rows["device_id"].is_not_null(),
    )


def with_rates(frame: pl.DataFrame) -> pl.DataFrame:
    """The frame with the rates and their exact limits; of device-hours none while
    `sessions_without_duration`.
    """
    is_whole = pl.col("sessions_without_duration") == 0
    frame = frame.with_columns(_hours=pl.when(is_whole).then("device_hours"))
    for name, (exposure, per) in RATES.items():
        exposure = "_hours" if exposure == "device_hours" else exposure
        frame = rate_columns.poisson_rate_columns(
            frame, events="events", exposure=exposure, per=per, name=name
        )
    return frame.drop("_hours")


# --- one stratum --------------------------------------------------------------------------------


def _stratum(begun: pl.DataFrame, events: pl.DataFrame, combination: Sequence[str]) -> pl.DataFrame:
    """A row a value of the dimensions and kind; a session or event without a value of one (a
    device) is in none.
    """
    is_there = pl.all_horizontal(pl.lit(True), *(pl.col(c).is_not_null() for c in combination))
    in_force = [
        pl.col(c) if c in combination else pl.lit(None, pl.String).alias(c)
        for c in DEVICE_DIMENSIONS
    ]
    begun, events = (frame.filter(is_there).with_columns(in_force) for frame in (begun, events))
    by = list(DEVICE_DIMENSIONS)
    kinds = pl.DataFrame({"kind": list(DEVICE_EVENTS)})
    places = pl.concat(
        [begun.select(by), events.select(by), *([_everybody()] if not combination else [])]
    ).unique()
    rows = places.join(kinds, how="cross")
    rows = rows.join(begun.group_by(by).agg(**_exposure()), on=by, how="left", nulls_equal=True)
    rows = rows.join(
        events.group_by(*by, "kind").agg(**_events()),
        on=[*by, "kind"],
        how="left",
        nulls_equal=True,
    )
    exposures = ("sessions", "device_hours", "sessions_without_duration")
    rows = rows.with_columns(pl.col(*exposures, *_COUNTS).fill_null(0))
    strata = pl.lit(pl.Series([list(combination)], dtype=pl.List(pl.String))).first()
    return rows.with_columns(
        *(pl.when(pl.col("kind") != FAULT).then(c).alias(c) for c in _GRAVITY), strata=strata
    )


def _everybody() -> pl.DataFrame:
    """The stratum of everybody is there without any session, too."""
    return pl.DataFrame(
        {c: [None] for c in DEVICE_DIMENSIONS}, schema=dict.fromkeys(DEVICE_DIMENSIONS, pl.String)
    )


def _exposure() -> dict[str, pl.Expr]:
    """Whole milliseconds are added, so that the sum knows no order of the rows."""
    milliseconds = (pl.col("duration_s") * 1000).round().cast(pl.Int64)
    return {
        "sessions": pl.col("is_delivered").sum().cast(pl.Int64),
        "device_hours": milliseconds.sum() / _MS_PER_H,
        "sessions_without_duration": pl.col("duration_s").null_count().cast(pl.Int64),
        "period_start": pl.col("day").min(),
        "period_end": pl.col("day").max(),
    }


def _events() -> dict[str, pl.Expr]:
    counts = pl.col("counted_as") == COUNTED
    is_outside = pl.col("counted_as").is_in(["before_sessions", "no_sessions"])
    flags = {
        "events": counts,
        "grave": counts & pl.col("is_grave").fill_null(False),
        "grave_unknown": counts & pl.col("is_grave").is_null(),
        "unknown_moment": counts & pl.col("occurred_at").is_null(),
        "events_outside": is_outside,
    }
    return {name: flag.sum().cast(pl.Int64) for name, flag in flags.items()}


# --- what is in doubt ---------------------------------------------------------------------------


def _with_reason(rows: pl.DataFrame) -> pl.DataFrame:
    lacking = pl.col("sessions_without_duration")
    reason = (
        pl.when(pl.col("sessions") == 0)
        .then(pl.lit("no session was delivered: there is no rate per session"))
        .when(lacking > 0)
        .then(
            pl.format(
                "device-hours are not known: no duration is on record of {} of the sessions that began",
                lacking,
            )
        )
    )
    return rows.with_columns(reason=reason)


def _unread(rejects: pl.DataFrame) -> int:
    """Records of the topics that these figures are made of that could not be read, and were not
    replayed.
    """
    return unread_records(rejects.filter(pl.col("kafka_topic").is_in(_TOPICS)))


def _with_implausible(rows: pl.DataFrame, implausible: pl.DataFrame) -> pl.DataFrame:
    """`implausible_records`: of the clinic, where it is a dimension, else of the lake."""
    listed = implausible.filter(pl.col("table").is_in(_OF_TOPICS))
    listed = listed.select("table", "record_id", "source", "clinic_id").unique()
    here = listed.drop_nulls("clinic_id").group_by("clinic_id").agg(_here=pl.len().cast(pl.Int64))
    rows = rows.join(here, on="clinic_id", how="left")
    of_lake = pl.lit(listed.height, pl.Int64)
    count = (
        pl.when(pl.col("clinic_id").is_null()).then(of_lake).otherwise(pl.col("_here").fill_null(0))
    )
    return rows.with_columns(implausible_records=count).drop("_here")
