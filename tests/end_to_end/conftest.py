"""Whole systems for these tests: simulated clinics, and real people's data.

Here: filling them, once a session. Not here: what must come out (the tests), starting a system
(tests/whole_systems.py).
"""

from pathlib import Path

import polars as pl
import pytest

from ingest import worker
from tests.whole_systems import ROOT, System, clinics, sent, system

__all__ = ["clinics", "sent", "system"]

SHARED_DATA = ROOT.parent / "shared" / "data"
ZONE = "America/New_York"  # of the wearers' clocks, as far as anyone knows


@pytest.fixture(scope="session")
def shared_data():
    """The path of a file of real data beside the project; skips where it is not there."""

    def path(name: str) -> Path:
        if not (SHARED_DATA / name).exists():
            pytest.skip(f"../shared/data/{name} is not there")
        return SHARED_DATA / name

    return path


@pytest.fixture(scope="session")
def real(system, shared_data, tmp_path_factory) -> System:
    """The trial and the exports of wearables, by `floe replay` and `floe import`, through Kafka
    into one lake.

    `sent`: what each verb said; `people`: the export's number of a person -> the patient.
    """
    trial, steps = shared_data("acupuncture.ndjson"), shared_data("fitbit_minute_steps.parquet")
    daily = shared_data("fitbit_daily_activity.csv")
    heart = shared_data("fitbit_heartrate_one_user.csv")
    numbers = pl.read_parquet(steps)["Id"].unique().sort().to_list()
    with system("real").running() as made:
        made.people = {number: f"wearer-{k:02d}" for k, number in enumerate(numbers)}
        people = tmp_path_factory.mktemp("people") / "people.csv"
        people.write_text("id,patient\n" + "".join(f"{n},{p}\n" for n, p in made.people.items()))
        options = ("--patients", str(people), "--timezone", ZONE, "--clinic", "C-fitbit")
        made.sent = {
            "trial": made.said("replay", str(trial)),
            "wearables": made.said(
                "import", "fitbit", str(steps), str(daily), str(heart), *options
            ),
        }
        made.report = worker.run(made.settings, drain=True)
        made.compute("arm_comparisons")
    return made
