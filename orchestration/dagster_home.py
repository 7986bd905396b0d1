"""Dagster's own folder under FLOE_HOME: its settings and where they are written.

Here: dagster.yaml as Floe ships it. Not here: definitions.
"""

from pathlib import Path

# One run at a time: two materialisations of the same tables would only wait for each other.
_DAGSTER_YAML = """\
telemetry:
  enabled: false
nux:
  enabled: false
concurrency:
  runs:
    max_concurrent_runs: 1
run_monitoring:
  enabled: true
freshness:
  enabled: true
retention:
  sensor:
    purge_after_days: {skipped: 1, failure: 7, success: 7}
"""


def prepare_dagster_home(settings) -> Path:
    home = settings.home.absolute() / "dagster"
    home.mkdir(parents=True, exist_ok=True)
    file = home / "dagster.yaml"
    if not file.exists() or file.read_text() != _DAGSTER_YAML:
        file.write_text(_DAGSTER_YAML)
    return home
