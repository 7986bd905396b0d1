"""From the demo's start to the first filled page: with Kafka's parts to download, and with nothing.

Here: `floe up --demo` as a newcomer runs it, in homes of its own. Not here: making the environment (`make env`).
A page counts as filled when the cohorts' table that it draws has rows and the server answers.
"""

import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from ingest.broker_process import free_port
from ingest.lake import Lake
from ingest.settings import Settings
from transforms.errors import FloeError

from .results import record

_PATIENCE_S = 600


def run() -> None:
    with tempfile.TemporaryDirectory() as folder:
        cache = str(Path(folder) / "cache")
        cold_s = _first_page_s(Path(folder) / "cold", cache)
        warm_s = _first_page_s(Path(folder) / "warm", cache)
    what = "from floe up --demo, 6 clinics, 240 patients, 270 days, to rows in mart.cohort_outcomes"
    record("demo_first_page_cold_s", cold_s, "s", f"{what}; Kafka's parts downloaded")
    record("demo_first_page_s", warm_s, "s", f"{what}; nothing to download")


def _first_page_s(home: Path, cache: str) -> float:
    ports = [free_port() for _ in range(3)]
    settings = Settings(home=home, cache=cache, broker_port=ports[0], dashboards_port=ports[1], dagster_port=ports[2])
    environment = os.environ | {
        "FLOE_HOME": str(home), "FLOE_CACHE": cache, "FLOE_BROKER_PORT": str(ports[0]),
        "FLOE_DASHBOARDS_PORT": str(ports[1]), "FLOE_DAGSTER_PORT": str(ports[2]),
    }  # fmt: skip
    begun = time.monotonic()
    command = [sys.executable, "-m", "orchestration.cli", "up", "--demo"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as floe:
        try:
            while not _is_filled(settings):
                if time.monotonic() - begun > _PATIENCE_S or floe.poll() is not None:
                    raise SystemExit(f"no filled page after {time.monotonic() - begun:.0f} s: see {home / 'logs'}")
                time.sleep(1)
            return time.monotonic() - begun
        finally:
            floe.send_signal(signal.SIGINT)
            floe.wait(60)


def _is_filled(settings: Settings) -> bool:
    try:
        with Lake.open(settings, read_only=True) as lake:
            has_rows = lake.sql("SELECT count(*) AS n FROM mart.cohort_outcomes")["n"][0] > 0
        with urllib.request.urlopen(f"http://127.0.0.1:{settings.dashboards_port}/", timeout=5) as answer:
            return has_rows and answer.status == 200
    except (FloeError, OSError):
        return False
