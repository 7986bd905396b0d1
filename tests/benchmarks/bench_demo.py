"""From the demo's start to the first filled page: with Kafka's parts to download, and with nothing.

Here: `floe up --demo` as a newcomer runs it, in homes of its own. Not here: making the environment
(`make env`). A page counts as filled when the cohorts' table that it draws has rows and the server
answers. At a scale under 0.05 it is a few patients, and nothing is downloaded anew: that the
benchmark runs is then all that it shows.
"""

import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from ingest.broker.process import free_port
from ingest.lake import Lake
from ingest.settings import Settings
from transforms.errors import FloeError

from .results import record, scale

_PATIENCE_S = 600
_SMALL = 0.05
_DEMO, _FEW = (6, 240, 270), (2, 12, 60)  # clinics, patients, days


def run() -> None:
    is_small = scale() < _SMALL
    clinics, patients, days = _FEW if is_small else _DEMO
    what = f"from floe up --demo, {clinics} clinics, {patients} patients, {days} days, to rows in mart.cohort_outcomes"
    with tempfile.TemporaryDirectory() as folder:
        cache = str(Settings().cache_path if is_small else Path(folder) / "cache")
        if not is_small:
            cold_s = _first_page_s(Path(folder) / "cold", cache, _DEMO)
            record("demo_first_page_cold_s", cold_s, "s", f"{what}; Kafka's parts downloaded")
        warm_s = _first_page_s(Path(folder) / "warm", cache, _FEW if is_small else _DEMO)
    record("demo_first_page_s", warm_s, "s", f"{what}; nothing to download")


def _first_page_s(home: Path, cache: str, size: tuple[int, int, int]) -> float:
    ports = [free_port() for _ in range(3)]
    settings = Settings(
        home=home,
        cache=cache,
        broker_port=ports[0],
        dashboards_port=ports[1],
        dagster_port=ports[2],
    )
    environment = os.environ | {
        "FLOE_HOME": str(home),
        "FLOE_CACHE": cache,
        "FLOE_BROKER_PORT": str(ports[0]),
        "FLOE_DASHBOARDS_PORT": str(ports[1]),
        "FLOE_DAGSTER_PORT": str(ports[2]),
    }
    begun = time.monotonic()
    words = [
        w
        for pair in zip(("--clinics", "--patients", "--days"), map(str, size), strict=True)
        for w in pair
    ]
    command = [sys.executable, "-m", "orchestration.cli", "up", "--demo", *words]
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as floe:
        try:
            while not _is_filled(settings):
                if time.monotonic() - begun > _PATIENCE_S or floe.poll() is not None:
                    raise SystemExit(
                        f"no filled page after {time.monotonic() - begun:.0f} s: see {home / 'logs'}"
                    )
                time.sleep(1)
            return time.monotonic() - begun
        finally:
            floe.send_signal(signal.SIGINT)
            floe.wait(60)


def _is_filled(settings: Settings) -> bool:
    try:
        with Lake.open(settings, read_only=True) as lake:
            has_rows = lake.sql("SELECT count(*) AS n FROM mart.cohort_outcomes")["n"][0] > 0
        with urllib.request.urlopen(
            f"http://127.0.0.1:{settings.dashboards_port}/", timeout=5
        ) as answer:
            return has_rows and answer.status == 200
    except (FloeError, OSError):
        return False
