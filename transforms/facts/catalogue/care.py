"""Metrics of other care and of time to an event.

Here: definitions. Not here: rates of adverse events (safety.py).
"""

from ..event_groups import GROUPS
from .metric import TIME_AT_RISK_OPTIONS, Metric

_COHORT_CARE = ("tests/transforms/marts/test_cohort_care.py",)

# Before 3 ttae ended with `lost` as filed and followed past a gap. Before 3 (ttsurg and its like:
# 2) a curve without an event had the limits 1 to 1, and one at 0 none. 1 did not count the
# resolution of an adverse event as contact; a leaving before the first session ended ttae. Before 3
# ttloss and ttrelaps ran on into the next treatment episode, against the first one's baseline
_VERSIONS = {
    "ttretrt": "1",
    **dict.fromkeys(("ttae", "ttaeres", "ttaerec", "ttloss", "ttrelaps"), "3"),
}

CARE: tuple[Metric, ...] = tuple(
    Metric(
        id=id,
        version=_VERSIONS.get(id, "2"),
        title=title,
        rule=rule,
        unit="days",
        direction=direction,
        source=source,
        parameters=parameters,
        verification="proposal" if source.startswith("proposal") else "verified",
        tests=(
            "tests/transforms/marts/test_adtte.py",
            "tests/transforms/statistics/test_survival.py",
        ),
    )
    for id, title, direction, rule, parameters, source in (
        (
            "ttsurg",
            "Time from Day 1 to surgery",
            "higher",
            "Kaplan-Meier; Day 1 to the first surgery on or after it; censored at the last reported_through or at death; "
            "one that is known counts after that too, as a death does in progression-free survival",
            (),
            "Kaplan & Meier 1958; care-free time ends where care was last reported",
        ),
        (
            "ttresc",
            "Time from Day 1 to rescue care",
            "higher",
            "as ttsurg, to the first record of care marked as rescue",
            (),
            "Kaplan & Meier 1958",
        ),
        (
            "ttsurga",
            "Time from allocation to surgery",
            "higher",
            "as ttsurg from allocation (else enrolment), patients of an arm; log-rank between randomised arms",
            (),
            "Kaplan & Meier 1958; Mantel 1966",
        ),
        (
            "ttresca",
            "Time from allocation to rescue care",
            "higher",
            "as ttresc from allocation (else enrolment), patients of an arm; log-rank between randomised arms",
            (),
            "Kaplan & Meier 1958; Mantel 1966",
        ),
        (
            "ttae",
            "Time to the first treatment-emergent adverse event",
            "higher",
            "first session that began to the first event of known onset in the first stretch of time at risk (see "
            "time_at_risk), the same that the rates count; censored where that stretch ends",
            TIME_AT_RISK_OPTIONS,
            "Kaplan & Meier 1958",
        ),
        *(
            (
                group.parameter.lower(),
                f"Time to the first event of the group: {group.title.lower()}",
                "higher",
                f"as ttae, to the first event that is one of {', '.join(group.terms)} or whose kind of injury is one of "
                f"{', '.join(group.injury_kinds)}",
                TIME_AT_RISK_OPTIONS,
                "Kaplan & Meier 1958",
            )
            for group in GROUPS.values()
        ),
        (
            "ttaeres",
            "Time to resolution of an adverse event",
            "lower",
            "onset to resolution with or without sequelae, last day - first day + 1, a row an event; censored at the "
            "last contact or death",
            (),
            "Kaplan & Meier 1958; duration as pharmaverse admiral (add_one)",
        ),
        (
            "ttaerec",
            "Time to resolution of an adverse event without sequelae",
            "lower",
            "as ttaeres; resolution with sequelae censors",
            (),
            "Kaplan & Meier 1958",
        ),
        (
            "ttloss",
            "Time from confirmed response to its loss",
            "higher",
            "origin the confirmation of at least 30 % less pain; event the first of two consecutive assessments below "
            "that (or 2 points above the response value and at least 4), or an injection or surgery; censored at the "
            "last assessment, though a procedure after it counts; an event's time is that of the first assessment that shows it; "
            "within one treatment episode (the first, unless another is asked for), which ends where the next one's "
            "baseline begins",
            ("sustained_min_days",),
            "proposal of this project; Kaplan & Meier 1958",
        ),
        (
            "ttrelaps",
            "Time from a pain-free month to relapse",
            "higher",
            "after 30 pain-free days, to pain of at least 2 (NRS); censored at the last assessment; within one "
            "treatment episode (the first, unless another is asked for), which ends where the next one's baseline begins",
            (),
            "de Vet 2002, Spine 27; Stanton 2011, Eur Spine J",
        ),
        (
            "ttretrt",
            "Time from Day 1 to the first session of the next treatment episode",
            "none",
            "Kaplan-Meier; Day 1 of the first episode to that of the next (coming back may be failure or habit); "
            "censored at the data cut or withdrawal from follow-up, and at surgery or death: what would be if these "
            "could not happen, so that one minus it is too much (see first_of_competing_events)",
            ("episode_gap_days",),
            "Kaplan & Meier 1958",
        ),
    )
)

_LOCAL_CARE = "3"  # 2 took all days of care as the enrolling clinic has them; 1 took days of care as UTC has them, and called patients of unknown opioid dose not evaluable

CARE += (
    Metric(
        id="opioid_change",
        version=_LOCAL_CARE,
        title="Opioid dose: mean change (a change, not an effect)",
        rule="mean over the last 28 days of known care minus that over the 28 days before Day 1, days by "
        "the clock of the record; t interval; patients of whom either is not known are missing",
        unit="MME/day",
        direction="lower",
        source="proposal of this project",
        verification="proposal",
        tests=(
            "tests/transforms/rules/test_care.py",
            "tests/transforms/marts/test_cohort_outcomes.py",
        ),
    ),
    *(
        Metric(
            id=f"opioid_dose_{name}",
            version=_LOCAL_CARE,
            title=f"Opioid dose {text}: mean",
            unit="MME/day",
            direction="lower",
            rule=f"mean over the {window}, of the patients whose dose is known both before Day 1 and "
            "at the latest (those of opioid_change); t interval",
            source="proposal of this project",
            verification="proposal",
            tests=(
                "tests/transforms/rules/test_care.py",
                "tests/transforms/marts/test_cohort_outcomes.py",
            ),
        )
        for name, text, window in (
            ("before", "before Day 1", "28 days before Day 1"),
            ("latest", "at the latest", "last 28 days of known care"),
        )
    ),
    *(
        Metric(
            id=f"{kind}_use_{name}",
            parameter=f"{kind}_use",
            statistic=name,
            version=_LOCAL_CARE,
            title=f"{title} {text}",
            unit="proportion",
            direction=direction,
            rule=f"{rule}; of the patients whose care is known both in the 28 days before Day 1 "
            "(the known ones of them, at least the last) and in the last 28 days of known care, all after Day 1; the others are missing; "
            "Wilson limits, Clopper-Pearson for 5 or fewer",
            source="proposal of this project",
            verification="proposal",
            tests=("tests/transforms/rules/test_care.py", *_COHORT_CARE),
        )
        for kind, title in (
            ("opioid", "Patients using opioids"),
            ("analgesic", "Patients using analgesics"),
        )
        for name, text, direction, rule in (
            ("before", "in the 28 days before Day 1", "lower", "a record of it on any of the days"),
            (
                "latest",
                "in the last 28 days of known care",
                "lower",
                "a record of it on any of the days",
            ),
            (
                "stopped",
                "before who do not any more",
                "higher",
                "not used at the latest / used before",
            ),
            ("started", "who did not before", "lower", "used at the latest / not used before"),
        )
    ),
    *(
        Metric(
            id=f"{name}_per_100_patient_years",
            version=_LOCAL_CARE,
            title=f"{name.capitalize()} in known care",
            rule=f"records of {name} from Day 1 to the latest reported_through (no later than death and the data cut) "
            "/ the patients' years of those days (by the clock of the record), no window after the last session; "
            "Garwood limits",
            unit="per 100 patient-years",
            direction="lower",
            source="Garwood 1936",
            verification="verified",
            tests=("tests/transforms/rules/test_care.py", *_COHORT_CARE),
        )
        for name in ("injections", "surgeries")
    ),
)

CARE += (
    Metric(
        id="first_of_competing_events",
        version="1",
        title="Share that came back, had surgery or died first",
        rule="Aalen-Johansen cumulative incidence of the first of: the next treatment episode, surgery, death; from Day 1 "
        "of the first episode, of patients with a delivered session; of one day the first named counts; censored at "
        "the data cut or withdrawal from follow-up. Variance of Greenwood's type, log(-log) limits; Gray's test "
        "between the arms of a study where all were randomised and everybody allocated was treated. Surgery is known "
        "only where care is reported",
        unit="proportion",
        direction="none",
        source="Aalen & Johansen 1978, Scand J Stat 5:141; Andersen, Borgan, Gill & Keiding 1993 (4.4.19); Pintilie "
        "2006, Competing Risks; Gray 1988, Ann Stat 16:1141",
        verification="verified",
        parameters=("episode_gap_days",),
        tests=(
            "tests/transforms/statistics/test_competing.py",
            "tests/transforms/marts/test_competing_risks.py",
        ),
    ),
)
