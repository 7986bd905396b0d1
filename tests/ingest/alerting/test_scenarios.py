"""What changes after an alert was told: which alert a correction, a re-entry, a merge, a clash, a
wrong clock, a replay, a late landing, a death and a retraction make, change or close.

Here: each on a real lake, looked at by the watcher. Not here: what is judged
(tests/transforms/alerting), the watcher's own restarts (test_watcher.py).
"""

from datetime import UTC, datetime, timedelta

import pytest

from ingest.alerting.book import Book
from ingest.alerting.book_file import book_path
from ingest.alerting.duty import TOPIC
from tests.alert_site import NOW, Site, burn, opened

SESSION = {
    "session_id": "S1",
    "patient_id": "P1",
    "clinic_id": "C1",
    "modality": "whole_body",
    "protocol_id": "A",
    "device_id": "D1",
    "started_at": NOW - timedelta(hours=1),
}
PROTOCOL = {
    "protocol_id": "A",
    "effective_from": NOW - timedelta(days=300),
    "modality": "whole_body",
    "cabin_min_temp_c": -120.0,
    "max_duration_s": 180.0,
}
CLEARED = [
    (
        "consults",
        {
            "consult_id": f"K-{p}",
            "patient_id": p,
            "outcome": "cleared",
            "occurred_at": NOW - timedelta(days=9),
            "recorded_at": NOW - timedelta(days=9),
        },
    )
    for p in ("P1", "P2")
]
IN_2036 = datetime(2036, 1, 1, tzinfo=UTC)


@pytest.fixture
def site(tmp_path, with_lake):
    with opened(tmp_path, with_lake) as site:
        site.land(("protocols", PROTOCOL), *CLEARED)
        site.look()
        yield site


def session(**given) -> tuple[str, dict]:
    return "sessions", SESSION | given


def cold(**given) -> tuple[str, dict]:
    """A series of the session's cabin, far too cold."""
    fields = {
        "device_id": "D1",
        "clinic_id": "C1",
        "session_id": "S1",
        "signal": "cabin_temp_c",
        "interval_s": 60.0,
    }
    return "telemetry", fields | {
        "started_at": SESSION["started_at"],
        "values": [-110.0, -140.0],
    } | given


def standing(site: Site) -> dict[tuple[str, str], tuple[str, str]]:
    """(rule, subject) -> (tier, state)."""
    with Book(book_path(site.settings)) as book:
        alerts = book.alerts()
    assert len({(a["rule"], a["subject_id"], a["clinic_id"], a["cause"]) for a in alerts}) == len(
        alerts
    )
    return {(a["rule"], a["subject_id"]): (a["tier"], a["state"]) for a in alerts}


def heard(site: Site) -> list[tuple[str, str]]:
    """(rule, news) of what the sink that hears everything got since the last time."""
    return [(d["payload"]["rule"], d["payload"]["news"]) for d in site.deliveries("all")]


def step(site: Site, *records, **given) -> list[tuple[str, str]]:
    """Lands the records, looks, and says what is told of it."""
    site.land(*records, **given)
    site.look()
    return heard(site)


def test_a_correction_that_lowers_is_written_down_and_wakes_nobody(site):
    """Grade 3 was 1: the alert stays, milder; on the topic, to no sink."""
    assert step(site, burn(grade=3)) == [("harm", "opened")]
    site.deliveries(TOPIC)
    assert step(site, burn(grade=1, revision=1)) == []
    assert [d["payload"]["news"] for d in site.deliveries(TOPIC)] == ["lowered"]
    assert standing(site) == {("harm", "E1"): ("now", "open")}
    assert step(site, burn(grade=3, revision=2)) == [("harm", "raised")]


def test_a_correction_that_removes_the_cause_closes_and_says_so(site):
    """It was no burn but soreness, of grade 1."""
    step(site, burn(term="burn"))
    sore = burn(term="soreness", injury_kind="other", revision=1)
    assert step(site, sore) == [("harm", "closed")]
    with Book(book_path(site.settings)) as book:
        assert "the cause is gone" in book.alerts()[0]["finding"]


@pytest.mark.parametrize(
    ("given", "first", "then"),
    [
        ({"duration_s": 300}, {"exposure_too_long": "opened"}, {"exposure_too_long": "closed"}),
        (
            {"cabin_min_temp_c": -130.0, "duration_s": 300},
            {"cabin_too_cold": "opened", "exposure_too_long": "opened"},
            {"cabin_too_cold": "closed", "exposure_too_long": "closed"},
        ),
    ],
)
def test_a_corrected_measurement_closes_each_alert_of_the_session(site, given, first, then):
    """One session, two causes, two alerts."""
    assert dict(step(site, session(**given))) == first
    corrected = session(duration_s=170, cabin_min_temp_c=-115.0, revision=1)
    assert dict(step(site, corrected)) == then


@pytest.mark.parametrize(
    ("record", "mark", "alert"),
    [
        (burn(), ("adverse_events", "ae_id", "E1"), ("harm", "E1")),
        (session(duration_s=300), ("sessions", "session_id", "S1"), ("exposure_too_long", "S1")),
    ],
)
def test_a_mark_of_error_that_says_no_more_than_the_id_closes_the_alert(site, record, mark, alert):
    """It names no patient, and may land before what it takes out, on a partition of its own; a
    re-entry opens it again.
    """
    table, key, id = mark
    error = (table, {key: id, "record_status": "entered_in_error", "revision": 1})
    step(site, record)
    step(site, error)
    assert standing(site)[alert] == ("now", "closed")
    step(site, (record[0], record[1] | {"revision": 2}))
    assert standing(site)[alert] == ("now", "open")


def test_a_mark_of_error_that_lands_before_its_record_lets_nothing_be_told(site):
    """Of one topic two partitions, of which the one with the mark was read first."""
    site.land(
        ("adverse_events", {"ae_id": "E1", "record_status": "entered_in_error", "revision": 1})
    )
    assert step(site, burn(revision=0)) == []


def test_a_clearance_taken_back_by_its_id_alone_leaves_the_session_without(site):
    """The consult was another patient's: whoever relied on it is told of."""
    assert step(site, session()) == []
    error = ("consults", {"consult_id": "K-P1", "record_status": "entered_in_error", "revision": 1})
    assert step(site, error) == [("session_without_clearance", "opened")]


def test_a_limit_that_is_exceeded_by_far_more_is_told_again(site):
    """The first value was 1.5 K too cold, then the series tells 1.9 and 15 K: the last has doubled
    it three times.
    """
    assert step(site, session(cabin_min_temp_c=-121.5)) == [("cabin_too_cold", "opened")]
    assert step(site, cold(values=[-110.0, -121.9])) == []
    later = SESSION["started_at"] + timedelta(minutes=2)
    assert step(site, cold(values=[-135.0], started_at=later)) == [("cabin_too_cold", "raised")]
    assert step(site, cold(values=[-135.5], started_at=later + timedelta(minutes=1))) == []


def test_a_correction_of_the_clinic_alone_is_the_same_alert_told_to_the_other(site):
    """One cause, one alert, whoever had it in hand; what a person closed stays closed."""
    site.land(("clinics", {"clinic_id": "C2", "timezone": "UTC"}))
    step(site, burn(), session(duration_s=300))
    with Book(book_path(site.settings)) as book, book.change():
        for alert in book.alerts():
            state = {"harm": "acknowledged"}.get(alert["rule"], "closed")
            book.update(alert["alert_id"], state=state)
    assert step(
        site, burn(clinic_id="C2", revision=1), session(duration_s=300, clinic_id="C2", revision=1)
    ) == [("harm", "moved")]
    assert standing(site) == {
        ("harm", "E1"): ("now", "open"),
        ("exposure_too_long", "S1"): ("now", "closed"),
    }
    with Book(book_path(site.settings)) as book:
        assert {a["clinic_id"] for a in book.alerts("state = 'open'")} == {"C2"}
    assert step(site, burn(clinic_id="C1", revision=2)) == [("harm", "moved")]
    assert step(site, burn(clinic_id="C1", revision=3)) == []


def test_another_patients_record_under_the_id_of_one_in_error_is_another_cause(site):
    """The two clinics number alike: the first was no burn, the second is."""
    site.land(("clinics", {"clinic_id": "C2", "timezone": "UTC"}))
    site.land(("patients", {"patient_id": "P3", "clinic_id": "C2", "enrolled_on": "2026-04-01"}))
    step(site, burn())
    error = burn(record_status="entered_in_error", revision=1)
    assert sorted(step(site, error, burn(patient_id="P3", clinic_id="C2"))) == [
        ("harm", "closed"),
        ("harm", "opened"),
    ]


def test_a_re_entry_under_a_new_id_is_another_record(site):
    """The wrong one is closed, the right one told."""
    step(site, burn())
    error = burn(record_status="entered_in_error", revision=1)
    assert sorted(step(site, error, burn(ae_id="E2"))) == [("harm", "closed"), ("harm", "opened")]
    assert standing(site) == {("harm", "E1"): ("now", "closed"), ("harm", "E2"): ("now", "open")}


def test_a_mark_of_error_that_is_taken_back_at_once_is_no_news(site):
    """Both landed before anybody looked: the same cause stands."""
    step(site, burn())
    assert step(site, burn(record_status="entered_in_error", revision=1), burn(revision=2)) == []
    assert standing(site) == {("harm", "E1"): ("now", "open")}


def merged(**given) -> tuple[str, dict]:
    fields = {
        "status_id": "M",
        "patient_id": "P1",
        "status": "merged",
        "merged_into": "P2",
        "effective_on": "2026-05-04",
    }
    return "patient_status", fields | given


def test_a_merge_of_two_who_both_have_alerts_keeps_both(site):
    """Two events of what is now one person; taken back, still two. Nobody is told anything
    again.
    """
    step(site, burn(), burn(ae_id="E2", patient_id="P2"))
    before = standing(site)
    assert step(site, merged()) == []
    assert standing(site) == before
    assert step(site, merged(record_status="entered_in_error", revision=1)) == []
    assert standing(site) == before


def test_a_merge_may_bring_sessions_too_close(site):
    """Two people's sessions of one day were within their limits; one person's are not."""
    site.land(("protocols", PROTOCOL | {"min_hours_between_sessions": 20.0, "revision": 1}))
    other = session(session_id="S2", patient_id="P2", started_at=NOW - timedelta(hours=4))
    assert step(site, session(), other) == []
    step(site, merged())
    assert standing(site) == {("sessions_too_close", "S1"): ("today", "open")}
    step(site, merged(record_status="entered_in_error", revision=1))
    assert standing(site) == {("sessions_too_close", "S1"): ("today", "closed")}


def test_a_clash_within_a_clinic_loses_no_alert_and_doubles_none(site):
    """One id for two people's burns, of two sources: the first alert stands as it was, the second
    is one of its own.
    """
    assert step(site, burn()) == [("harm", "opened")]
    told = step(site, burn(patient_id="P2", grade=2), source="urn:other")
    assert told == [("harm", "opened")]
    harm = {subject: state for (rule, subject), state in standing(site).items() if rule == "harm"}
    assert sorted(harm.values()) == [("now", "open"), ("now", "open")]
    site.restart()
    site.look()
    assert heard(site) == []
    settled = burn(patient_id="P2", record_status="entered_in_error", revision=1)
    assert step(site, settled, source="urn:other") == [("harm", "closed")]
    harm = sorted(state for (rule, _), state in standing(site).items() if rule == "harm")
    assert harm == [("now", "closed"), ("now", "open")]


def test_a_clash_that_a_merge_settles_is_one_event_again(site):
    """The two who had it are one person: one of the two alerts is closed, and the clash's."""
    step(site, burn())
    step(site, burn(patient_id="P2"), source="urn:other")
    told = step(site, merged())
    harm = sorted(state for (rule, _), (_, state) in standing(site).items() if rule == "harm")
    assert harm == ["closed", "open"]
    assert told == [("harm", "closed")]
    assert standing(site)["clash_of_ids", "adverse_events/E1"][1] == "closed"


def test_an_id_that_begins_with_its_clinic_is_another(site):
    """E1 of one patient and C1:E1 of another in clinic C1 are two burns, each told."""
    assert step(site, burn()) == [("harm", "opened")]
    assert step(site, burn(ae_id="C1:E1", patient_id="P2")) == [("harm", "opened")]
    assert len([1 for (rule, _) in standing(site) if rule == "harm"]) == 2


def test_a_patient_that_comes_to_be_known_is_no_new_harm(site):
    """The event landed before its patient: then the clinic is known, and whoever has it in hand
    keeps it.
    """
    assert step(site, burn(clinic_id=None, patient_id="P9")) == [("harm", "opened")]
    name = site.alert_id()
    told = step(
        site, ("patients", {"patient_id": "P9", "clinic_id": "C1", "enrolled_on": "2026-04-01"})
    )
    assert (told, site.alert_id(), standing(site)) == ([], name, {("harm", "E1"): ("now", "open")})


def test_what_a_person_closed_stays_closed_under_another_name(site):
    """A second source's record of the same id renames it, and is no harm itself."""
    step(site, burn())
    with Book(book_path(site.settings)) as book, book.change():
        book.update(site.alert_id(), state="closed")
    itch = burn(patient_id="P2", term="itch", injury_kind=None)
    assert ("harm", "opened") not in step(site, itch, source="urn:other")
    assert [state for (rule, _), (_, state) in standing(site).items() if rule == "harm"] == [
        "closed"
    ]


def test_a_correction_that_is_as_grave_changes_what_the_alert_says(site):
    """Of the same grade, and of frostbite: nobody is told again, and the book and the topic say it;
    another event id alone is no event of the topic.
    """
    step(site, burn(grade=3))
    site.deliveries(TOPIC)
    assert (
        step(site, burn(grade=3, term="frostbite, both hands", injury_kind="frostbite", revision=1))
        == []
    )
    [event] = site.deliveries(TOPIC)
    assert (event["payload"]["news"], event["payload"]["finding"]) == (
        "changed",
        "frostbite, both hands, grade 3",
    )
    assert (
        step(site, burn(grade=3, term="frostbite, both hands", injury_kind="frostbite", revision=2))
        == []
    )
    assert site.deliveries(TOPIC) == []


def test_an_alert_of_the_longest_id_lands(site):
    """Two clinics have an id of 200 characters: with its clinic before it, it is longer than the
    topic takes.
    """
    site.land(("clinics", {"clinic_id": "C2", "timezone": "UTC"}))
    site.land(("patients", {"patient_id": "P3", "clinic_id": "C2", "enrolled_on": "2026-04-01"}))
    step(site, burn(ae_id="E" * 200), burn(ae_id="E" * 200, patient_id="P3", clinic_id="C2"))
    assert len(site.echo()) == 3


def test_once_the_clash_that_was_told_is_settled_the_next_is_told(site):
    """Of three ids of two clinics one stands for the morning at any time; of one clinic each
    does.
    """
    site.land(("clinics", {"clinic_id": "C2", "timezone": "UTC"}))
    site.land(("patients", {"patient_id": "P3", "clinic_id": "C2", "enrolled_on": "2026-04-01"}))
    for ae_id in ("E1", "E2", "E3"):
        step(site, burn(ae_id=ae_id), burn(ae_id=ae_id, patient_id="P3", clinic_id="C2"))
    step(site, burn(patient_id="P3", clinic_id="C2", record_status="entered_in_error", revision=1))
    clashes = {
        subject: tier_state
        for (rule, subject), tier_state in standing(site).items()
        if rule == "clash_of_ids"
    }
    assert sorted(clashes.values()) == [("noted", "open"), ("today", "closed"), ("today", "open")]
    for ae_id in ("E7", "E8"):
        step(site, burn(ae_id=ae_id), source="urn:one")
        step(site, burn(ae_id=ae_id, patient_id="P2"), source="urn:two")
    clashes = {
        subject: tier_state
        for (rule, subject), tier_state in standing(site).items()
        if rule == "clash_of_ids"
    }
    assert {clashes["adverse_events/E7"], clashes["adverse_events/E8"]} == {("today", "open")}


def test_two_clinics_that_number_alike_are_told_of_once(site):
    """Of three ids of both the first is told in the morning, the others stand in the list; all have
    an alert.
    """
    site.land(("clinics", {"clinic_id": "C2", "timezone": "UTC"}))
    site.land(("patients", {"patient_id": "P3", "clinic_id": "C2", "enrolled_on": "2026-04-01"}))
    for ae_id in ("E1", "E2", "E3"):
        step(site, burn(ae_id=ae_id), burn(ae_id=ae_id, patient_id="P3", clinic_id="C2"))
    clashes = sorted(
        tier for (rule, _), (tier, _) in standing(site).items() if rule == "clash_of_ids"
    )
    assert clashes == ["noted", "noted", "today"]


@pytest.mark.parametrize("moment", [IN_2036, datetime(1970, 1, 1, tzinfo=UTC)])
def test_a_device_whose_clock_is_wrong_still_tells_how_cold_it_was(site, moment):
    """In 2036, or at its zero: the sample counts, its moment does not; told at once."""
    assert step(site, session()) == []
    assert step(site, cold(started_at=moment), time=moment) == [("cabin_too_cold", "opened")]
    assert standing(site)["cabin_too_cold", "S1"] == ("now", "open")


def test_an_event_of_2036_is_told_at_once_and_its_moment_doubted(site):
    """The onset can't be true, the burn can."""
    assert step(site, burn(onset_at=IN_2036), time=IN_2036) == [("harm", "opened")]
    found = standing(site)
    assert found["harm", "E1"] == ("now", "open")
    assert found["implausible_safety_record", "adverse_events/E1"][1] == "open"
    assert step(site, burn(revision=1)) == []
    assert standing(site)["implausible_safety_record", "adverse_events/E1"][1] == "closed"


def test_a_session_of_2036_is_judged_by_what_was_measured(site):
    """When it was is not known; that the cabin was too cold is."""
    step(site, session(started_at=IN_2036, cabin_min_temp_c=-150.0), time=IN_2036)
    found = standing(site)
    assert found["implausible_safety_record", "sessions/S1"] == ("today", "open")
    assert ("session_without_clearance", "S1") not in found


@pytest.mark.parametrize("start", [IN_2036, datetime(1970, 1, 1, tzinfo=UTC)])
def test_a_session_of_a_wrong_clock_without_clearance_is_told(site, start):
    """Nothing clears P3, whenever it was; corrected, it stays told, for nothing cleared it then
    either.
    """
    site.land(("patients", {"patient_id": "P3", "clinic_id": "C1", "enrolled_on": "2026-04-01"}))
    wrong = session(patient_id="P3", started_at=start)
    assert ("session_without_clearance", "opened") in step(site, wrong)
    step(site, session(patient_id="P3", revision=1))
    assert standing(site)["session_without_clearance", "S1"] == ("now", "open")


def test_a_status_of_no_list_and_a_series_of_a_cancelled_session_are_told(site):
    """Completed: judged. Cancelled: judged once something was measured in it; corrected, the
    contradiction is closed.
    """
    assert step(site, session(status="Completed", duration_s=300)) == [
        ("exposure_too_long", "opened")
    ]
    cancelled = session(session_id="S2", status="cancelled", started_at=NOW - timedelta(hours=3))
    assert step(site, cancelled) == []
    assert step(site, cold(session_id="S2")) == [("cabin_too_cold", "opened")]
    assert standing(site)["contradiction", "sessions/S2"] == ("today", "open")
    step(site, (*cancelled[:1], cancelled[1] | {"status": "aborted", "revision": 1}))
    assert standing(site)["contradiction", "sessions/S2"] == ("today", "closed")
    assert standing(site)["cabin_too_cold", "S2"] == ("now", "open")


def test_a_series_of_a_device_that_is_out_of_use_is_its_use(site):
    """The session names no device, or another; taken back, the series says nothing; retired later,
    it is told too.
    """
    out = ("devices", {"device_id": "D1", "kind": "cryo", "retired_on": "2026-05-01"})
    site.land(out)
    assert step(site, session(device_id=None), cold(values=[-110.0])) == [
        ("device_retired_in_use", "opened")
    ]
    with Book(book_path(site.settings)) as book:
        assert book.alerts()[0]["device_id"] == "D1"
    other = session(session_id="S2", device_id="D2", started_at=NOW - timedelta(hours=4))
    at = other[1]["started_at"]
    assert step(site, other, cold(session_id="S2", started_at=at, values=[-110.0])) == [
        ("device_retired_in_use", "opened")
    ]
    taken_back = {
        "retraction_id": "R",
        "device_id": "D1",
        "from": NOW - timedelta(days=1),
        "to": NOW,
        "reason": "wrong file",
    }
    assert step(site, ("retractions", taken_back)) == [("device_retired_in_use", "closed")] * 2
    step(
        site,
        session(session_id="S3", device_id=None, started_at=NOW),
        cold(device_id="D3", session_id="S3", started_at=NOW, values=[-110.0]),
    )
    retired = ("devices", {"device_id": "D3", "kind": "cryo", "retired_on": "2026-05-04"})
    assert step(site, retired) == [("device_retired_in_use", "opened")]


def test_a_burn_is_told_with_its_sessions_device(site):
    """So that whoever else was on it can be asked for."""
    step(site, session(), burn(session_id="S1"))
    with Book(book_path(site.settings)) as book:
        assert [a["device_id"] for a in book.alerts() if a["rule"] == "harm"] == ["D1"]


def test_a_replay_of_everything_tells_nobody(site):
    """The same events again, on a topic that was made anew, and after a restart."""
    records = [(*session(duration_s=300), "a"), (*burn(), "b"), (*cold(), "c"), (*CLEARED[0], "d")]
    told = step(site, *records)
    assert sorted(told) == [
        ("cabin_too_cold", "opened"),
        ("exposure_too_long", "opened"),
        ("harm", "opened"),
    ]
    assert step(site, *records) == []
    assert step(site, *records, topic_id="T2") == []
    site.restart()
    site.look()
    assert heard(site) + site.deliveries(TOPIC)[3:] == []


def test_what_lands_late_waits_for_the_morning(site):
    """A session of last week, a burn of last month but one: nobody can act on them at night."""
    week, months = NOW - timedelta(days=7), NOW - timedelta(days=50)
    assert step(site, session(started_at=week, duration_s=300), burn(onset_at=months)) == []
    assert standing(site)["exposure_too_long", "S1"] == ("today", "open")
    assert standing(site)["harm", "E1"] == ("today", "open")
    site.now = datetime(2026, 5, 5, 5, 1, tzinfo=UTC)
    site.watcher.tick(now=site.now)
    [digest] = site.deliveries("all")
    assert digest["payload"]["alerts_by_rule"] == {"exposure_too_long": 1, "harm": 1}


def test_harm_that_grows_worse_after_its_30th_day_is_told_at_once(site):
    """A burn of grade 1, told when it happened; after 40 days it is of grade 3, after 50 the
    patient is dead of it.
    """
    assert step(site, burn()) == [("harm", "opened")]
    onset = {"onset_at": NOW}
    for days, given in ((40, {"grade": 3}), (50, {"outcome": "Fatal"})):
        site.now = NOW + timedelta(days=days)
        assert step(site, burn(**onset, **given, revision=days)) == [("harm", "raised")]
        assert standing(site)["harm", "E1"] == ("now", "open")


def test_care_after_a_death_is_a_contradiction_until_one_is_corrected(site):
    """The session is set aside, its limits with it; the death taken back, they are judged and
    told.
    """
    died = {"status_id": "Z", "patient_id": "P1", "status": "died", "effective_on": "2026-05-01"}
    assert step(site, session(duration_s=300)) == [("exposure_too_long", "opened")]
    assert step(site, ("patient_status", died)) == [("exposure_too_long", "closed")]
    assert standing(site)["contradiction", "sessions/S1"] == ("today", "open")
    error = ("patient_status", died | {"record_status": "entered_in_error", "revision": 1})
    assert step(site, error) == [("exposure_too_long", "opened_again")]
    assert standing(site)["contradiction", "sessions/S1"] == ("today", "closed")


def test_an_event_after_a_death_is_told_all_the_same(site):
    """Harm is harm, whichever of the two records is wrong."""
    died = {"status_id": "Z", "patient_id": "P1", "status": "died", "effective_on": "2026-05-01"}
    assert step(site, ("patient_status", died), burn()) == [("harm", "opened")]


def test_a_series_that_is_taken_back_closes_what_it_showed(site):
    """It was another device's file; landed again, it tells again."""
    assert step(site, session(), cold()) == [("cabin_too_cold", "opened")]
    taken_back = {
        "retraction_id": "R",
        "device_id": "D1",
        "from": NOW - timedelta(days=1),
        "to": NOW,
        "reason": "the file of another device",
    }
    assert step(site, ("retractions", taken_back)) == [("cabin_too_cold", "closed")]
    site.now += timedelta(minutes=1)
    assert step(site, cold()) == [("cabin_too_cold", "opened_again")]


def test_now_is_held_back_by_no_hour_and_no_digest(site):
    """At three in the morning of the clinic, while a digest of it waits for a sink that does not
    answer.
    """
    step(site, burn(injury_kind="nerve", term="numb toe"))
    site.now = datetime(2026, 5, 5, 5, 1, tzinfo=UTC)
    site.watcher.tick(now=site.now)
    with Book(book_path(site.settings)) as book:
        [digest] = book.due("all", now=site.now)
        book.failed(digest["number"], error="down", due_at=site.now + timedelta(days=2))
    site.now = datetime(2026, 5, 6, 1, 0, tzinfo=UTC)  # 03:00 in Berlin
    assert step(site, burn(ae_id="E2", onset_at=site.now)) == [("harm", "opened")]


def test_a_clinic_that_falls_silent_is_told_until_it_speaks(site):
    """A session a day for twelve days, then none for three; out of use is no silence."""
    for k in range(12):
        site.now = NOW + timedelta(days=k)
        site.land(
            session(session_id=f"D{k}", started_at=site.now),
            cold(session_id=f"D{k}", started_at=site.now, values=[-110.0]),
        )
    site.look()
    site.now += timedelta(days=3)
    site.watcher.measure(now=site.now)
    silent = {
        subject
        for (rule, subject), (_, state) in standing(site).items()
        if rule == "silence" and state == "open"
    }
    assert {"C1", "D1", "floe.sessions.v1"} <= silent
    site.land(("devices", {"device_id": "D1", "kind": "cryo", "retired_on": site.now.date()}))
    site.look()
    for days, state in ((40, ("noted", "open")), (41, ("noted", "closed"))):
        site.now = NOW + timedelta(days=days)
        if state[1] == "closed":
            site.land(session(session_id="S9", started_at=site.now))
            site.look()
        site.watcher.measure(now=site.now)
        assert standing(site)["silence", "C1"] == state
    assert standing(site)["silence", "D1"][1] == "closed"
