"""A home that can't be written: read as any other, and said to be so by what would write.

Here: a real read-only mount in a mount namespace of its own. Not here: a disk that is full
(test_lake.py).
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ingest.lake import Lake
from ingest.read_only_home import passing_copy
from ingest.settings import Settings

_MOUNTED = 'mount --bind "$1" "$2" && mount -o remount,ro,bind "$2" && shift 2 && exec "$@"'


def _in_namespace(home: Path, mount: Path, *command: str) -> subprocess.CompletedProcess:
    """Runs a command that sees `home` at `mount`, read-only; nobody else sees the mount."""
    mount.mkdir(exist_ok=True)
    words = ["unshare", "--mount", "sh", "-c", _MOUNTED, "sh", str(home), str(mount), *command]
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("FLOE_", "DAGSTER_"))
    }
    environment = kept | {"FLOE_HOME": str(mount), "FLOE_KAFKA_BOOTSTRAP": "127.0.0.1:1"}
    return subprocess.run(
        words, env=environment, capture_output=True, text=True, check=False, timeout=120
    )


@pytest.fixture(scope="module", autouse=True)
def _can_mount(tmp_path_factory):
    folder = tmp_path_factory.mktemp("try")
    if not shutil.which("unshare") or _in_namespace(folder, folder / "mount", "true").returncode:
        pytest.skip(
            "no file system can be mounted read-only here (needs unshare, and the right to mount)"
        )


@pytest.fixture
def home(tmp_path, with_lake) -> Path:
    home = with_lake(tmp_path / "home")
    with Lake.open(Settings(home=home, kafka_bootstrap="", catalog="", data="")) as lake:
        lake.write(
            lambda w: w.execute("INSERT INTO raw.ledger (kafka_topic, rows) VALUES ('t', 7)")
        )
        lake.write(
            lambda w: w.execute(
                "INSERT INTO raw.ledger (kafka_topic, rows) SELECT 't', 1 FROM range(50)"
            )
        )
    return home


def _without_logs(home: Path) -> Path:
    for ending in ("-wal", "-shm"):
        (home / "lake" / f"catalog.sqlite{ending}").unlink(missing_ok=True)
    return home


def _floe(home: Path, tmp_path: Path, *words: str) -> subprocess.CompletedProcess:
    return _in_namespace(
        home, tmp_path / "mount", sys.executable, "-m", "orchestration.cli", *words
    )


def test_it_is_read(home, tmp_path):
    """sql (rows of a file and of the catalog), status, verify and backup answer, with no log beside
    the catalog.
    """
    _without_logs(home)
    asked = _floe(home, tmp_path, "sql", "SELECT sum(rows) AS n FROM raw.ledger", "--format", "csv")
    assert (asked.returncode, asked.stdout.split()) == (0, ["n", "57"]), asked.stderr
    assert _floe(home, tmp_path, "status").returncode == 0
    verified = _floe(home, tmp_path, "verify")
    assert "no position landed twice" in verified.stdout, verified.stderr
    assert _floe(home, tmp_path, "backup", str(tmp_path / "copy")).returncode == 0
    assert not list((home / "lake").glob("catalog.sqlite-*"))


def test_it_is_read_beside_a_writer_elsewhere(home, tmp_path):
    """Where somebody writes the same home by another way (dashboards in a container with a
    read-only mount), what is read is as of now.
    """
    with Lake.open(Settings(home=home, kafka_bootstrap="", catalog="", data="")) as lake:
        lake.write(
            lambda w: w.execute("INSERT INTO raw.ledger (kafka_topic, rows) VALUES ('t', 100)")
        )
        asked = _floe(
            home, tmp_path, "sql", "SELECT sum(rows) AS n FROM raw.ledger", "--format", "csv"
        )
    assert (asked.returncode, asked.stdout.split()) == (0, ["n", "157"]), asked.stderr


@pytest.mark.parametrize("verb", ["ingest", "upkeep", "materialize", "up"])
def test_what_would_write_says_that_it_is_read_only(home, tmp_path, verb):
    """Exit code 3, one sentence that says what was found and what can be done."""
    done = _floe(home, tmp_path, verb)
    assert done.returncode == 3
    assert "read-only" in done.stderr
    assert "floe sql, status, verify" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_copy_of_the_catalog_is_not_read_on_when_the_catalog_changes(home, tmp_path):
    """The passing copy is exact until somebody writes; from then on nothing old is answered. It
    goes with its lake.
    """
    _without_logs(home)
    script = (
        "import os\nfrom ingest import read_only_home as r\nfrom pathlib import Path\n"
        f"copy = r.passing_copy(Path({str(tmp_path / 'mount')!r}) / 'lake' / 'catalog.sqlite')\n"
        f"assert copy.is_current() and oct(copy.path.parent.stat().st_mode)[-3:] == '700'\n"
        f"os.utime('{home}/lake/catalog.sqlite')\nassert not copy.is_current()\n"
        "copy.close()\nassert not copy.path.exists()\n"
    )
    done = _in_namespace(home, tmp_path / "mount", sys.executable, "-c", script)
    assert done.returncode == 0, done.stderr


def test_a_home_that_can_be_written_needs_no_copy(home):
    """Its catalog is read where it is."""
    assert passing_copy(_without_logs(home) / "lake" / "catalog.sqlite") is None
