"""Dagster's entry: every asset, the job that brings them up to date, and what starts it.

Here: one `Definitions`. Not here: the assets (assets/), the triggers (automation.py), plain objects
(resources.py).
"""

import dagster as dg

from ingest.secrecy import hide_everywhere

from .assets import app_assets, core_assets, mart_assets, raw_assets
from .automation import (
    comparison_job,
    hourly_upkeep,
    materialize_job,
    nightly_comparison,
    on_new_data,
    reconcile,
    upkeep_job,
)
from .resources import lake_resource, run_resource

hide_everywhere()  # this module is all of Floe that Dagster's own processes start with

defs = dg.Definitions(
    assets=[*raw_assets(), *core_assets(), *mart_assets(), *app_assets()],
    jobs=[materialize_job, upkeep_job, comparison_job],
    sensors=[on_new_data],
    schedules=[reconcile, hourly_upkeep, nightly_comparison],
    resources={"lake": lake_resource, "run": run_resource},
)
