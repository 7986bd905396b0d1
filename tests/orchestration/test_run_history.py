"""Which of Dagster's records of runs are kept.

Here: on Dagster's own storage. Not here: what a run does.
"""

from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest

from orchestration.run_history import KEPT, KEPT_FAILED, forget_runs

SUCCESS, FAILURE, STARTED = (
    dg.DagsterRunStatus.SUCCESS,
    dg.DagsterRunStatus.FAILURE,
    dg.DagsterRunStatus.STARTED,
)


@dg.job
def nothing_job():
    pass


@pytest.mark.parametrize(
    ("statuses", "later", "kept"),
    [
        ([SUCCESS, SUCCESS, FAILURE], timedelta(0), 3),
        ([SUCCESS, SUCCESS, FAILURE], KEPT + timedelta(minutes=1), 1),
        ([SUCCESS, FAILURE, SUCCESS], KEPT + timedelta(minutes=1), 2),  # the newest stays
        ([FAILURE, SUCCESS, SUCCESS], KEPT_FAILED + timedelta(minutes=1), 1),
        ([STARTED, SUCCESS], KEPT_FAILED + timedelta(minutes=1), 2),  # at work, and the newest
    ],
)
def test_old_runs_go_and_the_newest_stays(statuses, later, kept):
    """Those that ended well after a day, those that failed after thirty; none that is at work."""
    with dg.DagsterInstance.ephemeral() as instance:
        for status in statuses:
            instance.create_run_for_job(nothing_job, status=status)
        gone = forget_runs(instance, now=datetime.now(UTC) + later)
        assert instance.get_runs_count() == kept
        assert gone == len(statuses) - kept
