"""The lists of the day's work on a real lake: before the session, who else, and a device that a
person takes out of use.

Here: events landed without Kafka, lists asked for at once, no mart computed. Not here: the rules
(tests/transforms/alerting).
"""

import json
from datetime import UTC, date, datetime, timedelta

import pytest

from ingest.alerting.at_hand import at_hand
from ingest.alerting.lists import before_sessions, devices, on_device
from ingest.alerting.out_of_use import back_in_use, out_of_use
from tests.alert_site import NOW, Site, burn, opened
from transforms.errors import UsageError
from transforms.options import Options

OPTIONS = Options()
DEVICE = {
    "device_id": "D1",
    "clinic_id": "C1",
    "kind": "cryo",
    "modality": "local",
    "manufacturer": "M",
    "model": "m1",
    "firmware": "3",
    "calibrated_on": "2026-04-20",
    "calibration_due_on": "2026-12-01",
}


@pytest.fixture
def site(tmp_path, with_lake):
    with opened(tmp_path, with_lake) as site:
        yield site


def session(k: int, at: datetime = NOW, **given) -> tuple[str, dict]:
    fields = {
        "session_id": f"S{k}",
        "patient_id": "P1",
        "clinic_id": "C1",
        "modality": "local",
        "device_id": "D1",
    }
    return "sessions", fields | {"started_at": at} | given


def heard(site: Site, event: tuple[str, bytes, bytes]) -> None:
    """A person's word, landed as Kafka would have brought it."""
    found = json.loads(event[2])
    site.land(("devices", found["data"], found["id"]), source=found["source"])


def word(site: Site, device: str = "D1", **given) -> tuple[str, bytes, bytes]:
    said = {
        "from_on": date(2026, 5, 4),
        "by": "technician",
        "why": "gas leak",
        "now": site.now,
        "options": OPTIONS,
    }
    return out_of_use(site.lake, device, **said | given)


def test_a_person_takes_a_device_out_of_use_and_the_next_session_on_it_is_told(site):
    """From the word to the alert without a computation; put back, the next session is not told,
    what was told stays.
    """
    site.land(("devices", DEVICE))
    heard(site, word(site))
    site.land(session(1))
    site.look()
    assert ("device_retired_in_use", "S1", "open") in site.alerts()
    # the register sends a record that says nothing of it, later
    site.now += timedelta(hours=1)
    site.land(("devices", DEVICE | {"firmware": "4", "recorded_at": site.now}))
    site.land(session(2, site.now))
    site.look()
    assert ("device_retired_in_use", "S2", "open") in site.alerts()
    site.now += timedelta(hours=1)
    heard(
        site,
        back_in_use(
            site.lake, "D1", by="technician", why="repaired", now=site.now, options=OPTIONS
        ),
    )
    site.land(session(3, site.now + timedelta(minutes=5)))
    site.look()
    told = [alert[1:] for alert in site.alerts() if alert[0] == "device_retired_in_use"]
    assert told == [("S1", "open"), ("S2", "open")]


def test_the_word_is_a_further_record_of_the_same_device_and_loses_no_field(site):
    """No clash, no orphan: one device, every field as it stood, and who said it and why."""
    site.land(("devices", DEVICE))
    heard(site, word(site))
    core = at_hand(site.lake, (), options=OPTIONS).core
    [row] = core["devices"].iter_rows(named=True)
    days = {
        name: date.fromisoformat(DEVICE[name]) for name in ("calibrated_on", "calibration_due_on")
    }
    assert row | DEVICE | days == row
    assert (row["retired_on"], row["recorded_by_role"], row["retired_reason"]) == (
        date(2026, 5, 4),
        "technician",
        "gas leak",
    )
    assert core["identities"].is_empty()


def test_of_two_devices_with_one_id_the_named_one_is_taken_out(site):
    """They clash between clinics: the word is of the one that core calls CLINIC:ID, and stays a
    word of it.
    """
    site.land(("devices", DEVICE), ("clinics", {"clinic_id": "C2", "timezone": "UTC"}))
    site.land(("devices", DEVICE | {"clinic_id": "C2"}), source="urn:other")
    with pytest.raises(UsageError, match="C1:D1, C2:D1"):
        word(site)
    heard(site, word(site, "C2:D1"))
    found = devices(site.lake, options=OPTIONS)
    assert found.select("device_id", "out_from").rows() == [
        ("C1:D1", None),
        ("C2:D1", date(2026, 5, 4)),
    ]


@pytest.mark.parametrize(
    ("device", "given"),
    [
        ("D9", {}),
        ("D1", {"by": " "}),
        ("D1", {"why": ""}),
        ("D1", {"by": "x" * 600}),
        ("D1", {"why": "\x1b[2J"}),
        ("D1", {"from_on": date(1026, 5, 4)}),
        ("D1", {"from_on": date(2036, 5, 4)}),
    ],
)
def test_a_word_that_says_nothing_is_refused(site, device, given):
    """No such device, nobody, no reason, a text that steers a terminal, a day that can't be
    meant.
    """
    site.land(("devices", DEVICE))
    with pytest.raises(UsageError, match="expected"):
        word(site, device, **given)


def test_before_the_session_knows_what_has_just_landed(site):
    """A course, habit, and an event of this minute: on the list at once."""
    course = {"course_id": "K", "patient_id": "P1", "clinic_id": "C1", "starts_on": "2026-04-01"}
    held = [session(k, NOW - timedelta(weeks=k)) for k in (1, 2, 3)]
    site.land(("devices", DEVICE), ("courses", course), *held, burn(outcome="ongoing"))
    found = before_sessions(site.lake, now=NOW, options=OPTIONS)
    [row] = [row for row in found.people.iter_rows(named=True) if row["day"] == NOW.date()]
    assert (row["patient_id"], row["expected"], row["why"]) == (
        "P1",
        "likely",
        "came on 3 of the last 3 Mondays",
    )
    assert row["codes"] == ["clearance", "adverse_event_grave"]


def test_a_clearance_taken_back_by_its_id_alone_is_none_on_the_list(site):
    """The mark of error names no patient; whoever is expected has no clearance all the same."""
    course = {"course_id": "K", "patient_id": "P1", "clinic_id": "C1", "starts_on": "2026-04-01"}
    held = [session(k, NOW - timedelta(weeks=k)) for k in (1, 2, 3)]
    consult = {
        "consult_id": "C",
        "patient_id": "P1",
        "outcome": "cleared",
        "occurred_at": NOW - timedelta(days=9),
    }
    consult |= {
        "clinic_id": "C1",
        "valid_until": NOW + timedelta(days=90),
        "recorded_at": NOW - timedelta(days=9),
    }
    site.land(("devices", DEVICE), ("courses", course), ("consults", consult), *held)
    for taken_back, codes in ((False, []), (True, ["clearance"])):
        if taken_back:
            site.land(
                (
                    "consults",
                    {"consult_id": "C", "record_status": "entered_in_error", "revision": 1},
                )
            )
        people = before_sessions(site.lake, now=NOW, options=OPTIONS).people
        [row] = [row for row in people.iter_rows(named=True) if row["day"] == NOW.date()]
        assert row["codes"] == codes


def test_who_else_of_an_alert_takes_the_check_before_it(site):
    """A deficiency's alert on a device; sessions since the calibration before, a patient of another
    id merged in.
    """
    site.land(
        ("devices", DEVICE | {"calibrated_on": "2026-03-01"}), ("devices", DEVICE | {"revision": 1})
    )
    held = [
        session(1, datetime(2026, 4, 19, 9, tzinfo=UTC)),
        session(2, datetime(2026, 4, 20, 9, tzinfo=UTC)),
        session(3, NOW, patient_id="P2"),
    ]
    lack = {
        "deficiency_id": "F1",
        "device_id": "D1",
        "clinic_id": "C1",
        "occurred_at": NOW,
        "kind": "leak",
    }
    site.land(
        *held,
        ("deficiencies", lack | {"could_have_led_to_sae": True}),
        burn(patient_id="P2", onset_at=NOW),
    )
    site.look()
    alert = {
        "alert_id": "A1",
        "rule": "device_deficiency",
        "occurred_at": NOW,
        "device_id": "D1",
        "state": "open",
    }
    site.land(("alerts", alert), source="/other")
    found = on_device(site.lake, alert_id="A1", now=NOW, options=OPTIONS)
    assert (found.within.since, found.within.until) == (date(2026, 4, 20), None)
    said = {
        row["session_id"]: row["adverse_events"] for row in found.sessions.iter_rows(named=True)
    }
    assert said == {"S2": [], "S3": ["burn, grade 1, 4 May 2026"]}
    assert found.in_words().startswith(
        "Device D1: 2 sessions of 2 patients since its last good check known, 20 Apr 2026"
    )


def test_a_session_that_only_series_place_on_a_device_is_found(site):
    """The session names no device; the cabin's measurements of it do. Without a check all of it is
    taken.
    """
    site.land(
        ("devices", {"device_id": "D1", "clinic_id": "C1", "kind": "cryo"}),
        session(1, device_id=None),
    )
    series = {
        "device_id": "D1",
        "session_id": "S1",
        "signal": "cabin_temp_c",
        "started_at": NOW,
        "interval_s": 1.0,
    }
    site.land(("telemetry", series | {"values": [-100.0, -111.5]}))
    found = on_device(site.lake, device_id="D1", now=NOW, options=OPTIONS)
    assert found.sessions.select("session_id", "cabin_min_temp_c").rows() == [("S1", -111.5)]
    assert "no good check of it is known" in found.in_words()


@pytest.mark.parametrize("which", [{"device_id": "D9"}, {"alert_id": "A9"}])
def test_who_else_of_nothing_says_what_was_expected(site, which):
    """An unknown device or alert is an error in words, not an empty list."""
    with pytest.raises(UsageError, match="found no"):
        on_device(site.lake, now=NOW, options=OPTIONS, **which)


def test_a_device_that_no_record_describes_is_called_as_its_sessions_do(site):
    """All its sessions are taken, for no check is known."""
    site.land(session(1))
    found = on_device(site.lake, device_id="D1", now=NOW, options=OPTIONS)
    assert (found.device, found.sessions.height) == (None, 1)
