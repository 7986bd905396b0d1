"""Every metric's definition as data: what a number means and where that comes from.

Here: id, version, rule in words, unit, direction, source, verification, parameters, tests.
Not here: the computation. A mart row names the metric and the version that made it; a rule that
changes gets a new version here.
"""

from dataclasses import dataclass

from ..instruments import metrics as instrument_metrics
from ..instruments.metrics import T_INTERVAL
from ..options import Options
from . import mobility_parameters
from .event_groups import GROUPS


@dataclass(frozen=True, kw_only=True)
class Metric:
    """`verification`: verified (source read or number reproduced), unverified (primary not
    checked), proposal.

    `parameters`: the options that the rule depends on; `{name}` in the rule stands for the value of
    one of them. `parameter`, `statistic`: of a statistic of one parameter (of adqs or adact, or an
    amount of sessions) which and of what.
    """

    id: str
    version: str
    title: str
    rule: str
    unit: str | None
    direction: str
    source: str
    verification: str
    parameters: tuple[str, ...] = ()
    tests: tuple[str, ...] = ()
    parameter: str | None = None
    statistic: str | None = None

    def rule_by(self, options: Options) -> str:
        """The rule in words, with the site's own numbers."""
        return self.rule.format(
            **{name: _in_words(getattr(options, name)) for name in self.parameters}
        )


def _in_words(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)


# --- pain ---------------------------------------------------------------------------------------
_PAIN: tuple[Metric, ...] = tuple(
    Metric(**d)
    for d in instrument_metrics.definitions(("nrs_pain", "vas_pain", "pain_index", "pain_days_28"))
)

# --- function and quality of life ----------------------------------------------------------------
_FUNCTION: tuple[Metric, ...] = tuple(
    Metric(**d)
    for d in instrument_metrics.definitions(
        (
            "odi",
            "rmdq",
            "ndi",
            "promis_pi_4a",
            "promis_pi_6a",
            "promis_pf_6b",
            "promis_29",
            "pgic",
            "eq_5d_5l",
            "start_back",
        )
    )
)

# --- time: sustained response, relapse, surgery-free survival ------------------------------------
# version 1 of what counts the due closed their windows at midnight UTC; 2 (sustained_response: 1)
# had the days of answers that name no clinic in UTC
_TIME: tuple[Metric, ...] = (
    Metric(
        id="visit_windows",
        version="1",
        title="Visits",
        rule="study day without day 0; windows that do not overlap, nearest to target, ties the earlier; End of "
        "course: nearest to the day after the first course's last session, up to 14 days after it (EOCFL); it "
        "takes no record that counts for a visit of a fixed day",
        unit="days",
        direction="none",
        source="CDISC (study day); windows: a proposal of Floe",
        verification="proposal",
        parameters=("course_gap_days",),
        tests=("tests/transforms/rules/test_windows.py",),
    ),
    Metric(
        id="sustained_response",
        version="2",
        title="Patients with a sustained response of pain",
        rule="at least 30 % better at two assessments at least {sustained_min_days} days apart and at every one "
        "between; patients without two such assessments are not evaluable",
        unit="proportion",
        direction="higher",
        source="a proposal of Floe",
        verification="proposal",
        parameters=("sustained_min_days",),
        tests=("tests/transforms/rules/test_durability.py",),
    ),
    Metric(
        id="responder_curve",
        version="3",
        title="Cumulative share of responders",
        rule="share improved by at least x % of baseline, x = 0 to 100, of all due with an evaluable baseline; no "
        "value counts as no response; Wilson limits",
        unit="proportion",
        direction="higher",
        source="Farrar 2006, 10.1016/j.jpainsymman.2005.08.018",
        verification="verified",
        tests=(
            "tests/transforms/rules/test_pain.py",
            "tests/transforms/marts/test_responder_curves.py",
        ),
    ),
    Metric(
        id="rule_disagreement",
        version="3",
        title="Where responder rules disagree",
        rule="patients due with a value by the 30 % rule, the rule in points and the global impression at a visit",
        unit="patients",
        direction="none",
        source="Dworkin 2008 (IMMPACT); Ostelo 2008",
        verification="verified",
        tests=(
            "tests/transforms/rules/test_pain.py",
            "tests/transforms/marts/test_responder_curves.py",
        ),
    ),
    Metric(
        id="pgic_anchor_mic",
        version="3",
        title="Least improvement that patients call much improved",
        rule="the improvement with the highest sensitivity + specificity for PGIC 1-2 against 3-7 at the same visit, "
        "among this product's own patients due; of equally good cuts the greatest; beside it both groups' sizes and "
        "the area under the ROC curve with Newcombe's interval; none where a group has fewer than "
        "{anchor_min_group} patients or the cut is no improvement",
        unit=None,
        direction="none",
        source="a proposal of Floe, as in Suzuki 2020, PMC7053735; Youden 1950, Cancer 3:32; Hanley & McNeil 1982, "
        "Radiology 143:29; Newcombe 2006, Stat Med 25:559 (method 5)",
        verification="proposal",
        parameters=("anchor_min_group", "min_cell"),
        tests=(
            "tests/transforms/statistics/test_anchor.py",
            "tests/transforms/marts/test_important_change.py",
        ),
    ),
    Metric(
        id="reliable_change",
        version="3",
        title="Patients changed beyond measurement error (a change, not an effect)",
        rule="improved or deteriorated: |value - baseline| > 1.96 standard errors of the difference, √2 SEM or, for a "
        "form whose table gives every score its own, √(SE² + SE²); recovered: improved, and at or past the "
        "functional cut that the baseline was not; else unchanged. Of a performance test: by at least the smallest "
        "change that is shown as one. Observed cases with a baseline; an RMDQ baseline under 4 is not evaluable "
        "(a worsening from it counts in rmdq_worse alone). SEM, cut and sources stand in each row",
        unit="proportion",
        direction="none",
        source="Jacobson & Truax 1991, J Consult Clin Psychol 59:12; Christensen & Mendoza 1986; "
        "Maassen 2004, 10.1017/s1355617704106097; each error's own source in mart.reliable_change",
        verification="verified",
        parameters=(
            "nrs_sem",
            "vas_sem",
            "odi_sem",
            "rmdq_sem",
            "ndi_sem",
            "eq5d_sem",
            "nrs_recovered_at",
            "vas_recovered_at",
            "odi_recovered_at",
            "rmdq_recovered_at",
            "ndi_recovered_at",
            "min_cell",
        ),
        tests=(
            "tests/transforms/statistics/test_reliable_change.py",
            "tests/transforms/rules/test_measurement_error.py",
            "tests/transforms/marts/test_important_change.py",
        ),
    ),
    Metric(
        id="regression_to_the_mean",
        version="1",
        title="Change that regression to the mean alone would give",
        rule="sd (1 - reliability) phi(z) / (1 - Phi(z)), z = (cut-off - mean) / sd, of the unselected population; "
        "shown beside a before/after change, never subtracted",
        unit="points",
        direction="none",
        source="Davis 1976; Barnett 2005; Linden 2013, 10.1186/1471-2288-13-119",
        verification="verified",
        parameters=("rtm_mean", "rtm_sd", "rtm_reliability", "rtm_cutoff", "rtm_source"),
        tests=("tests/transforms/rules/test_pain.py",),
    ),
)

# --- a patient's headline outcomes ---------------------------------------------------------------
_PATIENTS: tuple[Metric, ...] = (
    Metric(
        id="patient_outcomes",
        version="3",
        title="Headline outcomes of a patient",
        rule="of each outcome the first parameter with a baseline; latest value after it; a change, not an effect",
        unit=None,
        direction="none",
        source="a proposal of Floe",
        verification="proposal",
        parameters=("sustained_min_days", "valid_day_wear_h"),
        tests=("tests/transforms/marts/test_patient_outcomes.py",),
    ),
)

# --- between arms --------------------------------------------------------------------------------
_ARMS: tuple[Metric, ...] = tuple(
    Metric(
        id=id,
        version="3",
        title=title,
        rule=rule,
        unit=unit,
        direction="none",
        source=source,
        verification="verified",
        parameters=("reference_arm", "min_completeness_pct", *parameters),
        tests=(
            "tests/transforms/marts/test_trial.py",
            "tests/transforms/marts/test_arm_comparisons.py",
        ),
    )
    for id, title, unit, rule, parameters, source in (
        (
            "arm_difference_ancova",
            "Adjusted difference between arms at a visit",
            None,
            "least squares of the value on arm, baseline, age, sex, indication, pain duration, factors of the "
            "allocation and clinic; everybody with the visit's value. Missing at baseline: where arms were randomised "
            "imputed by its mean with an indicator (a factor: a level of its own); elsewhere that covariate is not "
            "used, and who has no baseline is left out. Least-squares means beside it",
            ("completers_of_last_visit",),
            "Vickers & Altman 2001, BMJ 323:1123; White & Thompson 2005, Stat Med 24:993",
        ),
        (
            "arm_difference_mmrm",
            "Adjusted difference between arms at a visit, all planned visits modelled together",
            None,
            "value on arm x visit and baseline x visit, unstructured covariance within a patient, REML; observed "
            "cases; covariates as in arm_difference_ancova. Of the planned visits alone (without a plan: those with "
            "enough of the patients due), and of these the ones that enough patients of both arms have; other answers "
            "are left out and counted",
            ("mmrm_degrees_of_freedom", "min_patients_per_parameter"),
            "Mallinckrodt 2008, Drug Inf J 42:303; ICH E9(R1); Kenward & Roger 1997, Biometrics 53:983",
        ),
        (
            "arm_risk_difference",
            "Difference between arms in the share of responders",
            "proportion",
            "share of the arm minus share of the reference, by each responder rule and each endpoint of the site; "
            "Newcombe and Wald intervals; beside it who started too low to respond",
            ("binary_endpoints",),
            "Newcombe 1998, Stat Med 17:873 (method 10)",
        ),
    )
)

# --- mobility ------------------------------------------------------------------------------------
_MOBILITY: tuple[Metric, ...] = tuple(Metric(**d) for d in mobility_parameters.definitions())

# Means of a cohort; a change of lumbar flexion is mostly its measurement error and is not averaged.
_MOBILITY += tuple(
    Metric(
        id=f"{p.code.lower()}_{name}",
        parameter=p.code,
        statistic=name,
        version="1" if p in mobility_parameters.VITALS else "3",
        title=f"{p.title}: {title}",
        unit=p.unit,
        direction=p.direction,
        rule=f"{rule}, {T_INTERVAL}",
        source=p.source,
        verification="proposal",
        tests=("tests/transforms/marts/test_cohort_outcomes.py",),
    )
    for p in (*mobility_parameters.WEEKLY_PARAMETERS, *mobility_parameters.PERFORMANCE_TESTS)
    for name, title, rule in (
        ("mean", "mean", "mean of the values at the visit"),
        (
            "change",
            "mean change from baseline (a change, not an effect)",
            "mean of AVAL - BASE at the visit",
        ),
    )
    if name == "mean" or p.direction != "none"
)

# --- exposure ------------------------------------------------------------------------------------
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
    "dose_response": "3",
    "thermal_dose": "2",
    "sessions_rewarming_seen": "2",
    "session_dose": "2",
    "skin_rewarming": "2",
}
_EXPOSURE_OPTIONS = {"course_adherence": ("course_gap_days",)}
_BEGAN = "of the sessions that began (delivered or aborted)"
_EXPOSURE: tuple[Metric, ...] = tuple(
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

_EXPOSURE += tuple(
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
                f"sessions_{status}",
                f"Booked sessions {text}",
                direction,
                f"sessions {text} / all on record as delivered, aborted, missed or cancelled; another status is not known.",
            )
            for status, text, direction in (
                ("delivered", "delivered", "higher"),
                ("aborted", "aborted", "lower"),
                ("missed", "missed", "lower"),
                ("cancelled", "cancelled", "lower"),
            )
        ),
        *(
            (
                f"limit_{limit}_exceeded",
                f"Sessions {text} than the protocol allows",
                "lower",
                f"{_BEGAN}, those where it was measured and the protocol in force sets the limit; the others are missing.",
            )
            for limit, text in (
                ("temperature_low", "colder"),
                ("temperature_high", "warmer"),
                ("duration", "longer"),
                ("spacing", "sooner after the one before"),
                ("weekly_count", "more often in a week"),
                ("skin_temperature", "with colder skin"),
                ("oxygen", "with less oxygen in the room"),
            )
        ),
        (
            "limit_any_exceeded",
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

_EXPOSURE += tuple(
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

# --- care ----------------------------------------------------------------------------------------
_COHORT_CARE = ("tests/transforms/marts/test_cohort_care.py",)
# Before 3 ttae ended with `lost` as filed and followed past a gap. Before 3 (ttsurg and its like:
# 2) a curve without an event had the limits 1 to 1, and one at 0 none. 1 did not count the
# resolution of an adverse event as contact; a leaving before the first session ended ttae
_FOLLOWED = ("ttae", "ttaeres", "ttaerec")
_FROM_TIME_AT_RISK = (
    "risk_window_days",
    "episode_gap_days",
    "lost_after_days",
    "person_time_cut_h",
)
_CARE: tuple[Metric, ...] = tuple(
    Metric(
        id=id,
        version="3" if id in _FOLLOWED else "2",
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
            _FROM_TIME_AT_RISK,
            "Kaplan & Meier 1958",
        ),
        *(
            (
                group.parameter.lower(),
                f"Time to the first event of the group: {group.title.lower()}",
                "higher",
                f"as ttae, to the first event that is one of {', '.join(group.terms)} or whose kind of injury is one of "
                f"{', '.join(group.injury_kinds)}",
                _FROM_TIME_AT_RISK,
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
            "last assessment, though a procedure after it counts; an event's time is that of the first assessment that shows it",
            ("sustained_min_days",),
            "proposal of this project; Kaplan & Meier 1958",
        ),
        (
            "ttrelaps",
            "Time from a pain-free month to relapse",
            "higher",
            "after 30 pain-free days, to pain of at least 2 (NRS); censored at the last assessment",
            (),
            "de Vet 2002, Spine 27; Stanton 2011, Eur Spine J",
        ),
    )
)

_LOCAL_CARE = "3"  # 2 took all days of care as the enrolling clinic has them; 1 took days of care as UTC has them, and called patients of unknown opioid dose not evaluable
_CARE += (
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

# --- safety --------------------------------------------------------------------------------------
_RATES_RULE = (
    "patients with a session that began, and the events that began in their time at risk (time_at_risk), at the clinic "
    "where each happened; an event outside is in no figure and is counted as outside; one of unknown onset counts in a "
    "patient who has time at risk; one event for all its records (clean_window); sessions are the delivered ones. "
)
# adverse_event_rates: 1 widened limits at a phi of 1 by rounding; 2 counted events outside the time
# at risk, left the lost at risk, ended the day of death or withdrawal at its beginning, and kept
# the time in which an event lasts. clean_window: 1 took two body sites for two events.
# treatment_emergent: 1 had no setting for unknown onsets. report_deadlines: 1 knew the rules of the
# US alone, and adverse events of known patients alone; 2 knew a death by the outcome `fatal`, grade
# 5 and the criterion `death` alone. adverse_event_rate_ratio: 1 had a p-value that took a patient's
# events for independent ones beside widened limits.
_SAFETY_VERSIONS = {
    "adverse_event_rates": "3",
    "adverse_event_rate_ratio": "2",
    "clean_window": "2",
    "report_deadlines": "3",
    "treatment_emergent": "2",
}


def _safety_verification(source: str) -> str:
    """Of a metric whose rows have a source each, some of them unverified: unverified."""
    if source.startswith("each row's own"):
        return "unverified"
    return "proposal" if source.startswith("proposal") else "verified"


_SAFETY: tuple[Metric, ...] = tuple(
    Metric(
        id=id,
        version=_SAFETY_VERSIONS.get(id, "1"),
        title=title,
        rule=rule,
        unit=unit,
        direction=direction,
        source=source,
        verification=_safety_verification(source),
        parameters=parameters,
        tests=tests,
    )
    for id, title, unit, direction, rule, parameters, source, tests in (
        (
            "time_at_risk",
            "Time in which harm counts",
            "days",
            "none",
            "of each episode (a new one: first session of a course that is new to the patient and continues no other, or "
            "more than {episode_gap_days} days after the last) from its first session that began to {risk_window_days} days after its last; ended by the "
            "last moment of the day of death, of withdrawal (who comes back for a session is at risk again) or of the "
            "last contact of who is lost, and by the data cut taken down to {person_time_cut_h} h. Lost: no session, consult, "
            "screening, answer, test, care or report of it, or adverse event for {lost_after_days} days at the cut, whatever was filed; "
            "a later contact gives the time back. The planned time is the same without that loss",
            _FROM_TIME_AT_RISK,
            "proposal of this project, after ICH E9(R1) and OHDSI CohortIncidence",
            (
                "tests/transforms/rules/test_time_at_risk.py",
                "tests/transforms/rules/test_contact.py",
            ),
        ),
        (
            "adverse_event_rates",
            "How often adverse events happen",
            None,
            "lower",
            _RATES_RULE
            + "Incidence proportion: patients with an event / patients treated (Clopper-Pearson). Events per "
            "100 sessions delivered, EAIR per 100 patient-years to the first event, events per 100 patient-years "
            "(Garwood). The time of a single term is without that in which an event of it lasts, and its clean window; any "
            "term together has the whole. Over-dispersion phi = sum((x - rate t)^2 / (rate t)) / (n - 1) over patients "
            "with delivered sessions there, t, and the rate of theirs alone; where phi > 1 a second interval "
            "rate exp(+-z sqrt(phi/x)), never narrower than the exact one, for both rates of events. EAIR assumes a "
            "constant hazard. Beside each rate the same to the planned end of the time at risk, as if nobody were lost.",
            (*_FROM_TIME_AT_RISK, "clean_window_days", "is_unknown_onset_emergent", "min_cell"),
            "Garwood 1936; Clopper & Pearson 1934; McCullagh & Nelder 1989",
            (
                "tests/transforms/marts/test_adverse_event_rates.py",
                "tests/transforms/statistics/test_rates.py",
            ),
        ),
        (
            "adverse_event_groups",
            "Adverse events by body system, worst grade and group of terms",
            None,
            "lower",
            _RATES_RULE
            + "A patient with several events of a category counts once in it, and in the worst grade alone "
            "among the grades, of which there is the proportion alone. The time is the whole time at risk. Groups of "
            "terms: "
            + "; ".join(
                f"{g.title}: {', '.join(g.terms)}, or injury {', '.join(g.injury_kinds)}"
                for g in GROUPS.values()
            ),
            (*_FROM_TIME_AT_RISK, "clean_window_days", "is_unknown_onset_emergent", "min_cell"),
            "Garwood 1936; Clopper & Pearson 1934",
            ("tests/transforms/marts/test_adverse_event_groups.py",),
        ),
        (
            "adverse_event_rate_ratio",
            "How often adverse events happen in one group against another",
            "ratio",
            "none",
            "rates of adverse_event_rates, group / reference: arms of a study against its reference arm, modalities "
            "against each other, a clinic against all others together. One model with patients as clusters: exact limits "
            "conditional on the total (Clopper-Pearson of the group's share) of the events over phi, and twice the smaller "
            "tail as p-value; phi, at least 1, is of the pair's patients and enlarged by t for n-1 for their number. Arms "
            "also by patients with an event: Miettinen-Nurminen difference and Fisher's test, whole and over strata (the "
            "allocation's factors, else clinics; Cochran-Mantel-Haenszel). p-values only between arms of which every "
            "patient was randomised. Not adjusted for case mix; fewer reported events are not fewer events",
            ("reference_arm", "min_cell"),
            "Przyborowski & Wilenski 1940; Korn & Graubard 1998; Fay 2010; Miettinen & Nurminen 1985; Mantel & Haenszel "
            "1959; Robins, Breslow & Greenland 1986",
            (
                "tests/transforms/statistics/test_rate_ratios.py",
                "tests/transforms/statistics/test_risk_tables.py",
                "tests/transforms/marts/test_adverse_event_comparisons.py",
                "tests/simulations/type_one_error.py",
            ),
        ),
        (
            "treatment_emergent",
            "Treatment-emergent adverse event",
            None,
            "none",
            "not treated or ended before the first session: no; onset not known: {is_unknown_onset_emergent}; onset from the first session that "
            "began to {risk_window_days} days after the last: yes; began before and worsened (grade above the initial one): yes",
            ("risk_window_days", "is_unknown_onset_emergent"),
            "PHUSE white paper; pharmaverse admiral derive_var_trtemfl",
            ("tests/transforms/rules/test_safety.py",),
        ),
        (
            "session_emergent",
            "Adverse event within 24 or 72 hours of a session",
            None,
            "none",
            "hours from the start of the reported session, else of the patient's last one that began before the onset; "
            "not known, and not counted, where the onset is not, also of an event reported with a session; "
            "the share of the time at risk that the 72 hours cover stands beside the rate",
            (),
            "proposal of this project",
            ("tests/transforms/marts/test_adae.py",),
        ),
        (
            "clean_window",
            "One event or two",
            None,
            "none",
            "records of one patient and term are one event, that of the first, while an earlier one lasts and for {clean_window_days} days "
            "after its end; an earlier one without an end covers only where its outcome is ongoing or resolving",
            ("clean_window_days",),
            "proposal of this project, after OHDSI CohortIncidence",
            ("tests/transforms/rules/test_safety.py",),
        ),
        (
            "device_event_rates",
            "Device deficiencies, device faults and incidents",
            None,
            "lower",
            "deficiencies of devices; sessions that the device's interlock stopped; incidents that harmed staff, visitors or somebody "
            "else, and those that harmed nobody: each kind by itself, at the clinic where it happened, from its first session that "
            "began to the data cut taken down to {person_time_cut_h} h; one of unknown moment counts and is counted as such, one before the "
            "first session is in no rate. Over the sessions delivered, and over the hours of exposure of all that began, while the "
            "duration of each is on record; Garwood limits. Few reports are not better devices",
            ("person_time_cut_h",),
            "proposal of this project; Garwood 1936; device deficiency: ISO 14155",
            ("tests/transforms/marts/test_device_events.py",),
        ),
        (
            "report_deadlines",
            "Days left to a report's due date",
            "days",
            "none",
            "the rules of the clinic's country, a row a rule: days or work days after the day of becoming aware by the clinic's "
            "clock, without delay, or voluntary; deaths (by outcome, grade, criteria or words) and serious events unless known not to be related, device "
            "deficiencies that could have led to one, serious incidents and deaths with others; a row that says so where no rule is "
            "known or a date depends on what is not recorded",
            (),
            "each row's own (rule_source, rule_verification): transforms/facts/report_rules.py",
            (
                "tests/transforms/rules/test_report_duties.py",
                "tests/transforms/marts/test_report_deadlines.py",
            ),
        ),
    )
)

# --- between clinics and over time ---------------------------------------------------------------
# chart_events: 1 counted all events, by their day of onset; 2 left out those of a session without
# an onset. Before 3 (injuries: 2) an event that names a session that did not begin belonged to
# none. Before 4 (the others: 2) months without a value were counted to the twelve of a baseline,
# moving ranges stopped at them, and a trend's icon followed the side of the center on which it lay.
# Funnels: 1 flagged by the spread between clinics alone, and closed windows of response at midnight
# UTC; before 3 a clinic was part of its own target and dispersion, and events before the first
# session counted.
_CHART_VERSIONS = {
    "chart_events": "4",
    "chart_serious_events": "4",
    "chart_sessions_not_asked": "2",
    "chart_sessions_not_held": "2",
    "chart_limits_exceeded": "2",
    "chart_pain_change": "2",
    "chart_cold_injuries": "2",
    "funnel_cold_injury_grade_2": "1",
}
_CHART_SETTINGS = ("control_chart_run", "control_chart_kind", "control_chart_rebases", "min_cell")
_CLINICS: tuple[Metric, ...] = tuple(
    Metric(
        id=id,
        version=version,
        title=title,
        rule=rule + extra,
        unit=unit,
        direction=direction,
        source=source,
        verification=verification,
        parameters=parameters,
        tests=tests,
    )
    for extra, source, verification, tests, metrics in (
        (
            " Each clinic against all the others together, which alone make its target; limits 95 % and 99.8 %; from 5 "
            "clinics on; never a ranking. A clinic is flagged by the exact tail probability of its count given that of it "
            "and the others together (Fisher; of ratios the conditional binomial), and, with over-dispersion, only where "
            "it is beyond those limits too: z of the others winsorised by 10 % on each side, phi = sum(z^2)/I, tau^2 of "
            "DerSimonian and Laird, from 10 others on; not of serious events and cold injuries of grade 2 or more, each "
            "of which is news and is judged against a stated reference too (binomial). Events in the time at risk alone. "
            "Few reported events are not better care.",
            "Spiegelhalter 2005, 10.1136/qshc.2005.013755; Seaton & Manktelow 2012, 10.1186/1471-2288-12-98; Ohlssen 2007, "
            "10.1111/j.1467-985X.2007.00487.x; Przyborowski & Wilenski 1940; FunnelPlotR",
            "verified",
            (
                "tests/transforms/statistics/test_left_out.py",
                "tests/transforms/statistics/test_funnel.py",
                "tests/transforms/marts/test_clinic_funnel.py",
            ),
            (
                (
                    "funnel_any_event",
                    "Patients with an adverse event, by clinic",
                    "proportion",
                    "lower",
                    "patients with an event at the clinic / patients treated there.",
                    ("min_cell",),
                ),
                (
                    "funnel_serious_event",
                    "Patients with a serious adverse event, by clinic",
                    "proportion",
                    "lower",
                    "patients with a serious event at the clinic / patients treated there.",
                    ("serious_event_reference_pct", "safety_reference_source", "min_cell"),
                ),
                (
                    "funnel_cold_injury",
                    "Patients with a burn or frostbite, by clinic",
                    "proportion",
                    "lower",
                    "patients with a burn or frostbite at the clinic / patients treated there.",
                    ("min_cell",),
                ),
                (
                    "funnel_cold_injury_grade_2",
                    "Patients with a burn or frostbite of grade 2 or more, by clinic",
                    "proportion",
                    "lower",
                    "patients with a burn or frostbite of grade 2 or more at the clinic / patients treated there.",
                    ("cold_injury_reference_pct", "safety_reference_source", "min_cell"),
                ),
                (
                    "funnel_event_ratio",
                    "Adverse events over those expected, by clinic",
                    "ratio",
                    "lower",
                    "events at the clinic / events expected: its sessions of each modality at the other clinics' rate for it; "
                    "square-root scale.",
                    ("min_cell",),
                ),
                (
                    "funnel_sessions_asked",
                    "Sessions at which side effects were asked about, by clinic",
                    "proportion",
                    "higher",
                    "delivered sessions with the question / delivered sessions.",
                    ("min_cell",),
                ),
                (
                    "funnel_response",
                    "Patients with at least 30 % less pain at Week 8, by clinic",
                    "proportion",
                    "higher",
                    "responders (NRS, 7 days) / patients with a value; clinics with values of fewer than "
                    "{min_completeness_pct} % of the patients due are not compared; not adjusted for case mix.",
                    ("min_completeness_pct", "min_cell"),
                ),
            ),
        ),
        (
            " By clinic-local month, each clinic and all together. Limits from the first 12 points with a value (fewer: "
            "trial limits; under 6: none), begun anew at a rebase, which the rows name with its reason. Rules: outside, "
            "trend of {control_chart_run}, two of three beyond two thirds of the limit, {control_chart_run} on one side. Better or worse is "
            "the way of a trend and the side of every other signal. Few reported events are not shown as improvement. "
            "Monthly rates and shares are drawn as: {control_chart_kind}.",
            "NHS England Making data count (NHSRplotthedots); Montgomery (u, p); Benneyan 2001 (g)",
            "verified",
            (
                "tests/transforms/statistics/test_spc.py",
                "tests/transforms/marts/test_control_charts.py",
            ),
            (
                (
                    "chart_events",
                    "Adverse events of sessions per 100 sessions, over time",
                    "per 100 sessions",
                    "lower",
                    "u-chart, over delivered sessions, of the events reported with a session (with or without an onset), or "
                    "begun within 72 hours after it, in the session's month; where under one event a month is expected, "
                    "g-chart of the sessions delivered between two events.",
                    _CHART_SETTINGS,
                ),
                (
                    "chart_serious_events",
                    "Serious adverse events of sessions per 100 sessions, over time",
                    "per 100 sessions",
                    "lower",
                    "the same of serious events.",
                    _CHART_SETTINGS,
                ),
                (
                    "chart_sessions_not_asked",
                    "Sessions at which nobody asked about side effects, over time",
                    "proportion",
                    "lower",
                    "p-chart of delivered sessions without the question on record.",
                    _CHART_SETTINGS,
                ),
                (
                    "chart_sessions_not_held",
                    "Sessions missed, cancelled or aborted, over time",
                    "proportion",
                    "lower",
                    "p-chart of sessions not delivered of all booked.",
                    _CHART_SETTINGS,
                ),
                (
                    "chart_limits_exceeded",
                    "Sessions beyond a limit of the protocol, over time",
                    "proportion",
                    "lower",
                    "p-chart of sessions that began with a limit exceeded, of those where at least one limit could be "
                    "judged.",
                    _CHART_SETTINGS,
                ),
                (
                    "chart_pain_change",
                    "Pain at Week 8, over time: a change, not an effect",
                    "points",
                    "lower",
                    "XmR chart of the monthly mean change of the NRS (7 days) at Week 8, by the month of the answer; a "
                    "month of fewer than {min_cell} patients has no value; a change, not an effect.",
                    _CHART_SETTINGS,
                ),
            ),
        ),
        (
            "",
            "Steiner 2000 Biostatistics 1:441",
            "verified",
            (
                "tests/transforms/statistics/test_spc.py",
                "tests/transforms/marts/test_control_charts.py",
            ),
            (
                (
                    "chart_cold_injuries",
                    "Burns and frostbite, CUSUM",
                    "log-likelihood ratio",
                    "lower",
                    "Bernoulli CUSUM of sessions that began with a burn or frostbite linked to them, as in chart_events, in "
                    "control the share of "
                    "all clinics together, against twice the odds; a row a month: the highest sum of the month. Limit by "
                    "simulation (seeded), so that all clinics' charts together give one false alarm in "
                    "{control_chart_arl} months on average; from 5 injuries on.",
                    ("control_chart_arl", "min_cell"),
                ),
            ),
        ),
    )
    for id, title, unit, direction, rule, parameters in metrics
    for version in (_CHART_VERSIONS.get(id, "3" if id.startswith("funnel_") else "1"),)
)

METRICS: dict[str, Metric] = {
    m.id: m
    for m in (
        *_PAIN,
        *_FUNCTION,
        *_TIME,
        *_PATIENTS,
        *_ARMS,
        *_MOBILITY,
        *_EXPOSURE,
        *_CARE,
        *_SAFETY,
        *_CLINICS,
    )
}

STATISTICS: dict[tuple[str, str], Metric] = {
    (m.parameter, m.statistic): m
    for m in METRICS.values()
    if m.parameter is not None and m.statistic is not None
}
VALUES = (
    "score",
    "week",
    "result",
)  # the statistics that are one patient's value; others are of a cohort
PARAMETER_METRICS: dict[str, Metric] = {
    p: m for (p, statistic), m in STATISTICS.items() if statistic in VALUES
}
