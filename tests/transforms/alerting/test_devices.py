"""A device's spells out of use, its checks, and who else was on it: records decoded, landed and
computed to core.

Here: records and what must come of them. Not here: publishing a person's word
(tests/ingest/alerting).
"""

from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest

from ingest.contract import encode, record_key
from tests.computed import computed
from transforms.alerting.devices import Window, as_sent, devices_to_see, spells, window
from transforms.alerting.judging import of_core
from transforms.alerting.who_else import who_else
from transforms.options import Options
from transforms.schemas import TOPIC_BY_NAME

AT = datetime(2026, 5, 4, 12, tzinfo=UTC)
TODAY = AT.date()
HOME = (
    ("clinics", {"clinic_id": "C1", "timezone": "Europe/Berlin"}),
    ("patients", {"patient_id": "P1", "clinic_id": "C1", "enrolled_on": "2026-01-01"}),
    ("patients", {"patient_id": "P2", "clinic_id": "C1", "enrolled_on": "2026-01-01"}),
)


def device(
    revision: int | None = None, at: datetime = AT - timedelta(days=100), **given
) -> tuple[str, dict]:
    fields = {
        "device_id": "D1",
        "clinic_id": "C1",
        "kind": "cryo",
        "revision": revision,
        "recorded_at": at,
    }
    return "devices", fields | given


def word(revision: int, at: datetime, retired_on: str | None, **given) -> tuple[str, dict]:
    """A person's, which has its own source."""
    said = {
        "retired_on": retired_on,
        "retired_reason": "gas leak",
        "recorded_by_role": "technician",
    }
    return device(revision, at, **said | given)


def tables_of(*records: tuple[str, dict]) -> dict[str, pl.DataFrame]:
    events = []
    for k, (name, data) in enumerate([*HOME, *records]):
        topic = TOPIC_BY_NAME[name].type
        source = "/floe" if "retired_reason" in data else "urn:emr"
        events.append(
            (
                topic,
                record_key(topic, data),
                encode(topic, data, id=f"e{k}", source=source, time=AT),
            )
        )
    tables = computed(events, landed=AT, marts=())
    assert tables["raw.rejects"].is_empty()
    return tables


def core_of(tables: dict[str, pl.DataFrame]) -> dict[str, pl.DataFrame]:
    return {
        name.removeprefix("core."): frame
        for name, frame in tables.items()
        if name.startswith("core.")
    }


def rows_of(*records: tuple[str, dict]) -> pl.DataFrame:
    tables = tables_of(*records)
    return as_sent(tables["raw.devices"], tables["core.identities"])


HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], []),
        ([device(retired_on="2026-05-01")], []),  # the register's own, which core has
        ([word(1, AT - 3 * HOUR, "2026-05-01")], [(date(2026, 5, 1), None)]),
        # the day of it is corrected
        (
            [word(1, AT - 3 * HOUR, "2026-05-01"), word(2, AT - 2 * HOUR, "2026-05-03")],
            [(date(2026, 5, 3), None)],
        ),
        # back, and out again
        (
            [
                word(1, AT - 3 * HOUR, "2026-05-01"),
                word(2, AT - 2 * HOUR, None),
                word(3, AT - HOUR, "2026-05-04"),
            ],
            [(date(2026, 5, 1), AT - 2 * HOUR), (date(2026, 5, 4), None)],
        ),
        # back without having been out says nothing
        ([word(1, AT - 3 * HOUR, None)], []),
        ([word(1, AT - 3 * HOUR, "2026-05-01", record_status="entered_in_error")], []),
    ],
)
def test_a_person_takes_a_device_out_of_use_and_back(words, expected):
    """A spell lasts from a day to the moment of the word that it is back."""
    found = spells(rows_of(device(), *words))
    assert found.select("from_on", "until_at").rows() == expected
    assert set(found["by"]) <= {"technician"}


def test_a_later_record_of_the_register_does_not_put_it_back():
    """It says nothing of a retirement, and counts as the newest: the device is out of use all the
    same.
    """
    tables = tables_of(
        device(), word(1, AT - 3 * HOUR, "2026-05-01"), device(1, AT - HOUR, firmware="2")
    )
    core = core_of(tables)
    assert core["devices"].select("firmware", "retired_on").rows() == [("2", None)]
    out = spells(as_sent(tables["raw.devices"], core["identities"]))
    [row] = devices_to_see(core["devices"], core["deficiencies"], out).iter_rows(named=True)
    assert (row["out_from"], row["out_by"], row["out_why"]) == (
        date(2026, 5, 1),
        "technician",
        "gas leak",
    )


def session(k: int, at: datetime, patient: str = "P1", **given) -> tuple[str, dict]:
    fields = {
        "session_id": f"S{k}",
        "patient_id": patient,
        "clinic_id": "C1",
        "modality": "local",
        "device_id": "D1",
    }
    return "sessions", fields | {"started_at": at} | given


@pytest.mark.parametrize(
    ("records", "told"),
    [
        ([word(1, AT - 3 * HOUR, "2026-05-04")], ["S1", "S2"]),
        ([word(1, AT - 3 * HOUR, "2026-05-04"), device(1, AT - HOUR, firmware="2")], ["S1", "S2"]),
        # put back at 11: what came before stays told, what comes after is not
        ([word(1, AT - 3 * HOUR, "2026-05-04"), word(2, AT - HOUR, None)], ["S1"]),
        ([word(1, AT - 3 * HOUR, "2026-05-05")], []),
    ],
)
def test_sessions_on_a_device_that_is_out_are_causes(records, told):
    """At 10 and at 11 and a half of 4 May; whatever the register says later."""
    held = [session(1, AT - 2 * HOUR), session(2, AT - HOUR / 2)]
    tables = tables_of(device(), *held, *records)
    core = core_of(tables)
    out = spells(as_sent(tables["raw.devices"], core["identities"]))
    causes = of_core(core, options=Options(), spells=out).filter(
        pl.col("rule") == "device_retired_in_use"
    )
    assert sorted(causes["subject_id"]) == told


# --- the last good check ------------------------------------------------------------------------


def checked(revision: int, on: str | None) -> tuple[str, dict]:
    return device(revision, AT - timedelta(days=100 - revision), calibrated_on=on)


CHECKS = (checked(1, "2026-01-10"), checked(2, "2026-03-10"), checked(3, "2026-05-02"))


@pytest.mark.parametrize(
    ("records", "wrong_on", "expected"),
    [
        ([device()], None, (None, None)),
        (CHECKS, None, (date(2026, 5, 2), None)),
        (CHECKS[:1], None, (date(2026, 1, 10), None)),
        # of an alert the check before it, to the next
        (CHECKS, date(2026, 4, 1), (date(2026, 3, 10), date(2026, 5, 2))),
        (CHECKS, date(2026, 5, 3), (date(2026, 5, 2), None)),
        # on the day itself: it may have come after, and because of it
        (CHECKS, date(2026, 3, 10), (date(2026, 1, 10), date(2026, 5, 2))),
        (CHECKS, date(2026, 1, 10), (None, date(2026, 3, 10))),
        (CHECKS, date(2025, 12, 1), (None, date(2026, 1, 10))),
        # a day that was corrected to an earlier one was no check
        ([checked(1, "2026-04-30"), checked(2, "2026-03-30")], None, (date(2026, 3, 30), None)),
        # the newest record names none: none is known
        ([checked(1, "2026-01-10"), checked(2, None)], None, (None, None)),
        ([checked(1, "2026-06-01")], None, (None, None)),
    ],
)
def test_the_window_lies_between_the_checks_around_what_is_wrong(records, wrong_on, expected):
    """Too long rather than too short: nobody who was on it is left out."""
    found = window(rows_of(*records), device_id="D1", today=TODAY, wrong_on=wrong_on)
    assert (found.since, found.until) == expected


# --- who else -----------------------------------------------------------------------------------


SINCE_MAY = Window(date(2026, 5, 1), None)


def found(*records: tuple[str, dict], within: Window = SINCE_MAY, **given) -> pl.DataFrame:
    return who_else(core_of(tables_of(device(), *records)), device_id="D1", within=within, **given)


@pytest.mark.parametrize(
    ("given", "is_listed"),
    [
        ({}, True),
        (
            {"started_at": datetime(2026, 4, 30, 22, tzinfo=UTC)},
            True,
        ),  # midnight of 1 May in Berlin
        ({"started_at": datetime(2026, 4, 30, 21, 59, tzinfo=UTC)}, False),
        ({"status": "aborted"}, True),
        ({"status": "missed"}, False),
        ({"status": "missed", "cabin_min_temp_c": -110.0}, True),
        ({"status": "Completed"}, True),
        ({"device_id": "D2"}, False),
        ({"device_id": None}, False),
        (
            {"started_at": AT + timedelta(days=9)},
            True,
        ),  # a moment that can't be true: when it was is not known
        ({"record_status": "entered_in_error"}, False),
    ],
)
def test_a_session_on_the_device_since_the_check_is_listed(given, is_listed):
    """From the day of the check on, by the clinic's clock; whatever exposed the patient."""
    name, data = session(1, AT)
    assert (found((name, data | given)).height == 1) == is_listed


def test_a_session_that_only_the_devices_series_names_is_listed():
    """The session names no device; the device's own measurements name the session."""
    assert found(session(1, AT, device_id=None), by_series=["S1"])["session_id"].to_list() == ["S1"]


def test_exposure_and_what_came_after_stand_with_the_session():
    """Two patients; an event that names a session, one after the last start, one of unknown onset,
    one before all.
    """
    held = [
        session(1, AT - 48 * HOUR, duration_s=150, cabin_min_temp_c=-110),
        session(2, AT - 24 * HOUR),
        session(3, AT, "P2"),
    ]
    events = [
        {"ae_id": "E1", "term": "burn", "grade": 2, "session_id": "S1", "onset_at": AT - HOUR},
        {"ae_id": "E2", "term": "numb toe", "onset_at": AT - 25 * HOUR},
        {"ae_id": "E3", "term": "rash", "is_serious": True},
        {"ae_id": "E4", "term": "old pain", "onset_at": AT - 72 * HOUR},
    ]
    rows = found(*held, *(("adverse_events", {"patient_id": "P1"} | event) for event in events))
    said = dict(rows.select("session_id", "adverse_events").iter_rows())
    assert said == {
        "S3": [],
        "S2": ["rash, not graded, serious, onset not known"],
        "S1": ["numb toe, not graded, 3 May 2026", "burn, grade 2, 4 May 2026"],
    }
    first = rows.filter(pl.col("session_id") == "S1").row(0, named=True)
    assert (first["duration_s"], first["cabin_min_temp_c"], first["skin_min_temp_c"]) == (
        150,
        -110,
        None,
    )
    assert rows["session_id"].to_list() == ["S3", "S2", "S1"]  # the newest first


def test_an_event_that_names_the_device_alone_is_not_lost():
    """No session of the patient is on record: the event has a row of its own."""
    rows = found(
        (
            "adverse_events",
            {"ae_id": "E1", "patient_id": "P2", "term": "burn", "device_id": "D1", "onset_at": AT},
        )
    )
    assert rows.select("session_id", "patient_id", "adverse_events").rows() == [
        (None, "P2", ["burn, not graded, 4 May 2026"])
    ]


def test_nothing_on_it_is_an_empty_list():
    """With its columns."""
    assert found().is_empty()
