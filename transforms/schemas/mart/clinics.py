"""Tables of `mart` about clinics beside one another and over time: clinic_funnel, control_charts.

Here: their columns. Not here: comparisons of groups (comparisons.py).
"""

from ..base import COUNT, Column
from .columns import COUNTED, KEY, MEASURED, OPEN, STAMP, WITHHELD, B, D, F, I, S, mart_table

_FUNNEL_SIGNALS = ("none", "low_95", "high_95", "low_998", "high_998")

CLINIC_FUNNEL = mart_table(
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
            "share of the clinic's delivered sessions at which side effects were asked about, of those that say whether they were",
            outside=MEASURED,
        ),
        Column("note", S, "how the row is to be read", outside=MEASURED),
        Column("reason", S, "why no limits can be given", outside=MEASURED),
    ],
    ("metric_id", "clinic_id", "modality"),
)

CONTROL_CHARTS = mart_table(
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
