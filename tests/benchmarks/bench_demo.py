"""From the demo's start to the first filled page, with Kafka's parts to download and with nothing; then
from an event to its mart.

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
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from ingest.broker.process import free_port
from ingest.contract import encode, record_key
from ingest.lake import Lake
from ingest.settings import Settings
from ingest.stream import publish
from orchestration.followed_home import is_followed
from transforms.errors import FloeError

from .results import median, record, scale

_PATIENCE_S = 600
_SMALL = 0.05
_DEMO, _FEW = (6, 240, 270), (2, 12, 60)  # clinics, patients, days
_ANSWERS, _APART_S = 20, 7


def run() -> None:
    is_small = scale() < _SMALL
    clinics, patients, days = size = _FEW if is_small else _DEMO
    what = f"{clinics} clinics, {patients} patients, {days} days"
    filled = f"from floe up --demo, {what}, to rows in mart.cohort_outcomes"
    with tempfile.TemporaryDirectory() as folder:
        cache = str(Settings().cache_path if is_small else Path(folder) / "cache")
        if not is_small:
            with _demo(Path(folder) / "cold", cache, size) as (_, cold_s):
                record("demo_first_page_cold_s", cold_s, "s", f"{filled}; Kafka's parts downloaded")
        with _demo(Path(folder) / "warm", cache, size) as (settings, warm_s):
            record("demo_first_page_s", warm_s, "s", f"{filled}; nothing to download")
            taken = _from_event_to_mart_s(settings, 2 if is_small else _ANSWERS)
    follows = f"in floe up --demo, {what}: from an answer's sending to its row in mart.adqs; {len(taken)} answers"
    record("event_to_mart_p50_s", median(taken), "s", follows)
    record("event_to_mart_p95_s", sorted(taken)[int(0.95 * len(taken))], "s", follows)


@contextmanager
def _demo(home: Path, cache: str, size: tuple[int, int, int]) -> Iterator[tuple[Settings, float]]:
    """A demo that is up, and how many seconds it took to fill its first page."""
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
            _wait_until(lambda: _is_filled(settings), f"no filled page: see {home / 'logs'}")
            yield settings, time.monotonic() - begun
        finally:
            floe.send_signal(signal.SIGINT)
            floe.wait(60)


def _wait_until(is_so: Callable[[], bool], otherwise: str, *, every_s: float = 1) -> None:
    until = time.monotonic() + _PATIENCE_S
    while not is_so():
        if time.monotonic() > until:
            raise SystemExit(f"{otherwise} ({_PATIENCE_S} s)")
        time.sleep(every_s)


def _from_event_to_mart_s(settings: Settings, n: int) -> list[float]:
    """Seconds from sending an answer of a patient to its row, one after the other, some seconds apart."""
    _wait_until(lambda: is_followed(settings), "nothing follows the lake")
    with Lake.open(settings, read_only=True) as lake:
        patients = lake.sql(
            "SELECT USUBJID, min(SITEID) FROM mart.adqs GROUP BY 1 ORDER BY 1"
        ).rows()
    taken = []
    for number in range(n):
        (patient, clinic), at = patients[number % len(patients)], datetime.now(UTC)
        answer = {
            "response_id": f"bench-{number}",
            "patient_id": patient,
            "clinic_id": clinic,
            "instrument": "nrs_pain",
            "items": {"average_7d": 4},
            "answered_at": at.isoformat(),
        }
        topic = "floe.responses.v1"
        value = encode(topic, answer, id=f"bench-{number}", source="/bench", time=at)
        begun = time.monotonic()
        publish(settings, [(topic, record_key(topic, answer), value)])
        _wait_until(partial(_is_in_mart, settings, f"bench-{number}"), "no row", every_s=0.5)
        taken.append(time.monotonic() - begun)
        time.sleep(_APART_S)
    return taken


def _is_in_mart(settings: Settings, event_id: str) -> bool:
    with Lake.open(settings.of_one_thread, read_only=True) as lake:
        rows = lake.sql("SELECT 1 FROM mart.adqs WHERE EVENTID = ? LIMIT 1", [event_id])
    return rows.height > 0


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
