"""Verbs that copy the lake: backup, restore.

Here: their options, and what they say. Not here: the steps (ingest/backup.py, ingest/restore.py).
"""

from pathlib import Path

import typer

from transforms.counting import counted

from ..telling import tell
from .shared import say, site_settings

app = typer.Typer()


@app.command()
def backup(folder: Path) -> None:
    """Copies the lake to a new folder while all runs: what it holds at one moment, every file with
    its checksum.

    Whoever can read the folder can read the lake: the files' keys are in it. One that was stopped
    goes on with the same folder; until it is whole it is no backup.
    """
    from ingest.backup import backup as copy_lake

    manifest = copy_lake(site_settings(), folder, say=say)
    tell(
        f"{folder} holds the lake as of snapshot {manifest.snapshot}: {counted(len(manifest.files), 'file')}, "
        f"{manifest.size_bytes:,} bytes, each on the disk and listed with its SHA-256"
    )
    tell(
        "not in it: settings and secrets (environment variables), what is in Kafka, Dagster's records, logs"
    )
    tell("the files' keys are in it: keep it as the lake itself, on another disk")


@app.command()
def restore(folder: Path) -> None:
    """Makes FLOE_HOME, which must not have a lake, a home with the lake of a backup."""
    from ingest.restore import restore as fill_home

    settings = site_settings()
    manifest = fill_home(settings, folder, say=say)
    tell(
        f"{settings.home} holds the lake of {manifest.made_at}, snapshot {manifest.snapshot}: "
        f"{counted(len(manifest.files), 'file')}, each as the manifest lists it"
    )
    if manifest.settings:
        tell(f"set where the backup was made, and not in it: {', '.join(manifest.settings)}")
    tell(
        "next: floe ingest lands what came to Kafka since, from the stored offsets on (as far as Kafka still has it); "
        "floe verify proves it; floe materialize computes"
    )
