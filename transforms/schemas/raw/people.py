"""The topics of people: studies, enrolments, patients, what became of them, consent.

Here: their fields. Not here: treatment.
"""

from ..base import Json, JsonList
from .fields import ALLOCATION, CLINIC, INDICATIONS, PATIENT, SL, D, F, I, S, T, Topic, field

PEOPLE: tuple[Topic, ...] = (
    Topic(
        "studies",
        "Studies: arms, masking, planned visits, stratification.",
        "study_id",
        (
            field("study_id!", S, "study"),
            field("title", S, "title"),
            field("reference_arm", S, "arm that the others are compared with"),
            field(
                "masked_until",
                D,
                "first day on which comparisons by arm may be shown; null = not masked",
            ),
            field(
                "planned_visits",
                JsonList,
                "list of objects: visit, target_day, from_day, to_day (study days, no day 0)",
            ),
            field("stratification", SL, "factors of a stratified allocation"),
            field("primary", Json, "object: parameter, visit, method"),
        ),
    ),
    Topic(
        "study_enrolments",
        "Patients in studies.",
        "enrolment_id",
        (
            field("enrolment_id!", S, "enrolment"),
            field("study_id!", S, "study"),
            PATIENT,
            field("subject_id", S, "the patient's number in the study"),
            field("clinic_id", S, "clinic that enrolled the patient"),
            field("arm", S, "arm of the study"),
            ALLOCATION,
            field("allocated_on", D, "allocation"),
            field(
                "strata", Json, "object of texts: factor of a stratified allocation to its level"
            ),
            field(
                "analysis_sets",
                Json,
                "object of texts: analysis set to in, or the reason for leaving out",
            ),
            field("from!", D, "first day in the study"),
            field("to", D, "last day in the study; null = open"),
        ),
    ),
    Topic(
        "patients",
        "Patients, by pseudonym.",
        "patient_id",
        (
            PATIENT,
            field("clinic_id!", S, "enrolling clinic"),
            field("sex", S, "sex", closed=("female", "male", "other", "unknown")),
            field("birth_year", I, "year of birth", lo=1880, hi=2100),
            field("indication", S, "why treated", closed=INDICATIONS),
            field("pain_sites", SL, "pain sites"),
            field("pain_duration_months", F, "how long in pain", "months", lo=0),
            field("enrolled_on!", D, "enrolment"),
            field("study_id", S, "study of the arm; null = routine care"),
            field("arm", S, "arm of a comparison"),
            ALLOCATION,
            field("allocated_on", D, "allocation"),
            field("baseline_covariates", Json, "object of numbers"),
        ),
    ),
    Topic(
        "patient_status",
        "Leaving, pausing, moving, pregnancy, death, merged records.",
        "status_id",
        (
            field("status_id!", S, "status record"),
            PATIENT,
            CLINIC,
            field(
                "status!",
                S,
                "what changed",
                closed=(
                    "transferred",
                    "paused",
                    "resumed",
                    "completed",
                    "discontinued",
                    "withdrew",
                    "lost",
                    "pregnant",
                    "died",
                    "merged",
                    "split",
                ),
            ),
            field("merged_into", S, "the patient id that this one became"),
            field("effective_on!", D, "from this day"),
            field("reason", S, "reason"),
        ),
    ),
    Topic(
        "consents",
        "Consent given and withdrawn.",
        "consent_id",
        (
            field("consent_id!", S, "consent record"),
            PATIENT,
            field("scope!", S, "what for", closed=("care", "analytics", "research")),
            field("status!", S, "given or withdrawn", closed=("given", "withdrawn")),
            field("effective_at!", T, "from this moment"),
            field("version", S, "version of the consent's text"),
        ),
    ),
)
