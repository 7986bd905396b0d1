"""The tables of `mart`: what people read. CDISC-like marts in upper case, summaries in lower case.

Here: the list of them, and what others use of their columns; a module a family. Not here: how they are computed, and what a metric means (transforms/facts/catalogue).
"""

from ..base import Table
from .adverse_event_rates import ADVERSE_EVENT_GROUPS, ADVERSE_EVENT_RATES
from .adverse_events import ADAE, REPORT_DEADLINES, TIME_AT_RISK
from .changes import IMPORTANT_CHANGE, RELIABLE_CHANGE
from .clinics import CLINIC_FUNNEL, CONTROL_CHARTS
from .cohorts import COHORT_OUTCOMES, RESPONDER_CURVES, RESPONDER_DISAGREEMENT
from .columns import CELL_DIMENSIONS
from .comparisons import ADVERSE_EVENT_COMPARISONS, ARM_COMPARISONS
from .courses import COURSE_RELIEF
from .devices import DEVICE_DIMENSIONS, DEVICE_EVENT_RATES, DEVICE_EVENTS_TABLE
from .follow_up import ADTTE, COMPETING_RISKS, PATIENT_OUTCOMES, SURVIVAL_CURVES
from .lake import (
    ALERTS,
    CHECK_RESULTS,
    DATA_DICTIONARY,
    METRIC_DEFINITIONS,
    METRIC_VERSIONS,
    RESTATEMENTS,
)
from .patients import ADACT, ADQS, ADSL
from .sessions import ADEX, DOSE_RESPONSE
from .studies import ANALYSIS_SETS, CONSORT_FLOW, STUDY_PLANS
from .subject_episodes import SUBJECT_EPISODES

__all__ = [
    "CELL_DIMENSIONS",
    "DEVICE_DIMENSIONS",
    "MART_TABLES",
]

MART_TABLES: dict[str, Table] = {
    t.name: t
    for t in (
        ADSL,
        SUBJECT_EPISODES,
        ADQS,
        ADACT,
        ADEX,
        ADAE,
        ADTTE,
        PATIENT_OUTCOMES,
        COHORT_OUTCOMES,
        RESPONDER_CURVES,
        RESPONDER_DISAGREEMENT,
        DOSE_RESPONSE,
        IMPORTANT_CHANGE,
        RELIABLE_CHANGE,
        TIME_AT_RISK,
        ADVERSE_EVENT_RATES,
        ADVERSE_EVENT_GROUPS,
        ADVERSE_EVENT_COMPARISONS,
        ARM_COMPARISONS,
        STUDY_PLANS,
        ANALYSIS_SETS,
        CONSORT_FLOW,
        CLINIC_FUNNEL,
        CONTROL_CHARTS,
        SURVIVAL_CURVES,
        COMPETING_RISKS,
        COURSE_RELIEF,
        REPORT_DEADLINES,
        DEVICE_EVENTS_TABLE,
        DEVICE_EVENT_RATES,
        ALERTS,
        CHECK_RESULTS,
        METRIC_DEFINITIONS,
        METRIC_VERSIONS,
        RESTATEMENTS,
        DATA_DICTIONARY,
    )
}
