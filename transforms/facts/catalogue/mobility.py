"""Metrics of wearables and performance tests.

Here: definitions, from the parameters. Not here: the parameters (transforms/facts/mobility_parameters.py).
"""

from .. import mobility_parameters
from ..parameter_metrics import T_INTERVAL
from .metric import Metric

MOBILITY: tuple[Metric, ...] = tuple(Metric(**d) for d in mobility_parameters.definitions())

# Before 4 (of vitals 2) Day 1 was the first session ever, whatever course came next.
# Means of a cohort; a change of lumbar flexion is mostly its measurement error and is not averaged.
MOBILITY += tuple(
    Metric(
        id=f"{p.code.lower()}_{name}",
        parameter=p.code,
        statistic=name,
        version="2" if p in mobility_parameters.VITALS else "4",
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
