"""Files of others that show faults, and their kinds: what is imported, asked for, refused, or left
for mending.

Here: the importers on files of `../shared/data/faults` and on small ones of the same kinds, through
to `core`. Not here: publishing (tests/orchestration/test_cli.py), what an Observation may say
(tests/ingest/test_fhir.py).
"""

import gzip
import json
from collections import Counter
from datetime import date

import orjson
import polars as pl
import pytest

from ingest.contract import encode
from ingest.importers import IMPORTERS, Unread
from transforms.errors import UnreadableFile, UsageError

fitbit, fhir = IMPORTERS["fitbit"], IMPORTERS["fhir"]
ZONE = {"patient": "P1", "timezone": "Europe/Berlin"}


def readings(path, **options) -> list[dict]:
    events = [orjson.loads(value) for _, _, value in fitbit([path], **ZONE | options)]
    return [e["data"] for e in events if e["type"] == "floe.readings.v1"]


def samples(path, **options) -> list[tuple[str, float]]:
    """Start of each series and its values, one after the other."""
    return [(r["started_at"], value) for r in readings(path, **options) for value in r["values"]]


def days(path, **options) -> list[tuple[str, float]]:
    return [(start[:10], value) for start, value in samples(path, **options)]


def known() -> list[tuple[str, bytes, bytes]]:
    """A clinic and its patient P1."""
    clinic = {"clinic_id": "C1", "timezone": "Europe/Berlin"}
    patient = {"patient_id": "P1", "clinic_id": "C1", "enrolled_on": "2026-04-01"}
    return [
        (
            f"floe.{name}.v1",
            b"1",
            encode(name, data, id=name, source="/t", time="2026-04-01T08:00:00+02:00"),
        )
        for name, data in (("clinics", clinic), ("patients", patient))
    ]


def ratings(records) -> list[float]:
    return [orjson.loads(value)["data"]["items"]["now"] for _, _, value in records]


@pytest.fixture
def written(tmp_path):
    """A file of this text, in this encoding."""

    def write(text: str, *, name: str = "export.csv", encoding: str = "utf-8"):
        path = tmp_path / name
        path.write_bytes(text.encode(encoding))
        return path

    return write


# --- the files of faults ------------------------------------------------------------------------


def test_the_columns_that_the_messages_ask_for(fault_file):
    """Id,ts,steps is imported: ten minutes of 20 steps."""
    (series,) = readings(fault_file("fitbit_ts_steps.csv"))
    assert (series["started_at"], series["interval_s"]) == ("2026-05-04T10:00:00+02:00", 60.0)
    assert series["values"] == [20.0] * 10


def test_minutes_on_a_clock_of_twelve_hours(fault_file):
    """Fitabase's minutes: 12:00 AM is midnight, and 5/4 without leading zeros is Fitbit's own
    month/day.
    """
    (series,) = readings(fault_file("fitbit_minuteStepsNarrow.csv"))
    assert series["started_at"] == "2026-05-04T00:00:00+02:00"
    assert series["values"] == [0, 1, 2, 3, 4, 5, 6, 0, 1, 2]


@pytest.mark.parametrize("order", [("first", "later"), ("later", "first")])
def test_the_longer_export_counts(fault_file, computed, order):
    """A day exported at noon and then whole has the whole's 9,300 steps, in whatever order the two
    are imported.
    """
    records = [
        *known(),
        *(r for name in order for r in fitbit([fault_file(f"fitbit_day_{name}.csv")], **ZONE)),
    ]
    rows = computed(records).tables["core.activity_days"]
    assert dict(rows.select("day", "vendor_steps").iter_rows())[date(2026, 5, 5)] == 9_300


def test_two_zones_have_two_sources(fault_file):
    """The same file in two zones: two sources that name file, patient and zone, so that either can
    be taken back.
    """
    path = fault_file("fitbit_two_zones.parquet")
    sources, ids = [], []
    for zone in ("Europe/London", "Europe/Berlin"):
        events = [orjson.loads(v) for _, _, v in fitbit([path], patient="P1", timezone=zone)]
        assert sum(sum(e["data"].get("values", [])) for e in events) == 3_000
        sources.append({e["source"] for e in events})
        ids.append({e["id"] for e in events})
    assert sources[0] == {"/imports/fitbit/fitbit_two_zones.parquet/P1/Europe%2FLondon"}
    assert not sources[0] & sources[1]
    assert not ids[0] & ids[1]


def test_the_first_of_two_zones_is_taken_back(fault_file, computed):
    """Both stand at first, 6,000 steps; once the first import's source is retracted, the second's
    3,000 alone do.
    """
    path = fault_file("fitbit_two_zones.parquet")
    london, berlin = (
        list(fitbit([path], patient="P1", timezone=f"Europe/{city}"))
        for city in ("London", "Berlin")
    )
    (source,) = {orjson.loads(value)["source"] for _, _, value in london}
    data = {
        "retraction_id": "R",
        "source": source,
        "reason": "wrong time zone",
        "from": "2000-01-01T00:00:00Z",
        "to": "2100-01-01T00:00:00Z",
    }
    value = encode("retractions", data, id="r", source="/ehr", time="2026-11-01T10:00:00Z")
    records = [*known(), *london, *berlin]
    assert steps_in_core(computed(records)) == 6_000
    assert steps_in_core(computed([*records, ("floe.retractions.v1", b"P1", value)])) == 3_000


def steps_in_core(system) -> int:
    return system.tables["core.activity_days"]["steps"].sum()


def test_what_a_file_does_not_decide_is_asked(fault_file):
    """5.123 and 01/05/2026 are asked for, not guessed; with the answer they are read."""
    numbers, dates = fault_file("fitbit_dot_thousands.csv"), fault_file("fitbit_day_month.csv")
    with pytest.raises(UsageError, match=r"5\.123.*--decimal"):
        readings(numbers)
    assert days(numbers, decimal=",") == [("2026-05-04", 5_123)]
    with pytest.raises(UsageError, match=r"01/05/2026.*--dates dmy"):
        readings(dates)
    assert days(dates, dates="dmy") == [(f"2026-05-{day:02d}", 5_000 + day) for day in range(1, 13)]
    assert days(dates, dates="mdy")[1] == ("2026-02-05", 5_002)


def test_a_year_of_two_digits(fault_file):
    """5/4/26 is 4 May 2026."""
    assert days(fault_file("fitbit_two_digit_year.csv")) == [("2026-05-04", 5_123)]


@pytest.mark.parametrize("number", ["9" * 194, "1\a", "1\u202e2"])
def test_a_number_that_no_device_can_have(written, number):
    """A person's number that makes no id is named by its line, and not sent to be rejected; the
    others are.
    """
    path = written(f"Id,ts,steps\n{number},2026-05-04 10:00:00,1\n7,2026-05-04 10:01:00,2\n")
    unread = Unread()
    assert samples(path, unread=unread) == [("2026-05-04T10:01:00+02:00", 2)]
    assert len(unread) == 1


@pytest.mark.parametrize("patient", ["P" * 201, "P\n1", "\u2066P1"])
def test_a_patient_that_no_id_can_be(written, patient):
    """Neither --patient nor the map of --patients may name a patient all of whose events would be
    rejected.
    """
    path = written("Id,ts,steps\n7,2026-05-04 10:00:00,1\n")
    for given in ({"patient": patient}, {"patient": None, "patients": {"7": patient}}):
        with pytest.raises(UsageError, match="expected at most 200 characters"):
            readings(path, **given)


@pytest.mark.parametrize(("id", "server"), [("7" * 300, "S"), ("8\x01", "S"), ("9", "s" * 250)])
def test_a_server_whose_ids_make_none(written, computed, fault_file, id, server):
    """An Observation whose server and id make no id has a digest of them: it lands, and its
    correction finds it.
    """
    first = json.loads(fault_file("fhir_server_a.ndjson").read_text().splitlines()[0]) | {"id": id}
    later = first | {
        "meta": {"versionId": "2"},
        "valueQuantity": first["valueQuantity"] | {"value": 9},
    }
    path = written("\n".join(map(json.dumps, (first, later))), name="export.ndjson")
    tables = computed(
        [*known(), *fhir([path], patient="P1", timezone="Europe/Berlin", server=server)]
    ).tables
    assert tables["raw.rejects"].is_empty()
    assert [orjson.loads(items)["now"] for items in tables["core.responses"]["items"]] == [9]


def test_a_year_of_two_digits_that_has_not_come(written):
    """5/14/99 is neither 1999 nor 2099: the line is named, and no event of the file has a time of
    2099.
    """
    path, unread = written("ActivityDate,TotalSteps\n5/13/26,100\n5/14/99,3\n"), Unread()
    assert days(path, unread=unread) == [("2026-05-13", 100)]
    assert [sentence.split(", ")[1] for sentence in unread.sentences()] == [
        "line 3: found the time 5/14/99"
    ]


def test_takeout(fault_file):
    """Google Takeout's steps-*.json: the vendor's own month/day/year, of the patient named."""
    (series,) = readings(fault_file("takeout_steps.json"))
    assert (series["started_at"], series["values"]) == (
        "2026-05-04T10:00:00+02:00",
        [0, 1, 2, 3, 4],
    )
    with pytest.raises(UsageError, match="--patient"):
        fitbit([fault_file("takeout_steps.json")], patients={"7": "P7"}, timezone="UTC")


def test_two_servers(fault_file, computed):
    """One patient, two servers that both number from 1: both ratings stand."""
    records = []
    for server in "AB":
        path = fault_file(f"fhir_server_{server.lower()}.ndjson")
        records += fhir([path], patient="P1", clinic="C1", server=server)
    found = computed(records).tables["core.responses"]
    assert sorted(orjson.loads(items)["now"] for items in found["items"]) == [3, 8]


def test_deleted_on_the_server(fault_file, computed, tmp_path):
    """A DELETE in a history takes the rating out that an earlier import brought."""
    path, before = fault_file("fhir_deleted.json"), tmp_path / "before.json"
    bundle = json.loads(path.read_text())
    before.write_text(
        json.dumps(bundle | {"entry": [e for e in bundle["entry"] if "resource" in e]})
    )
    earlier, later = (list(fhir([p], patient="P1")) for p in (before, path))
    assert computed(earlier).tables["core.responses"].height == 1
    assert computed([*earlier, *later]).tables["core.responses"].height == 0


def test_a_deletion_of_what_is_not_there(written):
    """It is counted as left out, with what to do."""
    bundle = {
        "resourceType": "Bundle",
        "entry": [{"request": {"method": "DELETE", "url": "Observation/x"}}],
    }
    refused = Counter()
    assert (
        list(fhir([written(json.dumps(bundle), name="d.json")], patient="P1", refused=refused))
        == []
    )
    ((reason, count),) = refused.items()
    assert (count, "deleted on its server" in reason) == (1, True)


def test_nested_text_unit_and_compressed(fault_file):
    """Observations of a Bundle in a Bundle, {score} as text without a code, and a compressed bulk
    export are read.
    """
    for name, expected in (
        ("nested_bundle.json", [6] * 5),
        ("unit_text.json", [6]),
        ("bulk.ndjson.gz", [6]),
    ):
        assert ratings(fhir([fault_file(f"fhir_{name}")], patient="P1")) == expected


# --- their kinds --------------------------------------------------------------------------------

DAYS = "Id,ActivityDate,TotalSteps\n7,5/13/2026,100\n7,5/14/2026,200\n"
DRESSES = {
    "plain": DAYS,
    "crlf": DAYS.replace("\n", "\r\n"),
    "semicolons": DAYS.replace(",", ";"),
    "tabs": DAYS.replace(",", "\t"),
    "heading": DAYS.replace("Id,ActivityDate,TotalSteps", ' ID ,"activitydate", TOTALSTEPS'),
    "quotes": DAYS.replace("100", '"100"'),
    "dots": DAYS.replace("5/13/2026", "13.05.2026").replace("5/14/2026", "14.05.2026"),
    "iso": DAYS.replace("5/13/2026", "2026-05-13").replace("5/14/2026", "2026-05-14"),
    "zeros": DAYS.replace("5/1", "05/1"),
    "title": "Activities\nDate,Calories Burned,Steps\n5/13/2026,2000,100\n5/14/2026,2000,200\n",
    "blanks": DAYS + "\n,,\n",
}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("dress", DRESSES)
def test_dresses(written, dress, encoding):
    """One export in its many dresses gives the same days."""
    assert days(written(DRESSES[dress], encoding=encoding)) == [
        ("2026-05-13", 100),
        ("2026-05-14", 200),
    ]


def test_latin_1_and_other_kinds(written):
    """A heading in Latin-1, hours of steps, Google Takeout's CSV of steps and of heart rate, which
    are in UTC.
    """
    latin = "Id,ActivityDate,TotalSteps,Größe\n7,5/13/2026,100,5 µm\n7,5/14/2026,200,é\n"
    assert days(written(latin, encoding="latin-1")) == [("2026-05-13", 100), ("2026-05-14", 200)]
    hours = "Id,ActivityHour,StepTotal\n7,5/13/2026 11:00:00 PM,373\n7,5/14/2026 12:00:00 AM,160\n"
    (late, midnight) = readings(written(hours))
    assert (late["started_at"], late["interval_s"], late["values"]) == (
        "2026-05-13T23:00:00+02:00",
        3_600,
        [373],
    )
    assert (midnight["started_at"], midnight["values"]) == ("2026-05-14T00:00:00+02:00", [160])
    steps = "timestamp,steps\n2026-05-13T08:00:00Z,12\n2026-05-13T08:01:00Z,7\n"
    (series,) = readings(written(steps))
    assert (series["started_at"], series["metric"]) == ("2026-05-13T10:00:00+02:00", "step_count")
    assert series["values"] == [12, 7]
    heart = "timestamp,beats per minute\n2026-05-13T08:00:05Z,71.0\n2026-05-13T08:00:10Z,72.0\n"
    (series,) = readings(written(heart))
    assert (series["started_at"], series["metric"]) == ("2026-05-13T10:00:05+02:00", "heart_rate")
    assert (series["interval_s"], series["values"]) == (5, [71, 72])


def test_heart_rate_of_takeout(written):
    """heart_rate-*.json: the rate is within an object, with the vendor's confidence, which is
    left.
    """
    beats = [
        {"dateTime": f"05/13/26 10:00:0{k}", "value": {"bpm": 70 + k, "confidence": 2}}
        for k in (0, 5)
    ]
    (series,) = readings(written(json.dumps(beats), name="heart_rate-2026-05-13.json"))
    assert (series["metric"], series["interval_s"], series["values"]) == ("heart_rate", 5, [70, 75])


def test_names_that_look_like_patterns(tmp_path):
    """export[1].csv is that file, and never export1.csv; a file may be gzip whatever its name."""
    (tmp_path / "export1.csv").write_text(DAYS.replace("100", "999"))
    (tmp_path / "export[1].csv").write_bytes(gzip.compress(DAYS.encode()))
    assert days(tmp_path / "export[1].csv")[0] == ("2026-05-13", 100)
    frame = pl.DataFrame({"Id": [7], "ts": ["2026-05-13 10:00"], "steps": [5]})
    frame.write_parquet(tmp_path / "a1.parquet")
    with (tmp_path / "a[1].parquet").open("wb") as file:
        frame.with_columns(steps=pl.lit(6)).write_parquet(file)
    assert samples(tmp_path / "a[1].parquet") == [("2026-05-13T10:00:00+02:00", 6)]


@pytest.mark.parametrize(
    ("text", "options", "value"),
    [
        ('"10,432"', {}, 10_432),  # Fitbit's own export in English
        ("5123.0", {}, 5_123),
        ("1.005.123", {"decimal": ","}, None),  # beyond what a day can have
        ("15.123", {"decimal": ","}, 15_123),
        ("1 234", {}, 1_234),
        ("1\u202f234", {}, 1_234),
        ("1'234", {}, 1_234),
        ("-5", {}, None),
        ("12.5", {}, None),
        ("many", {}, None),
        ("nan", {}, None),
        ("inf", {}, None),
    ],
)
def test_numbers(written, text, options, value):
    """Thousands as people write them; what is no possible count of steps is left for mending."""
    path, unread = written(DAYS + f"7,5/15/2026,{text}\n"), Unread()
    last = [("2026-05-15", value)] if value else []
    assert days(path, unread=unread, **options) == [("2026-05-13", 100), ("2026-05-14", 200), *last]
    assert list(unread.by_file.get(path, {})) == ([] if value else [4])


@pytest.mark.parametrize(
    ("clock", "local"),
    [
        ("5/13/2026 12:00:00 AM", "2026-05-13T00:00:00+02:00"),
        ("5/13/2026 12:30:00 pm", "2026-05-13T12:30:00+02:00"),
        ("5/13/2026 1:05 a.m.", "2026-05-13T01:05:00+02:00"),
        ("5/13/26 23:59", "2026-05-13T23:59:00+02:00"),
        ("2026-05-13T10:00:00", "2026-05-13T10:00:00+02:00"),
        ("2026-05-13T10:00:00Z", "2026-05-13T12:00:00+02:00"),
        ("2026-05-13T10:00:00-05:00", "2026-05-13T17:00:00+02:00"),
        ("3/29/2026 2:30:00 AM", "2026-03-29T03:30:00+02:00"),  # never shown
        ("10/25/2026 2:30:00 AM", "2026-10-25T02:30:00+02:00"),  # shown twice: the first
        ("5/13/2026 13:00:00 PM", None),
        ("5/13/2026 25:00:00", None),
        ("2/30/2026 10:00:00", None),
        ("5/13/2026", None),
        ("13/13/2026 10:00:00", None),
        ("", None),
    ],
)
def test_clocks(written, clock, local):
    """A clock of twelve or of twenty-four hours, an offset where one is written; what is no time is
    left for mending.
    """
    path, unread = written(f"Id,Time,Value\n7,{clock},70\n7,1/13/2026 10:00:00,71\n"), Unread()
    found = [start for start, value in samples(path, unread=unread, dates="mdy") if value == 70]
    assert found == ([local] if local else [])
    assert list(unread.by_file.get(path, {})) == ([] if local else [2])


@pytest.mark.parametrize(
    ("dates", "first"),
    [
        (["13/05/2026", "01/05/2026"], "2026-05-01"),  # a day above 12 decides
        (["05/13/2026", "05/01/2026"], "2026-05-01"),
        (["5/1/2026", "5/2/2026"], "2026-05-01"),  # the vendor's own
        (["2026/05/01"], "2026-05-01"),
        (["05/01/2026", "06/01/2026"], None),
        (["1.5.2026"], None),  # no slashes: not the vendor's
        (["10/11/2026"], None),
        (["13/05/2026", "05/13/2026"], None),
    ],
)
def test_order_of_day_and_month(written, dates, first):
    """The file decides, or the vendor's own way of writing does; else the order is asked for."""
    path = written("Id,ActivityDate,TotalSteps\n" + "".join(f"7,{day},1\n" for day in dates))
    if first:
        assert days(path)[0][0] == first
    else:
        with pytest.raises(UsageError, match="--dates mdy, --dates dmy or --dates ymd"):
            readings(path)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("empty.csv", b"", "an empty file"),
        ("blank.csv", b"\n\n", "empty"),
        ("book.csv", b"PK\x03\x04rest", "ZIP archive or a spreadsheet"),
        ("a.csv.gz", gzip.compress(DAYS.encode(), mtime=0)[:20], "damaged gzip"),
        ("prose.csv", b"Erika had pain 7 of 10. " * 10_000, "found columns"),
        ("other.json", b'{"a": "' + b"secret " * 10_000 + b'"}', "found other JSON"),
        ("half.json", b'[{"dateTime": "05/04/26', "no whole JSON"),
        ("deep.json", b"[" * 100_000, "no whole JSON"),
        ("rubbish.parquet", b"rubbish", "no Parquet"),
    ],
)
def test_refused_in_a_sentence(tmp_path, name, content, says):
    """A file that is no export is refused in a short sentence, which never holds more than a glance
    of the file.
    """
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UnreadableFile) as error:
        readings(tmp_path / name)
    assert says in str(error.value)
    assert len(str(error.value)) < 600 + len(str(tmp_path))
    with pytest.raises(UnreadableFile, match="directory"):
        readings(tmp_path)


def test_one_bad_line_stops_nothing(written, tmp_path):
    """Of 20,000 lines three are bad: 19,997 are sent, the three named, and left with their heading
    in a file.
    """
    clock = [
        f"2026-05-{1 + k // 1440:02d} {k // 60 % 24:02d}:{k % 60:02d}:00" for k in range(20_000)
    ]
    lines = ["Id,ts,steps", *(f"7,{at},1" for at in clock)]
    lines[5], lines[9_000], lines[20_000] = (
        "7,never,1",
        f'7,"{clock[8_999]}",many',
        f"7,{clock[-1]}",
    )
    path, unread = written("\n".join(lines) + "\n"), Unread()
    assert sum(value for _, value in samples(path, unread=unread)) == 19_997
    assert [s.split(", line ")[1].split(":")[0] for s in unread.sentences()] == [
        "6",
        "9001",
        "20001",
    ]
    (left,) = unread.leave_for_mending()
    assert left == tmp_path / "export.rejected.csv"
    assert left.read_text().splitlines() == [lines[0], lines[5], lines[9_000], lines[20_000]]


def test_names_of_zones_are_strict(written):
    """A zone in other capitals is refused with the one meant; what is no zone is refused."""
    path = written(DAYS)
    with pytest.raises(UsageError, match="the IANA name Europe/Berlin"):
        readings(path, timezone="europe/berlin")
    for name in ("Mars/Olympus", "+02:00", ""):
        with pytest.raises(UsageError, match="expected an IANA name"):
            readings(path, timezone=name)
