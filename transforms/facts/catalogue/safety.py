"""Metrics of harm: adverse events, devices, reports that are due.

Here: definitions. Not here: clinics beside one another (clinics.py).
"""

from ..event_groups import GROUPS
from .metric import TIME_AT_RISK_OPTIONS, Metric

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


SAFETY: tuple[Metric, ...] = tuple(
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
            TIME_AT_RISK_OPTIONS,
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
            (*TIME_AT_RISK_OPTIONS, "clean_window_days", "is_unknown_onset_emergent", "min_cell"),
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
            (*TIME_AT_RISK_OPTIONS, "clean_window_days", "is_unknown_onset_emergent", "min_cell"),
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
