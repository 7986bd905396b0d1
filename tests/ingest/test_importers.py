"""Files of others to events: replay's lines, Fitbit's exports, the patients behind them, the hours
of change.

Here: ingest/importers, on small files and on the real exports where they are present. Not here:
publishing.
"""

from base64 import b64encode
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingest.contract import TOPIC_BY_TYPE
from ingest.decode import decode
from ingest.importers import IMPORTERS, Unread, read_patient_map, replay
from ingest.importers.localtime import instants
from ingest.importers.people import People, people_of
from ingest.source import Batch
from transforms.errors import UnreadableFile, UsageError

DATA = Path(__file__).parents[3] / "shared" / "data"
fitbit = IMPORTERS["fitbit"]


def shared(name: str) -> Path:
    path = DATA / name
    if not path.exists():
        pytest.skip(f"../shared/data/{name} is not here")
    return path


def values(records) -> list[dict]:
    return [orjson.loads(value) for _, _, value in records]


def readings(*paths, **arguments) -> pl.DataFrame:
    """The readings of the files as rows: person (from the device), start in UTC and local,
    interval, values.
    """
    rows = [
        {
            "id": e["id"],
            "person": e["data"]["device_id"].removeprefix("fitbit-"),
            "patient": e["data"]["patient_id"],
            "metric": e["data"]["metric"],
            "unit": e["data"]["unit"],
            "start": datetime.fromisoformat(e["data"]["started_at"]).astimezone(UTC),
            "local": datetime.fromisoformat(e["data"]["started_at"]).replace(tzinfo=None),
            "interval_s": e["data"]["interval_s"],
            "values": e["data"]["values"],
        }
        for e in values(fitbit(paths, **arguments))
        if e["type"] == "floe.readings.v1"
    ]
    return pl.DataFrame(rows, infer_schema_length=None)


def everyone(path: Path) -> dict[str, str]:
    frame = (
        pl.read_parquet(path)
        if path.suffix == ".parquet"
        else pl.read_csv(path, infer_schema=False)
    )
    return {str(i): f"patient-{i}" for i in frame["Id"].drop_nulls().unique()}


# --- replay -------------------------------------------------------------------------------------


def test_replay_gives_the_bytes_as_they_stand(tmp_path):
    """The value is published byte by byte as it stands in its line, broken events too; null is a
    tombstone.
    """
    file = tmp_path / "records.ndjson"
    lines = [
        b'{"topic": "t1", "key": "k", "value": {"specversion": "1.0",  "id": 5e0}}',
        b"",
        b'{"topic":"t2","key":null,"value":"no event"}',
        b'{"topic":"t3","key":"\xc3\xa9","value":null}',
        b'{"topic":"t4","key":"k","value_base64":"' + b64encode(b"\xff{") + b'"}',
    ]
    file.write_bytes(b"\n".join(lines))
    assert list(replay([file])) == [
        ("t1", b"k", b'{"specversion": "1.0",  "id": 5e0}'),
        ("t2", None, b'"no event"'),
        ("t3", "é".encode(), None),
        ("t4", b"k", b"\xff{"),
    ]


@pytest.mark.parametrize(
    "line",
    [
        b"rubbish",
        b"[]",
        b'{"topic":"t"}',
        b'{"key":"k","value":{}}',
        b'{"topic":5,"value":{}}',
        b"\xff",
        b'{"topic":"t","value":{}',
        b'{"topic":"t","value":1,"value_base64":"AA=="}',
        b'{"topic":"t","value_base64":"!"}',
        b'{"topic":"t","vaule":1}',
        b'{"topic":"t","value":1,"value":2}',
        b'{"topic":"t","value":1,"t\\u006fpic":"u"}',
        b'{"topic":"t","key":"a","key":"a","value":1}',
    ],
)
def test_replay_names_the_line_that_it_can_not_read(tmp_path, line):
    """A line that is no record is named with what was found and expected, and the rest goes on;
    alone it is refused.
    """
    file = tmp_path / "records.ndjson"
    good = b'{"topic":"t","key":"k","value":{}}'
    file.write_bytes(good + b"\n\n" + line + b"\n" + good)
    unread = Unread()
    assert len(list(replay([file], unread=unread))) == 2
    (sentence,) = unread.sentences()
    assert "records.ndjson, line 3: found " in sentence
    assert 'expected {"topic"' in sentence
    assert [path.read_text() for path in unread.leave_for_mending()] == [
        line.decode("latin-1") + "\n"
    ]
    file.write_bytes(line)
    with pytest.raises(
        UnreadableFile, match=r"records\.ndjson, line 1: found .*, expected \{\"topic\""
    ):
        list(replay([file]))


def test_replay_of_no_file(tmp_path):
    """A file that is not there is one sentence."""
    with pytest.raises(UnreadableFile, match="No such file"):
        list(replay([tmp_path / "none.ndjson"]))


def test_replay_of_the_trial():
    """The real trial's file gives its 2,469 events, each of a topic of the contract and keyed."""
    records = list(replay([shared("acupuncture.ndjson")]))
    assert len(records) == 2469
    assert {topic for topic, _, _ in records} <= set(TOPIC_BY_TYPE)
    assert all(key and value for _, key, value in records)


# --- Fitbit, the real exports -------------------------------------------------------------------


def test_minutes_of_steps_keep_their_hours():
    """The events' hourly sums equal the file's, all 21,645 of them, in series of up to 60
    minutes.
    """
    path = shared("fitbit_minute_steps.parquet")
    found = readings(path, patients=everyone(path), timezone="America/New_York")
    assert found.select("metric", "unit", "interval_s").unique().rows() == [
        ("step_count", "{steps}", 60.0)
    ]
    assert found["values"].list.len().max() == 60
    long = found.with_columns(k=pl.int_ranges(pl.col("values").list.len())).explode("values", "k")
    minute = pl.col("local") + pl.duration(seconds=60 * pl.col("k"))
    hours = long.group_by("person", hour=minute.dt.truncate("1h")).agg(pl.col("values").sum())
    file = pl.read_parquet(path).with_columns(
        person=pl.col("Id").cast(pl.String), at=pl.col("ts").cast(pl.Datetime("us"))
    )
    expected = file.group_by("person", hour=pl.col("at").dt.truncate("1h")).agg(
        values=pl.col("steps").cast(float).sum()
    )
    assert expected.height == 21_645
    assert hours.sort("person", "hour").equals(expected.sort("person", "hour"))


def test_heart_rate_keeps_every_sample():
    """17,666 irregular samples, mean 79.339, each at its second, in runs of equal spacing; the
    device comes first.
    """
    path = shared("fitbit_heartrate_one_user.csv")
    found = readings(path, patient="p1", timezone="UTC")
    assert found["patient"].unique().to_list() == ["p1"]
    assert found["interval_s"].is_between(1, 60).all()
    long = found.with_columns(k=pl.int_ranges(pl.col("values").list.len())).explode("values", "k")
    assert long.height == 17_666
    assert long["values"].mean() == pytest.approx(79.339, abs=5e-4)
    at = long.select(
        at=pl.col("local") + pl.duration(seconds=pl.col("interval_s") * pl.col("k")), value="values"
    )
    file = pl.read_csv(path, infer_schema=False).drop_nulls()
    times = file["Time"].str.to_datetime("%m/%d/%Y %I:%M:%S %p", time_unit="us")
    expected = pl.DataFrame({"at": times, "value": file["Value"].cast(pl.Float64)})
    assert at.sort("at").equals(expected.sort("at"))
    assert (times.sort().diff().dt.total_seconds() > 60).sum() == 10
    device = values(fitbit([path], patient="p1", timezone="UTC", clinic="c1"))[0]
    assert (device["type"], device["data"]["clinic_id"]) == ("floe.devices.v1", "c1")


def test_daily_activity_is_one_sample_a_day():
    """940 days of 33 people, one sample each that stands for the day from its local midnight."""
    path = shared("fitbit_daily_activity.csv")
    found = readings(path, patients=everyone(path), timezone="Europe/Berlin")
    assert (found.height, found["person"].n_unique(), found["id"].n_unique()) == (940, 33, 940)
    assert found.select("metric", "unit", "interval_s").unique().rows() == [
        ("daily_step_count", "{steps}", 86_400.0)
    ]
    assert (found["local"].dt.hour() == 0).all()
    steps = found["values"].explode()
    assert (steps.min(), steps.median(), steps.max()) == (0, 7405.5, 36_019)
    assert steps.mean() == pytest.approx(7637.9, abs=0.05)


@pytest.mark.parametrize(
    "name", ["acupuncture.ndjson", "fitbit_heartrate_one_user.csv", "fitbit_daily_activity.csv"]
)
def test_real_files_keep_the_contract(name):
    """Every event of the real files decodes to a row, none is set aside, and nothing in them is
    unknown.
    """
    path = shared(name)
    if path.suffix == ".ndjson":
        records = list(replay([path]))
    else:
        records = list(fitbit([path], patients=everyone(path), timezone="Europe/Berlin"))
    landed = 0
    for topic in {topic for topic, _, _ in records}:
        mine = [(key, value) for t, key, value in records if t == topic]
        keys, payloads = map(list, zip(*mine, strict=True))
        batch = Batch(topic, "id", 0, 0, len(mine), list(range(len(mine))), keys, payloads)
        decoded = decode(batch, ingested_at=datetime(2026, 3, 2, tzinfo=UTC))
        assert decoded.rejects.is_empty(), decoded.rejects.select("reason", "field", "detail").row(
            0
        )
        assert decoded.rows["extra"].null_count() == len(mine)
        landed += decoded.rows.height
    assert landed == len(records)


# --- Fitbit, small files ------------------------------------------------------------------------


def heart_rate(path: Path, *lines: str) -> Path:
    path.write_text("\r\n".join(["Id,Time,Value", *lines]) + "\r\n\r\n")
    return path


def test_runs_of_equal_spacing(tmp_path):
    """Samples 5 s apart are one series, the one after a pause opens another, a lone one is a series
    of one.
    """
    clock = ["9:00:00", "9:00:05", "9:00:10", "9:00:25", "9:00:26", "9:00:27"]
    path = heart_rate(
        tmp_path / "hr.csv", *(f"7,5/10/2016 {t} AM,{70 + k}" for k, t in enumerate(clock))
    )
    found = readings(path, patient="p1", timezone="UTC")
    # gaps 5 5 | 15 | 1 1
    assert found.select("interval_s", "values").rows() == [
        (5.0, [70, 71, 72]),
        (1.0, [73]),
        (1.0, [74, 75]),
    ]
    assert found["id"][0].startswith("fitbit-heart_rate-20160510T090000Z-")


def test_long_runs_are_cut(tmp_path):
    """150 samples a second apart are three series: 60, 60 and 30."""
    path = heart_rate(
        tmp_path / "hr.csv",
        *(f"7,5/10/2016 9:{k // 60:02d}:{k % 60:02d} AM,70" for k in range(150)),
    )
    found = readings(path, patient="p1", timezone="UTC")
    assert found["values"].list.len().to_list() == [60, 60, 30]


def test_missing_minutes_open_a_series(tmp_path):
    """Minutes of a local hour are one series; a missing minute, the next hour and the next person
    open another.
    """
    clock = ["09:00", "09:01", "09:03", "09:59", "10:00"]
    rows = [(i, datetime.fromisoformat(f"2016-05-10 {t}"), 1) for i in (7, 8) for t in clock]
    path = tmp_path / "steps.parquet"
    pl.DataFrame(rows, schema=["Id", "ts", "steps"], orient="row").write_parquet(path)
    found = readings(path, patients={"7": "p1", "8": "p2"}, timezone="Asia/Kolkata")
    each = [[1.0, 1.0], [1.0], [1.0], [1.0]]
    assert found.select("patient", "values").rows() == [(p, v) for p in ("p1", "p2") for v in each]


def test_importing_again_gives_the_same_events(tmp_path):
    """The same file gives the same ids and bytes; so a second import is duplicates only."""
    path = heart_rate(tmp_path / "hr.csv", "7,5/10/2016 9:00:00 AM,70", "7,5/10/2016 9:00:00 PM,80")
    arguments = {"patient": "p1", "timezone": "Asia/Tokyo", "clinic": "c1"}
    assert list(fitbit([path], **arguments)) == list(fitbit([path], **arguments))
    topics = [(topic, key) for topic, key, _ in fitbit([path], **arguments)]
    reading = ("floe.readings.v1", b"p1")
    assert topics == [("floe.devices.v1", b"fitbit-7"), reading, reading]


@settings(
    max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(st.integers(1, 40), st.sampled_from(["steps", "heart"]), st.randoms(use_true_random=False))
def test_a_batch_s_size_and_the_lines_order_change_no_event(tmp_path, size, kind, random):
    """Whole or in batches of a few lines, in order or shuffled, over midnights, the hour set back
    and two people: the same ids and bytes. Of two samples of one instant the first in the file
    counts, so those keep their order.
    """
    step_s, columns = {"steps": (60, "ts,steps"), "heart": (11, "Time,Value")}[kind]
    lines = [
        f"{person},{start + timedelta(seconds=k * step_s)},{60 + k}"
        for start in (datetime(2026, 10, 24, 23, 45), datetime(2026, 10, 25, 1, 50))
        for person in (7, 8)
        for k in range(90)
        if k % 13
    ]
    whole, parted = tmp_path / "a" / "export.csv", tmp_path / "b" / "export.csv"
    expected = _events_of(whole, columns, lines, size=25_000)
    random.shuffle(lines)
    assert sorted(_events_of(parted, columns, lines, size=size)) == sorted(expected)
    assert len(expected) > 8


def _events_of(path: Path, columns: str, lines: list[str], *, size: int) -> list[tuple]:
    path.parent.mkdir(exist_ok=True)
    path.write_text("\n".join([f"Id,{columns}", *lines, "8,never,5"]))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ingest.importers.tables.LINES_AT_ONCE", size)
        unread = Unread()
        events = list(
            fitbit([path], patients={"7": "p1", "8": "p2"}, timezone="Europe/Berlin", unread=unread)
        )
    assert [*unread.by_file[path]] == [len(lines) + 2]
    return events


def test_parquet_in_batches(tmp_path):
    """The same events in batches of seven lines; a line that does not read has its number in the
    file.
    """
    at = [datetime(2026, 5, 13, 23, 30) + timedelta(minutes=k) for k in range(60)]
    steps = [-1 if k == 44 else k for k in range(60)]
    pl.DataFrame({"Id": [7] * 60, "ts": at, "steps": steps}).write_parquet(
        tmp_path / "steps.parquet"
    )
    found = []
    for size in (7, 25_000):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("ingest.importers.tables.LINES_AT_ONCE", size)
            unread = Unread()
            found.append(
                list(
                    fitbit(
                        [tmp_path / "steps.parquet"], patient="p1", timezone="UTC", unread=unread
                    )
                )
            )
            assert [*unread.by_file[tmp_path / "steps.parquet"]] == [45]
    assert found[0] == found[1]
    # the device; 23:30 to 23:59, 00:00 to 00:13, 00:15 to 00:29
    assert [len(e["data"].get("values", [])) for e in values(found[0])] == [0, 30, 14, 15]


def test_the_first_of_two_samples_counts_across_batches(tmp_path):
    """In batches of one line too: the second of an instant is left out, and counted."""
    path = heart_rate(
        tmp_path / "hr.csv", *(f"7,5/10/2016 9:00:00 AM,{rate}" for rate in (70, 80, 90))
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ingest.importers.tables.LINES_AT_ONCE", 1)
        refused = Counter()
        events = values(fitbit([path], patient="p1", timezone="UTC", refused=refused))
    assert [e["data"]["values"] for e in events[1:]] == [[70]]
    assert list(refused.values()) == [2]


@pytest.mark.parametrize(
    ("local", "utc"),
    [
        ("2026-03-29 01:59:00", "2026-03-29 00:59:00"),
        ("2026-03-29 02:30:00", "2026-03-29 01:30:00"),  # never shown: 03:30 summer time
        ("2026-03-29 03:00:00", "2026-03-29 01:00:00"),
        ("2026-10-25 02:30:00", "2026-10-25 00:30:00"),  # shown twice: the first, summer time
        ("2026-10-25 03:00:00", "2026-10-25 02:00:00"),
    ],
)
def test_hours_of_change(local, utc):
    """Of a time shown twice the first counts; one that is never shown is moved on by the hour
    skipped.
    """
    found = instants(pl.Series([datetime.fromisoformat(local), None]), timezone="Europe/Berlin")
    assert found.to_list() == [datetime.fromisoformat(utc).replace(tzinfo=UTC), None]


def test_offset_of_each_reading(tmp_path):
    """A reading carries the offset that its own clock had: winter time, then summer time."""
    path = heart_rate(tmp_path / "hr.csv", "7,3/28/2026 9:00:00 AM,70", "7,3/29/2026 9:00:00 AM,80")
    events = values(fitbit([path], patient="p1", timezone="Europe/Berlin"))
    starts = [e["data"]["started_at"] for e in events[1:]]
    assert starts == ["2026-03-28T09:00:00+01:00", "2026-03-29T09:00:00+02:00"]


def test_people():
    """One patient for one person, or a map that has everyone; else a sentence that names who is
    missing.
    """
    assert People(patient="p1").of(["7", "7"], place="f") == {"7": "p1"}
    assert People(patients={"7": "p1", "8": "p2"}).of(["7"], place="f") == {"7": "p1"}
    with pytest.raises(UsageError, match="f: found no patient for 8, 9"):
        People(patients={"7": "p1"}).of(["9", "8", "7"], place="f")
    with pytest.raises(UsageError, match="found 2 people"):
        People(patient="p1").of(["7", "8"], place="f")
    with pytest.raises(UsageError, match="both or neither"):
        People()


def test_patient_map(tmp_path):
    """Two values a line, with or without a heading; a line that is not, or a second patient for an
    id, is named.
    """
    path = tmp_path / "map.csv"
    path.write_text("Id,patient\n7, p1\n\n8,p2\n")
    assert read_patient_map(path) == {"7": "p1", "8": "p2"}
    assert people_of(patient=None, patients=path) == People(patients={"7": "p1", "8": "p2"})
    for text, message in (
        ("7,p1\n8\n", "line 2"),
        ("Id,patient\n", "found no line"),
        ("7,p1\n7,p2\n", "second patient for 7"),
    ):
        path.write_text(text)
        with pytest.raises(UnreadableFile, match=message):
            read_patient_map(path)
    with pytest.raises(UnreadableFile, match="No such file"):
        read_patient_map(tmp_path / "none.csv")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "a,b\n1,2\n",
            "found columns a, b, expected Id, ts, steps or Id, activityhour, steptotal or Id, time, value or",
        ),
        ("", "expected a Fitbit export"),
        (
            "Id,Time,Value\n7,2016-05-10,70\n",
            "line 2: found the day 2016-05-10 without a time, expected",
        ),
        ("Id,Time,Value\n7,5/10/2016 9:00:00 AM,high\n", "line 2: found the value high, expected"),
        ("Id,Time,Value\n,5/10/2016 9:00:00 AM,70\n", "line 2: found no Id"),
    ],
)
def test_unreadable_exports(tmp_path, text, message):
    """A file that is no such export is named, with its line where one does not read, and what was
    expected.
    """
    path = tmp_path / "export.csv"
    path.write_text(text)
    with pytest.raises(UnreadableFile, match=r"export\.csv") as error:
        list(fitbit([path], patient="p1", timezone="UTC"))
    assert message in str(error.value)


def test_times_with_a_zone_are_not_taken_for_local(tmp_path):
    """A file whose times name an instant is none of the vendor's: reading them as local would shift
    them.
    """
    path = tmp_path / "steps.parquet"
    pl.DataFrame(
        {"Id": [7], "ts": [datetime(2016, 5, 10, tzinfo=UTC)], "steps": [1]}
    ).write_parquet(path)
    with pytest.raises(UnreadableFile, match="found ts with a zone"):
        fitbit([path], patient="p1", timezone="UTC")


def test_unreadable_parquet_and_zone(tmp_path):
    """A file that is not there, bytes that are no Parquet, and a zone that is none: a sentence
    each.
    """
    broken = tmp_path / "export.parquet"
    broken.write_bytes(b"rubbish")
    for path in (broken, tmp_path / "none.parquet", tmp_path / "none.csv"):
        with pytest.raises(UnreadableFile, match="expected a Fitbit export"):
            list(fitbit([path], patient="p1", timezone="UTC"))
    for name in ("Mars/Olympus", "", None):
        with pytest.raises(UsageError, match="expected an IANA name"):
            fitbit([broken], patient="p1", timezone=name)
