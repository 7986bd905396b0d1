"""Limits for clinics like these in a summary's rows: which clinics make them, and why there are
none.
"""

import polars as pl
import pytest

from transforms.facts.strata import STORED
from transforms.marts import clustered_columns
from transforms.marts.adverse_event_clustered import clustered
from transforms.marts.clustered_columns import MEAN, PROPORTION, RATE, Measure, with_clustered
from transforms.statistics.clinics_like_these import mean_limits, proportion_limits, rate_limits

COUNTS = {"A": (3, 20), "B": (9, 40), "C": (2, 15), "D": (8, 30), "E": (1, 12)}


def rows(counts: dict[str, tuple[float, float]], *, kind: str | None = PROPORTION) -> pl.DataFrame:
    """A row a clinic, one of all of them, and one of their local sessions, which A and B have."""

    def row(clinic, modality, x, n):
        strata = [name for name, value in (("clinic_id", clinic), ("modality", modality)) if value]
        return {
            "clinic_id": clinic,
            "modality": modality,
            "indication": None,
            "arm": None,
            "strata": strata,
            "metric_id": "m",
            "kind": kind,
            "x": float(x),
            "n": float(n),
        }

    whole = [sum(part) for part in zip(*counts.values(), strict=True)]
    local = [row(c, "local", *counts[c]) for c in ("A", "B")]
    pooled = [
        row(None, None, *whole),
        row(None, "local", *(a + b for a, b in zip(counts["A"], counts["B"], strict=True))),
    ]
    schema = {
        "clinic_id": pl.String,
        "modality": pl.String,
        "indication": pl.String,
        "arm": pl.String,
        "strata": pl.List(pl.String),
        "metric_id": pl.String,
        "kind": pl.String,
        "x": pl.Float64,
        "n": pl.Float64,
    }
    return pl.DataFrame(
        [*pooled, *local, *(row(c, None, *xn) for c, xn in counts.items())], schema=schema
    )


def limits(frame: pl.DataFrame, *, per: float = 1) -> pl.DataFrame:
    measure = Measure(
        name="ci_clustered", kind=pl.col("kind"), x=pl.col("x"), n=pl.col("n"), per=per
    )
    return with_clustered(frame, [measure], by=["metric_id"])


@pytest.mark.parametrize(
    ("kind", "estimator", "per"),
    [(MEAN, mean_limits, 1), (PROPORTION, proportion_limits, 1), (RATE, rate_limits, 100)],
)
def test_a_pooled_row_has_the_limits_of_its_clinics(kind, estimator, per):
    """All five clinics make the limits of the whole; order of rows and other metrics change
    nothing.
    """
    frame = rows(COUNTS, kind=kind)
    expected = estimator(*([[float(c[k]) for c in COUNTS.values()]] for k in (0, 1)))
    other = frame.with_columns(metric_id=pl.lit("other"), x=pl.col("x") * 0 + 1)
    for given in (frame, pl.concat([other, frame.reverse()])):
        found = limits(given, per=per).filter(metric_id="m")
        whole = found.filter(pl.col("strata").list.len() == 0).row(0, named=True)
        assert whole["ci_clustered_lower"] == pytest.approx(per * expected.lower[0], rel=1e-5)
        assert whole["ci_clustered_upper"] == pytest.approx(per * expected.upper[0], rel=1e-5)
        assert whole["clustered_reason"] is None
        assert given["x"].to_list() == limits(given)["x"].to_list()


def test_why_there_are_none():
    """Of one clinic; of two clinics; without an event, of a rate; with equal means; of what is
    neither; of nobody.
    """
    found = limits(rows(COUNTS))
    assert found["ci_clustered_lower"].null_count() == found.height - 1
    assert found["clustered_reason"].to_list() == [
        None,
        "2 clinics: at least 5 are needed",
        *[clustered_columns.ONE_CLINIC] * 7,
    ]
    none = {clinic: (0, n) for clinic, (_, n) in COUNTS.items()}
    assert limits(rows(none, kind=RATE))["clustered_reason"][0] == clustered_columns.NO_EVENT
    assert limits(rows(none, kind=PROPORTION))["clustered_reason"][0] is None
    equal = {clinic: (n / 10, n) for clinic, (_, n) in COUNTS.items()}
    assert limits(rows(equal, kind=MEAN))["clustered_reason"][0] == clustered_columns.EQUAL_CLINICS
    assert limits(rows(COUNTS, kind=None))["clustered_reason"][0] == clustered_columns.NO_KIND
    nobody = dict.fromkeys(COUNTS, (0, 0))
    assert limits(rows(nobody))["clustered_reason"][0] == "0 clinics: at least 5 are needed"


def test_an_unknown_clinic_is_none():
    """Four clinics and patients of whom the clinic isn't known are four clinics."""
    unknown = {
        ("(unknown)" if clinic == "E" else clinic): counts for clinic, counts in COUNTS.items()
    }
    assert limits(rows(unknown))["clustered_reason"][0] == "4 clinics: at least 5 are needed"


def test_no_row_is_no_row():
    """An empty summary has the columns."""
    found = limits(rows(COUNTS).clear())
    assert found.height == 0
    assert {"ci_clustered_lower", "ci_clustered_upper", "clustered_reason"} <= set(found.columns)


def test_adverse_event_rates_have_both_intervals():
    """Five clinics: each rate of the whole has limits for clinics like these; without an event only
    the proportion.
    """
    counts = {
        "events": [3, 9, 2, 8, 1],
        "patients_with_event": [2, 6, 2, 5, 1],
        "patients": [10, 20, 9, 15, 8],
        "sessions": [60, 130, 50, 90, 40],
        "patient_years": [2.0, 4.0, 1.5, 3.0, 1.0],
        "patient_years_at_risk": [1.8, 3.5, 1.4, 2.6, 0.9],
    }
    clinics = pl.DataFrame({"clinic_id": list("ABCDE"), "strata": [["clinic_id"]] * 5, **counts})
    sums = {name: [sum(values)] for name, values in counts.items()}
    whole = pl.DataFrame({"clinic_id": [None], "strata": [[]], **sums}, schema=clinics.schema)
    frame = pl.concat([whole, clinics]).with_columns(
        modality=pl.lit(None, pl.String), term=pl.lit(None, pl.String)
    )
    row = clustered(frame, over=STORED, by=["term"]).row(0, named=True)
    limits = rate_limits([counts["events"]], [counts["sessions"]], per=100)
    assert row["events_per_100_sessions_clustered_lower"] == pytest.approx(
        limits.lower[0], rel=1e-5
    )
    assert row["events_per_100_sessions_clustered_upper"] == pytest.approx(
        limits.upper[0], rel=1e-5
    )
    share = proportion_limits([counts["patients_with_event"]], [counts["patients"]])
    assert row["incidence_proportion_clustered_upper"] == pytest.approx(share.upper[0], rel=1e-5)
    assert row["clustered_reason"] is None
    none = clustered(
        frame.with_columns(events=0, patients_with_event=0), over=STORED, by=["term"]
    ).row(0, named=True)
    assert none["events_per_100_sessions_clustered_upper"] is None
    assert none["clustered_reason"] == clustered_columns.NO_EVENT
    assert none["incidence_proportion_clustered_upper"] == pytest.approx(1 - 0.025**0.2)
