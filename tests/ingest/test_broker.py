"""The local Kafka's life: started, found, stopped; what a crash leaves; what stands in its way. On
the real one.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from ingest import stream
from ingest.broker import jars as kafka_jars
from ingest.broker import java as broker_java
from ingest.broker import node as local_broker
from ingest.broker import process as broker_process
from ingest.broker import status
from ingest.settings import Settings
from transforms.errors import DiskFull, FloeError, Missing, PortInUse, UsageError

ROOT = Path(__file__).parents[2]
TOPIC = "floe.clinics.v1"


@pytest.fixture
def home(tmp_path, downloads):
    """Settings of a home of its own; whatever runs in it at the end is stopped."""
    settings = Settings(
        home=tmp_path / "home",
        cache=str(downloads),
        broker_port=broker_process.free_port(),
        kafka_bootstrap="",
    )
    yield settings
    local_broker.stop(settings)


def start_in_another_process(settings, *, detached, then=""):
    """A Python with nothing on its PATH that starts the broker, prints its process id, and does
    `then`.
    """
    code = (
        "import sys, time; from ingest.broker import node as broker; from ingest.settings import Settings\n"
        f"s = Settings(home={str(settings.home)!r}, cache={settings.cache!r}, broker_port={settings.broker_port})\n"
        f"print(broker.start(s, detached={detached}, progress=lambda t: print(t, file=sys.stderr)).pid, flush=True)\n"
        + then
    )
    environment = os.environ | {"PATH": "/nonexistent", "FLOE_KAFKA_BOOTSTRAP": ""}
    return subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True
    )


def processes_of(settings):
    """Every living process that names the home on its command line: Kafka, its keeper, its
    training.
    """
    return [
        process
        for process in psutil.process_iter(["cmdline"])
        if any(str(settings.home) in word for word in process.info["cmdline"] or ())
        and broker_process.is_alive(process)
        and process.pid != os.getpid()
    ]


def gone_within(settings, *, seconds):
    deadline = time.monotonic() + seconds
    while processes_of(settings) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not processes_of(settings)


def test_detached_broker_outlives_its_starter_keeps_its_data_and_stops_wholly(home):
    """With nothing on the PATH: it outlives its starter, a second start finds it, a restart keeps
    the events.
    """
    with start_in_another_process(home, detached=True) as starter:
        pid = int(starter.stdout.read())
    assert starter.returncode == 0
    found = status.status(home)
    assert (found.is_running, found.pid, found.port) == (True, pid, home.broker_port)
    assert (found.is_detached, found.is_orphan, found.is_stale) == (True, False, False)
    assert found.version == "4.4.0"
    assert local_broker.start(home).pid == pid

    stream.publish(home, [(TOPIC, b"k", b"v")] * 3)
    ends = stream.end_offsets(home)
    ids = stream.topic_ids(home)
    assert not local_broker.stop(home).is_running
    assert gone_within(home, seconds=5)
    assert local_broker.start(home, detached=False).pid != pid
    assert stream.end_offsets(home) == ends
    assert stream.topic_ids(home) == ids
    assert sum(ends.values()) == 3
    with pytest.raises(UsageError, match=f"runs on port {home.broker_port}"):
        local_broker.start(home.model_copy(update={"broker_port": broker_process.free_port()}))


def test_a_home_with_any_name(tmp_path, downloads):
    """A home whose name parts lists or needs escapes elsewhere has its broker, and every file of
    it, inside.
    """
    home = tmp_path / "hömé, a#[x]% b"
    port = broker_process.free_port()
    settings = Settings(home=home, cache=str(downloads), broker_port=port, kafka_bootstrap="")
    local_broker.start(settings, detached=False)
    try:
        stream.ensure_topics(settings)
        assert stream.publish(settings, [(TOPIC, b"k", b"v")]) == 1
        assert (home / "broker" / "data" / f"{TOPIC}-0").is_dir()
        assert (home / "broker" / "logs" / "server.log").stat().st_size > 0
    finally:
        local_broker.stop(settings)
    assert list(tmp_path.iterdir()) == [home]


def test_a_cache_with_a_colon_in_its_name(tmp_path, downloads):
    """Which Java would take for two: the jars are reached by a link, and no start-up cache is made
    for nothing.
    """
    cache = tmp_path / "a:b"
    cache.mkdir()
    for folder in downloads.glob("kafka-*"):
        (cache / folder.name).mkdir()
        (cache / folder.name / "jars").symlink_to(folder / "jars", target_is_directory=True)
    port = broker_process.free_port()
    settings = Settings(
        home=tmp_path / "c:d", cache=str(cache), broker_port=port, kafka_bootstrap=""
    )
    local_broker.start(settings, detached=False)
    try:
        stream.ensure_topics(settings)
        assert stream.publish(settings, [(TOPIC, b"k", b"v")]) == 1
        assert [path.name for path in cache.glob("*/*")] == ["jars"]
    finally:
        local_broker.stop(settings)


def test_tied_broker_dies_with_its_killed_parent_and_the_next_start_says_what_it_found(home):
    """kill -9 of the parent leaves no process; two starts at once then make one broker, one of them
    says why.
    """
    parent = start_in_another_process(home, detached=False, then="time.sleep(600)")
    pid = int(parent.stdout.readline())
    assert status.status(home).is_running
    assert not status.status(home).is_detached
    parent.kill()
    parent.communicate()
    assert gone_within(home, seconds=60)
    after = status.status(home)
    assert (after.is_running, after.is_stale) == (False, True)

    said = []
    with ThreadPoolExecutor(2) as pool:
        starts = [
            pool.submit(local_broker.start, home, detached=False, progress=said.append)
            for _ in range(2)
        ]
        pids = {start.result().pid for start in starts}
    assert len(pids) == 1
    assert pid not in pids
    assert sum("ended without being stopped" in sentence for sentence in said) == 1


@pytest.mark.skipif(
    sys.platform != "linux", reason="a killed keeper takes Kafka along on Linux only"
)
def test_tied_broker_dies_with_its_killed_keeper(home):
    """Not even the process that watches over the tie can be killed without ending the broker."""
    local_broker.start(home, detached=False)
    record = json.loads((home.home / "broker" / "broker.json").read_text())
    os.kill(record["keeper"]["pid"], signal.SIGKILL)
    assert gone_within(home, seconds=60)


def test_broker_that_no_record_names_is_found_and_replaced(home):
    """A crash that took the record, or whose owner is gone: the running Kafka is found by its
    command line.
    """
    first = local_broker.start(home).pid
    (home.home / "broker" / "broker.json").unlink()
    found = status.status(home)
    assert (found.is_running, found.is_orphan, found.pid) == (True, True, first)
    said = []
    second = local_broker.start(home, detached=False, progress=said.append).pid
    assert second != first
    assert f"pid {first}" in " ".join(said)


@pytest.mark.parametrize(
    "record",
    [
        {
            "port": 1,
            "broker": {"pid": os.getpid(), "created": 0.0},
        },  # the process id belongs to another by now
        {"port": 1, "broker": {"pid": 2**22 + 1, "created": 0.0}},  # no such process can be
        None,  # the file is damaged
    ],
)
def test_record_of_a_broker_that_is_gone_is_stale(home, record):
    """A process id that is gone, or used by another process, is not taken for the broker and never
    signalled.
    """
    folder = home.home / "broker"
    folder.mkdir(parents=True)
    (folder / "broker.json").write_text("{" if record is None else json.dumps(record))
    found = status.status(home)
    assert (found.is_running, found.is_stale, found.pid) == (False, True, None)
    local_broker.stop(home)
    assert status.status(home).is_stale is False


def test_port_in_use_names_who_has_it_and_the_remedy(home):
    """Exit code 3, before anything is downloaded or started."""
    with socket.create_server(("127.0.0.1", home.broker_port)), pytest.raises(PortInUse) as raised:
        local_broker.start(home)
    assert raised.value.exit_code == 3
    assert f"port {home.broker_port}" in str(raised.value)
    assert f"pid {os.getpid()}" in str(raised.value)
    assert "FLOE_BROKER_PORT" in str(raised.value)
    assert not status.status(home).is_running


def test_port_of_another_homes_broker_names_that_home(home, broker):
    """Two homes with one port: the message says whose broker is there."""
    with pytest.raises(PortInUse, match=f"the broker of {broker.home}"):
        local_broker.start(home.model_copy(update={"broker_port": broker.broker_port}))


def test_full_disk_is_said_before_anything_is_started(tmp_path, downloads):
    """DiskFull with the free space, on a real file system of 8 MB."""
    folder = tmp_path / "small"
    folder.mkdir()
    code = (
        "from ingest.broker import node as broker; from ingest.settings import Settings; from transforms.errors import DiskFull\n"
        f"try: broker.start(Settings(home={str(folder / 'home')!r}, cache={str(downloads)!r}, broker_port=1))\n"
        "except DiskFull as error: print(error)\n"
    ).replace("broker_port=1", f"broker_port={broker_process.free_port()}")
    script = f'mount -t tmpfs -o size=8m tmpfs "{folder}" && exec "$0" -c "$1"'
    command = [
        "unshare",
        "--user",
        "--map-root-user",
        "--mount",
        "sh",
        "-c",
        script,
        sys.executable,
        code,
    ]
    if (
        shutil.which("unshare") is None
        or subprocess.run([*command[:4], "true"], capture_output=True).returncode
    ):
        pytest.skip("this machine does not let a test mount a small file system")
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert "8 MiB are free" in done.stdout, done.stderr
    assert DiskFull.exit_code == 3


def test_training_ends_with_its_broker_and_leaves_no_half_written_cache(home, tmp_path):
    """A broker stopped right after its first start leaves neither a process nor a part of a
    cache.
    """
    jars = kafka_jars.folder(tmp_path / "cache")
    jars.mkdir(parents=True)
    kafka_jars.ensure(home.cache_path, progress=print)
    for jar in kafka_jars.folder(home.cache_path).iterdir():
        shutil.copy(jar, jars)
    settings = home.model_copy(update={"cache": str(tmp_path / "cache")})
    local_broker.start(settings, detached=False)
    record = json.loads((home.home / "broker" / "broker.json").read_text())
    trainer = psutil.Process(record["trainer"]["pid"])
    assert broker_process.is_alive(trainer)
    local_broker.stop(settings)
    assert not broker_process.is_alive(trainer)
    training = settings.model_copy(update={"home": jars.parent / "training"})
    assert gone_within(training, seconds=10)
    assert not broker_java.aot_cache(settings).exists()


def test_kafka_that_cannot_start_gives_its_reason_and_leaves_nothing(home):
    """Storage that Kafka refuses: its own reason is in the message, and no process is left."""
    data = home.home / "broker" / "data"
    data.mkdir(parents=True)
    (data / "meta.properties").write_text("version=1\ncluster.id=wrong\nnode.id=77\n")
    with pytest.raises(FloeError, match=r"Kafka ended while it started \(java.*77"):
        local_broker.start(home)
    assert gone_within(home, seconds=5)


def test_damaged_jar_is_missing_and_wrong_download_is_refused(tmp_path, downloads):
    """Each jar is compared with its listed SHA-256: in the cache at every start, and before it gets
    there.
    """
    jars = kafka_jars.listed()
    assert len(jars) == 46
    kafka_jars.ensure(downloads, progress=print)
    assert kafka_jars.missing(downloads) == []
    folder = kafka_jars.folder(tmp_path)
    folder.mkdir(parents=True)
    for jar in jars:
        (folder / jar.file_name).symlink_to(kafka_jars.folder(downloads) / jar.file_name)
    small = next(jar for jar in jars if jar.artifact == "jspecify")
    (folder / small.file_name).unlink()
    (folder / small.file_name).write_bytes(b"not a jar")
    assert kafka_jars.missing(tmp_path) == [small]

    wrong = kafka_jars.Jar(small.group, small.artifact, small.version, sha256="0" * 64)
    try:
        with pytest.raises(FloeError, match=f"has SHA-256 {small.sha256}, expected 000"):
            kafka_jars.fetch(wrong, scratch=tmp_path / "scratch", target=tmp_path)
    except Missing as error:
        pytest.skip(f"needs Maven Central: {error}")
    assert not (tmp_path / small.file_name).exists()


def test_a_cluster_id_is_never_read_as_an_option():
    """One random id in 64 would begin with '-', which Kafka's storage tool takes for an option."""
    ids = [broker_java.cluster_id() for _ in range(2000)]
    assert len(set(ids)) == 2000
    assert {len(i) for i in ids} == {22}
    assert not any(i.startswith("-") for i in ids)


def test_a_start_up_cache_that_java_can_not_use_never_prevents_a_start(tmp_path, downloads):
    """Kafka starts beside a damaged cache: what only makes a start quicker must not be needed for
    it.
    """
    cache = tmp_path / "cache"
    shutil.copytree(downloads, cache, ignore=shutil.ignore_patterns("*.aot"))
    settings = Settings(
        home=tmp_path / "home",
        cache=str(cache),
        broker_port=broker_process.free_port(),
        kafka_bootstrap="",
    )
    broker_java.aot_cache(settings).write_bytes(b"no cache")
    try:
        assert local_broker.start(settings, detached=False).is_running
    finally:
        local_broker.stop(settings)
