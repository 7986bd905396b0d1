"""When Kafka's log is the one that landed: the rule, the names of logs, where log and lake part."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.last_record import LastRecord
from ingest.log_agreement import Evidence, Outcome, Standing, judged
from ingest.log_names import current_logs, following_log, log_before, log_number, topic_id_of
from ingest.parting import last_agreeing

LAST = LastRecord(99, 3, "aa", datetime(2026, 3, 1, 12, tzinfo=UTC))
STANDING = Standing(100, LAST)
AGREES, UNPROVED, PARTED = Outcome.AGREES, Outcome.UNPROVED, Outcome.PARTED


@pytest.mark.parametrize(
    ("standing", "evidence", "outcome", "why"),
    [
        # the record itself decides
        (STANDING, Evidence(0, 100, LAST), AGREES, ""),
        (STANDING, Evidence(0, 5000, LAST), AGREES, ""),  # a lake older than the broker
        (STANDING, Evidence(0, 5000, replace(LAST, checksum="bb")), PARTED, "its checksum differs"),
        (
            STANDING,
            Evidence(0, 5000, replace(LAST, leader_epoch=4)),
            PARTED,
            "leader epoch 4 instead of 3",
        ),
        (
            STANDING,
            Evidence(0, 5000, replace(LAST, leader_epoch=-1)),
            AGREES,
            "",
        ),  # Kafka has no epochs there
        # the log's end, whatever is remembered
        (STANDING, Evidence(0, 40), PARTED, "ends at 40: 60 positions"),
        (STANDING, Evidence(0, 99), PARTED, "ends at 99: 1 positions"),
        (Standing(100), Evidence(0, 40), PARTED, "ends at 40"),
        (Standing(100), Evidence(0, 100), UNPROVED, "no record is remembered"),
        (
            Standing(102, LAST),
            Evidence(0, 100, LAST),
            PARTED,
            "ends at 100: 2 positions",
        ),  # emptied batches follow
        # the record is gone: nothing contradicts
        (STANDING, Evidence(100, 100), UNPROVED, "has expired; epoch"),
        (STANDING, Evidence(0, 120), UNPROVED, "is not there any more (compacted"),
        (STANDING, Evidence(0, 120, later_from=-1), UNPROVED, "compacted"),
        (STANDING, Evidence(0, 120, later_from=100), UNPROVED, "compacted"),
        (STANDING, Evidence(0, 120, epoch_end=100), UNPROVED, "compacted"),
        (
            Standing(100, replace(LAST, appended_at=None)),
            Evidence(0, 120),
            UNPROVED,
            "the producers'",
        ),
        # the record is gone: epoch, or time
        (STANDING, Evidence(100, 120, epoch_end=-1), PARTED, "knows no leader epoch 3"),
        (STANDING, Evidence(0, 120, epoch_end=99), PARTED, "up to leader epoch 3 end at 99"),
        (STANDING, Evidence(0, 120, later_from=99), PARTED, "99 was appended later"),
        (STANDING, Evidence(0, 120, later_from=0), PARTED, "0 was appended later"),
    ],
)
def test_what_the_log_says_decides_and_what_it_cannot_say_is_said(standing, evidence, outcome, why):
    """The record at the last offset; without it end, epoch and time may contradict, and no
    contradiction is no proof.
    """
    verdict = judged(standing, evidence)
    assert verdict.outcome is outcome
    assert why in verdict.why


@pytest.mark.parametrize(
    ("log_id", "number", "following", "before"),
    [
        ("u", 1, "u#2", "u"),
        ("u#2", 2, "u#3", "u"),
        ("u#3", 3, "u#4", "u#2"),
        ("u#10", 10, "u#11", "u#9"),
    ],
)
def test_each_parting_gives_the_log_a_name_of_its_own(log_id, number, following, before):
    """Kafka's topic id, and behind it the number of the log."""
    assert (topic_id_of(log_id), log_number(log_id), following_log(log_id)) == (
        "u",
        number,
        following,
    )
    assert log_before(following_log(log_id)) == log_id
    assert number == 1 or log_before(log_id) == before


def test_a_partition_is_read_on_in_its_newest_log():
    """By number, not by letters; another topic id of the same name is another topic."""
    logs = [("t", "u#9", 0), ("t", "u", 0), ("t", "u#10", 0), ("t", "u", 1), ("t", "v", 0)]
    assert current_logs(logs) == {("t", "u", 0): "u#10", ("t", "u", 1): "u", ("t", "v", 0): "v"}


@given(
    st.integers(0, 40).flatmap(
        lambda n: st.tuples(st.just(n), st.integers(0, n), st.sets(st.integers(0, max(0, n - 1))))
    )
)
def test_halving_finds_the_last_landing_that_the_log_holds(case):
    """Whatever has expired or was compacted: the last of the landings before the parting whose
    record is still there.
    """
    count, agreeing, gone = case
    standings = [Standing(k) for k in range(count)]
    there = [k for k in range(agreeing) if k not in gone]
    found = last_agreeing(
        standings, lambda s: None if s.position in gone else s.position < agreeing
    )
    assert found == (Standing(there[-1]) if there else None)
