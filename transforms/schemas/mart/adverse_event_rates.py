"""Tables of `mart` about rates of adverse events: adverse_event_rates, adverse_event_groups.

Here: their columns. Not here: comparisons of rates (comparisons.py).
"""

from ...facts.restrictions import (
    GRADE_COLUMN,
    GROUP_RESTRICTIONS,
    RESTRICTIONS,
    flag_columns,
    key_columns,
)
from ..base import COUNT, Column
from .columns import (
    CLUSTERED_REASON,
    COUNTED,
    KEY,
    MEASURED,
    STAMP,
    STRATA,
    WITHHELD,
    D,
    F,
    I,
    S,
    interval,
    mart_table,
    restriction_columns,
)

_RATE_COMMENTS = {
    "incidence_proportion": "patients with an event / patients treated (Clopper-Pearson)",
    "events_per_100_sessions": "events per 100 sessions (Garwood)",
    "eair_per_100_patient_years": "patients with an event per 100 patient-years to the first one (Garwood)",
    "events_per_100_patient_years": "events per 100 patient-years (Garwood)",
}

_RATES = [c for name, comment in _RATE_COMMENTS.items() for c in interval(name, comment)]

_OF_CELL = [
    Column("period_start", D, "clinic-local day of the first session that began", outside=MEASURED),
    Column("period_end", D, "UTC day on which the time at risk ends", outside=MEASURED),
    Column(
        "patients",
        I,
        "patients treated: with a session that began (delivered or aborted)",
        unit=COUNT,
        required=True,
        outside=COUNTED,
    ),
    Column(
        "patients_with_event",
        I,
        "of them with an event in their time at risk",
        unit=COUNT,
        required=True,
        outside=COUNTED,
    ),
    Column(
        "events",
        I,
        "events in time at risk, one for all records of a term while it lasts and in its clean window",
        unit=COUNT,
        outside=COUNTED,
    ),
    Column("sessions", I, "sessions delivered", unit=COUNT, required=True, outside=COUNTED),
    Column(
        "sessions_asked",
        I,
        "of them those known to have asked the patient about side effects; of the others some say that nobody asked, some say nothing",
        unit=COUNT,
        outside=COUNTED,
    ),
    Column(
        "patient_years",
        F,
        "time at risk; of a single term without the time in which it lasts and its clean window",
        "years",
        outside=MEASURED,
    ),
    Column("patient_years_at_risk", F, "the same to the first event", "years", outside=MEASURED),
]


ADVERSE_EVENT_RATES = mart_table(
    "adverse_event_rates",
    "One row a stratum, term and restriction. Intervals are exact.",
    [
        *STAMP,
        *STRATA,
        Column("term", S, "coded term; null = any", outside=KEY),
        *restriction_columns(RESTRICTIONS),
        Column(GRADE_COLUMN, I, "only events of at least this grade; null = any", outside=KEY),
        *_OF_CELL,
        Column(
            "set_aside",
            I,
            "events set aside, for they lie after the patient's death: in no other figure of the row",
            unit=COUNT,
            required=True,
            outside=COUNTED,
        ),
        Column(
            "implausible_records",
            I,
            "safety records of the clinic (where clinic is no dimension: of the lake) of which a value that can't be true does not count",
            unit=COUNT,
            required=True,
            outside=COUNTED,
        ),
        Column(
            "likely_double_sessions",
            I,
            "sessions of the clinic (where clinic is no dimension: of the lake) that are likely another record of an earlier one; they are counted",
            unit=COUNT,
            required=True,
            outside=COUNTED,
        ),
        Column(
            "events_outside",
            I,
            "events known to have begun outside the time at risk: in no other figure of the row",
            unit=COUNT,
            required=True,
            outside=COUNTED,
        ),
        Column(
            "unknown_onset",
            I,
            "events of unknown onset of patients with time at risk; in `events` where the site takes them for treatment-emergent",
            unit=COUNT,
            required=True,
            outside=COUNTED,
        ),
        *_RATES,
        Column(
            "patients_with_event_planned",
            I,
            "patients with an event to the planned end",
            unit=COUNT,
            required=True,
            outside=COUNTED,
        ),
        Column(
            "events_planned",
            I,
            "events to the planned end of the time at risk, as if nobody were lost",
            unit=COUNT,
            required=True,
            outside=COUNTED,
        ),
        Column(
            "patient_years_planned", F, "time at risk to its planned end", "years", outside=MEASURED
        ),
        Column(
            "patient_years_at_risk_planned",
            F,
            "the same to the first event",
            "years",
            outside=MEASURED,
        ),
        *[
            c
            for name, comment in _RATE_COMMENTS.items()
            for c in interval(
                f"{name}_planned", f"to the planned end, as if nobody were lost: {comment}"
            )
        ],
        Column(
            "overdispersion",
            F,
            "Pearson chi-squared / (patients - 1) of events over sessions; null where not computable",
            outside=MEASURED,
        ),
        *[
            Column(
                f"{r}_od_{side}",
                F,
                f"{r}: {side} limit widened by over-dispersion, never narrower than the exact one",
                outside=MEASURED,
            )
            for r in ("events_per_100_sessions", "events_per_100_patient_years")
            for side in ("lower", "upper")
        ],
        *[
            Column(
                f"{r}_clustered_{side}",
                F,
                f"{r}: {side} 95 % limit for clinics like these: that clinics differ is part of it; null says why in clustered_reason",
                outside=MEASURED,
            )
            for r in (
                "incidence_proportion",
                "events_per_100_sessions",
                "eair_per_100_patient_years",
                "events_per_100_patient_years",
            )
            for side in ("lower", "upper")
        ],
        CLUSTERED_REASON,
        *[
            Column(
                name,
                F,
                f"sum over the stratum's patients of {text}, for intervals with patients as clusters",
                unit,
                outside=WITHHELD,
            )
            for name, text, unit in (
                ("events_squared", "their events squared", None),
                ("sessions_squared", "their sessions squared", None),
                ("patient_years_squared", "their time at risk squared", "years2"),
                ("events_sessions", "events times sessions", None),
                ("events_patient_years", "events times time at risk", "years"),
            )
        ],
        Column(
            "session_window_time_share",
            F,
            "share of the time at risk that the 72-hour windows cover",
            outside=MEASURED,
        ),
        Column(
            "unread_records",
            I,
            "safety records of the lake that could not be read",
            unit=COUNT,
            required=True,
            outside=COUNTED,
        ),
        Column("reason", S, "why a rate can't be given", outside=MEASURED),
    ],
    (
        "clinic_id",
        "modality",
        "indication",
        "study_id",
        "arm",
        "strata",
        "term",
        *key_columns(),
    ),
)

ADVERSE_EVENT_GROUPS = mart_table(
    "adverse_event_groups",
    "One row a stratum, grouping, category and restriction: adverse events by body system, patients by their worst grade, and events of groups of terms. Intervals are exact.",
    [
        *STAMP,
        *STRATA,
        Column(
            "grouping",
            S,
            "what the categories are: body systems; grades, of which a patient is in the worst alone; groups of terms that are looked at together",
            required=True,
            closed=("body_system", "worst_grade", "term_group"),
            outside=KEY,
        ),
        Column(
            "category",
            S,
            "body system, grade or group of terms; (unknown) where none is given",
            required=True,
            outside=KEY,
        ),
        *restriction_columns(GROUP_RESTRICTIONS),
        *_OF_CELL,
        *_RATES,
        Column("reason", S, "why a rate can't be given", outside=MEASURED),
    ],
    (
        "clinic_id",
        "modality",
        "indication",
        "study_id",
        "arm",
        "strata",
        "grouping",
        "category",
        *flag_columns(GROUP_RESTRICTIONS),
    ),
)
