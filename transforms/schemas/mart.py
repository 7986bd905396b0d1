"""The tables of `mart`: what people read. CDISC-like marts in upper case, summaries in lower case.

Here: their columns. Not here: how they are computed, and what a metric means
(transforms/facts/catalogue.py).
"""

from collections.abc import Iterable

import polars as pl

from ..facts.device_events import COUNTED as IN_RATES
from ..facts.device_events import DEVICE_EVENTS, NOT_COUNTED
from ..facts.restrictions import (
    GRADE_COLUMN,
    GROUP_RESTRICTIONS,
    RESTRICTIONS,
    flag_columns,
    key_columns,
)
from .base import COUNT, TIMESTAMP, Column, Json, Outside, Table

S, I, F, B, D, T = pl.String, pl.Int64, pl.Float64, pl.Boolean, pl.Date, TIMESTAMP
SL = pl.List(pl.String)
KEY, OPEN, COUNTED, MEASURED, WITHHELD = Outside
YN = ("Y", "N")


def _table(name: str, comment: str, columns: list[Column], key: tuple[str, ...]) -> Table:
    return Table("mart", name, comment, tuple(columns), key)


def _flag(name: str, comment: str) -> Column:
    return Column(name, S, comment, closed=YN)


STUDYID = Column("STUDYID", S, "study, ROUTINE for routine care", required=True)
_STUDY_OF_RECORD = Column(
    "STUDYID",
    S,
    "study in whose enrolment its day lies, else ROUTINE; of a patient without a row of routine care in adsl the next study, else the last",
    required=True,
)
USUBJID = Column("USUBJID", S, "patient (a pseudonym)", required=True)
SITEID = Column("SITEID", S, "enrolling clinic")
CLINICID = Column("CLINICID", S, "clinic where it happened, at which it is counted")
EVENTID = Column("EVENTID", S, "event in raw that it comes from")

# --- CDISC-like ----------------------------------------------------------------------------------

ADSL = _table(
    "adsl",
    "One row a patient and study, routine care being one: a patient is in routine care without a study, or where a session that began lies outside all enrolments. Sessions are those of the study.",
    [
        STUDYID,
        USUBJID,
        Column("SUBJID", S, "the patient's number in the study, else the pseudonym", required=True),
        SITEID,
        Column(
            "ARM",
            S,
            "arm; null where the patient is in no comparison, or the study's arms are masked",
        ),
        Column(
            "TRT01A",
            S,
            "treatment as given: the modality of the first delivered session, else NOT TREATED; null where the study's arms are masked",
        ),
        Column("AGE", F, "age at Day 1, from the birth year", "years"),
        Column("SEX", S, "sex", closed=("F", "M", "U")),
        Column("INDICATN", S, "indication"),
        Column("MODALITY", S, "modality of the first delivered session"),
        Column("PAINDUR", F, "how long in pain at enrolment", "months"),
        Column("ALLOCATN", S, "how the arm came about"),
        Column("ALLOCDT", D, "allocation"),
        Column("ENRLDT", D, "enrolment: first day in the study, of routine care as a patient"),
        Column("ENRENDT", D, "last day in the study; null = open"),
        _flag(
            "MASKFL",
            "the study's arms are masked: its masked_until is later than the data cut's day",
        ),
        Column(
            "REFARM",
            S,
            "reference arm that the study names; null where the study's arms are masked",
        ),
        Column("STRATA", Json, "factors of the stratified allocation to their levels"),
        Column("ANLSETS", Json, "analysis set to in, or the reason for leaving out"),
        Column(
            "VISITPLN",
            Json,
            "the study's planned visits with their windows; null = the default windows",
        ),
        Column("DAY1DT", D, "Day 1: first delivered session, else enrolment"),
        Column("TRTSDT", D, "first delivered session"),
        Column("TRTEDT", D, "last delivered session"),
        Column("TRTSDTM", T, "start of the first delivered session"),
        Column("TRTEDTM", T, "start of the last delivered session"),
        _flag("SAFFL", "safety population: at least one session started (delivered or aborted)"),
        Column("NSESS", I, "sessions delivered", required=True),
        Column("EOSSTT", S, "end of study status", closed=("ONGOING", "COMPLETED", "DISCONTINUED")),
        Column("EOSDT", D, "end of follow-up: leaving or death; null while ongoing"),
        Column("EOSREAS", S, "why follow-up ended"),
        Column("DTHDT", D, "death"),
        Column(
            "LSTCONDT",
            D,
            "last contact, at which harm could have been told: the newest session that began, answer, test, consult, "
            "screening, adverse event or its resolution, care or report of it, enrolment; never a day worn, a missed session or a status",
        ),
        Column("TIMEZONE", S, "time zone of the enrolling clinic"),
        EVENTID,
    ],
    ("STUDYID", "USUBJID"),
)

_BDS_HEAD = [
    STUDYID,
    USUBJID,
    SITEID,
    Column("PARAMCD", S, "parameter code", required=True),
    Column("PARAM", S, "parameter", required=True),
    Column("ADT", D, "clinic-local day of the assessment"),
    Column("ADY", I, "study day from Day 1; there is no day 0"),
    Column("AVISIT", S, "visit whose window it falls into; null = unscheduled"),
    Column("AVISITN", I, "visit's target day"),
]
_BDS_VALUE = [
    Column("AVAL", F, "value; null says why in NEREASON"),
    Column("AVALU", S, "unit"),
    Column("BASE", F, "baseline: last value in the window -28 to 1, before the first session"),
    Column("CHG", F, "AVAL - BASE"),
    Column(
        "PCHG",
        F,
        "100 (AVAL - BASE) / BASE; null where BASE is 0, and of a deviation, of which 0 is not none",
        "%",
    ),
    _flag("ABLFL", "is the baseline"),
    _flag("ANL01FL", "the record that counts for its visit: nearest to target, ties the earlier"),
]
_EOCFL = _flag(
    "EOCFL",
    "the record that counts for End of course: nearest to the day after the last session of the first course, up to 14 days after it; it may count for its own visit too",
)
CRITERIA = ("PCT30", "PCT50", "POINTS", "WORSE", "PCTX")
_CRIT = [
    c
    for k, name in enumerate(CRITERIA, 1)
    for c in (
        Column(
            f"CRIT{k}", S, f"rule {name} in words; null where it does not apply to the parameter"
        ),
        Column(f"CRIT{k}FL", S, f"rule {name} met; null = not evaluable", closed=YN),
    )
]
NEREASON = Column("NEREASON", S, "why a value, change or flag can't be given")

CHANGE_CLASSES = ("recovered", "improved", "unchanged", "deteriorated")
_CHANGE_CLASS = Column(
    "CHGCAT1",
    S,
    "class of the change: improved or deteriorated beyond measurement error, else unchanged; recovered: improved and at or past the functional cut that the baseline was not; null where there is no change or no error is known",
    closed=CHANGE_CLASSES,
)

ADQS = _table(
    "adqs",
    "One row a patient, study, questionnaire parameter and assessment: one in the 28 days before a study is told there too, as what may be its baseline.",
    [
        *_BDS_HEAD,
        *_BDS_VALUE,
        _EOCFL,
        *_CRIT,
        Column("AVALSE", F, "standard error of AVAL by the form's table; null where it has none"),
        Column(
            "MDC",
            F,
            "smallest change above measurement error: 1.96 standard errors of the difference; null where no error is known",
        ),
        Column(
            "RCI",
            F,
            "reliable change index: CHG / standard error of the difference (Jacobson & Truax)",
        ),
        _CHANGE_CLASS,
        Column("RCREASON", S, "why a change has no class"),
        Column("DTYPE", S, "derivation, e.g. PRORATED; null = as answered"),
        Column("NANSWERD", I, "items answered"),
        Column("NITEMS", I, "items of the instrument"),
        Column("ADTM", T, "moment of the answer"),
        Column(
            "DAY1BASIS",
            S,
            "what Day 1 is: the first delivered session, else enrolment",
            closed=("enrolment", "session"),
        ),
        NEREASON,
        Column("METRICID", S, "metric of the catalogue that scored it"),
        Column("METRICV", S, "its version"),
        EVENTID,
    ],
    ("STUDYID", "USUBJID", "PARAMCD", "EVENTID"),
)

ADACT = _table(
    "adact",
    "One row a patient, study and week of a parameter that wearables measure (movement, heart rate and its variability, sleep, nightly skin temperature), or performance test.",
    [
        *_BDS_HEAD,
        Column("WEEKSTDT", D, "first day of the week; null for a test"),
        *_BDS_VALUE,
        Column("DEVICEID", S, "device that counts: worn longest; several are joined by a comma"),
        Column("VALIDDAYS", I, "valid days of the week"),
        Column("WEARHRS", F, "mean wear of the valid days", "h/day"),
        Column("MDC", F, "smallest change above measurement error, where known"),
        _flag("CHGMDCFL", "the change is at least MDC; null where no MDC is known"),
        _CHANGE_CLASS,
        NEREASON,
        Column("METRICID", S, "metric of the catalogue"),
        Column("METRICV", S, "its version"),
        EVENTID,
    ],
    ("STUDYID", "USUBJID", "PARAMCD", "ADT", "EVENTID"),
)

ADEX = _table(
    "adex",
    "One row a session.",
    [
        _STUDY_OF_RECORD,
        USUBJID,
        SITEID,
        CLINICID,
        Column("EXSEQ", I, "number of the session, by start", required=True),
        Column("SESSIONID", S, "session", required=True),
        Column("COURSEID", S, "course"),
        Column("PROTOCOL", S, "protocol"),
        Column("DEVICEID", S, "device"),
        Column("MODALITY", S, "modality"),
        Column("EXSTAT", S, "delivered, aborted, missed or cancelled"),
        Column("EXSTDTM", T, "start"),
        Column("ASTDT", D, "clinic-local day"),
        Column("EXDUR", F, "exposure", "s"),
        Column("SETPNTC", F, "setpoint", "°C"),
        Column("CABMINC", F, "coldest cabin temperature", "°C"),
        Column("SKINPREC", F, "skin temperature before", "°C"),
        Column("SKINMINC", F, "coldest skin temperature", "°C"),
        Column("SKINPSTC", F, "skin temperature after", "°C"),
        Column("O2MINPCT", F, "lowest room oxygen", "%"),
        Column(
            "REWARMMN", F, "minutes until the skin is back within 1 K of its value before", "min"
        ),
        Column("DOSEKS", F, "dose, a proposal: sum of max(0, 0 °C - cabin) x seconds", "K s"),
        Column("HRSPREV", F, "hours since the previous session's start", "h"),
        _flag("TEMPLOFL", "colder than the protocol allows; null = not measured or no limit"),
        _flag("TEMPHIFL", "warmer than the protocol allows"),
        _flag("DURFL", "longer than the protocol allows"),
        _flag("SPACEFL", "sooner after the previous session than the protocol allows"),
        _flag("WEEKFL", "more sessions in seven days than the protocol allows"),
        _flag("SKINFL", "skin colder than the protocol allows"),
        _flag("O2FL", "less oxygen than the protocol allows"),
        _flag(
            "CLEARFL",
            "valid clearance at the start: the latest consult that both occurred and was recorded by then is cleared, unexpired and covers the modality; null where the recording time is unknown",
        ),
        _flag(
            "CONTRAFL",
            "a contraindication was known at the start (latest consult, or the screening of the session)",
        ),
        _flag("ASKEDFL", "asked about side effects; null = not recorded"),
        Column("CUMSESS", I, "sessions delivered up to and with this one"),
        Column("CUMDURS", F, "cumulative exposure", "s"),
        EVENTID,
    ],
    ("SESSIONID",),
)

ADAE = _table(
    "adae",
    "One row an adverse event.",
    [
        _STUDY_OF_RECORD,
        USUBJID,
        SITEID,
        CLINICID,
        Column("AESEQ", I, "number, by onset", required=True),
        Column("AEID", S, "adverse event", required=True),
        Column("AETERM", S, "as reported"),
        Column("AEDECOD", S, "coded term, else the reported one in lower case"),
        Column("AESOC", S, "body system"),
        Column("AELOC", S, "body site"),
        Column("AETOXGR", I, "CTCAE v5 grade at its worst"),
        Column("AEITOXGR", I, "grade at onset"),
        _flag("AESER", "serious"),
        Column("AEREL", S, "causality"),
        _flag("AERELFL", "related: possible or higher"),
        _flag("AEEXPFL", "expected"),
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
        _flag(
            "TRTEMFL",
            "treatment-emergent (from the first session that began to the end of the risk window after the last, or worsened in it: metric treatment_emergent); null = not",
        ),
        _flag("SESS24FL", "within 24 h after a session's start"),
        _flag("SESS72FL", "within 72 h after a session's start"),
        Column("HRSSESS", F, "hours since the last session's start", "h"),
        Column("SESSIONID", S, "session: as reported, else the last one within 72 h"),
        _flag(
            "NEWFL",
            "counted as an event: not a further record of a term while an earlier one lasts or in its clean window",
        ),
        _flag(
            "ATRISKFL",
            "the onset lies in the patient's time at risk (mart.time_at_risk); null where the onset is not known or lies after the data cut of person-time",
        ),
        _flag(
            "ASIDEFL",
            "set aside: the onset lies after the patient's death, so that one of the two records is wrong; null = not",
        ),
        _flag("AOCCFL", "the patient's first treatment-emergent event"),
        _flag("AOCCPFL", "the patient's first treatment-emergent event of the term"),
        _flag("AOCCIFL", "the patient's treatment-emergent event of highest grade (first of them)"),
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

ADTTE = _table(
    "adtte",
    "One row a patient and study (TTAERES, TTAEREC: an adverse event) and time-to-event parameter that applies: TTAE to the treated, TTLOSS and TTRELAPS to those with a pain score (NRS) after the baseline, TTSURGA and TTRESCA to patients of an arm.",
    [
        STUDYID,
        USUBJID,
        SITEID,
        Column("PARAMCD", S, "parameter code", required=True),
        Column("PARAM", S, "parameter", required=True),
        Column(
            "AVAL",
            F,
            "time elapsed (for a resolution last day - first day + 1); null says why in NEREASON",
            "days",
        ),
        Column("CNSR", I, "0 = event, 1 = censored", lower=0, upper=1),
        Column("STARTDT", D, "origin"),
        Column("ADT", D, "event or censoring"),
        Column("EVNTDESC", S, "event"),
        Column("CNSDTDSC", S, "why censored"),
        NEREASON,
        Column("SRCID", S, "record that it is about, where a patient has several"),
        EVENTID,
    ],
    ("STUDYID", "USUBJID", "PARAMCD", "SRCID"),
)

# --- summaries -----------------------------------------------------------------------------------

STAMP = [
    Column("metric_id", S, "metric of mart.metric_definitions", required=True, outside=KEY),
    Column("metric_version", S, "its version", required=True, outside=KEY),
    Column(
        "lake_snapshot",
        I,
        "snapshot of the lake that it was computed from",
        required=True,
        outside=WITHHELD,
    ),
    Column(
        "data_cutoff",
        T,
        "newest plausible event time, capped at the time it was ingested",
        required=True,
        outside=KEY,
    ),
    Column(
        "is_suppressed",
        B,
        "a reader from outside the clinic must not see the counts",
        required=True,
        outside=KEY,
    ),
]
# A study's arms are told apart within it alone: study and arm are one dimension of two columns.
COLUMNS_OF = {
    "clinic_id": ("clinic_id",),
    "modality": ("modality",),
    "indication": ("indication",),
    "study_arm": ("study_id", "arm"),
}
DIMENSIONS = tuple(COLUMNS_OF)
# as disclosure.Cells takes them
CELL_DIMENSIONS = tuple(
    columns[0] if len(columns) == 1 else columns for columns in COLUMNS_OF.values()
)
STRATUM_COLUMNS = tuple(column for columns in COLUMNS_OF.values() for column in columns)
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
        "the dimensions in force, of clinic_id, modality, indication and study_arm (study_id and arm together)",
        required=True,
        outside=KEY,
    ),
]


def _ci(name: str, comment: str, unit: str | None = None) -> list[Column]:
    return [
        Column(name, F, comment, unit, outside=MEASURED),
        Column(f"{name}_lower", F, f"{comment}: lower 95 % limit", unit, outside=MEASURED),
        Column(f"{name}_upper", F, f"{comment}: upper 95 % limit", unit, outside=MEASURED),
    ]


PATIENT_OUTCOMES = _table(
    "patient_outcomes",
    "One row a patient: headline outcomes, with a reason for each missing one; of a patient in several studies (routine care being one) those in the study in which the patient was treated first, sessions and events of all.",
    [
        Column("patient_id", S, "patient (a pseudonym)", required=True),
        Column("clinic_id", S, "enrolling clinic"),
        Column("modality", S, "modality"),
        Column("indication", S, "indication"),
        Column("study_id", S, "study that the outcomes are of, ROUTINE for routine care"),
        Column(
            "arm",
            S,
            "arm of that study, (none) without one, (masked) while the study's arms are masked",
        ),
        Column("age_years", F, "age", "years"),
        Column("sex", S, "sex"),
        Column("status", S, "end of study status"),
        Column("pain_parameter", S, "parameter of the pain outcome, as in adqs"),
        *[
            c
            for name, unit in (
                ("pain", "score"),
                ("disability", "score"),
                ("steps", "steps/day"),
                ("walking_speed", "m/s"),
                ("quality_of_life", "score"),
            )
            for c in (
                Column(f"{name}_baseline", F, f"{name} at baseline", unit),
                Column(f"{name}_latest", F, f"{name}, latest", unit),
                Column(f"{name}_latest_on", D, f"day of the latest {name}"),
                Column(f"{name}_change", F, f"{name}: latest - baseline", unit),
                Column(
                    f"{name}_change_class",
                    S,
                    f"{name}: is the change beyond measurement error? as CHGCAT1 of adqs and adact; null where no error is known",
                    closed=CHANGE_CLASSES,
                ),
                Column(f"{name}_reason", S, f"why {name} or its change can't be given"),
            )
        ],
        Column("disability_parameter", S, "parameter of the disability outcome"),
        Column("quality_of_life_parameter", S, "parameter of the quality-of-life outcome"),
        Column(
            "is_responder_30_pct",
            B,
            "pain at least 30 % lower at the latest assessment; null = not evaluable",
        ),
        Column("is_responder_50_pct", B, "pain at least 50 % lower; null = not evaluable"),
        Column(
            "is_responder_points",
            B,
            "pain lower by at least the important number of points; null = not evaluable",
        ),
        Column("is_worse", B, "pain higher by at least that; null = not evaluable"),
        Column(
            "is_sustained_responder",
            B,
            "30 % at two consecutive visits far enough apart (metric sustained_response); null = not evaluable",
        ),
        Column("sustained_reason", S, "why sustained response can't be given"),
        Column("sessions_delivered", I, "sessions delivered"),
        Column("sessions_prescribed", I, "sessions prescribed"),
        Column("adherence_ratio", F, "delivered / prescribed"),
        Column("protocol_deviations", I, "sessions with any limit exceeded"),
        Column(
            "sessions_not_cleared",
            I,
            "sessions without a valid clearance or with a contraindication (target 0)",
        ),
        Column("adverse_events", I, "adverse events"),
        Column("serious_adverse_events", I, "serious adverse events"),
        Column("valid_wear_days", I, "valid days of wear"),
        Column("mean_wear_h", F, "mean wear of the days worn", "h/day"),
        Column("opioid_mme_baseline", F, "opioid dose in the 28 days before Day 1", "MME/day"),
        Column("opioid_mme_latest", F, "opioid dose in the last 28 days of known care", "MME/day"),
        Column("first_session_on", D, "first session"),
        Column("last_contact_on", D, "last contact"),
        *STAMP,
    ],
    ("patient_id",),
)

_CLUSTERED_REASON = Column(
    "clustered_reason",
    S,
    "why there are no limits for clinics like these: one clinic, fewer than five, or nothing that says how much clinics differ",
    outside=MEASURED,
)
_CLUSTERED_CI = (
    Column(
        "ci_clustered_lower",
        F,
        "lower 95 % limit for clinics like these: that clinics differ is part of it (means: CR2 with Satterthwaite's degrees of freedom; shares and rates: the wider of exact limits on the effective number and a likelihood with the clinics' spread)",
        outside=MEASURED,
    ),
    Column("ci_clustered_upper", F, "upper 95 % limit for clinics like these", outside=MEASURED),
    _CLUSTERED_REASON,
)
COHORT_OUTCOMES = _table(
    "cohort_outcomes",
    "One row a metric, stratum and visit. A before/after change is not an effect.",
    [
        *STAMP,
        Column(
            "parameter",
            S,
            "what it is a statistic of: a parameter of mart.adqs or mart.adact, or an amount of sessions; null = no such",
            outside=KEY,
        ),
        Column("statistic", S, "which statistic of the parameter; null = none", outside=KEY),
        *STRATA,
        Column("visit", S, "visit; null for a metric without one", outside=KEY),
        Column("visit_day", I, "visit's target day", outside=KEY),
        Column("population", S, "who is counted", outside=KEY),
        Column(
            "n_patients", I, "patients of the stratum", unit=COUNT, required=True, outside=COUNTED
        ),
        Column(
            "n_due",
            I,
            "of them those whose window has closed at the data cut; this and the following counts are of sessions or courses where `population` says so",
            unit=COUNT,
            outside=COUNTED,
        ),
        Column("n_evaluable", I, "of those due, with a value", unit=COUNT, outside=COUNTED),
        Column(
            "n_missing",
            I,
            "of those due, the others without a value: also patients of an indication that is never asked, where others of their clinic are",
            unit=COUNT,
            outside=COUNTED,
        ),
        Column(
            "n_pending",
            I,
            "not yet due; without a session, End of course is never due",
            unit=COUNT,
            outside=COUNTED,
        ),
        Column(
            "n_not_evaluable",
            I,
            "of those due, not to be judged, with or without a value: nobody of their study (STUDYID) is asked at the visit, or their clinic asks for other parameters alone, or their baseline is missing or one that the rule can't judge from (such as 0)",
            unit=COUNT,
            outside=COUNTED,
        ),
        Column(
            "n_event",
            I,
            "of the evaluable, with the event (a proportion's numerator); of a rate the events",
            unit=COUNT,
            outside=COUNTED,
        ),
        Column("patient_years", F, "denominator of a rate", "years", outside=MEASURED),
        Column("estimate", F, "estimate, in `unit`", outside=MEASURED),
        Column("ci_lower", F, "lower 95 % limit, of these clinics' patients", outside=MEASURED),
        Column("ci_upper", F, "upper 95 % limit, of these clinics' patients", outside=MEASURED),
        *_CLUSTERED_CI,
        Column("unit", S, "unit of the estimate", outside=OPEN),
        Column(
            "median_day",
            F,
            "median study day of the evaluable assessments",
            "days",
            outside=MEASURED,
        ),
        Column("missing_rule", S, "what was done with missing values", outside=OPEN),
        Column(
            "rtm_expected",
            F,
            "change that regression to the mean alone would give; null without its settings",
            outside=OPEN,
        ),
        Column("rtm_source", S, "source of those settings", outside=OPEN),
        Column("reason", S, "why no estimate can be given", outside=MEASURED),
    ],
    (
        "metric_id",
        "clinic_id",
        "modality",
        "indication",
        "study_id",
        "arm",
        "strata",
        "visit",
        "population",
    ),
)

TIME_AT_RISK = _table(
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

_RATE_COMMENTS = {
    "incidence_proportion": "patients with an event / patients treated (Clopper-Pearson)",
    "events_per_100_sessions": "events per 100 sessions (Garwood)",
    "eair_per_100_patient_years": "patients with an event per 100 patient-years to the first one (Garwood)",
    "events_per_100_patient_years": "events per 100 patient-years (Garwood)",
}
_RATES = [c for name, comment in _RATE_COMMENTS.items() for c in _ci(name, comment)]
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
        "of them those at which the patient was asked about side effects",
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


def _restriction_columns(names: Iterable[str]) -> list[Column]:
    chosen = [RESTRICTIONS[name] for name in names]
    return [
        Column(r.column, B, f"only {r.id.replace('_', '-')} events", required=True, outside=KEY)
        for r in chosen
        if r.flag
    ]


ADVERSE_EVENT_RATES = _table(
    "adverse_event_rates",
    "One row a stratum, term and restriction. Intervals are exact.",
    [
        *STAMP,
        *STRATA,
        Column("term", S, "coded term; null = any", outside=KEY),
        *_restriction_columns(RESTRICTIONS),
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
            for c in _ci(
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
        _CLUSTERED_REASON,
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

ADVERSE_EVENT_GROUPS = _table(
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
        *_restriction_columns(GROUP_RESTRICTIONS),
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

ADVERSE_EVENT_COMPARISONS = _table(
    "adverse_event_comparisons",
    "One row a pair of arms of a study, modalities or clinics (each clinic against all others together: never a ranking), term and restriction: rate ratios of adverse events. Not adjusted for case mix.",
    [
        *STAMP,
        Column(
            "dimension",
            S,
            "what is compared",
            required=True,
            closed=("arm", "modality", "clinic_id"),
        ),
        Column(
            "study_id",
            S,
            "study of both arms, ROUTINE for routine care; null for modalities and clinics",
        ),
        Column("compared", S, "the arm, modality or clinic", required=True),
        Column(
            "reference",
            S,
            "what it is compared with; (all others) = the other clinics together, a patient of several counted in each; (none) = no reference arm is named",
            required=True,
        ),
        Column("allocation", S, "how the two arms came about; null for modalities and clinics"),
        Column("term", S, "coded term; null = any"),
        *_restriction_columns(RESTRICTIONS),
        Column(GRADE_COLUMN, I, "only events of at least this grade; null = any"),
        *[
            Column(
                f"{side}{name}", dtype, f"{text} of the {'reference' if side else 'compared'}", unit
            )
            for side in ("", "reference_")
            for name, dtype, text, unit in (
                ("patients", I, "patients treated", COUNT),
                ("patients_with_event", I, "patients with an event", COUNT),
                ("events", I, "events", COUNT),
                ("sessions", I, "sessions delivered", COUNT),
                ("patient_years", F, "time at risk", "years"),
            )
        ],
        *[
            c
            for exposure, text in (
                ("sessions", "per session"),
                ("patient_years", "per patient-year"),
            )
            for c in (
                *_ci(
                    f"{exposure}_rate_ratio",
                    f"events {text}, compared over reference, with patients as clusters (the exact limits of as many independent events as over-dispersion leaves)",
                ),
                Column(
                    f"{exposure}_overdispersion",
                    F,
                    "how many times as much the pair's patients' events vary as Poisson counts",
                ),
                Column(
                    f"{exposure}_p_value",
                    F,
                    "two-sided p-value of the same model, below 0.05 just where the limits leave out 1; only between arms of which every patient was randomised",
                    lower=0,
                    upper=1,
                ),
                Column(
                    f"{exposure}_reason", S, "why the ratio, or its upper limit, can't be given"
                ),
            )
        ],
        *_ci(
            "risk_difference",
            "patients with an event, share of the arm minus share of the reference (Miettinen and Nurminen); arms alone",
        ),
        Column(
            "fisher_p_value",
            F,
            "Fisher's exact two-sided p-value of patients with an event; only between randomised arms",
            lower=0,
            upper=1,
        ),
        Column(
            "stratified_by",
            SL,
            "what the stratified figures are stratified by: the factors of the allocation, else the enrolling clinic; arms alone",
        ),
        Column("n_strata", I, "strata with patients of both arms", unit=COUNT),
        *_ci(
            "stratified_risk_difference",
            "risk difference over strata, weighed by Mantel and Haenszel (Miettinen and Nurminen)",
        ),
        *_ci(
            "cmh_odds_ratio",
            "odds ratio common to the strata (Mantel and Haenszel; Robins, Breslow and Greenland)",
        ),
        Column(
            "cmh_p_value",
            F,
            "p-value of Cochran, Mantel and Haenszel's test with the continuity correction; only between randomised arms",
            lower=0,
            upper=1,
        ),
        Column(
            "unread_records",
            I,
            "safety records of the lake that could not be read",
            unit=COUNT,
            required=True,
        ),
    ],
    (
        "dimension",
        "study_id",
        "compared",
        "reference",
        "term",
        *key_columns(),
    ),
)

ARM_COMPARISONS = _table(
    "arm_comparisons",
    "One row a study, parameter, visit and pair of arms: never across studies. Of a study whose arms are masked one row a parameter and visit, which says so.",
    [
        *STAMP,
        Column(
            "study_id",
            S,
            "study of both arms, ROUTINE for routine care",
            required=True,
            outside=KEY,
        ),
        Column("parameter", S, "PARAMCD", required=True, outside=KEY),
        Column("visit", S, "visit", required=True, outside=KEY),
        Column("arm", S, "arm", required=True, outside=KEY),
        Column("reference_arm", S, "reference", required=True, outside=KEY),
        Column("allocation", S, "how the arms came about", outside=OPEN),
        Column("population", S, "who is counted", required=True, outside=KEY),
        Column("indication", S, "indication of a subgroup; null = all", outside=KEY),
        Column("criterion", S, "responder rule; null for a difference of means", outside=KEY),
        Column(
            "n_arm",
            I,
            "patients of the arm; of all arms while they are masked",
            unit=COUNT,
            required=True,
            outside=COUNTED,
        ),
        Column(
            "n_reference",
            I,
            "patients of the reference",
            unit=COUNT,
            required=True,
            outside=COUNTED,
        ),
        Column("x_arm", I, "responders of the arm", unit=COUNT, outside=COUNTED),
        Column("x_reference", I, "responders of the reference", unit=COUNT, outside=COUNTED),
        Column(
            "n_too_low_arm",
            I,
            "patients of the arm, among those due or with a value, whose baseline leaves the rule no room for a response; null = can't be told",
            unit=COUNT,
            outside=COUNTED,
        ),
        Column("n_too_low_reference", I, "the same of the reference", unit=COUNT, outside=COUNTED),
        Column(
            "n_left_out",
            I,
            "answers with a value that the model leaves out: at visits that were not planned or too few have, or without a baseline where arms were not randomised",
            unit=COUNT,
            outside=COUNTED,
        ),
        Column("estimate", F, "arm minus reference", outside=MEASURED),
        Column(
            "ci_lower", F, "lower 95 % limit (Newcombe for a risk difference)", outside=MEASURED
        ),
        Column("ci_upper", F, "upper 95 % limit", outside=MEASURED),
        Column("wald_lower", F, "lower 95 % Wald limit of a risk difference", outside=MEASURED),
        Column("wald_upper", F, "upper 95 % Wald limit", outside=MEASURED),
        Column("p_value", F, "p-value; only where arms were randomised", outside=MEASURED),
        *[
            c
            for side, text in (("arm", "arm"), ("reference", "reference arm"))
            for c in (
                Column(
                    f"lsmean_{side}",
                    F,
                    f"least-squares mean of the {text}: covariates at their mean, levels of factors with equal weights",
                    outside=MEASURED,
                ),
                Column(f"lsmean_{side}_lower", F, "its lower 95 % limit", outside=MEASURED),
                Column(f"lsmean_{side}_upper", F, "its upper 95 % limit", outside=MEASURED),
            )
        ],
        Column(
            "method",
            S,
            "method",
            required=True,
            closed=("ancova", "mmrm", "risk_difference"),
            outside=KEY,
        ),
        Column("adjusted_for", SL, "adjusted for", outside=OPEN),
        Column("unit", S, "unit of the estimate", outside=OPEN),
        Column(
            "direction", S, "which direction is better", closed=("lower", "higher"), outside=OPEN
        ),
        Column(
            "reason",
            S,
            "why no estimate can be given; beside an estimate, what was imputed or left out of it",
            outside=MEASURED,
        ),
    ],
    (
        "study_id",
        "parameter",
        "visit",
        "arm",
        "reference_arm",
        "population",
        "indication",
        "criterion",
        "method",
    ),
)

_FEW = "Strata: everybody, each dimension alone, and the modalities of a clinic; each of these with study and arm too."
RESPONDER_CURVES = _table(
    "responder_curves",
    f"One row a parameter, visit, stratum and cut-off: share improved by at least so much, of all due with a baseline that a percentage can be judged from; no value counts as no response. A stratum without such a patient has no row. {_FEW}",
    [
        *STAMP,
        *STRATA,
        Column("parameter", S, "PARAMCD", required=True, outside=KEY),
        Column("visit", S, "visit", required=True, outside=KEY),
        Column(
            "cutoff_pct",
            I,
            "improved by at least this share of the baseline",
            "%",
            required=True,
            outside=KEY,
        ),
        Column(
            "n",
            I,
            "patients due with an evaluable baseline",
            unit=COUNT,
            required=True,
            outside=COUNTED,
        ),
        Column(
            "n_missing",
            I,
            "of them without a value: no response",
            unit=COUNT,
            required=True,
            outside=COUNTED,
        ),
        Column(
            "x",
            I,
            "of n, improved by at least the cut-off",
            unit=COUNT,
            required=True,
            outside=COUNTED,
        ),
        Column("estimate", F, "x / n", outside=MEASURED),
        Column("ci_lower", F, "lower 95 % limit (Wilson)", outside=MEASURED),
        Column("ci_upper", F, "upper 95 % limit", outside=MEASURED),
    ],
    (
        "parameter",
        "visit",
        "clinic_id",
        "modality",
        "indication",
        "study_id",
        "arm",
        "strata",
        "cutoff_pct",
    ),
)

RESPONDER_DISAGREEMENT = _table(
    "responder_disagreement",
    f"One row a parameter, visit, stratum and verdict of the rules: where they agree and where not, of the patients due with a value. {_FEW}",
    [
        *STAMP,
        *STRATA,
        Column("parameter", S, "PARAMCD", required=True, outside=KEY),
        Column("visit", S, "visit", required=True, outside=KEY),
        Column(
            "pct30", S, "at least 30 % better; null = not evaluable", closed=YN, outside=MEASURED
        ),
        Column(
            "points",
            S,
            "better by at least the important number of points; null = not evaluable",
            closed=YN,
            outside=MEASURED,
        ),
        Column(
            "pgic",
            S,
            "global impression at the visit: much or very much improved; null = not asked",
            closed=YN,
            outside=MEASURED,
        ),
        Column("n", I, "patients due with a value", unit=COUNT, required=True, outside=COUNTED),
        Column("x", I, "of n, with this verdict", unit=COUNT, required=True, outside=COUNTED),
        Column("estimate", F, "x / n", outside=MEASURED),
        Column(
            "ci_lower",
            F,
            "lower 95 % limit (Wilson; Clopper-Pearson for 5 or fewer)",
            outside=MEASURED,
        ),
        Column("ci_upper", F, "upper 95 % limit", outside=MEASURED),
    ],
    (
        "parameter",
        "visit",
        "clinic_id",
        "modality",
        "indication",
        "study_id",
        "arm",
        "strata",
        "pct30",
        "points",
        "pgic",
    ),
)

DOSE_RESPONSE = _table(
    "dose_response",
    f"One row a parameter, visit, stratum and bin of sessions per week: mean change of the patients due. Not causal: who does well may come more often, or less. {_FEW}",
    [
        *STAMP,
        *STRATA,
        Column("parameter", S, "PARAMCD", required=True, outside=KEY),
        Column("visit", S, "visit", required=True, outside=KEY),
        Column(
            "from_per_week",
            F,
            "delivered sessions a week from the first to the assessment: from",
            "sessions/week",
            required=True,
            outside=MEASURED,
        ),
        Column(
            "to_per_week", F, "to below; null = no upper end", "sessions/week", outside=MEASURED
        ),
        Column(
            "n_patients",
            I,
            "patients with a session and a change",
            unit=COUNT,
            required=True,
            outside=COUNTED,
        ),
        Column(
            "mean_sessions_per_week",
            F,
            "their mean sessions a week",
            "sessions/week",
            outside=MEASURED,
        ),
        Column(
            "mean_change", F, "mean change from baseline: a change, not an effect", outside=MEASURED
        ),
        Column("sd_change", F, "its standard deviation; null for one patient", outside=MEASURED),
        Column(
            "ci_lower",
            F,
            "lower 95 % limit of the mean (t), of these clinics' patients",
            outside=MEASURED,
        ),
        Column("ci_upper", F, "upper 95 % limit", outside=MEASURED),
        *_CLUSTERED_CI,
        Column("unit", S, "unit of the change", outside=OPEN),
        Column("is_causal", B, "always false", required=True, outside=OPEN),
        Column(
            "rtm_expected",
            F,
            "change that regression to the mean alone would give; null without its settings",
            outside=OPEN,
        ),
        Column("rtm_source", S, "source of those settings", outside=OPEN),
        Column("reason", S, "why no interval can be given", outside=MEASURED),
    ],
    (
        "parameter",
        "visit",
        "clinic_id",
        "modality",
        "indication",
        "study_id",
        "arm",
        "strata",
        "from_per_week",
    ),
)

_VERIFICATION = ("verified", "unverified", "proposal")
IMPORTANT_CHANGE = _table(
    "important_change",
    "One row a parameter, visit and stratum with a change: the improvement that the stratum's own patients call much improved (PGIC 1-2), beside the published important change.",
    [
        *STAMP,
        *STRATA,
        Column("parameter", S, "PARAMCD of adqs or adact", required=True, outside=KEY),
        Column("visit", S, "visit of the change and of the PGIC", required=True, outside=KEY),
        Column("unit", S, "unit of the changes", outside=OPEN),
        Column(
            "direction",
            S,
            "which direction of the parameter is better",
            closed=("lower", "higher"),
            outside=OPEN,
        ),
        Column(
            "n_changes",
            I,
            "patients due with a change from baseline",
            unit=COUNT,
            required=True,
            outside=COUNTED,
        ),
        Column(
            "n_without_pgic",
            I,
            "of them without a PGIC at the visit: not counted further",
            unit=COUNT,
            required=True,
            outside=COUNTED,
        ),
        Column(
            "n_improved",
            I,
            "of the others, much or very much improved (PGIC 1-2)",
            unit=COUNT,
            required=True,
            outside=COUNTED,
        ),
        Column(
            "n_not_improved",
            I,
            "of the others, PGIC 3-7",
            unit=COUNT,
            required=True,
            outside=COUNTED,
        ),
        Column(
            "anchored_change",
            F,
            "least improvement (positive = better) of a patient called improved, by the ROC curve's highest sensitivity + specificity, in `unit`; of equally good cuts the greatest; null says why in reason",
            outside=MEASURED,
        ),
        Column(
            "anchored_change_least",
            F,
            "the least of the equally good cuts, in `unit`",
            outside=MEASURED,
        ),
        Column(
            "sensitivity",
            F,
            "of the improved, with at least the cut's improvement",
            lower=0,
            upper=1,
            outside=MEASURED,
        ),
        Column(
            "specificity", F, "of the not improved, with less", lower=0, upper=1, outside=MEASURED
        ),
        Column(
            "auc",
            F,
            "area under the ROC curve: probability that an improved patient's change is better than another's, ties one half",
            lower=0,
            upper=1,
            outside=MEASURED,
        ),
        Column("auc_lower", F, "lower 95 % limit (Newcombe 2006, method 5)", outside=MEASURED),
        Column("auc_upper", F, "upper 95 % limit", outside=MEASURED),
        Column(
            "published_change",
            F,
            "important change in force for the responder rules, in `unit`; of a performance test the smallest change shown; null where none is known",
            outside=OPEN,
        ),
        Column("published_source", S, "its source, or the site's setting", outside=OPEN),
        Column(
            "published_verification",
            S,
            "how far the source was checked, as in metric_definitions",
            closed=_VERIFICATION,
            outside=OPEN,
        ),
        Column("reason", S, "why no cut can be given", outside=MEASURED),
    ],
    ("parameter", "visit", "clinic_id", "modality", "indication", "study_id", "arm", "strata"),
)

RELIABLE_CHANGE = _table(
    "reliable_change",
    "One row a parameter, visit and stratum with a patient expected (due, asked, with a baseline): how many changed beyond measurement error. A before/after change is not an effect.",
    [
        *STAMP,
        *STRATA,
        Column("parameter", S, "PARAMCD of adqs or adact", required=True, outside=KEY),
        Column("visit", S, "visit", required=True, outside=KEY),
        Column(
            "n_patients", I, "patients of the stratum", unit=COUNT, required=True, outside=COUNTED
        ),
        Column(
            "n_due",
            I,
            "of them those whose window has closed at the data cut",
            unit=COUNT,
            required=True,
            outside=COUNTED,
        ),
        Column(
            "n_evaluable",
            I,
            "of those due, with a class: the denominator of every share",
            unit=COUNT,
            required=True,
            outside=COUNTED,
        ),
        Column(
            "n_missing",
            I,
            "of those due, asked and with a baseline, without a value",
            unit=COUNT,
            required=True,
            outside=COUNTED,
        ),
        Column(
            "n_not_evaluable",
            I,
            "of those due, without a baseline, not asked, or without a known measurement error",
            unit=COUNT,
            required=True,
            outside=COUNTED,
        ),
        Column("n_pending", I, "not yet due", unit=COUNT, required=True, outside=COUNTED),
        *[
            c
            for name, comment in (
                (
                    "recovered",
                    "improved beyond measurement error, at or past the functional cut, and not so at baseline; null without a cut",
                ),
                ("improved", "improved beyond measurement error, not recovered"),
                ("unchanged", "within measurement error"),
                ("deteriorated", "worse beyond measurement error"),
            )
            for c in (
                Column(f"n_{name}", I, f"of the evaluable: {comment}", COUNT, outside=COUNTED),
                *_ci(
                    name,
                    f"share of the evaluable (Wilson; Clopper-Pearson for 5 or fewer): {comment}",
                ),
            )
        ],
        *[
            Column(
                f"{name}_clustered_{side}",
                F,
                f"{side} 95 % limit of that share for clinics like these",
                outside=MEASURED,
            )
            for name in ("recovered", "improved", "unchanged", "deteriorated")
            for side in ("lower", "upper")
        ],
        _CLUSTERED_REASON,
        Column("unit", S, "unit of the following three", outside=OPEN),
        Column(
            "standard_error_of_measurement",
            F,
            "SEM = SD √(1 - reliability), in `unit`; null where it differs by score (PROMIS) or is not known",
            outside=OPEN,
        ),
        Column(
            "smallest_change",
            F,
            "smallest change counted as one, in `unit`: 1.96 √2 SEM; of a performance test the smallest change shown",
            outside=OPEN,
        ),
        Column(
            "recovered_at", F, "functional cut, in `unit`; null where none is known", outside=OPEN
        ),
        Column("source", S, "source of the measurement error, or the site's setting", outside=OPEN),
        Column("recovered_source", S, "source of the functional cut", outside=OPEN),
        Column(
            "verification",
            S,
            "how far the error's source was checked, as in metric_definitions",
            closed=_VERIFICATION,
            outside=OPEN,
        ),
        Column("reason", S, "why no share can be given", outside=MEASURED),
    ],
    ("parameter", "visit", "clinic_id", "modality", "indication", "study_id", "arm", "strata"),
)

_FUNNEL_SIGNALS = ("none", "low_95", "high_95", "low_998", "high_998")
CLINIC_FUNNEL = _table(
    "clinic_funnel",
    "One row a metric and clinic: each clinic beside all the others, with limits that leave it out. Never a ranking.",
    [
        *STAMP,
        Column("clinic_id", S, "clinic", required=True, outside=KEY),
        Column("kind", S, "what is compared", closed=("proportion", "ratio"), outside=OPEN),
        Column("modality", S, "modality; null = all", outside=KEY),
        Column("numerator", F, "events", unit=COUNT, outside=COUNTED),
        Column(
            "denominator",
            F,
            "patients, or events expected at the rates of the other clinics",
            unit=COUNT,
            outside=COUNTED,
        ),
        Column("estimate", F, "proportion, or observed / expected", outside=MEASURED),
        Column(
            "target", F, "share of all the other clinics together; of a ratio 1", outside=MEASURED
        ),
        *[
            Column(
                f"{side}_{level}{od}",
                F,
                f"{side} {text} limit{', over-dispersed' if od else ': the last value that is no signal, by exact tails'}",
                outside=MEASURED,
            )
            for level, text in (("95", "95 %"), ("998", "99.8 %"))
            for od in ("", "_od")
            for side in ("lower", "upper")
        ],
        Column(
            "overdispersion",
            F,
            "winsorised dispersion ratio phi of the other clinics; null with fewer than 10 of them, and of serious events and cold injuries of grade 2 or more",
            outside=MEASURED,
        ),
        Column("tau2", F, "their between-clinic variance on the scale used", outside=MEASURED),
        Column("signal", S, "outside which limit", closed=_FUNNEL_SIGNALS, outside=MEASURED),
        Column(
            "tail_probability",
            F,
            "of so many or more (or so few or fewer: the smaller) given both counts together: exact, the others' share being an estimate; flags come of it",
            lower=0,
            upper=1,
            outside=MEASURED,
        ),
        Column(
            "tail_probability_at_target",
            F,
            "the same at the others' share as if that were certain (binomial, or Poisson)",
            lower=0,
            upper=1,
            outside=MEASURED,
        ),
        Column(
            "limit_share",
            F,
            "count over the first count that would be a signal at 95 % on the worse side (where more is better: of those without); 1 and more = a signal; null where none would be",
            outside=MEASURED,
        ),
        Column("nearness", S, "how near the clinic is to its limit, in words", outside=WITHHELD),
        Column("reference", F, "stated reference, a proportion (a setting)", outside=OPEN),
        Column("reference_source", S, "where it comes from", outside=OPEN),
        Column(
            "reference_tail_probability",
            F,
            "of so many or more (or so few or fewer: the smaller) at the reference: binomial",
            lower=0,
            upper=1,
            outside=MEASURED,
        ),
        Column(
            "reference_signal",
            S,
            "outside which limit about the reference",
            closed=_FUNNEL_SIGNALS,
            outside=MEASURED,
        ),
        Column(
            "reference_reason",
            S,
            "why the clinic is not judged against a reference",
            outside=MEASURED,
        ),
        Column("clinics", I, "clinics compared", outside=MEASURED),
        Column(
            "asked_share",
            F,
            "share of the clinic's delivered sessions at which side effects were asked about",
            outside=MEASURED,
        ),
        Column("note", S, "how the row is to be read", outside=MEASURED),
        Column("reason", S, "why no limits can be given", outside=MEASURED),
    ],
    ("metric_id", "clinic_id", "modality"),
)

CONTROL_CHARTS = _table(
    "control_charts",
    "One row a chart and point: XmR, u-, p-, c-, g-charts and CUSUM.",
    [
        *STAMP,
        Column("clinic_id", S, "clinic; null = all", outside=KEY),
        Column(
            "chart",
            S,
            "kind",
            required=True,
            closed=("xmr", "u", "p", "c", "g", "cusum"),
            outside=KEY,
        ),
        Column("term", S, "coded term; null = any", outside=KEY),
        Column("period_start", D, "period's first day", required=True, outside=MEASURED),
        Column("point", I, "number of the point", required=True, outside=MEASURED),
        Column("value", F, "value", outside=MEASURED),
        Column("numerator", F, "events", unit=COUNT, outside=COUNTED),
        Column("denominator", F, "sessions, patients", unit=COUNT, outside=COUNTED),
        Column("center", F, "center line", outside=MEASURED),
        Column("lower", F, "lower limit", outside=MEASURED),
        Column("upper", F, "upper limit", outside=MEASURED),
        Column("is_outside", B, "outside the limits", outside=MEASURED),
        Column("is_trend", B, "part of a trend of 7 points (or 6, a setting)", outside=MEASURED),
        Column(
            "is_two_of_three",
            B,
            "2 of 3 beyond two thirds of the limit, same side",
            outside=MEASURED,
        ),
        Column("is_shift", B, "part of 7 (or 6) on one side", outside=MEASURED),
        Column(
            "point_type",
            S,
            "the first of these rules that holds, else common_cause",
            closed=("common_cause", "outside", "trend", "two_of_three", "shift"),
            outside=MEASURED,
        ),
        Column(
            "signal_direction",
            S,
            "which way that rule points: the way of a trend, wherever it lies, else the side; null = no signal",
            closed=("high", "low", "rising", "falling"),
            outside=MEASURED,
        ),
        Column(
            "variation_icon",
            S,
            "NHS variation icon of that rule and direction",
            closed=(
                "common_cause",
                "special_cause_improvement",
                "special_cause_concern",
                "special_cause_neither",
            ),
            outside=MEASURED,
        ),
        Column(
            "assurance_icon",
            S,
            "NHS assurance icon",
            closed=("pass", "fail", "inconsistent"),
            outside=MEASURED,
        ),
        Column(
            "limit_share",
            F,
            "of a sum: the month's highest over its limit; 1 and more = a signal",
            outside=MEASURED,
        ),
        Column(
            "nearness",
            S,
            "of a sum: how near the clinic is to its limit at the end of the month, in words",
            outside=WITHHELD,
        ),
        Column(
            "in_control_arl",
            F,
            "average run length in control, for the family of charts",
            "points",
            outside=MEASURED,
        ),
        Column(
            "baseline_points",
            I,
            "points with a value that the limits were computed from, 12 at most; null = no limits",
            outside=MEASURED,
        ),
        Column(
            "is_trial_limits", B, "limits from fewer than 12 points with a value", outside=MEASURED
        ),
        Column(
            "rebased_from",
            D,
            "day from which the limits were begun anew (a setting); null = the chart's first",
            outside=OPEN,
        ),
        Column("rebase_reason", S, "why they were", outside=MEASURED),
        Column(
            "reason", S, "why there is no value, or why no limits can be given", outside=MEASURED
        ),
    ],
    ("metric_id", "chart", "clinic_id", "term", "point"),
)

SURVIVAL_CURVES = _table(
    "survival_curves",
    "One row a parameter, stratum and time: Kaplan-Meier with numbers at risk.",
    [
        *STAMP,
        *STRATA,
        Column("parameter", S, "PARAMCD of adtte", required=True, outside=KEY),
        Column("time_days", F, "time", "days", required=True, outside=MEASURED),
        Column("at_risk", I, "at risk just before", unit=COUNT, outside=COUNTED),
        Column("events", I, "events", unit=COUNT, outside=COUNTED),
        Column("censored", I, "censored", unit=COUNT, outside=COUNTED),
        Column("survival", F, "survival", outside=MEASURED),
        Column("lower", F, "lower 95 % limit at that time", outside=MEASURED),
        Column("upper", F, "upper 95 % limit at that time", outside=MEASURED),
        Column(
            "ci_method",
            S,
            "how the limits came about: log-log, or, where these do not exist (before the first event, and where survival is 0), the beta product of Fay, Brittain and Proschan (2013)",
            closed=("log_log", "beta_product"),
            outside=MEASURED,
        ),
        Column("median", F, "median", "days", outside=MEASURED),
        Column(
            "median_lower", F, "its lower 95 % limit (Brookmeyer-Crowley)", "days", outside=MEASURED
        ),
        Column("median_upper", F, "its upper 95 % limit", "days", outside=MEASURED),
        Column(
            "log_rank_p_value",
            F,
            "log-rank between the arms of the stratum's others; only where arms were randomised",
            outside=MEASURED,
        ),
        Column("n_patients", I, "patients", unit=COUNT, required=True, outside=COUNTED),
        Column("reason", S, "why no curve can be given", outside=MEASURED),
    ],
    ("parameter", "clinic_id", "modality", "indication", "study_id", "arm", "strata", "time_days"),
)

REPORT_DEADLINES = _table(
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
            closed=(
                "open",
                "overdue",
                "due_now",
                "reported",
                "reported_late",
                "voluntary",
                "no_date",
                "no_rule",
            ),
        ),
        Column(
            "days_left", I, "days from the data cut to the due date; negative = overdue", "days"
        ),
        Column("reason", S, "why no date can be given, or what is in doubt"),
    ],
    ("subject_kind", "subject_id", "rule"),
)

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

DEVICE_EVENTS_TABLE = _table(
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
DEVICE_EVENT_RATES = _table(
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
        *_ci("events_per_100_sessions", "events per 100 sessions delivered (Garwood)"),
        *_ci("events_per_1000_device_hours", "events per 1,000 hours of exposure (Garwood)"),
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

ALERTS = _table(
    "alerts",
    "Open and closed alerts.",
    [
        Column("alert_id", S, "alert", required=True),
        Column("rule", S, "rule"),
        Column("severity", S, "severity"),
        Column("clinic_id", S, "clinic"),
        Column("subject_kind", S, "what it is about"),
        Column("subject_id", S, "its id"),
        Column("evidence", SL, "ids of events"),
        Column("occurred_at", T, "when"),
        Column("state", S, "state"),
        Column(
            "records",
            I,
            "of unreadable safety records, how many of its topic, reason and hour there are; null = another rule's",
        ),
    ],
    ("alert_id",),
)

CHECK_RESULTS = _table(
    "check_results",
    "One row a check and run: is the table as promised?",
    [
        Column("table", S, "table", required=True, outside=KEY),
        Column("check", S, "check", required=True, outside=KEY),
        Column("is_passed", B, "passed", required=True, outside=OPEN),
        Column("failing_rows", I, "rows that fail"),
        Column("rows", I, "rows checked"),
        Column("sample", Json, "a failing row's key"),
        Column("checked_at", T, "when", required=True),
        Column("lake_snapshot", I, "snapshot"),
    ],
    ("table", "check"),
)

METRIC_DEFINITIONS = _table(
    "metric_definitions",
    "One row a metric: what its number means and where that comes from.",
    [
        Column("metric_id", S, "id", required=True, outside=KEY),
        Column(
            "parameter",
            S,
            "what it is a statistic of: a parameter of mart.adqs or mart.adact, or an amount of sessions; null = no such",
            outside=OPEN,
        ),
        Column("statistic", S, "which statistic of the parameter; null = none", outside=OPEN),
        Column("version", S, "version", required=True, outside=KEY),
        Column("title", S, "title", required=True, outside=OPEN),
        Column("rule", S, "rule in words", required=True, outside=OPEN),
        Column("unit", S, "unit", outside=OPEN),
        Column(
            "direction",
            S,
            "which direction is better",
            closed=("lower", "higher", "none"),
            outside=OPEN,
        ),
        Column("source", S, "source", required=True, outside=OPEN),
        Column(
            "verification",
            S,
            "verified: the source was read or the number reproduced; unverified: known, primary not checked; proposal: Floe's default, a setting",
            closed=("verified", "unverified", "proposal"),
            outside=OPEN,
        ),
        Column("parameters", Json, "thresholds and settings", outside=OPEN),
        Column("test_cases", SL, "tests that prove it", outside=OPEN),
        Column(
            "loinc",
            S,
            "LOINC code of the value; null where it has none of its own (a mean of a week, say)",
            outside=OPEN,
        ),
        Column("ucum", S, "UCUM unit that goes with the LOINC code", outside=OPEN),
    ],
    ("metric_id", "version"),
)

RESTATEMENTS = _table(
    "restatements",
    "One row a metric and version of its rule that figures were computed under: which were computed anew, and from when on.",
    [
        Column("metric_id", S, "metric of mart.metric_definitions", required=True, outside=KEY),
        Column("version", S, "version of its rule", required=True, outside=KEY),
        Column(
            "previous_version",
            S,
            "version that figures had before; null = not computed before",
            outside=OPEN,
        ),
        Column("rule", S, "rule in words", required=True, outside=OPEN),
        Column(
            "lake_snapshot",
            I,
            "snapshot of the lake of the first run under this version; null = of an earlier release",
        ),
        Column("data_cutoff", T, "data cut of that run"),
        Column("restated_at", T, "when that run began", outside=OPEN),
    ],
    ("metric_id", "version"),
)

DATA_DICTIONARY = _table(
    "data_dictionary",
    "One row a table or view and column of the lake.",
    [
        Column("schema", S, "schema", required=True, outside=KEY),
        Column("table", S, "table or view", required=True, outside=KEY),
        Column("column", S, "column", required=True, outside=KEY),
        Column("position", I, "order", required=True, outside=OPEN),
        Column("type", S, "type", required=True, outside=OPEN),
        Column("unit", S, "unit", outside=OPEN),
        Column("is_key", B, "part of the key", required=True, outside=OPEN),
        Column("closed_list", SL, "the values it can have", outside=OPEN),
        Column("comment", S, "meaning", required=True, outside=OPEN),
        Column("table_comment", S, "the table's meaning", required=True, outside=OPEN),
    ],
    ("schema", "table", "column"),
)

MART_TABLES: dict[str, Table] = {
    t.name: t
    for t in (
        ADSL,
        ADQS,
        ADACT,
        ADEX,
        ADAE,
        ADTTE,
        PATIENT_OUTCOMES,
        COHORT_OUTCOMES,
        RESPONDER_CURVES,
        RESPONDER_DISAGREEMENT,
        DOSE_RESPONSE,
        IMPORTANT_CHANGE,
        RELIABLE_CHANGE,
        TIME_AT_RISK,
        ADVERSE_EVENT_RATES,
        ADVERSE_EVENT_GROUPS,
        ADVERSE_EVENT_COMPARISONS,
        ARM_COMPARISONS,
        CLINIC_FUNNEL,
        CONTROL_CHARTS,
        SURVIVAL_CURVES,
        REPORT_DEADLINES,
        DEVICE_EVENTS_TABLE,
        DEVICE_EVENT_RATES,
        ALERTS,
        CHECK_RESULTS,
        METRIC_DEFINITIONS,
        RESTATEMENTS,
        DATA_DICTIONARY,
    )
}
