"""What `floe alerts` does: lists alerts, says how long they waited, publishes what a person did, tries the sinks.

Here: the steps of each. Not here: the watcher and the sinks (ingest/alerting), the lists of the day's work (work_lists.py).
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


def act_on_alert(settings, alert_id: str, act: standing.Act) -> None:
    """Publishes what a person did; it shows once that has landed."""
    from ingest import stream

    with Lake.open(settings, read_only=True) as lake:
        rows = lake.table(standing.TABLE, where="alert_id = $1", params=[alert_id])
        event = standing.act(rows, alert_id, act, now=datetime.now(UTC))
    stream.publish(settings, [event])
    tell(f"alert {alert_id} is {act.state} once the change has landed")


def check_alerts(settings, *, send: bool) -> None:
    """Says what the file of duties leaves to be desired and, where asked to, how each sink took a test.

    Raises FloeError where anything is left to be desired or was not delivered.
    """
    from ingest.alerting import trying
    from ingest.alerting.duty import read_duty

    duty = read_duty(settings.alerts)
    if not settings.alerts:
        tell(trying.NOBODY)
        return
    faults = trying.faults(duty)
    for fault in faults:
        tell(fault)
    results = list(trying.trial(duty, now=datetime.now(UTC))) if send else []
    for name, failure in results:
        tell(f"not delivered: {failure}" if failure else f"{name} took a test delivery")
    failures = sum(failure is not None for _, failure in results)
    if faults or failures:
        raise FloeError(
            f"{counted(len(faults), 'thing')} to mend and {failures} of {len(results)} test deliveries not taken: see above"
        )
    if not send:
        tell(f"the file can be meant so; its sinks: {', '.join(sink.name for sink in duty.sinks)}; --send tries them")
