"""mart.metric_definitions: the catalogue, published; with the settings in force beside each metric.

Here: a row a metric. Not here: the definitions themselves (facts/catalogue), the codes of others
(facts/vocabulary.py).
"""

import json
from dataclasses import asdict

import polars as pl

from ..facts import vocabulary
from ..facts.catalogue import METRICS, Metric
from ..facts.estimands import ESTIMANDS
from ..options import Cut, Options
from ..schemas import MART_TABLES

TABLE = MART_TABLES["metric_definitions"]
INPUTS: tuple[str, ...] = ()

_MEASURED = ("score", "result")  # values that others have a code for


def compute(*, options: Options, cut: Cut) -> pl.DataFrame:
    """Conforms to `mart.metric_definitions`; `parameters` is a JSON object, a setting's name to its
    value.
    """
    settings = asdict(options)
    rows = [
        {
            "metric_id": m.id,
            "parameter": m.parameter,
            "statistic": m.statistic,
            "version": m.version,
            "title": m.title,
            "rule": m.rule_by(options),
            "estimand": _estimand(m),
            "unit": m.unit,
            "direction": m.direction,
            "source": m.source,
            "verification": m.verification,
            "parameters": json.dumps({name: settings[name] for name in m.parameters})
            if m.parameters
            else None,
            "test_cases": list(m.tests),
            "loinc": concept.code if concept else None,
            "ucum": concept.units[0] if concept else None,
        }
        for m in METRICS.values()
        for concept in (
            vocabulary.BY_PARAMETER.get(m.parameter) if m.statistic in _MEASURED else None,
        )
    ]
    return pl.DataFrame(rows, schema=TABLE.polars_schema).sort("metric_id")


def _estimand(metric: Metric) -> str | None:
    estimand = ESTIMANDS.get(metric.statistic or metric.id)
    if estimand:
        return estimand.sentence()
    return None
