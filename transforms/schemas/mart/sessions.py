"""Tables of `mart` about sessions and their dose: adex, dose_response.

Here: their columns. Not here: device events (devices.py).
"""

from ...facts.limits import LIMITS
from ...facts.sessions import BOOKED, SESSION_VALUES
from ..base import COUNT, Column
from .columns import (
    CLINICID,
    CLUSTERED_INTERVAL,
    COUNTED,
    EVENTID,
    KEY,
    MEASURED,
    OPEN,
    SITEID,
    STAMP,
    STRATA,
    STUDY_OF_RECORD,
    USUBJID,
    B,
    D,
    F,
    I,
    S,
    T,
    flag,
    mart_table,
)
from .subject_episodes import PERIOD_UNDER_WAY

ADEX = mart_table(
    "adex",
    "One row a session.",
    [
        STUDY_OF_RECORD,
        USUBJID,
        SITEID,
        CLINICID,
        PERIOD_UNDER_WAY,
        Column("EXSEQ", I, "number of the session, by start", required=True),
        Column("SESSIONID", S, "session", required=True),
        Column("COURSEID", S, "course"),
        Column("PROTOCOL", S, "protocol"),
        Column("DEVICEID", S, "device"),
        Column("MODALITY", S, "modality"),
        Column("EXSTAT", S, f"{', '.join(BOOKED)}; other = another word"),
        Column("EXSTDTM", T, "start"),
        Column("ASTDT", D, "clinic-local day"),
        *(Column(v.column, F, v.words, v.unit) for v in SESSION_VALUES),
        Column(
            "REWARMMN", F, "minutes until the skin is back within 1 K of its value before", "min"
        ),
        Column("DOSEKS", F, "dose, a proposal: sum of max(0, 0 °C - cabin) x seconds", "K s"),
        Column("HRSPREV", F, "hours since the previous session's start", "h"),
        *(
            flag(
                limit.flag,
                f"{limit.comparative} than the protocol allows; null = not measured, no limit, or it did not begin",
            )
            for limit in LIMITS.values()
        ),
        flag(
            "CLEARFL",
            "valid clearance at the start: the latest consult that both occurred and was recorded by then is cleared, unexpired and covers the modality; null where the recording time is unknown",
        ),
        flag(
            "CONTRAFL",
            "a contraindication was known at the start (latest consult, or the screening of the session)",
        ),
        flag("ASKEDFL", "asked about side effects; null = not recorded"),
        Column("CUMSESS", I, "sessions delivered up to and with this one"),
        Column("CUMDURS", F, "cumulative exposure", "s"),
        EVENTID,
    ],
    ("SESSIONID",),
)

DOSE_RESPONSE = mart_table(
    "dose_response",
    "One row a parameter, visit, stratum and bin of sessions per week: mean change of the patients due. Not causal: who does well may come more often, or less.",
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
        *CLUSTERED_INTERVAL,
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
