"""Tables of `mart` of what became of each patient, and the curves made of it: adtte, survival_curves, competing_risks, patient_outcomes.

Here: their columns. Not here: values at visits (patients.py, cohorts.py).
"""

from ...facts.competing_events import EVENTS
from ...facts.headlines import HEADLINES
from ...facts.responses import CHANGE_CLASSES
from ..base import COUNT, Column
from .columns import (
    COUNTED,
    EVENTID,
    KEY,
    MEASURED,
    NEREASON,
    SITEID,
    STAMP,
    STRATA,
    STUDYID,
    USUBJID,
    B,
    D,
    F,
    I,
    S,
    mart_table,
)

ADTTE = mart_table(
    "adtte",
    "One row a patient and study (TTAERES, TTAEREC: an adverse event) and time-to-event parameter that applies: TTAE to the treated, TTRETRT to those with a delivered session, TTLOSS and TTRELAPS to those with a pain score (NRS) after the baseline, TTSURGA and TTRESCA to patients of an arm.",
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
        Column(
            "CNSR",
            I,
            "0 = event, 1 = censored, 2 = another event came first (TTRETRT: surgery or death, named in EVNTDESC)",
            lower=0,
            upper=2,
        ),
        Column("STARTDT", D, "origin"),
        Column("ADT", D, "event or censoring"),
        Column("EVNTDESC", S, "event, of TTRETRT that which came first"),
        Column("CNSDTDSC", S, "why censored"),
        NEREASON,
        Column("SRCID", S, "record that it is about, where a patient has several"),
        EVENTID,
    ],
    ("STUDYID", "USUBJID", "PARAMCD", "SRCID"),
)

PATIENT_OUTCOMES = mart_table(
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
            for name, unit in ((o.id, o.unit) for o in HEADLINES.values())
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

SURVIVAL_CURVES = mart_table(
    "survival_curves",
    "One row a parameter, stratum and time: Kaplan-Meier with numbers at risk. Of a parameter with competing events (TTRETRT) these are censored here: the curve says what would be if they could not happen, and mart.competing_risks what happens.",
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

COMPETING_RISKS = mart_table(
    "competing_risks",
    "One row per parameter, stratum, event and time at which anybody of the stratum had any of the events or was censored: cumulative incidence (Aalen-Johansen) with numbers at risk.",
    [
        *STAMP,
        *STRATA,
        Column("parameter", S, "PARAMCD of adtte", required=True, outside=KEY),
        Column("event", S, "which event", required=True, closed=EVENTS, outside=KEY),
        Column("time_days", F, "time", "days", required=True, outside=MEASURED),
        Column("at_risk", I, "at risk just before", unit=COUNT, outside=COUNTED),
        Column("events", I, "had this event first", unit=COUNT, outside=COUNTED),
        Column("competing", I, "had another of the events first", unit=COUNT, outside=COUNTED),
        Column("censored", I, "censored", unit=COUNT, outside=COUNTED),
        Column("incidence", F, "cumulative incidence up to that time", outside=MEASURED),
        Column("lower", F, "lower 95 % limit at that time", outside=MEASURED),
        Column("upper", F, "upper 95 % limit at that time", outside=MEASURED),
        Column(
            "ci_method",
            S,
            "how the limits came about: log(-log) with a variance of Greenwood's type, or, where these do not exist (before the first event of the kind, and where all had it), the beta product of Fay, Brittain and Proschan (2013)",
            closed=("log_log", "beta_product"),
            outside=MEASURED,
        ),
        Column(
            "gray_p_value",
            F,
            "Gray's test of this event between the arms of the stratum's others; only where arms were randomised and everybody allocated has a time",
            outside=MEASURED,
        ),
        Column("n_patients", I, "patients", unit=COUNT, required=True, outside=COUNTED),
    ],
    (
        "parameter",
        "clinic_id",
        "modality",
        "indication",
        "study_id",
        "arm",
        "strata",
        "event",
        "time_days",
    ),
)
