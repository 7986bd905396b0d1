"""Dagster's records of runs: those of a process that was killed, and which are kept.

Here: what is said of the killed, which runs go. Not here: Dagster's ticks (dagster_home.py), Floe's own account of what changed
(app.cursors, mart.restatements).

A stream makes some thousand runs a day, and Dagster keeps a file for each.
"""

from datetime import UTC, datetime, timedelta

import dagster as dg

FOLLOWING = {"floe/made_by": "floe follow"}  # the tag of runs that no process of Dagster's watches
_AT_ONCE = 200
KEPT, KEPT_FAILED = timedelta(days=1), timedelta(days=30)


def has_failed(instance: dg.DagsterInstance, job_name: str) -> bool:
    """Whether the last run of the job did."""
    last = instance.get_runs(dg.RunsFilter(job_name=job_name), limit=1)
    return bool(last) and last[0].status == dg.DagsterRunStatus.FAILURE


def fail_killed(instance: dg.DagsterInstance) -> None:
    """Runs of `floe follow` that are at work by their records, where there is no such process: they
    would hold up all others for ever.
    """
    at_work = dg.RunsFilter(tags=FOLLOWING, statuses=[dg.DagsterRunStatus.STARTED])
    for run in instance.get_runs(at_work):
        instance.report_run_failed(run, "the process that made this run was killed")


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
