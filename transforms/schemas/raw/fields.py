"""What a topic is, and the fields that several have.

Here: the record type, closed lists, ids, moments, corrections. Not here: any topic.
"""

from dataclasses import dataclass

import polars as pl

from ..base import TIMESTAMP, Column

S, I, F, B, D, T = pl.String, pl.Int64, pl.Float64, pl.Boolean, pl.Date, TIMESTAMP

SL, FL = pl.List(pl.String), pl.List(pl.Float64)

MODALITIES = ("whole_body", "partial_body", "local")

INDICATIONS = (
    "chronic_low_back_pain",
    "chronic_neck_pain",
    "radicular_pain",
    "spondyloarthritis",
    "post_surgical_back_pain",
    "migraine",
    "other",
)

SAFETY_TOPICS = (
    "adverse_events",
    "deficiencies",
    "incidents",
    "consults",
    "screenings",
    "sessions",
)


@dataclass(frozen=True)
class Topic:
    """A topic and its event type: `name` is the middle part (`sessions`), `record_id` the id column
    of `data`.
    """

    name: str
    comment: str
    record_id: str
    fields: tuple[Column, ...]
    is_series: bool = False

    @property
    def type(self) -> str:
        return f"floe.{self.name}.v1"

    @property
    def is_safety(self) -> bool:
        return self.name in SAFETY_TOPICS


def field(name, dtype, comment, unit=None, *, lo=None, hi=None, closed=None, sent_as=None):
    """A field; a name ending in `!` is required, as in the contract's table."""
    required = name.endswith("!")
    return Column(name.rstrip("!"), dtype, comment, unit, required, closed, lo, hi, sent_as)


def temperature(name, comment):
    return field(name, F, comment, "°C", lo=-273.15, hi=100)


CLINIC = field("clinic_id", S, "clinic where it happened")

CLINIC_REQUIRED = field("clinic_id!", S, "clinic where it happened")

PATIENT = field("patient_id!", S, "patient (a pseudonym)")

DEVICE = field("device_id", S, "device")

SESSION = field("session_id", S, "session it belongs to")

MODALITY = field("modality!", S, "kind of cryotherapy", closed=MODALITIES)

STARTED = field("started_at!", T, "start")

INTERVAL = field(
    "interval_s!",
    F,
    "time between two samples; sample k is at started_at + k * interval_s",
    "s",
    lo=0,
)

VALUES = field("values!", FL, "samples; null where not measured")

ALLOCATION = field(
    "allocation",
    S,
    "how the arm came about",
    closed=("randomised", "concurrent", "historical", "waitlist"),
)

CORRECTION = (
    field(
        "revision",
        I,
        "revision of the record; of those of one source the highest counts; null = unversioned",
        lo=0,
    ),
    field("record_status", S, "active, or entered in error", closed=("active", "entered_in_error")),
    field("recorded_at", T, "when it was written down; ordered as of landing where not given"),
    field("recorded_by_role", S, "role of who wrote it down"),
)
