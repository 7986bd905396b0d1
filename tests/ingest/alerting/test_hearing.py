"""What the alerts' topic says of alerts: others' are told once, people's acts hold, and nothing
written there stops the watcher.

Here: rows of raw.alerts on a real lake. Not here: the watcher's own causes (test_watcher.py).
"""

import json
from datetime import UTC, datetime, timedelta

import pytest

from ingest.alerting.book import Book
from ingest.alerting.book_file import book_path
from ingest.alerting.duty import TOPIC
from ingest.alerting.own_events import MOST_REVISION, SOURCE
from ingest.alerting.standing import Act, act, alerts
from ingest.alerting.watcher import Watcher
from ingest.lake import Lake
from ingest.settings import Settings
from tests.alert_site import DUTY, HOME, NOW, Site, burn

INGEST, FORMERLY, PEOPLE = "/floe/ingest", "/floe/core", "/floe"


@pytest.fixture
def site(tmp_path, with_lake):
    settings = Settings(home=with_lake(tmp_path), catalog="", data="", kafka_bootstrap="")
    with Lake.open(settings) as lake:
        site = Site(settings, lake)
        site.land(*HOME)
        yield site
        site.watcher.__exit__()


def unreadable(**given) -> tuple[str, dict]:
    """As ingest writes it (reject_alerts.py)."""
    fields = {
        "alert_id": "unreadable-floe.sessions.v1-json-20260504T12Z",
        "rule": "unreadable_safety_record",
    }
    fields |= {
        "severity": "red",
        "tier": "now",
        "subject_kind": "record",
        "subject_id": "floe.sessions.v1/0/7",
    }
    fields |= {
        "evidence": ["floe.sessions.v1/0/7"],
        "occurred_at": NOW,
        "state": "open",
        "revision": 1,
    }
    return "alerts", fields | {"finding": "1 record could not be read.", "recorded_at": NOW} | given


def hear(site: Site, *records: tuple, source: str) -> list[str]:
    """What the sink that hears all is told of them."""
    site.land(*records, source=source)
    site.look()
    return site.news("all")


def test_an_unreadable_record_is_told_once_and_its_count_pages_nobody(site):
    """The end of the hour says how many there were: same state, another finding. Closing tells, a
    further record too.
    """
    assert hear(site, unreadable(), source=INGEST) == ["opened"]
    assert hear(site, unreadable(revision=40, finding="40 records"), source=INGEST) == []
    assert hear(
        site, unreadable(revision=41, state="closed", finding="all read"), source=INGEST
    ) == ["closed"]
    assert hear(site, unreadable(revision=42, finding="1 more"), source=INGEST) == ["opened_again"]
    site.restart()
    site.look()
    assert site.news("all") + site.news(TOPIC) == []


def test_what_somebody_has_in_hand_stays_so_when_the_count_comes(site):
    """Ingest keeps the state that it read; no escalation, no second call."""
    hear(site, unreadable(), source=INGEST)
    act = unreadable(state="acknowledged", revision=2, acknowledged_by="op", recorded_at=NOW)
    assert hear(site, act, source=PEOPLE) == ["acknowledged"]
    assert (
        hear(site, unreadable(state="acknowledged", revision=9, finding="9 records"), source=INGEST)
        == []
    )
    [(_, _, state)] = site.alerts()
    assert state == "acknowledged"


def test_an_act_without_a_revision_is_told_too(site):
    """A delivery is named by its revision: one that took that of the opening would be taken for
    it.
    """
    hear(site, unreadable(), source=INGEST)
    assert hear(site, unreadable(state="closed", revision=None), source=PEOPLE) == ["closed"]


@pytest.mark.parametrize(
    "given",
    [
        {"rule": "no such rule"},
        {"rule": "harm", "subject_kind": "adverse_event", "subject_id": "E1"},
        {"tier": None},
        {"tier": "at once!"},
        {"state": None},
        {"state": "exploded"},
        {"revision": 2**31 - 1},
        {"gravity": 2**31 - 1, "level": 2**31 - 1},
        {"alert_id": "x" * 200},
        {"alert_id": "harm-0123456789abcdef"},
        {"evidence": None, "subject_id": None, "subject_kind": None},
        {"clinic_id": "nobody's'; --"},
        {"finding": None},
    ],
)
def test_nothing_that_is_written_there_stops_the_watcher(site, given):
    """Whatever a field holds: it looks, ticks and digests on, and a burn that lands after it is
    told.
    """
    site.land(unreadable(**given), source="urn:forged")
    site.look()
    site.land(burn(), unreadable(**given | {"finding": "again"}), source="urn:forged")
    site.look()
    for days in (0, 1):
        site.now = NOW + timedelta(days=days)
        site.watcher.tick(now=site.now)
    assert [d["payload"]["rule"] for d in site.deliveries("first")].count("harm") >= 1


@pytest.mark.parametrize(
    "given",
    [
        {"state": "closed", "news": "closed", "revision": 1, "finding": "the cause is gone"},
        {"state": "closed", "revision": None},
        {"state": "closed", "revision": MOST_REVISION},
        {"state": "acknowledged", "acknowledged_by": "nobody", "revision": 7},
        {"tier": "noted", "revision": 1},
        {"state": "closed", "revision": 1, "recorded_at": datetime(2036, 1, 1, tzinfo=UTC)},
    ],
)
def test_what_is_written_in_floes_name_and_not_by_it_is_undone_and_told(site, given):
    """Whoever may write to the topic closes, takes or lowers somebody's alert: it stands as it did
    in the book, on the page and in the list, and is told once more; what comes of it then is shown,
    and a person can still act on it.
    """
    site.land(burn())
    site.look()
    site.echo()
    site.look()
    site.news("first")
    site.now += timedelta(minutes=1)
    forged = {
        "alert_id": site.alert_id(),
        "rule": "harm",
        "subject_kind": "adverse_event",
        "subject_id": "E1",
    }
    forged |= {
        "clinic_id": "C1",
        "tier": "now",
        "occurred_at": NOW,
        "state": "open",
        "gravity": 99,
        "recorded_at": site.now,
    }
    rows = ("alerts", forged | given, "forged")
    site.land(rows, source=SOURCE)
    site.look()
    assert site.alerts() == [("harm", "E1", "open")]
    assert site.news("first") == ["opened_again"]
    site.now += timedelta(minutes=1)
    site.echo()
    site.land(burn(grade=3, revision=1))
    site.look()
    assert site.news("first") == ["raised"]
    site.now += timedelta(minutes=1)
    site.echo()
    site.look()
    [shown] = alerts(site.lake).iter_rows(named=True)
    assert (shown["state"], shown["tier"], shown["gravity"], site.news("first")) == (
        "open",
        "now",
        23,
        [],
    )
    site.now += timedelta(minutes=1)
    person = Act(state="acknowledged", by="Dr A")
    event = json.loads(act(site.lake.table("raw.alerts"), site.alert_id(), person, now=site.now)[2])
    site.land(("alerts", event["data"], event["id"]), source=PEOPLE)
    site.look()
    [shown] = alerts(site.lake).iter_rows(named=True)
    assert (site.alerts(), shown["state"]) == ([("harm", "E1", "acknowledged")], "acknowledged")


def test_an_alert_in_floes_name_that_the_book_does_not_know_is_another_programs(site):
    """It is told, and says whose it is not; a look that finds no cause of it does not close it."""
    theirs = unreadable(
        alert_id="harm-0123456789abcdef", rule="harm", subject_kind="adverse_event", subject_id="E9"
    )
    assert hear(site, theirs, source=SOURCE) == ["opened"]
    with Book(book_path(site.settings)) as book:
        assert book.alerts()[0]["finding"].endswith("written in Floe's name, and not by it")


def test_what_floe_says_of_an_alert_fits_the_topic(site):
    """However long the name is under which somebody closed it blindly: an event that is too long
    would be rejected.
    """
    site.land(burn())
    site.look()
    blind = {
        "alert_id": site.alert_id(),
        "rule": "harm",
        "occurred_at": NOW,
        "state": "closed",
        "revision": 0,
    }
    site.land(("alerts", blind | {"recorded_by_role": "x" * 4_000}), source=PEOPLE)
    site.look()
    assert [d["payload"]["news"] for d in site.echo()] == ["opened", "opened_again"]


def test_an_alert_of_another_program_is_not_closed_by_a_look(site):
    """Its cause is not among those that Floe sees: only its writer or a person closes it."""
    theirs = unreadable(
        alert_id="theirs", rule="theirs", subject_kind="adverse_event", subject_id="E1", gravity=30
    )
    site.land(theirs, burn(), source="urn:theirs")
    site.look()
    site.land(burn(grade=2))
    site.look()
    assert ("theirs", "E1", "open") in site.alerts()


def test_alerts_under_former_names_go_on_under_the_watchers_and_nobody_is_told(site):
    """A home whose alerts an earlier release wrote: the former is closed, naming its successor, in
    the state it had.
    """
    future = burn(onset_at=datetime(2036, 1, 1, tzinfo=UTC), injury_kind="nerve", term="numb")
    old = {
        "rule": "implausible_safety_record",
        "subject_kind": "adverse_events",
        "subject_id": "E1",
        "clinic_id": "C1",
    }
    old |= {
        "alert_id": "implausible_safety_record-0011223344556677",
        "tier": "today",
        "occurred_at": NOW,
    }
    site.land(
        ("alerts", old | {"state": "open", "finding": "onset_at in_the_future"}), source=FORMERLY
    )
    acted = old | {"state": "acknowledged", "finding": "asked", "revision": 1, "recorded_at": NOW}
    site.land(future, ("alerts", acted), source=PEOPLE)
    site.look()
    site.now = NOW + timedelta(days=1)
    site.watcher.tick(now=site.now)
    of_rule = [alert for alert in site.alerts() if alert[0] == "implausible_safety_record"]
    assert of_rule == [
        ("implausible_safety_record", "E1", "closed"),
        ("implausible_safety_record", "adverse_events/E1", "acknowledged"),
    ]
    assert [d["payload"]["alerts_by_rule"] for d in site.deliveries("all")] == [{"harm": 1}]


def test_a_series_after_a_death_and_a_clash_are_one_alert_each_with_a_short_name(site):
    """Hours of care after a death, ids as long as they may be: a name of rule and 16 digits, told
    once.
    """
    long = "9" * 200
    died = {"status_id": "D", "patient_id": "P1", "status": "died", "effective_on": "2026-04-20"}
    care = {"patient_id": "P1", "clinic_id": "C1", "occurred_at": NOW, "outcome": "cleared"}
    site.land(
        ("patient_status", died),
        *(("consults", care | {"consult_id": long[:-1] + str(k)}) for k in range(2)),
    )
    site.look()
    names = [
        d["payload"]["alert_id"]
        for d in site.deliveries(TOPIC)
        if d["payload"]["rule"] == "contradiction"
    ]
    assert len(names) == len(set(names)) == 2
    assert all(len(name) == len("contradiction-") + 16 for name in names)
    site.land(("consults", care | {"consult_id": long[:-1] + "0"}))
    site.look()
    assert site.news(TOPIC) == []


def test_a_book_older_than_the_lake_takes_what_was_told_from_the_topic(site):
    """Restored from a copy: what was raised and acknowledged since is not told again."""
    site.land(burn())
    site.look()
    site.deliveries("first")
    with Book(book_path(site.settings)) as book:
        before = {
            path.name: path.read_bytes() for path in site.settings.home.glob("alerts.sqlite*")
        }
        assert book.positions()
    site.land(burn(grade=3, revision=2))
    site.look()
    assert site.news("first") == ["raised"]
    site.echo()
    act = {"alert_id": site.alert_id(), "rule": "harm", "occurred_at": NOW, "state": "acknowledged"}
    site.land(
        ("alerts", act | {"revision": 2, "recorded_at": NOW + timedelta(minutes=1)}), source=PEOPLE
    )
    site.look()
    site.watcher.__exit__()
    for path in site.settings.home.glob("alerts.sqlite*"):
        path.unlink()
    for name, content in before.items():
        (site.settings.home / name).write_bytes(content)
    site.watcher = Watcher(site.settings, DUTY, site.lake)
    site.look()
    assert site.alerts() == [("harm", "E1", "acknowledged")]
    assert site.news("first") == []
