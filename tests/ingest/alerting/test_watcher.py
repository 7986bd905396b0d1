"""The watcher on a real lake: what lands becomes alerts in the book, once each, and what changes
them.

Here: events landed without Kafka, looked at step by step. Not here: which records are causes
(tests/transforms/alerting), sending (test_sinks.py), a process that is killed (tests/faults).
"""

from datetime import UTC, datetime, timedelta
from itertools import chain

import pytest

from ingest.alerting import watcher
from ingest.alerting.duty import TOPIC
from ingest.alerting.kept import Kept
from ingest.alerting.standing import PEOPLE
from ingest.alerting.watcher import Watcher
from tests.alert_site import DUTY, NOW, burn, opened


@pytest.fixture
def site(tmp_path, with_lake):
    with opened(tmp_path, with_lake) as site:
        yield site


def test_a_burn_that_lands_is_told_once(site):
    """To the topic and to who is on duty; not again when read again, sent again, or after a
    restart.
    """
    site.land(burn())
    site.look()
    assert site.alerts() == [("harm", "E1", "open")]
    assert (site.news("first"), site.news("second"), site.news("all")) == (
        ["opened"],
        [],
        ["opened"],
    )
    [event] = site.deliveries(TOPIC)
    assert (
        event["payload"] | {"news": "opened", "tier": "now", "level": 1, "gravity": 21}
        == event["payload"]
    )
    site.look()
    site.restart()
    site.look()
    site.land(burn())  # sent again under another id
    site.land(("adverse_events", burn()[1], "e4"))  # and once more under its own
    site.look()
    assert site.news("first") + site.news("all") + site.news(TOPIC) == []


def test_harm_is_told_ahead_of_the_whole_look(site, monkeypatch):
    """It is told though the look at all else fails; once that succeeds, nothing is told again, and
    a correction counts.
    """
    site.look()
    with monkeypatch.context() as failing:
        failing.setattr(Watcher, "_judge", _fails)
        site.land(burn())
        with pytest.raises(RuntimeError):
            site.look()
        assert site.news("first") == ["opened"]
    site.restart()
    site.look()
    assert (site.alerts(), site.news("first")) == ([("harm", "E1", "open")], [])
    site.land(burn(record_status="entered_in_error", revision=1))
    site.look()
    assert (site.alerts(), site.news("first")) == ([("harm", "E1", "closed")], ["closed"])


def _fails(*_, **__) -> None:
    raise RuntimeError("the whole look failed")


def test_harm_that_lands_during_a_look_overtakes_it(site, monkeypatch):
    """It is told before the look ends, and what that look still knew of it undoes nothing; nor does
    a failure then.
    """
    monkeypatch.setattr(watcher, "_LOOK_S", 0.0)
    site.look()
    lands, told = iter([burn(grade=3, revision=1), burn(ae_id="E2", patient_id="P2")]), []

    def in_between():
        if harm := next(lands, None):
            site.land(harm)
        told.append(site.news("first"))

    site.watcher._alive = in_between
    site.land(burn())
    site.now = NOW + timedelta(minutes=1)  # a look's clock goes on
    assert site.watcher.step(now=NOW)
    assert told[:4] == [["opened"], ["raised"], ["opened"], []]
    site.look()
    assert (site.alerts(), list(chain(*told))) == (
        [("harm", "E1", "open"), ("harm", "E2", "open")],
        ["opened", "raised", "opened"],
    )


def test_what_fails_between_the_steps_of_a_look_is_no_patients_fault(site, monkeypatch):
    """The look is given up, everything is taken in again after a restart, and nobody is told of as
    not judged.
    """
    monkeypatch.setattr(watcher, "_LOOK_S", 0.0)
    site.look()
    session = {
        "session_id": "S1",
        "patient_id": "P1",
        "clinic_id": "C1",
        "modality": "local",
        "started_at": NOW,
    }
    site.land(("sessions", session))
    with monkeypatch.context() as failing:
        failing.setattr(
            site.watcher, "_alive", lambda: failing.setattr(Watcher, "_take_in", _fails)
        )
        with pytest.raises(RuntimeError, match="the whole look failed"):
            site.watcher.step(now=NOW)
    site.restart()
    site.look()
    assert [rule for rule, _, _ in site.alerts()] == ["session_without_clearance"]


def test_what_leaves_is_what_the_sink_may_have(site):
    """Least: the rule, the clinic, a link; nothing of a person, no value."""
    site.land(burn(grade=3))
    site.look()
    [least], [more] = site.deliveries("first"), site.deliveries("all")
    assert least["payload"]["link"] == f"https://floe.example/safety?alert={site.alert_id()}"
    assert not {"subject_id", "patient_id", "finding", "evidence", "device_id"} & set(
        least["payload"]
    )
    assert "P1" not in str(least["payload"])
    assert "E1" not in str(least["payload"])
    assert (more["payload"]["subject_id"], "finding" in more["payload"]) == ("E1", False)


def test_corrections_raise_and_close(site):
    """Grade 1 to 3 tells again; entered in error closes and says so to whom it was told; a re-entry
    opens again.
    """
    site.land(burn())
    site.look()
    site.land(burn(grade=3, revision=1))
    site.look()
    assert site.news("first") == ["opened", "raised"]
    site.land(burn(record_status="entered_in_error", revision=2))
    site.look()
    assert site.news("first") == ["closed"]
    assert site.alerts() == [("harm", "E1", "closed")]
    site.land(burn(grade=2, revision=3))
    site.look()
    assert site.news("first") == ["opened_again"]


@pytest.mark.parametrize("state", ["closed", "acknowledged", "investigating"])
def test_an_act_that_did_not_see_a_raise_leaves_the_alert_open(site, state):
    """Written on the state before it: whoever is on duty hears of it once more; the next act, which
    has seen it, counts.
    """
    site.land(burn())
    site.look()
    site.land(burn(grade=5, outcome="fatal", revision=1))
    site.look()
    assert site.news("first") == ["opened", "raised"]
    alert = {"alert_id": site.alert_id(), "rule": "harm", "occurred_at": NOW, "recorded_at": NOW}
    act = {"state": state, "finding": "harmless", "recorded_by_role": "Dr. A"}
    site.land(("alerts", alert | act | {"revision": 1}), source=PEOPLE)
    site.look()
    assert (site.alerts(), site.news("first")) == ([("harm", "E1", "open")], ["opened_again"])
    [*_, event] = site.deliveries(TOPIC)
    assert (event["payload"]["state"], event["payload"]["revision"]) == ("open", 2)
    assert "Dr. A took it for" in event["payload"]["finding"]
    site.land(("alerts", alert | act | {"revision": 3}), source=PEOPLE)
    site.look()
    assert site.alerts() == [("harm", "E1", state)]


def test_what_people_do_is_heard_and_told(site):
    """Acknowledged on the topic: no escalation; closed by a person: it stays closed for the same
    cause.
    """
    site.land(burn())
    site.look()
    said = {
        "alert_id": site.alert_id(),
        "rule": "harm",
        "occurred_at": NOW,
        "state": "acknowledged",
    }
    said |= {"acknowledged_by": "nurse", "revision": 1, "recorded_at": NOW}
    site.land(("alerts", said), source="/floe")
    site.look()
    site.now = NOW + timedelta(hours=2)
    site.watcher.tick(now=site.now)
    assert (site.news("first"), site.news("second")) == (["opened", "acknowledged"], [])
    said |= {"state": "closed", "finding": "treated", "revision": 2, "recorded_at": site.now}
    site.land(("alerts", said), source="/floe")
    site.land(burn(body_site="calf"))
    site.look()
    assert site.alerts() == [("harm", "E1", "closed")]
    assert site.news("first") == ["closed"]


def test_who_does_not_acknowledge_is_followed_by_the_next(site):
    """After ten minutes the second on the list, and nobody twice."""
    site.land(burn())
    site.look()
    for minutes, expected in ((9, []), (10, ["unacknowledged"]), (60, [])):
        site.now = NOW + timedelta(minutes=minutes)
        site.watcher.tick(now=site.now)
        assert site.news("second") == expected


def test_today_waits_for_the_clinics_morning(site):
    """One delivery with a count by rule, at seven of the clinic's clock; now is not held back by
    it.
    """
    site.land(burn(injury_kind="nerve", term="numb toe"))
    site.look()
    site.watcher.tick(now=NOW)
    assert site.news("all") == []
    site.now = datetime(2026, 5, 5, 5, 1, tzinfo=UTC)  # 07:01 in Berlin
    site.watcher.tick(now=site.now)
    [digest] = site.deliveries("all")
    assert digest["payload"]["alerts_by_rule"] == {"harm": 1}
    assert digest["payload"]["clinic_id"] == "C1"
    site.watcher.tick(now=site.now)
    assert site.news("all") == []


def test_a_book_that_was_lost_is_made_again_from_the_topic(site):
    """What was told before is not told again; what a person had closed stays closed."""
    site.land(burn(), burn(ae_id="E2", grade=4))
    site.look()
    site.echo()
    site.watcher.__exit__()
    for file in site.settings.home.glob("alerts.sqlite*"):
        file.unlink()
    site.watcher = Watcher(site.settings, DUTY, site.lake)
    site.look()
    assert site.alerts() == [("harm", "E1", "open"), ("harm", "E2", "open")]
    assert site.news("first") + site.news(TOPIC) == []


def test_a_merge_and_a_clash_leave_one_alert_a_cause(site):
    """The patient becomes another: same event, same alert. Another clinic's event of that id: an
    alert of its own.
    """
    site.land(burn())
    site.look()
    merge = {
        "status_id": "M",
        "patient_id": "P1",
        "status": "merged",
        "merged_into": "P2",
        "effective_on": "2026-05-04",
    }
    site.land(("patient_status", merge))
    site.look()
    assert site.alerts() == [("harm", "E1", "open")]
    assert site.news("first") == ["opened"]
    other = {"patient_id": "Q1", "clinic_id": "C2", "enrolled_on": "2026-04-01"}
    site.land(
        ("clinics", {"clinic_id": "C2", "timezone": "UTC"}), ("patients", other), source="urn:other"
    )
    site.land(burn(patient_id="Q1", clinic_id="C2", grade=2), source="urn:other")
    site.look()
    harm = [alert for alert in site.alerts() if alert[0] == "harm"]
    assert harm == [("harm", "C1:E1", "open"), ("harm", "C2:E1", "open")]
    assert site.news("first") == ["opened"]


def test_a_device_that_is_taken_out_of_use_tells_of_sessions_that_were_on_it(site):
    """The device's record alone lands: the session of that day is looked at again."""
    session = {
        "session_id": "S1",
        "patient_id": "P1",
        "clinic_id": "C1",
        "modality": "local",
        "device_id": "D1",
    }
    site.land(
        ("devices", {"device_id": "D1", "kind": "cryo"}),
        ("sessions", session | {"started_at": NOW}),
    )
    site.look()
    before = site.alerts()
    site.land(
        ("devices", {"device_id": "D1", "kind": "cryo", "retired_on": "2026-05-04", "revision": 1})
    )
    site.look()
    assert set(site.alerts()) - set(before) == {("device_retired_in_use", "S1", "open")}


def test_the_system_is_measured_and_its_alerts_close_themselves(site):
    """A check that failed is told in the morning; once its newest run passes its alert is closed.
    Other alerts stay.
    """
    site.land(burn())
    site.look()
    row = {
        "table": "core.sessions",
        "check": "key",
        "failing_rows": 2,
        "rows": 9,
        "lake_snapshot": 1,
    }
    for minutes, is_passed in ((0, False), (1, True)):
        site.now = NOW + timedelta(minutes=minutes)
        site.checked(row | {"is_passed": is_passed, "checked_at": site.now, "sample": None})
        site.watcher.measure(now=site.now)
        state = "closed" if is_passed else "open"
        mine = [alert for alert in site.alerts() if alert[0] in ("harm", "check_failed")]
        assert mine == [("check_failed", "core.sessions/key", state), ("harm", "E1", "open")]


def test_a_report_comes_to_be_due_by_time_alone(site):
    """Ten working days of an American user facility: a reminder, the last day, overdue; closed for
    good by a person.
    """
    us = {"clinic_id": "C9", "timezone": "UTC", "country": "US", "is_device_user_facility": True}
    patient = {"patient_id": "P9", "clinic_id": "C9", "enrolled_on": "2026-04-01"}
    event = burn(
        ae_id="E9", patient_id="P9", clinic_id="C9", is_serious=True, related="causal", aware_at=NOW
    )
    site.land(("clinics", us), ("patients", patient), event)
    site.look()
    assert [alert for alert in site.alerts() if alert[0] == "report_due"] == []
    told = {}
    for day in range(1, 20):
        site.now = NOW + timedelta(days=day)
        site.watcher.look_at_reports(now=site.now)
        site.watcher.look_at_reports(now=site.now)
        if news := [
            d["payload"]["news"]
            for d in site.deliveries(TOPIC)
            if d["payload"]["rule"] == "report_due"
        ]:
            told[day] = news
    assert told == {11: ["opened"], 14: ["raised"], 15: ["raised"]}
    site.land(
        burn(**event[1] | {"reported_at": site.now, "reported_to": "manufacturer", "revision": 2})
    )
    site.look()
    [(_, _, state)] = [alert for alert in site.alerts() if alert[0] == "report_due"]
    assert state == "closed"


def test_harm_is_told_before_the_series_of_a_long_history_are_read(site, monkeypatch):
    """A watcher that was down, or starts on a lake with years in it, tells of a burn first; then of
    what series show.
    """
    use = {
        "session_id": "S1",
        "patient_id": "P1",
        "clinic_id": "C1",
        "modality": "local",
        "started_at": NOW,
    }
    series = {
        "device_id": "D1",
        "session_id": "S1",
        "signal": "cabin_temp_c",
        "interval_s": 60.0,
        "started_at": NOW,
    }
    out = ("devices", {"device_id": "D1", "kind": "cryo", "retired_on": "2026-05-01"})
    site.land(("telemetry", series | {"values": [-110.0]}), ("sessions", use), out, burn())
    told, take = [], Kept._take

    def read(kept, lake, name, *where, **at):
        if name == "telemetry":
            told.append([rule for rule, *_ in site.alerts()])
        return take(kept, lake, name, *where, **at)

    monkeypatch.setattr(Kept, "_take", read)
    site.restart()
    site.look()
    assert told[0] == ["harm"]
    assert {rule for rule, *_ in site.alerts()} == {
        "harm",
        "session_without_clearance",
        "device_retired_in_use",
    }
