"""FHIR Observations to events: what each becomes, what is left out and why, files, times, versions,
the contract.

Here: ingest/importers/fhir*.py on small files. Not here: publishing; the codes themselves
(test_vocabulary.py).
"""

import json
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import orjson
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.contract import TOPIC_BY_TYPE
from ingest.decode import decode
from ingest.importers import IMPORTERS, Unread
from ingest.source import Batch
from transforms.errors import UnreadableFile, UsageError
from transforms.facts.vocabulary import CONCEPTS, PAIN_ANSWERS
from transforms.records.current import current

fhir = IMPORTERS["fhir"]
AT, DAY = "2026-03-02T09:30:00+01:00", "2026-03-02"


def coded(code: str, *others: dict, **more) -> dict:
    return {"code": {"coding": [{"system": "http://loinc.org", "code": code}, *others]}} | more


def quantity(value, unit: str) -> dict:
    return {"value": value, "system": "http://unitsofmeasure.org", "code": unit}


def made(code: str = "8867-4", value=72, unit: str = "/min", **more) -> dict:
    """An Observation; a field that is None is left out."""
    fields = {
        "resourceType": "Observation",
        "id": "o1",
        "status": "final",
        "subject": {"reference": "Patient/7"},
        "effectiveDateTime": AT,
        "valueQuantity": quantity(value, unit),
    }
    return {k: v for k, v in (fields | coded(code) | more).items() if v is not None}


def period(start, end, **more) -> dict:
    bounds = {k: v for k, v in (("start", start), ("end", end)) if v}
    return {"effectiveDateTime": None, "effectivePeriod": bounds} | more


# Row 40: https://hl7.org/fhir/us/physical-activity/Observation-ExampleDailySteps.html
DAILY_STEPS = made(
    "41950-7",
    7267,
    "/d",
    id="ExampleDailySteps",
    effectiveDateTime="2022-06-08",
    subject={"reference": "http://example.org/Patient/1"},
)
PAIN = {"code": "72514-3", "unit": "{score}"}
WALK = {"code": "64098-7", "unit": "m", "value": 410.5}
STEPS = {"code": "55423-8", "unit": "{steps}", "value": 600}
NO_VALUE = {"valueQuantity": None}


def write(path: Path, *found: dict) -> Path:
    path.write_bytes(b"\n".join(orjson.dumps(resource) for resource in found))
    return path


def imported(folder: Path, *found: dict, refused: Counter | None = None, **arguments) -> list[dict]:
    """The events of the resources, written as NDJSON."""
    arguments = {"patient": "p1", "timezone": "Europe/Berlin", "refused": refused} | arguments
    return events_of(fhir([write(folder / "export.ndjson", *found)], **arguments))


def events_of(records) -> list[dict]:
    return [orjson.loads(value) for _, _, value in records]


def landed(records) -> dict[str, pl.DataFrame]:
    """The records through the decoder, by topic; none is rejected, and nothing in them is
    unknown.
    """
    found = {}
    for topic in dict.fromkeys(topic for topic, _, _ in records):
        mine = [(key, value) for t, key, value in records if t == topic]
        keys, payloads = map(list, zip(*mine, strict=True))
        batch = Batch(topic, "id", 0, 0, len(mine), list(range(len(mine))), keys, payloads)
        decoded = decode(batch, ingested_at=datetime(2026, 4, 2, tzinfo=UTC))
        assert decoded.rejects.is_empty(), decoded.rejects.select("reason", "field", "detail").row(
            0
        )
        assert decoded.rows["extra"].null_count() == len(mine)
        found[TOPIC_BY_TYPE[topic].name] = decoded.rows
    return found


# --- what an Observation becomes ----------------------------------------------------------------


def test_row_40_daily_steps_of_the_physical_activity_guide(tmp_path):
    """Reference row 40: 41950-7, 7267 /d on 2022-06-08 is a vendor's daily total of that local
    day.
    """
    (event,) = imported(tmp_path, DAILY_STEPS, timezone="America/New_York")
    assert event["type"] == "floe.readings.v1"
    assert event["data"] == {
        "patient_id": "p1",
        "metric": "daily_step_count",
        "unit": "{steps}",
        "interval_s": 86_400.0,
        "started_at": "2022-06-08T00:00:00-04:00",
        "values": [7267.0],
    }


MIDNIGHT, NEXT = "2026-03-02T00:00:00+01:00", "2026-03-03T00:00:00+01:00"


@pytest.mark.parametrize(
    ("observation", "metric", "started_at", "interval_s", "value"),
    [
        # steps of a day: a day, an instant of it, a Period that is the day; its unit may be a rate
        # or a count
        (
            made("41950-7", 3000, "/d", effectiveDateTime="2023-09-11T12:00:00-07:00"),
            "daily_step_count",
            "2023-09-11T00:00:00-07:00",
            86_400,
            3000,
        ),
        (
            made("41950-7", 3000, "{steps}/d", effectiveDateTime=DAY),
            "daily_step_count",
            MIDNIGHT,
            86_400,
            3000,
        ),
        (
            made("41950-7", 0, "{steps}", **period(DAY, DAY)),
            "daily_step_count",
            MIDNIGHT,
            86_400,
            0,
        ),
        (
            made("41950-7", 3000, "/d", **period(MIDNIGHT, NEXT)),
            "daily_step_count",
            MIDNIGHT,
            86_400,
            3000,
        ),
        (
            made(**STEPS | period(MIDNIGHT, "2026-03-02T23:59:59+01:00")),
            "daily_step_count",
            MIDNIGHT,
            86_400,
            600,
        ),
        # 23:30 in UTC is the next day in Berlin
        (
            made("41950-7", 3000, "/d", effectiveDateTime="2026-03-01T23:30:00Z"),
            "daily_step_count",
            MIDNIGHT,
            86_400,
            3000,
        ),
        # the day without an hour, 2026-03-29, is a day
        (
            made(**STEPS | period("2026-03-29T00:00:00+01:00", "2026-03-30T00:00:00+02:00")),
            "daily_step_count",
            "2026-03-29T00:00:00+01:00",
            86_400,
            600,
        ),
        # steps of an interval
        (made(**STEPS | period(AT, "2026-03-02T09:40:00+01:00")), "step_count", AT, 600, 600),
        (
            made(**STEPS | period("2026-03-02T08:30:00Z", "2026-03-02T08:40:00Z")),
            "step_count",
            AT,
            600,
            600,
        ),
        (
            made(
                **STEPS | period(AT, "2026-03-02T09:40:00+01:00"),
                valueQuantity={"value": 600, "unit": "steps"},
            ),
            "step_count",
            AT,
            600,
            600,
        ),
        # pulse: an instant, or a short Period
        (made(value=72.5), "heart_rate", AT, 1, 72.5),
        (
            made(unit="{beats}/min", effectiveDateTime=None, effectiveInstant=AT),
            "heart_rate",
            AT,
            1,
            72,
        ),
        (made(**period(AT, AT)), "heart_rate", AT, 1, 72),
        (made(effectiveDateTime="2026-03-02T09:30:00"), "heart_rate", AT, 1, 72),
        (
            made("80404-7", 41.2, "ms", **period(AT, "2026-03-02T09:31:00+01:00")),
            "heart_rate_variability_sdnn",
            AT,
            60,
            41.2,
        ),
    ],
)
def test_readings(tmp_path, observation, metric, started_at, interval_s, value):
    """Steps and pulse are series of one sample, at the local time of their start."""
    (event,) = imported(tmp_path, observation)
    found = event["data"]
    assert (found["metric"], found["started_at"], found["interval_s"], found["values"]) == (
        metric,
        started_at,
        interval_s,
        [value],
    )


@pytest.mark.parametrize(
    ("answer", "value"),
    [
        ({}, 72 / 12),
        ({"valueQuantity": quantity(3, "1")}, 3),
        (NO_VALUE | {"valueInteger": 0}, 0),
        # by the place in LOINC's list, whatever the text: LA6113-0 is shown as "2 or more"
        *(
            (
                NO_VALUE | {"valueCodeableConcept": coded(code)["code"] | {"text": "2 or more"}},
                place,
            )
            for place, code in enumerate(PAIN_ANSWERS)
        ),
    ],
)
def test_pain(tmp_path, answer, value):
    """72514-3 is a rating at a point in time: `now`, never the average of 7 days."""
    (event,) = imported(tmp_path, made(**{**PAIN, "value": 6} | answer), clinic="c1")
    assert event["type"] == "floe.responses.v1"
    assert event["data"] == {
        "response_id": "fhir-p1-o1",
        "clinic_id": "c1",
        "revision": 0,
        "patient_id": "p1",
        "instrument": "nrs_pain",
        "answered_at": AT,
        "items": {"now": value},
    }


def test_six_minute_walk(tmp_path):
    """64098-7 in metres is a performance test; one of a day without a time is at the day's
    start.
    """
    first, second = imported(
        tmp_path, made(**WALK), made(**WALK, id="o2", effectiveDateTime=DAY), clinic="c1"
    )
    assert first["type"] == "floe.performance_tests.v1"
    assert first["data"] == {
        "test_id": "fhir-p1-o1",
        "clinic_id": "c1",
        "revision": 0,
        "patient_id": "p1",
        "performed_at": AT,
        "test": "six_minute_walk",
        "value": 410.5,
    }
    assert second["data"]["performed_at"] == MIDNIGHT


def test_devices(tmp_path):
    """Each device that is named is an event at its first reading, whatever the order, and its
    readings name it.
    """
    watch = {"device": {"reference": "Device/w"}}
    found = imported(
        tmp_path,
        made(**watch),
        made(id="o2", effectiveDateTime="2026-03-01T10:00:00+01:00", **watch),
        made(id="o3", device={"reference": "#contained"}),
        clinic="c1",
    )
    assert [e["type"] for e in found] == ["floe.devices.v1", *["floe.readings.v1"] * 3]
    assert found[0]["data"] == {"device_id": "fhir-w", "clinic_id": "c1", "kind": "wearable"}
    assert found[0]["time"] == "2026-03-01T10:00:00+01:00"
    assert [e["data"].get("device_id") for e in found[1:]] == ["fhir-w", "fhir-w", None]


# --- what is left out ---------------------------------------------------------------------------

REFUSED = [
    # the code
    *((coded(c.code), c.refusal) for c in CONCEPTS.values() if c.refusal),
    (coded("85354-9"), "code 85354-9: not one of those read"),
    (
        {"code": {"coding": [{"system": "http://snomed.info/sct", "code": "8867-4"}]}},
        "no LOINC code",
    ),
    ({"code": {"text": "Heart rate"}}, "no LOINC code"),
    (coded("8867-4", *coded("80404-7")["code"]["coding"]), "two meanings"),
    (coded("8867-4", *coded("40443-4")["code"]["coding"]), "never pooled with the heart rate"),
    (
        made(**WALK)
        | coded("64098-7", {"code": "HKQuantityTypeIdentifierSixMinuteWalkTestDistance"}),
        "estimate",
    ),
    (made("80404-7", 41, "ms", method={"text": "RMSSD of 5 min"}), "RMSSD under the code of SDNN"),
    # the unit: each of these was seen in public software
    (
        made("41950-7", 5.2, "km"),
        "found the unit km, expected /d or {steps}: it is steps in 24 hours",
    ),
    (made("8867-4", 80, "mm[Hg]"), "found the unit mm[Hg], expected /min"),
    (made("64098-7", 1300, "[ft_i]"), "found the unit [ft_i], expected m"),
    (made("80404-7", 0.04, "s"), "found the unit s, expected ms"),
    (made(**STEPS | {"unit": "/min"}), "found the unit /min, expected {steps}"),
    (made(**PAIN | {"unit": "%"}, value=40), "found the unit %"),
    (
        {"valueQuantity": {"value": 72, "unit": "beats/minute"}},
        "found the unit beats/minute (no UCUM code)",
    ),
    ({"valueQuantity": {"value": 72, "code": "/min"}}, "(no UCUM code)"),
    # the value
    (NO_VALUE, "found no valueQuantity"),
    ({"valueQuantity": quantity(None, "/min")}, "found no valueQuantity"),
    ({"valueQuantity": quantity(30, "/min") | {"comparator": "<"}}, "found a value < a number"),
    ({"valueQuantity": {"value": "72"}}, "no Observation as FHIR has it: Expected `float | null`"),
    (made(value=401), "found 401, expected 0 to 400 /min"),
    (made(**WALK | {"value": -1}), "found -1, expected 0 or more m"),
    (made(**PAIN, value=10.5), "found 10.5, expected 0 to 10"),
    (made(**PAIN, value=-1), "found -1, expected 0 to 10"),
    (made(**PAIN) | {"valueCodeableConcept": coded("LA6113-1")["code"]}, "none of LOINC's list"),
    (made(**PAIN) | {"valueCodeableConcept": {"text": "2 or more"}}, "none of LOINC's list"),
    # the subject
    ({"subject": None}, "no subject that is a patient"),
    ({"subject": {"reference": "Group/7"}}, "no subject that is a patient"),
    ({"subject": {"reference": "#p"}}, "no subject that is a patient"),
    ({"subject": {"display": "Erika"}}, "no subject that is a patient"),
    ({"focus": [{"reference": "RelatedPerson/1"}]}, "something else than the patient"),
    (made(**PAIN, value=3, bodySite={"text": "knee"}), "pain of one site"),
    # the time
    ({"effectiveDateTime": None}, "found no effective time"),
    ({"effectiveDateTime": None, "effectiveTiming": {"event": [AT]}}, "found no effective time"),
    ({"effectiveDateTime": "2026-03"}, "no day and no instant"),
    ({"effectiveDateTime": "2026-02-30"}, "no day and no instant"),
    ({"effectiveDateTime": "1826-02-03"}, "of 1900 to 2100"),
    ({"effectiveDateTime": DAY}, "found a day, expected an instant"),
    (period(AT, None), "a Period with both ends"),
    (period(AT, MIDNIGHT), "ends before it starts"),
    (period(AT, "2026-03-02T11:00:00+01:00"), "more than 60 min: a summary"),
    (made(**PAIN, value=3, **period(MIDNIGHT, NEXT)), "pain at a point in time"),
    (made("41950-7", 9, "/d", **period(AT, "2026-03-02T10:30:00+01:00")), "no local day"),
    (made("41950-7", 9, "/d", **period(DAY, "2026-03-03")), "no local day"),
    (made(**STEPS), "not known in which interval"),
    (made(**STEPS, **period(AT, AT)), "neither a local day nor an interval"),
    (
        made(**STEPS, **period(AT, "2026-03-03T09:30:00+01:00")),
        "neither a local day nor an interval",
    ),
    # status and meaning
    *(({"status": s}, f"status {s}: not a result yet") for s in ("registered", "preliminary")),
    *(
        ({"status": s}, f"status {s}: expected one of final")
        for s in ("cancelled", "unknown", None)
    ),
    ({"status": "entered-in-error"}, "a series can't be withdrawn"),
    ({"status": "corrected", "id": None}, "what it corrects is not known"),
    ({"modifierExtension": [{"url": "http://example.org/not"}]}, "which can turn its meaning"),
    # other resources
    ({"resourceType": "Patient"}, "Patient: only Observations are read"),
    ({"resourceType": "QuestionnaireResponse"}, "send them as floe.responses.v1"),
]


@pytest.mark.parametrize(("fields", "says"), REFUSED, ids=[says[:40] for _, says in REFUSED])
def test_left_out(tmp_path, fields, says):
    """What is not taken over is counted under its reason; the rest goes on."""
    refused = Counter()
    found = imported(
        tmp_path,
        {k: v for k, v in (made() | fields).items() if v is not None},
        made(id="good", value=64),
        refused=refused,
    )
    assert [e["data"]["values"] for e in found] == [[64]]
    assert list(refused.values()) == [1]
    assert says in next(iter(refused))


def test_reasons_are_counted(tmp_path):
    """One reason, one count: three heart rates in mmHg and two panels are two reasons."""
    refused = Counter()
    wrong = [made(value=80 + k, unit="mm[Hg]", id=f"o{k}") for k in range(3)]
    assert imported(tmp_path, *wrong, *[made("85354-9")] * 2, refused=refused) == []
    assert sorted(refused.values()) == [2, 3]


def test_steps_of_devices_that_are_not_named(tmp_path):
    """Intervals that overlap are of two devices, whose steps are never added: without names none of
    them is sent.
    """
    clock = {k: f"2026-03-02T09:{k:02d}:00+01:00" for k in range(60)}

    def steps(k, start, end, **more):
        return made(**STEPS | {"id": f"o{k}"} | period(clock[start], clock[end]) | more)

    apart, same = [steps(1, 0, 10), steps(2, 10, 20)], steps(3, 10, 20)
    overlapping = steps(4, 15, 25)
    refused = Counter()
    assert (
        len(imported(tmp_path, *apart, same, refused=refused)) == 3
    )  # of two at one instant one counts
    assert not refused
    other = steps(5, 0, 10, subject={"reference": "Patient/8"})
    people = {"patient": None, "patients": {"7": "p1", "8": "p2"}}
    found = imported(tmp_path, *apart, overlapping, other, refused=refused, **people)
    assert [e["data"]["patient_id"] for e in found] == ["p2"]
    assert list(refused.values()) == [3]
    named = [
        o | {"device": {"reference": f"Device/{k}"}} for k, o in enumerate((*apart, overlapping))
    ]
    assert len(imported(tmp_path, *named)) == 3 + 3


# --- whose, when --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("subject", "exported"),
    [
        ({"reference": "Patient/7"}, "7"),
        ({"reference": "Patient/7/_history/2"}, "7"),
        ({"reference": "http://example.org/Patient/7"}, "http://example.org/Patient/7"),
        ({"reference": "urn:uuid:6f5d"}, "urn:uuid:6f5d"),
        ({"identifier": {"system": "urn:mrn", "value": "M7"}}, "M7"),
    ],
)
def test_subjects(tmp_path, subject, exported):
    """A subject is mapped by its id, a URL or URN as it stands; one that is not in the map is
    named, and nothing sent.
    """
    (event,) = imported(tmp_path, made(subject=subject), patient=None, patients={exported: "p9"})
    assert event["data"]["patient_id"] == "p9"
    with pytest.raises(UsageError, match="found no patient for"):
        imported(tmp_path, made(subject=subject), patient=None, patients={"other": "p9"})


def test_one_patient_for_two_subjects(tmp_path):
    """`patient` is for the files of one subject; one of whom nothing is taken over does not
    count.
    """
    other = {"subject": {"reference": "Patient/8"}}
    assert len(imported(tmp_path, made(), made("85354-9", **other))) == 1
    with pytest.raises(UsageError, match=r"found 2 people \(7, 8\)"):
        imported(tmp_path, made(), made(**other))


@pytest.mark.parametrize(
    "observation",
    [
        DAILY_STEPS,
        made(effectiveDateTime="2026-03-02T09:30:00"),
        made("41950-7", 3000, "/d", effectiveDateTime="2026-03-01T23:30:00Z"),
        made(**STEPS | period("2026-03-01T23:00:00Z", "2026-03-02T23:00:00Z")),
    ],
)
def test_time_zone_is_asked_for(tmp_path, observation):
    """A day, a time without an offset, and a day's total at a time in UTC need the zone: never a
    guess.
    """
    with pytest.raises(UsageError, match="--timezone"):
        imported(tmp_path, observation, timezone=None)


def test_time_in_utc_without_a_zone(tmp_path):
    """A reading at a time in UTC is at its instant, its local offset unknown (-00:00): the clinic's
    zone says the day.
    """
    path = write(tmp_path / "o.json", made(effectiveDateTime="2026-03-02T08:30:00.250Z"))
    rows = landed(list(fhir([path], patient="p1")))["readings"]
    assert rows["started_at"].to_list() == [datetime(2026, 3, 2, 8, 30, 0, 250_000, tzinfo=UTC)]
    assert rows["started_utc_offset_min"].to_list() == [None]


# --- files --------------------------------------------------------------------------------------


def bundle(*found: dict) -> dict:
    entries = [{"fullUrl": f"urn:uuid:{k}", "resource": r} for k, r in enumerate(found)]
    return {
        "resourceType": "Bundle",
        "type": "history",
        "entry": [*entries, {"request": {"method": "DELETE"}}],
    }


def test_files_of_each_kind(tmp_path):
    """A resource, a Bundle, written on one line or many, and NDJSON, in whatever name, give the
    same events.
    """
    found = [made(), made(**PAIN, value=4, id="o2")]
    expected = imported(tmp_path, *found)
    ways = {
        "bundle.json": json.dumps(bundle(*found)),
        "pretty.json": json.dumps(bundle(*found), indent=2),
        "bom.json": "\ufeff" + json.dumps(bundle(*found)),
        "lines.json": "\r\n\r\n".join(map(json.dumps, found)),
        "bundles.ndjson": "\n".join(json.dumps(bundle(r)) for r in found),
    }
    for name, text in ways.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
        assert (
            events_of(fhir([tmp_path / name], patient="p1", timezone="Europe/Berlin")) == expected
        ), name
    paths = [tmp_path / f"{k}.json" for k in range(2)]
    for path, resource in zip(paths, found, strict=True):
        path.write_text(json.dumps(resource, indent=1))
    assert events_of(fhir(paths, patient="p1", timezone="Europe/Berlin")) == expected


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("a.ndjson", b"{half\n{half", "a.ndjson, line 1: found '{half"),
        ("a.ndjson", b'{"a": 1}', "resourceType"),
        ("a.json", b'{"a":\n 1}', "resourceType"),
        ("a.json", b"<Observation/>", "a.json: found '<Observation/>'"),
        ("a.json", b"", "a.json: found ''"),
        ("a.json", b"[]", "expected FHIR as JSON"),
        ("a.json", b"\xff\xfe", "expected FHIR as JSON"),
        (
            "a.json",
            b'{"resourceType": "Bundle", "entry": [{"resource": {"id": "1"}}]}',
            "resourceType",
        ),
    ],
)
def test_unreadable_files(tmp_path, name, text, says):
    """A file that is no FHIR is named, with the line, before anything is sent, though others could
    be read.
    """
    (tmp_path / name).write_bytes(text)
    good = write(tmp_path / "good.ndjson", made())
    with pytest.raises(UnreadableFile) as error:
        fhir([good, tmp_path / name], patient="p1", timezone="UTC")
    assert says in str(error.value)


@pytest.mark.parametrize("lines", [[b"{half", None], [None, b"", b"{half"], [b"[" * 100_000, None]])
def test_a_line_that_is_none_stops_nothing(tmp_path, lines):
    """A line of NDJSON that is no resource is named and the others are read."""
    (tmp_path / "a.ndjson").write_bytes(
        b"\n".join(orjson.dumps(made()) if line is None else line for line in lines)
    )
    unread = Unread()
    found = events_of(fhir([tmp_path / "a.ndjson"], patient="p1", timezone="UTC", unread=unread))
    assert [e["data"]["values"] for e in found] == [[72]]
    assert list(unread.by_file[tmp_path / "a.ndjson"]) == [
        1 + next(k for k, line in enumerate(lines) if line)
    ]


def test_no_file_no_zone(tmp_path):
    """A file that is not there, a folder, and a zone that is none: a sentence each."""
    for path in (tmp_path / "none.json", tmp_path):
        with pytest.raises(UnreadableFile, match="expected FHIR as JSON"):
            fhir([path], patient="p1")
    with pytest.raises(UsageError, match="expected an IANA name"):
        fhir([write(tmp_path / "a.json", made())], patient="p1", timezone="Mars/Olympus")


# --- versions, repetition, the contract ---------------------------------------------------------


def test_corrections(tmp_path):
    """A correction is a later revision of one record: by the server's version, else by the status;
    one entered in error leaves the current records.
    """
    counted = [
        made(**PAIN, value=3, meta={"versionId": "1"}),
        made(
            **PAIN,
            value=4,
            meta={"versionId": "2", "lastUpdated": "2026-03-05T10:00:00Z"},
            status="corrected",
        ),
    ]
    uncounted = [
        made(**WALK),
        made(**WALK | {"value": 420}, status="amended", meta={"versionId": "aXo="}),
    ]
    wrong = {"status": "entered-in-error", "valueQuantity": None}
    raw = landed(
        list(
            fhir([write(tmp_path / "a.ndjson", *counted, *uncounted)], patient="p1", timezone="UTC")
        )
    )
    assert [json.loads(i) for i in current("responses", raw["responses"])["items"]] == [{"now": 4}]
    assert current("performance_tests", raw["performance_tests"])["value"].to_list() == [420]
    assert raw["responses"]["recorded_at"].to_list()[1] == datetime(2026, 3, 5, 10, tzinfo=UTC)
    counted.append(made(**PAIN, meta={"versionId": "3"}) | wrong)
    counted[-1].pop("valueQuantity")
    uncounted.append({k: v for k, v in (made(**WALK) | wrong).items() if v is not None})
    raw = landed(
        list(
            fhir([write(tmp_path / "b.ndjson", *uncounted, *counted)], patient="p1", timezone="UTC")
        )
    )
    assert [raw[name].height for name in ("responses", "performance_tests")] == [3, 3]
    assert [current(name, raw[name]).height for name in ("responses", "performance_tests")] == [
        0,
        0,
    ]


def test_a_corrected_reading_is_the_later_event(tmp_path):
    """Of readings of one instant the later event counts, at one time the greater id: that is the
    later version's.
    """
    versions = [made(value=70 + k, meta={"versionId": str(k)}) for k in (9, 10)]
    first, second = imported(tmp_path, *versions)
    assert first["time"] == second["time"]
    assert first["id"] < second["id"]


def test_the_later_total_of_a_day_counts(tmp_path):
    """Of two totals of one day, at noon and at night, the one taken later is the later event,
    whatever their ids.
    """
    night, noon = (
        made("41950-7", n, "/d", id=k, effectiveDateTime=f"{DAY}T{at}+01:00")
        for k, n, at in (("a", 9000, "23:00:00"), ("b", 4000, "12:00:00"))
    )
    later, earlier = imported(tmp_path, night, noon)
    assert later["data"]["started_at"] == earlier["data"]["started_at"]
    assert (later["time"], earlier["time"]) == (f"{DAY}T23:00:00+01:00", f"{DAY}T12:00:00+01:00")


SAMPLES = [
    DAILY_STEPS | {"subject": {"reference": "Patient/7"}},
    made(device={"reference": "Device/w"}, meta={"versionId": "4"}),
    made(id=None, identifier=[{"system": "urn:x", "value": "A-1"}]),
    made(id=None),
    made(**PAIN, value=4, id="o4", issued="2026-03-02T09:31:00Z"),
    made(**PAIN, value=4, id="o5", status="entered-in-error"),
    made(**WALK, id="o6"),
    made(**STEPS | period(AT, "2026-03-02T09:40:00+01:00"), id="o7"),
    made("80404-7", 41.2, "ms", id="o8"),
    made("85354-9", id="o9"),
]


def test_what_is_made_keeps_the_contract(tmp_path):
    """Every event decodes to a row of its topic; none is set aside."""
    path = write(tmp_path / "all.ndjson", *SAMPLES)
    rows = landed(list(fhir([path], patient="p1", clinic="c1", timezone="Europe/Berlin")))
    heights = {name: frame.height for name, frame in rows.items()}
    assert heights == {"devices": 1, "readings": 6, "responses": 2, "performance_tests": 1}


@settings(max_examples=40)
@given(
    shuffled=st.lists(st.sampled_from(SAMPLES), max_size=8).flatmap(
        lambda more: st.permutations(SAMPLES + more)
    ),
    cut=st.integers(0, 8),
)
def test_order_and_repetition_change_nothing(tmp_path_factory, shuffled, cut):
    """The events of the resources once, in any order, with repetitions, in one file or two, are the
    same, byte by byte.
    """
    folder = tmp_path_factory.mktemp("fhir")
    files = [
        write(folder / "1.ndjson", *shuffled[:cut]),
        write(folder / "2.ndjson", *shuffled[cut:]),
    ]
    arguments = {"patient": "p1", "clinic": "c1", "timezone": "Europe/Berlin"}
    once = list(fhir([write(folder / "0.ndjson", *SAMPLES)], **arguments))
    assert set(fhir([f for f in files if f.stat().st_size], **arguments)) == set(once)
    assert len({orjson.loads(value)["id"] for _, _, value in once}) == len(once)
