"""Whose clock a record has, by kind of record: the marts place each on the day that one rule says.

Here: a table of cases for every kind. Not here: the rule by itself (test_local_time.py), wearables
(test_wearable_day.py).
"""

from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest

from tests import treatment_episodes
from transforms.marts import MARTS
from transforms.options import Cut, Options
from transforms.rules import care, life_bounds
from transforms.rules.local_time import clocks
from transforms.schemas import CORE_TABLES, MART_TABLES

CUT = Cut(lake_snapshot=1, data_cutoff=datetime(2026, 9, 1, tzinfo=UTC))
NIGHT = datetime(
    2026, 5, 4, 22, 30, tzinfo=UTC
)  # the next day in Berlin and Tokyo, the same in New York
BEFORE, AFTER = (
    datetime(2026, 5, day, 15, 30, tzinfo=UTC) for day in (4, 12)
)  # the next day in Tokyo alone
ZONES = {
    "BERLIN": "Europe/Berlin",
    "YORK": "America/New_York",
    "TOKYO": "Asia/Tokyo",
    "MARS": "Mars/Base",
}

NAMED = [
    ({"clinic_id": "YORK"}, NIGHT, 4),
    ({"clinic_id": "TOKYO"}, NIGHT, 5),
    ({"clinic_id": "TOKYO"}, BEFORE, 5),
    ({"clinic_id": "UNKNOWN"}, NIGHT, 5),  # as without: the patient's clinic
    ({"clinic_id": "UNKNOWN"}, BEFORE, 4),
    ({"clinic_id": "UNKNOWN"}, AFTER, 13),
    ({"clinic_id": "MARS"}, NIGHT, 5),  # no IANA zone
    ({"clinic_id": "MARS", "utc_offset_min": -240}, NIGHT, 5),
]
NOT_NAMED = [
    ({}, NIGHT, 5),
    ({}, BEFORE, 4),  # in Berlin
    ({}, AFTER, 13),  # in Tokyo by then
    ({"utc_offset_min": -240}, NIGHT, 5),  # a clinic's clock before the writer's
]
OF_A_SESSION = [
    ({"session_id": "Y"}, NIGHT, 4),
    ({"session_id": "Y"}, AFTER, 12),
    ({"session_id": "Y", "clinic_id": "TOKYO"}, BEFORE, 5),
    ({"session_id": "UNKNOWN"}, AFTER, 13),
]


def table(name: str, *rows: dict) -> pl.DataFrame:
    schema = CORE_TABLES[name]
    shared = {"event_id": "e", "source": "s", "is_recorded_at_given": False, "is_set_aside": False}
    return pl.DataFrame(
        [{n: (shared | row).get(n) for n in schema.names} for row in rows],
        schema=schema.polars_schema,
    )


def tables(**records: list[dict]) -> dict[str, pl.DataFrame]:
    """Core of patient P of Berlin, who went to Tokyo on 10 May, with a session Y in New York long
    before.
    """
    moved = {
        "patient_id": "P",
        "status": "transferred",
        "clinic_id": "TOKYO",
        "effective_on": date(2026, 5, 10),
    }
    given = {
        "patients": [{"patient_id": "P", "clinic_id": "BERLIN", "enrolled_on": date(2026, 1, 5)}],
        "clinics": [{"clinic_id": clinic, "timezone": zone} for clinic, zone in ZONES.items()],
        "patient_status": [{"status_id": "M", **moved}, *records.pop("patient_status", [])],
        "sessions": [
            _session("Y", datetime(2026, 1, 5, 12, tzinfo=UTC), clinic_id="YORK"),
            *records.pop("sessions", []),
        ],
        **records,
    }
    return {name: schema.empty() for name, schema in CORE_TABLES.items()} | {
        n: table(n, *r) for n, r in given.items()
    }


def _session(key: str, at: datetime, **more) -> dict:
    return {
        "session_id": key,
        "patient_id": "P",
        "modality": "local",
        "status": "delivered",
        "started_at": at,
    } | more


def mart(name: str, frames: dict[str, pl.DataFrame]) -> pl.DataFrame:
    """The mart of these tables of core, through the marts that it reads."""
    made = dict(frames)
    made["episodes"] = treatment_episodes.core(frames)
    wanted = set(MARTS[name].inputs)
    if "mart.subject_episodes" in wanted:
        wanted.add("mart.adex")
    marts = ("adsl", "time_at_risk", "adex", "subject_episodes")
    order = [n for n in marts if n != name and f"mart.{n}" in wanted]
    for each in (*order, name):
        inputs = {full.split(".")[1]: made[full.split(".")[1]] for full in MARTS[each].inputs}
        made[each] = MARTS[each].compute(None, **inputs, options=Options(), cut=CUT)
    return made[name]


@pytest.mark.parametrize(("place", "at", "day"), [*NAMED, *NOT_NAMED])
def test_sessions(place, at, day):
    found = mart("adex", tables(sessions=[_session("S", at, **place)])).filter(SESSIONID="S")
    assert found["ASTDT"].to_list() == [date(2026, 5, day)]


@pytest.mark.parametrize(("place", "at", "day"), [*NAMED, *NOT_NAMED, *OF_A_SESSION])
def test_adverse_events(place, at, day):
    event = {"ae_id": "A", "patient_id": "P", "term": "burn", "onset_at": at, "event_time": at}
    found = mart("adae", tables(adverse_events=[event | place]))
    assert found["ASTDT"].to_list() == [date(2026, 5, day)]


@pytest.mark.parametrize(
    ("place", "at", "clinic"),
    [
        ({}, BEFORE, "BERLIN"),
        ({}, AFTER, "TOKYO"),
        ({"session_id": "Y"}, AFTER, "YORK"),
        ({"clinic_id": "MARS", "session_id": "Y"}, AFTER, "MARS"),
        ({}, None, "TOKYO"),  # an unknown onset: where the patient was when it was told, in June
    ],
)
def test_where_an_event_happened(place, at, clinic):
    """At its own clinic, else its session's, else the one that the patient was in."""
    event = {
        "ae_id": "A",
        "patient_id": "P",
        "term": "burn",
        "onset_at": at,
        "event_time": datetime(2026, 6, 1, tzinfo=UTC),
    }
    assert mart("adae", tables(adverse_events=[event | place]))["CLINICID"].to_list() == [clinic]


@pytest.mark.parametrize(("place", "at", "day"), [*NAMED, *NOT_NAMED, *OF_A_SESSION])
def test_answers(place, at, day):
    answer = {
        "response_id": "R",
        "patient_id": "P",
        "instrument": "nrs_pain",
        "items": '{"average_7d": 5}',
        "answered_at": at,
        "context": "scheduled",
    }
    assert mart("adqs", tables(responses=[answer | place]))["ADT"].to_list() == [date(2026, 5, day)]


@pytest.mark.parametrize(("place", "at", "day"), [*NAMED, *NOT_NAMED])
def test_performance_tests(place, at, day):
    test = {
        "test_id": "T",
        "patient_id": "P",
        "test": "timed_up_and_go",
        "value": 9.0,
        "performed_at": at,
    }
    assert mart("adact", tables(performance_tests=[test | place]))["ADT"].to_list() == [
        date(2026, 5, day)
    ]


@pytest.mark.parametrize(("place", "at", "day"), [*NAMED, *NOT_NAMED])
def test_care(place, at, day):
    frames = tables(
        care=[{"care_id": "K", "patient_id": "P", "kind": "surgery", "occurred_at": at} | place]
    )
    whose = clocks(**{name: frames[name] for name in ("patients", "clinics", "patient_status")})
    assert care.local_care(frames["care"], whose)["on"].to_list() == [date(2026, 5, day)]


@pytest.mark.parametrize(("place", "at", "day"), [*NAMED, *NOT_NAMED, *OF_A_SESSION])
@pytest.mark.parametrize("name", ["responses", "screenings"])
def test_last_contact(name, place, at, day):
    """The day of the last contact is that of its record's clock; of who is lost the time at risk
    ends with that day.
    """
    row = {
        "responses": {"response_id": "R", "answered_at": at},
        "screenings": {"screening_id": "R", "occurred_at": at},
    }
    record = {"patient_id": "P"} | row[name] | place
    assert mart("adsl", tables(**{name: [record]}))["LSTCONDT"].to_list() == [date(2026, 5, day)]


@pytest.mark.parametrize(
    ("place", "on", "hour_utc"),
    [
        ({}, 4, 22),  # midnight in Berlin
        ({}, 12, 15),  # in Tokyo by then
        ({}, 10, 15),  # on the day of the transfer
        ({}, 9, 22),  # on the day before
        ({"clinic_id": "YORK"}, 4, 28),
        ({"clinic_id": "UNKNOWN"}, 12, 15),
        ({"clinic_id": "MARS"}, 4, 22),
    ],
)
@pytest.mark.parametrize("status", ["withdrew", "died"])
def test_a_day_of_death_or_withdrawal_ends_by_its_clock(status, place, on, hour_utc):
    """The last moment of the day; what is after a death is judged by the same moment."""
    first = datetime(2026, 5, 1, 12, tzinfo=UTC)
    filed = {
        "status_id": "D",
        "patient_id": "P",
        "status": status,
        "effective_on": date(2026, 5, on),
    } | place
    answer = {
        "response_id": "R",
        "patient_id": "P",
        "answered_at": datetime(2026, 8, 31, tzinfo=UTC),
    }
    frames = tables(
        sessions=[_session("S", first, clinic_id="BERLIN")],
        patient_status=[filed],
        responses=[answer],
    )
    ends = datetime(2026, 5, on, tzinfo=UTC) + timedelta(hours=hour_utc)
    at_risk = mart("time_at_risk", frames).filter(pl.col("from_at") == first)
    assert at_risk["to_at"].to_list() == [ends - timedelta(microseconds=1)]
    if status == "died":
        lives = life_bounds.people(frames["patients"], frames["patient_status"], frames["clinics"])
        assert lives["_dead_from"].to_list() == [ends]


def test_who_is_enrolled_in_two_zones_has_one_clock():
    """A patient of Berlin who is in a study of New York: an answer that names no clinic is of
    Berlin's day, in both.
    """
    enrolment = {
        "enrolment_id": "N",
        "study_id": "T",
        "patient_id": "P",
        "clinic_id": "YORK",
        "from": date(2026, 4, 1),
    }
    answer = {
        "response_id": "R",
        "patient_id": "P",
        "instrument": "nrs_pain",
        "items": '{"average_7d": 5}',
        "answered_at": NIGHT,
        "context": "scheduled",
    }
    found = mart("adqs", tables(responses=[answer], study_enrolments=[enrolment]))
    assert set(found["ADT"]) == {date(2026, 5, 5)}
    assert found.schema == MART_TABLES["adqs"].polars_schema
