"""Metrics of questionnaires: pain, function, quality of life.

Here: the list. Not here: what follows from a parameter (transforms/facts/parameter_metrics.py).
"""

from ..instruments import INSTRUMENTS
from ..parameter_metrics import definitions
from .metric import Metric

QUESTIONNAIRES: tuple[Metric, ...] = tuple(Metric(**d) for d in definitions(tuple(INSTRUMENTS)))
