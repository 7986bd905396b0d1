"""Metrics of clinics beside one another and over time.

Here: definitions. Not here: the rates themselves (safety.py).
"""

from .metric import Metric

# chart_events: 1 counted all events, by their day of onset; 2 left out those of a session without
# an onset. Before 3 (injuries: 2) an event that names a session that did not begin belonged to
# none. Before 4 (the others: 2) months without a value were counted to the twelve of a baseline,
# moving ranges stopped at them, and a trend's icon followed the side of the center on which it lay.
# Funnels: 1 flagged by the spread between clinics alone, and closed windows of response at midnight
# UTC; before 3 a clinic was part of its own target and dispersion, and events before the first
# session counted; before 4 funnel_sessions_asked counted a session that says nothing as one without
# the question.
_CHART_VERSIONS = {
    "chart_events": "4",
    "chart_serious_events": "4",
    "chart_sessions_not_asked": "3",
    "chart_sessions_not_held": "2",
    "chart_limits_exceeded": "2",
    "chart_pain_change": "3",
    "chart_cold_injuries": "2",
    "funnel_cold_injury_grade_2": "1",
    "funnel_response": "4",
    "funnel_sessions_asked": "4",
}

_CHART_SETTINGS = ("control_chart_run", "control_chart_kind", "control_chart_rebases", "min_cell")

CLINICS: tuple[Metric, ...] = tuple(
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
                    "delivered sessions with the question / delivered sessions that say whether it was asked; the others are "
                    "missing, as in sessions_not_asked.",
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
                    "p-chart of the sessions delivered that say whether somebody asked; the others are "
                    "missing, as in sessions_not_asked.",
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
