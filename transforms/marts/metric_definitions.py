"""mart.metric_definitions: the catalogue, published; with the settings in force beside each metric.

Here: a row a metric. Not here: the definitions themselves (catalogue.py).
"""

import json
from dataclasses import asdict

import polars as pl

from ..catalogue import METRICS
from ..options import Cut, Options
from ..schemas import MART_TABLES

TABLE = MART_TABLES["metric_definitions"]
INPUTS: tuple[str, ...] = ()


def compute(*, options: Options, cut: Cut) -> pl.DataFrame:
    """Conforms to `mart.metric_definitions`; `parameters` is a JSON object, a setting's name to its value."""
    settings = asdict(options)
    rows = [
        {
            "metric_id": m.id,
            "version": m.version,
            "title": m.title,
            "rule": m.rule,
            "unit": m.unit,
            "direction": m.direction,
            "source": m.source,
            "verification": m.verification,
            "parameters": json.dumps({name: settings[name] for name in m.parameters}) if m.parameters else None,
            "test_cases": list(m.tests),
        }
        for m in METRICS.values()
    ]
    return pl.DataFrame(rows, schema=TABLE.polars_schema).sort("metric_id")
