"""When the marts are brought up to date: on new data, and by the hour whatever happened; when the
lake is tidied, and when what is kept is held against a full computation.

Here: the jobs, the sensor, the schedules. Not here: the assets, a job run in this process
(materializing.py). `eager` conditions lose triggers under a fast stream (dagster issue 33587), so a
sensor asks the lake itself.
"""

from datetime import UTC, datetime, timedelta

import dagster as dg

from ingest.lake import Lake
from ingest.settings import Settings
from transforms.errors import CatalogMissing

from .assets.build import WITHOUT_MODELS
from .cut import DATA_CUT
from .followed_home import is_followed
from .resources import lake_to_tidy
from .run_history import fail_killed, forget_runs, has_failed

_COMPUTED = dg.AssetSelection.groups("core", "mart", "app")
_SENSOR_S = 15

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
    """One run where records have landed since the last; none while one is at work, or while
    `floe follow` makes them.
    """
    settings = Settings()
    if is_followed(settings):
        return dg.SkipReason("floe follow keeps core and mart up to date")
    failed = has_failed(context.instance, materialize_job.name)  # not the one that was killed
    fail_killed(context.instance)
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
    from .due import due  # every mart's libraries

    try:
        with Lake.open(settings, read_only=True) as lake:
            is_due = due(lake, settings, now=datetime.now(UTC), after_failure=failed)
    except CatalogMissing as error:
        return dg.SkipReason(str(error))
    if is_due is None:
        return dg.SkipReason("core and mart are up to date with raw")
    return dg.RunRequest(tags={} if is_due.with_models else {WITHOUT_MODELS: "true"})


@dg.schedule(
    job=materialize_job, cron_schedule="7 * * * *", default_status=dg.DefaultScheduleStatus.RUNNING
)
def reconcile(context: dg.ScheduleEvaluationContext):
    """Every hour, whatever the sensor saw: nothing stays behind."""
    return dg.RunRequest(run_key=context.scheduled_execution_time.isoformat())


@dg.op
def upkeep(context: dg.OpExecutionContext):
    """The lake's upkeep, in steps: who writes has its turn between them."""
    with lake_to_tidy(Settings(), say=context.log.warning) as lake:
        context.log.info(f"{tidy(lake, may_be_long=is_quiet(Settings()))}")
    forgotten = forget_runs(context.instance, now=datetime.now(UTC))
    context.log.info(f"records of {forgotten} runs deleted")


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


@dg.op(required_resource_keys={"lake"})
def comparison(context: dg.OpExecutionContext):
    """Never beside a materialisation, as upkeep; what differs is told by its alert."""
    from .comparing import compare, sentences  # every mart's libraries

    lake = context.resources.lake
    if lake.table(DATA_CUT.full_name).is_empty():
        context.log.info("nothing was computed yet")
        return
    for sentence in sentences(compare(lake)):
        context.log.info(sentence)


@dg.job(
    description="Holds core and mart, as they are kept, against a full computation.",
    executor_def=dg.in_process_executor,
)
def comparison_job():
    comparison()


@dg.schedule(
    job=comparison_job, cron_schedule="17 2 * * *", default_status=dg.DefaultScheduleStatus.RUNNING
)
def nightly_comparison(context: dg.ScheduleEvaluationContext):
    """Every night: it computes all, and a run waits for it."""
    return dg.RunRequest(run_key=context.scheduled_execution_time.isoformat())


def tidy(
    lake: Lake, *, keep: timedelta = timedelta(days=7), may_be_long: bool = True
) -> dict[str, int]:
    """Upkeep that keeps every snapshot from which a table or the last release is followed, and those
    that any release names; before the first run no snapshot expires. Counts of what was done.
    """
    is_computed = not lake.table(DATA_CUT.full_name).is_empty()
    return lake.upkeep(
        expire_before=lake.snapshot() if is_computed else None, keep=keep, may_be_long=may_be_long
    )


def is_quiet(settings, *, now: datetime | None = None) -> bool:
    """Whether steps that keep writers waiting for longer may be taken (FLOE_UPKEEP_QUIET_HOURS)."""
    first, after = (int(hour) for hour in settings.upkeep_quiet_hours.split("-"))
    hour = (now or datetime.now(UTC)).hour
    return first <= hour < after if first <= after else hour >= first or hour < after
