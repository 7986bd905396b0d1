"""Metrics of sessions and their dose.

Here: definitions. Not here: harm (safety.py).
"""

from ..limits import ANY_EXCEEDED, LIMITS
from ..sessions import BEGUN, BOOKED, SESSION_STATES
from .metric import Metric

_COHORT_SESSIONS = ("tests/transforms/marts/test_cohort_sessions.py",)

_CLUSTERED = (
    " Population sessions: the counts are of sessions, n_patients of the patients who had them; a session counts at "
    "its own clinic and modality. Clopper-Pearson limits on the effective number of sessions, for those of one patient "
    "are alike; without events the exact upper limit."
)

# 1 of what counts the due closed their windows at midnight UTC, and gave equal values an interval;
# 2 of the dose's response had the days of answers that name no clinic in UTC. What a device
# measured: 1 took a wrong clock's times for true
_EXPOSURE_VERSIONS = {
    "course_adherence": "2",
    "dose_response": "4",
    "thermal_dose": "2",
    "sessions_rewarming_seen": "2",
    "session_dose": "2",
    "skin_rewarming": "2",
}

_EXPOSURE_OPTIONS = {"course_adherence": ("course_gap_days",)}

_BEGAN = f"of the sessions that began ({' or '.join(BEGUN)})"
_STATES = f"{', '.join(BOOKED[:-1])} or {BOOKED[-1]}"

EXPOSURE: tuple[Metric, ...] = tuple(
    Metric(
        id=id,
        version=_EXPOSURE_VERSIONS.get(id, "1"),
        title=title,
        rule=rule,
        unit=unit,
        direction=direction,
        source=source,
        verification="proposal",
        parameters=_EXPOSURE_OPTIONS.get(id, ()),
        tests=tests,
    )
    for id, title, unit, direction, rule, source, tests in (
        (
            "protocol_limits",
            "Sessions with a protocol limit exceeded",
            "sessions",
            "lower",
            "by the protocol version in force at the start (the clinic's own before one for all); the colder and lower of "
            "the session's and its device's measurements; a value at its limit is within it; spacing from the last "
            "session that began (an aborted one too); weekly count of the sessions delivered in the seven local days up "
            "to this one's start, and this one; null where not measured",
            "the site's protocol",
            ("tests/transforms/marts/test_adex.py",),
        ),
        (
            "clearance",
            "Sessions without a valid clearance",
            "sessions",
            "lower",
            "the latest consult that occurred and was recorded by the start is cleared, unexpired and covers the modality",
            "this product's contract; target 0",
            ("tests/transforms/marts/test_adex.py",),
        ),
        (
            "contraindication",
            "Sessions with a known contraindication",
            "sessions",
            "lower",
            "the latest consult says or names one, or an item of the session's screening is present",
            "Capodaglio 2025, 10.3389/fresc.2025.1567402 (list not yet read in full); target 0",
            ("tests/transforms/marts/test_adex.py",),
        ),
        (
            "course_adherence",
            "Sessions delivered of those prescribed",
            "ratio",
            "higher",
            "delivered sessions / prescribed sessions of a course, mean over the courses that are over (population "
            "courses: the counts are of courses; one without a last day is over {course_gap_days} days after its last "
            "session), t interval over patients; can exceed 1",
            "proposal of this project",
            ("tests/transforms/rules/test_exposure.py", *_COHORT_SESSIONS),
        ),
        (
            "dose_response",
            "Change of an outcome by sessions per week (not causal)",
            None,
            "none",
            "patients due with a change in bins of delivered sessions a week until the assessment, mean change in each, "
            "t interval; not causal: who does well may come more, or less",
            "proposal of this project",
            (
                "tests/transforms/rules/test_exposure.py",
                "tests/transforms/marts/test_responder_curves.py",
            ),
        ),
        (
            "thermal_dose",
            "Cold dose of a session",
            "K s",
            "none",
            "sum over exposure of max(0, 0 degrees C - cabin temperature) x seconds; not validated",
            "proposal of this project",
            ("tests/transforms/series/test_telemetry.py",),
        ),
    )
)

EXPOSURE += tuple(
    Metric(
        id=id,
        version=_EXPOSURE_VERSIONS.get(id, "1"),
        title=title,
        rule=rule + _CLUSTERED,
        unit="proportion",
        direction=direction,
        source="Korn & Graubard 1998, Surv Methodol 24:193 (as R survey's svyciprop, beta); Clopper & Pearson 1934",
        verification="verified",
        tests=("tests/transforms/statistics/test_clustered.py", *_COHORT_SESSIONS),
    )
    for id, title, direction, rule in (
        *(
            (
                f"sessions_{state.id}",
                f"Booked sessions {state.id}",
                state.direction,
                f"sessions {state.id} / all on record as {_STATES}; another status is not known.",
            )
            for state in SESSION_STATES.values()
        ),
        *(
            (
                limit.metric,
                f"Sessions {limit.comparative} than the protocol allows",
                "lower",
                f"{_BEGAN}, those where it was measured and the protocol in force sets the limit; the others are missing.",
            )
            for limit in LIMITS.values()
        ),
        (
            ANY_EXCEEDED,
            "Sessions with any limit of the protocol exceeded",
            "lower",
            f"{_BEGAN}, those where at least one limit could be judged: one not measured may have been exceeded too.",
        ),
        (
            "sessions_without_clearance",
            "Sessions without a valid clearance (target 0)",
            "lower",
            f"{_BEGAN}, those where it is known (see clearance).",
        ),
        (
            "sessions_with_contraindication",
            "Sessions with a known contraindication (target 0)",
            "lower",
            f"{_BEGAN}, those at which it was asked (see contraindication).",
        ),
        (
            "sessions_not_cleared",
            "Sessions without a valid clearance or with a contraindication (target 0)",
            "lower",
            f"{_BEGAN}; known where one of the two is so or neither is; the others are missing, so that the share errs on "
            "the high side.",
        ),
        (
            "sessions_not_asked",
            "Sessions at which nobody asked about side effects",
            "lower",
            "of the sessions delivered, those that say whether somebody asked; the others are missing, not asked or not.",
        ),
        (
            "sessions_rewarming_seen",
            "Sessions at which the skin was seen to be warm again",
            "higher",
            f"{_BEGAN}, those whose telemetry lasted until the skin was within 1 K of its value before; how complete "
            "skin_rewarming is.",
        ),
    )
)

EXPOSURE += tuple(
    Metric(
        id=f"{name}_{statistic}",
        parameter=name,
        statistic=statistic,
        version=_EXPOSURE_VERSIONS.get(name, "1"),
        title=f"{title}: {statistic}",
        rule=f"{rule} {how}",
        unit=unit,
        direction="none",
        source=source,
        verification="proposal" if name != "session_duration" else "verified",
        tests=("tests/transforms/statistics/test_clustered.py", *_COHORT_SESSIONS),
    )
    for name, title, unit, rule, statistics in (
        (
            "session_duration",
            "Duration of a session",
            "s",
            "exposure of the sessions delivered;",
            ("mean", "median"),
        ),
        (
            "session_dose",
            "Cold dose of a session",
            "K s",
            "thermal_dose of the sessions delivered, not validated;",
            ("mean", "median"),
        ),
        (
            "skin_rewarming",
            "Time until the skin is warm again after a session",
            "min",
            "minutes from the end of a session that began until the skin is within 1 K of its value before; missing where "
            "it was not seen to be, so that slow rewarming is understated;",
            ("median",),
        ),
        (
            "cumulative_exposure",
            "Exposure of a patient so far",
            "s",
            "sum over a patient's sessions that began, up to the data cut, at the stratum's clinic and modality; missing "
            "where the duration of one is not known;",
            ("median",),
        ),
    )
    for statistic, how, source in (
        (
            "mean",
            "mean over sessions (population sessions), t interval over patients.",
            "Cochran 1977, ch. 6 (as R survey's svymean)",
        ),
        (
            "median",
            "a value a patient (of several sessions their median), median over patients (population patients), "
            "exact limits by order statistics.",
            "Conover 1999, 3.2 (ranks as R's qbinom)",
        ),
    )
    if statistic in statistics
)
