"""Rules of mart.adverse_event_groups: body systems, worst grades, groups of terms.

Here: small cases with their arithmetic. Not here: what counts at all (test_adverse_event_rates.py).
"""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from transforms.marts import adae, adex, adsl, adverse_event_groups, time_at_risk
from transforms.options import Cut, Options
from transforms.schemas import CORE_TABLES, MART_TABLES
from transforms.statistics.intervals import clopper_pearson

T0 = datetime(2025, 1, 6, 15, tzinfo=UTC)
CUT = Cut(lake_snapshot=9, data_cutoff=T0 + timedelta(days=40))
OPTIONS = Options()


def core(name, rows):
    schema = CORE_TABLES[name].polars_schema
    shared = {"event_id": "e", "source": "urn:study", "is_recorded_at_given": False}
    return pl.DataFrame(
        [{k: {**shared, **row}.get(k) for k in schema} for row in rows], schema=schema
    )


def run(*events, people=4):
    """`people` patients with a session on day 0 at C1, and (patient, days, columns) events."""
    given = {
        "clinics": [{"clinic_id": "C1", "timezone": "UTC"}],
        "patients": [
            {"patient_id": f"P{k}", "clinic_id": "C1", "enrolled_on": T0.date()}
            for k in range(people)
        ],
        "sessions": [
            {
                "session_id": f"S{k}",
                "patient_id": f"P{k}",
                "clinic_id": "C1",
                "modality": "local",
                "started_at": T0,
            }
            for k in range(people)
        ],
        "adverse_events": [
            {
                "ae_id": f"A{n}",
                "patient_id": f"P{k}",
                "term": f"t{n}",
                "onset_at": None if days is None else T0 + timedelta(days=days),
                **columns,
            }
            for n, (k, days, columns) in enumerate(events)
        ],
    }
    made = {}
    for mart in (adsl, adex, time_at_risk, adae):
        names = [full.split(".") for full in mart.INPUTS]
        frames = {
            name: made[name] if schema == "mart" else core(name, given.get(name, []))
            for schema, name in names
        }
        made[mart.TABLE.name] = mart.compute(None, **frames, options=OPTIONS, cut=CUT)
    return adverse_event_groups.compute(**made, options=OPTIONS, cut=CUT)


def of(frame, grouping, *, only=None):
    """category -> row of everybody, under one restriction."""
    rows = frame.filter((pl.col("strata").list.len() == 0) & (pl.col("grouping") == grouping))
    for flag in adverse_event_groups.ONLY:
        rows = rows.filter(pl.col(flag) == (flag == f"is_{only}_only"))
    return {row["category"]: row for row in rows.iter_rows(named=True)}


def test_schema_and_nobody():
    """Columns and key of the schema; without a patient zeros and the reason."""
    frame = run((0, 1, {"body_system": "Skin"}))
    assert frame.schema == MART_TABLES["adverse_event_groups"].polars_schema
    assert frame.select(MART_TABLES["adverse_event_groups"].key).is_duplicated().sum() == 0
    nobody = of(run(people=0), "term_group")["cold_injury"]
    assert (nobody["patients"], nobody["incidence_proportion"], nobody["reason"]) == (
        0,
        None,
        "nobody was treated",
    )


def test_body_systems():
    """Two skin events of one patient: one patient of four (exact limits), two events; none given is
    (unknown).
    """
    rows = of(
        run(
            (0, 1, {"body_system": "Skin"}),
            (0, 2, {"body_system": "Skin"}),
            (1, 3, {"body_system": None}),
            (2, -3, {"body_system": "Skin"}),  # before the first session
        ),
        "body_system",
    )
    assert set(rows) == {"Skin", "(unknown)"}
    skin = rows["Skin"]
    assert (skin["patients_with_event"], skin["patients"], skin["events"]) == (1, 4, 2)
    exact = clopper_pearson(1, 4)
    limits = (skin["incidence_proportion_lower"], skin["incidence_proportion_upper"])
    assert limits == pytest.approx((float(exact.lower), float(exact.upper)))
    assert skin["events_per_100_patient_years"] == pytest.approx(100 * 2 / (4 * 30 / 365.25))
    assert (rows["(unknown)"]["patients_with_event"], rows["(unknown)"]["events"]) == (1, 1)


def test_each_patient_is_in_the_worst_grade_alone():
    """Grades 1 and 3 of one patient, 1 of another, none known of a third, 4 before treatment of the
    fourth.
    """
    rows = of(
        run(
            (0, 1, {"grade": 1}),
            (0, 2, {"grade": 3}),
            (1, 1, {"grade": 1}),
            (2, 1, {}),
            (3, -1, {"grade": 4}),
        ),
        "worst_grade",
    )
    assert {grade: row["patients_with_event"] for grade, row in rows.items()} == {
        "1": 1,
        "2": 0,
        "3": 1,
        "4": 0,
        "5": 0,
        "(unknown)": 1,
    }
    assert rows["3"]["incidence_proportion"] == 0.25
    assert (rows["3"]["events"], rows["3"]["events_per_100_sessions"]) == (None, None)


def test_the_worst_grade_of_those_that_meet_the_restriction():
    """A grade 3 that is not serious and a serious grade 2: worst of all 3, worst of the serious
    ones 2.
    """
    frame = run((0, 1, {"grade": 3, "is_serious": False}), (0, 2, {"grade": 2, "is_serious": True}))
    assert of(frame, "worst_grade")["3"]["patients_with_event"] == 1
    assert of(frame, "worst_grade", only="serious")["2"]["patients_with_event"] == 1


def test_a_group_of_terms():
    """Frostbite by its coded term and a blister by its kind of injury are cold injuries, a headache
    is not.
    """
    rows = of(
        run(
            (0, 1, {"preferred_term": "Frostbite"}),
            (0, 2, {"term": "blister", "injury_kind": "burn"}),
            (1, 5, {"term": "headache"}),
        ),
        "term_group",
    )
    row = rows["cold_injury"]
    assert (row["patients_with_event"], row["events"], row["sessions"]) == (1, 2, 4)
    assert row["patient_years_at_risk"] == pytest.approx((3 * 30 + 1) / 365.25)
