"""Tables of `mart` about what happens to devices, staff and visitors: device_events, device_event_rates.

Here: their columns. Not here: which kinds there are (transforms/facts/device_events.py).
"""

from ...facts.device_events import COUNTED as IN_RATES
from ...facts.device_events import DEVICE_EVENTS, NOT_COUNTED
from ..base import COUNT, Column
from .columns import COUNTED, KEY, MEASURED, SL, STAMP, B, D, F, I, S, T, interval, mart_table

_KIND = Column(
    "kind",
    S,
    "; ".join(f"{event.id}: {event.rule}" for event in DEVICE_EVENTS.values()),
    required=True,
    closed=tuple(DEVICE_EVENTS),
    outside=KEY,
)

_GRAVE = "; ".join(
    f"of a {event.id} that it {event.grave}" for event in DEVICE_EVENTS.values() if event.grave
)

DEVICE_EVENTS_TABLE = mart_table(
    "device_events",
    "One row a device deficiency, incident with anybody but a patient, or session that the device's interlock stopped. One happening may have a row of each kind: kinds are not to be added.",
    [
        _KIND,
        Column(
            "record_id",
            S,
            "the record's id: of the deficiency, the incident or the session",
            required=True,
        ),
        Column(
            "clinic_id",
            S,
            "clinic where it happened: the record's own, its session's or the device's",
            required=True,
        ),
        Column("device_id", S, "device; null = none is named"),
        Column(
            "modality",
            S,
            "modality of the device, (none) without a device that treats, (unknown) of one that no record describes",
            required=True,
        ),
        Column("session_id", S, "session in which it happened, where one is named"),
        Column("occurred_at", T, "when it happened; null = what was sent can't be true"),
        Column("aware_at", T, "when the clinic became aware of an incident"),
        Column("what", S, "what happened, as it was reported"),
        Column("person", S, "whom an incident harmed", closed=("staff", "visitor", "other")),
        Column("is_grave", B, f"grave: {_GRAVE}; null = not recorded"),
        Column(
            "counted_as",
            S,
            f"{IN_RATES}: in the rates; "
            + "; ".join(f"{id}: not in them, for {text}" for id, text in NOT_COUNTED.items()),
            required=True,
            closed=(IN_RATES, *NOT_COUNTED),
        ),
        Column("event_id", S, "event in raw that it comes from", required=True),
    ],
    ("kind", "record_id"),
)

# What the rates of device events are by: a device is one of a clinic
DEVICE_DIMENSIONS = ("clinic_id", "modality", "device_id")

DEVICE_EVENT_RATES = mart_table(
    "device_event_rates",
    "One row a stratum (everybody, each clinic and modality, both, the devices of each clinic) and kind of event: how often devices fail and people who are no patients come to harm. Intervals are exact. Never a ranking.",
    [
        *STAMP,
        Column("clinic_id", S, "clinic where it happened; null where not a dimension", outside=KEY),
        Column(
            "modality",
            S,
            "modality of device or session, (none) without one that treats; null where not a dimension",
            outside=KEY,
        ),
        Column("device_id", S, "device; null where not a dimension", outside=KEY),
        Column(
            "strata",
            SL,
            "the dimensions in force, of clinic_id, modality and device_id",
            required=True,
            outside=KEY,
        ),
        _KIND,
        Column(
            "period_start", D, "clinic-local day of the first session that began", outside=MEASURED
        ),
        Column(
            "period_end", D, "clinic-local day of the last session that began", outside=MEASURED
        ),
        Column(
            "events",
            I,
            "events from the clinic's first session to the data cut",
            unit=COUNT,
            outside=COUNTED,
            required=True,
        ),
        Column(
            "grave",
            I,
            f"of them grave: {_GRAVE}; null where a kind has no such field",
            unit=COUNT,
            outside=COUNTED,
        ),
        Column(
            "grave_unknown",
            I,
            "of them those of which that is not recorded",
            unit=COUNT,
            outside=COUNTED,
        ),
        Column(
            "unknown_moment",
            I,
            "of them those whose moment is not known",
            unit=COUNT,
            outside=COUNTED,
            required=True,
        ),
        Column(
            "events_outside",
            I,
            "events before the clinic's first session on record, or without any: in no other figure of the row",
            unit=COUNT,
            outside=COUNTED,
            required=True,
        ),
        Column("sessions", I, "sessions delivered", unit=COUNT, outside=COUNTED, required=True),
        Column(
            "device_hours",
            F,
            "exposure of the sessions that began, those without a duration left out",
            "h",
            outside=MEASURED,
        ),
        Column(
            "sessions_without_duration",
            I,
            "sessions that began without a duration on record: while there are any, no rate per device-hour is given",
            unit=COUNT,
            outside=COUNTED,
            required=True,
        ),
        *interval("events_per_100_sessions", "events per 100 sessions delivered (Garwood)"),
        *interval("events_per_1000_device_hours", "events per 1,000 hours of exposure (Garwood)"),
        Column(
            "implausible_records",
            I,
            "deficiencies, incidents and sessions of the clinic (where clinic is no dimension: of the lake) of which a value that can't be true does not count",
            unit=COUNT,
            outside=COUNTED,
            required=True,
        ),
        Column(
            "unread_records",
            I,
            "records of deficiencies, incidents and sessions of the lake that could not be read",
            unit=COUNT,
            outside=COUNTED,
            required=True,
        ),
        Column("reason", S, "why a rate can't be given", outside=MEASURED),
    ],
    ("clinic_id", "modality", "device_id", "strata", "kind"),
)
