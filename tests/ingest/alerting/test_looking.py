"""Looking at what lands part by part, in whatever order, ends with the alerts of one look at the
whole.
"""

import random
from collections import defaultdict
from dataclasses import replace
from datetime import UTC, datetime
from itertools import count

import pytest

from ingest.alerting.book import Book
from ingest.alerting.book_file import book_path
from ingest.alerting.duty import Duty
from ingest.alerting.watcher import Watcher
from ingest.lake import Lake
from ingest.landing import land, prepare
from ingest.settings import Settings
from ingest.simulate import Effects, Plan, SideEffect, simulate
from tests.computed import batch_of

NOW = datetime(2026, 4, 1, tzinfo=UTC)
BURNS = (
    SideEffect(
        term="burn", rate=0.05, body_system="Injury", grades=(0.4, 0.4, 0.2), injury_kind="burn"
    ),
)
# Small, and full of what calls for alerts and of what changes them: burns, limits, clashing ids,
# copies, merges.
PLAN = Plan(
    clinics=3,
    patients=9,
    days=50,
    with_readings=False,
    duplicates_share=0.05,
    conflicts_share=0.02,
    broken_share=0,
    wrong_clock_share=0.02,
    effects=Effects(side_effects=BURNS, exceedance_share=0.08, deaths_per_patient_year=1.0),
)


@pytest.mark.parametrize("seed", range(2))
def test_part_by_part_is_as_the_whole(seed, tmp_path, with_lake, monkeypatch):
    """Records of several topics cut into seven parts at random, each looked at as it lands or
    landing while the one before is looked at, harm ahead of all else; then one look at all, with
    nothing ahead.
    """
    settings = Settings(home=with_lake(tmp_path), catalog="", data="", kafka_bootstrap="")
    records = [(r[0], r[1], r[2]) for r in simulate(replace(PLAN, seed=seed))]
    random.Random(seed).shuffle(records)
    with Lake.open(settings) as lake:
        with Watcher(settings, Duty(), lake) as watcher:
            by_parts = _looked(
                watcher, settings, lake, [records[k::7] for k in range(7)], monkeypatch
            )
        other = settings.model_copy(update={"home": tmp_path / "other"})
        other.home.mkdir()
        monkeypatch.setattr(Watcher, "_judge_harm", lambda *_, **__: None)
        with Watcher(other, Duty(), lake) as watcher:
            whole = _looked(watcher, other, lake, [], monkeypatch)
    assert (by_parts - whole, whole - by_parts) == (set(), set())
    assert len(by_parts) > 20


def _looked(
    watcher: Watcher, settings: Settings, lake: Lake, parts: list, monkeypatch
) -> set[tuple]:
    """What is open once each of the parts has landed, every other one while what landed before is
    looked at.
    """
    monkeypatch.setattr("ingest.alerting.watcher._LOOK_S", 0.0)
    coming = iter(parts)
    calls = count()

    def in_between() -> None:
        if next(calls) % 40 == 20 and (part := next(coming, None)):
            _land(lake, part)

    watcher._alive = in_between
    while (part := next(coming, None)) or watcher.step(now=NOW):
        if part:
            _land(lake, part)
            watcher.step(now=NOW)
    return _open(settings)


def _land(lake: Lake, records: list) -> None:
    by_topic = defaultdict(list)
    for topic, key, value in records:
        by_topic[topic].append((key, value))
    batches = [
        batch_of(topic, pairs, first=_next(lake, topic)) for topic, pairs in by_topic.items()
    ]
    land(lake, prepare(batches, now=NOW))


def _next(lake: Lake, topic: str) -> int:
    rows = lake.sql(
        "SELECT max(next_offset) AS at FROM raw.stream_offsets WHERE kafka_topic = $1", [topic]
    )
    return rows["at"][0] or 0


def _open(settings: Settings) -> set[tuple]:
    """Of each alert that is open: rule, subject, cause, clinic, gravity.

    A subject by the id that was sent: an alert keeps the name that its record had when it was told,
    before another clinic's came to clash with it, and the evidence by which it was told: a later
    revision that changes nothing is no news.
    """
    names = ("rule", "cause", "clinic_id", "gravity")
    with Book(book_path(settings)) as book:
        rows = book.alerts("state <> 'closed'")
    return {
        (a["subject_id"].removeprefix(f"{a['clinic_id']}:"), *(str(a[n]) for n in names))
        for a in rows
    }
