"""Visits: study days without a day 0, windows at their boundaries, the record that counts."""

from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest

from transforms.rules import windows

DAY1 = date(2025, 3, 10)


def at(ady: int, *, hour: int = 12) -> datetime:
    offset = ady - 1 if ady > 0 else ady
    return datetime(DAY1.year, DAY1.month, DAY1.day, hour, tzinfo=UTC) + timedelta(days=offset)


def place(
    *rows: tuple[int, float | None],
    treated_at: datetime | None = None,
    course_ended: int | None = None,
):
    """`rows`: study day and value, in order; the session's start; the study day of the course's
    last session.
    """
    moments = [at(ady) for ady, _ in rows]
    frame = pl.DataFrame(
        {
            "ADTM": moments,
            "AVAL": [v for _, v in rows],
            "EVENTID": [f"e{k}" for k in range(len(rows))],
        },
        schema={"ADTM": pl.Datetime("us", "UTC"), "AVAL": pl.Float64, "EVENTID": pl.String},
    ).with_columns(
        USUBJID=pl.lit("p"),
        ADT=pl.col("ADTM").dt.date(),
        is_before_treatment=pl.lit(True) if treated_at is None else pl.col("ADTM") < treated_at,
    )
    end = None if course_ended is None else at(course_ended).date()
    frame = frame.with_columns(
        ADY=windows.study_day(pl.col("ADT"), day1=pl.lit(DAY1)),
        days_after_course=(pl.col("ADT") - pl.lit(end, dtype=pl.Date)).dt.total_days(),
    )
    return windows.place(frame.with_columns(is_in_episode=pl.lit(True)), by=["USUBJID"])


@pytest.mark.parametrize(("offset", "expected"), [(-2, -2), (-1, -1), (0, 1), (1, 2), (365, 366)])
def test_there_is_no_day_0(offset, expected):
    """The day before Day 1 is -1, Day 1 is 1; and a study day leads back to its date."""
    day = DAY1 + timedelta(days=offset)
    assert pl.select(windows.study_day(pl.lit(day), day1=pl.lit(DAY1))).item() == expected
    assert pl.select(windows.date_of(expected, day1=pl.lit(DAY1))).item() == day


BOUNDARIES = [
    (-29, None),
    (-28, "Baseline"),
    (-1, "Baseline"),
    (1, "Baseline"),
    (2, "Week 1"),
    (14, "Week 1"),
    (15, "Week 4"),
    (42, "Week 4"),
    (43, "Week 8"),
    (70, "Week 8"),
    (71, "Month 3"),
    (136, "Month 3"),
    (137, "Month 6"),
    (273, "Month 6"),
    (274, "Month 12"),
    (548, "Month 12"),
    (549, "Month 24"),
    (913, "Month 24"),
    (914, None),
]


@pytest.mark.parametrize(("ady", "visit"), BOUNDARIES)
def test_windows_at_their_boundaries(ady, visit):
    """Each boundary day of the table falls into its window, the days outside into none."""
    assert place((ady, 5.0))["AVISIT"].to_list() == [visit]


def test_windows_do_not_overlap():
    """Every day from -28 to 913 without 0 belongs to exactly one visit."""
    days = [d for v in windows.VISITS for d in range(v.first, v.last + 1) if d != 0]
    assert sorted(days) == [d for d in range(-28, 914) if d != 0]


def test_the_nearest_to_target_counts_and_of_two_the_earlier():
    """Week 4 targets day 29: 27 and 31 are as near, the earlier counts; one without a value never
    does.
    """
    placed = place((20, 6.0), (27, 5.0), (29, None), (31, 4.0))
    assert placed["ANL01FL"].to_list() == [None, "Y", None, None]
    assert placed["AVISITN"].to_list() == [29] * 4


def test_baseline_is_the_last_value_before_the_first_session():
    """Of days -20, -3 and 1 the last with a value before the session's start; one after it on Day 1
    is unscheduled.
    """
    rows = ((-20, 8.0), (-3, 7.0), (-2, None), (1, 3.0), (8, 4.0))
    placed = place(*rows, treated_at=at(1, hour=10))
    assert placed["ABLFL"].to_list() == [None, "Y", None, None, None]
    assert placed["BASE"].unique().to_list() == [7]
    assert placed["AVISIT"].to_list() == ["Baseline", "Baseline", "Baseline", None, "Week 1"]
    assert placed["is_after_baseline"].to_list() == [False, False, False, True, True]
    before = place(*rows, treated_at=at(1, hour=14))
    assert before["ABLFL"].to_list() == [None, None, None, "Y", None]
    assert before["BASE"].unique().to_list() == [3]


def test_no_baseline_no_change():
    """Without a value in -28 to 1 there is no baseline, and nothing is after it."""
    placed = place((-40, 8.0), (8, 4.0))
    assert placed["BASE"].to_list() == [None, None]
    assert placed["is_after_baseline"].to_list() == [None, None]


def test_end_of_course_never_takes_a_visits_only_record():
    """Last session on day 28, so End of course targets day 29. Alone, day 30 counts for Week 4 and
    is flagged for End of course; with a record on day 29 too, that one counts for both; a third on
    day 34 stays Week 4's spare.
    """
    alone = place((30, 4.0), treated_at=at(1, hour=0), course_ended=28)
    assert (alone["AVISIT"].to_list(), alone["EOCFL"].to_list()) == (["Week 4"], ["Y"])
    both = place((29, 4.0), (34, 3.0), treated_at=at(1, hour=0), course_ended=28)
    assert (both["AVISIT"].to_list(), both["EOCFL"].to_list()) == (
        ["Week 4", "Week 4"],
        ["Y", None],
    )


def test_end_of_course_takes_a_record_that_counts_for_nothing_else():
    """Last session on day 33: day 29 counts for Week 4; day 36 is nearest to day 34 and is End of
    course's.
    """
    placed = place(
        (29, 5.0), (36, 4.0), (47, 3.0), (48, 2.0), treated_at=at(1, hour=0), course_ended=33
    )
    assert placed["AVISIT"].to_list() == ["Week 4", "End of course", "Week 8", "Week 8"]
    assert placed["ANL01FL"].to_list() == ["Y", "Y", None, "Y"]
    assert placed["EOCFL"].to_list() == [None, "Y", None, None]


def test_the_first_course_ends_where_its_sessions_do():
    """By the course named; where none is, a gap of more than 30 days ends it."""
    rows = [
        ("named", "s1", "c1", 0),
        ("named", "s2", "c1", 50),
        ("named", "s3", "c2", 60),
        ("gap", "s4", None, 0),
        ("gap", "s5", None, 30),
        ("gap", "s6", None, 61),
    ]
    sessions = pl.DataFrame(
        [(p, s, c, DAY1 + timedelta(days=d), at(1) + timedelta(days=d)) for p, s, c, d in rows],
        schema=["patient_id", "session_id", "course_id", "day", "started_at"],
        orient="row",
    )
    ends = windows.first_course_end(
        sessions.sample(fraction=1, shuffle=True, seed=3), by=["patient_id"], gap_days=30
    )
    assert dict(ends.iter_rows()) == {
        "named": DAY1 + timedelta(days=50),
        "gap": DAY1 + timedelta(days=30),
    }


def test_order_changes_nothing():
    """The rows placed in another order are the same rows."""
    frame = place((-3, 7.0), (1, 6.0), (20, 6.0), (27, 5.0), (31, 4.0), (92, 2.0))
    columns = [
        "USUBJID",
        "ADTM",
        "AVAL",
        "EVENTID",
        "ADY",
        "is_before_treatment",
        "days_after_course",
        "is_in_episode",
    ]
    again = windows.place(frame.select(columns).reverse(), by=["USUBJID"]).sort("ADTM")
    assert again.select(sorted(again.columns)).equals(
        frame.drop("ADT").select(sorted(again.columns))
    )
