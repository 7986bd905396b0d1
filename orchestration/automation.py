"""When the marts are brought up to date: on new data, and by the hour whatever happened; and when
the lake is tidied.

Here: the jobs, the sensor, the schedules, and the same job run in this process. Not here: the
assets. `eager` conditions lose triggers under a fast stream (dagster issue 33587), so a sensor asks
the lake itself.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import dagster as dg
from sqlalchemy.exc import OperationalError

from ingest.inspection import last_release, released_snapshots, restated_since_release
from ingest.lake import Lake
from ingest.settings import Settings
from transforms import errors
from transforms.errors import CatalogMissing, DiskFull, FloeError
from transforms.restating.metric_versions import TABLE as METRIC_VERSIONS

from .assets.build import FULL
from .cut import DATA_CUT, is_behind
from .dagster_home import prepare_dagster_home
from .following import CURSORS
from .releases import make_release
from .resources import lake_to_materialize

_COMPUTED = dg.AssetSelection.groups("core", "mart", "app")
_SENSOR_S = 15
_FULL_BYTES = 2**20

materialize_job = dg.define_asset_job(
    "materialize",
    selection=_COMPUTED,
    description="Brings core and mart up to date with raw; a release where one is due.",
    executor_def=dg.in_process_executor,
    config={
        "loggers": {"console": {"config": {"log_level": "WARNING"}}}
    },  # a table has 11 lines of DEBUG
)


@dg.sensor(
    job=materialize_job,
    minimum_interval_seconds=_SENSOR_S,
    default_status=dg.DefaultSensorStatus.RUNNING,
)
def on_new_data(context: dg.SensorEvaluationContext):
    """One run where records have landed since the last; none while one is at work."""
    at_work = dg.RunsFilter(
        job_name=materialize_job.name,
        statuses=[
            dg.DagsterRunStatus.QUEUED,
            dg.DagsterRunStatus.STARTING,
            dg.DagsterRunStatus.STARTED,
        ],
    )
    if context.instance.get_runs_count(at_work):
        return dg.SkipReason("a run is at work")
    try:
        with Lake.open(Settings(), read_only=True) as lake:
            if not is_behind(lake):
                return dg.SkipReason("core and mart are up to date with raw")
    except CatalogMissing as error:
        return dg.SkipReason(str(error))
    return dg.RunRequest()


@dg.schedule(
    job=materialize_job, cron_schedule="7 * * * *", default_status=dg.DefaultScheduleStatus.RUNNING
)
def reconcile(context: dg.ScheduleEvaluationContext):
    """Every hour, whatever the sensor saw: nothing stays behind."""
    return dg.RunRequest(run_key=context.scheduled_execution_time.isoformat())


@dg.op(required_resource_keys={"lake"})
def upkeep(context: dg.OpExecutionContext):
    """The lake's upkeep: never beside a materialisation, which holds the same resource."""
    context.log.info(f"{tidy(context.resources.lake)}")


@dg.job(
    description="Merges small files, flushes inlined rows, expires old snapshots.",
    executor_def=dg.in_process_executor,
)
def upkeep_job():
    upkeep()


@dg.schedule(
    job=upkeep_job, cron_schedule="37 * * * *", default_status=dg.DefaultScheduleStatus.RUNNING
)
def hourly_upkeep(context: dg.ScheduleEvaluationContext):
    """Every hour: a trickle of events makes two commits a second, and each leaves something to
    tidy.
    """
    return dg.RunRequest(run_key=context.scheduled_execution_time.isoformat())


def tidy(lake: Lake, *, keep: timedelta = timedelta(days=7)) -> dict[str, int]:
    """Upkeep that keeps every snapshot from which a table or the last release is followed, and those
    that any release names; counts of what was done.
    """
    cut, release = lake.table(DATA_CUT.full_name), last_release(lake)
    if cut.is_empty():
        return lake.upkeep()
    followed = [cut["lake_snapshot"][0], *([release["lake_snapshot"]] if release else [])]
    cursors = lake.rows(f"SELECT min(least(raw_snapshot, read_at)) FROM {CURSORS.full_name}")
    followed += [at for (at,) in cursors if at is not None]
    return lake.upkeep(expire_before=min(followed), keep=keep, named=released_snapshots(lake))


def materialize_now(settings, *, full: bool, say: Callable[[str], None]) -> bool:
    """Runs the job in this process; False where nothing had landed since the last time. `full`
    computes all of it anew, whatever has changed.
    """
    os.environ["DAGSTER_HOME"] = str(prepare_dagster_home(settings))
    with Lake.open(settings) as lake:
        if not full and not is_behind(lake):
            say("core and mart are up to date with raw")
            return False
    from .definitions import defs

    job = defs.resolve_job_def(materialize_job.name)
    try:
        with dg.DagsterInstance.get() as instance:
            result = job.execute_in_process(
                instance=instance, raise_on_error=False, tags={FULL: "true"} if full else None
            )
    except OperationalError as error:
        raise _without_records(settings, error) from error
    if not result.success:
        raise _failure(result)
    say(f"materialised {len(result.get_asset_materialization_events())} tables")
    with Lake.open(settings, read_only=True) as lake:
        for sentence in (*_new_versions(lake), *_restated(lake)):
            say(sentence)
    return True


def _new_versions(lake: Lake) -> Iterator[str]:
    """Which figures the last run computed under another rule than the run before."""
    rows = lake.sql(
        f"""SELECT metric_id, previous_version, version FROM {METRIC_VERSIONS.full_name}
            WHERE previous_version IS NOT NULL AND restated_at = (SELECT started_at FROM {DATA_CUT.full_name})
            ORDER BY metric_id"""
    )
    if rows.height:
        changes = ", ".join(
            f"{metric} ({before} to {now})" for metric, before, now in rows.iter_rows()
        )
        yield f"computed anew under another version of its rule (mart.metric_versions, docs/changelog.md): {changes}"


def _restated(lake: Lake) -> Iterator[str]:
    """What the last run restated of the figures that a release has shown."""
    started_at = lake.table(DATA_CUT.full_name)["started_at"][0]
    since = restated_since_release(lake)
    if since and since["last_at"] == started_at:
        yield f"figures that release {since['release_id']} has shown are others now: {since['figures']:,} (mart.restatements)"


def release_now(settings, *, say: Callable[[str], None]) -> None:
    """A release of the marts as they stand, due or not."""
    with lake_to_materialize(settings) as lake:
        sentence = make_release(lake, options=settings.options, now=datetime.now(UTC))
        say(sentence)


def _without_records(settings, error: OperationalError) -> FloeError:
    """Dagster could not keep its own records, most often because the disk is full."""
    if shutil.disk_usage(settings.home).free < _FULL_BYTES:
        return DiskFull(
            f"no space is left under {settings.home}: free some and start again; what was computed stands"
        )
    return FloeError(
        f"Dagster can't keep its records ({error.orig}): look into {settings.home / 'dagster'}, or move it away"
    )


def _failure(result: dg.ExecuteInProcessResult) -> FloeError:
    """The first step's failure in a sentence, of the same kind (so with the same exit code) where
    it is Floe's own.
    """
    first = result.get_step_failure_events()[0]
    cause = first.step_failure_data.error.cause or first.step_failure_data.error
    kind = getattr(errors, cause.cls_name, FloeError) if cause.cls_name else FloeError
    return kind(
        f"computing {first.step_key.replace('__', '.')} failed ({cause.message.strip()}): what was computed before it "
        "stands, the next run computes the rest; Dagster's page and DAGSTER_HOME keep the whole story"
    )
