"""Alerts taken in hand from the page: what is sent, what is refused in a sentence, and two people
at once.

Here: acts on the small lake, what Kafka would be given. Not here: the event
(tests/ingest/alerting/test_standing.py), a browser, Kafka itself.
"""

import threading
from datetime import timedelta

import orjson
import pytest

from dashboards.pages.alerts import acts as alert_acts
from dashboards.pages.alerts import form
from dashboards.pages.alerts import opened as alert_opened
from dashboards.pages.alerts.acts import Acts
from ingest.alerting.standing import Act
from tests.dashboards.rows import CUT, frame
from tests.dashboards.small_lake import alert, alerts
from tests.dashboards.test_alerts import said
from transforms.errors import BrokerMissing, HomeReadOnly
from transforms.schemas import RAW_TABLES

NOW = CUT + timedelta(minutes=14)
SEEN = {"alert_id": "AL1", "revision": 0}
BY_A = Act(state="acknowledged", by="Dr. A")


class Kafka:
    """Takes what is published, or does not answer."""

    def __init__(self, *, answers: bool = True) -> None:
        self.answers, self.events = answers, []

    def publish(self, settings, records) -> int:
        if not self.answers:
            raise BrokerMissing("no Kafka answers at 127.0.0.1:1: start it")
        self.events += [orjson.loads(value) for _, _, value in records]
        return len(records)


def attempt(reader, acts: Acts, given: Act, *, seen=SEEN, now=NOW):
    return form.attempt(reader, acts, seen, given, now=now)


def test_an_act_is_sent(staff):
    """To the alerts' topic, of the revision after the one that was shown; the page says that it
    lands in a moment.
    """
    kafka = Kafka()
    acts = Acts(staff.settings, kafka.publish)
    answer = attempt(staff, acts, BY_A)
    assert (answer.is_sent, answer.sentence) == (
        True,
        "Sent at 20 Nov 2026, 12:14:00 UTC: lands in a moment.",
    )
    [event] = kafka.events
    data = event["data"]
    assert (data["alert_id"], data["state"], data["revision"], data["recorded_by_role"]) == (
        "AL1",
        "acknowledged",
        1,
        "Dr. A",
    )
    first, *_, is_quiet = alert_opened.view(
        staff, "?alert=AL1", acts, now=NOW + timedelta(seconds=2)
    )
    assert "acknowledged, by Dr. A, sent 2 s ago: lands in a moment" in said(first)
    assert not is_quiet  # the page asks again until it has landed


def test_a_page_with_nothing_on_the_way_does_not_ask_by_itself(staff):
    """Only the stream's news and what somebody does fill it anew."""
    assert alert_opened.view(staff, "?alert=AL1", Acts(staff.settings), now=NOW)[-1]


def test_what_has_landed_is_on_the_way_no_more(staff):
    """Once the event is among the rows of raw.alerts."""
    kafka = Kafka()
    acts = Acts(staff.settings, kafka.publish)
    attempt(staff, acts, BY_A)
    before = frame(RAW_TABLES["alerts"], alerts())
    assert list(acts.on_the_way(before)) == ["AL1"]
    after = frame(
        RAW_TABLES["alerts"], [*alerts(), alert("AL1", 9, event_id=kafka.events[0]["id"])]
    )
    assert acts.on_the_way(after) == {}


def test_what_does_not_land_is_said(staff):
    """After half a minute: where it is, and why it may wait; from then on others may act."""
    kafka = Kafka()
    acts = Acts(staff.settings, kafka.publish)
    attempt(staff, acts, BY_A)
    later = NOW + timedelta(minutes=3)
    first, *_ = alert_opened.view(staff, "?alert=AL1", acts, now=later)
    assert (
        "sent 3 min ago: has not landed yet. Kafka has it and nothing is lost; ingest may not run"
        in said(first)
    )
    assert attempt(staff, acts, Act(state="acknowledged", by="Dr. B"), now=later).is_sent


def test_of_two_at_once_the_second_is_told(staff):
    """Both see revision 0. While the first's act is on its way the second's is not sent, and says
    who was faster.
    """
    kafka = Kafka()
    acts = Acts(staff.settings, kafka.publish)
    assert attempt(staff, acts, BY_A).is_sent
    answer = attempt(
        staff,
        acts,
        Act(state="closed", by="Dr. B", finding="nothing"),
        now=NOW + timedelta(seconds=1),
    )
    assert not answer.is_sent
    assert answer.sentence.startswith(
        "Nothing was sent: Dr. A was faster, and the alert is acknowledged, by Dr. A"
    )
    assert len(kafka.events) == 1
    assert attempt(
        staff, acts, BY_A, seen={"alert_id": "AL3", "revision": 0}
    ).is_sent  # another alert is another matter


def test_of_many_threads_one_is_first(staff):
    """Ten at the same moment: one event."""
    kafka = Kafka()
    acts, start = Acts(staff.settings, kafka.publish), threading.Barrier(10)
    answers = []

    def act(k: int) -> None:
        start.wait()
        answers.append(attempt(staff, acts, Act(state="acknowledged", by=f"Dr. {k}")))

    threads = [threading.Thread(target=act, args=(k,)) for k in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(answer.is_sent for answer in answers) == len(kafka.events) == 1


def test_what_has_changed_since_it_was_shown_is_told(staff):
    """AL2 was acknowledged by Dr. A after revision 0 was shown; AL4 was closed."""
    kafka = Kafka()
    acts = Acts(staff.settings, kafka.publish)
    for alert_id, end in (("AL2", "acknowledged now"), ("AL4", "closed now")):
        answer = attempt(staff, acts, BY_A, seen={"alert_id": alert_id, "revision": 0})
        assert "Dr. A changed it meanwhile, at 12:04:00 UTC" in answer.sentence
        assert end in answer.sentence
    assert kafka.events == []


def test_a_broker_that_does_not_answer(staff):
    """A sentence; nothing is on its way, so that the next attempt is free to be made."""
    kafka = Kafka(answers=False)
    acts = Acts(staff.settings, kafka.publish)
    answer = attempt(staff, acts, BY_A)
    assert (answer.is_sent, answer.sentence) == (
        False,
        "No Kafka answers at 127.0.0.1:1: start it.",
    )
    kafka.answers = True
    assert attempt(staff, acts, BY_A).is_sent


def test_a_home_that_is_read_only(staff, monkeypatch):
    """Nothing would land there: it is said, and nothing is sent to a Kafka that others read."""

    def refuse(catalog) -> None:
        raise HomeReadOnly(f"{catalog.parent} can't be written: nothing was changed")

    monkeypatch.setattr(alert_acts, "require_writable", refuse)
    kafka = Kafka()
    answer = attempt(staff, Acts(staff.settings, kafka.publish), BY_A)
    assert not answer.is_sent
    assert "can't be written: nothing was changed" in answer.sentence
    assert kafka.events == []


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (Act(state="acknowledged"), "found no name or role"),
        (Act(state="acknowledged", by=" \n "), "found no name or role"),
        (Act(state="closed", by="A"), "expected what was found"),
        (Act(state="closed", by="A", finding=" "), "expected what was found"),
        (
            Act(state="investigating", by="A"),
            "expected the cause, what is done about it, or by when",
        ),
        (Act(state="investigating", by="A", action_due_on="31.5.2026"), "expected YYYY-MM-DD"),
        (Act(state="acknowledged", by="\x1b[31mA"), "can't be seen"),
        (Act(state="acknowledged", by="x" * 201), "expected at most 200"),
    ],
)
def test_what_is_missing_is_said(staff, given, sentence):
    """Who acts, what was found, a day that is one: before anything is sent."""
    kafka = Kafka()
    answer = attempt(staff, Acts(staff.settings, kafka.publish), given)
    assert sentence in answer.sentence
    assert kafka.events == []


@pytest.mark.parametrize(
    "seen",
    [{}, {"alert_id": 5, "revision": 0}, {"alert_id": "AL1"}, {"alert_id": "none", "revision": 0}],
)
def test_what_no_page_shows_is_refused(staff, seen):
    """A store that holds no alert, or one that there is not."""
    kafka = Kafka()
    assert not attempt(staff, Acts(staff.settings, kafka.publish), BY_A, seen=seen).is_sent
    assert kafka.events == []


def test_the_form_is_made_once_for_an_alert():
    """While the same alert is shown what was typed stays; another alert has an empty form, none has
    none.
    """
    assert form.form(None, SEEN) is None
    assert form.form("AL1", SEEN) is alert_opened.no_update
    fresh = form.form("AL2", SEEN)
    assert [one for one in fresh if getattr(one, "value", None)] == []


def test_from_outside_nobody_acts(outsider):
    """The rows are not there for that role; neither is the callback (test_app.py)."""
    kafka = Kafka()
    assert not attempt(outsider, Acts(outsider.settings, kafka.publish), BY_A).is_sent
    assert kafka.events == []
