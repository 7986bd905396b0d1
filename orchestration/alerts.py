"""What `floe alerts` does: lists alerts, says how long they waited, publishes what a person did,
tries the sinks.

Here: the steps of each. Not here: the watcher and the sinks (ingest/alerting), the lists of the
day's work (work_lists.py).
"""

from datetime import UTC, datetime

import polars as pl

from ingest.alerting import standing
from ingest.lake import Lake
from transforms.counting import counted
from transforms.errors import FloeError, UsageError
from transforms.schemas import TOPIC_BY_NAME

from .telling import tell

_ALERT_COLUMNS = (
    "alert_id",
    "tier",
    "rule",
    "clinic_id",
    "subject_kind",
    "subject_id",
    "occurred_at",
    "told_at",
    "state",
    "assigned_role",
    "by",
    "since",
    "finding",
)
_ALERT_STATES = next(f.closed for f in TOPIC_BY_NAME["alerts"].fields if f.name == "state")


def list_alerts(settings, *, state: str) -> pl.DataFrame:
    if state not in (states := (*_ALERT_STATES, "all")):
        raise UsageError(f"found --state {state!r}, expected one of {', '.join(states)}")
    with Lake.open(settings, read_only=True) as lake:
        rows = standing.alerts(lake)
    return rows.select(_ALERT_COLUMNS).filter((pl.col("state") == state) | (state == "all"))


def alert_times(settings) -> pl.DataFrame:
    with Lake.open(settings, read_only=True) as lake:
        return standing.times(lake, now=datetime.now(UTC))


def act_on_alert(
    settings, alert_id: str, act: standing.Act, *, seen_revision: int | None = None
) -> None:
    """Publishes what a person did, once it has said what the alert is; it shows once that has
    landed.

    `alert_id`: an alert's name, or the beginning of one alert's alone.
    """
    from ingest import stream

    with Lake.open(settings, read_only=True) as lake:
        row = _one_alert(standing.alerts(lake), alert_id)
        rows = lake.table(standing.TABLE, where="alert_id = $1", params=[row["alert_id"]])
        event = standing.act(
            rows, row["alert_id"], act, now=datetime.now(UTC), seen_revision=seen_revision
        )
    stream.publish(settings, [event])
    tell(
        f"{row['rule']} of {row['subject_kind']} {row['subject_id']}, {row['tier']}: {row['finding'] or 'no finding'}"
    )
    tell(f"alert {row['alert_id']} is {act.state} once the change has landed")


def _one_alert(rows: pl.DataFrame, beginning: str) -> dict:
    named = rows.filter(pl.col("alert_id") == beginning)
    meant = named if named.height else rows.filter(pl.col("alert_id").str.starts_with(beginning))
    if beginning and meant.height == 1:
        return meant.row(0, named=True)
    count = counted(meant.height, "alert") if beginning else "none"
    raise UsageError(
        f"found {count} that begin with {beginning!r}, expected one; `floe alerts --state all` lists those there are"
    )


def check_alerts(settings, *, send: bool) -> None:
    """Says what the file of duties leaves to be desired and, where asked to, how each sink took a
    test.

    Raises FloeError where anything is left to be desired or was not delivered.
    """
    from ingest.alerting import trying, waiting
    from ingest.alerting.duty import read_duty

    duty = read_duty(settings.alerts)
    if not settings.alerts:
        tell(trying.NOBODY)
        return
    faults = [*trying.faults(duty), *waiting.left_over(settings, now=datetime.now(UTC))]
    for fault in faults:
        tell(fault)
    results = list(trying.trial(duty, now=datetime.now(UTC))) if send else []
    for name, failure in results:
        tell(f"not delivered: {failure}" if failure else f"{name} took a test delivery")
    failures = sum(failure is not None for _, failure in results)
    if faults or failures:
        of_trial = f" and {failures} of {len(results)} test deliveries not taken" if send else ""
        raise FloeError(f"{counted(len(faults), 'thing')} to mend{of_trial}: see above")
    if not send:
        tell(
            f"the file can be meant so; its sinks: {', '.join(sink.name for sink in duty.sinks)}; --send tries them"
        )
