"""Dagster's records of runs, of which only the newest are kept.

Here: which runs go. Not here: Dagster's ticks (dagster_home.py), Floe's own account of what changed
(app.cursors, mart.restatements).

A stream makes some thousand runs a day, and Dagster keeps a file for each.
"""

from datetime import UTC, datetime, timedelta

import dagster as dg

_AT_ONCE = 200
KEPT, KEPT_FAILED = timedelta(days=1), timedelta(days=30)


def forget_runs(instance: dg.DagsterInstance, *, now: datetime) -> int:
    """Deletes the records of finished runs that are older than a day, of failed ones than thirty; the
    newest stays. Tables and their lineage keep nothing of it. Gives how many went.
    """
    newest = {run.run_id for run in instance.get_runs(limit=1)}
    old = [
        *_older(instance, _ENDED, now - KEPT),
        *_older(instance, [dg.DagsterRunStatus.FAILURE], now - KEPT_FAILED),
    ]
    gone = [run_id for run_id in old if run_id not in newest]
    for run_id in gone:
        instance.delete_run(run_id)
    return len(gone)


_ENDED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.CANCELED]


def _older(
    instance: dg.DagsterInstance, statuses: list[dg.DagsterRunStatus], before: datetime
) -> list[str]:
    """The oldest of them."""
    which = dg.RunsFilter(statuses=statuses, updated_before=before.astimezone(UTC))
    records = instance.get_run_records(which, limit=_AT_ONCE, ascending=True)
    return [record.dagster_run.run_id for record in records]
