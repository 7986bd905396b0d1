"""What a course delivered, and change by sessions per week.

Here: small frames of sessions with their arithmetic. Not here: protocol limits and clearance
(marts/test_adex.py).
"""

from datetime import date, timedelta

import polars as pl
import pytest

from transforms.rules import exposure
from transforms.schemas import CORE_TABLES, MART_TABLES

DAY1 = date(2025, 3, 3)


def frame(table, rows):
    return pl.DataFrame(
        [{n: r.get(n) for n in table.names} for r in rows], schema=table.polars_schema
    )


def sessions(*rows):
    """mart.adex: (patient, course, status, day, duration, dose)."""
    return frame(
        MART_TABLES["adex"],
        [
            {
                "USUBJID": p,
                "COURSEID": c,
                "EXSTAT": s,
                "ASTDT": DAY1 + timedelta(days=d),
                "EXDUR": t,
                "DOSEKS": dose,
            }
            for p, c, s, d, t, dose in rows
        ],
    )


def adherence(courses, *rows):
    return exposure.course_adherence(
        frame(CORE_TABLES["courses"], courses), sessions(*rows)
    ).to_dicts()


def test_adherence_of_a_course():
    """3 of 4 delivered: 0.75; aborted, missed and cancelled stand beside it; exposure is of those
    that began.
    """
    course = {
        "course_id": "X",
        "patient_id": "P1",
        "prescribed_sessions": 4,
        "ends_on": date(2025, 4, 1),
    }
    (row,) = adherence(
        [course],
        ("P1", "X", "delivered", 0, 120.0, 9000.0),
        ("P1", "X", "delivered", 2, 180.0, None),
        ("P1", "X", "delivered", 4, 180.0, 9500.0),
        ("P1", "X", "aborted", 6, 20.0, None),
        ("P1", "X", "missed", 8, None, None),
        ("P1", "Y", "delivered", 9, 100.0, None),
    )
    assert (row["delivered"], row["aborted"], row["missed"], row["cancelled"]) == (3, 1, 1, 0)
    assert (
        row["adherence_ratio"],
        row["exposure_s"],
        row["dose_k_s"],
        row["sessions_with_dose"],
    ) == (
        0.75,
        500,
        18_500,
        2,
    )


@pytest.mark.parametrize("prescribed", [None, 0])
def test_nothing_prescribed_nothing_delivered(prescribed):
    """No ratio without a prescription; a course without a session has counts of 0 and no exposure
    known.
    """
    (row,) = adherence([{"course_id": "X", "patient_id": "P1", "prescribed_sessions": prescribed}])
    assert (row["adherence_ratio"], row["delivered"], row["exposure_s"]) == (None, 0, None)


def test_an_unknown_duration_leaves_exposure_unknown():
    """One session that began without a duration: the sum is not known."""
    course = {"course_id": "X", "patient_id": "P1", "prescribed_sessions": 2}
    (row,) = adherence(
        [course], ("P1", "X", "delivered", 0, 120.0, None), ("P1", "X", "aborted", 1, None, None)
    )
    assert row["exposure_s"] is None


def change(patient, day, value, **columns):
    return {
        "USUBJID": patient,
        "PARAMCD": "NRS7D",
        "AVISIT": "Week 4",
        "ANL01FL": "Y",
        "CHG": value,
        "ADT": DAY1 + timedelta(days=day),
        **columns,
    }


def test_dose_response():
    """28 days = 4 weeks: 4 sessions are 1 a week, 8 are 2 (a bin's lower bound is in it), 2 are
    half of one.

    A session after the visit does not count; changes -1 and -3 have mean -2 and SD sqrt(2).
    """
    given = [
        (p, None, "delivered", 7 * k / n, None, None)
        for p, n in (("A", 1), ("B", 2), ("C", 1))
        for k in range(4 * n)
    ]
    given += [("D", None, "delivered", d, None, None) for d in (0, 10, 29, 30)] + [
        ("E", None, "missed", 0, None, None)
    ]
    answers = [
        change("A", 28, -1.0),
        change("C", 28, -3.0),
        change("B", 28, -4.0),
        change("D", 28, 0.0),
        change("E", 28, -9.0),
        change("A", 28, -9.0, AVISIT="Week 8"),
    ]
    rows = exposure.dose_response(
        sessions(*given), frame(MART_TABLES["adqs"], answers), parameter="NRS7D", visit="Week 4"
    ).to_dicts()
    assert [
        (r["from_per_week"], r["to_per_week"], r["n_patients"], r["mean_change"]) for r in rows
    ] == [
        (0.0, 1.0, 1, 0.0),
        (1.0, 2.0, 2, -2.0),
        (2.0, 3.0, 1, -4.0),
    ]
    assert rows[1]["sd_change"] == pytest.approx(2**0.5)
    assert rows[0]["sd_change"] is None
    assert [r["is_causal"] for r in rows] == [False] * 3


def test_dose_response_of_nothing():
    """Nobody with a session and a change gives an empty frame."""
    none = exposure.dose_response(
        sessions(), frame(MART_TABLES["adqs"], []), parameter="NRS7D", visit="Week 4"
    )
    assert none.is_empty()
