"""Silence, disk, clocks, checks and stale figures: what is told, and what is not."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from transforms.alerting import system
from transforms.schemas import APP_TABLES

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)


def spoken(*days_ago: float, subject: str = "D1") -> pl.DataFrame:
    rows = [("silent_device", subject, "C1", NOW - timedelta(days=d)) for d in days_ago]
    return pl.DataFrame(rows, schema=system.SPOKEN, orient="row")


@pytest.mark.parametrize(
    ("days_ago", "expected"),
    [
        ([k + 0.5 for k in range(20)], 0),  # daily, and half a day ago
        (
            [k + 1.5 for k in range(20)],
            0,
        ),  # a day and a half: no longer than twice the longest silence
        ([k + 2.5 for k in range(20)], 1),
        ([k * 2 + 3.9 for k in range(11)], 0),  # every other day
        ([k * 2 + 4.1 for k in range(11)], 1),
        ([k + 2.0 for k in range(20)], 0),  # twice the longest, no more
        ([k / 24 + 1.0 for k in range(24 * 20)], 0),  # hourly: a day exactly
        ([k / 24 + 1.01 for k in range(24 * 20)], 1),
        ([k + 2.5 for k in range(9)], 0),  # nine days: it did not always speak
        ([], 0),
    ],
)
def test_silence_is_longer_than_what_was_usual(days_ago, expected):
    """Ten of 28 days, then a day and twice the longest silence without a word."""
    found = system.of_silence(spoken(*days_ago), now=NOW)
    assert found.height == expected
    if expected:
        assert found.select("subject_kind", "subject_id", "clinic_id", "tier").rows() == [
            ("silent_device", "D1", "C1", "today")
        ]


def test_a_silence_does_not_end_by_lasting():
    """After four weeks it is noted; it is there until the subject speaks again."""
    for days, expected in ((28, ["today"]), (28.1, ["noted"]), (400, ["noted"])):
        found = system.of_silence(spoken(*(k + days for k in range(20))), now=NOW)
        assert found["tier"].to_list() == expected
    again = spoken(0.5, *(k + 400 for k in range(20)))
    assert system.of_silence(again, now=NOW).is_empty()


@pytest.mark.parametrize(
    ("free", "total", "expected"),
    [
        (60, 100, []),
        (10, 100, []),
        (9.99, 100, [("today", 1)]),
        (2, 10, []),
        (0.5, 2, [("today", 1)]),
        (0.499, 2, [("now", 2)]),
        (1.9, 10, [("today", 1)]),
        (0.4, 2, [("now", 2)]),
        (0.4, 1000, [("now", 2)]),
    ],
)
def test_a_disk_that_fills_is_told_before_it_is_full(free, total, expected):
    """A tenth, or 2 GB; at once below half a GB."""
    found = system.of_disk(free_bytes=int(free * 1e9), total_bytes=int(total * 1e9), now=NOW)
    assert found.select("tier", "level").rows() == expected


def test_a_clock_is_told_by_its_share_of_events():
    """One in a hundred may happen; two may not."""
    frame = pl.DataFrame({"source": ["a", "b"], "events": [100, 100], "in_future": [1, 2]})
    assert system.of_clocks(frame, now=NOW)["subject_id"].to_list() == ["b"]


def test_only_a_checks_newest_run_counts():
    """It failed and passed since: no cause."""
    runs = {"table": ["t", "t", "u"], "check": ["c"] * 3, "is_passed": [False, True, False]}
    runs |= {"checked_at": [NOW - timedelta(hours=1), NOW, NOW], "failing_rows": [1, 0, None]}
    assert system.of_checks(pl.DataFrame(runs), now=NOW)["subject_id"].to_list() == ["u/c"]


@pytest.mark.parametrize(
    ("landed_h", "taken_h", "expected"),
    [(None, None, 0), (5, 8, 0), (7, 8, 1), (7, None, 1), (9, 5, 0)],
)
def test_figures_are_stale_after_six_hours(landed_h, taken_h, expected):
    """Counted from the later of the first event that waits and the last time that figures were
    computed.
    """
    landed, taken = (None if h is None else NOW - timedelta(hours=h) for h in (landed_h, taken_h))
    assert system.of_marts(landed_at=landed, taken_in_at=taken, now=NOW).height == expected


@pytest.mark.parametrize(
    ("hours", "fails", "expected"),
    [((), False, 0), ((1, 5), False, 0), ((1, 7, 9), False, 1), ((7,), True, 0)],
)
def test_tables_that_stay_behind_are_one_cause(hours, fails, expected):
    """However many wait for the one that fails; one that a check holds back has the check's
    alert.
    """
    behind = pl.DataFrame(
        [(f"mart.t{h}", NOW - timedelta(hours=h)) for h in hours],
        schema={"table_name": pl.String, "holds_to": pl.Datetime("us", "UTC")},
        orient="row",
    )
    checks = pl.DataFrame({"is_passed": [True, not fails]})
    causes = system.of_tables(behind, checks=checks, now=NOW)
    assert causes.height == expected
    if expected:
        cause = causes.row(0, named=True)
        assert cause["finding"] == "mart.t9 and 1 more tables"
        assert cause["occurred_at"] == NOW - timedelta(hours=9)


@pytest.mark.parametrize(
    ("figures", "reasons", "tier"),
    [
        (0, {}, None),
        (3, {"late": 3}, "noted"),
        (3, {"late": 3, "entered_in_error": 1}, "today"),
    ],
)
def test_restated_figures_are_one_cause_a_release(figures, reasons, tier):
    """Told in the morning where more than late events restated them; of no release nothing."""
    assert system.of_restatements(None, now=NOW).is_empty()
    since = {"release_id": 4, "figures": figures, "last_at": NOW, "reasons": reasons}
    causes = system.of_restatements(since, now=NOW)
    assert causes["tier"].to_list() == ([tier] if tier else [])
    assert causes["subject_id"].to_list() == (["4"] if tier else [])
    if tier == "today":
        assert causes["finding"][0] == "3 figures: late 3, entered in error 1"


def test_each_table_that_differs_is_a_cause():
    """Equal, never compared, left out since: only what was found to differ is told, without the key of
    a row.
    """
    rows = pl.DataFrame(
        [
            ("mart.adsl", NOW - timedelta(hours=9), 40, 3, '{"USUBJID": "P-SECRET"}', None),
            ("mart.adex", NOW, 40, 0, None, None),
            ("mart.adae", None, None, None, None, "it was never computed"),
            ("core.care", NOW, 7, 1, '{"care_id": "K-SECRET"}', "changed since: core.patients"),
        ],
        schema=APP_TABLES["comparisons"].polars_schema,
        orient="row",
    )
    causes = system.of_comparisons(rows, now=NOW)
    assert causes["subject_id"].to_list() == ["mart.adsl", "core.care"]
    assert causes["finding"].to_list() == [
        "rows that differ: 3, of 40",
        "rows that differ: 1, of 7",
    ]
    assert causes["occurred_at"].to_list() == [NOW - timedelta(hours=9), NOW]
    assert "SECRET" not in str(causes.to_dicts())


@pytest.mark.parametrize(
    ("small", "finding"),
    [
        ({}, None),
        ({"raw.readings": 5_000}, None),
        ({"raw.readings": 5_001, "raw.telemetry": 12}, "raw.readings has 5001 small files"),
        ({"raw.readings": 5_001, "raw.telemetry": 9_000}, "raw.telemetry has 9000 small files"),
    ],
)
def test_small_files_that_are_not_merged_are_one_cause(small, finding):
    """Of the table that has most, from more than 5,000 on; one alert, however many tables there are."""
    schema = {"table_name": pl.String, "small_files": pl.Int64}
    files = pl.DataFrame(list(small.items()), schema=schema, orient="row")
    causes = system.of_small_files(files, now=NOW)
    assert causes["finding"].to_list() == ([finding] if finding else [])
    assert causes["subject_id"].to_list() == (["lake"] if finding else [])


def test_a_step_that_left_other_rows_is_a_cause_a_table():
    """Two faults of one table are one alert, with the first one's numbers."""
    rows = pl.DataFrame(
        [
            (NOW - timedelta(hours=2), "merge", "raw.readings", 41, 100, 99, None),
            (NOW, "merge", "raw.readings", 55, 120, 119, None),
        ],
        schema=APP_TABLES["upkeep_faults"].polars_schema,
        orient="row",
    )
    causes = system.of_upkeep_faults(rows, now=NOW)
    assert causes["subject_id"].to_list() == ["raw.readings"]
    assert causes["finding"].to_list() == [
        "merge: 99 rows after a step, 100 before it, at snapshot 41"
    ]
    assert system.of_upkeep_faults(rows.clear(), now=NOW).is_empty()
