"""What is told of causes: once for one cause, again where it grows worse, closed where it is gone.

Here: causes and alerts as they stand, and the news of them. Not here: which records are causes
(test_judging.py).
"""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms.alerting.causes import CAUSES
from transforms.alerting.news import GONE, NEWS, STANDING, STANDING_OPEN, alert_id, news, of_many
from transforms.alerting.rules import RULES

AT = datetime(2026, 5, 4, 12, tzinfo=UTC)
JUDGED = pl.DataFrame({"subject_kind": ["adverse_event"], "subject_id": ["E1"]})


def cause(
    *,
    level: int = 3,
    tier: str = "now",
    landed_h: float = 1,
    subject_id: str = "E1",
    clinic_id: str = "C1",
) -> dict:
    return {
        "rule": "harm",
        "subject_kind": "adverse_event",
        "subject_id": subject_id,
        "cause": "",
        "clinic_id": clinic_id,
        "evidence": ["e1"],
        "occurred_at": AT,
        "landed_at": AT + timedelta(hours=landed_h),
        "tier": tier,
        "level": level,
    }


def frame(*rows: dict) -> pl.DataFrame:
    return pl.DataFrame([dict.fromkeys(CAUSES) | row for row in rows], schema=CAUSES)


def standing(
    state: str = "open", *, gravity: int = 23, revision: int = 0, by_rule: bool = False
) -> pl.DataFrame:
    row = {
        "alert_id": alert_id("harm", "adverse_event", "E1", "", "C1"),
        "subject_kind": "adverse_event",
        "subject_id": "E1",
        "clinic_id": "C1",
        "tier": "now",
        "gravity": gravity,
        "state": state,
        "is_closed_by_rule": by_rule,
        "revision": revision,
        "evidence": ["e1"],
    }
    return pl.DataFrame([row], schema=STANDING)


NOTHING = pl.DataFrame(schema=STANDING)


@pytest.mark.parametrize(
    ("causes", "stands", "expected"),
    [
        (frame(cause()), NOTHING, [("opened", "open", 0)]),
        (frame(cause()), standing(), []),
        (frame(cause()), standing("acknowledged", revision=4), []),
        (frame(cause(level=4)), standing(), [("raised", "open", 1)]),
        (frame(cause(level=4)), standing("investigating", revision=4), [("raised", "open", 5)]),
        (frame(cause(level=1)), standing(), [("lowered", "open", 1)]),
        (frame(cause(level=1)), standing("acknowledged"), [("lowered", "acknowledged", 1)]),
        (frame(cause(tier="today", level=3)), standing(gravity=13), []),
        (frame(cause(tier="now", level=1)), standing(gravity=13), [("raised", "open", 1)]),
        (frame(), standing(), [("closed", "closed", 1)]),
        (frame(), standing("acknowledged", revision=2), [("closed", "closed", 3)]),
        (frame(), standing("closed"), []),
        (frame(), NOTHING, []),
        # closed by a person: it stays closed while it grows no worse
        (frame(cause()), standing("closed", revision=2), []),
        (frame(cause(level=5)), standing("closed", revision=2), [("opened_again", "open", 3)]),
        # closed because its cause had gone, and it is back
        (
            frame(cause()),
            standing("closed", by_rule=True, revision=2),
            [("opened_again", "open", 3)],
        ),
    ],
)
def test_news_is_what_changed(causes, stands, expected):
    """Opened, raised, lowered, opened again, closed; the same again is no news."""
    found = news(causes, stands, judged=JUDGED)
    assert found.select("news", "state", "revision").rows() == expected
    if expected and expected[0][0] == "closed":
        assert found["finding"].to_list() == [f"{GONE}: {RULES['harm'].clears}"]


def test_who_was_not_looked_at_is_not_closed():
    """An alert of another subject has no cause among those of the subjects that were looked at."""
    assert news(frame(), standing(), judged=JUDGED.clear()).is_empty()


@pytest.mark.parametrize(
    ("level", "stood", "expected"),
    [
        (3, standing(gravity=21), ("raised", "now")),
        (5, standing("closed", gravity=23), ("opened_again", "now")),
        (3, standing("closed", gravity=23, by_rule=True), ("opened_again", "today")),
        (3, NOTHING, ("opened", "today")),
        (1, standing(gravity=23).with_columns(tier=pl.lit("now")), ("lowered", "now")),
        (1, standing(gravity=23).with_columns(tier=pl.lit("today")), ("lowered", "today")),
    ],
)
def test_only_what_is_new_ages(level, stood, expected):
    """Landed after six weeks: told in the morning where it is new; at once where it grew worse;
    lowered, it stays as it was.
    """
    found = news(frame(cause(level=level, landed_h=42 * 24)), stood, judged=JUDGED)
    assert found.select("news", "tier").rows() == [expected]


def test_an_id_that_comes_to_clash_is_the_same_cause():
    """Core calls it CLINIC:ID from then on; the alert keeps its name, and says what the record is
    called now.
    """
    [row] = news(frame(cause(subject_id="C1:E1")), standing(), judged=JUDGED).to_dicts()
    assert (row["alert_id"], row["news"], row["subject_id"]) == (
        standing()["alert_id"][0],
        "changed",
        "C1:E1",
    )
    assert alert_id("harm", "adverse_event", "E1", "", "C1") != alert_id(
        "harm", "adverse_event", "E1", "", "C2"
    )


def test_an_id_that_comes_to_clash_within_a_clinic_is_the_same_cause():
    """Core calls it SOURCE#ID; the event that shows it is the same. Another event's is a cause of
    its own.
    """
    first, second = (
        cause(subject_id="urn:a#E1"),
        cause(subject_id="urn:b#E1") | {"evidence": ["e2"]},
    )
    found = news(frame(first, second), standing(), judged=JUDGED)
    assert sorted(found.select("news", "evidence").rows()) == [
        ("changed", ["e1"]),
        ("opened", ["e2"]),
    ]


def test_another_clinic_s_event_of_the_same_number_is_another_cause():
    """Two clinics that number alike: the alert of the one closes, the other's is opened under its
    own clinic.
    """
    found = news(frame(cause(clinic_id="C2")), standing(), judged=JUDGED)
    assert found.select("news", "clinic_id").sort("news").rows() == [
        ("closed", "C1"),
        ("opened", "C2"),
    ]


def test_one_thing_seen_twice_is_one_alert_with_the_evidence_of_both():
    """The gravest counts."""
    twice = frame(cause(level=1), cause(level=4) | {"evidence": ["e2"]})
    found = news(twice, NOTHING, judged=JUDGED)
    assert found.select("level", pl.col("evidence").list.join(",")).rows() == [(4, "e1,e2")]


@given(levels=st.lists(st.one_of(st.none(), st.integers(0, 5)), min_size=1, max_size=8))
def test_a_cause_is_told_once_for_each_time_it_grows_worse(levels):
    """Whatever corrections come (null = the record is out), telling again needs a graver cause, or
    one that had gone.
    """
    stands, last, told, expected = NOTHING, None, 0, 0
    for level in levels:
        causes = frame() if level is None else frame(cause(level=level))
        for _ in range(2):  # read twice
            for row in news(causes, stands, judged=JUDGED).iter_rows(named=True):
                told += row["news"] in ("opened", "raised", "opened_again")
                gone = row["news"] == "closed"
                gravity = stands["gravity"][0] if gone else row["gravity"]
                stands = standing(
                    row["state"], gravity=gravity, revision=row["revision"], by_rule=gone
                )
        expected += level is not None and (last is None or level > last)
        last = level
    assert told == expected


@pytest.mark.parametrize(
    ("stand_open", "news_of", "told"),
    [
        (0, ["opened"] * 12, [1, 10]),
        (1, ["opened"] * 8, []),
        (8, ["opened"] * 3, [2]),
        (9, ["opened_again", "closed", "opened"], [1]),
        (99, ["opened"], [1]),
        (100, ["opened"], []),
    ],
)
def test_of_many_alerts_of_one_cause_the_first_tenth_and_hundredth_are_told(
    stand_open, news_of, told
):
    """The others are noted; the tenth says how many there are; another cause and another rule count
    by themselves.
    """
    rows = [
        cause(subject_id=f"E{k}", tier="today")
        | {"rule": "clash_of_ids", "cause": "sessions of C1 and C2", "finding": "f"}
        for k in range(len(news_of))
    ]
    others = [cause(subject_id="X", tier="today") | {"finding": "f"}]
    others.append(rows[0] | {"cause": "care of C1 and C2"})
    changed = frame(*rows, *others).with_columns(
        alert_id=pl.lit("a"),
        gravity=pl.lit(11),
        news=pl.Series([*news_of, "opened", "opened"]),
        state=pl.lit("open"),
        revision=pl.lit(0),
    )
    counts = pl.DataFrame(
        [("clash_of_ids", "sessions of C1 and C2", stand_open)], schema=STANDING_OPEN, orient="row"
    )
    found = of_many(changed.select(NEWS.names()).cast(dict(NEWS)), counts)
    tiers = found["tier"].to_list()
    opened = [k for k, of in enumerate(news_of) if of != "closed"]
    assert [k + 1 for k in opened if tiers[k] == "today"] == told
    assert tiers[-2:] == ["today", "today"]
    counted = [f for f in found["finding"] if f != "f"]
    assert len(counted) == len([k for k in told if stand_open + k > 1])
    assert all("such ids of sessions of C1 and C2 stand open" in f for f in counted)
