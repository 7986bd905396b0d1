"""Valid days and weeks: the worked week, each reason, and which device counts."""

from datetime import date, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transforms.options import Options
from transforms.rules.wear import counting_days, week_of, weekly
from transforms.rules.windows import study_day

MONDAY = date(2025, 1, 6)


def week(*days: tuple, first: date = MONDAY, **options) -> dict:
    """One week of P1 from (steps, wear hours) a day, the first on Monday."""
    frame = pl.DataFrame(
        [
            {
                "patient_id": "P1",
                "device_id": "D1",
                "day": first + timedelta(days=k),
                "steps": steps,
                "week": 1,
                "wear_minutes": None if hours is None else hours * 60.0,
            }
            for k, (steps, hours) in enumerate(days)
        ],
        schema_overrides={"steps": pl.Float64, "wear_minutes": pl.Float64},
    )
    weighted = options.pop("is_weighted", False)
    counting = counting_days(frame, column="steps")
    [row] = weekly(
        counting,
        column="steps",
        options=Options(**options),
        by=["patient_id", "week"],
        is_weighted=weighted,
    ).to_dicts()
    return row


WORKED = ((8200, 14), (6100, 9.5), (7400, 12), (9000, 11), (0, 2), (6600, 13), (5200, 10))


def test_worked_week():
    """Reference 39: 9.5 h and 2 h are dropped, (8200+7400+9000+6600+5200)/5 = 7280; at 12 h only 3
    days: null.
    """
    found = week(*WORKED)
    assert (found["value"], found["valid_days"], found["reason"]) == (36400 / 5, 5, None)
    assert found["value"] == 7280
    assert found["wear_h"] == pytest.approx((14 + 12 + 11 + 13 + 10) / 5)
    stricter = week(*WORKED, valid_day_wear_h=12)
    assert (stricter["value"], stricter["valid_days"], stricter["reason"]) == (
        None,
        3,
        "too few valid days",
    )


def test_weighted_week():
    """(5 x weekday mean + 2 x weekend mean) / 7 = (5 x (8200 + 7400 + 9000) / 3 + 2 x (6600 + 5200)
    / 2) / 7.
    """
    found = week(*WORKED, is_weighted=True)
    assert found["value"] == pytest.approx(
        (5 * (8200 + 7400 + 9000) / 3 + 2 * (6600 + 5200) / 2) / 7
    )


@pytest.mark.parametrize(
    ("days", "options", "reason"),
    [
        ([(5000, 12)] * 5, {}, "too few valid weekend days"),
        ([(5000, 12)] * 5, {"valid_week_weekend_days": 0}, None),
        (
            [(5000, 12)] * 5,
            {"valid_week_weekend_days": 0, "is_weighted": True},
            "too few valid weekend days",
        ),
        ([(5000, 10)] * 3 + [(5000, 9.99)] * 4, {}, "too few valid days"),
        ([(5000, None)] * 7, {}, "no wear information"),
        ([(5000, None)] * 5 + [(5000, 12)] * 2, {}, "too few valid days"),
        ([(0, 12)] * 7, {}, None),
    ],
)
def test_reasons(days, options, reason):
    """A week that is not valid has its reason and a null, never a zero; a week of no steps, worn,
    is a zero.
    """
    found = week(*days, **options)
    assert found["reason"] == reason
    assert found["value"] == (None if reason else days[0][0])


def test_weekend_alone_has_no_weighted_mean():
    """Without a valid weekday the weighted mean of a week can't be given."""
    found = week(
        (1000, 12), (1000, 12), first=date(2025, 1, 11), valid_week_days=2, is_weighted=True
    )
    assert (found["value"], found["reason"]) == (None, "no valid weekday")


def test_device_worn_longest_counts():
    """Of two devices on one day the one worn longest counts, never the sum; unknown wear last;
    ties: the first id.
    """
    rows = [
        ("D1", 600.0, 4000.0),
        ("D2", 700.0, 5000.0),
        ("D3", None, 9000.0),
        ("D4", 900.0, None),
        ("D0", 700.0, 100.0),
    ]
    frame = pl.DataFrame(
        [
            {"patient_id": "P1", "day": MONDAY, "device_id": d, "wear_minutes": w, "steps": s}
            for d, w, s in rows
        ]
    )
    assert counting_days(frame, column="steps")["device_id"].to_list() == ["D0"]
    assert counting_days(frame.filter(pl.col("wear_minutes").is_null()), column="steps")[
        "steps"
    ].to_list() == [9000]


def test_weeks_from_day_1():
    """Days 1-7 are week 1, 8-14 week 2; days -7 to -1 are week -1; there is neither day 0 nor week
    0.
    """
    days = (
        pl.DataFrame({"ady": [-8, -7, -1, 1, 7, 8, 14, 15]})
        .select(week_of(pl.col("ady")))["ady"]
        .to_list()
    )
    assert days == [-2, -1, -1, 1, 1, 2, 2, 3]


@settings(max_examples=50)
@given(ady=st.integers(-400, 400).filter(bool))
def test_weeks_hold_seven_days(ady):
    """A week holds a day if and only if it is among its seven."""
    day1 = date(2025, 6, 1)
    day = day1 + timedelta(days=ady - 1 if ady > 0 else ady)
    frame = pl.DataFrame({"day": [day], "day1": [day1]}).select(
        ady=study_day(pl.col("day"), day1=pl.col("day1"))
    )
    [found] = frame.select(week_of(pl.col("ady")))["ady"]
    assert frame["ady"].to_list() == [ady]
    assert ady in (
        range(7 * found - 6, 7 * found + 1) if found > 0 else range(7 * found, 7 * found + 7)
    )


@settings(max_examples=50)
@given(data=st.data())
def test_order_changes_nothing(data):
    """The order of days and devices does not change a week."""
    rows = [
        {
            "patient_id": "P1",
            "device_id": d,
            "day": MONDAY + timedelta(days=k),
            "week": 1,
            "steps": 100.0 * k + 7 * len(d),
            "wear_minutes": 600.0 + 30 * ((k + len(d)) % 3),
        }
        for k in range(7)
        for d in ("D", "DD")
    ]

    def value(these):
        days = counting_days(pl.DataFrame(these), column="steps")
        return weekly(days, column="steps", options=Options(), by=["week"]).to_dicts()

    assert value(data.draw(st.permutations(rows))) == value(rows)
