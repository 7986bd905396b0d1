"""What a device measured in a session: extremes, rewarming and dose, and which samples count."""

from datetime import UTC, datetime, timedelta

import duckdb
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transforms.options import Options
from transforms.records.clashes import register
from transforms.rules import life_bounds
from transforms.schemas import CORE_TABLES, RAW_TABLES
from transforms.series.series_things import exposures
from transforms.series.telemetry import EXPOSURES_SQL, TELEMETRY_SESSIONS_SQL

TELEMETRY, SESSIONS = RAW_TABLES["telemetry"], CORE_TABLES["sessions"]
START = datetime(2025, 1, 6, 12, tzinfo=UTC)


def series(number: int, **given) -> dict:
    """One row of raw.telemetry: the cabin of session S1 every 10 s from its start, unless said
    otherwise.
    """
    row = dict.fromkeys(TELEMETRY.names) | {
        "kafka_topic": "floe.telemetry.v1",
        "kafka_topic_id": "T",
        "kafka_partition": 0,
        "kafka_offset": number,
        "event_id": f"E{number}",
        "source": "device",
        "event_time": START,
        "ingested_at": START,
        "device_id": "CRYO",
        "session_id": "S1",
        "signal": "cabin_temp_c",
        "started_at": START,
        "interval_s": 10.0,
        "values": [],
    }
    return row | given


def exposures_of(sessions: pl.DataFrame) -> pl.DataFrame:
    """The relation that the SQL joins, where no session's id stands for several."""
    none = pl.DataFrame(
        schema=dict.fromkeys(("session_id", "device_id", "clinic_id", "source"), pl.String)
    )
    among = register(CORE_TABLES["identities"].empty(), devices=None, patients=None)
    return exposures(sessions, none, among=among)


def sessions_of(rows: list[dict], **session) -> dict[str, dict]:
    """Rows of core.telemetry_sessions by session; S1 lasts 30 s with a skin of 32 °C before it."""
    known = {
        "session_id": "S1",
        "started_at": START,
        "duration_s": 30.0,
        "skin_temp_pre_c": 32.0,
    } | session
    with duckdb.connect(config={"threads": 1}) as connection:
        connection.execute("SET TimeZone = 'UTC'; CREATE SCHEMA raw; CREATE SCHEMA core")
        for table, name, frame in (
            (CORE_TABLES["retractions"], "taken_back", CORE_TABLES["retractions"].empty()),
            (TELEMETRY, "landed", pl.DataFrame(rows, schema=TELEMETRY.polars_schema)),
            (
                SESSIONS,
                "known",
                pl.DataFrame(
                    [dict.fromkeys(SESSIONS.names) | known], schema=SESSIONS.polars_schema
                ),
            ),
        ):
            connection.execute(table.ddl())
            connection.register(name, frame)
            connection.execute(f"INSERT INTO {table.full_name} SELECT * FROM {name}")
        sessions = exposures_of(connection.execute(EXPOSURES_SQL).pl())
        connection.register("exposures", life_bounds.with_clock(sessions, options=Options()))
        found = connection.execute(TELEMETRY_SESSIONS_SQL).pl()
    assert found.schema == CORE_TABLES["telemetry_sessions"].polars_schema
    return {row["session_id"]: row for row in found.to_dicts()}


def test_extremes():
    """Coldest cabin of all samples, warmest during exposure only; null samples count for
    nothing.
    """
    rows = [
        series(
            1, started_at=START - timedelta(seconds=10), values=[20.0, -60.0, None, -110.0, 15.0]
        ),
        series(2, signal="skin_temp_c", site="back", interval_s=30.0, values=[31.0, 12.0]),
        series(3, signal="room_oxygen_pct", device_id="ROOM", values=[20.9, 19.8]),
    ]
    found = sessions_of(rows)["S1"]
    assert (found["cabin_min_temp_c"], found["cabin_max_temp_c"]) == (-110, -60)
    assert (found["skin_min_temp_c"], found["skin_last_temp_c"], found["room_min_oxygen_pct"]) == (
        12,
        12,
        19.8,
    )
    assert found["samples"] == 4 + 2 + 2


def test_dose():
    """Dose is the sum of the kelvins below 0 °C times the seconds: (100 + 110 + 0) x 10 s; warm air
    adds nothing.
    """
    assert sessions_of([series(1, values=[-100.0, -110.0, 5.0, -150.0])])["S1"]["dose_k_s"] == 2100


@pytest.mark.parametrize(
    ("values", "session"),
    [([-100.0], {}), ([-100.0, None, None], {}), ([-100.0] * 3, {"duration_s": None})],
)
def test_no_dose_without_samples_for_the_exposure(values, session):
    """An exposure that is not covered by samples, or whose length is unknown, has no dose: null,
    not a part.
    """
    found = sessions_of([series(1, values=values)], **session)["S1"]
    assert found["dose_k_s"] is None
    assert found["cabin_min_temp_c"] == -100


def test_rewarming():
    """From the end (30 s) to the first sample within 1 K of the value before: 32 - 1 = 31 °C at 150
    s, so 2 min.

    A sample before the session is the value before: 30 - 1 = 29 °C, first passed by 30.9 at 90 s,
    so 1 min.
    """
    skin = series(
        1, signal="skin_temp_c", interval_s=30.0, values=[30.0, 10.0, 20.0, 28.0, 30.9, 31.0, 32.0]
    )
    assert sessions_of([skin])["S1"]["skin_rewarming_min"] == 2
    own = skin | {"started_at": START - timedelta(seconds=30)}
    assert sessions_of([own])["S1"]["skin_rewarming_min"] == 1


def test_rewarming_not_seen_is_null():
    """A skin that was not seen to be back, or whose value before is unknown, has no rewarming
    time.
    """
    cold = series(1, signal="skin_temp_c", interval_s=30.0, values=[10.0, 10.0, 20.0])
    assert sessions_of([cold])["S1"]["skin_rewarming_min"] is None
    warm = cold | {"values": [10.0, 32.0]}
    assert sessions_of([warm], skin_temp_pre_c=None)["S1"]["skin_rewarming_min"] is None
    other = series(2, signal="skin_temp_c", interval_s=30.0, values=[10.0, 32.0], site="thigh")
    assert sessions_of([cold | {"site": "back"}, other])["S1"]["skin_rewarming_min"] is None


def test_which_sample_counts():
    """A second copy of an event changes nothing; of two events at one instant the later one counts,
    per site.
    """
    first = series(1, values=[-100.0])
    copy = first | {"kafka_offset": 9, "values": [-190.0], "ingested_at": START + timedelta(days=1)}
    assert sessions_of([copy, first])["S1"]["cabin_min_temp_c"] == -100
    later = series(2, values=[-50.0], event_time=START + timedelta(hours=1))
    assert sessions_of([first, later])["S1"]["cabin_min_temp_c"] == -50
    probes = [
        series(k, signal="skin_temp_c", site=site, values=[v])
        for k, (site, v) in enumerate([("a", 9.0), ("b", 7.0)])
    ]
    assert sessions_of(probes)["S1"]["samples"] == 2


def test_telemetry_waits_for_its_session():
    """Telemetry without a session, or of one not known yet, gives no row; an undated exposure has
    no dose.
    """
    rows = [series(1, session_id=None, values=[-1.0]), series(2, session_id="S2", values=[-90.0])]
    assert sessions_of(rows) == {}
    found = sessions_of(rows, session_id="S2", duration_s=None)
    assert set(found) == {"S2"}
    assert (
        found["S2"]["cabin_min_temp_c"],
        found["S2"]["cabin_max_temp_c"],
        found["S2"]["dose_k_s"],
    ) == (
        -90,
        None,
        None,
    )


@settings(max_examples=15)
@given(
    values=st.lists(st.none() | st.integers(-150, 20).map(float), min_size=1, max_size=8),
    cut=st.integers(0, 8),
    data=st.data(),
)
def test_order_copies_and_splitting_change_nothing(values, cut, data):
    """The same samples in two events, in any order and twice, give the same row."""
    halves = [
        series(1, values=values[:cut]),
        series(2, values=values[cut:], started_at=START + timedelta(seconds=10 * cut)),
    ]
    copies = [
        h | {"kafka_offset": 50 + h["kafka_offset"], "ingested_at": START + timedelta(days=1)}
        for h in halves
    ]
    assert sessions_of(data.draw(st.permutations(halves + copies))) == sessions_of(
        [series(3, values=values)]
    )
