"""Tables of `mart` about what a change means: important_change, reliable_change.

Here: their columns. Not here: the rules by which patients respond (cohorts.py).
"""

from ..base import COUNT, Column
from .columns import (
    CLUSTERED_REASON,
    COUNTED,
    KEY,
    MEASURED,
    OPEN,
    STAMP,
    STRATA,
    VERIFICATION,
    F,
    I,
    S,
    interval,
    mart_table,
)

IMPORTANT_CHANGE = mart_table(
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
            closed=VERIFICATION,
            outside=OPEN,
        ),
        Column("reason", S, "why no cut can be given", outside=MEASURED),
    ],
    ("parameter", "visit", "clinic_id", "modality", "indication", "study_id", "arm", "strata"),
)

RELIABLE_CHANGE = mart_table(
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
                *interval(
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
        CLUSTERED_REASON,
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
            closed=VERIFICATION,
            outside=OPEN,
        ),
        Column("reason", S, "why no share can be given", outside=MEASURED),
    ],
    ("parameter", "visit", "clinic_id", "modality", "indication", "study_id", "arm", "strata"),
)
