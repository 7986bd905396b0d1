"""The day of what was worn: the event's own offset, else the clock of the clinic the patient was
in; SQL and frames alike.
"""

from datetime import UTC, date, datetime

import duckdb
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transforms.rules.local_time import clocks
from transforms.schemas import CORE_RECORDS, TIMESTAMP
from transforms.series.wearable_day import MOVES, day_sql, with_wearable_day, with_zones, zone_sql

ZONES = (
    "Europe/Berlin",
    "America/New_York",
    "Asia/Tokyo",
    "Pacific/Auckland",
    "America/St_Johns",
    None,
)


def table(name: str, *rows: dict) -> pl.DataFrame:
    schema = CORE_RECORDS[name]
    return pl.DataFrame(
        [{n: row.get(n) for n in schema.names} for row in rows], schema=schema.polars_schema
    )


def days(events: list[tuple], zones: pl.DataFrame) -> tuple[list, list]:
    """The days of (moment, offset) of patient P, by the frame's function and by SQL."""
    schema = {"started_at": TIMESTAMP, "utc_offset_min": pl.Int64}
    frame = (
        pl.DataFrame(events, schema=schema, orient="row")
        .with_columns(patient_id=pl.lit("P"))
        .with_row_index("row")
    )
    with duckdb.connect(config={"threads": 1}) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.register("placed", frame.join(zones, on="patient_id"))
        told = "SELECT row, epoch_us(started_at) AS at_us, utc_offset_min AS offset_min, timezone, moves FROM placed"
        dated = f"SELECT row, at_us, offset_min, {zone_sql('at_us')} AS timezone FROM ({told})"
        by_sql = connection.execute(
            f"SELECT {day_sql('at_us')} FROM ({dated}) ORDER BY row"
        ).fetchall()
    return with_wearable_day(frame, zones).sort("row")["day"].to_list(), [day for (day,) in by_sql]


@pytest.mark.parametrize(
    ("at", "offset", "day"),
    [
        (datetime(2026, 5, 4, 22, 30, tzinfo=UTC), None, 5),  # half past midnight in Berlin
        (datetime(2026, 5, 4, 22, 30, tzinfo=UTC), 0, 4),  # its own offset comes first
        (datetime(2026, 5, 4, 22, 30, tzinfo=UTC), -240, 4),
        (datetime(2026, 5, 4, 15, 30, tzinfo=UTC), None, 4),  # before the transfer: Berlin
        (
            datetime(2026, 5, 12, 15, 30, tzinfo=UTC),
            None,
            13,
        ),  # after it: half past midnight in Tokyo
        (datetime(2026, 5, 12, 15, 30, tzinfo=UTC), 120, 12),
    ],
)
def test_the_day_of_what_was_worn(at, offset, day):
    """Enrolled in Berlin, from 10 May on in Tokyo."""
    patients = table("patients", {"patient_id": "P", "clinic_id": "B"})
    clinics = table(
        "clinics",
        {"clinic_id": "B", "timezone": "Europe/Berlin"},
        {"clinic_id": "T", "timezone": "Asia/Tokyo"},
    )
    moved = {
        "patient_id": "P",
        "status": "transferred",
        "clinic_id": "T",
        "effective_on": date(2026, 5, 10),
    }
    whose = clocks(
        patients=patients, clinics=clinics, patient_status=table("patient_status", moved)
    )
    zones = with_zones(patients.select("patient_id"), whose)
    assert days([(at, offset)], zones) == ([date(2026, 5, day)], [date(2026, 5, day)])


MOMENTS = st.datetimes(datetime(2000, 1, 1), datetime(2035, 1, 1), timezones=st.just(UTC))


@settings(max_examples=20, deadline=None)
@given(
    events=st.lists(
        st.tuples(MOMENTS, st.none() | st.integers(-720, 840)), min_size=1, max_size=30
    ),
    zone=st.sampled_from(ZONES),
    moves=st.lists(
        st.tuples(MOMENTS, st.sampled_from(ZONES)), max_size=3, unique_by=lambda move: move[0]
    ),
)
def test_series_and_bouts_have_one_rule(events, zone, moves):
    """Whatever moments, offsets, zones and transfers: SQL and frame give one day, and none where
    neither is known.
    """
    since = [
        {"from_us": round(at.timestamp()) * 1_000_000, "timezone": to}
        for at, to in sorted(moves, key=lambda m: m[0])
    ]
    zones = pl.DataFrame(
        {"patient_id": ["P"], "timezone": [zone], "moves": [since]},
        schema={"patient_id": pl.String, "timezone": pl.String, "moves": MOVES},
    )
    by_frame, by_sql = days(events, zones)
    assert by_frame == by_sql
    if zone is not None and all(to is not None for _, to in moves):
        assert None not in by_frame
