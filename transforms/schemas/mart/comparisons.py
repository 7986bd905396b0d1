"""Tables of `mart` that compare groups: adverse_event_comparisons, arm_comparisons.

Here: their columns. Not here: clinics beside one another (clinics.py).
"""

from ...facts.restrictions import GRADE_COLUMN, RESTRICTIONS, key_columns
from ...facts.values import COMPARED
from ..base import COUNT, Column
from .columns import (
    COUNTED,
    KEY,
    MEASURED,
    OPEN,
    SL,
    STAMP,
    F,
    I,
    S,
    interval,
    mart_table,
    restriction_columns,
)

ADVERSE_EVENT_COMPARISONS = mart_table(
    "adverse_event_comparisons",
    "One row a pair of arms of a study, modalities or clinics (each clinic against all others together: never a ranking), term and restriction: rate ratios of adverse events. Not adjusted for case mix.",
    [
        *STAMP,
        Column(
            "dimension",
            S,
            "what is compared",
            required=True,
            closed=COMPARED,
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
        *restriction_columns(RESTRICTIONS),
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
                *interval(
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
        *interval(
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
        *interval(
            "stratified_risk_difference",
            "risk difference over strata, weighed by Mantel and Haenszel (Miettinen and Nurminen)",
        ),
        *interval(
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

ARM_COMPARISONS = mart_table(
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
