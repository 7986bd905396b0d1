"""Metrics of questionnaires: pain, function, quality of life.

Here: the choice. Not here: what follows from a parameter (transforms/instruments/metrics.py).
"""

from ...instruments import metrics as instrument_metrics
from .metric import Metric

PAIN: tuple[Metric, ...] = tuple(
    Metric(**d)
    for d in instrument_metrics.definitions(("nrs_pain", "vas_pain", "pain_index", "pain_days_28"))
)

FUNCTION: tuple[Metric, ...] = tuple(
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
