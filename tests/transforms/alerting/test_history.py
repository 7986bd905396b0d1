"""What became of an alert: who has it and since when, what people found, how long it waited, by
nearest rank.
"""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms.alerting.history import (
    as_they_stand,
    nearest_rank,
    revisions,
    times_to_acknowledge,
    waits,
)
from transforms.schemas import RAW_TABLES

TABLE = RAW_TABLES["alerts"]
T0 = datetime(2026, 5, 4, 12, tzinfo=UTC)
WATCHER, PEOPLE = "/floe/alerts", "/floe"


def at(minutes: float) -> datetime:
    return T0 + timedelta(minutes=minutes)


def landed(*rows: dict) -> pl.DataFrame:
    """Rows of raw.alerts; each lands a second after it was written, where a row does not say."""
    full = []
    for k, row in enumerate(rows):
        given = {
            "kafka_topic": "t",
            "kafka_topic_id": "T",
            "kafka_partition": 0,
            "kafka_offset": k,
            "event_id": f"e{k}",
        }
        given |= {
            "alert_id": "harm-1",
            "rule": "harm",
            "tier": "now",
            "event_time": row["recorded_at"],
        }
        given |= {"ingested_at": row["recorded_at"] + timedelta(seconds=1), "occurred_at": T0}
        full.append(dict.fromkeys(TABLE.names) | given | row)
    return (
        TABLE.conform(pl.DataFrame(full, schema=TABLE.polars_schema, orient="row"))
        if rows
        else TABLE.empty()
    )


def floe(minutes: float, news: str, revision: int, **more) -> dict:
    state = {"closed": "closed"}.get(news, "open")
    row = {
        "source": WATCHER,
        "news": news,
        "state": state,
        "revision": revision,
        "recorded_at": at(minutes),
    }
    return row | {"finding": "burn, grade 1"} | more


def person(minutes: float, state: str, revision: int, by: str = "Dr. A", **more) -> dict:
    row = {
        "source": PEOPLE,
        "news": state,
        "state": state,
        "revision": revision,
        "recorded_at": at(minutes),
    }
    return row | {"recorded_by_role": by, "finding": "burn, grade 1"} | more


def stands(*rows: dict) -> dict:
    return as_they_stand(landed(*rows)).row(0, named=True)


@pytest.mark.parametrize(
    ("rows", "state", "since", "by", "conclusion"),
    [
        ([floe(0, "opened", 0)], "open", 0, None, None),
        ([floe(0, "opened", 0), person(3, "acknowledged", 1)], "acknowledged", 3, "Dr. A", None),
        # taken over: it is acknowledged since the first, and the second has it
        (
            [
                floe(0, "opened", 0),
                person(3, "acknowledged", 1),
                person(9, "acknowledged", 2, "Dr. B"),
            ],
            "acknowledged",
            3,
            "Dr. B",
            None,
        ),
        # told again: nobody has it
        (
            [floe(0, "opened", 0), person(3, "acknowledged", 1), floe(9, "raised", 2)],
            "open",
            9,
            None,
            None,
        ),
        # found milder meanwhile: it stays in hand
        (
            [
                floe(0, "opened", 0),
                person(3, "acknowledged", 1),
                floe(9, "lowered", 2, state="acknowledged"),
            ],
            "acknowledged",
            3,
            "Dr. A",
            None,
        ),
        (
            [floe(0, "opened", 0), person(5, "closed", 1, finding="the nozzle was bent")],
            "closed",
            5,
            "Dr. A",
            "the nozzle was bent",
        ),
        # its cause went: nobody closed it
        (
            [floe(0, "opened", 0), floe(5, "closed", 1, finding="the cause is gone")],
            "closed",
            5,
            None,
            None,
        ),
    ],
)
def test_who_has_it_and_since_when(rows, state, since, by, conclusion):
    """The state is that of core.alerts; what a person's act repeats of Floe's words is not the
    person's finding.
    """
    row = stands(*rows)
    assert (row["state"], row["since"], row["by"]) == (state, at(since), by)
    assert (row["cause_found"], row["conclusion"]) == ("burn, grade 1", conclusion)


def test_nothing_landed():
    """No alert, no history, no wait."""
    empty = TABLE.empty()
    assert as_they_stand(empty).is_empty()
    assert waits(revisions(empty)).is_empty()


def test_an_alert_without_tier_has_that_of_its_rule():
    """As an older release wrote it: its rule's; of a rule that Floe does not know: today."""
    assert stands(floe(0, None, 0, tier=None))["tier"] == "now"
    assert stands(floe(0, None, 0, tier=None, rule="of another system"))["tier"] == "today"


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([floe(0, "opened", 0)], [(0, None, False)]),
        ([floe(0, "opened", 0), person(3, "acknowledged", 1)], [(0, 3, True)]),
        # told again while nobody had it: one wait, from the first
        (
            [floe(0, "opened", 0), floe(2, "raised", 1), person(5, "acknowledged", 2)],
            [(0, 5, True)],
        ),
        # what else a person does afterwards is no second acknowledgement
        (
            [floe(0, "opened", 0), person(3, "acknowledged", 1), person(4, "closed", 2)],
            [(0, 3, True)],
        ),
        # told again after somebody had it: another wait, which lasts
        (
            [floe(0, "opened", 0), person(3, "acknowledged", 1), floe(9, "raised", 2)],
            [(0, 3, True), (9, None, False)],
        ),
        # milder is not told
        (
            [
                floe(0, "opened", 0),
                person(3, "acknowledged", 1),
                floe(9, "lowered", 2, state="acknowledged"),
            ],
            [(0, 3, True)],
        ),
        # to look into it or to close it is to have it in hand
        ([floe(0, "opened", 0), person(4, "investigating", 1)], [(0, 4, True)]),
        ([floe(0, "opened", 0), person(4, "closed", 1)], [(0, 4, True)]),
        # its cause went: it ended, and nobody acknowledged it
        ([floe(0, "opened", 0), floe(6, "closed", 1)], [(0, 6, False)]),
    ],
)
def test_waits(rows, expected):
    """From the first telling that nobody had in hand to the first act of a person."""
    found = waits(revisions(landed(*rows))).select("told_at", "ended_at", "is_acknowledged").rows()
    assert found == [(at(a), None if b is None else at(b), is_so) for a, b, is_so in expected]


def test_a_wait_is_of_the_gravest_tier_that_was_told_in_it():
    """Opened for the morning, raised to now before anybody acted: a wait of now."""
    rows = [floe(0, "opened", 0, tier="today"), floe(2, "raised", 1), person(5, "acknowledged", 2)]
    assert waits(revisions(landed(*rows)))["tier"].to_list() == ["now"]


def test_times_by_tier():
    """Of now: 1, 2, ... 10 min, so that half are acknowledged within 5 and nine tenths within 9;
    one waits, one went.
    """
    rows = []
    for k in range(1, 11):
        rows += [
            floe(0, "opened", 0, alert_id=f"a{k}"),
            person(k, "acknowledged", 1, alert_id=f"a{k}"),
        ]
    rows += [floe(0, "opened", 0, alert_id="waits"), floe(0, "opened", 0, alert_id="gone")]
    rows += [
        floe(1, "closed", 1, alert_id="gone"),
        floe(0, "opened", 0, alert_id="x", tier="noted"),
    ]
    waited = waits(revisions(landed(*rows)))
    now, today, noted = times_to_acknowledge(waited, as_of=at(60)).rows()
    assert now == ("now", 10, 5 * 60.0, 9 * 60.0, None, 1, 1)
    assert today == ("today", 0, None, None, "none acknowledged", 0, 0)
    assert noted == ("noted", 0, None, None, "none acknowledged", 1, 0)
    # a quarter of a year later only what still waits is left of them
    later = times_to_acknowledge(waited, as_of=at(60) + timedelta(days=90))
    assert later.select("n", "n_waiting", "n_gone").rows() == [(0, 1, 0), (0, 0, 0), (0, 1, 0)]


@pytest.mark.parametrize(
    ("share", "value"), [(0.05, 15), (0.3, 20), (0.4, 20), (0.5, 35), (1.0, 50)]
)
def test_nearest_rank(share, value):
    """The example that is printed of it: of 15, 20, 35, 40, 50 the 5th, 30th, 40th, 50th and 100th
    percentile.
    """
    assert nearest_rank(pl.Series([15, 20, 35, 40, 50]), share) == value


@given(st.permutations(range(6)), st.integers(1, 3))
def test_order_and_copies_change_nothing(order, copies):
    """Rows landed in any order, and more than once, are the same history."""
    rows = landed(
        floe(0, "opened", 0),
        floe(2, "raised", 1),
        person(5, "acknowledged", 2),
        person(8, "closed", 3),
        floe(9, "opened_again", 4),
        person(12, "investigating", 5),
    )
    shuffled = pl.concat([rows[list(order)]] * copies)
    assert waits(revisions(shuffled)).equals(waits(revisions(rows)))
    assert as_they_stand(shuffled).equals(as_they_stand(rows))
