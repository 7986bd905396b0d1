"""Tables of `mart` of a study: study_plans, analysis_sets, consort_flow.

Here: their columns. Not here: its patients (patients.py), comparisons of its arms (comparisons.py).
"""

from ...facts.analysis_sets import DECIDED_BY
from ...facts.flow import STEPS
from ..base import COUNT, Column, Json
from .columns import COUNTED, KEY, OPEN, STAMP, STUDYID, USUBJID, B, D, I, S, mart_table

STUDY_PLANS = mart_table(
    "study_plans",
    "One row a study: what it plans, as its record says, and how its arms are compared. Routine care is none.",
    [
        Column("study_id", S, "study", required=True, outside=KEY),
        Column("title", S, "title", outside=OPEN),
        Column(
            "masked_until",
            D,
            "first day on which its arms are shown; null = not masked",
            outside=OPEN,
        ),
        Column(
            "is_masked",
            B,
            "its arms are masked: masked_until is later than the data cut's day",
            required=True,
            outside=OPEN,
        ),
        Column(
            "reference_arm",
            S,
            "arm that the others are compared with; null where there is none, or the arms are masked",
            outside=OPEN,
        ),
        Column(
            "reference_basis",
            S,
            "how the reference arm was chosen, or why there is none",
            outside=OPEN,
        ),
        Column(
            "planned_visits",
            Json,
            "planned visits with their windows (study days from the day of allocation); null = the default windows",
            outside=OPEN,
        ),
        Column("primary_parameter", S, "PARAMCD of the primary analysis", outside=OPEN),
        Column("primary_visit", S, "visit of the primary analysis", outside=OPEN),
        Column("primary_method", S, "method of the primary analysis", outside=OPEN),
        Column(
            "primary_reason",
            S,
            "why the primary analysis can't be told; null where it can",
            outside=OPEN,
        ),
    ],
    ("study_id",),
)

ANALYSIS_SETS = mart_table(
    "analysis_sets",
    "One row a patient, study and analysis set: whether the patient is in it, and why not. Routine care has none.",
    [
        STUDYID,
        USUBJID,
        Column(
            "set_code",
            S,
            "analysis set: ITT, FAS, PP, SAF, or as the study names a further one",
            required=True,
        ),
        Column("is_in", B, "the patient is in the set; null = can't be told, reason says why"),
        Column("reason", S, "why the patient is left out, or why it can't be told"),
        Column(
            "decided_by",
            S,
            "filed: the study files the set (who has no word is in); derived: by the rule of the set; undecided",
            required=True,
            closed=DECIDED_BY,
        ),
    ],
    ("STUDYID", "USUBJID", "set_code"),
)

CONSORT_FLOW = mart_table(
    "consort_flow",
    "One row a study, arm and step of its flow of patients (CONSORT): counts of patients, from the lake alone.",
    [
        *STAMP,
        Column("study_id", S, "study", required=True, outside=KEY),
        Column(
            "arm",
            S,
            "arm, (none) for the allocated without a name of one; null = all arms together (alone while they are masked)",
            outside=KEY,
        ),
        Column("step", S, "step", required=True, closed=tuple(STEPS), outside=KEY),
        Column("visit", S, "visit of the step; null where it is of none", outside=KEY),
        Column("visit_day", I, "the visit's target day (no day 0)", outside=OPEN),
        Column(
            "n_patients",
            I,
            "patients at the step; null = can't be known, reason says why",
            unit=COUNT,
            outside=COUNTED,
        ),
        Column(
            "n_of",
            I,
            "patients of the step that it is a part of: enrolled, or allocated",
            unit=COUNT,
            outside=COUNTED,
        ),
        Column(
            "reasons",
            Json,
            "why they left or were left out, or what is told apart of them: reason to number of patients",
        ),
        Column("reason", S, "why n_patients is null", outside=OPEN),
    ],
    ("study_id", "arm", "step", "visit"),
)
