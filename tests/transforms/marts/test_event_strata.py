"""Adverse events of arms within strata, from patients, sessions and events to
mart.adverse_event_comparisons.

Here: who is in which stratum, and the figures over strata. Not here: the formulas
(test_risk_tables).
"""

import json
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from transforms.marts import MARTS
from transforms.options import Cut, Options
from transforms.schemas import BOOKKEEPING, CORE_TABLES
from transforms.statistics import rate_ratios, risk_tables

T0 = datetime(2025, 1, 6, 15, tzinfo=UTC)
CUT = Cut(lake_snapshot=9, data_cutoff=datetime(2025, 12, 31, tzinfo=UTC))
TABLES = {t.full_name: t for t in (*CORE_TABLES.values(), *BOOKKEEPING)}
# arm, severity, clinic -> patients, and how many of them have so many events
GROUPS = {
    ("cold", "high", "C1"): (10, [1, 1, 1, 4]),
    ("cold", "low", "C2"): (12, [1]),
    ("control", "high", "C1"): (8, [2]),
    ("control", "low", "C2"): (15, []),
}


def frame(full: str, rows: list[dict]) -> pl.DataFrame:
    table = TABLES[full]
    shared = {
        "event_id": "e",
        "source": "urn:study",
        "is_recorded_at_given": False,
        "is_set_aside": False,
    }
    full_rows = [{k: {**shared, **r}.get(k) for k in table.names} for r in rows]
    return pl.DataFrame(full_rows, schema=table.polars_schema)


def made(full: str, given: dict[str, list[dict]], frames: dict[str, pl.DataFrame]) -> pl.DataFrame:
    """A table by the marts' own functions, from rows of core."""
    if full not in frames:
        name = full.split(".")[1]
        if full.startswith("mart."):
            mart = MARTS[name]
            inputs = {i.split(".")[1]: made(i, given, frames) for i in mart.inputs}
            keys = () if mart.is_summary else (None,)
            frames[full] = mart.compute(*keys, **inputs, options=Options(), cut=CUT)
        else:
            frames[full] = frame(full, given.get(name, []))
    return frames[full]


def lake(*, is_stratified: bool, allocation="randomised") -> dict[str, list[dict]]:
    """A patient's one session, and that day's events."""
    rows = {name: [] for name in ("patients", "sessions", "adverse_events", "study_enrolments")}
    for (arm, severity, clinic), (n, counts) in GROUPS.items():
        for k in range(n):
            patient = f"{arm}-{severity}-{k}"
            day = T0.date()
            rows["patients"].append(
                {"patient_id": patient, "clinic_id": clinic, "enrolled_on": day}
            )
            rows["study_enrolments"].append(
                {
                    "enrolment_id": patient,
                    "study_id": "T",
                    "patient_id": patient,
                    "arm": arm,
                    "allocation": allocation,
                    "allocated_on": day,
                    "from": day,
                    "strata": json.dumps({"severity": severity}) if is_stratified else None,
                }
            )
            rows["sessions"].append(
                {
                    "session_id": patient,
                    "patient_id": patient,
                    "clinic_id": clinic,
                    "modality": "local",
                    "status": "delivered",
                    "started_at": T0,
                }
            )
            for e in range(counts[k] if k < len(counts) else 0):
                onset = T0 + timedelta(hours=1, days=e)
                rows["adverse_events"].append(
                    {
                        "ae_id": f"{patient}-{e}",
                        "patient_id": patient,
                        "clinic_id": clinic,
                        "term": f"t{e}",
                        "onset_at": onset,
                    }
                )
    return rows | {
        "clinics": [{"clinic_id": c, "timezone": "UTC"} for c in ("C1", "C2")],
        "studies": [{"study_id": "T"}],
    }


def comparison(**given) -> dict:
    rows = made("mart.adverse_event_comparisons", lake(**given), {})
    any_event = rows.filter(
        pl.col("term").is_null(), pl.col("min_grade").is_null(), dimension="arm"
    )
    only = [c for c in rows.columns if c.startswith("is_") and c.endswith("_only")]
    (row,) = any_event.filter(~pl.any_horizontal(only)).iter_rows(named=True)
    return row


@pytest.mark.parametrize(("is_stratified", "by"), [(True, ["severity"]), (False, ["clinic"])])
def test_over_the_factors_of_the_allocation_else_clinics(is_stratified, by):
    """4 of 10 against 1 of 8, and 1 of 12 against 0 of 15: the figures of these two tables,
    whatever they are named by.
    """
    row = comparison(is_stratified=is_stratified)
    tables = [4, 1], [10, 12], [1, 0], [8, 15]
    assert (row["stratified_by"], row["n_strata"]) == (by, 2)
    difference = risk_tables.risk_difference_score(*tables)
    ratio = risk_tables.common_odds_ratio(*tables)
    assert row["stratified_risk_difference"] == pytest.approx(difference.estimate)
    assert row["stratified_risk_difference_lower"] == pytest.approx(difference.lower)
    assert (row["cmh_odds_ratio"], row["cmh_odds_ratio_upper"]) == pytest.approx(
        (ratio.estimate, ratio.upper)
    )
    assert row["cmh_p_value"] == pytest.approx(risk_tables.cochran_mantel_haenszel(*tables)[1])
    assert row["fisher_p_value"] == pytest.approx(risk_tables.fisher_p_value(5, 22, 1, 23))
    assert (row["patients_with_event"], row["reference_patients_with_event"]) == (5, 1)


def test_the_rate_ratio_is_of_each_patients_own_events():
    """8 events of 22 patients (1, 1, 1, 4, 1) against 2 of 23 (one patient's), a session each."""
    row = comparison(is_stratified=True)
    first = rate_ratios.PatientSums(22, 8, 22, 1 + 1 + 1 + 16 + 1, 8, 22)
    second = rate_ratios.PatientSums(23, 2, 23, 4, 2, 23)
    found = rate_ratios.rate_ratio(first, second)
    names = (
        "sessions_rate_ratio",
        "sessions_rate_ratio_lower",
        "sessions_rate_ratio_upper",
        "sessions_p_value",
        "sessions_overdispersion",
    )
    assert [row[name] for name in names] == pytest.approx([float(value) for value in found])
    assert row["sessions_overdispersion"] > 1.5


def test_no_p_value_where_arms_were_not_randomised():
    """The same patients, not randomised: every difference and ratio stands, without a p-value."""
    row = comparison(is_stratified=True, allocation="concurrent")
    assert [row[name] for name in row if name.endswith("p_value")] == [None] * 4
    assert None not in (
        row["risk_difference"],
        row["stratified_risk_difference"],
        row["sessions_rate_ratio_lower"],
    )
