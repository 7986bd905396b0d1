"""Every metric's definition as data: what a number means and where that comes from.

Here: all metrics, by id and by parameter; a module a family. Not here: the computation. A mart row names the metric and the version that made it; a rule that changes gets a new version here.
"""

from .arms import ARMS
from .care import CARE
from .clinics import CLINICS
from .exposure import EXPOSURE
from .metric import Metric
from .mobility import MOBILITY
from .questionnaires import QUESTIONNAIRES
from .responses import PATIENTS, TIME
from .safety import SAFETY
from .studies import STUDIES

__all__ = ["METRICS", "PARAMETER_METRICS", "STATISTICS", "VALUES", "Metric"]

METRICS: dict[str, Metric] = {
    m.id: m
    for m in (
        *QUESTIONNAIRES,
        *TIME,
        *PATIENTS,
        *ARMS,
        *STUDIES,
        *MOBILITY,
        *EXPOSURE,
        *CARE,
        *SAFETY,
        *CLINICS,
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
