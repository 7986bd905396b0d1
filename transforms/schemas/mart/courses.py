"""Tables of `mart` that set a patient's treatment episodes side by side: course_relief.

Here: their columns. Not here: the episodes (episodes.py).
"""

from ..base import COUNT, Column
from .columns import COUNTED, KEY, MEASURED, OPEN, STAMP, STRATA, F, I, S, interval, mart_table

COURSE_RELIEF = mart_table(
    "course_relief",
    "One row per parameter, visit and stratum: of patients with two treatment episodes one after the other in the same study, the second one's change of pain beside the first's. A before/after change is not an effect.",
    [
        *STAMP,
        *STRATA,
        Column(
            "parameter",
            S,
            "pain parameter that stands for the patient in the first episode, as in adqs",
            required=True,
            outside=KEY,
        ),
        Column("visit", S, "visit of both episodes", required=True, outside=KEY),
        Column(
            "n_patients",
            I,
            "patients with a pair of episodes",
            unit=COUNT,
            required=True,
            outside=COUNTED,
        ),
        Column(
            "n_due",
            I,
            "of them those whose visit window has closed in both episodes",
            unit=COUNT,
            outside=COUNTED,
        ),
        Column(
            "n_ended",
            I,
            "of the others those in whom a next episode's baseline began before the visit, of the first episode or of the second: never due",
            unit=COUNT,
            outside=COUNTED,
        ),
        Column("n_pending", I, "not yet due", unit=COUNT, outside=COUNTED),
        Column("n_pairs", I, "of those due, with a change in both", unit=COUNT, outside=COUNTED),
        Column("n_missing", I, "of those due, the others", unit=COUNT, outside=COUNTED),
        Column(
            "n_baseline_in_follow_up",
            I,
            "of the pairs, those whose second baseline lies within the follow-up of the first episode",
            unit=COUNT,
            outside=COUNTED,
        ),
        Column("baseline_first", F, "mean baseline of the first, of the pairs", outside=MEASURED),
        Column("baseline_second", F, "mean baseline of the second", outside=MEASURED),
        *interval("change_first", "mean change in the first, of the pairs"),
        *interval("change_second", "mean change in the second"),
        *interval("difference", "mean of the second's change minus the first's"),
        Column("unit", S, "unit of baselines and changes", outside=OPEN),
        Column("reason", S, "why there is no value, or no interval", outside=MEASURED),
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
    ),
)
