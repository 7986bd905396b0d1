"""How long the models of a trial take to fit.

Here: figures. Not here: what they give (tests/transforms/statistics/test_mmrm.py).
"""

import time

import numpy as np
import polars as pl

from transforms.statistics import models

from .results import median, record, scale

_TURNS = 5
_VISITS = 4


def run() -> None:
    patients = max(30, round(200 * scale()))
    frame = _trial(patients)
    seconds = [_fitted(frame) for _ in range(_TURNS)]
    what = f"{patients} patients, {_VISITS} visits, a tenth of the values missing, 2 factors; median of {_TURNS}"
    record("mmrm_fit_s", median(seconds), "s", what)


def _fitted(frame: pl.DataFrame) -> float:
    started = time.perf_counter()
    models.mmrm(frame, "value", "patient", "visit", "arm", [], ["sex", "visit"], [("arm", "visit")])
    return time.perf_counter() - started


def _trial(patients: int) -> pl.DataFrame:
    generator = np.random.default_rng(7)
    level = generator.normal(5, 2, patients)
    rows = [
        (
            f"P{k}",
            "AB"[k % 2],
            "FM"[k // 2 % 2],
            f"v{v}",
            level[k] - 0.2 * v * (k % 2) + generator.normal(0, 1),
        )
        for k in range(patients)
        for v in range(_VISITS)
        if generator.random() > 0.1
    ]
    return pl.DataFrame(rows, schema=["patient", "arm", "sex", "visit", "value"], orient="row")
