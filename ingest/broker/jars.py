"""The jars of the local Kafka: downloaded once, checked against a committed list, kept in the
cache.

Here: the list, what is missing, the download. Not here: running anything (node.py).
"""

import errno
import hashlib
import logging
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from transforms.errors import DiskFull, FloeError, Missing

_LIST = Path(__file__).with_name("kafka_jars.txt")
_CONNECTIONS = 8


@dataclass(frozen=True)
class Jar:
    """One file of Maven Central, named by its coordinates."""

    group: str
    artifact: str
    version: str
    sha256: str

    @property
    def coordinate(self) -> str:
        return f"{self.group}:{self.artifact}:{self.version}"

    @property
    def file_name(self) -> str:
        return f"{self.artifact}-{self.version}.jar"


def listed() -> list[Jar]:
    """The committed list, in the order of the class path."""
    lines = (
        line.split() for line in _LIST.read_text().splitlines() if line and not line.startswith("#")
    )
    return [Jar(*coordinate.split(":"), sha256=sha256) for coordinate, sha256 in lines]


def version() -> str:
    """The release of Kafka that the list is of."""
    return next(jar.version for jar in listed() if jar.artifact == "kafka-clients")


def list_sha256() -> str:
    """Changes whenever the list does: part of the name of what is derived from the jars."""
    return hashlib.sha256(_LIST.read_bytes()).hexdigest()


def folder(cache: Path) -> Path:
    return cache / f"kafka-{version()}" / "jars"


def missing(cache: Path) -> list[Jar]:
    """The jars that are not in the cache with the content listed; all are read, 43 MB in some 0.1
    s.
    """
    there = folder(cache)
    return [jar for jar in listed() if _sha256(there / jar.file_name) != jar.sha256]


def ensure(cache: Path, *, progress: Callable[[str], None]) -> list[Path]:
    """Every jar, in the order of the list; what is missing is downloaded and checked before it
    takes its place.

    Raises Missing (no network, not found), FloeError (a file that is not what the list says),
    DiskFull.
    """
    wanted = missing(cache)
    if wanted:
        progress(
            f"downloading Kafka {version()} from Maven Central: {len(wanted)} of {len(listed())} jars (44 MB in all)"
        )
        _download(cache, wanted)
        progress(f"downloaded Kafka {version()}, every jar has its listed SHA-256")
    return [folder(cache) / jar.file_name for jar in listed()]


def _download(cache: Path, jars: list[Jar]) -> None:
    try:
        folder(cache).mkdir(parents=True, exist_ok=True)
        with (
            tempfile.TemporaryDirectory(dir=folder(cache).parent, prefix="download-") as scratch,
            ThreadPoolExecutor(_CONNECTIONS) as pool,
        ):
            for downloaded in [
                pool.submit(fetch, jar, scratch=Path(scratch), target=folder(cache)) for jar in jars
            ]:
                downloaded.result()
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise DiskFull(
                f"no space left in {cache} for Kafka's 44 MB of jars: free some, or set FLOE_CACHE"
            ) from error
        raise


def fetch(jar: Jar, *, scratch: Path, target: Path) -> None:
    """Downloads one jar into `scratch`, and moves it into `target` only if it is what the list
    says.
    """
    downloaded = _from_maven_central(jar, scratch)
    if (sha256 := _sha256(downloaded)) != jar.sha256:
        raise FloeError(
            f"{jar.coordinate} downloaded from Maven Central has SHA-256 {sha256}, expected {jar.sha256}: it was not "
            "kept; look for a proxy that alters downloads, then start again"
        )
    downloaded.replace(target / jar.file_name)


def _from_maven_central(jar: Jar, scratch: Path) -> Path:
    import requests  # both are slow to import, and needed once
    from jgo.maven import MavenContext

    logging.getLogger("jgo").setLevel(logging.ERROR)
    context = MavenContext(repo_cache=scratch, timeout=60)
    artifact = context.project(jar.group, jar.artifact).at_version(jar.version).artifact()
    try:
        return Path(artifact.resolve())
    except requests.RequestException as error:
        raise Missing(
            f"Maven Central could not be reached for {jar.coordinate} ({_root(error)}): check the network and the "
            f"proxy variables, or put the jar into {folder(scratch.parent.parent)} by hand"
        ) from error
    except RuntimeError as error:
        raise Missing(
            f"Maven Central has no {jar.coordinate}: check a mirror or proxy in between, then retry"
        ) from error


def _root(error: BaseException) -> str:
    while (inner := error.__cause__ or error.__context__) is not None:
        error = inner
    return str(error) or type(error).__name__


def _sha256(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        return None
