"""Tables of `mart` with a row an adverse event, and what follows from one by itself: adae, time_at_risk, report_deadlines.

Here: their columns. Not here: rates (adverse_event_rates.py).
"""

from ...facts.values import REPORT_STATES
from ..base import Column
from .columns import (
    CLINICID,
    EVENTID,
    SITEID,
    STAMP,
    STUDY_OF_RECORD,
    USUBJID,
    D,
    F,
    I,
    S,
    T,
    flag,
    mart_table,
)
from .subject_episodes import PERIOD_UNDER_WAY

ADAE = mart_table(
    "adae",
    "One row an adverse event.",
    [
        STUDY_OF_RECORD,
        USUBJID,
        SITEID,
        CLINICID,
        PERIOD_UNDER_WAY,
        Column("AESEQ", I, "number, by onset", required=True),
        Column("AEID", S, "adverse event", required=True),
        Column("AETERM", S, "as reported"),
        Column("AEDECOD", S, "coded term, else the reported one in lower case"),
        Column("AESOC", S, "body system"),
        Column("AELOC", S, "body site"),
        Column("AETOXGR", I, "CTCAE v5 grade at its worst"),
        Column("AEITOXGR", I, "grade at onset"),
        flag("AESER", "serious"),
        Column("AEREL", S, "causality"),
        flag("AERELFL", "related: possible or higher"),
        flag("AEEXPFL", "expected"),
        Column("AEINJ", S, "kind of injury"),
        Column("AEASCERT", S, "solicited or spontaneous"),
        Column("ASTDT", D, "clinic-local day of onset"),
        Column("ASTDTM", T, "onset"),
        Column(
            "ASTDTF",
            S,
            "part of the onset that is unknown: Y = all of it, and ASTDT is null; null = none. An event has a moment of onset or none, so that nothing is imputed",
            closed=("Y",),
        ),
        Column("AENDT", D, "clinic-local day of resolution"),
        Column("AENDTM", T, "resolution"),
        Column("ADURN", I, "duration, last day - first day + 1", "days"),
        flag(
            "TRTEMFL",
            "treatment-emergent (from the first session that began to the end of the risk window after the last, or worsened in it: metric treatment_emergent); null = not",
        ),
        flag("SESS24FL", "within 24 h after a session's start"),
        flag("SESS72FL", "within 72 h after a session's start"),
        Column("HRSSESS", F, "hours since the last session's start", "h"),
        Column(
            "SESSIONID",
            S,
            "session to which it belongs: the one that it names, if that began, else the patient's last one within 72 h before the onset; without any, the one that it names",
        ),
        flag(
            "NEWFL",
            "counted as an event: not a further record of a term while an earlier one lasts or in its clean window",
        ),
        flag(
            "ATRISKFL",
            "the onset lies in the patient's time at risk (mart.time_at_risk); null where the onset is not known or lies after the data cut of person-time",
        ),
        flag(
            "ASIDEFL",
            "set aside: the onset lies after the patient's death, so that one of the two records is wrong; null = not",
        ),
        flag("AOCCFL", "the patient's first treatment-emergent event"),
        flag("AOCCPFL", "the patient's first treatment-emergent event of the term"),
        flag("AOCCIFL", "the patient's treatment-emergent event of highest grade (first of them)"),
        Column("AEOUT", S, "outcome"),
        Column("AWAREDTM", T, "when the clinic became aware"),
        Column("RPTDTM", T, "when reported"),
        Column(
            "MODALITY",
            S,
            "modality of the session, else of the last one before the onset, else of the patient's first",
        ),
        EVENTID,
    ],
    ("AEID",),
)

TIME_AT_RISK = mart_table(
    "time_at_risk",
    "One row a patient and stretch of time at risk: an episode of sessions and the days after it in which harm counts and could have been told.",
    [
        Column("patient_id", S, "patient (a pseudonym)", required=True),
        Column("episode", I, "number of the episode, from 1", required=True),
        Column(
            "from_at",
            T,
            "start of its first session that began (or of the first after a withdrawal)",
            required=True,
        ),
        Column("to_at", T, "end of the time at risk", required=True),
        Column(
            "planned_to_at",
            T,
            "end if nobody were lost: of the window after the last session, or earlier by death, withdrawal or the data cut",
            required=True,
        ),
        Column(
            "ended_by",
            S,
            "what ends it; lost: no contact since, at the data cut",
            required=True,
            closed=("death", "withdrawal", "lost", "data_cut", "next_episode", "risk_window"),
        ),
    ],
    ("patient_id", "episode", "from_at"),
)

REPORT_DEADLINES = mart_table(
    "report_deadlines",
    "One row a reportable event and rule of the clinic's country: what must be told to whom by when, and whether it was. An event that no rule covers has a row that says so.",
    [
        *STAMP,
        Column(
            "subject_kind",
            S,
            "what is to be reported",
            required=True,
            closed=("adverse_event", "deficiency", "incident"),
        ),
        Column("subject_id", S, "its id", required=True),
        Column("clinic_id", S, "clinic where it happened"),
        Column("country", S, "the clinic's country, ISO 3166; null = not recorded"),
        Column(
            "harm",
            S,
            "what happened or could have happened",
            closed=("death", "serious", "serious_expected", "near_miss"),
        ),
        Column("person", S, "to whom", closed=("patient", "staff", "visitor", "other", "nobody")),
        Column("rule", S, "rule; no_rule = none is known that covers it", required=True),
        Column("duty", S, "the rule in words: what, to whom, by when"),
        Column("rule_source", S, "the rule's source"),
        Column(
            "rule_verification",
            S,
            "verified: the provision was read; unverified: known, its words not read",
            closed=("verified", "unverified"),
        ),
        Column(
            "clock_start",
            D,
            "day the clinic became aware, by its clock; null = not recorded, or the rule has another clock",
        ),
        Column("due_on", D, "due; null = no date is given, see state and reason"),
        Column(
            "state",
            S,
            "state: open and overdue (a report that is due), due_now (without delay, so that there is no date), reported, reported_late, voluntary (nobody must), no_date (a date or a duty depends on what is not recorded), no_rule (none known)",
            closed=REPORT_STATES,
        ),
        Column(
            "days_left", I, "days from the data cut to the due date; negative = overdue", "days"
        ),
        Column("reason", S, "why no date can be given, or what is in doubt"),
    ],
    ("subject_kind", "subject_id", "rule"),
)
