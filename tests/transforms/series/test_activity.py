"""Days of wearables: each rule of the contract by a small case, then any readings against a slow
re-computation.
"""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import duckdb
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from transforms.facts.measurements import CADENCE_BANDS_SPM
from transforms.schemas import CORE_RECORDS, CORE_TABLES, RAW_TABLES
from transforms.series.activity import ACTIVITY_DAYS_SQL
from transforms.series.wearable_day import MOVES
from transforms.series.wearers import PEOPLE as PEOPLE_COLUMNS
from transforms.series.wearers import people

READINGS, RETRACTIONS = RAW_TABLES["readings"], CORE_TABLES["retractions"]
DATA = Path(__file__).parents[4] / "shared" / "data"
PEOPLE = pl.DataFrame(
    {
        "recorded_id": ["P1", "P2", "P0", "P3"],
        "patient_id": ["P1", "P2", "P1", "P3"],
        "timezone": ["Europe/Berlin", "America/New_York", "Europe/Berlin", None],
    }
)
STAYED = pl.lit([], MOVES).alias("moves")
# Nothing is too early, too far ahead of its landing or after a death, unless a case says so.
UNBOUND = {"from_us": 0, "until_us": None, "tolerance_us": 10**15}
MONDAY = datetime(2025, 1, 6, tzinfo=UTC)


def reading(number: int, **given) -> dict:
    """One row of raw.readings: a step count of P1, every 60 s from Monday 00:00 at +00:00, unless
    said otherwise.
    """
    row = dict.fromkeys(READINGS.names) | {
        "kafka_topic": "floe.readings.v1",
        "kafka_topic_id": "T",
        "kafka_partition": 0,
        "kafka_offset": number,
        "event_id": f"E{number:03}",
        "source": "app",
        "event_time": MONDAY + timedelta(days=1),
        "ingested_at": MONDAY + timedelta(days=2),
        "patient_id": "P1",
        "device_id": "D1",
        "metric": "step_count",
        "unit": "{steps}",
        "started_at": MONDAY,
        "started_utc_offset_min": 0,
        "interval_s": 60.0,
        "values": [10.0],
    }
    return row | given


def days(
    readings: list[dict] | pl.DataFrame, who: pl.DataFrame = PEOPLE, *, retractions=()
) -> list[dict]:
    """Rows of core.activity_days, by key; the connection is a plain one in memory."""
    frame = (
        pl.DataFrame(readings, schema=READINGS.polars_schema)
        if isinstance(readings, list)
        else readings
    )
    with duckdb.connect(config={"threads": 1}) as connection:
        connection.execute("SET TimeZone = 'UTC'; CREATE SCHEMA raw; CREATE SCHEMA core")
        for table in (READINGS, RETRACTIONS):
            connection.execute(table.ddl())
        connection.register(
            "taken_back", pl.DataFrame(list(retractions), schema=RETRACTIONS.polars_schema)
        )
        connection.execute("INSERT INTO core.retractions SELECT * FROM taken_back")
        connection.register("landed", frame)
        connection.execute("INSERT INTO raw.readings SELECT * FROM landed")
        who = who if "moves" in who.columns else who.with_columns(STAYED)
        any_will_do = [
            pl.lit(None, dtype=pl.String).alias(c) for c in PEOPLE_COLUMNS if c not in who.columns
        ]
        unbound = [pl.lit(v, pl.Int64).alias(c) for c, v in UNBOUND.items() if c not in who.columns]
        connection.register("people", who.with_columns(*any_will_do, *unbound))
        found = connection.execute(ACTIVITY_DAYS_SQL).pl()
    table = CORE_TABLES["activity_days"]
    assert found.columns == table.names
    assert found.schema == table.polars_schema
    return found.sort(table.key).to_dicts()


def test_worked_case_of_cadence():
    """110 x 20 min, 95 x 10, 60 x 15, 0 x 1395: 4050 steps, MVPA 20 min, peak-30 105.0, peak-60
    67.5 (reference 39).
    """
    values = [110.0] * 20 + [95.0] * 10 + [60.0] * 15 + [0.0] * 1395
    [day] = days([reading(1, values=values)])
    assert day["steps"] == 20 * 110 + 10 * 95 + 15 * 60 == 4050
    assert (day["mvpa_minutes"], day["vigorous_minutes"]) == (20, 0)
    assert day["peak_1_spm"] == 110
    assert day["peak_30_spm"] == pytest.approx((20 * 110 + 10 * 95) / 30, abs=1e-9)
    assert day["peak_60_spm"] == pytest.approx(4050 / 60, abs=1e-9)
    assert day["recorded_minutes"] == 1440
    bands = {band: day[f"minutes_{band}_spm"] for band in CADENCE_BANDS_SPM}
    assert bands == dict.fromkeys(bands, 0) | {"0": 1395, "60_79": 15, "80_99": 10, "100_119": 20}


@pytest.mark.parametrize(
    ("steps", "band"),
    [
        (0, "0"),
        (1, "1_19"),
        (19, "1_19"),
        (20, "20_39"),
        (99, "80_99"),
        (100, "100_119"),
        (120, "120_plus"),
    ],
)
def test_bands_hold_their_lower_edge(steps, band):
    """A minute belongs to the band that starts at or below it; bands add up to the minutes
    recorded.
    """
    [day] = days([reading(1, values=[float(steps), None])])
    assert {b: day[f"minutes_{b}_spm"] for b in CADENCE_BANDS_SPM if day[f"minutes_{b}_spm"]} == {
        band: 1
    }
    assert day["recorded_minutes"] == 1


def test_null_is_not_zero():
    """A day of null samples only has no row; a day whose heart rate alone was measured has null
    steps.
    """
    assert days([reading(1, values=[None, None])]) == []
    [day] = days(
        [reading(1, values=[None]), reading(2, metric="heart_rate", values=[70.0, None, 80.0])]
    )
    assert (day["steps"], day["recorded_minutes"], day["minutes_0_spm"], day["peak_30_spm"]) == (
        None,
    ) * 4
    assert (day["heart_rate_mean"], day["wear_minutes"], day["wear_source"], day["samples"]) == (
        75,
        2,
        "heart_rate",
        2,
    )


def test_zero_steps_are_a_measurement():
    """A minute of zero steps counts as recorded, and the day's steps are 0."""
    [day] = days([reading(1, values=[0.0, 0.0])])
    assert (day["steps"], day["recorded_minutes"], day["minutes_0_spm"], day["peak_1_spm"]) == (
        0,
        2,
        2,
        0,
    )
    assert day["wear_minutes"] is None


def test_first_landed_copy_stands():
    """Of one (source, event_id) the first landed counts, whatever its offset; another source is
    another event.
    """
    late = reading(
        1, values=[99.0], kafka_offset=1, event_id="E", ingested_at=MONDAY + timedelta(days=9)
    )
    first = reading(2, values=[5.0], kafka_offset=2, event_id="E")
    assert days([late, first])[0]["steps"] == 5
    other = first | {
        "source": "other",
        "kafka_offset": 3,
        "started_at": MONDAY + timedelta(hours=1),
    }
    assert days([late, first, other])[0]["steps"] == 10


LANDED = MONDAY + timedelta(days=2)


@pytest.mark.parametrize(
    ("fields", "is_back"),
    [
        ({"patient_id": "P1"}, True),
        ({"series_source": "app"}, True),
        ({"device_id": "D1"}, True),
        (
            {"patient_id": "P1", "device_id": "D1", "series_source": "app", "metric": "step_count"},
            True,
        ),
        ({"patient_id": "P2"}, False),
        ({"patient_id": "P1", "metric": "heart_rate"}, False),
        ({"patient_id": "P1", "device_id": "D2"}, False),
        ({"patient_id": "P1", "series_source": "other"}, False),
        ({"patient_id": "P1", "from": MONDAY, "to": MONDAY}, True),
        ({"patient_id": "P1", "from": MONDAY + timedelta(seconds=1)}, False),
        ({"patient_id": "P1", "to": MONDAY - timedelta(seconds=1)}, False),
        ({"patient_id": "P1", "ingested_at": LANDED - timedelta(seconds=1)}, False),
    ],
)
def test_retraction(fields, is_back):
    """It takes back what landed before it, or with it, and fits every field given; the rest
    stands.
    """
    row = dict.fromkeys(RETRACTIONS.names) | {
        "retraction_id": "R",
        "ingested_at": LANDED,
        "from": MONDAY - timedelta(days=9),
        "to": MONDAY + timedelta(days=9),
    }
    kept = reading(2, started_at=MONDAY + timedelta(days=20))
    steps = [d["day"].day for d in days([reading(1), kept], retractions=[row | fields])]
    assert steps == ([26] if is_back else [6, 26])


def test_retraction_of_a_local_day():
    """A day is one of the series' own clock: 23:30 UTC on Sunday is Monday at +60."""
    day = {"from": MONDAY, "to": MONDAY + timedelta(hours=23, minutes=59), "is_by_local_day": True}
    row = (
        dict.fromkeys(RETRACTIONS.names)
        | {"retraction_id": "R", "patient_id": "P1", "ingested_at": LANDED}
        | day
    )
    night = [
        reading(k, started_at=MONDAY - timedelta(minutes=30), started_utc_offset_min=k * 60)
        for k in (0, 1)
    ]
    assert [d["day"] for d in days(night, retractions=[row])] == [date(2025, 1, 5)]


def test_later_event_counts_for_an_instant():
    """Of two samples of one instant the one in the later event counts (time, then landing), though
    it be null.
    """
    early = reading(1, values=[10.0, 20.0, 30.0])
    later = reading(
        2,
        values=[7.0, None],
        started_at=MONDAY + timedelta(minutes=1),
        event_time=MONDAY + timedelta(days=3),
    )
    [day] = days([early, later])
    assert day["steps"] == 10 + 7  # minute 2 is null in the later event
    assert (day["recorded_minutes"], day["last_event_id"]) == (2, "E002")
    same_time = later | {"event_time": early["event_time"], "event_id": "A"}
    assert days([early, same_time])[0]["steps"] == 17  # landed later, whichever id sorts higher
    assert days([early | {"ingested_at": MONDAY + timedelta(days=3)}, same_time])[0]["steps"] == 60


def test_day_follows_the_readings_own_offset_else_the_clinic():
    """23:30 UTC is the next day at +60 and in Berlin (flagged); for New York it is the same day."""
    at = MONDAY + timedelta(hours=23, minutes=30)
    rows = [
        reading(1, started_at=at, started_utc_offset_min=60),
        reading(2, started_at=at, device_id="D2", started_utc_offset_min=None),
        reading(3, started_at=at, patient_id="P2", started_utc_offset_min=None),
    ]
    found = [
        (d["patient_id"], d["device_id"], d["day"], d["is_timezone_assumed"]) for d in days(rows)
    ]
    assert found == [
        ("P1", "D1", date(2025, 1, 7), False),
        ("P1", "D2", date(2025, 1, 7), True),
        ("P2", "D1", date(2025, 1, 6), True),
    ]


def test_no_day_is_guessed():
    """Without offset and zone no day is known: no row; nor for a patient who is not known yet."""
    rows = [reading(1, patient_id="P3", started_utc_offset_min=None), reading(2, patient_id="P9")]
    assert days(rows) == []
    assert [d["patient_id"] for d in days([reading(1, patient_id="P3")])] == ["P3"]


def test_unknown_zone_name_is_no_zone():
    """A clinic whose time zone is no IANA name breaks nothing: its day is not known without an
    offset.
    """
    who = PEOPLE.with_columns(timezone=pl.lit("Mars/Olympus"))
    assert days([reading(1, started_utc_offset_min=None)], who) == []
    assert days([reading(1)], who)[0]["day_length_h"] is None


@pytest.mark.parametrize(
    ("day", "hours"), [(date(2025, 3, 30), 23), (date(2025, 10, 26), 25), (date(2025, 6, 1), 24)]
)
def test_days_of_daylight_saving(day, hours):
    """A Berlin day has 23, 25 or 24 hours: minutes of three days are split where the clock says
    midnight.
    """
    start = datetime(day.year, day.month, day.day, tzinfo=ZoneInfo("Europe/Berlin")).astimezone(UTC)
    minutes = [1.0] * (60 * (24 + hours + 24))
    row = reading(
        1, started_at=start - timedelta(days=1), started_utc_offset_min=None, values=minutes
    )
    found = {d["day"]: (d["day_length_h"], d["steps"]) for d in days([row])}
    assert found[day] == (hours, hours * 60)
    assert sum(steps for _, steps in found.values()) == len(minutes)


def test_merged_patients_are_one():
    """Readings recorded under an id that was merged count for the patient that it became."""
    rows = [reading(1, patient_id="P0"), reading(2, started_at=MONDAY + timedelta(hours=1))]
    assert [(d["patient_id"], d["steps"]) for d in days(rows)] == [("P1", 20)]


def test_intervals():
    """Under a minute: summed into minutes. Over a minute: steps count, cadence is null. A day's own
    total is apart.
    """
    fine = [reading(1, interval_s=20.0, values=[40.0, 40.0, 40.0, 30.0])]
    assert [
        (d["steps"], d["recorded_minutes"], d["peak_1_spm"], d["minutes_120_plus_spm"])
        for d in days(fine)
    ] == [(150, 2, 120, 1)]
    coarse = [reading(1, interval_s=900.0, values=[300.0, 200.0])]
    assert [(d["steps"], d["recorded_minutes"], d["peak_1_spm"]) for d in days(coarse)] == [
        (500, None, None)
    ]
    total = [reading(1), reading(2, metric="daily_step_count", interval_s=86400.0, values=[9000.0])]
    assert [(d["steps"], d["vendor_steps"]) for d in days(total)] == [(10, 9000)]
    assert [(d["steps"], d["vendor_steps"]) for d in days(total[1:])] == [(None, 9000)]


def test_wear():
    """`worn` tells wear by its interval; else minutes with a heart rate do, several a minute
    once.
    """
    worn = [
        reading(1, metric="worn", interval_s=3600.0, values=[1.0, 1.0, 0.0, None]),
        reading(2, metric="heart_rate", values=[70.0]),
    ]
    assert [(d["wear_minutes"], d["wear_source"]) for d in days(worn)] == [(120, "worn")]
    pulse = [
        reading(1, metric="heart_rate", interval_s=5.0, values=[60.0] * 24),
        reading(2, metric="heart_rate", started_at=MONDAY + timedelta(seconds=30), values=[90.0]),
    ]
    assert [(d["wear_minutes"], d["wear_source"]) for d in days(pulse)] == [(2, "heart_rate")]


def test_slow_heart_rate_tells_its_interval():
    """A value every 15 min tells 15 min of wear, once an hour no more than that; overlapping ones
    count once.
    """
    quarters = reading(1, metric="heart_rate", interval_s=900.0, values=[60.0, None, 60.0])
    assert days([quarters])[0]["wear_minutes"] == 30
    assert days([quarters | {"interval_s": 3600.0}])[0]["wear_minutes"] == 30
    within = reading(
        2, metric="heart_rate", started_at=MONDAY + timedelta(minutes=40), values=[70.0] * 10
    )
    assert days([quarters, within])[0]["wear_minutes"] == 15 + 15 + 5  # 0-15, 30-45, 45-50


def test_runaway_series_is_not_read():
    """Samples that would span more than a year come from a wrong clock or interval: they count for
    no day.
    """
    assert days([reading(1, interval_s=1e14, values=[1.0, 2.0])]) == []
    assert days([reading(1, interval_s=1e14, values=[1.0], metric="heart_rate")])[0]["samples"] == 1


def test_people():
    """A merged id leads to the patient that it became and to that one's clinic; an unknown clinic
    has no zone.
    """
    patients = pl.DataFrame({"patient_id": ["A", "B"], "clinic_id": ["C1", "C9"]})
    clinics = pl.DataFrame({"clinic_id": ["C1"], "timezone": ["Europe/Berlin"]})
    status = pl.DataFrame(
        [
            dict.fromkeys(CORE_RECORDS["patient_status"].names)
            | {"status_id": "S", "patient_id": "X", "status": "merged", "merged_into": "A"}
        ],
        schema=CORE_RECORDS["patient_status"].polars_schema,
    )
    assert people(patients, clinics, status).rows() == [
        ("A", None, None, None, "A", "Europe/Berlin", []),
        ("B", None, None, None, "B", None, []),
        ("X", None, None, None, "A", "Europe/Berlin", []),
    ]


# --- any readings, against a slow plain re-computation ------------------------------------------


def _instants(rows: list[dict]) -> dict:
    """(patient, device, metric, instant) -> (value, interval, row): the sample that counts."""
    who = {r["recorded_id"]: r for r in PEOPLE.to_dicts()}
    landed, samples = {}, {}
    for row in sorted(
        rows, key=lambda r: (r["ingested_at"], r["kafka_partition"], r["kafka_offset"])
    ):
        landed.setdefault((row["source"], row["event_id"]), row)
    for row in sorted(landed.values(), key=_lateness):
        person = who.get(row["patient_id"])
        if person is None or (row["started_utc_offset_min"] is None and person["timezone"] is None):
            continue
        for k, value in enumerate(row["values"]):
            at = row["started_at"] + timedelta(seconds=k * row["interval_s"])
            offset = row["started_utc_offset_min"]
            local = (
                at.astimezone(ZoneInfo(person["timezone"]))
                if offset is None
                else at + timedelta(minutes=offset)
            )
            key = (person["patient_id"], row["device_id"] or "", row["metric"], at)
            samples[key] = (value, row["interval_s"], local.date(), offset is None)
    return samples


def _lateness(row: dict) -> tuple:
    """An event is no later than its landing, whatever its clock says."""
    happened = min(row["event_time"], row["ingested_at"])
    return happened, row["ingested_at"], row["kafka_partition"], row["kafka_offset"]


def slow_days(rows: list[dict]) -> dict:
    """What the rules give, sample by sample: (patient, device, day) -> the columns compared."""
    by_day: dict = {}
    for (patient, device, metric, at), (value, interval, day, assumed) in _instants(rows).items():
        if value is not None and not (metric == "step_count" and interval >= 86_400):
            by_day.setdefault((patient, device, day), []).append(
                (metric, at, value, interval, assumed)
            )
    return {key: _slow_day(samples) for key, samples in by_day.items()}


def _slow_day(samples: list[tuple]) -> dict:
    of = {
        m: [s for s in samples if s[0] == m]
        for m in ("step_count", "heart_rate", "worn", "daily_step_count")
    }
    minutes: dict = {}
    for _, at, value, interval, _ in of["step_count"]:
        if 0 < interval <= 60:
            minute = at.replace(second=0, microsecond=0)
            minutes[minute] = minutes.get(minute, 0) + value
    if not minutes or len([s for s in of["step_count"] if not 0 < s[3] <= 60]):
        minutes = None
    top = sorted(minutes.values(), reverse=True)[:30] if minutes is not None else None
    beats = [s for s in of["heart_rate"] if 25 < s[2] < 250]
    is_flat = len(beats) >= 30 and len({s[2] for s in beats}) == 1
    is_pulseless = bool(of["heart_rate"]) and (is_flat or not beats)
    pulse = {
        at.replace(second=0, microsecond=0) + timedelta(minutes=k)
        for _, at, _, interval, _ in beats
        for k in range(min(15, max(1, int(interval // 60))))
        if not is_pulseless
    }
    worn = (
        sum(value * interval for _, _, value, interval, _ in of["worn"]) / 60
        if of["worn"]
        else None
    )
    if worn is None and of["heart_rate"]:
        worn = len(pulse)
    if is_pulseless and len(of["heart_rate"]) >= 30:
        worn = 0
    return {
        "steps": sum(s[2] for s in of["step_count"]) if of["step_count"] else None,
        "vendor_steps": max((s[2] for s in of["daily_step_count"]), default=None),
        "recorded_minutes": None if minutes is None else len(minutes),
        "minutes_0_spm": None if minutes is None else sum(v < 1 for v in minutes.values()),
        "minutes_1_19_spm": None if minutes is None else sum(1 <= v < 20 for v in minutes.values()),
        "mvpa_minutes": None if minutes is None else sum(v >= 100 for v in minutes.values()),
        "peak_30_spm": None if top is None else sum(top) / 30,
        "wear_minutes": worn,
        "heart_rate_mean": sum(s[2] for s in beats) / len(beats)
        if beats and not is_pulseless
        else None,
        "samples": len(samples),
        "is_timezone_assumed": any(s[4] for s in samples),
    }


# Around a Berlin and New York change of clocks, so that midnights and hours move.
_STARTS = [datetime(2025, 3, d, tzinfo=UTC) for d in (8, 9, 29, 30)]
_SERIES = st.fixed_dictionaries(
    {
        "patient_id": st.sampled_from(["P1", "P0", "P2", "P3", "P9"]),
        "device_id": st.sampled_from(["D1", None]),
        "metric": st.sampled_from(
            ["step_count", "step_count", "heart_rate", "worn", "daily_step_count"]
        ),
        "started_at": st.tuples(
            st.sampled_from(_STARTS), st.integers(0, 95), st.sampled_from([0, 0, 30])
        ).map(lambda t: t[0] + timedelta(minutes=15 * t[1], seconds=t[2])),
        "interval_s": st.sampled_from([60.0, 60.0, 60.0, 20.0, 300.0, 3600.0, 86400.0]),
        "started_utc_offset_min": st.sampled_from([None, 0, 60, -300]),
        "values": st.lists(
            st.sampled_from([None, 0.0, 1.0]) | st.integers(2, 160).map(float), max_size=40
        )
        | st.sampled_from([[0.0] * 35, [255.0] * 35, [72.0] * 35, [72.0] * 29]),
        "event_time": st.sampled_from([MONDAY, MONDAY + timedelta(days=1)]),
        "event_id": st.sampled_from([None, None, "E000", "E001"]),
        "ingested_at": st.sampled_from([MONDAY, MONDAY + timedelta(days=1)]),
    }
).map(
    lambda d: (
        d
        | (
            {
                "values": [None if v is None else min(v, 1.0) for v in d["values"]],
                "interval_s": min(d["interval_s"], 600.0),
            }
            if d["metric"] == "worn"
            else {}
        )
    )
)


def _rows(series: list[dict]) -> list[dict]:
    return [
        reading(k, **{c: v for c, v in s.items() if c != "event_id" or v is not None})
        for k, s in enumerate(series)
    ]


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(series=st.lists(_SERIES, min_size=1, max_size=8), data=st.data())
def test_any_readings_equal_the_slow_computation(series, data):
    """Whatever lands, in whatever order and however often, the days are those of the slow
    re-computation.
    """
    rows = _rows(series)
    again = data.draw(st.lists(st.sampled_from(rows), max_size=3))
    copies = [
        row | {"kafka_offset": 1000 + k, "ingested_at": MONDAY + timedelta(days=30)}
        for k, row in enumerate(again)
    ]
    found = days(data.draw(st.permutations(rows + copies)))
    expected = slow_days(rows)
    assert {(d["patient_id"], d["device_id"], d["day"]) for d in found} == set(expected)
    for day in found:
        wanted = expected[day["patient_id"], day["device_id"], day["day"]]
        assert {c: day[c] for c in wanted} == pytest.approx(wanted, abs=1e-9)


@settings(max_examples=12)
@given(
    series=st.lists(_SERIES.filter(lambda s: s["event_id"] is None), min_size=1, max_size=5),
    cut=st.integers(1, 39),
)
def test_splitting_a_series_changes_nothing(series, cut):
    """A series sent as two events, the second starting where the first ends, gives the same
    days.
    """
    rows = _rows(series)
    halves = []
    for k, row in enumerate(rows):
        later = row["started_at"] + timedelta(seconds=cut * row["interval_s"])
        halves.append(row | {"values": row["values"][:cut]})
        halves.append(
            row
            | {
                "values": row["values"][cut:],
                "started_at": later,
                "event_id": row["event_id"] + "b",
                "kafka_offset": 500 + k,
            }
        )
    whole, split = days(rows), days(halves)
    assert [_numbers(d) for d in split] == [pytest.approx(_numbers(d), abs=1e-9) for d in whole]


def _numbers(day: dict) -> dict:
    return {c: v for c, v in day.items() if isinstance(v, int | float)} | {
        "day": day["day"].toordinal()
    }


# --- real minutes -------------------------------------------------------------------------------


def test_fitbit_minutes_add_up_to_the_vendors_days():
    """Of the 903 days in both exports, the minutes add up to the vendor's total in 747: the vendor
    restated 156.
    """
    minutes, totals = DATA / "fitbit_minute_steps.parquet", DATA / "fitbit_daily_activity.csv"
    if not (minutes.exists() and totals.exists()):
        pytest.skip("no ../shared/data: the real exports are not here")
    hours = (
        pl.read_parquet(minutes).sort("Id", "ts").group_by_dynamic("ts", every="1h", group_by="Id")
    )
    series = hours.agg(values=pl.col("steps").cast(pl.Float64))
    template = {
        c: v
        for c, v in reading(0).items()
        if c not in ("values", "started_at", "patient_id", "kafka_offset")
    }
    landed = series.select(
        *(
            pl.lit(v, dtype=READINGS.polars_schema[c]).alias(c)
            for c, v in template.items()
            if c != "event_id"
        ),
        pl.col("Id").cast(pl.String).alias("patient_id"),
        pl.col("values"),
        pl.int_range(pl.len()).alias("kafka_offset"),
        pl.int_range(pl.len()).cast(pl.String).alias("event_id"),
        pl.col("ts").dt.replace_time_zone("UTC").alias("started_at"),
    )
    users = landed["patient_id"].unique()
    found = days(
        READINGS.conform(landed),
        pl.DataFrame({"recorded_id": users, "patient_id": users, "timezone": "UTC"}),
    )
    vendor = pl.read_csv(totals, infer_schema_length=None).select(
        pl.col("Id").cast(pl.String).alias("patient_id"),
        pl.col("ActivityDate").str.to_date("%m/%d/%Y").alias("day"),
        "TotalSteps",
    )
    both = pl.DataFrame(found, infer_schema_length=None).join(vendor, on=["patient_id", "day"])
    assert both.height == 903
    assert both.filter(pl.col("steps") == pl.col("TotalSteps")).height == 747


# --- not worn, and at no time that can be -------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "worn_min"),
    [
        ([0.0] * 60, 0),
        ([255.0] * 60, 0),
        ([25.0, 250.0], 0),  # both ends are no beats
        ([26.0, 249.0, None], 2),
        ([60.0, 0.0, 61.0, 255.0], 2),
        ([72.0] * 30, 0),  # one value all the time is no heart's
        ([72.0] * 29, 29),  # too few to tell
        ([72.0] * 29 + [73.0], 30),
        ([72.0] * 30 + [0.0], 0),  # nor beside a sensor's zeros
    ],
)
@pytest.mark.parametrize("interval_s", [60.0, 900.0])
def test_wear_is_where_a_heart_beats(values, worn_min, interval_s):
    """Minutes with a rate between 25 and 250 count, each for its interval of at most 15 min; a flat
    day does not.
    """
    found = days([reading(1, metric="heart_rate", values=values, interval_s=interval_s)])
    if interval_s == 60:
        assert [(d["wear_minutes"], d["wear_source"]) for d in found] == [(worn_min, "heart_rate")]
    elif worn_min == 0:
        assert {d["wear_minutes"] for d in found} == {0}
    beats = [v for v in values if v is not None and 25 < v < 250]
    assert sum(d["samples"] for d in found) == len([v for v in values if v is not None])
    assert (found[0]["heart_rate_mean"] is None) == (worn_min == 0), beats


def test_sentinels_within_a_minute_of_another_series():
    """The same where the samples are looked at one by one: two series of one device that
    overlap.
    """
    rows = [
        reading(1, metric="heart_rate", values=[0.0, 60.0, 255.0]),
        reading(2, metric="heart_rate", values=[62.0], started_at=MONDAY + timedelta(seconds=150)),
    ]
    [day] = days(rows)
    assert (day["wear_minutes"], day["heart_rate_mean"], day["samples"]) == (2, 61, 4)


def test_a_device_that_calls_itself_worn_without_a_pulse():
    """`worn` all day beside a heart rate of 0 all day is not worn; beside too few samples to tell
    it is.
    """
    worn = reading(1, metric="worn", interval_s=3600.0, values=[1.0] * 24)
    many, few = (reading(2, metric="heart_rate", values=[0.0] * n) for n in (30, 29))
    assert [(d["wear_minutes"], d["wear_source"]) for d in days([worn, many])] == [
        (0, "heart_rate")
    ]
    assert [(d["wear_minutes"], d["wear_source"]) for d in days([worn, few])] == [(1440, "worn")]


@pytest.mark.parametrize(
    ("given", "bounds", "steps"),
    [
        (
            {"ingested_at": MONDAY + timedelta(minutes=2)},
            {"tolerance_us": 0},
            30,
        ),  # at 0:00, 0:01 and 0:02
        ({"ingested_at": MONDAY + timedelta(minutes=1)}, {"tolerance_us": 60_000_000}, 30),
        ({"ingested_at": MONDAY - timedelta(minutes=1)}, {"tolerance_us": 0}, None),
        (
            {"interval_s": 5.0, "ingested_at": MONDAY + timedelta(seconds=12)},
            {"tolerance_us": 0},
            30,
        ),
        ({}, {"from_us": int(MONDAY.timestamp()) * 1_000_000}, 50),
        ({}, {"from_us": int(MONDAY.timestamp()) * 1_000_000 + 1}, None),
        (
            {},
            {"until_us": int(MONDAY.timestamp()) * 1_000_000 + 60_000_000},
            10,
        ),  # the end of the day of death
        ({}, {"until_us": int(MONDAY.timestamp()) * 1_000_000}, None),
    ],
)
def test_samples_at_no_time_that_can_be_are_in_no_day(given, bounds, steps):
    """Five minutes of 10 steps: what lies ahead of the landing, before the bound or after the death
    is not counted.
    """
    who = PEOPLE.with_columns(pl.lit(v, pl.Int64).alias(c) for c, v in bounds.items())
    found = days([reading(1, values=[10.0] * 5, **given)], who)
    assert [d["steps"] for d in found] == ([] if steps is None else [steps])


def test_an_event_of_2036_is_no_later_than_its_landing():
    """Of two samples of one instant the one of the later event counts; a clock that is ahead does
    not win for good.
    """
    ahead = reading(
        1, values=[1.0], event_time=datetime(2036, 1, 1, tzinfo=UTC), ingested_at=MONDAY
    )
    later = reading(2, values=[2.0], event_time=MONDAY + timedelta(days=1))
    assert [d["steps"] for d in days([ahead, later])] == [2]
