"""Core and mart brought up to date in this process, and a release made: what `floe materialize` does.

Here: the run, what is said of it, its failure as Floe's own. Not here: the job and when Dagster runs
it (automation.py), the assets.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import dagster as dg
from sqlalchemy.exc import OperationalError

from ingest.inspection import restated_since_release
from ingest.lake import Lake
from transforms import errors
from transforms.errors import DiskFull, FloeError
from transforms.restating.metric_versions import TABLE as METRIC_VERSIONS

from .assets.build import FULL
from .automation import materialize_job
from .cut import DATA_CUT, is_behind, waiting
from .dagster_home import prepare_dagster_home
from .engines import require_usable
from .releases import make_release
from .resources import lake_to_materialize

_FULL_BYTES = 2**20


def materialize_now(settings, *, full: bool, say: Callable[[str], None]) -> bool:
    """Runs the job in this process; False where nothing had landed since the last time. `full`
    computes all of it anew, whatever has changed.
    """
    if full:
        require_usable(settings)
    os.environ["DAGSTER_HOME"] = str(prepare_dagster_home(settings))
    with Lake.open(settings) as lake:
        if not full and not is_behind(lake) and not waiting(lake):
            say("core and mart are up to date with raw")
            return False
    from .definitions import defs  # every mart's libraries: not where there is nothing to do

    job = defs.resolve_job_def(materialize_job.name)
    try:
        with dg.DagsterInstance.get() as instance:
            result = job.execute_in_process(
                instance=instance, raise_on_error=False, tags={FULL: "true"} if full else None
            )
    except OperationalError as error:
        raise _without_records(settings, error) from error
    if not result.success:
        raise failure_of(result)
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
    with lake_to_materialize(settings, say=say) as lake:
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


def failure_of(result: dg.ExecuteInProcessResult) -> FloeError:
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
