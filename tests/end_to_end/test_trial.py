"""A real trial through Kafka, ingest and Dagster gives its published table (Vickers 2004, BMJ
328:744).

Here: mart.arm_comparisons of the whole way. Not here: the models and rules (tests/transforms).
"""

import polars as pl
import pytest


@pytest.fixture(scope="module")
def comparisons(real) -> pl.DataFrame:
    """Rows of acupuncture against control of all patients of an indication, or of all."""
    with real.lake() as lake:
        return lake.table(
            "mart.arm_comparisons", where="arm = 'acupuncture' AND reference_arm = 'control'"
        )


def one(comparisons: pl.DataFrame, **where) -> dict:
    found = comparisons.filter(
        [pl.col(name).eq_missing(pl.lit(value)) for name, value in where.items()]
    )
    assert found.height == 1, found
    return found.row(0, named=True)


def test_every_event_landed(real):
    """All 2,469 events of the file are in the lake, none was rejected."""
    assert real.sent["trial"].splitlines()[-1] == "2,469 events sent"
    with real.lake() as lake:
        counts = (
            lake.sql("SELECT count(*) AS n FROM raw.responses").item(),
            lake.table("raw.rejects").height,
        )
        patients = lake.sql("SELECT count(*) AS n FROM core.patients").item()
    assert counts == (2056, 0)
    assert patients == 401


@pytest.mark.parametrize(
    ("parameter", "visit", "indication", "digits", "printed", "numbers"),
    [
        ("PAINIDX", "Month 12", None, 2, (-4.60, -7.05, -2.16), (161, 140)),
        ("PAINDAYS", "Month 12", None, 2, (-1.76, -2.93, -0.60), (161, 140)),
        ("PAINIDX", "Month 3", None, 2, (-4.18, -6.60, -1.76), (173, 153)),
        ("PAINIDX", "Month 12", "migraine", 1, (-4.9, -7.5, -2.4), None),
    ],
)
def test_adjusted_differences(comparisons, parameter, visit, indication, digits, printed, numbers):
    """Arm minus control by analysis of covariance with the site as a factor, completers, as
    printed.
    """
    where = {
        "parameter": parameter,
        "visit": visit,
        "indication": indication,
        "method": "ancova",
        "criterion": None,
    }
    row = one(comparisons, **where)
    assert tuple(round(row[c], digits) for c in ("estimate", "ci_lower", "ci_upper")) == printed
    assert numbers is None or (row["n_arm"], row["n_reference"]) == numbers
    assert (row["allocation"], row["reason"]) == ("randomised", None)


def test_p_value(comparisons):
    """P of the score at 12 months as computed from the published data: 0.00025 (printed as
    0.0002).
    """
    row = one(
        comparisons,
        parameter="PAINIDX",
        visit="Month 12",
        indication=None,
        method="ancova",
        criterion=None,
    )
    assert round(row["p_value"], 5) == 0.00025


@pytest.mark.parametrize(
    ("parameter", "criterion", "responders", "printed"),
    [
        ("PAINDAYS", "PCT50", (49, 21), (0.15, 0.06, 0.25)),
        ("PAINIDX", "PCTX", (87, 45), (0.22, 0.11, 0.33)),
    ],
)
def test_responders(comparisons, parameter, criterion, responders, printed):
    """At least 50 % fewer days, at least 35 % better score, among those with a value; Wald's
    intervals, as printed.
    """
    row = one(
        comparisons,
        parameter=parameter,
        visit="Month 12",
        indication=None,
        criterion=criterion,
        population="completers",
    )
    assert (row["x_arm"], row["x_reference"]) == responders
    assert (row["n_arm"], row["n_reference"]) == (161, 140)
    assert tuple(round(row[c], 2) for c in ("estimate", "wald_lower", "wald_upper")) == printed
