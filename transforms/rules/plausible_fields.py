"""Of each moment and day of every record, what it is a moment of: which decides what of it can't be
true.

Here: the fields (`FIELDS`, `COMMON`), those that no rule judges and why (`EXEMPT`), what an end must
not lie before (`ORDER`). Not here: the rules that follow (plausibility_rules.py), their running
(plausibility.py).
"""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Kind:
    """What a moment or day is of. `ahead`: it may lie in the future, as far as plans reach;
    `is_history`: it may lie long before devices and records; `is_lived`: the patient was alive and
    is set aside with the record where not; `is_enrolled`: not years before the enrolment;
    `is_born`: not before the birth.
    """

    ahead: bool = False
    is_history: bool = False
    is_lived: bool = False
    is_enrolled: bool = False
    is_born: bool = False


HAPPENED = Kind(
    is_lived=True, is_enrolled=True, is_born=True
)  # in the clinic, or with its device, to a patient
HISTORY = Kind(
    is_history=True, is_lived=True, is_born=True
)  # what patients bring with them: events, surgery, drugs
ENDED = Kind(is_history=True, is_born=True)  # its end, which may be noted when a case is closed
ENROLLED = Kind(is_lived=True, is_born=True)
PLANNED = Kind(ahead=True, is_born=True)  # a plan may outlive the patient
NOTED = Kind()  # paperwork and devices: no patient need be alive for it

FIELDS: dict[tuple[str, str], Kind] = {
    ("devices", "calibrated_on"): NOTED,
    ("devices", "calibration_due_on"): PLANNED,
    ("devices", "retired_on"): PLANNED,
    ("patients", "enrolled_on"): ENROLLED,
    ("patients", "allocated_on"): Kind(is_born=True),
    ("patient_status", "effective_on"): Kind(ahead=True, is_lived=True),
    ("study_enrolments", "from"): PLANNED,
    ("study_enrolments", "to"): PLANNED,
    ("study_enrolments", "allocated_on"): Kind(is_born=True),
    ("consents", "effective_at"): PLANNED,
    ("consults", "occurred_at"): HAPPENED,
    ("consults", "valid_until"): PLANNED,
    ("screenings", "occurred_at"): HAPPENED,
    ("courses", "starts_on"): Kind(ahead=True, is_born=True, is_enrolled=True),
    ("courses", "ends_on"): PLANNED,
    ("sessions", "started_at"): HAPPENED,
    ("walking_bouts", "started_at"): HAPPENED,
    ("performance_tests", "performed_at"): HAPPENED,
    ("responses", "answered_at"): HAPPENED,
    ("adverse_events", "onset_at"): HISTORY,
    ("adverse_events", "resolved_at"): ENDED,
    ("adverse_events", "aware_at"): NOTED,
    ("adverse_events", "reviewed_at"): NOTED,
    ("adverse_events", "reported_at"): NOTED,
    ("deficiencies", "occurred_at"): NOTED,
    ("incidents", "occurred_at"): NOTED,
    ("incidents", "aware_at"): NOTED,
    ("care", "occurred_at"): HISTORY,
    ("care", "ended_at"): Kind(ahead=True, is_history=True, is_born=True),
    ("care", "reported_through"): NOTED,
}
# Of every topic
COMMON: dict[str, Kind] = {"event_time": NOTED, "recorded_at": NOTED}

EXEMPT: dict[tuple[str, str], str] = {
    (
        "protocols",
        "effective_from",
    ): "a version may be in force since ever, or not yet: both only say what it judges",
    ("alerts", "occurred_at"): "Floe writes it, from a moment that is judged where it stands",
    ("alerts", "landed_at"): "Floe writes it, from the ledger of what landed",
    ("alerts", "told_at"): "Floe writes it, by the clock that floe status watches",
    ("alerts", "acknowledged_at"): "Floe writes it, by the clock that floe status watches",
    (
        "alerts",
        "action_due_on",
    ): "what somebody promised of an alert, shown as promised; no figure is made of it",
    ("telemetry", "started_at"): "a series: series/telemetry.py, and `untimely_series` below",
    ("readings", "started_at"): "a series: series/activity.py, and `untimely_series` below",
    ("studies", "masked_until"): "no rule may lift a mask",
    ("retractions", "from"): "takes series back from ever on",
    ("retractions", "to"): "takes series back for good",
}

# Statuses whose day is known only once it has come; others may be planned.
KNOWN_ONLY_AFTERWARDS = ("died", "lost", "pregnant", "merged", "split")
# Statuses that are paperwork: they may follow a death.
PAPERWORK = ("merged", "split")

# (topic, what comes first, what can't lie before it). An adverse event may be known, and known to
# be serious, before the onset that counts: clinics move the onset to that of the worst grade. That
# is odd, and no rule.
ORDER: tuple[tuple[str, str, str], ...] = (
    ("devices", "calibrated_on", "calibration_due_on"),
    ("study_enrolments", "from", "to"),
    ("consults", "occurred_at", "valid_until"),
    ("courses", "starts_on", "ends_on"),
    ("adverse_events", "onset_at", "resolved_at"),
    ("adverse_events", "onset_at", "reported_at"),
    ("adverse_events", "aware_at", "reported_at"),
    ("care", "occurred_at", "ended_at"),
)


def fields_of(topic: str) -> dict[str, Kind]:
    """The judged moments and days of a topic's records, by name."""
    own = {field: kind for (name, field), kind in FIELDS.items() if name == topic}
    if topic == "alerts":
        return own
    return own | COMMON
