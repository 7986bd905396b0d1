"""The system itself as a cause of alerts: silence, disk, clocks, checks, figures that are not up to
date or not as a full computation has them.

Here: what was measured -> causes; time is given. Not here: measuring (ingest/alerting/measured.py).
"""

from datetime import datetime, timedelta

import polars as pl

from ..schemas import TIMESTAMP
from .causes import causes
from .rules import MOST_SMALL_FILES

SPOKEN = pl.Schema(
    {
        "subject_kind": pl.String,
        "subject_id": pl.String,
        "clinic_id": pl.String,
        "spoke_at": TIMESTAMP,
    }
)
# Of each the whole is looked at every time, so that a cause that is gone closes its alert.
KINDS = (
    "silent_topic",
    "silent_clinic",
    "silent_device",
    "disk",
    "source",
    "check",
    "marts",
    "tables",
    "release",
    "comparison",
    "small_files",
    "upkeep",
)
WINDOW_DAYS, MIN_DAYS = 28, 10
_GB = 10**9
_RESTATED = {"release_id": pl.Int64, "figures": pl.Int64, "last_at": TIMESTAMP}


def of_silence(spoken: pl.DataFrame, *, now: datetime) -> pl.DataFrame:
    """A cause a subject that spoke regularly and is silent; noted once it has been for four weeks.

    `spoken`: SPOKEN, one row per moment at which it was heard, of each the 28 days up to the last.
    """
    by = ("subject_kind", "subject_id")
    heard = spoken.filter(pl.col("spoke_at") <= now).with_columns(
        last_at=pl.col("spoke_at").max().over(by)
    )
    recent = heard.filter(
        pl.col("last_at") - pl.col("spoke_at") < timedelta(days=WINDOW_DAYS)
    ).sort("spoke_at")
    each = recent.group_by(by, maintain_order=True).agg(
        pl.col("clinic_id").drop_nulls().last(),
        pl.col("last_at").first(),
        days=pl.col("spoke_at").dt.date().n_unique(),
        longest=pl.col("spoke_at").diff().max(),
    )
    silence = pl.lit(now, dtype=TIMESTAMP) - pl.col("last_at")
    silent = each.filter(
        pl.col("days") >= MIN_DAYS, silence > timedelta(days=1), silence > 2 * pl.col("longest")
    ).with_columns(hours=silence.dt.total_hours(), is_old=silence > timedelta(days=WINDOW_DAYS))
    return causes(
        "silence",
        silent,
        subject_kind="",
        evidence=pl.lit([], dtype=pl.List(pl.String)),
        landed_at=pl.lit(now),
        clinic_id=pl.col("clinic_id"),
        subject_id=pl.col("subject_id"),
        occurred_at=pl.col("last_at"),
        tier=pl.when("is_old").then(pl.lit("noted")).otherwise(pl.lit("today")),
        finding=pl.format("last heard of {} h ago", "hours"),
    ).with_columns(subject_kind=silent["subject_kind"])


def of_disk(*, free_bytes: int, total_bytes: int, now: datetime) -> pl.DataFrame:
    """A cause where the disk of the home is filling; level 1, and 2 where there is almost nothing
    left.
    """
    is_full = free_bytes < 0.5 * _GB
    is_filling = is_full or free_bytes < 2 * _GB or free_bytes < 0.1 * total_bytes
    rows = pl.DataFrame(
        {"free_gb": [round(free_bytes / _GB, 2)] if is_filling else []},
        schema={"free_gb": pl.Float64},
    )
    return _of_system(
        "disk_filling",
        rows,
        subject_kind="disk",
        subject_id=pl.lit("home"),
        now=now,
        tier=pl.lit("now" if is_full else "today"),
        level=pl.lit(2 if is_full else 1),
        finding=pl.format("{} GB are left", "free_gb"),
    )


def of_clocks(sources: pl.DataFrame, *, now: datetime) -> pl.DataFrame:
    """One cause per source many of whose events lie in the future. `sources`: `source`, `events`,
    `in_future`, of an hour.
    """
    wrong = sources.filter(pl.col("in_future") * 100 > pl.col("events"))
    return _of_system(
        "clock_wrong",
        wrong,
        subject_kind="source",
        subject_id=pl.col("source"),
        now=now,
        finding=pl.format(
            "{} of {} events of the last hour lie in the future", "in_future", "events"
        ),
    )


def of_checks(checks: pl.DataFrame, *, now: datetime) -> pl.DataFrame:
    """A cause a check whose newest run failed; `checks`: mart.check_results."""
    newest = checks.sort("checked_at").unique(["table", "check"], keep="last", maintain_order=True)
    failed = newest.filter(~pl.col("is_passed"))
    return _of_system(
        "check_failed",
        failed,
        subject_kind="check",
        subject_id=pl.format("{}/{}", "table", "check"),
        now=now,
        occurred_at=pl.col("checked_at"),
        finding=pl.format("{} rows fail", pl.col("failing_rows").fill_null(0)),
    )


def of_marts(
    *, landed_at: datetime | None, taken_in_at: datetime | None, now: datetime, stale_h: float = 6
) -> pl.DataFrame:
    """A cause where what landed since the figures were last computed waits longer than `stale_h`
    hours.

    `landed_at`: when the first event landed that no figure has taken in; `taken_in_at`: when
    figures were last computed.
    """
    is_stale = landed_at is not None and now - max(landed_at, taken_in_at or landed_at) > timedelta(
        hours=stale_h
    )
    rows = pl.DataFrame({"since": [landed_at] if is_stale else []}, schema={"since": TIMESTAMP})
    return _of_system(
        "marts_stale",
        rows,
        subject_kind="marts",
        subject_id=pl.lit("marts"),
        now=now,
        occurred_at=pl.col("since"),
        finding=pl.lit("events that landed since then are in no figure"),
    )


def of_tables(
    behind: pl.DataFrame, *, checks: pl.DataFrame, now: datetime, stale_h: float = 6
) -> pl.DataFrame:
    """One cause where tables are not brought up to date while others are, for longer than `stale_h`
    hours; a check that fails has its own.

    `behind`: `table_name` and `holds_to`, of the tables that stand on an older data cut than the one
    in force up to when they hold what landed. `checks`: mart.check_results.
    """
    stale = behind.filter(pl.col("holds_to") < now - timedelta(hours=stale_h))
    rows = stale.sort("holds_to", "table_name").head(1).with_columns(others=stale.height - 1)
    if not checks["is_passed"].all():
        rows = rows.clear()
    return _of_system(
        "tables_stale",
        rows,
        subject_kind="tables",
        subject_id=pl.lit("tables"),
        now=now,
        occurred_at=pl.col("holds_to"),
        finding=pl.format("{} and {} more tables", "table_name", "others"),
    )


def of_restatements(restated: dict | None, *, now: datetime) -> pl.DataFrame:
    """One cause a release of whose figures some are others now: noted where events that came late are
    all that changed them. `restated`: ingest.inspection.restated_since_release.
    """
    is_restated = restated is not None and restated["figures"] > 0
    rows = pl.DataFrame([restated] if is_restated else [], schema=_RESTATED, strict=False)
    reasons = restated["reasons"] if is_restated else {}
    counts = ", ".join(f"{reason.replace('_', ' ')} {n:,}" for reason, n in reasons.items())
    return _of_system(
        "figures_restated",
        rows,
        subject_kind="release",
        subject_id=pl.col("release_id").cast(pl.String),
        now=now,
        occurred_at=pl.col("last_at"),
        tier=pl.lit("noted" if set(reasons) <= {"late"} else "today"),
        finding=pl.format("{} figures: {}", "figures", pl.lit(counts)),
    )


def of_comparisons(comparisons: pl.DataFrame, *, now: datetime) -> pl.DataFrame:
    """A cause a table that differed from a full computation when it was last held against one, without
    the key of a row; `comparisons`: app.comparisons.
    """
    return _of_system(
        "comparison_differs",
        comparisons.filter(pl.col("rows_differing") > 0),
        subject_kind="comparison",
        subject_id=pl.col("table_name"),
        now=now,
        occurred_at=pl.col("compared_at"),
        finding=pl.format("rows that differ: {}, of {}", "rows_differing", "rows"),
    )


def of_small_files(files: pl.DataFrame, *, now: datetime) -> pl.DataFrame:
    """One cause where upkeep does not keep up. `files`: `table_name`, `small_files`."""
    many = files.filter(pl.col("small_files") > MOST_SMALL_FILES)
    worst = many.sort("small_files", "table_name", descending=[True, False]).head(1)
    return _of_system(
        "upkeep_behind",
        worst,
        subject_kind="small_files",
        subject_id=pl.lit("lake"),
        now=now,
        finding=pl.format("{} has {} small files", "table_name", "small_files"),
    )


def of_upkeep_faults(faults: pl.DataFrame, *, now: datetime) -> pl.DataFrame:
    """A cause a step that left another number of rows; `faults`: app.upkeep_faults."""
    return _of_system(
        "upkeep_stopped",
        faults.unique("table_name", keep="first", maintain_order=True),
        subject_kind="upkeep",
        subject_id=pl.col("table_name"),
        now=now,
        occurred_at=pl.col("found_at"),
        finding=pl.format(
            "{}: {} rows after a step, {} before it, at snapshot {}",
            "step",
            "rows_after",
            "rows_before",
            "snapshot_before",
        ),
    )


def _of_system(
    rule: str, rows: pl.DataFrame, *, subject_kind: str, now: datetime, **columns: pl.Expr
) -> pl.DataFrame:
    shared = {
        "evidence": pl.lit([], dtype=pl.List(pl.String)),
        "landed_at": pl.lit(now),
        "occurred_at": pl.lit(now),
    }
    return causes(rule, rows, subject_kind=subject_kind, **shared | columns)
