"""Tables of `mart` with a row a patient or an assessment, as in ADaM: adsl, adqs, adact.

Here: their columns. Not here: sessions, adverse events, times to an event.
"""

from ...facts.responses import CHANGE_CLASSES, CRITERIA
from ..base import COUNT, Column, Json
from .columns import (
    EVENTID,
    NEREASON,
    SITEID,
    STUDYID,
    USUBJID,
    YN,
    D,
    F,
    I,
    S,
    T,
    flag,
    mart_table,
)
from .subject_episodes import APERIOD, FRSTEPFL, LASTEPFL

ADSL = mart_table(
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
        Column("ALLOCATN", S, "how the arm came about; null where the study's arms are masked"),
        Column("ALLOCDT", D, "allocation"),
        flag("ALLOCFL", "allocated: an arm or a day of allocation is on record"),
        Column("ENRLDT", D, "enrolment: first day in the study, of routine care as a patient"),
        Column("ENRENDT", D, "last day in the study; null = open"),
        Column(
            "NENRL",
            I,
            "enrolments in the study, which count as one, as the first that allocated says; null in routine care",
            unit=COUNT,
        ),
        flag(
            "OTHARMFL",
            "a later enrolment in the study has another arm; null in routine care, and where the study's arms are masked",
        ),
        flag(
            "MASKFL",
            "the study's arms are masked: its masked_until is later than the data cut's day",
        ),
        Column(
            "REFARM",
            S,
            "reference arm that the study names; null where the study's arms are masked",
        ),
        Column(
            "STRATA",
            Json,
            "factors of the stratified allocation to their levels; null where the study's arms are masked",
        ),
        Column(
            "ANLSETS",
            Json,
            "analysis set to in, or the reason for leaving out; null where the study's arms are masked",
        ),
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
        flag("SAFFL", "safety population: at least one session started (delivered or aborted)"),
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

BDS_HEAD = [
    STUDYID,
    USUBJID,
    SITEID,
    APERIOD,
    FRSTEPFL,
    LASTEPFL,
    Column("PARAMCD", S, "parameter code", required=True),
    Column("PARAM", S, "parameter", required=True),
    Column("ADT", D, "clinic-local day of the assessment"),
    Column("ADY", I, "study day from the episode's Day 1; there is no day 0"),
    Column("AVISIT", S, "visit whose window it falls into; null = unscheduled"),
    Column("AVISITN", I, "visit's target day"),
]

BDS_VALUE = [
    Column("AVAL", F, "value; null says why in NEREASON"),
    Column("AVALU", S, "unit"),
    Column(
        "BASE",
        F,
        "baseline of the episode: last value in the window -28 to 1, before its first session",
    ),
    Column("CHG", F, "AVAL - BASE"),
    Column(
        "PCHG",
        F,
        "100 (AVAL - BASE) / BASE; null where BASE is 0, and of a deviation, of which 0 is not none",
        "%",
    ),
    flag("ABLFL", "is the baseline"),
    flag("ANL01FL", "the record that counts for its visit: nearest to target, ties the earlier"),
]

EOCFL = flag(
    "EOCFL",
    "the record that counts for End of course: nearest to the day after the last session of the first course, up to 14 days after it; it may count for its own visit too",
)

CRITERION_COLUMNS = [
    c
    for k, name in enumerate(CRITERIA, 1)
    for c in (
        Column(
            f"CRIT{k}", S, f"rule {name} in words; null where it does not apply to the parameter"
        ),
        Column(f"CRIT{k}FL", S, f"rule {name} met; null = not evaluable", closed=YN),
    )
]

CHANGE_CLASS = Column(
    "CHGCAT1",
    S,
    "class of the change: improved or deteriorated beyond measurement error, else unchanged; recovered: improved and at or past the functional cut that the baseline was not; null where there is no change or no error is known",
    closed=CHANGE_CLASSES,
)

ADQS = mart_table(
    "adqs",
    "One row a patient, study, questionnaire parameter and assessment: one in the 28 days before a study is told there too, as what may be its baseline.",
    [
        *BDS_HEAD,
        *BDS_VALUE,
        EOCFL,
        *CRITERION_COLUMNS,
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
        CHANGE_CLASS,
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

ADACT = mart_table(
    "adact",
    "One row a patient, study and week of a parameter that wearables measure (movement, heart rate and its variability, sleep, nightly skin temperature), or performance test.",
    [
        *BDS_HEAD,
        Column("WEEKSTDT", D, "first day of the week; null for a test"),
        *BDS_VALUE,
        Column("DEVICEID", S, "device that counts: worn longest; several are joined by a comma"),
        Column("VALIDDAYS", I, "valid days of the week"),
        Column("WEARHRS", F, "mean wear of the valid days", "h/day"),
        Column("MDC", F, "smallest change above measurement error, where known"),
        flag("CHGMDCFL", "the change is at least MDC; null where no MDC is known"),
        CHANGE_CLASS,
        NEREASON,
        Column("METRICID", S, "metric of the catalogue"),
        Column("METRICV", S, "its version"),
        EVENTID,
    ],
    ("STUDYID", "USUBJID", "PARAMCD", "ADT", "EVENTID"),
)
