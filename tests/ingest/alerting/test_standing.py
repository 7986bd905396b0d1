"""What a person does with an alert becomes an event: of the next revision, of plain text, and never
over another's.
"""

from datetime import UTC, datetime, timedelta

import orjson
import polars as pl
import pytest

from ingest.alerting.standing import Act, ActedMeanwhile, act
from transforms.alerting.history import as_they_stand
from transforms.errors import UsageError
from transforms.schemas import RAW_TABLES

TABLE = RAW_TABLES["alerts"]
T0 = datetime(2026, 5, 4, 12, tzinfo=UTC)


def landed(*rows: dict) -> pl.DataFrame:
    """Rows of raw.alerts of one alert; each a minute after the one before."""
    full = []
    for k, row in enumerate(rows):
        at = T0 + timedelta(minutes=k)
        given = {
            "kafka_topic": "t",
            "kafka_topic_id": "T",
            "kafka_partition": 0,
            "kafka_offset": k,
            "event_id": f"e{k}",
        }
        given |= {
            "source": "/floe/alerts",
            "event_time": at,
            "ingested_at": at,
            "recorded_at": at,
            "revision": k,
        }
        given |= {
            "alert_id": "harm-1",
            "rule": "harm",
            "tier": "now",
            "finding": "burn",
            "occurred_at": T0,
        }
        full.append(dict.fromkeys(TABLE.names) | given | row)
    return TABLE.conform(pl.DataFrame(full, schema=TABLE.polars_schema, orient="row"))


NOW = T0 + timedelta(minutes=10)
OPEN = {"state": "open", "news": "opened"}
BY_A = {
    "state": "acknowledged",
    "source": "/floe",
    "recorded_by_role": "Dr. A",
    "acknowledged_by": "Dr. A",
}


def event(raw: pl.DataFrame, given: Act, **more) -> dict:
    topic, key, value = act(raw, "harm-1", given, now=NOW, **more)
    assert (topic, key) == ("floe.alerts.v1", b"harm-1")
    return orjson.loads(value)


def test_an_acknowledgement():
    """The alert as it stands, of the next revision, with who and when."""
    data = event(landed(OPEN), Act(state="acknowledged", by="Dr. A"))["data"]
    assert (data["state"], data["revision"], data["rule"], data["finding"]) == (
        "acknowledged",
        1,
        "harm",
        "burn",
    )
    assert data["acknowledged_by"] == data["recorded_by_role"] == "Dr. A"
    assert data["acknowledged_at"] == data["recorded_at"]


def test_who_looks_into_it_did_not_acknowledge_it_again():
    """The first to take it in hand stays; a person who looks into what nobody acknowledged takes it
    in hand.
    """
    later = event(
        landed(OPEN, BY_A | {"acknowledged_at": T0}),
        Act(state="investigating", by="Dr. B", action="looked at"),
    )["data"]
    assert (later["acknowledged_by"], later["recorded_by_role"], later["revision"]) == (
        "Dr. A",
        "Dr. B",
        2,
    )
    first = event(
        landed(OPEN), Act(state="investigating", by="Dr. B", action="x", action_due_on="2026-06-01")
    )["data"]
    assert (first["acknowledged_by"], first["action_due_on"]) == ("Dr. B", "2026-06-01")


def test_the_second_of_two_is_told_what_the_first_did():
    """Both saw revision 0; the first's act has landed: the second's is not sent, and says who did
    what.
    """
    raw = landed(OPEN, BY_A)
    with pytest.raises(
        ActedMeanwhile, match=r"Dr\. A changed it meanwhile, at 12:01:00 UTC.*acknowledged now"
    ):
        event(raw, Act(state="closed", by="Dr. B", finding="harmless"), seen_revision=0)
    assert (
        event(raw, Act(state="closed", by="Dr. B", finding="harmless"), seen_revision=1)["data"][
            "state"
        ]
        == "closed"
    )


def test_a_correction_meanwhile_is_told_too():
    """Raised, or closed because its cause went, after it was looked at."""
    with pytest.raises(
        ActedMeanwhile, match=r"Floe, by what landed, changed it meanwhile.*open now"
    ):
        event(
            landed(OPEN, OPEN | {"news": "raised"}),
            Act(state="acknowledged", by="Dr. B"),
            seen_revision=0,
        )
    with pytest.raises(ActedMeanwhile, match="closed now"):
        event(
            landed(OPEN, {"state": "closed", "news": "closed"}),
            Act(state="acknowledged", by="Dr. B"),
            seen_revision=0,
        )


def test_two_acts_on_one_revision_are_two_events():
    """Where nobody could see the other's, none is taken for a copy of the other: both stay, the
    later one counts.
    """
    raw = landed(OPEN)
    one = orjson.loads(act(raw, "harm-1", Act(state="acknowledged", by="A"), now=NOW)[2])
    other = orjson.loads(
        act(raw, "harm-1", Act(state="acknowledged", by="B"), now=NOW + timedelta(seconds=1))[2]
    )
    assert one["id"] != other["id"]
    rows = [
        {
            "source": "/floe",
            "event_id": e["id"],
            "state": "acknowledged",
            "recorded_by_role": e["data"]["recorded_by_role"],
            "revision": 1,
        }
        for e in (one, other)
    ]
    assert as_they_stand(landed(OPEN, *rows))["by"].to_list() == ["B"]


def test_no_such_alert():
    """The sentence says how to find those that there are."""
    with pytest.raises(UsageError, match=r"found no alert 'nobody'.*floe alerts --state all"):
        act(landed(OPEN), "nobody", Act(state="acknowledged", by="A"), now=NOW)


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ({"by": "x" * 201}, "201 characters"),
        ({"by": "Dr.\nA"}, "can't be seen"),
        ({"by": "\x1b[31mA"}, "can't be seen"),
        ({"finding": "x" * 4_001}, "4001 characters"),
        ({"finding": "\u202eA"}, "can't be seen"),
        ({"action": "\x00"}, "can't be seen"),
        ({"action": "\ud800"}, "can't be seen"),
        ({"action_due_on": "1.6.2026"}, "expected YYYY-MM-DD"),
        ({"action_due_on": "2026-02-30"}, "expected YYYY-MM-DD"),
        ({"action_due_on": "2026-W05-1"}, "expected YYYY-MM-DD"),
        ({"action_due_on": "\u0662026-01-01"}, "expected YYYY-MM-DD"),
    ],
)
def test_what_is_no_text_is_refused(said, found):
    """Too long, not seen, or no day: a sentence, and nothing is sent."""
    with pytest.raises(UsageError, match=found):
        act(
            landed(OPEN),
            "harm-1",
            Act(state="investigating", **{"by": "A", "finding": "f"} | said),
            now=NOW,
        )


@pytest.mark.parametrize(
    "said", [{"by": "x" * 200}, {"finding": "a\nb"}, {"finding": "<b>[x](y)</b>"}]
)
def test_plain_text_is_taken_as_it_is(said):
    """As long as the contract allows, of several lines; signs of markup are signs."""
    data = event(landed(OPEN), Act(state="investigating", **{"by": "A", "finding": "f"} | said))[
        "data"
    ]
    assert {name: data.get("recorded_by_role" if name == "by" else name) for name in said} == said


@pytest.mark.parametrize(
    ("given", "missing"),
    [
        (Act(state="acknowledged"), "no name or role"),
        (Act(state="acknowledged", by=" \n"), "no name or role"),
        (Act(state="closed", by="A"), "what was found"),
        (Act(state="closed", by="A", finding="  "), "what was found"),
        (Act(state="investigating", by="A"), "the cause, what is done about it, or by when"),
    ],
)
def test_an_act_says_who_and_what(given, missing):
    """Nobody closes without a finding, nor looks into a thing without a word; blanks are none."""
    with pytest.raises(UsageError, match=missing):
        act(landed(OPEN), "harm-1", given, now=NOW)


@pytest.mark.parametrize("state", ["acknowledged", "investigating", "closed"])
def test_a_closed_alert_takes_no_act_but_to_be_opened(state):
    """What it was about is dealt with; what opens it again is its cause, or a person who says
    so.
    """
    raw = landed(OPEN, BY_A | {"state": "closed", "revision": 1})
    with pytest.raises(UsageError, match="is closed"):
        act(raw, "harm-1", Act(state=state, by="B", finding="f"), now=NOW)
    assert event(raw, Act(state="open", by="B", finding="not harmless"))["data"]["state"] == "open"
